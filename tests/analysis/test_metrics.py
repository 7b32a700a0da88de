import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.analysis import metrics as m

TINY = {"abs": 1e-12}


def binary(scores):
    scores = np.asarray(scores, dtype=np.float64)
    return np.stack([1 - scores, scores], axis=1)


@st.composite
def ranked_rows(draw):
    """Labels and scores with many ties."""
    rows = draw(st.lists(st.tuples(st.integers(0, 1), st.integers(0, 6)), min_size=2, max_size=40))
    rows += [(0, draw(st.integers(0, 6))), (1, draw(st.integers(0, 6)))]
    labels, scores = np.array(rows).T
    return labels, scores / 6


@st.composite
def multiclass_rows(draw):
    n_classes = draw(st.integers(3, 5))
    row = st.tuples(st.integers(0, n_classes - 1), st.integers(0, n_classes - 1))
    labels, predicted = np.array(draw(st.lists(row, min_size=1, max_size=40))).T
    return labels, predicted, n_classes


# 3 true positives, 1 false negative, 2 false positives, 4 true negatives
LABELS = np.array([1, 1, 1, 1, 0, 0, 0, 0, 0, 0])
CALLS = np.array([1, 1, 1, 0, 1, 1, 0, 0, 0, 0])


def test_confusion_matrix_has_true_classes_in_rows():
    assert m.confusion_matrix(LABELS, CALLS, 2).tolist() == [[4, 2], [1, 3]]
    assert m.confusion_matrix(LABELS, CALLS, 3).shape == (3, 3)


def test_binary_scores_of_calls_worked_by_hand():
    confusion = m.confusion_matrix(LABELS, CALLS, 2)
    assert m.accuracy(confusion) == pytest.approx(7 / 10, **TINY)
    assert m.precision(confusion) == pytest.approx(3 / 5, **TINY)
    assert m.recall(confusion) == pytest.approx(3 / 4, **TINY)
    assert m.f1(confusion) == pytest.approx(6 / 9, **TINY)
    assert m.mcc(confusion) == pytest.approx((3 * 4 - 2 * 1) / np.sqrt(5 * 4 * 6 * 5), **TINY)


def test_macro_average_of_a_binary_task_worked_by_hand():
    confusion = m.confusion_matrix(LABELS, CALLS, 2)
    assert m.precision(confusion, "macro") == pytest.approx((3 / 5 + 4 / 5) / 2, **TINY)
    assert m.recall(confusion, "macro") == pytest.approx((3 / 4 + 4 / 6) / 2, **TINY)
    assert m.f1(confusion, "macro") == pytest.approx((6 / 9 + 8 / 11) / 2, **TINY)


def test_three_classes_worked_by_hand():
    labels = np.array([0, 0, 1, 1, 2, 2])
    confusion = m.confusion_matrix(labels, np.array([0, 1, 1, 1, 2, 0]), 3)
    assert m.accuracy(confusion) == pytest.approx(4 / 6, **TINY)
    assert m.precision(confusion) == pytest.approx((1 / 2 + 2 / 3 + 1) / 3, **TINY)
    assert m.recall(confusion) == pytest.approx((1 / 2 + 1 + 1 / 2) / 3, **TINY)
    assert m.f1(confusion) == pytest.approx((1 / 2 + 4 / 5 + 2 / 3) / 3, **TINY)
    # c s - t.p = 24 - (4 + 6 + 2); s^2 - t.t = 24; s^2 - p.p = 36 - 14
    assert m.mcc(confusion) == pytest.approx(12 / np.sqrt(24 * 22), **TINY)


def test_a_class_that_is_never_predicted_has_precision_zero():
    confusion = m.confusion_matrix(np.array([0, 0, 1]), np.array([0, 0, 0]), 2)
    assert m.precision(confusion) == 0
    assert m.recall(confusion) == 0
    assert m.f1(confusion) == 0
    assert m.mcc(confusion) == 0


def test_a_class_without_labels_is_left_out_of_the_macro_average():
    confusion = m.confusion_matrix(np.array([0, 1, 1]), np.array([0, 1, 2]), 3)
    assert m.recall(confusion) == pytest.approx((1 + 1 / 2) / 2, **TINY)


