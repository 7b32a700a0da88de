"""Head `token`: regions cut into windows, and a label for each of their bases.

The labels come from a file of their own. BED: the name of an interval is the class of its bases
(`1` where it has none), all other bases are background, class `0`. bedGraph: a value per base, and
no label where the file says nothing.
"""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dnabert_cli.errors import DataError, FormatError, OptionsError
from dnabert_cli.formats.bed import read_numbered
from dnabert_cli.formats.bedgraph import is_bedgraph, read_bedgraph
from dnabert_cli.records import Example, Interval
from dnabert_cli.sequence.windows import tile
from dnabert_cli.tasks.pieces import piece_of
from dnabert_cli.tasks.targets import in_order

logger = logging.getLogger(__name__)

WINDOW = 300  # bases, as the promoter windows of Ji et al. 2021
BACKGROUND, UNNAMED = "0", "1"

Numbers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float32]
_Row = tuple[int, Interval, float]  # line, where, class number or value


class BaseLabels:
    """The labels file, painted onto one example at a time.

    An interval with a strand counts for examples of the same strand and for those without one.

    Args:
        path: BED or bedGraph (`bedgraph.is_bedgraph`).
        chroms: sequences whose intervals are kept.

    Attributes:
        names: of the classes, background first; `None` where the labels are values.

    Raises:
        FormatError: the file breaks its format.
    """

    def __init__(self, path: str, chroms: set[str]) -> None:
        if path == "-":
            raise OptionsError("--labels cannot be standard input", hint="name a file")
        self._path = path
        self.names: tuple[str, ...] | None = None
        if is_bedgraph(path):
            rows = [row for row in read_bedgraph(path) if row[1].chrom in chroms]
        else:
            named = [row for row in read_numbered(path) if row[1].chrom in chroms]
            self.names = _class_names(interval for _, interval in named)
            number = {name: float(i) for i, name in enumerate(self.names)}
            rows = [(line, one, number[_class_of(one)]) for line, one in named]
        of_chrom: dict[str, list[_Row]] = {}
        for row in rows:
            of_chrom.setdefault(row[1].chrom, []).append(row)
        self._tracks = {chrom: _track(mine) for chrom, mine in of_chrom.items()}

    def classes(self, example: Example) -> Numbers:
        """Return the class number of each base of an example, read as it is, `[L]`.

        Raises:
            FormatError: two intervals give a base different classes.
        """
        painted: Numbers = self._paint(example, 0).astype(np.int64)
        return painted

    def values(self, example: Example) -> Floats:
        """Return the value of each base of an example, read as it is, `[L]`; NaN without one.

        Raises:
            FormatError: two lines give a base different values.
        """
        painted: Floats = self._paint(example, np.nan).astype(np.float32)
        return painted

    def _paint(self, example: Example, missing: float) -> npt.NDArray[np.float64]:
        assert example.chrom is not None
        assert example.start is not None
        painted = np.full(len(example.sequence), missing)
        owner = np.full(len(example.sequence), -1)
        track = self._tracks.get(example.chrom)
        for i in [] if track is None else track.overlapping(example):
            assert track is not None
            first = max(int(track.starts[i]) - example.start, 0)
            held = slice(first, int(track.ends[i]) - example.start)
            clash = (owner[held] >= 0) & (painted[held] != track.labels[i])
            if clash.any():
                raise self._clash(track, i, int(owner[held][clash][0]))
            painted[held], owner[held] = track.labels[i], i
        return painted[::-1] if example.strand == "-" else painted

    def _clash(self, track: "_Track", one: int, other: int) -> FormatError:
        lines = sorted((int(track.lines[one]), int(track.lines[other])))
        labels = [
            f"{label:g}" if self.names is None else repr(self.names[int(label)])
            for label in (track.labels[other], track.labels[one])
        ]
        return FormatError(
            self._path,
            f"overlaps line {lines[0]} with another label: {' and '.join(sorted(labels))}",
            line=lines[1],
            hint="a base has one label; cut one of the two",
        )


@dataclass(frozen=True)
class _Track:
    """The intervals of one sequence, by start.

    Attributes:
        starts, ends: `[M]`.
        reach: `[M]`, the largest end so far.
        labels: `[M]`, class numbers or values.
        lines: `[M]`.
        strands: `[M]`.
    """

    starts: Numbers
    ends: Numbers
    reach: Numbers
    labels: npt.NDArray[np.float64]
    lines: Numbers
    strands: list[str]

    def overlapping(self, example: Example) -> Iterator[int]:
        """Yield the intervals that count for an example."""
        assert example.start is not None
        first = int(np.searchsorted(self.reach, example.start, side="right"))
        end = example.start + len(example.sequence)
        for i in range(first, int(np.searchsorted(self.starts, end, side="left"))):
            is_other_strand = {"+", "-"} == {self.strands[i], example.strand}
            if self.ends[i] > example.start and not is_other_strand:
                yield i


def _track(mine: list[_Row]) -> _Track:
    mine.sort(key=lambda row: row[1].start)
    ends = np.array([one.end for _, one, _ in mine])
    return _Track(
        starts=np.array([one.start for _, one, _ in mine]),
        ends=ends,
        reach=np.maximum.accumulate(ends),
        labels=np.array([label for _, _, label in mine]),
        lines=np.array([line for line, _, _ in mine]),
        strands=[one.strand for _, one, _ in mine],
    )


def _class_of(interval: Interval) -> str:
    return UNNAMED if interval.name == "." else interval.name


def _class_names(intervals: Iterator[Interval]) -> tuple[str, ...]:
    return (BACKGROUND, *in_order({_class_of(one) for one in intervals} - {BACKGROUND}))


def cut_regions(examples: Sequence[Example], window: int) -> tuple[list[Example], list[int]]:
    """Cut regions into windows, the last one flush with the end of the region.

    Returns:
        The windows, and for each how many of its first bases the window before holds already.

    Raises:
        DataError: a row does not say where it lies.
    """
    windows, n_seen = [], []
    for example in examples:
        if example.chrom is None or example.start is None or example.end is None:
            raise DataError(
                f"{example.source}: a row does not say where it lies",
                hint="--head token reads regions: BED with --genome",
            )
        end = 0
        for start in tile(len(example.sequence), window, window).tolist():
            windows.append(piece_of(example, start, window))
            n_seen.append(end - start)
            end = start + window
    return windows, [max(n, 0) for n in n_seen]
