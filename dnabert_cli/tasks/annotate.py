"""Look up what is known of alleles: rows of an indexed file that make the same change.

Alleles of both sides come to their one form (`sequence/alleles.py`) before they are compared, so
it does not matter how either is written. To find a row wherever it was put, the file is asked for
all bases where the change can stand. Rows without alleles are found by place: those that overlap
the changed bases, which of an insertion are the two around it.
"""

import logging
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path

from dnabert_cli.dna import may_be_equal, to_dna
from dnabert_cli.formats.annotations import Annotated, Annotations, open_annotations
from dnabert_cli.formats.contig_names import normalise_contig
from dnabert_cli.formats.info_tags import InfoTag
from dnabert_cli.sequence.alleles import CHANGES, Change, Letters, classify, normalised, trimmed
from dnabert_cli.tasks.dropped import Dropped

logger = logging.getLogger(__name__)

_FARTHEST = 10_000  # bases to the right that the same indel is looked for
_PADDING = 50  # letters in front of a change, where the index knows only starts of rows
_NEAR = 256  # bases from one look-up to the next that make reading ahead worth it
_N_AHEAD, _AHEAD = 16, 4096  # look-ups worth of bases that are read ahead, and bases at most
_CHUNK = 256


class Annotator:
    """Looks up alleles in an indexed VCF, BCF, BED or table.

    Args:
        path: the file.
        fields: what to look up; see `open_annotations`.

    Attributes:
        tags: one for each field.
        n_alleles: alleles looked up.
        n_matched: those of them that a row of the file matches.

    Raises:
        FormatError: the file or its index is missing or broken, or lacks a field.
        OptionsError: the fields cannot be used.
    """

    def __init__(self, path: str, fields: Sequence[str] | None = None) -> None:
        self._source = open_annotations(path, fields)
        self.tags = tuple(_tags(self._source))
        self.n_alleles = 0
        self.n_matched = 0
        self._contigs: dict[str, str | None] = {}
        self._block: _Block | None = None
        self._last = 0  # base of the last look-up
        self._other_ref = _OtherRef()
        self._dropped = Dropped()

    def values(
        self, chrom: str, n_bases: int, changes: Sequence[Change | None], letters: Letters
    ) -> dict[str, list[str | None]]:
        """Return the values of alleles `[A]` of one sequence, by key of INFO.

        The distinct values of several rows are separated by `|`; `None` where there is none.
        Alleles in the order of the sequence are found fastest.

        Args:
            chrom: the sequence, as the genome names it.
            n_bases: of it.
            changes: `[A]`, normalised; `None` for those not to look up.
            letters: of the sequence.

        Raises:
            FormatError: the file is damaged.
        """
        found: dict[str, list[str | None]] = {tag.id: [None] * len(changes) for tag in self.tags}
        contig = self._contig(chrom, n_bases)
        real = [(one, row) for row, one in enumerate(changes) if one and (one.ref or one.alt)]
        self.n_alleles += len(real)
        if contig is None:
            for change, _ in real:
                self._dropped.add(f"on sequences {self._source.path} lacks", _place(chrom, change))
            return found
        for change, row in sorted(real):
            matches = self._matches(contig, n_bases, change, letters)
            self.n_matched += bool(matches)
            for name, texts in _texts(matches).items():
                found[name][row] = _joined(texts)
        return found

    def log(self) -> None:
        """Say how many alleles were found, and what could not be compared."""
        name = self._source.path
        logger.info("%s: %d of %d alleles found", name, self.n_matched, self.n_alleles)
        self._dropped.log("alleles to annotate")
        other = self._other_ref
        if other.n_rows:
            logger.warning(
                "%s: %d of the %d rows looked at have another REF than the genome and match "
                "nothing (first: %s); is it of the same assembly?",
                name, other.n_rows, other.n_seen, other.first,
            )  # fmt: skip

    def _contig(self, chrom: str, n_bases: int) -> str | None:
        """Return the file's name of a sequence of the genome; other names are told once."""
        if chrom not in self._contigs:
            found = _contig_of(self._source, chrom, n_bases)
            if found not in {None, chrom} and all(
                one in {None, name} for name, one in self._contigs.items()
            ):
                logger.info("%s of %s is read as %s, and so on", found, self._source.path, chrom)
            self._contigs[chrom] = found
        return self._contigs[chrom]

    def _matches(
        self, contig: str, n_bases: int, change: Change, letters: Letters
    ) -> "list[tuple[Annotated, int]]":
        """Return the rows that tell of a change, each with the index of its allele."""
        low = max(change.position - 1, 0)
        high = min(rightmost_end(change, n_bases, letters) + 1, n_bases)
        if not self._source.has_extent:
            low = max(low - _PADDING, 0)
        block = self._block
        if block is None or not block.holds(contig, low, high):
            step = change.position - self._last
            near = block is not None and block.contig == contig and 0 <= step <= _NEAR
            ahead = min(_N_AHEAD * step, _AHEAD) if near else 0
            block = _Block(contig, low, max(high, min(high + ahead, n_bases)), letters)
            block.read(self._source, n_bases, self._other_ref)
            self._block = block
        self._last = change.position
        return block.matches(change)


