import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.dna import reverse_complement
from dnabert_cli.sequence.kmers import Tokenizer
from dnabert_cli.sequence.windows import (
    TokenWindows,
    candidate_starts,
    chunks,
    n_unknown,
    stitch,
    tile,
    token_windows,
    windows_by_length,
)

ks = st.sampled_from([3, 4, 5, 6])
letters = "ACGT" * 6 + "acgtuUNR"


def test_last_window_ends_flush_with_sequence():
    assert tile(25, 10, 4).tolist() == [0, 4, 8, 12, 15]


def test_windows_that_fit_exactly_are_not_doubled():
    assert tile(22, 10, 4).tolist() == [0, 4, 8, 12]
    assert tile(10, 10, 4).tolist() == [0]


def test_short_sequence_is_one_window_and_empty_none():
    assert tile(7, 10, 4).tolist() == [0]
    assert tile(0, 10, 4).tolist() == []
    assert tile(0, 10, 4).dtype == np.int64


@given(st.integers(1, 300), st.integers(1, 50), st.integers(1, 50))
def test_tiles_start_at_the_stride_and_cover_both_ends(n_bases, window, stride):
    starts = tile(n_bases, window, stride).tolist()
    assert starts[0] == 0
    assert min(starts[-1] + window, n_bases) == n_bases
    assert starts[-1] == max(n_bases - window, 0)
    assert starts[:-1] == list(range(0, starts[-1], stride))


@given(
    st.text("ACGTUacgtn", max_size=60),
    st.integers(1, 20),
    st.integers(0, 19),
    st.lists(
        st.tuples(st.sampled_from(["GT", "GC", "AG", "AA"]), st.integers(-3, 3)),
        max_size=3,
    ),
)
def test_candidates_equal_those_of_a_regular_expression(sequence, window, anchor, candidates):
    expected = set()
    for bases, offset in candidates:
        pattern = "(?=" + bases.replace("T", "[TU]") + ")"
        for match in re.finditer(pattern, sequence, re.IGNORECASE):
            expected.add(match.start() - offset - anchor)
    inside = [start for start in sorted(expected) if 0 <= start <= len(sequence) - window]
    starts = candidate_starts(sequence, window, anchor, tuple(candidates))
    assert starts.tolist() == inside
    assert starts.dtype == np.int64


def test_splice_candidates_stand_at_the_anchor_worked_by_hand():
    # GT at base 6 is a donor; AG at 3 to 4 ends one base before the anchor
    donor = candidate_starts("CCCCCCGTCC", 6, 3, (("GT", 0), ("GC", 0)))
    acceptor = candidate_starts("CCCAGCCCCC", 6, 3, (("AG", -2),))
    assert donor.tolist() == [3]
    assert acceptor.tolist() == [2]


@given(st.text(letters, min_size=1, max_size=60), st.integers(1, 70))
def test_unknown_letters_are_counted_per_window(sequence, window):
    starts = np.arange(len(sequence))
    expected = [
        sum(letter not in "ACGTUacgtu" for letter in sequence[start : start + window])
        for start in starts
    ]
    assert n_unknown(sequence, starts, window).tolist() == expected


def test_unknown_letters_worked_by_hand():
    assert n_unknown("ANNCgRuT", np.array([0, 2, 4]), 4).tolist() == [2, 2, 1]


@st.composite
def window_cases(draw):
    sequence = draw(st.text(letters, min_size=6, max_size=80))
    tokenizer = Tokenizer(draw(ks), draw(st.integers(1, 7)))
    window = draw(st.integers(tokenizer.k, len(sequence)))
    last_start = len(sequence) - window
    starts = draw(st.lists(st.integers(0, last_start), max_size=10).map(sorted))
    return sequence, np.array(starts, dtype=np.int64), window, tokenizer


