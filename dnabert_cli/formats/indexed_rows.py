"""Rows of a file packed by bgzip, read at random through its index, as lines of text.

Read are VCF, BED and tables with an index of tabix (`.tbi` or `.csi`), and BCF, whose records come
as lines of VCF. What a table has in which column is read from the index, which was told so when
it was made. Bytes become letters one by one (Latin-1), so that nothing in a row can stop a run;
`as_utf8` makes text of them.

Source: "The Tabix index file format" and "Coordinate Sorted Index (CSI) format", hts-specs.
"""

import gzip
import logging
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

from dnabert_cli.errors import FormatError
from dnabert_cli.formats.bcf import BCF_MAGIC
from dnabert_cli.formats.files import is_bgzf, looks_like, open_binary
from dnabert_cli.formats.vcf import load_pysam
from dnabert_cli.formats.vcf_header import parse_header

logger = logging.getLogger(__name__)

_VCF = b"##fileformat=VCF"
_TBI, _CSI = b"TBI\x01", b"CSI\x01"
_ZERO_BASED, _OF_VCF = 0x10000, 2  # in the format of an index of tabix
_TABLE = "tabix -s 1 -b 2 -e 2 -S 1"  # sequence, start, end, lines of the header


class Layout(NamedTuple):
    """Which columns an index was made of.

    Attributes:
        chrom, start, end: from 0; `end` is -1 where there is none.
        is_zero_based: whether positions count from 0.
        n_skipped: lines at the beginning that are no rows.
        comment: what other lines begin with that are no rows.
        has_extent: whether the index knows where a row ends; else only where it starts.
    """

    chrom: int
    start: int
    end: int
    is_zero_based: bool
    n_skipped: int
    comment: str
    has_extent: bool


@dataclass(frozen=True)
class IndexedRows:
    """An open file.

    Attributes:
        path: the file.
        is_vcf: whether rows are records of VCF, from VCF or BCF.
        layout: of the rows.
        header: the lines above them that begin with `#`.
        contigs: its sequences, with their lengths where the header has them.
    """

    path: str
    is_vcf: bool
    layout: Layout
    header: Sequence[str]
    contigs: Mapping[str, int | None]
    file: Any

    def lines(self, chrom: str, start: int, end: int) -> Iterator[str]:
        """Yield the rows that overlap bases `start` to `end` (exclusive), by position.

        Args:
            chrom: one of `contigs`.
            start: 0-based, at least 0.
            end: more than `start`.

        Raises:
            FormatError: the file is damaged.
        """
        try:
            for row in self.file.fetch(chrom, start, end):
                yield row if isinstance(row, str) else _as_latin(str(row)).rstrip("\n")
        except (OSError, ValueError) as error:
            raise _damaged(self.path) from error


def open_rows(path: str) -> IndexedRows:
    """Open a file whose index lies beside it.

    Raises:
        FormatError: it is missing, not packed by bgzip, not indexed, truncated or damaged.
    """
    if path == "-":
        raise FormatError(path, "cannot be read at random", hint="name an indexed file")
    with open_binary(path) as stream:
        first = stream.peek()
    is_bcf = first.startswith(BCF_MAGIC)
    kind = "vcf" if first.startswith(_VCF) else "bed" if looks_like(first) == "BED" else None
    _check_is_packed(path, f"tabix -p {kind}" if kind else _TABLE)
    index = _index(path, kind, is_bcf=is_bcf)
    layout = Layout(0, 1, -1, False, 0, "#", True) if is_bcf else _layout(path, index)
    file, header, names = _open(path, index, is_bcf=is_bcf)
    declared = parse_header(path, header, "").contigs
    contigs = {name: declared.get(name) for name in names}
    return IndexedRows(path, is_bcf or kind == "vcf", layout, header, contigs, file)


def as_utf8(letters: str) -> str:
    """Return what letters of a row mean as UTF-8; bytes that are none become U+FFFD."""
    return letters if letters.isascii() else letters.encode("latin-1").decode("utf-8", "replace")


def _as_latin(text: str) -> str:
    return text if text.isascii() else text.encode().decode("latin-1")


def _check_is_packed(path: str, tabix: str) -> None:
    with Path(path).open("rb") as handle:
        first = handle.read(18)
    if is_bgzf(first):
        return
    if first.startswith(b"\x1f\x8b"):
        new = Path(path).with_name(f"new.{Path(path).name}")
        problem = "is packed by gzip, which cannot be read at random"
        cure = f"zcat {path} | bgzip > {new} && {tabix} {new}"
    else:
        problem, cure = "is not packed by bgzip", f"bgzip {path} && {tabix} {path}.gz"
    raise FormatError(path, problem, hint=cure)


def _index(path: str, kind: str | None, *, is_bcf: bool) -> str:
    """Return the path of the index; warn where it is older than the file."""
    suffixes = (".csi",) if is_bcf else (".tbi", ".csi")
    found = [index for index in map(path.__add__, suffixes) if Path(index).is_file()]
    if not found:
        cure = "bcftools index" if is_bcf else f"tabix -p {kind}" if kind else _TABLE
        raise FormatError(path, "has no index beside it", hint=f"{cure} {path}")
    if Path(found[0]).stat().st_mtime < Path(path).stat().st_mtime:
        logger.warning("%s is older than the file it belongs to: make it again", found[0])
    return found[0]


def _layout(path: str, index: str) -> Layout:
    try:
        with gzip.open(index, "rb") as handle:
            magic = handle.read(4)
            handle.read(12 if magic == _CSI else 4)  # in front of the layout
            kind, *columns, comment, n_skipped = struct.unpack("<6i", handle.read(24))
    except (OSError, EOFError, struct.error) as error:
        raise _bad_index(path, index) from error
    if magic not in {_TBI, _CSI}:
        raise _bad_index(path, index)
    chrom, start, end = (column - 1 for column in columns)
    is_vcf = kind & 0xFFFF == _OF_VCF
    return Layout(
        chrom=chrom,
        start=start,
        end=-1 if is_vcf else end,
        is_zero_based=bool(kind & _ZERO_BASED),
        n_skipped=n_skipped,
        comment=chr(comment),
        has_extent=is_vcf or end not in {-1, start},
    )


def _open(path: str, index: str, *, is_bcf: bool) -> tuple[Any, list[str], list[str]]:
    """Open a file with pysam; return it, its header and the names of its sequences."""
    pysam = load_pysam("looking up annotations")
    try:
        if is_bcf:
            file = pysam.VariantFile(path, index_filename=index, drop_samples=True)
            header = [_as_latin(line) for line in str(file.header).splitlines()]
            names = list(file.header.contigs)
        else:
            file = pysam.TabixFile(path, index=index, encoding="latin-1")
            header, names = list(file.header), list(file.contigs)
    except (OSError, ValueError) as error:
        raise _bad_index(path, index) from error
    try:
        file.check_truncation()
    except OSError as error:
        raise _damaged(path) from error
    return file, header, names


def _bad_index(path: str, index: str) -> FormatError:
    return FormatError(
        path, f"cannot be read with its index {index}", hint="delete the index and make it again"
    )


def _damaged(path: str) -> FormatError:
    return FormatError(
        path,
        "is truncated or damaged, or does not fit its index",
        hint="copy it again, then make its index again",
    )
