import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.analysis.peaks import CallStitcher
from dnabert_cli.records import Call

THRESHOLD, WINDOW, ANCHOR = 0.5, 10, 3


def stitched(starts, probabilities, strand="+", name="site", window=None):
    stitcher = CallStitcher(THRESHOLD, WINDOW, ANCHOR)
    stitcher.add(
        "chr1", np.array(starts, dtype=np.int64), np.array(probabilities), strand, name, window
    )
    return stitcher.finish()


def sorted_calls(calls):
    return sorted(calls, key=lambda call: (call.start, call.end, call.strand, call.name))


def slow_calls(rows):
    """Calls of windows (start, probability, strand, name), one window at a time."""
    calls = []
    for strand, name in {(strand, name) for _, _, strand, name in rows}:
        clusters = []
        for start, probability, *key in sorted(rows, key=lambda row: row[0]):
            if key != [strand, name] or probability < THRESHOLD:
                continue
            if clusters and start < clusters[-1][-1][0] + WINDOW:
                clusters[-1].append((start, probability))
            else:
                clusters.append([(start, probability)])
        for cluster in clusters:
            best = max(probability for _, probability in cluster)
            start = next(start for start, probability in cluster if probability == best)
            summit = start + ANCHOR if strand == "+" else start + WINDOW - 1 - ANCHOR
            end = cluster[-1][0] + WINDOW
            calls.append(Call("chr1", cluster[0][0], end, name, best, strand, summit, len(cluster)))
    return sorted_calls(calls)


def scanned(rows, borders):
    """Calls of the same windows, given in units that end at `borders`; and how they came."""
    stitcher = CallStitcher(THRESHOLD, WINDOW, ANCHOR)
    batches = []
    for first, last in zip([0, *borders], [*borders, 10**6], strict=True):
        for strand in "+-":
            for name in ("acceptor", "donor"):
                unit = sorted(
                    (start, probability)
                    for start, probability, *key in rows
                    if key == [strand, name] and first <= start < last
                )
                starts = np.array([start for start, _ in unit], dtype=np.int64)
                probabilities = np.array([probability for _, probability in unit])
                stitcher.add("chr1", starts, probabilities, strand, name)
        batches.append(stitcher.advance("chr1", last))
    batches.append(stitcher.finish())
    return batches


windows = st.lists(
    st.tuples(
        st.integers(0, 120),
        st.sampled_from([0.1, 0.4, 0.5, 0.6, 0.9]),
        st.sampled_from("+-"),
        st.sampled_from(["acceptor", "donor"]),
    ),
    max_size=60,
    unique_by=lambda row: (row[0], *row[2:]),
)
unit_borders = st.lists(st.integers(1, 130), max_size=8, unique=True).map(sorted)


def test_overlapping_positive_windows_are_one_call():
    assert stitched([100, 105, 112], [0.6, 0.9, 0.7]) == [
        Call("chr1", 100, 122, "site", 0.9, "+", 105 + ANCHOR, 3)
    ]


def test_touching_windows_are_two_calls():
    calls = stitched([0, 10], [0.8, 0.8])
    assert [(call.start, call.end) for call in calls] == [(0, 10), (10, 20)]


def test_a_negative_window_does_not_split_two_that_overlap():
    assert [call.n_windows for call in stitched([0, 4, 8], [0.9, 0.1, 0.9])] == [2]


def test_threshold_itself_is_positive_and_nan_is_not():
    assert [call.start for call in stitched([0, 50, 100], [0.5, np.nan, 0.4999])] == [0]


def test_summit_is_the_anchor_on_the_strand():
    assert stitched([100], [0.9], "+")[0].summit == 103
    assert stitched([100], [0.9], "-")[0].summit == 110 - 1 - 3


def test_first_of_equally_good_windows_gives_the_summit():
    assert stitched([0, 5, 8], [0.6, 0.9, 0.9])[0].summit == 5 + ANCHOR


def test_first_of_equally_good_windows_gives_the_summit_across_a_unit_border():
    rows = [(95, 0.9, "+", "donor"), (102, 0.9, "+", "donor")]
    assert scanned(rows, [100])[1][0].summit == 95 + ANCHOR


def test_window_of_a_short_record_ends_with_it():
    (call,) = stitched([0], [0.9], window=7)
    assert (call.start, call.end, call.summit) == (0, 7, 3)
    (call,) = stitched([0], [0.9], "-", window=7)
    assert (call.start, call.end, call.summit) == (0, 7, 3)


@pytest.mark.parametrize(("strand", "summit"), [("+", 1), ("-", 0)])
def test_summit_stays_inside_a_record_too_short_for_the_anchor(strand, summit):
    assert stitched([0], [0.9], strand, window=2)[0].summit == summit


def test_single_precision_probabilities_are_not_rounded_up_to_the_threshold():
    stitcher = CallStitcher(0.7, WINDOW, ANCHOR)
    stitcher.add("chr1", np.array([0]), np.array([0.7], dtype=np.float32), "+", "site")
    assert stitcher.finish() == []


def test_strands_and_classes_are_not_merged():
    rows = [(0, 0.9, "-", "donor"), (0, 0.8, "+", "donor"), (0, 0.7, "+", "acceptor")]
    calls = [call for batch in scanned(rows, []) for call in batch]
    assert [(call.strand, call.name) for call in calls] == [
        ("+", "acceptor"), ("+", "donor"), ("-", "donor")
    ]  # fmt: skip


