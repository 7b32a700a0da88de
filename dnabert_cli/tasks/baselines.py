"""What a model is compared with: networks, classical models and single motifs, trained here."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dnabert_cli.analysis.classical import check_installed, fit_predict, logistic_of_score
from dnabert_cli.errors import DataError, OptionsError
from dnabert_cli.evaluate_config import (
    CLASSIFIERS,
    MOTIF,
    NETWORK_LEARNING_RATE,
    NETWORKS,
    EvaluateConfig,
)
from dnabert_cli.formats.meme import find_motif, read_motifs
from dnabert_cli.formats.tables import read_sequences
from dnabert_cli.records import Example, Motif
from dnabert_cli.sequence.kmer_counts import kmer_counts
from dnabert_cli.sequence.motif_scores import best_match_scores
from dnabert_cli.tasks import finetune
from dnabert_cli.tasks.model_answers import answers_of, model_task
from dnabert_cli.tasks.systems import Floats, Numbers, Run, System, class_numbers, column_order
from dnabert_cli.training_config import FinetuneConfig

logger = logging.getLogger(__name__)

_WHERE = "the rows of --train"


@dataclass(frozen=True)
class Training:
    """What baselines learn from: rows, their labels and classes `[N]`, and motifs by baseline."""

    sequences: list[str]
    labels: list[str]
    truth: Numbers
    classes: tuple[str, ...]
    motifs: dict[str, Motif]


def check_baselines(config: EvaluateConfig, run: Run) -> None:
    """Refuse options that do not fit the baselines asked for.

    Raises:
        OptionsError: a file for training is missing or useless, or scikit-learn is.
    """
    names = config.baselines
    motifs = [name for name in names if name.startswith(MOTIF)]
    for option, given, needed in (
        ("--train", bool(run.train), bool(names)),
        ("--motifs", run.motifs is not None, bool(motifs)),
    ):
        if needed and not given:
            culprit = motifs[0] if option == "--motifs" else names[0]
            raise OptionsError(f"--baselines {culprit} needs {option} FILE")
        if given and not needed:
            raise OptionsError(f"{option} is for --baselines; leave it out or name some")
    if run.devs and not set(names) & set(NETWORKS):
        raise OptionsError(f"--dev is for --baselines {', '.join(NETWORKS)}; leave it out")
    if "-" in (*run.train, *run.devs, run.motifs):
        raise OptionsError("--train, --dev and --motifs are files; only data can come as '-'")
    for name in set(names) & set(CLASSIFIERS):
        check_installed(name)


def read_training(config: EvaluateConfig, run: Run, kind: str, classes: Sequence[str]) -> Training:
    """Read what baselines learn from.

    Raises:
        OptionsError: the model's answers are no classes, or a motif should tell apart more
            than two.
        DataError: rows have no labels or other ones than the data; no such motif.
    """
    if kind != "classes":
        raise OptionsError("--baselines are for models of head class; leave them out")
    names = [name for name in config.baselines if name.startswith(MOTIF)]
    if names and len(classes) != 2:
        raise OptionsError(f"--baselines {names[0]}: a motif tells two classes apart, "
                           f"not {len(classes)}")  # fmt: skip
    examples = [row for path in run.train for row in _labelled(path, run)]
    labels = [str(example.label) for example in examples]
    truth = class_numbers(labels, classes, _WHERE)
    for path in run.devs:
        unknown = {str(row.label) for row in _labelled(path, run)} - set(labels)
        if unknown:
            raise DataError(f"{path}: label {min(unknown)!r} does not occur in {_WHERE}")
    known = read_motifs(run.motifs) if run.motifs is not None else []
    motifs = {name: find_motif(known, name.removeprefix(MOTIF)) for name in names}
    sequences = [example.sequence for example in examples]
    return Training(sequences, labels, truth, tuple(classes), motifs)


def _labelled(path: str, run: Run) -> list[Example]:
    rows = list(read_sequences(path, run.genome))
    if not rows or any(row.label is None for row in rows):
        problem = "has rows without a label" if rows else "holds no rows"
        raise DataError(f"{path} {problem}", hint="give a table with a label column")
    return rows


def baseline_system(
    name: str, training: Training, sequences: Sequence[str], table: Path,
    config: EvaluateConfig, run: Run,
) -> System:  # fmt: skip
    """Train a baseline and return what it answers.

    Args:
        name: of `EvaluateConfig.baselines`.
        training: what it learns from.
        sequences: what it answers to.
        table: the same in a file, beside which a network is kept.
        config: seed, k-mers, where to compute.
        run: the files of `training`.
    """
    logger.info("training %s on %d rows", name, len(training.truth))
    if name in NETWORKS:
        return System(name, _network_answers(name, training, table, config, run))
    if name in CLASSIFIERS:
        return System(name, _classifier_answers(name, training, sequences, config))
    matrix = training.motifs[name].matrix
    scores = [best_match_scores(matrix, rows) for rows in (training.sequences, sequences)]
    return System(name, logistic_of_score(scores[0], training.truth, scores[1]))


def _classifier_answers(
    name: str, training: Training, sequences: Sequence[str], config: EvaluateConfig
) -> Floats:
    features = [
        kmer_counts(rows, config.kmer, both_strands=True)
        for rows in (training.sequences, sequences)
    ]
    n_classes = len(training.classes)
    return fit_predict(name, features[0], training.truth, features[1], n_classes, seed=config.seed)


def _network_answers(
    name: str, training: Training, table: Path, config: EvaluateConfig, run: Run
) -> Floats:
    """Train with `finetune`, as a user would, and predict with what it wrote."""
    folder = table.with_name(name)
    settings = FinetuneConfig(
        arch=name,
        learning_rate=NETWORK_LEARNING_RATE,
        test_fraction=0.0,
        seed=config.seed,
        compute=config.compute,
    )
    watch = finetune.Run(folder, genome=run.genome, devs=run.devs, progress=run.progress)
    finetune.finetune(run.train, settings, watch)
    order = column_order(model_task(str(folder), run).classes, training.classes,
                         training.labels, name)  # fmt: skip
    answers = answers_of([str(folder)], table, config.compute, run)
    return np.asarray(answers[:, order])
