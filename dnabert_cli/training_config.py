"""Every default of training, once: `pretrain` here, `finetune` still in `config.py`."""

from dataclasses import dataclass, field

from dnabert_cli.config import ComputeConfig
from dnabert_cli.errors import OptionsError

MASKINGS = ("span", "original")
LENGTH_UNITS = ("tokens", "bases")
STARTS = ("random", "structured")


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
        if not 1 <= self.min_length <= self.max_length:
            raise OptionsError("--min-length must be at least 1 and at most --max-length")
        for name in (
            "mask_share", "late_mask_share", "full_share", "sampled_share", "dev_fraction",
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
        if self.dev_fraction == 0:
            raise OptionsError("--dev-fraction must be above 0: the held-out loss needs it")
        if not 0 <= self.seed < 1 << 63:
            raise OptionsError("--seed must lie in [0, 2^63)")