@given(window_cases(), st.sampled_from("+-"))
def test_rows_equal_each_window_tokenized_by_itself(case, strand):
    sequence, starts, window, tokenizer = case
    windows = token_windows(sequence, starts, window, tokenizer, strand)
    assert len(windows) == len(starts)
    expected = []
    for start in starts:
        piece = sequence[start : start + window]
        piece = piece if strand == "+" else reverse_complement(piece)
        expected.append(tokenizer.encode(piece)[:: tokenizer.token_stride].tolist())
    rows = windows.rows(0, len(windows))
    assert rows.shape == (len(starts), tokenizer.n_tokens(window))
    assert rows.tolist() == expected


@given(window_cases(), st.integers(1, 4))
def test_rows_in_chunks_are_the_rows_of_all(case, n_rows):
    sequence, starts, window, tokenizer = case
    windows = token_windows(sequence, starts, window, tokenizer)
    borders = chunks(len(windows), n_rows)
    rows = [row for border in borders for row in windows.rows(*border).tolist()]
    assert rows == windows.rows(0, len(windows)).tolist()


def test_chunks_cover_all_windows_in_order():
    assert list(chunks(7, 3)) == [(0, 3), (3, 6), (6, 7)]
    assert list(chunks(6, 3)) == [(0, 3), (3, 6)]
    assert list(chunks(0, 3)) == []


@given(st.lists(st.text(letters, max_size=30), max_size=10), ks, st.integers(1, 7))
def test_whole_sequences_come_once_each_grouped_by_tokens(sequences, k, token_stride):
    tokenizer = Tokenizer(k, token_stride)
    seen, counts = {}, []
    for rows, windows in windows_by_length(sequences, tokenizer):
        assert isinstance(windows, TokenWindows)
        counts.append(windows.n_tokens)
        ids = windows.rows(0, len(windows)).tolist()
        seen |= dict(zip(rows.tolist(), ids, strict=True))
    expected = {
        row: tokenizer.encode(sequence)[::token_stride].tolist()
        for row, sequence in enumerate(sequences)
        if len(sequence) >= k
    }
    assert seen == expected
    assert counts == sorted(set(counts))


def test_stitched_score_is_the_mean_of_the_windows_worked_by_hand():
    scores = stitch(np.array([0, 2, 6]), np.array([1.0, 3.0, 5.0]), 4, 12)
    expected = [1, 1, 2, 2, 3, 3, 5, 5, 5, 5, np.nan, np.nan]
    np.testing.assert_allclose(scores, expected, atol=1e-12)


@given(st.integers(1, 200), st.integers(1, 40), st.integers(1, 40), st.floats(0, 1))
def test_stitching_a_constant_gives_the_constant(n_bases, window, stride, value):
    starts = tile(n_bases, window, stride)
    scores = stitch(starts, np.full(len(starts), value), window, n_bases)
    covered = scores[~np.isnan(scores)]
    assert covered == pytest.approx(np.full(len(covered), value), abs=1e-9)
    assert len(covered) == n_bases or stride > window


@given(
    st.lists(st.tuples(st.integers(0, 30), st.integers(0, 9)), max_size=12),
    st.integers(1, 15),
)
def test_stitched_score_equals_the_mean_base_by_base(rows, window):
    holders = [[] for _ in range(31)]
    for start, score in rows:
        for holder in holders[start : start + window]:
            holder.append(score)
    expected = [np.mean(holder) if holder else np.nan for holder in holders]
    starts = np.array([start for start, _ in rows], dtype=np.int64)
    scores = np.array([score for _, score in rows], dtype=np.float32)
    np.testing.assert_allclose(stitch(starts, scores, window, 31), expected, atol=1e-9)


def test_no_windows_stitch_to_no_scores():
    assert np.isnan(stitch(np.empty(0, dtype=np.int64), np.empty(0), 4, 5)).all()


@given(
    n_bases=st.integers(0, 60),
    window=st.integers(1, 20),
    stride=st.integers(1, 9),
    cut=st.integers(1, 25),
)
def test_tiling_in_parts_gives_the_same_windows_once(n_bases, window, stride, cut):
    parts = [tile(n_bases, window, stride, first, first + cut) for first in range(0, 61, cut)]

    assert np.concatenate(parts).tolist() == tile(n_bases, window, stride).tolist()
