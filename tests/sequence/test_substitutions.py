"""Every base replaced by every other; the tokens of mutants equal those of the mutated text."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.sequence.kmers import Tokenizer
from dnabert_cli.sequence.substitutions import LETTERS, substitutions


def slow_twin(sequence):
    return [
        (i, letter, sequence[:i] + letter + sequence[i + 1 :])
        for i, base in enumerate(sequence)
        if base in "ACGTacgtUu"
        for letter in LETTERS
        if letter != base.upper().replace("U", "T")
    ]


def test_three_mutants_of_one_base():
    assert list(substitutions("G")) == [(0, "A", "A"), (0, "C", "C"), (0, "T", "T")]


@given(st.text("ACGTUNacgtu", max_size=12))
def test_the_mutants_are_those_of_two_loops(sequence):
    mutants = substitutions(sequence)

    assert list(mutants) == slow_twin(sequence)
    assert len(mutants) == len(slow_twin(sequence))


def test_unknown_letters_are_kept_and_not_replaced():
    mutants = list(substitutions("aNR"))

    assert mutants == [(0, "C", "CNR"), (0, "G", "GNR"), (0, "T", "TNR")]


def test_uracil_is_a_thymine():
    assert [letter for _, letter, _ in substitutions("U")] == ["A", "C", "G"]


@pytest.mark.parametrize(("first", "last"), [(2, 4), (3, None), (0, 1), (2, 2)])
def test_a_stretch_alone_is_replaced(first, last):
    sequence = "ACGNTA"
    stretch = range(*slice(first, last).indices(len(sequence)))
    expected = [each for each in slow_twin(sequence) if each[0] in stretch]

    assert list(substitutions(sequence, first, last)) == expected


@given(
    st.text("ACGTN", min_size=6, max_size=25),
    st.sampled_from([1, 3, 6]),
    st.sampled_from([1, 2, 3, 7]),
)
def test_tokens_of_mutants_are_those_of_their_text(sequence, k, token_stride):
    tokenizer = Tokenizer(k, token_stride)
    mutants = substitutions(sequence)

    windows = mutants.windows(tokenizer)

    expected = [tokenizer.encode(text)[::token_stride].tolist() for _, _, text in mutants]
    assert windows.rows(0, len(windows)).tolist() == expected
    assert windows.n_tokens == tokenizer.n_tokens(len(sequence))
    assert len(windows) == len(mutants)


def test_a_batch_of_mutants_is_a_slice_of_all():
    windows = substitutions("ACGTTGCA").windows(Tokenizer(3))

    batch = windows.rows(5, 9)

    assert batch.dtype == np.uint16
    assert np.array_equal(batch, windows.rows(0, len(windows))[5:9])
