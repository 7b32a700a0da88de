"""Every default of training, once: `config.py` for `finetune` and `pretrain`."""

import math
import re
from dataclasses import dataclass, field

from dnabert_cli.config import ARCHITECTURES, HEADS, LONG_CHOICES, POOLINGS, ComputeConfig
from dnabert_cli.errors import OptionsError

CLASS_WEIGHTS = ("none", "balanced")
SPLITS = ("auto", "chromosome", "similarity")
MASKINGS = ("span", "original")
LENGTH_UNITS = ("tokens", "bases")
STARTS = ("random", "structured")


_CANDIDATE = re.compile("([ACGT]+):(-?[0-9]{1,6})")


def parse_candidates(texts: tuple[str, ...]) -> tuple[tuple[str, int], ...]:
    """Read texts such as `AG:-2` as letters and where they begin, counted from the anchor.

    Raises:
        OptionsError: a text is something else.
    """
    found = []
    for text in texts:
        match = _CANDIDATE.fullmatch(text.strip())
        if match is None:
            raise OptionsError(
                f"--candidates: cannot read {text!r}",
                hint="letters and their distance from the anchor, such as GT:0,AG:-2",
            )
        found.append((match[1], int(match[2])))
    return tuple(found)


_COUNTS = ("seeds", "epochs", "batch_size", "evaluations_per_epoch", "patience", "stride")


def _check_optimization(config: "FinetuneConfig | PretrainConfig") -> None:
    """Refuse what AdamW cannot work with."""
    rate = config.learning_rate
    if rate is not None and not 0 < rate < math.inf:
        raise OptionsError("--learning-rate must be above 0")
    if not config.max_gradient_norm > 0 or not 0 <= config.weight_decay < math.inf:
        raise OptionsError("--max-gradient-norm must be above 0, --weight-decay at least 0")
    if not 0 <= config.seed < 1 << 63:
        raise OptionsError("--seed must lie in [0, 2^63)")


