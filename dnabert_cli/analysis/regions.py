"""Where a sequence has high scores: the stretches in which motifs are looked for.

Positions are 0-based and half-open, in bases.
"""

import numpy as np
import numpy.typing as npt

from dnabert_cli.explain_config import ABOVE_MEAN, ABOVE_MIN, MIN_LENGTH

Region = tuple[int, int]


def high_regions(
    scores: npt.ArrayLike,
    *,
    min_length: int = MIN_LENGTH,
    above_mean: float = ABOVE_MEAN,
    above_min: float | None = ABOVE_MIN,
) -> list[Region]:
    """Return the regions of high scores of one sequence, from left to right.

    A base is high if its score is greater than `above_mean` times the mean and greater than
    `above_min` times the lowest score of the sequence. Equal scores everywhere give no region.

    Args:
        scores: `[L]`, one per base. NaN is never high, and neither mean nor minimum counts it.
        min_length: a run of fewer high bases is no region.
        above_mean: factor of the mean.
        above_min: factor of the lowest score. It has a meaning only where no score can be
            negative, as with attention; for signed scores (integrated gradients) give `None`,
            which leaves this condition out.

    Returns:
        (start, end) of each region.

    Source: Ji et al. 2021, Bioinformatics 37:2112, Methods (motif analysis).
    """
    values = np.asarray(scores, dtype=np.float64)
    known = values[~np.isnan(values)]
    if len(known) == 0:
        return []
    floor = above_mean * known.mean()
    if above_min is not None:
        floor = max(floor, above_min * known.min())
    is_high = np.zeros(len(values) + 2, dtype=np.int8)  # low at both ends: every run has edges
    is_high[1:-1] = values > floor
    edges = np.flatnonzero(np.diff(is_high)).tolist()
    runs = zip(edges[::2], edges[1::2], strict=True)
    return [(start, end) for start, end in runs if end - start >= min_length]
