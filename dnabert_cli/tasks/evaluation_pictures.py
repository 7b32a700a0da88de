"""The pictures of an evaluation, as bytes under the paths where they belong."""

import importlib.util
from collections.abc import Sequence
from dataclasses import astuple
from pathlib import Path

import numpy as np

from dnabert_cli.analysis.calibration import Bin, reliability
from dnabert_cli.analysis.evaluation import Figure, precision_recall_curve, roc_curve
from dnabert_cli.analysis.metrics import confusion_matrix, predicted_classes
from dnabert_cli.analysis.plots.canvas import FORMATS
from dnabert_cli.analysis.plots.evaluation import (
    ScanCurve,
    SystemCurves,
    draw_confusion,
    draw_evaluation,
    draw_scan,
)
from dnabert_cli.errors import OptionsError
from dnabert_cli.tasks.comparisons import Judged
from dnabert_cli.tasks.evaluate_scan import ScanEvaluation
from dnabert_cli.tasks.systems import Numbers, System

Estimate = tuple[float, float, float]


def check_pictures(paths: Sequence[str | None]) -> None:
    """Check, before the long part, that pictures can be drawn as their names ask.

    Raises:
        OptionsError: another format, or matplotlib is not installed.
    """
    for path in filter(None, paths):
        if _format(path) not in FORMATS:
            raise OptionsError(f"{path}: pictures end in .{', .'.join(FORMATS)}")
        if importlib.util.find_spec("matplotlib") is None:
            raise OptionsError(f"{path}: matplotlib is not installed",
                               hint="pip install matplotlib")  # fmt: skip


def _format(path: str) -> str:
    return Path(path).suffix.removeprefix(".").lower()


def path_of(path: str, name: str, n_sets: int) -> str:
    """Return where the picture of a data set goes: its name is put in where there are several."""
    if n_sets == 1:
        return path
    return str(Path(path).with_stem(f"{Path(path).stem}-{name}"))


def drawn(
    judged: Sequence[Judged], figure: str | None, confusion: str | None, threshold: float | None
) -> dict[str, bytes]:
    """Return all pictures by path: per data set the curves, and the first system's confusions."""
    pictures = {}
    for one in judged:
        title = "" if one.data.name == "." else one.data.name
        if figure is not None:
            pictures[path_of(figure, one.data.name, len(judged))] = draw_evaluation(
                curves(one),
                share_of_positives=one.data.share_of("") if one.data.is_binary else np.nan,
                title=title,
                fmt=_format(figure),
            )
        if confusion is not None:
            first = one.data.systems[0]
            pictures[path_of(confusion, one.data.name, len(judged))] = draw_confusion(
                confusions(one, first, threshold),
                one.data.classes,
                title=f"{title} {first.name}".strip(),
                fmt=_format(confusion),
            )
    return pictures


def drawn_scan(result: ScanEvaluation, figure: str | None) -> dict[str, bytes]:
    """Return the picture of calls at all thresholds by its path; none without one."""
    if figure is None:
        return {}
    scans = []
    for one in result.systems:
        threshold, precision, recall, f1 = (
            np.array([getattr(at, name) for at in one.thresholds], dtype=np.float64)
            for name in ("threshold", "precision", "recall", "f1")
        )
        scans.append(ScanCurve(one.name, threshold, precision, recall, f1, chosen=None))
    return {figure: draw_scan(scans, title="", fmt=_format(figure))}


def confusions(judged: Judged, system: System, threshold: float | None) -> Numbers:
    """Return the confusion matrix `[K, K]`: one row per true class."""
    predicted = predicted_classes(system.answers, threshold)
    return confusion_matrix(judged.data.truth, predicted, len(judged.data.classes))


def bins_of(judged: Judged, system: System) -> dict[str, list[Bin]]:
    """Return the calibration of the positive class, or of each of three or more."""
    data = judged.data
    numbers = (1,) if data.is_binary else range(len(data.classes))
    return {
        data.classes[number]: reliability(data.truth == number, system.answers[:, number])
        for number in numbers
    }


def curves(judged: Judged) -> list[SystemCurves]:
    """Return the curves of each system; of each of its classes where there are more than two."""
    data = judged.data
    found = []
    for system in data.systems:
        for name, bins in bins_of(judged, system).items():
            positive = data.truth == data.classes.index(name)
            scores = system.answers[:, data.classes.index(name)]
            figures = judged.figures[system.name]
            table = [astuple(one)[1:] for one in bins]
            found.append(
                SystemCurves(
                    system.name if data.is_binary else f"{system.name}: {name}",
                    roc_curve(positive, scores),
                    precision_recall_curve(positive, scores),
                    np.array(table, dtype=np.float64).reshape(-1, 4),
                    _estimate(figures, "auroc", name),
                    _estimate(figures, "auprc", name),
                )
            )
    return found


def _estimate(figures: Sequence[Figure], name: str, of: str) -> Estimate:
    figure = next(one for one in figures if (one.name, one.of) == (name, of))
    return figure.value, figure.low, figure.high
