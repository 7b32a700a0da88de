"""The importance of bases to one model; `importance.py` asks for it and averages.

All goes through the prediction loop, whole sequences of equal length together. Shapes: N
sequences, L bases, K outputs, T tokens with [CLS] and [SEP].
"""

import copy
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cached_property

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dnabert_cli.core.attention import Rollout
from dnabert_cli.core.checkpoint import Model
from dnabert_cli.core.gradients import IntegratedGradients
from dnabert_cli.core.infer import Floats, OnBatch, Predictor, Step
from dnabert_cli.core.network import SequenceClassifier
from dnabert_cli.errors import ModelError, OptionsError
from dnabert_cli.sequence.kmers import (
    Scores,
    Tokenizer,
    to_base_scores,
    to_legacy_base_scores,
)
from dnabert_cli.sequence.substitutions import substitutions
from dnabert_cli.sequence.windows import TokenWindows, chunks, windows_by_length

Rows = npt.NDArray[np.int64]

_SEQUENCES = 1024  # at once: what lies between loop and result stays small


class ModelImportance:
    """Each method of importance for one model; where there is none, NaN.

    Args:
        model: where it comes from.
        predictor: of this model.
    """

    def __init__(self, model: Model, predictor: Predictor) -> None:
        self._model, self._predictor = model, predictor
        self._tokenizer = model.tokenizer

    @cached_property
    def _network(self) -> SequenceClassifier:
        """A copy on the device, for what needs every layer's attention in full."""
        return copy.deepcopy(classifier_of(self._model)).to(self._predictor.device)

    @cached_property
    def _integrated(self) -> IntegratedGradients:
        network = classifier_of(self._model)
        return IntegratedGradients(network, self._model.task, self._predictor.device)

    def attention(
        self,
        sequences: Sequence[str],
        layer: int | None,
        head: int | None,
        legacy: int | None,
        on_batch: OnBatch | None,
    ) -> tuple[list[Floats], Floats]:
        """Return the attention of [CLS] in one layer, `[L]` each, and the answers `[N, K]`.

        Args:
            sequences: `[N]`.
            layer: counted from 0; `None`: the last one.
            head: counted from 0; `None`: the sum over all of them.
            legacy: `max_seq_length` of the original program, whose figures to give, or `None`.
            on_batch: told how many sequences were done.
        """
        answers = np.full((len(sequences), len(self._model.task.classes)), np.nan, np.float32)
        result = _no_scores(sequences)
        for rows, windows in self._groups(sequences):
            answers[rows], weights = self._predictor.with_cls_attention(
                windows, layer, head, on_batch
            )
            if legacy is None:
                bases = self._to_bases(weights[:, 1:-1])
            else:
                bases = _to_legacy_bases(weights, self._tokenizer, legacy)
            _fill(result, rows, bases)
        return result, answers

    def rollout(
        self, sequences: Sequence[str], layer: int | None, on_batch: OnBatch | None
    ) -> list[Floats]:
        """Return the rollout of attention to [CLS], `[L]` each, in fp32.

        Args:
            sequences: `[N]`.
            layer: the uppermost, counted from 0; `None`: the last one.
            on_batch: told how many sequences were done.
        """
        network, device = self._network, self._predictor.device
        last = network.config.num_hidden_layers - 1 if layer is None else layer

        def step(ids: Tensor) -> Tensor:
            rows = []
            for one in ids.to(device).split(1):
                rollout = Rollout(last)
                network.encoder(one, None, rollout)
                rows.append(rollout.weights[:, 0, 1:-1])
            return torch.cat(rows)

        result = _no_scores(sequences)
        for rows, windows in self._groups(sequences):
            self._fill_from_kmers(result, rows, windows, step, on_batch)
        return result

    def gradients(
        self, sequences: Sequence[str], targets: Rows, n_steps: int, on_batch: OnBatch | None
    ) -> list[Floats]:
        """Return integrated gradients, `[L]` each, in fp32.

        Args:
            sequences: `[N]`.
            targets: `[N]`, the output each is explained for.
            n_steps: points of the path.
            on_batch: told how many sequences were done.
        """
        # made here: weights that are copied in the workers' inference mode know no gradients
        integrated, result = self._integrated, _no_scores(sequences)
        for rows, windows in self._groups(sequences):
            for target in np.unique(targets[rows]).tolist():

                def step(ids: Tensor, target: int = target) -> Tensor:
                    return integrated(ids, target, n_steps)

                chosen = np.flatnonzero(targets[rows] == target)
                part = replace(windows, starts=windows.starts[chosen])
                self._fill_from_kmers(result, rows[chosen], part, step, on_batch)
        return result

    def mutations(
        self, sequences: Sequence[str], targets: Rows, on_batch: OnBatch | None
    ) -> list[Floats]:
        """Return the mean drop of the log odds over the substitutions of a base, `[L]` each.

        Args:
            sequences: `[N]`.
            targets: `[N]`, the output each is explained for.
            on_batch: told how many sequences were done.
        """
        result = _no_scores(sequences)
        for row, (sequence, target) in enumerate(zip(sequences, targets.tolist(), strict=True)):
            if self._tokenizer.n_tokens(len(sequence)):
                _fill(result, np.array([row]), self._drops(sequence, target)[None])
            if on_batch is not None:
                on_batch(1)
        return result

    def _drops(self, sequence: str, target: int) -> Scores:
        """Return the mean drops of the bases that k-mers hold."""
        (_, reference), *_ = windows_by_length([sequence], self._tokenizer)
        mutants = substitutions(sequence)
        before = self._predictor.log_odds(reference, target)
        after = self._predictor.log_odds(mutants.windows(self._tokenizer), target)
        drops = np.full(len(sequence), np.nan)
        drops[mutants.positions[::3]] = (before - after).reshape(-1, 3).mean(1)
        # 0, and NaN between k-mers further apart than k
        held = self._to_bases(np.zeros(reference.n_tokens))
        return drops[: len(held)] + held

    def _groups(self, sequences: Sequence[str]) -> Iterator[tuple[Rows, TokenWindows]]:
        """Yield rows and tokens of some sequences of equal length."""
        for rows, windows in windows_by_length(sequences, self._tokenizer):
            for first, last in chunks(len(rows), _SEQUENCES):
                yield rows[first:last], replace(windows, starts=windows.starts[first:last])

    def _fill_from_kmers(
        self,
        result: list[Floats],
        rows: Rows,
        windows: TokenWindows,
        step: Step,
        on_batch: OnBatch | None,
    ) -> None:
        shape = (len(windows), windows.n_tokens)
        _fill(result, rows, self._to_bases(self._predictor.run(windows, step, shape, on_batch)))

    def _to_bases(self, weights: Scores) -> Scores:
        return to_base_scores(weights, self._tokenizer.k, self._tokenizer.token_stride)


