"""Stretches: every `size` consecutive bases of a sequence, as a number that both strands share.

Two sequences share a stretch when they share such a number; what follows from that stands in
`groups.py` and `leakage.py`.
"""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from dnabert_cli.dna import reverse_complement, to_dna
from dnabert_cli.sequence.kmers import digits

_BATCH = 1 << 20  # letters hashed together: bounds the memory of the intermediate arrays
_WORD = 32  # bases that fit into 64 bits
# Finalizer of SplitMix64 (Steele, Lea and Flood 2014), (shift, factor) in turn: every bit of the
# input reaches every bit of the output, and no two inputs have the same output.
_MIX = ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB), (31, 1))

Hashes = npt.NDArray[np.uint64]
Rows = npt.NDArray[np.int32]  # half the memory; there is one per stretch


def canonical(sequence: str) -> str:
    """Return the same text for a sequence, its reverse complement, its lower case and its RNA."""
    text = to_dna(sequence).upper()
    return min(text, reverse_complement(text))


def hashed_stretches(sequences: Sequence[str], size: int) -> tuple[Hashes, Rows]:
    """Return one hash per countable stretch of any sequence, and the row it comes from, `[M]` each.

    A stretch is countable when it holds A, C, G, T (or U) only. It and its reverse complement
    have the same hash; case does not matter. The order is that of the rows and of the bases in
    them. Up to `size` 32 no two different stretches have the same hash; beyond, two of 10^7
    different ones do with a chance of about 3 in a million.

    Args:
        sequences: `[N]`.
        size: bases in a stretch, at least 1.
    """
    hashes = [np.empty(0, dtype=np.uint64)]
    rows = [np.empty(0, dtype=np.int32)]
    for first, last in _batches(sequences):
        batch_hashes, batch_rows = _stretches(sequences[first:last], size)
        hashes.append(batch_hashes)
        rows.append(batch_rows + np.int32(first))
    return np.concatenate(hashes), np.concatenate(rows)


def _batches(sequences: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Yield (first, last) of consecutive rows that hold about `_BATCH` letters."""
    first, n_letters = 0, 0
    for row, sequence in enumerate(sequences):
        n_letters += len(sequence)
        if n_letters >= _BATCH or row == len(sequences) - 1:
            yield first, row + 1
            first, n_letters = row + 1, 0


def _stretches(sequences: Sequence[str], size: int) -> tuple[Hashes, Rows]:
    # The line break is no base, so no countable stretch runs from one sequence into the next.
    letters = digits("\n".join(sequences))
    n_stretches = max(len(letters) - size + 1, 0)
    invalid = letters > 3
    n_before = np.concatenate(([0], np.cumsum(invalid)))
    countable = n_before[size:] == n_before[:n_stretches]
    codes = np.where(invalid, np.uint8(0), letters)
    complements = codes ^ np.uint8(1)  # A 0 - T 1, C 2 - G 3
    forward = _hashes(codes, size)
    reverse = _hashes(complements[::-1], size)[::-1]
    lengths = [len(sequence) + 1 for sequence in sequences]
    rows = np.repeat(np.arange(len(sequences), dtype=np.int32), lengths)
    return np.minimum(forward, reverse)[countable], rows[:n_stretches][countable]


def _hashes(codes: npt.NDArray[np.uint8], size: int) -> Hashes:
    """Return the hash of every stretch of `size` bases (exact, without collision, up to 32)."""
    word = min(size, _WORD)
    n_stretches = max(len(codes) - size + 1, 0)
    words = _packed(codes, word) if n_stretches else np.empty(0, dtype=np.uint64)
    hashes = np.zeros(n_stretches, dtype=np.uint64)
    for offset in (*range(0, size - word, word), size - word):
        hashes ^= words[offset : offset + n_stretches]
        for shift, factor in _MIX:
            hashes ^= hashes >> np.uint64(shift)
            hashes *= np.uint64(factor)
    return hashes


def _packed(codes: npt.NDArray[np.uint8], width: int) -> Hashes:
    """Return every stretch of `width` bases, two bits each, by doubling the width."""
    if width == 1:
        return codes.astype(np.uint64)
    half = width // 2
    halves = _packed(codes, half)
    words: Hashes = halves[:-half] << np.uint64(2 * half) | halves[half:]
    if width % 2:
        words = words[:-1] << np.uint64(2) | codes[width - 1 :]
    return words
