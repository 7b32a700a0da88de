"""Importance of the bases of sequences of any length: long ones are tiled and averaged per base."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dnabert_cli.config import ComputeConfig, TaskConfig
from dnabert_cli.core.checkpoint import Model, load_models
from dnabert_cli.core.importance import Importance, ImportanceOptions
from dnabert_cli.errors import OptionsError
from dnabert_cli.explain_config import ExplainConfig
from dnabert_cli.progress import Progress
from dnabert_cli.sequence.windows import tile
from dnabert_cli.tasks.predict import longest_input

Floats = npt.NDArray[np.float32]

CHUNK = 256  # sequences read, scored and told of together


@dataclass(frozen=True)
class Explained:
    """What a model says of sequences, and why.

    Attributes:
        scores: one `[L]` per sequence; NaN where a base has none.
        probabilities: `[N, K]`: of a tiled sequence those of its best window.
        task: of the first model.
    """

    scores: list[Floats]
    probabilities: Floats
    task: TaskConfig


def explain(
    sequences: Sequence[str],
    models: Sequence[str],
    config: ExplainConfig,
    compute: ComputeConfig,
    progress: Progress,
    *,
    download: bool = False,
) -> Explained:
    """Return the importance of every base, averaged over models.

    Args:
        sequences: `[N]`, of any length.
        models: bundled names, folders or hub names.
        config: what importance is.
        compute: where and how.
        progress: told of the sequences done.
        download: models of the hub may be fetched.

    Raises:
        ModelError, OptionsError: a model has no such importance.
    """
    loaded = load_models(models, download=download)
    window = min(longest_input(model) for model in loaded)
    options = _options(loaded[0], config, max(map(len, sequences), default=0))
    scores: list[Floats] = []
    answers: list[Floats] = []
    progress.start(config.method, len(sequences), "sequences")
    with Importance(loaded, compute, options) as importance:
        for first in range(0, len(sequences), CHUNK):
            part = sequences[first : first + CHUNK]
            found = _tiled(part, importance, window)
            scores += found[0]
            answers += found[1]
            progress.advance(len(part))
    progress.finish()
    probabilities = np.stack(answers) if answers else np.empty((0, len(loaded[0].task.classes)))
    return Explained(scores, probabilities.astype(np.float32), loaded[0].task)


def _options(model: Model, config: ExplainConfig, longest: int) -> ImportanceOptions:
    target = None
    if config.target is not None:
        if config.target not in model.task.classes:
            known = ", ".join(model.task.classes)
            raise OptionsError(f"--target {config.target} is no class of the model; known: {known}")
        target = model.task.classes.index(config.target)
    return ImportanceOptions(
        method=config.method,
        layer=config.layer,
        head=config.head,
        rollout=config.rollout,
        legacy=longest if config.legacy else None,
        target=target,
        steps=config.steps,
    )


def _tiled(
    sequences: Sequence[str], importance: Importance, window: int
) -> tuple[list[Floats], list[Floats]]:
    """Return scores and answers of sequences; windows overlap by half."""
    places = [
        (i, start)
        for i, sequence in enumerate(sequences)
        for start in tile(len(sequence), window, max(window // 2, 1)).tolist()
    ]
    pieces = [sequences[i][start : start + window] for i, start in places]
    scores, answers = importance.scores(pieces)
    sums = [np.zeros(len(sequence)) for sequence in sequences]
    counts = [np.zeros(len(sequence)) for sequence in sequences]
    best: dict[int, Floats] = {}
    called = list(importance.task.called_classes)
    for (i, start), piece, answer in zip(places, scores, answers, strict=True):
        known = ~np.isnan(piece)
        sums[i][start : start + len(piece)] += np.where(known, piece, 0)
        counts[i][start : start + len(piece)] += known
        if i not in best or answer[called].max() > best[i][called].max():
            best[i] = answer
    nothing = np.full(len(importance.task.classes), np.nan, dtype=np.float32)
    return (
        [_mean(*pair) for pair in zip(sums, counts, strict=True)],
        [best.get(i, nothing) for i in range(len(sequences))],
    )


def _mean(sums: npt.NDArray[np.float64], counts: npt.NDArray[np.float64]) -> Floats:
    means = np.full(sums.shape, np.nan, dtype=np.float32)
    np.divide(sums, counts, out=means, where=counts > 0, casting="same_kind")
    return means
