"""How far a variant changes what a model answers: the scores of the paper, and their summaries.

Scores are computed per pair of windows, `p_ref` of the reference and `p_alt` of the alternative
haplotype. A pair without an answer (NaN) has no score and counts in no summary.
"""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]

# The resolution of single precision: its largest number below 1 is 1 - EPS. With odds of at most
# 24 bits either way, answers between these bounds keep their exact score.
EPS = 2.0**-24
_SMALLEST = float(np.finfo(np.float32).tiny)


def difference_score(p_ref: Floats, p_alt: Floats) -> Doubles:
    """Return S = (p_alt - p_ref) max(p_ref, p_alt) per pair; negative: the variant weakens.

    Args:
        p_ref: any shape, probability of the reference.
        p_alt: the same shape, of the alternative.

    Source: Ji et al. 2021, Bioinformatics 37:2112, on variants.
    """
    before, after = np.asarray(p_ref, np.float64), np.asarray(p_alt, np.float64)
    scores: Doubles = (after - before) * np.maximum(before, after)
    return scores


def log2_odds_ratio(p_ref: Floats, p_alt: Floats) -> Doubles:
    """Return log2 p_ref/(1 - p_ref) - log2 p_alt/(1 - p_alt); positive: the variant weakens.

    Note that the sign is the opposite of that of the difference score, as in the paper.
    Probabilities are clipped to `EPS` .. 1 - `EPS`: the result is finite, at most 48 either way.
    Arguments and source as for `difference_score`.
    """
    return _log2_odds(p_ref) - _log2_odds(p_alt)


def _log2_odds(probabilities: Floats) -> Doubles:
    clipped = np.clip(np.asarray(probabilities, np.float64), EPS, 1 - EPS)
    odds: Doubles = np.log2(clipped) - np.log2(1 - clipped)
    return odds


def against_background(probabilities: Floats, index: int, background: int) -> Doubles:
    """Return p_c / (p_c + p_background), `[...]`: one class as if there were these two only.

    Donors and acceptors are each set against the sequences that are neither. Where both
    probabilities are 0 it is 0.5; with two classes it is the probability of the class.

    Args:
        probabilities: `[..., K]`.
        index: of the class.
        background: index of the background class, another one.

    Source: Ji et al. 2021, Bioinformatics 37:2112, on variants.
    """
    assert index != background, f"class {index} against itself"
    exact = np.asarray(probabilities, np.float64)
    own, other = (np.maximum(exact[..., one], _SMALLEST) for one in (index, background))
    shares: Doubles = own / (own + other)
    return shares


def strongest(scores: Floats) -> int | None:
    """Return the index of the score furthest from 0, `None` where there is none.

    Of equally strong scores the first counts.

    Args:
        scores: `[N]`, over the windows (offsets) of a variant, of one strand or of both.
    """
    sizes = np.abs(np.asarray(scores, np.float64))
    return None if np.isnan(sizes).all() else int(np.nanargmax(sizes))


def mean(scores: Floats) -> float:
    """Return the mean over the windows of a variant; NaN where there is none."""
    present = np.asarray(scores, np.float64)
    present = present[~np.isnan(present)]
    return float(present.mean()) if present.size else float("nan")


def reported_strand(p_ref: Floats, p_alt: Floats) -> int:
    """Return the strand on which the larger of all probabilities is, the first if both have it.

    Args:
        p_ref: `[S, N]`, a row per strand; rows of fewer windows are filled up with NaN.
        p_alt: `[S, N]`.
    """
    largest = np.fmax(p_ref, p_alt)
    return int(np.argmax(np.where(np.isnan(largest), -1.0, largest).max(axis=1, initial=-1.0)))
