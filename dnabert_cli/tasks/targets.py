"""What a network is to answer, by head: the names of its outputs, and a target for every row.

- `class`: `[N]` int64, the class.
- `multi-label`: `[N, K]` float32, 1 where the label holds.
- `regression`: `[N]` float32.
- `token`: a list of `[L]` per row, int64 classes (`NO_CLASS` where a base has none) or float32
  values (NaN where it has none).
"""

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis.figures import kind_of
from dnabert_cli.errors import DataError
from dnabert_cli.records import Example

logger = logging.getLogger(__name__)

Targets = npt.NDArray[Any] | list[npt.NDArray[Any]]

NO_CLASS = -100  # in torch's words
VALUE = "value"  # name of the output where it is a number
_NUMBER = re.compile(r"-?[0-9]{1,18}")
_SEPARATOR = re.compile(r"[,;]")
_N_SHOWN = 12  # classes in a line of the log


def in_order(names: Iterable[str]) -> tuple[str, ...]:
    """Return labels in order: by number when all are whole numbers, else by alphabet."""
    names = set(names)
    if all(_NUMBER.fullmatch(name) for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))  # "1" and "01" differ
    return tuple(sorted(names))


def labels_of(example: Example, head: str) -> list[str]:
    """Return the labels in the label column of a row: any number of them for `multi-label`."""
    if example.label is None:
        return []
    if head != "multi-label":
        return [example.label]
    names = (name.strip() for name in _SEPARATOR.split(example.label))
    return [name for name in names if name]


def output_names(examples: Sequence[Example], head: str) -> tuple[str, ...]:
    """Return the names of the outputs that training rows ask for.

    Raises:
        DataError: there is nothing to learn: one class only, or no label at all.
    """
    if head == "regression":
        return (VALUE,)
    names = in_order(name for example in examples for name in labels_of(example, head))
    if head == "class" and len(names) < 2:
        raise DataError(f"all {len(examples)} rows have the label {names[0]!r}; two are needed")
    if not names:
        raise DataError(
            f"none of the {len(examples)} rows has a label",
            hint="give tables with a label column: names separated by commas",
        )
    return names


def row_targets(examples: Sequence[Example], names: Sequence[str], head: str) -> Targets:
    """Return one target per row; every label is among `names`."""
    if head == "regression":
        values = np.array([float(str(example.label)) for example in examples])
        too_large = np.flatnonzero(np.abs(values) > np.finfo(np.float32).max)
        if len(too_large):
            example = examples[int(too_large[0])]
            raise DataError(f"{example.source}: label {example.label} is too large a number")
        return values.astype(np.float32)
    number = {name: i for i, name in enumerate(names)}
    if head == "class":
        return np.array([number[str(example.label)] for example in examples], dtype=np.int64)
    targets = np.zeros((len(examples), len(names)), dtype=np.float32)
    for row, example in enumerate(examples):
        for name in labels_of(example, head):
            targets[row, number[name]] = 1
    return targets


def take(targets: Targets, rows: npt.NDArray[np.int64]) -> Targets:
    """Return the targets of some rows."""
    if isinstance(targets, list):
        return [targets[row] for row in rows.tolist()]
    return targets[rows]


def known_labels(targets: Targets) -> npt.NDArray[Any]:
    """Return the targets of all rows one after the other, bases without a label left out."""
    if not isinstance(targets, list):
        return targets
    joined = np.concatenate(targets) if targets else np.empty(0, dtype=np.int64)
    return joined[is_known(joined)]


