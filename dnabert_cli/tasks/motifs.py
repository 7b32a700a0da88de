"""`dnabert motifs`: two classes of sequences in, the motifs that tell them apart out.

Reads like this: read both classes, fine-tune a model on them unless one is given, ask it where it
looks in the positives, test and merge what lies there, compare with a database.
"""

import logging
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis.matching import Match, best_matches
from dnabert_cli.analysis.motifs import FoundMotif, MotifResult, find_motifs, kmer_baseline
from dnabert_cli.explain_config import KMERS, MotifRules, MotifsConfig
from dnabert_cli.formats.meme import read_motifs
from dnabert_cli.progress import SILENT, Progress
from dnabert_cli.records import Motif
from dnabert_cli.tasks.base_importance import explain
from dnabert_cli.tasks.motif_model import train
from dnabert_cli.tasks.motif_rows import MotifRows, read_motif_rows

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class MotifInputs:
    """What is read.

    Attributes:
        positives, negatives: FASTA, tables, or BED with `genome`; without negatives the
            positives are shuffled.
        genome: FASTA that BED refers to.
        models: to ask; none: one is fine-tuned.
        database: motifs to compare with, MEME or JASPAR.
        save_model: where a model fine-tuned here stays.
        download: models of the hub may be fetched.
    """

    positives: str
    negatives: str | None = None
    genome: str | None = None
    models: Sequence[str] = ()
    database: str | None = None
    save_model: Path | None = None
    download: bool = False


@dataclass(frozen=True)
class NamedMotif:
    """A motif as it is written.

    Attributes:
        motif: its record; the matrix is trimmed unless it was asked not to.
        found: how it was found.
        rows: the classes it was found in (swapped for the second class of `differential`).
        first, last: columns of the window that the matrix holds.
        n_negative: negative sequences with its most significant member.
        best, best_motif: the best match of the database, `None` without database.
    """

    motif: Motif
    found: FoundMotif
    rows: MotifRows
    first: int
    last: int
    n_negative: int
    best: Match | None = None
    best_motif: Motif | None = None


@dataclass(frozen=True)
class Motifs:
    """What was found.

    Attributes:
        motifs: best first; of `differential` those of the first class, then of the second.
        results: of each class tested, with every candidate.
        rows: what was read.
        auroc: of the model fine-tuned here on rows kept aside; `None` where none was.
        model: what was asked, in words.
    """

    motifs: list[NamedMotif]
    results: list[MotifResult]
    rows: MotifRows
    auroc: float | None
    model: str

    @property
    def reason(self) -> str:
        """Why there is nothing, in a sentence; empty where there is something."""
        return "" if self.motifs else "; ".join(one.reason for one in self.results)


def motifs(
    inputs: MotifInputs, config: MotifsConfig, rules: MotifRules, *, progress: Progress = SILENT
) -> Motifs:
    """Find the motifs of the positives; finding none is a result.

    Args:
        inputs: what is read.
        config: rows, model, importance.
        rules: how motifs are found; the defaults are the paper's.
        progress: told of training and of sequences asked about.

    Raises:
        FormatError, DataError: an input is broken or empty, or too small to train on.
        ModelError, OptionsError: a model cannot be asked so.
    """
    database = read_motifs(inputs.database) if inputs.database is not None else []
    rows = read_motif_rows(
        inputs.positives, inputs.negatives, inputs.genome, config.max_sequences, config.seed
    )
    logger.info("%d positives, %d negatives", len(rows.positives), len(rows.negatives))
    classes = [rows, rows.swapped()] if config.differential else [rows]
    auroc = None
    with tempfile.TemporaryDirectory() as name:
        models = list(inputs.models)
        if not models and config.explain.method != KMERS:
            model, auroc = train(rows, config, Path(name), inputs.save_model, progress)
            models = [model]
        results = [
            _find(each, models, config, rules, progress, inputs.download) for each in classes
        ]
    prefixes = ("a", "b") if config.differential else ("",)
    found = [
        one
        for each, result, prefix in zip(classes, results, prefixes, strict=True)
        for one in _named(result, prefix, each, config, database)
    ]
    told = "k-mers, no model" if config.explain.method == KMERS else ", ".join(inputs.models)
    return Motifs(found, results, rows, auroc, told or f"{config.base}, fine-tuned")


def _find(
    rows: MotifRows,
    models: Sequence[str],
    config: MotifsConfig,
    rules: MotifRules,
    progress: Progress,
    download: bool,
) -> MotifResult:
    """Ask where the model looks in the positives, and test what lies there."""
    positives = [one.sequence for one in rows.positives]
    sequences = positives + [one.sequence for one in rows.negatives]
    is_positive = np.arange(len(sequences)) < len(positives)
    if config.explain.method == KMERS:
        return kmer_baseline(sequences, is_positive, rules)
    explained = explain(
        positives, models, config.explain, config.compute, progress, download=download
    )
    nothing: list[npt.NDArray[np.float32] | None] = [None] * len(rows.negatives)
    if config.explain.method != "attention":
        # of scores that may be negative, ten times the lowest means nothing
        rules = replace(rules, above_min=None)
    return find_motifs(sequences, is_positive, [*explained.scores, *nothing], rules)


def _named(
    result: MotifResult,
    prefix: str,
    rows: MotifRows,
    config: MotifsConfig,
    database: Sequence[Motif],
) -> list[NamedMotif]:
    """Name the motifs of a class, trim their matrices, and look them up."""
    places = [
        (one.first, one.last) if config.trim else (0, len(one.matrix)) for one in result.motifs
    ]
    matrices = [one.matrix[slice(*place)] for one, place in zip(result.motifs, places, strict=True)]
    targets = [np.array(one.matrix) for one in database]
    best = best_matches(matrices, targets)
    tests = {one.sequence: one for one in result.candidates}
    named = []
    for i, (one, matrix, place, hit) in enumerate(
        zip(result.motifs, matrices, places, best, strict=True), 1
    ):
        record = Motif(
            f"{prefix}{i}_{one.name}",
            tuple((float(a), float(c), float(g), float(t)) for a, c, g, t in matrix),
            alternate_name=one.name,
            n_sites=len(one.instances),
            e_value=one.p_value * len(result.candidates),
        )
        strongest = min((tests[member] for member in one.members), key=lambda each: each.p_value)
        looked_up = None if hit is None else database[hit.target_index]
        named.append(NamedMotif(record, one, rows, *place, strongest.n_negative, hit, looked_up))
    return named
