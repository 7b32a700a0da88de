"""Every default of `dnabert dataset`, once: windows, negatives, splits."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from dnabert_cli.config import ARCHITECTURES, ComputeConfig
from dnabert_cli.errors import OptionsError

KINDS = ("promoters", "splice", "peaks", "regions", "sequences", "table")
NEGATIVES = ("genomic", "shuffled", "substituted", "tata", "decoys")
PROMOTER_CLASSES = ("all", "tata", "nontata")
SPLITS = ("block", "chromosome", "similarity", "stratified")
JUNCTION_PARTS = ("cds", "exon")
MATCHES = ("gc", "repeats")
# Kinds whose rows come from coordinates and need a genome; the others bring their sequences.
PLACED = ("promoters", "splice", "peaks", "regions")

# (window, anchor): 249 bases before the start site to 50 after it (paper, Prom-300); 200 bases on
# either side of a splice site (paper); 101 bases around a summit (DeepBind's ENCODE sets).
SHAPES: Mapping[str, tuple[int, int]] = {
    "promoters": (300, 249),
    "splice": (400, 200),
    "peaks": (101, 50),
}
CORE_PROMOTER = (70, 34)  # -34..+35 (paper, Prom-core)
# Rows per positive. A set with as many negatives as positives flatters: genomes hold few sites.
DEFAULT_NEGATIVES: Mapping[str, tuple[tuple[str, float], ...]] = {
    "promoters": (("genomic", 10.0),),
    "splice": (("decoys", 1.0), ("genomic", 1.0)),
    "peaks": (("genomic", 1.0),),
    "regions": (("genomic", 1.0),),
    "sequences": (("shuffled", 1.0),),
    "table": (),
}
_PLACE_NEGATIVES = ("genomic", "tata", "decoys")  # cut from the genome
_NEGATIVE = re.compile(r"([a-z]+)(?::([0-9.]+))?")


def parse_negatives(text: str) -> tuple[tuple[str, float], ...]:
    """Read `genomic:10,shuffled` as kinds of negatives and how many there are per positive.

    Raises:
        OptionsError: a kind is unknown or named twice, or a number is none.
    """
    found: dict[str, float] = {}
    for word in text.split(",") if text != "none" else []:
        match = _NEGATIVE.fullmatch(word.strip())
        if match is None or match[1] not in NEGATIVES or match[1] in found:
            raise OptionsError(
                f"--negatives: cannot read {word!r}",
                hint=f"such as genomic:10,shuffled:1 (rows per positive); known: "
                f"{', '.join(NEGATIVES)}, none",
            )
        try:
            found[match[1]] = float(match[2] or 1)
        except ValueError as error:
            raise OptionsError(f"--negatives: {match[2]} is no number") from error
    return tuple(found.items())


@dataclass(frozen=True, kw_only=True)
class HardConfig:
    """Rounds in which a model's own false positives join the training rows."""

    rounds: int = 0
    model: str | None = None  # model to begin with
    arch: str = "bert"  # or a baseline, trained anew in every round
    scan_bases: int | None = None  # scanned per round; None: as the kind says
    min_new: float = 0.01  # stop when a round finds fewer than this share of the training rows
    epochs: int = 3
    learning_rate: float | None = None  # None: finetune's for BERT, 1e-3 for a baseline
    compute: ComputeConfig = field(default_factory=ComputeConfig)

    def __post_init__(self) -> None:
        """Refuse rounds without a model, and a model without rounds."""
        if self.rounds < 0 or self.epochs < 1 or (self.scan_bases or 1) < 1:
            raise OptionsError("--rounds, --scan-bases and --epochs must not be negative")
        if self.arch not in ARCHITECTURES:
            known = ", ".join(ARCHITECTURES)
            raise OptionsError(f"--arch {self.arch} is unknown; known: {known}")
        has_model = self.model is not None or self.arch != "bert"
        if bool(self.rounds) != has_model:
            raise OptionsError("--rounds goes with --model (or --arch cnn): give both or none")
        if self.model is not None and self.arch != "bert":
            raise OptionsError("--model and --arch name two networks; leave one out")


