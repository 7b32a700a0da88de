"""Phased variants of one sample together: each in windows of the haplotype it lies on."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

from dnabert_cli.errors import shown
from dnabert_cli.formats.genotypes import Genotype, genotype_of, sample_index
from dnabert_cli.formats.vcf import VariantRecord
from dnabert_cli.formats.vcf_header import VariantHeader
from dnabert_cli.sequence.alleles import Letters
from dnabert_cli.sequence.haplotypes import N_BEYOND, Haplotype
from dnabert_cli.tasks.genome import unknown_share
from dnabert_cli.tasks.variant_blocks import Block
from dnabert_cli.tasks.variant_genome import Allele, VariantGenome
from dnabert_cli.tasks.variant_windows import (
    STRANDS,
    Reading,
    Readings,
    WindowPlan,
    WindowTexts,
)

logger = logging.getLogger(__name__)

N_HAPLOTYPES = 2

WINDOWS_AROUND = 4  # windows on both sides of a unit whose variants may reach into its own


@dataclass(frozen=True)
class PhasedAllele:
    """An allele that a haplotype carries.

    Attributes:
        row: of the allele among those of its unit.
        haplotype: 0 or 1.
        carrier: the haplotype, as far as it is near.
        number: of the allele on it.
    """

    row: int
    haplotype: int
    carrier: Haplotype
    number: int


class Phasing:
    """Reads the genotypes of one sample.

    Args:
        header: of the file.
        sample: its name; `None` is the only one.
        genome: what the variants refer to.
        window: bases of the longest window.

    Attributes:
        reach: bases around a unit in which variants matter to it.
        n_unphased: records of which it is not known which haplotype has them.

    Raises:
        FormatError, DataError: there is no such sample.
    """

    def __init__(
        self, header: VariantHeader, sample: str | None, genome: VariantGenome, window: int
    ) -> None:
        self._header, self._genome = header, genome
        self._sample = sample_index(header, sample)
        self.reach = WINDOWS_AROUND * window + N_BEYOND
        self.n_unphased = 0

    def key(self, block: Block) -> str:
        """Return the genotypes of a block as text."""
        return "\n".join(repr(self._genotype(record)) for record in block.everyone)

    def alleles(self, block: Block) -> list[PhasedAllele]:
        """Return the alleles of a block that lie on a known haplotype, in order."""
        everyone = block.everyone
        genotypes = [self._genotype(record) for record in everyone]
        alleles = [self._alleles(record) for record in everyone]
        first = len(block.before)
        rows = [0]
        for record in block.records:
            rows.append(rows[-1] + len(record.alts))
        carriers: dict[tuple[str, str | None, int], tuple[Haplotype, dict[int, int]]] = {}
        found: list[PhasedAllele] = []
        for at in range(len(block.records)):
            place, genotype = first + at, genotypes[first + at]
            for haplotype, allele in enumerate(genotype.alleles if genotype else ()):
                if not allele or genotype is None or alleles[place][allele - 1].change is None:
                    continue
                key = (everyone[place].chrom, _set_of(place, everyone, genotypes), haplotype)
                if key not in carriers:
                    carriers[key] = self._carrier(key, everyone, genotypes, alleles)
                carrier, numbers = carriers[key]
                if numbers[place] not in carrier.left_out:
                    found.append(
                        PhasedAllele(rows[at] + allele - 1, haplotype, carrier, numbers[place])
                    )
        return found

    def _genotype(self, record: VariantRecord) -> Genotype | None:
        """Return a genotype of two phased alleles, or of one; `None` for all others."""
        found = genotype_of(record, self._sample, self._header.path)
        if found is None or not found.is_phased or len(found.alleles) > N_HAPLOTYPES:
            return None
        return found

    def _alleles(self, record: VariantRecord) -> list[Allele]:
        return self._genome.alleles(record, self._header.contigs.get(record.chrom))

    def _carrier(
        self,
        key: tuple[str, str | None, int],
        records: Sequence[VariantRecord],
        genotypes: Sequence[Genotype | None],
        alleles: Sequence[Sequence[Allele]],
    ) -> tuple[Haplotype, dict[int, int]]:
        """Return a haplotype of all records near, and the number on it by index of the record.

        Phases of different sets cannot be compared: only records of the same set, and those that
        all haplotypes carry, are on it together.
        """
        chrom, phase_set, haplotype = key
        variants: list[tuple[int, str, str]] = []
        numbers: dict[int, int] = {}
        for place, (record, genotype) in enumerate(zip(records, genotypes, strict=True)):
            if genotype is None or record.chrom != chrom or haplotype >= len(genotype.alleles):
                continue
            allele = genotype.alleles[haplotype]
            if not allele or not (_is_everywhere(genotype) or genotype.phase_set == phase_set):
                continue
            found = alleles[place][allele - 1]
            if found.change is not None:
                numbers[place] = len(variants)
                # as the genome has it: REF may hold codes
                end = record.position + len(record.ref)
                ref = self._genome.letters(found.chrom)(record.position, end)
                variants.append((record.position, ref, record.alts[allele - 1]))
        return Haplotype(variants), numbers

    def count(self, record: VariantRecord) -> None:
        """Count a record of which it is not known which haplotype has what it carries."""
        found = genotype_of(record, self._sample, self._header.path)
        if found is not None and any(found.alleles) and self._genotype(record) is None:
            self.n_unphased += 1

    def log(self) -> None:
        """Say how many records could not be put on a haplotype."""
        if self.n_unphased:
            logger.warning(
                "%s: %d records the sample carries are not phased (or have more than two "
                "haplotypes): they have no score of a haplotype",
                shown(self._header.path), self.n_unphased,
            )  # fmt: skip


def _set_of(
    place: int, records: Sequence[VariantRecord], genotypes: Sequence[Genotype | None]
) -> str | None:
    """Return the phase set of a record; of one that all haplotypes carry, that of its neighbour.

    Such records often have none written. They are on every haplotype, so the nearest record
    whose phase is known says with which others they stand together.
    """
    own = genotypes[place]
    if own is None or own.phase_set is not None or not _is_everywhere(own):
        return None if own is None else own.phase_set
    here = records[place]
    others = [
        (abs(record.position - here.position), record.number, genotype.phase_set)
        for record, genotype in zip(records, genotypes, strict=True)
        if genotype is not None and record.chrom == here.chrom and not _is_everywhere(genotype)
    ]
    return min(others)[2] if others else None


def _is_everywhere(genotype: Genotype) -> bool:
    return len(set(genotype.alleles)) == 1


def haplotype_readings(
    phased: PhasedAllele,
    allele: Allele,
    letters: Letters,
    plan: WindowPlan,
    max_unknown: float,
    texts: WindowTexts,
    *,
    least: int,
) -> tuple[Readings, Readings]:
    """Take windows of a haplotype into `texts`; arguments as for `variant_windows.readings_of`.

    Returns:
        The haplotype against the reference, and against itself without the allele.
    """
    around = phased.carrier.around(phased.number, plan.window, letters, allele.n_bases)
    of_haplotype: list[Reading] = []
    of_allele: list[Reading] = []
    n_unknown = 0
    for number, strand in enumerate(STRANDS):
        for pair in plan.pairs(around.change, letters, allele.n_bases, strand):
            windows = around.windows(pair, plan.held(strand))
            if len(windows.reference) < least:
                continue
            if max(map(unknown_share, windows)) > max_unknown:
                n_unknown += 1
                continue
            reference, haplotype, background = (texts.index(text, strand) for text in windows)
            of_haplotype.append(Reading(number, pair, reference, haplotype))
            of_allele.append(Reading(number, pair, background, haplotype))
    return Readings(of_haplotype, n_unknown), Readings(of_allele, n_unknown)
