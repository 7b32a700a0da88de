"""Negatives cut from a genome: random windows away from known sites, alike in composition.

Coordinates are 0-based and half-open. Everything is counted in intervals, never base by base: a
chromosome of 250 million bases costs as much as its gaps and sites.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from math import inf
from operator import truediv

import numpy as np

Stretch = tuple[int, int]

_TRIES = 1000  # windows drawn in vain, one after the other, before there is held to be no room

# Both halves match a run of letters at once; searching for the next known letter is far slower.
_GAP_AND_KNOWN = re.compile("[^ACGTUacgtu]*([ACGTUacgtu]*)")


def known_stretches(sequence: str, min_length: int) -> list[Stretch]:
    """Return the (start, end) of every stretch of A, C, G, T and U, in order; case is ignored.

    Args:
        sequence: a whole chromosome, perhaps.
        min_length: shorter stretches are left out; at least 1.
    """
    assert min_length >= 1, f"min_length {min_length}"
    spans = (match.span(1) for match in _GAP_AND_KNOWN.finditer(sequence))
    return [(start, end) for start, end in spans if end - start >= min_length]


@dataclass(frozen=True, slots=True)
class Composition:
    """What a sequence is made of.

    Attributes:
        gc: share of G and C among A, C, G, T and U; 0 where there is none of them.
        repeats: share of lower-case letters, which mark repeats in a soft-masked genome.
    """

    gc: float
    repeats: float


def composition(sequence: str) -> Composition:
    """Return the composition of a sequence."""
    upper = sequence.upper()
    n_gc = upper.count("G") + upper.count("C")
    n_known = n_gc + upper.count("A") + upper.count("T") + upper.count("U")
    n_lower = sum(map(str.islower, sequence))
    return Composition(n_gc / max(n_known, 1), n_lower / max(len(sequence), 1))


def forbidden_zones(intervals: Iterable[Stretch], distance: int) -> list[Stretch]:
    """Return the zones that hold all bases up to `distance` bases away from an interval.

    Args:
        intervals: (start, end); a single position p is (p, p + 1).
        distance: in bases; a window outside the zones is more than that away from all of them.

    Returns:
        (start, end) in order; zones that overlap or touch are one, and none begins before 0.
    """
    assert distance >= 0, f"distance {distance}"
    return merged((max(start - distance, 0), end + distance) for start, end in intervals)


class WindowSampler:
    """Draws windows of equal length at random, all places and both strands equally likely.

    A window lies within one allowed stretch and overlaps no forbidden zone. No window is drawn
    twice on the same strand, in one call or in several.

    Args:
        stretches: allowed (start, end) of each chromosome, in any order.
        forbidden: zones of each chromosome, in any order; chromosomes without any may be missing.
        window: bases per window.
        generator: of random numbers.
    """

    def __init__(
        self,
        stretches: Mapping[str, Sequence[Stretch]],
        forbidden: Mapping[str, Sequence[Stretch]],
        window: int,
        generator: np.random.Generator,
    ) -> None:
        assert window >= 1, f"window {window}"
        self._window = window
        self._generator = generator
        self._runs: list[tuple[str, int, int]] = []  # allowed starts: chromosome, first, end
        for chrom, allowed in stretches.items():
            runs = _allowed_starts(allowed, forbidden.get(chrom, ()), window)
            self._runs.extend((chrom, first, end) for first, end in runs)
        # Number of starts in all runs before each, and in all of them at the end.
        self._before = list(accumulate((end - first for _, first, end in self._runs), initial=0))
        # All windows stand in a row, those drawn moved to its front (Fisher-Yates); only the
        # places whose window is not the original one are kept.
        self._n_drawn = 0
        self._moved: dict[int, int] = {}
        self._drawn: dict[tuple[str, int], list[int]] = {}  # starts by (chromosome, start // W)

    @property
    def n_starts(self) -> int:
        """How many allowed starts there are; every start allows two windows, one per strand."""
        return self._before[-1]

    def draw(self, n: int, *, overlap_allowed: bool = False) -> list[tuple[str, int, str]]:
        """Draw n windows: (chromosome, start, strand).

        Args:
            n: how many.
            overlap_allowed: whether a window may overlap one drawn before, in this call or an
                earlier one, on either strand. If not, such a window is drawn again, and the
                drawing ends when a thousand in a row were in vain.

        Returns:
            Fewer than n where there is no more room.
        """
        windows: list[tuple[str, int, str]] = []
        while len(windows) < n and (drawn := self._draw_one(overlap_allowed)) is not None:
            windows.append(drawn)
        return windows

    def _draw_one(self, overlap_allowed: bool) -> tuple[str, int, str] | None:
        n_windows = 2 * self.n_starts
        if self._n_drawn == n_windows:
            return None
        for _ in range(_TRIES):
            place = int(self._generator.integers(self._n_drawn, n_windows))
            number, is_reverse = divmod(self._moved.get(place, place), 2)
            run = bisect_right(self._before, number) - 1
            chrom, first, _ = self._runs[run]
            start = first + number - self._before[run]
            if overlap_allowed or not self._overlaps_drawn(chrom, start):
                front = self._moved.pop(self._n_drawn, self._n_drawn)
                if place != self._n_drawn:
                    self._moved[place] = front
                self._n_drawn += 1
                self._drawn.setdefault((chrom, start // self._window), []).append(start)
                return chrom, start, "+-"[is_reverse]
        return None

    def _overlaps_drawn(self, chrom: str, start: int) -> bool:
        cell = start // self._window
        return any(
            abs(other - start) < self._window
            for near in (cell - 1, cell, cell + 1)
            for other in self._drawn.get((chrom, near), ())
        )


def _allowed_starts(
    stretches: Iterable[Stretch], forbidden: Iterable[Stretch], window: int
) -> list[Stretch]:
    """Return the runs (first, end) of starts whose window is allowed, in order."""
    inside = merged((start, end - window + 1) for start, end in stretches)
    zones = [(start - window + 1, end) for start, end in forbidden if start < end]
    return _without(inside, merged(zones))


def merged(stretches: Iterable[Stretch]) -> list[Stretch]:
    """Return the stretches in order, those that overlap or touch as one, and no empty one."""
    joined: list[Stretch] = []
    for start, end in sorted(stretches):
        if start >= end:
            continue
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined


def _without(stretches: Sequence[Stretch], holes: Sequence[Stretch]) -> list[Stretch]:
    """Return what the holes leave of the stretches; both merged and in order."""
    left: list[Stretch] = []
    next_hole = 0
    for start, end in stretches:
        free = start
        while next_hole < len(holes) and holes[next_hole][0] < end:
            hole_start, hole_end = holes[next_hole]
            if free < hole_start:
                left.append((free, hole_start))
            free = max(free, hole_end)
            if hole_end > end:  # it may reach into the next stretch
                break
            next_hole += 1
        if free < end:
            left.append((free, end))
    return left


# The largest differences of a match, in shares.
TOLERANCE = Composition(gc=0.05, repeats=0.2)


def match_composition(
    wanted: Sequence[Composition],
    found: Sequence[Composition],
    *,
    by: Sequence[str] = ("gc",),
    tolerance: Composition = TOLERANCE,
) -> list[int]:
    """Choose for each wanted composition one of those found that is close to it.

    One after the other takes the closest candidate that is left. With two features, the second
    one is cut into bins half its tolerance wide: the own bin and the two beside it each offer the
    candidate closest in the first feature, and of these the closest in both is taken, differences
    counted in shares of their tolerance.

    Args:
        wanted: `[N]`, such as those of the positives.
        found: `[M]` candidates; far more than wanted ones make better matches.
        by: one or two features of `Composition`, the more important one first.
        tolerance: the largest difference of each feature; more than 0.

    Returns:
        `[N]`, the index of each one's candidate, none twice; -1 where no candidate is left that
        is close enough.
    """
    assert 1 <= len(by) <= 2, f"by {by}"
    ranked, binned = by[0], by[1] if len(by) == 2 else None
    within = getattr(tolerance, ranked)
    rows_of_bin: dict[int, list[int]] = {}
    for row, one in enumerate(found):
        rows_of_bin.setdefault(_bin(one, binned, tolerance), []).append(row)
    shelves = {
        number: _Shelf([getattr(found[row], ranked) for row in rows], rows)
        for number, rows in rows_of_bin.items()
    }
    matches = []
    for one in wanted:
        number = _bin(one, binned, tolerance)
        value = getattr(one, ranked)
        best: tuple[float, _Shelf, int] | None = None
        for shelf in [shelves[near] for near in _near(number, binned) if near in shelves]:
            place = shelf.nearest(value)
            if abs(shelf.values[place] - value) > within:
                continue
            distance = _distance(one, found[shelf.rows[place]], by, tolerance)
            if best is None or distance < best[0]:
                best = distance, shelf, place
        matches.append(best[1].take(best[2]) if best else -1)
    return matches


def _bin(one: Composition, feature: str | None, tolerance: Composition) -> int:
    if feature is None:
        return 0
    return int(getattr(one, feature) / (getattr(tolerance, feature) / 2))


def _near(number: int, feature: str | None) -> tuple[int, ...]:
    return (number,) if feature is None else (number, number - 1, number + 1)


def _distance(
    one: Composition, other: Composition, by: Sequence[str], tolerance: Composition
) -> float:
    differences = (abs(getattr(one, name) - getattr(other, name)) for name in by)
    limits = (getattr(tolerance, name) for name in by)
    return float(sum(map(truediv, differences, limits)))


class _Shelf:
    """Candidates in the order of their values; finds the nearest one that is still there.

    Args:
        values: `[M]`, in any order.
        rows: `[M]`, what the values belong to.

    Attributes:
        values: `[M + 2]`, in order, between two that are infinitely far and never taken.
        rows: `[M + 2]`, in the same order.
    """

    def __init__(self, values: Sequence[float], rows: Sequence[int]) -> None:
        ranked = sorted(zip(values, rows, strict=True))
        self.values = [-inf, *(value for value, _ in ranked), inf]
        self.rows = [-1, *(row for _, row in ranked), -1]
        # Each place leads, directly or not, to the next one that is not taken; itself if free.
        self._left = list(range(len(self.rows)))
        self._right = list(range(len(self.rows)))

    def nearest(self, value: float) -> int:
        """Return the place of the nearest candidate left; one of the ends if there is none."""
        at = bisect_left(self.values, value)
        left, right = _last(self._left, at - 1), _last(self._right, at)
        is_right = self.values[right] - value <= value - self.values[left]
        return right if is_right else left

    def take(self, place: int) -> int:
        """Take the candidate away and return its row."""
        self._left[place] = place - 1
        self._right[place] = place + 1
        return self.rows[place]


def _last(links: list[int], place: int) -> int:
    """Follow the links to their end, and shorten them on the way (union-find, path halving)."""
    while links[place] != place:
        links[place] = links[links[place]]
        place = links[place]
    return place
