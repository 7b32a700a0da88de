"""`dnabert variants`: variants in, the same variants with scores out, in bounded memory.

Records are taken in units of some hundred alleles. Windows that several alleles of a unit share
are computed once, and the answers to a unit can be kept, so that a run can be resumed or shared
out (`formats/units.py`).
"""

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np

from dnabert_cli.analysis.empirical_null import EmpiricalNull, StreamedQ, Strongest
from dnabert_cli.errors import DataError, shown
from dnabert_cli.formats.units import Units
from dnabert_cli.formats.vcf import VariantRecord
from dnabert_cli.progress import SILENT, Progress
from dnabert_cli.tasks.variant_answers import expected_scores
from dnabert_cli.tasks.variant_blocks import Block, blocks
from dnabert_cli.tasks.variant_genome import REASONS, VariantGenome
from dnabert_cli.tasks.variant_haplotypes import WINDOWS_AROUND, Phasing
from dnabert_cli.tasks.variant_null import null_scores
from dnabert_cli.tasks.variant_scores import Arrays, S, VariantModel, VariantScorer
from dnabert_cli.tasks.variant_source import VariantSource
from dnabert_cli.tasks.variant_tags import AlleleScores, TagSet
from dnabert_cli.variants_config import VariantsConfig

logger = logging.getLogger(__name__)

# Of the REF alleles compared, and at least so many: from here on it is another assembly.
_MANY_MISMATCHES, _LEAST_MISMATCHES = 0.5, 10
_N_NAMES = 5
_NOT_COMPARED = {"no_alternative", "unknown_sequence", "telomere", "past_the_end"}

Scored = tuple[VariantRecord, AlleleScores]


@dataclass
class VariantCounts:
    """What a run went through; filled while its records are read."""

    n_records: int = 0
    n_scored: int = 0
    n_alleles: int = 0
    n_alleles_scored: int = 0
    n_windows: int = 0
    n_windows_computed: int = 0
    skipped: Counter[str] = field(default_factory=Counter)
    first_skipped: dict[str, int] = field(default_factory=dict)  # number of a record by reason
    first_unknown: str = ""  # name of a sequence the genome lacks

    def add(self, record: VariantRecord, found: AlleleScores) -> None:
        """Count a record: scored if one of its alleles is, else skipped for the first reason."""
        n_scored = int((found.reasons == 0).any(axis=1).sum())
        self.n_records += 1
        self.n_scored += n_scored > 0
        self.n_alleles += len(record.alts)
        self.n_alleles_scored += n_scored
        if n_scored == 0:
            reason = REASONS[found.reasons[0, 0]] if len(found) else "no_alternative"
            self.skipped[reason] += 1
            self.first_skipped.setdefault(reason, record.number)
            if reason == "unknown_sequence" and not self.first_unknown:
                self.first_unknown = record.chrom

    @property
    def n_mismatches(self) -> int:
        """Records whose REF is not in the genome."""
        return self.skipped["ref_mismatch"]

    @property
    def is_other_assembly(self) -> bool:
        """Whether most REF alleles are not in the genome."""
        n_compared = self.n_records - sum(self.skipped[reason] for reason in _NOT_COMPARED)
        is_most = self.n_mismatches > _MANY_MISMATCHES * n_compared
        return is_most and self.n_mismatches >= _LEAST_MISMATCHES

    def to_json(self) -> dict[str, int]:
        """Return the counts for a manifest."""
        plain = {
            "n_records": self.n_records,
            "n_scored": self.n_scored,
            "n_alleles": self.n_alleles,
            "n_alleles_scored": self.n_alleles_scored,
            "n_windows": self.n_windows,
            "n_windows_computed": self.n_windows_computed,
        }
        return plain | {f"n_skipped_{name}": count for name, count in sorted(self.skipped.items())}

    def summary(self) -> str:
        """Say it in one line."""
        n_skipped = self.n_records - self.n_scored
        text = f"{self.n_records:,} records: {self.n_scored:,} scored, {n_skipped:,} skipped"
        if n_skipped:
            text += f" ({', '.join(self._reasons())})"
        text += f"; {self.n_alleles_scored:,} of {self.n_alleles:,} alternative alleles scored"
        if self.n_alleles_scored:
            each = self.n_windows_computed / self.n_alleles_scored
            text += f", {each:.1f} windows computed for each"
        return text

    def _reasons(self) -> list[str]:
        return [
            f"{count:,} {name}, first: record {self.first_skipped[name]}"
            for name, count in self.skipped.most_common()
        ]


