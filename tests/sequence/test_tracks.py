from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.sequence.tracks import average_tracks

NAN = float("nan")
SCORES = st.one_of(st.integers(-8, 8).map(float), st.just(NAN))
PIECES = st.lists(
    st.tuples(st.sampled_from(["chr2", "chr1"]), st.integers(0, 30), st.lists(SCORES, max_size=8)),
    max_size=12,
)


def arrays(pieces):
    return [(chrom, start, np.array(scores, dtype=float)) for chrom, start, scores in pieces]


def averaged(*pieces):
    tracks = average_tracks(arrays(pieces))
    return [(chrom, start, scores.tolist()) for chrom, start, scores in tracks]


def slow_bases(pieces):
    """The score of every base of every sequence, one base after the other."""
    found = {}
    for chrom, start, scores in pieces:
        for offset, score in enumerate(scores):
            found.setdefault((chrom, start + offset), []).append(score)
    means = {}
    for base, scores in found.items():
        known = [score for score in scores if score == score]  # noqa: PLR0124  not NaN
        means[base] = sum(known) / len(known) if known else None
    return means


@given(PIECES)
def test_every_base_has_the_mean_of_its_scores(pieces):
    tracks = average_tracks(arrays(pieces))
    bases = {
        (chrom, start + offset): None if np.isnan(score) else float(score)
        for chrom, start, scores in tracks
        for offset, score in enumerate(scores)
    }
    assert bases == pytest.approx(slow_bases(pieces))


@given(PIECES)
def test_stretches_are_sorted_and_at_least_one_base_apart(pieces):
    tracks = average_tracks(arrays(pieces))
    order = list(dict.fromkeys(chrom for chrom, _, scores in pieces if scores))
    places = [(order.index(chrom), start, start + len(scores)) for chrom, start, scores in tracks]
    assert places == sorted(places)
    for (left, _, end), (right, start, _) in pairwise(places):
        assert left != right or start > end


@given(PIECES)
def test_averaging_again_changes_nothing(pieces):
    once = average_tracks(arrays(pieces))
    again = average_tracks(once)
    assert [track[:2] for track in again] == [track[:2] for track in once]
    for left, right in zip(once, again, strict=True):
        np.testing.assert_array_equal(left[2], right[2])


def test_overlap_has_the_mean_and_the_rest_its_own_score():
    assert averaged(("a", 10, [1, 1, 1]), ("a", 12, [3, 5])) == [("a", 10, [1, 1, 2, 5])]


def test_mean_of_three_is_not_the_mean_of_means():
    assert averaged(("a", 0, [0]), ("a", 0, [0]), ("a", 0, [9])) == [("a", 0, [3])]


def test_touching_pieces_are_joined():
    assert averaged(("a", 12, [2]), ("a", 10, [1, 1])) == [("a", 10, [1, 1, 2])]


def test_pieces_a_base_apart_are_not_joined():
    assert averaged(("a", 0, [1]), ("a", 2, [2])) == [("a", 0, [1]), ("a", 2, [2])]


def test_piece_inside_another_does_not_shorten_the_stretch():
    assert averaged(("a", 0, [1] * 5), ("a", 1, [3]), ("a", 4, [1])) == [("a", 0, [1, 2, 1, 1, 1])]


def test_sequences_keep_the_order_of_their_first_piece():
    tracks = averaged(("chr10", 5, [1]), ("chr2", 0, [2]), ("chr10", 0, [3]))
    assert tracks == [("chr10", 0, [3]), ("chr10", 5, [1]), ("chr2", 0, [2])]


def test_unknown_scores_do_not_count():
    (track,) = average_tracks(arrays([("a", 0, [NAN, NAN, 4]), ("a", 0, [2, NAN, 6])]))
    np.testing.assert_array_equal(track[2], [2, NAN, 5])


def test_single_precision_is_averaged_in_double():
    tracks = average_tracks([("a", 0, np.full(1, 0.1, dtype=np.float32))] * 3)
    assert tracks[0][2].tolist() == [pytest.approx(float(np.float32(0.1)), rel=1e-12)]


def test_pieces_are_not_changed():
    scores = np.array([1.0, NAN])
    average_tracks([("a", 0, scores), ("a", 0, np.array([3.0, 3.0]))])
    np.testing.assert_array_equal(scores, [1.0, NAN])


def test_no_pieces_have_no_stretch():
    assert average_tracks([]) == []
    assert averaged(("a", 3, [])) == []
