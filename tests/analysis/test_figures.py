"""The figures of every head, by hand, against scipy, and their intervals against a slow twin."""

import numpy as np
import pytest
import scipy.stats
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.analysis import metrics
from dnabert_cli.analysis.figures import (
    DECIDING,
    KINDS,
    QUOTED,
    Classes,
    Labels,
    Ranking,
    Values,
    compare,
    kind_of,
    mid_ranks,
    row_intervals,
)

TINY = {"abs": 1e-12}
CLOSE = {"abs": 1e-9}


def ones(n):
    return np.ones(n, dtype=np.int64)


def noisy(kind, n, seed=0):
    """Truth and answers of n items with ties among both."""
    generator = np.random.default_rng(seed)
    if kind == "classes":
        truth = generator.integers(3, size=n)
        scores = generator.integers(1, 6, size=(n, 3)) + 2 * np.eye(3)[truth]
        return truth, scores / scores.sum(1, keepdims=True)
    if kind == "labels":
        truth = generator.integers(2, size=(n, 3)).astype(np.float32)
        return truth, (generator.integers(8, size=(n, 3)) + 3 * truth) / 10
    truth = generator.integers(5, size=n).astype(np.float32)
    return truth, (truth + generator.integers(3, size=n))[:, None].astype(np.float32)


def same(ours, theirs):
    assert ours.keys() == theirs.keys()
    for name, value in theirs.items():
        assert ours[name] == pytest.approx(value, nan_ok=True, **CLOSE), name


@pytest.mark.parametrize(
    ("head", "n_outputs", "kind"),
    [
        ("class", 2, "classes"),
        ("token", 3, "classes"),
        ("token", 1, "values"),
        ("regression", 1, "values"),
        ("multi-label", 1, "labels"),
        ("multi-label", 9, "labels"),
    ],
)
def test_the_kind_follows_from_the_head_and_its_outputs(head, n_outputs, kind):
    assert kind_of(head, n_outputs) == kind


@pytest.mark.parametrize("kind", KINDS)
def test_quoted_and_deciding_figures_are_among_all_figures(kind):
    compared = compare(kind, *noisy(kind, 30))
    assert tuple(compared.quoted(ones(30))) == QUOTED[kind]
    assert {*DECIDING[kind], *QUOTED[kind]} <= compared.figures().keys()


@pytest.mark.parametrize("kind", KINDS)
@given(weights=st.lists(st.integers(0, 3), min_size=12, max_size=12).filter(any))
def test_a_weight_is_a_number_of_copies(kind, weights):
    """The slow twin: the items written out as often as their weight says."""
    weights = np.array(weights)
    truth, answers = noisy(kind, 12)
    copies = np.repeat(np.arange(12), weights)

    ours = compare(kind, truth, answers).quoted(weights)

    same(ours, compare(kind, truth[copies], answers[copies]).quoted(ones(len(copies))))


@pytest.mark.parametrize("n_classes", [2, 3])
def test_quoted_figures_of_classes_are_those_of_metrics(n_classes):
    labels, probabilities = noisy("classes", 60)
    labels, probabilities = labels % n_classes, probabilities[:, :n_classes]
    quoted = Classes(labels, probabilities).quoted(ones(60))
    expected = metrics.metrics(labels, probabilities)
    same(quoted, {name: expected[name] for name in quoted})


def test_a_class_that_does_not_occur_is_left_out_of_the_mean_as_in_metrics():
    labels, probabilities = noisy("classes", 40)
    kept = labels > 0
    quoted = Classes(labels[kept], probabilities[kept]).quoted(ones(int(kept.sum())))
    assert quoted["auprc"] == pytest.approx(metrics.auprc(labels[kept], probabilities[kept]))


