"""`dnabert scan`: a genome in, called regions (or every window) out, in bounded memory.

A record is cut into units of some hundred thousand bases. Of each unit, all windows of a strand
are tokenized once and scored; the calls that no later window can change are given out at once.
The answers to a unit can be kept, so that a run can be resumed or shared out (`formats/units.py`).
"""

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import product
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis.peaks import CallStitcher
from dnabert_cli.config import ScanConfig
from dnabert_cli.core.checkpoint import load_models
from dnabert_cli.core.ensemble import Ensemble, check_window
from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import DataError
from dnabert_cli.formats.bed import read_bed
from dnabert_cli.formats.fasta import read_fasta
from dnabert_cli.formats.indexed_fasta import fetch_regions, n_bases_of
from dnabert_cli.formats.unit_checks import Expected
from dnabert_cli.formats.units import Arrays, Units, unit_key
from dnabert_cli.progress import SILENT, Progress
from dnabert_cli.records import Call, Interval, SequenceRecord
from dnabert_cli.sequence.windows import Starts, candidate_starts, n_unknown, tile

logger = logging.getLogger(__name__)

# Bases per unit: results and progress appear this often, and batches never cross a unit.
UNIT_BASES = 1 << 18

_PROBABILITY = (0, 1.001)  # rounded

WindowRow = tuple[str, int, int, str, float, str]
Probabilities = npt.NDArray[np.float32]


@dataclass
class ScanCounts:
    """What a scan went through; filled while its rows are read."""

    n_records: int = 0
    n_bases: int = 0
    n_windows: int = 0
    n_skipped_unknown: int = 0
    n_too_short: int = 0
    n_below_window: int = 0

    def to_json(self) -> dict[str, int]:
        """Return the counts for a manifest."""
        return asdict(self)

    def summary(self) -> str:
        """Say it in one line."""
        plural = "" if self.n_records == 1 else "s"
        text = f"{self.n_records:,} sequence{plural}, {self.n_bases:,} bases, "
        text += f"{self.n_windows:,} windows"
        if self.n_skipped_unknown:
            text += f"; {self.n_skipped_unknown:,} windows with too many N skipped"
        if self.n_below_window:
            text += f"; {self.n_below_window:,} shorter than the window read as they are"
        if self.n_too_short:
            text += f"; {self.n_too_short} sequences shorter than a k-mer skipped"
        return text


@dataclass(frozen=True)
class Scan:
    """A scan about to run: everything checked, nothing computed.

    Attributes:
        calls: called regions, in the order of the FASTA; empty with `all_windows`.
        windows: every window, in the same order; empty without `all_windows`.
        counts: filled while the rows are read.
    """

    calls: Iterator[Call]
    windows: Iterator[WindowRow]
    counts: ScanCounts


def scan(
    genome: str,
    models: Sequence[str],
    config: ScanConfig,
    *,
    regions: str | None = None,
    download: bool = False,
    units: Units | None = None,
    progress: Progress = SILENT,
) -> Scan:
    """Scan a genome with one model, or with several averaged.

    Args:
        genome: FASTA file, or `-`.
        models: bundled names or folders.
        config: stride, threshold, strands.
        regions: BED of the regions to scan; overlapping ones are scanned once.
        download: models of the hub may be fetched.
        units: answers kept from before or for later; `None`: none are.
        progress: told of the bases done.

    Raises:
        ModelError: a model is missing, has no window, or does not fit the others.
        FormatError, DataError: the genome or the regions are broken or do not fit together;
            later parts of a stream are checked while the rows are read.
    """
    intervals = merged(read_bed(regions)) if regions is not None else None
    loaded = load_models(models, download=download)
    units = units or Units()
    ensemble = Ensemble(loaded, units.compute_config(config.compute))
    scanner = _Scanner(ensemble, config, loaded[0].name, units, progress)
    records = read_fasta(genome) if intervals is None else fetch_regions(genome, intervals)
    total = (
        n_bases_of(genome)
        if intervals is None
        else sum(each.end - each.start for each in intervals)
    )
    progress.start("scan", total, "bases")
    if config.all_windows:
        return Scan(iter(()), scanner.windows(records), scanner.counts)
    return Scan(scanner.calls(records), iter(()), scanner.counts)


def merged(intervals: Sequence[Interval]) -> list[Interval]:
    """Return the intervals with overlapping ones joined, per sequence in order of appearance."""
    order = {chrom: i for i, chrom in enumerate(dict.fromkeys(each.chrom for each in intervals))}
    result: list[Interval] = []
    for each in sorted(intervals, key=lambda each: (order[each.chrom], each.start)):
        if result and result[-1].chrom == each.chrom and each.start < result[-1].end:
            last = result.pop()
            result.append(Interval(last.chrom, last.start, max(last.end, each.end)))
        else:
            result.append(Interval(each.chrom, each.start, each.end))
    return result


