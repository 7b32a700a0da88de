"""Labelled tables in, and whatever the commands read sequences from; score tables out.

A labelled table is tab-separated; its first line names the columns, with or without a leading
`#`. The original program's tables are known by their first cell, k-mers separated by blanks.
Coordinates are 0-based and half-open, except in a column `locus` (`chr1:1001-1300`), which counts
from 1 and includes its end, as samtools does.
"""

import io
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import TextIO

import numpy as np

from dnabert_cli.dna import IUPAC, reverse_complement
from dnabert_cli.errors import FormatError, OptionsError
from dnabert_cli.formats.bed import finite_number, read_bed, write_rows
from dnabert_cli.formats.fasta import BYTE_ORDER_MARK, clean_sequence, read_fasta
from dnabert_cli.formats.files import as_text, looks_like, open_binary
from dnabert_cli.formats.indexed_fasta import IndexedFasta, NotIndexableError, fetch_regions
from dnabert_cli.formats.twobit import TWOBIT_MAGIC
from dnabert_cli.records import STRANDS, Example, Interval

COLUMNS = ("sequence", "label", "name", "chrom", "start", "end", "strand", "group", "locus")
MISSING = "."

_LOCUS = re.compile(r"(\S+):([0-9]{1,18})-([0-9]{1,18})")
_UNSAFE = re.compile(r"[\t\r\n]+")
_N_SHOWN = 60  # letters of the columns found

_Row = tuple[int, list[str]]


def read_examples(
    path: str,
    *,
    genome: str | None = None,
    numeric_labels: bool = False,
    stream: io.BufferedReader | None = None,
) -> Iterator[Example]:
    """Read a labelled table, or a k-mer table of the original program, row by row.

    The label is `None` where the column is missing or the cell is empty or `.`.

    Args:
        path: the table, plain or gzip, or `-` for standard input.
        genome: FASTA from which rows with `chrom`, `start` and `end` are fetched when the table
            has no column `sequence`.
        numeric_labels: the labels must be finite numbers.
        stream: the table as `open_binary` opened it, not yet read; `None` opens it.

    Raises:
        FormatError: at once when there is no column `sequence`; later, with the line, at a row
            that is too short, a letter that is no IUPAC code, coordinates that do not fit, a label
            that is no number where it must be one.
        DataError: a row does not lie within the genome.
    """
    rows = _rows(as_text(stream or open_binary(path)))
    heading = next(rows, None)
    if heading is None:
        raise FormatError(path, "is empty", hint="a table of sequences is needed")
    if any(_is_kmers(cell) for cell in heading[1]):
        raise FormatError(
            path, "the first line names the columns, but it holds k-mers", line=heading[0],
            hint="put a line `sequence<TAB>label` above it",
        )  # fmt: skip
    first = list(islice(rows, 1))
    table = _table(path, heading[1], first[0][1] if first else [], numeric_labels)
    examples = (table.example(line, cells) for line, cells in chain(first, rows))
    if "sequence" in table.columns:
        return examples
    if genome is None or not table.has_places():
        raise _no_sequence(table, heading, genome)
    return _with_sequences(list(examples), genome)


def read_sequences(
    path: str, genome: str | None = None, *, numeric_labels: bool = False
) -> Iterator[Example]:
    """Read sequences to predict from FASTA, 2bit, a table, or BED: whichever the content is.

    Rows keep the order of the file. A BED interval on '-' is read as its reverse complement.

    Args:
        path: the file, plain or packed, or `-` for standard input.
        genome: FASTA or 2bit the coordinates of a BED refer to.
        numeric_labels: the labels of a table must be finite numbers.

    Raises:
        FormatError: the file breaks its format, or it is BED and there is no genome.
        DataError: an interval does not lie within the genome.
        OptionsError: both inputs are standard input.
    """
    if path == genome == "-":
        raise OptionsError("only one input can be standard input", hint="name a file for --genome")
    stream = open_binary(path)
    first = stream.peek().removeprefix(BYTE_ORDER_MARK).lstrip()
    if not first and genome is None:
        raise FormatError(path, "is empty", hint="FASTA or a table of sequences is needed")
    if first.startswith((b">", *TWOBIT_MAGIC)):
        source = _source(path)
        return (
            Example(record.sequence, name=record.name, source=source)
            for record in read_fasta(path, stream)
        )
    kind = looks_like(first)
    if kind not in {"BED", "a table", "plain text"}:
        raise FormatError(path, f"looks like {kind}; FASTA, a table or BED is needed")
    if not _is_bed(first):
        return read_examples(path, genome=genome, numeric_labels=numeric_labels, stream=stream)
    if genome is None:
        raise FormatError(path, "is BED, which holds no sequence", hint="add --genome FASTA")
    return _with_sequences(
        [
            Example("", name=i.name, chrom=i.chrom, start=i.start, end=i.end, strand=i.strand,
                    source=_source(path))
            for i in read_bed(path, stream)
        ],
        genome,
    )  # fmt: skip


