"""Models, and baselines trained beside them, on the labelled rows of one or more files."""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis.figures import kind_of
from dnabert_cli.config import TaskConfig
from dnabert_cli.errors import DataError, OptionsError, shown
from dnabert_cli.evaluate_config import EvaluateConfig
from dnabert_cli.formats.tables import read_sequences
from dnabert_cli.tasks.baselines import (
    Training,
    baseline_system,
    check_baselines,
    read_training,
)
from dnabert_cli.tasks.judging import positive_class
from dnabert_cli.tasks.model_answers import answers_of, model_task, write_sequences
from dnabert_cli.tasks.prediction_tables import multi_hot
from dnabert_cli.tasks.systems import (
    DataSet,
    Run,
    System,
    check_distinct,
    check_drawable,
    class_numbers,
    column_order,
    distinct_names,
    stem,
)
from dnabert_cli.zoo import HUB_PREFIX

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Rows:
    """The rows of a file: its name, sequences `[N]`, labels as written `[N]`, and truth."""

    name: str
    sequences: list[str]
    labels: list[str]
    truth: npt.NDArray[Any]


@dataclass(frozen=True)
class _Question:
    """What the first model answers, and who else is asked.

    Attributes:
        task: of the first model.
        kind: of `figures.KINDS`.
        names: of all systems.
        models: of each system that is not a baseline, several where they are averaged.
        orders: the columns of each of these in the order of the first one's classes.
        training: what baselines learn from, `None` without any.
    """

    task: TaskConfig
    kind: str
    names: list[str]
    models: list[list[str]]
    orders: list[list[int]]
    training: Training | None


def read_model_sets(
    inputs: Sequence[str], config: EvaluateConfig, run: Run
) -> tuple[list[DataSet], int | None]:
    """Return what models and baselines answer to labelled rows, a data set per file.

    Also which of two classes is the positive one: that which a scan calls.

    Raises:
        DataError: rows without labels, or with others than the model knows; models that answer
            different questions.
        ModelError: a model is missing, broken, or answers per base.
        OptionsError: options that do not fit together.
    """
    check_distinct(inputs, "files of data")
    check_baselines(config, run)
    task = model_task(run.models[0], run)
    kind = kind_of(task.head, len(task.classes))
    files = [_read(path, task, kind, run) for path in inputs]
    question = _ask(files, task, kind, config, run)
    check_drawable(kind, len(task.classes), len(question.names), run)
    systems = _answer(question, [text for rows in files for text in rows.sequences], config, run)
    ends = np.cumsum([len(rows.sequences) for rows in files])
    sets = []
    for rows, end in zip(files, ends.tolist(), strict=True):
        part = slice(end - len(rows.sequences), end)
        own = tuple(System(one.name, one.answers[part]) for one in systems)
        sets.append(DataSet(rows.name, kind, task.classes, rows.truth, own, 0))
    return sets, positive_class(task)


def _read(path: str, task: TaskConfig, kind: str, run: Run) -> _Rows:
    examples = list(read_sequences(path, run.genome, numeric_labels=kind == "values"))
    where = shown(path)
    if not examples:
        raise DataError(f"{where} holds no rows")
    n_unlabelled = sum(example.label is None for example in examples)
    if n_unlabelled and (kind != "labels" or n_unlabelled == len(examples)):
        raise DataError(
            f"{where}: {n_unlabelled} of {len(examples)} rows have no label",
            hint="give a table with a column label; FASTA and BED hold none",
        )
    labels = [example.label or "" for example in examples]
    truth: npt.NDArray[Any]
    if kind == "classes":
        truth = class_numbers(labels, task.classes, where)
    elif kind == "labels":
        truth = multi_hot(labels, task.classes, where)
    else:
        truth = np.array([float(label) for label in labels])
    return _Rows(stem(path), [example.sequence for example in examples], labels, truth)


def _ask(
    files: Sequence[_Rows], task: TaskConfig, kind: str, config: EvaluateConfig, run: Run
) -> _Question:
    """Check, before the long part, that all systems answer the same question."""
    tasks = [task, *(model_task(name, run) for name in run.against)]
    labels = [label for rows in files for label in rows.labels] if kind == "classes" else None
    orders = []
    for name, other in zip((run.models[0], *run.against), tasks, strict=True):
        if kind_of(other.head, len(other.classes)) != kind:
            raise DataError(
                f"{name} is of head {other.head}, {run.models[0]} of head {task.head}",
                hint="only systems that answer the same question can be compared",
            )
        orders.append(column_order(other.classes, task.classes, labels, name))
    training = read_training(config, run, kind, task.classes) if config.baselines else None
    if training is not None:
        seen = {sequence.upper() for sequence in training.sequences}
        n_seen = sum(text.upper() in seen for rows in files for text in rows.sequences)
        if n_seen:
            logger.warning(
                "%d rows to judge by are in --train too: baselines know them by heart", n_seen
            )
    models = [list(run.models), *([name] for name in run.against)]
    named = [("+".join(map(_short, of)), "+".join(of)) for of in models]
    names = distinct_names([*named, *((name, f"baseline {name}") for name in config.baselines)])
    return _Question(task, kind, names, models, orders, training)


def _short(model: str) -> str:
    """Return the name of a folder or bundled model without what stands before it."""
    text = model.removeprefix(HUB_PREFIX)
    return Path(text).name if not Path(text).is_dir() else Path(text).resolve().name


def _answer(
    question: _Question, sequences: Sequence[str], config: EvaluateConfig, run: Run
) -> list[System]:
    systems = []
    with tempfile.TemporaryDirectory(prefix="dnabert-") as folder:
        table = Path(folder) / "rows.tsv"
        write_sequences(sequences, table)
        for models, order in zip(question.models, question.orders, strict=True):
            answers = answers_of(models, table, config.compute, run)
            systems.append(System("", answers[:, order]))
        for name in config.baselines:
            assert question.training is not None
            systems.append(baseline_system(name, question.training, sequences, table, config, run))
    return [
        System(name, system.answers) for name, system in zip(question.names, systems, strict=True)
    ]


def positive_number(named: str | None, data: DataSet, default: int | None) -> int | None:
    """Return which of two classes is the positive one.

    Args:
        named: by the command line, `None` where it is not.
        data: whose classes they are.
        default: what the model says.

    Raises:
        OptionsError: the name is none of two classes.
    """
    if named is None:
        return default
    if not data.is_binary or named not in data.classes:
        raise OptionsError(
            f"--positive {named} is none of two classes; there are: {', '.join(data.classes)}"
        )
    return data.classes.index(named)
