"""The bytes of a file of units: a header, then a record per answer, only ever added to.

    line "dnabert units" then length and CRC-32 of the header, and the header: JSON
    record              mark, length of the key, length and CRC-32 of what follows: key and arrays
    array               length of its name, its name, and the array in numpy's format 1.0
    end mark            a record without key; a file without it was never finished

A process that is killed while it writes leaves a torn last record, which is cut off before the
next one is added. Nothing in a file is executed: only numbers and text are read.
"""

import io
import json
import math
import struct
import tokenize
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.errors import DnabertError, FormatError

Array = npt.NDArray[Any]
Place = tuple[int, int]  # first byte of the arrays of a record, and how many bytes they have

_MAGIC = b"dnabert units\n"
_SIZE_AND_SUM = struct.Struct("<II")
_RECORD = struct.Struct("<4sHQI")
_RECORD_MARK = b"unit"
_NAME_SIZE = struct.Struct("<H")
_CHUNK = 1 << 20
_KINDS = "biufUS"  # of arrays: truth values, numbers and text
# What the readers of numpy's headers are known to raise on damaged ones.
_DAMAGE = (
    struct.error,
    tokenize.TokenError,
    ValueError,
    TypeError,
    SyntaxError,
    EOFError,
    LookupError,
    OverflowError,
    RecursionError,
)


class UnitFile:
    """A file of units; memory holds where each answer lies, never the answers.

    Args:
        path: how errors name the file.
        file: open for reading, and for writing where records are added; unbuffered, so that what
            was added is in the hands of the operating system and a killed process loses nothing.

    Attributes:
        header: what stands at its beginning.
        places: where the answer of each unit lies, by its key.
        is_complete: whether it has its end mark.
    """

    def __init__(self, path: str, file: io.RawIOBase) -> None:
        self.path = path
        self.header: dict[str, Any] = {}
        self.places: dict[str, Place] = {}
        self.is_complete = False
        self._file = file
        self._end = 0  # behind the last whole record

    def begin(self, header: Mapping[str, Any]) -> None:
        """Empty the file and write a header, which JSON must be able to hold."""
        self.header, self.places, self.is_complete = dict(header), {}, False
        self._file.truncate(0)
        self._end = 0
        text = json.dumps(self.header).encode()
        self._write(_MAGIC + _SIZE_AND_SUM.pack(len(text), zlib.crc32(text)) + text)

    def load(self) -> None:
        """Read the header and find the records, up to the first that is torn or damaged.

        Raises:
            FormatError: the header is missing, damaged, or of something else.
        """
        self.header = self._read_header()
        while (found := self._next_record()) is not None:
            key, place = found
            if not key:
                self.is_complete = sum(place) == self._file.seek(0, io.SEEK_END)
                return
            self.places[key] = place
            self._end = sum(place)

    def cut(self) -> None:
        """Cut off what stands behind the last whole record, so that records can be added."""
        self._file.truncate(self._end)
        self.is_complete = False

    def add(self, key: str, arrays: Mapping[str, Array]) -> None:
        """Add the answer of a unit.

        Raises:
            DnabertError: the disk is full.
            ValueError: an array holds objects.
        """
        place = self._add_record(key.encode(), _packed(arrays))
        self.places[key] = place

    def finish(self) -> None:
        """Write the end mark; nothing is added behind it."""
        self._add_record(b"", b"")
        self.is_complete = True

    def read(self, key: str) -> dict[str, Array]:
        """Return the answer of a unit that the file has."""
        return read_arrays(self._file, self.places[key], self.path)

    def _read_header(self) -> dict[str, Any]:
        self._file.seek(0)
        head = _exactly(self._file, len(_MAGIC) + _SIZE_AND_SUM.size)
        if head is None or not head.startswith(_MAGIC):
            raise FormatError(self.path, "is no file of units, as --shard writes them")
        n_bytes, checksum = _SIZE_AND_SUM.unpack_from(head, len(_MAGIC))
        text = _exactly(self._file, n_bytes)
        if text is None or zlib.crc32(text) != checksum:
            raise FormatError(self.path, "is damaged: its header cannot be read")
        self._end = len(head) + n_bytes
        try:
            values = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise FormatError(self.path, "is damaged: its header is not JSON") from error
        if not isinstance(values, dict):
            raise FormatError(self.path, "is damaged: its header holds no names")
        if rb"\u0000" in text:  # which no path can hold
            raise FormatError(self.path, "is damaged: its header holds NUL")
        return values

    def _next_record(self) -> tuple[str, Place] | None:
        """Return key and place of the record behind the last one; `None` where none is whole."""
        self._file.seek(self._end)
        head = _exactly(self._file, _RECORD.size)
        if head is None:
            return None
        mark, key_bytes, n_bytes, expected = _RECORD.unpack(head)
        key = _exactly(self._file, key_bytes)
        if mark != _RECORD_MARK or key is None:
            return None
        checksum, n_left = zlib.crc32(key), n_bytes
        while n_left:
            chunk = _exactly(self._file, min(n_left, _CHUNK))
            if chunk is None:
                return None
            checksum, n_left = zlib.crc32(chunk, checksum), n_left - len(chunk)
        if checksum != expected:
            return None
        place = (self._end + _RECORD.size + key_bytes, n_bytes)
        return key.decode("utf-8", "replace"), place

    def _add_record(self, key: bytes, data: bytes) -> Place:
        checksum = zlib.crc32(data, zlib.crc32(key))
        first = self._end + _RECORD.size + len(key)
        self._write(_RECORD.pack(_RECORD_MARK, len(key), len(data), checksum) + key + data)
        return first, len(data)

    def _write(self, data: bytes) -> None:
        rest = memoryview(data)
        try:
            self._file.seek(self._end)
            while rest:  # a raw file may take a part only
                rest = rest[self._file.write(rest) :]
        except OSError as error:
            raise DnabertError(f"cannot write {self.path}: {error.strerror}") from error
        self._end += len(data)