class _OtherRef:
    """Counts rows whose REF the genome does not have, of those looked at, each once."""

    def __init__(self) -> None:
        self.n_rows = 0
        self.n_seen = 0
        self.first = ""
        self._contig = ""
        self._until = 0

    def add(self, contig: str, row: Annotated, *, agrees: bool) -> None:
        """Count a row, unless it lies where rows were counted before."""
        if contig == self._contig and row.position < self._until:
            return
        self.n_seen += 1
        if not agrees:
            self.first = self.first or f"{contig}:{row.position + 1} {row.ref}"
            self.n_rows += 1

    def read_until(self, contig: str, end: int) -> None:
        """Take all rows in front of a base as counted."""
        self._until = max(end, self._until) if contig == self._contig else end
        self._contig = contig


class _Block:
    """The rows that overlap a stretch of a sequence, by what they change."""

    def __init__(self, contig: str, start: int, end: int, letters: Letters) -> None:
        self.contig = contig
        self._start, self._end = start, end
        self._letters = letters
        self._by_change: dict[Change, list[tuple[Annotated, int]]] = {}
        self._indels: dict[int, list[tuple[Annotated, int, str]]] = {}  # by shift, not yet moved
        self._places: list[Annotated] = []
        self._longest = 0  # of the places

    def holds(self, contig: str, start: int, end: int) -> bool:
        """Tell whether all rows that overlap a stretch are here."""
        return contig == self.contig and self._start <= start and end <= self._end

    def read(self, source: Annotations, n_bases: int, other_ref: _OtherRef) -> None:
        """Read the rows."""
        genome = _upper(self._letters(self._start, self._end))
        for row in source.records(self.contig, self._start, self._end):
            if row.ref is None:
                self._places.append(row)
                self._longest = max(self._longest, row.end - row.position)
                continue
            ref = ""
            if row.position >= 0 and row.end <= n_bases:
                is_inside = self._start <= row.position and row.end <= self._end
                low, high = row.position - self._start, row.end - self._start
                ref = (
                    genome[low:high] if is_inside else _upper(self._letters(row.position, row.end))
                )
            agrees = may_be_equal(_upper(row.ref), ref)
            other_ref.add(self.contig, row, agrees=agrees)
            if agrees:
                self._take(row, ref)
        other_ref.read_until(self.contig, self._end)

    def _take(self, row: Annotated, ref: str) -> None:
        for index, alt in enumerate(row.alts):
            if classify(ref, alt) not in CHANGES:
                continue
            change = trimmed(row.position, ref, alt)
            if change.ref and change.alt:
                self._by_change.setdefault(change, []).append((row, index))
            else:
                self._indels.setdefault(change.shift, []).append((row, index, ref))

    def matches(self, change: Change) -> list[tuple[Annotated, int]]:
        """Return the rows that make a change or lie where it does, with the index of the allele."""
        if self._places:
            return [(row, 0) for row in self._overlapping(change)]
        if not (change.ref and change.alt):
            for row, index, ref in self._indels.pop(change.shift, ()):
                moved = normalised(row.position, ref, row.alts[index], self._letters)
                self._by_change.setdefault(moved, []).append((row, index))
        return self._by_change.get(change, [])

    def _overlapping(self, change: Change) -> Iterator[Annotated]:
        low, high = change.position, change.end
        if low == high:
            low, high = low - 1, high + 1
        first = bisect_left(self._places, low - self._longest, key=lambda row: row.position)
        for row in self._places[first:]:
            if row.position >= high:
                break
            if row.end > low:
                yield row


