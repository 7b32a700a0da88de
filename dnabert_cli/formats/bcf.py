"""BCF, its records as bytes: read one by one, and written with tags behind their INFO.

Done here because pysam cannot write what it read: it sets INFO/END of records with a symbolic
allele and deletes it from others, and through text floats would lose digits.

Source: "The Variant Call Format Specification", VCFv4.3 and BCFv2.2, section 6.
"""

import re
import struct
from collections.abc import Collection, Iterable, Iterator, Sequence
from typing import Any, BinaryIO, NamedTuple

from dnabert_cli.formats.info_tags import InfoTag
from dnabert_cli.formats.vcf_header import meta_id

BCF_MAGIC = b"BCF\x02"

_MINOR = b"\x02"
_FIXED = struct.Struct("<3if2H2H")  # the last ones: n_info, n_allele, n_sample and n_format
_N_INFO = struct.Struct("<H")
_N_INFO_AT = 16
_N_ALLELES_AT = 18
_SIZES = {0: 0, 1: 1, 2: 2, 3: 4, 5: 4, 7: 1}  # bytes of a value, by its type
_INT32, _FLOAT, _CHAR = 3, 5, 7
_MISSING = {_INT32: struct.pack("<I", 0x80000000), _FLOAT: struct.pack("<I", 0x7F800001)}
_STRINGS = ("FILTER", "INFO", "FORMAT")  # share one dictionary; contigs have their own
_INDEX = re.compile(r",IDX=(\d+)>$")


class BcfRecord(NamedTuple):
    """A record as pysam read it, and the bytes it was read from."""

    native: Any
    shared: bytes
    samples: bytes


def read_bcf_header(stream: BinaryIO) -> tuple[str, ...]:
    """Read the header, unpacked; return its lines as stored, with their indices."""
    (n_bytes,) = struct.unpack("<I", stream.read(len(BCF_MAGIC + _MINOR) + 4)[-4:])
    text = stream.read(n_bytes).rstrip(b"\0").decode("utf-8", "surrogateescape")
    return tuple(text.splitlines())


def read_bcf_bytes(stream: BinaryIO) -> Iterator[tuple[bytes, bytes]]:
    """Yield of every record behind the header the part all samples share, and theirs."""
    while sizes := stream.read(8):
        n_shared, n_samples = struct.unpack("<2I", sizes)
        yield stream.read(n_shared), stream.read(n_samples)


class BcfTagger:
    """Puts tags into BCF.

    Args:
        stored: the lines of the header as `read_bcf_header` returns them.
        lines: those of the header to write, without indices.
        tags: the tags, which `lines` declare.
        stale: keys of entries that are taken out as well.

    Attributes:
        header: the header to write.
    """

    def __init__(
        self,
        stored: Iterable[str],
        lines: Iterable[str],
        tags: Sequence[InfoTag],
        stale: Collection[str] = (),
    ) -> None:
        strings, contigs = _dictionaries(stored)
        old = [*(tag.id for tag in tags), *stale]
        self._old = {strings[key]: key for key in old if key in strings}
        for tag in tags:
            strings.setdefault(tag.id, max(strings.values()) + 1)
        self._keys = {tag.id: strings[tag.id] for tag in tags}
        text = "".join(f"{_indexed(line, strings, contigs)}\n" for line in lines)
        data = text.encode("utf-8", "surrogateescape") + b"\0"
        self.header = BCF_MAGIC + _MINOR + struct.pack("<I", len(data)) + data

    def tagged(
        self, record: BcfRecord, texts: Sequence[tuple[InfoTag, list[str]]]
    ) -> tuple[bytes, list[str]]:
        """Return the bytes of a record with tags, and the keys of those that were taken out.

        Args:
            record: as read.
            texts: tags with their values, as `value_texts` returns them.
        """
        shared, removed = self._without_old(record.shared)
        (n_info,) = _N_INFO.unpack_from(shared, _N_INFO_AT)
        n_info = _N_INFO.pack(n_info - len(removed) + len(texts))
        added = b"".join(_integer(self._keys[tag.id]) + _values(tag, items) for tag, items in texts)
        shared = shared[:_N_INFO_AT] + n_info + shared[_N_INFO_AT + _N_INFO.size :] + added
        sizes = struct.pack("<2I", len(shared), len(record.samples))
        return sizes + shared + record.samples, removed

    def _without_old(self, shared: bytes) -> tuple[bytes, list[str]]:
        if not self._old:
            return shared, []
        (n_info,) = _N_INFO.unpack_from(shared, _N_INFO_AT)
        (n_alleles,) = _N_INFO.unpack_from(shared, _N_ALLELES_AT)
        place = _FIXED.size
        for _ in range(1 + n_alleles + 1):  # ID, alleles, FILTER
            place = _behind(shared, place)
        parts, removed = [shared[:place]], []
        for _ in range(n_info):
            key, value_at = _read_integer(shared, place)
            start, place = place, _behind(shared, value_at)
            if key in self._old:
                removed.append(self._old[key])
            else:
                parts.append(shared[start:place])
        return b"".join(parts), removed


def _dictionaries(lines: Iterable[str]) -> tuple[dict[str, int], dict[str, int]]:
    """Return the indices of the strings and of the contigs that records refer to."""
    strings, contigs = {"PASS": 0}, dict[str, int]()
    for line in lines:
        kind, name = meta_id(line) or ("", "")
        if kind in _STRINGS or kind == "contig":
            table = contigs if kind == "contig" else strings
            index = _INDEX.search(line)
            # Indices stand in all lines or in none; without them names count as they come.
            table.setdefault(name, int(index[1]) if index else len(table))
    return strings, contigs


def _indexed(line: str, strings: dict[str, int], contigs: dict[str, int]) -> str:
    kind, name = meta_id(line) or ("", "")
    if kind in _STRINGS:
        return f"{line[:-1]},IDX={strings[name]}>"
    return f"{line[:-1]},IDX={contigs[name]}>" if kind == "contig" else line


def _read_integer(data: bytes, place: int) -> tuple[int, int]:
    """Return a single integer, and the place behind it."""
    end = place + 1 + _SIZES[data[place] & 15]
    return int.from_bytes(data[place + 1 : end], "little", signed=True), end


def _behind(data: bytes, place: int) -> int:
    """Return the place behind a value of any type and length."""
    kind, n_items = data[place] & 15, data[place] >> 4
    place += 1
    if n_items == 15:  # the length follows
        n_items, place = _read_integer(data, place)
    return place + n_items * _SIZES[kind]


def _integer(number: int) -> bytes:
    return bytes([1 << 4 | _INT32]) + struct.pack("<i", number)


def _values(tag: InfoTag, items: Sequence[str]) -> bytes:
    if tag.type == "Flag":
        return b"\0"
    if tag.type == "String":
        data = ",".join(items).encode()
        return _descriptor(_CHAR, len(data)) + data
    kind = _FLOAT if tag.type == "Float" else _INT32
    return _descriptor(kind, len(items)) + b"".join(_number(kind, item) for item in items)


def _descriptor(kind: int, n_items: int) -> bytes:
    if n_items < 15:
        return bytes([n_items << 4 | kind])
    return bytes([15 << 4 | kind]) + _integer(n_items)


def _number(kind: int, text: str) -> bytes:
    if text == ".":
        return _MISSING[kind]
    return struct.pack("<f", float(text)) if kind == _FLOAT else struct.pack("<i", int(text))
