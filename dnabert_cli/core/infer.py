"""THE prediction loop: windows in, numpy arrays out, in the same order.

On a CPU every core has one single-threaded worker, which is faster and steadier than one worker
with many threads; on a GPU two workers overlap gathering with computing. Micro-batches are cut
from the windows alone, so that the number of workers never changes an answer.
"""

from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dnabert_cli.config import CPU_BATCH_TOKENS, GPU_BATCH_TOKENS, ComputeConfig, TaskConfig
from dnabert_cli.core.backends import PlainNetwork, backend_for
from dnabert_cli.core.device import (
    is_out_of_memory,
    n_threads,
    resolve_device,
    resolve_precision,
)
from dnabert_cli.core.fast import FastEncoder
from dnabert_cli.core.network import Network, max_tokens, mean_over_tokens
from dnabert_cli.errors import ModelError
from dnabert_cli.sequence.chunks import lay_out
from dnabert_cli.sequence.kmers import CLS, PAD, SEP, Ids, Tokenizer
from dnabert_cli.sequence.windows import chunks

Floats = npt.NDArray[np.float32]
OnBatch = Callable[[int], None]
Step = Callable[[Tensor], Tensor]

_GPU_WORKERS = 2
_AHEAD = 2  # micro-batches waiting per worker: no worker idles, and memory stays bounded


class Windows(Protocol):
    """What the loop reads: rows of equally many tokens, made when they are asked for."""

    @property
    def n_tokens(self) -> int:
        """Tokens per window, [CLS] and [SEP] not counted."""

    @property
    def token_stride(self) -> int:
        """Bases from one token to the next."""

    def __len__(self) -> int:
        """Number of windows."""

    def rows(self, first: int, last: int) -> Ids:
        """Return the ids of windows `first` to `last` (exclusive), `[last - first, T]`."""


