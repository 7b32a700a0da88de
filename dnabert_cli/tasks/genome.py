"""A genome that windows are cut from: names matched, edges and N checked, refusals counted."""

import logging
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence

from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import DataError
from dnabert_cli.formats.indexed_fasta import IndexedFasta
from dnabert_cli.records import Interval
from dnabert_cli.sequence.background import known_stretches, merged
from dnabert_cli.tasks.dropped import Dropped

logger = logging.getLogger(__name__)

Places = Mapping[str, Sequence[tuple[int, int]]]

_PIECE = 1 << 22  # bases looked at together
_KNOWN = frozenset("ACGTacgt")
_N_NAMES = 5

NOT_IN_GENOME = "on a sequence the genome lacks"
PAST_THE_END = "past the end of the sequence"
TOO_MANY_N = "with too many N"


class Genome:
    """Random access to windows of a FASTA (plain, bgzip) or 2bit file.

    Names are taken as they are; where the genome lacks one, `chr1` and `1` are tried for each
    other, and a line of the log says so.

    Args:
        path: the file.
        max_unknown: share of letters other than A, C, G, T a window may have.

    Raises:
        FormatError: the file is missing, broken, or cannot be read at random.
    """

    def __init__(self, path: str, max_unknown: float) -> None:
        self.path = path
        self._fasta = IndexedFasta(path)
        self._max_unknown = max_unknown
        self._names = {name: name for name in self._fasta.names()}
        self._renamed: set[str] = set()

    def resolve(self, chrom: str) -> str | None:
        """Return the name the genome has for a sequence, `None` where it has none."""
        if chrom in self._names:
            return chrom
        other = chrom.removeprefix("chr") if chrom.startswith("chr") else f"chr{chrom}"
        if other not in self._names:
            return None
        if not self._renamed:
            logger.warning("%s has no %s: %s is read instead, and so on", self.path, chrom, other)
        self._renamed.add(chrom)
        return other

    def check_names(self, chroms: set[str], source: str) -> None:
        """Refuse a source none of whose sequences the genome has.

        Raises:
            DataError: there is no name in common.
        """
        if chroms and all(self.resolve(chrom) is None for chrom in chroms):
            raise DataError(
                f"{source} and {self.path} have no sequence in common: "
                f"{_shown(sorted(chroms))} against {_shown(self._fasta.names())}",
                hint="use the genome the places refer to",
            )

    def cut(self, place: Interval, dropped: Dropped) -> Interval | None:
        """Return a place with the genome's name for it; `None` where no window can be cut."""
        chrom = self.resolve(place.chrom)
        if chrom is None:
            dropped.add(NOT_IN_GENOME, place.chrom)
            return None
        if place.start < 0 or place.end > self._fasta.length(chrom):
            dropped.add(PAST_THE_END, _text(place))
            return None
        return Interval(chrom, place.start, place.end, place.name, place.strand)

    def sequence(self, place: Interval, dropped: Dropped | None = None) -> str | None:
        """Return the letters of a place on its strand; `None`, and counted, with too many N.

        Args:
            place: as `cut` returned it; strand `.` is read like `+`.
            dropped: where refusals are counted, if anywhere.
        """
        text = self._fasta.fetch(place).sequence
        if unknown_share(text) > self._max_unknown:
            if dropped is not None:
                dropped.add(TOO_MANY_N, _text(place))
            return None
        return reverse_complement(text) if place.strand == "-" else text

    def known_stretches(self, min_length: int, within: Places | None = None) -> Places:
        """Return the stretches without N of at least `min_length` bases, by sequence.

        Args:
            min_length: shorter ones hold no window.
            within: the only places looked at, by the genome's names; `None`: everywhere.
        """
        if within is None:
            within = {name: [(0, self._fasta.length(name))] for name in self._fasta.names()}
        found: dict[str, list[tuple[int, int]]] = {}
        for chrom, places in within.items():
            whole = merged(
                stretch for start, end in places for stretch in self._pieces(chrom, start, end)
            )
            kept = [(start, end) for start, end in whole if end - start >= min_length]
            if kept:
                found[chrom] = kept
        return found

    def _pieces(self, chrom: str, start: int, end: int) -> Iterator[tuple[int, int]]:
        """Look at a place piece by piece: a chromosome need not lie in memory."""
        for first in range(start, end, _PIECE):
            last = min(first + _PIECE, end)
            text = self._fasta.fetch(Interval(chrom, first, last)).sequence
            for low, high in known_stretches(text, 1):
                yield first + low, first + high

    def clipped(self, places: Sequence[Interval], source: str) -> dict[str, list[tuple[int, int]]]:
        """Return places by the genome's names, sorted, merged and within its sequences.

        Raises:
            DataError: none lies on a sequence of the genome.
        """
        self.check_names({place.chrom for place in places}, source)
        found: dict[str, list[tuple[int, int]]] = {}
        outside = Dropped()
        for place in places:
            chrom = self.resolve(place.chrom)
            if chrom is None:
                outside.add(NOT_IN_GENOME, _text(place))
            elif place.start >= self._fasta.length(chrom):
                outside.add(PAST_THE_END, _text(place))
            else:
                end = min(place.end, self._fasta.length(chrom))
                found.setdefault(chrom, []).append((place.start, end))
        outside.log(f"regions of {source}")
        return {chrom: merged(each) for chrom, each in found.items()}


def unknown_share(text: str) -> float:
    """Return the share of letters other than A, C, G and T; 0 of no letters."""
    return (len(text) - sum(map(text.count, _KNOWN))) / max(len(text), 1)


def overlap(places: Places, chrom: str, start: int, end: int) -> bool | None:
    """Tell whether a stretch lies inside one of the places; `None` where it crosses a border.

    Args:
        places: per sequence sorted and disjoint.
        chrom: the sequence of the stretch.
        start: its first base.
        end: the base behind it.
    """
    here = places.get(chrom, ())
    nearest = bisect_right(here, start, key=lambda place: place[0])
    for low, high in here[max(nearest - 1, 0) : nearest + 1]:
        if low <= start and end <= high:
            return True
        if low < end and start < high:
            return None
    return False


def _text(place: Interval) -> str:
    return f"{place.chrom}:{place.start}-{place.end}"


def _shown(names: Sequence[str]) -> str:
    more = ", …" if len(names) > _N_NAMES else ""
    return ", ".join(names[:_N_NAMES]) + more
