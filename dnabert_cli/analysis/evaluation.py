"""Every figure of a classifier with its 95 % interval, and the points of its curves.

What the figures mean stands in `metrics`. Here each class is also judged alone, against all
others; "macro" is the mean over the classes that occur. The intervals come from resampled rows
(see `figures`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis import calibration, metrics
from dnabert_cli.analysis.figures import Ranking, percentile_interval, resampled

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

ALL = "all"
MACRO = "macro"


@dataclass(frozen=True)
class Figure:
    """One number and its 95 % interval; NaN where undefined.

    Attributes:
        name: of the figure.
        of: a class, `MACRO`, or `ALL` for a figure of all rows and classes together.
        value: in all rows.
        low, high: the interval.
    """

    name: str
    of: str
    value: float
    low: float
    high: float


def class_figures(
    labels: Numbers,
    probabilities: Floats,
    classes: Sequence[str],
    *,
    threshold: float | None = None,
    rows: Numbers | None = None,
    seed: int = 0,
    n_resamples: int = 1000,
) -> list[Figure]:
    """Return all figures, always in the same order.

    - `accuracy`, `mcc`: of all.
    - `precision`, `recall`, `f1`, `auroc`, `auprc`, `brier`: of each class, and macro.
    - `brier` of all: as `metrics.brier`.
    - `ece` of all: the expected calibration error of class 1; with K > 2 the mean of those of
      the classes. Noise makes this error larger and resampling adds noise, so its interval lies
      high; where there is next to no error it may lie above the value.

    Args:
        labels: `[N]` class numbers.
        probabilities: `[N, K]`.
        classes: `[K]` names.
        threshold: two classes only, see `metrics.predicted_classes`.
        rows: `[N]`, equal for items that belong together (windows of one sequence, say) and are
            resampled together. `None`: each stands alone.
        seed: of the resamples.
        n_resamples: percentile bootstrap; resamples in which a figure is undefined are left out
            of its interval.
    """
    answers = _Answers(labels, probabilities, classes, threshold)
    groups = np.arange(len(labels)) if rows is None else np.unique(rows, return_inverse=True)[1]
    n_groups = int(groups.max(initial=-1)) + 1
    whole = answers.figures(np.ones(len(labels), dtype=np.int64))
    drawn = [
        [value for _, _, value in answers.figures(weights)]
        for weights in resampled(groups, n_groups, seed=seed, n_resamples=n_resamples)
    ]
    table = np.array(drawn, dtype=np.float64).reshape(-1, len(whole))
    return [
        Figure(name, of, value, *percentile_interval(column))
        for (name, of, value), column in zip(whole, table.T, strict=True)
    ]


class _Answers:
    """Probabilities beside the truth; arguments as for `class_figures`."""

    def __init__(
        self,
        labels: Numbers,
        probabilities: Floats,
        classes: Sequence[str],
        threshold: float | None,
    ) -> None:
        self._classes = classes
        n_classes = len(classes)
        self._cells = labels * n_classes + metrics.predicted_classes(probabilities, threshold)
        self._gaps = probabilities.astype(np.float64) - (labels[:, None] == np.arange(n_classes))
        self._squares = self._gaps**2
        self._rankings = [Ranking(labels == one, probabilities[:, one]) for one in range(n_classes)]
        self._unscored = np.isnan(probabilities).any(axis=0)
        calibrated = (1,) if n_classes == 2 else range(n_classes)
        self._bins = {one: calibration.bin_numbers(probabilities[:, one]) for one in calibrated}

    def figures(self, weights: Numbers) -> list[tuple[str, str, float]]:
        """Return (name, of, value) when each item counts as often as its weight says."""
        n_classes = len(self._classes)
        counts = np.bincount(self._cells, weights=weights, minlength=n_classes**2)
        confusion = counts.astype(np.int64).reshape(n_classes, n_classes)
        briers = self._briers(weights)
        by_class = metrics.by_class(confusion) | self._areas(weights) | {"brier": briers}
        found = [("accuracy", ALL, metrics.accuracy(confusion))]
        for name, values in by_class.items():
            found += zip([name] * n_classes, self._classes, values.tolist(), strict=True)
            found.append((name, MACRO, _mean(values[confusion.sum(axis=1) > 0])))
        brier = briers[1] if n_classes == 2 else briers.sum()
        found.append(("mcc", ALL, metrics.mcc(confusion)))
        found.append(("brier", ALL, float(brier)))
        found.append(("ece", ALL, self._calibration_error(weights)))
        return found

    def _areas(self, weights: Numbers) -> dict[str, Doubles]:
        areas = np.array([ranking.areas(weights) for ranking in self._rankings])
        areas[self._unscored] = np.nan
        return {"auroc": areas[:, 0], "auprc": areas[:, 1]}

    def _briers(self, weights: Numbers) -> Doubles:
        """Return the mean squared difference of probability and truth of each class, `[K]`."""
        if len(weights) == 0:
            return np.full(len(self._classes), np.nan)
        briers: Doubles = weights @ self._squares / weights.sum()
        return briers

    def _calibration_error(self, weights: Numbers) -> float:
        errors = [
            calibration.binned_error(bins, self._gaps[:, one], weights)
            for one, bins in self._bins.items()
        ]
        return float(np.mean(errors))


def _mean(values: Doubles) -> float:
    return float(values.mean()) if len(values) else float("nan")


def roc_curve(positive: Bools, scores: Floats) -> tuple[Doubles, Doubles]:
    """Return false and true positive rates, `[D]` each, when all from a score on is called.

    One point per distinct score, highest first; the corner (0, 0) is not among them. The rate of
    a class that does not occur is NaN.

    Args:
        positive: `[N]`.
        scores: `[N]`.
    """
    true, false, _ = metrics.curve(positive, scores)
    return _rates(false), _rates(true)


def precision_recall_curve(positive: Bools, scores: Floats) -> tuple[Doubles, Doubles]:
    """Return recall and precision, `[D]` each; points and arguments as for `roc_curve`."""
    true, false, _ = metrics.curve(positive, scores)
    return _rates(true), true / (true + false)


def _rates(counts: Numbers) -> Doubles:
    """Return counts over the last one, which is the number of all."""
    if len(counts) == 0 or counts[-1] == 0:
        return np.full(len(counts), np.nan)
    rates: Doubles = counts / counts[-1]
    return rates
