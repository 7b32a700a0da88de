"""VCF and BCF in: records one by one, each with all the writer needs to give it back unchanged.

Text (plain, gzip, bgzip) is read by our own code, BCF by pysam. Parsed by pysam, a line of text
would come back changed: numbers rounded to float32, undeclared entries given a type, values that
do not fit their declaration set to missing. So a record of text keeps its line as it was read, and
`vcf_writer` puts tags into its INFO column and nothing else. Bytes that are no UTF-8 survive too.
Line ends are no part of a record: CRLF is read and written as LF; blank lines are skipped.

Positions are 0-based here. POS 0, the telomere before the first base, becomes -1.

Source: "The Variant Call Format Specification", VCFv4.3 and BCFv2.2.
"""

import io
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, NamedTuple, Self

from dnabert_cli.errors import DnabertError, FormatError, shown
from dnabert_cli.formats.bcf import BCF_MAGIC, BcfRecord, read_bcf_bytes, read_bcf_header
from dnabert_cli.formats.files import is_bgzf, looks_like, open_binary
from dnabert_cli.formats.vcf_header import VariantHeader, parse_header

COLUMNS = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO")

_BOM = b"\xef\xbb\xbf"
_BCF = b"BCF"
_META = b"##fileformat=VCF"


@dataclass(frozen=True, slots=True)
class VariantRecord:
    """One record: where it is and its alleles, as written in the file.

    Attributes:
        number: 1-based, among the records of its file.
        chrom: the sequence, as the file names it.
        position: 0-based position of the first letter of `ref`; -1 is the telomere before it.
        identifier: the ID column, `.` where there is none.
        ref: the reference allele, case kept; it may be no DNA.
        alts: the alternative alleles in order, of any kind (`A`, `*`, `<DEL>`, `G]17:198982]`);
            none for ALT `.`.
        source: the untouched record for the writer: the line, or a `BcfRecord`.
    """

    number: int
    chrom: str
    position: int
    identifier: str
    ref: str
    alts: tuple[str, ...]
    source: Any = field(repr=False, compare=False)

    @property
    def is_telomere(self) -> bool:
        """Whether POS is 0: no base of the sequence is named."""
        return self.position < 0


class SortOrder:
    """Tells of records, one after the other, whether each comes in order.

    Sorted are positions that never fall, in sequences that each come in one piece, in any order.
    """

    def __init__(self) -> None:
        self._chroms: set[str] = set()
        self._chrom: str | None = None
        self._position = 0

    def follows(self, chrom: str, position: int) -> bool:
        """Take the place of the next record; tell whether it fits behind the one before."""
        is_same = chrom == self._chrom
        fits = self._position <= position if is_same else chrom not in self._chroms
        if not is_same:
            self._chroms.add(chrom)
            self._chrom = chrom
        self._position = position
        return fits


class VariantReader:
    """The records of an open file, once; a context manager.

    Attributes:
        header: what stands above the records.
        n_records: how many records were read so far.
        n_unsorted: how many of them stood before or apart from where sorting would put them.
        first_unsorted: number of the first of these, `None` while there is none.
    """

    def __init__(
        self,
        header: VariantHeader,
        records: Iterator[VariantRecord],
        close: Callable[[], None],
        *,
        require_sorted: bool,
    ) -> None:
        self.header = header
        self.n_records = 0
        self.n_unsorted = 0
        self.first_unsorted: int | None = None
        self._records = records
        self._close = close
        self._order = SortOrder()
        self._require_sorted = require_sorted

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._close()

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> VariantRecord:
        record = next(self._records)
        self.n_records = record.number
        if not self._order.follows(record.chrom, record.position):
            self.n_unsorted += 1
            self.first_unsorted = self.first_unsorted or record.number
            if self._require_sorted:
                raise FormatError(
                    self.header.path,
                    f"not sorted: record {record.number} ({record.chrom}, position "
                    f"{record.position + 1}) comes too late",
                    hint="sort it with bcftools sort",
                )
        return record


