"""How often each k-mer occurs in a sequence: the features of the classical baselines."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dnabert_cli.dna import reverse_complement
from dnabert_cli.sequence.kmers import BASES, N_SPECIAL, Tokenizer

LARGEST_K = 7  # ids of longer k-mers do not fit into 16 bits


def kmer_counts(
    sequences: Sequence[str], k: int, *, both_strands: bool = False
) -> npt.NDArray[np.float32]:
    """Return the share of each k-mer among the k-mers of each sequence, `[N, 4^k]`.

    Columns are the k-mers over A, C, G, T in alphabetical order: AA, AC, AG, AT, CA .. TT.
    Overlapping k-mers count, case does not matter, U is T. A k-mer with another letter does not
    count. A row sums to 1, or is 0 where a sequence has no k-mer that counts.

    Args:
        sequences: `N` texts of any length.
        k: bases per k-mer, 1 to `LARGEST_K`. The result takes 4^(k+1) bytes a row.
        both_strands: also count the k-mers of the reverse complement; a sequence and its reverse
            complement then have equal rows.
    """
    assert 1 <= k <= LARGEST_K
    tokenizer = Tokenizer(k)
    ids = _ids_of_columns(k)
    shares = np.zeros((len(sequences), len(ids)), dtype=np.float32)
    for row, sequence in enumerate(sequences):
        counts = np.bincount(tokenizer.encode(sequence), minlength=tokenizer.vocab_size)
        if both_strands:
            opposite = tokenizer.encode(reverse_complement(sequence))
            counts += np.bincount(opposite, minlength=tokenizer.vocab_size)
        n_counted = counts[N_SPECIAL:].sum()
        if n_counted:
            shares[row] = counts[ids] / n_counted
    return shares


def _ids_of_columns(k: int) -> npt.NDArray[np.int64]:
    """Return the id of the tokenizer for each k-mer in alphabetical order, `[4^k]`."""
    digits = np.array([BASES.index(base) for base in "ACGT"])
    ids = np.zeros(1, dtype=np.int64)
    for _ in range(k):
        ids = (4 * ids[:, np.newaxis] + digits).reshape(-1)
    return ids + N_SPECIAL
