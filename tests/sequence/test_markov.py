"""The Markov model: by hand, against a slow twin, and that probabilities are some."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.sequence import markov
from dnabert_cli.sequence.kmers import digits
from dnabert_cli.sequence.markov import MarkovModel

pieces_of_digits = st.lists(st.lists(st.integers(0, 3), max_size=30), max_size=5)


def arrays(pieces):
    return [np.array(piece, dtype=np.uint8) for piece in pieces]


def slow_bits(pieces, order, piece):
    """One dictionary of counts; every base of every piece is looked at with 0..m before it."""
    counts = {}
    for one in pieces:
        for i in range(len(one)):
            for before in range(min(i, order) + 1):
                word = tuple(one[i - before : i + 1])
                counts[word] = counts.get(word, 0) + 1
    bits = []
    for i in range(len(piece)):
        context = tuple(piece[max(0, i - order) : i])
        of_each = [counts.get((*context, base), 0) + 1 for base in range(4)]
        bits.append(-math.log2(of_each[piece[i]] / sum(of_each)))
    return bits


def test_order_one_worked_by_hand():
    model = MarkovModel.fit([digits("AATA"), digits("C")], order=1)

    bits = model.bits(digits("AATC"))

    # order 0: A 3+1, T 1+1, C 1+1, G 0+1 of 9; after A: A 1+1, T 1+1, C 1, G 1 of 6;
    # after T: A 1+1, the others 1, of 5
    expected = [-math.log2(4 / 9), -math.log2(2 / 6), -math.log2(2 / 6), -math.log2(1 / 5)]
    assert bits.tolist() == pytest.approx(expected)


def test_nothing_seen_is_two_bits_per_base():
    assert MarkovModel.fit([], order=3).bits(digits("ACGTAC")).tolist() == [2.0] * 6


def test_a_repeat_is_foretold():
    model = MarkovModel.fit([digits("ACGT" * 5000)])

    bits = model.bits(digits("ACGT" * 5))

    assert model.order == 5
    assert bits[5:].max() < 0.01
    assert bits[0] == pytest.approx(2)


@given(
    pieces=pieces_of_digits, piece=st.lists(st.integers(0, 3), max_size=12), order=st.integers(0, 4)
)
def test_bits_equal_those_of_a_slow_twin(pieces, piece, order):
    found = MarkovModel.fit(arrays(pieces), order).bits(*arrays([piece]))

    assert found.tolist() == pytest.approx(slow_bits(pieces, order, piece))


@given(pieces=pieces_of_digits, order=st.integers(0, 4))
def test_the_four_probabilities_after_any_context_sum_to_one(pieces, order):
    model = MarkovModel.fit(arrays(pieces), order)

    for before in range(order + 1):
        sums = (2.0 ** -model.tables[before]).reshape(-1, 4).sum(1)
        assert np.allclose(sums, 1)
        assert len(sums) == 4**before


def test_the_probabilities_of_all_sequences_of_a_length_sum_to_one():
    model = MarkovModel.fit([digits("ATCGGCTAATTGCCAT")], order=2)

    sequences = arrays(itertools.product(range(4), repeat=4))

    assert sum(2.0 ** -model.bits(one).sum() for one in sequences) == pytest.approx(1)


def test_chunks_of_a_long_piece_leave_the_counts_alone(monkeypatch):
    piece = np.random.default_rng(0).integers(0, 4, 101, dtype=np.uint8)
    whole = MarkovModel.fit([piece], order=3)
    monkeypatch.setattr(markov, "_CHUNK", 7)

    in_chunks = MarkovModel.fit([piece], order=3)

    assert all(map(np.array_equal, whole.tables, in_chunks.tables))


@pytest.mark.parametrize("order", [0, 5])
def test_a_piece_may_be_shorter_than_the_order(order):
    model = MarkovModel.fit([digits("AC")], order)

    assert len(model.bits(digits(""))) == 0
    assert len(model.bits(digits("ACG"))) == 3


def test_unknown_bases_have_to_be_cut_out():
    with pytest.raises(AssertionError, match="unknown base"):
        MarkovModel.fit([digits("ACNGT")])
    with pytest.raises(AssertionError, match="unknown base"):
        MarkovModel.fit([]).bits(digits("N"))
