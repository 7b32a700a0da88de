"""Labelled rows for training and testing: read, check, number the classes, split."""

import logging
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from dnabert_cli.config import FinetuneConfig
from dnabert_cli.errors import DataError
from dnabert_cli.formats import tables
from dnabert_cli.records import Example
from dnabert_cli.sequence.groups import similarity_groups, split

logger = logging.getLogger(__name__)

TRAIN, DEV, TEST = range(3)
PART_NAMES = ("train", "dev", "test")
_NUMBER = re.compile(r"-?[0-9]{1,18}")
# Labels given to the rows of two files without labels: the first file holds the positives.
POSITIVE, NEGATIVE = "1", "0"


@dataclass(frozen=True)
class LabelledData:
    """Rows, the class number of each, and the part of the split it belongs to.

    Attributes:
        examples: `[N]`.
        labels: `[N]` int64, index into the sorted labels of the files.
        label_names: the labels as written, in order.
        parts: `[N]` int64: TRAIN, DEV or TEST.
    """

    examples: Sequence[Example]
    labels: npt.NDArray[np.int64]
    label_names: tuple[str, ...]
    parts: npt.NDArray[np.int64]

    def part(self, number: int) -> tuple[list[str], npt.NDArray[np.int64]]:
        """Return the sequences and labels of a part."""
        rows = np.flatnonzero(self.parts == number)
        return [self.examples[row].sequence for row in rows.tolist()], self.labels[rows]


def read_split_rows(
    inputs: Sequence[str], config: FinetuneConfig, genome: str | None = None
) -> LabelledData:
    """Read training rows and split them, no similarity group in two parts.

    Raises:
        DataError: rows without labels, one class only, or a part that misses a class.
    """
    examples = _read_inputs(inputs, genome)
    label_names = _label_names(examples)
    if len(label_names) < 2:
        raise DataError(
            f"all {len(examples)} rows have the label {label_names[0]!r}; two are needed"
        )
    labels = _numbers(examples, label_names)
    parts = split(
        _groups(examples),
        (config.dev_fraction, config.test_fraction),
        seed=config.seed,
        labels=labels,
    )
    data = LabelledData(examples, labels, label_names, parts)
    _check_parts(data, config)
    return data


def read_test_rows(
    path: str, label_names: tuple[str, ...], genome: str | None = None
) -> LabelledData:
    """Read rows that only test; every label must be known from training.

    Raises:
        DataError: a row has no label, or one that training did not know.
    """
    examples = _read_inputs([path], genome)
    unknown = set(_label_names(examples)) - set(label_names)
    if unknown:
        raise DataError(f"{path}: label {min(unknown)!r} does not occur in the training rows")
    labels = _numbers(examples, label_names)
    return LabelledData(examples, labels, label_names, np.full(len(examples), TEST))


def _read_inputs(inputs: Sequence[str], genome: str | None) -> list[Example]:
    files = [list(tables.read_sequences(path, genome=genome)) for path in inputs]
    for path, examples in zip(inputs, files, strict=True):
        if not examples:
            raise DataError(f"{path} holds no rows")
    if len(files) == 2 and all(example.label is None for rows in files for example in rows):
        positives, negatives = files
        return [replace(example, label=POSITIVE) for example in positives] + [
            replace(example, label=NEGATIVE) for example in negatives
        ]
    for path, examples in zip(inputs, files, strict=True):
        if any(example.label is None for example in examples):
            raise DataError(
                f"{path} has rows without a label",
                hint="give tables with a label column, or two FASTA files: positives, negatives",
            )
    return [example for rows in files for example in rows]


def _label_names(examples: Sequence[Example]) -> tuple[str, ...]:
    """The labels in order: by number when all are numbers, else by alphabet."""
    names = {str(example.label) for example in examples}
    if all(_NUMBER.fullmatch(name) for name in names):
        return tuple(sorted(names, key=lambda name: (int(name), name)))  # "1" and "01" differ
    return tuple(sorted(names))


def _numbers(examples: Sequence[Example], names: tuple[str, ...]) -> npt.NDArray[np.int64]:
    number = {name: i for i, name in enumerate(names)}
    return np.array([number[str(example.label)] for example in examples], dtype=np.int64)


def _groups(examples: Sequence[Example]) -> npt.NDArray[np.int64]:
    """The groups the file names, else groups of sequences that share a 50-mer."""
    named = [example.group for example in examples]
    if all(name is not None for name in named):
        return np.unique(np.array(named, dtype=str), return_inverse=True)[1].astype(np.int64)
    return similarity_groups([example.sequence for example in examples])


def _check_parts(data: LabelledData, config: FinetuneConfig) -> None:
    for number, name in enumerate(PART_NAMES):
        if number == TEST and config.test_fraction == 0:
            continue
        labels = data.labels[data.parts == number]
        counts = Counter(data.label_names[label] for label in labels)
        shown = ", ".join(f"{label} {counts[label]}" for label in data.label_names)
        logger.info("%s part: %d rows (%s)", name, len(labels), shown)
        if len(counts) < len(data.label_names):
            raise DataError(
                f"the {name} part has {len(labels)} rows and misses a class ({shown})",
                hint="give more rows, less similar rows, or a larger --dev-fraction",
            )