class Predictor:
    """A network made ready to predict; close it, or use it in a `with` statement.

    It works on a snapshot: the caller's network, and its training state, stay as they are.

    Args:
        network: BERT, or a baseline, which runs as it is in fp32.
        task: head, classes, calibration, k; its precision holds where `compute` says `auto`.
        compute: device, precision, threads and tokens per micro-batch.

    Attributes:
        hidden_size: D, the width of embeddings.
        device: where it computes.

    Raises:
        ModelError: the device is not there.
        OptionsError: the precision does not suit the device.
    """

    def __init__(self, network: Network, task: TaskConfig, compute: ComputeConfig) -> None:
        self._config = network.config
        self.hidden_size = network.config.hidden_size
        self._task = task
        self._max_tokens = max_tokens(network.config)
        self.device = device = resolve_device(compute.device)
        default_tokens = CPU_BATCH_TOKENS if device.type == "cpu" else GPU_BATCH_TOKENS
        self._batch_tokens = compute.batch_tokens or default_tokens
        requested = task.precision if compute.precision == "auto" else compute.precision
        self._backend = backend_for(network, device, resolve_precision(requested, device))
        n_workers = n_threads(compute.threads) if device.type == "cpu" else _GPU_WORKERS
        self._ahead = _AHEAD * n_workers
        # The setting belongs to the calling thread: the caller's own is not touched.
        self._pool = ThreadPoolExecutor(
            n_workers, "predict", initializer=torch.set_num_threads, initargs=(1,)
        )

    def probabilities(self, windows: Windows, on_batch: OnBatch | None = None) -> Floats:
        """Return `[B, K]`, one row per window.

        Head `class`: they sum to 1; `multi-label`: each between 0 and 1; `regression`: the raw
        numbers.

        Args:
            windows: B windows of equal length.
            on_batch: told, in the calling thread, how many windows each micro-batch held.

        Raises:
            ModelError: the windows are longer than the model reads, or memory ran out.
        """
        assert self._task.head != "token", "this model answers per base: see base_scores"
        shape = (len(windows), len(self._task.classes))
        return self.run(windows, self._answers, shape, on_batch)

    def base_scores(self, windows: Windows, on_batch: OnBatch | None = None) -> Floats:
        """Return `[B, L, K]`, one row per base that the tokens of a window cover.

        With several classes probabilities that sum to 1, with one the raw number; NaN for a base
        that no k-mer holds (between k-mers further apart than k).

        Args:
            windows: as in `probabilities`.
            on_batch: as in `probabilities`.

        Raises:
            ModelError: as in `probabilities`.
        """
        assert self._task.head == "token", "this model has one answer: see probabilities"
        k, stride = self._task.k, self._task.token_stride
        n_bases = Tokenizer(k, stride).n_bases(windows.n_tokens)
        shape = (len(windows), n_bases, len(self._task.classes))
        scores = self.run(windows, self._answers, shape, on_batch)
        scores[:, np.arange(n_bases) % stride >= k] = np.nan
        return scores

    def embeddings(
        self, windows: Windows, pooling: str = "mean", on_batch: OnBatch | None = None
    ) -> Floats:
        """Return `[B, D]` from the last hidden states.

        Args:
            windows: B windows of equal length.
            pooling: `mean` over the k-mers, [CLS] and [SEP] left out, or `cls`.
            on_batch: as in `probabilities`.

        Raises:
            ModelError: as in `probabilities`, or a model without one [CLS] is asked for it.
        """
        if pooling == "cls" and self._config.arch != "bert":
            raise ModelError("this baseline has no [CLS] state", hint="use --pooling mean")
        if pooling == "cls" and self._config.long is not None:
            raise ModelError(
                "this model has a [CLS] state per chunk, not one", hint="use --pooling mean"
            )
        step = self._backend.embed_cls if pooling == "cls" else self._mean_embedding
        return self.run(windows, step, (len(windows), self.hidden_size), on_batch)

    def with_cls_attention(
        self,
        windows: Windows,
        layer: int | None = None,
        head: int | None = None,
        on_batch: OnBatch | None = None,
    ) -> tuple[Floats, Floats]:
        """Return the answers `[B, K]` and the attention of [CLS] `[B, T + 2]`, in one pass.

        The answers are those of `probabilities`. Attention is to [CLS], the T tokens and [SEP].

        Args:
            windows: as in `probabilities`; the model is a BERT of one chunk and one answer.
            layer: counted from 0; `None`: the last one.
            head: counted from 0; `None`: the sum over all of them.
            on_batch: as in `probabilities`.

        Raises:
            ModelError: as in `probabilities`.
        """
        backend, n_outputs = self._backend, len(self._task.classes)
        assert isinstance(backend, FastEncoder | PlainNetwork), "this network has no [CLS] row"

        def step(ids: Tensor) -> Tensor:
            logits, row = backend.with_cls_attention(ids, layer)
            weights = row.sum(1) if head is None else row[:, head]
            return torch.cat((self._read(logits.float()), weights), dim=1)

        shape = (len(windows), n_outputs + windows.n_tokens + 2)
        both = self.run(windows, step, shape, on_batch)
        return both[:, :n_outputs], both[:, n_outputs:]

    def log_odds(self, windows: Windows, target: int, on_batch: OnBatch | None = None) -> Floats:
        """Return `[B]`, how much the model favours one of its outputs (see `log_odds`).

        Args:
            windows: as in `probabilities`.
            target: index of the output.
            on_batch: as in `probabilities`.

        Raises:
            ModelError: as in `probabilities`.
        """
        return self.run(
            windows,
            lambda ids: log_odds(self._backend(ids).float(), self._task, target),
            (len(windows),),
            on_batch,
        )

    def close(self) -> None:
        """Stop the workers; micro-batches that have not begun are dropped."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def __enter__(self) -> Self:
        """Return the predictor."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop the workers."""
        self.close()

    def run(
        self,
        windows: Windows,
        step: Step,
        shape: tuple[int, ...],
        on_batch: OnBatch | None,
    ) -> Floats:
        """Return `step` of all windows, of `shape [B, ...]`.

        Args:
            windows: B windows of equal length.
            step: from ids `[b, T]`, on the CPU, to `[b, ...]`; several threads call it.
            shape: of the result.
            on_batch: as in `probabilities`.

        Raises:
            ModelError: as in `probabilities`.
        """
        self._check(windows)
        result = np.empty(shape, dtype=np.float32)
        with closing(self._in_order(windows, step)) as batches:
            for first, rows in batches:
                result[first : first + len(rows)] = rows
                if on_batch is not None:
                    on_batch(len(rows))
        return result

    def _in_order(self, windows: Windows, step: Step) -> Generator[tuple[int, Floats], None, None]:
        """Yield the first window and the rows of each micro-batch, in order."""
        size = max(1, self._batch_tokens // self._n_columns(windows))
        waiting: deque[tuple[int, Future[Floats]]] = deque()
        try:
            for first, last in chunks(len(windows), size):
                rows = self._pool.submit(self._compute, step, windows, first, last)
                waiting.append((first, rows))
                if len(waiting) > self._ahead:
                    begin, future = waiting.popleft()
                    yield begin, future.result()
            while waiting:
                begin, future = waiting.popleft()
                yield begin, future.result()
        finally:  # also after an error or Ctrl-C: leave no work behind
            for _, future in waiting:
                future.cancel()

    def _check(self, windows: Windows) -> None:
        assert windows.n_tokens > 0, "windows without tokens cannot be predicted"
        if self._max_tokens is not None and windows.n_tokens > self._max_tokens:
            k, stride = self._task.k, windows.token_stride
            raise ModelError(
                f"a window of {Tokenizer(k, stride).n_bases(windows.n_tokens)} bases has "
                f"{windows.n_tokens} tokens; this model reads at most {self._max_tokens}",
                hint=f"use windows of at most {self._max_tokens * stride + k - 1} bases",
            )

    def _n_columns(self, windows: Windows) -> int:
        """Tokens of one window with all that is put around them."""
        if self._config.long is None:
            return windows.n_tokens + 2
        return self._config.chunks * self._config.max_position_embeddings

    def _compute(self, step: Step, windows: Windows, first: int, last: int) -> Floats:
        """Gather windows `first` to `last`, lay them out, and compute (in a worker)."""
        n_chunks = None if self._config.long is None else self._config.chunks
        # what is padded can be told from the ids
        ids, _ = lay_out(
            windows.rows(first, last), n_chunks, self._config.max_position_embeddings - 2
        )
        try:
            with torch.inference_mode():
                rows: Floats = step(torch.from_numpy(ids)).float().cpu().numpy()
        except RuntimeError as error:
            if is_out_of_memory(error):
                raise ModelError(
                    f"out of memory with {ids.size} tokens in a micro-batch",
                    hint="lower --batch-tokens",
                ) from error
            raise
        return rows

    def _answers(self, ids: Tensor) -> Tensor:
        return self._read(self._backend(ids).float())

    def _read(self, logits: Tensor) -> Tensor:
        """Return what the logits say, `[B, K]` or `[B, L, K]`."""
        task = self._task
        if task.head == "regression" or (task.head == "token" and len(task.classes) == 1):
            return logits
        logits = logits / task.calibration
        return logits.sigmoid() if task.head == "multi-label" else logits.softmax(-1)

    def _mean_embedding(self, ids: Tensor) -> Tensor:
        hidden = self._backend.embed(ids)
        if self._config.arch != "bert":
            # A baseline's columns stand for several bases each: there is no [CLS] to leave out.
            return hidden.mean(1)
        if self._config.long is None:
            return mean_over_tokens(hidden, None)
        ids = ids.to(hidden.device)
        kmers = ((ids != PAD) & (ids != CLS) & (ids != SEP))[..., None]
        return (hidden * kmers).sum(1) / kmers.sum(1)


def average(probabilities: list[Floats]) -> Floats:
    """Return the mean `[B, K]` of the answers of several models to the same windows."""
    mean: Floats = np.stack(probabilities).mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


def log_odds(logits: Tensor, task: TaskConfig, target: int) -> Tensor:
    """Return `[B]` of logits `[B, K]`: ln p / (1 - p) of one output, calibrated.

    Head `class`: the output's logit minus the log of the summed exponentials of the others, which
    of two classes is the difference of their logits; it never saturates, as p does. `multi-label`:
    the logit itself. `regression`: the number itself.
    """
    if task.head == "regression":
        return logits[:, target]
    logits = logits / task.calibration
    if task.head == "multi-label":
        return logits[:, target]
    others = [i for i in range(len(task.classes)) if i != target]
    return logits[:, target] - logits[:, others].logsumexp(1)
