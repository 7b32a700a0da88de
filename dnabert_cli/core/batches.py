"""Training rows as token ids, and the batches of an epoch.

Which rows form which batch is a pure function of (seed, epoch): a resumed run, and any number of
workers, see the same batches.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dnabert_cli.sequence.kmers import CLS, PAD, SEP, Ids, Tokenizer


@dataclass(frozen=True)
class Batch:
    """Rows of one optimisation step.

    Attributes:
        ids: `[B, T]` int64 with [CLS] and [SEP], 0 where padded.
        mask: `[B, T]` int64, 1 where real; `None` when all rows are equally long.
        labels: `[B]` int64.
    """

    ids: Tensor
    mask: Tensor | None
    labels: Tensor

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.ids)

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on a device."""
        mask = None if self.mask is None else self.mask.to(device)
        return Batch(self.ids.to(device), mask, self.labels.to(device))

    def pieces(self, n_rows: int) -> Iterator["Batch"]:
        """Yield the batch in pieces of at most `n_rows`, for gradient accumulation."""
        for first in range(0, len(self), n_rows):
            rows = slice(first, first + n_rows)
            mask = None if self.mask is None else self.mask[rows]
            yield Batch(self.ids[rows], mask, self.labels[rows])


class LabelledRows:
    """Tokenized sequences with class numbers.

    With a token stride above 1 the k-mers of a row depend on where reading begins. Each epoch
    begins at a base drawn anew for every row, so that the network learns all of them; prediction
    always begins at the first.

    Args:
        sequences: `[N]`, each at least k bases.
        labels: `[N]` int64.
        tokenizer: k and token stride.
    """

    def __init__(
        self, sequences: Sequence[str], labels: npt.NDArray[np.int64], tokenizer: Tokenizer
    ) -> None:
        self._rows: list[Ids] = [tokenizer.encode(sequence) for sequence in sequences]
        self._labels = labels
        self._stride = tokenizer.token_stride

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._rows)

    def checksum(self) -> str:
        """Return a checksum of the rows and their order."""
        digest = hashlib.sha256(self._labels.tobytes())
        for row in self._rows:
            digest.update(row.tobytes() + b"/")
        return digest.hexdigest()

    @property
    def max_tokens(self) -> int:
        """Tokens of the longest row, [CLS] and [SEP] counted."""
        return max(len(row[:: self._stride]) for row in self._rows) + 2

    def n_batches(self, batch_size: int) -> int:
        """Number of batches of an epoch; the last may be smaller."""
        return -(-len(self) // batch_size)

    def epoch(self, epoch: int, *, batch_size: int, seed: int) -> Iterator[Batch]:
        """Yield the batches of an epoch: every row once, in an order of (seed, epoch) alone."""
        generator = np.random.default_rng((seed, epoch))
        order = generator.permutation(len(self))
        begins = generator.integers(self._stride, size=len(self))
        for first in range(0, len(self), batch_size):
            rows = order[first : first + batch_size]
            yield self._batch(rows, begins[rows])

    def _batch(self, rows: npt.NDArray[np.int64], begins: npt.NDArray[np.int64]) -> Batch:
        tokens = [
            # a row of one token has only one way to be read
            self._rows[row][begin :: self._stride]
            if len(self._rows[row]) > begin
            else self._rows[row][:: self._stride]
            for row, begin in zip(rows, begins, strict=True)
        ]
        lengths = np.array([len(row) + 2 for row in tokens])
        ids = np.full((len(rows), lengths.max()), PAD, dtype=np.int64)
        ids[:, 0] = CLS
        for i, row in enumerate(tokens):
            ids[i, 1 : lengths[i] - 1] = row
            ids[i, lengths[i] - 1] = SEP
        mask = None
        if lengths.min() != lengths.max():
            mask = torch.from_numpy((np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64))
        return Batch(torch.from_numpy(ids), mask, torch.from_numpy(self._labels[rows]))
