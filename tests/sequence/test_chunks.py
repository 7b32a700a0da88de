"""How tokens are laid out: [CLS], [SEP], chunks and padding."""

import csv
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.sequence.chunks import lay_out
from dnabert_cli.sequence.kmers import CLS, PAD, SEP, Tokenizer


def tokens(n_tokens, n_rows=1):
    return np.arange(10, 10 + n_rows * n_tokens, dtype=np.uint16).reshape(n_rows, n_tokens)


def test_without_chunks_a_row_stands_between_cls_and_sep():
    ids, mask = lay_out(tokens(3, n_rows=2), None)

    assert ids.tolist() == [[2, 10, 11, 12, 3], [2, 13, 14, 15, 3]]
    assert ids.dtype == np.int64
    assert mask is None


@pytest.mark.parametrize(
    ("n_tokens", "expected"),
    [
        (0, [2, 3, 0, 0, 0, 0, 0, 0, 0, 0]),
        (2, [2, 10, 11, 3, 0, 0, 0, 0, 0, 0]),
        (3, [2, 10, 11, 12, 3, 2, 3, 0, 0, 0]),  # an empty piece, as in the original
        (4, [2, 10, 11, 12, 3, 2, 13, 3, 0, 0]),
        (6, [2, 10, 11, 12, 3, 2, 13, 14, 15, 3]),  # no room for an empty one
    ],
)
def test_each_chunk_holds_one_piece(n_tokens, expected):
    ids, mask = lay_out(tokens(n_tokens), 2, max_tokens=3)

    assert ids.tolist() == [expected]
    assert mask.tolist() == [[int(one != PAD) for one in expected]]
    assert ids.dtype == mask.dtype == np.int64


def test_tokens_are_never_lost():
    with pytest.raises(AssertionError, match="7 tokens in 2 chunks"):
        lay_out(tokens(7), 2, max_tokens=3)


@given(
    n_rows=st.integers(0, 3),
    n_tokens=st.integers(0, 40),
    n_chunks=st.integers(1, 5),
    max_tokens=st.integers(1, 12),
)
def test_the_tokens_come_back_in_order(n_rows, n_tokens, n_chunks, max_tokens):
    n_tokens = min(n_tokens, n_chunks * max_tokens)
    rows = tokens(n_tokens, n_rows)

    ids, mask = lay_out(rows, n_chunks, max_tokens)

    assert ids.shape == (n_rows, n_chunks * (max_tokens + 2))
    assert np.array_equal(ids[ids > SEP].reshape(rows.shape), rows)
    assert np.array_equal(mask == 1, ids != PAD)
    is_start = np.zeros(ids.shape, dtype=bool)
    is_start[:, :: max_tokens + 2] = True
    assert not (ids == CLS)[~is_start].any()
    assert ((ids == CLS).sum(1) == (ids == SEP).sum(1)).all()


@pytest.mark.oracle
@pytest.mark.parametrize(("name", "k"), [("k3_dnalongcat", 3), ("k6_dnalong_lstm2", 6)])
def test_layout_agrees_with_the_original(oracle, name, k):
    with (oracle / "inputs" / "long.tsv").open() as file:
        sequences = [row["sequence"] for row in csv.DictReader(file, delimiter="\t")]
    with np.load(oracle / "forward" / f"{name}_L1024_predict.npz") as arrays:
        expected = arrays["input_ids"], arrays["attention_mask"]

    for i, sequence in enumerate(sequences):
        row = Tokenizer(k).encode(sequence)[None, : 2 * 510]  # the original loses the rest
        ids, mask = lay_out(row, 2)
        assert np.array_equal(ids[0], expected[0][i])
        assert np.array_equal(mask[0], expected[1][i])


@pytest.mark.oracle
def test_special_tokens_stand_where_the_original_has_them(oracle):
    cases = json.loads((oracle / "misc" / "misc.json").read_text())["tokenizer"]
    cases = [case for case in cases if "cls_at" in case]
    assert len(cases) > 10
    for case in cases:
        n_chunks = case["max_length"] // 512
        ids, mask = lay_out(tokens(min(case["n_kmers"], 510 * n_chunks)), n_chunks)
        assert np.flatnonzero(ids[0] == CLS).tolist() == case["cls_at"]
        assert np.flatnonzero(ids[0] == SEP).tolist() == case["sep_at"]
        assert mask.sum() == case["len"]
