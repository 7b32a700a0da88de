"""Importance of the bases of sequences of any length: long ones are tiled and averaged per base."""

from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

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
_WINDOWS = 4096  # of long sequences, scored together


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


class Explainer:
    """Importance of the bases to models, a few sequences at a time; a context manager.

    Args:
        models: bundled names, folders or hub names; averaged.
        config: what importance is.
        compute: where and how.
        longest: bases of the longest sequence to come; only `legacy` needs it.
        download: models of the hub may be fetched.

    Attributes:
        task: of the first model.
        window: bases read at once; longer sequences are tiled.

    Raises:
        ModelError, OptionsError: a model has no such importance.
    """

    def __init__(
        self,
        models: Sequence[str],
        config: ExplainConfig,
        compute: ComputeConfig,
        *,
        longest: int = 0,
        download: bool = False,
    ) -> None:
        loaded = load_models(models, download=download)
        self.task = loaded[0].task
        self.window = min(longest_input(model) for model in loaded)
        # what is longer than a window is read in windows, so no row of attention is longer
        options = _options(loaded[0], config, min(longest, self.window))
        self._importance = Importance(loaded, compute, options)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the worker threads."""
        self._importance.__exit__(kind, error, traceback)

    def explain(self, sequences: Sequence[str]) -> Explained:
        """Return the importance of every base of sequences `[N]` of any length."""
        scores, answers = _tiled(sequences, self._importance, self.window)
        return Explained(scores, _stacked(answers, self.task), self.task)


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
    scores: list[Floats] = []
    answers: list[Floats] = []
    longest = max(map(len, sequences), default=0)
    with Explainer(models, config, compute, longest=longest, download=download) as explainer:
        progress.start(config.method, len(sequences), "sequences")
        for first in range(0, len(sequences), CHUNK):
            part = sequences[first : first + CHUNK]
            found = explainer.explain(part)
            scores += found.scores
            answers += list(found.probabilities)
            progress.advance(len(part))
        progress.finish()
    return Explained(scores, _stacked(answers, explainer.task), explainer.task)


def _stacked(answers: list[Floats], task: TaskConfig) -> Floats:
    if not answers:
        return np.empty((0, len(task.classes)), dtype=np.float32)
    return np.stack(answers).astype(np.float32)


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
    sums = [np.zeros(len(sequence)) for sequence in sequences]
    counts = [np.zeros(len(sequence)) for sequence in sequences]
    best: dict[int, Floats] = {}
    called = list(importance.task.called_classes)
    for first in range(0, len(places), _WINDOWS):
        part = places[first : first + _WINDOWS]
        found = importance.scores([sequences[i][start : start + window] for i, start in part])
        for (i, start), piece, answer in zip(part, *found, strict=True):
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
