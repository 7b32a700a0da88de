"""How strong is an effect, set against effects of random substitutions and against all others?

Everything here takes a stream of any length in constant memory: p-values against n effects drawn
at random, q-values of all p-values that went by, and the ranks of the strongest effects. A size is
how far a score is from 0; NaN is an effect without a score, and counts nowhere.
"""

import heapq
import math

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Key = tuple[int, int]  # number of the record, index of the allele

_ROUNDING = 0.1  # ranks; p-values kept in single precision are still told apart


class EmpiricalNull:
    """Effects of substitutions drawn at random, and how rarely one of them is as strong.

    Args:
        sizes: `[M]`, of the random substitutions; NaN is dropped.

    Attributes:
        n: how many sizes there are, at most M; no p-value is below 1 / (n + 1).

    Raises:
        ValueError: no size is left.
    """

    def __init__(self, sizes: Floats) -> None:
        known = np.asarray(sizes, np.float64)
        self._sizes = np.sort(known[~np.isnan(known)])
        self.n = len(self._sizes)
        if self.n == 0:
            raise ValueError("none of the random substitutions has a score")

    def p_values(self, sizes: Floats) -> Doubles:
        """Return p = (1 + number of random sizes that are at least as large) / (n + 1), `[N]`.

        The one in the numerator is the effect itself: with it, p of an effect that is one more
        random substitution is at most a with probability a or less; without it p could be 0.

        Args:
            sizes: `[N]`; NaN gives NaN.

        Source: North, Curtis and Sham 2002, Am. J. Hum. Genet. 71:439; Phipson and Smyth 2010,
        Stat. Appl. Genet. Mol. Biol. 9:39.
        """
        asked = np.asarray(sizes, np.float64)
        n_reached = self.n - np.searchsorted(self._sizes, asked, side="left")
        return np.where(np.isnan(asked), np.nan, (1 + n_reached) / (self.n + 1))


class StreamedQ:
    """q-values of a stream of p-values that take the values k / (n + 1) only, k = 1 to n + 1.

    They are those of `compare.benjamini_hochberg` over all p-values at once, to the last bit, but
    of the p-values only their counts are kept.

    Args:
        n: of the null (`EmpiricalNull.n`).
    """

    def __init__(self, n: int) -> None:
        self._counts = np.zeros(n + 1, dtype=np.int64)
        self._of_rank: Doubles | None = None  # made when first asked for

    def add(self, p_values: Floats) -> None:
        """Count p-values, `[N]`; NaN do not count as tests."""
        self._of_rank = None
        ranks = self._ranks(np.asarray(p_values, np.float64))
        self._counts += np.bincount(ranks[ranks >= 0], minlength=len(self._counts))

    def q_values(self, p_values: Floats) -> Doubles:
        """Return the q-values, `[N]`, of p-values among those added; NaN stay NaN.

        All p-values must have been added before; asking in pieces gives the same.

        Source: Benjamini and Hochberg 1995, J. R. Stat. Soc. B 57:289.
        """
        if self._of_rank is None:
            self._of_rank = self._table()
        ranks = self._ranks(np.asarray(p_values, np.float64))
        return np.where(ranks >= 0, self._of_rank[ranks], np.nan)

    def _table(self) -> Doubles:
        """Return the q-value of each rank."""
        n_ranks = len(self._counts)
        n_up_to = np.cumsum(self._counts)  # p-values of each rank or a smaller one
        share = n_up_to / max(int(n_up_to[-1]), 1)
        raw = np.full(n_ranks, np.inf)
        np.divide(np.arange(1, n_ranks + 1) / n_ranks, share, out=raw, where=share > 0)
        return np.minimum.accumulate(raw[::-1])[::-1]  # at most that of p = 1, which is 1

    def _ranks(self, p_values: Doubles) -> Numbers:
        """Return k - 1 of p-values k / (n + 1); -1 for NaN."""
        n_ranks = len(self._counts)
        is_known = ~np.isnan(p_values)
        places = np.where(is_known, p_values * n_ranks, 0)
        ranks = np.rint(places).astype(np.int64)
        fits = (ranks >= 1) & (ranks <= n_ranks) & (np.abs(places - ranks) < _ROUNDING)
        assert (fits | ~is_known).all(), f"not p-values of a null of {n_ranks - 1}"
        return ranks - 1


class Strongest:
    """The n largest sizes of a stream; of equal sizes those with the smaller keys.

    Args:
        n: how many are kept, at least 1.
    """

    def __init__(self, n: int) -> None:
        assert n >= 1, f"n {n}"
        self._n = n
        # The weakest comes first, among equal ones the one with the largest key.
        self._heap: list[tuple[float, Key]] = []

    def add(self, size: float, key: Key) -> None:
        """Take the next size; NaN is ignored.

        Args:
            size: how strong the allele is.
            key: number of its record and its index among the alleles; not seen before.
        """
        if math.isnan(size):
            return
        entry = size, (-key[0], -key[1])
        if len(self._heap) < self._n:
            heapq.heappush(self._heap, entry)
        elif entry > self._heap[0]:
            heapq.heapreplace(self._heap, entry)

    def ranks(self) -> dict[Key, int]:
        """Return the rank of each key that was kept, the strongest first; it has rank 1."""
        ordered = sorted(self._heap, reverse=True)
        return {(-key[0], -key[1]): rank for rank, (_, key) in enumerate(ordered, 1)}
