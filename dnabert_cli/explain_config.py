"""Every default of `dnabert viz` and `dnabert motifs`, once."""

import math
from dataclasses import dataclass, field

from dnabert_cli.config import ComputeConfig
from dnabert_cli.errors import OptionsError

METHODS = ("attention", "ig", "ism")
# `motifs` can also count k-mers without a model: the line that a model has to beat.
KMERS = "kmers"


# Of a region of high scores (Ji et al. 2021, Methods): bases, and what a base must exceed.
MIN_LENGTH = 4
ABOVE_MEAN = 1.0  # times the mean of the sequence
ABOVE_MIN = 10.0  # times its minimum
# Of a matrix cut to what tells something: bits of its end columns, and columns always kept.
MIN_INFORMATION = 0.25  # a column below tells next to nothing
MIN_COLUMNS = 5  # fewer match a database of motifs by chance


@dataclass(frozen=True, kw_only=True)
class ExplainConfig:
    """What importance is, for both commands. Layers and heads count from 0."""

    method: str = "attention"
    layer: int | None = None  # None: the last
    head: int | None = None  # None: the sum over all
    rollout: bool = False
    legacy: bool = False  # as the original program computes it
    target: str | None = None  # class explained by ig and ism; None: what is called most
    steps: int = 32  # of integrated gradients

    def __post_init__(self) -> None:
        """Refuse unknown methods."""
        if self.method not in (*METHODS, KMERS):
            raise OptionsError(f"--method {self.method} is unknown; known: {', '.join(METHODS)}")


@dataclass(frozen=True, kw_only=True)
class MotifRules:
    """How motifs are found; the defaults are the paper's.

    Attributes:
        min_length: bases of the shortest region, see `analysis/regions.py`.
        above_mean, above_min: what makes a base high, see there.
        max_q: a candidate with a lower q-value is enriched.
        window: bases of the windows that a matrix is counted from.
        min_instances: windows that a motif needs.
        both_strands: a candidate and its reverse complement are one.
        all_ties: merge into all of the best keys, see `analysis/merging.py`.
        min_information, min_columns: how far a matrix is trimmed, see there.
        legacy: follow the original program where it differs from the paper: in
            merging, in windows, and candidates are merged in the order of appearance. Otherwise the
            most significant of a length comes first, so the order of the sequences does not
            matter.
    """

    min_length: int = MIN_LENGTH
    above_mean: float = ABOVE_MEAN
    above_min: float | None = ABOVE_MIN
    max_q: float = 0.005
    window: int = 24
    min_instances: int = 3
    both_strands: bool = False
    all_ties: bool = True
    min_information: float = MIN_INFORMATION
    min_columns: int = MIN_COLUMNS
    legacy: bool = False

    def __post_init__(self) -> None:
        """Refuse rules that have no meaning."""
        for name in ("min_length", "window", "min_instances", "min_columns"):
            if getattr(self, name) < 1:
                raise OptionsError(f"{name} is {getattr(self, name)}, but must be 1 or more")
        if not 0 < self.max_q <= 1:
            raise OptionsError(f"max_q is {self.max_q}, but must lie between 0 and 1")
        for name in ("above_mean", "above_min"):
            if not math.isfinite(getattr(self, name) or 0):
                raise OptionsError(f"{name} is {getattr(self, name)}, but must be a number")
        if self.legacy and self.both_strands:
            raise OptionsError(
                "legacy and both_strands contradict each other",
                hint="the original program knows one strand; leave one of them out",
            )


PAPER = MotifRules()
LEGACY = MotifRules(legacy=True, min_length=5)  # the command that the original's README shows


# Of the fine-tuning of `motifs`: from few rows a network learns in steps, not in epochs.
MIN_EPOCHS, MAX_EPOCHS, MIN_STEPS = 3, 60, 600


@dataclass(frozen=True, kw_only=True)
class MotifsConfig:
    """`dnabert motifs`: rows, and the model made from them when none is given."""

    max_sequences: int = 5000  # of each file, the first ones
    base: str = "dnabert-6-compact"
    epochs: int | None = None  # None: MIN_EPOCHS, or as many as make MIN_STEPS steps
    learning_rate: float = 3e-4
    token_stride: int | None = None  # None: as the base says
    trim: bool = True
    differential: bool = False
    seed: int = 0
    explain: ExplainConfig = field(default_factory=ExplainConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)

    def __post_init__(self) -> None:
        """Refuse what cannot be trained on."""
        if self.max_sequences < 1 or (self.epochs or 1) < 1:
            raise OptionsError("--max-sequences and --epochs must be at least 1")
        if not 0 < self.learning_rate < 1:
            raise OptionsError("--learning-rate must lie between 0 and 1")


PLOTS = ("heatmap", "landscape", "logo", "context", "mutations", "faithfulness")
# Shares of the bases shuffled, for a faithfulness curve.
SHARES = (0.0, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)


@dataclass(frozen=True, kw_only=True)
class VizConfig:
    """`dnabert viz`."""

    plot: str = "heatmap"
    anchor: int | None = None  # base numbered 0; None: the model's, where rows have its window
    token: int | None = None  # base whose k-mer asks, in a context plot; None: [CLS]
    cutoff: float = 0.02  # least weight drawn in a context plot
    max_sequences: int | None = None  # None: MAX_DRAWN in pictures and pages, else all
    n_shuffles: int = 3  # per sequence and share, of a faithfulness curve
    by_input: bool = False  # rows of a heatmap in the order of the input, not by probability
    seed: int = 0
    explain: ExplainConfig = field(default_factory=ExplainConfig)
    compute: ComputeConfig = field(default_factory=ComputeConfig)

    def __post_init__(self) -> None:
        """Refuse unknown plots and weights that no attention has."""
        if self.plot not in PLOTS:
            raise OptionsError(f"--plot {self.plot} is unknown; known: {', '.join(PLOTS)}")
        if not 0 <= self.cutoff < 1:
            raise OptionsError("--cutoff is a weight of attention: at least 0 and below 1")
        if self.max_sequences is not None and self.max_sequences < 1:
            raise OptionsError("--max-sequences must be at least 1")


MAX_DRAWN = 1000
