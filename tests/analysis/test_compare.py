"""Tests between systems: by hand, against scipy, and against slow twins."""

import itertools

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st
from statsmodels.stats import contingency_tables
from statsmodels.stats.multitest import multipletests

from dnabert_cli.analysis import compare as c
from dnabert_cli.analysis import metrics
from dnabert_cli.analysis.figures import QUOTED, compare

TINY = {"abs": 1e-12}
Z = 1.959963984540054


def outcome(found):
    return [found.difference, found.low, found.high, found.statistic, found.p_value]


def correct(both, only_a, only_b, neither):
    """What two systems got right, from the four counts."""
    counts = (both, only_a, only_b, neither)
    return np.repeat([True, True, False, False], counts), np.repeat(
        [True, False, True, False], counts
    )


def test_mcnemar_worked_by_hand():
    found = c.mcnemar(*correct(1, 1, 7, 12))
    assert (found.test, found.figure) == ("mcnemar", "accuracy")
    assert found.difference == pytest.approx(-6 / 21, **TINY)
    assert found.statistic == 1
    assert found.p_value == pytest.approx(2 * (1 + 8) / 2**8, **TINY)
    # one row more for either system: shares 2/23 and 8/23
    half = Z * np.sqrt((10 / 23 - (6 / 23) ** 2) / 23)
    assert [found.low, found.high] == pytest.approx([-6 / 23 - half, -6 / 23 + half], **TINY)


@given(st.integers(0, 30), st.integers(0, 30))
def test_mcnemar_is_the_binomial_test_and_that_of_statsmodels(only_a, only_b):
    found = c.mcnemar(*correct(3, only_a, only_b, 2))
    table = [[3, only_a], [only_b, 2]]
    theirs = contingency_tables.mcnemar(table, exact=True)
    assert found.p_value == pytest.approx(theirs.pvalue, **TINY)
    if only_a + only_b:
        exact = scipy.stats.binomtest(only_a, only_a + only_b).pvalue
        assert found.p_value == pytest.approx(exact, **TINY)


def test_mcnemar_turns_its_sign_with_the_systems():
    a, b = correct(5, 6, 2, 4)
    one, other = c.mcnemar(a, b), c.mcnemar(b, a)
    assert [one.difference, one.low, one.high] == pytest.approx(
        [-other.difference, -other.high, -other.low], **TINY
    )
    assert one.p_value == other.p_value


def test_mcnemar_without_discordant_rows_has_p_1():
    found = c.mcnemar(*correct(3, 0, 0, 2))
    assert (found.difference, found.p_value) == (0, 1)
    assert found.low < 0 < found.high


def test_mcnemar_without_rows_has_no_difference():
    found = c.mcnemar(*correct(0, 0, 0, 0))
    assert np.isnan([found.difference, found.low, found.high]).all()
    assert found.p_value == 1


def test_an_interval_of_accuracies_ends_at_1():
    assert c.mcnemar(*correct(0, 1, 0, 0)).high <= 1


def test_delong_worked_by_hand():
    positive = np.array([True, True, False, False])
    # a: placements of positives 1, 1/2, of negatives 1/2, 1; b is perfect
    found = c.delong(positive, np.array([3.0, 1, 2, 0]), np.array([3.0, 2, 1, 0]))
    error = np.sqrt(0.125 / 2 + 0.125 / 2)
    z = -0.25 / error
    p_value = scipy.stats.norm.cdf(z) * 2
    expected = [-0.25, -0.25 - Z * error, -0.25 + Z * error, z, p_value]
    assert (found.test, found.figure) == ("delong", "auroc")
    assert outcome(found) == pytest.approx(expected, **TINY)


def slow_delong(positive, scores_a, scores_b):
    """The placement values of all pairs of a positive and a negative, and their covariances."""
    wins = []
    for scores in (scores_a, scores_b):
        high, low = scores[positive][:, None], scores[~positive][None, :]
        wins.append((high > low) + 0.5 * (high == low))
    of_positives = np.cov([win.mean(axis=1) for win in wins])
    of_negatives = np.cov([win.mean(axis=0) for win in wins])
    total = of_positives / positive.sum() + of_negatives / (~positive).sum()
    difference = wins[0].mean() - wins[1].mean()
    return difference, np.array([1, -1]) @ total @ np.array([1, -1])


