"""Every base replaced by every other, and left out: the records of a VCF that nobody has to write.

Each allele is one record and comes once. Leaving out any base of a run such as AAA gives the same
sequence, so of a run only the first base is left out. It is not left out where VCF has no letter
to write it with: behind a code such as R, and where it is the only base of its sequence.
"""

import logging
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
import numpy.typing as npt

from dnabert_cli.errors import DataError, shown
from dnabert_cli.formats.bed import read_numbered
from dnabert_cli.formats.indexed_fasta import IndexedFasta
from dnabert_cli.formats.vcf import COLUMNS, VariantRecord
from dnabert_cli.formats.vcf_header import parse_header
from dnabert_cli.records import Interval
from dnabert_cli.sequence.alleles import normalised
from dnabert_cli.sequence.substitutions import LETTERS

logger = logging.getLogger(__name__)

_PADDING = f"{LETTERS}N"  # the letters that VCF allows in REF
_PIECE = 1 << 20  # bases read together: a chromosome need not lie in memory
# Source: "The Variant Call Format Specification", VCFv4.3, section 1.4.7.
_IS_CONTIG = re.compile(r"[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*").fullmatch


class Saturation:
    """All substitutions of regions of a genome, and all deletions of one base if asked for.

    Regions that overlap are one, so that no allele comes twice; others stay apart. Everything
    that can be wrong with the files is found here, not while records are read.

    Args:
        genome: FASTA (plain or bgzip) or 2bit file.
        regions: BED file, or `-`; `None`: every sequence of the genome, whole.
        deletions: whether bases are also left out, one at a time.

    Attributes:
        header: of the records, as if they came from a file.
        regions: in the order of the genome, then by start, on the forward strand. Name and strand
            are those of the BED file; the names of joined rows are joined by commas, a strand on
            which they differ becomes `.`.
        n_alleles: how many records there are.
        n_unknown: bases other than A, C, G, T and U, which have none.

    Raises:
        FormatError: a file is missing or broken, or the genome cannot be read at random.
        DataError: a region does not lie on the genome, there is no base to replace, or the name
            of a sequence cannot stand in a VCF.
    """

    def __init__(self, genome: str, regions: str | None, *, deletions: bool) -> None:
        self._fasta = IndexedFasta(genome)
        self._deletions = deletions
        lengths = {name: self._fasta.length(name) for name in self._fasta.names()}
        if regions is None:
            whole = (Interval(name, 0, n_bases) for name, n_bases in lengths.items())
            self.regions = tuple(region for region in whole if region.end > 0)
        else:
            self.regions = _merged(_read(regions, self._fasta), list(lengths))
        for region in self.regions:
            _check_name(genome, region.chrom)
        contigs = {name: n_bases for name, n_bases in lengths.items() if _IS_CONTIG(name)}
        self.header = parse_header(
            genome,
            [
                "##fileformat=VCFv4.3",
                f"##reference={' '.join(genome.split())}",  # a name may hold line ends
                *(f"##contig=<ID={name},length={n_bases}>" for name, n_bases in contigs.items()),
            ],
            "\t".join(COLUMNS),
        )
        n_known = n_deletions = self.n_unknown = 0
        for piece in self._pieces():
            known = sum(map(piece.text.count, LETTERS))
            n_known += known
            self.n_unknown += len(piece.text) - known
            n_deletions += int(piece.shortens.sum())
        self.n_alleles = (len(LETTERS) - 1) * n_known + n_deletions
        if not self.n_alleles:
            raise DataError(
                f"{shown(genome if regions is None else regions)}: there is no A, C, G or T to "
                "replace"
            )
        n_bases = sum(region.end - region.start for region in self.regions)
        logger.info(
            "alleles: %s, bases: %s, regions: %s; bases that are no A, C, G or T: %s",
            *(f"{n:,}" for n in (self.n_alleles, n_bases, len(self.regions), self.n_unknown)),
        )

    def sequence(self, region: Interval) -> str:
        """Return the forward letters of a region in upper case, U as T."""
        return self._letters(region.chrom, region.start, region.end)

    def wider(self, region: Interval, reach: int) -> Interval:
        """Return a region with up to `reach` more bases on both sides."""
        end = min(region.end + reach, self._fasta.length(region.chrom))
        return replace(region, start=max(region.start - reach, 0), end=end)

    def records(self) -> Iterator[VariantRecord]:
        """Yield one record per allele, sorted within each sequence.

        At a position stand the substitutions by A, C, G and T, then the deletion of the base
        behind it, written with the base at the position in front. The deletion of the first base
        of a sequence stands at that base, written with the base behind it.
        """
        number = 0
        for piece in self._pieces():
            for position, ref, alt in piece.alleles():
                number += 1
                line = f"{piece.chrom}\t{position + 1}\t.\t{ref}\t{alt}\t.\t.\t."
                yield VariantRecord(number, piece.chrom, position, ".", ref, (alt,), line)

    def _letters(self, chrom: str, start: int, end: int) -> str:
        return self._fasta.fetch(Interval(chrom, start, end)).sequence.upper()

    def _pieces(self) -> Iterator["_Piece"]:
        """Read all regions, a part after the other."""
        chrom, end_before = "", 0
        for region in self.regions:
            is_repeated = chrom == region.chrom and self._is_repeated(region, end_before)
            for start in range(region.start, region.end, _PIECE):
                text = self._letters(region.chrom, start, min(start + _PIECE, region.end))
                beside = self._beside(region.chrom, start)
                shortens = _shortens(beside, text) & self._deletions
                if start == region.start:
                    known = text[0] in LETTERS and beside in _PADDING
                    shortens[0] = self._deletions and known and not is_repeated
                yield _Piece(region.chrom, start, text, beside, shortens)
            chrom, end_before = region.chrom, region.end

    def _is_repeated(self, region: Interval, end_before: int) -> bool:
        """Tell whether the run that a region begins in began before a place."""
        letters = partial(self._letters, region.chrom)
        letter = letters(region.start, region.start + 1)
        if not self._deletions or letter not in LETTERS:
            return False
        return normalised(region.start, letter, "", letters).position < end_before

    def _beside(self, chrom: str, start: int) -> str:
        """Return the letter before a base, behind the first one; `-` of an only one."""
        if start > 0:
            return self._letters(chrom, start - 1, start)
        return self._letters(chrom, 1, 2) if self._fasta.length(chrom) > 1 else "-"


