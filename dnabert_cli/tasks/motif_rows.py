"""The sequences `motifs` compares: positives, and negatives of their own or shuffled."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import numpy as np

from dnabert_cli.errors import DataError, OptionsError, shown
from dnabert_cli.formats.tables import read_sequences
from dnabert_cli.records import Example
from dnabert_cli.sequence.shuffling import shuffle_dinucleotides

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class MotifRows:
    """Two classes of sequences.

    Attributes:
        positives, negatives: rows as read; names are those of the file.
        is_shuffled: negatives were made from the positives.
    """

    positives: list[Example]
    negatives: list[Example]
    is_shuffled: bool

    def swapped(self) -> "MotifRows":
        """Return the classes the other way round."""
        return MotifRows(self.negatives, self.positives, self.is_shuffled)


def read_motif_rows(
    positives: str, negatives: str | None, genome: str | None, max_sequences: int, seed: int
) -> MotifRows:
    """Read both classes; without negatives, each positive is shuffled.

    Args:
        positives: FASTA, table, or BED with `genome`.
        negatives: the same, or `None`: dinucleotides of the positives are shuffled.
        genome: FASTA that BED refers to.
        max_sequences: rows read of each file.
        seed: of the shuffling.

    Raises:
        DataError: a file holds no sequence.
        FormatError: a file is broken.
    """
    found = _first(positives, genome, max_sequences)
    if negatives is not None:
        return MotifRows(found, _first(negatives, genome, max_sequences), is_shuffled=False)
    generator = np.random.default_rng(seed)
    shuffled = [
        replace(one, sequence=shuffle_dinucleotides(one.sequence, generator)) for one in found
    ]
    logger.info("negatives: the positives, shuffled with their dinucleotides kept")
    return MotifRows(found, shuffled, is_shuffled=True)


def check_apart(positives: str, negatives: str | None) -> None:
    """Refuse one file for both classes.

    Raises:
        OptionsError: both are one file.
    """
    if negatives is None or not (Path(positives).exists() and Path(negatives).exists()):
        return
    if Path(positives).samefile(negatives):
        raise OptionsError(
            f"{positives} is named for positives and negatives",
            hint="leave the negatives out to have the positives shuffled",
        )


def _first(path: str, genome: str | None, max_sequences: int) -> list[Example]:
    rows = read_sequences(path, genome)
    kept = list(islice(rows, max_sequences))
    if not kept:
        raise DataError(f"{shown(path)} holds no sequences")
    if len(kept) == max_sequences and next(rows, None) is not None:
        logger.info(
            "%s: only the first %s sequences are read (--max-sequences)",
            shown(path), f"{max_sequences:,}",
        )  # fmt: skip
    return kept


def labelled(rows: MotifRows) -> Sequence[tuple[str, str]]:
    """Return (sequence, label) of all rows, positives first."""
    return [(one.sequence, "1") for one in rows.positives] + [
        (one.sequence, "0") for one in rows.negatives
    ]
