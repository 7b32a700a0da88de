"""Arrays under names, in numpy's `.npz`: written whole, and read without loading them.

Nothing in a file is executed: arrays of objects, which would be unpickled, are refused.
"""

import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import numpy.typing as npt

from dnabert_cli.errors import FormatError
from dnabert_cli.formats.files import open_output

Array = npt.NDArray[Any]

# A zip member begins with a header of this size; two of its fields say how much follows.
_HEADER_BYTES = 30
_NAME_FIELD, _EXTRA_FIELD = slice(26, 28), slice(28, 30)


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
        FormatError: the file is no `.npz`, is damaged, or holds arrays of objects.
    """
    try:
        with zipfile.ZipFile(path) as archive, Path(path).open("rb") as file:
            return {
                info.filename.removesuffix(".npy"): _map(path, file, archive, info)
                for info in archive.infolist()
            }
    except (zipfile.BadZipFile, ValueError, EOFError, KeyError) as error:
        raise FormatError(str(path), f"not a table of arrays (.npz): {error}") from error


def _map(
    path: str | Path, file: BinaryIO, archive: zipfile.ZipFile, info: zipfile.ZipInfo
) -> Array:
    if info.compress_type != zipfile.ZIP_STORED:
        with archive.open(info) as member:
            packed: Array = np.lib.format.read_array(member, allow_pickle=False)
        return packed
    file.seek(info.header_offset)
    header = file.read(_HEADER_BYTES)
    sizes = (int.from_bytes(header[field], "little") for field in (_NAME_FIELD, _EXTRA_FIELD))
    file.seek(sum(sizes), 1)
    major, _ = np.lib.format.read_magic(file)
    read_header = (
        np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
    )
    shape, fortran_order, dtype = read_header(file)
    if dtype.hasobject:
        raise ValueError(f"{info.filename} holds objects")
    if 0 in shape:
        return np.empty(shape, dtype)
    offset = file.tell()
    order = "F" if fortran_order else "C"
    mapped: Array = np.memmap(path, dtype, "r", offset, shape, order)  # type: ignore[call-overload]
    return mapped
