"""From window scores to called regions, as a stream.

Starts, ends and summits are 0-based positions on the forward strand, whatever the strand of the
window. Where a record is cut into units never changes the calls.
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dnabert_cli.records import Call

Starts = npt.NDArray[np.int64]
Scores = npt.NDArray[np.floating]


class CallStitcher:
    """Merges overlapping positive windows of one strand and class into calls.

    Per unit of a record: `add` the windows of every strand and class, then `advance`; at the end
    of the record `finish`. The calls come sorted by start, end, strand (`+` first) and name. At
    most the calls behind the first one still open are held in memory.

    Args:
        threshold: a window with at least this probability is positive.
        window: bases per window.
        anchor: base of the window, on its strand, that a call points at.
        merges: whether overlapping windows are one call. Not of a model with candidates: there
            each window stands for a site of its own, and sites lie closer than windows are long.
    """

    def __init__(self, threshold: float, window: int, anchor: int, *, merges: bool = True) -> None:
        self.threshold = threshold
        self.window = window
        self.anchor = anchor
        self.merges = merges
        self._chrom: str | None = None
        self._open: dict[tuple[str, str], Call] = {}  # the last call of each strand and class
        self._closed: list[Call] = []

    def add(
        self,
        chrom: str,
        starts: Starts,
        probabilities: Scores,
        strand: str,
        name: str,
        window: int | None = None,
    ) -> None:
        """Take in the windows of one unit, strand and class.

        Args:
            chrom: the record; another one may follow only after `finish`.
            starts: `[B]`, first base of each window, ascending, also from unit to unit.
            probabilities: `[B]`; NaN is not positive.
            strand: `+` or `-`.
            name: the class.
            window: bases per window where a record is shorter than the usual window.
        """
        self._check_record(chrom)
        # In double precision: a single-precision score just below must not round up.
        scores = np.asarray(probabilities, dtype=np.float64)
        positive = scores >= self.threshold
        calls = self._merged_windows(starts[positive], scores[positive], strand, window)
        for start, end, probability, summit, n_windows in calls:
            call = Call(chrom, start, end, name, probability, strand, summit, n_windows)
            previous = self._open.get((strand, name))
            if self.merges and previous is not None and start < previous.end:
                call = _joined(previous, call)
            elif previous is not None:
                self._closed.append(previous)
            self._open[strand, name] = call

    def _merged_windows(
        self, starts: Starts, scores: Scores, strand: str, window: int | None
    ) -> list[tuple[int, int, float, int, int]]:
        """Return (start, end, probability, summit, number of windows) of each merged region."""
        if len(starts) == 0:
            return []
        window = self.window if window is None else window
        is_first = np.append(True, starts[1:] >= starts[:-1] + (window if self.merges else 1))
        first = np.flatnonzero(is_first)
        n_windows = np.diff(first, append=len(starts))
        top = np.maximum.reduceat(scores, first)
        region = np.cumsum(is_first) - 1
        at_top = np.flatnonzero(scores == top[region])
        best = at_top[np.unique(region[at_top], return_index=True)[1]]  # the first of equals
        # A record may be too short to hold the anchor: then its last base (on the strand).
        anchor = min(self.anchor, window - 1)
        summits = starts[best] + (window - 1 - anchor if strand == "-" else anchor)
        ends = starts[first + n_windows - 1] + window
        columns = (starts[first], ends, top, summits, n_windows)
        return list(zip(*(column.tolist() for column in columns), strict=True))

    def advance(self, chrom: str, position: int) -> list[Call]:
        """Return the calls that are finished and whose turn it is, in order.

        Args:
            chrom: the record.
            position: no window added later starts before it.
        """
        self._check_record(chrom)
        for key, call in list(self._open.items()):
            if call.end <= position:
                self._closed.append(self._open.pop(key))
        # What starts before every open call and every later window cannot be overtaken.
        limit = min([position, *(call.start for call in self._open.values())])
        ready = [call for call in self._closed if call.start < limit]
        self._closed = [call for call in self._closed if call.start >= limit]
        return sorted(ready, key=_order)

    def finish(self) -> list[Call]:
        """Return the remaining calls of the record, in order; a new record may follow."""
        ready = sorted([*self._closed, *self._open.values()], key=_order)
        self._chrom = None
        self._open = {}
        self._closed = []
        return ready

    def _check_record(self, chrom: str) -> None:
        if self._chrom not in (None, chrom):
            raise ValueError(f"{chrom} begins before {self._chrom} was finished")
        self._chrom = chrom


def _joined(earlier: Call, later: Call) -> Call:
    """Return one call for two that overlap; the earlier best window wins a tie."""
    best = later if later.probability > earlier.probability else earlier
    return replace(
        best,
        start=earlier.start,
        end=max(earlier.end, later.end),
        n_windows=earlier.n_windows + later.n_windows,
    )


def _order(call: Call) -> tuple[int, int, str, str]:
    return call.start, call.end, call.strand, call.name
