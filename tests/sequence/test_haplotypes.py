"""Windows of haplotypes are cut from the haplotypes that alleles make, whatever their writing."""

from itertools import pairwise

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from dnabert_cli.sequence import alleles, haplotypes
from dnabert_cli.sequence.alleles import Change, WindowPair, normalised, windows_of
from dnabert_cli.sequence.haplotypes import Edited, Haplotype, HaplotypeWindows

CANDIDATES = (("GT", 0), ("AG", -2))
#         0         1         2
GENOME = "ACGTTGCAAGTCCATGACTAGCTTACGGAT"


def reader(genome):
    """Read a genome as the functions do; asking for letters outside of it is a mistake."""

    def letters(start, end):
        assert 0 <= start <= end <= len(genome), (start, end)
        return genome[start:end]

    return letters


def edited(genome, changes):
    """Apply changes from the right, one after the other."""
    for position, ref, alt in sorted(changes, key=lambda one: (one[0], len(one[1])), reverse=True):
        assert genome[position : position + len(ref)] == ref
        genome = genome[:position] + alt + genome[position + len(ref) :]
    return genome


def pairs_of(change, window, anchor, genome, step=1):
    """Return the pairs of the grid and those with candidates, of both strands."""
    letters, n_bases = reader(genome), len(genome)
    pairs = windows_of(change, window, step, n_bases, anchor)
    for strand, own in (("+", anchor), ("-", window - 1 - anchor)):
        layout = {"window": window, "anchor": own, "candidates": CANDIDATES, "strand": strand}
        pairs += alleles.anchored_windows(change, letters, n_bases, **layout)
    return pairs


def around(genome, variants, number, window):
    return Haplotype(variants).around(number, window, reader(genome), len(genome))


def windows(genome, variants, number, pair, anchor):
    return around(genome, variants, number, pair.n_bases).windows(pair, anchor)


@st.composite
def drawn_haplotypes(draw):
    """A genome full of repeats and variants on it that do not overlap, in order."""
    units = st.tuples(st.text("ACGT", min_size=1, max_size=3), st.integers(1, 5))
    genome = "".join(unit * n for unit, n in draw(st.lists(units, min_size=2, max_size=5)))
    cuts = sorted(draw(st.sets(st.integers(0, len(genome)), min_size=2, max_size=9)))
    variants = []
    for start, following in pairwise(cuts):
        end = draw(st.integers(start + 1, following))
        copied = st.integers(0, len(genome)).map(lambda at: genome[at : at + 3])
        alt = draw(st.one_of(st.just(""), copied, st.text("ACGT", max_size=end - start + 2)))
        if draw(st.booleans()) and draw(st.booleans()) and alt:
            variants.append((start, "", alt))
        alt = draw(st.one_of(st.just(""), copied, st.text("ACGT", max_size=end - start + 2)))
        if draw(st.booleans()) and genome[start:end] != alt:
            variants.append((start, genome[start:end], alt))
    assume(variants and not Haplotype(variants).left_out)
    return genome, variants


@st.composite
def layouts(draw):
    window = draw(st.integers(4, 12))
    return window, draw(st.integers(2, window - 2))


@given(drawn_haplotypes(), layouts())
def test_a_single_change_has_the_windows_of_its_pair(drawn, layout):
    genome, (variant, *_) = drawn
    window, anchor = layout
    change = normalised(*variant, reader(genome))
    surroundings = around(genome, [variant], 0, window)

    assert surroundings.change == change
    for pair in pairs_of(change, window, anchor, genome):
        before, after = alleles.letters_of(pair, change, reader(genome))
        assert surroundings.windows(pair, anchor) == (before, after, before)


@given(drawn_haplotypes(), layouts(), st.integers(0, 4), st.data())
def test_windows_are_cut_from_the_whole_haplotypes(drawn, layout, n_beyond, data):
    genome, variants = drawn
    window, anchor = layout
    number = data.draw(st.integers(0, len(variants) - 1))
    haplotype = edited(genome, variants)
    background = edited(genome, [*variants[:number], *variants[number + 1 :]])

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(haplotypes, "N_BEYOND", n_beyond)
        found = around(genome, variants, number, window)

    for pair in pairs_of(found.change, window, anchor, genome):
        three = found.windows(pair, anchor)
        length = min(pair.n_bases, len(haplotype), len(background))
        assert [len(one) for one in three] == [length] * 3
        assert three.reference == genome[pair.start : pair.start + length]
        assert three.haplotype in haplotype
        assert three.background in background


