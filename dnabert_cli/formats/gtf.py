"""GTF and GFF3: transcripts with their exons and coding parts.

Read are the features `exon` and `CDS`, in GTF also `stop_codon`, which lies outside the CDS there.
All others are ignored, but for the lines of GFF3 that say which gene a transcript belongs to.
"""

import logging
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import unquote

from dnabert_cli.errors import FormatError, shown
from dnabert_cli.formats.bed import SKIPPED
from dnabert_cli.formats.files import as_text, looks_like, open_binary
from dnabert_cli.records import Transcript

logger = logging.getLogger(__name__)

_GTF, _GFF3 = "GTF", "GFF3"
_N_COLUMNS = 9
_STRANDS = ("+", "-", ".", "?")
_FASTA = ("##FASTA", ">")  # the sequence may follow the features
_GFF3_MARK = re.compile(r"##gff-version\s+3\b")
_GTF_ATTRIBUTE = re.compile(r'([^\s;"]+)\s+(?:"([^"]*)"|([^\s;"]+))')
_GFF3_ATTRIBUTE = re.compile(r'\s*[^\s;="]+=')
_PREFIX = re.compile("^(?:transcript|gene):", re.IGNORECASE)  # Ensembl, WormBase
# Some write a CDS as part of its protein too, which is no second transcript.
_PROTEINS = ("protein", "polypeptide")
_N_FEATURES_SHOWN = 5

_Range = tuple[int, int]


def read_transcripts(path: str) -> list[Transcript]:
    """Read the transcripts of a GTF or GFF3 file, in order of first appearance.

    The two are told apart by the first attributes: `key "value";` or `key=value;`. Parts of one
    transcript that overlap or touch are one. A name that occurs on two sequences or strands is a
    transcript on each. Names lose the prefixes `transcript:` and `gene:`.

    Args:
        path: the file, plain or gzip, or `-` for standard input.

    Raises:
        FormatError: with the line: fewer than nine columns, coordinates that are no whole numbers
            of 1 or more, start behind end, an unknown strand, in GTF a part without
            transcript_id; without: no exon and no CDS that belongs to a transcript.
    """
    stream = open_binary(path)
    first = stream.peek()
    reader = _Reader(path)
    with as_text(stream) as lines:
        for number, line in enumerate(lines, 1):
            if line.startswith(_FASTA):
                break
            if _GFF3_MARK.match(line):
                reader.fallback = _GFF3
            elif line.strip() and not line.startswith(SKIPPED):
                reader.add(number, line.rstrip("\n").split("\t"))
    return reader.transcripts(first)


@dataclass
class _Parts:
    """What is known of one transcript while the file is read."""

    gene: str
    exons: list[_Range] = field(default_factory=list)
    coding: list[_Range] = field(default_factory=list)


