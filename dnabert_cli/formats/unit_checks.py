"""What an answer that was read back must be like before a command relies on it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.errors import FormatError


@dataclass(frozen=True, slots=True)
class Expected:
    """What one array of an answer must be like.

    Attributes:
        kind: of its numbers: `f`, `i` (signed) or `u`.
        shape: the length of each axis; a name stands for any length, everywhere the same.
        between: least and largest value, two numbers or two arrays that broadcast; `None`: any.
        may_miss: whether NaN may stand for a number.
    """

    kind: str
    shape: tuple[int | str, ...]
    between: tuple[Any, Any] | None = None
    may_miss: bool = False


def check_answer(
    arrays: Mapping[str, npt.NDArray[Any]], expected: Mapping[str, Expected], path: str
) -> None:
    """Check the arrays of a unit; there may be more than are expected.

    Args:
        arrays: as read.
        expected: by name.
        path: the file they were read from.

    Raises:
        FormatError: one is missing or of another kind, or holds what no command has written.
    """
    lengths: dict[str, int] = {}
    for name, one in expected.items():
        array = arrays.get(name)
        problem = "is missing" if array is None else _problem(array, one, lengths)
        if problem:
            raise FormatError(path, f"is damaged: {name!r} {problem}", hint="make it anew")


def _problem(array: npt.NDArray[Any], expected: Expected, lengths: dict[str, int]) -> str:
    """Say what is wrong with an array; empty where nothing is."""
    if array.dtype.kind != expected.kind or array.ndim != len(expected.shape):
        return f"is {array.dtype.name} {list(array.shape)}"
    for length, wanted in zip(array.shape, expected.shape, strict=True):
        if length != (lengths.setdefault(wanted, length) if isinstance(wanted, str) else wanted):
            return f"has the shape {list(array.shape)}"
    if expected.kind == "f" and not expected.may_miss and np.isnan(array).any():
        return "holds what is not a number"
    if expected.between is not None:
        low, high = expected.between
        if ((array < low) | (array > high)).any():  # never true of NaN
            return "holds what is out of range"
    return ""
