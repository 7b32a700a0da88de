"""How well probabilities agree with labels: the usual scores, and thresholds.

Labels are class numbers `0 .. K-1`. In a binary task class 1 is the positive class, and
precision, recall and F1 are of that class; with more classes they are macro averages. A score
that is undefined (its class does not occur) is NaN, never an exception.
"""

from collections.abc import Callable
from typing import Literal

import numpy as np
import numpy.typing as npt

Labels = npt.NDArray[np.integer]
Floats = npt.NDArray[np.floating]
Confusion = npt.NDArray[np.int64]
Average = Literal["auto", "macro"]
Statistic = Callable[[Labels, Floats], float]


def metrics(
    labels: Labels, probabilities: Floats, *, threshold: float | None = None
) -> dict[str, float]:
    """Return every score of `METRIC_NAMES`, in that order.

    Args:
        labels: `[N]` class numbers.
        probabilities: `[N, K]`.
        threshold: binary only, see `predicted_classes`.
    """
    confusion = _confusion(labels, probabilities, threshold)
    of_calls = {name: score(confusion) for name, score in _OF_CALLS.items()}
    return of_calls | {
        name: score(labels, probabilities) for name, score in _OF_PROBABILITIES.items()
    }


def _confusion(labels: Labels, probabilities: Floats, threshold: float | None) -> Confusion:
    predicted = predicted_classes(probabilities, threshold)
    return confusion_matrix(labels, predicted, probabilities.shape[1])


def predicted_classes(
    probabilities: Floats, threshold: float | None = None
) -> npt.NDArray[np.int64]:
    """Return the predicted class of each row, `[N]`.

    Args:
        probabilities: `[N, K]`.
        threshold: binary only: class 1 from this probability on. `None`: the most probable
            class, the lower number where two are equal.
    """
    if threshold is None:
        return np.asarray(probabilities.argmax(axis=1), dtype=np.int64)
    # In double precision: a single-precision score just below the threshold must not round up.
    return (probabilities[:, 1].astype(np.float64) >= threshold).astype(np.int64)


def confusion_matrix(labels: Labels, predicted: Labels, n_classes: int) -> Confusion:
    """Return counts `[K, K]`: one row per true class, one column per predicted class."""
    cells = labels.astype(np.int64) * n_classes + predicted
    counts: Confusion = np.bincount(cells, minlength=n_classes**2).astype(np.int64)
    return counts.reshape(n_classes, n_classes)


def accuracy(confusion: Confusion) -> float:
    """Return the share of rows whose predicted class is the true one."""
    return ratio(int(confusion.trace()), int(confusion.sum()))


def precision(confusion: Confusion, average: Average = "auto") -> float:
    """Return TP / (TP + FP); 0 for a class that occurs and is never predicted.

    Args:
        confusion: `[K, K]` of `confusion_matrix`.
        average: "auto": of class 1 if K is 2, else "macro". "macro": the mean over the classes
            that occur.
    """
    return _averaged(by_class(confusion)["precision"], average)


def recall(confusion: Confusion, average: Average = "auto") -> float:
    """Return TP / (TP + FN); arguments as for `precision`."""
    return _averaged(by_class(confusion)["recall"], average)


def f1(confusion: Confusion, average: Average = "auto") -> float:
    """Return 2 TP / (2 TP + FP + FN); arguments as for `precision`.

    Macro F1 is the mean of the classes' F1, not the F1 of the mean precision and recall.
    """
    return _averaged(by_class(confusion)["f1"], average)


def by_class(confusion: Confusion) -> dict[str, npt.NDArray[np.float64]]:
    """Return `precision`, `recall` and `f1` of each class, `[K]`; NaN for one without labels."""
    hits, true, called = confusion.diagonal(), confusion.sum(axis=1), confusion.sum(axis=0)
    parts = {"precision": (hits, called), "recall": (hits, true), "f1": (2 * hits, true + called)}
    return {
        name: np.where(true > 0, part / np.maximum(whole, 1), np.nan)
        for name, (part, whole) in parts.items()
    }


def _averaged(shares: npt.NDArray[np.float64], average: Average) -> float:
    """Return the share of class 1, or the mean over the classes that have one."""
    if average == "auto" and len(shares) == 2:
        return float(shares[1])
    occurs = ~np.isnan(shares)
    return float(shares[occurs].mean()) if occurs.any() else float("nan")


def mcc(confusion: Confusion) -> float:
    """Return Matthews' correlation coefficient, for any number of classes.

    NaN where the labels hold one class only; 0 where every prediction is the same.

    Source: Gorodkin 2004, Comput. Biol. Chem. 28:367, R_K (for K = 2 the usual formula).
    """
    true, predicted = confusion.sum(axis=1).astype(float), confusion.sum(axis=0).astype(float)
    n_rows = float(confusion.sum())
    spread_true = n_rows**2 - float(true @ true)
    spread_predicted = n_rows**2 - float(predicted @ predicted)
    if spread_true == 0:
        return float("nan")
    if spread_predicted == 0:
        return 0.0
    covariance = float(confusion.trace()) * n_rows - float(true @ predicted)
    return covariance / float(np.sqrt(spread_true) * np.sqrt(spread_predicted))


def auroc(labels: Labels, probabilities: Floats) -> float:
    """Return the area under the ROC curve.

    It is the chance that a random positive scores above a random negative; a tie counts half.

    Args:
        labels: `[N]` class numbers.
        probabilities: `[N, K]`, or `[N]` of class 1. With K > 2 the mean over the classes that
            occur, each against the rest.
    """
    return _one_versus_rest(_binary_auroc, labels, probabilities)


