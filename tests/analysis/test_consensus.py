"""Columns of shares to letters, by a rule that can be worked by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnabert_cli.analysis.consensus import CODES, consensus


@pytest.mark.parametrize(
    ("column", "code"),
    [
        ((1, 0, 0, 0), "A"),
        ((0.52, 0.25, 0.13, 0.1), "A"),
        ((0.1, 0.1, 0.1, 0.7), "T"),
        ((0.5, 0.2, 0.2, 0.1), "N"),  # not more than half
        ((0.52, 0.48, 0, 0), "M"),  # not twice the next
        ((0, 0.5, 0.5, 0), "S"),
        ((0.4, 0.1, 0.4, 0.1), "R"),
        ((0.5, 0.25, 0.25, 0), "V"),  # two letters have just three quarters
        ((5 / 12, 1 / 3, 1 / 8, 1 / 8), "N"),  # the same, and their sum is no round number
        ((0, 0, 25 / 75, 50 / 75), "K"),  # just twice the next
        ((0.25, 0.25, 0.25, 0.25), "N"),
    ],
)
def test_code_of_a_column(column, code):
    assert consensus([column]) == code


def test_columns_are_read_from_the_left():
    assert consensus(np.eye(4)[[0, 3, 2, 1]]) == "ATGC"
    assert consensus(np.zeros((0, 4))) == ""


def test_every_set_of_letters_has_its_code():
    for letters, code in CODES.items():
        row = [(letter in letters) / len(letters) for letter in "ACGT"]
        assert consensus([row]) == code


@settings(max_examples=500)
@given(st.lists(st.lists(st.integers(0, 60), min_size=4, max_size=4).filter(any), min_size=1))
def test_consensus_is_that_of_biopython(counts):
    motifs = pytest.importorskip("Bio.motifs")
    matrix = np.array(counts, dtype=np.float64)
    known = motifs.Motif("ACGT", counts=dict(zip("ACGT", matrix.T.tolist(), strict=True)))

    found = consensus(matrix / matrix.sum(axis=1, keepdims=True))

    assert found == str(known.degenerate_consensus)
