"""Training rows as token ids, and the batches of a run.

Which rows form which batch is a pure function of (seed, step): a resumed run, and any number of
processes, see the same batches. A batch goes through the network in pieces of rows of about equal
length, so that little of what is computed is padding.
"""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dnabert_cli.sequence.chunks import MAX_TOKENS, lay_out
from dnabert_cli.sequence.kmers import CLS, PAD, SEP, Ids, Tokenizer

Int64s = npt.NDArray[np.int64]
# `[N]` int64 classes, `[N, K]` float32 of 0 and 1, `[N]` float32, or one array per row with a
# label for every base (-100 or NaN where there is none).
Labels = npt.NDArray[Any] | Sequence[npt.NDArray[Any]]

# Rows of a piece have at least this share of the tokens of its longest; short rows may differ by
# this many. Of rows of 5 to 510 tokens, all equally likely, at least 95 % of what is computed is
# real, in about twenty pieces however many the rows.
_SHARE_OF_LONGEST = 0.92
_SHORT_TOKENS = 16
IGNORED = -100  # the class of a base without label, in torch's words


def cut_by_length(n_tokens: Int64s, max_tokens: int) -> list[Int64s]:
    """Cut rows into pieces of about equal length.

    Args:
        n_tokens: `[B]`, tokens of each row.
        max_tokens: of a piece, padding counted; a longer row is a piece of its own.

    Returns:
        Row numbers of each piece; the longest rows come first.
    """
    order = np.argsort(-n_tokens, kind="stable")
    pieces: list[Int64s] = []
    first = 0
    while first < len(order):
        longest = int(n_tokens[order[first]])
        shortest = min(longest * _SHARE_OF_LONGEST, longest - _SHORT_TOKENS)
        n_rows = max(1, max_tokens // longest)
        last = first + 1
        while last < min(first + n_rows, len(order)) and n_tokens[order[last]] >= shortest:
            last += 1
        pieces.append(order[first:last])
        first = last
    return pieces


def pad_rows(rows: Sequence[Ids]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
    """Return ids `[B, T]` with [CLS] and [SEP], and the mask (`None` when equally long)."""
    lengths = np.array([len(row) + 2 for row in rows])
    if lengths.min() == lengths.max():
        return lay_out(np.stack(rows), None)
    ids = np.full((len(rows), lengths.max()), PAD, dtype=np.int64)
    ids[:, 0] = CLS
    for i, row in enumerate(rows):
        ids[i, 1 : lengths[i] - 1] = row
        ids[i, lengths[i] - 1] = SEP
    return ids, (np.arange(ids.shape[1]) < lengths[:, None]).astype(np.int64)


@dataclass(frozen=True)
class LabelledPiece:
    """Rows that go through the network at once.

    Attributes:
        ids: `[B, T]` int64 with [CLS] and [SEP], 0 where padded.
        mask: `[B, T]` int64, 1 where real; `None` when all rows are equally long.
        labels: `[B]` classes or numbers, `[B, K]`, or `[B, L]` per base.
        n_units: rows, or bases that have a label.
    """

    ids: Tensor
    mask: Tensor | None
    labels: Tensor
    n_units: int

    @property
    def n_tokens(self) -> int:
        """Tokens computed."""
        return self.ids.numel()

    def to(self, device: torch.device) -> "LabelledPiece":
        """Return the piece on a device."""
        mask = None if self.mask is None else self.mask.to(device)
        return LabelledPiece(self.ids.to(device), mask, self.labels.to(device), self.n_units)


class LabelledRows:
    """Tokenized sequences with labels.

    With a token stride above 1 the k-mers of a row depend on where reading begins. Each epoch
    begins at a base drawn anew for every row, so that the network learns all of them; prediction
    always begins at the first.

    Args:
        sequences: `[N]`, each at least k bases.
        labels: one per row, or one array per row with a label per base.
        tokenizer: k and token stride.
        n_chunks: of a model for long inputs; `None`: one, as BERT.
        chunk_tokens: in a chunk, [CLS] and [SEP] not counted.
    """

    def __init__(
        self,
        sequences: Sequence[str],
        labels: Labels,
        tokenizer: Tokenizer,
        n_chunks: int | None = None,
        chunk_tokens: int = MAX_TOKENS,
    ) -> None:
        self._rows: list[Ids] = [tokenizer.encode(sequence) for sequence in sequences]
        self._labels = labels
        self._tokenizer = tokenizer
        self._n_chunks, self._chunk_tokens = n_chunks, chunk_tokens

    def __len__(self) -> int:
        """Number of rows."""
        return len(self._rows)

    @property
    def _per_base(self) -> bool:
        return not isinstance(self._labels, np.ndarray)

    def checksum(self) -> str:
        """Return a checksum of the rows, their labels and their order."""
        digest = hashlib.sha256()
        for one in (*(self._labels if self._per_base else [self._labels]), *self._rows):
            digest.update(f"{one.dtype} {one.shape} ".encode() + one.tobytes())
        return digest.hexdigest()

    def n_batches(self, batch_size: int) -> int:
        """Number of batches of an epoch; the last may be smaller."""
        return -(-len(self) // batch_size)

    def batches(
        self, first: int, *, batch_size: int, max_tokens: int, seed: int
    ) -> Iterator[list[LabelledPiece]]:
        """Yield batch `first` and all after it, without end; an epoch has every row once.

        Args:
            first: number of the batch.
            batch_size: rows per batch.
            max_tokens: of a piece.
            seed: decides the order.
        """
        epoch, done = divmod(first, self.n_batches(batch_size))
        while True:
            generator = np.random.default_rng((seed, epoch))
            order = generator.permutation(len(self))
            begins = generator.integers(self._tokenizer.token_stride, size=len(self))
            for begin in range(done * batch_size, len(self), batch_size):
                rows = order[begin : begin + batch_size]
                yield self._pieces(rows, begins[rows], max_tokens)
            epoch, done = epoch + 1, 0

    def _pieces(self, rows: Int64s, begins: Int64s, max_tokens: int) -> list[LabelledPiece]:
        tokens = [
            self._tokens(row, begin)
            for row, begin in zip(rows.tolist(), begins.tolist(), strict=True)
        ]
        n_tokens = np.array([len(row) + 2 for row, _ in tokens])
        if self._n_chunks is not None:  # padding makes them equally long
            n_tokens[:] = self._n_chunks * (self._chunk_tokens + 2)
        return [
            self._piece(rows[chosen], [tokens[i] for i in chosen.tolist()])
            for chosen in cut_by_length(n_tokens, max_tokens)
        ]

    def _tokens(self, row: int, begin: int) -> tuple[Ids, int]:
        """The tokens of a row, and the base they begin at."""
        kmers, stride = self._rows[row], self._tokenizer.token_stride
        if len(kmers) <= begin:  # a row of one token has only one way to be read
            begin = 0
        return kmers[begin::stride], begin

    def _piece(self, rows: Int64s, tokens: list[tuple[Ids, int]]) -> LabelledPiece:
        ids, mask = self._lay_out([row for row, _ in tokens])
        n_units = len(rows)
        if self._per_base:
            labels = self._base_labels(rows, tokens)
            n_units = int(_is_known(labels).sum())
        else:
            labels = self._labels[rows]  # type: ignore[call-overload]  # an array here
        return LabelledPiece(
            torch.from_numpy(ids),
            None if mask is None else torch.from_numpy(mask),
            torch.from_numpy(labels),
            n_units,
        )

    def _lay_out(
        self, tokens: list[Ids]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64] | None]:
        if self._n_chunks is None:
            return pad_rows(tokens)
        ids = np.concatenate(
            [lay_out(row[None], self._n_chunks, self._chunk_tokens)[0] for row in tokens]
        )
        return ids, (ids != PAD).astype(np.int64)

    def _base_labels(self, rows: Int64s, tokens: list[tuple[Ids, int]]) -> npt.NDArray[Any]:
        """`[B, L]`: labels of the bases that the tokens of each row cover."""
        width = self._tokenizer.n_bases(max(len(row) for row, _ in tokens))
        first = self._labels[0]
        missing = IGNORED if first.dtype == np.int64 else np.nan
        labels = np.full((len(rows), width), missing, dtype=first.dtype)
        for i, (row, (held, begin)) in enumerate(zip(rows.tolist(), tokens, strict=True)):
            n_bases = self._tokenizer.n_bases(len(held))
            labels[i, :n_bases] = self._labels[row][begin : begin + n_bases]
        return labels


def _is_known(labels: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    known: npt.NDArray[np.bool_] = (
        labels != IGNORED if labels.dtype == np.int64 else ~np.isnan(labels)
    )
    return known
