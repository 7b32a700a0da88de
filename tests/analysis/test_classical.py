import logging
import sys

import numpy as np
import pytest

from dnabert_cli.analysis import classical
from dnabert_cli.analysis.classical import (
    CLASSICAL,
    check_installed,
    fit_predict,
    logistic_of_score,
)
from dnabert_cli.errors import DataError, OptionsError


def blobs(n_rows, n_classes, seed=0, apart=4.0):
    """Rows of three features around one corner per class."""
    rng = np.random.default_rng(seed)
    labels = np.arange(n_rows) % n_classes
    corners = apart * np.array([[0, 0, 0], [1, 1, 0], [0, 1, 1]])
    features = corners[labels] + rng.normal(size=(n_rows, 3))
    return features.astype(np.float32), labels


@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("kind", CLASSICAL)
def test_classes_that_lie_apart_are_told_apart(kind, n_classes):
    features, labels = blobs(120, n_classes)
    others, truth = blobs(60, n_classes, seed=1)
    probabilities = fit_predict(kind, features, labels, others, n_classes, seed=0)
    assert probabilities.shape == (60, n_classes)
    assert (probabilities.argmax(axis=1) == truth).mean() > 0.9
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)
    assert (probabilities >= 0).all()


@pytest.mark.parametrize("kind", CLASSICAL)
def test_equal_seeds_give_equal_probabilities(kind):
    features, labels = blobs(90, 2, apart=1.0)
    first, second = (fit_predict(kind, features, labels, features, 2, seed=3) for _ in range(2))
    assert (first == second).all()


@pytest.mark.parametrize("kind", ["svm", "forest"])
def test_seed_decides_what_is_drawn(kind):
    features, labels = blobs(90, 2, apart=1.0)
    first, second = (fit_predict(kind, features, labels, features, 2, seed=s) for s in (3, 4))
    assert (first != second).any()


@pytest.mark.parametrize("kind", CLASSICAL)
def test_class_without_training_rows_has_probability_zero(kind):
    features, labels = blobs(80, 2)
    probabilities = fit_predict(kind, features, 2 * labels, features, 4, seed=0)
    assert not probabilities[:, [1, 3]].any()
    assert (probabilities.argmax(axis=1) == 2 * labels).mean() > 0.9


@pytest.mark.parametrize("kind", CLASSICAL)
def test_one_class_alone_has_probability_one(kind, caplog):
    features, _ = blobs(20, 2)
    probabilities = fit_predict(kind, features, np.ones(20, dtype=int), features, 3, seed=0)
    assert (probabilities == [0, 1, 0]).all()
    assert "of one class only" in caplog.text


@pytest.mark.parametrize("kind", CLASSICAL)
def test_no_rows_to_train_on_is_an_error(kind):
    with pytest.raises(DataError, match=f"baseline {kind}: no rows to train on"):
        fit_predict(kind, np.zeros((0, 3)), np.zeros(0, int), np.zeros((2, 3)), 2, seed=0)


