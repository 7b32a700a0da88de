"""What the scores of alleles must be like where they are read from a file of units."""

import numpy as np

from dnabert_cli.formats.unit_checks import Expected
from dnabert_cli.tasks.variant_genome import REASONS
from dnabert_cli.tasks.variant_haplotypes import N_HAPLOTYPES
from dnabert_cli.tasks.variant_scores import QUANTITIES, STRAND, VariantScorer
from dnabert_cli.tasks.variant_windows import STRANDS


def expected_scores(scorer: VariantScorer, n_alleles: int) -> dict[str, Expected]:
    """Return what `VariantScorer.score` returns, as far as what follows relies on it.

    Args:
        scorer: knows how many channels and models there are.
        n_alleles: of the unit.
    """
    n_channels, n_models = len(scorer.channels), len(scorer.models)
    low, high = np.full((2, len(QUANTITIES)), [[-np.inf], [np.inf]])
    low[STRAND], high[STRAND] = 0, len(STRANDS) - 1
    scores = (n_alleles, n_channels, len(QUANTITIES))
    haplotypes = (n_alleles, n_channels, N_HAPLOTYPES + 1)
    reasons = (0, len(REASONS) - 1)
    return {
        "scores": Expected("f", scores, (low, high), may_miss=True),
        "reasons": Expected("u", (n_alleles, n_models), reasons),
        "importance": Expected("f", (n_alleles, n_models), may_miss=True),
        "haplotypes": Expected("f", haplotypes, may_miss=True),
        "n_windows": Expected("i", (2,)),
    }
