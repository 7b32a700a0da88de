"""Scored alleles as tables: one row per allele, TSV as in VCF or BED as in the rest of the tool.

TSV counts as VCF does: `pos` is the 1-based place of the first letter of `ref`, so that
`tabix -s1 -b2 -e2` finds the rows. An allele is found there by its first base only, however long.
BED is 0-based and half-open and covers the bases of REF; POS 0, the telomere, stands at the first
base, because BED has no place before it.

Texts come from files: bytes that are no UTF-8 survive, and tabs and line ends become a blank.
"""

import math
import numbers
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO, Literal

from dnabert_cli.formats.files import open_output
from dnabert_cli.formats.tabix import drop_index, write_index
from dnabert_cli.formats.vcf import SortOrder
from dnabert_cli.formats.vcf_writer import check_annotated

TableFormat = Literal["tsv", "bed"]

TSV_COLUMNS = ("chrom", "pos", "id", "ref", "alt", "kind")
BED_COLUMNS = ("chrom", "start", "end", "name", "score", "strand")
MISSING = "."

_UNSAFE = re.compile(r"[\t\r\n]+")
_BLANK = re.compile(r"\s")
_N_LETTERS_NAMED = 10  # of each allele, in a name
# What tabix is told about the columns, counted from 0.
_LAYOUTS = {
    "tsv": {"seq_col": 0, "start_col": 1, "end_col": 1, "zerobased": False, "meta_char": "#"},
    "bed": {"seq_col": 0, "start_col": 1, "end_col": 2, "zerobased": True, "meta_char": "#"},
}


@dataclass(frozen=True, slots=True)
class AlleleRow:
    """An alternative allele and what is said of it.

    Attributes:
        chrom: the sequence.
        position: 0-based, of the first letter of `ref`; -1 is the telomere before it.
        identifier: the ID column of VCF, `.` where there is none.
        ref: the reference allele as written.
        alt: the alternative allele as written.
        kind: what it is (`alleles.classify`).
        values: one per column; `None` and numbers that are not finite are missing.
        strand: `+`, `-` or `.`, for BED; TSV has no column for it.
    """

    chrom: str
    position: int
    identifier: str
    ref: str
    alt: str
    kind: str
    values: tuple[float | str | None, ...]
    strand: str = "."


class AlleleTableWriter:
    """Takes rows in order; see `open_allele_table`.

    Attributes:
        n_rows: how many were written.
        is_sorted: whether they came sorted.
        last: the highest end written, 0-based and not included.
    """

    def __init__(
        self, sink: BinaryIO, columns: Sequence[str], *, fmt: TableFormat, header: bool
    ) -> None:
        self.n_rows = 0
        self.is_sorted = True
        self.last = 0
        self._sink = sink
        self._n_columns = len(columns)
        self._cells = _bed_cells if fmt == "bed" else _tsv_cells
        fixed = BED_COLUMNS if fmt == "bed" else TSV_COLUMNS
        # Written together with the first row, so that early failures leave nothing.
        self._pending = "#" + "\t".join([*fixed, *map(_text, columns)]) + "\n" if header else ""
        self._order = SortOrder()

    def write(self, row: AlleleRow) -> None:
        """Write a row; it has a value for each column."""
        n_values = len(row.values)
        assert n_values == self._n_columns, f"{n_values} values for {self._n_columns} columns"
        cells = [*self._cells(row), *map(_text, row.values)]
        self._write("\t".join(cells) + "\n")
        self.n_rows += 1
        self.is_sorted &= self._order.follows(row.chrom, row.position)
        self.last = max(self.last, row.position + len(row.ref))

    def close(self) -> None:
        """Write the header if there was no row."""
        self._write("")
        self._sink.flush()

    def _write(self, text: str) -> None:
        self._sink.write((self._pending + text).encode("utf-8", "surrogateescape"))
        self._pending = ""


@contextmanager
def open_allele_table(
    path: str, columns: Sequence[str], *, fmt: TableFormat, force: bool, header: bool
) -> Iterator[AlleleTableWriter]:
    """Open an output for rows of alleles; it appears whole or not at all.

    A name ending in `.gz` or `.bgz` is bgzip with an index, `.tbi`, or `.csi` beyond the reach of
    the first. Rows that are not sorted are written as they come, then without index and with a
    warning. Numbers have six significant digits, whole ones all of theirs.

    Args:
        path: the output, `-` is standard output.
        columns: names of the values of a row, behind `TSV_COLUMNS` or `BED_COLUMNS`. The score of
            BED is 1000 times the size of the first value, at most 1000; 0 where it is no number.
        fmt: `tsv` or `bed`.
        force: overwrite an existing file.
        header: whether to write the names of the columns.

    Raises:
        DnabertError: as `check_output`; the output is packed and pysam is missing; the disk is
            full.
    """
    check_annotated(path, force)
    with open_output(path, force=force) as handle:
        handle.flush()
        writer = AlleleTableWriter(handle.buffer, columns, fmt=fmt, header=header)
        yield writer
        writer.close()
        drop_index(path)
    write_index(path, _LAYOUTS[fmt], last=writer.last, is_sorted=writer.is_sorted)


def _tsv_cells(row: AlleleRow) -> Iterator[str]:
    yield from (_text(row.chrom), str(row.position + 1))
    yield from map(_text, (row.identifier, row.ref, row.alt, row.kind))


def _bed_cells(row: AlleleRow) -> Iterator[str]:
    start = max(row.position, 0)
    end = max(row.position + len(row.ref), start + 1)
    yield from (_text(row.chrom), str(start), str(end))
    yield from (_BLANK.sub("_", _name(row)), str(_score(row.values)), row.strand)


def _name(row: AlleleRow) -> str:
    if row.identifier not in {"", MISSING}:
        return row.identifier
    ref, alt = (
        one if len(one) <= _N_LETTERS_NAMED else f"{one[:_N_LETTERS_NAMED]}..."
        for one in (row.ref, row.alt)
    )
    return f"{row.chrom}:{row.position + 1}:{ref}>{alt}"


def _score(values: Sequence[float | str | None]) -> int:
    first = values[0] if values else None
    if first is None or isinstance(first, str) or not math.isfinite(first):
        return 0
    return math.floor(min(1000 * abs(first), 1000))


def _text(value: float | str | None) -> str:
    if value is None:
        return MISSING
    if isinstance(value, str):
        return _UNSAFE.sub(" ", value) or MISSING
    if isinstance(value, numbers.Integral):
        return str(int(value))
    return f"{value + 0.0:.6g}" if math.isfinite(value) else MISSING  # no minus zero
