"""Every default of `dnabert evaluate`, once."""

from dataclasses import dataclass, field

from dnabert_cli.config import ComputeConfig
from dnabert_cli.errors import OptionsError

# Baselines that `finetune` trains, those on k-mer counts, and the best match of one motif.
NETWORKS = ("cnn", "cnn-lstm", "cnn-gru")
CLASSIFIERS = ("logistic", "svm", "tree", "forest", "boosting")
MOTIF = "motif:"
# Of the networks; `finetune`'s own default is made for a BERT that is pre-trained.
NETWORK_LEARNING_RATE = 1e-3

MAX_KMER = 7  # 4^7 features; `sequence.kmer_counts` counts no longer ones


@dataclass(frozen=True, kw_only=True)
class EvaluateConfig:
    """`dnabert evaluate`."""

    baselines: tuple[str, ...] = ()
    kmer: int = 4  # bases, of the features of `CLASSIFIERS`
    threshold: float | None = None  # of the positive class; None: the most probable class
    positive: str | None = None  # of two classes; None: what a scan calls, in tables the second
    resamples: int = 1000  # of every interval
    within: int = 500  # bases between a call's summit and the start site it finds
    any_strand: bool = False
    seed: int = 0
    compute: ComputeConfig = field(default_factory=ComputeConfig)

    def __post_init__(self) -> None:
        """Refuse values nothing can be judged with."""
        known = (*NETWORKS, *CLASSIFIERS)
        for name in self.baselines:
            if name not in known and not (name.startswith(MOTIF) and name != MOTIF):
                raise OptionsError(
                    f"--baselines {name} is unknown; known: {', '.join(known)}, {MOTIF}NAME"
                )
        if len(set(self.baselines)) < len(self.baselines):
            raise OptionsError("--baselines names one of them twice")
        if not 1 <= self.kmer <= MAX_KMER:
            raise OptionsError(f"--kmer must lie in 1 to {MAX_KMER}")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise OptionsError("--threshold is a probability, between 0 and 1")
        if self.resamples < 1:
            raise OptionsError("--resamples must be at least 1")
        if self.within < 0:
            raise OptionsError("--within must be at least 0")
        if not 0 <= self.seed < 1 << 63:
            raise OptionsError("--seed must lie in [0, 2^63)")
