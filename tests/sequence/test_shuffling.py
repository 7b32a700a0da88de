"""Shuffling: what is kept, and that nothing else is preferred; counted on all arrangements."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import chisquare

from dnabert_cli.sequence.shuffling import shuffle_dinucleotides, substitute_parts

bases = st.text("ACGT", max_size=80)
few_bases = st.text("ACC", max_size=40)  # long runs
seeds = st.integers(0, 2**32 - 1)


def generator(seed=0):
    return np.random.default_rng(seed)


def dinucleotides(sequence):
    return Counter(pairwise(sequence))


def all_arrangements(sequence):
    """Every sequence with the same dinucleotides and first letter, letter by letter."""
    found = []

    def extend(start, left):
        if not left:
            found.append(start)
        for pair in left:
            if pair[0] == start[-1]:
                extend(start + pair[1], left - Counter([pair]))

    extend(sequence[0], dinucleotides(sequence))
    return found


@given(bases | few_bases, seeds)
def test_dinucleotides_and_ends_are_kept(sequence, seed):
    shuffled = shuffle_dinucleotides(sequence, generator(seed))
    assert dinucleotides(shuffled) == dinucleotides(sequence)
    assert len(shuffled) == len(sequence)
    assert (shuffled[:1], shuffled[-1:]) == (sequence[:1], sequence[-1:])


@pytest.mark.parametrize(
    "sequence",
    [
        "ACGACTAGCA",  # begins and ends with the same letter
        "ACATAGCTCG",  # all four letters
        "AAACAAGATC",  # runs
        "GATTACAGATTT",
        "ACACACAGC",  # two letters that nearly always lead to each other
        "A" * 30 + "CAG",  # where one of 31 letters A is followed by the last letter
    ],
)
def test_all_arrangements_are_equally_likely(sequence):
    arrangements = all_arrangements(sequence)
    rng = generator(1)
    counts = Counter(shuffle_dinucleotides(sequence, rng) for _ in range(4000))
    assert len(arrangements) > 2
    assert set(counts) <= set(arrangements)
    assert chisquare([counts[one] for one in arrangements]).pvalue > 0.01


def test_arrangements_worked_by_hand():
    assert sorted(all_arrangements("ACATAG")) == ["ACATAG", "ATACAG"]
    counts = Counter(shuffle_dinucleotides("ACATAG", generator(seed)) for seed in range(50))
    assert set(counts) == {"ACATAG", "ATACAG"}


@pytest.mark.parametrize("sequence", ["", "A", "GC", "ACT", "TTT", "A" * 1000, "ACGT"])
def test_what_has_one_arrangement_comes_back(sequence):
    assert shuffle_dinucleotides(sequence, generator()) == sequence


def test_a_long_run_with_one_exit_is_shuffled_at_once():
    """Exits drawn at random would nearly never form a tree here."""
    sequence = "AC" * 20_000 + "AG"
    assert shuffle_dinucleotides(sequence, generator()) == sequence


@given(st.text("ACGTacgtuUNnRy-", max_size=60), seeds)
def test_other_letters_stay_and_the_stretches_between_are_shuffled_one_by_one(sequence, seed):
    upper = sequence.upper().replace("U", "T")
    shuffled = shuffle_dinucleotides(sequence, generator(seed))
    assert len(shuffled) == len(upper)
    for before, after in zip(upper, shuffled, strict=True):
        assert before == after or {before, after} <= set("ACGT")
    assert dinucleotides(shuffled) == dinucleotides(upper)


def test_lower_case_and_u_are_shuffled_as_their_bases():
    upper = shuffle_dinucleotides("ACGTTGCATTGACGT", generator(3))
    assert shuffle_dinucleotides("acgUugcauugacgu", generator(3)) == upper
    assert upper != "ACGTTGCATTGACGT"


def test_equal_seeds_shuffle_equally_and_others_do_not():
    sequence = "ACGGTTACGATCGACCATGGCATCATTACGACTAGC"
    first, again, other = (shuffle_dinucleotides(sequence, generator(seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def parts_of(sequence, n_parts):
    borders = [len(sequence) * part // n_parts for part in range(n_parts + 1)]
    return [sequence[start:end] for start, end in pairwise(borders)]


@given(st.integers(20, 400), seeds)
def test_eight_parts_of_twenty_stay_at_their_places(n_bases, seed):
    # no base of the original is ever drawn, so that every other letter tells a replaced part
    original = "R" * n_bases
    parts = parts_of(substitute_parts(original, generator(seed)), 20)
    replaced = [part for part in parts if set(part) != {"R"}]
    assert len(parts) - len(replaced) == 8
    assert all(set(part) <= set("ACGT") for part in replaced)


@given(st.integers(20, 400))
def test_parts_differ_by_one_letter_at_most(n_bases):
    # one part stays: its length is that of a run of the original
    kept = [
        substitute_parts("N" * n_bases, generator(seed), n_replaced=19).count("N")
        for seed in range(30)
    ]
    assert set(kept) <= {n_bases // 20, -(-n_bases // 20)}


def test_every_part_is_replaced_equally_often():
    rng = generator(5)
    texts = [substitute_parts("N" * 20, rng) for _ in range(2000)]
    replaced = [sum(text[part] != "N" for text in texts) for part in range(20)]
    assert sum(replaced) == 12 * 2000
    assert chisquare(replaced).pvalue > 0.01


def test_replaced_bases_are_drawn_uniformly():
    counts = Counter(substitute_parts("G" * 20_000, generator(1), 1, 1))
    assert chisquare([counts[base] for base in "ACGT"]).pvalue > 0.01


def test_all_or_no_parts_can_be_replaced():
    assert substitute_parts("NNNN", generator(), 4, 0) == "NNNN"
    assert "N" not in substitute_parts("NNNN", generator(), 4, 4)


def test_kept_parts_are_upper_case_dna():
    assert substitute_parts("acgu", generator(), 4, 0) == "ACGT"


def test_equal_seeds_substitute_equally_and_others_do_not():
    first, again, other = (substitute_parts("A" * 300, generator(seed)) for seed in (3, 3, 4))
    assert first == again
    assert first != other


def test_fewer_letters_than_parts_are_refused():
    with pytest.raises(ValueError, match="19 letters cannot be cut into 20 parts"):
        substitute_parts("A" * 19, generator())