def write_table(
    rows: Iterable[Sequence[object]], columns: Sequence[str], handle: TextIO, *, header: bool
) -> None:
    """Write rows separated by tabs; the header comes with the first one (`bed.write_rows`).

    Numbers with a fraction have six significant digits; `None`, NaN and empty texts are `.`; tabs
    and line ends within a text become a blank.
    """
    texts = ([_text(value) for _, value in zip(columns, row, strict=True)] for row in rows)
    write_rows(texts, columns, handle, header=header)


@dataclass(frozen=True)
class _Table:
    """The layout of a table: where its columns are, and whether its sequences are k-mers."""

    path: str
    columns: dict[str, int]
    has_kmers: bool
    numeric_labels: bool

    def has_places(self) -> bool:
        return {"chrom", "start", "end"} <= self.columns.keys()

    def example(self, line: int, cells: list[str]) -> Example:
        n_needed = max(self.columns.values()) + 1
        if len(cells) < n_needed:
            raise FormatError(
                self.path, f"expected {n_needed} columns, found {len(cells)}", line=line
            )
        row = {name: cells[i].strip() for name, i in self.columns.items()}
        found = {name: text for name, text in row.items() if text not in {"", MISSING}}
        sequence = self._sequence(line, found) if "sequence" in self.columns else ""
        chrom, start, end = self._place(line, found, len(sequence))
        strand = found.get("strand", ".")
        if strand not in STRANDS:
            raise FormatError(
                self.path, f"strand {strand!r} is not one of '+', '-', '.'", line=line
            )
        label = found.get("label")
        if self.numeric_labels and label is not None and finite_number(label) is None:
            raise FormatError(self.path, f"label {label!r} is no finite number", line=line)
        return Example(
            sequence,
            label=label,
            name=found.get("name", found.get("locus", MISSING)),
            chrom=chrom,
            start=start,
            end=end,
            strand=strand,
            source=_source(self.path),
            group=found.get("group"),
        )

    def _sequence(self, line: int, found: dict[str, str]) -> str:
        if "sequence" not in found:
            raise FormatError(self.path, "the sequence is missing", line=line)
        text = found["sequence"]
        if self.has_kmers:
            text = _from_kmers(self.path, line, text)
        elif _is_kmers(text):
            raise FormatError(self.path, "k-mers, but the first row has none", line=line)
        return clean_sequence(self.path, text.encode(), "column 'sequence'", line)

    def _place(
        self, line: int, found: dict[str, str], n_bases: int
    ) -> tuple[str | None, int | None, int | None]:
        chrom, start, end = (found.get(name) for name in ("chrom", "start", "end"))
        if chrom is None and "locus" in found:
            return _parse_locus(found["locus"], n_bases)
        if n_bases and (chrom is None or start is None or end is None):
            return chrom, None, None
        place = _LOCUS.fullmatch(f"{chrom}:{start}-{end}")
        if chrom is None or place is None:
            raise FormatError(
                self.path, f"{chrom}:{start}-{end} is no place in a genome", line=line
            )
        first, last = int(place[2]), int(place[3])
        if first >= last or n_bases not in {0, last - first}:
            raise FormatError(
                self.path,
                f"{place[0]} spans {last - first} bases, the sequence has {n_bases or 'none'}",
                line=line,
                hint="start counts from 0, end is not included",
            )
        return chrom, first, last


def _rows(lines: TextIO) -> Iterator[_Row]:
    """Yield (line number, cells); blank lines and lines beginning with `##` are left out."""
    with lines:
        for number, line in enumerate(lines, 1):
            if line.strip() and not line.startswith("##"):
                yield number, line.rstrip("\n").split("\t")