def read_arrays(file: io.RawIOBase, place: Place, path: str) -> dict[str, Array]:
    """Return the arrays of one record.

    Args:
        file: open for reading.
        place: as `UnitFile.places` has it.
        path: how errors name the file.

    Raises:
        FormatError: they are damaged, or hold something else than numbers and text.
    """
    file.seek(place[0])
    data = _exactly(file, place[1])
    try:
        if data is None:
            raise EOFError("the file ends early")
        return _unpacked(data)
    except _DAMAGE as error:
        raise FormatError(path, f"is damaged: {error}", hint="make it anew") from error


def _packed(arrays: Mapping[str, Array]) -> bytes:
    buffer = io.BytesIO()
    for name, array in arrays.items():
        encoded = name.encode()
        buffer.write(_NAME_SIZE.pack(len(encoded)) + encoded)
        np.lib.format.write_array(buffer, np.asarray(array), version=(1, 0), allow_pickle=False)
    return buffer.getvalue()


def _unpacked(data: bytes) -> dict[str, Array]:
    """Return the arrays of a record; none is larger than the record itself."""
    stream = io.BytesIO(data)
    arrays: dict[str, Array] = {}
    while stream.tell() < len(data):
        (name_bytes,) = _NAME_SIZE.unpack(stream.read(_NAME_SIZE.size))
        name = stream.read(name_bytes).decode()
        if np.lib.format.read_magic(stream) != (1, 0):
            raise ValueError("an array of a format that is not written here")
        shape, fortran_order, dtype = np.lib.format.read_array_header_1_0(stream)
        n_bytes = math.prod(shape) * dtype.itemsize
        if dtype.kind not in _KINDS or dtype.itemsize == 0:
            raise ValueError(f"{name!r} holds neither numbers nor text")
        if min(shape, default=0) < 0 or n_bytes > len(data) - stream.tell():
            raise ValueError(f"{name!r} is longer than the file")
        # a copy that is aligned and may be written to, as a computed answer is
        content = bytearray(stream.read(n_bytes))
        arrays[name] = np.ndarray(shape, dtype, content, order="F" if fortran_order else "C")
    return arrays


def _exactly(file: io.RawIOBase, n_bytes: int) -> bytes | None:
    """Return so many bytes, `None` where the file ends before; a hostile size costs no memory."""
    here = file.tell()
    if file.seek(0, io.SEEK_END) - here < n_bytes:
        return None
    file.seek(here)
    pieces: list[bytes] = []
    while n_bytes:
        piece = file.read(n_bytes)
        if not piece:
            return None
        pieces.append(piece)
        n_bytes -= len(piece)
    return b"".join(pieces)
