"""The figures of every head, and their 95 % intervals over rows.

What a model answers is held against the truth in one of three ways (`KINDS`): as classes, as
labels of which any number may hold, or as values. A figure is computed with a weight per item, so
that a bootstrap resample is the same items with other weights: scores are sorted once, not once
per resample. Where a row has many items (a base each), whole rows are drawn, because neighbours
are no independent witnesses.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis import metrics

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.floating]

KINDS = ("classes", "labels", "values")
# Figures that may decide on the best weights, larger being better; the first is the default.
DECIDING: Mapping[str, tuple[str, ...]] = {
    "classes": ("auprc", "auroc", "mcc", "accuracy", "precision", "recall", "f1"),
    "labels": ("macro_auprc", "macro_auroc", "micro_f1"),
    "values": ("spearman", "pearson", "r2"),
}
# Figures with an interval, which a log line and a model card quote.
QUOTED: Mapping[str, tuple[str, ...]] = {
    "classes": ("mcc", "auroc", "auprc"),
    "labels": ("macro_auroc", "macro_auprc", "micro_f1"),
    "values": ("spearman", "pearson", "r2", "rmse"),
}
N_RESAMPLES = 1000
LEVEL = 0.95


class Compared(Protocol):
    """Answers beside the truth."""

    def figures(self) -> dict[str, Any]:
        """Return every figure, NaN where it is undefined."""

    def quoted(self, weights: Numbers) -> dict[str, float]:
        """Return the figures of `QUOTED` when each item counts as often as its weight says."""


def kind_of(head: str, n_outputs: int) -> str:
    """Return which of `KINDS` a head of `config.HEADS` is; one number per base is a value."""
    if head == "multi-label":
        return "labels"
    return "values" if head == "regression" or n_outputs == 1 else "classes"


def compare(kind: str, truth: npt.NDArray[Any], answers: Floats) -> Compared:
    """Put answers beside the truth.

    Args:
        kind: of `KINDS`.
        truth: `[M]` class numbers, `[M, K]` 0 or 1, or `[M]` numbers.
        answers: `[M, K]`; for values `[M, 1]`.
    """
    if kind == "classes":
        return Classes(truth, answers)
    if kind == "labels":
        return Labels(truth, answers)
    return Values(truth, answers[:, 0])


def row_intervals(
    compared: Compared, rows: Numbers, n_rows: int, *, seed: int = 0
) -> dict[str, tuple[float, float]]:
    """Return the 95 % percentile bootstrap interval of each quoted figure, resampling rows.

    Resamples in which a figure is undefined are left out; (NaN, NaN) if all are.

    Args:
        compared: M items.
        rows: `[M]`, the row each item belongs to.
        n_rows: how many rows there are.
        seed: of the resamples.
    """
    drawn: dict[str, list[float]] = {}
    for weights in resampled(rows, n_rows, seed=seed):
        for name, value in compared.quoted(weights).items():
            drawn.setdefault(name, []).append(value)
    return {name: percentile_interval(np.array(values)) for name, values in drawn.items()}


def resampled(
    rows: Numbers, n_rows: int, *, seed: int = 0, n_resamples: int | None = None
) -> Iterator[Numbers]:
    """Yield how often each item counts, `[M]`, in one resample of the rows after the other.

    Args:
        rows: `[M]`, the row each item belongs to.
        n_rows: how many rows there are; without any there is nothing to resample.
        seed: of the resamples.
        n_resamples: `None` is `N_RESAMPLES`.
    """
    generator = np.random.default_rng(seed)
    n_resamples = N_RESAMPLES if n_resamples is None else n_resamples
    for _ in range(n_resamples if n_rows else 0):
        counts = np.bincount(generator.integers(n_rows, size=n_rows), minlength=n_rows)
        yield counts[rows]


def percentile_interval(values: npt.NDArray[np.float64]) -> tuple[float, float]:
    """Return the 95 % interval of a figure from its resamples, `[R]`; NaN ones are left out."""
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(values, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return float(low), float(high)


class Classes:
    """One of K classes per item; with two classes, class 1 is the positive one.

    `figures` are those of `metrics.metrics`.

    Args:
        labels: `[M]` class numbers.
        probabilities: `[M, K]`.
    """

    def __init__(self, labels: Numbers, probabilities: Floats) -> None:
        self._labels, self._probabilities = labels, probabilities
        n_classes = probabilities.shape[1]
        self._cells = labels * n_classes + metrics.predicted_classes(probabilities)
        positives = (1,) if n_classes == 2 else range(n_classes)
        self._rankings = [Ranking(labels == one, probabilities[:, one]) for one in positives]

    def figures(self) -> dict[str, Any]:
        """Return the scores of `metrics.METRIC_NAMES`."""
        return dict(metrics.metrics(self._labels, self._probabilities))

    def quoted(self, weights: Numbers) -> dict[str, float]:
        """Return MCC, AUROC and AUPRC, as `metrics` defines them."""
        n_classes = self._probabilities.shape[1]
        counts = np.bincount(self._cells, weights=weights, minlength=n_classes**2)
        areas = [ranking.areas(weights) for ranking in self._rankings]
        if n_classes > 2:  # the mean over the classes that occur
            areas = [area for area in areas if not np.isnan(area[1])]
        auroc, auprc = np.mean(areas, axis=0) if areas else (np.nan, np.nan)
        confusion = counts.astype(np.int64).reshape(n_classes, n_classes)
        return {"mcc": metrics.mcc(confusion), "auroc": float(auroc), "auprc": float(auprc)}


class Labels:
    """K labels per item, of which any number may hold.

    - `macro_auroc`, `macro_auprc`: the mean over the labels of AUROC and average precision; a
      label that all items have, or none, has neither and is left out.
    - `micro_f1`: 2 TP / (2 TP + FP + FN) over all items and labels, called from 0.5 on.

    Args:
        truth: `[M, K]`, 1 where the label holds.
        probabilities: `[M, K]`.
    """

    def __init__(self, truth: Floats, probabilities: Floats) -> None:
        positive, called = truth == 1, probabilities >= 0.5
        self._hits = (positive & called).sum(1)
        self._both = positive.sum(1) + called.sum(1)
        self._n_positives = positive.sum(0)
        self._rankings = [
            Ranking(positive[:, one], probabilities[:, one]) for one in range(truth.shape[1])
        ]

    def figures(self) -> dict[str, Any]:
        """Return the quoted figures."""
        return dict(self.quoted(np.ones(len(self._hits), dtype=np.int64)))

    def quoted(self, weights: Numbers) -> dict[str, float]:
        """Return macro AUROC, macro AUPRC and micro F1."""
        areas = [ranking.areas(weights) for ranking in self._rankings]
        areas = [area for area in areas if not np.isnan(area).any()]
        auroc, auprc = np.mean(areas, axis=0) if areas else (np.nan, np.nan)
        both = int(weights @ self._both)
        micro_f1 = 2 * int(weights @ self._hits) / both if both else float("nan")
        return {"macro_auroc": float(auroc), "macro_auprc": float(auprc), "micro_f1": micro_f1}

    def by_label(self) -> list[dict[str, float]]:
        """Return items that have the label, AUROC and AUPRC of each label."""
        ones = np.ones(len(self._hits), dtype=np.int64)
        table = []
        for n_positives, ranking in zip(self._n_positives.tolist(), self._rankings, strict=True):
            auroc, auprc = ranking.areas(ones)
            table.append({"n_positives": n_positives, "auroc": auroc, "auprc": auprc})
        return table


class Values:
    """A number per item.

    - `pearson`: the correlation; `spearman`: that of the ranks, of which ties share the mean.
      NaN where the truth is one value, 0 where all answers are the same.
    - `r2`: 1 minus the squared errors over the squared deviations of the truth from its mean;
      below 0 where that mean would be the better answer.
    - `rmse`: the root of the mean squared error, in the units of the truth.

    Args:
        truth: `[M]`.
        answers: `[M]`.
    """

    def __init__(self, truth: Floats, answers: Floats) -> None:
        self._truth, self._answers = truth.astype(np.float64), answers.astype(np.float64)
        self._truth_groups = np.unique(self._truth, return_inverse=True)[1]
        self._answer_groups = np.unique(self._answers, return_inverse=True)[1]

    def figures(self) -> dict[str, Any]:
        """Return the quoted figures."""
        return dict(self.quoted(np.ones(len(self._truth), dtype=np.int64)))

    def quoted(self, weights: Numbers) -> dict[str, float]:
        """Return Spearman's and Pearson's correlation, R squared and RMSE."""
        n_items = int(weights.sum())
        if n_items == 0:
            return dict.fromkeys(QUOTED["values"], float("nan"))
        errors = float(weights @ (self._truth - self._answers) ** 2)
        deviations = _deviations(self._truth, weights)
        total = float(weights @ deviations**2)
        ranks = (
            mid_ranks(self._truth_groups, weights),
            mid_ranks(self._answer_groups, weights),
        )
        return {
            "spearman": _correlation(*ranks, weights),
            "pearson": _correlation(self._truth, self._answers, weights),
            "r2": 1 - errors / total if total else float("nan"),
            "rmse": float(np.sqrt(errors / n_items)),
        }


class Ranking:
    """Scores in order; the areas under their curves when items count as their weights say.

    Args:
        positive: `[M]`.
        scores: `[M]`.
    """

    def __init__(self, positive: npt.NDArray[np.bool_], scores: Floats) -> None:
        self._order = np.argsort(scores, kind="stable")[::-1]
        ranked = scores[self._order]
        last_of_tie = np.append(ranked[1:] != ranked[:-1], True)[: len(ranked)]
        self._last = np.flatnonzero(last_of_tie)
        self._positive = positive[self._order]

    def areas(self, weights: Numbers) -> tuple[float, float]:
        """Return AUROC and average precision; NaN where a class is missing, as in `metrics`."""
        ordered = weights[self._order]
        called = np.cumsum(ordered)[self._last]
        true = np.cumsum(ordered * self._positive)[self._last]
        n_true = int(true[-1]) if len(true) else 0
        if n_true == 0:
            return float("nan"), float("nan")
        new_true = np.diff(true, prepend=0)
        auprc = float((new_true * (true / np.maximum(called, 1))).sum() / n_true)
        n_false = int(called[-1]) - n_true
        if n_false == 0:
            return float("nan"), auprc
        # twice the area, in whole numbers
        twice = int((np.diff(called - true, prepend=0) * (2 * true - new_true)).sum())
        return twice / (2 * n_true * n_false), auprc


def mid_ranks(groups: npt.NDArray[np.integer], weights: Numbers) -> npt.NDArray[np.float64]:
    """Return the rank of each item, from 1, when item i stands there `weights[i]` times.

    Args:
        groups: `[M]`, equal for equal values, larger for larger ones.
        weights: `[M]`.
    """
    sizes = np.bincount(groups, weights=weights)
    ranks: npt.NDArray[np.float64] = (np.cumsum(sizes) - (sizes - 1) / 2)[groups]
    return ranks


def _correlation(truth: Floats, answers: Floats, weights: Numbers) -> float:
    left, right = _deviations(truth, weights), _deviations(answers, weights)
    spread_left, spread_right = float(weights @ left**2), float(weights @ right**2)
    if spread_left == 0:
        return float("nan")
    if spread_right == 0:
        return 0.0
    covariance = float(weights @ (left * right))
    return covariance / float(np.sqrt(spread_left) * np.sqrt(spread_right))


def _deviations(values: Floats, weights: Numbers) -> npt.NDArray[np.float64]:
    """Deviations from the weighted mean; exactly 0 where all values that count are the same."""
    shifted = (values - values[int(weights.argmax())]) * (weights > 0)
    deviations: npt.NDArray[np.float64] = shifted - (weights @ shifted) / weights.sum()
    return deviations
