"""Alleles of a variant file on a genome: which sequence, whether REF is right, what changes.

Every alternative allele ends up either as a `Change` in its one form or with a reason why not.
"""

import logging
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass

from dnabert_cli.dna import IUPAC, may_be_equal
from dnabert_cli.errors import DataError, FormatError, shown
from dnabert_cli.formats.contig_names import normalise_contig
from dnabert_cli.formats.indexed_fasta import IndexedFasta, NotIndexableError
from dnabert_cli.formats.vcf import VariantRecord
from dnabert_cli.records import Interval
from dnabert_cli.sequence.alleles import CHANGES, Change, Letters, classify, normalised

logger = logging.getLogger(__name__)

# Why an allele has no score, as `DNABERT_WHY` gives it. Answers keep a reason by its index, 0 for
# none: new ones go to the end.
REASONS = (
    "",
    "unknown_sequence",  # CHROM is no sequence of the genome
    "telomere",  # POS 0
    "past_the_end",  # of its sequence
    "ref_mismatch",
    "symbolic",
    "breakend",
    "spanning_deletion",  # the allele *
    "missing",  # . among the alleles, REF among them
    "invalid",  # letters that are no IUPAC code, in REF too
    "ambiguous",  # letters that stand for several bases
    "same_as_reference",
    "unknown_bases",  # all windows have too many N
    "too_short",  # the sequence has no window that can be read
    "low_importance",  # see --min-importance
    "no_alternative",  # of a whole record: ALT is .
    "not_in_a_window",  # no window shows a difference
)
_OF_KIND = {"same": "same_as_reference", "spanning": "spanning_deletion"}

_IS_DNA = re.compile(f"[{IUPAC}]+", re.IGNORECASE).fullmatch

_BLOCK = 1 << 16  # bases read at a time
_N_BLOCKS = 8


@dataclass(frozen=True, slots=True)
class Allele:
    """An alternative allele on the genome.

    Attributes:
        chrom: the sequence, as the genome names it.
        n_bases: of that sequence.
        change: what it changes, in its one form; `None` where there is a reason.
        reason: of `REASONS`, why it cannot be scored; empty where it can.
    """

    chrom: str
    n_bases: int
    change: Change | None
    reason: str = ""


