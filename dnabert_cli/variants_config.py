"""Every default of `dnabert variants`, once."""

import math
from dataclasses import dataclass, field
from typing import ClassVar

from dnabert_cli.config import ComputeConfig, ScanConfig
from dnabert_cli.errors import OptionsError

ON_MISMATCH = ("skip", "error")
N_OFFSETS = 10  # windows of the grid that hold a base, where neither option nor model says


@dataclass(frozen=True, kw_only=True)
class VariantsConfig:
    """`dnabert variants`."""

    # what is made from answers, and decides none; genotypes are part of what a unit is
    NOT_IN_ANSWERS: ClassVar[tuple[str, ...]] = ("strong", "top", "null", "seed", "sample")

    # Windows per strand that an allele is read in. None: as the model says, else N_OFFSETS, and of
    # a model with candidates all within reach.
    offsets: int | None = None
    on_mismatch: str = "skip"  # of ON_MISMATCH: a REF that is not in the genome
    max_unknown: float = ScanConfig.max_unknown  # windows with a larger share of N are left out
    min_importance: float | None = None  # times the mean of the window; None: all alleles
    null: int | None = None  # random substitutions that p-values are made from
    seed: int = 0  # of the null
    top: int | None = None  # write only the records of the strongest alleles
    strong: float = 0.1  # |S| from which an allele counts as strong in the enrichment
    haplotypes: bool = False
    sample: str | None = None  # None: the only one
    compute: ComputeConfig = field(default_factory=ComputeConfig)

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        for name in ("offsets", "null", "top"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise OptionsError(f"--{name} must be at least 1")
        if self.on_mismatch not in ON_MISMATCH:
            known = ", ".join(ON_MISMATCH)
            raise OptionsError(f"--on-mismatch {self.on_mismatch} is unknown; known: {known}")
        if not 0 <= self.max_unknown <= 1:
            raise OptionsError("--max-unknown is a share, between 0 and 1")
        if self.min_importance is not None and not 0 <= self.min_importance < math.inf:
            raise OptionsError("--min-importance is a number of at least 0; 1 is the mean")
        if not 0 < self.strong <= 1:
            raise OptionsError("--strong is a size of S, above 0 and at most 1")
        if self.sample is not None and not self.haplotypes:
            raise OptionsError("--sample belongs to --haplotypes")

    @property
    def asks_twice(self) -> bool:
        """Whether records are gone through more than once."""
        return self.null is not None or self.top is not None
