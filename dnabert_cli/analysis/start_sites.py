"""Calls of a scan held against annotated transcription start sites (TSS).

A call is right if its summit lies within reach of a site. Each site counts once: a second call
beside it is wrong, however near. Positions are 0-based; a call or site with strand `.` fits both
strands.

Source: 500 bp is the reach by which Umarov et al. 2019, Bioinformatics 35:2730 (PromID), judge.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis.evaluation import ALL, Figure
from dnabert_cli.analysis.figures import percentile_interval, resampled
from dnabert_cli.analysis.metrics import ratio
from dnabert_cli.records import STRANDS

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.floating]
Numbers = npt.NDArray[np.int64]

WITHIN = 500
BLOCK = 100_000  # bases; what lies closer together is not taken for independent
MAX_THRESHOLDS = 200

_BOTH = STRANDS.index(".")


@dataclass(frozen=True)
class Calls:
    """C called places: chromosomes, summits (0-based), strands, probabilities, `[C]` each."""

    chrom: Sequence[str]
    summit: Numbers
    strand: Sequence[str]
    probability: Floats


@dataclass(frozen=True)
class Sites:
    """S annotated places: chromosomes, positions (0-based) and strands, `[S]` each.

    A place given twice counts as two sites.
    """

    chrom: Sequence[str]
    position: Numbers
    strand: Sequence[str]


@dataclass(frozen=True)
class Matching:
    """Which calls are right.

    Attributes:
        site_of_call: `[C]`, number of the site a call is credited with, -1 without one.
        call_near: `[C]`, does any site lie within reach of the call?
        site_near: `[S]`, does any call lie within reach of the site?
    """

    site_of_call: Numbers
    call_near: Bools
    site_near: Bools

    @property
    def call_right(self) -> Bools:
        """`[C]`, is the call credited with a site?"""
        return self.site_of_call >= 0

    @property
    def site_found(self) -> Bools:
        """`[S]`, is a call credited with the site?"""
        found = np.zeros(len(self.site_near), dtype=np.bool_)
        found[self.site_of_call[self.call_right]] = True
        return found


def match(calls: Calls, sites: Sites, *, within: int = WITHIN, stranded: bool = True) -> Matching:
    """Credit each call with at most one site, and each site to at most one call.

    Calls choose in turn, the most probable first, then the one further left, then `+` before `-`
    before `.`; each takes the nearest site that is still free, of equally near ones by the same
    order. So the calls from a probability on choose as if there were no others.

    Args:
        calls: what the scan found.
        sites: what it should have found.
        within: reach in bases, inclusive.
        stranded: a call and a site on opposite strands do not fit.
    """
    call, site, distance = _in_reach(calls, sites, within)
    left, right = _strands(calls.strand), _strands(sites.strand)
    if stranded:
        a, b = left[call], right[site]
        fits = (a == b) | (a == _BOTH) | (b == _BOTH)
        call, site, distance = call[fits], site[fits], distance[fits]
    call_turn = _ranks(np.lexsort((left, calls.summit, -calls.probability.astype(np.float64))))
    site_turn = _ranks(np.lexsort((right, sites.position)))
    order = np.lexsort((site_turn[site], distance, call_turn[call]))
    site_of_call = np.full(len(left), -1, dtype=np.int64)
    is_free, has_none = [True] * len(right), [True] * len(left)
    for one, other in zip(call[order].tolist(), site[order].tolist(), strict=True):
        if has_none[one] and is_free[other]:
            has_none[one] = is_free[other] = False
            site_of_call[one] = other
    call_near = np.bincount(call, minlength=len(left)) > 0
    site_near = np.bincount(site, minlength=len(right)) > 0
    return Matching(site_of_call, call_near, site_near)


def _in_reach(calls: Calls, sites: Sites, within: int) -> tuple[Numbers, Numbers, Numbers]:
    """Return call, site and distance of all pairs within reach on either strand, `[P]` each."""
    at, of = _on_one_axis(calls, sites, margin=within)
    order = np.argsort(of, kind="stable")
    first = np.searchsorted(of[order], at - within, side="left")
    n_sites = np.searchsorted(of[order], at + within, side="right") - first
    call = np.repeat(np.arange(len(at)), n_sites)
    n_before = np.cumsum(n_sites) - n_sites
    site = order[np.arange(len(call)) + (first - n_before)[call]]
    return call, site, np.abs(at[call] - of[site])


def _on_one_axis(
    calls: Calls, sites: Sites, *, margin: int = 0, unit: int = 1
) -> tuple[Numbers, Numbers]:
    """Return the places of calls and sites in units, chromosome behind chromosome.

    Places on different chromosomes are more than `margin` units apart.
    """
    chrom = np.unique([*calls.chrom, *sites.chrom], return_inverse=True)[1]
    place = np.concatenate([calls.summit, sites.position]).astype(np.int64) // unit
    place += chrom * (int(place.max(initial=0)) + margin + 1)
    return place[: len(calls.summit)], place[len(calls.summit) :]


def _strands(strands: Sequence[str]) -> Numbers:
    return np.array([STRANDS.index(strand) for strand in strands], dtype=np.int64)


def _ranks(order: npt.NDArray[np.intp]) -> Numbers:
    ranks = np.empty(len(order), dtype=np.int64)
    ranks[order] = np.arange(len(order))
    return ranks


def scan_figures(
    matching: Matching,
    calls: Calls,
    sites: Sites,
    *,
    block: int = BLOCK,
    seed: int = 0,
    n_resamples: int = 1000,
) -> list[Figure]:
    """Return the figures of a scan, each with its interval.

    - `precision`: credited calls over calls; NaN without calls.
    - `recall`: credited sites over sites; NaN without sites.
    - `f1`: credited calls and sites over calls and sites; NaN without sites.
    - `calls_near_a_site`, `sites_near_a_call`: the shares with any partner within reach, where
      one site may stand for many calls and one call for many sites.

    Args:
        matching: of these calls and sites.
        calls: where they lie.
        sites: where they lie.
        block: the genome is cut every so many bases, and the blocks that hold a call or a site
            are resampled as a whole; a call counts in its block, a site in its own.
        seed: of the resamples.
        n_resamples: percentile bootstrap.
    """
    n_calls = len(calls.summit)
    places = np.concatenate(_on_one_axis(calls, sites, unit=block))
    blocks, block_of = np.unique(places, return_inverse=True)
    of_calls, of_sites = block_of[:n_calls], block_of[n_calls:]
    counted = [
        np.bincount(numbers, minlength=len(blocks))
        for numbers in (
            of_calls, of_calls[matching.call_right], of_calls[matching.call_near],
            of_sites, of_sites[matching.site_found], of_sites[matching.site_near],
        )
    ]  # fmt: skip
    table = np.stack(counted, axis=1)
    rows = np.arange(len(blocks))
    weights = resampled(rows, len(blocks), seed=seed, n_resamples=n_resamples)
    drawn = np.array([list(_shares(one @ table).values()) for one in weights])
    found = _shares(table.sum(axis=0))
    columns = drawn.reshape(-1, len(found)).T
    return [
        Figure(name, ALL, value, *percentile_interval(column))
        for (name, value), column in zip(found.items(), columns, strict=True)
    ]


def _shares(counts: Numbers) -> dict[str, float]:
    n_calls, n_right, n_calls_near, n_sites, n_found, n_sites_near = counts.tolist()
    return {
        "precision": ratio(n_right, n_calls),
        "recall": ratio(n_found, n_sites),
        "f1": _f1(n_calls, n_right, n_sites, n_found),
        "calls_near_a_site": ratio(n_calls_near, n_calls),
        "sites_near_a_call": ratio(n_sites_near, n_sites),
    }


def _f1(n_calls: int, n_right: int, n_sites: int, n_found: int) -> float:
    return ratio(n_right + n_found, n_calls + n_sites) if n_sites else float("nan")


@dataclass(frozen=True)
class AtThreshold:
    """The figures of the calls with at least this probability; see `scan_figures`."""

    threshold: float
    n_calls: int
    precision: float
    recall: float
    f1: float


def by_threshold(
    calls: Calls,
    sites: Sites,
    thresholds: Sequence[float] | None = None,
    *,
    within: int = WITHIN,
    stranded: bool = True,
) -> list[AtThreshold]:
    """Return the figures at each threshold, matched as if the other calls were not there.

    Args:
        calls: what the scan found, down to a low probability.
        sites: what it should have found.
        thresholds: in any order. `None`: the distinct probabilities, highest first, thinned
            evenly to `MAX_THRESHOLDS`.
        within: see `match`.
        stranded: see `match`.
    """
    # Calls choose in the order of their probability, so one matching holds that of every
    # threshold: its first so many choices.
    is_right = match(calls, sites, within=within, stranded=stranded).call_right
    probability = calls.probability.astype(np.float64)
    if thresholds is None:
        thresholds = _thinned(np.unique(probability)[::-1]).tolist()
    called, right = np.sort(probability), np.sort(probability[is_right])
    n_sites = len(sites.position)
    table = []
    for threshold in thresholds:
        n_calls = len(called) - int(np.searchsorted(called, threshold))
        n_right = len(right) - int(np.searchsorted(right, threshold))
        precision, recall = ratio(n_right, n_calls), ratio(n_right, n_sites)
        f1 = _f1(n_calls, n_right, n_sites, n_right)
        table.append(AtThreshold(threshold, n_calls, precision, recall, f1))
    return table


def _thinned(values: Floats) -> Floats:
    """Return at most `MAX_THRESHOLDS` of the values, evenly by rank, the first and last kept."""
    if len(values) <= MAX_THRESHOLDS:
        return values
    return values[np.linspace(0, len(values) - 1, MAX_THRESHOLDS).round().astype(np.int64)]
