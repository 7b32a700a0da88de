"""Every base replaced by every other: the mutants, and their tokens without reading them anew.

A substitution changes the k k-mers that hold it and no other, so the tokens of a mutant are those
of the sequence with k ids changed; a million mutants need no more memory than a batch of them.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dnabert_cli.sequence.kmers import BASES, UNK, Ids, Tokenizer, digits

LETTERS = "ACGT"
_DIGIT_OF = np.array([BASES.index(letter) for letter in LETTERS])
_LETTER_OF = np.argsort(_DIGIT_OF)  # index in LETTERS by digit


@dataclass(frozen=True, eq=False)
class Substitutions:
    """All single-base substitutions of a stretch, by position and then by letter (A, C, G, T).

    Attributes:
        sequence: as given; its case, and other letters, are kept in the mutants.
        positions: `[M]`, the base that is replaced, 0-based. A base with a letter other than A, C,
            G, T or U is not replaced; each of the others is three times.
        letters: `[M]`, what replaces it, as index in `LETTERS`.
    """

    sequence: str
    positions: npt.NDArray[np.int64]
    letters: npt.NDArray[np.int64]

    def __len__(self) -> int:
        """Number of mutants."""
        return len(self.positions)

    def __iter__(self) -> Iterator[tuple[int, str, str]]:
        """Yield (position, letter, mutant)."""
        for position, index in zip(self.positions.tolist(), self.letters.tolist(), strict=True):
            letter = LETTERS[index]
            before, after = self.sequence[:position], self.sequence[position + 1 :]
            yield position, letter, f"{before}{letter}{after}"

    def windows(self, tokenizer: Tokenizer) -> "MutantWindows":
        """Return the tokens of all mutants, to be predicted like any windows.

        Args:
            tokenizer: k and token stride; the sequence has at least k bases.
        """
        return MutantWindows(self, tokenizer)


def substitutions(sequence: str, first: int = 0, last: int | None = None) -> Substitutions:
    """Return every base of a stretch replaced by each of the three others.

    Args:
        sequence: `[L]`; U counts as T, and is not replaced by T.
        first: the first base to replace.
        last: the base after the last one to replace; `None`: to the end.
    """
    present = digits(sequence)[first:last].astype(np.int64)
    known = np.flatnonzero(present < len(BASES))
    others = np.arange(len(LETTERS)) != _LETTER_OF[present[known]][:, None]  # [n, 4]
    rows, letters = np.nonzero(others)
    return Substitutions(sequence, known[rows] + first, letters.astype(np.int64))


class MutantWindows:
    """The tokens of mutants, a batch at a time; read by the prediction loop like windows.

    Args:
        mutants: of a sequence of at least k bases.
        tokenizer: k and token stride.

    Attributes:
        n_tokens: tokens per mutant, [CLS] and [SEP] not counted.
        token_stride: bases from one token to the next.
    """

    def __init__(self, mutants: Substitutions, tokenizer: Tokenizer) -> None:
        self.token_stride = tokenizer.token_stride
        self.n_tokens = tokenizer.n_tokens(len(mutants.sequence))
        self._k = tokenizer.k
        self._ids = tokenizer.encode(mutants.sequence)[:: self.token_stride].astype(np.int64)
        self._positions = mutants.positions
        present = digits(mutants.sequence)[mutants.positions].astype(np.int64)
        self._steps = _DIGIT_OF[mutants.letters] - present  # by how much the digit changes

    def __len__(self) -> int:
        """Number of mutants."""
        return len(self._positions)

    def rows(self, first: int, last: int) -> Ids:
        """Return the ids of mutants `first` to `last` (exclusive), `[last - first, T]` uint16."""
        positions, steps = self._positions[first:last], self._steps[first:last]
        ids = np.tile(self._ids, (len(positions), 1))
        for place in range(self._k):  # of the base within the k-mer
            columns, between = np.divmod(positions - place, self.token_stride)
            held = np.flatnonzero((columns >= 0) & (columns < self.n_tokens) & (between == 0))
            columns = columns[held]
            # a k-mer with another unknown letter stays [UNK]
            changes = steps[held] * 4 ** (self._k - 1 - place) * (ids[held, columns] != UNK)
            ids[held, columns] += changes
        return ids.astype(np.uint16)
