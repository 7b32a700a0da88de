"""Leakage: rows of one part of a split that a model has met, whole or in pieces, in another part.

How much of a row is found elsewhere tells two cases apart. Windows that overlap, and copies, share
most of their stretches: near-duplicates, which flatter a test. A scattered repeat, such as a piece
of an Alu, is shared by many rows that are otherwise unrelated: a repeat match.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from dnabert_cli.sequence.stretches import Hashes, Rows, canonical, hashed_stretches

STRETCH = 50  # bases; as in `groups.similarity_groups`, unrelated sequences share none so long
# Copies share all of their stretches, and windows of 300 bases that overlap by 175 half of them;
# a repeat that makes up half of a row is rare, and as bad as an overlap of that length.
MAX_SHARED = 0.5

Shares = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Leakage:
    """How many rows of one part are found in another.

    Attributes:
        part, other: names; rows of `part` are looked up in `other`.
        n_rows: rows of `part`.
        n_near_duplicates: rows with a share of `share_threshold` or more, the exact ones included.
        n_repeat_matches: rows with a smaller share above 0.
        n_exact: rows that are in `other` as a whole, on either strand.
        share_threshold: share of its stretches from which a row is a near-duplicate.
        max_share: the largest share of any row; 0 without rows.
    """

    part: str
    other: str
    n_rows: int
    n_near_duplicates: int
    n_repeat_matches: int
    n_exact: int
    share_threshold: float
    max_share: float


def leakage(
    parts: Mapping[str, Sequence[str]], *, size: int = STRETCH, threshold: float = MAX_SHARED
) -> list[Leakage]:
    """Look up every part of a split in every other one.

    Args:
        parts: sequences by name of the part.
        size: bases in a stretch.
        threshold: share, above 0, from which a row is a near-duplicate.

    Returns:
        One entry per ordered pair of different parts, in the order of `parts`.
    """
    contents = {name: _Contents.of(sequences, size) for name, sequences in parts.items()}
    return [
        _compared(part, other, contents, threshold)
        for part in contents
        for other in contents
        if part != other
    ]


def near_duplicates(
    sequences: Sequence[str],
    others: Sequence[str],
    *,
    size: int = STRETCH,
    threshold: float = MAX_SHARED,
) -> Flags:
    """Tell which sequences share `threshold` or more of their stretches with others, `[N]`.

    Args:
        sequences: `[N]`.
        others: what they are looked up in.
        size: bases in a stretch.
        threshold: share, above 0.
    """
    found: Flags = shared_share(sequences, others, size) >= threshold
    return found


def shared_share(sequences: Sequence[str], others: Sequence[str], size: int = STRETCH) -> Shares:
    """Return the share of each sequence's stretches that occur anywhere in others, `[N]`.

    Every place where a stretch begins counts once. Stretches are compared on either strand;
    case does not matter and U is T; those with a letter other than A, C, G, T, U do not count.
    A sequence without any countable stretch, such as one shorter than `size`, is compared as a
    whole: its share is 1 where it equals one of the others on either strand, else 0, even where
    it lies within a longer one.

    Args:
        sequences: `[N]`.
        others: what they are looked up in.
        size: bases in a stretch, at least 1; see `stretches.hashed_stretches` for how exact
            the comparison is.
    """
    return _shares(_Contents.of(sequences, size), _Contents.of(others, size))


@dataclass(frozen=True)
class _Contents:
    """What some sequences hold.

    Attributes:
        hashes, rows: `[M]`, of every countable stretch, and where it comes from; the hashes
            ascend, because looking up sorted ones is several times as fast.
        wholes: `[N]`, `canonical` of each sequence.
    """

    hashes: Hashes
    rows: Rows
    wholes: Sequence[str]

    @classmethod
    def of(cls, sequences: Sequence[str], size: int) -> "_Contents":
        hashes, rows = hashed_stretches(sequences, size)
        order = np.argsort(hashes)
        wholes = [canonical(sequence) for sequence in sequences]
        return cls(hashes[order], rows[order], wholes)

    @cached_property
    def distinct_wholes(self) -> frozenset[str]:
        return frozenset(self.wholes)


def _compared(
    part: str, other: str, contents: Mapping[str, _Contents], threshold: float
) -> Leakage:
    mine, theirs = contents[part], contents[other]
    shares = _shares(mine, theirs)
    return Leakage(
        part=part,
        other=other,
        n_rows=len(shares),
        n_near_duplicates=int((shares >= threshold).sum()),
        n_repeat_matches=int(((shares > 0) & (shares < threshold)).sum()),
        n_exact=int(_equal_wholes(mine, theirs).sum()),
        share_threshold=threshold,
        max_share=float(shares.max(initial=0)),
    )


def _shares(mine: _Contents, theirs: _Contents) -> Shares:
    n_rows = len(mine.wholes)
    n_stretches = np.bincount(mine.rows, minlength=n_rows)
    n_found = np.bincount(mine.rows[_occur(mine.hashes, theirs.hashes)], minlength=n_rows)
    has_none = n_stretches == 0
    shares: Shares = n_found / np.maximum(n_stretches, 1)
    shares[has_none] = _equal_wholes(mine, theirs)[has_none]
    return shares


def _equal_wholes(mine: _Contents, theirs: _Contents) -> Flags:
    return np.array([whole in theirs.distinct_wholes for whole in mine.wholes], dtype=bool)


def _occur(hashes: Hashes, ranked: Hashes) -> Flags:
    """Tell which hashes are among ascending ones, `[M]`."""
    if not len(ranked):
        return np.zeros(len(hashes), dtype=bool)
    places = np.searchsorted(ranked, hashes)
    places[places == len(ranked)] = 0
    found: Flags = ranked[places] == hashes
    return found