def test_areas_worked_by_hand():
    # pairs: 0.9 and 0.5 against 0.5 and 0.1; thresholds 0.9 (1 of 1), 0.5 (2 of 3)
    ranking = Ranking(np.array([True, True, False, False]), np.array([0.9, 0.5, 0.5, 0.1]))
    assert ranking.areas(ones(4)) == pytest.approx((3.5 / 4, 1 / 2 + 1 / 2 * 2 / 3), **TINY)


def test_auroc_is_that_of_mann_and_whitney():
    labels, probabilities = noisy("classes", 50)
    positive, scores = labels == 1, probabilities[:, 1]
    u = scipy.stats.mannwhitneyu(scores[positive], scores[~positive]).statistic
    auroc = u / (positive.sum() * (~positive).sum())
    assert Ranking(positive, scores).areas(ones(50))[0] == pytest.approx(auroc, **TINY)


def test_figures_of_labels_worked_by_hand():
    truth = np.array([[1, 0, 1], [1, 1, 1], [0, 0, 1], [0, 1, 1]])
    answers = np.array([[0.9, 0.2, 0.9], [0.4, 0.8, 0.1], [0.6, 0.3, 0.7], [0.1, 0.5, 0.5]])
    compared = Labels(truth, answers)

    found = compared.figures()

    # the first: 3 of 4 pairs in order, thresholds 0.9 (1 of 1), 0.4 (2 of 3); the second: in
    # order throughout; the third, which all items have, is left out
    assert found["macro_auroc"] == pytest.approx((3 / 4 + 1) / 2, **TINY)
    assert found["macro_auprc"] == pytest.approx(((1 + 2 / 3) / 2 + 1) / 2, **TINY)
    # called: 2 + 2 + 3, of which right: 1 + 2 + 3; there are 2 + 2 + 4
    assert found["micro_f1"] == pytest.approx(2 * 6 / (7 + 8), **TINY)
    first, _, third = compared.by_label()
    assert first["n_positives"] == 2
    assert first["auroc"] == pytest.approx(3 / 4, **TINY)
    assert np.isnan(third["auroc"])


def test_labels_without_any_call_or_truth_are_undefined():
    found = Labels(np.zeros((3, 2)), np.full((3, 2), 0.1)).figures()
    assert all(np.isnan(value) for value in found.values())


def test_figures_of_values_worked_by_hand():
    truth, answers = np.array([1.0, 2.0, 3.0, 6.0]), np.array([2.0, 2.0, 4.0, 4.0])
    found = Values(truth, answers).figures()
    # deviations -2, -1, 0, 3 and -1, -1, 1, 1; ranks 1 2 3 4 and 1.5 1.5 3.5 3.5
    assert found["pearson"] == pytest.approx(6 / np.sqrt(14 * 4), **TINY)
    assert found["spearman"] == pytest.approx(4 / np.sqrt(5 * 4), **TINY)
    assert found["r2"] == pytest.approx(1 - (1 + 0 + 1 + 4) / 14, **TINY)
    assert found["rmse"] == pytest.approx(np.sqrt(6 / 4), **TINY)


@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(-5, 5)), min_size=3, max_size=30).filter(
        lambda rows: all(len(set(column)) > 1 for column in zip(*rows, strict=True))
    )
)
def test_correlations_are_those_of_scipy(rows):
    truth, answers = np.array(rows, dtype=float).T
    found = Values(truth, answers).figures()
    assert found["pearson"] == pytest.approx(scipy.stats.pearsonr(truth, answers)[0], **CLOSE)
    assert found["spearman"] == pytest.approx(scipy.stats.spearmanr(truth, answers)[0], **CLOSE)


def test_r2_of_a_fitted_line_is_that_of_statsmodels():
    import statsmodels.api

    truth, answers = noisy("values", 40)
    fitted = statsmodels.api.OLS(truth, statsmodels.api.add_constant(answers)).fit()
    found = Values(truth, fitted.fittedvalues).figures()
    assert found["r2"] == pytest.approx(fitted.rsquared, **CLOSE)
    assert found["rmse"] == pytest.approx(np.sqrt(fitted.ssr / 40), **CLOSE)


