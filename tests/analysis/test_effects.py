"""The scores of the paper by hand, at the edges, and against the original program."""

import csv

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.analysis import effects as e

PROBABILITIES = st.floats(0, 1, width=32)


def test_difference_score_worked_by_hand():
    scores = e.difference_score(np.array([0.2, 0.8, 0.5]), np.array([0.8, 0.2, 0.5]))

    assert scores == pytest.approx([0.48, -0.48, 0])


def test_log2_odds_ratio_is_positive_where_the_variant_weakens():
    ratios = e.log2_odds_ratio(np.array([0.8, 0.2, 0.5]), np.array([0.2, 0.8, 1 / 3]))

    assert ratios == pytest.approx([4, -4, 1])


def test_log2_odds_ratio_is_finite_at_certainty():
    p_ref, p_alt = np.array([0, 1, 0, 1.0]), np.array([1, 0, 0, 1.0])

    assert e.log2_odds_ratio(p_ref, p_alt) == pytest.approx([-48, 48, 0, 0], rel=1e-6)


def test_no_single_precision_number_below_one_is_clipped():
    below = np.nextafter(np.float32(1), np.float32(0))

    assert 1 - float(below) == e.EPS


@given(PROBABILITIES, PROBABILITIES)
def test_reference_and_alternative_swapped_turn_the_sign(p_ref, p_alt):
    one, other = np.float32([p_ref]), np.float32([p_alt])

    assert e.difference_score(one, other) == -e.difference_score(other, one)
    assert e.log2_odds_ratio(one, other) == -e.log2_odds_ratio(other, one)


@given(PROBABILITIES, PROBABILITIES)
def test_the_two_scores_never_point_the_same_way(p_ref, p_alt):
    one, other = np.float32([p_ref]), np.float32([p_alt])

    assert (e.difference_score(one, other) * e.log2_odds_ratio(one, other) <= 0).all()


def test_one_class_against_the_background():
    probabilities = np.array([[0.5, 0.25, 0.25], [0.2, 0.8, 0.0]])  # none, donor, acceptor

    assert e.against_background(probabilities, 1, 0) == pytest.approx([1 / 3, 0.8])
    assert e.against_background(probabilities, 2, 0) == pytest.approx([1 / 3, 0])


def test_two_impossible_classes_are_even():
    assert e.against_background(np.array([0.0, 1.0, 0.0]), 2, 0) == 0.5


def test_with_two_classes_the_background_changes_nothing():
    probabilities = np.float32([[[0.75, 0.25], [0.125, 0.875]]])

    assert e.against_background(probabilities, 1, 0) == pytest.approx(probabilities[..., 1])


def test_a_class_is_not_set_against_itself():
    with pytest.raises(AssertionError, match="class 1 against itself"):
        e.against_background(np.array([0.5, 0.5]), 1, 1)


@pytest.mark.parametrize(
    ("scores", "index"),
    [([0.1, -0.4, 0.3], 1), ([0.2, -0.2], 0), ([np.nan, 0.0], 1), ([np.nan], None), ([], None)],
)
def test_strongest_is_furthest_from_zero(scores, index):
    assert e.strongest(np.array(scores)) == index


def test_mean_leaves_out_what_has_no_score():
    assert e.mean(np.array([0.5, np.nan, -0.25])) == 0.125
    assert np.isnan(e.mean(np.array([np.nan])))
    assert np.isnan(e.mean(np.array([])))


@pytest.mark.parametrize(
    ("p_ref", "p_alt", "strand"),
    [
        ([[0.1, 0.9], [0.3, 0.4]], [[0.1, 0.1], [0.8, 0.8]], 0),
        ([[0.1, 0.2], [0.3, 0.4]], [[0.1, 0.1], [0.1, 0.1]], 1),
        ([[0.1, 0.2], [0.3, 0.4]], [[0.9, 0.1], [0.8, 0.1]], 0),
        ([[0.5], [0.5]], [[0.1], [0.2]], 0),
        ([[np.nan, np.nan], [0.1, np.nan]], [[np.nan, np.nan], [0.2, np.nan]], 1),
    ],
)
def test_the_strand_with_the_largest_probability_is_reported(p_ref, p_alt, strand):
    assert e.reported_strand(np.array(p_ref), np.array(p_alt)) == strand


@pytest.mark.oracle
def test_scores_agree_with_the_original(oracle):
    with (oracle / "snp" / "mutations.tsv").open() as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    mutants = np.load(oracle / "snp" / "mut_all_pred.npy")
    p_ref = np.load(oracle / "snp" / "orig_pred.npy")[[int(row["idx"]) for row in rows]]
    original = {name: np.array([float(row[name]) for row in rows]) for name in ("diff", "logOR")}
    is_finite = np.isfinite(original["logOR"])
    assert is_finite.sum() > 100

    assert e.difference_score(p_ref, mutants) == pytest.approx(original["diff"], abs=1e-6)
    ratios = e.log2_odds_ratio(p_ref, mutants)
    assert ratios[is_finite] == pytest.approx(original["logOR"][is_finite], rel=1e-6, abs=1e-6)
    # where the original divides by 0, the sign is the same and the size is large
    beyond = original["logOR"][~is_finite]
    assert np.array_equal(np.sign(ratios[~is_finite]), np.sign(beyond))
    assert (np.abs(ratios[~is_finite]) > 15).all()
