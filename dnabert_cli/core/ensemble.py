"""One model, or several averaged: from sequence to the answers of the models' head.

The paper averages DNABERT-3 to -6. Models of different k read the same windows each with its own
tokens; a stretch is tokenized once per tokenizer, not once per model or window.
"""

from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt

from dnabert_cli.config import ComputeConfig, TaskConfig
from dnabert_cli.core.checkpoint import Model
from dnabert_cli.core.infer import Predictor, average
from dnabert_cli.errors import ModelError
from dnabert_cli.sequence.kmers import Tokenizer
from dnabert_cli.sequence.windows import (
    Starts,
    TokenWindows,
    token_windows,
    windows_by_length,
)

Probabilities = npt.NDArray[np.float32]
OnBatch = Callable[[int], None]

_SCANNING = ("class", "multi-label")  # heads whose probabilities can be called


class Ensemble:
    """Models that answer together; a context manager, since it holds worker threads.

    Args:
        models: one or more; head, classes, window and anchor must agree.
        compute: device, precision, threads.

    Attributes:
        task: the task parameters of the first model.
        k: the largest k, the length below which a sequence cannot be read.
        predictors: one for each model.
        tokenizers: one for each model.

    Raises:
        ModelError: the models answer different questions.
    """

    def __init__(self, models: Sequence[Model], compute: ComputeConfig) -> None:
        self.task = models[0].task
        for model in models[1:]:
            _check_agreement(models[0], model)
        self.k = max(model.task.k for model in models)
        self.tokenizers = [model.tokenizer for model in models]
        self.predictors = [Predictor(model.network, model.task, compute) for model in models]

    def __enter__(self) -> Self:
        """Return the ensemble."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the worker threads."""
        for predictor in self.predictors:
            predictor.close()

    def score_windows(
        self,
        sequence: str,
        starts: Starts,
        window: int,
        strand: str,
        on_batch: OnBatch | None = None,
    ) -> Probabilities:
        """Return `[B, K]` probabilities of windows of a stretch, in the order of `starts`.

        Args:
            sequence: the forward strand.
            starts: `[B]`, first forward base of each window.
            window: bases per window.
            strand: `-` reads the windows as reverse complement.
            on_batch: told how many windows were done, per batch.
        """
        tokens = {
            tokenizer: token_windows(sequence, starts, window, tokenizer, strand)
            for tokenizer in set(self.tokenizers)
        }
        return self._average(tokens, on_batch)

    def score_sequences(self, sequences: Sequence[str]) -> Probabilities:
        """Return `[N, K]` answers to whole sequences; NaN for those shorter than `k`.

        Probabilities, or numbers where the head is `regression` (see `Predictor.probabilities`).
        """
        answers = [
            score_sequences(predictor, tokenizer, sequences, len(self.task.classes))
            for tokenizer, predictor in zip(self.tokenizers, self.predictors, strict=True)
        ]
        return average(answers)

    def score_bases(self, sequences: Sequence[str]) -> list[Probabilities]:
        """Return answers per base, `[L, K]` for each sequence; models of head `token` only.

        With several classes probabilities, with one a number. NaN where a model has no answer:
        throughout a sequence shorter than `k`, and at bases that no k-mer holds (the last ones,
        where the token stride is above 1).
        """
        answers = [
            _score_bases(predictor, tokenizer, sequences, len(self.task.classes))
            for tokenizer, predictor in zip(self.tokenizers, self.predictors, strict=True)
        ]
        return [average(list(of_sequence)) for of_sequence in zip(*answers, strict=True)]

    def embed_sequences(self, sequences: Sequence[str], pooling: str) -> Probabilities:
        """Return `[N, D]` vectors of the first model; NaN for sequences shorter than `k`."""
        predictor, tokenizer = self.predictors[0], self.tokenizers[0]
        result = np.full((len(sequences), predictor.hidden_size), np.nan, dtype=np.float32)
        for rows, windows in windows_by_length(sequences, tokenizer):
            result[rows] = predictor.embeddings(windows, pooling)
        return result

    def _average(
        self, tokens: dict[Tokenizer, TokenWindows], on_batch: OnBatch | None
    ) -> Probabilities:
        answers = [
            # progress follows the first model; the others are silent
            predictor.probabilities(tokens[tokenizer], on_batch if i == 0 else None)
            for i, (tokenizer, predictor) in enumerate(
                zip(self.tokenizers, self.predictors, strict=True)
            )
        ]
        return average(answers)


def score_sequences(
    predictor: Predictor, tokenizer: Tokenizer, sequences: Sequence[str], n_classes: int
) -> Probabilities:
    """Return `[N, K]` answers to whole sequences; NaN for those shorter than k."""
    result = np.full((len(sequences), n_classes), np.nan, dtype=np.float32)
    for rows, windows in windows_by_length(sequences, tokenizer):
        result[rows] = predictor.probabilities(windows)
    return result


def _score_bases(
    predictor: Predictor, tokenizer: Tokenizer, sequences: Sequence[str], n_classes: int
) -> list[Probabilities]:
    result = [np.full((len(one), n_classes), np.nan, dtype=np.float32) for one in sequences]
    for rows, windows in windows_by_length(sequences, tokenizer):
        for row, scores in zip(rows, predictor.base_scores(windows), strict=True):
            result[row][: len(scores)] = scores
    return result


def _check_agreement(first: Model, other: Model) -> None:
    for name in ("head", "classes", "window", "anchor", "candidates", "background"):
        ours, theirs = getattr(first.task, name), getattr(other.task, name)
        if ours != theirs:
            raise ModelError(
                f"{first.name} and {other.name} cannot be averaged: "
                f"{name} is {ours} in one and {theirs} in the other"
            )


def check_window(task: TaskConfig, name: str) -> tuple[int, int]:
    """Return (window, anchor) of a task that can scan.

    Raises:
        ModelError: the model folder names no window, or its head answers otherwise.
    """
    if task.head not in _SCANNING:
        answer = "every base" if task.head == "token" else "a window with a number"
        raise ModelError(
            f"{name} answers {answer} and cannot scan: there are no classes to call",
            hint="use dnabert predict",
        )
    if task.window is None:
        raise ModelError(
            f"{name} has no window and cannot scan",
            hint='add "dnabert": {"window": ..., "anchor": ...} to its config.json, '
            "see docs/models.md",
        )
    return task.window, task.window // 2 if task.anchor is None else task.anchor
