import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.dna import reverse_complement
from dnabert_cli.records import Site, Transcript
from dnabert_cli.sequence.sites import is_canonical, junctions, start_sites, window_of

EXONS = ((10, 20), (60, 90), (120, 130))  # introns of 40 and 30 bases


def transcript(exons=EXONS, strand="+", name="t", chrom="c", coding=()):
    return Transcript(name, "g", chrom, strand, exons, coding)


def places(sites):
    return [(site.position, site.kind) for site in sites]


def test_start_is_the_first_base_on_the_strand():
    assert start_sites([transcript()]) == [Site("c", 10, "+", "tss", "t")]
    assert start_sites([transcript(strand="-")]) == [Site("c", 129, "-", "tss", "t")]


def test_shared_start_comes_once_with_the_first_name():
    found = start_sites([transcript(), transcript(EXONS[:1], name="u"), transcript(strand="-")])
    assert [(site.strand, site.name) for site in found] == [("+", "t"), ("-", "t")]


def test_transcripts_without_exons_have_no_start():
    assert start_sites([transcript((), coding=EXONS)]) == []


@pytest.mark.parametrize("strand", [".", "?"])
def test_transcripts_without_strand_have_no_sites(strand):
    assert start_sites([transcript(strand=strand)]) == []
    assert junctions([transcript(strand=strand)], "exon") == []


def test_junctions_of_the_forward_strand():
    assert junctions([transcript()], "exon") == [
        Site("c", 20, "+", "donor", "t"),
        Site("c", 60, "+", "acceptor", "t"),
        Site("c", 90, "+", "donor", "t"),
        Site("c", 120, "+", "acceptor", "t"),
    ]


def test_junctions_of_the_reverse_strand():
    assert junctions([transcript(strand="-")], "exon") == [
        Site("c", 19, "-", "acceptor", "t"),
        Site("c", 59, "-", "donor", "t"),
        Site("c", 89, "-", "acceptor", "t"),
        Site("c", 119, "-", "donor", "t"),
    ]


def test_coding_parts_have_their_own_junctions():
    one = transcript(coding=((15, 20), (60, 65)))
    assert places(junctions([one], "cds")) == [(20, "donor"), (60, "acceptor")]
    assert junctions([transcript()], "cds") == []


def test_short_introns_are_left_out():
    assert places(junctions([transcript()], "exon", min_intron=31)) == [
        (20, "donor"),
        (60, "acceptor"),
    ]
    assert junctions([transcript(((0, 10), (39, 50)))], "exon") == []


def test_no_junction_lies_between_two_transcripts():
    assert junctions([transcript(EXONS[:1]), transcript(EXONS[1:2])], "exon") == []


def test_shared_junctions_come_once_with_the_first_name():
    found = junctions([transcript(), transcript(EXONS[1:], name="u")], "exon")
    assert [site.name for site in found] == ["t"] * 4


def test_sites_are_ordered_by_sequence_of_first_appearance_then_position():
    far = transcript(((500, 510), (600, 610)), chrom="z")
    later = transcript(((700, 710), (900, 910)), chrom="a")
    near = transcript(((10, 20), (550, 560)), "-", chrom="z")
    found = junctions([far, later, near], "exon")
    assert [(site.chrom, site.position) for site in found] == [
        ("z", 19), ("z", 510), ("z", 549), ("z", 600), ("a", 710), ("a", 900),
    ]  # fmt: skip
    assert [site.position for site in start_sites([far, later, near])] == [500, 559, 700]


def test_sites_of_one_position_are_ordered_by_strand_and_kind():
    forward = transcript(((0, 20), (60, 70)))
    reverse = transcript(((0, 21), (61, 70)), "-")
    behind = transcript(((10, 11), (61, 62), (99, 100)), "-")
    found = junctions([behind, reverse, forward], "exon")
    assert [(s.position, s.strand, s.kind) for s in found if s.position in {20, 60}] == [
        (20, "+", "donor"),
        (20, "-", "acceptor"),
        (60, "+", "acceptor"),
        (60, "-", "donor"),
    ]


