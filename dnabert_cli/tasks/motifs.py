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

from dnabert_cli.analysis.consensus import consensus
from dnabert_cli.analysis.enrichment import Candidate
from dnabert_cli.analysis.matching import Match, best_matches
from dnabert_cli.analysis.motifs import FoundMotif, MotifResult, find_motifs, kmer_baseline
from dnabert_cli.core.checkpoint import load_models
from dnabert_cli.errors import OptionsError, shown
from dnabert_cli.explain_config import KMERS, ExplainConfig, MotifRules, MotifsConfig
from dnabert_cli.formats.meme import read_motifs
from dnabert_cli.progress import SILENT, Progress
from dnabert_cli.records import Motif
from dnabert_cli.tasks.base_importance import explain
from dnabert_cli.tasks.motif_model import check_kept, check_training, keep, train
from dnabert_cli.tasks.motif_rows import MotifRows, check_apart, read_motif_rows

logger = logging.getLogger(__name__)

_PREFIX = ".dnabert-motifs-"  # of the folder of a run


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
        force: also in a folder that is not empty.
        download: models of the hub may be fetched.
    """

    positives: str
    negatives: str | None = None
    genome: str | None = None
    models: Sequence[str] = ()
    database: str | None = None
    save_model: Path | None = None
    force: bool = False
    download: bool = False


@dataclass(frozen=True)
class NamedMotif:
    """A motif as it is written.

    Attributes:
        motif: its record: named by number and key, beside that its consensus; the matrix is
            trimmed unless it was asked not to.
        found: how it was found.
        rows: the classes it was found in (swapped for the second class of `differential`).
        first, last: columns of the window that the matrix holds.
        test: of its most significant member.
        best, best_motif: the best match of the database, `None` without database.
    """

    motif: Motif
    found: FoundMotif
    rows: MotifRows
    first: int
    last: int
    test: Candidate
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
        both_strands: a motif and its reverse complement were one.
    """

    motifs: list[NamedMotif]
    results: list[MotifResult]
    rows: MotifRows
    auroc: float | None
    model: str
    both_strands: bool = False

    @property
    def reasons(self) -> list[str]:
        """A sentence for each class that has no motif, why."""
        names = ("first", "second") if len(self.results) > 1 else ("",)
        return [
            f"no motif{name and f' of the {name} class'}: {result.reason}"
            for name, result in zip(names, self.results, strict=True)
            if result.reason
        ]


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
    _check(inputs, config)
    database = _read_database(inputs.database)
    rows = read_motif_rows(
        inputs.positives, inputs.negatives, inputs.genome, config.max_sequences, config.seed
    )
    logger.info("%d positives, %d negatives", len(rows.positives), len(rows.negatives))
    with tempfile.TemporaryDirectory(prefix=_PREFIX, dir=_place(inputs.save_model)) as name:
        models, auroc = _models(rows, inputs, config, Path(name), progress)
        asked = [(rows, config.explain)]
        if config.differential:
            asked.append((rows.swapped(), _of_second(inputs, models, config.explain)))
        results = [
            _find(each, models, replace(config, explain=how), rules, progress, inputs.download)
            for each, how in asked
        ]
    prefixes = ("a", "b") if config.differential else ("",)
    found = [
        one
        for (each, _), result, prefix in zip(asked, results, prefixes, strict=True)
        for one in _named(result, prefix, each, config, database)
    ]
    told = "k-mers, no model" if config.explain.method == KMERS else ", ".join(inputs.models)
    told = told or f"{config.base}, fine-tuned"
    return Motifs(found, results, rows, auroc, told, rules.both_strands)


def _check(inputs: MotifInputs, config: MotifsConfig) -> None:
    """Refuse what contradicts itself, before anything is read.

    Raises:
        OptionsError: see the messages.
    """
    check_apart(inputs.positives, inputs.negatives)
    read = (inputs.positives, inputs.negatives, inputs.genome, inputs.database)
    if read.count("-") > 1:
        raise OptionsError("only one input can be standard input", hint="name files for the others")
    if inputs.genome == "-" and inputs.negatives is not None:
        raise OptionsError("--genome - can be read for one file only", hint="name a file")
    if config.differential:
        if inputs.negatives is None:
            raise OptionsError("--differential compares two files; only one is named")
        if config.explain.target is not None:
            raise OptionsError(
                "--target names one class, and --differential explains two",
                hint="leave --target out, or look for the motifs of each file by itself",
            )
    if config.explain.method == KMERS:
        _check_unasked(inputs, config)
    if inputs.save_model is not None:
        if inputs.models:
            raise OptionsError("--save-model keeps a model trained here; --model names one to ask")
        check_kept(inputs.save_model, force=inputs.force)


def _check_unasked(inputs: MotifInputs, config: MotifsConfig) -> None:
    """Refuse what only a model has a use for."""
    explain, default = config.explain, MotifsConfig()
    given = {
        "--model": bool(inputs.models),
        "--save-model": inputs.save_model is not None,
        "--layer": explain.layer is not None,
        "--head": explain.head is not None,
        "--target": explain.target is not None,
        "--steps": explain.steps != default.explain.steps,
        "--base": config.base != default.base,
        "--epochs": config.epochs != default.epochs,
        "--learning-rate": config.learning_rate != default.learning_rate,
        "--token-stride": config.token_stride != default.token_stride,
    }
    for name, is_given in given.items():
        if is_given:
            raise OptionsError(f"--method {KMERS} asks no model; leave {name} out")


def _read_database(path: str | None) -> list[Motif]:
    if path is None:
        return []
    found = read_motifs(path)
    if not found:
        logger.warning("%s holds no motif: nothing can be matched", shown(path))
    return found


def _place(save_model: Path | None) -> Path | None:
    """Return where files of this run lie: beside the model that stays, so that it can be moved."""
    return None if save_model is None else save_model.resolve().parent


def _models(
    rows: MotifRows, inputs: MotifInputs, config: MotifsConfig, folder: Path, progress: Progress
) -> tuple[list[str], float | None]:
    """Return the models to ask, and the AUROC of one trained here."""
    if inputs.models or config.explain.method == KMERS:
        return list(inputs.models), None
    check_training(rows, config, download=inputs.download)
    model, auroc = train(rows, config, folder, progress, download=inputs.download)
    if inputs.save_model is not None:
        keep(model, inputs.save_model)
        model = inputs.save_model
    return [str(model)], auroc


def _of_second(inputs: MotifInputs, models: Sequence[str], explain: ExplainConfig) -> ExplainConfig:
    """Return how the second class of `differential` is explained.

    Gradients and substitutions speak for a class: of a model that tells two apart, the other one.
    """
    if explain.method not in {"ig", "ism"}:
        return explain
    task = load_models(models, download=inputs.download)[0].task
    if task.head != "class" or len(task.classes) != 2:
        return explain
    return replace(explain, target=task.classes[task.background_index])


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
            alternate_name=consensus(one.matrix[one.first : one.last]),
            n_sites=len(one.instances),
            e_value=one.p_value * len(result.candidates),
        )
        strongest = min((tests[member] for member in one.members), key=lambda each: each.p_value)
        looked_up = None if hit is None else database[hit.target_index]
        named.append(NamedMotif(record, one, rows, *place, strongest, hit, looked_up))
    return named
