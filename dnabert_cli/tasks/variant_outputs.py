"""Scored variants on their way out: into the records they came in, or into a table of alleles."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np

from dnabert_cli.errors import OptionsError
from dnabert_cli.formats.info_tags import InfoTag
from dnabert_cli.formats.variant_tables import AlleleRow, AlleleTableWriter, open_allele_table
from dnabert_cli.formats.vcf import VariantRecord
from dnabert_cli.formats.vcf_header import VariantHeader
from dnabert_cli.formats.vcf_writer import AnnotatedWriter, open_annotated
from dnabert_cli.sequence.alleles import classify
from dnabert_cli.tasks.annotate import Annotator
from dnabert_cli.tasks.variant_genome import VariantGenome
from dnabert_cli.tasks.variant_scores import QUANTITIES, S
from dnabert_cli.tasks.variant_tags import AlleleScores, Values, tag_id
from dnabert_cli.tasks.variants import Variants

Kind = Literal["vcf", "tsv", "bed"]
FORMATS: tuple[Kind, ...] = ("vcf", "tsv", "bed")

_SUFFIXES: dict[str, Kind] = {
    ".tsv": "tsv", ".txt": "tsv", ".bed": "bed", ".vcf": "vcf", ".bcf": "vcf",
}  # fmt: skip
_PACKED = (".gz", ".bgz")
_OF_ALLELE = ("ref", "alt", "kind")  # TSV has columns of its own for them


@dataclass(frozen=True)
class Target:
    """Where scored variants go.

    Attributes:
        path: the output, `-` is standard output.
        kind: of `FORMATS`.
        force: overwrite.
        header: write a header line, in tables.
        command: the command line, for the header of VCF.
    """

    path: str
    kind: Kind
    force: bool = False
    header: bool = True
    command: str = ""


class AlleleCounts(Protocol):
    """Counts strong and weak alleles by what was found of them (`variant_enrichment.py`)."""

    def add(self, is_strong: bool, values: Mapping[str, str | None]) -> None:
        """Count an allele."""


@dataclass
class Lookup:
    """What another file says of alleles, and whether strong ones are more often in it.

    Attributes:
        annotator: looks alleles up.
        genome: what the variants refer to.
        strong: |S| from which an allele is strong.
        table: counts strong and weak alleles; `None`: they are not counted.
    """

    annotator: Annotator
    genome: VariantGenome
    strong: float
    table: AlleleCounts | None = None

    def values(self, record: VariantRecord, found: AlleleScores, length: int | None) -> Values:
        """Return the entries for a record, and count its scored alleles."""
        alleles = self.genome.alleles(record, length)
        if not alleles or alleles[0].chrom not in self.genome.lengths:
            return {tag.id: [None] * len(alleles) for tag in self.annotator.tags}
        chrom, n_bases = alleles[0].chrom, alleles[0].n_bases
        changes = [allele.change for allele in alleles]
        values = self.annotator.values(chrom, n_bases, changes, self.genome.letters(chrom))
        if self.table is None:
            return dict(values)
        sizes = np.abs(found.scores[:, :, S])
        for row, of_allele in enumerate(sizes):
            if not np.isnan(of_allele).all():
                here = {name: each[row] for name, each in values.items()}
                self.table.add(bool(np.nanmax(of_allele) >= self.strong), here)
        return dict(values)


class _Writer(Protocol):
    def write(self, record: VariantRecord, found: AlleleScores, values: Values) -> None: ...


def kind_of(path: str, given: str | None) -> Kind:
    """Return the format: as given, else by the suffix of the output, else VCF.

    Raises:
        OptionsError: it is unknown, or contradicts the suffix.
    """
    wanted = next((kind for kind in FORMATS if kind == given), None)
    if given is not None and wanted is None:
        raise OptionsError(f"--format {given} is unknown; known: {', '.join(FORMATS)}")
    bare = next((path.removesuffix(end) for end in _PACKED if path.endswith(end)), path)
    by_suffix = next((kind for end, kind in _SUFFIXES.items() if bare.endswith(end)), None)
    if None not in {wanted, by_suffix} and wanted != by_suffix:
        raise OptionsError(f"--format {given} contradicts the name {path}")
    return wanted or by_suffix or "vcf"


def write_variants(
    run: Variants,
    header: VariantHeader,
    target: Target,
    *,
    lengths: dict[str, int],
    lookup: Lookup | None = None,
) -> None:
    """Write the rows of a run.

    Args:
        run: its rows are read.
        header: of the source.
        target: where they go.
        lengths: of the sequences of the genome.
        lookup: adds what another file says.
    """
    tags = [*run.tags.tags(), *(lookup.annotator.tags if lookup else ())]
    with _opened(target, header, tags, run, lengths) as writer:
        for record, found in run.rows:
            values = run.tags.values(found)
            if lookup is not None:
                values |= lookup.values(record, found, header.contigs.get(record.chrom))
            writer.write(record, found, values)
    if lookup is not None:
        lookup.annotator.log()


@contextmanager
def _opened(
    target: Target,
    header: VariantHeader,
    tags: Sequence[InfoTag],
    run: Variants,
    lengths: dict[str, int],
) -> Iterator[_Writer]:
    if target.kind == "vcf":
        with open_annotated(
            target.path,
            header,
            tags,
            force=target.force,
            command=target.command,
            contigs=lengths,
            stale=run.tags.stale_ids(),
        ) as writer:
            yield _Records(writer)
        return
    names = [tag.id for tag in tags]
    strand = tag_id(run.tags.channels[0].name, "STRAND")
    if target.kind == "bed":  # its column `score` is the size of the first value
        first = tag_id(run.tags.channels[0].name, QUANTITIES[S])
        names = [first, *_OF_ALLELE, *(name for name in names if name != first)]
    with open_allele_table(
        target.path, names, fmt=target.kind, force=target.force, header=target.header
    ) as table:
        yield _Alleles(table, names, strand)


class _Records:
    def __init__(self, writer: AnnotatedWriter) -> None:
        self._writer = writer

    def write(self, record: VariantRecord, found: AlleleScores, values: Values) -> None:
        del found
        self._writer.write(record, values)


class _Alleles:
    """A row per alternative allele; with a ranking, of the ranked ones only."""

    def __init__(self, table: AlleleTableWriter, names: Sequence[str], strand: str) -> None:
        self._table = table
        self._names = names
        self._strand = strand

    def write(self, record: VariantRecord, found: AlleleScores, values: Values) -> None:
        for row, alt in enumerate(record.alts):
            if found.ranks is not None and found.ranks[row] is None:
                continue
            kind = classify(record.ref, alt)
            known = values | dict(zip(_OF_ALLELE, (record.ref, alt, kind), strict=True))
            cells = [known.get(name) for name in self._names]
            self._table.write(
                AlleleRow(
                    record.chrom,
                    record.position,
                    record.identifier,
                    record.ref,
                    alt,
                    kind,
                    tuple(one[row] if isinstance(one, list) else one for one in cells),
                    values[self._strand][row] or ".",
                )
            )
