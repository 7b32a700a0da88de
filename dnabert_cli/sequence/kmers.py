"""The tokenizer: bases to k-mer ids and back, and token scores to base scores.

The published vocabulary is five special tokens, then all k-mers over A, T, C, G in that order, so
an id is arithmetic: 5 + sum of digit * 4^(k-1-i) with A 0, T 1, C 2, G 3 (original program,
`vocab.txt`). No dictionary is needed, and the encoder is a handful of numpy operations.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import product

import numpy as np
import numpy.typing as npt

SPECIAL_TOKENS = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
PAD, UNK, CLS, SEP, MASK = range(5)
N_SPECIAL = len(SPECIAL_TOKENS)
BASES = "ATCG"

_INVALID = 255
# Chunks of this many bases keep every intermediate array in the second-level cache.
_CHUNK = 1 << 16

Ids = npt.NDArray[np.uint16]
Scores = npt.NDArray[np.floating]


def _digit_table() -> bytes:
    table = bytearray([_INVALID]) * 256
    for digit, base in enumerate(BASES):
        table[ord(base)] = table[ord(base.lower())] = digit
    table[ord("U")] = table[ord("u")] = BASES.index("T")
    return bytes(table)


_DIGITS = _digit_table()


def digits(sequence: str) -> npt.NDArray[np.uint8]:
    """Return one digit per letter: A 0, T (and U) 1, C 2, G 3, anything else 255 (read-only)."""
    # `bytes.translate` is more than twice as fast as looking up by a numpy array.
    letters = sequence.encode("latin-1", "replace").translate(_DIGITS)
    return np.frombuffer(letters, dtype=np.uint8)


@dataclass(frozen=True)
class Tokenizer:
    """Overlapping k-mers of a sequence as ids of the published vocabulary.

    Attributes:
        k: bases per token.
        token_stride: bases from one token to the next; 1 as published. It does not change
            `encode`, which always gives every k-mer, but which of them form a window.
    """

    k: int
    token_stride: int = 1

    @property
    def vocab_size(self) -> int:
        """Number of ids: 4^k + 5."""
        return int(4**self.k) + N_SPECIAL

    @cached_property
    def vocabulary(self) -> tuple[str, ...]:
        """All tokens in the order of their ids."""
        return SPECIAL_TOKENS + tuple("".join(kmer) for kmer in product(BASES, repeat=self.k))

    def n_tokens(self, n_bases: int) -> int:
        """Number of tokens of a sequence of `n_bases`, [CLS] and [SEP] not counted."""
        return 0 if n_bases < self.k else (n_bases - self.k) // self.token_stride + 1

    def n_bases(self, n_tokens: int) -> int:
        """Number of bases that `n_tokens` cover; the inverse of `n_tokens`."""
        return 0 if n_tokens == 0 else (n_tokens - 1) * self.token_stride + self.k

    def encode(self, sequence: str) -> Ids:
        """Return the id of every k-mer: `[L - k + 1]` uint16, empty when L < k.

        Case does not matter, U is T, and a k-mer with any other letter is [UNK].
        """
        n_kmers = max(len(sequence) - self.k + 1, 0)
        ids = np.empty(n_kmers, dtype=np.uint16)
        for first in range(0, n_kmers, _CHUNK):
            last = min(first + _CHUNK, n_kmers)
            self._encode_chunk(digits(sequence[first : last + self.k - 1]), ids[first:last])
        return ids

    def _encode_chunk(self, chunk: npt.NDArray[np.uint8], ids: Ids) -> None:
        """Write the ids of the k-mers of `chunk [n + k - 1]` digits to `ids [n]`."""
        n_kmers = len(ids)
        invalid = chunk == _INVALID
        wide = (chunk & 3).astype(np.uint16)  # any digit will do where the k-mer becomes [UNK]
        ids[:] = wide[:n_kmers]
        for i in range(1, self.k):
            ids *= 4
            ids += wide[i : i + n_kmers]
        ids += N_SPECIAL
        if invalid.any():
            unknown = invalid[:n_kmers].copy()
            for i in range(1, self.k):
                unknown |= invalid[i : i + n_kmers]
            ids[unknown] = UNK

    def decode(self, ids: Sequence[int] | Ids) -> str:
        """Return the bases behind ids of `encode`; `N` where only [UNK] tells of a base.

        Special tokens other than [UNK] are left out.
        """
        kept = np.asarray(ids, dtype=np.int64)
        kept = kept[(kept == UNK) | (kept >= N_SPECIAL)]
        letters = ["N"] * self._span(len(kept))
        for i, token in enumerate(kept):
            if token != UNK:
                letters[i : i + self.k] = self.vocabulary[token]
        return "".join(letters)

    def _span(self, n_kmers: int) -> int:
        return n_kmers + self.k - 1 if n_kmers else 0


def to_base_scores(token_scores: Scores, k: int, token_stride: int = 1) -> Scores:
    """Turn scores of tokens into scores of bases: the mean over the k-mers that hold the base.

    No dilution at the ends: a base covered by three k-mers is the mean of three.

    Args:
        token_scores: `[..., T]`, special tokens left out.
        k: bases per token.
        token_stride: bases from one token to the next.

    Returns:
        `[..., L]` with L the bases the T tokens cover. NaN for a base that no token covers
        (possible only when `token_stride > k`).

    Source: Ji et al. 2021, section 2.5 (DNABERT-viz).
    """
    n_tokens = token_scores.shape[-1]
    n_bases = Tokenizer(k, token_stride).n_bases(n_tokens)
    sums = np.zeros((*token_scores.shape[:-1], n_bases), dtype=np.float64)
    counts = np.zeros(n_bases, dtype=np.int64)
    for offset in range(k if n_tokens else 0):
        covered = slice(offset, offset + (n_tokens - 1) * token_stride + 1, token_stride)
        sums[..., covered] += token_scores
        counts[covered] += 1
    return np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)


def to_legacy_base_scores(rows: Scores, k: int) -> Scores:
    """Turn attention rows into scores of bases as the original program does, quirks and all.

    Only to reproduce its figures. Unlike `to_base_scores` it counts padding as k-mers (which
    dilutes the right end), loses the last k-mers of a row with little padding or counts [SEP] as
    one, and divides each row by its L2 norm.

    Args:
        rows: `[N, L]`, L the original's `max_seq_length`: [CLS], the k-mers, [SEP], then 0.
        k: bases per token; of token stride 1.

    Returns:
        `[N, L]` float64, NaN throughout for a row of no attention.

    Source: the original program with `--do_visualize`.
    """
    scores = rows[:, 1 : rows.shape[1] - k + 2].astype(np.float64)
    for row in scores:
        # [SEP] is taken to be what stands before the first 0
        ends = np.flatnonzero(row[1:] == 0)
        row[ends[:1]] = 0
    of_bases = to_base_scores(scores, k)
    with np.errstate(invalid="ignore"):
        normalized: Scores = of_bases / np.linalg.norm(of_bases, axis=1, keepdims=True)
    return normalized