@given(st.integers(2, 25), st.integers(2, 25), st.integers(0, 999), st.sampled_from([3, 50]))
def test_delong_is_the_slow_sum_over_all_pairs(n_positive, n_negative, seed, n_values):
    generator = np.random.default_rng(seed)
    positive = generator.permutation(np.arange(n_positive + n_negative) < n_positive)
    scores_a, scores_b = generator.integers(n_values, size=(2, len(positive))) / n_values
    scores_a[positive] += 0.3
    found = c.delong(positive, scores_a, scores_b)
    difference, variance = slow_delong(positive, scores_a, scores_b)
    assert found.difference == pytest.approx(difference, **TINY)
    half = Z * np.sqrt(max(variance, 0))
    if variance > 1e-9:
        p_value = 2 * scipy.stats.norm.sf(abs(difference) / np.sqrt(variance))
        expected = [difference - half, difference + half, difference / np.sqrt(variance), p_value]
        assert outcome(found)[1:] == pytest.approx(expected, rel=1e-9, abs=1e-12)


def test_delong_compares_the_auroc_of_metrics():
    generator = np.random.default_rng(1)
    positive = generator.random(200) < 0.3
    a, b = generator.random((2, 200)).round(2) + 0.2 * positive
    expected = metrics.auroc(positive.astype(int), a) - metrics.auroc(positive.astype(int), b)
    assert c.delong(positive, a, b).difference == pytest.approx(expected, **TINY)


def test_delong_of_equal_rankings_has_p_1():
    positive, scores = np.arange(9) % 3 == 0, np.arange(9) / 7
    assert outcome(c.delong(positive, scores, scores * 2)) == [0, 0, 0, 0, 1]


def test_delong_of_a_difference_that_does_not_vary_has_p_0():
    positive = np.array([True, True, False, False])
    right = positive.astype(float)
    assert outcome(c.delong(positive, right, -right)) == [1, 1, 1, np.inf, 0]
    assert outcome(c.delong(positive, -right, right)) == [-1, -1, -1, -np.inf, 0]


def test_delong_without_a_class_is_nan():
    scores = np.arange(3.0)
    for positive in (np.zeros(3, dtype=bool), np.ones(3, dtype=bool)):
        assert np.isnan(outcome(c.delong(positive, scores, scores))).all()


def test_delong_with_one_positive_has_a_difference_only():
    found = c.delong(np.array([True, False, False]), np.array([2.0, 1, 0]), np.array([1.0, 2, 0]))
    assert found.difference == 0.5
    assert np.isnan([found.low, found.high, found.statistic, found.p_value]).all()


def test_delong_with_a_nan_score_is_nan():
    positive = np.array([True, True, False, False])
    scores = np.array([1.0, np.nan, 0, 0])
    assert np.isnan(outcome(c.delong(positive, scores, np.arange(4.0)))).all()


def systems(kind, n):
    """The truth, and the answers of a good and of a worse system."""
    generator = np.random.default_rng(2)
    if kind == "values":
        truth = generator.normal(size=n)
        return truth, *(truth[:, None] + generator.normal(size=(2, n, 1)) * [[[0.5]], [[1.5]]])
    truth = generator.integers(2, size=n)
    scores = [np.clip(0.4 * truth + generator.random(n) * noise, 0, 1) for noise in (0.8, 1.0)]
    return truth, *(np.stack([1 - score, score], axis=1) for score in scores)