@given(multiclass_rows())
def test_generalised_mcc_is_the_correlation_of_indicator_columns(rows):
    """Gorodkin's definition, term by term: cov(X, Y) over the square root of the variances."""
    labels, predicted, n_classes = rows
    true = np.eye(n_classes)[labels]
    called = np.eye(n_classes)[predicted]

    def covariance(left, right):
        return ((left - left.mean(axis=0)) * (right - right.mean(axis=0))).sum()

    value = m.mcc(m.confusion_matrix(labels, predicted, n_classes))
    if len(set(labels)) == 1:
        assert np.isnan(value)
    elif len(set(predicted)) == 1:
        assert value == 0
    else:
        expected = covariance(true, called) / np.sqrt(
            covariance(true, true) * covariance(called, called)
        )
        assert value == pytest.approx(expected, abs=1e-9)


def test_predicted_class_is_the_most_probable_and_the_lower_of_equals():
    probabilities = np.array([[0.2, 0.3, 0.5], [0.4, 0.4, 0.2], [0.1, 0.6, 0.3]])
    assert m.predicted_classes(probabilities).tolist() == [2, 0, 1]


def test_a_probability_equal_to_the_threshold_is_called():
    assert m.predicted_classes(binary([0.29, 0.3, 0.31]), 0.3).tolist() == [0, 1, 1]


def test_a_single_precision_score_just_below_the_threshold_is_not_called():
    """Numpy alone would round the threshold to single precision and call it."""
    probabilities = binary([0.7]).astype(np.float32)
    assert float(probabilities[0, 1]) < 0.7
    assert m.predicted_classes(probabilities, 0.7).tolist() == [0]


def test_auroc_worked_by_hand():
    # pairs (positive, negative): 0.9 and 0.5 against 0.5, 0.1: 1 + 1 + 1/2 + 1
    assert m.auroc(np.array([1, 1, 0, 0]), np.array([0.9, 0.5, 0.5, 0.1])) == 3.5 / 4


def test_auprc_worked_by_hand():
    # thresholds 0.9 (1 of 1), 0.5 (2 of 3, tie), 0.1 (2 of 4)
    labels, scores = np.array([1, 1, 0, 0]), np.array([0.9, 0.5, 0.5, 0.1])
    assert m.auprc(labels, scores) == pytest.approx(1 / 2 * 1 + 1 / 2 * 2 / 3, **TINY)


@given(ranked_rows())
def test_auroc_is_the_share_of_pairs_in_order(rows):
    labels, scores = rows
    pairs = [
        (high > low) + (high == low) / 2
        for high in scores[labels == 1]
        for low in scores[labels == 0]
    ]
    assert m.auroc(labels, scores) == pytest.approx(np.mean(pairs), **TINY)


@given(ranked_rows())
def test_auprc_is_the_sum_of_steps(rows):
    labels, scores = rows
    expected, recall_before = 0.0, 0.0
    for threshold in sorted(set(scores), reverse=True):
        called = labels[scores >= threshold]
        recall = called.sum() / labels.sum()
        expected += (recall - recall_before) * called.mean()
        recall_before = recall
    assert m.auprc(labels, scores) == pytest.approx(expected, **TINY)


@given(ranked_rows(), st.randoms(use_true_random=False))
def test_rankings_do_not_depend_on_the_order_of_rows(rows, random):
    labels, scores = rows
    order = list(range(len(labels)))
    random.shuffle(order)
    assert m.auroc(labels[order], scores[order]) == m.auroc(labels, scores)
    assert m.auprc(labels[order], scores[order]) == m.auprc(labels, scores)


def test_auroc_of_a_million_rows_is_exact():
    labels = np.repeat([1, 0], 500_000)
    scores = np.arange(1_000_000)[::-1] / 1e6
    scores[[499_999, 500_000]] = scores[[500_000, 499_999]]
    assert m.auroc(labels, scores) == 1 - 1 / 500_000**2


def test_multi_class_rankings_are_the_mean_of_each_class_against_the_rest():
    generator = np.random.default_rng(0)
    labels = generator.integers(3, size=60)
    probabilities = generator.dirichlet(np.ones(3), size=60).round(1)
    for score in (m.auroc, m.auprc):
        each = [score((labels == k).astype(int), probabilities[:, k]) for k in range(3)]
        assert score(labels, probabilities) == pytest.approx(np.mean(each), **TINY)


