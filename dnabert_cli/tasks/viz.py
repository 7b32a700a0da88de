"""`dnabert viz`: sequences in, the importance of each of their bases out, as numbers or pictures.

`read_and_explain` does the work; `viz_tracks.py`, `viz_pictures.py` and `viz_html.py` write.
"""

import logging
import sys
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from dnabert_cli.config import TaskConfig
from dnabert_cli.errors import DataError, OptionsError
from dnabert_cli.explain_config import MAX_DRAWN, VizConfig
from dnabert_cli.formats.fasta import clean_sequence
from dnabert_cli.formats.tables import read_sequences
from dnabert_cli.progress import SILENT, Progress
from dnabert_cli.records import Example
from dnabert_cli.tasks.base_importance import Floats, explain

logger = logging.getLogger(__name__)

TRACK_FORMATS = ("tsv", "bedgraph", "bigwig")
PICTURE_FORMATS = ("png", "svg", "pdf")
PAGE_FORMAT = "html"
_SUFFIXES = {"bdg": "bedgraph", "bg": "bedgraph", "bw": "bigwig", "htm": "html"}


@dataclass(frozen=True)
class VizInputs:
    """What is shown.

    Attributes:
        paths: FASTA, tables, or BED with `genome`; of several files each is a group.
        sequences: letters given themselves.
        models: to ask, averaged.
        genome: FASTA that BED refers to.
        download: models of the hub may be fetched.
    """

    paths: Sequence[str]
    models: Sequence[str]
    sequences: Sequence[str] = ()
    genome: str | None = None
    download: bool = False


@dataclass(frozen=True)
class Target:
    """Where the result goes.

    Attributes:
        path: `-` is standard output.
        fmt: of the three kinds of formats.
        force: overwrite.
        header: name the columns of a table.
    """

    path: str
    fmt: str
    force: bool = False
    header: bool = True


@dataclass(frozen=True)
class Shown:
    """Sequences and what the model says of them, in input order.

    Attributes:
        rows: with the group as label where there is one.
        scores: `[L]` each, NaN where a base has none.
        probabilities: `[N, K]`.
        task: of the first model.
        anchor: base of every row that is numbered 0.
    """

    rows: list[Example]
    scores: list[Floats]
    probabilities: Floats
    task: TaskConfig
    anchor: int

    def called(self) -> list[float]:
        """Return the probability of each row's most probable called class."""
        columns = list(self.task.called_classes)
        return [float(row[columns].max()) for row in self.probabilities]

    def is_aligned(self) -> bool:
        """Tell whether all rows have one length."""
        return len({len(row.sequence) for row in self.rows}) == 1


def format_of(output: str, fmt: str | None) -> str:
    """Return the format asked for, else that of the suffix, else `tsv`."""
    if fmt is None:
        suffix = Path(output.removesuffix(".gz").removesuffix(".bgz")).suffix.lower().lstrip(".")
        fmt = suffix or "tsv"
    return _SUFFIXES.get(fmt, fmt)


def check(inputs: VizInputs, fmt: str, output: str) -> None:
    """Refuse, before anything is read, what cannot be written or read.

    Raises:
        OptionsError: the format is unknown, or no text; standard input is named twice.
    """
    known = (*TRACK_FORMATS, *PICTURE_FORMATS, PAGE_FORMAT)
    if fmt not in known:
        raise OptionsError(
            f"{output}: format {fmt!r} is unknown; known: {', '.join(known)}",
            hint="name one with --format, or by the suffix of -o",
        )
    if output == "-" and fmt in ("bigwig", *PICTURE_FORMATS) and sys.stdout.isatty():
        raise OptionsError(f"a {fmt} is no text for a terminal", hint="name a file with -o")
    if [*inputs.paths, inputs.genome].count("-") > 1:
        raise OptionsError("only one input can be standard input")
    if not inputs.paths and not inputs.sequences:
        raise OptionsError("there is nothing to show: name a file, or --sequence ACGT...")


def read_and_explain(
    inputs: VizInputs, config: VizConfig, fmt: str, *, progress: Progress = SILENT
) -> Shown:
    """Read the sequences and ask the model.

    Args:
        inputs: sequences and models.
        config: what importance is, how many are shown.
        fmt: of the output; pictures hold `MAX_DRAWN` sequences.
        progress: told of the sequences done.

    Raises:
        FormatError, DataError: an input is broken or empty.
        ModelError, OptionsError: a model has no such importance.
    """
    rows = _rows(inputs)
    most = config.max_sequences
    if most is None:
        most = len(rows) if fmt in TRACK_FORMATS else MAX_DRAWN
    if len(rows) > most:
        logger.info("the first %d of %d sequences are shown (--max-sequences)", most, len(rows))
    rows = rows[:most]
    explained = explain(
        [row.sequence for row in rows],
        inputs.models,
        config.explain,
        config.compute,
        progress,
        download=inputs.download,
    )
    n_short = sum(bool(np.isnan(scores).all()) for scores in explained.scores)
    if n_short:
        logger.warning("%d sequences are shorter than a k-mer and have no scores", n_short)
    anchor = config.anchor
    if anchor is None:
        task = explained.task
        has_window = all(len(row.sequence) == task.window for row in rows)
        anchor = task.anchor if has_window and task.anchor is not None else 0
    return Shown(rows, explained.scores, explained.probabilities, explained.task, anchor)


def _rows(inputs: VizInputs) -> list[Example]:
    rows = [
        Example(clean_sequence("--sequence", text.encode(), f"sequence {i}", None), name=f"seq{i}")
        for i, text in enumerate(inputs.sequences, 1)
    ]
    for path in inputs.paths:
        found = list(islice(read_sequences(path, inputs.genome), None))
        if not found:
            raise DataError(f"{path} holds no sequences")
        if len(inputs.paths) > 1:
            group = "stdin" if path == "-" else Path(path).name.split(".")[0]
            found = [replace(row, label=group) for row in found]
        rows += found
    return rows
