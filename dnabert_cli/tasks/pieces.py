"""A piece of a row, with the coordinates that belong to it."""

from dataclasses import replace

from dnabert_cli.records import Example


def piece_of(example: Example, start: int, n_bases: int) -> Example:
    """Return bases `start` to `start + n_bases` of an example, counted as it is read.

    The name stays; where the example lies on '-', the genome runs against the sequence.
    """
    piece = replace(example, sequence=example.sequence[start : start + n_bases])
    if example.start is None or example.end is None:
        return piece
    n_read = len(piece.sequence)
    first = example.end - start - n_read if example.strand == "-" else example.start + start
    return replace(piece, start=first, end=first + n_read)