class _Reader:
    """Collects the parts of transcripts line by line."""

    def __init__(self, path: str) -> None:
        self.fallback = _GTF  # for parts before any attribute that tells
        self._path = path
        self._syntax: str | None = None
        self._parts: dict[tuple[str, str, str], _Parts] = {}  # by name, chrom and strand
        self._parents: dict[str, str] = {}  # GFF3: of features that are no part
        self._proteins: set[str] = set()
        self._features: Counter[str] = Counter()
        self._n_orphans = 0

    def add(self, line: int, cells: list[str]) -> None:
        """Take in one line of features."""
        if len(cells) < _N_COLUMNS:
            raise FormatError(
                self._path,
                f"expected nine columns separated by tabs, found {len(cells)}",
                line=line,
                hint="an annotation in GTF or GFF3 is needed",
            )
        feature, attributes = cells[2], cells[8]
        self._features[feature] += 1
        self._syntax = self._syntax or _syntax(attributes)
        syntax = self._syntax or self.fallback
        if feature in {"exon", "CDS"} or (feature == "stop_codon" and syntax == _GTF):
            self._add_part(line, cells, syntax)
        elif syntax == _GFF3 and "ID=" in attributes:
            self._add_other(feature, attributes)

    def _add_part(self, line: int, cells: list[str], syntax: str) -> None:
        start, end = self._range(line, cells)
        chrom, strand = cells[0].strip(), cells[6].strip()
        if not chrom:
            raise FormatError(self._path, "the name of the sequence is missing", line=line)
        if strand not in _STRANDS:
            raise FormatError(
                self._path, f"strand {strand!r} is not one of '+', '-', '.', '?'", line=line
            )
        if syntax == _GTF:
            names, gene = self._gtf_names(line, cells)
        else:
            chrom, gene = unquote(chrom), "."
            names = _gff3_values(cells[8]).get("Parent", [])
            self._n_orphans += not names
        for name in names:
            parts = self._parts.setdefault((name, chrom, strand), _Parts(gene))
            (parts.exons if cells[2] == "exon" else parts.coding).append((start, end))

    def _range(self, line: int, cells: list[str]) -> _Range:
        start, end = (self._coordinate(line, cell.strip()) for cell in cells[3:5])
        if start > end:
            raise FormatError(
                self._path,
                f"start {start} lies behind end {end}",
                line=line,
                hint="start is the smaller of the two on either strand",
            )
        return start - 1, end

    def _coordinate(self, line: int, text: str) -> int:
        if not (text.isascii() and text.isdigit() and len(text) < 19 and int(text) >= 1):
            raise FormatError(
                self._path,
                f"coordinate {text!r} is not a whole number of 1 or more",
                line=line,
                hint="GTF and GFF3 count from 1, in columns 4 and 5",
            )
        return int(text)

    def _gtf_names(self, line: int, cells: list[str]) -> tuple[list[str], str]:
        values = {key: quoted or bare for key, quoted, bare in _GTF_ATTRIBUTE.findall(cells[8])}
        name = values.get("transcript_id")
        if not name:
            raise FormatError(
                self._path,
                f"{cells[2]} without transcript_id",
                line=line,
                hint='its ninth column needs: transcript_id "NAME";',
            )
        return [name], values.get("gene_id") or "."

    def _add_other(self, feature: str, attributes: str) -> None:
        values = _gff3_values(attributes)
        for name in values.get("ID", []):
            if feature in _PROTEINS:
                self._proteins.add(name)
            for parent in values.get("Parent", [])[:1]:
                self._parents.setdefault(name, parent)

    def transcripts(self, first: bytes) -> list[Transcript]:
        """Return what was collected; `first` is the beginning of the file, for the message."""
        if self._features["exon"] + self._features["CDS"] == 0:
            raise FormatError(
                self._path,
                f"no exon and no CDS; found {_found(self._features, first)}",
                hint="an annotation in GTF or GFF3 with the exons of genes is needed",
            )
        if self._n_orphans and not self._parts:
            raise FormatError(
                self._path,
                f"none of the {self._n_orphans} exon and CDS lines has a Parent",
                hint="they need the transcript they belong to: Parent=NAME",
            )
        if self._n_orphans:
            logger.warning(
                "%s: %d exon or CDS line(s) without Parent are left out",
                shown(self._path),
                self._n_orphans,
            )
        return [
            Transcript(
                _PREFIX.sub("", name),
                _PREFIX.sub("", self._parents.get(name, parts.gene)),
                chrom,
                strand,
                _merged(parts.exons),
                _merged(parts.coding),
            )
            for (name, chrom, strand), parts in self._parts.items()
            if name not in self._proteins
        ]


def _syntax(attributes: str) -> str | None:
    """Tell the format from the ninth column; `None` where it holds no attribute."""
    if _GFF3_ATTRIBUTE.match(attributes):
        return _GFF3
    return _GTF if _GTF_ATTRIBUTE.match(attributes.lstrip()) else None


def _gff3_values(attributes: str) -> dict[str, list[str]]:
    """Return the values of ID and Parent, decoded."""
    values = {}
    for attribute in attributes.split(";"):
        key, _, value = attribute.strip().partition("=")
        if key in {"ID", "Parent"}:
            # A comma or semicolon within a name is written as %2C or %3B.
            values[key] = [unquote(name.strip()) for name in value.split(",") if name.strip()]
    return values


def _merged(ranges: Iterable[_Range]) -> tuple[_Range, ...]:
    """Return ranges in ascending order, one for all that overlap or touch."""
    merged: list[_Range] = []
    for start, end in sorted(ranges):
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return tuple(merged)


def _found(features: Counter[str], first: bytes) -> str:
    if not features:
        return (
            f"no feature at all (the file looks like {looks_like(first)})" if first else "nothing"
        )
    names = [f"{name} ({count})" for name, count in features.most_common(_N_FEATURES_SHOWN)]
    return ", ".join(names) + (", …" if len(features) > _N_FEATURES_SHOWN else "")
