"""Every system against the first: on the rows of each data set, and over the data sets."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from dnabert_cli.analysis import compare, figures, metrics
from dnabert_cli.analysis.compare import Comparison
from dnabert_cli.analysis.evaluation import ALL, MACRO, Figure
from dnabert_cli.evaluate_config import EvaluateConfig
from dnabert_cli.tasks.systems import DataSet, Floats, Numbers, System

NOBODY = "."  # where a test is about no two systems


@dataclass(frozen=True)
class Tested:
    """A comparison of two systems.

    Attributes:
        data: the data set, or `all` where data sets are the witnesses.
        system_a: the first system; `.` where the test is about all of them.
        system_b: the other.
        found: of the test, a - b.
        q_value: among all tests of the run.
    """

    data: str
    system_a: str
    system_b: str
    found: Comparison
    q_value: float


@dataclass(frozen=True)
class Judged:
    """A data set and the figures of its systems, by name."""

    data: DataSet
    figures: Mapping[str, Sequence[Figure]]


def quoted(data: DataSet, found: Sequence[Figure]) -> dict[str, Figure]:
    """Return the figures a reader asks for first: of the positive class, or all classes."""
    area_of = data.classes[1] if data.is_binary else MACRO
    chosen = {}
    for name in figures.QUOTED[data.kind]:
        of = area_of if data.kind == "classes" and name != "mcc" else ALL
        chosen[name] = next(one for one in found if (one.name, one.of) == (name, of))
    return chosen


def told(figure: Figure, sign: str = "") -> str:
    """Return a figure and its interval in three digits; `sign` as format strings know it."""
    if np.isnan(figure.value):
        return "undefined"
    text = f"{figure.value:{sign}.3f}"
    if np.isnan(figure.low):
        return text
    return f"{text} [{figure.low:{sign}.3f}, {figure.high:{sign}.3f}]"


def compare_systems(judged: Sequence[Judged], config: EvaluateConfig) -> list[Tested]:
    """Test whether the first system is better or worse than each of the others.

    On each data set: McNemar's test of the accuracies, DeLong's of the AUROC (two classes), and a
    paired bootstrap of the quoted figures. Over two or more data sets: Wilcoxon's signed-rank
    test of each pair and the test of Kruskal and Wallis of all systems, of the quoted figures.
    The q-values are over all of them.
    """
    found: list[tuple[str, str, str, Comparison]] = []
    for one in judged:
        first, *others = one.data.systems
        for other in others:
            found += [
                (one.data.name, first.name, other.name, comparison)
                for comparison in _on_rows(one.data, first, other, config)
            ]
    if len(judged) > 1 and len(judged[0].data.systems) > 1:
        found += _over_sets(judged)
    q_values = compare.benjamini_hochberg(np.array([one[3].p_value for one in found]))
    return [Tested(*one, q) for one, q in zip(found, q_values.tolist(), strict=True)]


def _on_rows(
    data: DataSet, first: System, other: System, config: EvaluateConfig
) -> list[Comparison]:
    found = []
    if data.kind == "classes":
        correct = [
            metrics.predicted_classes(one.answers, config.threshold) == data.truth
            for one in (first, other)
        ]
        found.append(compare.mcnemar(*correct))
    if data.is_binary:
        positive = data.truth == 1
        found.append(compare.delong(positive, first.answers[:, 1], other.answers[:, 1]))
    rows = np.arange(len(data.truth))
    compared = [_compared(data, one.answers, config.threshold) for one in (first, other)]
    found += compare.bootstrap(
        compared[0], compared[1], rows, len(rows), seed=config.seed, n_resamples=config.resamples
    )
    return found


def _compared(data: DataSet, answers: Floats, threshold: float | None) -> figures.Compared:
    if threshold is None:
        return figures.compare(data.kind, data.truth, answers)
    return _FromThreshold(data.truth, answers, threshold)


class _FromThreshold(figures.Classes):
    """Two classes, of which the positive one is called from a probability on."""

    def __init__(self, labels: Numbers, probabilities: Floats, threshold: float) -> None:
        super().__init__(labels, probabilities)
        self._cells = labels * 2 + metrics.predicted_classes(probabilities, threshold)


def _over_sets(judged: Sequence[Judged]) -> list[tuple[str, str, str, Comparison]]:
    names = [system.name for system in judged[0].data.systems]
    found = []
    for figure in figures.QUOTED[judged[0].data.kind]:
        values = [
            np.array([quoted(one.data, one.figures[name])[figure].value for one in judged])
            for name in names
        ]
        for name, other in zip(names[1:], values[1:], strict=True):
            comparison = compare.wilcoxon(values[0], other, figure=figure)
            found.append((ALL, names[0], name, comparison))
        if len(names) > 2:  # of two systems it would ask what the pair has answered
            comparison = compare.kruskal_wallis(values, figure=figure)
            found.append((ALL, NOBODY, NOBODY, comparison))
    return found