@dataclass(frozen=True)
class _Unit:
    """A stretch of a record and the forward starts of its windows within the stretch."""

    sequence: str
    offset: int  # position of the stretch in the full record
    n_starts: int  # windows start at bases 0 to n_starts of the stretch
    window: int
    grid: Starts  # where windows start, unless candidates decide


class _Scanner:
    def __init__(
        self, ensemble: Ensemble, config: ScanConfig, name: str, units: Units, progress: Progress
    ) -> None:
        self.ensemble = ensemble
        self.task = ensemble.task
        self.window, self.anchor = check_window(ensemble.task, name)
        self.stride = config.stride or self.task.stride
        self.threshold = self.task.threshold if config.threshold is None else config.threshold
        self.strands = ("+", "-") if config.strand == "both" else (config.strand,)
        self.max_unknown = config.max_unknown
        self.units = units
        self.progress = progress
        self.counts = ScanCounts()
        self._position = 0.0  # bases done, over all records

    def calls(self, records: Iterator[SequenceRecord]) -> Iterator[Call]:
        """Yield merged calls, sorted within each record."""
        stitcher = CallStitcher(
            self.threshold, self.window, self.anchor, merges=self.task.candidates is None
        )
        for record in self._each(records):
            for unit in self._units(record):
                answers = self._answers(unit, self._positive, self._expected_positive(unit))
                if answers is None:
                    continue
                for strand, column in product(self.strands, self.task.called_classes):
                    stitcher.add(
                        record.name,
                        answers[f"starts {column} {strand}"] + unit.offset,
                        answers[f"scores {column} {strand}"],
                        strand,
                        self.task.classes[column],
                        unit.window,
                    )
                yield from stitcher.advance(record.name, unit.offset + unit.n_starts)
            yield from stitcher.finish()

    def windows(self, records: Iterator[SequenceRecord]) -> Iterator[WindowRow]:
        """Yield every window, sorted by start and strand, with its best called class."""
        for record in self._each(records):
            for unit in self._units(record):
                answers = self._answers(unit, self._best, self._expected_best(unit))
                if answers is None:
                    continue
                rows: list[WindowRow] = []
                for strand in self.strands:
                    names = (f"starts {strand}", f"classes {strand}", f"scores {strand}")
                    columns = (answers[name].tolist() for name in names)
                    for start, best, score in zip(*columns, strict=True):
                        first, name = start + unit.offset, self.task.classes[best]
                        rows.append((record.name, first, first + unit.window, name, score, strand))
                yield from sorted(rows, key=lambda row: (row[1], row[5]))

    def _answers(
        self,
        unit: _Unit,
        kept: Callable[[Starts, Probabilities], Arrays],
        expected: Mapping[str, Expected],
    ) -> Arrays | None:
        """Return what is kept of both strands of a unit; `None` where it is another shard's."""
        key = unit_key(unit.sequence, str(unit.window), unit.grid.tobytes())
        numbers = {name: Expected("i", ()) for name in ("n_windows", "n_skipped")}
        answers = self.units.answer(key, lambda: self._compute(unit, kept), {**expected, **numbers})
        if answers is not None:
            self.counts.n_windows += int(answers["n_windows"])
            self.counts.n_skipped_unknown += int(answers["n_skipped"])
        return answers

    def _compute(self, unit: _Unit, kept: Callable[[Starts, Probabilities], Arrays]) -> Arrays:
        answers: dict[str, npt.NDArray[Any]] = {}
        n_windows = n_skipped = 0
        for strand in self.strands:
            starts, n_unreadable = self._starts(unit, strand)
            scores = self._score(unit, strand, starts)
            n_windows, n_skipped = n_windows + len(starts), n_skipped + n_unreadable
            answers |= {f"{name} {strand}": each for name, each in kept(starts, scores).items()}
        return answers | {"n_windows": np.array(n_windows), "n_skipped": np.array(n_skipped)}

    def _positive(self, starts: Starts, scores: Probabilities) -> Arrays:
        """Return starts and scores of the windows of each class that can be called."""
        answers: dict[str, npt.NDArray[Any]] = {}
        for column in self.task.called_classes:
            # in double precision, as `CallStitcher` has it
            positive = scores[:, column].astype(np.float64) >= self.threshold
            answers[f"starts {column}"] = starts[positive]
            answers[f"scores {column}"] = scores[positive, column]
        return answers

    def _expected_positive(self, unit: _Unit) -> dict[str, Expected]:
        """Return what `_positive` of both strands must be like where it is read from a file."""
        found: dict[str, Expected] = {}
        for strand, column in product(self.strands, self.task.called_classes):
            of_class = f"{column} {strand}"
            found[f"starts {of_class}"] = Expected("i", (of_class,), (0, unit.n_starts - 1))
            found[f"scores {of_class}"] = Expected("f", (of_class,), _PROBABILITY)
        return found

    def _best(self, starts: Starts, scores: Probabilities) -> Arrays:
        """Return start, best called class and its score of every window."""
        called = np.array(self.task.called_classes)
        best = called[scores[:, called].argmax(1)] if len(starts) else called[:0]
        of_best = scores[np.arange(len(starts)), best]
        return {"starts": starts, "classes": best.astype(np.int32), "scores": of_best}

    def _expected_best(self, unit: _Unit) -> dict[str, Expected]:
        """Return what `_best` of both strands must be like where it is read from a file."""
        found: dict[str, Expected] = {}
        for strand in self.strands:
            found[f"starts {strand}"] = Expected("i", (strand,), (0, unit.n_starts - 1))
            found[f"scores {strand}"] = Expected("f", (strand,), _PROBABILITY)
            classes = (0, len(self.task.classes) - 1)
            found[f"classes {strand}"] = Expected("i", (strand,), classes)
        return found

    def _each(self, records: Iterator[SequenceRecord]) -> Iterator[SequenceRecord]:
        with self.ensemble:
            for record in records:
                self.counts.n_records += 1
                self.counts.n_bases += len(record.sequence)
                if len(record.sequence) < self.ensemble.k:
                    self.counts.n_too_short += 1
                    continue
                self.counts.n_below_window += len(record.sequence) < self.window
                yield record
            self.progress.finish()
        if self.counts.n_records == 0:
            raise DataError("there is nothing to scan: no sequence and no region")

    def _units(self, record: SequenceRecord) -> Iterator[_Unit]:
        """Cut a record into units; stretches of nothing but N cost a count of letters."""
        n_bases = len(record.sequence)
        window = min(self.window, n_bases)
        record_start = self.counts.n_bases - n_bases
        for first in range(0, n_bases - window + 1, UNIT_BASES):
            last = min(first + UNIT_BASES, n_bases - window + 1)
            end = last + window - 1
            # of this unit only: the grid of a chromosome at stride 1 takes gigabytes
            grid = tile(n_bases, window, self.stride, first, last)
            n_n = record.sequence.count("N", first, end) + record.sequence.count("n", first, end)
            if n_n == end - first and self.max_unknown < 1:
                n_windows = len(grid) if self.task.candidates is None else 0
                self.counts.n_skipped_unknown += n_windows * len(self.strands)
            else:
                stretch = record.sequence[first:end]
                yield _Unit(stretch, record.start + first, last - first, window, grid - first)
            # every base is counted once; the last unit has those that start no window
            done = n_bases if last == n_bases - window + 1 else last
            self._advance_to(record_start + done)

    def _starts(self, unit: _Unit, strand: str) -> tuple[Starts, int]:
        """Return the forward starts `[B]` of a strand, ascending, and how many N leave out."""
        starts = unit.grid if self.task.candidates is None else self._candidates(unit, strand)
        if len(starts) == 0:
            return starts, 0
        n_allowed = self.max_unknown * unit.window
        readable = n_unknown(unit.sequence, starts, unit.window) <= n_allowed
        return starts[readable], int((~readable).sum())

    def _score(self, unit: _Unit, strand: str, starts: Starts) -> Probabilities:
        """Return the probabilities `[B, K]` of the windows of a strand."""
        if len(starts) == 0:
            return np.empty((0, len(self.task.classes)), dtype=np.float32)
        bases_per_window = unit.n_starts / len(starts) / len(self.strands)
        return self.ensemble.score_windows(
            unit.sequence,
            starts,
            unit.window,
            strand,
            lambda n_windows: self._advance_to(self._position + n_windows * bases_per_window),
        )

    def _advance_to(self, position: float) -> None:
        """Report progress up to a position among all bases, in whole bases."""
        self.progress.advance(int(position) - int(self._position))
        self._position = position

    def _candidates(self, unit: _Unit, strand: str) -> Starts:
        """Forward starts of the windows that have a candidate at their anchor."""
        if self.task.candidates is None or unit.window < self.window:
            return unit.grid[:0]
        sequence = reverse_complement(unit.sequence) if strand == "-" else unit.sequence
        starts = candidate_starts(sequence, unit.window, self.anchor, self.task.candidates)
        return len(sequence) - unit.window - starts[::-1] if strand == "-" else starts
