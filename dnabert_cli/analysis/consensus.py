"""A matrix in letters: one IUPAC code per column."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

CODES = {
    "A": "A", "C": "C", "G": "G", "T": "T",
    "AC": "M", "AG": "R", "AT": "W", "CG": "S", "CT": "Y", "GT": "K",
    "ACG": "V", "ACT": "H", "AGT": "D", "CGT": "B",
}  # fmt: skip
LETTERS = "ACGT"

_MARGIN = 1e-9  # shares are quotients: 2/3 must not exceed twice 1/3, nor 5/12 + 1/3 be above 3/4


def consensus(matrix: npt.ArrayLike) -> str:
    """Return one IUPAC code per column of a matrix.

    A letter with more than half of a column and more than twice the share of the next stands
    alone. Else two letters with more than three quarters together share a code; else three do
    where the fourth never occurs; else the code is `N`.

    Args:
        matrix: `[W, 4]`, shares of A, C, G, T; each row sums to 1.

    Source: Cavener 1987, Nucleic Acids Res. 15:1353, as Biopython applies it.
    """
    shares = np.asarray(matrix, dtype=np.float64).reshape(-1, 4)
    return "".join(map(_code, shares.tolist()))


def _code(shares: Sequence[float]) -> str:
    order = sorted(range(4), key=lambda letter: -shares[letter])
    first, second, _, last = (shares[letter] for letter in order)
    if first > max(0.5, 2 * second) + _MARGIN:
        n_letters = 1
    elif first + second > 0.75 + _MARGIN:
        n_letters = 2
    elif last == 0:
        n_letters = 3
    else:
        return "N"
    return CODES["".join(sorted(LETTERS[letter] for letter in order[:n_letters]))]