def test_brier_score_worked_by_hand():
    assert m.brier(np.array([1, 0]), binary([0.8, 0.4])) == pytest.approx(0.1, **TINY)
    probabilities = np.array([[0.5, 0.3, 0.2]])
    assert m.brier(np.array([0]), probabilities) == pytest.approx(0.25 + 0.09 + 0.04, **TINY)


def test_metrics_come_in_a_fixed_order():
    values = m.metrics(LABELS, binary(CALLS))
    assert " ".join(values) == "accuracy precision recall f1 mcc auroc auprc brier"
    assert tuple(values) == m.METRIC_NAMES
    assert all(type(value) is float for value in values.values())


def test_metrics_at_a_threshold():
    labels, probabilities = np.array([0, 1, 1, 0]), binary([0.1, 0.3, 0.9, 0.2])
    assert m.metrics(labels, probabilities)["recall"] == 0.5
    assert m.metrics(labels, probabilities, threshold=0.25)["recall"] == 1


@pytest.mark.parametrize("n_classes", [2, 3])
def test_labels_of_one_class_give_nan_and_no_exception(n_classes):
    probabilities = np.full((4, n_classes), 1 / n_classes)
    values = m.metrics(np.zeros(4, dtype=np.int64), probabilities)
    assert np.isnan(values["mcc"])
    assert np.isnan(values["auroc"])
    assert values["accuracy"] == 1
    assert values["brier"] >= 0


def test_no_positive_row_leaves_the_positive_class_undefined():
    values = m.metrics(np.zeros(4, dtype=np.int64), binary([0.1, 0.9, 0.3, 0.2]))
    undefined = {name for name, value in values.items() if np.isnan(value)}
    assert undefined == {"precision", "recall", "f1", "mcc", "auroc", "auprc"}


@pytest.mark.parametrize("n_classes", [2, 3])
def test_no_rows_give_nan_only(n_classes):
    values = m.metrics(np.empty(0, dtype=np.int64), np.empty((0, n_classes)))
    assert all(np.isnan(value) for value in values.values())


def test_a_nan_among_the_scores_gives_nan():
    labels, scores = np.array([0, 1, 1]), np.array([0.1, np.nan, 0.9])
    assert np.isnan(m.auroc(labels, scores))
    assert np.isnan(m.auprc(labels, scores))
    assert np.isnan(m.best_threshold(labels, scores))
    assert np.isnan(m.threshold_at_fpr(labels, scores, 0.1))


def called_mcc(labels, scores, threshold):
    return m.mcc(m.confusion_matrix(labels, (scores >= threshold).astype(int), 2))


def test_thresholds_are_nan_where_a_class_is_missing():
    for labels in (np.array([1, 1]), np.array([], dtype=np.int64)):
        scores = np.linspace(0, 1, len(labels))
        assert np.isnan(m.best_threshold(labels, scores))
        assert np.isnan(m.threshold_at_fpr(labels, scores, 0.1))


def test_best_threshold_lies_midway_between_the_classes():
    labels = np.array([0, 0, 1, 1])
    assert m.best_threshold(labels, np.array([0.1, 0.25, 0.75, 0.9])) == 0.5


@given(ranked_rows())
def test_no_cut_has_a_better_mcc_than_the_best_threshold(rows):
    labels, scores = rows
    threshold = m.best_threshold(labels, scores)
    distinct = sorted(set(scores))
    if len(distinct) == 1:
        assert np.isnan(threshold)
        return
    cuts = [called_mcc(labels, scores, cut) for cut in distinct[1:]]
    assert called_mcc(labels, scores, threshold) == pytest.approx(max(cuts), abs=1e-9)
    assert not set(scores) & {threshold}


def test_threshold_between_neighbouring_floats_separates_them():
    low = 0.5
    high = np.nextafter(low, 1)
    threshold = m.best_threshold(np.array([0, 1]), np.array([low, high]))
    assert low < threshold <= high


