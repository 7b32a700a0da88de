"""The TATA box: where it stands in a sequence, and whether a promoter has one.

A box is TATAWAW (W is A or T), the consensus of TATA boxes (Bucher 1990, J Mol Biol 212:563), with
the core TATA as it is and at most one other base among the three that follow. That is stricter
than Bucher's weight matrix: what it finds in promoters is nearly always called a TATA box by the
matrix too, but the matrix accepts cores such as TTAA and TAAA besides.
"""

import re

from dnabert_cli.dna import to_dna

# Where the first T of the box stands, in bases from the start of transcription (-1 is the base
# before it). From about -35 to -20, around the usual -30.
FIRST, LAST = -35, -20

# Looked ahead for, so that boxes may overlap. The three bases behind the core: W, A, W.
_BOX = re.compile("(?=TATA(?:[AT]A[ACGT]|[AT][ACGT][AT]|[ACGT]A[AT]))")


def find_tata(sequence: str) -> list[int]:
    """Return the 0-based index of the first T of every TATA box, ascending.

    Args:
        sequence: letters in either case, U read as T; a box holds A, C, G and T only.
    """
    return [match.start() for match in _BOX.finditer(to_dna(sequence).upper())]


def has_tata_box(sequence: str, anchor: int) -> bool:
    """Tell whether a promoter has a TATA box where one works, from -35 to -20.

    Args:
        sequence: letters of the promoter, read on its strand.
        anchor: 0-based index of the start of transcription.
    """
    return any(FIRST <= index - anchor <= LAST for index in find_tata(sequence))
