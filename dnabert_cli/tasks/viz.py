"""`dnabert viz`: sequences in, the importance of each of their bases out, as numbers or pictures.

`shown_at_once` and `shown_in_parts` do the work; `viz_outputs.py` chooses between them and writes.
"""

import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from dnabert_cli.analysis.plots import landscape, logo, mutations
from dnabert_cli.config import TaskConfig
from dnabert_cli.errors import DataError, OptionsError
from dnabert_cli.explain_config import MAX_DRAWN, ExplainConfig, VizConfig
from dnabert_cli.formats.bigwig import check_bigwig
from dnabert_cli.formats.fasta import clean_sequence
from dnabert_cli.formats.tables import read_sequences
from dnabert_cli.progress import SILENT, Progress
from dnabert_cli.records import Example
from dnabert_cli.tasks.base_importance import CHUNK, Explainer, Floats

logger = logging.getLogger(__name__)

TRACK_FORMATS = ("tsv", "bedgraph", "bigwig")
PICTURE_FORMATS = ("png", "svg", "pdf")
PAGE_FORMAT = "html"
_SUFFIXES = {"bdg": "bedgraph", "bg": "bedgraph", "bw": "bigwig", "htm": "html"}
_SINGLE = ("logo", "context", "mutations")  # plots of one sequence
_WHOLE = ("mutations", "faithfulness")  # plots that ask the model about changed sequences
_MOST_BASES = {"logo": logo.MOST_BASES, "mutations": mutations.MOST_BASES}


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


@dataclass
class VizCounts:
    """What the last message says; it grows while sequences go by."""

    n_rows: int = 0
    n_without_scores: int = 0

    def add(self, scores: Sequence[Floats]) -> None:
        """Count the scores of some sequences."""
        self.n_rows += len(scores)
        self.n_without_scores += sum(bool(np.isnan(one).all()) for one in scores)


@dataclass(frozen=True)
class Shown:
    """Sequences and what the model says of them, in input order.

    Attributes:
        rows: with the group as label where there is one.
        scores: `[L]` each, NaN where a base has none.
        probabilities: `[N, K]`; numbers where the head is `regression`.
        task: of the first model.
        anchor: base of every row that is numbered 0.
    """

    rows: list[Example]
    scores: list[Floats]
    probabilities: Floats
    task: TaskConfig
    anchor: int

    def called(self) -> list[float]:
        """Return the answer of each row for its most probable called class."""
        columns = list(self.task.called_classes)
        return [float(row[columns].max()) for row in self.probabilities]

    def called_probabilities(self) -> list[float | None]:
        """Return the same where it is a probability and there is one."""
        if self.task.head == "regression":
            return [None] * len(self.rows)
        return [None if np.isnan(answer) else answer for answer in self.called()]


def format_of(output: str, fmt: str | None) -> str:
    """Return the format asked for, else that of the suffix, else `tsv`."""
    if fmt is None:
        suffix = Path(output.removesuffix(".gz").removesuffix(".bgz")).suffix.lower().lstrip(".")
        fmt = suffix or "tsv"
    return _SUFFIXES.get(fmt, fmt)


def check(inputs: VizInputs, config: VizConfig, fmt: str, output: str) -> None:
    """Refuse, before anything is read, what cannot be written or read.

    Raises:
        OptionsError: the format is unknown, or no text, or shows no such plot; pyBigWig is
            missing; standard input is named twice, or nothing is.
    """
    known = (*TRACK_FORMATS, *PICTURE_FORMATS, PAGE_FORMAT)
    if fmt not in known:
        where = "" if output == "-" else f"{output}: "
        raise OptionsError(
            f"{where}format {fmt!r} is unknown; known: {', '.join(known)}",
            hint="name one with --format, or by the suffix of -o",
        )
    if fmt not in PICTURE_FORMATS and config.plot != VizConfig.plot:
        raise OptionsError(
            f"--plot {config.plot} is a picture, and the output is {fmt}",
            hint="-o FILE.png, or --format png; svg and pdf as well",
        )
    if config.token is not None and config.plot != "context":
        raise OptionsError("--token belongs to --plot context")
    asked = config.explain
    if config.plot == "context" and (
        asked.method != "attention" or asked.rollout or asked.legacy or asked.head is not None
    ):
        raise OptionsError(
            "--plot context shows the attention of every head of one layer",
            hint="leave --method, --rollout, --legacy and --head out",
        )
    if output == "-" and fmt in PICTURE_FORMATS and sys.stdout.isatty():
        raise OptionsError(f"a {fmt} is no text for a terminal", hint="name a file with -o")
    if fmt == "bigwig":
        check_bigwig(output, force=True)
        if inputs.genome == "-":
            raise OptionsError(
                "a bigWig needs the lengths of the genome, and standard input is read only once",
                hint="name a file for --genome",
            )
    if [*inputs.paths, inputs.genome].count("-") > 1:
        raise OptionsError("only one input can be standard input")
    if not inputs.paths and not inputs.sequences:
        raise OptionsError("there is nothing to show: name a file, or --sequence ACGT...")


