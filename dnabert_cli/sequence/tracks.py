"""Tracks: a score per base along stretches of sequences, and how overlapping ones become one."""

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
Piece = tuple[str, int, Floats]  # sequence, 0-based first base, a score per base
Track = tuple[str, int, Doubles]


def average_tracks(pieces: Iterable[Piece]) -> list[Track]:
    """Return stretches that neither overlap nor touch, with the mean of the pieces at each base.

    Sequences come in the order of their first piece, the stretches of each by their start. The
    order of the pieces changes no score by more than rounding.

    Args:
        pieces: (chrom, start, scores `[L]`); start 0-based. A score that is NaN does not count,
            a base with no other score is NaN, and a piece without bases is nothing.

    Returns:
        (chrom, start, scores `[L]`) for every stretch.
    """
    of_chrom: dict[str, list[tuple[int, Floats]]] = {}
    for chrom, start, scores in pieces:
        if len(scores):
            of_chrom.setdefault(chrom, []).append((start, scores))
    return [
        (chrom, cluster[0][0], _mean(cluster))
        for chrom, placed in of_chrom.items()
        for cluster in _clusters(placed)
    ]


def _clusters(placed: list[tuple[int, Floats]]) -> Iterator[list[tuple[int, Floats]]]:
    """Yield the groups of pieces that overlap or touch, by their start."""
    cluster: list[tuple[int, Floats]] = []
    cluster_end = 0
    for start, scores in sorted(placed, key=lambda piece: piece[0]):
        if cluster and start > cluster_end:
            yield cluster
            cluster = []
        cluster_end = max(cluster_end, start + len(scores)) if cluster else start + len(scores)
        cluster.append((start, scores))
    if cluster:
        yield cluster


def _mean(cluster: list[tuple[int, Floats]]) -> Doubles:
    first = cluster[0][0]
    n_bases = max(start + len(scores) for start, scores in cluster) - first
    sums, counts = np.zeros(n_bases), np.zeros(n_bases)
    for start, scores in cluster:
        is_known = ~np.isnan(scores)
        place = slice(start - first, start - first + len(scores))
        sums[place] += np.where(is_known, scores, 0)
        counts[place] += is_known
    means: Doubles = np.full(n_bases, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means