def slow_window(genome, changes, base, anchor, window):
    """Cut the window in which an untouched base stands at the anchor."""
    places = [str(place) for place in range(len(genome))]  # bases that know where they come from
    for position, ref, alt in reversed(changes):
        places[position : position + len(ref)] = list(alt)
    start = min(max(places.index(str(base)) - anchor, 0), len(places) - window)
    return "".join(
        genome[int(one)] if one.isdigit() else one for one in places[start : start + window]
    )


@st.composite
def changes_that_stay(draw, genome, place):
    """A change of at most three bases that cannot be moved to the left."""
    ref = genome[place : place + draw(st.integers(0, 3))]
    change = Change(place, ref, draw(st.text("ACGT", max_size=3)))
    if ref != change.alt and normalised(*change, reader(genome)) == change:
        return change
    return Change(place, genome[place], "A" if genome[place] != "A" else "G")


@given(st.data())
def test_an_untouched_base_stays_at_the_anchor(data):
    window, anchor = 9, data.draw(st.integers(0, 8))
    genome = data.draw(st.text("ACGT", min_size=50, max_size=50))
    variants = [data.draw(changes_that_stay(genome, place)) for place in (4, 11, 19, 28, 35)]
    number = data.draw(st.integers(0, 4))
    others = [*variants[:number], *variants[number + 1 :]]
    surroundings = around(genome, variants, number, window)

    touched = {place for one in variants for place in range(one.position, one.end)}
    for pair in windows_of(surroundings.change, window, 1, 50, anchor):
        base = pair.start + anchor
        if base not in touched:
            assert surroundings.windows(pair, anchor)[1:] == (
                slow_window(genome, variants, base, anchor, window),
                slow_window(genome, others, base, anchor, window),
            )


def writings(genome, variant, low, high):
    """Every way to write a change with letters from `low` to `high` of the reference."""
    alternative = edited(genome[:high], [variant])[low:]
    text, shift = genome[low:high], len(variant[2]) - len(variant[1])
    return [
        (low + start, text[start:end], alternative[start : end + shift])
        for start in range(len(text) + 1)
        for end in range(max(start, start - shift), len(text) + 1)
        if text[:start] == alternative[:start] and text[end:] == alternative[end + shift :]
    ]


@given(drawn_haplotypes(), layouts(), st.data())
def test_windows_do_not_depend_on_how_the_changes_are_written(drawn, layout, data):
    genome, variants = drawn
    window, anchor = layout
    following = [*(position for position, _, _ in variants[1:]), len(genome)]
    ways = []
    for variant, high in zip(variants, following, strict=True):  # none passes the one before
        low = ways[-1][0] + len(ways[-1][1]) if ways else 0
        ways.append(data.draw(st.sampled_from(writings(genome, variant, low, high))))
    number = data.draw(st.integers(0, len(variants) - 1))
    assume(not Haplotype(ways).left_out)  # two insertions written at one place

    found = [around(genome, one, number, window) for one in (variants, ways)]

    assert found[0].change == found[1].change
    for pair in pairs_of(found[0].change, window, anchor, genome):
        assert found[0].windows(pair, anchor) == found[1].windows(pair, anchor)


def parts(genome, variant):
    """Write an MNV as substitutions."""
    position, ref, alt = variant
    if len(ref) != len(alt):
        return [variant]
    return [(position + at, ref[at], alt[at]) for at in range(len(ref)) if ref[at] != alt[at]]


@given(drawn_haplotypes(), layouts(), st.data())
def test_substitutions_or_the_mnv_of_them_make_the_same_haplotype(drawn, layout, data):
    genome, variants = drawn
    window, anchor = layout
    number = data.draw(st.integers(0, len(variants) - 1))
    split = [[one] if at == number else parts(genome, one) for at, one in enumerate(variants)]
    place = sum(len(rows) for rows in split[:number])

    whole = around(genome, variants, number, window)
    pieces = around(genome, [row for rows in split for row in rows], place, window)

    for pair in pairs_of(whole.change, window, anchor, genome):
        assert whole.windows(pair, anchor) == pieces.windows(pair, anchor)