@dataclass(frozen=True)
class Variants:
    """A run about to begin: everything checked, nothing computed.

    Attributes:
        tags: the entries that are added.
        rows: the records in input order, each with its scores.
        counts: filled while the rows are read.
    """

    tags: TagSet
    rows: Iterator[Scored]
    counts: VariantCounts


def variants(
    source: VariantSource,
    genome: VariantGenome,
    models: Sequence[VariantModel],
    config: VariantsConfig,
    *,
    units: Units | None = None,
    progress: Progress = SILENT,
) -> Variants:
    """Score the alleles of variants with several models.

    Args:
        source: the variants.
        genome: what REF refers to.
        models: of different names.
        config: what is read, left out and added.
        units: answers kept from before or for later; they must be kept where `config` asks for a
            null or a ranking, which need two passes.
        progress: told of the records done.

    Raises:
        FormatError, DataError: the source is broken, or does not fit the genome; told while the
            rows are read.
    """
    run = _Run(source, genome, models, config, units or Units(), progress)
    return Variants(run.tags, run.rows(), run.counts)


class _Run:
    def __init__(
        self,
        source: VariantSource,
        genome: VariantGenome,
        models: Sequence[VariantModel],
        config: VariantsConfig,
        units: Units,
        progress: Progress,
    ) -> None:
        self._source, self._genome, self._config = source, genome, config
        self._units, self._progress = units, progress
        self._scorer = VariantScorer(models, genome.letters, config)
        self.tags = TagSet(
            self._scorer.channels,
            [model.name for model in models],
            has_null=config.null is not None,
            has_importance=config.min_importance is not None,
            has_ranks=config.top is not None,
            has_haplotypes=config.haplotypes,
        )
        self._phasing: Phasing | None = None
        window = max(model.plan.window for model in models)
        self._reach = WINDOWS_AROUND * window
        if config.haplotypes:
            self._phasing = Phasing(source.header, config.sample, genome, window)
        self.counts = VariantCounts()
        self._nulls: list[EmpiricalNull] = []
        self._streamed: list[StreamedQ] = []
        self._ranks: dict[tuple[int, int], int] | None = None

    def rows(self) -> Iterator[Scored]:
        """Yield the records with their scores."""
        with self._scorer:
            if self._config.null is not None:
                self._read_null(self._config.null)
            if self._config.asks_twice and not self._units.is_shard:
                self._look_ahead()
            for record, found in self._scored("variants"):
                self.counts.add(record, found)
                if self._phasing:
                    self._phasing.count(record)
                complete = self._completed(record, found)
                if self._ranks is None or any(complete.ranks or ()):
                    yield record, complete
        if self.counts.first_unknown:
            self._warn_of_names()
        if self.counts.n_mismatches:
            self._warn_of_mismatches()
        if self._phasing:
            self._phasing.log()

    def _read_null(self, n: int) -> None:
        sizes = null_scores(
            self._source,
            self._genome,
            self._scorer,
            n,
            self._config.seed,
            self._units,
            self._reach,
        )
        if sizes is not None:
            if np.isnan(sizes).all(axis=0).any():
                raise DataError(
                    "no null: none of the random substitutions has a score",
                    hint="draw more with --null, or see --max-unknown and --min-importance",
                )
            self._nulls = [EmpiricalNull(np.abs(of_channel)) for of_channel in sizes.T]
            self._streamed = [StreamedQ(null.n) for null in self._nulls]

    def _look_ahead(self) -> None:
        """Go through all records once, for what no record can know by itself."""
        strongest = None if self._config.top is None else Strongest(self._config.top)
        for record, found in self._scored("variants, all of them before the first is written"):
            sizes = np.abs(found.scores[:, :, S])
            for place, null in enumerate(self._nulls):
                self._streamed[place].add(null.p_values(sizes[:, place]))
            if strongest is not None:
                for row, of_allele in enumerate(sizes.tolist()):
                    known = [size for size in of_allele if not np.isnan(size)]
                    if known:
                        strongest.add(max(known), (record.number, row))
        if strongest is not None:
            self._ranks = strongest.ranks()
        self.counts.n_windows = self.counts.n_windows_computed = 0

    def _scored(self, told: str) -> Iterator[Scored]:
        """Yield all records with what the models say; of a shard's run only its own."""
        self._progress.start(told, None, "records")
        phasing = self._phasing
        for block in blocks(self._source.records(), phasing.reach if phasing else 0):
            more = [phasing.key(block)] if phasing else []
            key = block.key(*more, *self._surroundings(block))
            n_alleles = sum(len(record.alts) for record in block.records)
            expected = expected_scores(self._scorer, n_alleles)
            answers = self._units.answer(key, partial(self._answers, block), expected)
            if answers is None:
                continue
            n_windows = answers["n_windows"].tolist()
            self.counts.n_windows += n_windows[0]
            self.counts.n_windows_computed += n_windows[1]
            first = 0
            for record in block.records:
                rows = slice(first, first + len(record.alts))
                first = rows.stop
                yield (
                    record,
                    AlleleScores(
                        answers["scores"][rows],
                        answers["reasons"][rows],
                        answers["importance"][rows],
                        answers["haplotypes"][rows],
                    ),
                )
            self._progress.advance(len(block.records))
        self._progress.finish()

    def _surroundings(self, block: Block) -> Iterator[str]:
        """Yield the letters that decide the answers to a unit: an edited genome is another one."""
        lengths = self._source.header.contigs
        for record in block.everyone:
            end = record.position + len(record.ref)
            yield self._genome.surroundings(
                record.chrom, record.position, end, self._reach, lengths.get(record.chrom)
            )

    def _answers(self, block: Block) -> Arrays:
        lengths = self._source.header.contigs
        alleles = [
            allele
            for record in block.records
            for allele in self._genome.alleles(record, lengths.get(record.chrom))
        ]
        phased = self._phasing.alleles(block) if self._phasing else ()
        return self._scorer.score(alleles, phased)

    def _completed(self, record: VariantRecord, found: AlleleScores) -> AlleleScores:
        """Add what only the whole file tells."""
        more: dict[str, Any] = {}
        if self._nulls:
            sizes = np.abs(found.scores[:, :, S])
            pairs = list(enumerate(zip(self._nulls, self._streamed, strict=True)))
            p_values = np.stack([null.p_values(sizes[:, i]) for i, (null, _) in pairs], axis=1)
            q_values = np.stack([each.q_values(p_values[:, i]) for i, (_, each) in pairs], axis=1)
            more = {"p_values": p_values, "q_values": q_values}
        if self._ranks is not None:
            keys = [(record.number, row) for row in range(len(found))]
            more["ranks"] = [self._ranks.get(key) for key in keys]
        return replace(found, **more)

    def _warn_of_names(self) -> None:
        names = list(self._genome.lengths)
        logger.warning(
            "%s: %d records lie on sequences that %s lacks: it has no %s, but %s%s",
            shown(self._source.header.path),
            self.counts.skipped["unknown_sequence"],
            self._genome.path,
            self.counts.first_unknown,
            ", ".join(names[:_N_NAMES]),
            ", …" if len(names) > _N_NAMES else "",
        )

    def _warn_of_mismatches(self) -> None:
        is_other = self.counts.is_other_assembly
        logger.warning(
            "%s: REF of %d records is not in %s%s",
            shown(self._source.header.path),
            self.counts.n_mismatches,
            self._genome.path,
            ": most of them, so it was made on another assembly" if is_other else "",
        )
