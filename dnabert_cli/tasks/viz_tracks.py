"""Importance as numbers: a row per base, bedGraph, bigWig; in genome coordinates where known."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from dnabert_cli.errors import DataError
from dnabert_cli.formats.bedgraph import write_bedgraph
from dnabert_cli.formats.bigwig import write_bigwig
from dnabert_cli.formats.fasta import read_fasta
from dnabert_cli.formats.files import open_output
from dnabert_cli.formats.indexed_fasta import IndexedFasta, NotIndexableError
from dnabert_cli.formats.tables import write_table
from dnabert_cli.records import Example
from dnabert_cli.sequence.tracks import Piece, average_tracks
from dnabert_cli.tasks.base_importance import Floats
from dnabert_cli.tasks.viz import Shown

COLUMNS = ("name", "chrom", "position", "strand", "base", "score")
_BLANKS = re.compile(r"\s+")


def write_tracks(
    parts: Iterable[Shown], output: str, fmt: str, genome: str | None, *, header: bool, force: bool
) -> None:
    """Write the scores of all bases.

    A table is written as the parts come; the other two are sorted and averaged, so the scores
    (not the sequences) are held until the end.

    Args:
        parts: rows and scores.
        output: path; `-` is standard output, but not of bigWig.
        fmt: of `TRACK_FORMATS`.
        genome: its sizes go into a bigWig.
        header: whether to name the columns.
        force: overwrite.

    Raises:
        OptionsError: a bigWig on standard output, or pyBigWig is missing.
        DataError: two sequences without a place have one name, and the format knows no other; a
            sequence is not of the genome.
    """
    if fmt == "bigwig":
        sizes = None if genome is None else _genome_sizes(genome)
        pieces = list(_pieces(parts, sizes))
        write_bigwig(output, average_tracks(pieces), sizes or _reached(pieces), force=force)
        return
    with open_output(output, force=force) as handle:
        if fmt == "bedgraph":
            write_bedgraph(average_tracks(_pieces(parts)), handle, header=header)
        else:
            rows = (
                row
                for shown in parts
                for example, scores in zip(shown.rows, shown.scores, strict=True)
                for row in _base_rows(example, scores)
            )
            write_table(rows, COLUMNS, handle, header=header)


def place_of(example: Example) -> tuple[str, int, bool]:
    """Return chrom, first base, and whether the genome runs against the sequence.

    A row without a place is its own coordinates, under its name.
    """
    if example.chrom is None or example.start is None:
        return example.name, 0, False
    return example.chrom, example.start, example.strand == "-"


def _base_rows(example: Example, scores: Floats) -> Iterator[list[Any]]:
    """Yield a row per base, in the order of the coordinates; letters as they were read."""
    chrom, first, is_reverse = place_of(example)
    n_bases = len(scores)
    for i in range(n_bases):
        read = n_bases - 1 - i if is_reverse else i
        yield [
            example.name, chrom, first + i, example.strand, example.sequence[read],
            float(scores[read]),
        ]  # fmt: skip


def _pieces(parts: Iterable[Shown], sizes: Mapping[str, int] | None = None) -> Iterator[Piece]:
    """Yield scores in the order of the coordinates, of parts that have names to tell them apart."""
    names: set[str] = set()
    for shown in parts:
        for example, scores in zip(shown.rows, shown.scores, strict=True):
            chrom, first, is_reverse = place_of(example)
            chrom = _BLANKS.sub("_", chrom)  # columns may be separated by blanks
            if example.chrom is None or example.start is None:
                if chrom in names:
                    raise DataError(
                        f"two sequences are named {chrom!r}, and a track has no other place for "
                        "them",
                        hint="give them names of their own, or write tsv",
                    )
                names.add(chrom)
            if sizes is not None and chrom not in sizes:
                raise DataError(
                    f"{chrom} is no sequence of the genome", hint="write bedGraph or tsv"
                )
            yield chrom, first, scores[::-1] if is_reverse else scores


def _genome_sizes(path: str) -> dict[str, int]:
    """Return how long each sequence of a genome is."""
    try:
        indexed = IndexedFasta(path)
    except NotIndexableError:
        return {record.name: len(record.sequence) for record in read_fasta(path)}
    return {name: indexed.length(name) for name in indexed.names()}


def _reached(pieces: Iterable[Piece]) -> dict[str, int]:
    """Return as far as the scores of each sequence reach."""
    sizes: dict[str, int] = {}
    for chrom, first, scores in pieces:
        sizes[chrom] = max(sizes.get(chrom, 0), first + len(scores))
    return {chrom: size for chrom, size in sizes.items() if size}


def names_of(rows: Sequence[Example]) -> list[str]:
    """Return a name per row to be shown: its own, else its place."""
    return [
        row.name
        if row.name != "." or row.chrom is None
        else f"{row.chrom}:{row.start}-{row.end}({row.strand})"
        for row in rows
    ]
