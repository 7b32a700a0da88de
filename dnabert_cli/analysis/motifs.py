"""Motifs: from the scores of the bases of many sequences to matrices.

High regions of the positive sequences -> candidates -> enrichment -> merging -> windows ->
matrices. `find_motifs` is the whole way; `kmer_baseline` is the same way without any model, the
line that a model has to beat. Finding nothing is a result like any other: it says why.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis.enrichment import (
    FORWARD,
    Bools,
    Candidate,
    Numbers,
    Places,
    kmers_in,
    places_of,
    places_under,
    tested,
)
from dnabert_cli.analysis.merging import (
    Floats,
    Group,
    matrix_of,
    merge,
    trimmed,
    window_texts,
    windows_around,
)
from dnabert_cli.analysis.regions import Region, high_regions
from dnabert_cli.dna import to_dna
from dnabert_cli.errors import DataError
from dnabert_cli.explain_config import PAPER, MotifRules

KMER_LENGTHS = (6, 7, 8)

Scores = npt.NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Instance:
    """One occurrence of a motif.

    Attributes:
        sequence_number: which of the sequences, from 0.
        start, end: its window, 0-based, half-open, on the forward strand.
        strand: `-`: the reverse complement of the window shows the motif.
        score: mean score of the bases under the motif's key; NaN without scores.
    """

    sequence_number: int
    start: int
    end: int
    strand: str
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class FoundMotif:
    """A motif.

    Attributes:
        name: its key, the candidate that the others were aligned with.
        members: all candidates merged into it, the key first.
        instances: by sequence and start (in the order of merging if `legacy`).
        matrix: `[window, 4]` shares of A, C, G, T.
        first, last: the columns that tell something, half-open, see `trimmed`.
        n_positive: sequences with an instance.
        p_value, q_value: of the most significant member.
    """

    name: str
    members: tuple[str, ...]
    instances: tuple[Instance, ...]
    matrix: Floats
    first: int
    last: int
    n_positive: int
    p_value: float
    q_value: float


@dataclass(frozen=True, slots=True, eq=False)
class MotifResult:
    """What was found.

    Attributes:
        motifs: by q-value, then by number of sequences, most first.
        candidates: all that were tested, in the order of appearance.
        reason: one sentence if there are no motifs, else empty.
        n_regions: high regions of positive sequences (0 for `kmer_baseline`).
        n_left_out: of them, those with a letter other than A, C, G, T.
    """

    motifs: tuple[FoundMotif, ...]
    candidates: tuple[Candidate, ...]
    reason: str
    n_regions: int = 0
    n_left_out: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class _Input:
    """What the steps after the test read.

    Attributes:
        texts: `[N]`, upper case, U as T.
        lengths: `[N]`, bases of each.
        is_positive: `[N]`.
        rules: how.
        tests: the enriched candidates by their letters, in the order of merging.
        scores: of all bases of all texts, one text behind the other; `None`: there are none.
    """

    texts: Sequence[str]
    lengths: Numbers
    is_positive: Bools
    rules: MotifRules
    tests: Mapping[str, Candidate]
    scores: Floats | None = None

    @property
    def firsts(self) -> Numbers:
        """`[N]`, where the scores of each text begin."""
        return np.cumsum(self.lengths) - self.lengths


def find_motifs(
    sequences: Sequence[str],
    is_positive: Bools,
    scores: Sequence[Scores | None],
    rules: MotifRules = PAPER,
) -> MotifResult:
    """Find the motifs under the high scores of the positive sequences.

    Args:
        sequences: `[N]`, in any case; U is read as T.
        is_positive: `[N]`; the others are what the positive ones are compared with.
        scores: `[N]`, of each positive sequence `[L]`, one per base. `None`: no score is known.
            Those of the negative ones are not read.
        rules: how.

    Raises:
        DataError: a positive sequence and its scores differ in length.

    Source: Ji et al. 2021, Bioinformatics 37:2112, Methods (motif analysis).
    """
    texts = _texts(sequences)
    regions = [
        _regions(number, text, scores[number], rules) if positive else []
        for number, (text, positive) in enumerate(zip(texts, is_positive.tolist(), strict=True))
    ]
    places, n_left_out = places_under(texts, regions, both_strands=rules.both_strands)
    candidates = tested(texts, is_positive, list(places), both_strands=rules.both_strands)
    kept = _enriched(candidates, rules)
    joined = _joined(texts, is_positive, scores)
    given = _Input(texts, _lengths(texts), is_positive, rules, kept, joined)
    motifs = _motifs({name: places[name] for name in kept}, given)
    n_regions = sum(map(len, regions))
    nothing = f"no positive sequence has a region of {rules.min_length} or more high bases"
    if n_left_out:
        nothing = f"all {n_left_out} high regions hold letters other than A, C, G, T"
    reason = "" if motifs else _reason(candidates, given, nothing)
    return MotifResult(motifs, tuple(candidates), reason, n_regions, n_left_out)


def kmer_baseline(
    sequences: Sequence[str],
    is_positive: Bools,
    rules: MotifRules = PAPER,
    *,
    lengths: Sequence[int] = KMER_LENGTHS,
) -> MotifResult:
    """Find motifs without any model: all k-mers of the positive sequences are candidates.

    Every occurrence of an enriched k-mer in a positive sequence counts as a high region; testing,
    merging and windows are those of `find_motifs`.

    Args:
        sequences: `[N]`, in any case; U is read as T.
        is_positive: `[N]`.
        rules: how; those of high regions are not used.
        lengths: bases of the k-mers.
    """
    texts = _texts(sequences)
    positive = [texts[number] for number in np.flatnonzero(is_positive).tolist()]
    kmers = kmers_in(positive, lengths, both_strands=rules.both_strands)
    candidates = tested(texts, is_positive, kmers, both_strands=rules.both_strands)
    kept = _enriched(candidates, rules)
    places = places_of(texts, is_positive, list(kept), both_strands=rules.both_strands)
    given = _Input(texts, _lengths(texts), is_positive, rules, kept)
    motifs = _motifs(places, given)
    nothing = f"no positive sequence has {min(lengths)} letters A, C, G, T in a row"
    reason = "" if motifs else _reason(candidates, given, nothing)
    return MotifResult(motifs, tuple(candidates), reason)


def _texts(sequences: Sequence[str]) -> list[str]:
    return [to_dna(sequence).upper() for sequence in sequences]


def _lengths(texts: Sequence[str]) -> Numbers:
    return np.array([len(text) for text in texts], dtype=np.int64)


def _joined(texts: Sequence[str], is_positive: Bools, scores: Sequence[Scores | None]) -> Floats:
    """Return the scores of all bases, one text behind the other; NaN where none is read."""
    rows = zip(texts, is_positive.tolist(), scores, strict=True)
    parts = [
        row if positive and row is not None else np.full(len(text), np.nan)
        for text, positive, row in rows
    ]
    return np.concatenate([np.zeros(0), *parts])


def _regions(number: int, text: str, scores: Scores | None, rules: MotifRules) -> list[Region]:
    """Return the high regions of one sequence."""
    if scores is None:
        return []
    if len(scores) != len(text):
        raise DataError(
            f"sequence {number + 1} has {len(text)} bases, but {len(scores)} scores",
            hint="give one score per base",
        )
    return high_regions(
        scores,
        min_length=rules.min_length,
        above_mean=rules.above_mean,
        above_min=rules.above_min,
    )


def _enriched(candidates: Sequence[Candidate], rules: MotifRules) -> dict[str, Candidate]:
    """Return the enriched candidates by their letters, in the order of merging."""
    kept = [candidate for candidate in candidates if candidate.q_value < rules.max_q]
    if not rules.legacy:
        kept.sort(key=lambda one: (one.p_value, -one.n_positive, one.sequence))
    return {candidate.sequence: candidate for candidate in kept}


def _motifs(places: Mapping[str, Places], given: _Input) -> tuple[FoundMotif, ...]:
    """Return the motifs of the enriched candidates, those with too few windows left out."""
    rules = given.rules
    groups = merge(
        places,
        min_length=rules.min_length,
        all_ties=rules.all_ties,
        both_strands=rules.both_strands,
        legacy=rules.legacy,
    )
    found = [motif for group in groups if (motif := _motif(group, given)) is not None]
    return tuple(sorted(found, key=lambda one: (one.q_value, -one.n_positive, one.name)))


def _motif(group: Group, given: _Input) -> FoundMotif | None:
    rules = given.rules
    windows, rows = windows_around(group.places, given.lengths, rules.window, legacy=rules.legacy)
    if len(windows) < rules.min_instances:
        return None
    matrix = matrix_of(window_texts(windows, given.texts))
    first, last = trimmed(
        matrix,
        n_sites=len(windows),
        min_information=rules.min_information,
        min_columns=rules.min_columns,
    )
    best = min((given.tests[member] for member in group.members), key=lambda one: one.p_value)
    return FoundMotif(
        name=group.key,
        members=group.members,
        instances=_instances(windows, group.places[rows], given),
        matrix=matrix,
        first=first,
        last=last,
        n_positive=len(set(windows[:, 0].tolist())),
        p_value=best.p_value,
        q_value=best.q_value,
    )


def _instances(windows: Places, cores: Places, given: _Input) -> tuple[Instance, ...]:
    """Return the instances of windows, scored by the bases of `cores`, which lie under the key."""
    rows = zip(windows.tolist(), _means(cores, given).tolist(), strict=True)
    return tuple(
        Instance(number, start, end, "+" if strand == FORWARD else "-", mean)
        for (number, start, end, strand), mean in rows
    )


def _means(cores: Places, given: _Input) -> Floats:
    """Return the mean of the known scores of each place, `[M]`; NaN where there is none."""
    if given.scores is None:
        return np.full(len(cores), np.nan)
    numbers, starts, ends, _ = cores.T
    bases = starts[:, np.newaxis] + np.arange((ends - starts).max())  # each is as long as the key
    is_known = (bases >= 0) & (bases < given.lengths[numbers][:, np.newaxis])
    where = np.where(is_known, given.firsts[numbers][:, np.newaxis] + bases, 0)
    values = given.scores[where]
    is_known &= ~np.isnan(values)
    sums = np.where(is_known, values, 0).sum(axis=1)
    counts = is_known.sum(axis=1)
    means: Floats = np.where(counts > 0, sums / np.maximum(counts, 1), np.nan)
    return means


def _reason(candidates: Sequence[Candidate], given: _Input, nothing: str) -> str:
    """Say in one sentence why there are no motifs."""
    rules = given.rules
    if not given.is_positive.any():
        return "there are no positive sequences"
    if not candidates:
        return nothing
    if given.is_positive.all():
        return "there are no negative sequences to compare with"
    if not given.tests:
        lowest = min(candidate.q_value for candidate in candidates)
        return (
            f"none of {len(candidates)} candidates is enriched in the positive sequences: "
            f"the lowest q-value is {lowest:.3g}, not below {rules.max_q:g}"
        )
    return (
        f"none of the motifs has {rules.min_instances} or more windows of {rules.window} bases "
        "that lie inside their sequences"
    )