@pytest.mark.parametrize("kind", CLASSICAL)
def test_missing_library_is_told_with_the_cure(kind, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    features, labels = blobs(20, 2)
    with pytest.raises(
        OptionsError, match=rf"--baselines {kind}: .*not installed .*pip install 'dnabert\[base"
    ):
        fit_predict(kind, features, labels, features, 2, seed=0)


def test_sure_probabilities_keep_their_order():
    features = np.linspace(-3, 3, 60, dtype=np.float32)[:, np.newaxis]
    labels = (features[:, 0] > 0).astype(int)
    far = np.arange(5, 9, dtype=np.float32)[:, np.newaxis]
    probabilities = fit_predict("logistic", features, labels, far, 2, seed=0)
    assert (np.diff(probabilities[:, 1]) > 0).all()


@pytest.mark.parametrize("kind", CLASSICAL)
def test_rows_are_predicted_in_chunks_and_none_is_lost(kind, monkeypatch):
    features, labels = blobs(61, 2, apart=1.0)
    whole = fit_predict(kind, features, labels, features, 2, seed=0)
    monkeypatch.setattr(classical, "_CHUNK", 20)
    pieces = fit_predict(kind, features, labels, features, 2, seed=0)
    np.testing.assert_allclose(whole, pieces, rtol=1e-12)


def test_installed_library_passes_the_check():
    check_installed("logistic")


def test_svm_is_trained_on_a_draw_that_keeps_the_shares_of_classes(monkeypatch, caplog):
    monkeypatch.setattr(classical, "SVM_ROWS", 50)
    features, _ = blobs(500, 2)
    labels = np.arange(500) // 400  # 400 rows of class 0, 100 of class 1
    drawn = classical._training_rows("svm", labels, 7)
    assert np.bincount(labels[drawn]).tolist() == [40, 10]
    assert len(set(drawn.tolist())) == 50
    with caplog.at_level(logging.INFO):
        fit_predict("svm", features, labels, features[:5], 2, seed=7)
    assert "trained on 50 of 500 rows" in caplog.text


def test_only_the_svm_leaves_rows_out(monkeypatch):
    monkeypatch.setattr(classical, "SVM_ROWS", 50)
    labels = np.arange(500) % 2
    assert len(classical._training_rows("forest", labels, 0)) == 500


def test_svm_leaves_out_a_class_of_one_row(caplog):
    features, labels = blobs(60, 2)
    labels[5] = 2
    with caplog.at_level(logging.INFO):
        probabilities = fit_predict("svm", features, labels, features, 3, seed=0)
    assert not probabilities[:, 2].any()
    assert "1 class(es) with one row left out" in caplog.text


def test_svm_takes_fewer_folds_where_a_class_is_small():
    features, labels = blobs(60, 2)
    labels[:] = np.arange(60) < 3
    features += 20 * labels[:, np.newaxis]
    probabilities = fit_predict("svm", features, labels, features, 2, seed=0)
    assert (probabilities[:3, 1].min() > probabilities[3:, 1]).all()


def test_logistic_regression_that_runs_out_of_steps_says_so(monkeypatch, caplog):
    monkeypatch.setattr(classical, "LOGISTIC_STEPS", 1)
    features, labels = blobs(60, 2, apart=1.0)
    fit_predict("logistic", features, labels, features, 2, seed=0)
    assert "not at its optimum after 1 steps" in caplog.text


def curve(scores, slope, intercept, seed=0):
    """Labels drawn from a logistic curve."""
    chance = 1 / (1 + np.exp(-(slope * scores + intercept)))
    return (np.random.default_rng(seed).random(len(scores)) < chance).astype(int)


@pytest.mark.parametrize(("slope", "intercept"), [(1.5, -0.5), (-0.7, 1.0)])
def test_curve_that_labels_were_drawn_from_is_found(slope, intercept):
    scores = np.random.default_rng(1).normal(size=40_000)
    test = np.array([-1.0, 0.0, 2.0])
    probabilities = logistic_of_score(scores, curve(scores, slope, intercept), test)
    expected = 1 / (1 + np.exp(-(slope * test + intercept)))
    np.testing.assert_allclose(probabilities[:, 1], expected, atol=0.02)
    np.testing.assert_allclose(probabilities.sum(axis=1), 1)


def test_curve_is_at_the_optimum():
    scores = np.random.default_rng(1).normal(10, 5, size=200)
    labels = curve(scores, 0.3, -3)
    fitted = logistic_of_score(scores, labels, scores)[:, 1]
    n_positive = labels.sum()
    high, low = (n_positive + 1) / (n_positive + 2), 1 / (200 - n_positive + 2)
    difference = fitted - np.where(labels == 1, high, low)
    assert difference.sum() == pytest.approx(0, abs=1e-5)
    assert (difference * scores).sum() == pytest.approx(0, abs=1e-4)


def test_order_of_scores_is_kept():
    scores = np.random.default_rng(2).normal(size=100)
    probabilities = logistic_of_score(scores, curve(scores, 2, 0), scores)[:, 1]
    assert (np.argsort(probabilities) == np.argsort(scores)).all()


def test_score_that_separates_the_classes_has_a_finite_slope():
    scores = np.array([-2.0, -1.0, 1.0, 2.0])
    probabilities = logistic_of_score(scores, np.array([0, 0, 1, 1]), scores)[:, 1]
    assert (np.diff(probabilities) > 0).all()
    assert 0.5 < probabilities[2] < probabilities[3] < 1


def test_scores_that_are_all_equal_give_the_share_of_positives():
    labels = np.array([0] * 30 + [1] * 10)
    probabilities = logistic_of_score(np.full(40, 3.0), labels, np.array([3.0]))[0]
    assert probabilities[1] == pytest.approx(0.25, abs=0.03)


def test_labels_of_one_class_give_a_high_probability_of_it():
    scores = np.arange(30.0)
    assert (logistic_of_score(scores, np.ones(30, int), scores)[:, 1] > 0.9).all()
    assert (logistic_of_score(scores, np.zeros(30, int), scores)[:, 0] > 0.9).all()


def test_far_scores_give_no_warning():
    scores = np.array([0.0, 0.1, 0.9, 1.0])
    probabilities = logistic_of_score(scores, np.array([0, 0, 1, 1]), np.array([-1e6, 1e6]))
    np.testing.assert_allclose(probabilities, [[1, 0], [0, 1]], atol=1e-6)
