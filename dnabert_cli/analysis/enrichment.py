"""Which short sequences occur in more positive sequences than chance explains.

Texts are upper case. A motif on both strands stands for itself and its reverse complement, and is
called by the one that comes first in the alphabet; a place on the strand `-` (-1) is one where the
reverse complement of the bases is the motif. Starts and ends are 0-based, half-open, on the
forward strand.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import ahocorasick
import numpy as np
import numpy.typing as npt
import scipy.stats

from dnabert_cli.analysis.compare import benjamini_hochberg
from dnabert_cli.analysis.regions import Region
from dnabert_cli.dna import reverse_complement
from dnabert_cli.sequence.stretches import canonical

FORWARD, REVERSE = 1, -1

Bools = npt.NDArray[np.bool_]
Doubles = npt.NDArray[np.float64]
Numbers = npt.NDArray[np.int64]
Places = npt.NDArray[np.int64]  # [M, 4]: number of the sequence, start, end, strand

_LETTERS = frozenset("ACGT")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A short sequence that was tested.

    Attributes:
        sequence: its letters.
        n_positive, n_negative: how many sequences of either kind contain it.
        p_value: chance of as many positive ones or more, were they drawn at random.
        q_value: p-value corrected for the number of candidates.
    """

    sequence: str
    n_positive: int
    n_negative: int
    p_value: float
    q_value: float


def places_under(
    texts: Sequence[str], regions: Sequence[Sequence[Region]], *, both_strands: bool
) -> tuple[dict[str, Places], int]:
    """Return the distinct texts under the regions with their places, and how many are left out.

    Args:
        texts: `[N]`.
        regions: `[N]`, those of each text; none for a negative one.
        both_strands: a text and its reverse complement are one.

    Returns:
        The places of each motif in the order of appearance; the number of regions left out
        because of a letter other than A, C, G, T.
    """
    found: dict[str, list[tuple[int, int, int, int]]] = {}
    n_left_out = 0
    for number, (text, spans) in enumerate(zip(texts, regions, strict=True)):
        for start, end in spans:
            word = text[start:end]
            if not _LETTERS.issuperset(word):
                n_left_out += 1
                continue
            motif = canonical(word) if both_strands else word
            strand = FORWARD if motif == word else REVERSE
            found.setdefault(motif, []).append((number, start, end, strand))
    return {motif: np.array(rows, dtype=np.int64) for motif, rows in found.items()}, n_left_out


def kmers_in(texts: Iterable[str], lengths: Sequence[int], *, both_strands: bool) -> list[str]:
    """Return all distinct k-mers of A, C, G, T, sorted by length and letters."""
    found: set[str] = set()
    for text in texts:
        for k in lengths:
            found.update(text[start : start + k] for start in range(len(text) - k + 1))
    kmers = {kmer for kmer in found if _LETTERS.issuperset(kmer)}
    if both_strands:
        kmers = set(map(canonical, kmers))
    return sorted(kmers, key=lambda kmer: (len(kmer), kmer))


def tested(
    texts: Sequence[str], is_positive: Bools, motifs: Sequence[str], *, both_strands: bool
) -> list[Candidate]:
    """Test every motif for enrichment in the positive texts, in the order given.

    Args:
        texts: `[N]`.
        is_positive: `[N]`.
        motifs: distinct; canonical if `both_strands`.
        both_strands: a text contains a motif if it contains its reverse complement.
    """
    positive, negative = containing(texts, is_positive, motifs, both_strands=both_strands)
    n_positive = int(is_positive.sum())
    p_values = enrichment_p_values(positive, positive + negative, n_positive, len(texts))
    columns = (positive, negative, p_values, benjamini_hochberg(p_values))
    rows = zip(motifs, *(column.tolist() for column in columns), strict=True)
    return [Candidate(*row) for row in rows]


def containing(
    texts: Sequence[str], is_positive: Bools, motifs: Sequence[str], *, both_strands: bool
) -> tuple[Numbers, Numbers]:
    """Return how many positive and how many negative texts contain each motif, `[M]` each.

    A text counts once for a motif, wherever and however often it contains it. One pass over each
    text finds all motifs, also those that overlap.

    Source: Aho and Corasick 1975, Commun. ACM 18:333.
    """
    counts = np.zeros((2, len(motifs)), dtype=np.int64)
    if motifs:
        automaton = _automaton(motifs, both_strands=both_strands)
        for text, row in zip(texts, is_positive.astype(np.intp).tolist(), strict=True):
            hits = {number for _, (number, _) in automaton.iter(text)}
            counts[row, list(hits)] += 1
    return counts[1], counts[0]


def _automaton(motifs: Sequence[str], *, both_strands: bool) -> Any:
    """Return what finds all motifs in one pass and gives (number of the motif, strand) of each."""
    automaton = ahocorasick.Automaton()
    for number, motif in enumerate(motifs):
        if both_strands:
            automaton.add_word(reverse_complement(motif), (number, REVERSE))
        automaton.add_word(motif, (number, FORWARD))  # last: a palindrome lies on `+`
    automaton.make_automaton()
    return automaton


def enrichment_p_values(
    n_hits: Numbers, n_containing: Numbers, n_positive: int, n_all: int
) -> Doubles:
    """Return P(X >= x) of the hypergeometric distribution, `[M]`.

    Args:
        n_hits: `[M]`, x: positive sequences that contain the motif.
        n_containing: `[M]`, n: sequences that contain it.
        n_positive: K: positive sequences.
        n_all: N: sequences.

    Source: Ji et al. 2021, Bioinformatics 37:2112, Methods (motif analysis).
    """
    # Many motifs share their counts, and the distribution function is slow.
    pairs = np.stack([n_hits, n_containing], axis=1)
    distinct, which = np.unique(pairs, axis=0, return_inverse=True)
    tails = scipy.stats.hypergeom.sf(distinct[:, 0] - 1, n_all, n_positive, distinct[:, 1])
    p_values: Doubles = np.asarray(tails, dtype=np.float64)[which.reshape(-1)]
    return p_values


def places_of(
    texts: Sequence[str], is_positive: Bools, motifs: Sequence[str], *, both_strands: bool
) -> dict[str, Places]:
    """Return the places of each motif in the positive texts, by sequence and end."""
    if not motifs:
        return {}
    automaton = _automaton(motifs, both_strands=both_strands)
    rows = [
        np.array([(which, number, last + 1, strand) for last, (which, strand) in hits])
        for number in np.flatnonzero(is_positive).tolist()
        if (hits := list(automaton.iter(texts[number])))
    ]
    found = np.concatenate([np.zeros((0, 4), dtype=np.int64), *rows])
    found = found[np.argsort(found[:, 0], kind="stable")]
    bounds = np.searchsorted(found[:, 0], np.arange(1, len(motifs)))
    parts: Mapping[str, Numbers] = dict(zip(motifs, np.split(found, bounds), strict=True))
    return {
        motif: np.stack([part[:, 1], part[:, 2] - len(motif), part[:, 2], part[:, 3]], axis=1)
        for motif, part in parts.items()
    }