def _table(path: str, heading: list[str], first: list[str], numeric_labels: bool) -> _Table:
    """Find the known columns in the heading, and k-mers in the first row."""
    names = [cell.removeprefix("#").strip().lower() for cell in heading]
    columns = {name: names.index(name) for name in COLUMNS if name in names}
    place = columns.get("sequence", 0)
    if not _is_kmers(first[place] if place < len(first) else ""):
        return _Table(path, columns, has_kmers=False, numeric_labels=numeric_labels)
    # The original's heading counts for nothing ("setence" in one of its scripts).
    columns["sequence"] = place
    if len(first) > 1 and 1 not in columns.values():
        columns.setdefault("label", 1)
    return _Table(path, columns, has_kmers=True, numeric_labels=numeric_labels)


def _is_kmers(cell: str) -> bool:
    words = cell.upper().split()
    is_even = len({len(word) for word in words}) == 1
    return len(words) > 1 and is_even and set("".join(words)) <= set(IUPAC)


def _from_kmers(path: str, line: int, text: str) -> str:
    """Return the sequence behind overlapping k-mers, the inverse of the original's `seq2kmer`."""
    kmers = text.split()
    for i, (left, right) in enumerate(pairwise(kmers), 1):
        if left[1:] != right[:-1]:
            raise FormatError(
                path,
                f"k-mers {i} and {i + 1} do not overlap: {left} {right}",
                line=line,
                hint="give the plain sequence, or every k-mer one base further",
            )
    return kmers[0] + "".join(kmer[-1] for kmer in kmers[1:])


def _parse_locus(text: str, n_bases: int) -> tuple[str | None, int | None, int | None]:
    """Return the 0-based place, when the length of the sequence proves that it counts from 1."""
    locus = _LOCUS.fullmatch(text)
    if locus is None or int(locus[3]) - int(locus[2]) + 1 != n_bases:
        return None, None, None
    return locus[1], int(locus[2]) - 1, int(locus[3])


def _no_sequence(table: _Table, heading: _Row, genome: str | None) -> FormatError:
    line, cells = heading
    found = ", ".join(cells)
    if table.has_places() and genome is None:
        hint = "add the column, or --genome FASTA to fetch the places given"
    elif "," in cells[0]:
        hint = "separate the columns with tabs, not commas"
    elif cells[0].startswith(">"):
        hint = "this is FASTA; a table is needed"
    else:
        hint = "the first line names the columns: sequence, label and so on, separated by tabs"
    shown = found if len(found) <= _N_SHOWN else found[:_N_SHOWN] + "…"
    return FormatError(
        table.path, f"there is no column 'sequence'; found: {shown}", line=line, hint=hint
    )


def _with_sequences(examples: list[Example], genome: str) -> Iterator[Example]:
    """Fetch the sequences of examples that have a place, and read them on their strand."""
    intervals = [Interval(e.chrom or "", e.start or 0, e.end or 0) for e in examples]
    try:
        indexed = IndexedFasta(genome)
    except NotIndexableError:
        records = fetch_regions(genome, intervals)
        pieces = {(r.name, r.start, len(r.sequence)): r.sequence for r in records}
        sequences = (pieces[i.chrom, i.start, i.end - i.start] for i in intervals)
    else:
        for interval in intervals:
            indexed.check(interval)
        sequences = (indexed.fetch(interval).sequence for interval in intervals)
    return (
        replace(e, sequence=reverse_complement(text) if e.strand == "-" else text)
        for e, text in zip(examples, sequences, strict=True)
    )


def _is_bed(first: bytes) -> bool:
    """Tell BED from a table by its first row; a file of comments alone counts as BED."""
    for line in first.decode("utf-8", "replace").splitlines():
        cells = line.split("\t")
        names = {cell.removeprefix("#").strip().lower() for cell in cells}
        if "sequence" in names or names >= {"chrom", "start", "end", "label"}:
            return False
        if line.strip() and not line.startswith(("#", "track", "browser")):
            return len(cells) >= 3 and cells[1].strip().isdigit() and cells[2].strip().isdigit()
    return True


def _source(path: str) -> str:
    return path if path == "-" else Path(path).name


def _text(value: object) -> str:
    if value is None:
        return MISSING
    if isinstance(value, float | np.floating):
        return MISSING if math.isnan(value) else f"{value:.6g}"
    return _UNSAFE.sub(" ", str(value)) or MISSING