def is_known(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Tell which bases have a label."""
    known: npt.NDArray[np.bool_] = (
        labels != NO_CLASS if labels.dtype == np.int64 else ~np.isnan(labels)
    )
    return known


def strata(targets: Targets, head: str) -> npt.NDArray[np.int64] | None:
    """Return what each part of a split should have its share of, `[N]`; `None`: rows alone."""
    if head == "class":
        return np.asarray(targets, dtype=np.int64)
    if head == "multi-label":
        return np.asarray(np.any(targets, axis=1), dtype=np.int64)
    if isinstance(targets, list) and targets and targets[0].dtype == np.int64:
        return np.array([int((labels > 0).any()) for labels in targets], dtype=np.int64)
    return None


def check_part(part: str, targets: Targets, names: Sequence[str], head: str) -> None:
    """Say what a part of the split holds, and refuse one that nothing can be learned from.

    Raises:
        DataError: a class is missing; no label has both positives and negatives; or all values
            are the same.
    """
    labels = known_labels(targets)
    kind = kind_of(head, len(names))
    if kind == "values":
        shown = f"mean {labels.mean():.4g}, sd {labels.std():.4g}" if len(labels) else "none"
        problem = "" if len(np.unique(labels)) > 1 else "has no two different values"
    else:
        is_class = kind == "classes"
        counts = np.bincount(labels, minlength=len(names)) if is_class else labels.sum(axis=0)
        shown = _counted(names, counts)
        problem = _problem(kind, counts, len(labels))
        missing = _counted(names, counts == 0, lacking=True)
        if kind == "labels" and missing:
            logger.warning("no row of the %s part has the label %s", part, missing)
    unit = "labelled bases" if isinstance(targets, list) else "rows"
    logger.info("%s part: %d rows (%s)", part, len(targets), shown)
    if problem:
        raise DataError(
            f"the {part} part has {len(labels)} {unit} and {problem} ({shown})",
            hint="give more rows, less similar rows, a larger --dev-fraction, or another --split",
        )


def _problem(kind: str, counts: npt.NDArray[Any], n_rows: int) -> str:
    if kind == "classes":
        return "misses a class" if (counts == 0).any() else ""
    has_both = (counts > 0) & (counts < n_rows)
    return "" if has_both.any() else "holds no label that some rows have and others have not"


def _counted(names: Sequence[str], counts: npt.NDArray[Any], *, lacking: bool = False) -> str:
    """Return `name count, ...`, or the names of those that are counted as lacking."""
    pairs = zip(names, counts.tolist(), strict=True)
    texts = [name if lacking else f"{name} {int(n)}" for name, n in pairs if n or not lacking]
    return ", ".join(texts[:_N_SHOWN]) + (", …" if len(texts) > _N_SHOWN else "")


@dataclass(frozen=True)
class Scale:
    """Between the units of the data and those a network learns in, of mean 0 and deviation 1."""

    mean: float = 0.0
    sd: float = 1.0

    @classmethod
    def of(cls, targets: Targets) -> "Scale":
        """Return the scale of a part with more than one value."""
        values = known_labels(targets).astype(np.float64)
        return cls(float(values.mean()), float(values.std()))

    def apply(self, targets: Targets) -> Targets:
        """Return targets as a network learns them; classes and labels stay what they are."""
        if self == Scale():
            return targets
        if isinstance(targets, list):
            return [self._scaled(row) for row in targets]
        return self._scaled(targets)

    def restore(self, answers: Targets) -> Targets:
        """Return answers of a network in training in the units of the data."""
        if self == Scale():
            return answers
        if isinstance(answers, list):
            return [row * self.sd + self.mean for row in answers]
        restored: npt.NDArray[Any] = answers * self.sd + self.mean
        return restored

    def _scaled(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        scaled: npt.NDArray[np.float32] = ((values - self.mean) / self.sd).astype(np.float32)
        return scaled


def balanced_weights(
    kind: str, labels: npt.NDArray[Any], n_outputs: int
) -> npt.NDArray[np.float32]:
    """Return weights that make rare classes count as much as frequent ones, `[K]`.

    Classes: N / (K n), 1 in the mean over the items. Labels, each with its own: of the positives,
    negatives per positive; 1 where there is no positive.

    Args:
        kind: `classes` or `labels`.
        labels: `known_labels` of the training part.
        n_outputs: K.
    """
    if kind == "classes":
        counts = np.bincount(labels, minlength=n_outputs)
        return (len(labels) / (n_outputs * counts)).astype(np.float32)
    positives = labels.sum(axis=0)
    ratio = (len(labels) - positives) / np.maximum(positives, 1)
    return np.where((positives > 0) & (ratio > 0), ratio, 1).astype(np.float32)