def test_the_mean_of_the_truth_has_r2_0_and_worse_answers_less():
    truth = np.array([1.0, 2.0, 6.0])
    assert Values(truth, np.full(3, 3.0)).figures()["r2"] == 0
    assert Values(truth, truth[::-1]).figures()["r2"] < 0


def test_equal_answers_have_correlation_0_and_equal_truth_none():
    """A network that has learned nothing yet must not count as the best there ever was."""
    found = Values(np.array([0.1, 0.2, 0.7]), np.full(3, 0.3)).figures()
    assert (found["pearson"], found["spearman"]) == (0, 0)
    found = Values(np.full(3, 0.1), np.array([0.1, 0.2, 0.7])).figures()
    assert np.isnan([found["pearson"], found["spearman"], found["r2"]]).all()


def test_no_items_give_nan_only():
    for kind in KINDS:
        truth, answers = noisy(kind, 4)
        found = compare(kind, truth[:0], answers[:0]).figures()
        assert all(np.isnan(value) for value in found.values())


def test_mid_ranks_are_those_of_scipy():
    values = np.array([3.0, 1.0, 3.0, 2.0, 3.0])
    groups = np.unique(values, return_inverse=True)[1]
    assert mid_ranks(groups, ones(5)).tolist() == scipy.stats.rankdata(values).tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_intervals_are_the_percentiles_of_resampled_rows(kind, monkeypatch):
    """The slow twin draws rows and writes out the items they hold."""
    monkeypatch.setattr("dnabert_cli.analysis.figures.N_RESAMPLES", 50)
    truth, answers = noisy(kind, 40)
    rows = np.repeat(np.arange(10), 4)

    found = row_intervals(compare(kind, truth, answers), rows, 10, seed=3)

    generator = np.random.default_rng(3)
    drawn = []
    for _ in range(50):
        items = np.concatenate(
            [np.flatnonzero(rows == row) for row in generator.integers(10, size=10)]
        )
        drawn.append(compare(kind, truth[items], answers[items]).quoted(ones(len(items))))
    for name in QUOTED[kind]:
        expected = np.percentile([values[name] for values in drawn], [2.5, 97.5])
        assert found[name] == pytest.approx(expected, **CLOSE), name


def test_neighbouring_items_of_a_row_do_not_narrow_an_interval():
    """Ten copies of each item are no more evidence than one."""
    truth, answers = noisy("values", 30)
    alone = row_intervals(Values(truth, answers[:, 0]), np.arange(30), 30)
    copied = Values(np.repeat(truth, 10), np.repeat(answers[:, 0], 10))
    together = row_intervals(copied, np.repeat(np.arange(30), 10), 30)
    assert together["pearson"] == pytest.approx(alone["pearson"], **CLOSE)


@pytest.mark.parametrize("kind", KINDS)
def test_an_interval_holds_the_value_and_repeats(kind):
    compared = compare(kind, *noisy(kind, 100))
    found = row_intervals(compared, np.arange(100), 100)
    for name, value in compared.quoted(ones(100)).items():
        low, high = found[name]
        assert low < value < high, name
    assert row_intervals(compared, np.arange(100), 100) == found


def test_resamples_with_one_class_only_are_left_out():
    labels, scores = np.array([0, 0, 0, 1]), np.array([0.1, 0.4, 0.3, 0.9])
    found = row_intervals(Classes(labels, np.stack([1 - scores, scores], 1)), np.arange(4), 4)
    assert found["auroc"] == (1.0, 1.0)


def test_an_interval_is_nan_where_the_figure_is_undefined():
    found = row_intervals(Values(np.zeros(3), np.arange(3.0)), np.arange(3), 3)
    assert np.isnan(found["pearson"]).all()
    assert row_intervals(Values(np.zeros(0), np.zeros(0)), np.arange(0), 0) == {}
