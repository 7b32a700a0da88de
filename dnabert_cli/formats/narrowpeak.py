"""Peaks with their summits: narrowPeak, and any BED, whose summit is the middle.

narrowPeak is BED6 and four columns, the tenth of which is the summit, counted from the start of
the peak (-1: not called). BED12 has a tenth column of another meaning, so a row is narrowPeak only
with exactly ten.
"""

import logging

from dnabert_cli.errors import FormatError, shown
from dnabert_cli.formats.bed import read_cells
from dnabert_cli.records import Interval

logger = logging.getLogger(__name__)

_N_COLUMNS = 10
_UNKNOWN = "-1"


def read_peaks(path: str) -> list[tuple[Interval, int]]:
    """Read peaks and their summits, in the order of the file.

    Args:
        path: narrowPeak or BED of three columns and more, plain or gzip, or `-` for standard
            input.

    Returns:
        (peak, summit): the summit is a 0-based base of the sequence, the middle of the peak where
        the file names none.

    Raises:
        FormatError: with the line: as `read_bed`; a summit that is no whole number or lies
            outside its peak.
    """
    peaks = []
    n_summits = 0
    for number, interval, cells in read_cells(path):
        offset = cells[-1].strip() if len(cells) == _N_COLUMNS else _UNKNOWN
        if offset == _UNKNOWN:
            peaks.append((interval, (interval.start + interval.end) // 2))
        else:
            peaks.append((interval, interval.start + _offset(path, number, offset, interval)))
            n_summits += 1
    logger.info("%s: %d of %d peaks name their summit", shown(path), n_summits, len(peaks))
    return peaks


def _offset(path: str, line: int, text: str, peak: Interval) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) < 19
    if not is_number:
        raise FormatError(
            path,
            f"summit {text!r} is not a whole number",
            line=line,
            hint="column 10 of narrowPeak counts from the start of the peak; -1 is unknown",
        )
    if int(text) >= peak.end - peak.start:
        raise FormatError(
            path,
            f"summit {text} lies outside the peak of {peak.end - peak.start} bases",
            line=line,
            hint="column 10 of narrowPeak counts from the start of the peak",
        )
    return int(text)
