"""Windows of a haplotype that has several changes, and of what it would be without one of them.

The letters of a haplotype are those of the reference with all its alleles in it, each where it is
written. That an insertion or deletion could be written elsewhere must not matter, so before bases
are counted each is moved left as far as it goes without passing the change before it, and changes
that then touch are taken as one: a deletion whose bases come back behind it is no change at all.
Two changes that do not touch stay two: what is between them keeps its bases.

Coordinates on a haplotype count its bases from the first one of the sequence. Its windows have at
their anchor the base of the reference window's anchor, as those of one change have.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from typing import NamedTuple

from dnabert_cli.sequence.alleles import Change, Letters, WindowPair, normalised, trimmed

N_BEYOND = 256  # bases beyond the windows whose changes may still move left into them


class HaplotypeWindows(NamedTuple):
    """Forward letters, equally many.

    Attributes:
        reference: of the sequence as it is.
        haplotype: with all changes of the haplotype.
        background: with all of them but one.
    """

    reference: str
    haplotype: str
    background: str


class Edited:
    """A sequence with changes in it.

    Args:
        changes: in order; none overlaps another.
        offset: how far changes left of them move everything to the right.

    Attributes:
        changes: as given.
        shift: by how many bases everything behind the last change moves to the right.
    """

    def __init__(self, changes: Sequence[Change], offset: int = 0) -> None:
        self.changes = changes
        self._offsets = list(accumulate((one.shift for one in changes), initial=offset))
        self._positions = [one.position for one in changes]
        self._starts = [one.position + by for one, by in zip(changes, self._offsets, strict=False)]
        self.shift = self._offsets[-1]

    def place_of(self, base: int) -> int:
        """Return where a base of the reference lies; see `Change.moved`."""
        index = bisect_right(self._positions, base) - 1
        if index < 0:
            return base + self._offsets[0]
        return self.changes[index].moved(base) + self._offsets[index]

    def letters(self, start: int, end: int, letters: Letters) -> str:
        """Return bases `start` to `end` (exclusive), both counted with the changes.

        Args:
            start: the first base.
            end: the base behind the last one.
            letters: of the reference.
        """
        pieces: list[str] = []
        at = start
        index = max(bisect_right(self._starts, start) - 1, 0)
        while index < len(self.changes) and self._starts[index] < end:
            first, alt = self._starts[index], self.changes[index].alt
            if at < first:
                pieces.append(letters(at - self._offsets[index], first - self._offsets[index]))
                at = first
            pieces.append(alt[at - first : end - first])
            at += len(pieces[-1])
            index += 1
        if at < end:
            pieces.append(letters(at - self._offsets[index], end - self._offsets[index]))
        return "".join(pieces)

    def before(self, index: int) -> tuple[int, int]:
        """Return where the change before one ends, and how far it is moved by all before it."""
        return self.changes[index - 1].end if index else 0, self._offsets[index]

    def within(self, start: int, end: int) -> tuple[int, int]:
        """Return the numbers of the first change and behind the last one that reach a stretch.

        Args:
            start: the first base, counted with the changes.
            end: the base behind the last one.
        """
        first = max(bisect_left(self._starts, start) - 1, 0)  # its letters may end in the stretch
        return first, bisect_right(self._starts, end)


class Haplotype:
    """The changes of one haplotype of one sequence, each in the place where it is written.

    Of two that overlap or insert at the same place, the later one is left out. Letters that both
    alleles of a variant begin or end with are padding, and may be those of another variant.

    Args:
        variants: (position, ref, alt), position 0-based, in any order; `ref` is what the reference
            has there (the caller has compared them), and the alleles are two sequences that differ
            (`alleles.CHANGES`).

    Attributes:
        left_out: of every variant left out its number, and that of the variant in its way. Numbers
            count from 0 as given.
    """

    def __init__(self, variants: Iterable[tuple[int, str, str]]) -> None:
        self.left_out: dict[int, int] = {}
        self._indices: dict[int, int] = {}  # of variants among the changes
        changes: list[Change] = []
        kept = -1
        unpadded = [(_unpadded(*variant), number) for number, variant in enumerate(variants)]
        for change, number in sorted(unpadded, key=_order):
            if changes and _collide(changes[-1], change):
                self.left_out[number] = kept
                continue
            self._indices[number] = len(changes)
            changes.append(change)
            kept = number
        self._written = Edited(changes)

    def around(self, number: int, window: int, letters: Letters, n_bases: int) -> "Surroundings":
        """Return a variant with all changes that reach into the windows that hold it.

        Args:
            number: of the variant, as given; none of `left_out`.
            window: bases per window.
            letters: of the reference.
            n_bases: of the whole sequence.
        """
        assert number not in self.left_out, f"variant {number} is left out"
        index, written = self._indices[number], self._written
        target = written.changes[index]
        change = normalised(*target, letters)
        # Anchors lie within a window of the change. Windows reach one window further, and what
        # moves to the left past an anchor moves them by less than another.
        start = written.place_of(change.position - window) - 2 * window
        end = written.place_of(target.end + window) + 2 * window
        first, last = written.within(start - N_BEYOND, end + N_BEYOND)
        floor, offset = written.before(first)
        together = _leftmost(written.changes[first:last], floor, letters)
        # Without the change others stay on their side of it, so that what differs is the change.
        left = _leftmost(written.changes[first:index], floor, letters)
        place = _left(target, left[-1].end if left else floor, letters)
        right = _leftmost(written.changes[index + 1 : last], place.end, letters)
        haplotype, background = Edited(together, offset), Edited([*left, *right], offset)
        n_haplotype = n_bases + written.shift
        return Surroundings(change, haplotype, background, letters, n_bases, n_haplotype)


@dataclass(frozen=True)
class Surroundings:
    """A change of a haplotype and the others around it.

    Attributes:
        change: alone, normalised: what its windows are made from.
        haplotype: the change and the others.
        background: the others.
        letters: of the reference.
        n_bases: of the whole sequence.
        n_haplotype: of the whole haplotype.
    """

    change: Change
    haplotype: Edited
    background: Edited
    letters: Letters
    n_bases: int
    n_haplotype: int

    def windows(self, pair: WindowPair, anchor: int) -> HaplotypeWindows:
        """Return the three windows that belong to a pair made for the change alone.

        The base at the anchor of the reference window lies at the anchor of all three, as far as
        it is left, and windows move inwards at the ends. Where a pair was found by a candidate
        that stands in inserted letters, the haplotype's window lies where that candidate is. If
        the change is the only one, reference and haplotype are as `alleles.letters_of` returns
        them, but for the case of letters, and the background is the reference. On a haplotype
        shorter than the window all three are as long as the shortest; nothing is left of one that
        lost all its bases.

        Args:
            pair: of `windows_of` or `anchored_windows`.
            anchor: index of the base of the window, counted on the forward strand, as for them.
        """
        change, base = self.change, pair.start + anchor
        n_background = self.n_haplotype - change.shift
        n_alternative = self.n_bases + change.shift
        length = min(pair.n_bases, self.n_haplotype, n_background)

        usual = _inside(change.moved(base) - anchor, pair.n_bases, n_alternative)
        moved = pair.alternative_start - usual  # not 0: a candidate in inserted letters
        first = _inside(self.haplotype.place_of(base) - anchor, length, self.n_haplotype)
        first = _inside(first + moved, length, self.n_haplotype)
        behind = _inside(self.background.place_of(base) - anchor, length, n_background)
        return HaplotypeWindows(
            self.letters(pair.start, pair.start + length),
            self.haplotype.letters(first, first + length, self.letters),
            self.background.letters(behind, behind + length, self.letters),
        )


def _inside(start: int, length: int, n_bases: int) -> int:
    return min(max(start, 0), n_bases - length)


def _unpadded(position: int, ref: str, alt: str) -> Change:
    """Return the change as VCF means it: the common prefix removed first, then the suffix."""
    backwards = trimmed(0, ref[::-1], alt[::-1])
    first = position + len(ref) - backwards.end
    return Change(first, backwards.ref[::-1], backwards.alt[::-1])


def _order(numbered: tuple[Change, int]) -> tuple[int, int, int]:
    change, number = numbered
    return change.position, change.end, number


def _collide(one: Change, following: Change) -> bool:
    return following.position < one.end or following.end == one.position


def _leftmost(changes: Iterable[Change], floor: int, letters: Letters) -> list[Change]:
    """Return the same haplotype with changes as far left as they go, and those that touch joined.

    Args:
        changes: in order.
        floor: the end of a change before them, which none of them may pass.
        letters: of the reference.
    """
    done: list[Change] = []
    for piece in (piece for change in changes for piece in _pieces(change)):
        change = _left(piece, done[-1].end if done else floor, letters)
        while done and done[-1].end == change.position:
            before = done.pop()
            ref, alt = before.ref + change.ref, before.alt + change.alt
            joint = Change(before.position, ref, alt)
            change = _left(joint, done[-1].end if done else floor, letters)
        if change.ref or change.alt:
            done.append(change)
    return done


def _left(change: Change, floor: int, letters: Letters) -> Change:
    """Return a change normalised as if the sequence began at `floor`."""

    def above(start: int, end: int) -> str:
        return letters(start + floor, end + floor)

    found = normalised(change.position - floor, change.ref, change.alt, above)
    return Change(found.position + floor, found.ref, found.alt)


def _pieces(change: Change) -> Iterator[Change]:
    """Yield the substitutions that an MNV stands for; other changes as they are."""
    position, ref, alt = change
    if len(ref) != len(alt):
        yield change
        return
    for differs, places in groupby(range(len(ref)), key=lambda at: ref[at] != alt[at]):
        if differs:
            first, *more = places
            last = more[-1] if more else first
            yield Change(position + first, ref[first : last + 1], alt[first : last + 1])
