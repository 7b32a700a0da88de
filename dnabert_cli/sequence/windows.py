"""Windows: cut a sequence into them, gather their tokens, and stitch their scores back.

`start` is 0-based and counts bases of the forward strand; a window on '-' covers the same bases
and is read as their reverse complement.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dnabert_cli.dna import reverse_complement
from dnabert_cli.sequence.kmers import Ids, Tokenizer, digits

Starts = npt.NDArray[np.int64]


def tile(n_bases: int, window: int, stride: int, first: int = 0, last: int | None = None) -> Starts:
    """Return the starts of the windows that tile a sequence.

    They lie `stride` apart from 0; the last one ends flush with the sequence. A sequence shorter
    than `window` is one window (of its own length), an empty one none.

    Args:
        n_bases: length of the sequence.
        window: bases per window.
        stride: bases between windows.
        first: leave out windows that start before this base; the grid stays that of the sequence.
        last: leave out windows that start at this base or later; `None` leaves out none.
    """
    if n_bases == 0:
        return np.empty(0, dtype=np.int64)
    flush = max(n_bases - window, 0)
    last = flush + 1 if last is None else min(last, flush + 1)
    on_grid = -(-first // stride) * stride
    starts = np.arange(on_grid, last, stride, dtype=np.int64)
    is_flush_missing = first <= flush < last and flush % stride != 0
    return np.append(starts, flush) if is_flush_missing else starts


def candidate_starts(
    sequence: str, window: int, anchor: int, candidates: tuple[tuple[str, int], ...]
) -> Starts:
    """Return the starts of the windows whose anchor stands at a candidate, in order.

    Args:
        sequence: read 5' to 3' on the strand of the windows.
        window: bases per window; windows that would leave the sequence are not returned.
        anchor: base of the window the candidate is tied to.
        candidates: (letters, offset): the letters begin `offset` bases after the anchor.
    """
    upper = sequence.upper().replace("U", "T")
    starts: set[int] = set()
    for letters, offset in candidates:
        position = upper.find(letters)
        while position >= 0:
            start = position - offset - anchor
            if 0 <= start <= len(upper) - window:
                starts.add(start)
            position = upper.find(letters, position + 1)
    return np.array(sorted(starts), dtype=np.int64)


def n_unknown(sequence: str, starts: Starts, window: int) -> npt.NDArray[np.int64]:
    """Return how many letters of each window are not A, C, G, T or U."""
    ends = np.minimum(starts + window, len(sequence))
    before = np.concatenate(([0], np.cumsum(digits(sequence) > 3, dtype=np.int64)))
    counts: npt.NDArray[np.int64] = before[ends] - before[starts]
    return counts


@dataclass(frozen=True)
class TokenWindows:
    """Windows of equal size over one array of ids: nothing is tokenized twice.

    Attributes:
        ids: `[L - k + 1]`, every k-mer of a stretch (`Tokenizer.encode`).
        starts: `[B]`, first base of each window within the stretch.
        n_tokens: tokens per window, [CLS] and [SEP] not counted.
        token_stride: bases from one token to the next.
    """

    ids: Ids
    starts: Starts
    n_tokens: int
    token_stride: int = 1

    def __len__(self) -> int:
        """Number of windows."""
        return len(self.starts)

    def rows(self, first: int, last: int) -> Ids:
        """Return the ids of windows `first` to `last` (exclusive), `[last - first, T]`."""
        span = (self.n_tokens - 1) * self.token_stride + 1
        views = np.lib.stride_tricks.sliding_window_view(self.ids, span)
        return views[self.starts[first:last], :: self.token_stride]


def token_windows(
    sequence: str, starts: Starts, window: int, tokenizer: Tokenizer, strand: str = "+"
) -> TokenWindows:
    """Tokenize a stretch once and return its windows on a strand, in the order of `starts`.

    Args:
        sequence: the forward strand.
        starts: `[B]`, first forward base of each window; every window lies inside.
        window: bases per window.
        tokenizer: k and token stride.
        strand: on '-' the windows are read as reverse complement.
    """
    if strand == "-":
        sequence = reverse_complement(sequence)
        starts = len(sequence) - starts - window
    return TokenWindows(
        tokenizer.encode(sequence), starts, tokenizer.n_tokens(window), tokenizer.token_stride
    )


def windows_by_length(
    sequences: Sequence[str], tokenizer: Tokenizer
) -> Iterator[tuple[npt.NDArray[np.int64], TokenWindows]]:
    """Yield (rows, windows): whole sequences grouped by their number of tokens, shortest first.

    Equal lengths need neither padding nor a mask, so an answer cannot depend on its neighbours.
    Sequences shorter than k have no token and are not yielded.

    Args:
        sequences: `[N]`.
        tokenizer: k and token stride.
    """
    # at once: k-mers across the end of a sequence are made, but belong to no window
    ids = tokenizer.encode("".join(sequences))
    starts = np.cumsum([0] + [len(sequence) for sequence in sequences[:-1]], dtype=np.int64)
    n_tokens = np.array([tokenizer.n_tokens(len(sequence)) for sequence in sequences], dtype=int)
    for count in np.unique(n_tokens[n_tokens > 0]):
        rows = np.flatnonzero(n_tokens == count)
        yield rows, TokenWindows(ids, starts[rows], int(count), tokenizer.token_stride)


def chunks(n_windows: int, size: int) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of consecutive groups of at most `size` windows."""
    for first in range(0, n_windows, size):
        yield first, min(first + size, n_windows)


def stitch(
    starts: Starts, scores: npt.NDArray[np.floating], window: int, n_bases: int
) -> npt.NDArray[np.float64]:
    """Return one score per base: the mean of the windows that hold it; NaN where none does.

    The inverse of `tile` in this sense: scores that are constant come back constant.

    Args:
        starts: `[B]`, first base of each window.
        scores: `[B]`.
        window: bases per window (cut at the end of the sequence).
        n_bases: length of the sequence.
    """
    ends = np.minimum(starts + window, n_bases)
    steps = np.zeros((2, n_bases + 1))
    for row, weight in enumerate((scores.astype(np.float64), np.ones(len(starts)))):
        np.add.at(steps[row], starts, weight)
        np.add.at(steps[row], ends, -weight)
    sums, counts = np.cumsum(steps, axis=1)[:, :n_bases]
    means: npt.NDArray[np.float64] = np.full(n_bases, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0.5)
    return means
