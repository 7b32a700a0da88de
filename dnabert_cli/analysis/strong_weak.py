"""Do strong variants carry an annotation more often than weak ones?

Each value of each annotation is tested by its own table of two by two: strong or weak, with the
value or without it. Memory does not grow with the number of alleles.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
import scipy.stats

from dnabert_cli.analysis.compare import benjamini_hochberg

ANY = "<any>"  # whichever value
OTHERS = "<others>"  # values seen after the first `N_VALUES` distinct ones
N_VALUES = 1000
SEPARATOR = "|"  # between the values of an allele

_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class EnrichmentRow:
    """A test of one value.

    Attributes:
        field: the annotation.
        value: one of its values, `ANY` or `OTHERS`.
        n_strong_with: strong alleles with the value.
        n_strong: strong alleles.
        n_weak_with: weak alleles with the value.
        n_weak: weak alleles.
        odds_ratio: above 1: strong ones have the value more often; see `odds_ratio`.
        p_value: Fisher's exact test, two-sided; NaN without strong or without weak alleles.
        q_value: p-value corrected for the number of single values of all fields; NaN for `ANY`
            and `OTHERS`.
    """

    field: str
    value: str
    n_strong_with: int
    n_strong: int
    n_weak_with: int
    n_weak: int
    odds_ratio: float
    p_value: float
    q_value: float


class StrongWeak:
    """Counts the annotations of strong and of weak alleles.

    Attributes:
        n_strong, n_weak: alleles added.
    """

    def __init__(self) -> None:
        self.n_strong = 0
        self.n_weak = 0
        self._counts: dict[str, dict[str, list[int]]] = {}  # field, value: weak, strong

    def add(self, is_strong: bool, values: Mapping[str, str | None]) -> None:
        """Count an allele.

        Args:
            is_strong: whether its score is strong.
            values: per field its values, separated by `|`; `None` or empty where it has none.
        """
        self.n_strong += is_strong
        self.n_weak += not is_strong
        for field, text in values.items():
            counts = self._counts.setdefault(field, {ANY: [0, 0], OTHERS: [0, 0]})
            if not text:
                continue
            # The two sums take places of their own beside the values.
            is_full = len(counts) >= N_VALUES + 2
            own = {one for one in text.split(SEPARATOR) if one}
            known = {one if one in counts or not is_full else OTHERS for one in own}
            for value in known | {ANY}:
                counts.setdefault(value, [0, 0])[is_strong] += 1

    def rows(self) -> list[EnrichmentRow]:
        """Return the tests: per field, as first added, of any value, then of each by its p-value.

        `OTHERS` comes last, where there are any.
        """
        rows = [row for field in self._counts for row in self._of_field(field)]
        tested = [index for index, row in enumerate(rows) if row.value not in {ANY, OTHERS}]
        q_values = benjamini_hochberg(np.array([rows[index].p_value for index in tested]))
        for index, q_value in zip(tested, q_values.tolist(), strict=True):
            rows[index] = replace(rows[index], q_value=q_value)
        return rows

    def _of_field(self, field: str) -> Iterator[EnrichmentRow]:
        counts = dict(self._counts[field])
        yield self._row(field, ANY, counts.pop(ANY))
        others = counts.pop(OTHERS)
        rows = [self._row(field, value, count) for value, count in counts.items()]
        yield from sorted(rows, key=lambda row: (row.p_value, row.value))
        if any(others):
            yield self._row(field, OTHERS, others)

    def _row(self, field: str, value: str, count: list[int]) -> EnrichmentRow:
        weak, strong = count
        table = (strong, self.n_strong, weak, self.n_weak)
        return EnrichmentRow(field, value, *table, odds_ratio(*table), fisher_p(*table), _NAN)


def odds_ratio(n_strong_with: int, n_strong: int, n_weak_with: int, n_weak: int) -> float:
    """Return the odds of having a value among the strong, divided by those among the weak.

    The ratio of the sample. Where one of the four numbers is 0, 0.5 is added to each of them, so
    that it is finite. NaN where nothing can be compared: no strong or no weak alleles, or all or
    none of them with the value.

    Source: Haldane 1956, Ann. Hum. Genet. 20:309 (the 0.5).
    """
    n_with = n_strong_with + n_weak_with
    if not (n_strong and n_weak and 0 < n_with < n_strong + n_weak):
        return _NAN
    cells = (n_strong_with, n_strong - n_strong_with, n_weak_with, n_weak - n_weak_with)
    a, b, c, d = cells if all(cells) else (cell + 0.5 for cell in cells)
    return a * d / (b * c)


@lru_cache(maxsize=4096)
def fisher_p(n_strong_with: int, n_strong: int, n_weak_with: int, n_weak: int) -> float:
    """Return the p-value of Fisher's exact test, two-sided; NaN without strong or weak alleles.

    Source: Fisher 1935, J. R. Stat. Soc. 98:39.
    """
    if not (n_strong and n_weak):
        return _NAN
    table = [
        [n_strong_with, n_strong - n_strong_with],
        [n_weak_with, n_weak - n_weak_with],
    ]
    return float(scipy.stats.fisher_exact(table).pvalue)
