"""bedGraph: a value per stretch of bases; and how to tell it from BED.

Four columns, `chrom start end value`, separated by tabs or blanks, 0-based and half-open.
"""

import re
from collections.abc import Iterator

from dnabert_cli.errors import FormatError
from dnabert_cli.formats.bed import SKIPPED, coordinate, finite_number
from dnabert_cli.formats.files import open_text
from dnabert_cli.records import Interval

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
