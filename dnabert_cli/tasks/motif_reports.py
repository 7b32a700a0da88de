"""What `motifs` writes: matrices, places, everything tested, matches, and a page to look at."""

import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from dnabert_cli.analysis.matching import Q_MATCHED, share_matched
from dnabert_cli.analysis.pages.motif_page import ReportMotif, motif_page
from dnabert_cli.analysis.plots.logo import SVG_BASE, logo_svg
from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import OptionsError
from dnabert_cli.formats.bed import write_rows
from dnabert_cli.formats.files import check_outputs, open_output
from dnabert_cli.formats.meme import write_jaspar, write_meme
from dnabert_cli.formats.tables import MISSING, write_table
from dnabert_cli.records import Example
from dnabert_cli.tasks.motifs import Motifs, NamedMotif

HIT_COLUMNS = ("chrom", "start", "end", "name", "score", "strand", "importance", "sequence")
TESTED_COLUMNS = ("class", "sequence", "n_positive", "n_negative", "p_value", "q_value")
MATCH_COLUMNS = (
    "motif", "consensus", "key", "n_instances", "n_positive", "n_negative", "p_value", "q_value",
    "match", "match_name", "match_p_value", "match_e_value", "match_q_value", "offset", "overlap",
    "orientation",
)  # fmt: skip
FORMATS = ("meme", "jaspar")
PAGE = "index.html"

_JASPAR_SUFFIXES = (".jaspar", ".pfm")
_UNSAFE = re.compile(r"[\s\x00-\x1f\x7f]+")


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
    tables: tuple[tuple[str | None, Sequence[str], Iterator[list[Any]], Any], ...] = (
        (outputs.hits, HIT_COLUMNS, _hits(found.motifs), write_rows),  # a BED has no missing name
        (outputs.tested, TESTED_COLUMNS, _tested(found), write_table),
        (outputs.matches, MATCH_COLUMNS, _matches(found.motifs), write_table),
    )
    for path, columns, rows, write in tables:
        if path is not None:
            with open_output(path, force=outputs.force) as handle:
                write(rows, columns, handle, header=header)
    if outputs.report is not None:
        outputs.report.mkdir(exist_ok=True)
        with open_output(str(outputs.report / PAGE), force=outputs.force) as handle:
            handle.write(_page(found))
    with open_output(outputs.motifs, force=outputs.force) as handle:
        _write_matrices(found, outputs, handle)


def _write_matrices(found: Motifs, outputs: MotifOutputs, handle: TextIO) -> None:
    motifs = [one.motif for one in found.motifs]
    name = outputs.motifs.removesuffix(".gz").removesuffix(".bgz")
    if outputs.fmt == "jaspar" or (outputs.fmt is None and name.endswith(_JASPAR_SUFFIXES)):
        write_jaspar(motifs, handle)
    else:
        write_meme(motifs, handle, strands="+ -" if found.both_strands else "+")


def _hits(motifs: Sequence[NamedMotif]) -> Iterator[list[str]]:
    """Yield every instance, in genome coordinates where the rows have a place."""
    for one in motifs:
        width = len(one.found.matrix)
        for hit in one.found.instances:
            row = one.rows.positives[hit.sequence_number]
            first, last = one.first, one.last
            if hit.strand == "-":  # columns count from the end of the window
                first, last = width - last, width - first
            start, end = hit.start + first, hit.start + last
            text = row.sequence[start:end].upper()
            text = reverse_complement(text) if hit.strand == "-" else text
            chrom, start, end, strand = _place(row, start, end, hit.strand, hit.sequence_number)
            importance = "." if math.isnan(hit.score) else f"{hit.score:.6g}"
            cells = (chrom, start, end, one.motif.name, 0, strand, importance, text)
            yield [str(cell) for cell in cells]