def shown_at_once(
    inputs: VizInputs,
    config: VizConfig,
    fmt: str,
    *,
    counts: VizCounts,
    progress: Progress = SILENT,
) -> Shown:
    """Read the sequences of a picture or page and ask the model.

    Args:
        inputs: sequences and models.
        config: what importance is, how many are shown: of each input `MAX_DRAWN` if it is silent.
        fmt: of the output.
        counts: of the sequences.
        progress: told of the sequences done.

    Raises:
        FormatError, DataError: an input is broken or empty, or no sequence has scores.
        ModelError, OptionsError: a model has no such importance; the plot is for one sequence, or
            for sequences of one length.
    """
    rows = [row for row in read_rows(inputs, config.max_sequences or MAX_DRAWN) if row.sequence]
    if not rows:
        raise DataError("nothing to draw: no sequence has letters")
    _check_rows(rows, config, fmt)
    longest = max(len(row.sequence) for row in rows)
    with _explainer(inputs, config, longest) as explainer:
        if fmt in PICTURE_FORMATS and config.plot in _WHOLE and longest > explainer.window:
            raise DataError(
                f"--plot {config.plot} asks for whole sequences: the model reads "
                f"{explainer.window} bases at once, and the longest has {longest}"
            )
        progress.start(config.explain.method, len(rows), "sequences")
        parts = list(_parts(iter(rows), explainer, counts, progress))
    if counts.n_without_scores == counts.n_rows:
        raise DataError(f"nothing to draw: {_why_nothing(config.explain)}")
    task = explainer.task
    scores = [one for part in parts for one in part.scores]
    probabilities = np.concatenate([part.probabilities for part in parts])
    return Shown(rows, scores, probabilities, task, _anchor(rows, config, task))


def _explainer(inputs: VizInputs, config: VizConfig, longest: int) -> Explainer:
    return Explainer(
        inputs.models, config.explain, config.compute, longest=longest, download=inputs.download
    )


def _anchor(rows: Sequence[Example], config: VizConfig, task: TaskConfig) -> int:
    """Return the base numbered 0: as asked for, else the model's where rows have its window."""
    if config.anchor is not None:
        return config.anchor
    has_window = all(len(row.sequence) == task.window for row in rows)
    return task.anchor if has_window and task.anchor is not None else 0


def shown_in_parts(
    inputs: VizInputs, config: VizConfig, *, counts: VizCounts, progress: Progress = SILENT
) -> Iterator[Shown]:
    """Yield the sequences of a track some at a time: memory does not grow with their number.

    With `legacy` they are all held: the figures of each depend on the longest.

    Args:
        inputs: sequences and models.
        config: what importance is, how many are shown.
        counts: grows with the sequences.
        progress: told of the sequences done.

    Raises:
        FormatError, DataError, ModelError, OptionsError: as `shown_at_once`.
    """
    rows, longest = read_rows(inputs, config.max_sequences), 0
    if config.explain.legacy:
        held = list(rows)
        rows, longest = iter(held), max(len(row.sequence) for row in held)
    with _explainer(inputs, config, longest) as explainer:
        progress.start(config.explain.method, None, "sequences")
        yield from _parts(rows, explainer, counts, progress)