def test_neighbouring_substitutions_stand_together_in_the_window():
    variants = [(10, "T", "A"), (12, "C", "G")]
    assert windows(GENOME, variants, 0, WindowPair(8, 8, 8), 3) == (
        "AGTCCATG",
        "AGACGATG",
        "AGTCGATG",
    )
    assert windows(GENOME, [(10, "TCC", "ACG")], 0, WindowPair(8, 8, 8), 3) == (
        "AGTCCATG",
        "AGACGATG",
        "AGTCCATG",
    )


def test_substitutions_beside_a_deletion_leave_the_same_base_at_the_anchor():
    deletion, pair = (10, "T", ""), WindowPair(8, 7, 8)
    split = windows(GENOME, [deletion, (11, "C", "A"), (13, "A", "C")], 0, pair, 4)
    whole = windows(GENOME, [deletion, (11, "CCA", "ACC")], 0, pair, 4)

    assert split == whole == ("AGTCCATG", "AAGACCTG", "AGTACCTG")


def test_an_indel_beside_the_anchor_fills_up_on_the_side_the_anchor_is_not_on():
    deletion, substitution = (9, "GT", ""), (14, "T", "C")
    right = windows(GENOME, [deletion, substitution], 1, WindowPair(8, 8, 8), 5)
    left = windows(GENOME, [deletion, substitution], 1, WindowPair(8, 8, 8), 0)

    assert right == ("AGTCCATG", "CAACCACG", "CAACCATG")
    assert left == ("AGTCCATG", "ACCACGAC", "ACCATGAC")


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("number", [0, 1])
@pytest.mark.parametrize(
    ("deletion", "insertion"),
    [
        ((4, "A", ""), (8, "", "A")),
        ((8, "A", ""), (4, "", "A")),
        ((3, "CA", "C"), (7, "A", "AA")),
        ((6, "A", ""), (6, "", "A")),
    ],
)
def test_changes_that_cancel_each_other_give_the_reference(deletion, insertion, number, order):
    genome = "GTTCAAAAATGCGTCA"
    variants = [deletion, insertion][::order]
    surroundings = around(genome, variants, number, 6)

    for pair in windows_of(surroundings.change, 6, 1, len(genome), 2):
        three = surroundings.windows(pair, 2)
        assert three.haplotype == three.reference


def test_an_indel_does_not_pass_a_change_it_is_written_behind():
    genome = "GTTCAAAAATGCGTCA"
    variants = [(6, "A", "G"), (8, "A", "")]  # CAAGAAT; moved to the left it would be CAGAAAT
    assert windows(genome, variants, 1, WindowPair(2, 2, 8), 0).haplotype == "TCAAGATG"


def test_padding_of_one_variant_may_be_changed_by_another():
    genome = "GTTCATTTGCGTCA"
    variants = [(4, "A", "AC"), (4, "A", "G")]
    assert windows(genome, variants, 0, WindowPair(2, 2, 6), 0) == ("TCATTT", "TCGCTT", "TCGTTT")


@pytest.mark.parametrize(
    ("variants", "left_out"),
    [
        ([(5, "GC", "TT"), (6, "C", "A")], {1: 0}),
        ([(6, "C", "A"), (5, "GC", "TT")], {0: 1}),  # the later one on the sequence
        ([(5, "", "A"), (5, "", "C")], {1: 0}),
        ([(5, "G", "A"), (5, "G", "C"), (5, "G", "T")], {1: 0, 2: 0}),
        ([(4, "TGC", ""), (5, "", "A"), (6, "C", "G"), (7, "A", "C")], {1: 0, 2: 0}),
        ([(5, "", "A"), (5, "G", "C"), (6, "", "T")], {}),
        ([(4, "TG", "T"), (4, "T", "A")], {}),  # padding
    ],
)
def test_the_later_of_two_that_overlap_is_left_out(variants, left_out):
    assert Haplotype(variants).left_out == left_out