def rightmost_end(change: Change, n_bases: int, letters: Letters) -> int:
    """Return the base behind the rightmost place where a change can be written.

    Only an insertion or a deletion can move; after 10 kb of a repeat the search ends.

    Args:
        change: normalised, so that it stands leftmost.
        n_bases: of the sequence.
        letters: of it.
    """
    end, unit = change.end, change.ref or change.alt
    if change.ref and change.alt:
        return end
    limit = min(n_bases, end + _FARTHEST)
    while end < limit:
        behind = _upper(letters(end, min(end + _CHUNK, limit)))
        repeated = (unit * (len(behind) // len(unit) + 1))[: len(behind)]
        pairs = enumerate(zip(behind, repeated, strict=True))
        n_equal = next((n for n, (one, other) in pairs if one != other), len(behind))
        end += n_equal
        turn = n_equal % len(unit)
        unit = unit[turn:] + unit[:turn]
        if n_equal < len(behind):
            break
    return end


def _tags(source: Annotations) -> Iterator[InfoTag]:
    name = Path(source.path).name
    how = "of the same allele" if source.by_allele else "of the same place"
    for field in source.fields:
        about = f": {field.description}" if field.description else ""
        text = f"{field.source} {how} in {name}{about}"
        yield InfoTag(field.name, "A", "String", text, replaces=False)


def _contig_of(source: Annotations, chrom: str, n_bases: int) -> str | None:
    """Return the file's name of a sequence; `None` if it has none, or one of another length."""
    found = chrom if chrom in source.contigs else None
    if found is None:
        genome = {chrom: n_bases}
        same = [
            name for name, length in source.contigs.items()
            if normalise_contig(name, genome, length) is not None
        ]  # fmt: skip
        found = same[0] if len(same) == 1 else None
    if found is None:
        return None
    length = source.contigs[found]
    if length not in {None, n_bases}:
        logger.warning(
            "%s declares %s with %d bases, the genome has %d: it is of another assembly, nothing "
            "is looked up there",
            source.path, found, length, n_bases,
        )  # fmt: skip
        return None
    return found


def _texts(matches: Sequence[tuple[Annotated, int]]) -> dict[str, list[str]]:
    """Return the distinct values of several rows, by name of the field."""
    found: dict[str, list[str]] = {}
    for row, index in matches:
        for name, values in row.values.items():
            text = values[index]
            if text is not None and text not in found.setdefault(name, []):
                found[name].append(text)
    return found


def _joined(texts: Sequence[str]) -> str | None:
    """Return several values as one; what several hold is said once."""
    if len(texts) < 2:
        return texts[0] if texts else None
    return "|".join(dict.fromkeys(item for text in texts for item in text.split("|")))


def _upper(text: str) -> str:
    return to_dna(text).upper()


def _place(chrom: str, change: Change) -> str:
    return f"{chrom}:{change.position + 1}"