@dataclass(frozen=True, kw_only=True)
class DatasetConfig:
    """`dnabert dataset`. `None` stands for the default of the kind."""

    kind: str
    window: int | None = None
    anchor: int | None = None  # base of the window, on its strand, that stands at the site
    promoters: str = "all"
    class_column: int | None = None  # of the BED, from 1: TATA or not; None: by TATA-box match
    junctions: str | None = None  # None: exon, or cds in a file without exons
    canonical: bool = True
    negatives: tuple[tuple[str, float], ...] | None = None
    distance: int = 1000  # bases between a genomic negative and any positive
    match: tuple[str, ...] = ()
    split: str | None = None  # None: block where rows have places, else similarity
    block: int = 1_000_000
    dev_fraction: float = 0.1
    test_fraction: float = 0.1
    max_unknown: float = 0.0  # share of N in a window
    max_shared: float = 0.5  # share of a window's 50-mers in another part: more is a duplicate
    keep_near_duplicates: bool = False
    seed: int = 0
    hard: HardConfig = field(default_factory=HardConfig)

    def __post_init__(self) -> None:
        """Refuse unknown choices, and options that do not fit the kind."""
        if self.kind not in KINDS:
            raise OptionsError(f"dataset {self.kind} is unknown; known: {', '.join(KINDS)}, check")
        for name, known in (
            ("promoters", PROMOTER_CLASSES),
            ("junctions", (None, *JUNCTION_PARTS)),
            ("split", (None, *SPLITS)),
        ):
            if getattr(self, name) not in known:
                shown = ", ".join(filter(None, known))
                raise OptionsError(f"--{name} {getattr(self, name)} is unknown; known: {shown}")
        if unknown := set(self.match) - set(MATCHES):
            raise OptionsError(f"--match {min(unknown)} is unknown; known: {', '.join(MATCHES)}")
        self._check_numbers()
        self._check_fit()

    def _check_numbers(self) -> None:
        window, anchor = self.shape
        known = (None, SHAPES["promoters"][0], CORE_PROMOTER[0])
        if self.kind == "promoters" and self.window not in known and self.anchor is None:
            raise OptionsError(
                f"--window {self.window}: which of its bases is the start site?",
                hint="name it with --anchor, counted from 0",
            )
        if window is not None and window < 1:
            raise OptionsError("--window must be at least 1")
        if anchor is not None and not 0 <= anchor < (window or anchor + 1):
            raise OptionsError(f"--anchor {anchor} lies outside the window of {window} bases")
        for name in ("dev_fraction", "test_fraction", "max_unknown", "max_shared"):
            if not 0 <= getattr(self, name) <= 1:
                raise OptionsError(f"--{name.replace('_', '-')} is a share, between 0 and 1")
        if self.dev_fraction + self.test_fraction >= 1:
            raise OptionsError("--dev-fraction and --test-fraction leave nothing to train")
        if self.distance < 0:
            raise OptionsError("--distance must not be negative")
        if self.block < 1 or self.max_shared == 0:
            raise OptionsError("--block and --max-shared must be above 0")

    def _check_fit(self) -> None:
        is_placed = self.kind in PLACED
        if not is_placed and (self.window, self.anchor) != (None, None):
            raise OptionsError(f"--window and --anchor: {self.kind} bring their sequences")
        if self.split in {"block", "chromosome"} and not is_placed and self.kind != "table":
            raise OptionsError(f"--split {self.split}: {self.kind} have no place in a genome")
        has_class = self.promoters != "all" or self.class_column is not None
        if has_class and self.kind != "promoters":
            raise OptionsError("--promoters and --class-column belong to dataset promoters")
        window, anchor = self.shape
        if self.kind == "splice" and not 2 <= (anchor or 0) <= (window or 0) - 2:
            raise OptionsError(
                f"--anchor {anchor}: a window of {window} bases does not show AG before it and GT "
                "behind it"
            )
        if (self.junctions is not None or not self.canonical) and self.kind != "splice":
            raise OptionsError("--junctions and --all-junctions belong to dataset splice")
        if self.hard.rounds and not is_placed:
            raise OptionsError("--rounds scans a genome: not for sequences and tables")
        if self.hard.rounds and self.split not in {None, "block", "chromosome"}:
            raise OptionsError(
                f"--rounds with --split {self.split}: no place belongs to the training part",
                hint="split by block or chromosome",
            )
        self._check_negatives()

    def _check_negatives(self) -> None:
        if self.match and "genomic" not in dict(self.wanted_negatives):
            raise OptionsError("--match belongs to genomic negatives")
        if self.kind == "table" and self.wanted_negatives:
            raise OptionsError("--negatives: a table brings its own; leave them out")
        for name, amount in self.wanted_negatives:
            if name in _PLACE_NEGATIVES and self.kind not in PLACED:
                raise OptionsError(f"--negatives {name}: {self.kind} have no place in a genome")
            if name == "decoys" and self.kind != "splice":
                raise OptionsError("--negatives decoys belongs to splice")
            if name == "tata" and self.kind != "promoters":
                raise OptionsError("--negatives tata belongs to promoters")
            if amount <= 0:
                raise OptionsError(f"--negatives {name}: the number must be above 0")

    @property
    def shape(self) -> tuple[int | None, int | None]:
        """Window and anchor, `None` where the source decides."""
        window, anchor = SHAPES.get(self.kind, (None, None))
        if self.window is not None and self.window != window:
            # the published anchors belong to the published windows
            window, anchor = self.window, self.window // 2
            if self.kind == "promoters":
                anchor = CORE_PROMOTER[1]
        return window, anchor if self.anchor is None else self.anchor

    @property
    def wanted_negatives(self) -> tuple[tuple[str, float], ...]:
        """Kinds of negatives and rows per positive."""
        return DEFAULT_NEGATIVES[self.kind] if self.negatives is None else self.negatives