class VariantGenome:
    """The genome that variants are read on.

    Args:
        path: FASTA (plain or bgzip) or 2bit.
        on_mismatch: `error` refuses a REF that is not in the genome, `skip` gives it a reason.
        variants: the file with the variants, for messages.

    Attributes:
        path: as given.
        lengths: of the sequences, by name.

    Raises:
        FormatError: the file is missing, broken, or cannot be read at random.
    """

    def __init__(self, path: str, on_mismatch: str = "skip", variants: str = "variants") -> None:
        try:
            self._fasta = IndexedFasta(path)
        except NotIndexableError as error:
            raise FormatError(
                path, "cannot be read at random", hint="pack it with bgzip, or unpack it"
            ) from error
        self.path = path
        self._on_mismatch = on_mismatch
        self._variants = variants
        self.lengths = {name: self._fasta.length(name) for name in self._fasta.names()}
        self._names: dict[str, str | None] = {}
        self._blocks: OrderedDict[tuple[str, int], str] = OrderedDict()

    def letters(self, chrom: str) -> Letters:
        """Return the letters of a sequence, as a function of start and end."""
        n_bases = self.lengths[chrom]

        def between(start: int, end: int) -> str:
            start, end = max(start, 0), min(end, n_bases)
            blocks = range(start // _BLOCK, (max(end, start + 1) - 1) // _BLOCK + 1)
            text = "".join(self._block(chrom, one) for one in blocks)
            first = start - blocks.start * _BLOCK
            return text[first : first + max(end - start, 0)]

        return between

    def _block(self, chrom: str, number: int) -> str:
        """Read a block, or find it among the last ones read: packed genomes are slow at random."""
        key = (chrom, number)
        if key not in self._blocks:
            start = number * _BLOCK
            place = Interval(chrom, start, min(start + _BLOCK, self.lengths[chrom]))
            self._blocks[key] = self._fasta.fetch(place).sequence
            if len(self._blocks) > _N_BLOCKS:
                self._blocks.popitem(last=False)
        self._blocks.move_to_end(key)
        return self._blocks[key]

    def check_contigs(self, path: str, contigs: Mapping[str, int | None]) -> None:
        """Say which sequences that a header declares have another length here."""
        for name, length in contigs.items():
            found = self.name_of(name, length)
            if found is not None and length is not None and length != self.lengths[found]:
                logger.warning(
                    "%s declares %s with %d bases, %s has %d: is it the same assembly?",
                    shown(path), name, length, self.path, self.lengths[found],
                )  # fmt: skip
                return

    def name_of(self, chrom: str, length: int | None = None) -> str | None:
        """Return the genome's name of a sequence; `None` if it has none. Other names are told."""
        if chrom not in self._names:
            found = normalise_contig(chrom, self.lengths, length)
            if found is not None and found != chrom:
                if all(one in {None, name} for name, one in self._names.items()):
                    logger.info("%s is read as %s of %s, and so on", chrom, found, self.path)
                logger.debug("%s is read as %s", chrom, found)
            self._names[chrom] = found
        return self._names[chrom]

    def alleles(self, record: VariantRecord, length: int | None = None) -> list[Allele]:
        """Return the alternative alleles of a record, each with its change or a reason.

        Args:
            record: as read.
            length: of its sequence, as the header of the file declares it.

        Raises:
            DataError: REF is not in the genome, and `on_mismatch` is `error`.
        """
        chrom = self.name_of(record.chrom, length)
        n_bases = 0 if chrom is None else self.lengths[chrom]
        end = record.position + len(record.ref)
        place = ""
        if chrom is None:
            place = "unknown_sequence"
        elif record.is_telomere:
            place = "telomere"
        elif not _IS_DNA(record.ref):
            place = "missing" if record.ref == "." else "invalid"
        elif end > n_bases:
            place = "past_the_end"
        if chrom is None or place:
            return [Allele(chrom or record.chrom, n_bases, None, place) for _ in record.alts]
        letters = self.letters(chrom)
        ref = letters(record.position, end)
        if not self._agrees(record, ref):
            return [Allele(chrom, n_bases, None, "ref_mismatch") for _ in record.alts]
        return [_allele(chrom, n_bases, record.position, ref, alt, letters) for alt in record.alts]

    def surroundings(
        self, chrom: str, position: int, end: int, reach: int, length: int | None = None
    ) -> str:
        """Return what decides the answer to a place beside its alleles, for the key of its unit.

        Args:
            chrom: as the variant names it.
            position: first base of the place.
            end: the base behind its last one.
            reach: bases around it that may be read.
            length: of its sequence, as the header of the variants declares it.
        """
        name = self.name_of(chrom, length)
        if name is None:
            return ""
        return f"{name} {self.letters(name)(position - reach, end + reach)}"

    def _agrees(self, record: VariantRecord, ref: str) -> bool:
        """Compare REF with the genome; a code agrees with every base it stands for."""
        if may_be_equal(record.ref, ref):
            return True
        if self._on_mismatch == "error":
            raise DataError(
                f"{shown(self._variants)}: record {record.number} ({record.chrom}, position "
                f"{record.position + 1}): REF is {_short(record.ref)}, "
                f"{self.path} has {_short(ref)}",
                hint="use the genome the variants were called on, or --on-mismatch skip",
            )
        return False


def _allele(
    chrom: str, n_bases: int, position: int, ref: str, alt: str, letters: Letters
) -> Allele:
    kind = classify(ref, alt)
    if kind not in CHANGES:
        return Allele(chrom, n_bases, None, _OF_KIND.get(kind, kind))
    return Allele(chrom, n_bases, normalised(position, ref, alt, letters))


def _short(letters: str) -> str:
    return letters if len(letters) <= 20 else f"{letters[:20]}…"
