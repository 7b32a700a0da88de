"""Figures of classifiers with intervals: against `metrics`, the original, and a slow twin."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.analysis import metrics
from dnabert_cli.analysis.calibration import bin_numbers, binned_error, expected_calibration_error
from dnabert_cli.analysis.evaluation import class_figures, precision_recall_curve, roc_curve

TINY = {"abs": 1e-12, "nan_ok": True}
EACH = ("precision", "recall", "f1", "auroc", "auprc", "brier")


def binary(scores):
    scores = np.asarray(scores, dtype=np.float64)
    return np.stack([1 - scores, scores], axis=1)


def noisy(n, n_classes, seed=0):
    """Labels and probabilities with ties."""
    generator = np.random.default_rng(seed)
    labels = generator.integers(n_classes, size=n)
    scores = generator.integers(1, 7, size=(n, n_classes)) + 2 * np.eye(n_classes)[labels]
    return labels, scores / scores.sum(axis=1, keepdims=True)


def names_of(n_classes):
    return ["none", "donor", "acceptor", "both"][:n_classes]


def points(labels, probabilities, **options):
    classes = names_of(probabilities.shape[1])
    found = class_figures(labels, probabilities, classes, n_resamples=0, **options)
    return {(figure.name, figure.of): figure.value for figure in found}


@st.composite
def rows(draw):
    n_classes = draw(st.integers(2, 4))
    label = st.integers(0, n_classes - 1)
    labels = np.array(draw(st.lists(label, min_size=1, max_size=30)))
    generator = np.random.default_rng(draw(st.integers(0, 99)))
    scores = generator.integers(1, 6, size=(len(labels), n_classes)).astype(float)
    return labels, scores / scores.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("n_classes", [2, 3])
def test_figures_come_in_a_fixed_order(n_classes):
    classes = names_of(n_classes)
    found = class_figures(*noisy(20, n_classes), classes, n_resamples=2)
    expected = [("accuracy", "all")]
    expected += [(name, of) for name in EACH for of in [*classes, "macro"]]
    expected += [("mcc", "all"), ("brier", "all"), ("ece", "all")]
    assert [(figure.name, figure.of) for figure in found] == expected


@given(rows())
def test_figures_of_all_classes_are_those_of_metrics(case):
    labels, probabilities = case
    found = points(labels, probabilities)
    expected = metrics.metrics(labels, probabilities)
    for name in ("accuracy", "mcc", "brier"):
        assert found[name, "all"] == pytest.approx(expected[name], **TINY), name
    for name in ("precision", "recall", "f1", "auroc", "auprc"):
        one = "donor" if probabilities.shape[1] == 2 else "macro"
        assert found[name, one] == pytest.approx(expected[name], **TINY), name


@given(rows())
def test_figures_of_a_class_are_those_of_it_against_the_rest(case):
    labels, probabilities = case
    found = points(labels, probabilities)
    called = metrics.predicted_classes(probabilities)
    for number, of in enumerate(names_of(probabilities.shape[1])):
        positive = (labels == number).astype(np.int64)
        confusion = metrics.confusion_matrix(positive, (called == number).astype(np.int64), 2)
        for score in (metrics.precision, metrics.recall, metrics.f1):
            name = score.__name__
            assert found[name, of] == pytest.approx(score(confusion), **TINY), name
        for score in (metrics.auroc, metrics.auprc, metrics.brier):
            expected = score(positive, binary(probabilities[:, number]))
            assert found[score.__name__, of] == pytest.approx(expected, **TINY), score.__name__


@given(rows())
def test_macro_figures_are_means_over_the_classes_that_occur(case):
    labels, probabilities = case
    found = points(labels, probabilities)
    occurring = [names_of(4)[number] for number in np.unique(labels)]
    for name in EACH:
        mean = np.mean([found[name, of] for of in occurring])
        assert found[name, "macro"] == pytest.approx(mean, **TINY), name


def test_calibration_error_is_that_of_class_1_or_the_mean_over_classes():
    labels, probabilities = noisy(60, 2)
    expected = expected_calibration_error(labels == 1, probabilities[:, 1])
    assert points(labels, probabilities)["ece", "all"] == pytest.approx(expected, **TINY)
    labels, probabilities = noisy(60, 3)
    each = [expected_calibration_error(labels == k, probabilities[:, k]) for k in range(3)]
    assert points(labels, probabilities)["ece", "all"] == pytest.approx(np.mean(each), **TINY)


def test_a_threshold_decides_on_calls_only():
    labels, probabilities = np.array([0, 1, 1, 0]), binary([0.1, 0.3, 0.9, 0.2])
    usual, low = points(labels, probabilities), points(labels, probabilities, threshold=0.25)
    assert usual["recall", "donor"] == 0.5
    assert low["recall", "donor"] == 1
    assert low["brier", "all"] == usual["brier", "all"]


def slow_intervals(labels, probabilities, groups, seed, n_resamples):
    """Draw groups, write out their items, and evaluate them anew; the bins of ece stay."""
    generator = np.random.default_rng(seed)
    distinct = np.unique(groups)
    bins = bin_numbers(probabilities[:, 1])
    drawn = []
    for _ in range(n_resamples):
        chosen = distinct[generator.integers(len(distinct), size=len(distinct))]
        items = np.concatenate([np.flatnonzero(groups == group) for group in chosen])
        values = points(labels[items], probabilities[items])
        gaps = probabilities[items, 1] - labels[items]
        values["ece", "all"] = binned_error(bins[items], gaps, np.ones(len(items), dtype=np.int64))
        drawn.append(values)
    return {key: np.nanpercentile([one[key] for one in drawn], [2.5, 97.5]) for key in drawn[0]}


@pytest.mark.parametrize("size", [1, 4])
def test_intervals_are_the_percentiles_of_resampled_groups(size):
    labels, probabilities = noisy(48, 2)
    groups = 7 * (np.arange(48)[::-1] // size)  # numbers with gaps, from the last item on
    rows = None if size == 1 else groups
    found = class_figures(labels, probabilities, names_of(2), rows=rows, seed=4, n_resamples=30)
    order = np.arange(48) if size == 1 else groups
    expected = slow_intervals(labels, probabilities, order, 4, 30)
    for figure in found:
        interval = expected[figure.name, figure.of]
        assert [figure.low, figure.high] == pytest.approx(interval, abs=1e-9), figure


def test_copies_in_one_group_do_not_narrow_an_interval():
    labels, probabilities = noisy(40, 3)
    alone = class_figures(labels, probabilities, names_of(3), n_resamples=50)
    copies = np.repeat(np.arange(40), 5)
    together = class_figures(
        labels[copies], probabilities[copies], names_of(3), rows=copies, n_resamples=50
    )
    for one, other in zip(alone, together, strict=True):
        assert [one.low, one.high] == pytest.approx([other.low, other.high], abs=1e-9), one


def test_intervals_hold_the_values_and_repeat():
    labels, probabilities = noisy(200, 3)
    found = class_figures(labels, probabilities, names_of(3), n_resamples=200)
    for figure in found:
        if figure.name != "ece":
            assert figure.low < figure.value < figure.high, figure
    assert class_figures(labels, probabilities, names_of(3), n_resamples=200) == found
    other = class_figures(labels, probabilities, names_of(3), seed=1, n_resamples=200)
    assert other != found


def test_resamples_in_which_a_figure_is_undefined_are_left_out():
    labels, probabilities = np.array([0, 0, 0, 1]), binary([0.1, 0.4, 0.3, 0.9])
    found = class_figures(labels, probabilities, names_of(2), n_resamples=50)
    auroc = next(figure for figure in found if (figure.name, figure.of) == ("auroc", "donor"))
    assert (auroc.low, auroc.value, auroc.high) == (1, 1, 1)


def test_a_class_that_never_occurs_is_nan_and_left_out_of_the_mean():
    labels, probabilities = np.array([0, 1, 1]), noisy(3, 3)[1]
    found = class_figures(labels, probabilities, names_of(3), n_resamples=5)
    values = {(figure.name, figure.of): figure for figure in found}
    missing = values["recall", "acceptor"]
    assert np.isnan([missing.value, missing.low, missing.high]).all()
    assert values["recall", "macro"].value >= 0


@pytest.mark.parametrize("n_classes", [2, 3])
def test_no_rows_give_nan_only(n_classes):
    found = class_figures(
        np.empty(0, dtype=np.int64), np.empty((0, n_classes)), names_of(n_classes)
    )
    assert np.isnan([[figure.value, figure.low, figure.high] for figure in found]).all()


def test_a_nan_among_the_probabilities_makes_rankings_and_squares_nan():
    found = points(np.array([0, 1, 1]), binary([0.1, np.nan, 0.9]))
    for name in ("auroc", "auprc", "brier"):
        assert np.isnan(found[name, "donor"])


def test_roc_curve_worked_by_hand():
    positive = np.array([True, True, False, False])
    false, true = roc_curve(positive, np.array([0.9, 0.5, 0.5, 0.1]))
    assert false.tolist() == [0, 0.5, 1]
    assert true.tolist() == [0.5, 1, 1]


def test_precision_recall_curve_worked_by_hand():
    positive = np.array([True, True, False, False])
    recall, precision = precision_recall_curve(positive, np.array([0.9, 0.5, 0.5, 0.1]))
    assert recall.tolist() == [0.5, 1, 1]
    assert precision == pytest.approx([1, 2 / 3, 1 / 2])


def test_areas_under_the_curves_are_auroc_and_auprc():
    labels, probabilities = noisy(80, 2)
    positive, scores = labels == 1, probabilities[:, 1]
    false, true = roc_curve(positive, scores)
    area = np.trapezoid(np.append(0, true), np.append(0, false))
    assert area == pytest.approx(metrics.auroc(labels, scores), **TINY)
    recall, precision = precision_recall_curve(positive, scores)
    area = np.sum(np.diff(recall, prepend=0) * precision)
    assert area == pytest.approx(metrics.auprc(labels, scores), **TINY)


def test_rates_of_a_class_that_does_not_occur_are_nan():
    scores = np.array([0.2, 0.4])
    false, true = roc_curve(np.array([True, True]), scores)
    assert np.isnan(false).all()
    assert true.tolist() == [0.5, 1]
    recall, precision = precision_recall_curve(np.array([False, False]), scores)
    assert np.isnan(recall).all()
    assert precision.tolist() == [0, 0]


def test_curves_without_rows_have_no_points():
    none = np.empty(0)
    for curve in (roc_curve, precision_recall_curve):
        assert [len(axis) for axis in curve(none.astype(bool), none)] == [0, 0]


@pytest.fixture
def reference(oracle):
    return json.loads((oracle / "misc" / "misc.json").read_text())


AGREEMENT = {"abs": 1e-9}
OURS = {"acc": "accuracy", "auc": "auroc", "aupr": "auprc"}


def of_original(expected, found, of):
    for name, value in expected.items():
        ours = OURS.get(name, name)
        key = (ours, "all" if ours in ("accuracy", "mcc") else of)
        assert found[key] == pytest.approx(value, **AGREEMENT), name


@pytest.mark.oracle
def test_two_class_figures_agree_with_the_original(reference):
    """Its promoter task averages over both classes, its 690 task looks at class 1."""
    case = reference["metrics2"]
    found = points(np.array(case["labels"]), binary(case["prob1"]))
    of_original(case["dnaprom"], found, "macro")
    of_original(case["dna690"], found, "donor")


@pytest.mark.oracle
def test_three_class_figures_agree_with_the_original(reference):
    """Its AUC is the mean over ordered pairs of classes; ours are one against the rest."""
    case = reference["metrics3"]
    labels, probabilities = np.array(case["labels"]), np.array(case["probs"])
    expected = dict(case["dnasplice"])
    pairwise = []
    for pair in ((0, 1), (0, 2), (1, 2)):
        chosen = np.isin(labels, pair)
        found = points(labels[chosen], probabilities[chosen])
        pairwise += [found["auroc", names_of(3)[one]] for one in pair]
    assert np.mean(pairwise) == pytest.approx(expected.pop("auc"), **AGREEMENT)
    of_original(expected, points(labels, probabilities), "macro")
