"""Where the windows of a change lie, and that each different one is read once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.config import TaskConfig
from dnabert_cli.dna import reverse_complement
from dnabert_cli.sequence.alleles import Change, letters_of
from dnabert_cli.tasks.variant_windows import STRANDS, WindowPlan, WindowTexts, readings_of
from dnabert_cli.variants_config import N_OFFSETS
from tests.variant_toys import random_genome

GENOME = random_genome(200, 3)
SPLICE = (("GT", 0), ("AG", -2))


def letters(start, end):
    assert 0 <= start <= end <= len(GENOME), (start, end)
    return GENOME[start:end]


def plan(offsets=None, *, window=30, anchor=10, candidates=None):
    task = TaskConfig(k=3, classes=("a", "b"), candidates=candidates)
    return WindowPlan.of(task, window, anchor, offsets)


def substitution(position):
    return Change(position, GENOME[position], "A" if GENOME[position] != "A" else "C")


def starts(change, where, strand="+"):
    return [pair.start for pair in where.pairs(change, letters, len(GENOME), strand)]


def read(change, where, texts=None, genome=GENOME, max_unknown=0.1, least=3):
    texts = WindowTexts() if texts is None else texts
    found = readings_of(
        change, lambda a, b: genome[a:b], len(genome), where, max_unknown, texts, least=least
    )
    return found, texts


@pytest.mark.parametrize(
    ("asked", "of_model", "expected"),
    [(None, None, N_OFFSETS), (None, 4, 4), (6, 4, 6), (6, None, 6)],
)
def test_the_option_wins_over_the_model_and_ten_is_the_default(asked, of_model, expected):
    task = TaskConfig(k=3, classes=("a", "b"), offsets=of_model)
    assert WindowPlan.of(task, 30, 10, asked).offsets == expected


@pytest.mark.parametrize(("asked", "of_model", "expected"), [(None, None, None), (None, 4, 4)])
def test_a_model_with_candidates_reads_all_of_them(asked, of_model, expected):
    task = TaskConfig(k=3, classes=("a", "b"), candidates=SPLICE, offsets=of_model)
    assert WindowPlan.of(task, 30, 10, asked).offsets == expected


@pytest.mark.parametrize("strand", STRANDS)
@pytest.mark.parametrize("offsets", [1, 2, 3, 5, 10, 15, 30])
def test_a_base_lies_in_as_many_windows_as_asked_for(offsets, strand):
    numbers = {len(starts(substitution(at), plan(offsets), strand)) for at in range(60, 120)}
    # a window of 30 cannot be cut in half a base: 29 for 1 offset, and two at borders
    assert numbers == ({1, 2} if offsets == 1 else {offsets})


@given(st.integers(1, 40), st.integers(2, 40), st.integers(0, 199), st.integers(0, 4))
def test_every_change_of_five_bases_lies_in_a_window(offsets, window, position, n_deleted):
    change = Change(position, GENOME[position : position + n_deleted] or GENOME[position], "")
    where = plan(offsets, window=window, anchor=0)
    found = where.pairs(change, letters, len(GENOME), "+")
    assert found
    if where.step + len(change.ref) <= window:
        assert all(
            one.start <= change.position and change.end <= one.start + window for one in found
        )


@given(st.integers(1, 12), st.integers(0, 198), st.integers(1, 30))
def test_neighbours_share_the_grid(offsets, position, distance):
    where = plan(offsets)
    other = min(position + distance, 199)
    one, two = (set(starts(substitution(at), where)) for at in (position, other))
    both = {at for at in one | two if at <= position and other < at + 30}
    assert both <= one & two


def test_a_change_is_read_on_both_strands():
    found, texts = read(substitution(100), plan(1))

    forward, backward = found.used
    assert (forward.strand, backward.strand) == (0, 1)
    assert forward.pair == backward.pair
    for index in (forward.reference, forward.alternative):
        assert reverse_complement(texts.texts[index]) in texts.texts


def test_windows_hold_the_letters_before_and_after_the_change():
    change = Change(100, GENOME[100:103], "")
    found, texts = read(change, plan(5))

    assert len(found.used) > 4
    for one in found.used:
        expected = letters_of(one.pair, change, letters)
        if STRANDS[one.strand] == "-":
            expected = tuple(map(reverse_complement, expected))
        assert (texts.texts[one.reference], texts.texts[one.alternative]) == expected


@pytest.mark.parametrize("strand", STRANDS)
def test_the_anchor_stays_at_its_base_beside_an_insertion(strand):
    change = Change(100, "", "ACGTACG")
    where = plan(10, anchor=25)
    held = where.held(strand)
    assert held == (25 if strand == "+" else 4)
    for pair in where.pairs(change, letters, len(GENOME), strand):
        reference, alternative = letters_of(pair, change, letters)
        assert reference[held] == alternative[held]


def test_reference_windows_are_taken_in_once_for_all_alleles():
    where, texts = plan(3), WindowTexts()
    alleles = [Change(100, GENOME[100], base) for base in "ACGT" if base != GENOME[100]]

    first = [{one.reference for one in read(each, where, texts)[0].used} for each in alleles]

    assert first[0] == first[1] == first[2]
    # on both strands 3 windows of the reference, and 3 of each allele
    assert len(texts.texts) == 2 * (3 + 3 * 3)
    assert texts.n_asked == 2 * 2 * 3 * 3


def test_neighbours_share_reference_windows():
    texts = WindowTexts()
    one, two = (read(substitution(at), plan(3), texts)[0] for at in (100, 101))
    assert {each.reference for each in one.used} & {each.reference for each in two.used}


def test_the_case_of_letters_makes_no_other_window():
    texts = WindowTexts()
    places = [texts.index(text, "+") for text in ("ACG", "acg", "AcG")]
    assert (places, texts.texts, texts.n_asked) == ([0, 0, 0], ["ACG"], 3)


def test_a_window_equal_to_the_other_strand_of_another_is_the_same():
    texts = WindowTexts()
    assert texts.index("AACG", "+") == texts.index("CGTT", "-") == 0


def test_windows_with_too_many_n_are_left_out_and_counted():
    genome = GENOME[:100] + "N" * 5 + GENOME[105:]
    # 1 offset: one window in which 5 of 30 are N
    found, texts = read(substitution(96), plan(1), genome=genome)
    assert (list(found.used), found.n_unknown, texts.texts) == ([], 2, [])
    found, _ = read(substitution(96), plan(1), genome=genome, max_unknown=0.2)
    assert (len(found.used), found.n_unknown) == (2, 0)


def test_n_that_only_the_alternative_has_count_too():
    # N lie behind the window; a deletion of six bases draws them in
    genome = GENOME[:117] + "N" * 9 + GENOME[126:]
    change, where = Change(108, GENOME[108:114], ""), plan(1)
    (pair,) = where.pairs(change, letters, len(GENOME), "+")
    assert pair.start + pair.n_bases == 117

    found, _ = read(change, where, genome=genome)

    assert (list(found.used), found.n_unknown) == ([], 2)


def test_windows_shorter_than_a_k_mer_are_left_out():
    change = Change(1, "C", "G")
    found, _ = read(change, plan(1), genome="ACG", least=4)
    assert (list(found.used), found.n_unknown) == ([], 0)
    found, texts = read(change, plan(1), genome="ACG", least=3)
    assert texts.texts == ["ACG", "AGG", "CGT", "CCT"]


def candidates_within(position, strand, window=30, anchor=10):
    """Starts of windows whose anchor stands at a candidate and that hold a base."""
    found = []
    for start in range(max(position - window + 1, 0), position + 1):
        text = GENOME[start : start + window]
        text = reverse_complement(text) if strand == "-" else text
        if text[anchor : anchor + 2] == "GT" or text[anchor - 2 : anchor] == "AG":
            found.append(start)
    return found


@pytest.mark.parametrize("strand", STRANDS)
def test_a_model_with_candidates_reads_all_of_them_and_the_centre(strand):
    where = plan(candidates=SPLICE)
    found = starts(substitution(100), where, strand)
    centre = 85 if strand == "+" else 100 - 14
    assert centre in found
    assert set(candidates_within(100, strand)) <= set(found)
    assert len(found) >= 4


@pytest.mark.parametrize("strand", STRANDS)
@pytest.mark.parametrize("n", [1, 2, 3])
def test_of_many_candidates_the_nearest_are_kept(n, strand):
    every = starts(substitution(100), plan(anchor=15, candidates=SPLICE), strand)

    where = plan(n, anchor=15, candidates=SPLICE)
    found = starts(substitution(100), where, strand)

    assert found == sorted(found)
    distances = sorted(abs(start + where.held(strand) - 100) for start in every)
    assert len(every) > 3
    assert sorted(abs(start + where.held(strand) - 100) for start in found) == distances[:n]


@pytest.mark.parametrize("anchor", [15, 10, 2])
@pytest.mark.parametrize("strand", STRANDS)
def test_the_window_around_the_change_is_always_kept(anchor, strand):
    found = starts(substitution(100), plan(2, anchor=anchor, candidates=SPLICE), strand)
    assert (100 - 15 if strand == "+" else 100 - 14) in found
    assert len(found) >= 2


@pytest.mark.parametrize("strand", STRANDS)
def test_as_many_candidates_as_there_are_leave_none_out(strand):
    every = starts(substitution(100), plan(candidates=SPLICE), strand)
    assert starts(substitution(100), plan(99, candidates=SPLICE), strand) == every