def classifier_of(model: Model) -> SequenceClassifier:
    """Return the network of a BERT of one chunk and one answer, which has attention to show.

    Raises:
        ModelError: the model is of another kind; the hint names what can explain it.
    """
    network, config = model.network, model.network.config
    if isinstance(network, SequenceClassifier):
        return network
    what = f"is a {config.arch} without k-mer vectors and attention"
    if config.long is not None:
        what = f"reads {config.chunks} chunks, each with a [CLS] of its own"
    raise ModelError(f"{model.name} {what}", hint="use --method ism")


def _to_legacy_bases(weights: Scores, tokenizer: Tokenizer, n_tokens: int) -> Scores:
    """Return the original's scores of the bases there are, for rows `[B, T]`."""
    n_missing = n_tokens - weights.shape[1]
    if n_missing < 0:
        raise OptionsError(
            f"--legacy {n_tokens} is too short for a sequence of {weights.shape[1]} tokens with "
            "[CLS] and [SEP]",
            hint="give the --max_seq_length that the original program was run with",
        )
    padded = np.pad(weights, ((0, 0), (0, n_missing)))
    n_bases = tokenizer.n_bases(weights.shape[1] - 2)
    return to_legacy_base_scores(padded, tokenizer.k)[:, :n_bases]


def _no_scores(sequences: Sequence[str]) -> list[Floats]:
    return [np.full(len(one), np.nan, dtype=np.float32) for one in sequences]


def _fill(result: list[Floats], rows: Rows, bases: Scores) -> None:
    """Write scores `[B, L']` to the beginnings of the rows of the result."""
    for row, scores in zip(rows, bases, strict=True):
        result[row][: len(scores)] = scores
