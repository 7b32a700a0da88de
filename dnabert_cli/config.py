"""Every default, once: one frozen dataclass per subcommand, and what a model folder says of itself.

Flags, documentation and Python read their defaults from here.
`window`, `stride`, `start` and `end` count bases; whatever counts tokens says so.
"""

import math
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from dnabert_cli.errors import ModelError, OptionsError

K_CHOICES = (3, 4, 5, 6)
PRECISIONS = ("auto", "fp32", "bf16", "fp16")
STRAND_CHOICES = ("both", "+", "-")
AGGREGATES = ("max", "mean", "windows")
POOLINGS = ("cls", "mean")
ARCHITECTURES = ("bert", "cnn", "cnn-lstm", "cnn-gru")
# What a model answers: one of the classes, any number of them, a number, or an answer per base.
HEADS = ("class", "multi-label", "regression", "token")
# How a model joins the chunks of a sequence longer than BERT reads (DNABERT-XL).
LONG_CHOICES = ("lstm", "gru", "concat", "mean")
MAX_SIZE = 1 << 17  # of anything a model folder counts: more is a damaged or hostile file


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The encoder, in the field names of Hugging Face's `BertConfig`.

    `arch` other than `bert` is a baseline of `core/baselines.py`; of the sizes these use
    `hidden_size` (filters), `num_hidden_layers` and `vocab_size` only.
    """

    vocab_size: int
    hidden_size: int = 768
    num_hidden_layers: int = 12
    num_attention_heads: int = 12
    intermediate_size: int = 3072
    max_position_embeddings: int = 512
    type_vocab_size: int = 2
    layer_norm_eps: float = 1e-12
    hidden_dropout_prob: float = 0.1
    attention_probs_dropout_prob: float = 0.1
    initializer_range: float = 0.02
    hidden_act: str = "gelu"
    arch: str = "bert"
    long: str | None = None  # of LONG_CHOICES; None: one chunk, as BERT
    chunks: int = 1  # of max_position_embeddings tokens each, when `long`
    rnn_layers: int = 2  # of `long` lstm and gru
    rnn_dropout: float = 0.0

    def __post_init__(self) -> None:
        """Refuse sizes that cannot be built."""
        if self.arch not in ARCHITECTURES:
            raise ModelError(f"architecture {self.arch!r} is unknown; known: {ARCHITECTURES}")
        for name in _SIZES:
            _check_number(name, getattr(self, name), whole=True, low=1, high=MAX_SIZE)
        for name in (
            "hidden_dropout_prob", "attention_probs_dropout_prob", "layer_norm_eps", "rnn_dropout",
        ):  # fmt: skip
            _check_number(name, getattr(self, name), low=0, high=1)
        if self.arch == "bert" and self.hidden_size % self.num_attention_heads:
            raise ModelError(
                f"hidden_size {self.hidden_size} is not a multiple of "
                f"num_attention_heads {self.num_attention_heads}"
            )
        if self.long is not None and (self.long not in LONG_CHOICES or self.arch != "bert"):
            raise ModelError(f"a {self.arch} cannot join chunks by {self.long!r}")
        if self.hidden_act != "gelu":
            raise ModelError(f"hidden_act {self.hidden_act!r} is not supported, only 'gelu'")


_SIZES = (
    "vocab_size", "hidden_size", "num_hidden_layers", "num_attention_heads",
    "intermediate_size", "max_position_embeddings", "type_vocab_size", "chunks", "rnn_layers",
)  # fmt: skip


def _check_number(
    name: str, value: Any, *, whole: bool = False, low: float, high: float = math.inf
) -> None:
    """Refuse what is no number, or outside its range (JSON knows NaN, and true is 1)."""
    kinds = (int,) if whole else (int, float)
    if not isinstance(value, kinds) or isinstance(value, bool) or not low <= value <= high:
        kind = "a whole number" if whole else "a number"
        raise ModelError(f"{name} is {value!r}; it must be {kind} from {low} to {high}")


@dataclass(frozen=True, kw_only=True)
class TaskConfig:
    """What a task needs beyond BERT; lies in `config.json` under the key `"dnabert"`.

    With it `scan`, `predict` and `variants` need no code per task.
    """

    k: int  # k-mer size; 1 for the CNN baseline, which reads single bases
    classes: tuple[str, ...]  # one per output, in order; none before fine-tuning
    head: str = "class"  # of HEADS: what the outputs are
    token_stride: int = 1  # bases from one k-mer to the next
    window: int | None = None  # bases the model was trained on; None: any length
    anchor: int | None = None  # base of the window a call points at, on its strand
    stride: int = 50  # bases between the windows of a scan
    # (letters, offset from the anchor) of which one must stand in the window; None: every stride
    candidates: tuple[tuple[str, int], ...] | None = None
    # windows per strand that `variants` reads an allele in; None: ten, or all at candidates
    offsets: int | None = None
    # of head `class`: the class that is never called; None: the first
    background: str | None = None
    pooling: str = "cls"
    threshold: float = 0.5  # probability from which a window is called
    calibration: float = 1.0  # temperature the logits are divided by
    null: tuple[float, ...] | None = None  # quantiles of scores in background sequence
    precision: str = "auto"

    def __post_init__(self) -> None:
        """Refuse values no scan could use."""
        _check_number("k", self.k, whole=True, low=1, high=max(K_CHOICES))
        for name in ("token_stride", "stride"):
            _check_number(name, getattr(self, name), whole=True, low=1, high=MAX_SIZE)
        _check_number("threshold", self.threshold, low=0, high=1)
        _check_number("calibration", self.calibration, low=1e-3, high=1e3)
        if self.window is not None:
            _check_number("window", self.window, whole=True, low=self.k, high=MAX_SIZE)
        if self.anchor is not None:
            last = MAX_SIZE if self.window is None else self.window - 1
            _check_number("anchor", self.anchor, whole=True, low=0, high=last)
        if self.offsets is not None:
            _check_number("offsets", self.offsets, whole=True, low=1, high=MAX_SIZE)
        if self.head not in HEADS:
            raise ModelError(f"head {self.head!r} is unknown; known: {', '.join(HEADS)}")
        if self.pooling not in POOLINGS or self.precision not in PRECISIONS:
            raise ModelError(f"pooling {self.pooling!r} or precision {self.precision!r} is unknown")
        self._check_classes()
        if self.background is not None and self.head != "class":
            raise ModelError(f"a background class belongs to head class, not to {self.head}")
        if self.background is not None and self.background not in self.classes:
            raise ModelError(f"background class {self.background!r} is not among the classes")

    def _check_classes(self) -> None:
        """Names become columns and cells: texts, all different, without tabs and line ends."""
        names = self.classes
        if not isinstance(names, tuple) or not all(isinstance(one, str) for one in names):
            raise ModelError(f"classes must be a list of names, not {names!r}")
        if self.head == "class" and len(names) == 1:
            raise ModelError(f"{names[0]!r} is the only class: there is nothing to tell apart")
        if len(set(names)) < len(names):
            raise ModelError(f"the names of the classes must differ: {', '.join(names)}")
        for one in self.candidates or ():
            if len(one) != 2 or not set(one[0]) <= set("ACGT") or not isinstance(one[1], int):
                raise ModelError(f"candidates are pairs of bases and an offset, not {one!r}")
        for name in names:
            if not name.isprintable() or not name.strip():
                raise ModelError(f"{name!r} cannot be the name of a class")

    @property
    def background_index(self) -> int:
        """Index of the class that is never called; only head `class` has one."""
        assert self.head == "class", f"a model of head {self.head} has no background class"
        return 0 if self.background is None else self.classes.index(self.background)

    @property
    def called_classes(self) -> tuple[int, ...]:
        """Indices of the classes a scan calls: all, but for the background of head `class`."""
        indices = range(len(self.classes))
        if self.head != "class":
            return tuple(indices)
        return tuple(i for i in indices if i != self.background_index)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "TaskConfig":
        """Build from parsed JSON; keys of later versions are ignored.

        Raises:
            ModelError: a required key is missing or a value cannot be used.
        """
        known = {f.name for f in fields(cls)}
        kept = {name: _freeze(value) for name, value in values.items() if name in known}
        try:
            return cls(**kept)
        except TypeError as error:
            raise ModelError(f'the "dnabert" part of config.json is incomplete: {error}') from error

    def to_json(self) -> dict[str, Any]:
        """Return plain lists, numbers and texts for `config.json`."""
        return asdict(self)


def _freeze(value: Any) -> Any:
    return tuple(_freeze(item) for item in value) if isinstance(value, list) else value


# Tokens per micro-batch. More is slower on a CPU (tests/bench/bench_encoder.py); a GPU needs more
# to be busy, how many has not been measured.
CPU_BATCH_TOKENS = 2048
GPU_BATCH_TOKENS = 65536


@dataclass(frozen=True, kw_only=True)
class ComputeConfig:
    """Where and how the model runs; never changes results beyond the stated tolerance."""

    device: str = "auto"  # auto, cpu, cuda, cuda:N
    precision: str = "auto"  # auto: bf16 where the processor has it, else fp32
    threads: int | None = None  # None: one per core
    batch_tokens: int | None = None  # tokens per micro-batch; None: as below, by device

    def __post_init__(self) -> None:
        """Refuse unknown precisions and empty batches."""
        if self.precision not in PRECISIONS:
            raise OptionsError(f"--precision {self.precision} is unknown; known: {PRECISIONS}")
        if self.threads is not None and self.threads < 1:
            raise OptionsError("--threads must be at least 1")
        if self.batch_tokens is not None and self.batch_tokens < 1:
            raise OptionsError("--batch-tokens must be at least 1")


@dataclass(frozen=True, kw_only=True)
class ScanConfig:
    """`dnabert scan`."""

    stride: int | None = None  # None: as the model folder says
    threshold: float | None = None  # None: as the model folder says
    strand: str = "both"
    max_unknown: float = 0.1  # windows with a larger share of N and other codes are skipped
    all_windows: bool = False
    compute: ComputeConfig = field(default_factory=ComputeConfig)

    def __post_init__(self) -> None:
        """Refuse contradictions."""
        if self.stride is not None and self.stride < 1:
            raise OptionsError("--stride must be at least 1")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise OptionsError("--threshold is a probability, between 0 and 1")
        if self.strand not in STRAND_CHOICES:
            raise OptionsError(f"--strand {self.strand} is unknown; known: {STRAND_CHOICES}")
        if not 0 <= self.max_unknown <= 1:
            raise OptionsError("--max-unknown is a share, between 0 and 1")


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """`dnabert predict`."""

    aggregate: str | None = None  # over windows; None: max, and mean where answers are numbers
    stride: int | None = None  # None: half a window
    pooling: str = "mean"  # of the embeddings
    compute: ComputeConfig = field(default_factory=ComputeConfig)

    def __post_init__(self) -> None:
        """Refuse unknown choices."""
        if self.aggregate is not None and self.aggregate not in AGGREGATES:
            raise OptionsError(f"--aggregate {self.aggregate} is unknown; known: {AGGREGATES}")
        if self.pooling not in POOLINGS:
            raise OptionsError(f"--pooling {self.pooling} is unknown; known: {POOLINGS}")
        if self.stride is not None and self.stride < 1:
            raise OptionsError("--stride must be at least 1")
