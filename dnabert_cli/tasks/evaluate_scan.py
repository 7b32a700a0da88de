"""Calls of `dnabert scan` against annotated start sites (`dnabert evaluate --tss`)."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis import start_sites
from dnabert_cli.analysis.evaluation import ALL, Figure
from dnabert_cli.analysis.plots.evaluation import MOST_SYSTEMS
from dnabert_cli.analysis.start_sites import AtThreshold, Calls, Sites
from dnabert_cli.errors import DataError, FormatError, OptionsError, shown
from dnabert_cli.evaluate_config import EvaluateConfig
from dnabert_cli.formats import bed
from dnabert_cli.sequence.background import merged
from dnabert_cli.tasks.comparisons import told
from dnabert_cli.tasks.systems import Numbers, Run, check_distinct, stem

logger = logging.getLogger(__name__)

CALLS_PER_MB = "calls_per_mb"
_N_TOLD = 3  # precision, recall, F1: figures in the log
_WANTED = "give the output of dnabert scan (without --all-windows)"

# Of a chromosome: where stretches start and end, ascending and apart.
_Stretches = dict[str, tuple[Numbers, Numbers]]


@dataclass(frozen=True)
class JudgedScan:
    """Calls of one system, held against the sites.

    Attributes:
        name: of the system.
        n_calls: judged.
        n_left_out: calls whose summit lies outside the regions.
        figures: with intervals.
        thresholds: the same at each threshold.
    """

    name: str
    n_calls: int
    n_left_out: int
    figures: list[Figure]
    thresholds: list[AtThreshold]


@dataclass(frozen=True)
class ScanEvaluation:
    """What came out.

    Attributes:
        systems: one per input.
        n_sites: that could be found.
        n_sites_left_out: outside the regions.
        megabases: in the regions, NaN without any.
    """

    systems: list[JudgedScan]
    n_sites: int
    n_sites_left_out: int
    megabases: float


def evaluate_scan(inputs: Sequence[str], config: EvaluateConfig, run: Run) -> ScanEvaluation:
    """Judge calls by whether a start site lies near their summit.

    Args:
        inputs: calls of a scan, a system per file.
        config: how near, and on which strand.
        run: the sites (`tss`) and `regions`.

    Raises:
        FormatError: a file is not what it should be.
        DataError: there is no site, or sites and calls have no sequence in common.
    """
    assert run.tss is not None
    check_distinct(inputs, "files of calls")
    if run.curves and len(inputs) > MOST_SYSTEMS:
        raise OptionsError(f"--figure shows at most {MOST_SYSTEMS} systems, not {len(inputs)}")
    regions = None if run.regions is None else _read_regions(run.regions)
    sites = _read_sites(run.tss)
    inside = _inside(sites.chrom, sites.position, regions)
    n_outside = int((~inside).sum())
    if not inside.any():
        where = f" in {shown(run.regions)}" if run.regions is not None else ""
        raise DataError(f"{shown(run.tss)} holds no start site{where}",
                        hint="are the sequences named alike (chr1, 1)?")  # fmt: skip
    sites = Sites(_kept(sites.chrom, inside), sites.position[inside],
                  _kept(sites.strand, inside))  # fmt: skip
    megabases = np.nan if regions is None else _n_bases(regions) / 1e6
    calls = [read_calls(path) for path in inputs]
    for path, one in zip(inputs, calls, strict=True):
        if one.chrom and not set(one.chrom) & set(sites.chrom):
            raise DataError(
                f"{shown(path)} calls {one.chrom[0]}, {shown(run.tss)} has sites on "
                f"{sites.chrom[0]}: no sequence in common",
                hint="are the sequences named alike (chr1, 1)?",
            )
    if regions is None:
        _warn_of_silent(sites, calls)
    judged = [
        _judge(stem(path), one, sites, regions, config)
        for path, one in zip(inputs, calls, strict=True)
    ]
    result = ScanEvaluation(judged, len(sites.position), n_outside, megabases)
    _tell(result)
    return result


def _judge(
    name: str, calls: Calls, sites: Sites, regions: _Stretches | None, config: EvaluateConfig
) -> JudgedScan:
    inside = _inside(calls.chrom, calls.summit, regions)
    calls = Calls(_kept(calls.chrom, inside), calls.summit[inside], _kept(calls.strand, inside),
                  calls.probability[inside])  # fmt: skip
    stranded = not config.any_strand
    matching = start_sites.match(calls, sites, within=config.within, stranded=stranded)
    figures = start_sites.scan_figures(
        matching, calls, sites, seed=config.seed, n_resamples=config.resamples
    )
    n_calls = len(calls.summit)
    per_mb = np.nan if regions is None else n_calls / (_n_bases(regions) / 1e6)
    figures.append(Figure(CALLS_PER_MB, ALL, per_mb, np.nan, np.nan))
    thresholds = start_sites.by_threshold(calls, sites, within=config.within, stranded=stranded)
    return JudgedScan(name, n_calls, int((~inside).sum()), figures, thresholds)


def read_calls(path: str) -> Calls:
    """Read what `dnabert scan` wrote: BED6, probability, summit and number of windows.

    Raises:
        FormatError: the columns are missing, or hold no probability or no place.
    """
    chrom, strand, summit, probability = [], [], [], []
    for line, interval, cells in bed.read_cells(path):
        if len(cells) < len(bed.CALL_COLUMNS):
            raise FormatError(
                path,
                f"calls have {len(bed.CALL_COLUMNS)} columns, found {len(cells)}",
                line=line,
                hint=_WANTED,
            )
        row = dict(zip(bed.CALL_COLUMNS, cells, strict=False))
        value = bed.finite_number(row["probability"])
        if value is None or not 0 <= value <= 1:
            raise FormatError(
                path, f"{row['probability']!r} is no probability", line=line, hint=_WANTED
            )
        chrom.append(interval.chrom)
        strand.append(interval.strand)
        summit.append(bed.coordinate(path, line, row["summit"]))
        probability.append(value)
    return Calls(chrom, np.array(summit, dtype=np.int64), strand, np.array(probability))


def _warn_of_silent(sites: Sites, calls: Sequence[Calls]) -> None:
    """Say where most sites lie on sequences that nothing was called on: perhaps not scanned."""
    called = {chrom for one in calls for chrom in one.chrom}
    n_silent = sum(chrom not in called for chrom in sites.chrom)
    if called and 2 * n_silent > len(sites.chrom):
        logger.warning(
            "%d of %d sites lie on sequences without a call and count as missed; name what was "
            "scanned with --regions", n_silent, len(sites.chrom),
        )  # fmt: skip


def _read_sites(path: str) -> Sites:
    """Read start sites, the first base of each interval on its strand; equal ones are one."""
    places = [(one.chrom, bed.first_base(one), one.strand) for one in bed.read_bed(path)]
    distinct = sorted(set(places))
    if len(distinct) < len(places):
        logger.info("%s: %d sites are there several times and count once",
                    shown(path), len(places) - len(distinct))  # fmt: skip
    return Sites(
        [chrom for chrom, _, _ in distinct],
        np.array([start for _, start, _ in distinct], dtype=np.int64),
        [strand for _, _, strand in distinct],
    )


def _read_regions(path: str) -> _Stretches:
    """Read regions and join those that overlap."""
    intervals = bed.read_bed(path)
    if not intervals:
        raise DataError(f"{shown(path)} holds no regions")
    of_chrom: dict[str, list[tuple[int, int]]] = {}
    for one in intervals:
        of_chrom.setdefault(one.chrom, []).append((one.start, one.end))
    columns = {chrom: np.array(merged(each)).T for chrom, each in of_chrom.items()}
    return {chrom: (starts, ends) for chrom, (starts, ends) in columns.items()}


def _n_bases(regions: _Stretches) -> int:
    return sum(int((ends - starts).sum()) for starts, ends in regions.values())


def _inside(
    chroms: Sequence[str], places: Numbers, regions: _Stretches | None
) -> npt.NDArray[np.bool_]:
    """Tell which places lie in a region, `[N]`; all, where there are none."""
    if regions is None:
        return np.ones(len(chroms), dtype=bool)
    inside = np.zeros(len(chroms), dtype=bool)
    names = np.array(chroms)
    for chrom, (starts, ends) in regions.items():
        rows = np.flatnonzero(names == chrom)
        before = np.searchsorted(starts, places[rows], side="right") - 1
        inside[rows] = (before >= 0) & (places[rows] < ends[before])
    return inside


def _kept(texts: Sequence[str], kept: npt.NDArray[np.bool_]) -> list[str]:
    return [text for text, keep in zip(texts, kept.tolist(), strict=True) if keep]


def _tell(result: ScanEvaluation) -> None:
    if result.n_sites_left_out:
        logger.info("%d sites lie outside the regions", result.n_sites_left_out)
    for one in result.systems:
        texts = [f"{figure.name} {told(figure)}" for figure in one.figures[:_N_TOLD]]
        left_out = f", {one.n_left_out:,} calls outside the regions" if one.n_left_out else ""
        logger.info("%s: %s (%s calls, %s sites%s)", one.name, ", ".join(texts),
                    f"{one.n_calls:,}", f"{result.n_sites:,}", left_out)  # fmt: skip