@dataclass(frozen=True, eq=False)
class _Piece:
    """A part of a region.

    Attributes:
        chrom: the sequence.
        start: 0-based, of the first letter.
        text: `[L]` letters.
        beside: the letter that the deletion of the first base is written with.
        shortens: `[L]`, whether the deletion of a base is a record.
    """

    chrom: str
    start: int
    text: str
    beside: str
    shortens: npt.NDArray[np.bool_]

    def alleles(self) -> Iterator[tuple[int, str, str]]:
        """Yield position, REF and ALT of every record, sorted by position."""
        before = self.beside
        places = zip(range(self.start, self.start + len(self.text)), self.text, strict=True)
        for (place, letter), shortens in zip(places, self.shortens.tolist(), strict=True):
            if shortens and place > 0:
                yield place - 1, before + letter, before
            if letter in LETTERS:
                yield from ((place, letter, other) for other in LETTERS if other != letter)
            if shortens and place == 0:
                yield place, letter + before, before
            before = letter


def _shortens(beside: str, text: str) -> npt.NDArray[np.bool_]:
    """Tell `[L]` which bases begin a run, and can be left out behind the letter before them."""
    before = np.frombuffer(f"{beside}{text[:-1]}".encode(), dtype=np.uint8)
    codes = np.frombuffer(text.encode(), dtype=np.uint8)
    known, padding = (np.frombuffer(each.encode(), dtype=np.uint8) for each in (LETTERS, _PADDING))
    shortens: npt.NDArray[np.bool_] = codes != before
    return shortens & np.isin(codes, known) & np.isin(before, padding)


def _read(path: str, fasta: IndexedFasta) -> list[Interval]:
    """Read regions; an error says in which line."""
    regions = []
    for line, region in read_numbered(path):
        try:
            fasta.check(region)
        except DataError as error:
            raise DataError(f"{shown(path)}:{line}: {error.args[0]}", hint=error.hint) from error
        regions.append(region)
    if not regions:
        raise DataError(f"{shown(path)} holds no regions")
    return regions


def _merged(regions: Sequence[Interval], chroms: Sequence[str]) -> tuple[Interval, ...]:
    """Return regions in order, overlapping ones joined."""
    order = {chrom: number for number, chrom in enumerate(chroms)}
    joined: list[list[Interval]] = []
    end = 0
    for region in sorted(regions, key=lambda each: (order[each.chrom], each.start, each.end)):
        if joined and joined[-1][0].chrom == region.chrom and region.start < end:
            joined[-1].append(region)
            end = max(end, region.end)
        else:
            joined.append([region])
            end = region.end
    return tuple(map(_joined, joined))


def _joined(rows: Sequence[Interval]) -> Interval:
    names = dict.fromkeys(row.name for row in rows if row.name != ".")
    strands = {row.strand for row in rows}
    return Interval(
        rows[0].chrom,
        rows[0].start,
        max(row.end for row in rows),
        ",".join(names) or ".",
        strands.pop() if len(strands) == 1 else ".",
    )


def _check_name(genome: str, chrom: str) -> None:
    if not _IS_CONTIG(chrom):
        raise DataError(
            f"{genome}: the name {chrom!r} cannot stand in a VCF",
            hint="rename the sequence: letters, digits and . _ | - are fine",
        )