@pytest.mark.parametrize(
    ("sequence", "anchor", "kind", "expected"),
    [
        ("AAGTAA", 2, "donor", True),
        ("aaguaa", 2, "donor", True),
        ("AAGCAA", 2, "donor", False),
        ("AAGTAA", 1, "donor", False),
        ("AAG", 2, "donor", False),
        ("CCAGTT", 4, "acceptor", True),
        ("ccagtt", 4, "acceptor", True),
        ("CCAGTT", 3, "acceptor", False),
        ("CCACTT", 4, "acceptor", False),
        ("AGTTAG", 0, "acceptor", False),
        ("GTTTAG", 1, "acceptor", False),
        ("CCNGTT", 4, "acceptor", False),
    ],
)
def test_usual_bases_of_a_splice_site_are_recognised(sequence, anchor, kind, expected):
    assert is_canonical(sequence, anchor, kind) is expected


def test_gc_donor_is_a_matter_of_choice():
    assert is_canonical("AAGCAA", 2, "donor", allow_gc=True)
    assert not is_canonical("AACTAA", 2, "donor", allow_gc=True)
    assert not is_canonical("CCGCTT", 4, "acceptor", allow_gc=True)


def test_window_lies_with_its_anchor_on_the_site():
    assert window_of(Site("c", 100, "+", "tss"), 30, 10) == (90, 120)
    assert window_of(Site("c", 100, "-", "tss"), 30, 10) == (81, 111)


def test_window_may_begin_before_the_sequence():
    assert window_of(Site("c", 3, "+", "tss"), 30, 10) == (-7, 23)


def cut(genome, site, window, anchor):
    """The window of a site, read on its strand, with N outside the sequence."""
    start, end = window_of(site, window, anchor)
    letters = "".join(
        genome[base] if 0 <= base < len(genome) else "N" for base in range(start, end)
    )
    return letters if site.strand == "+" else reverse_complement(letters)


def test_spliced_gene_shows_its_bases_on_either_strand():
    """Exons in capitals: the window of each site begins and ends where it is defined to."""
    genome = "tttACCTgt" + "c" * 30 + "agGGATttt"
    exons = ((3, 7), (41, 45))
    windows = ["ACCTgtcc", "ccagGGAT"]
    assert [cut(genome, s, 8, 4) for s in junctions([transcript(exons)], "exon")] == windows
    turned = reverse_complement(genome)
    mirrored = tuple((len(genome) - end, len(genome) - start) for start, end in reversed(exons))
    found = junctions([transcript(mirrored, "-")], "exon")
    assert [cut(turned, s, 8, 4) for s in reversed(found)] == windows


@st.composite
def annotations(draw):
    """A genome of 400 bases and transcripts on it."""
    letters = np.random.default_rng(draw(st.integers(0, 99))).choice(list("ACGTacgt"), 400)
    transcripts = []
    for _ in range(draw(st.integers(1, 5))):
        bounds = draw(st.lists(st.integers(0, 400), min_size=2, max_size=8, unique=True))
        bounds = sorted(bounds)[: len(bounds) // 2 * 2]
        ranges = tuple(zip(bounds[::2], bounds[1::2], strict=True))
        transcripts.append(transcript(ranges, draw(st.sampled_from("+-.")), coding=ranges[1:]))
    return "".join(letters), transcripts


@given(annotations(), st.integers(1, 50), st.data())
def test_turning_genome_and_annotation_keeps_every_window(annotation, window, data):
    genome, transcripts = annotation
    anchor = data.draw(st.integers(0, window - 1))
    turned = reverse_complement(genome)

    def mirror(ranges):
        return tuple((len(genome) - end, len(genome) - start) for start, end in ranges[::-1])

    swap = {"+": "-", "-": "+", ".": "."}
    mirrored = [
        transcript(mirror(one.exons), swap[one.strand], coding=mirror(one.coding))
        for one in transcripts
    ]
    finders = (start_sites, lambda t: junctions(t, "exon"), lambda t: junctions(t, "cds", 5))
    for find in finders:
        here = sorted((s.kind, cut(genome, s, window, anchor)) for s in find(transcripts))
        there = sorted((s.kind, cut(turned, s, window, anchor)) for s in find(mirrored))
        assert here == there
