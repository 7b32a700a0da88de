"""How well a sequence matches a motif: the baseline that knows one matrix and nothing else."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dnabert_cli.sequence.kmers import BASES, digits

UNIFORM = (0.25, 0.25, 0.25, 0.25)
PSEUDO = 0.001  # a base that was never seen at a position costs about 10 bits

_ROWS = 256  # sequences scored together: the arrays stay in the cache, numpy's overhead small
_OTHER, _END = 4, 5  # columns of the table behind those of the four digits

Floats = npt.NDArray[np.float64]


def best_match_scores(
    matrix: npt.ArrayLike,
    sequences: Sequence[str],
    *,
    background: Sequence[float] | None = None,
    pseudo: float = PSEUDO,
) -> Floats:
    """Return the best log2-odds score of a motif in each sequence, `[N]`, in bits.

    The score of a place is the sum over its bases of log2(p / b), with p the probability of the
    base at that position of the motif and b its background. The best is over all places on both
    strands. A letter other than A, C, G, T, U scores 0. A sequence shorter than the motif gets
    the lowest score a place can have.

    Args:
        matrix: `[W, 4]` probabilities of A, C, G, T.
        sequences: `N` texts; case does not matter.
        background: of A, C, G, T, all above 0; `None` is `UNIFORM`.
        pseudo: weight of the background mixed into every position, above 0, so that no score is
            infinite: p becomes (p + pseudo * b) / (1 + pseudo).

    Source: Stormo 2000, Bioinformatics 16:16 (log-odds matrices).
    """
    base = UNIFORM if background is None else background
    odds = _log_odds(np.asarray(matrix, dtype=np.float64), base, pseudo)
    tables = [_by_digit(odds), _by_digit(odds[::-1, ::-1])]  # A - T and C - G change places
    lowest = float(odds.min(axis=1).sum())
    scores = np.full(len(sequences), lowest)
    for first in range(0, len(sequences), _ROWS):
        part = slice(first, first + _ROWS)
        for table in tables:
            np.maximum(scores[part], _best(table, sequences[part]), out=scores[part])
    return scores


def _log_odds(matrix: Floats, background: Sequence[float], pseudo: float) -> Floats:
    """Return log2(p / b), `[W, 4]`."""
    base = np.asarray(background, dtype=np.float64)
    odds: Floats = np.log2((matrix + pseudo * base) / ((1 + pseudo) * base))
    return odds


def _by_digit(odds: Floats) -> Floats:
    """Return the scores by the digits of the tokenizer, other letters and ends, `[W, 6]`."""
    table = np.zeros((len(odds), _END + 1))
    table[:, :_OTHER] = odds[:, ["ACGT".index(base) for base in BASES]]
    table[:, _END] = -np.inf  # no place runs from one sequence into the next
    return table


def _best(table: Floats, sequences: Sequence[str]) -> Floats:
    """Return the best score of each sequence on one strand, `[N]`; -inf where none fits."""
    width = len(table)
    # Ends behind the last sequence let a motif start at every letter.
    codes = np.minimum(digits("\n".join(sequences) + "\n" * width), _OTHER)
    starts = np.cumsum([0, *(len(sequence) + 1 for sequence in sequences)])
    codes[starts[1:] - 1] = _END
    codes[starts[-1] :] = _END
    n_places = starts[-1]
    scores = np.zeros(n_places)
    for position in range(width):
        scores += table[position][codes[position : position + n_places]]
    best: Floats = np.maximum.reduceat(scores, starts[:-1])
    return best
