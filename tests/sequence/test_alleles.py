"""One form per change, and windows that follow from the two haplotypes alone."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dnabert_cli.dna import reverse_complement
from dnabert_cli.sequence import alleles
from dnabert_cli.sequence.alleles import Change, WindowPair, normalised
from dnabert_cli.sequence.windows import tile

CANDIDATES = (("GT", 0), ("GC", 0), ("AG", -2))


def reader(genome):
    """Read a genome as the functions do; asking for letters outside of it is a mistake."""

    def letters(start, end):
        assert 0 <= start <= end <= len(genome), (start, end)
        return genome[start:end]

    return letters


@st.composite
def genomes(draw):
    """Random letters around a tandem repeat."""
    unit = draw(st.text("ACGT", min_size=1, max_size=3))
    left, right = (draw(st.text("ACGT", max_size=8)) for _ in range(2))
    return (left + unit * draw(st.integers(1, 6)) + right)[:24]


@st.composite
def changes(draw):
    """A genome and a variant on it, of which the alternative often continues the repeat."""
    genome = draw(genomes())
    start = draw(st.integers(0, len(genome)))
    end = draw(st.integers(start, min(start + 6, len(genome))))
    copied = st.sampled_from(range(len(genome) + 1)).map(lambda i: genome[i : i + 3])
    alt = draw(st.one_of(copied, copied.map(lambda unit: 2 * unit), st.text("ACGT", max_size=5)))
    assume(genome[start:end] != alt)
    return genome, (start, genome[start:end], alt)


def with_allele(genome, variant):
    position, ref, alt = variant
    return genome[:position] + alt + genome[position + len(ref) :]


def writings(genome, alternative):
    """Every (position, ref, alt) that turns one sequence into the other."""
    shift = len(alternative) - len(genome)
    return [
        (start, genome[start:end], alternative[start : end + shift])
        for start in range(len(genome) + 1)
        for end in range(max(start, start - shift), len(genome) + 1)
        if genome[:start] == alternative[:start] and genome[end:] == alternative[end + shift :]
    ]


KINDS = {  # REF/ALT
    "snv": "A/G CAT/CGT N/A NA/NG",
    "mnv": "AC/GT ACA/GCT",
    "insertion": "A/AT CA/CTTA",
    "deletion": "AT/A CAT/CT",
    "delins": "ATG/CC A/CC",
    "same": "A/a ACGT/ACGU",
    "symbolic": "A/<DEL> A/<INS:ME:ALU> A/<*> C/C<ctg1>",
    "breakend": "G/G]17:198982] T/[13:123457[T G/G. G/.G",
    "spanning": "A/*",
    "missing": "A/. A/ ./A ./*",
    "invalid": "A/J A-/A */A A/-",
    "ambiguous": "A/R A/AN AC/NT",
}


@pytest.mark.parametrize("kind", KINDS)
def test_classify(kind):
    assert {alleles.classify(*pair.split("/")) for pair in KINDS[kind].split(" ")} == {kind}


@pytest.mark.parametrize(
    ("variant", "expected"),
    [
        ((5, "CAG", "CTG"), (6, "A", "T")),
        ((5, "AAA", "AA"), (5, "A", "")),  # the suffix first: as far left as the letters go
        ((5, "GAA", "GAAAA"), (6, "", "AA")),
        ((5, "acgu", "AGGT"), (6, "C", "G")),
        ((5, "AC", "ac"), (5, "", "")),
    ],
)
def test_trimmed(variant, expected):
    assert alleles.trimmed(*variant) == expected


@pytest.mark.parametrize(
    ("genome", "variant", "expected"),
    [
        ("GGGCACACACAGGG", (9, "CA", ""), (3, "CA", "")),
        ("GGGCACACACAGGG", (6, "ACA", "A"), (3, "CA", "")),
        ("GGGCACACACAGGG", (10, "A", "ACA"), (3, "", "CA")),
        ("GGGCACACACAGGG", (9, "CA", "CATA"), (10, "", "AT")),
        ("TTTT", (3, "T", ""), (0, "T", "")),
        ("TTTT", (4, "", "T"), (0, "", "T")),
        ("ggttTTcc", (5, "t", ""), (2, "T", "")),
        ("ACGT", (2, "G", "T"), (2, "G", "T")),
        ("ACGT", (2, "G", "g"), (2, "", "")),
    ],
)
def test_normalised_worked_by_hand(genome, variant, expected):
    assert normalised(*variant, reader(genome)) == expected


@given(changes(), st.integers(1, 5))
def test_every_way_to_write_a_change_comes_to_the_shortest_leftmost(drawn, chunk):
    genome, variant = drawn
    alternative = with_allele(genome, variant)
    ways = writings(genome, alternative)
    assert variant in ways
    wanted = min(ways, key=lambda way: (len(way[1]) + len(way[2]), way[0]))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(alleles, "_CHUNK", chunk)
        forms = {normalised(*way, reader(genome)) for way in ways}

    assert forms == {wanted}
    assert with_allele(genome, wanted) == alternative


def test_long_repeats_are_read_in_short_pieces():
    genome = "G" + "CA" * 5000 + "GG"
    asked = []

    def letters(start, end):
        asked.append(end - start)
        return genome[start:end]

    assert normalised(9999, "CA", "", letters) == (1, "CA", "")
    assert max(asked) <= 256
    assert sum(asked) <= 10_001


def test_an_mnv_stays_what_it_is():
    assert normalised(2, "ACG", "TCA", reader("TTACGTAA")) == (2, "ACG", "TCA")


def pairs_with_letters(genome, variant, window, step, anchor):
    change = normalised(*variant, reader(genome))
    pairs = alleles.windows_of(change, window, step, len(genome), anchor)
    return [(pair, *alleles.letters_of(pair, change, reader(genome))) for pair in pairs]


@pytest.mark.parametrize(
    ("change", "starts"),
    [
        (Change(100, "A", "G"), [75, 80, 85, 90, 95, 100]),
        (Change(100, "", "G"), [75, 80, 85, 90, 95]),  # both neighbours
        (Change(100, "ACGTAC", "C"), [80, 85, 90, 95, 100]),  # all deleted bases
    ],
)
def test_windows_hold_the_whole_change(change, starts):
    assert [pair.start for pair in alleles.windows_of(change, 30, 5, 1000, 12)] == starts


def test_neighbours_share_reference_windows():
    starts = [
        {pair.start for pair in alleles.windows_of(Change(at, "A", "G"), 300, 30, 9000, 249)}
        for at in (1000, 1011, 1030)
    ]

    assert [len(starts[0] & others) for others in starts] == [10, 10, 9]


def test_the_base_at_the_anchor_stays():
    #         0         1
    genome = "ACGTTGCAAGTCCATGACTA"
    deleted = pairs_with_letters(genome, (8, "AG", ""), 8, 4, 3)
    inserted = pairs_with_letters(genome, (10, "", "CC"), 8, 4, 3)

    # anchors at 7 (left of the change: filled up on the right) and 11 (filled up on the left)
    assert deleted == [
        (WindowPair(4, 4, 8), "TGCAAGTC", "TGCATCCA"),
        (WindowPair(8, 6, 8), "AGTCCATG", "CATCCATG"),
    ]
    assert inserted == [
        (WindowPair(4, 4, 8), "TGCAAGTC", "TGCAAGCC"),
        (WindowPair(8, 10, 8), "AGTCCATG", "CCTCCATG"),
    ]


def test_an_insertion_longer_than_the_window_is_read_from_its_ends():
    genome = "ACGTTGCAAGTCCATGACTA"
    pairs = pairs_with_letters(genome, (10, "", "C" + "G" * 40 + "T"), 8, 4, 3)

    assert [after for _, _, after in pairs] == ["TGCAAGCG", "GTTCCATG"]


def test_a_deletion_longer_than_the_window_is_read_around_its_ends():
    pairs = alleles.windows_of(Change(100, "A" * 50, ""), 20, 10, 1000, 8)

    # anchors: base 98 stays, base 148 is gone
    assert pairs == [WindowPair(90, 90, 20), WindowPair(140, 92, 20)]


@pytest.mark.parametrize(
    ("change", "n_bases", "expected"),
    [
        (Change(0, "A", "C"), 100, [WindowPair(0, 0, 30)]),
        (Change(0, "", "C"), 100, [WindowPair(0, 1, 30)]),
        (Change(99, "A", "C"), 103, [WindowPair(70, 70, 30), WindowPair(73, 73, 30)]),
        (Change(102, "A", ""), 103, [WindowPair(73, 72, 30)]),  # moved inwards
        (Change(103, "", "C"), 103, [WindowPair(73, 73, 30)]),
        (Change(9, "A", "C"), 12, [WindowPair(0, 0, 12)]),
        (Change(9, "A", ""), 12, [WindowPair(0, 0, 11), WindowPair(1, 0, 11)]),
        (Change(9, "", "CC"), 12, [WindowPair(0, 2, 12)]),
        (Change(0, "ACGT", ""), 4, []),
        (Change(5, "", ""), 100, []),
    ],
)
def test_windows_at_the_ends_of_a_sequence(change, n_bases, expected):
    assert alleles.windows_of(change, 30, 10, n_bases, 12) == expected


@given(changes(), st.data())
def test_pairs_do_not_depend_on_how_a_change_is_written(drawn, data):
    genome, variant = drawn
    window = data.draw(st.integers(2, 12))
    step, anchor = data.draw(st.integers(1, window - 1)), data.draw(st.integers(0, window - 1))
    alternative = with_allele(genome, variant)

    ways = writings(genome, alternative)
    found = [pairs_with_letters(genome, way, window, step, anchor) for way in ways]

    assert all(pairs == found[0] for pairs in found)
    assert bool(found[0]) == bool(alternative)
    for pair, before, after in found[0]:
        assert len(before) == len(after) == min(window, len(genome), len(alternative))
        assert before == genome[pair.start : pair.start + pair.n_bases]
        assert after == alternative[pair.alternative_start :][: pair.n_bases]


@given(changes(), st.data())
def test_windows_are_those_of_the_grid_that_hold_the_change(drawn, data):
    genome, variant = drawn
    window = data.draw(st.integers(2, 12))
    step, anchor = data.draw(st.integers(1, window - 1)), data.draw(st.integers(0, window - 1))
    change, n_bases = normalised(*variant, reader(genome)), len(genome)
    length = min(window, n_bases, n_bases + change.shift)
    sides = [{place - 1, place} & set(range(n_bases)) for place in (change.position, change.end)]
    whole = [set(range(change.position, change.end))] if change.ref else sides[:1]

    starts = [pair.start for pair in alleles.windows_of(change, window, step, n_bases, anchor)]

    grid = {start: set(range(start, start + length)) for start in tile(n_bases, length or 1, step)}
    holding, touching = (
        [start for start, held in grid.items() if length and any(one <= held for one in wanted)]
        for wanted in (whole, sides)
    )
    assert starts == (holding or touching)


def test_candidates_of_both_haplotypes_and_the_change_itself():
    #         0         1         2
    genome = "ACCTTACAACTCCAGTACTAACCA"
    change = normalised(9, "C", "G", reader(genome))  # makes a GT at 9; another is at 14
    layout = {"window": 12, "anchor": 6, "strand": "+"}
    both = alleles.anchored_windows(change, reader(genome), 24, candidates=(("GT", 0),), **layout)
    none = alleles.anchored_windows(change, reader(genome), 24, candidates=(), **layout)

    assert both == [WindowPair(3, 3, 12), WindowPair(8, 8, 12)]
    assert none == [WindowPair(3, 3, 12)]


def slow_starts(sequence, places, window, anchor, strand):
    """Look at every window (`anchor` and candidates on the strand)."""
    last = len(sequence) - window
    for start in range(last + 1):
        text = sequence[start : start + window]
        text = reverse_complement(text) if strand == "-" else text
        is_candidate = text[anchor : anchor + 2] in {"GT", "GC"} or text[:anchor].endswith("AG")
        sees_end = (start == 0 and 0 in places) or (start == last and len(sequence) in places)
        if is_candidate and (sees_end or any(start < one < start + window for one in places)):
            yield start


def slow_pairs(genome, alternative, change, window, anchor, strand):
    held, centre = anchor, window // 2
    if strand == "-":
        held, centre = window - 1 - anchor, window - 1 - centre
    middle = min(max(change.position - centre, 0), len(genome) - window)

    def partner(start, n_own, n_other, other):
        inside = start + held - change.position  # of the anchor within the change
        inside = inside + n_other - n_own if inside >= n_own else min(inside, n_other)
        return min(max(change.position + inside - held, 0), len(other) - window)

    n_ref, n_alt = len(change.ref), len(change.alt)
    places = {change.position, change.position + n_ref}
    own = [*slow_starts(genome, places, window, anchor, strand), middle]
    places = {change.position, change.position + n_alt}
    other = slow_starts(alternative, places, window, anchor, strand)
    return sorted(
        {(start, partner(start, n_ref, n_alt, alternative)) for start in own}
        | {(partner(start, n_alt, n_ref, genome), start) for start in other}
    )


@given(changes(), st.data())
def test_anchored_windows_are_those_of_a_slow_search(drawn, data):
    genome, variant = drawn
    window, strand = data.draw(st.integers(4, 8)), data.draw(st.sampled_from("+-"))
    layout = {"window": window, "anchor": data.draw(st.integers(2, window - 2)), "strand": strand}
    alternative = with_allele(genome, variant)
    assume(min(len(genome), len(alternative)) >= window)

    letters, n_bases = reader(genome), len(genome)
    forms = [normalised(*way, letters) for way in writings(genome, alternative)]
    found = [
        alleles.anchored_windows(change, letters, n_bases, candidates=CANDIDATES, **layout)
        for change in forms
    ]

    expected = slow_pairs(genome, alternative, forms[0], **layout)
    assert all(pairs == [WindowPair(*starts, window) for starts in expected] for pairs in found)


@given(genomes(), st.data())
def test_anchored_windows_of_a_substitution_are_mirrored_on_the_other_strand(genome, data):
    position = data.draw(st.integers(0, len(genome) - 1))
    change = Change(position, genome[position], {"A": "G", "G": "T"}.get(genome[position], "A"))
    mirrored, n_bases = reverse_complement(genome), len(genome)
    turned = Change(n_bases - 1 - position, *map(reverse_complement, change[1:]))
    layout = {"window": 6, "anchor": 3, "candidates": CANDIDATES}

    forward = alleles.anchored_windows(change, reader(genome), n_bases, **layout, strand="+")
    backward = alleles.anchored_windows(turned, reader(mirrored), n_bases, **layout, strand="-")

    ends = sorted((n_bases - p.start - p.n_bases, p.n_bases) for p in backward)
    assert [(p.start, p.n_bases) for p in forward] == ends


def test_a_sequence_shorter_than_the_window_has_one_anchored_pair():
    change, letters = Change(3, "A", ""), reader("AGTAGTC")
    layout = {"window": 12, "anchor": 6, "candidates": CANDIDATES, "strand": "+"}
    (pair,) = alleles.anchored_windows(change, letters, 7, **layout)

    assert alleles.letters_of(pair, change, letters) == ("AGTAGT", "AGTGTC")
