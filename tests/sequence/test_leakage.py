import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.dna import reverse_complement
from dnabert_cli.sequence.leakage import Leakage, leakage, near_duplicates, shared_share


def random_sequence(n_bases, seed=0):
    letters = np.random.default_rng(seed).integers(4, size=n_bases)
    return "".join("ACGT"[letter] for letter in letters)


def slow_shares(sequences, others, size):
    """Shares by sets of strings that hold both strands."""
    stretches, wholes = set(), set()
    for other in others:
        for text in (clean(other), reverse_complement(clean(other))):
            wholes.add(text)
            stretches |= set(countable(text, size))
    shares = []
    for sequence in sequences:
        found = [stretch in stretches for stretch in countable(clean(sequence), size)]
        shares.append(sum(found) / len(found) if found else float(clean(sequence) in wholes))
    return shares


def clean(sequence):
    return sequence.upper().replace("U", "T")


def countable(text, size):
    pieces = [text[i : i + size] for i in range(len(text) - size + 1)]
    return [piece for piece in pieces if set(piece) <= set("ACGT")]


SEQUENCE = random_sequence(300)


def test_the_share_is_that_of_the_stretches_found():
    # AAAC, AACC, ACCG, CCGG: the other holds the second and the third
    assert shared_share(["AAACCGG"], ["TAACCGT"], 4).tolist() == [0.5]


def test_a_stretch_counts_at_every_place_it_stands_at():
    # AAA three times, AAC once
    assert shared_share(["AAAAAC"], ["GAAAG"], 3).tolist() == [0.75]


def test_stretches_may_come_from_several_others():
    assert shared_share([SEQUENCE], [SEQUENCE[:150], SEQUENCE[101:]]).tolist() == [1.0]
    assert shared_share([SEQUENCE], [SEQUENCE[:150], SEQUENCE[102:]]).tolist() == [250 / 251]


def test_shifted_windows_share_what_they_overlap_by():
    shares = shared_share([SEQUENCE[:200]], [SEQUENCE[50:250]])
    assert shares.tolist() == [101 / 151]


def test_both_strands_are_compared():
    assert shared_share([SEQUENCE[:200]], [reverse_complement(SEQUENCE)]).tolist() == [1.0]


def test_case_and_u_do_not_matter():
    rna = SEQUENCE.lower().replace("t", "u")
    assert shared_share([SEQUENCE, rna], [rna, SEQUENCE]).tolist() == [1.0, 1.0]


def test_stretches_with_n_are_in_no_total():
    # countable are AAAC, AACC and TTTG; TTTG is CAAA on the other strand
    assert shared_share(["AAACCNTTTG"], ["CAAA"], 4).tolist() == [1 / 3]


def test_stretches_do_not_run_from_one_of_the_others_into_the_next():
    assert shared_share([SEQUENCE[:60]], [SEQUENCE[:30], SEQUENCE[30:60]]).tolist() == [0.0]


def test_unrelated_sequences_share_nothing():
    others = [random_sequence(300, seed) for seed in range(1, 20)]
    assert shared_share([SEQUENCE], others).tolist() == [0.0]


def test_sequences_without_a_stretch_are_compared_as_a_whole():
    short = SEQUENCE[:20]
    spoiled = "N".join(SEQUENCE[i : i + 40] for i in range(0, 300, 40))
    others = [reverse_complement(short).lower(), SEQUENCE, reverse_complement(spoiled)]
    shares = shared_share([short, short[:19], "", spoiled], others)
    assert shares.tolist() == [1.0, 0.0, 0.0, 1.0]


def test_a_short_sequence_within_a_longer_one_is_not_found():
    assert shared_share([SEQUENCE[:49], SEQUENCE[:50]], [SEQUENCE]).tolist() == [0.0, 1.0]


def test_no_sequences_and_no_others():
    assert shared_share([], [SEQUENCE]).tolist() == []
    assert shared_share([SEQUENCE, ""], []).tolist() == [0.0, 0.0]
    assert shared_share([], []).dtype == np.float64


letters = st.sampled_from("ACGT" * 5 + "acgtuUN")
rows = st.lists(st.text(letters, max_size=14), max_size=8)


@given(rows, rows, st.integers(1, 5))
def test_shares_equal_those_of_sets_of_strings(sequences, others, size):
    shares = shared_share(sequences, others, size)
    assert shares.tolist() == slow_shares(sequences, others, size)


