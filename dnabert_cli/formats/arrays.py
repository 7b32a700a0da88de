"""Arrays under names, in numpy's `.npz`: written whole, and read without loading them.

Nothing in a file is executed: arrays of objects, which would be unpickled, are refused. The names
in a file are names only and never lead anywhere on the disk. What is mapped is not read through,
so its checksums are not looked at.
"""

import lzma
import math
import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO, Any, Literal

import numpy as np
import numpy.typing as npt

from dnabert_cli.errors import FormatError
from dnabert_cli.formats.files import open_output

Array = npt.NDArray[Any]

# A zip member begins with a header of this size; two of its fields say how much follows.
_HEADER_BYTES = 30
_NAME_FIELD, _EXTRA_FIELD = slice(26, 28), slice(28, 30)
# What the readers of zip and of numpy are known to raise on damaged files.
_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    tokenize.TokenError,
    ValueError,
    TypeError,
    SyntaxError,
    EOFError,
    KeyError,
    OverflowError,
    RuntimeError,  # a password, or an unknown way of packing
)


def write_arrays(path: str | Path, *, force: bool, **arrays: Array) -> None:
    """Write arrays uncompressed, whole or not at all.

    Args:
        path: a file, no stream: a zip is not written front to back.
        force: replace an existing file.
        arrays: by name.
    """
    with open_output(str(path), force=force) as handle:
        np.savez(handle.buffer, **arrays)  # type: ignore[arg-type]  # numpy takes any name


def map_arrays(path: str | Path) -> dict[str, Array]:
    """Return the arrays of an `.npz`, mapped into memory where they are stored uncompressed.

    Raises:
        FormatError: the file cannot be opened, is no `.npz`, is damaged, or holds arrays of
            objects.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            return {
                info.filename.removesuffix(".npy"): _map(path, archive, info)
                for info in archive.infolist()
            }
    except _DAMAGE as error:
        raise FormatError(str(path), f"not a table of arrays (.npz): {error}") from error
    except OSError as error:
        raise FormatError(str(path), f"cannot be read: {error.strerror or error}") from error


def _map(path: str | Path, archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Array:
    with archive.open(info) as member:
        shape, fortran_order, dtype = _read_header(member)
        if dtype.hasobject:
            raise ValueError(f"{info.filename} holds objects")
        begin, n_bytes = member.tell(), math.prod(shape) * dtype.itemsize
        if min(shape, default=0) < 0 or begin + n_bytes != info.file_size:
            raise ValueError(f"{info.filename} is shorter or longer than it says")
        order: Literal["F", "C"] = "F" if fortran_order else "C"
        if n_bytes == 0:
            return np.empty(shape, dtype)
        if info.compress_type != zipfile.ZIP_STORED:
            return np.frombuffer(member.read(), dtype).reshape(shape, order=order)
    offset = _first_byte(path, info) + begin
    mapped: Array = np.memmap(path, dtype, "r", offset, shape, order)
    return mapped


def _read_header(member: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    major, _ = np.lib.format.read_magic(member)
    if major == 1:
        return np.lib.format.read_array_header_1_0(member)
    return np.lib.format.read_array_header_2_0(member)


def _first_byte(path: str | Path, info: zipfile.ZipInfo) -> int:
    """Where a member begins in the file, behind the zip's own header."""
    with Path(path).open("rb") as file:
        file.seek(info.header_offset)
        header = file.read(_HEADER_BYTES)
    sizes = (int.from_bytes(header[field], "little") for field in (_NAME_FIELD, _EXTRA_FIELD))
    return info.header_offset + _HEADER_BYTES + sum(sizes)
