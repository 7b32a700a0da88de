from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.dna import reverse_complement
from dnabert_cli.sequence.kmer_counts import LARGEST_K, kmer_counts

TEXTS = st.lists(st.text("ACGTacgtNU", max_size=30), min_size=1, max_size=5)


def slow_counts(sequence, k, both_strands=False):
    columns = ["".join(kmer) for kmer in product("ACGT", repeat=k)]
    strands = [sequence, reverse_complement(sequence)] if both_strands else [sequence]
    texts = [strand.upper().replace("U", "T") for strand in strands]
    kmers = [text[i : i + k] for text in texts for i in range(len(text) - k + 1)]
    counts = np.array([kmers.count(column) for column in columns], dtype=float)
    return counts / max(counts.sum(), 1)


@given(TEXTS, st.integers(1, 4), st.booleans())
def test_shares_equal_those_counted_one_by_one(texts, k, both_strands):
    shares = kmer_counts(texts, k, both_strands=both_strands)
    slow = [slow_counts(text, k, both_strands) for text in texts]
    np.testing.assert_allclose(shares, slow, rtol=1e-6)


def test_columns_are_in_alphabetical_order():
    shares = kmer_counts(["AA", "AC", "AG", "AT", "CA", "GT", "TT"], 2)
    assert shares.argmax(axis=1).tolist() == [0, 1, 2, 3, 4, 11, 15]


def test_shares_of_a_sequence_worked_by_hand():
    assert kmer_counts(["AAC"], 1).tolist() == [pytest.approx([2 / 3, 1 / 3, 0, 0])]


def test_both_strands_worked_by_hand():
    assert kmer_counts(["AAC"], 1, both_strands=True).tolist() == [
        pytest.approx([1 / 3, 1 / 6, 1 / 6, 1 / 3])
    ]


@given(st.text("ACGTN", max_size=30), st.integers(1, 4))
def test_both_strands_do_not_tell_a_sequence_from_its_reverse_complement(text, k):
    here, opposite = kmer_counts([text, reverse_complement(text)], k, both_strands=True)
    assert (here == opposite).all()


def test_case_and_u_do_not_matter():
    assert (kmer_counts(["acgu"], 2) == kmer_counts(["ACGT"], 2)).all()


def test_kmers_with_other_letters_do_not_count():
    assert kmer_counts(["AANCA"], 2)[0, [0, 4]].tolist() == [0.5, 0.5]


@pytest.mark.parametrize("text", ["", "A", "NNNN"])
def test_sequence_without_a_kmer_has_zeros(text):
    assert not kmer_counts([text], 2).any()


def test_shape_and_type_are_as_stated():
    shares = kmer_counts(["ACGT"] * 3, 3)
    assert shares.shape == (3, 64)
    assert shares.dtype == np.float32
    assert kmer_counts([], 3).shape == (0, 64)


def test_longest_kmers_are_counted():
    shares = kmer_counts(["T" * LARGEST_K, "A" * LARGEST_K], LARGEST_K)
    assert (shares[0, -1], shares[1, 0]) == (1, 1)