@given(rows, rows)
def test_counts_equal_those_of_the_shares(sequences, others):
    found, _ = leakage({"test": sequences, "train": others}, size=4, threshold=0.4)
    shares = slow_shares(sequences, others, 4)
    wholes = {text for one in others for text in (clean(one), reverse_complement(clean(one)))}
    assert found == Leakage(
        part="test",
        other="train",
        n_rows=len(sequences),
        n_near_duplicates=sum(share >= 0.4 for share in shares),
        n_repeat_matches=sum(0 < share < 0.4 for share in shares),
        n_exact=sum(clean(one) in wholes for one in sequences),
        share_threshold=0.4,
        max_share=max(shares, default=0.0),
    )


# SEQUENCE has 251 stretches; so many bases of it hold 125 and 126 of them.
BELOW, ABOVE = SEQUENCE[:174], SEQUENCE[:175]


def test_half_of_the_stretches_make_a_near_duplicate():
    assert near_duplicates([SEQUENCE], [BELOW]).tolist() == [False]
    assert near_duplicates([SEQUENCE], [ABOVE]).tolist() == [True]


def test_the_threshold_itself_is_a_near_duplicate():
    sequences, others = ["AAACCGG"], ["TAACCGT"]  # two of four stretches
    at, above = 0.5, math.nextafter(0.5, 1)
    assert near_duplicates(sequences, others, size=4, threshold=at).tolist() == [True]
    assert near_duplicates(sequences, others, size=4, threshold=above).tolist() == [False]
    parts = {"test": sequences, "train": others}
    counts = [leakage(parts, size=4, threshold=value)[0].n_near_duplicates for value in (at, above)]
    assert counts == [1, 0]


def test_a_repeat_is_no_near_duplicate():
    repeat = random_sequence(80, 1)
    test = SEQUENCE[:110] + repeat + SEQUENCE[190:]
    train = random_sequence(150, 2) + reverse_complement(repeat) + random_sequence(70, 3)
    first, second = leakage({"test": [test], "train": [train]})
    for found in (first, second):
        assert (found.n_near_duplicates, found.n_repeat_matches, found.n_exact) == (0, 1, 0)
        assert found.max_share == 31 / 251


def test_exact_rows_are_near_duplicates_too_and_overlapping_ones_are_not_exact():
    test = [reverse_complement(SEQUENCE).lower(), SEQUENCE[:299], random_sequence(300, 1)]
    found, _ = leakage({"test": test, "train": [SEQUENCE]})
    assert (found.n_rows, found.n_near_duplicates, found.n_exact) == (3, 2, 1)


def test_every_ordered_pair_of_parts_is_compared():
    parts = {"train": [SEQUENCE, SEQUENCE[:200]], "dev": [SEQUENCE[:60]], "test": []}
    found = leakage(parts)
    assert [(one.part, one.other) for one in found] == [
        ("train", "dev"), ("train", "test"),
        ("dev", "train"), ("dev", "test"),
        ("test", "train"), ("test", "dev"),
    ]  # fmt: skip
    assert [one.n_rows for one in found] == [2, 2, 1, 1, 0, 0]
    assert [one.n_near_duplicates for one in found] == [0, 0, 1, 0, 0, 0]
    assert [one.n_repeat_matches for one in found] == [2, 0, 0, 0, 0, 0]
    assert [one.max_share for one in found] == [11 / 151, 0, 1.0, 0, 0, 0]


def test_size_and_threshold_reach_the_comparison():
    parts = {"test": ["AAACCGG"], "train": ["TAACCGT"]}
    found = leakage(parts, size=4, threshold=0.6)[0]
    assert (found.n_near_duplicates, found.n_repeat_matches) == (0, 1)
    assert found.share_threshold == 0.6
    assert leakage(parts)[0].max_share == 0.0


@pytest.mark.parametrize("size", [31, 32, 33, 50, 65])
def test_one_base_spoils_every_stretch_that_holds_it(size):
    changed = SEQUENCE[:150] + {"A": "G", "G": "A", "C": "A", "T": "G"}[SEQUENCE[150]]
    changed += SEQUENCE[151:]
    n_stretches = 300 - size + 1
    shares = shared_share([SEQUENCE], [changed], size)
    assert shares.tolist() == [(n_stretches - size) / n_stretches]
