"""A Markov model of bases: how well the few bases before a base foretell it.

What a language model of DNA must beat. Bases are digits 0..3 in the order of `kmers.BASES`; the
index of a word is its number in base 4, first base slowest.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from dnabert_cli.sequence.kmers import BASES

MAX_ORDER = 11  # 4^12 counts

Digits = npt.NDArray[np.uint8]
Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]

_N_BASES = len(BASES)
_CHUNK = 1 << 20  # bases counted at a time: memory stays bounded on a chromosome


@dataclass(frozen=True)
class MarkovModel:
    """The probability of a base given the bases before it in its piece.

    Attributes:
        tables: one per order 0, 1, ..., m: `[4^(order + 1)]`, -log2 P(last base | the others) of
            every word of order + 1 bases.
    """

    tables: tuple[Floats, ...]

    @property
    def order(self) -> int:
        """The number m of bases that are looked back at."""
        return len(self.tables) - 1

    @classmethod
    def fit(cls, pieces: Iterable[Digits], order: int = 5) -> Self:
        """Count words and add one to each count.

        Args:
            pieces: `[L]` digits each; a word never spans two pieces. Unknown bases (255) have to
                be cut out before.
            order: m, from 0 to 11.
        """
        assert 0 <= order <= MAX_ORDER, f"order {order}"
        counts = [np.zeros(_N_BASES ** (i + 1), dtype=np.int64) for i in range(order + 1)]
        for piece in pieces:
            assert _is_known(piece), "a piece holds an unknown base"
            for i, word in enumerate(_prefixes(piece, order)):
                counts[i][word] += 1
            for first in range(0, len(piece) - order, _CHUNK):
                words = _words(piece[first : first + _CHUNK + order], order + 1)
                counts[order] += np.bincount(words, minlength=len(counts[order]))
        # A word is preceded by one of four bases, or begins its piece (counted above).
        for i in reversed(range(order)):
            counts[i] += counts[i + 1].reshape(_N_BASES, -1).sum(0)
        return cls(tuple(_bits(one) for one in counts))

    def bits(self, piece: Digits) -> Floats:
        """Return -log2 P(base | up to m bases before it) of every base of a piece, `[L]`.

        The first m bases have fewer before them and are judged by the lower orders.

        Args:
            piece: `[L]` digits 0..3.
        """
        assert _is_known(piece), "a piece holds an unknown base"
        result = np.empty(len(piece))
        for i, word in enumerate(_prefixes(piece, self.order)):
            result[i] = self.tables[i][word]
        if len(piece) > self.order:
            result[self.order :] = self.tables[-1][_words(piece, self.order + 1)]
        return result


def _is_known(piece: Digits) -> bool:
    return len(piece) == 0 or int(piece.max()) < _N_BASES


def _prefixes(piece: Digits, n: int) -> Sequence[int]:
    """The index of the first base, of the first two, ..., of the first n, as far as there are."""
    words, word = [], 0
    for digit in piece[:n].tolist():
        word = word * _N_BASES + digit
        words.append(word)
    return words


def _words(piece: Digits, n: int) -> _Ints:
    """The index of every word of n bases, `[L - n + 1]`; L is at least n."""
    n_words = len(piece) - n + 1
    words = piece[:n_words].astype(np.int64)
    for i in range(1, n):
        words *= _N_BASES
        words += piece[i : i + n_words]
    return words


def _bits(counts: _Ints) -> Floats:
    """-log2 P(last base | the others) from counts of words, one added to each."""
    smoothed = counts.reshape(-1, _N_BASES) + 1.0
    bits: Floats = -np.log2(smoothed / smoothed.sum(1, keepdims=True)).ravel()
    return bits
