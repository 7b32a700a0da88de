"""Is one system better than another? Tests on the same rows, and over data sets.

Rows of one table: `mcnemar`, `delong`, `bootstrap`. A figure of several data sets: `wilcoxon`
for two systems, `kruskal_wallis` for more. Many tests at once: `benjamini_hochberg`. All tests
are two-sided, all intervals 95 %.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy.stats
from statsmodels.stats import contingency_tables
from statsmodels.stats.multitest import multipletests

from dnabert_cli.analysis.figures import LEVEL, Compared, percentile_interval, resampled

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

_NAN = float("nan")
_Z = float(scipy.stats.norm.ppf((1 + LEVEL) / 2))
_DIGITS = 12  # differences that are equal but for rounding are ties


@dataclass(frozen=True)
class Comparison:
    """What a test found for systems a and b.

    Attributes:
        test: its name.
        figure: what is compared.
        difference: a - b; NaN where there is none.
        low, high: the 95 % interval of the difference; NaN where there is none.
        statistic: of the test, NaN where it has none.
        p_value: two-sided.
    """

    test: str
    figure: str
    difference: float
    low: float
    high: float
    statistic: float
    p_value: float


def mcnemar(correct_a: Bools, correct_b: Bools) -> Comparison:
    """Compare two accuracies on the same rows: McNemar's exact test.

    The statistic is the smaller of the two numbers of rows that only one system gets right; p is
    1 where there is no such row.

    Args:
        correct_a: `[N]`, is the prediction of a row right?
        correct_b: the same for system b.

    Source: McNemar 1947, Psychometrika 12:153. The interval is the adjusted Wald interval of
    Bonett and Price 2012, J. Educ. Behav. Stat. 37:479: one row more for either system.
    """
    n_rows = len(correct_a)
    only_a, only_b = int((correct_a & ~correct_b).sum()), int((correct_b & ~correct_a).sum())
    tested = contingency_tables.mcnemar([[0, only_a], [only_b, 0]], exact=True)
    difference, low, high = _NAN, _NAN, _NAN
    if n_rows:
        difference = (only_a - only_b) / n_rows
        share_a, share_b = (only_a + 1) / (n_rows + 2), (only_b + 1) / (n_rows + 2)
        middle = share_a - share_b
        half = _Z * float(np.sqrt((share_a + share_b - middle**2) / (n_rows + 2)))
        low, high = max(middle - half, -1.0), min(middle + half, 1.0)
    statistic, p_value = float(tested.statistic), float(tested.pvalue)
    return Comparison("mcnemar", "accuracy", difference, low, high, statistic, p_value)


def delong(positive: Bools, scores_a: Floats, scores_b: Floats) -> Comparison:
    """Compare two AUROC on the same rows.

    The statistic is z. Where the difference does not vary, p is 1 if it is 0, else 0. With one
    row only of a class its variance is unknown and interval, z and p are NaN; all is NaN where
    a class is missing or a score is NaN.

    Args:
        positive: `[N]`.
        scores_a: `[N]`.
        scores_b: `[N]`, of the same rows.

    Source: DeLong, DeLong and Clarke-Pearson 1988, Biometrics 44:837, by the ranks of Sun and
    Xu 2014, IEEE Signal Process. Lett. 21:1389.
    """
    n_positive = int(positive.sum())
    n_negative = len(positive) - n_positive
    if n_positive == 0 or n_negative == 0:
        return Comparison("delong", "auroc", *[_NAN] * 5)
    below_a, above_a = _placements(positive, scores_a)
    below_b, above_b = _placements(positive, scores_b)
    # Halves of whole numbers until here: no rounding hides that nothing varies.
    below, above = below_a - below_b, above_a - above_b
    difference = float(below.sum()) / (n_positive * n_negative)
    if n_positive == 1 or n_negative == 1:
        return Comparison("delong", "auroc", difference, *[_NAN] * 4)
    variance = float(below.var(ddof=1)) / n_negative**2 / n_positive
    variance += float(above.var(ddof=1)) / n_positive**2 / n_negative
    error = float(np.sqrt(variance))
    if error == 0:
        z = float(np.copysign(np.inf, difference)) if difference else 0.0
    else:
        z = difference / error
    low, high = difference - _Z * error, difference + _Z * error
    p_value = float(2 * scipy.stats.norm.sf(abs(z)))
    return Comparison("delong", "auroc", difference, low, high, z, p_value)


def _placements(positive: Bools, scores: Floats) -> tuple[Doubles, Doubles]:
    """Return negatives below each positive, and positives above each negative; ties half."""
    ranks = scipy.stats.rankdata(scores)
    below = ranks[positive] - scipy.stats.rankdata(scores[positive])
    above = positive.sum() - (ranks[~positive] - scipy.stats.rankdata(scores[~positive]))
    return below, above


def bootstrap(
    compared_a: Compared,
    compared_b: Compared,
    rows: Numbers,
    n_rows: int,
    *,
    seed: int = 0,
    n_resamples: int | None = None,
) -> list[Comparison]:
    """Compare every quoted figure of two systems, resampling the rows for both alike.

    p is twice the smaller share of resamples with a difference of at most, or of at least, 0;
    with R resamples at least 1 / (R + 1). Resamples in which a figure is undefined are left out.

    Args:
        compared_a: M items.
        compared_b: the same items, answered by system b.
        rows: `[M]`, the row each item belongs to.
        n_rows: how many rows there are.
        seed: of the resamples.
        n_resamples: `None` is `figures.N_RESAMPLES`.

    Source: Efron and Tibshirani 1993, An Introduction to the Bootstrap, chapters 13 and 16.
    """
    whole = _differences(compared_a, compared_b, np.ones(len(rows), dtype=np.int64))
    drawn: dict[str, list[float]] = {name: [] for name in whole}
    for weights in resampled(rows, n_rows, seed=seed, n_resamples=n_resamples):
        for name, value in _differences(compared_a, compared_b, weights).items():
            drawn[name].append(value)
    found = []
    for name, difference in whole.items():
        values = np.array(drawn[name], dtype=np.float64)
        low, high = percentile_interval(values)
        p_value = _share_beyond_0(values)
        found.append(Comparison("bootstrap", name, difference, low, high, _NAN, p_value))
    return found


def _differences(a: Compared, b: Compared, weights: Numbers) -> dict[str, float]:
    of_b = b.quoted(weights)
    return {name: value - of_b[name] for name, value in a.quoted(weights).items()}


def _share_beyond_0(values: Doubles) -> float:
    values = values[~np.isnan(values)]
    if len(values) == 0:
        return _NAN
    twice = 2 * min(float((values <= 0).mean()), float((values >= 0).mean()))
    return min(max(twice, 1 / (len(values) + 1)), 1.0)


def wilcoxon(values_a: Floats, values_b: Floats, *, figure: str = ".") -> Comparison:
    """Compare a figure of two systems over data sets: Wilcoxon's signed-rank test.

    The difference is the median one, without an interval. Data sets where a value is NaN are
    left out; fewer than two give p = NaN. Differences of 0 say nothing and are dropped; p is 1
    where there are no others. Exact up to 50 differences without ties, or 13 with ties.

    Args:
        values_a: `[D]`, one value per data set.
        values_b: `[D]`, of the same data sets.
        figure: name of the values.

    Source: Wilcoxon 1945, Biometrics Bull. 1:80.
    """
    differences = np.round(np.asarray(values_a) - np.asarray(values_b), _DIGITS)
    differences = differences[~np.isnan(differences)]
    median = float(np.median(differences)) if len(differences) else _NAN
    changed = differences[differences != 0]
    if len(differences) < 2:
        statistic, p_value = _NAN, _NAN
    elif len(changed) == 0:
        statistic, p_value = 0.0, 1.0
    else:
        statistic, p_value = map(float, scipy.stats.wilcoxon(changed))
    return Comparison("wilcoxon", figure, median, _NAN, _NAN, statistic, p_value)


def kruskal_wallis(values: Sequence[Floats], *, figure: str = ".") -> Comparison:
    """Compare a figure of several systems over data sets: the test of Kruskal and Wallis.

    It has no difference. NaN values are left out; p is NaN with fewer than two systems or where
    one has no value, and 1 where all values are equal.

    Args:
        values: per system, `[D]`, one value per data set.
        figure: name of the values.

    Source: Kruskal and Wallis 1952, J. Am. Stat. Assoc. 47:583.
    """
    known = [np.asarray(one)[~np.isnan(one)] for one in values]
    if len(known) < 2 or min(map(len, known)) == 0:
        statistic, p_value = _NAN, _NAN
    elif len(np.unique(np.concatenate(known))) == 1:
        statistic, p_value = 0.0, 1.0
    else:
        statistic, p_value = map(float, scipy.stats.kruskal(*known))
    return Comparison("kruskal-wallis", figure, _NAN, _NAN, _NAN, statistic, p_value)


def benjamini_hochberg(p_values: Floats) -> Doubles:
    """Return the q-values, `[M]`; NaN stay NaN and do not count as tests.

    Calling every test with a q-value up to q keeps the expected share of false calls at q.

    Args:
        p_values: `[M]`.

    Source: Benjamini and Hochberg 1995, J. R. Stat. Soc. B 57:289.
    """
    q_values = np.full(len(p_values), np.nan)
    tested = ~np.isnan(p_values)
    if tested.any():
        q_values[tested] = multipletests(np.asarray(p_values)[tested], method="fdr_bh")[1]
    return q_values
