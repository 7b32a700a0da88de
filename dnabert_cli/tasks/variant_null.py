"""What substitutions at random do: the null that p-values of variants are made from."""

import logging
from functools import partial

import numpy as np
import numpy.typing as npt

from dnabert_cli.errors import DataError, shown
from dnabert_cli.formats.units import Units, unit_key
from dnabert_cli.sequence.matched_substitutions import Reservoir, matched_substitution
from dnabert_cli.tasks.variant_answers import expected_scores
from dnabert_cli.tasks.variant_genome import Allele, VariantGenome
from dnabert_cli.tasks.variant_scores import S, VariantScorer
from dnabert_cli.tasks.variant_source import VariantSource

logger = logging.getLogger(__name__)

REACH = 1000  # bases around a variant that its substitution is drawn from

_UNIT = 256  # substitutions scored together
_TRIES = 20  # per substitution, where a variant has no match


def null_scores(
    source: VariantSource,
    genome: VariantGenome,
    scorer: VariantScorer,
    n: int,
    seed: int,
    units: Units,
    reach: int,
) -> npt.NDArray[np.float64] | None:
    """Return the scores S `[n, C]` of random substitutions; `None` in a shard, which has a part.

    Each is drawn near a variant of the source and matched to it, see `matched_substitution`; the
    variants are a random sample of those that have a change, taken several times where there are
    fewer than `n`.

    Args:
        source: the variants.
        genome: what they refer to.
        scorer: what scores them.
        n: how many substitutions.
        seed: of the draws.
        units: keeps the answers.
        reach: bases around a substitution that its answer may depend on.

    Raises:
        DataError: no variant has a place on the genome.
    """
    rng = np.random.default_rng(seed)
    near = _sampled(source, genome, n, rng)
    if not near:
        raise DataError(
            f"no null: {shown(source.header.path)} has no variant with a place on the genome",
            hint="leave out --null",
        )
    drawn = _drawn(near, genome, n, rng)
    if not drawn:
        raise DataError(
            f"no null: nothing near the variants of {shown(source.header.path)} is like them",
            hint="leave out --null",
        )
    logger.info("null: %d random substitutions", len(drawn))
    found: list[npt.NDArray[np.float64]] = []
    for first in range(0, len(drawn), _UNIT):
        part = drawn[first : first + _UNIT]
        key = unit_key("null", *(_text(one, genome, reach) for one in part))
        expected = expected_scores(scorer, len(part))
        answers = units.answer(key, partial(scorer.score, part), expected)
        if answers is not None:
            found.append(answers["scores"][:, :, S])
    return None if units.is_shard else np.concatenate(found)


def _text(allele: Allele, genome: VariantGenome, reach: int) -> str:
    assert allele.change is not None, "only changes are drawn"
    position, end = allele.change.position, allele.change.end
    return f"{allele.change} {genome.surroundings(allele.chrom, position, end, reach)}"


def _sampled(
    source: VariantSource, genome: VariantGenome, n: int, rng: np.random.Generator
) -> list[Allele]:
    """Return a random sample of at most `n` alleles that change the genome."""
    reservoir: Reservoir[Allele] = Reservoir(n, rng)
    lengths = source.header.contigs
    for record in source.records():
        for allele in genome.alleles(record, lengths.get(record.chrom)):
            if allele.change is not None:
                reservoir.add(allele)
    return reservoir.items


def _drawn(
    near: list[Allele], genome: VariantGenome, n: int, rng: np.random.Generator
) -> list[Allele]:
    """Draw `n` substitutions, or as many as can be found; sorted, so that windows are shared."""
    drawn: list[Allele] = []
    for number in range(n * _TRIES):
        if len(drawn) == n:
            break
        chrom, variant = near[number % len(near)].chrom, near[number % len(near)].change
        assert variant is not None, "only changes were sampled"
        letters, n_bases = genome.letters(chrom), genome.lengths[chrom]
        change = matched_substitution(rng, letters, n_bases, *variant, reach=REACH)
        if change is not None:
            drawn.append(Allele(chrom, n_bases, change))
    return sorted(drawn, key=lambda one: (one.chrom, one.change or ()))
