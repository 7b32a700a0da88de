"""The values that travel between modules: frozen, checked, without behaviour.

Coordinates are 0-based and half-open, in bases, everywhere.
"""

from dataclasses import dataclass

STRANDS = ("+", "-", ".")


@dataclass(frozen=True, slots=True)
class SequenceRecord:
    """A named sequence, or a piece of one.

    Attributes:
        name: the first word of the FASTA header.
        sequence: letters as read (case kept), U already read as T.
        start: 0-based position of the first letter in the full record.
    """

    name: str
    sequence: str
    start: int = 0


@dataclass(frozen=True, slots=True)
class Interval:
    """A stretch of a sequence: `start` and `end` 0-based, half-open; strand `+`, `-` or `.`."""

    chrom: str
    start: int
    end: int
    name: str = "."
    strand: str = "."


@dataclass(frozen=True, slots=True)
class Example:
    """One row to predict or to learn from.

    Attributes:
        sequence: letters, read 5' to 3' on `strand`.
        label: class name as written in the file, `None` where there is none.
        name: row name, `.` where there is none.
        chrom, start, end, strand: where the sequence lies, `None`/`.` where unknown.
        source: file the row came from.
        group: rows of one group never fall into different parts of a split.
    """

    sequence: str
    label: str | None = None
    name: str = "."
    chrom: str | None = None
    start: int | None = None
    end: int | None = None
    strand: str = "."
    source: str = "."
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A called region: overlapping positive windows of one strand, merged.

    Attributes:
        chrom, start, end, strand: the region.
        name: the class called.
        probability: of the best window.
        summit: 0-based position of the anchor base of the best window.
        n_windows: how many windows were merged.
    """

    chrom: str
    start: int
    end: int
    name: str
    probability: float
    strand: str
    summit: int
    n_windows: int


@dataclass(frozen=True, slots=True)
class Motif:
    """A motif: the probability of each base at each of its positions.

    Attributes:
        name: its identifier, such as `MA0093.4`.
        matrix: a row (a, c, g, t) per position, 5' to 3'; each row sums to 1.
        alternate_name: the name people use, such as `USF1`; `.` where there is none.
        n_sites: how many sites it was made from, `None` where unknown.
        e_value: of its discovery, `None` where unknown.
    """

    name: str
    matrix: tuple[tuple[float, float, float, float], ...]
    alternate_name: str = "."
    n_sites: int | None = None
    e_value: float | None = None


@dataclass(frozen=True, slots=True)
class Transcript:
    """The exons and the coding parts of one transcript, as far as the annotation names them.

    Attributes:
        name: of the transcript.
        gene: the gene it belongs to, `.` where unknown.
        chrom, strand: where it lies; strand `+`, `-`, or `.` and `?` where it has or shows none.
        exons, coding: (start, end), 0-based half-open, ascending, apart from each other by at
            least one base; each may be empty.
    """

    name: str
    gene: str
    chrom: str
    strand: str
    exons: tuple[tuple[int, int], ...]
    coding: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Site:
    """A place of the genome that a window is laid around.

    Attributes:
        chrom: the sequence.
        position: 0-based base, counted on the forward strand.
        strand: `+` or `-`, the strand a window is read on.
        kind: what it is, such as `tss`, `donor`, `acceptor`.
        name: what it belongs to, `.` where unknown.
    """

    chrom: str
    position: int
    strand: str
    kind: str
    name: str = "."