def test_threshold_at_fpr_worked_by_hand():
    labels = np.array([0, 0, 0, 0, 1, 1])
    scores = np.array([0.1, 0.2, 0.4, 0.8, 0.6, 0.9])
    assert m.threshold_at_fpr(labels, scores, 0.0) == pytest.approx(0.85, **TINY)
    assert m.threshold_at_fpr(labels, scores, 0.25) == pytest.approx(0.5, **TINY)
    assert m.threshold_at_fpr(labels, scores, 0.49) == pytest.approx(0.5, **TINY)
    assert m.threshold_at_fpr(labels, scores, 0.5) == pytest.approx(0.3, **TINY)
    assert m.threshold_at_fpr(labels, scores, 1.0) == 0.1


def test_threshold_at_fpr_calls_nothing_where_the_top_negatives_tie():
    threshold = m.threshold_at_fpr(np.array([0, 0, 1]), np.array([0.7, 0.7, 0.7]), 0.5)
    assert 0.7 < threshold < 0.7001


@given(ranked_rows(), st.integers(0, 20))
def test_threshold_at_fpr_keeps_the_share_and_cannot_be_lower(rows, twentieths):
    labels, scores = rows
    share = twentieths / 20
    negatives = scores[labels == 0]
    threshold = m.threshold_at_fpr(labels, scores, share)
    assert (negatives >= threshold).mean() <= share
    lower = [score for score in scores if score < threshold]
    if lower:
        assert (negatives >= max(lower)).mean() > share


def test_a_share_that_is_a_whole_number_of_negatives_is_used_in_full():
    """0.29 * 100 is 28.999999999999996 in floating point."""
    scores = np.arange(100) / 100
    threshold = m.threshold_at_fpr(np.zeros(100, dtype=np.int64), scores, 0.29)
    assert (scores >= threshold).sum() == 29


AGREEMENT = {"abs": 1e-9}


@pytest.fixture
def reference(oracle):
    return json.loads((oracle / "misc" / "misc.json").read_text())


@pytest.mark.oracle
def test_binary_metrics_agree_with_the_original(reference):
    case = reference["metrics2"]
    labels, probabilities = np.array(case["labels"]), binary(case["prob1"])
    assert m.predicted_classes(probabilities).tolist() == case["preds"]
    names = {"acc": "accuracy", "auc": "auroc", "aupr": "auprc"}
    ours = m.metrics(labels, probabilities)
    for name, expected in case["dna690"].items():
        assert ours[names.get(name, name)] == pytest.approx(expected, **AGREEMENT), name


@pytest.mark.oracle
def test_promoter_metrics_of_the_original_are_macro_averages(reference):
    """For its promoter task the original averages over both classes; we report class 1."""
    case = reference["metrics2"]
    labels, probabilities = np.array(case["labels"]), binary(case["prob1"])
    confusion = m.confusion_matrix(labels, np.array(case["preds"]), 2)
    ours = m.metrics(labels, probabilities)
    ours = {"acc": ours["accuracy"], "mcc": ours["mcc"], "auc": ours["auroc"]}
    for score in (m.precision, m.recall, m.f1):
        ours[score.__name__] = score(confusion, "macro")
    assert ours == pytest.approx(case["dnaprom"], **AGREEMENT)


@pytest.mark.oracle
def test_three_class_metrics_agree_with_the_original(reference):
    """Its AUC averages over pairs of classes (one versus one); ours is one versus rest."""
    case = reference["metrics3"]
    labels, probabilities = np.array(case["labels"]), np.array(case["probs"])
    expected = dict(case["dnasplice"])
    pairwise = []
    for one, other in ((0, 1), (0, 2), (1, 2)):
        chosen = (labels == one) | (labels == other)
        for positive in (one, other):
            is_positive = (labels[chosen] == positive).astype(int)
            pairwise.append(m.auroc(is_positive, probabilities[chosen, positive]))
    assert np.mean(pairwise) == pytest.approx(expected.pop("auc"), **AGREEMENT)
    assert m.predicted_classes(probabilities).tolist() == case["preds"]
    ours = m.metrics(labels, probabilities)
    for name, value in expected.items():
        assert ours["accuracy" if name == "acc" else name] == pytest.approx(value, **AGREEMENT)
