"""Importance as numbers: a row per base, bedGraph, bigWig; in genome coordinates where known."""

from collections.abc import Iterator, Sequence
from typing import Any

from dnabert_cli.errors import OptionsError
from dnabert_cli.formats.bedgraph import write_bedgraph
from dnabert_cli.formats.bigwig import write_bigwig
from dnabert_cli.formats.files import open_output
from dnabert_cli.formats.indexed_fasta import IndexedFasta
from dnabert_cli.formats.tables import write_table
from dnabert_cli.records import Example
from dnabert_cli.sequence.tracks import average_tracks
from dnabert_cli.tasks.base_importance import Floats
from dnabert_cli.tasks.viz import Shown

COLUMNS = ("name", "chrom", "position", "strand", "base", "score")


def write_tracks(
    shown: Shown, output: str, fmt: str, genome: str | None, *, header: bool, force: bool
) -> None:
    """Write the scores of all bases.

    Args:
        shown: rows and scores.
        output: path; `-` is standard output, but not of bigWig.
        fmt: of `TRACK_FORMATS`.
        genome: its sizes go into a bigWig.
        header: whether to name the columns.
        force: overwrite.

    Raises:
        OptionsError: a bigWig on standard output, or pyBigWig is missing.
    """
    if fmt == "bigwig":
        if output == "-":
            raise OptionsError("a bigWig cannot go to standard output; name a file with -o")
        tracks = average_tracks(_pieces(shown))
        write_bigwig(output, tracks, _sizes(shown, genome), force=force)
        return
    with open_output(output, force=force) as handle:
        if fmt == "bedgraph":
            write_bedgraph(average_tracks(_pieces(shown)), handle, header=header)
        else:
            rows = (
                row
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


def _pieces(shown: Shown) -> Iterator[tuple[str, int, Floats]]:
    for example, scores in zip(shown.rows, shown.scores, strict=True):
        chrom, first, is_reverse = place_of(example)
        yield chrom, first, scores[::-1] if is_reverse else scores


def _sizes(shown: Shown, genome: str | None) -> dict[str, int]:
    """Return how long each sequence is: of the genome, else as far as the rows reach."""
    if genome is not None:
        indexed = IndexedFasta(genome)
        return {name: indexed.length(name) for name in indexed.names()}
    sizes: dict[str, int] = {}
    for chrom, first, scores in _pieces(shown):
        sizes[chrom] = max(sizes.get(chrom, 0), first + len(scores))
    return sizes


def names_of(rows: Sequence[Example]) -> list[str]:
    """Return a name per row to be shown: its own, else its place."""
    return [
        row.name
        if row.name != "." or row.chrom is None
        else f"{row.chrom}:{row.start}-{row.end}({row.strand})"
        for row in rows
    ]