@pytest.mark.parametrize("kind", ["classes", "values"])
def test_bootstrap_draws_the_same_rows_for_both(kind):
    """The slow twin writes out the items of the rows drawn."""
    truth, good, worse = systems(kind, 40)
    rows = np.repeat(np.arange(10), 4)
    a, b = compare(kind, truth, good), compare(kind, truth, worse)

    found = c.bootstrap(a, b, rows, 10, seed=3, n_resamples=60)

    generator = np.random.default_rng(3)
    drawn = []
    for _ in range(60):
        chosen = generator.integers(10, size=10)
        items = np.concatenate([np.flatnonzero(rows == row) for row in chosen])
        ones = np.ones(len(items), dtype=np.int64)
        left = compare(kind, truth[items], good[items]).quoted(ones)
        right = compare(kind, truth[items], worse[items]).quoted(ones)
        drawn.append({name: left[name] - right[name] for name in left})
    assert [one.figure for one in found] == list(QUOTED[kind])
    for one in found:
        values = np.array([differences[one.figure] for differences in drawn])
        low, high = np.percentile(values, [2.5, 97.5])
        assert [one.low, one.high] == pytest.approx([low, high], abs=1e-9)
        p_value = max(2 * min((values <= 0).mean(), (values >= 0).mean()), 1 / 61)
        assert one.p_value == pytest.approx(p_value, **TINY)
        assert one.test == "bootstrap"
        assert np.isnan(one.statistic)


def test_bootstrap_difference_is_that_of_all_rows():
    truth, good, worse = systems("classes", 60)
    a, b = compare("classes", truth, good), compare("classes", truth, worse)
    for found in c.bootstrap(a, b, np.arange(60), 60, n_resamples=5):
        left, right = (metrics.metrics(truth, answers) for answers in (good, worse))
        expected = left[found.figure] - right[found.figure]
        assert found.difference == pytest.approx(expected, **TINY)


def test_bootstrap_of_equal_systems_has_p_1():
    truth, good, _ = systems("classes", 30)
    same = compare("classes", truth, good)
    for found in c.bootstrap(same, same, np.arange(30), 30, n_resamples=20):
        assert outcome(found) == pytest.approx([0, 0, 0, np.nan, 1], nan_ok=True)


def test_bootstrap_p_is_never_0():
    truth = np.array([0, 1] * 20)
    right = np.stack([1 - truth, truth], axis=1) * 0.8 + 0.1
    a, b = compare("classes", truth, right), compare("classes", truth, 1 - right)
    for found in c.bootstrap(a, b, np.arange(40), 40, n_resamples=99):
        assert found.p_value == pytest.approx(1 / 100, **TINY)


def test_bootstrap_without_defined_figures_is_nan():
    answers = np.full((3, 2), 0.5)
    one_class = compare("classes", np.zeros(3, dtype=np.int64), answers)
    for found in c.bootstrap(one_class, one_class, np.arange(3), 3, n_resamples=5):
        assert np.isnan(outcome(found)).all()


def test_bootstrap_without_rows_is_nan():
    empty = compare("values", np.empty(0), np.empty((0, 1)))
    found = c.bootstrap(empty, empty, np.empty(0, dtype=np.int64), 0)
    assert [one.figure for one in found] == list(QUOTED["values"])
    assert all(np.isnan(outcome(one)).all() for one in found)


def test_wilcoxon_worked_by_hand():
    found = c.wilcoxon(np.array([0.8, 0.7, 0.9]), np.array([0.7, 0.5, 0.6]), figure="mcc")
    assert (found.test, found.figure) == ("wilcoxon", "mcc")
    assert found.difference == pytest.approx(0.2, **TINY)
    assert (found.statistic, found.p_value) == (0, pytest.approx(2 / 8, **TINY))
    assert np.isnan([found.low, found.high]).all()


@given(st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=2, max_size=8))
def test_wilcoxon_is_exact_over_all_signs(tenths):
    """The slow twin turns the sign of every difference, in all combinations."""
    values_a, values_b = np.array(tenths).T / 10
    found = c.wilcoxon(values_a, values_b)
    changes = np.array([a - b for a, b in tenths if a != b])
    if len(changes) == 0:
        assert (found.statistic, found.p_value) == (0, 1)
        return
    ranks = scipy.stats.rankdata(np.abs(changes))
    sums = [ranks @ signs for signs in itertools.product([0, 1], repeat=len(changes))]
    up = ranks[changes > 0].sum()
    expected = 2 * min(np.mean(np.array(sums) <= up), np.mean(np.array(sums) >= up))
    assert found.p_value == pytest.approx(min(expected, 1), abs=1e-9)
    assert found.statistic == min(up, ranks.sum() - up)


