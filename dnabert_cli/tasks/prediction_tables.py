"""Tables that `dnabert predict` wrote, of several systems, side by side.

One file per system; or, for several data sets, one folder per system, with files of the same
names.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.errors import DataError, FormatError, OptionsError, shown
from dnabert_cli.formats.bed import finite_number
from dnabert_cli.formats.files import open_text
from dnabert_cli.formats.tables import MISSING
from dnabert_cli.tasks.systems import (
    DataSet,
    Floats,
    System,
    check_distinct,
    class_numbers,
    column_order,
    distinct_names,
    stem,
)
from dnabert_cli.tasks.targets import VALUE

PROBABILITY = "probability_"
_KEYS = ("name", "chrom", "start", "end", "strand", "label")
_ENDINGS = (".tsv", ".tsv.gz", ".tsv.bgz")
# Of the sum of K probabilities with six digits each, and of models that compute in bf16.
_SUM_TOLERANCE = 2e-3
_NOT_PREDICTIONS = (
    "give tables of dnabert predict with their header line, or name a model with --model"
)


@dataclass(frozen=True)
class PredictionTable:
    """A table of predictions.

    Attributes:
        path: the file.
        kind: of `figures.KINDS`.
        classes: `[K]`.
        keys: `[N]`, what tells a row from others, by column; the label is one of them.
        lines: `[N]`, where each row stands.
        answers: `[N, K]` float64, NaN where the table has none.
    """

    path: str
    kind: str
    classes: tuple[str, ...]
    keys: list[dict[str, str]]
    lines: list[int]
    answers: Floats

    @property
    def labels(self) -> list[str]:
        """Labels as written."""
        return [key["label"] for key in self.keys]


def read_prediction_sets(inputs: Sequence[str]) -> list[DataSet]:
    """Read predictions of several systems on the same rows.

    Args:
        inputs: tables, one per system; or folders of tables, one per system.

    Raises:
        FormatError: a file is no such table.
        DataError: tables do not hold the same rows, or answer different questions.
        OptionsError: files and folders are mixed, or two systems have one name.
    """
    folders = [path for path in inputs if path != "-" and Path(path).is_dir()]
    if not folders:
        check_distinct(inputs, "tables")
        return [_data_set(".", [(stem(path), path) for path in inputs])]
    if len(folders) < len(inputs):
        file = next(path for path in inputs if path not in folders)
        raise OptionsError(f"{shown(file)} is a file and {folders[0]} is a folder",
                           hint="give one kind: a folder, or a file, per system")  # fmt: skip
    names = distinct_names([(Path(path).resolve().name, path) for path in folders])
    files = [table_names(folder) for folder in folders]
    for folder, of_folder in zip(folders[1:], files[1:], strict=True):
        for name in sorted(files[0].keys() ^ of_folder.keys()):
            lacking = folder if name in files[0] else folders[0]
            raise DataError(
                f"{lacking} has no table {name}", hint="every folder needs the same data sets"
            )
    return [
        _data_set(name, [(s, of[name]) for s, of in zip(names, files, strict=True)])
        for name in sorted(files[0])
    ]


def table_names(folder: str) -> dict[str, str]:
    """Return the tables of a folder by the name of their data set."""
    paths = sorted(
        str(path)
        for path in Path(folder).iterdir()
        if path.name.endswith(_ENDINGS) and not path.name.startswith(".")
    )
    if not paths:
        raise DataError(f"{folder} holds no table (*.tsv)", hint="one per data set is needed")
    check_distinct(paths, f"tables in {folder}")
    return {stem(path): path for path in paths}


def _data_set(name: str, files: Sequence[tuple[str, str]]) -> DataSet:
    tables = [read_prediction_table(path) for _, path in files]
    first = tables[0]
    systems = []
    for (system, path), table in zip(files, tables, strict=True):
        check_same_rows(first, table)
        if table.kind != first.kind:
            raise DataError(
                f"{shown(path)} answers with {table.kind}, {shown(first.path)} with {first.kind}",
                hint="only systems that answer the same question can be compared",
            )
        labels = first.labels if first.kind == "classes" else None
        order = column_order(table.classes, first.classes, labels, system)
        systems.append(System(system, table.answers[:, order]))
    return DataSet(name, first.kind, first.classes, _truth(first), tuple(systems), 0)


def _truth(table: PredictionTable) -> npt.NDArray[Any]:
    where = shown(table.path)
    unlabelled = [line for line, label in zip(table.lines, table.labels, strict=True)
                  if label == MISSING]  # fmt: skip
    if unlabelled and (table.kind != "labels" or len(unlabelled) == len(table.labels)):
        raise FormatError(
            table.path, "the row has no label", line=unlabelled[0],
            hint="run dnabert predict on a table with a column label",
        )  # fmt: skip
    if table.kind == "classes":
        return class_numbers(table.labels, table.classes, where)
    if table.kind == "labels":
        return multi_hot(table.labels, table.classes, where)
    values = [finite_number(label) for label in table.labels]
    for line, label, value in zip(table.lines, table.labels, values, strict=True):
        if value is None:
            raise FormatError(table.path, f"label {label!r} is no finite number", line=line)
    return np.array(values, dtype=np.float64)


def multi_hot(
    labels: Sequence[str | None], classes: Sequence[str], where: str
) -> npt.NDArray[np.float32]:
    """Return `[N, K]`, 1 where a label holds; a cell names any number of them.

    Raises:
        DataError: a label is none of the classes.
    """
    truth = np.zeros((len(labels), len(classes)), dtype=np.float32)
    for row, cell in enumerate(labels):
        text = "" if cell is None or cell == MISSING else cell
        for name in filter(None, (one.strip() for one in text.replace(";", ",").split(","))):
            if name not in classes:
                raise DataError(f"{where}: label {name!r} is none of {', '.join(classes)}")
            truth[row, list(classes).index(name)] = 1
    return truth


def check_same_rows(first: PredictionTable, other: PredictionTable) -> None:
    """Check that two tables hold the same rows in the same order.

    Raises:
        DataError: naming the first row that differs.
    """
    cure = "run dnabert predict on the same file for every system"
    names = f"{shown(first.path)} and {shown(other.path)}"
    for number, (ours, theirs) in enumerate(zip(first.keys, other.keys, strict=False), 1):
        if ours == theirs:
            continue
        for column in (name for name in _KEYS if name in ours and name in theirs):
            if ours[column] != theirs[column]:
                raise DataError(
                    f"{names} hold different rows: {column} of row {number} is "
                    f"{ours[column]!r} in one and {theirs[column]!r} in the other",
                    hint=cure,
                )
    if len(first.keys) != len(other.keys):
        raise DataError(
            f"{names} hold different rows: {len(first.keys)} in one, {len(other.keys)} in the "
            "other",
            hint=cure,
        )


def read_prediction_table(path: str) -> PredictionTable:
    """Read a table that `dnabert predict` wrote, plain or gzip; `-` is standard input.

    Raises:
        FormatError: it has no answers or no labels, or a cell is no number.
    """
    rows = _rows(path)
    heading = next(rows, None)
    if heading is None:
        raise FormatError(path, "is empty", hint=_NOT_PREDICTIONS)
    names = [cell.removeprefix("#").strip() for cell in heading[1]]
    places = [i for i, name in enumerate(names) if name.startswith(PROBABILITY)]
    is_value = not places and VALUE in names
    if is_value:
        places = [names.index(VALUE)]
    if not places or "label" not in names:
        lacking = "label" if places else f"{PROBABILITY}CLASS"
        raise FormatError(path, f"there is no column {lacking!r}", line=heading[0],
                          hint=_NOT_PREDICTIONS)  # fmt: skip
    classes = tuple(names[i].removeprefix(PROBABILITY) for i in places)
    if len(set(names)) < len(names):
        raise FormatError(path, "two columns have one name", line=heading[0])
    keys, lines, answers = [], [], []
    for line, cells in rows:
        if len(cells) < len(names):
            raise FormatError(path, f"expected {len(names)} columns, found {len(cells)}", line=line)
        row = dict(zip(names, cells, strict=False))
        keys.append({name: row[name] for name in _KEYS if name in row})
        lines.append(line)
        answers.append([_number(path, line, cells[i], is_value=is_value) for i in places])
    table = np.array(answers, dtype=np.float64).reshape(len(keys), len(places))
    return PredictionTable(path, "values" if is_value else _kind(table), classes, keys, lines,
                           table)  # fmt: skip


def _rows(path: str) -> Iterator[tuple[int, list[str]]]:
    with open_text(path) as lines:
        for number, line in enumerate(lines, 1):
            if line.strip():
                yield number, [cell.strip() for cell in line.rstrip("\n").split("\t")]


def _number(path: str, line: int, cell: str, *, is_value: bool) -> float:
    if cell == MISSING:
        return float("nan")
    value = finite_number(cell)
    if value is None or not (is_value or 0 <= value <= 1):
        kind = "finite number" if is_value else "probability"
        raise FormatError(path, f"{cell!r} is no {kind}", line=line)
    return value


def _kind(answers: Floats) -> str:
    """Tell classes, whose probabilities sum to 1, from labels that may hold together."""
    sums = answers[np.isfinite(answers).all(axis=1)].sum(axis=1)
    is_sum = (np.abs(sums - 1) <= _SUM_TOLERANCE).all()
    return "classes" if answers.shape[1] > 1 and is_sum else "labels"