def _parts(
    rows: Iterator[Example], explainer: Explainer, counts: VizCounts, progress: Progress
) -> Iterator[Shown]:
    while part := list(islice(rows, CHUNK)):
        found = explainer.explain([row.sequence for row in part])
        counts.add(found.scores)
        progress.advance(len(part))
        yield Shown(part, found.scores, found.probabilities, found.task, 0)
    progress.finish()


def tell_without_scores(counts: VizCounts, config: ExplainConfig) -> None:
    """Warn of sequences without scores."""
    if counts.n_without_scores:
        logger.warning(
            "%d of %d sequences have no scores: %s",
            counts.n_without_scores, counts.n_rows, _why_nothing(config),
        )  # fmt: skip


def _why_nothing(config: ExplainConfig) -> str:
    why = "shorter than a k-mer"
    return f"{why}, or without A, C, G and T" if config.method == "ism" else why


def read_rows(inputs: VizInputs, most: int | None) -> Iterator[Example]:
    """Return the sequences in the order of the inputs, the first `most` of each.

    A row without name and place is named by its number, such as `seq1`.

    Raises:
        FormatError, DataError: an input is broken or empty: at once, if its beginning shows it.
    """
    given = [
        Example(
            clean_sequence("--sequence", text.encode("latin-1", "replace"), f"sequence {i}", None)
        )
        for i, text in enumerate(inputs.sequences, 1)
    ]
    for i, row in enumerate(given, 1):
        if not row.sequence:
            raise DataError(f"--sequence: sequence {i} has no letters")
    opened = [read_sequences(path, inputs.genome) for path in inputs.paths]
    groups = group_names(inputs.paths)
    sources = [_first(iter(given), most, "--sequence")] if given else []
    for path, rows, group in zip(inputs.paths, opened, groups, strict=True):
        sources.append(_first(rows, most, path, group))
    return _named(row for source in sources for row in source)


def _first(
    rows: Iterator[Example], most: int | None, path: str, group: str | None = None
) -> Iterator[Example]:
    n_rows = 0
    for row in islice(rows, most):
        n_rows += 1
        yield row if group is None else replace(row, label=group)
    if n_rows == 0:
        raise DataError(f"{path} holds no sequences")
    if n_rows == most and next(rows, None) is not None:
        logger.info("%s: the first %d sequences are shown (--max-sequences)", path, most)


def _named(rows: Iterator[Example]) -> Iterator[Example]:
    for i, row in enumerate(rows, 1):
        has_none = row.name == "." and (row.chrom is None or row.start is None)
        yield replace(row, name=f"seq{i}") if has_none else row


def group_names(paths: Sequence[str]) -> list[str | None]:
    """Return what rows of each file are labelled: its name without suffix, which all differ in.

    `None` for a single file, whose rows keep their labels.
    """
    if len(paths) < 2:
        return [None] * len(paths)
    names = [
        "stdin" if path == "-" else Path(path.removesuffix(".gz").removesuffix(".bgz")).stem
        for path in paths
    ]
    return list(names if len(set(names)) == len(names) else paths)


def _check_rows(rows: Sequence[Example], config: VizConfig, fmt: str) -> None:
    """Refuse, before the model is asked, rows that the picture cannot hold."""
    lengths = {len(row.sequence) for row in rows}
    if config.anchor is not None and config.anchor >= max(lengths):
        raise OptionsError(
            f"--anchor {config.anchor}: the longest sequence has {max(lengths)} bases"
        )
    if fmt == PAGE_FORMAT:
        return
    if config.plot in _SINGLE and len(rows) > 1:
        raise OptionsError(
            f"--plot {config.plot} shows one sequence, and {len(rows)} are given",
            hint="--max-sequences 1 shows the first",
        )
    if config.plot == "landscape" and len(lengths) > 1:
        raise OptionsError(
            f"--plot landscape needs sequences of one length; these have {min(lengths)} to "
            f"{max(lengths)} bases"
        )
    n_groups = len({row.label for row in rows})
    if config.plot == "landscape" and n_groups > landscape.MOST_CURVES:
        raise DataError(
            f"--plot landscape holds {landscape.MOST_CURVES} groups, and there are {n_groups}"
        )
    most = _MOST_BASES.get(config.plot)
    if most is not None and max(lengths) > most:
        raise DataError(
            f"--plot {config.plot} holds {most} bases, and the sequence has {max(lengths)}"
        )
