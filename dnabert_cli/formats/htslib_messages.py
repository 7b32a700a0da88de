"""What htslib says about something that failed; pysam passes on only that it did."""

import os
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

_STDERR = 2
_WARNINGS = 3  # level of verbosity
_MARK = re.compile(r"^\[[EW]::\w+\] *")
_PLACE = re.compile(r" at \S+:\d+")  # of a record
_N_READ = 1 << 16  # bytes from the end: a warning may come with every record


def complaint(pysam: Any, again: Callable[[], object]) -> str:
    """Do once more what failed; return the last thing htslib says about it, in one line.

    Meanwhile standard error of the whole process goes to a temporary file.

    Args:
        pysam: the module.
        again: what failed.

    Returns:
        The last error, else the last warning that names a record; may be empty.
    """
    try:
        with tempfile.TemporaryFile() as told:
            known = suppress(OSError, ValueError, pysam.SamtoolsError)
            with _standard_error_to(told.fileno()), _verbose(pysam), known:
                again()
            told.seek(max(told.seek(0, os.SEEK_END) - _N_READ, 0))
            lines = told.read().decode("utf-8", "replace").splitlines()
    except OSError:  # no room, or no standard error
        return ""
    errors = [line for line in lines if line.startswith("[E::")]
    warnings = [line for line in lines if line.startswith("[W::") and _PLACE.search(line)]
    return _MARK.sub("", (errors or warnings or [""])[-1]).strip()


@contextmanager
def _standard_error_to(number: int) -> Iterator[None]:
    kept = os.dup(_STDERR)
    try:
        os.dup2(number, _STDERR)
        yield
    finally:
        os.dup2(kept, _STDERR)
        os.close(kept)


@contextmanager
def _verbose(pysam: Any) -> Iterator[None]:
    before = pysam.set_verbosity(_WARNINGS)
    try:
        yield
    finally:
        pysam.set_verbosity(before)
