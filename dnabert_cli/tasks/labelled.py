"""Labelled rows for training and testing: read, check, give each its target, split."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.errors import DataError, shown
from dnabert_cli.formats import tables
from dnabert_cli.records import Example
from dnabert_cli.tasks.base_labels import WINDOW, BaseLabels, cut_regions
from dnabert_cli.tasks.splits import DEV, PART_NAMES, TEST, TRAIN, split_rows
from dnabert_cli.tasks.targets import (
    NO_CLASS,
    VALUE,
    Targets,
    check_part,
    is_known,
    labels_of,
    output_names,
    row_targets,
    strata,
    take,
)
from dnabert_cli.training_config import FinetuneConfig

logger = logging.getLogger(__name__)

# Labels given to the rows of two files without labels: the first file holds the positives.
POSITIVE, NEGATIVE = "1", "0"


@dataclass(frozen=True)
class LabelledData:
    """Rows, what the network is to answer to each, and the part of the split it belongs to.

    Attributes:
        examples: `[N]`; windows of the regions given, for head `token`.
        targets: one per row, see `targets.py`.
        label_names: of the outputs, as written, in order.
        parts: `[N]` int64: TRAIN, DEV or TEST.
    """

    examples: Sequence[Example]
    targets: Targets
    label_names: tuple[str, ...]
    parts: npt.NDArray[np.int64]

    def part(self, number: int) -> tuple[list[str], Targets]:
        """Return the sequences and targets of a part."""
        rows = np.flatnonzero(self.parts == number)
        sequences = [self.examples[row].sequence for row in rows.tolist()]
        return sequences, take(self.targets, rows)


def read_split_rows(
    inputs: Sequence[str], config: FinetuneConfig, genome: str | None = None
) -> LabelledData:
    """Read training rows and split them, no group in two parts.

    Raises:
        DataError: rows without labels, nothing to tell apart, or a part that misses a class.
        FormatError: a label is no number where it must be one; a file breaks its format.
    """
    examples, targets, names = _read_training_rows(inputs, config, genome)
    parts = split_rows(examples, strata(targets, config.head), config)
    data = LabelledData(examples, targets, names, parts)
    for number, name in enumerate(PART_NAMES):
        if number != TEST or config.test_fraction > 0:
            check_part(name, data.part(number)[1], names, config.head)
    return data


def read_parts(
    inputs: Sequence[str], devs: Sequence[str], config: FinetuneConfig, genome: str | None = None
) -> LabelledData:
    """Read training rows, and dev rows from files of their own; there is no test part then.

    Without such files it is `read_split_rows`.

    Raises:
        DataError: as `read_split_rows` and, of dev rows, `read_test_rows`.
        FormatError: as `read_split_rows`.
    """
    if not devs:
        return read_split_rows(inputs, config, genome)
    examples, targets, names = _read_training_rows(inputs, config, genome)
    files = [read_test_rows(path, config, names, genome) for path in devs]
    for path, rows in zip(devs, files, strict=True):
        logger.info("dev rows from %s: %s", shown(path), f"{len(rows.examples):,}")
    joined = [*examples, *(example for rows in files for example in rows.examples)]
    parts = np.full(len(joined), DEV)
    parts[: len(examples)] = TRAIN
    data = LabelledData(joined, _joined([targets, *(rows.targets for rows in files)]), names, parts)
    for number in (TRAIN, DEV):
        try:
            check_part(PART_NAMES[number], data.part(number)[1], names, config.head)
        except DataError as error:  # its hint is about splits
            hint = "give other rows; with --dev all inputs train and nothing is split off"
            raise DataError(error.args[0], hint=hint) from None
    return data


def _joined(targets: Sequence[Targets]) -> Targets:
    """Return the targets of several files one after the other."""
    if any(isinstance(each, list) for each in targets):
        return [row for each in targets for row in each]
    return np.concatenate(targets)


def read_test_rows(
    path: str, config: FinetuneConfig, label_names: tuple[str, ...], genome: str | None = None
) -> LabelledData:
    """Read rows that do not train; every label must be known from training.

    Raises:
        DataError: a row has no label, or one that training did not know.
    """
    examples = _read_inputs([path], config, genome)
    if config.head == "token":
        examples, targets, _ = _label_bases(examples, config, label_names)
    else:
        if config.head != "regression":
            names = {name for example in examples for name in labels_of(example, config.head)}
            _check_known(path, names, label_names)
        targets = row_targets(examples, label_names, config.head)
    return LabelledData(examples, targets, label_names, np.full(len(examples), TEST))


def _read_training_rows(
    inputs: Sequence[str], config: FinetuneConfig, genome: str | None
) -> tuple[list[Example], Targets, tuple[str, ...]]:
    """Return rows, their targets, and the names of the outputs they ask for."""
    examples = _read_inputs(inputs, config, genome)
    if config.head == "token":
        return _label_bases(examples, config)
    names = output_names(examples, config.head)
    return examples, row_targets(examples, names, config.head), names


def _read_inputs(
    inputs: Sequence[str], config: FinetuneConfig, genome: str | None
) -> list[Example]:
    has_numbers = config.head == "regression"
    files = [
        list(tables.read_sequences(path, genome, numeric_labels=has_numbers)) for path in inputs
    ]
    for path, examples in zip(inputs, files, strict=True):
        if not examples:
            raise DataError(f"{path} holds no rows")
    joined = [example for rows in files for example in rows]
    if config.head in {"multi-label", "token"}:  # no label: none of them; or they lie elsewhere
        return joined
    is_unlabelled = all(example.label is None for example in joined)
    if config.head == "class" and len(files) == 2 and is_unlabelled:
        positives, negatives = files
        return [replace(example, label=POSITIVE) for example in positives] + [
            replace(example, label=NEGATIVE) for example in negatives
        ]
    for path, examples in zip(inputs, files, strict=True):
        if any(example.label is None for example in examples):
            raise DataError(f"{path} has rows without a label", hint=_where_labels_stand(config))
    return joined


def _where_labels_stand(config: FinetuneConfig) -> str:
    if config.head == "regression":
        return "give tables with a label column that holds numbers"
    return "give tables with a label column, or two FASTA files: positives, negatives"


def _label_bases(
    regions: list[Example], config: FinetuneConfig, known_names: tuple[str, ...] | None = None
) -> tuple[list[Example], Targets, tuple[str, ...]]:
    """Cut regions into windows and label their bases.

    Args:
        regions: rows that say where they lie.
        config: the labels file and the window.
        known_names: of the outputs in training; `None`: what occurs.
    """
    assert config.labels is not None
    windows, n_seen = cut_regions(regions, config.window or WINDOW)
    labels = BaseLabels(config.labels, {str(window.chrom) for window in windows})
    if (known_names == (VALUE,)) != (labels.names is None) and known_names is not None:
        raise DataError(f"{config.labels} does not hold what the model was trained on")
    targets: list[npt.NDArray[Any]]
    names: tuple[str, ...]
    if labels.names is None:
        targets, names = [labels.values(window) for window in windows], (VALUE,)
    else:
        names, targets = _renumbered(
            config.labels, labels.names, [labels.classes(window) for window in windows], known_names
        )
    for values, n in zip(targets, n_seen, strict=True):
        values[:n] = np.nan if labels.names is None else NO_CLASS  # each base counts once
    kept = [i for i, values in enumerate(targets) if is_known(values).any()]
    if not kept:
        raise DataError(f"{config.labels} labels no base of the regions")
    if len(kept) < len(windows):
        logger.info("%d of %d windows have no label and are left out",
                    len(windows) - len(kept), len(windows))  # fmt: skip
    return [windows[i] for i in kept], [targets[i] for i in kept], names


def _renumbered(
    path: str,
    names: tuple[str, ...],
    targets: list[npt.NDArray[np.int64]],
    known_names: tuple[str, ...] | None,
) -> tuple[tuple[str, ...], list[npt.NDArray[Any]]]:
    """Return the classes that occur (or those known), and targets that count in them."""
    occurring = np.unique(np.concatenate(targets))
    kept = [names[i] for i in occurring.tolist()]
    if known_names is None and len(kept) < 2:
        raise DataError(f"{path}: all bases of the regions have the label {kept[0]!r}")
    if known_names is not None:
        _check_known(path, set(kept), known_names)
        kept = list(known_names)
    number = np.array([kept.index(name) if name in kept else NO_CLASS for name in names])
    return tuple(kept), [number[labels] for labels in targets]


def _check_known(path: str, names: set[str], label_names: tuple[str, ...]) -> None:
    unknown = names - set(label_names)
    if unknown:
        raise DataError(f"{path}: label {min(unknown)!r} does not occur in the training rows")
