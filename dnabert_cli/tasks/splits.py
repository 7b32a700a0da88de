"""Which rows train, which stop the training, which are kept for the end: whole groups of them.

What a group is decides how honest a figure is: the chromosome where rows have coordinates (then
no two parts share a neighbourhood), else rows that share 50 consecutive bases.
"""

import logging
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from dnabert_cli.errors import OptionsError
from dnabert_cli.records import Example
from dnabert_cli.sequence.groups import similarity_groups, split
from dnabert_cli.training_config import FinetuneConfig

logger = logging.getLogger(__name__)

TRAIN, DEV, TEST = range(3)
PART_NAMES = ("train", "dev", "test")
# Fewer chromosomes cannot make three parts.
MIN_CHROMOSOMES = 3
# Of rows on fewer chromosomes: contiguous ones, each drawn as a whole.
N_STRETCHES = 20
_N_SHOWN = 8

Numbers = npt.NDArray[np.int64]


def split_rows(
    examples: Sequence[Example], strata: Numbers | None, config: FinetuneConfig
) -> Numbers:
    """Return the part of each row, `[N]`, and say in the log how it was found.

    A column `group` decides where every row has one. Else, as `config.split` says: by chromosome,
    on fewer than three chromosomes by contiguous stretches; or by similarity.

    Args:
        examples: `[N]`.
        strata: `[N]`; where groups are small, each part gets its share of each.
        config: fractions, kind of split, seed.

    Raises:
        OptionsError: a split by chromosome is asked for, and rows do not say where they lie.
    """
    fractions = (config.dev_fraction, config.test_fraction)
    groups = [example.group for example in examples]
    if all(name is not None for name in groups):
        logger.info("split by the column group")
        return split(_numbers(groups), fractions, seed=config.seed, labels=strata)
    chroms = [example.chrom for example in examples]
    has_places = all(
        example.chrom is not None and example.start is not None and example.end is not None
        for example in examples
    )
    if config.split == "chromosome" and not has_places:
        raise OptionsError(
            "--split chromosome: rows do not say where they lie",
            hint="give columns chrom, start and end, or --split similarity",
        )
    if config.split == "similarity" or not has_places:
        logger.info("split by similarity: rows that share 50 bases stay together")
        shared = similarity_groups([example.sequence for example in examples])
        return split(shared, fractions, seed=config.seed, labels=strata)
    if len(set(chroms)) < MIN_CHROMOSOMES:
        logger.info("split by stretches of %s", ", ".join(sorted(set(map(str, chroms)))))
        return split(_stretches(examples), fractions, seed=config.seed, labels=strata)
    parts = _by_chromosome(_numbers(chroms), fractions, config.seed)
    logger.info("split by chromosome: %s", _shown(chroms, parts))
    return parts


def _numbers(names: Sequence[str | None]) -> Numbers:
    return np.unique(np.array(names, dtype=str), return_inverse=True)[1].astype(np.int64)


def _stretches(examples: Sequence[Example]) -> Numbers:
    """Return the stretch of each row: neighbours in the genome, overlapping rows never apart."""
    chroms = _numbers([example.chrom for example in examples])
    starts = np.array([example.start for example in examples])
    ends = np.array([example.end for example in examples])
    order = np.lexsort((starts, chroms))
    groups = np.zeros(len(examples), dtype=np.int64)
    wanted = len(examples) / N_STRETCHES
    group, n_rows, reach, chrom = -1, 0, 0, -1
    for row in order.tolist():
        is_apart = chroms[row] != chrom or starts[row] >= reach
        if chroms[row] != chrom or (is_apart and n_rows >= wanted):
            group, n_rows = group + 1, 0
        chrom, reach = chroms[row], ends[row] if is_apart else max(reach, ends[row])
        groups[row] = group
        n_rows += 1
    return groups


def _by_chromosome(chroms: Numbers, fractions: Sequence[float], seed: int) -> Numbers:
    """Return the part of each row: whole chromosomes, drawn until a part has about its share.

    A part that none would fit gets the smallest one left.
    """
    sizes = np.bincount(chroms)
    drawn = np.random.default_rng(seed).permutation(len(sizes))
    part_of = np.zeros(len(sizes), dtype=np.int64)
    for part, fraction in enumerate(fractions, 1):
        wanted = fraction * len(chroms)
        for chrom in drawn.tolist():
            # closer to what is wanted with it than without
            if part_of[chrom] == TRAIN and sizes[chrom] < 2 * wanted:
                part_of[chrom] = part
                wanted -= sizes[chrom]
        if fraction > 0 and not (part_of == part).any():
            left = np.flatnonzero(part_of == TRAIN)
            part_of[left[sizes[left].argmin()]] = part
    return part_of[chroms]


def _shown(chroms: Sequence[str | None], parts: Numbers) -> str:
    texts = []
    for part in (DEV, TEST):
        names = sorted({str(chroms[row]) for row in np.flatnonzero(parts == part).tolist()})
        more = ", …" if len(names) > _N_SHOWN else ""
        if names:
            texts.append(f"{PART_NAMES[part]} {', '.join(names[:_N_SHOWN])}{more}")
    return "; ".join(texts)
