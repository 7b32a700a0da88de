"""Sequence to pre-train on: packed four bases to a byte, and cut into pieces.

Letters other than A, C, G, T (and U) end a run; only runs are kept. Which pieces an epoch holds,
and in which order, is a pure function of (seed, epoch).
"""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from dnabert_cli.errors import DataError
from dnabert_cli.sequence.kmers import BASES, digits

BASES_PER_BYTE = 4
# Bases per stretch that is held out as a whole; long, so that few pieces have a neighbour in the
# other part.
STRETCH = 1 << 16

Int64s = npt.NDArray[np.int64]
Int32s = npt.NDArray[np.int32]
Digits = npt.NDArray[np.uint8]

# Bases or pieces that are worked on at a time: a human genome has 16 million pieces, and a
# handful of arrays of that length would need more memory than its bases. A multiple of four.
_BLOCK = 1 << 18
_SHIFTS = np.arange(0, 8, 2, dtype=np.uint8)
# Streams of random numbers of one epoch that must not be the same.
_CUT, _SAMPLE, _ORDER, _HELD_OUT = range(4)
# As few bytes as will do.
_PIECE = np.dtype([("start", np.int64), ("n_bases", np.int32), ("reverse", np.bool_)])


@dataclass(frozen=True)
class Corpus:
    """Runs of unambiguous bases.

    Attributes:
        packed: `[ceil(bases / 4)]` uint8, the first base in the lowest two bits; digits as in
            `kmers.BASES`.
        starts, lengths: `[R]` int64, the runs, in bases of `packed`.
        sources: `[R]` int64, the file each run came from, an index into `names`.
        names: of the files.
    """

    packed: Digits
    starts: Int64s
    lengths: Int64s
    sources: Int64s
    names: tuple[str, ...]

    @property
    def n_bases(self) -> int:
        """Bases in all runs."""
        return int(self.lengths.sum())

    def to_arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return what `corpus_from_arrays` reads."""
        names = np.array(self.names, dtype=np.str_)
        return {
            "packed": self.packed,
            "starts": self.starts,
            "lengths": self.lengths,
            "sources": self.sources,
            "names": names,
        }

    def rows(self, starts: Int64s, n_bases: int) -> Digits:
        """Return the digits `[B, n_bases]` that begin at `starts [B]`; read from disk if mapped."""
        first = starts // BASES_PER_BYTE
        n_bytes = (n_bases + 2 * BASES_PER_BYTE - 2) // BASES_PER_BYTE
        places = first[:, None] + np.arange(n_bytes)
        # the last bytes of the last run may lie behind the end; what they hold is not asked for
        held = self.packed[np.minimum(places, len(self.packed) - 1)]
        spread = ((held[:, :, None] >> _SHIFTS) & 3).reshape(len(starts), -1)
        offsets = starts - first * BASES_PER_BYTE
        found: Digits = np.empty((len(starts), n_bases), dtype=np.uint8)
        for offset in range(BASES_PER_BYTE):
            chosen = offsets == offset
            found[chosen] = spread[chosen, offset : offset + n_bases]
        return found

    def hold_out(self, share: float, seed: int) -> tuple[Self, Self]:
        """Return (training, held-out) corpora over the same bytes.

        Args:
            share: of the bases, in stretches drawn at random; at least one. They are of `STRETCH`
                bases, or as long as the share of a small corpus.
            seed: decides which.
        """
        stretch = min(STRETCH, max(1, math.ceil(share * self.n_bases)))
        parts = -(-self.lengths // stretch)
        run = np.repeat(np.arange(len(parts)), parts)
        offsets = (np.arange(len(run)) - np.repeat(np.cumsum(parts) - parts, parts)) * stretch
        starts = self.starts[run] + offsets
        lengths = np.minimum(self.lengths[run] - offsets, stretch)
        order = np.random.default_rng((seed, 0, _HELD_OUT)).permutation(len(run))
        n_before = np.cumsum(lengths[order]) - lengths[order]
        held = np.zeros(len(run), dtype=bool)
        held[order[n_before < max(share * self.n_bases, 1)]] = True
        training, held_out = (
            replace(self, starts=starts[on], lengths=lengths[on], sources=self.sources[run][on])
            for on in (~held, held)
        )
        return training, held_out


def corpus_from_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> Corpus:
    """Return the corpus that `Corpus.to_arrays` gave; the bytes stay where they are.

    Raises:
        KeyError, ValueError: an array is missing, or the arrays do not fit together.
    """
    packed, names = arrays["packed"], arrays["names"]
    starts, lengths, sources = (
        np.asarray(arrays[name]) for name in ("starts", "lengths", "sources")
    )
    kinds = {one.dtype for one in (starts, lengths, sources)}
    if packed.dtype != np.uint8 or names.dtype.kind != "U" or kinds != {np.dtype(np.int64)}:
        raise ValueError("the arrays are of other types")
    if {one.ndim for one in (packed, names, starts, lengths, sources)} != {1}:
        raise ValueError("an array has more or less than one dimension")
    if len({len(one) for one in (starts, lengths, sources)}) != 1:
        raise ValueError("the arrays differ in length")
    if len(starts):
        n_held = len(packed) * BASES_PER_BYTE
        # in this order nothing can overflow: `starts + lengths` could
        if not 1 <= lengths.min() <= lengths.max() <= n_held:
            raise ValueError("a run lies outside the bases")
        if starts.min() < 0 or (starts > n_held - lengths).any():
            raise ValueError("a run lies outside the bases")
        if not 0 <= sources.min() <= sources.max() < len(names):
            raise ValueError("a run belongs to no file")
    return Corpus(packed, starts, lengths, sources, tuple(names.tolist()))


class CorpusBuilder:
    """Packs sequences as they come.

    Args:
        min_bases: shorter runs are dropped.
    """

    def __init__(self, min_bases: int) -> None:
        self._min_bases = min_bases
        self._packed = bytearray()
        self._runs: list[tuple[int, int, int]] = []
        self._names: list[str] = []

    def add_source(self, name: str) -> None:
        """Begin a file: what is added from now on belongs to it."""
        self._names.append(name)

    def add(self, sequence: str) -> None:
        """Add the runs of a sequence."""
        assert self._names, "`add_source` comes first"
        edges = _edges(sequence)
        edges = edges[edges[:, 1] - edges[:, 0] >= self._min_bases]
        for start, end in edges.tolist():
            run = (len(self._packed) * BASES_PER_BYTE, end - start, len(self._names) - 1)
            self._runs.append(run)
            for first in range(start, end, _BLOCK):
                self._packed += _pack(digits(sequence[first : min(first + _BLOCK, end)]))

    def finish(self) -> Corpus:
        """Return the corpus; nothing can be added any more."""
        runs = np.array(self._runs, dtype=np.int64).reshape(-1, 3)
        starts, lengths, sources = np.ascontiguousarray(runs.T)
        packed = np.frombuffer(self._packed, dtype=np.uint8)
        return Corpus(packed, starts, lengths, sources, tuple(self._names))


def _edges(sequence: str) -> Int64s:
    """Return start and end `[R, 2]` of the runs of unambiguous bases."""
    found, inside = [], False
    for first in range(0, len(sequence), _BLOCK):
        known = digits(sequence[first : first + _BLOCK]) < len(BASES)
        found.append(first + np.flatnonzero(np.diff(known, prepend=inside)))
        inside = bool(known[-1])
    if inside:
        found.append(np.array([len(sequence)]))
    return np.concatenate([*found, np.zeros(0, dtype=np.int64)]).reshape(-1, 2)


def _pack(values: Digits) -> bytes:
    padded = np.zeros((-(-len(values) // BASES_PER_BYTE), BASES_PER_BYTE), dtype=np.uint8)
    padded.reshape(-1)[: len(values)] = values
    packed = padded[:, 0].copy()
    for i in range(1, BASES_PER_BYTE):
        packed |= padded[:, i] << _SHIFTS[i]
    return packed.tobytes()


@dataclass(frozen=True, kw_only=True)
class PieceRules:
    """How pieces are cut (Ji et al. 2021, section 2.2).

    Attributes:
        min_bases, max_bases: of a piece.
        step: bases by which lengths differ, so that every length is a whole number of tokens.
        full_share: of the pieces have `max_bases`; the others any length, all equally likely.
        sampled_share: of an epoch's pieces come from random places, the others cover the corpus
            once without overlap.
        weights: per source, how often it is read; 1 as often as its length says.
        reverse: half of the pieces are read as the reverse complement.
    """

    min_bases: int
    max_bases: int
    step: int = 1
    full_share: float = 0.5
    sampled_share: float = 0.5
    weights: tuple[float, ...] = ()
    reverse: bool = False


@dataclass(frozen=True)
class Pieces:
    """Pieces of a corpus: `starts [P]`, `n_bases [P]`, and `reverse [P]` bool."""

    starts: Int64s
    n_bases: Int32s
    reverse: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        """Number of pieces."""
        return len(self.starts)

    def __getitem__(self, rows: slice | Int64s) -> "Pieces":
        """Return some of the pieces."""
        return Pieces(self.starts[rows], self.n_bases[rows], self.reverse[rows])


def pieces_of_epoch(corpus: Corpus, rules: PieceRules, seed: int, epoch: int) -> Pieces:
    """Return the pieces of an epoch in the order in which they are read."""
    generators = [np.random.default_rng((seed, epoch, one)) for one in (_CUT, _SAMPLE, _ORDER)]
    held = bytearray()  # grows in place, where joining arrays would hold everything twice
    for block in _cut(corpus, rules, generators[0]):
        held += block.tobytes()
    n_cut = len(held) // _PIECE.itemsize
    n_sampled = round(n_cut * rules.sampled_share / (1 - rules.sampled_share))
    for block in _sample(corpus, rules, n_sampled, generators[1]):
        held += block.tobytes()
    pieces = np.frombuffer(held, dtype=_PIECE)
    generators[2].shuffle(pieces)
    if rules.reverse:
        pieces["reverse"] = generators[2].integers(2, size=len(pieces), dtype=np.bool_)
    return Pieces(pieces["start"], pieces["n_bases"], pieces["reverse"])


def batches(
    corpus: Corpus, rules: PieceRules, batch_size: int, seed: int, first: int = 0
) -> Iterator[tuple[int, Pieces]]:
    """Yield (number, pieces) of batch `first` and all after it, without end.

    The last pieces of an epoch that do not fill a batch are left out, except where an epoch holds
    less than a batch.

    Raises:
        DataError: no piece can be cut.
    """
    if not np.any((corpus.lengths >= rules.min_bases) & (_run_weights(corpus, rules) > 0)):
        raise DataError(f"no sequence of at least {rules.min_bases} bases is to be read")
    number = 0
    for epoch in itertools.count():
        pieces = pieces_of_epoch(corpus, rules, seed, epoch)
        # an epoch of a few runs with small weights may have come out empty
        n_batches = min(len(pieces), max(1, len(pieces) // batch_size))
        for i in range(max(0, first - number), n_batches):
            yield number + i, pieces[i * batch_size : (i + 1) * batch_size]
        number += n_batches
        del pieces  # two epochs need not be held at a time


def _draw_lengths(rules: PieceRules, n: int, generator: np.random.Generator) -> Int64s:
    n_steps = (rules.max_bases - rules.min_bases) // rules.step
    any_length = rules.min_bases + rules.step * generator.integers(n_steps + 1, size=n)
    return np.where(generator.random(n) < rules.full_share, rules.max_bases, any_length)


def _run_weights(corpus: Corpus, rules: PieceRules) -> npt.NDArray[np.float64]:
    weights = np.array(rules.weights or (1.0,) * len(corpus.names), dtype=np.float64)
    return weights[corpus.sources]


def _cut(
    corpus: Corpus, rules: PieceRules, generator: np.random.Generator
) -> Iterator[npt.NDArray[np.void]]:
    """Cover the runs without overlap, in blocks; what is left at the end of a run may be short.

    The runs are cut as if they followed one another; a piece that spans two of them is cut there.
    """
    weights = _run_weights(corpus, rules)
    ends = np.cumsum(corpus.lengths)
    moved = corpus.starts - (ends - corpus.lengths)
    done, total = 0, corpus.n_bases
    middle = (rules.min_bases + rules.max_bases) / 2
    mean = rules.full_share * rules.max_bases + (1 - rules.full_share) * middle
    while done < total:
        n = min(_BLOCK, int((total - done) / mean) + 1)
        cuts = done + np.cumsum(_draw_lengths(rules, n, generator))
        inside = ends[(ends > done) & (ends <= cuts[-1])]
        # stable sorting merges what is sorted already, a hundred times as fast as `np.union1d`
        cuts = np.sort(np.concatenate([cuts, inside]), kind="stable")
        cuts = cuts[(np.diff(cuts, prepend=done) > 0) & (cuts <= total)]
        begins = np.concatenate([[done], cuts[:-1]])
        run = np.searchsorted(ends, begins, side="right")
        copies = np.floor(weights[run] + generator.random(len(run))).astype(np.int64)
        copies[cuts - begins < rules.min_bases] = 0
        yield np.repeat(_records(begins + moved[run], cuts - begins), copies)
        done = int(cuts[-1])


def _sample(
    corpus: Corpus, rules: PieceRules, n: int, generator: np.random.Generator
) -> Iterator[npt.NDArray[np.void]]:
    """Draw pieces at random places, in blocks; in a run shorter than the piece, the whole run."""
    shares = np.cumsum(corpus.lengths * _run_weights(corpus, rules))
    for first in range(0, n, _BLOCK):
        n_block = min(_BLOCK, n - first)
        run = np.searchsorted(shares, generator.random(n_block) * shares[-1], side="right")
        lengths = corpus.lengths[run]
        n_bases = np.minimum(_draw_lengths(rules, n_block, generator), lengths)
        room = lengths - n_bases + 1
        starts = corpus.starts[run] + np.floor(generator.random(n_block) * room).astype(np.int64)
        yield _records(starts, n_bases)[n_bases >= rules.min_bases]


def _records(starts: Int64s, n_bases: Int64s) -> npt.NDArray[np.void]:
    records = np.zeros(len(starts), dtype=_PIECE)
    records["start"], records["n_bases"] = starts, n_bases
    return records


def check_weights(weights: Sequence[float], names: Sequence[str]) -> bool:
    """Tell whether there is a weight for every file, and one above 0."""
    are_numbers = all(0 <= one < math.inf for one in weights)
    return not weights or (len(weights) == len(names) and are_numbers and max(weights) > 0)
