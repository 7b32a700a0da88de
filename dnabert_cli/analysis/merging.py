"""Merge similar motifs, lay windows around their places, and count the windows' bases.

Motifs are aligned without gaps inside; ends may hang over at no cost. So an alignment is one
number, the diagonal: which base of the longer motif lies at the first base of the other.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from operator import eq

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis.enrichment import FORWARD, REVERSE, Numbers, Places
from dnabert_cli.dna import reverse_complement
from dnabert_cli.explain_config import MIN_COLUMNS, MIN_INFORMATION

LETTERS = "ACGT"

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Group:
    """Motifs that were merged.

    Attributes:
        key: the motif that all others were aligned with.
        members: all motifs, the key first.
        places: `[M, 4]` of all members, each moved to the bases that lie under the key; one
            may begin before its sequence or end behind it.
    """

    key: str
    members: tuple[str, ...]
    places: Places


@dataclass(frozen=True, slots=True)
class _Match:
    """A key (its number) and how a motif lies on it."""

    key: int
    diagonal: int
    strand: int


def best_diagonal(motif: str, key: str) -> tuple[int, int]:
    """Return the diagonal with the most equal letters, and how many they are.

    Base `i` of the key lies at base `i + diagonal` of the motif. With `flush` the diagonal at
    which both end together, of equally good ones the first is taken of: those above `flush` from
    the highest down, those below from the lowest up, `flush` itself. This is the order of the
    aligner that the original program used.
    """
    flush = len(motif) - len(key)
    diagonals = [*range(len(motif) - 1, flush, -1), *range(1 - len(key), flush), flush]
    matches = [_n_equal(motif, key, diagonal) for diagonal in diagonals]
    most = max(matches)
    return diagonals[matches.index(most)], most


def _n_equal(motif: str, key: str, diagonal: int) -> int:
    return sum(map(eq, motif[max(diagonal, 0) :], key[max(-diagonal, 0) :]))


def merge(
    motifs: Mapping[str, Places],
    *,
    min_length: int,
    all_ties: bool = True,
    both_strands: bool = False,
    legacy: bool = False,
) -> list[Group]:
    """Merge motifs, short ones first, in the order given among those of equal length.

    A motif is aligned with every key. If its best score (the number of equal letters) is greater
    than both `min_length` - 1 and half the length of the key, it is merged into the key with
    the best score; else it becomes a key. Keys are never merged with each other.

    Args:
        motifs: places `[M, 4]` of each, as long as the motif.
        min_length: the shortest motif there can be.
        all_ties: merge into every key with the best score, else into the first of them.
        both_strands: align the reverse complement of a motif too; where its score is greater,
            the places of the motif change strand.
        legacy: as the original program, which knows one strand. A score that equals the threshold
            is enough, and a tie is a key of the same length with the same best diagonal, whatever
            its score.

    Source: Ji et al. 2021, Bioinformatics 37:2112, Methods (motif analysis); for `legacy` the
    program published with it, run with Biopython 1.78.
    """
    assert not (legacy and both_strands), "the original program knows one strand"
    keys = _Keys(max(map(len, motifs), default=0))
    members: list[list[str]] = []
    places: list[list[Places]] = []
    for motif in sorted(motifs, key=len):
        if legacy:
            found = _original_matches(motif, keys, min_length)
        else:
            found = _matches(motif, keys, min_length, both_strands=both_strands)
        for match in found if all_ties else found[:1]:
            members[match.key].append(motif)
            places[match.key].append(_aligned(motifs[motif], match, keys.texts[match.key]))
        if not found:
            keys.add(motif)
            members.append([motif])
            places.append([motifs[motif]])
    parts = zip(keys.texts, members, places, strict=True)
    return [Group(key, tuple(names), np.concatenate(rows)) for key, names, rows in parts]


class _Keys:
    """The keys, laid out such that one product gives a motif's scores on every diagonal.

    Args:
        longest: bases of the longest motif that will come.
    """

    def __init__(self, longest: int) -> None:
        self.texts: list[str] = []
        self._longest = longest
        self._rows = np.zeros((64, 4 * longest), dtype=np.float32)
        self._lengths = np.zeros(64, dtype=np.int64)

    def add(self, key: str) -> None:
        """Take in a key, at least as long as those before."""
        number = len(self.texts)
        if number == len(self._rows):
            self._rows = np.concatenate([self._rows, np.zeros_like(self._rows)])
            self._lengths = np.concatenate([self._lengths, np.zeros_like(self._lengths)])
        self._rows[number, : 4 * len(key)] = _one_hot(key)
        self._lengths[number] = len(key)
        self.texts.append(key)

    @property
    def lengths(self) -> Numbers:
        """`[K]`, bases of each key."""
        return self._lengths[: len(self.texts)]

    def scores(self, motif: str) -> Numbers:
        """Return the most equal letters that each key has with the motif, `[K]`."""
        if not self.texts:
            return np.zeros(0, dtype=np.int64)
        width = len(self.texts[-1])  # of the longest key
        padded = np.zeros(4 * (len(motif) + 2 * (width - 1)), dtype=np.float32)
        padded[4 * (width - 1) :][: 4 * len(motif)] = _one_hot(motif)
        diagonals = np.lib.stride_tricks.sliding_window_view(padded, 4 * width)[::4]
        equal = self._rows[: len(self.texts), : 4 * width] @ diagonals.T
        # Whole numbers far below 2^24: exact in single precision.
        return np.asarray(equal.max(axis=1), dtype=np.int64)


_ROW_OF_LETTER = np.zeros((256, 4), dtype=np.float32)
_ROW_OF_LETTER[[ord(letter) for letter in LETTERS], range(4)] = 1


def _one_hot(text: str) -> npt.NDArray[np.float32]:
    """Return one 1 and three 0 per letter, `[4 L]`."""
    return _ROW_OF_LETTER[np.frombuffer(text.encode(), dtype=np.uint8)].reshape(-1)


def _matches(motif: str, keys: _Keys, min_length: int, *, both_strands: bool) -> list[_Match]:
    """Return the keys with the best score if that is enough, in their order."""
    turned = reverse_complement(motif)
    scores = keys.scores(motif)
    is_turned = np.zeros(len(scores), dtype=np.bool_)
    if both_strands:
        on_reverse = keys.scores(turned)
        is_turned = on_reverse > scores
        scores = np.maximum(scores, on_reverse)
    accepted = scores > _thresholds(keys, min_length)
    best = scores[accepted].max(initial=0)
    return [
        _Match(key, best_diagonal(turned, keys.texts[key])[0], REVERSE)
        if is_turned[key]
        else _Match(key, best_diagonal(motif, keys.texts[key])[0], FORWARD)
        for key in np.flatnonzero(accepted & (scores == best)).tolist()
    ]


def _original_matches(motif: str, keys: _Keys, min_length: int) -> list[_Match]:
    """Return the best key and those the original program takes for ties."""
    scores = keys.scores(motif)
    accepted = np.flatnonzero(scores >= _thresholds(keys, min_length)).tolist()
    if not accepted:
        return []
    best = max(accepted, key=scores.__getitem__)
    n_bases = len(keys.texts[best])
    ties = [key for key in accepted if len(keys.texts[key]) == n_bases]
    diagonals = {key: best_diagonal(motif, keys.texts[key])[0] for key in ties}
    ties = [best, *(key for key in ties if key != best and diagonals[key] == diagonals[best])]
    return [_Match(key, diagonals[key], FORWARD) for key in ties]


def _thresholds(keys: _Keys, min_length: int) -> Floats:
    """Return the score to beat for each key, `[K]`; a key is never longer than the motif."""
    thresholds: Floats = np.maximum(min_length - 1, 0.5 * keys.lengths)
    return thresholds


def _aligned(places: Places, match: _Match, key: str) -> Places:
    """Return places of a motif moved to the bases that lie under the key, `[M, 4]`."""
    numbers, starts, ends, strands = places.T
    strands = strands * match.strand
    is_forward = strands == FORWARD
    # On the reverse strand the motif begins at the end of the place.
    first = np.where(is_forward, starts + match.diagonal, ends - match.diagonal - len(key))
    return np.stack([numbers, first, first + len(key), strands], axis=1)


def windows_around(
    places: Places, lengths: Numbers, width: int, *, legacy: bool = False
) -> tuple[Places, Numbers]:
    """Lay a window around the middle of each place and keep those inside their sequence.

    Where the window has an odd number of bases more (or fewer) than the place, the odd one is
    added (or cut off) behind it, seen from the strand of the place. A window at the same start
    of the same sequence as one before is left out.

    Args:
        places: `[M, 4]`.
        lengths: `[N]`, bases of every sequence.
        width: bases of a window.
        legacy: as the original program: a window that reaches the last base of its sequence is
            left out, one that came before is not.

    Returns:
        The windows `[W, 4]`, and the row of the place that each is laid around, `[W]`; sorted by
        sequence and start, with `legacy` in the order of the places.
    """
    numbers, starts, ends, strands = places.T
    pads = width - (ends - starts)
    first = starts - np.where(strands == FORWARD, pads // 2, pads - pads // 2)
    last = lengths[numbers] - 1 if legacy else lengths[numbers]
    rows = np.flatnonzero((first >= 0) & (first + width <= last))
    if not legacy:
        where = numbers[rows] * (lengths.max(initial=0) + 1) + first[rows]
        rows = rows[np.unique(where, return_index=True)[1]]
    windows = np.stack([numbers, first, first + width, strands], axis=1)
    return windows[rows], rows


def window_texts(windows: Places, texts: Sequence[str]) -> list[str]:
    """Return the letters of each window, `[W]`, those on the reverse strand turned round."""
    turns: dict[int, Callable[[str], str]] = {FORWARD: str, REVERSE: reverse_complement}
    return [
        turns[strand](texts[number][start:end]) for number, start, end, strand in windows.tolist()
    ]


def matrix_of(windows: Sequence[str], *, pseudo: float = 0.0) -> Floats:
    """Return the share of A, C, G and T in each column, `[W, 4]`.

    Other letters do not count; a column of nothing else has 0.25 of each.

    Args:
        windows: at least one, all of `W` letters, upper case.
        pseudo: added to each count. 0 gives the plain shares, as files of motifs hold them.
    """
    letters = np.frombuffer("".join(windows).encode("ascii", "replace"), dtype=np.uint8).reshape(
        len(windows), -1
    )
    counts = np.stack([(letters == ord(letter)).sum(axis=0) for letter in LETTERS], axis=1)
    counts = counts + pseudo
    counts[counts.sum(axis=1) == 0] = 1
    shares: Floats = counts / counts.sum(axis=1, keepdims=True)
    return shares


def trimmed(
    matrix: Floats,
    *,
    n_sites: int | None = None,
    min_information: float = MIN_INFORMATION,
    min_columns: int = MIN_COLUMNS,
) -> tuple[int, int]:
    """Return (first, last) of the columns that tell something, half-open.

    The end column with less information is cut off, of equal ones the last, until both have
    `min_information` or `min_columns` are left. Columns inside are never cut.

    Args:
        matrix: `[W, 4]` probabilities.
        n_sites: sites the matrix was counted from. Few sites look more alike than they are; what
            chance adds on average, 3 / (2 ln(2) n), is taken off each column. `None`: nothing.
        min_information: bits, of at most 2.
        min_columns: as many are always left, if the matrix has them.

    Source: Schneider et al. 1986, J. Mol. Biol. 188:415 (information and its correction).
    """
    bits = 2 + (matrix * np.log2(np.where(matrix > 0, matrix, 1))).sum(axis=1)
    if n_sites is not None:
        bits = bits - 3 / (2 * np.log(2) * n_sites)
    first, last = 0, len(bits)
    while last - first > min_columns and min(bits[first], bits[last - 1]) < min_information:
        if bits[first] < bits[last - 1]:
            first += 1
        else:
            last -= 1
    return first, last
