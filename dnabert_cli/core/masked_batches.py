"""Batches of pre-training: pieces of the corpus as tokens, some of them hidden."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from dnabert_cli.core.batches import cut_by_length
from dnabert_cli.errors import DataError
from dnabert_cli.sequence.corpus import Corpus, PieceRules, Pieces, batches
from dnabert_cli.sequence.kmers import CLS, MASK, N_SPECIAL, PAD, SEP, Tokenizer
from dnabert_cli.sequence.masking import (
    corrupt,
    hidden_bases,
    original_mask,
    span_length,
    span_mask,
)

Int64s = npt.NDArray[np.int64]
Digits = npt.NDArray[np.uint8]

# Streams of random numbers beside those of `sequence.corpus`, which are (seed, epoch, 0 to 3).
_MASKING, _HELD_OUT_MASKING = 4, 5
# How often hiding is tried again when chance has hidden no token of a batch.
_MOST_DRAWS = 1000


@dataclass(frozen=True)
class MaskedPiece:
    """Rows that go through the network at once.

    Attributes:
        ids: `[B, T]` int64 as the network sees them, [CLS] first, [SEP] last, 0 where padded.
        mask: `[B, T]` int64, 1 where real; `None` when all rows are equally long.
        positions: `[M]` int64, hidden tokens as indices into the B x T.
        labels: `[M]` int64, what stood there.
        n_real: tokens that are not padding.
    """

    ids: Tensor
    mask: Tensor | None
    positions: Tensor
    labels: Tensor
    n_real: int

    @property
    def n_units(self) -> int:
        """Hidden tokens."""
        return len(self.labels)

    @property
    def n_tokens(self) -> int:
        """Tokens computed."""
        return self.ids.numel()

    def to(self, device: torch.device) -> "MaskedPiece":
        """Return the piece on a device."""
        mask = None if self.mask is None else self.mask.to(device)
        return MaskedPiece(
            self.ids.to(device),
            mask,
            self.positions.to(device),
            self.labels.to(device),
            self.n_real,
        )


@dataclass(frozen=True, kw_only=True)
class Masking:
    """How tokens are hidden.

    Attributes:
        share: of the tokens.
        late_share: of the tokens, from step `late_from` on.
        late_from: step; `None`: `share` all the time.
        original: around random centres as the original program, instead of whole spans; `share`
            is then the probability of a centre.
    """

    share: float = 0.15
    late_share: float = 0.2
    late_from: int | None = None
    original: bool = False

    def at(self, step: int) -> float:
        """Return the share at a step."""
        return self.share if self.late_from is None or step < self.late_from else self.late_share


class MaskedRows:
    """Batches of a corpus.

    Args:
        corpus: where pieces come from.
        rules: how they are cut; lengths in whole tokens of the tokenizer.
        tokenizer: k and token stride.
        masking: how tokens are hidden.
        seed: decides everything.
    """

    def __init__(
        self,
        corpus: Corpus,
        rules: PieceRules,
        tokenizer: Tokenizer,
        masking: Masking,
        seed: int,
    ) -> None:
        self._corpus, self._rules, self._tokenizer = corpus, rules, tokenizer
        self._masking, self._seed = masking, seed

    def batches(
        self, first: int, *, batch_size: int, max_tokens: int
    ) -> Iterator[list[MaskedPiece]]:
        """Yield batch `first` and all after it, without end, each as pieces of `max_tokens`."""
        for step, pieces in batches(self._corpus, self._rules, batch_size, self._seed, first):
            generator = np.random.default_rng((self._seed, step, _MASKING))
            n_tokens = count_tokens(pieces, self._tokenizer)
            for _ in range(_MOST_DRAWS):
                made = [
                    self._piece(pieces[rows], n_tokens[rows], step, generator)
                    for rows in cut_by_length(n_tokens + 2, max_tokens)
                ]
                if any(piece.n_units for piece in made):  # a small batch may have hidden none
                    break
            else:
                raise DataError(f"nothing was hidden in batch {step}", hint="raise --mask-share")
            yield [piece for piece in made if piece.n_units]

    def _piece(
        self, pieces: Pieces, n_tokens: Int64s, step: int, generator: np.random.Generator
    ) -> MaskedPiece:
        tokens = encode_rows(read_rows(self._corpus, pieces), self._tokenizer)
        hidden = self._hide(n_tokens, step, generator)
        first_random = 0 if self._masking.original else N_SPECIAL
        seen = corrupt(
            tokens, hidden, self._tokenizer.vocab_size, generator, first_random=first_random
        )
        return lay_out_masked(tokens, seen, hidden, n_tokens)

    def _hide(
        self, n_tokens: Int64s, step: int, generator: np.random.Generator
    ) -> npt.NDArray[np.bool_]:
        share, tokenizer = self._masking.at(step), self._tokenizer
        if self._masking.original:
            return original_mask(n_tokens, tokenizer.k, share, generator)
        span = span_length(tokenizer.k, tokenizer.token_stride)
        return span_mask(n_tokens, span, share, generator)


def count_tokens(pieces: Pieces, tokenizer: Tokenizer) -> Int64s:
    """Return `[B]`, the tokens of each piece, [CLS] and [SEP] not counted."""
    n_bases = pieces.n_bases.astype(np.int64)
    return (n_bases - tokenizer.k) // tokenizer.token_stride + 1


def read_rows(corpus: Corpus, pieces: Pieces) -> Digits:
    """Return digits `[B, L]` of pieces on their strand; what lies behind a shorter one is junk."""
    rows = corpus.rows(pieces.starts, int(pieces.n_bases.max()))
    for row in np.flatnonzero(pieces.reverse).tolist():
        n_bases = pieces.n_bases[row]
        rows[row, :n_bases] = rows[row, :n_bases][::-1] ^ 1  # the complement of a digit
    return rows


def encode_rows(rows: Digits, tokenizer: Tokenizer) -> Int64s:
    """Return the ids `[B, T]` of the tokens of digits `[B, L]`."""
    n_tokens = tokenizer.n_tokens(rows.shape[1])
    ids = np.zeros((len(rows), n_tokens), dtype=np.int64)
    for i in range(tokenizer.k):
        last = i + (n_tokens - 1) * tokenizer.token_stride + 1
        ids *= 4
        ids += rows[:, i : last : tokenizer.token_stride]
    return ids + N_SPECIAL


def lay_out_masked(
    tokens: Int64s, seen: Int64s, hidden: npt.NDArray[np.bool_], n_tokens: Int64s
) -> MaskedPiece:
    """Put [CLS], [SEP] and padding around tokens `[B, T]`.

    Args:
        tokens: as they are.
        seen: as the network sees them.
        hidden: which of them it has to tell.
        n_tokens: `[B]`, how many of a row are real.
    """
    n_rows, width = tokens.shape
    ids = np.full((n_rows, width + 2), PAD, dtype=np.int64)
    ids[:, 0] = CLS
    real = np.arange(width) < n_tokens[:, None]
    ids[:, 1:-1][real] = seen[real]
    ids[np.arange(n_rows), n_tokens + 1] = SEP
    rows, columns = np.nonzero(hidden)
    mask = None
    if not real.all():
        mask = torch.from_numpy((np.arange(width + 2) < n_tokens[:, None] + 2).astype(np.int64))
    return MaskedPiece(
        torch.from_numpy(ids),
        mask,
        torch.from_numpy(rows * (width + 2) + columns + 1),
        torch.from_numpy(tokens[rows, columns]),
        int(n_tokens.sum()) + 2 * n_rows,
    )


@dataclass(frozen=True)
class HeldOut:
    """Pieces to judge by: every hidden token is [MASK], and which bases that hides is known.

    Attributes:
        pieces: what the network reads.
        digits: `[B, L]` per piece, the bases.
        n_hidden: `[B, L]` per piece, how many hidden tokens hold the base and no visible one.
    """

    pieces: list[MaskedPiece]
    digits: list[Digits]
    n_hidden: list[Int64s]

    @property
    def n_base_tokens(self) -> int:
        """Hidden bases, each counted once per hidden token that holds it."""
        return int(sum(one.sum() for one in self.n_hidden))


def hold_out_pieces(
    corpus: Corpus,
    rules: PieceRules,
    tokenizer: Tokenizer,
    *,
    n_pieces: int,
    max_tokens: int,
    seed: int,
    share: float = 0.15,
) -> HeldOut:
    """Return the same pieces of a held-out corpus every time, in spans of [MASK] alone."""
    rules = replace(rules, weights=(), sampled_share=0.0, reverse=False)
    _, pieces = next(batches(corpus, rules, n_pieces, seed))
    n_tokens = count_tokens(pieces, tokenizer)
    k, stride = tokenizer.k, tokenizer.token_stride
    generator = np.random.default_rng((seed, 0, _HELD_OUT_MASKING))
    found = HeldOut([], [], [])
    while not found.pieces:  # of few pieces none may have a hidden token
        for rows in cut_by_length(n_tokens + 2, max_tokens):
            hidden = span_mask(n_tokens[rows], span_length(k, stride), share, generator)
            if not hidden.any():
                continue
            bases = read_rows(corpus, pieces[rows])
            tokens = encode_rows(bases, tokenizer)
            seen = np.where(hidden, MASK, tokens)
            n_hidden = hidden_bases(hidden, n_tokens[rows], k, stride)
            found.pieces.append(lay_out_masked(tokens, seen, hidden, n_tokens[rows]))
            found.digits.append(bases[:, : n_hidden.shape[1]])
            found.n_hidden.append(n_hidden)
    return found
