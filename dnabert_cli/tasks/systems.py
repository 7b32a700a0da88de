"""Systems that are judged on the same rows: whose truth is known, and what each answers.

A system is a model, several averaged, a baseline, or a table of predictions from anywhere.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis.plots.evaluation import MOST_SYSTEMS
from dnabert_cli.errors import DataError, OptionsError
from dnabert_cli.progress import SILENT, Progress
from dnabert_cli.tasks.targets import in_order

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.floating[Any]]
Numbers = npt.NDArray[np.int64]

STANDARD_INPUT = "stdin"  # as data set or system
_PACKED = (".gz", ".bgz")
_N_SHOWN = 6  # labels in a message


@dataclass(frozen=True)
class Run:
    """What a run reads besides its inputs, and how it is watched.

    Attributes:
        models: judged; averaged where there are several. None: the inputs are predictions.
        against: other models, each judged on the same rows.
        train, devs: labelled files that baselines learn from.
        motifs: file of the motifs that baselines name.
        genome: FASTA that places of inputs refer to.
        tss: annotated start sites; the inputs are then calls of a scan.
        regions: BED of what was scanned.
        curves, confusions: these are to be drawn.
        download: models of the hub may be fetched.
        progress: told of the sequences predicted.
    """

    models: Sequence[str] = ()
    against: Sequence[str] = ()
    train: Sequence[str] = ()
    devs: Sequence[str] = ()
    motifs: str | None = None
    genome: str | None = None
    tss: str | None = None
    regions: str | None = None
    curves: bool = False
    confusions: bool = False
    download: bool = False
    progress: Progress = SILENT


@dataclass(frozen=True)
class System:
    """A name and what it answers: `[N, K]`."""

    name: str
    answers: Floats


@dataclass(frozen=True)
class DataSet:
    """Rows and the systems that answer them, the first of which the others are compared with.

    Attributes:
        name: of the file, `.` where there is one data set without a name.
        kind: of `figures.KINDS`.
        classes: `[K]`; of two, the second is the positive one.
        truth: `[N]` class numbers, `[N, K]` 0 or 1, or `[N]` numbers.
        systems: one or more.
        n_left_out: rows that a system has no answer to.
    """

    name: str
    kind: str
    classes: tuple[str, ...]
    truth: npt.NDArray[Any]
    systems: tuple[System, ...]
    n_left_out: int

    @property
    def is_binary(self) -> bool:
        """Whether there is a positive class."""
        return self.kind == "classes" and len(self.classes) == 2

    def share_of(self, name: str) -> float:
        """Return the share of rows of a class or label; of the positive one for other names.

        NaN where there is no such share.
        """
        if self.kind == "values" or (name not in self.classes and not self.is_binary):
            return float("nan")
        number = self.classes.index(name) if name in self.classes else 1
        has = self.truth == number if self.kind == "classes" else self.truth[:, number] == 1
        return float(has.mean())


def check_drawable(kind: str, n_classes: int, n_systems: int, run: Run) -> None:
    """Refuse pictures that cannot be drawn, or whose curves nobody could tell apart.

    Raises:
        OptionsError: the answers are no classes, or there would be too many curves.
    """
    for option, is_wanted in (("--figure", run.curves), ("--confusion", run.confusions)):
        if is_wanted and kind != "classes":
            raise OptionsError(f"{option} is for models of head class; leave it out")
    n_curves = n_systems * (n_classes if n_classes > 2 else 1)
    if run.curves and n_curves > MOST_SYSTEMS:
        raise OptionsError(
            f"--figure would hold {n_curves} curves; at most {MOST_SYSTEMS} can be told apart",
            hint="judge fewer systems at once",
        )


def stem(path: str) -> str:
    """Return the name of a file without folder and endings; `-` is `stdin`."""
    if path == "-":
        return STANDARD_INPUT
    name = Path(path).name
    for ending in _PACKED:
        name = name.removesuffix(ending)
    return Path(name).stem


def distinct_names(names: Sequence[tuple[str, str]]) -> list[str]:
    """Return a name per system: the short one, the long one where it is not the only such.

    Args:
        names: (short, long) of each.
    """
    shorts = [short for short, _ in names]
    found: list[str] = []
    for short, long in names:
        name = short if shorts.count(short) == 1 else long
        n_before = sum(one == name or one.startswith(f"{name} (") for one in found)
        found.append(f"{name} ({n_before + 1})" if n_before else name)
    return found


def check_distinct(paths: Sequence[str], what: str) -> None:
    """Refuse two files of one name: results are kept by name.

    Raises:
        OptionsError: two have the same stem.
    """
    stems = [stem(path) for path in paths]
    twice = next((name for name in stems if stems.count(name) > 1), None)
    if twice is not None:
        raise OptionsError(
            f"two {what} are named {twice}; results are kept by name", hint="rename one of them"
        )


def class_numbers(labels: Sequence[str], classes: Sequence[str], where: str) -> Numbers:
    """Return the class number of every label, `[N]`.

    Labels are names of the classes; else, all of them being whole numbers below K, the numbers of
    the classes, as `finetune --class-names` gives names to numbers. Classes that are named by
    numbers have no other numbers.

    Args:
        labels: as the file writes them.
        classes: K names.
        where: the file, for the message.

    Raises:
        DataError: they are neither.
    """
    found = set(labels)
    numbers = [] if all(map(str.isdecimal, classes)) else list(map(str, range(len(classes))))
    for names in (classes, numbers):
        if found <= set(names):
            number = {name: i for i, name in enumerate(names)}
            return np.array([number[label] for label in labels], dtype=np.int64)
    raise DataError(
        f"{where}: the labels are {_shown(in_order(found))}; the classes are {_shown(classes)}",
        hint="write the names of the classes"
        + (f", or their numbers 0 to {len(classes) - 1}" if numbers else ""),
    )


def _shown(names: Sequence[str]) -> str:
    return ", ".join(names[:_N_SHOWN]) + (", …" if len(names) > _N_SHOWN else "")


def column_order(
    classes: Sequence[str], wanted: Sequence[str], labels: Sequence[str] | None, name: str
) -> list[int]:
    """Return which column of a system answers each of the wanted classes, `[K]`.

    Args:
        classes: of the system.
        wanted: of the first system.
        labels: of the rows: the same number of classes of other names is the same, where the
            labels mean the same number in both; `None`: names must agree.
        name: of the system, for the message.

    Raises:
        DataError: it knows other classes.
    """
    if set(classes) == set(wanted):
        by_number = labels is not None and not set(labels) <= set(wanted)
        if by_number and tuple(classes) != tuple(wanted):
            raise DataError(
                f"{name} has the classes in the order {_shown(classes)}, the first system "
                f"{_shown(wanted)}, and the labels are their numbers",
                hint="write the names of the classes as labels",
            )
        return [list(classes).index(one) for one in wanted]
    if labels is not None and len(classes) == len(wanted):
        ours, theirs = class_numbers(labels, wanted, name), class_numbers(labels, classes, name)
        if (ours == theirs).all():
            return list(range(len(wanted)))
    raise DataError(
        f"{name} answers {_shown(classes)}, the first system {_shown(wanted)}",
        hint="only systems that answer the same question can be compared",
    )


def judged_together(data: DataSet, positive: int | None, threshold: float | None) -> DataSet:
    """Return the rows that every system answers, the positive class second.

    Args:
        data: as read; answers are NaN where a system has none.
        positive: which of two classes is the positive one; `None`: the second.
        threshold: of the command line, which needs two classes.

    Raises:
        DataError: fewer than two rows, or rows of one class only, are left.
        OptionsError: a threshold without two classes.
    """
    if threshold is not None and not data.is_binary:
        raise OptionsError(
            f"--threshold is for two classes; here are {len(data.classes)} ({data.kind})"
        )
    answered = np.ones(len(data.truth), dtype=bool)
    for system in data.systems:
        answered &= np.isfinite(system.answers).all(axis=1)
    truth, classes = data.truth[answered], data.classes
    systems = [System(one.name, one.answers[answered]) for one in data.systems]
    _check_rows(data, truth, int((~answered).sum()))
    if data.is_binary and positive == 0:
        truth, classes = 1 - truth, classes[::-1]
        systems = [System(one.name, one.answers[:, ::-1]) for one in systems]
    n_left_out = int((~answered).sum())
    return DataSet(data.name, data.kind, classes, truth, tuple(systems), n_left_out)


def _check_rows(data: DataSet, truth: npt.NDArray[Any], n_left_out: int) -> None:
    where = "the data" if data.name == "." else data.name
    if n_left_out:
        logger.warning(
            "%s: %d rows without an answer of every system are left out", where, n_left_out
        )
    if len(truth) < 2:
        raise DataError(f"{where}: {len(truth)} rows to judge by", hint="give two or more")
    if data.kind != "classes":
        return
    counts = np.bincount(truth, minlength=len(data.classes))
    missing = [name for name, n in zip(data.classes, counts.tolist(), strict=True) if n == 0]
    if len(missing) >= len(data.classes) - 1:
        only = data.classes[int(counts.argmax())]
        raise DataError(
            f"{where}: all {len(truth)} rows are of class {only}; nothing can be told apart",
            hint="give rows of another class too",
        )
    if missing:
        logger.warning("%s: no row is of class %s", where, ", ".join(missing))