@dataclass(frozen=True, kw_only=True)
class FinetuneConfig:
    """`dnabert finetune`. Published values: Ji et al. 2021 and the original's README."""

    arch: str = "bert"
    base: str | None = None  # model to start from; None: random weights of `preset`
    preset: str = "dnabert-6-compact"  # architecture when there is no base
    head: str = "class"
    labels: str | None = None  # BED or bedGraph: the label of each base, for head `token`
    window: int | None = None  # bases that regions are cut into, for head `token`; None: 300
    long: str | None = None  # how chunks of long sequences are joined; None: one chunk
    token_stride: int | None = None  # None: as the base says, else 1
    pooling: str = "cls"
    epochs: int = 5
    batch_size: int = 32  # global: the same on one process or many
    learning_rate: float = 2e-4  # original's README, fine-tuning
    weight_decay: float = 0.01
    warmup: float = 0.1  # share of all steps
    max_gradient_norm: float = 1.0
    hidden_dropout: float = 0.1
    attention_dropout: float = 0.1
    label_smoothing: float = 0.0
    class_weights: str = "none"  # balanced: rare classes count as much as frequent ones
    metric: str | None = None  # decides on the best weights; None: the first of the head
    split: str = "auto"  # by chromosome where rows have coordinates, else by shared 50-mers
    dev_fraction: float = 0.1  # for early stopping and the threshold
    test_fraction: float = 0.1  # reported once, at the end
    evaluations_per_epoch: int = 2
    patience: int = 4  # evaluations without a better metric before stopping
    threshold_fpr: float | None = None  # share of dev negatives called; None: best MCC
    stride: int = 50  # of later scans
    anchor: int | None = None  # of later calls; None: the middle of the window
    # LETTERS:OFFSET from the anchor, where later scans look; None: every `stride` bases
    candidates: tuple[str, ...] | None = None
    class_names: tuple[str, ...] | None = None  # in the order of the labels; None: the labels
    background: str | None = None  # the class that scans never call; None: the first
    half: bool = False  # store the weights in half precision
    compile: bool = False  # torch.compile
    checkpoint_activations: bool = False  # compute them twice and keep few: less memory
    seed: int = 0
    seeds: int = 1  # runs, of seed, seed + 1, ...
    compute: ComputeConfig = field(default_factory=ComputeConfig)

    def __post_init__(self) -> None:
        """Refuse values that could not train."""
        if self.arch not in ARCHITECTURES:
            raise OptionsError(f"--arch {self.arch} is unknown; known: {ARCHITECTURES}")
        if self.arch != "bert" and (self.base is not None or self.long is not None):
            raise OptionsError(f"--arch {self.arch} has no --base and no --long; leave them out")
        self._check_choices()
        for name in _COUNTS:
            if getattr(self, name) < 1:
                raise OptionsError(f"--{name.replace('_', '-')} must be at least 1")
        for name in ("dev_fraction", "test_fraction"):
            if not 0 <= getattr(self, name) < 0.5:
                raise OptionsError(f"--{name.replace('_', '-')} must lie in [0, 0.5)")
        if self.dev_fraction == 0:
            raise OptionsError("--dev-fraction must be above 0: early stopping needs it")
        self._check_training()

    def _check_choices(self) -> None:
        for name, known in (
            ("head", HEADS),
            ("class_weights", CLASS_WEIGHTS),
            ("split", SPLITS),
            ("long", (None, *LONG_CHOICES)),
        ):
            if getattr(self, name) not in known:
                shown = ", ".join(filter(None, known))
                option = name.replace("_", "-")
                raise OptionsError(f"--{option} {getattr(self, name)} is unknown; known: {shown}")
        if self.head != "token" and (self.labels is not None or self.window is not None):
            raise OptionsError("--labels and --window belong to --head token")
        if self.head == "token" and self.labels is None:
            raise OptionsError("--head token needs --labels: a BED or bedGraph file")
        if self.head == "token" and (self.arch != "bert" or self.long is not None):
            raise OptionsError("--head token is for --arch bert without --long")

    def _check_training(self) -> None:
        shares = ("warmup", "hidden_dropout", "attention_dropout", "label_smoothing")
        for name in (*shares, "threshold_fpr"):
            if getattr(self, name) is not None and not 0 <= getattr(self, name) < 1:
                raise OptionsError(f"--{name.replace('_', '-')} must lie in [0, 1)")
        _check_optimization(self)
        parse_candidates(self.candidates or ())
        if self.pooling not in POOLINGS:
            raise OptionsError(f"--pooling {self.pooling} is unknown; known: {POOLINGS}")


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """`dnabert pretrain`. `None` stands for what the preset says; see `models/configs/`."""

    base: str | None = None  # model to go on from; None: random weights of `preset`
    preset: str = "dnabert-6-compact"
    start: str | None = None  # of `preset`: random weights, or structured (core/starts.py)
    token_stride: int | None = None
    batch_size: int | None = None  # pieces; global: the same on one process or many
    learning_rate: float | None = None  # at its peak
    warmup_steps: int | None = None
    schedule_steps: int | None = None  # at which the learning rate would be 0
    steps: int | None = None  # at which training stops
    mask_share: float | None = None  # of the tokens
    late_mask_share: float | None = None  # from `late_mask_from` on
    late_mask_from: int | None = None  # step
    masking: str = "span"  # original: around random centres; the shares are then of centres
    min_length: int = 5  # of a piece (Ji et al. 2021, section 2.2)
    max_length: int = 510
    length_unit: str = "tokens"
    full_share: float = 0.5  # of the pieces have the largest length (original program)
    sampled_share: float = 0.5  # of the pieces come from random places
    weights: tuple[float, ...] | None = None  # per file, how often it is read
    reverse_complement: bool = False  # half of the pieces are read from the other strand
    weight_decay: float = 0.01
    beta2: float = 0.98  # original's README, as are eps and the peak of the learning rate
    eps: float = 1e-6
    max_gradient_norm: float = 1.0
    hidden_dropout: float = 0.1
    attention_dropout: float = 0.1
    dev_fraction: float = 0.01  # of the bases, in long stretches
    dev_pieces: int = 512  # judged at every evaluation
    evaluate_every: int = 500  # steps
    save_every: int = 500  # steps
    log_every: int = 10  # steps
    half: bool = False  # store the weights in half precision
    compile: bool = False  # torch.compile
    checkpoint_activations: bool = False
    seed: int = 0
    compute: ComputeConfig = field(default_factory=ComputeConfig)

    def __post_init__(self) -> None:
        """Refuse values that could not train."""
        if self.masking not in MASKINGS or self.length_unit not in LENGTH_UNITS:
            raise OptionsError(
                f"--masking is one of {', '.join(MASKINGS)}; "
                f"--length-unit one of {', '.join(LENGTH_UNITS)}"
            )
        if self.start is not None and self.start not in STARTS:
            raise OptionsError(f"--start is one of {', '.join(STARTS)}")
        self._check_ranges()
        if not 1 <= self.min_length <= self.max_length:
            raise OptionsError("--min-length must be at least 1 and at most --max-length")
        if self.dev_fraction == 0:
            raise OptionsError("--dev-fraction must be above 0: the held-out loss needs it")
        if not 0 < self.eps < 1:
            raise OptionsError("--eps must lie between 0 and 1")
        _check_optimization(self)

    def _check_ranges(self) -> None:
        for name in (
            "full_share", "sampled_share", "dev_fraction",
            "hidden_dropout", "attention_dropout", "beta2",
        ):  # fmt: skip
            if getattr(self, name) is not None and not 0 <= getattr(self, name) < 1:
                raise OptionsError(f"--{name.replace('_', '-')} must lie in [0, 1)")
        for name in (
            "batch_size", "schedule_steps", "steps", "dev_pieces", "evaluate_every", "save_every",
            "log_every",
        ):  # fmt: skip
            if getattr(self, name) is not None and getattr(self, name) < 1:
                raise OptionsError(f"--{name.replace('_', '-')} must be at least 1")
        for name in ("mask_share", "late_mask_share"):
            if getattr(self, name) is not None and not 0 < getattr(self, name) < 1:
                raise OptionsError(f"--{name.replace('_', '-')} must lie between 0 and 1")