def auprc(labels: Labels, probabilities: Floats) -> float:
    """Return the average precision: sum over thresholds of (R_n - R_(n-1)) P_n.

    One threshold per distinct score, without interpolation; 1 where every row is positive, NaN
    where none is. Arguments as for `auroc`.
    """
    return _one_versus_rest(_binary_auprc, labels, probabilities)


def brier(labels: Labels, probabilities: Floats) -> float:
    """Return the Brier score: the mean squared difference of probability and truth.

    Binary: of class 1, in [0, 1]. With K > 2 summed over the classes, in [0, 2].
    """
    if len(labels) == 0:
        return float("nan")
    truth = labels[:, np.newaxis] == np.arange(probabilities.shape[1])
    squares = (probabilities.astype(np.float64) - truth) ** 2
    return float((squares[:, 1] if squares.shape[1] == 2 else squares.sum(axis=1)).mean())


def _one_versus_rest(
    binary: Callable[[npt.NDArray[np.bool_], Floats], float],
    labels: Labels,
    probabilities: Floats,
) -> float:
    if probabilities.ndim == 1:
        return binary(labels == 1, probabilities)
    if probabilities.shape[1] == 2:
        return binary(labels == 1, probabilities[:, 1])
    occurring = np.unique(labels)
    values = [binary(labels == label, probabilities[:, label]) for label in occurring]
    return float(np.mean(values)) if values else float("nan")


def _binary_auroc(positive: npt.NDArray[np.bool_], scores: Floats) -> float:
    true, false, _ = curve(positive, scores)
    if len(true) == 0 or true[-1] == 0 or false[-1] == 0 or np.isnan(scores).any():
        return float("nan")
    new_false = np.diff(false, prepend=0)
    # Twice the area, in whole numbers: exact however many rows there are.
    twice = int((new_false * (2 * true - np.diff(true, prepend=0))).sum())
    return twice / (2 * int(true[-1]) * int(false[-1]))


def _binary_auprc(positive: npt.NDArray[np.bool_], scores: Floats) -> float:
    true, false, _ = curve(positive, scores)
    if len(true) == 0 or true[-1] == 0 or np.isnan(scores).any():
        return float("nan")
    return float((np.diff(true, prepend=0) * (true / (true + false))).sum() / true[-1])


def curve(
    positive: npt.NDArray[np.bool_], scores: Floats
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """Return true and false positives when everything from a score on is called.

    Returns:
        true, false: `[D]`, counts; scores: `[D]`, the distinct scores, highest first.
    """
    order = np.argsort(scores, kind="stable")[::-1]
    ranked = scores[order].astype(np.float64)
    last_of_tie = np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)]
    n_called = np.flatnonzero(last_of_tie) + 1
    true = np.cumsum(positive[order], dtype=np.int64)[last_of_tie]
    return true, n_called - true, ranked[last_of_tie]


def best_threshold(labels: Labels, scores: Floats) -> float:
    """Return the threshold with the best MCC when scores at or above it are called positive.

    Thresholds lie midway between neighbouring scores; of equally good ones the highest. NaN
    where there is no choice: one class only, or one distinct score.

    Args:
        labels: `[N]`, 1 is positive.
        scores: `[N]`, for example the probability of class 1.
    """
    true, false, distinct = curve(labels == 1, scores)
    if len(true) < 2 or true[-1] == 0 or false[-1] == 0 or np.isnan(distinct).any():
        return float("nan")
    n_positive, n_negative = float(true[-1]), float(false[-1])
    called, rest = (true + false)[:-1].astype(float), (true + false)[-1] - (true + false)[:-1]
    covariance = true[:-1] * n_negative - false[:-1] * n_positive
    values = covariance / np.sqrt(called * rest)  # MCC times sqrt(n_positive * n_negative)
    best = int(values.argmax())
    return _between(distinct[best], distinct[best + 1])


def threshold_at_fpr(labels: Labels, scores: Floats, share: float) -> float:
    """Return the lowest threshold that calls at most `share` of the negatives.

    Called is what scores at or above the threshold. Thresholds lie midway between neighbouring
    scores; above the highest score where every call is one too many, the lowest score where all
    may be called. NaN without negatives.

    Args:
        labels: `[N]`, 1 is positive.
        scores: `[N]`.
        share: false positive rate, in [0, 1].
    """
    _, false, distinct = curve(labels == 1, scores)
    if len(false) == 0 or false[-1] == 0 or np.isnan(distinct).any():
        return float("nan")
    n_allowed = int(np.count_nonzero(false / false[-1] <= share))
    if n_allowed == 0:
        return float(np.nextafter(distinct[0], np.inf))
    if n_allowed == len(distinct):
        return float(distinct[-1])
    return _between(distinct[n_allowed - 1], distinct[n_allowed])


def _between(high: float, low: float) -> float:
    middle = low + (high - low) / 2
    return float(middle if middle > low else high)  # rounding must not let `low` be called


def ratio(part: int, whole: int) -> float:
    """Return part / whole; NaN where there is no whole."""
    return part / whole if whole else float("nan")


_OF_CALLS: dict[str, Callable[[Confusion], float]] = {
    "accuracy": accuracy,
    "precision": precision,
    "recall": recall,
    "f1": f1,
    "mcc": mcc,
}
_OF_PROBABILITIES: dict[str, Statistic] = {"auroc": auroc, "auprc": auprc, "brier": brier}

METRIC_NAMES = (*_OF_CALLS, *_OF_PROBABILITIES)
