"""The log of a training run as it goes: a TSV that a resumed run goes on with."""

from collections.abc import Mapping
from pathlib import Path

from dnabert_cli.errors import FormatError


class TrainingLog:
    """Appends a row per call; a file of an earlier part of the run is cut back to its step.

    Args:
        path: the file, made with its folder's other files left alone.
        step: rows behind it are of steps that will be done again.
    """

    def __init__(self, path: Path, step: int = 0) -> None:
        self._path = path
        kept: list[str] = []
        if step and path.is_file():
            kept = _rows_until(path, step)
        self._has_header = bool(kept)
        path.write_text("".join(kept), encoding="utf-8")

    def __call__(self, values: Mapping[str, float]) -> None:
        """Write a row, and before the first one the names of its columns."""
        with self._path.open("a", encoding="utf-8") as file:
            if not self._has_header:
                file.write("#" + "\t".join(values) + "\n")
                self._has_header = True
            file.write("\t".join(_cell(value) for value in values.values()) + "\n")


def _rows_until(path: Path, step: int) -> list[str]:
    kept = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(keepends=True), 1):
        first = line.partition("\t")[0]
        if line.startswith("#"):
            kept.append(line)
        elif not first.isdecimal():
            raise FormatError(str(path), f"{first!r} is no step", line=number)
        elif int(first) <= step and line.endswith("\n"):
            kept.append(line)
    return kept


def _cell(value: float) -> str:
    return str(value) if isinstance(value, int) else f"{value:.6g}"
