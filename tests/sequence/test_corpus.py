"""Sequence packed four bases to a byte, in memory and on the disk."""

import re
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.formats.arrays import map_arrays, write_arrays
from dnabert_cli.sequence import corpus as corpus_module
from dnabert_cli.sequence.corpus import (
    CorpusBuilder,
    corpus_from_arrays,
)

LETTERS = "ACGT" * 8 + "acgtuUN" + "RYn-"


def build(*sequences, min_bases=1):
    builder = CorpusBuilder(min_bases)
    for i, sequence in enumerate(sequences):
        builder.add_source(f"file {i}")
        builder.add(sequence)
    return builder.finish()


def texts(corpus):
    """The runs as text: the slow way, base by base."""
    found = []
    for start, length in zip(corpus.starts.tolist(), corpus.lengths.tolist(), strict=True):
        places = range(start, start + length)
        found.append("".join("ATCG"[corpus.packed[i // 4] >> 2 * (i % 4) & 3] for i in places))
    return found


def runs_of(sequence, min_bases=1):
    plain = sequence.upper().replace("U", "T")
    return [run for run in re.findall("[ACGT]+", plain) if len(run) >= min_bases]


def random_bases(n_bases, seed=0):
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), n_bases))


# --- packing


@given(st.lists(st.text(LETTERS, max_size=50), max_size=4), st.integers(1, 6))
def test_runs_come_back_as_the_letters_they_were(sequences, min_bases):
    corpus = build(*sequences, min_bases=min_bases)

    expected = [(run, i) for i, one in enumerate(sequences) for run in runs_of(one, min_bases)]
    assert list(zip(texts(corpus), corpus.sources.tolist(), strict=True)) == expected
    assert corpus.n_bases == sum(len(run) for run, _ in expected)
    assert len(corpus.names) == len(sequences)


@given(st.text(LETTERS, max_size=60), st.integers(1, 4))
def test_blocks_leave_no_seams(sequence, n_fours):
    block, corpus_module._BLOCK = corpus_module._BLOCK, 4 * n_fours
    try:
        corpus = build(sequence)
    finally:
        corpus_module._BLOCK = block

    assert texts(corpus) == runs_of(sequence)


def test_shorter_runs_are_dropped():
    corpus = build("ACGNNACGTNAC", min_bases=4)

    assert texts(corpus) == ["ACGT"]
    assert len(corpus.packed) == 1


def test_letters_that_are_no_latin_end_a_run():
    assert texts(build("ACGTé€ACG")) == ["ACGT", "ACG"]


@pytest.mark.parametrize("offset", range(4))
@pytest.mark.parametrize("n_bases", [1, 4, 5, 7])
def test_rows_begin_at_any_base_and_reach_the_last(offset, n_bases):
    sequence = random_bases(41)
    corpus = build("ACGNN", sequence)  # the second run begins in a byte of its own
    starts = [*range(offset, len(sequence) - n_bases + 1, 4), len(sequence) - n_bases]

    rows = corpus.rows(corpus.starts[1] + np.array(starts), n_bases)

    assert rows.dtype == np.uint8
    assert ["".join("ATCG"[base] for base in row) for row in rows] == [
        sequence[start : start + n_bases] for start in starts
    ]


def test_rows_may_be_longer_than_what_is_left():
    rows = build("ACGTA").rows(np.array([3]), 20)

    assert rows.shape == (1, 20)
    assert rows[0, :2].tolist() == [1, 0]
    assert rows.max() <= 3  # any base behind the end, but a base


def test_packing_needs_little_beside_the_record():
    sequence = random_bases(10_000) * 500
    tracemalloc.start()
    try:
        corpus = build(sequence)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert corpus.n_bases == len(sequence)
    fixed = 8 * corpus_module._BLOCK  # what a block takes, however long the record
    assert peak < 0.4 * len(sequence) + fixed


# --- on the disk


@given(st.lists(st.text(LETTERS, max_size=40), max_size=3))
def test_arrays_give_the_corpus_back(sequences):
    corpus = build(*sequences)
    back = corpus_from_arrays(corpus.to_arrays())

    assert texts(back) == texts(corpus)
    assert back.sources.tolist() == corpus.sources.tolist()
    assert back.names == corpus.names


def test_a_packed_corpus_stays_on_the_disk(tmp_path):
    corpus = build(random_bases(5000), "ACGTNNNACGTACG", min_bases=4)
    write_arrays(tmp_path / "corpus.npz", force=False, **corpus.to_arrays())
    back = corpus_from_arrays(map_arrays(tmp_path / "corpus.npz"))

    assert isinstance(back.packed, np.memmap)
    assert texts(back) == texts(corpus)
    assert (back.names, back.sources.tolist()) == (corpus.names, corpus.sources.tolist())
    assert type(back.rows(back.starts, 4)) is np.ndarray


BIG = np.iinfo(np.int64).max


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"starts": [-1, 8]}, "outside the bases"),
        ({"starts": [0, BIG]}, "outside the bases"),
        ({"starts": [0, BIG - 6]}, "outside the bases"),  # the sum is negative
        ({"lengths": [6, BIG]}, "outside the bases"),
        ({"starts": [0, 2], "lengths": [6, BIG]}, "outside the bases"),
        ({"lengths": [6, 9]}, "outside the bases"),
        ({"lengths": [6, 0]}, "outside the bases"),
        ({"lengths": [6, -4]}, "outside the bases"),
        ({"lengths": [6]}, "differ in length"),
        ({"sources": [0]}, "differ in length"),
        ({"sources": [0, 1]}, "belongs to no file"),
        ({"sources": [0, -1]}, "belongs to no file"),
        ({"starts": [0.0, 8.0]}, "other types"),
        ({"starts": np.array([0, 8], dtype=">i8")}, "other types"),
        ({"packed": np.zeros(4, np.int8)}, "other types"),
        ({"names": [1]}, "other types"),
        ({"packed": np.zeros((2, 2), np.uint8)}, "one dimension"),
        ({"starts": [[0], [8]]}, "one dimension"),
        ({"names": np.array("toy")}, "one dimension"),
    ],
)
def test_arrays_that_do_not_fit_together_are_refused(changes, match):
    arrays = {
        "packed": np.zeros(4, np.uint8),
        "starts": np.array([0, 8]),
        "lengths": np.array([6, 8]),
        "sources": np.array([0, 0]),
        "names": np.array(["toy"]),
    }
    corpus_from_arrays(arrays)

    with pytest.raises(ValueError, match=match):
        corpus_from_arrays(arrays | {name: np.asarray(one) for name, one in changes.items()})


@pytest.mark.parametrize("name", ["packed", "starts", "lengths", "sources", "names"])
def test_a_missing_array_is_named(name):
    arrays = build("ACGT").to_arrays()
    del arrays[name]

    with pytest.raises(KeyError, match=name):
        corpus_from_arrays(arrays)
