"""Negatives: each kind keeps what it promises."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from dnabert_cli.dataset_config import DatasetConfig
from dnabert_cli.errors import DataError
from dnabert_cli.records import Example, Interval
from dnabert_cli.sequence.background import composition
from dnabert_cli.sequence.tata import find_tata
from dnabert_cli.tasks.dropped import Dropped
from dnabert_cli.tasks.genome import Genome
from dnabert_cli.tasks.negatives import Field, make_negatives
from dnabert_cli.tasks.positives import Row, read_positives
from tests.dataset_toys import (
    letters,
    planted,
    read_on,
    site_bed,
    toy_records,
    transcript,
    write_fasta,
    write_rows,
)

RECORDS = toy_records()


def ground_of(genome, config, places=(), *, genes=(), avoided=None, within=None):
    stretches = genome.known_stretches(config.shape[0] or 1, within)
    return Field(genome, stretches, list(places), avoided or {}, list(genes))


@pytest.fixture
def make(tmp_path):
    """Make negatives of the toy sites; return positives, negatives and what was left out."""

    def call(kind="promoters", rows=None, records=RECORDS, **options):
        extra = {name: options.pop(name) for name in ("avoided", "within") if name in options}
        config = DatasetConfig(kind=kind, **options)
        genome = Genome(write_fasta(tmp_path / "g.fa", records), 0.0)
        dropped = Dropped()
        name = "a.gtf" if kind == "splice" else "a.bed"
        source = write_rows(tmp_path / name, site_bed(8) if rows is None else rows)
        found = read_positives(source, config, genome, dropped)
        dropped = Dropped()
        ground = ground_of(genome, config, found.places, genes=found.genes, **extra)
        return found.rows, make_negatives(found.rows, config, ground, dropped), dropped.to_json()

    return call


def place_of(row):
    return row.example.chrom, row.example.start, row.example.end


def gap(one, other):
    """Bases between two places, negative where they overlap; a chromosome apart is far."""
    if one[0] != other[0]:
        return 1 << 40
    return max(one[1], other[1]) - min(one[2], other[2])


@pytest.mark.parametrize("distance", [0, 300, 1_000])
def test_genomic_negatives_keep_their_distance_and_do_not_overlap(make, distance):
    positives, found, _ = make(negatives=(("genomic", 3),), distance=distance)
    assert len(found) == 3 * len(positives)
    assert min(gap(place_of(a), place_of(b)) for a in positives for b in found) >= distance
    places = sorted(map(place_of, found))
    assert min(gap(a, b) for a, b in pairwise(places)) >= 0


def test_genomic_negatives_are_read_from_the_genome_on_their_strand(make):
    _, found, _ = make()
    assert {row.example.strand for row in found} == {"+", "-"}
    for example in (row.example for row in found):
        text = read_on(RECORDS, example.chrom, example.strand)
        first = example.start if example.strand == "+" else len(text) - example.end
        assert example.sequence == text[first : first + 300]
        assert "N" not in example.sequence
        assert (example.label, example.source) == ("0", "genomic")


def test_no_negative_touches_an_avoided_place_or_leaves_the_regions(make):
    avoided, within = {"chr2": [(25_000, 33_000)]}, {"chr2": [(20_000, 40_000)]}
    options = {"negatives": (("genomic", 1), ("tata", 1)), "avoided": avoided, "within": within}
    _, found, _ = make(**options)
    for chrom, start, end in map(place_of, found):
        assert chrom == "chr2"
        assert start >= 20_000
        assert end <= 25_000 or start >= 33_000


@pytest.mark.parametrize("name", ["genomic", "tata", "shuffled", "substituted"])
@pytest.mark.parametrize("amount", [0.5, 2])
def test_there_are_as_many_as_asked_for_per_positive(make, name, amount):
    positives, found, left_out = make(negatives=((name, amount),))
    assert len(found) == amount * len(positives)
    assert left_out == {}


def test_less_than_half_of_what_is_asked_for_is_refused(make):
    with pytest.raises(DataError, match=r"genomic: 16,000 are wanted and \d+ can be had .*fewer"):
        make(negatives=(("genomic", 1_000),))


def test_a_few_that_are_missing_are_counted(make):
    within = {"chr2": [(20_000, 26_000)]}
    positives, found, left_out = make(negatives=(("genomic", 1.2),), within=within)
    n_missing = round(1.2 * len(positives)) - len(found)
    assert n_missing > 0
    assert left_out == {"genomic negatives that could not be had": n_missing}


def test_negatives_match_the_gc_of_their_positives(make):
    bases = letters(15_000, 1, "ACGGGCCT"), letters(15_000, 2, "ACAAATTTG")
    records = {"chr1": "".join(bases), "chr2": "".join(bases)}
    rows = site_bed(8)  # all in the GC-rich half
    positives, plain, _ = make(rows=rows, records=records, distance=100)
    _, matched, _ = make(rows=rows, records=records, distance=100, match=("gc",),
                         negatives=(("genomic", 1),))  # fmt: skip
    wanted, free, like = (
        np.array([composition(row.example.sequence).gc for row in each])
        for each in (positives, plain, matched)
    )
    assert np.abs(like - wanted[: len(like)]).max() <= 0.05
    assert wanted.mean() - free.mean() > 0.1


def test_negatives_match_the_repeats_of_their_positives(make):
    records = {"chr1": letters(15_000, 1).lower() + letters(15_000, 2), "chr2": letters(30_000, 3)}
    rows = [row for row in site_bed(6, first=2_000) if row[0] == "chr1"]  # all soft-masked
    _, found, _ = make(rows=rows, records=records, distance=100, match=("repeats",),
                       negatives=(("genomic", 1),))  # fmt: skip
    assert min(composition(row.example.sequence).repeats for row in found) >= 0.8


@pytest.mark.parametrize(("options", "anchor"), [({}, 249), ({"window": 90, "anchor": 60}, 60)])
def test_tata_negatives_have_a_box_where_a_promoter_has_it(make, options, anchor):
    positives, found, _ = make(negatives=(("tata", 3),), **options)
    assert {row.example.strand for row in found} == {"+", "-"}
    for row in found:
        places = {index - anchor for index in find_tata(row.example.sequence)}
        assert places & set(range(-35, -24))
        assert min(gap(place_of(row), place_of(each)) for each in positives) >= 1_000


# Two genes of two introns each; their sites read GT and AG.
EXONS = [(5_000, 6_000), (7_000, 8_000), (9_000, 10_000)]
GENES = [*transcript("a", "chr2", "+", EXONS), *transcript("b", "chr1", "-", EXONS)]
SITES = planted(
    RECORDS,
    {("chr2", end): "GT" for _, end in EXONS[:2]}
    | {("chr2", start - 2): "AG" for start, _ in EXONS[1:]}
    | {("chr1", start - 2): "AC" for start, _ in EXONS[1:]}
    | {("chr1", end): "CT" for _, end in EXONS[:2]},
)


def test_decoys_show_gt_or_ag_inside_genes_and_are_no_junction(make):
    positives, found, _ = make("splice", GENES, SITES, negatives=(("decoys", 20),))
    assert len(positives) == 8
    assert Counter(row.example.source for row in found) == {"decoy_donor": 80, "decoy_acceptor": 80}
    true = {(*place_of(row), row.example.strand) for row in positives}
    genes = [("chr1", 5_000, 10_000), ("chr2", 5_000, 10_000)]
    for row in found:
        text = row.example.sequence.upper()
        is_donor = row.example.source == "decoy_donor"
        assert text[200:202] == "GT" if is_donor else text[198:200] == "AG"
        assert row.example.label == "none"
        assert (*place_of(row), row.example.strand) not in true
        assert any(chrom == row.example.chrom and low <= row.example.start
                   and row.example.end <= high for chrom, low, high in genes)  # fmt: skip


def test_no_annotated_junction_is_a_decoy_even_if_there_is_hardly_another(make):
    """The gene holds four GT, two of them annotated, one of these outside the coding parts."""
    spots = {("chr1", start): "GT" for start in (1_100, 1_300, 1_500, 1_700)}
    gene = planted({"chr1": "AT" * 1_500}, spots | {("chr1", 1_200): "AG"})
    exons = [(200, 1_100), (1_202, 1_300), (1_400, 2_800)]
    lines = transcript("a", "chr1", "+", exons) + transcript("a", "chr1", "+", exons[:2], "CDS")
    options = {"window": 100, "anchor": 50, "junctions": "cds", "negatives": (("decoys", 2),)}
    positives, found, left_out = make("splice", lines, gene, **options)
    assert [row.example.start + 50 for row in positives] == [1_100, 1_202]
    assert {row.example.start + 50 for row in found} == {1_500, 1_700}
    assert left_out == {"decoys negatives that could not be had": 2}


def test_decoys_are_shared_out_as_donors_and_acceptors_are(make):
    one_sided = planted(SITES, {("chr2", start - 2): "CC" for start, _ in EXONS[1:]})
    positives, found, _ = make("splice", GENES, one_sided, negatives=(("decoys", 1.5),))
    assert Counter(row.example.label for row in positives) == {"donor": 4, "acceptor": 2}
    assert Counter(row.example.source for row in found) == {"decoy_donor": 6, "decoy_acceptor": 3}


def test_an_odd_number_of_decoys_is_made_in_full(make):
    _, found, left_out = make("splice", GENES, SITES, negatives=(("decoys", 0.125),))
    assert len(found) == 1
    assert left_out == {}


def pairs(text):
    return Counter(map("".join, pairwise(text.upper())))


def test_shuffled_negatives_keep_the_dinucleotides_of_their_parent(make):
    positives, found, _ = make(negatives=(("shuffled", 2),))
    for row in found:
        parent = positives[row.parent].example
        assert pairs(row.example.sequence) == pairs(parent.sequence)
        assert row.example.sequence.upper() != parent.sequence.upper()
        assert (row.example.label, row.example.source) == ("0", "shuffled")
    assert Counter(row.parent for row in found) == dict.fromkeys(range(len(positives)), 2)


def test_substituted_negatives_keep_eight_of_twenty_parts(make):
    positives, found, _ = make(negatives=(("substituted", 1),))
    for row in found:
        parent = positives[row.parent].example.sequence.upper()
        parts = [(parent[i : i + 15], row.example.sequence[i : i + 15]) for i in range(0, 300, 15)]
        assert sum(one == other for one, other in parts) == 8


def ready_rows(texts, label="1"):
    return [Row(Example(text, label=label, name=f"s{i}")) for i, text in enumerate(texts)]


def test_a_sequence_too_short_for_parts_is_named():
    config = DatasetConfig(kind="sequences", negatives=(("substituted", 1),))
    with pytest.raises(DataError, match="substituted: s0: 10 letters cannot be cut into 20 parts"):
        make_negatives(ready_rows(["ACGTACGTAC"]), config, None, Dropped())


def test_only_positives_are_parents_of_synthetic_negatives():
    rows = ready_rows([letters(60, i) for i in range(5)])
    rows += ready_rows([letters(60, i) for i in range(5, 9)], "0")
    config = DatasetConfig(kind="sequences", negatives=(("shuffled", 2),))
    found = make_negatives(rows, config, None, Dropped())
    assert Counter(row.parent for row in found) == dict.fromkeys(range(5), 2)


def test_equal_seeds_make_equal_negatives(make):
    kinds = (("genomic", 1), ("tata", 1), ("shuffled", 1), ("substituted", 1))
    first, second, other = (make(negatives=kinds, seed=seed)[1] for seed in (1, 1, 2))
    assert first == second
    assert not {row.example.sequence for row in first} & {row.example.sequence for row in other}


def test_a_positive_beyond_the_regions_keeps_negatives_away_too(tmp_path):
    config = DatasetConfig(kind="peaks", negatives=(("genomic", 5),))
    genome = Genome(write_fasta(tmp_path / "g.fa", {"chr1": letters(6_000)}), 0.0)
    rows = ready_rows([letters(101)])
    ground = ground_of(genome, config, [Interval("chr1", 100, 201, strand="+")])
    found = make_negatives(rows, config, ground, Dropped())
    assert min(row.example.start for row in found) >= 1_201
