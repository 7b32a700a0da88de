"""BED: intervals in; calls and scored windows out.

Read are BED3 to BED6 and whatever extends them (BED12, narrowPeak): columns beyond the sixth and
the score are ignored. Comments, `track` and `browser` lines and blank lines are skipped. Narrower
than bedtools: a stretch of no bases (start = end) is refused, because nothing can be scored there.
"""

import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TextIO

from dnabert_cli.errors import FormatError
from dnabert_cli.formats.files import as_text, open_binary
from dnabert_cli.records import STRANDS, Call, Interval

WINDOW_COLUMNS = ("chrom", "start", "end", "name", "score", "strand", "probability")
CALL_COLUMNS = (*WINDOW_COLUMNS, "summit", "n_windows")

SKIPPED = ("#", "track\t", "track ", "browser\t", "browser ")
_BLANK = re.compile(r"\s")


def read_bed(path: str, stream: io.BufferedReader | None = None) -> list[Interval]:
    """Read the intervals of a BED file, in its order.

    Args:
        path: the file, plain or gzip, or `-` for standard input.
        stream: the file as `open_binary` opened it, not yet read; `None` opens it.

    Returns:
        The intervals; none for a file without rows.

    Raises:
        FormatError: with the line: columns not separated by tabs, coordinates that are no whole
            numbers, start not before end, an unknown strand.
    """
    return [interval for _, interval in read_numbered(path, stream)]


def read_numbered(
    path: str, stream: io.BufferedReader | None = None
) -> Iterator[tuple[int, Interval]]:
    """Yield (line, interval) as `read_bed`, for those who must name the line later."""
    return ((number, interval) for number, interval, _ in read_cells(path, stream))


def read_cells(
    path: str, stream: io.BufferedReader | None = None
) -> Iterator[tuple[int, Interval, list[str]]]:
    """Yield (line, interval, all cells of the row) as `read_bed`."""
    is_first = True
    with as_text(stream or open_binary(path)) as lines:
        for number, line in enumerate(lines, 1):
            if line.startswith(SKIPPED) or not line.strip():
                continue
            cells = line.rstrip("\n").split("\t")
            if not (is_first and _is_header(cells)):
                yield number, _interval(path, number, cells), cells
                is_first = False


def first_base(interval: Interval) -> int:
    """Return the first base of an interval on its strand, such as a start site; `.` is `+`."""
    return interval.end - 1 if interval.strand == "-" else interval.start


def write_calls(calls: Iterable[Call], handle: TextIO, *, header: bool) -> int:
    """Write called regions as BED6 and three columns more (`CALL_COLUMNS`); return how many."""
    rows = (
        (
            *_bed6(call.chrom, call.start, call.end, call.name, call.probability, call.strand),
            f"{call.probability:.4f}",
            str(call.summit),
            str(call.n_windows),
        )
        for call in calls
    )
    return write_rows(rows, CALL_COLUMNS, handle, header=header)


def write_windows(
    windows: Iterable[tuple[str, int, int, str, float, str]], handle: TextIO, *, header: bool
) -> int:
    """Write scored windows as BED6 and the probability (`WINDOW_COLUMNS`); return how many.

    Args:
        windows: (chrom, start, end, name, probability, strand).
        handle: where to.
        header: whether to write the names of the columns.
    """
    rows = ((*_bed6(*window), f"{window[4]:.4f}") for window in windows)
    return write_rows(rows, WINDOW_COLUMNS, handle, header=header)


def write_rows(
    rows: Iterable[Sequence[str]], columns: Sequence[str], handle: TextIO, *, header: bool
) -> int:
    """Write rows separated by tabs, below a line `#column<TAB>column…`; return how many.

    The header is written together with the first row, so that a failure before it leaves the
    output empty; when there are no rows it is written at the end.
    """
    heading = "#" + "\t".join(columns) + "\n" if header else ""
    n_rows = 0
    for row in rows:
        handle.write(heading + "\t".join(row) + "\n")
        heading = ""
        n_rows += 1
    handle.write(heading)
    return n_rows


def _is_header(cells: list[str]) -> bool:
    names = [cell.strip().lower().removeprefix("chrom") for cell in cells[1:3]]
    return names == ["start", "end"]


def _interval(path: str, line: int, cells: list[str]) -> Interval:
    if len(cells) < 3:
        found = "blanks" if len(cells[0].split()) >= 3 else f"{len(cells)} column(s)"
        raise FormatError(
            path,
            f"not BED: expected chrom, start and end separated by tabs, found {found}",
            line=line,
            hint="turn blanks into tabs: tr -s ' ' '\\t'" if found == "blanks" else None,
        )
    chrom, name = cells[0].strip(), cells[3].strip() if len(cells) > 3 else ""
    start, end = (coordinate(path, line, cell) for cell in cells[1:3])
    strand = cells[5].strip() if len(cells) > 5 else "."
    if not chrom:
        raise FormatError(path, "the name of the sequence is missing", line=line)
    if start >= end:
        problem = "is equal to" if start == end else "is smaller than"
        raise FormatError(path, f"end {end} {problem} start {start}", line=line)
    if strand not in STRANDS:
        raise FormatError(path, f"strand {strand!r} is not one of '+', '-', '.'", line=line)
    return Interval(chrom, start, end, name or ".", strand)


def coordinate(path: str, line: int, cell: str) -> int:
    """Return a cell as a 0-based coordinate.

    Raises:
        FormatError: it is no whole number of 0 or more.
    """
    text = cell.strip()
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise FormatError(
            path,
            f"coordinate {text!r} is not a whole number of 0 or more",
            line=line,
            hint="BED is chrom, start, end: start counts from 0, end is not included",
        )
    return int(text)


def finite_number(text: str) -> float | None:
    """Return the finite number a text is; `None` where it is none."""
    try:
        value = float(text.replace("_", "x"))  # Python would read 1_000
    except ValueError:
        return None
    return value if math.isfinite(value) else None


def _bed6(
    chrom: str, start: int, end: int, name: str, probability: float, strand: str
) -> Iterator[str]:
    score = min(max(math.floor(1000 * probability), 0), 1000)
    yield from (chrom, str(start), str(end))
    yield from (_BLANK.sub("_", name) or ".", str(score), strand)
