"""Random substitutions to set variants against: which variants, and what near each of them.

A variant drawn from a stream (`Reservoir`) gives one random substitution (`matched_substitution`).
What is matched: the place, which is near the variant and so mostly in sequence of about the same
composition; and, for an SNV, the substitution and whether its base is in a CpG. C>T in a CpG is
the most frequent substitution of all, and CpGs are what promoters are rich in.

What is not matched: density of genes and distance to the next exon or promoter, conservation,
letters around the base other than those of a CpG, repeats, allele frequency. A variant that
stands out against this null stands out of its surroundings; it need not be under selection.
"""

from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from dnabert_cli.dna import reverse_complement, to_dna
from dnabert_cli.sequence.alleles import Change, Letters, trimmed

Codes = npt.NDArray[np.uint8]  # letters as ASCII
Bools = npt.NDArray[np.bool_]
Item = TypeVar("Item")

_BASES = "ACGT"
_CODES = np.frombuffer(_BASES.encode(), dtype=np.uint8)
_C, _G = int(_CODES[1]), int(_CODES[2])


class Reservoir(Generic[Item]):
    """A random sample of a stream whose length nobody knows before its end.

    At any time every item seen so far is in the sample with the same probability. Which ones are
    depends on the generator and on how many items there were, on nothing else.

    Args:
        n: items in the sample, at least 1; all items while there are fewer.
        rng: of random numbers; one number is drawn per item behind the first n.

    Attributes:
        items: the sample; its order means nothing.
        n_seen: how many items were added.

    Source: Vitter 1985, ACM Trans. Math. Softw. 11:37, algorithm R.
    """

    def __init__(self, n: int, rng: np.random.Generator) -> None:
        assert n >= 1, f"n {n}"
        self.items: list[Item] = []
        self.n_seen = 0
        self._n = n
        self._rng = rng

    def add(self, item: Item) -> None:
        """Take the next item of the stream."""
        self.n_seen += 1
        if len(self.items) < self._n:
            self.items.append(item)
            return
        place = int(self._rng.integers(self.n_seen))
        if place < self._n:
            self.items[place] = item


def matched_substitution(
    rng: np.random.Generator,
    letters: Letters,
    n_bases: int,
    position: int,
    ref: str,
    alt: str,
    reach: int,
) -> Change | None:
    """Return a random substitution of one base near a variant, matched to it.

    All places are equally likely that lie at most `reach` bases from a base of the variant, are
    none of its own bases, and fit. For an SNV a place fits if it has the base that the variant
    replaces, and is C or G of a CpG if and only if the variant's is. Strands are alike: G>A is
    C>T of the other strand, so a place with the complement fits too, and the substitution there
    is the complement. For all other variants every A, C, G or T fits, and becomes one of the
    three others: the null is one of substitutions, also for insertions and deletions.

    Args:
        rng: of random numbers.
        letters: of the reference, in either case; called once.
        n_bases: of the whole sequence.
        position: 0-based, of the first letter of `ref`.
        ref: as the reference has it there; may be empty, as in a `Change`.
        alt: letters; may be empty.
        reach: in bases.

    Returns:
        The substitution in upper case; `None` where nothing fits or the variant is an SNV with
        a letter other than A, C, G, T, U.
    """
    own = trimmed(position, ref, alt)
    low, high = max(own.position - reach, 0), min(own.end + reach, n_bases)
    start, end = max(low - 1, 0), min(high + 1, n_bases)  # a CpG may reach over the border
    text = to_dna(letters(start, end)).upper().encode()
    codes = np.frombuffer(text, dtype=np.uint8)
    is_free = np.zeros(len(codes), dtype=np.bool_)
    is_free[low - start : high - start] = True
    is_free[own.position - start : own.end - start] = False
    is_snv = len(own.ref) == len(own.alt) == 1
    fits = _alike(own, codes, own.position - start) if is_snv else np.isin(codes, _CODES)
    places = np.flatnonzero(is_free & fits)
    if len(places) == 0:
        return None
    place = int(places[rng.integers(len(places))])
    base = chr(codes[place])
    if not is_snv:
        new = _BASES.replace(base, "")[rng.integers(3)]
    else:
        new = own.alt if base == own.ref else reverse_complement(own.alt)
    return Change(start + place, base, new)


def _alike(snv: Change, codes: Codes, place: int) -> Bools:
    """Tell where bases are that match the one an SNV replaces, on either strand, `[L]`."""
    if not set(snv.ref + snv.alt) <= set(_BASES):
        return np.zeros(len(codes), dtype=np.bool_)
    in_cpg = _in_cpg(codes)
    either = [ord(snv.ref), ord(reverse_complement(snv.ref))]
    alike: Bools = np.isin(codes, either) & (in_cpg == in_cpg[place])
    return alike


def _in_cpg(codes: Codes) -> Bools:
    """Tell of each base whether it is the C or the G of a CpG, `[L]`."""
    is_first = (codes[:-1] == _C) & (codes[1:] == _G)
    found = np.zeros(len(codes), dtype=np.bool_)
    found[:-1] |= is_first
    found[1:] |= is_first
    return found
