"""What a variant does to the letters of a window, however the variant is written.

A change stands in one form only: the shortest, insertions and deletions as far left as the
reference allows. That form follows from the two haplotypes (the reference, and the reference with
the allele in it), so equal haplotypes give equal windows. Everything is read on the forward
strand; for '-' the letters of a pair are reverse-complemented.

Windows start on one grid per sequence, so neighbouring variants share reference windows. The
alternative window is as long as the reference window and has the same base at its anchor: what
a deletion takes away is filled up from the side of the change that the anchor is not on, and an
insertion pushes letters out on that side. At the ends of a sequence the alternative window moves
inwards; only letters inserted before the first or behind the last base may lie outside of it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Literal, NamedTuple

from dnabert_cli.dna import IUPAC, reverse_complement, to_dna
from dnabert_cli.sequence.windows import candidate_starts, tile

Letters = Callable[[int, int], str]  # (start, end) -> forward letters of the reference
Kind = Literal[
    "snv", "mnv", "insertion", "deletion", "delins", "same",
    "symbolic", "breakend", "spanning", "missing", "invalid", "ambiguous",
]  # fmt: skip
CHANGES = frozenset({"snv", "mnv", "insertion", "deletion", "delins"})  # kinds with two haplotypes

_CHUNK = 256  # bases of the reference read at a time; nearly every repeat is shorter


class Change(NamedTuple):
    """Letters that stand in place of others.

    Attributes:
        position: 0-based, of the first letter of `ref`.
        ref: the letters of the reference that go; may be empty.
        alt: the letters that come; may be empty.
    """

    position: int
    ref: str
    alt: str

    @property
    def end(self) -> int:
        """The base behind the last one of `ref`."""
        return self.position + len(self.ref)

    @property
    def shift(self) -> int:
        """By how many bases everything behind the change moves to the right."""
        return len(self.alt) - len(self.ref)

    def moved(self, base: int) -> int:
        """Return where a base of the reference lies on the alternative haplotype.

        Bases of `ref` are paired with those of `alt` from the left; one without a partner lies
        at the base behind `alt`.
        """
        return base + self.shift if base >= self.end else min(base, self.position + len(self.alt))

    def inverse(self) -> "Change":
        """Return the change that leads from the alternative haplotype back to the reference."""
        return Change(self.position, self.alt, self.ref)


@dataclass(frozen=True, slots=True)
class WindowPair:
    """A window of the reference and the window of the alternative haplotype to set against it.

    Attributes:
        start: of the reference window, 0-based.
        alternative_start: of the alternative window, counted on the alternative haplotype.
        n_bases: length of both.
    """

    start: int
    alternative_start: int
    n_bases: int


def classify(ref: str, alt: str) -> Kind:
    """Return what an alternative allele of a VCF is.

    `snv`, `mnv` (as many bases as before), `insertion`, `deletion`, `delins` and `same` count the
    letters that differ, so padding does not matter. No sequences are `symbolic` (`<DEL>`),
    `breakend` (`G]17:198982]`, `G.`), `spanning` (`*`) and `missing` (`.` or nothing). `invalid`
    are letters that are no IUPAC code; `ambiguous` is an ALT whose differing letters are not all
    A, C, G, T or U.
    """
    outside = _no_sequence(ref, alt)
    if outside is not None:
        return outside
    _, old, new = trimmed(0, ref, alt)
    if not set(new) <= set("ACGT"):
        return "ambiguous"
    if len(old) == len(new):
        return "mnv" if len(old) > 1 else "snv" if old else "same"
    if not old:
        return "insertion"
    return "delins" if new else "deletion"


def _no_sequence(ref: str, alt: str) -> Kind | None:
    if {ref, alt} & {"", "."}:
        return "missing"
    if alt == "*":
        return "spanning"
    if set(alt) & set("[]") or alt.startswith(".") or alt.endswith("."):
        return "breakend"
    if "<" in alt:
        return "symbolic"
    return None if set((ref + alt).upper()) <= set(IUPAC) else "invalid"


def trimmed(position: int, ref: str, alt: str) -> Change:
    """Return the smallest difference: the common suffix removed, then the common prefix.

    Letters are compared and returned in upper case, U as T. Either allele may end up empty.
    """
    ref, alt = _plain(ref), _plain(alt)
    behind = _n_common_suffix(ref, alt)
    ref, alt = ref[: len(ref) - behind], alt[: len(alt) - behind]
    before = _n_common_suffix(ref[::-1], alt[::-1])
    return Change(position + before, ref[before:], alt[before:])


def normalised(position: int, ref: str, alt: str, letters: Letters) -> Change:
    """Return the one form of a change: trimmed, and moved left as far as the reference allows.

    The alternative haplotype stays the same; all ways to write it come to the same form. Only an
    insertion or a deletion can move; the reference left of it is read in pieces, as far as the
    repeat it lies in.

    Args:
        position: 0-based, of the first letter of `ref`.
        ref: as the reference has it there (the caller has compared them), in either case.
        alt: letters, in either case.
        letters: of the reference.

    Source: Tan, Abecasis and Kang 2015, Bioinformatics 31:2202.
    """
    change = trimmed(position, ref, alt)
    if bool(change.ref) == bool(change.alt):
        return change
    position, unit = change.position, change.ref or change.alt
    while position > 0:
        before = _plain(letters(max(position - _CHUNK, 0), position))
        repeated = (unit * (len(before) // len(unit) + 1))[-len(before) :]
        n_equal = _n_common_suffix(before, repeated)
        position -= n_equal
        turn = len(unit) - n_equal % len(unit)
        unit = unit[turn:] + unit[:turn]
        if n_equal < len(before):
            break
    return Change(position, unit, "") if change.ref else Change(position, "", unit)


def _plain(text: str) -> str:
    return to_dna(text).upper()


def _n_common_suffix(one: str, other: str) -> int:
    n_letters = min(len(one), len(other))
    if one[len(one) - n_letters :] == other[len(other) - n_letters :]:
        return n_letters
    return next(i for i in range(n_letters) if one[-1 - i] != other[-1 - i])


def alternative_letters(change: Change, start: int, end: int, letters: Letters) -> str:
    """Return bases `start` to `end` (exclusive), both counted on the alternative haplotype."""
    first, last = change.position, change.position + len(change.alt)
    before = letters(start, min(end, first)) if start < first else ""
    inside = change.alt[max(start - first, 0) : max(end - first, 0)]
    behind = letters(max(start, last) - change.shift, end - change.shift) if end > last else ""
    return before + inside + behind


def letters_of(pair: WindowPair, change: Change, letters: Letters) -> tuple[str, str]:
    """Return the forward letters of the reference and of the alternative window, equally many."""
    first = pair.alternative_start
    reference = letters(pair.start, pair.start + pair.n_bases)
    return reference, alternative_letters(change, first, first + pair.n_bases, letters)


def windows_of(
    change: Change, window: int, step: int, n_bases: int, anchor: int
) -> list[WindowPair]:
    """Return the windows of the grid that hold a change, each with its alternative, in order.

    Windows start at multiples of `step`, the last one ends with the sequence. They hold all bases
    of `ref`, or the bases on both sides of an insertion. Of a deletion so long that none does,
    they hold the bases on both sides of one of its ends. An insertion longer than the window is
    read from its ends only. On a sequence shorter than `window`, in either haplotype, windows
    are as long as the shorter haplotype. No windows if nothing changes or nothing is left.

    Args:
        change: normalised.
        window: bases per window.
        step: bases between windows, less than `window`.
        n_bases: of the whole sequence.
        anchor: index of the base of the window, counted on the forward strand, that is the same
            one in both windows.
    """
    length = _length(change, window, n_bases)
    if length < 1:
        return []
    around = [_starts_around(end, length, n_bases) for end in (change.position, change.end)]
    whole = [(max(change.end - length, 0), min(change.position, n_bases - length))]
    starts = _on_grid(whole if change.ref else around, length, step, n_bases)
    starts = starts or _on_grid(around, length, step, n_bases)
    return [_pair(change, start, length, anchor, n_bases) for start in starts]


def anchored_windows(
    change: Change,
    letters: Letters,
    n_bases: int,
    *,
    window: int,
    anchor: int,
    candidates: tuple[tuple[str, int], ...],
    strand: str,
) -> list[WindowPair]:
    """Return the windows of one strand with a candidate at the anchor, and one around the change.

    The candidate stands in the reference or in the alternative haplotype; its window holds the
    bases on both sides of either end of the change. One pair more has the first base of the
    change at its centre. Ordered by start; windows lie as for `windows_of`.

    Args:
        change: normalised.
        letters: of the reference.
        n_bases: of the whole sequence.
        window: bases per window.
        anchor: index of the base of the window, counted on `strand`, that candidates are tied to.
        candidates: (letters, offset from the anchor), as for `candidate_starts`.
        strand: `+` or `-`; candidates are looked for on it.
    """
    length = _length(change, window, n_bases)
    if length < 1:
        return []
    held = anchor if strand == "+" else window - 1 - anchor  # the anchor on the forward strand
    middle = centred_start(change, window, length, n_bases, strand)
    pairs = {_pair(change, middle, length, held, n_bases)}
    if length == window:
        search = _Search(window, anchor, candidates, strand)
        back, n_back = change.inverse(), n_bases + change.shift
        found = search.starts(change, n_bases, letters)
        pairs |= {_pair(change, start, window, held, n_bases) for start in found}
        found = search.starts(back, n_back, partial(alternative_letters, change, letters=letters))
        turned = [_pair(back, start, window, held, n_back) for start in found]
        pairs |= {WindowPair(one.alternative_start, one.start, window) for one in turned}
    return sorted(pairs, key=lambda pair: (pair.start, pair.alternative_start))


def centred_start(change: Change, window: int, length: int, n_bases: int, strand: str) -> int:
    """Return the start of the window that has the first base of a change at its centre.

    Args:
        change: normalised.
        window: bases per window of the model.
        length: bases per window here, fewer on a short sequence.
        n_bases: of the whole sequence, at whose ends the window moves inwards.
        strand: the window is read on; of an even number of bases the centre depends on it.
    """
    centre = window // 2 if strand == "+" else window - 1 - window // 2
    return min(max(change.position - centre, 0), n_bases - length)


@dataclass(frozen=True)
class _Search:
    """Where windows with a candidate at the anchor start; see `anchored_windows`."""

    window: int
    anchor: int
    candidates: tuple[tuple[str, int], ...]
    strand: str

    def starts(self, change: Change, n_bases: int, letters: Letters) -> set[int]:
        """Return the starts of such windows around either end of a change, on its reference."""
        found: set[int] = set()
        for end in {change.position, change.end}:
            low, high = _starts_around(end, self.window, n_bases)
            text = letters(low, high + self.window)
            if self.strand == "-":
                text = reverse_complement(text)
            starts = candidate_starts(text, self.window, self.anchor, self.candidates).tolist()
            found |= {low + start if self.strand == "+" else high - start for start in starts}
        return found


def _length(change: Change, window: int, n_bases: int) -> int:
    """Return how many bases windows have; 0 where there is nothing to compare."""
    return min(window, n_bases, n_bases + change.shift) if change.ref or change.alt else 0


def _starts_around(place: int, length: int, n_bases: int) -> tuple[int, int]:
    """Return first and last start of the windows that hold the bases on both sides of a place.

    At an end of the sequence there is one side only, and one window that ends there.
    """
    last = n_bases - length
    return min(max(place - length + 1, 0), last), max(min(place - 1, last), 0)


def _on_grid(ranges: Sequence[tuple[int, int]], length: int, step: int, n_bases: int) -> list[int]:
    """Return the starts of the grid in ranges, first and last included; ascending."""
    found = [tile(n_bases, length, step, low, high + 1).tolist() for low, high in ranges]
    return sorted({start for starts in found for start in starts})


def _pair(change: Change, start: int, length: int, anchor: int, n_bases: int) -> WindowPair:
    """Return the pair with the same base at the anchor, moved inwards at the ends."""
    anchored = change.moved(start + anchor) - anchor
    inside = min(max(anchored, 0), n_bases + change.shift - length)
    return WindowPair(start, inside, length)
