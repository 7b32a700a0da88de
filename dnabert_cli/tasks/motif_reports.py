"""What `motifs` writes: matrices, places, everything tested, matches, and a page to look at."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from dnabert_cli.analysis.matching import share_matched
from dnabert_cli.analysis.pages.motif_page import ReportMotif, motif_page
from dnabert_cli.analysis.plots.logo import SVG_BASE, logo_svg
from dnabert_cli.errors import OptionsError
from dnabert_cli.formats.bed import write_rows
from dnabert_cli.formats.files import check_outputs, open_output
from dnabert_cli.formats.meme import write_jaspar, write_meme
from dnabert_cli.formats.tables import write_table
from dnabert_cli.records import Motif
from dnabert_cli.tasks.motifs import Motifs, NamedMotif

HIT_COLUMNS = ("chrom", "start", "end", "name", "score", "strand", "importance", "sequence")
TESTED_COLUMNS = ("class", "sequence", "n_positive", "n_negative", "p_value", "q_value")
MATCH_COLUMNS = (
    "motif", "consensus", "n_instances", "p_value", "q_value", "match", "match_name",
    "match_p_value", "match_e_value", "match_q_value", "offset", "overlap", "orientation",
)  # fmt: skip
FORMATS = ("meme", "jaspar")
PAGE = "index.html"


@dataclass(frozen=True)
class MotifOutputs:
    """Where things go; `None`: nowhere.

    Attributes:
        motifs: MEME or JASPAR; `-` is standard output.
        fmt: of FORMATS; `None`: by the suffix, else MEME.
        hits: BED of every instance.
        tested: TSV of every candidate.
        matches: TSV of the best match of each motif.
        report: folder of the page.
        force: overwrite.
    """

    motifs: str
    fmt: str | None = None
    hits: str | None = None
    tested: str | None = None
    matches: str | None = None
    report: Path | None = None
    force: bool = False

    def check(self, inputs: Sequence[str], database: str | None) -> None:
        """Refuse, before the long part, what cannot be written.

        Raises:
            OptionsError: formats, or matches without a database.
            DnabertError: an output exists or its folder does not.
        """
        if self.fmt is not None and self.fmt not in FORMATS:
            raise OptionsError(f"--format {self.fmt} is unknown; known: {', '.join(FORMATS)}")
        if self.matches is not None and database is None:
            raise OptionsError("--matches needs a --database to compare with")
        page = None
        if self.report is not None:
            if self.report.exists() and not self.report.is_dir():
                raise OptionsError(f"--report {self.report} is a file; name a folder")
            if not self.report.resolve().parent.is_dir():
                raise OptionsError(f"--report {self.report}: its parent folder does not exist")
            page = str(self.report / PAGE) if self.report.is_dir() else None
        outputs = [self.motifs, self.hits, self.tested, self.matches, page]
        check_outputs(outputs, self.force, inputs)


def write_motifs(found: Motifs, outputs: MotifOutputs, *, header: bool = True) -> None:
    """Write everything asked for; the matrices last."""
    tables = (
        (outputs.hits, HIT_COLUMNS, _hits(found.motifs)),
        (outputs.tested, TESTED_COLUMNS, _tested(found)),
        (outputs.matches, MATCH_COLUMNS, _matches(found.motifs)),
    )
    for path, columns, rows in tables:
        if path is not None:
            with open_output(path, force=outputs.force) as handle:
                if columns is HIT_COLUMNS:
                    write_rows(([str(cell) for cell in row] for row in rows), columns, handle,
                               header=header)  # fmt: skip
                else:
                    write_table(rows, columns, handle, header=header)
    if outputs.report is not None:
        outputs.report.mkdir(exist_ok=True)
        with open_output(str(outputs.report / PAGE), force=outputs.force) as handle:
            handle.write(_page(found))
    with open_output(outputs.motifs, force=outputs.force) as handle:
        _write_matrices([one.motif for one in found.motifs], outputs, handle)


def _write_matrices(motifs: Sequence[Motif], outputs: MotifOutputs, handle: TextIO) -> None:
    is_jaspar = outputs.fmt == "jaspar" or (
        outputs.fmt is None and outputs.motifs.endswith((".jaspar", ".pfm"))
    )
    if is_jaspar:
        write_jaspar(motifs, handle)
    else:
        write_meme(motifs, handle)


def _hits(motifs: Sequence[NamedMotif]) -> Iterator[list[Any]]:
    """Yield every instance, in genome coordinates where the rows have a place."""
    for one in motifs:
        width = len(one.found.matrix)
        for hit in one.found.instances:
            row = one.rows.positives[hit.sequence_number]
            if hit.strand == "-":
                start, end = hit.start + width - one.last, hit.start + width - one.first
            else:
                start, end = hit.start + one.first, hit.start + one.last
            start, end = max(start, 0), min(end, len(row.sequence))
            text = row.sequence[start:end].upper()
            chrom, strand = row.name, hit.strand
            if row.chrom is not None and row.start is not None and row.end is not None:
                chrom = row.chrom
                if row.strand == "-":
                    start, end = row.end - end, row.end - start
                    strand = "+" if strand == "-" else "-"
                else:
                    start, end = row.start + start, row.start + end
            importance = "." if hit.score != hit.score else f"{hit.score:.6g}"  # NaN
            yield [chrom, start, end, one.motif.name, 0, strand, importance, text]


def _tested(found: Motifs) -> Iterator[list[Any]]:
    names = ("a", "b") if len(found.results) > 1 else ("positive",)
    for name, result in zip(names, found.results, strict=True):
        for one in sorted(result.candidates, key=lambda each: (each.p_value, each.sequence)):
            yield [name, one.sequence, one.n_positive, one.n_negative, one.p_value, one.q_value]


def _matches(motifs: Sequence[NamedMotif]) -> Iterator[list[Any]]:
    for one in motifs:
        row: list[Any] = [
            one.motif.name, one.found.name, len(one.found.instances), one.found.p_value,
            one.found.q_value,
        ]  # fmt: skip
        hit, target = one.best, one.best_motif
        if hit is None or target is None:
            yield [*row, *[None] * 8]
            continue
        yield [
            *row, target.name, target.alternate_name, hit.p_value, hit.e_value, hit.q_value,
            hit.offset, hit.overlap, hit.orientation,
        ]  # fmt: skip


def summary(found: Motifs, max_match_q: float) -> list[tuple[str, str]]:
    """Return what was read, asked and found, as labels and texts."""
    rows = found.rows
    kind = " (shuffled positives)" if rows.is_shuffled else ""
    lines = [
        ("positives", f"{len(rows.positives):,}"),
        ("negatives", f"{len(rows.negatives):,}{kind}"),
        ("asked", found.model),
        ("candidates tested", f"{sum(len(one.candidates) for one in found.results):,}"),
        ("motifs", str(len(found.motifs))),
    ]
    if found.auroc is not None:
        lines.insert(3, ("AUROC on rows kept aside", f"{found.auroc:.3f}"))
    hits = [one.best for one in found.motifs]
    if any(hit is not None for hit in hits):
        share = share_matched(hits, max_match_q)
        lines.append((f"matched in the database at q ≤ {max_match_q:g}", f"{share:.0%}"))
    return lines


def _page(found: Motifs) -> str:
    motifs = [_report(one) for one in found.motifs]
    return motif_page(
        motifs,
        title="Motifs",
        summary=summary(found, 0.01),
        sentence=found.reason or None,
    )


def _report(one: NamedMotif) -> ReportMotif:
    target, matrix = one.best_motif, np.array(one.motif.matrix)
    label = match_logo = None
    if target is not None and one.best is not None:
        label = f"{target.name} {target.alternate_name}"
        shown = np.array(target.matrix)
        match_logo = logo_svg(shown if one.best.orientation == "+" else shown[::-1, ::-1])
    return ReportMotif(
        name=one.motif.name,
        consensus=one.found.name,
        logo_svg=logo_svg(matrix),
        reverse_logo_svg=logo_svg(matrix[::-1, ::-1]),
        n_positive=one.found.n_positive,
        n_negative=one.n_negative,
        n_instances=len(one.found.instances),
        p_value=one.found.p_value,
        q_value=one.found.q_value,
        match_name=label,
        match_q=None if one.best is None else one.best.q_value,
        match_logo_svg=match_logo,
        match_shift_pixels=0 if one.best is None else -SVG_BASE * one.best.offset,
        positions=[
            (hit.start + hit.end) / 2 / len(one.rows.positives[hit.sequence_number].sequence)
            for hit in one.found.instances
        ],
        members=list(one.found.members),
    )