def open_variants(path: str, *, require_sorted: bool = False) -> VariantReader:
    """Open VCF, plain or packed, or BCF, told apart by content.

    Text is read as it comes. BCF from standard input is first copied to a temporary file, because
    pysam reads from files only.

    Args:
        path: the file, or `-` for standard input.
        require_sorted: whether an unsorted record is an error when it is reached.

    Raises:
        FormatError: with line and record: no such file, neither VCF nor BCF, a broken header. Later
            the reader raises it for broken records and for a truncated or damaged file.
        DnabertError: it is BCF, and pysam is missing or there is no room for the copy.
    """
    stream = open_binary(path)
    try:
        first = stream.peek()
        if first.startswith(_BCF):
            header, records, close = _open_bcf(path, stream, first)
        else:
            _check_is_vcf(path, first)
            header, n_lines = _text_header(path, stream)
            records, close = _text_records(path, stream, header, n_lines), stream.close
    except BaseException:
        stream.close()
        raise
    return VariantReader(header, records, close, require_sorted=require_sorted)


def load_pysam(purpose: str) -> Any:
    """Import pysam only where it is needed: a machine that trains may lack it.

    Raises:
        DnabertError: it is not installed; `purpose` says what it was needed for.
    """
    try:
        import pysam
    except ImportError as error:
        raise DnabertError(f"{purpose} needs pysam", hint="pip install pysam") from error
    pysam.set_verbosity(0)  # htslib writes to stderr by itself; our errors say the same
    return pysam


def _check_is_vcf(path: str, first: bytes) -> None:
    if first.removeprefix(_BOM).startswith(_META):
        return
    if not first:
        problem = "is empty"
    elif first.startswith(COLUMNS[0].encode()):
        problem = "has no line ##fileformat=VCFv4.x at its beginning"
    else:
        problem = f"is neither VCF nor BCF, but looks like {looks_like(first)}"
    raise FormatError(
        path, problem, hint="VCF begins with a line such as ##fileformat=VCFv4.2, then its header"
    )


def _text_header(path: str, stream: io.BufferedReader) -> tuple[VariantHeader, int]:
    """Read up to the line `#CHROM`; return the header and how many lines it has."""
    meta: list[str] = []
    n_lines = 0
    while True:
        raw = stream.readline()
        n_lines += 1
        line = _text(raw.removeprefix(_BOM) if n_lines == 1 else raw)
        if line.startswith("##"):
            meta.append(line)
        elif line or not raw:
            break
    if not line.startswith("#"):
        problem = "the line #CHROM is missing" + ("" if line else ": the file ends in its header")
        raise FormatError(path, problem, line=n_lines, hint=f"it reads {'<TAB>'.join(COLUMNS)}")
    if tuple(line.split("\t")[: len(COLUMNS)]) != COLUMNS:
        raise FormatError(
            path,
            "the line #CHROM does not name the eight columns of VCF, separated by tabs",
            line=n_lines,
            hint=f"it reads {'<TAB>'.join(COLUMNS)}",
        )
    return parse_header(path, meta, line), n_lines


def _text(raw: bytes) -> str:
    return raw.decode("utf-8", "surrogateescape").rstrip("\r\n")


def _text_records(
    path: str, stream: io.BufferedReader, header: VariantHeader, n_lines: int
) -> Iterator[VariantRecord]:
    n_tabs = header.columns.count("\t")
    number = 0
    while True:
        try:
            raw = stream.readline()
        except FormatError as error:
            problem = str(error.args[0]).removeprefix(f"{shown(path)}: ")
            raise FormatError(path, f"{problem}, after record {number}", hint=error.hint) from error
        if not raw:
            return
        n_lines += 1
        line = _text(raw)
        if line:
            number += 1
            yield _record(_Place(path, number, n_lines), line, n_tabs)


class _Place(NamedTuple):
    """The record an error is about."""

    path: str
    number: int
    line: int | None = None

    def error(self, message: str, hint: str | None = None) -> FormatError:
        return FormatError(self.path, f"record {self.number}: {message}", line=self.line, hint=hint)


