"""Do probabilities mean what they say? Of rows given 0.8, about 80 in 100 should be positive.

Rows are put into bins of about equal count by their probability; rows with the same probability
lie in the same bin.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from statsmodels.stats.proportion import proportion_confint

from dnabert_cli.analysis.figures import LEVEL, mid_ranks

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]
Numbers = npt.NDArray[np.int64]

N_BINS = 10


@dataclass(frozen=True)
class Bin:
    """Rows of similar probability.

    Attributes:
        n: how many.
        mean_probability: of these rows.
        share: of them that are positive.
        low, high: the 95 % interval of the share.
    """

    n: int
    mean_probability: float
    share: float
    low: float
    high: float


def reliability(positive: Bools, probabilities: Floats, n_bins: int = N_BINS) -> list[Bin]:
    """Return the bins, lowest probabilities first; fewer than asked for where many are equal.

    Args:
        positive: `[N]`.
        probabilities: `[N]`, of being positive.
        n_bins: at most that many.

    Source: the interval is that of Wilson 1927, J. Am. Stat. Assoc. 22:209.
    """
    bins = []
    numbers = bin_numbers(probabilities, n_bins)
    for number in np.unique(numbers):
        inside = numbers == number
        n, n_positive = int(inside.sum()), int(positive[inside].sum())
        mean = float(probabilities[inside].mean(dtype=np.float64))
        low, high = proportion_confint(n_positive, n, alpha=1 - LEVEL, method="wilson")
        bins.append(Bin(n, mean, n_positive / n, float(low), float(high)))
    return bins


def expected_calibration_error(
    positive: Bools, probabilities: Floats, n_bins: int = N_BINS
) -> float:
    """Return the mean over rows of |mean probability - share of positives| of their bin.

    NaN without rows. Chance alone makes it larger than 0, the more so the fewer rows there are.

    Source: Naeini, Cooper and Hauskrecht 2015, AAAI 29; with bins of equal count, as Nixon et
    al. 2019, CVPR Workshops, recommend.
    """
    gaps = probabilities.astype(np.float64) - positive
    ones = np.ones(len(positive), dtype=np.int64)
    return binned_error(bin_numbers(probabilities, n_bins), gaps, ones)


def bin_numbers(probabilities: Floats, n_bins: int = N_BINS) -> Numbers:
    """Return the bin of each row, `[N]`, from 0; a tie goes where its middle lies."""
    groups = np.unique(probabilities, return_inverse=True)[1]
    n_rows = len(probabilities)
    twice = np.rint(2 * mid_ranks(groups, np.ones(n_rows, dtype=np.int64))).astype(np.int64)
    # in whole numbers: the middle of rank r is at (r - 1/2) / N of all rows
    numbers: Numbers = (twice - 1) * n_bins // (2 * max(n_rows, 1))
    return numbers


def binned_error(bins: Numbers, gaps: Floats, weights: Numbers) -> float:
    """Return the expected calibration error when each row counts as often as its weight says.

    Args:
        bins: `[N]`, of `bin_numbers`; they stay fixed from resample to resample.
        gaps: `[N]`, probability minus truth.
        weights: `[N]`.
    """
    n_rows = int(weights.sum())
    if n_rows == 0:
        return float("nan")
    return float(np.abs(np.bincount(bins, weights=gaps * weights)).sum()) / n_rows