def _place(
    row: Example, start: int, end: int, strand: str, number: int
) -> tuple[str, int, int, str]:
    """Return where a stretch of a row lies: in the genome, or else in the row itself."""
    if row.chrom is None or row.start is None or row.end is None:
        name = f"sequence_{number + 1}" if row.name == MISSING else row.name
        return _UNSAFE.sub("_", name), start, end, strand
    chrom = _UNSAFE.sub("_", row.chrom)
    if row.strand != "-":
        return chrom, row.start + start, row.start + end, strand
    return chrom, row.end - end, row.end - start, "+" if strand == "-" else "-"


def _tested(found: Motifs) -> Iterator[list[Any]]:
    names = ("a", "b") if len(found.results) > 1 else ("positive",)
    for name, result in zip(names, found.results, strict=True):
        for one in sorted(result.candidates, key=lambda each: (each.p_value, each.sequence)):
            yield [name, one.sequence, one.n_positive, one.n_negative, one.p_value, one.q_value]


def _matches(motifs: Sequence[NamedMotif]) -> Iterator[list[Any]]:
    for one in motifs:
        row: list[Any] = [
            one.motif.name, one.motif.alternate_name, one.found.name, len(one.found.instances),
            one.test.n_positive, one.test.n_negative, one.found.p_value, one.found.q_value,
        ]  # fmt: skip
        hit, target = one.best, one.best_motif
        if hit is None or target is None:
            yield [*row, *[None] * 8]
            continue
        yield [
            *row, target.name, target.alternate_name, hit.p_value, hit.e_value, hit.q_value,
            hit.offset, hit.overlap, hit.orientation,
        ]  # fmt: skip


def summary(found: Motifs) -> list[tuple[str, str]]:
    """Return what was read, asked and found, as labels and texts."""
    rows = found.rows
    kind = " (shuffled positives)" if rows.is_shuffled else ""
    lines = [
        ("positives", f"{len(rows.positives):,}"),
        ("negatives", f"{len(rows.negatives):,}{kind}"),
        ("asked", found.model),
    ]
    if found.auroc is not None:
        lines.append(("AUROC on rows kept aside", f"{found.auroc:.3f}"))
    n_regions = sum(one.n_regions for one in found.results)
    if n_regions:
        n_left_out = sum(one.n_left_out for one in found.results)
        more = f", of which {n_left_out:,} hold other letters than A, C, G, T" * (n_left_out > 0)
        lines.append(("high regions", f"{n_regions:,}{more}"))
    n_candidates = sum(len(one.candidates) for one in found.results)
    lines.append(("candidates tested", f"{n_candidates:,}"))
    lines.append(("motifs", _counted(found)))
    hits = [one.best for one in found.motifs]
    if any(hit is not None for hit in hits):
        lines.append(
            (f"matched in the database at q ≤ {Q_MATCHED:g}", f"{share_matched(hits):.0%}")
        )
    return lines


def _counted(found: Motifs) -> str:
    text = str(len(found.motifs))
    if len(found.results) == 1:
        return text
    n_first = sum(one.rows is found.rows for one in found.motifs)
    n_second = len(found.motifs) - n_first
    return f"{text}: {n_first} of the first class (a), {n_second} of the second (b)"


def _page(found: Motifs) -> str:
    return motif_page(
        [_report(one) for one in found.motifs],
        title="Motifs",
        summary=summary(found),
        sentence="; ".join(found.reasons) or None,
    )


def _report(one: NamedMotif) -> ReportMotif:
    target, matrix = one.best_motif, np.array(one.motif.matrix)
    label = match_logo = None
    if target is not None and one.best is not None:
        label = target.name
        if target.alternate_name != MISSING:
            label += f" {target.alternate_name}"
        shown = np.array(target.matrix)
        match_logo = logo_svg(shown if one.best.orientation == "+" else shown[::-1, ::-1])
    return ReportMotif(
        name=one.motif.name,
        consensus=one.motif.alternate_name,
        logo_svg=logo_svg(matrix),
        reverse_logo_svg=logo_svg(matrix[::-1, ::-1]),
        n_positive=one.test.n_positive,
        n_negative=one.test.n_negative,
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