def _record(place: _Place, line: str, n_tabs: int) -> VariantRecord:
    cells = line.split("\t", 5)
    if line.count("\t") != n_tabs:
        raise _wrong_columns(place, line, n_tabs + 1)
    chrom, pos, identifier, ref, alt = cells[:5]
    if not chrom:
        raise place.error("CHROM is empty")
    if not (pos.isascii() and pos.isdigit() and len(pos) < 19):
        raise place.error(
            f"POS {pos!r} is not a whole number of 1 or more (0 is a telomere)",
            "POS counts from 1 and has no sign, point or blank",
        )
    alts = () if alt == "." else tuple(alt.split(","))
    _check_alleles(place, ref, alts)
    return VariantRecord(place.number, chrom, int(pos) - 1, identifier, ref, alts, line)


def _wrong_columns(place: _Place, line: str, n_columns: int) -> FormatError:
    if line.startswith("#"):
        return place.error(
            "a header line among the records", "join files with bcftools concat, not with cat"
        )
    n_found = line.count("\t") + 1
    is_blank = n_found == 1 and len(line.split()) >= len(COLUMNS)
    found = "blanks" if is_blank else f"{n_found}"
    return place.error(
        f"expected {n_columns} columns as in the line #CHROM, separated by tabs, found {found}",
        "turn blanks into tabs" if is_blank else "the line may be cut: write or copy it again",
    )


def _check_alleles(place: _Place, ref: str, alts: tuple[str, ...]) -> None:
    if not ref:
        raise place.error("REF is empty", "REF is one or more letters, such as A, C, G, T and N")
    if "" in alts:
        raise place.error("an allele in ALT is empty", "no alternative allele is written as '.'")


def _open_bcf(
    path: str, stream: io.BufferedReader, first: bytes
) -> tuple[VariantHeader, Iterator[VariantRecord], Callable[[], None]]:
    if not first.startswith(BCF_MAGIC):
        raise FormatError(path, "is BCF of version 1", hint="convert it with bcftools view")
    pysam = load_pysam("reading BCF")
    try:
        variants, raw = _bcf_twice(pysam, path, stream)
        lines = str(variants.header).splitlines()
    except (OSError, ValueError) as error:
        raise _bad_bcf(path) from error
    files = ExitStack()
    files.callback(raw.close)
    files.callback(variants.close)
    header = parse_header(path, lines[:-1], lines[-1], read_bcf_header(raw))
    return header, _bcf_records(path, variants, read_bcf_bytes(raw)), files.close


def _bcf_twice(pysam: Any, path: str, stream: io.BufferedReader) -> tuple[Any, BinaryIO]:
    """Open BCF with pysam and as unpacked bytes; what is no bgzip file through a copy."""
    if path != "-" and Path(path).is_file():
        with Path(path).open("rb") as handle:
            is_seekable = is_bgzf(handle.read(18))
        if is_seekable:
            return pysam.VariantFile(path), stream
    with tempfile.NamedTemporaryFile() as copy:  # stays readable once its name is gone
        try:
            shutil.copyfileobj(stream, copy)
            copy.flush()
            stream.close()
        except OSError as error:
            raise DnabertError(
                f"no room for a copy of {shown(path)} in {tempfile.gettempdir()}: {error.strerror}",
                hint="name another folder with TMPDIR, or pipe VCF instead of BCF",
            ) from error
        return pysam.VariantFile(copy.name), Path(copy.name).open("rb")


def _bcf_records(
    path: str, variants: Any, raw: Iterator[tuple[bytes, bytes]]
) -> Iterator[VariantRecord]:
    number = 0
    while True:
        try:
            native = next(variants)
        except StopIteration:
            return
        except (OSError, ValueError) as error:
            raise _bad_bcf(path, f", after record {number}") from error
        number += 1
        alts = tuple(native.alts or ())
        _check_alleles(_Place(path, number), native.ref or "", alts)
        yield VariantRecord(
            number,
            native.chrom,
            native.start,
            native.id or ".",
            native.ref,
            alts,
            BcfRecord(native, *next(raw)),
        )


def _bad_bcf(path: str, where: str = "") -> FormatError:
    return FormatError(
        path,
        f"the BCF file is truncated or damaged{where}",
        hint="download or copy it again",
    )
