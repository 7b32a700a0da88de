"""How much each base matters to the answer: by attention, by gradients, or by mutation.

- `attention`: the attention of [CLS], summed over heads; in one layer, or rolled out through all.
- `ig`: integrated gradients, what the k-mers add to the log odds of an output.
- `ism`: in-silico mutagenesis, the mean drop of the log odds over a base's three substitutions.

The first two weigh k-mers, and a base is the mean over the k-mers that hold it: at the ends over
fewer, with a token stride over those that are read. [CLS] and [SEP] do not count; a k-mer with an
unknown letter counts as any other. Sequences are read without padding, each as if it were alone.
Log odds are those of `infer.log_odds`.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Self

import numpy as np
import numpy.typing as npt
import torch

from dnabert_cli.config import ComputeConfig, TaskConfig
from dnabert_cli.core.attention import LayerAttention
from dnabert_cli.core.checkpoint import Model
from dnabert_cli.core.ensemble import Ensemble, OnBatch, Probabilities
from dnabert_cli.core.infer import Floats, average
from dnabert_cli.core.model_importance import ModelImportance, classifier_of
from dnabert_cli.errors import DataError, ModelError, OptionsError
from dnabert_cli.explain_config import METHODS, ExplainConfig
from dnabert_cli.sequence.chunks import lay_out

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ImportanceOptions:
    """What is meant by importance."""

    method: str = ExplainConfig.method  # of METHODS
    layer: int | None = None  # of attention, counted from 0; None: the last one
    head: int | None = None  # of attention, counted from 0; None: the sum over all of them
    rollout: bool = False  # of attention: through all layers up to `layer`
    # of attention: the original program's figures, as of this `max_seq_length`; None: the paper's
    legacy: int | None = None
    target: int | None = None  # of ig and ism: an output, from 0; None: see `choose_targets`
    steps: int = ExplainConfig.steps  # of ig: points at which gradients are taken

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        if self.method not in METHODS:
            raise OptionsError(f"--method {self.method} is unknown; known: {', '.join(METHODS)}")
        if self.method != "attention":
            self._refuse_attention()
        elif self.target is not None:
            raise OptionsError(
                "attention belongs to no output, and --target chooses one",
                hint="use --method ig or --method ism",
            )
        if self.rollout and (self.head is not None or self.legacy is not None):
            raise OptionsError("--rollout takes the mean over heads: leave out --head and --legacy")
        if self.steps < 1:
            raise OptionsError("--steps must be at least 1")

    def _refuse_attention(self) -> None:
        of_attention = {
            "--layer": self.layer is not None,
            "--head": self.head is not None,
            "--rollout": self.rollout,
            "--legacy": self.legacy is not None,
        }
        for name, is_given in of_attention.items():
            if is_given:
                raise OptionsError(f"{name} belongs to --method attention, not to {self.method}")


class Importance:
    """Importance to one model, or the mean over several; a context manager, as `Ensemble`.

    Args:
        models: one or more.
        compute: device, precision, threads. Rollout and gradients compute in fp32 whatever the
            precision.
        options: method, and what belongs to it.

    Attributes:
        task: the task parameters of the first model.
        k: the largest k, the length below which a sequence cannot be read.

    Raises:
        ModelError: a model has no such importance, or the models answer different questions.
        OptionsError: a model has no such layer, head or output.
    """

    def __init__(
        self, models: Sequence[Model], compute: ComputeConfig, options: ImportanceOptions
    ) -> None:
        for model in models:
            _check(model, options)
            if model.task.pooling == "mean" and options.method == "attention":
                _log.warning(
                    "%s answers from the mean over its k-mers: the attention of [CLS] in the last "
                    "layer has no part in that",
                    model.name,
                )
        self._options = options
        self._ensemble = Ensemble(models, compute)
        self.task, self.k = self._ensemble.task, self._ensemble.k
        self._models = [
            ModelImportance(model, predictor)
            for model, predictor in zip(models, self._ensemble.predictors, strict=True)
        ]

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
        self._ensemble.__exit__(kind, error, traceback)

    def scores(
        self, sequences: Sequence[str], on_batch: OnBatch | None = None
    ) -> tuple[list[Floats], Probabilities]:
        """Return the importance `[L]` of the bases of each sequence, and the answers `[N, K]`.

        The answers are those of `Ensemble.score_sequences`. NaN where there is no importance:
        throughout a sequence shorter than `k`; at bases that no k-mer holds; with `ism` at letters
        other than A, C, G, T and U. Memory beyond sequences and result does not grow with their
        number; with their length it grows as that of prediction, but for a rollout, which holds
        square matrices of one sequence per worker.

        Args:
            sequences: `[N]`, none longer than a model reads at once.
            on_batch: told how many sequences were done; it follows the first model.

        Raises:
            ModelError: a sequence is longer than a model reads, or memory ran out.
            OptionsError: a sequence is longer than `legacy` says.
        """
        options = self._options
        told = [on_batch, *[None] * (len(self._models) - 1)]
        each = list(zip(self._models, told, strict=True))
        if options.method == "attention" and not options.rollout:
            both = [
                model.attention(sequences, options.layer, options.head, options.legacy, tell)
                for model, tell in each
            ]
            return _average([scores for scores, _ in both]), average([one for _, one in both])
        answers = self._ensemble.score_sequences(sequences)
        if options.method == "attention":
            scores = [model.rollout(sequences, options.layer, tell) for model, tell in each]
            return _average(scores), answers
        targets = choose_targets(self.task, answers, options.target)
        if options.method == "ism":
            scores = [model.mutations(sequences, targets, tell) for model, tell in each]
        else:
            scores = [
                model.gradients(sequences, targets, options.steps, tell) for model, tell in each
            ]
        return _average(scores), answers


def choose_targets(
    task: TaskConfig, answers: Probabilities, target: int | None = None
) -> npt.NDArray[np.int64]:
    """Return the output `[N]` each sequence is explained for.

    Without a target that is the most probable class other than the background, also where the
    background itself is more probable still: scores above 0 then always speak for the class.

    Args:
        task: head and classes.
        answers: `[N, K]`, NaN for sequences without.
        target: one output for all.
    """
    if target is not None:
        return np.full(len(answers), target, dtype=np.int64)
    called = np.array(task.called_classes)
    chosen: npt.NDArray[np.int64] = called[np.nan_to_num(answers[:, called]).argmax(1)]
    return chosen


def attention_heads(
    model: Model, sequence: str, layer: int | None = None
) -> tuple[list[str], Floats]:
    """Return the tokens `[T]` of one sequence and the attention between them `[H, T, T]`.

    Special tokens are included; a row is what a token attends to, and sums to 1. In fp32, in the
    calling thread.

    Args:
        model: a BERT of one chunk and one answer.
        sequence: not longer than the model reads at once.
        layer: counted from 0; `None`: the last one.

    Raises:
        ModelError: the model is of another kind, or the sequence is too long for it.
        OptionsError: there is no such layer.
        DataError: the sequence is shorter than k.
    """
    _check(model, ImportanceOptions(layer=layer))
    network, tokenizer = classifier_of(model), model.tokenizer
    kmers = tokenizer.encode(sequence)[:: tokenizer.token_stride]
    if not len(kmers):
        raise DataError(f"a sequence of {len(sequence)} bases has no k-mer of {tokenizer.k}")
    if model.max_tokens is not None and len(kmers) > model.max_tokens:
        raise ModelError(
            f"a sequence of {len(sequence)} bases has {len(kmers)} tokens; "
            f"{model.name} reads at most {model.max_tokens}",
            hint=f"show at most {tokenizer.n_bases(model.max_tokens)} bases of it",
        )
    ids, _ = lay_out(kmers[None], None)
    kept = LayerAttention(network.config.num_hidden_layers - 1 if layer is None else layer)
    with torch.inference_mode():
        network.encoder(torch.from_numpy(ids), None, kept)
    return [tokenizer.vocabulary[i] for i in ids[0]], kept.weights[0].numpy()


def _average(scores: list[list[Floats]]) -> list[Floats]:
    """Return the mean over models of the scores of each sequence; NaN where one has none."""
    return [average(list(of_sequence)) for of_sequence in zip(*scores, strict=True)]


def _check(model: Model, options: ImportanceOptions) -> None:
    """Refuse what this model cannot be asked."""
    task, config = model.task, model.network.config
    if task.head == "token":
        raise ModelError(
            f"{model.name} answers every base, and importance is importance to one answer",
            hint="use dnabert predict",
        )
    if options.method != "ism":
        classifier_of(model)
    _check_number("--layer", options.layer, "layers", config.num_hidden_layers, model.name)
    _check_number("--head", options.head, "heads", config.num_attention_heads, model.name)
    _check_number("--target", options.target, "outputs", len(task.classes), model.name)
    if options.legacy is not None and task.token_stride > 1:
        raise OptionsError(
            f"--legacy is for models that read every k-mer; the token stride of {model.name} "
            f"is {task.token_stride}"
        )
    has_target = options.target is not None or options.method == "attention"
    if task.head == "regression" and len(task.classes) > 1 and not has_target:
        raise OptionsError(
            f"{model.name} answers with {len(task.classes)} numbers: {', '.join(task.classes)}",
            hint="choose one with --target",
        )


def _check_number(option: str, value: int | None, what: str, n: int, name: str) -> None:
    if value is not None and not 0 <= value < n:
        raise OptionsError(f"{option} {value}: {name} has {n} {what}, counted from 0")
