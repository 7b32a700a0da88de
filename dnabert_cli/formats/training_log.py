"""The log of a training run as it goes: a TSV that a resumed run goes on with."""

import re
from collections.abc import Mapping
from pathlib import Path

from dnabert_cli.errors import DnabertError, FormatError
from dnabert_cli.formats.files import open_text

_STEP = re.compile("[0-9]{1,18}")


class TrainingLog:
    """Appends a row per call; a file of an earlier part of the run is cut back to its step.

    Every row is on the disk when the call returns, so that the file can be watched, and what a
    killed run has left is at most half a row too much.

    Args:
        path: the file; what lies there is replaced when the run begins with its first step.
        step: the run goes on behind it; rows behind it are of steps that will be done again.

    Raises:
        FormatError: the run goes on, and the file is not its log.
        DnabertError: the file cannot be written.
    """

    def __init__(self, path: Path, step: int = 0) -> None:
        self._path = path
        kept = _lines_until(path, step) if step and path.is_file() else []
        self._has_header = bool(kept)
        self._write("".join(kept), "w")

    def __call__(self, values: Mapping[str, float]) -> None:
        """Write a row, and before the first one the names of its columns; the first is the step."""
        header = "" if self._has_header else "#" + "\t".join(values) + "\n"
        self._write(header + "\t".join(map(_cell, values.values())) + "\n", "a")
        self._has_header = True

    def _write(self, text: str, mode: str) -> None:
        try:
            with self._path.open(mode, encoding="utf-8", newline="\n") as file:
                file.write(text)
        except OSError as error:
            raise DnabertError(f"cannot write {self._path}: {error.strerror}") from error


def _lines_until(path: Path, step: int) -> list[str]:
    """Return the lines up to a step; a last line without end was being written and is dropped."""
    with open_text(str(path)) as file:
        lines = file.read().split("\n")[:-1]
    if lines and not lines[0].startswith("#"):
        raise FormatError(str(path), "a training log begins with the names of its columns", line=1)
    kept = lines[:1]
    for number, line in enumerate(lines[1:], 2):
        first = line.partition("\t")[0]
        if not _STEP.fullmatch(first):
            raise FormatError(str(path), f"{first[:20]!r} is no step", line=number)
        if int(first) <= step:
            kept.append(line)
    return [line + "\n" for line in kept]


def _cell(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