def test_wilcoxon_of_fewer_than_two_data_sets_has_no_p():
    for n in (0, 1):
        found = c.wilcoxon(np.full(n, 0.9), np.full(n, 0.8))
        assert np.isnan(found.p_value)
    assert found.difference == pytest.approx(0.1, **TINY)


def test_wilcoxon_leaves_out_data_sets_without_a_value():
    a, b = np.array([0.8, 0.7, 0.9, np.nan]), np.array([0.7, 0.5, 0.6, 0.1])
    expected = outcome(c.wilcoxon(a[:3], b[:3]))
    assert outcome(c.wilcoxon(a, b)) == pytest.approx(expected, nan_ok=True)


def test_wilcoxon_of_many_data_sets_is_that_of_scipy():
    generator = np.random.default_rng(0)
    a, b = generator.random((2, 80))
    theirs = scipy.stats.wilcoxon(a, b)
    found = c.wilcoxon(a, b)
    assert [found.statistic, found.p_value] == pytest.approx(list(theirs), abs=1e-9)


def test_kruskal_wallis_worked_by_hand():
    found = c.kruskal_wallis([np.array([1.0, 2]), np.array([3.0, 4])], figure="auroc")
    # rank sums 3 and 7: 12 / (4 * 5) * (9 + 49) / 2 - 3 * 5
    assert (found.test, found.figure) == ("kruskal-wallis", "auroc")
    assert found.statistic == pytest.approx(2.4, **TINY)
    assert found.p_value == pytest.approx(scipy.stats.chi2.sf(2.4, 1), **TINY)
    assert np.isnan([found.difference, found.low, found.high]).all()


def test_kruskal_wallis_leaves_out_nan():
    values = [np.array([1.0, 2, np.nan]), np.array([3.0, 4]), np.array([2.5, np.nan])]
    expected = scipy.stats.kruskal([1, 2], [3, 4], [2.5])
    found = c.kruskal_wallis(values)
    assert [found.statistic, found.p_value] == pytest.approx(list(expected), **TINY)


@pytest.mark.parametrize("values", [[], [[1, 2]], [[1, 2], []], [[1, 2], [np.nan]]])
def test_kruskal_wallis_needs_two_systems_with_values(values):
    found = c.kruskal_wallis([np.array(one, dtype=float) for one in values])
    assert np.isnan([found.statistic, found.p_value]).all()


def test_kruskal_wallis_of_equal_values_has_p_1():
    found = c.kruskal_wallis([np.ones(3), np.ones(2)])
    assert (found.statistic, found.p_value) == (0, 1)


def test_benjamini_hochberg_worked_by_hand():
    # ranks 1, 3, 2: 0.01 * 3, 0.04, min(0.03 * 3 / 2, 0.04)
    q_values = c.benjamini_hochberg(np.array([0.01, 0.04, 0.03]))
    assert q_values == pytest.approx([0.03, 0.04, 0.04], **TINY)


@given(st.lists(st.floats(0, 1), min_size=1, max_size=30))
def test_benjamini_hochberg_is_that_of_scipy_and_statsmodels(p_values):
    found = c.benjamini_hochberg(np.array(p_values))
    assert found == pytest.approx(scipy.stats.false_discovery_control(p_values), **TINY)
    assert found == pytest.approx(multipletests(p_values, method="fdr_bh")[1], **TINY)


def test_nan_stay_nan_and_do_not_count_as_tests():
    found = c.benjamini_hochberg(np.array([np.nan, 0.01, 0.02, np.nan]))
    assert found == pytest.approx([np.nan, 0.02, 0.02, np.nan], nan_ok=True)
    assert np.isnan(c.benjamini_hochberg(np.array([np.nan]))).all()
    assert len(c.benjamini_hochberg(np.empty(0))) == 0