def test_call_grows_across_a_unit_border():
    rows = [(95, 0.6, "+", "donor"), (102, 0.9, "+", "donor")]
    first, second, rest = scanned(rows, [100])
    assert first == []
    assert second == [Call("chr1", 95, 112, "donor", 0.9, "+", 102 + ANCHOR, 2)]
    assert rest == []


def test_finished_call_waits_for_an_open_one_that_starts_before():
    rows = [(start, 0.9, "+", "donor") for start in range(0, 100, 5)]
    rows += [(20, 0.9, "-", "donor"), (80, 0.9, "-", "donor")]
    batches = scanned(rows, [50, 100])
    assert [[call.start for call in batch] for batch in batches] == [[], [], [0, 20, 80], []]


def test_finished_calls_leave_as_soon_as_nothing_can_precede_them():
    rows = [(0, 0.9, "+", "donor"), (40, 0.9, "+", "donor"), (95, 0.9, "+", "donor")]
    batches = scanned(rows, [50, 100])
    assert [[call.start for call in batch] for batch in batches] == [[0, 40], [], [95], []]


def test_calls_are_not_held_back_in_memory():
    stitcher = CallStitcher(THRESHOLD, WINDOW, ANCHOR)
    for first in range(0, 100_000, 1000):
        starts = np.arange(first, first + 1000, 20)
        stitcher.add("chr1", starts, np.full(50, 0.9), "+", "donor")
        stitcher.add("chr1", starts + 7, np.full(50, 0.9), "-", "donor")
        stitcher.advance("chr1", first + 1000)
        assert len(stitcher._closed) + len(stitcher._open) <= 2
    assert stitcher.finish() == []


@given(windows)
def test_calls_equal_those_merged_one_window_at_a_time(rows):
    assert [call for batch in scanned(rows, []) for call in batch] == slow_calls(rows)


@given(windows, unit_borders)
def test_unit_borders_change_nothing(rows, borders):
    assert [call for batch in scanned(rows, borders) for call in batch] == slow_calls(rows)


@given(windows, unit_borders)
def test_advance_with_a_careful_position_changes_nothing(rows, borders):
    """A position before windows already added is true as well, and must not spoil the order."""
    stitcher = CallStitcher(THRESHOLD, WINDOW, ANCHOR)
    calls = []
    for strand in "+-":
        for name in ("acceptor", "donor"):
            chosen = sorted(row[:2] for row in rows if row[2:] == (strand, name))
            if chosen:
                starts, probabilities = zip(*chosen, strict=True)
                stitcher.add("chr1", np.array(starts), np.array(probabilities), strand, name)
            calls += stitcher.advance("chr1", 0)
    for border in borders:
        calls += stitcher.advance("chr1", border)
    assert calls + stitcher.finish() == slow_calls(rows)


def test_nothing_in_gives_nothing_out():
    stitcher = CallStitcher(THRESHOLD, WINDOW, ANCHOR)
    stitcher.add("chr1", np.empty(0, dtype=np.int64), np.empty(0), "+", "donor")
    assert stitcher.advance("chr1", 1000) == []
    assert stitcher.finish() == []


def test_without_merging_each_positive_window_is_a_call_of_its_own():
    """Splice sites closer than a window were one call, and all but one of them were lost."""
    stitcher = CallStitcher(THRESHOLD, WINDOW, ANCHOR, merges=False)
    stitcher.add("chr1", np.array([0, 4, 5]), np.array([0.9, 0.6, 0.4]), "+", "site")
    early = stitcher.advance("chr1", 8)
    stitcher.add("chr1", np.array([9]), np.array([0.7]), "+", "site")
    calls = early + stitcher.finish()

    assert [(call.start, call.end, call.summit, call.n_windows) for call in calls] == [
        (0, 10, 3, 1),
        (4, 14, 7, 1),
        (9, 19, 12, 1),
    ]


def test_a_new_record_starts_afresh():
    stitcher = CallStitcher(THRESHOLD, WINDOW, ANCHOR)
    for chrom in ("chr1", "chr2"):
        stitcher.add(chrom, np.array([5]), np.array([0.9]), "+", "donor")
        assert [(call.chrom, call.start) for call in stitcher.finish()] == [(chrom, 5)]


def test_a_record_may_not_begin_before_the_last_was_finished():
    stitcher = CallStitcher(THRESHOLD, WINDOW, ANCHOR)
    stitcher.add("chr1", np.array([5]), np.array([0.9]), "+", "donor")
    with pytest.raises(ValueError, match="chr2 begins before chr1 was finished"):
        stitcher.add("chr2", np.array([5]), np.array([0.9]), "+", "donor")


def test_a_hundred_thousand_windows_take_milliseconds():
    stitcher = CallStitcher(THRESHOLD, 300, 249)
    probabilities = np.random.default_rng(0).random(98_000)
    begin = time.process_time()
    stitcher.add("chr1", np.arange(98_000) * 50, probabilities, "+", "promoter")
    assert len(stitcher.finish()) > 1000
    assert time.process_time() - begin < 0.5  # 0.02 s here
