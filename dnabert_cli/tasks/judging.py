"""What a trained network answers to labelled rows, and the figures that come of it."""

import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis import figures, metrics
from dnabert_cli.config import ComputeConfig, TaskConfig
from dnabert_cli.core.checkpoint import Classifier, Model
from dnabert_cli.core.ensemble import Ensemble
from dnabert_cli.errors import DnabertError
from dnabert_cli.tasks.labelled import LabelledData
from dnabert_cli.tasks.splits import DEV, TEST
from dnabert_cli.tasks.targets import Targets, is_known, take
from dnabert_cli.training_config import FinetuneConfig

logger = logging.getLogger(__name__)

# `[N, K]`, or `[L, K]` for every row of head `token`.
Answers = npt.NDArray[Any] | list[npt.NDArray[Any]]


def read_answers(
    network: Classifier, task: TaskConfig, compute: ComputeConfig, sequences: Sequence[str]
) -> Answers:
    """Return what a network answers to sequences, as `predict` would.

    Raises:
        DnabertError: it answers NaN.
    """
    with Ensemble([Model(network, task, "this network", Path())], compute) as ensemble:
        answers: Answers = (
            ensemble.score_bases(sequences)
            if task.head == "token"
            else ensemble.score_sequences(sequences)
        )
    # bases behind the last k-mer have no answer; a row without any has gone wrong
    if any(np.isnan(row).all() for row in answers):
        raise DnabertError("the network answers NaN", hint="lower --learning-rate")
    return answers


@dataclass(frozen=True)
class Items:
    """Rows, or labelled bases, one after the other: the truth and the answers.

    Attributes:
        kind: of `figures.KINDS`.
        truth: `[M]` or `[M, K]`.
        answers: `[M, K]`. Of two classes the positive one, which a scan calls, is number 1.
        rows: `[M]`, the row of each item.
        n_rows: N.
    """

    kind: str
    truth: npt.NDArray[Any]
    answers: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]
    n_rows: int


def items(targets: Targets, answers: Answers, task: TaskConfig) -> Items:
    """Lay targets and answers side by side; bases without a label or an answer are left out."""
    rows = np.arange(len(targets))
    kind = figures.kind_of(task.head, len(task.classes))
    if not isinstance(targets, list):
        truth, joined = targets, np.asarray(answers)
    else:
        truth, joined = np.concatenate(targets), np.concatenate(list(answers))
        kept = is_known(truth) & ~np.isnan(joined).any(axis=1)
        rows = np.repeat(rows, [len(row) for row in targets])[kept]
        truth, joined = truth[kept], joined[kept]
    if positive_class(task) == 0:
        truth, joined = 1 - truth, joined[:, ::-1]
    return Items(kind, truth, joined, rows, len(targets))


def positive_class(task: TaskConfig) -> int | None:
    """Return which of two classes figures are about: the one a scan calls; `None` without one."""
    if len(task.classes) != 2 or task.head not in {"class", "token"}:
        return None
    return task.called_classes[0] if task.head == "class" else 1


def quick_figures(found: Items, metric: str) -> dict[str, float]:
    """Return the figures an evaluation during training looks at, `metric` among them."""
    values = figures.compare(found.kind, found.truth, found.answers).figures()
    names = dict.fromkeys((*figures.QUOTED[found.kind], metric))
    return {name: float(values[name]) for name in names}


def best_threshold(found: Items, task: TaskConfig, config: FinetuneConfig) -> float:
    """Return the probability from which a window is called, chosen on the development part."""
    if task.head != "class" or len(task.classes) > 2:
        return 0.5
    scores = found.answers[:, 1]
    if config.threshold_fpr is not None:
        # the best rows may all be negatives with probability 1: then nothing is called below it
        return min(1.0, metrics.threshold_at_fpr(found.truth, scores, config.threshold_fpr))
    best = metrics.best_threshold(found.truth, scores)
    return 0.5 if math.isnan(best) else best


def report(found: Items, task: TaskConfig) -> dict[str, Any]:
    """Return all figures of a part, with bootstrap intervals for the quoted ones."""
    values: dict[str, Any] = {"n": found.n_rows}
    if task.head == "token":
        values["n_bases"] = len(found.truth)
    if positive_class(task) is not None:
        values["share_of_positives"] = float(found.truth.mean()) if len(found.truth) else math.nan
    if task.head == "class" and len(task.classes) == 2:
        at_threshold = metrics.metrics(found.truth, found.answers, threshold=task.threshold)
        for name in ("precision", "recall", "mcc"):
            values[f"{name}_at_threshold"] = at_threshold[name]
    compared = figures.compare(found.kind, found.truth, found.answers)
    values |= compared.figures()
    intervals = figures.row_intervals(compared, found.rows, found.n_rows)
    values |= {f"{name}_interval_95": list(interval) for name, interval in intervals.items()}
    if isinstance(compared, figures.Labels):
        values["labels"] = dict(zip(task.classes, compared.by_label(), strict=True))
    return values


def examine(
    network: Classifier,
    task: TaskConfig,
    config: FinetuneConfig,
    data: LabelledData,
    tests: dict[str, LabelledData],
) -> tuple[TaskConfig, dict[str, Any]]:
    """Return the task with its threshold, and figures of every part, each answered once.

    The parts are the dev part, the test part whole and by source, and the extra test files.
    """

    def answered(rows: LabelledData, part: int) -> tuple[Targets, Answers]:
        sequences, targets = rows.part(part)
        return targets, read_answers(network, task, config.compute, sequences)

    parts = {"dev": items(*answered(data, DEV), task)}
    if (data.parts == TEST).any():
        parts |= _test_parts(data, *answered(data, TEST), task)
    parts |= {name: items(*answered(rows, TEST), task) for name, rows in tests.items()}
    found: dict[str, Any] = {}
    if task.head in {"class", "multi-label"}:
        task = replace(task, threshold=best_threshold(parts["dev"], task, config))
        found["threshold"] = task.threshold
    if (positive := positive_class(task)) is not None:
        found["positive_class"] = task.classes[positive]
    for name, part in parts.items():
        found[name] = report(part, task)
        shown = ", ".join(f"{each} {found[name][each]:.3f}" for each in figures.QUOTED[part.kind])
        logger.info("%s: %d rows, %s", name, part.n_rows, shown)
    return task, found


def _test_parts(
    data: LabelledData, targets: Targets, answers: Answers, task: TaskConfig
) -> dict[str, Items]:
    """The test part, and where rows come from several files, each file's share of it."""
    parts = {"test": items(targets, answers, task)}
    sources = sorted({example.source for example in data.examples})
    test_rows = np.flatnonzero(data.parts == TEST).tolist()
    of_row = np.array([data.examples[row].source for row in test_rows])
    for source in sources if len(sources) > 1 else []:
        chosen = np.flatnonzero(of_row == source)
        if len(chosen):
            parts[f"test of {source}"] = items(take(targets, chosen), take(answers, chosen), task)
    return parts
