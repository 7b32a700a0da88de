"""Bins of equal count, their intervals, and the error over them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.analysis.calibration import (
    bin_numbers,
    binned_error,
    expected_calibration_error,
    reliability,
)

TINY = {"abs": 1e-12}


@st.composite
def rated_rows(draw):
    """Truth and probabilities with many ties."""
    row = st.tuples(st.booleans(), st.integers(0, 12))
    positive, twelfths = zip(*draw(st.lists(row, min_size=1, max_size=60)), strict=True)
    return np.array(positive), np.array(twelfths) / 12


def test_bins_worked_by_hand():
    positive = np.array([False, True, True, False, True, True])
    probabilities = np.array([0.1, 0.3, 0.5, 0.4, 0.9, 0.7])
    low, middle, high = reliability(positive, probabilities, 3)
    assert [low.n, middle.n, high.n] == [2, 2, 2]
    means = [low.mean_probability, middle.mean_probability, high.mean_probability]
    assert means == pytest.approx([0.2, 0.45, 0.8], **TINY)
    assert [low.share, middle.share, high.share] == [0.5, 0.5, 1.0]


def test_interval_of_a_share_is_that_of_wilson():
    """Its ends solve (share - p)^2 = z^2 p (1 - p) / n."""
    (only,) = reliability(np.arange(10) < 3, np.full(10, 0.4))
    assert only.share == 0.3
    for end in (only.low, only.high):
        assert (0.3 - end) ** 2 == pytest.approx(1.959964**2 * end * (1 - end) / 10, abs=1e-7)
    assert only.low < 0.3 < only.high


@given(st.integers(1, 100), st.integers(1, 20), st.randoms(use_true_random=False))
def test_bins_of_distinct_probabilities_are_of_equal_count(n, n_bins, random):
    probabilities = np.arange(n) / n
    random.shuffle(probabilities)
    sizes = np.bincount(bin_numbers(probabilities, n_bins), minlength=n_bins)
    assert len(sizes) == n_bins
    assert sizes.max() - sizes.min() <= 1


@given(rated_rows(), st.integers(1, 12))
def test_ties_stay_together_and_bins_follow_the_probabilities(rows, n_bins):
    _, probabilities = rows
    numbers = bin_numbers(probabilities, n_bins)
    assert numbers.min() >= 0
    assert numbers.max() < n_bins
    for one in range(len(numbers)):
        assert (numbers[probabilities == probabilities[one]] == numbers[one]).all()
        assert (numbers[probabilities > probabilities[one]] >= numbers[one]).all()


def test_one_probability_for_all_is_one_bin():
    (only,) = reliability(np.array([True, False, False]), np.full(3, 0.2), 10)
    assert only.n == 3


def test_error_worked_by_hand():
    positive = np.array([False, True, True, True])
    probabilities = np.array([0.1, 0.3, 0.6, 0.8])
    # bins: 0.2 against 1/2, 0.7 against 1
    error = expected_calibration_error(positive, probabilities, 2)
    assert error == pytest.approx((0.3 + 0.3) / 2, **TINY)


@given(rated_rows(), st.integers(1, 12))
def test_error_is_the_mean_gap_of_the_bins(rows, n_bins):
    positive, probabilities = rows
    bins = reliability(positive, probabilities, n_bins)
    gaps = [one.n * abs(one.mean_probability - one.share) for one in bins]
    error = expected_calibration_error(positive, probabilities, n_bins)
    assert error == pytest.approx(sum(gaps) / len(positive), **TINY)


def test_probabilities_that_mean_what_they_say_have_no_error():
    positive = np.arange(40) % 4 == 0
    assert expected_calibration_error(positive, np.full(40, 0.25)) == 0


@given(rated_rows(), st.data())
def test_a_weight_is_a_number_of_copies(rows, data):
    positive, probabilities = rows
    n = len(positive)
    weights = data.draw(st.lists(st.integers(0, 3), min_size=n, max_size=n).filter(any))
    bins, gaps, copies = (
        bin_numbers(probabilities),
        probabilities - positive,
        np.repeat(range(n), weights),
    )
    ones = np.ones(len(copies), dtype=np.int64)
    expected = binned_error(bins[copies], gaps[copies], ones)
    assert binned_error(bins, gaps, np.array(weights)) == pytest.approx(expected, **TINY)


def test_no_rows_have_no_bins_and_no_error():
    none = np.empty(0)
    assert reliability(none.astype(bool), none) == []
    assert np.isnan(expected_calibration_error(none.astype(bool), none))


def test_single_precision_probabilities_are_added_in_double_precision():
    probabilities = np.full(100_000, 0.1, dtype=np.float32)
    (only,) = reliability(np.zeros(100_000, dtype=bool), probabilities)
    assert only.mean_probability == pytest.approx(float(np.float32(0.1)), abs=1e-12)
