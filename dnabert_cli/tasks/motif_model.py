"""The model `motifs` makes for itself: a base, fine-tuned on the two classes given."""

import logging
import time
from pathlib import Path

from dnabert_cli.config import TaskConfig
from dnabert_cli.core.checkpoint import Model
from dnabert_cli.core.finetuning import build_classifier
from dnabert_cli.core.folder_config import CONFIG
from dnabert_cli.core.hub import find_folder
from dnabert_cli.core.importance import Importance, ImportanceOptions
from dnabert_cli.errors import DataError, OptionsError
from dnabert_cli.explain_config import (
    MAX_EPOCHS,
    MIN_EPOCHS,
    MIN_STEPS,
    ExplainConfig,
    MotifsConfig,
)
from dnabert_cli.formats.files import open_output
from dnabert_cli.formats.tables import write_table
from dnabert_cli.progress import Progress
from dnabert_cli.records import Example
from dnabert_cli.tasks.finetune import Run, finetune
from dnabert_cli.tasks.motif_rows import MotifRows, labelled
from dnabert_cli.training_config import FinetuneConfig

logger = logging.getLogger(__name__)

CLASSES = NEGATIVE, POSITIVE = ("negative", "positive")

_WITHOUT_TRAINING = "--method kmers needs no model"


def check_training(rows: MotifRows, config: MotifsConfig, *, download: bool = False) -> None:
    """Refuse, before anything is trained, what the trained model could not be asked.

    Args:
        rows: both classes.
        config: base, and what importance is.
        download: a base of the hub may be fetched.

    Raises:
        DataError: a sequence is too short or too long for the base.
        ModelError, OptionsError: the base is none, or a model made of it has no such importance.
    """
    options = _options(config.explain)
    base = find_folder(config.base, download=download)
    network, tokenizer = build_classifier(_settings(rows, config), len(CLASSES), base, {})
    if config.explain.legacy and tokenizer.token_stride > 1:
        raise OptionsError(
            f"--legacy is for models that read every k-mer; the token stride of {config.base} "
            f"is {tokenizer.token_stride}",
            hint="add --token-stride 1",
        )
    task = TaskConfig(k=tokenizer.k, token_stride=tokenizer.token_stride, classes=CLASSES)
    model = Model(network.eval(), task, config.base, base)  # type: ignore[arg-type]
    with Importance([model], config.compute, options):
        pass
    longest = None if model.max_tokens is None else tokenizer.n_bases(model.max_tokens)
    _check_lengths([*rows.positives, *rows.negatives], tokenizer.k, longest, config.base)


def _options(explain: ExplainConfig) -> ImportanceOptions:
    """Return what the model will be asked; the options are checked on the way."""
    if explain.target not in (None, *CLASSES):
        known = ", ".join(CLASSES)
        raise OptionsError(
            f"--target {explain.target} is no class of the model trained here; known: {known}"
        )
    return ImportanceOptions(
        method=explain.method,
        layer=explain.layer,
        head=explain.head,
        legacy=1 if explain.legacy else None,
        target=None if explain.target is None else CLASSES.index(explain.target),
        steps=explain.steps,
    )


def _check_lengths(examples: list[Example], k: int, longest: int | None, base: str) -> None:
    short = [one.name for one in examples if len(one.sequence) < k]
    if short:
        raise DataError(
            f"{len(short)} sequences are shorter than {k} bases, the k-mers of {base}; "
            f"the first is {short[0]!r}",
            hint=f"leave them out; {_WITHOUT_TRAINING}",
        )
    long = [one.name for one in examples if longest is not None and len(one.sequence) > longest]
    if long:
        raise DataError(
            f"{len(long)} sequences are longer than the {longest} bases {base} is trained on; "
            f"the first is {long[0]!r}",
            hint=f"cut them to the bases around their middle; {_WITHOUT_TRAINING}",
        )


def train(
    rows: MotifRows,
    config: MotifsConfig,
    folder: Path,
    progress: Progress,
    *,
    download: bool = False,
) -> tuple[Path, float]:
    """Fine-tune on the rows; return the model folder and its AUROC on rows kept aside.

    Args:
        rows: both classes; a tenth of them chooses the weights, a tenth judges.
        config: base, epochs, learning rate.
        folder: of this run alone; the model is its folder `model`.
        progress: told of every step.
        download: a base of the hub may be fetched.

    Raises:
        DataError: too few rows to split.
    """
    table = folder / "rows.tsv"
    with open_output(str(table), force=True) as handle:
        write_table(labelled(rows), ("sequence", "label"), handle, header=True)
    begin = time.perf_counter()
    run = Run(folder / "model", progress=progress, download=download)
    try:
        result = finetune([str(table)], _settings(rows, config), run)
    except DataError as error:  # its hint is about splits
        raise DataError(
            f"{error.args[0]}: too few or too similar sequences to train on",
            hint=f"give more sequences; {_WITHOUT_TRAINING}",
        ) from None
    seconds = time.perf_counter() - begin
    figures = result.figures["test"]
    auroc, (low, high) = float(figures["auroc"]), figures["auroc_interval_95"]
    logger.info(
        "fine-tuned %s in %.0f s: AUROC %.3f (%.3f to %.3f) on %d rows kept aside",
        config.base, seconds, auroc, low, high, figures["n"],
    )  # fmt: skip
    if not low > 0.5:
        logger.warning(
            "this model may not tell the classes apart at all, and where it looks may mean "
            "nothing (hint: more sequences, more --epochs; %s)", _WITHOUT_TRAINING,
        )  # fmt: skip
    return result.folder, auroc


def _epochs(n_rows: int, config: MotifsConfig) -> int:
    """Return how often the rows are read; few of them more often."""
    if config.epochs is not None:
        return config.epochs
    steps = max(n_rows // FinetuneConfig.batch_size, 1)  # of an epoch, about
    return min(max(MIN_EPOCHS, -(-MIN_STEPS // steps)), MAX_EPOCHS)


def _settings(rows: MotifRows, config: MotifsConfig) -> FinetuneConfig:
    epochs = _epochs(len(rows.positives) + len(rows.negatives), config)
    return FinetuneConfig(
        base=config.base,
        epochs=epochs,
        patience=epochs,  # few rows may show nothing for a while
        learning_rate=config.learning_rate,
        token_stride=config.token_stride,
        class_names=CLASSES,
        attention_dropout=0.0,  # a third of the time; see docs/experiments.md
        evaluations_per_epoch=1,
        split="similarity",
        seed=config.seed,
        compute=config.compute,
    )


def check_kept(target: Path, *, force: bool) -> None:
    """Refuse a folder that the model cannot be kept in.

    Raises:
        OptionsError: it is a file, it is not empty, or it lies in no folder.
    """
    if target.exists() and not target.is_dir():
        raise OptionsError(f"--save-model {target} is a file; name a folder")
    if target.is_dir() and any(target.iterdir()) and not force:
        raise OptionsError(
            f"--save-model {target} is not empty", hint="name another folder, or add --force"
        )
    if not target.resolve().parent.is_dir():
        raise OptionsError(f"--save-model {target}: its parent folder does not exist")


def keep(model: Path, target: Path) -> None:
    """Move the files of a model to another folder of the same disk, the one it is known by last."""
    target.mkdir(exist_ok=True)
    for path in sorted(model.iterdir(), key=lambda each: (each.name == CONFIG, each.name)):
        path.replace(target / path.name)
