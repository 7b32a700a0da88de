"""THE prediction loop: windows in, numpy arrays out, in the same order.

On a CPU every core has one single-threaded worker, which is faster and steadier than one worker
with many threads; on a GPU two workers overlap gathering with computing. Micro-batches are cut
from the windows alone, so that the number of workers never changes an answer.
"""

import copy
from collections import deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, nullcontext
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from dnabert_cli.config import CPU_BATCH_TOKENS, GPU_BATCH_TOKENS, ComputeConfig, TaskConfig
from dnabert_cli.core.device import n_threads, resolve_device, resolve_precision
from dnabert_cli.core.fast import FastEncoder, prepare
from dnabert_cli.core.network import Network, SequenceClassifier, mean_over_tokens
from dnabert_cli.errors import ModelError
from dnabert_cli.sequence.kmers import CLS, SEP, Tokenizer
from dnabert_cli.sequence.windows import TokenWindows, chunks

Floats = npt.NDArray[np.float32]
OnBatch = Callable[[int], None]
Step = Callable[[Tensor], Tensor]

_GPU_WORKERS = 2
_AHEAD = 2  # micro-batches waiting per worker: no worker idles, and memory stays bounded


class Predictor:
    """A network made ready to predict; close it, or use it in a `with` statement.

    It works on a snapshot: the caller's network, and its training state, stay as they are.

    Args:
        network: BERT, or a baseline, which runs as it is in fp32.
        task: classes, calibration and k; its precision holds where `compute` says `auto`.
        compute: device, precision, threads and tokens per micro-batch.

    Attributes:
        hidden_size: D, the width of embeddings.

    Raises:
        ModelError: the device is not there.
        OptionsError: the precision does not suit the device.
    """

    def __init__(self, network: Network, task: TaskConfig, compute: ComputeConfig) -> None:
        self.hidden_size = network.config.hidden_size
        self._task = task
        self._is_bert = isinstance(network, SequenceClassifier)
        self._max_tokens = network.config.max_position_embeddings - 2 if self._is_bert else None
        device = resolve_device(compute.device)
        default_tokens = CPU_BATCH_TOKENS if device.type == "cpu" else GPU_BATCH_TOKENS
        self._batch_tokens = compute.batch_tokens or default_tokens
        requested = task.precision if compute.precision == "auto" else compute.precision
        self._backend = _backend(network, device, resolve_precision(requested, device))
        n_workers = n_threads(compute.threads) if device.type == "cpu" else _GPU_WORKERS
        self._ahead = _AHEAD * n_workers
        # The setting belongs to the calling thread: the caller's own is not touched.
        self._pool = ThreadPoolExecutor(
            n_workers, "predict", initializer=torch.set_num_threads, initargs=(1,)
        )

    def probabilities(self, windows: TokenWindows, on_batch: OnBatch | None = None) -> Floats:
        """Return `[B, K]`, one row per window; the raw output where K is 1 (regression).

        Args:
            windows: B windows of equal length.
            on_batch: told, in the calling thread, how many windows each micro-batch held.

        Raises:
            ModelError: the windows are longer than the model reads, or memory ran out.
        """
        return self._run(windows, self._probabilities, len(self._task.classes), on_batch)

    def embeddings(
        self, windows: TokenWindows, pooling: str = "mean", on_batch: OnBatch | None = None
    ) -> Floats:
        """Return `[B, D]` from the last hidden states.

        Args:
            windows: B windows of equal length.
            pooling: `mean` over the k-mers, [CLS] and [SEP] left out, or `cls`.
            on_batch: as in `probabilities`.

        Raises:
            ModelError: as in `probabilities`, or a baseline is asked for its [CLS].
        """
        if pooling == "cls" and not self._is_bert:
            raise ModelError("this baseline has no [CLS] state", hint="use --pooling mean")
        step = self._backend.embed_cls if pooling == "cls" else self._mean_embedding
        return self._run(windows, step, self.hidden_size, on_batch)

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

    def _run(
        self,
        windows: TokenWindows,
        step: Callable[[Tensor], Tensor],
        width: int,
        on_batch: Callable[[int], None] | None = None,
    ) -> Floats:
        """Return `step` of all windows, `[B, width]`."""
        self._check(windows)
        result = np.empty((len(windows), width), dtype=np.float32)
        with closing(self._in_order(windows, step)) as batches:
            for first, rows in batches:
                result[first : first + len(rows)] = rows
                if on_batch is not None:
                    on_batch(len(rows))
        return result

    def _in_order(
        self, windows: TokenWindows, step: Step
    ) -> Generator[tuple[int, Floats], None, None]:
        """Yield the first window and the rows of each micro-batch, in order."""
        size = max(1, self._batch_tokens // (windows.n_tokens + 2))
        waiting: deque[tuple[int, Future[Floats]]] = deque()
        try:
            for first, last in chunks(len(windows), size):
                waiting.append((first, self._pool.submit(_compute, step, windows, first, last)))
                if len(waiting) > self._ahead:
                    begin, future = waiting.popleft()
                    yield begin, future.result()
            while waiting:
                begin, future = waiting.popleft()
                yield begin, future.result()
        finally:  # also after an error or Ctrl-C: leave no work behind
            for _, future in waiting:
                future.cancel()

    def _check(self, windows: TokenWindows) -> None:
        assert windows.n_tokens > 0, "windows without tokens cannot be predicted"
        if self._max_tokens is not None and windows.n_tokens > self._max_tokens:
            k, stride = self._task.k, windows.token_stride
            raise ModelError(
                f"a window of {Tokenizer(k, stride).n_bases(windows.n_tokens)} bases has "
                f"{windows.n_tokens} tokens; this model reads at most {self._max_tokens}",
                hint=f"use windows of at most {self._max_tokens * stride + k - 1} bases",
            )

    def _probabilities(self, ids: Tensor) -> Tensor:
        logits = self._backend(ids).float()
        if logits.shape[1] == 1:
            return logits
        return torch.softmax(logits / self._task.calibration, dim=1)

    def _mean_embedding(self, ids: Tensor) -> Tensor:
        hidden = self._backend.embed(ids)
        # A baseline's columns stand for several bases each: there is no [CLS] to leave out.
        return mean_over_tokens(hidden, None) if self._is_bert else hidden.mean(1)


def average(probabilities: list[Floats]) -> Floats:
    """Return the mean `[B, K]` of the answers of several models to the same windows."""
    mean: Floats = np.stack(probabilities).mean(axis=0, dtype=np.float64).astype(np.float32)
    return mean


class _Backend(Protocol):
    """What computes: `FastEncoder`, or a network under autocast."""

    def __call__(self, ids: Tensor) -> Tensor:
        """Return logits `[B, K]`."""

    def embed(self, ids: Tensor) -> Tensor:
        """Return hidden states `[B, T, D]`."""

    def embed_cls(self, ids: Tensor) -> Tensor:
        """Return the hidden state `[B, D]` of [CLS]."""


class _PlainNetwork:
    """A copy of a network on its device, run as it is, under autocast below fp32."""

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype) -> None:
        assert isinstance(network, nn.Module)
        self._network = copy.deepcopy(network).to(device).eval()
        self._device, self._dtype = device, dtype

    def __call__(self, ids: Tensor) -> Tensor:
        with self._autocast():
            logits: Tensor = self._network(ids.to(self._device))
        return logits

    def embed(self, ids: Tensor) -> Tensor:
        with self._autocast():
            hidden: Tensor = self._network.embed(ids.to(self._device))
        return hidden.float()

    def embed_cls(self, ids: Tensor) -> Tensor:
        return self.embed(ids)[:, 0]

    def _autocast(self) -> torch.autocast | nullcontext[None]:
        if self._dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self._device.type, self._dtype)


def _backend(network: Network, device: torch.device, dtype: torch.dtype) -> _Backend:
    if not isinstance(network, SequenceClassifier):
        return _PlainNetwork(network, device, torch.float32)
    if device.type == "cpu":
        encoder: FastEncoder = prepare(network, dtype)
        return encoder
    return _PlainNetwork(network, device, dtype)


def _compute(step: Step, windows: TokenWindows, first: int, last: int) -> Floats:
    """Gather windows `first` to `last`, add [CLS] and [SEP], and compute (in a worker)."""
    ids = np.empty((last - first, windows.n_tokens + 2), dtype=np.int64)
    ids[:, 0], ids[:, -1] = CLS, SEP
    ids[:, 1:-1] = windows.rows(first, last)
    try:
        with torch.inference_mode():
            rows: Floats = step(torch.from_numpy(ids)).float().cpu().numpy()
    except RuntimeError as error:
        if _is_out_of_memory(error):
            raise ModelError(
                f"out of memory with {ids.size} tokens in a micro-batch",
                hint="lower --batch-tokens",
            ) from error
        raise
    return rows


def _is_out_of_memory(error: RuntimeError) -> bool:
    """Tell whether torch could not allocate, on a GPU or (a plain error there) on the CPU."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)
