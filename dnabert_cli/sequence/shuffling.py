"""Negatives made from the positives: shuffled sequences, and promoters with pieces exchanged.

A shuffled sequence has the dinucleotides of its original, so a model that tells the two apart has
learned more than composition. The results are upper case, with U read as T.
"""

import re
from functools import cache
from itertools import product

import numpy as np
import numpy.typing as npt

from dnabert_cli.dna import to_dna
from dnabert_cli.sequence.kmers import BASES, digits

_N_BASES = len(BASES)
_KNOWN = re.compile(f"[{BASES}]+")

_Ints = npt.NDArray[np.int64]


def shuffle_dinucleotides(sequence: str, generator: np.random.Generator) -> str:
    """Return a random sequence with the same dinucleotides, first and last letter.

    All such sequences are equally likely (Altschul and Erickson 1985: an Euler path through the
    graph in which a letter is a node and a dinucleotide an edge). Letters other than A, C, G, T, U
    stay where they are, and the stretches between them are shuffled one by one.

    Args:
        sequence: letters in either case.
        generator: of random numbers.
    """
    return _KNOWN.sub(lambda known: _shuffled(known[0], generator), to_dna(sequence).upper())


def substitute_parts(
    sequence: str, generator: np.random.Generator, n_parts: int = 20, n_replaced: int = 12
) -> str:
    """Return the sequence with some of its parts replaced by random bases.

    The negatives of DeePromoter (Oubounyt et al. 2019): of 20 parts of a promoter 12 are replaced
    and 8 stay where they are. Such a sequence occurs in no genome.

    Args:
        sequence: letters in either case.
        generator: of random numbers; A, C, G and T are equally likely, so that a quarter of the
            bases come back by chance.
        n_parts: the sequence is cut into so many, whose lengths differ by one at most.
        n_replaced: how many of them are replaced.

    Raises:
        ValueError: the sequence has fewer letters than parts.
    """
    assert 0 <= n_replaced <= n_parts, f"{n_replaced} of {n_parts} parts"
    if len(sequence) < n_parts:
        raise ValueError(f"{len(sequence)} letters cannot be cut into {n_parts} parts")
    borders = [len(sequence) * part // n_parts for part in range(n_parts + 1)]
    letters = list(to_dna(sequence).upper())
    for part in sorted(generator.permutation(n_parts)[:n_replaced].tolist()):
        start, end = borders[part], borders[part + 1]
        drawn = generator.integers(_N_BASES, size=end - start).tolist()
        letters[start:end] = [BASES[digit] for digit in drawn]
    return "".join(letters)


def _shuffled(known: str, generator: np.random.Generator) -> str:
    """Return a random Euler path; `known` holds A, C, G, T only, and at least one of them."""
    path = digits(known)
    pairs = path[:-1] * np.uint8(_N_BASES) + path[1:]
    counts = np.bincount(pairs, minlength=_N_BASES**2).reshape(_N_BASES, _N_BASES)
    first, last = int(path[0]), int(path[-1])
    exits = _drawn_exits(counts, last, generator)
    followers = []
    for base in range(_N_BASES):
        left = counts[base].copy()
        if base in exits:
            left[exits[base]] -= 1
        order = generator.permutation(np.repeat(np.arange(_N_BASES), left)).tolist()
        followers.append(iter([*order, exits[base]] if base in exits else order))
    walked = [first]
    for _ in range(len(known) - 1):
        walked.append(next(followers[walked[-1]]))
    return "".join([BASES[base] for base in walked])


def _drawn_exits(counts: _Ints, last: int, generator: np.random.Generator) -> dict[int, int]:
    """Draw by which base each base is followed the last time, for all but the last of the path.

    A choice of exits belongs to a path if and only if they lead from every base to the last one.
    There are 16 such trees on four bases at most, so they are listed and drawn by their number of
    paths, the product of the counts of their edges. Drawing exits at random until they form a tree
    could take long: in a long run of A with one C at its end, A is nearly always followed by A.
    """
    others = tuple(base for base in range(_N_BASES) if base != last and counts[base].any())
    trees = _trees(last, others)
    n_paths = counts[list(others), trees].prod(axis=1, dtype=np.float64).cumsum()
    # From the right: a tree with an edge that the sequence does not have adds nothing to the sum.
    drawn = int(n_paths.searchsorted(generator.random() * n_paths[-1], side="right"))
    return dict(zip(others, trees[drawn].tolist(), strict=True))


@cache
def _trees(root: int, others: tuple[int, ...]) -> _Ints:
    """Return every tree of edges towards the root, `[M, len(others)]`: the next base of each."""
    trees = []
    for following in product((root, *others), repeat=len(others)):
        after = dict(zip(others, following, strict=True)) | {root: root}
        reached = set(after)
        for _ in others:
            reached = {after[base] for base in reached}
        if reached == {root}:
            trees.append(following)
    return np.array(trees, dtype=np.int64).reshape(len(trees), len(others))
