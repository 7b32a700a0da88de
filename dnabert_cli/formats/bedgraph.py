"""bedGraph: a value per stretch of bases, in and out; and how to tell it from BED.

Four columns, `chrom start end value`, separated by tabs or blanks, 0-based and half-open.
"""

import re
from collections.abc import Iterable, Iterator
from typing import TextIO

import numpy as np
import numpy.typing as npt

from dnabert_cli.errors import FormatError
from dnabert_cli.formats.bed import SKIPPED, coordinate, finite_number, write_rows
from dnabert_cli.formats.files import open_text
from dnabert_cli.records import Interval

BEDGRAPH_COLUMNS = ("chrom", "start", "end", "value")

Floats = npt.NDArray[np.floating]
Positions = npt.NDArray[np.int64]
Track = tuple[str, int, Floats]  # sequence, 0-based first base, a score per base

_SUFFIX = re.compile(r"\.(bedgraph|bdg|bg|bed)(\.b?gz)?$", re.IGNORECASE)
_TRACK = re.compile(r"track\b.*\btype=[\"']?bedGraph\b", re.IGNORECASE)


def read_bedgraph(path: str) -> Iterator[tuple[int, Interval, float]]:
    """Yield (line, interval, value) in the order of the file.

    Raises:
        FormatError: with the line: not four columns, coordinates that are no whole numbers, start
            not before end, a value that is no finite number.
    """
    with open_text(path) as lines:
        for number, line in enumerate(lines, 1):
            if line.startswith(SKIPPED) or not line.strip():
                continue
            cells = line.split()
            if len(cells) != 4:
                raise FormatError(
                    path, f"not bedGraph: {len(cells)} columns instead of 4", line=number
                )
            start, end = (coordinate(path, number, cell) for cell in cells[1:3])
            if start >= end:
                raise FormatError(path, f"end {end} is not above start {start}", line=number)
            yield number, Interval(cells[0], start, end), _value(path, number, cells[3])


def is_bedgraph(path: str) -> bool:
    """Tell bedGraph from BED: by the name of the file or its `track` line, else by the first row.

    Without such a word, four columns of which the last is a number are bedGraph. A BED with
    numbers for names therefore needs a name that ends in `.bed`.
    """
    suffix = _SUFFIX.search(path)
    if suffix is not None:
        return suffix[1].lower() != "bed"
    with open_text(path) as lines:
        for line in lines:
            if _TRACK.match(line):
                return True
            if not line.startswith(SKIPPED) and line.strip():
                cells = line.split()
                return len(cells) == 4 and finite_number(cells[3]) is not None
    return False


def _value(path: str, line: int, cell: str) -> float:
    value = finite_number(cell)
    if value is None:
        raise FormatError(path, f"value {cell!r} is no finite number", line=line)
    return value


def write_bedgraph(tracks: Iterable[Track], handle: TextIO, *, header: bool) -> int:
    """Write scores per base, equal neighbours as one row; return how many rows.

    Values have 6 significant digits, and what is equal with these is equal. Bases whose score is
    not finite are left out. The header is a comment, so that bedtools and tabix pass over it.

    Args:
        tracks: (chrom, start, scores `[L]`); start 0-based. They are written in this order and
            must not overlap.
        handle: where to.
        header: whether to write the names of the columns.
    """
    rows = (row for track in tracks for row in _rows(*track))
    return write_rows(rows, BEDGRAPH_COLUMNS, handle, header=header)


def runs(start: int, scores: Floats) -> tuple[Positions, Positions, Floats]:
    """Return the stretches of equal and finite scores.

    Args:
        start: 0-based position of the first score.
        scores: `[L]`.

    Returns:
        starts, ends, values: `[R]`; ends are not included.
    """
    first = np.flatnonzero(np.append(True, scores[1:] != scores[:-1])[: len(scores)])
    ends = np.append(first[1:], len(scores))[: len(first)]
    is_known = np.isfinite(scores[first])
    return first[is_known] + start, ends[is_known] + start, scores[first[is_known]]


def _rows(chrom: str, start: int, scores: Floats) -> Iterator[tuple[str, str, str, str]]:
    """Yield the rows of a track; runs that look equal once they are written are joined."""
    row_start, row_end, row_text = 0, -1, ""
    for begin, end, value in zip(*(array.tolist() for array in runs(start, scores)), strict=True):
        text = f"{value + 0.0:.6g}"  # adding 0 makes -0 a 0
        if begin == row_end and text == row_text:
            row_end = end
            continue
        if row_text:
            yield chrom, str(row_start), str(row_end), row_text
        row_start, row_end, row_text = begin, end, text
    if row_text:
        yield chrom, str(row_start), str(row_end), row_text
