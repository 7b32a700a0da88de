"""Sequence to pre-train on: packed four bases to a byte, and cut into pieces.

Letters other than A, C, G, T (and U) end a run; only runs are kept. Which pieces an epoch holds,
and in which order, is a pure function of (seed, epoch).
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from dnabert_cli.sequence.kmers import digits

BASES_PER_BYTE = 4
# Bases per stretch that is held out as a whole; long, so that few pieces have a neighbour in the
# other part.
STRETCH = 1 << 16

Int64s = npt.NDArray[np.int64]
Digits = npt.NDArray[np.uint8]
_SHIFTS = np.arange(0, 8, 2, dtype=np.uint8)
# Streams of random numbers of one epoch that must not be the same.
_CUT, _SAMPLE, _ORDER, _HELD_OUT = range(4)


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
            share: of the bases, in stretches of `STRETCH` drawn at random; at least one stretch.
            seed: decides which.
        """
        parts = -(-self.lengths // STRETCH)
        run = np.repeat(np.arange(len(parts)), parts)
        offsets = (np.arange(len(run)) - np.repeat(np.cumsum(parts) - parts, parts)) * STRETCH
        starts = self.starts[run] + offsets
        lengths = np.minimum(self.lengths[run] - offsets, STRETCH)
        order = np.random.default_rng((seed, _HELD_OUT)).permutation(len(run))
        n_before = np.cumsum(lengths[order]) - lengths[order]
        held = np.zeros(len(run), dtype=bool)
        held[order[n_before < share * self.n_bases]] = True
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
    packed = arrays["packed"]
    starts, lengths, sources = (
        np.asarray(arrays[name]) for name in ("starts", "lengths", "sources")
    )
    names = tuple(str(name) for name in arrays["names"])
    shapes = {one.shape for one in (starts, lengths, sources)}
    kinds = {one.dtype for one in (starts, lengths, sources)}
    if packed.dtype != np.uint8 or packed.ndim != 1 or kinds != {np.dtype(np.int64)}:
        raise ValueError("the arrays are of other types")
    if len(shapes) != 1 or starts.ndim != 1:
        raise ValueError("the arrays differ in length")
    ends_at = len(packed) * BASES_PER_BYTE
    ends = starts + lengths
    if len(starts) and (starts.min() < 0 or lengths.min() < 1 or ends.max() > ends_at):
        raise ValueError("a run lies outside the bases")
    if len(sources) and not 0 <= sources.min() <= sources.max() < len(names):
        raise ValueError("a run belongs to no file")
    return Corpus(packed, starts, lengths, sources, names)


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
        values = digits(sequence)
        edges = np.flatnonzero(np.diff((values < 4).view(np.int8), prepend=0, append=0))
        for start, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
            if end - start >= self._min_bases:
                run = (len(self._packed) * BASES_PER_BYTE, end - start, len(self._names) - 1)
                self._runs.append(run)
                self._packed += _pack(values[start:end])

    def finish(self) -> Corpus:
        """Return the corpus."""
        runs = np.array(self._runs, dtype=np.int64).reshape(-1, 3)
        packed = np.frombuffer(self._packed, dtype=np.uint8)
        return Corpus(packed, runs[:, 0], runs[:, 1], runs[:, 2], tuple(self._names))


def _pack(values: Digits) -> bytes:
    padded = np.zeros((-(-len(values) // BASES_PER_BYTE), BASES_PER_BYTE), dtype=np.uint8)
    padded.reshape(-1)[: len(values)] = values
    packed: Digits = np.bitwise_or.reduce(padded << _SHIFTS, axis=1)
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
    n_bases: Int64s
    reverse: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        """Number of pieces."""
        return len(self.starts)

    def __getitem__(self, rows: slice | Int64s) -> "Pieces":
        """Return some of the pieces."""
        return Pieces(self.starts[rows], self.n_bases[rows], self.reverse[rows])


def pieces_of_epoch(corpus: Corpus, rules: PieceRules, seed: int, epoch: int) -> Pieces:
    """Return the pieces of an epoch in the order in which they are read."""
    starts, n_bases = _cut(corpus, rules, np.random.default_rng((seed, epoch, _CUT)))
    if rules.sampled_share > 0:
        n_sampled = round(len(starts) * rules.sampled_share / (1 - rules.sampled_share))
        generator = np.random.default_rng((seed, epoch, _SAMPLE))
        sampled = _sample(corpus, rules, n_sampled, generator)
        starts, n_bases = (
            np.concatenate(both) for both in zip((starts, n_bases), sampled, strict=True)
        )
    generator = np.random.default_rng((seed, epoch, _ORDER))
    order = generator.permutation(len(starts))
    reverse = generator.random(len(starts)) < (0.5 if rules.reverse else 0.0)
    return Pieces(starts[order], n_bases[order], reverse)


def batches(
    corpus: Corpus, rules: PieceRules, batch_size: int, seed: int, first: int = 0
) -> Iterator[tuple[int, Pieces]]:
    """Yield (number, pieces) of batch `first` and all after it, without end.

    The last pieces of an epoch that do not fill a batch are left out, except where an epoch holds
    less than a batch.
    """
    number = 0
    for epoch in itertools.count():
        pieces = pieces_of_epoch(corpus, rules, seed, epoch)
        n_batches = max(1, len(pieces) // batch_size)
        for i in range(max(0, first - number), n_batches):
            yield number + i, pieces[i * batch_size : (i + 1) * batch_size]
        number += n_batches


def _draw_lengths(rules: PieceRules, n: int, generator: np.random.Generator) -> Int64s:
    n_steps = (rules.max_bases - rules.min_bases) // rules.step
    any_length = rules.min_bases + rules.step * generator.integers(n_steps + 1, size=n)
    return np.where(generator.random(n) < rules.full_share, rules.max_bases, any_length)


def _cut(
    corpus: Corpus, rules: PieceRules, generator: np.random.Generator
) -> tuple[Int64s, Int64s]:
    """Cover the runs without overlap; what is left at the end of a run may be short."""
    ends = np.cumsum(corpus.lengths)
    cuts = [np.zeros(1, dtype=np.int64)]
    while cuts[-1][-1] < ends[-1]:
        mean = (rules.min_bases + rules.max_bases) / 2
        n_more = int((ends[-1] - cuts[-1][-1]) / mean) + 1
        cuts.append(cuts[-1][-1] + np.cumsum(_draw_lengths(rules, n_more, generator)))
    edges = np.union1d(np.concatenate(cuts), ends)
    edges = edges[edges <= ends[-1]]
    run = np.searchsorted(ends, edges[:-1], side="right")
    starts = corpus.starts[run] + edges[:-1] - (ends - corpus.lengths)[run]
    n_bases = np.diff(edges)
    copies = np.ones(len(starts), dtype=np.int64)
    if rules.weights:
        weights = np.array(rules.weights)[corpus.sources[run]]
        copies = np.floor(weights + generator.random(len(starts))).astype(np.int64)
    copies[n_bases < rules.min_bases] = 0
    return np.repeat(starts, copies), np.repeat(n_bases, copies)


def _sample(
    corpus: Corpus, rules: PieceRules, n: int, generator: np.random.Generator
) -> tuple[Int64s, Int64s]:
    """Draw pieces at random places; in a run that is shorter than the piece, the whole run."""
    weights = corpus.lengths.astype(np.float64)
    if rules.weights:
        weights = weights * np.array(rules.weights)[corpus.sources]
    shares = np.cumsum(weights / weights.sum())
    run = np.minimum(np.searchsorted(shares, generator.random(n), side="right"), len(shares) - 1)
    n_bases = np.minimum(_draw_lengths(rules, n, generator), corpus.lengths[run])
    room = corpus.lengths[run] - n_bases + 1
    starts = corpus.starts[run] + np.floor(generator.random(n) * room).astype(np.int64)
    kept = n_bases >= rules.min_bases
    return starts[kept], n_bases[kept]


def check_weights(weights: Sequence[float], names: Sequence[str]) -> bool:
    """Tell whether there is a weight for every file, and one above 0."""
    return not weights or (len(weights) == len(names) and min(weights) >= 0 < max(weights))
