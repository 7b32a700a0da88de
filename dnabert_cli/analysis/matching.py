"""Which motif of a database does a matrix look like? The comparison of TOMTOM, built in.

Two columns score the negative Euclidean distance between their probabilities, less the median of
the query's column against every column of the database. An alignment without gaps scores the sum
over all columns of the query; one that lies outside the target scores that median, 0 ("complete
scoring"). The best alignment of both orientations counts.

Its p-value comes from a null in which every column of the query meets a column drawn from the
database, read in both orientations. Scores are made whole numbers, and the distribution of the
sum over any stretch of the query follows by convolution. The chance that none of the alignments
scores as high is the product over them, and again over the two orientations, as if they were
independent; neighbouring alignments are not quite, so p is slightly too large rather than too
small.

Source: Gupta et al. 2007, Genome Biology 8:R24.
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis.compare import benjamini_hochberg
from dnabert_cli.analysis.metrics import ratio

MIN_TARGETS = 25  # with fewer the null has too few columns, and p depends on which ones they are
Q_MATCHED = 0.01

_N_BINS = 100  # steps between the lowest and the highest column score at most, as TOMTOM has them

Doubles = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Match:
    """How well a query and a motif of the database agree.

    Attributes:
        target_index: 0-based place of the motif in the database.
        p_value: of the best alignment, corrected for all alignments and both orientations.
        e_value: matches as good to be expected by chance: p times the number of motifs.
        q_value: the smallest false discovery rate, among the matches of this query, at which this
            one would be reported (Benjamini and Hochberg).
        offset: where the first position of the query lies on the target, 0-based; negative where
            the query begins before it. On '-' the target is read as its reverse complement.
        orientation: '+' or '-', the target as it is or its reverse complement; '+' where both
            fit equally.
        overlap: how many positions are aligned.
    """

    target_index: int
    p_value: float
    e_value: float
    q_value: float
    offset: int
    orientation: str
    overlap: int


def match(query: npt.ArrayLike, targets: Sequence[npt.ArrayLike]) -> list[Match]:
    """Compare a matrix with every motif of a database; the best match first.

    Of matches with one p-value the first target comes first. Of alignments with one score that
    with more aligned positions is taken, then that with the lower offset.

    Args:
        query: `[W, 4]`, probabilities of A, C, G, T; each row sums to 1.
        targets: `[V, 4]` each. With fewer than `MIN_TARGETS` a warning is logged.

    Returns:
        A match for every target.
    """
    return _matches(np.asarray(query, dtype=np.float64), _Database(targets))


def best_matches(
    queries: Iterable[npt.ArrayLike], targets: Sequence[npt.ArrayLike]
) -> list[Match | None]:
    """Return the best match of each query, as `match` finds it; `None` without any target."""
    database = _Database(targets)
    found = (_matches(np.asarray(query, dtype=np.float64), database) for query in queries)
    return [matches[0] if matches else None for matches in found]


def share_matched(matches: Sequence[Match | None], q: float = Q_MATCHED) -> float:
    """Return the share of queries whose best match has a q-value of `q` or less.

    NaN without queries. The q-values are those of each query alone: the share is a description,
    not corrected for the number of queries.
    """
    n_matched = sum(found is not None and found.q_value <= q for found in matches)
    return ratio(n_matched, len(matches))


class _Database:
    """The columns of all targets, then of all their reverse complements.

    Attributes:
        n_targets: how many there are.
        lengths: `[2 N]`, positions of each, forward then reverse complement.
        columns: `[C, 4]`.
    """

    def __init__(self, targets: Sequence[npt.ArrayLike]) -> None:
        forward = [np.asarray(target, dtype=np.float64) for target in targets]
        both = forward + [target[::-1, ::-1] for target in forward]
        self.n_targets = len(forward)
        self.lengths: Numbers = np.array([len(target) for target in both], dtype=np.int64)
        self.columns: Doubles = np.concatenate(both) if both else np.empty((0, 4))
        if 0 < self.n_targets < MIN_TARGETS:
            _log.warning(
                "p-values of motif matches are not reliable: the database has %d motifs, "
                "and at least %d are needed",
                self.n_targets,
                MIN_TARGETS,
            )

    @cached_property
    def norms(self) -> Doubles:
        """Squared length of every column, `[C]`."""
        squared: Doubles = (self.columns**2).sum(axis=1)
        return squared


def _matches(query: Doubles, database: _Database) -> list[Match]:
    n_targets = database.n_targets
    if n_targets == 0:
        return []
    bins, zero = _column_scores(query, database)
    scores, overlaps, offsets = _best_alignments(bins - zero, database.lengths)
    rank = scores * (len(query) + 1) + overlaps
    is_reverse = rank[n_targets:] > rank[:n_targets]
    chosen = np.arange(n_targets) + n_targets * is_reverse
    tails = _tails(bins, zero, set(database.lengths.tolist()))
    of_one = np.array(
        [
            tails[length][score + len(query) * zero]
            for length, score in zip(database.lengths[chosen], scores[chosen], strict=True)
        ]
    )
    p_values = of_one * (2 - of_one)  # 1 - (1 - p)^2, exact for small p
    q_values = benjamini_hochberg(p_values)
    return [
        Match(
            target,
            float(p_values[target]),
            float(p_values[target] * n_targets),
            float(q_values[target]),
            int(offsets[chosen[target]]),
            "-" if is_reverse[target] else "+",
            int(overlaps[chosen[target]]),
        )
        for target in np.argsort(p_values, kind="stable").tolist()
    ]


def _column_scores(query: Doubles, database: _Database) -> tuple[Numbers, int]:
    """Return the scores of all pairs of columns as whole numbers of 0 or more.

    Returns:
        bins: `[W, C]`; zero: what a score of 0, the median, has become.
    """
    squares = (query**2).sum(axis=1)[:, np.newaxis] + database.norms
    scores = -np.sqrt(np.maximum(squares - 2 * query @ database.columns.T, 0))
    scores -= np.median(scores, axis=1, keepdims=True)
    low = int(np.floor(scores.min()))
    # At least 1, lest rounding be stretched over all bins where all columns are alike.
    scale = int(_N_BINS / max(float(scores.max()) - low, 1.0))
    bins = np.floor((scores - low) * scale + 0.5).astype(np.int64)
    return bins, -low * scale


def _best_alignments(scores: Numbers, lengths: Numbers) -> tuple[Numbers, Numbers, Numbers]:
    """Return score, overlap and offset of the best alignment with each target, `[2 N]` each.

    Targets lie one behind the other with W - 1 empty columns before each and after the last, so
    that all alignments are sums along one long row.

    Args:
        scores: `[W, C]`, 0 for the median.
        lengths: `[2 N]`, positions of the targets.
    """
    width = len(scores)
    n_offsets = lengths + width - 1
    first = np.cumsum(n_offsets) - n_offsets  # the alignment with the lowest offset
    target = np.repeat(np.arange(len(lengths)), n_offsets)
    offsets = np.arange(len(target)) - first[target] - (width - 1)
    columns = np.flatnonzero(offsets >= 0)  # their places in the row, by the same numbers
    row = np.zeros(len(target) + width - 1, dtype=np.int64)
    sums = np.zeros(len(target), dtype=np.int64)
    for position in range(width):
        row[columns] = scores[position]
        sums += row[position : position + len(sums)]
    overlaps = np.minimum(lengths[target], offsets + width) - np.maximum(offsets, 0)
    rank = sums * (width + 1) + overlaps
    is_best = rank == np.maximum.reduceat(rank, first)[target]
    _, place = np.unique(target[is_best], return_index=True)
    best = np.flatnonzero(is_best)[place]
    return sums[best], overlaps[best], offsets[best]


def _tails(bins: Numbers, zero: int, lengths: set[int]) -> dict[int, Doubles]:
    """Return the chance of the best of all alignments, for each length of a target.

    Aligned are the whole query, stretches inside it where the target is shorter, and its ends.

    Args:
        bins: `[W, C]`, scores of columns, whole numbers of 0 or more.
        zero: what a column that is not aligned scores.
        lengths: positions of the targets.

    Returns:
        By length, `[W * highest + 1]`: P(best score >= s), where s is the sum over the query.
    """
    width, n_columns = bins.shape
    highest = int(bins.max())
    columns = [np.bincount(row, minlength=highest + 1) / n_columns for row in bins]
    stretches, tails = columns, {}
    at_ends = np.zeros(width * highest + 1)
    for n_aligned in range(1, width + 1):
        if n_aligned > 1:
            added = columns[n_aligned - 1 :]
            stretches = [np.convolve(*pair) for pair in zip(stretches[:-1], added, strict=True)]
        unaligned = (width - n_aligned) * zero
        below = [_log_below(stretch, unaligned, len(at_ends)) for stretch in stretches]
        inside = np.sum(below, axis=0)
        for length in lengths:
            if min(length, width) == n_aligned:
                n_times = max(length - width, 0) + 1
                tails[length] = -np.expm1(at_ends + n_times * inside)
        at_ends += below[0] + below[-1]
    return tails


def _log_below(chances: Doubles, lowest: int, size: int) -> Doubles:
    """Return log P(score < s) for s from 0 to `size`, exact where it is close to 0.

    Args:
        chances: of the scores from `lowest` on; no other can be.
        lowest: the lowest score.
        size: how many scores.
    """
    reached = np.zeros(size)
    reached[:lowest] = 1
    # Summed from the highest score down: the chances of good matches keep all their digits.
    reached[lowest : lowest + len(chances)] = np.minimum(np.cumsum(chances[::-1])[::-1], 1)
    with np.errstate(divide="ignore"):
        below: Doubles = np.log1p(-reached)
    return below
