"""The windows a change is read in, and each different window of many changes only once."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from dnabert_cli.config import TaskConfig
from dnabert_cli.dna import reverse_complement
from dnabert_cli.sequence.alleles import (
    Change,
    Letters,
    WindowPair,
    anchored_windows,
    centred_start,
    letters_of,
    windows_of,
)
from dnabert_cli.tasks.genome import unknown_share
from dnabert_cli.variants_config import N_OFFSETS

STRANDS = ("+", "-")

_SHORTEST = 2  # windows are at least one in so many parts of the model's


@dataclass(frozen=True)
class WindowPlan:
    """Where the windows of a model lie around a change.

    Attributes:
        window: bases per window.
        anchor: base of the window, on its strand, that an answer belongs to.
        candidates: of the model, `None` where windows lie on a grid.
        offsets: windows per strand; `None`: all candidates within reach.
    """

    window: int
    anchor: int
    candidates: tuple[tuple[str, int], ...] | None
    offsets: int | None

    @classmethod
    def of(cls, task: TaskConfig, window: int, anchor: int, offsets: int | None) -> "WindowPlan":
        """Return the plan of a model; `offsets` wins over what the model says."""
        wanted = task.offsets if offsets is None else offsets
        if wanted is None and task.candidates is None:
            wanted = N_OFFSETS
        return cls(window, anchor, task.candidates, wanted)

    @property
    def step(self) -> int:
        """Bases from one window of the grid to the next; every place lies inside of a window."""
        assert self.offsets is not None, "windows at candidates lie on no grid"
        return max(1, min(round(self.window / self.offsets), self.window - 1))

    @property
    def shortest(self) -> int:
        """Bases a window must have: what a model says of far less than it was made for is noise."""
        return self.window // _SHORTEST

    def held(self, strand: str) -> int:
        """Return where in a window the anchor lies, counted on the forward strand."""
        return self.anchor if strand == "+" else self.window - 1 - self.anchor

    def pairs(
        self, change: Change, letters: Letters, n_bases: int, strand: str
    ) -> list[WindowPair]:
        """Return the windows of a strand that hold a change, in order of their start.

        On the grid all that do. Of a model with candidates the one with the change at its centre
        and those at candidates, of these the nearest to the change if not all are wanted.
        """
        held = self.held(strand)
        if self.candidates is None:
            return windows_of(change, self.window, self.step, n_bases, held)
        found = anchored_windows(
            change,
            letters,
            n_bases,
            window=self.window,
            anchor=self.anchor,
            candidates=self.candidates,
            strand=strand,
        )
        if self.offsets is None or len(found) <= self.offsets:
            return found
        middle = centred_start(change, self.window, found[0].n_bases, n_bases, strand)
        nearest = sorted(
            found,
            key=lambda one: (
                one.start != middle,
                abs(one.start + held - change.position),
                one.start,
            ),
        )
        kept = set(nearest[: self.offsets])
        return [one for one in found if one in kept]


@dataclass(frozen=True, slots=True)
class Reading:
    """A pair of windows read on a strand.

    Attributes:
        strand: index in `STRANDS`.
        pair: where they lie.
        reference: index of the reference window's text among all texts.
        alternative: index of the alternative one's.
    """

    strand: int
    pair: WindowPair
    reference: int
    alternative: int


@dataclass
class WindowTexts:
    """The letters of windows, 5' to 3' on their strand; each different one once.

    Attributes:
        texts: in the order in which they were first asked for.
        n_asked: how often one was asked for.
    """

    texts: list[str] = field(default_factory=list)
    n_asked: int = 0
    _places: dict[str, int] = field(default_factory=dict)

    def index(self, forward: str, strand: str) -> int:
        """Return the index of a window, taking it in where it is new."""
        text = reverse_complement(forward) if strand == "-" else forward
        text = text.upper()
        self.n_asked += 1
        place = self._places.setdefault(text, len(self.texts))
        if place == len(self.texts):
            self.texts.append(text)
        return place


@dataclass(frozen=True)
class Readings:
    """All readings of one change.

    Attributes:
        used: those that can be read; none if no pair of windows differs.
        n_unknown: pairs left out for too many N.
        n_alike: pairs of equal windows, if none differs.
    """

    used: Sequence[Reading]
    n_unknown: int
    n_alike: int = 0


def readings_of(
    change: Change,
    letters: Letters,
    n_bases: int,
    plan: WindowPlan,
    max_unknown: float,
    texts: WindowTexts,
    *,
    least: int,
) -> Readings:
    """Take the windows of a change into `texts`, on both strands.

    Args:
        change: normalised.
        letters: of the reference.
        n_bases: of the sequence.
        plan: where windows lie.
        max_unknown: share of letters other than A, C, G and T from which a pair is left out.
        texts: added to.
        least: bases; shorter windows are left out.
    """
    used: list[Reading] = []
    n_unknown = 0
    for number, strand in enumerate(STRANDS):
        for pair in plan.pairs(change, letters, n_bases, strand):
            if pair.n_bases < least:
                continue
            reference, alternative = letters_of(pair, change, letters)
            if max(unknown_share(reference), unknown_share(alternative)) > max_unknown:
                n_unknown += 1
                continue
            indices = texts.index(reference, strand), texts.index(alternative, strand)
            used.append(Reading(number, pair, *indices))
    if used and all(one.reference == one.alternative for one in used):
        return Readings((), n_unknown, len(used))
    return Readings(used, n_unknown)