def test_what_is_left_out_changes_nothing():
    variants = [(10, "T", "A"), (10, "T", "C"), (12, "C", "G")]
    assert windows(GENOME, variants, 2, WindowPair(8, 8, 8), 3) == (
        "AGTCCATG",
        "AGACGATG",
        "AGACCATG",
    )


def test_windows_move_inwards_at_the_ends_of_the_haplotype():
    variants = [(1, "CGT", ""), (6, "C", "A"), (27, "GAT", ""), (24, "A", "C")]

    assert windows(GENOME, variants, 1, WindowPair(0, 0, 8), 7) == (
        "ACGTTGCA",
        "ATGAAAGT",
        "ATGCAAGT",
    )
    assert windows(GENOME, variants, 3, WindowPair(22, 22, 8), 0) == (
        "TTACGGAT",
        "AGCTTCCG",
        "AGCTTACG",
    )


def test_haplotypes_shorter_than_the_window_have_shorter_windows():
    variants = [(0, "ACG", ""), (4, "T", "A")]
    change = Change(4, "T", "A")
    (pair,) = windows_of(change, 30, 5, 6, 12)
    three = Haplotype(variants).around(1, 30, reader("ACGTTG"), 6).windows(pair, 12)
    assert three == ("ACG", "TAG", "TTG")


def test_of_a_haplotype_without_bases_nothing_is_left():
    variants = [(0, "ACG", ""), (3, "TTG", "")]
    change = Change(3, "TTG", "")
    (pair, *_) = windows_of(change, 4, 2, 6, 1)
    surroundings = Haplotype(variants).around(1, 4, reader("ACGTTG"), 6)
    assert surroundings.windows(pair, 1) == ("", "", "")


def test_an_insertion_of_another_may_push_the_change_out_of_the_window():
    variants = [(12, "", 40 * "G"), (14, "T", "A")]
    three = windows(GENOME, variants, 1, WindowPair(9, 9, 8), 1)
    assert three == ("GTCCATGA", "GTC" + 5 * "G", "GTC" + 5 * "G")


def test_letters_and_places_on_an_edited_sequence():
    changed = Edited([Change(2, "GT", ""), Change(6, "", "TTT"), Change(9, "G", "AA")])

    assert changed.shift == 2
    assert [changed.place_of(base) for base in range(12)] == [
        0, 1, 2, 2, 2, 3, 7, 8, 9, 10, 12, 13,
    ]  # fmt: skip
    whole = "ACTGTTTCAAAATCC"
    for start in range(len(whole) + 1):
        for end in range(start, len(whole) + 1):
            assert changed.letters(start, end, reader(GENOME)) == whole[start:end]


def test_only_changes_near_the_windows_are_looked_at():
    genome = 20_000 * "ACGTC"
    variants = [(5 * number + 2, "G", "A") for number in range(20_000)]
    asked = []

    def letters(start, end):
        asked.append(end - start)
        return genome[start:end]

    surroundings = Haplotype(variants).around(9_000, 20, letters, len(genome))
    surroundings.windows(WindowPair(45_000, 45_000, 20), 4)

    assert len(surroundings.haplotype.changes) < 250
    assert len(asked) < 50


def test_an_indel_in_a_long_repeat_counts_at_its_beginning():
    genome = "GATTC" + 2_000 * "CA" + "TTGATTACA"
    deletion, insertion = (3_905, "CA" * 50, ""), (3_000, "", "CA" * 200)
    substitution = (8, "A", "G")

    three = windows(genome, [deletion, insertion], 1, WindowPair(0, 0, 20), 4)
    assert three.haplotype == genome[:20]
    three = windows(genome, [substitution, deletion], 0, WindowPair(0, 0, 20), 4)
    assert three == HaplotypeWindows(genome[:20], genome[:8] + "G" + genome[9:20], genome[:20])


def test_without_a_change_the_others_stay_on_their_side_of_it():
    genome = "GATTC" + 20 * "CA" + "TTGATTACA"
    variants = [(13, "C", "G"), (33, "CACACACA", "")]  # in its way to the left
    three = windows(genome, variants, 0, WindowPair(6, 6, 12), 2)

    assert three == ("ACACACACACAC", "ACACACAGACAC", "ACACACACACAC")
