"""2bit, UCSC's packed genomes: any stretch of a sequence, soft mask included.

Our own reader, because py2bit crashes on a truncated file (docs/decisions/002-fasta-reader.md).

Source: UCSC Genome Browser, file format FAQ, "2bit".
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dnabert_cli.errors import FormatError

TWOBIT_MAGIC = (b"\x43\x27\x41\x1a", b"\x1a\x41\x27\x43")  # little and big endian

_BASES = np.frombuffer(b"TCAG", dtype=np.uint8)
# The four letters of every byte, the first one in its highest bits: [256, 4].
_UNPACKED = _BASES[np.arange(256)[:, None] >> np.array([6, 4, 2, 0]) & 3]
_LOWER_CASE = 0x20


@dataclass(frozen=True, slots=True)
class _Record:
    """Where a sequence lies. Blocks are `[2, n]`: starts and lengths, in bases."""

    n_bases: int
    unknown: npt.NDArray[np.uint32]
    masked: npt.NDArray[np.uint32]
    position: int


class TwoBitFile:
    """An open 2bit file.

    Attributes:
        n_bases: length of every sequence, in the order of the file.

    Raises:
        FormatError: the file is truncated, packed, or of the version for genomes above 4 Gb.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._data = np.memmap(path, dtype=np.uint8, mode="r")
        magic = bytes(self._data[:4])
        if magic not in TWOBIT_MAGIC:
            raise FormatError(path, "is a compressed 2bit file", hint="unpack it first")
        self._word = np.dtype("<u4" if magic == TWOBIT_MAGIC[0] else ">u4")
        version, n_records, _ = (int(word) for word in self._words(4, 3))
        if version != 0:
            raise FormatError(path, f"2bit version {version} is not known, only 0")
        self._records = self._read_index(n_records)
        self.n_bases = {name: record.n_bases for name, record in self._records.items()}

    def letters(self, name: str, start: int, end: int) -> str:
        """Return bases `start` to `end` (0-based, half-open) of a sequence, masked in lower case.

        The stretch lies within the sequence.
        """
        record = self._records[name]
        first, last = start // 4, -(-end // 4)
        packed = self._data[record.position + first : record.position + last]
        bases = _UNPACKED[packed].reshape(-1)[start - 4 * first : end - 4 * first]
        for block in _overlaps(record.unknown, start, end):
            bases[block] = ord("N")
        for block in _overlaps(record.masked, start, end):
            bases[block] |= _LOWER_CASE
        return str(bases.data, "ascii")

    def _read_index(self, n_records: int) -> dict[str, _Record]:
        records: dict[str, _Record] = {}
        position = 16
        for _ in range(n_records):
            name_end = position + 1 + int(self._bytes(position, 1)[0])
            name = self._bytes(position + 1, name_end - position - 1).tobytes().decode("latin-1")
            if name in records:
                raise FormatError(self._path, f"the name {name!r} is used twice")
            records[name] = self._read_record(int(self._words(name_end, 1)[0]))
            position = name_end + 4
        return records

    def _read_record(self, position: int) -> _Record:
        n_bases = int(self._words(position, 1)[0])
        position += 4
        blocks = []
        for _ in range(2):
            n_blocks = int(self._words(position, 1)[0])
            blocks.append(self._words(position + 4, 2 * n_blocks).reshape(2, n_blocks))
            position += 4 + 8 * n_blocks
        position += 4  # reserved
        self._bytes(position, -(-n_bases // 4))  # is it all there?
        return _Record(n_bases, blocks[0], blocks[1], position)

    def _words(self, position: int, n_words: int) -> npt.NDArray[np.uint32]:
        return self._bytes(position, 4 * n_words).view(self._word).astype(np.uint32)

    def _bytes(self, position: int, n_bytes: int) -> npt.NDArray[np.uint8]:
        if position + n_bytes > len(self._data):
            raise FormatError(self._path, "is truncated", hint="download or copy it again")
        return self._data[position : position + n_bytes]


def _overlaps(blocks: npt.NDArray[np.uint32], start: int, end: int) -> list[slice]:
    """Return the parts of sorted blocks that lie within a stretch, counted from its start."""
    first = max(int(np.searchsorted(blocks[0], start, side="right")) - 1, 0)
    last = int(np.searchsorted(blocks[0], end))
    starts = blocks[0, first:last].astype(np.int64)
    ends = starts + blocks[1, first:last]
    lows = np.maximum(starts, start) - start
    highs = np.maximum(np.minimum(ends, end) - start, lows)
    return [slice(low, high) for low, high in zip(lows.tolist(), highs.tolist(), strict=True)]
