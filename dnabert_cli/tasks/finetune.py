"""`dnabert finetune`: labelled sequences in, model folder out.

Reads like this: read and split the rows, check them, train, choose the threshold on the
development part, report on the test part, write the folder.
"""

import errno
import logging
import math
import os
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli import __version__
from dnabert_cli.analysis import metrics
from dnabert_cli.config import FinetuneConfig, ModelConfig, TaskConfig
from dnabert_cli.core.batches import LabelledRows
from dnabert_cli.core.checkpoint import save_model
from dnabert_cli.core.ensemble import score_sequences
from dnabert_cli.core.finetuning import Classifier, build_classifier, train_classifier
from dnabert_cli.core.hub import find_folder
from dnabert_cli.core.infer import Predictor
from dnabert_cli.errors import DataError, DnabertError, OptionsError
from dnabert_cli.formats import reports
from dnabert_cli.formats.files import sha256
from dnabert_cli.progress import SILENT, Progress
from dnabert_cli.sequence.kmers import Tokenizer
from dnabert_cli.tasks.labelled import (
    DEV,
    TEST,
    TRAIN,
    LabelledData,
    read_split_rows,
    read_test_rows,
)
from dnabert_cli.zoo import read_preset

logger = logging.getLogger(__name__)

RESUME_FOLDER = "resume"
# The figures a card quotes.
REPORTED = ("mcc", "auroc", "auprc")

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True)
class FinetuneResult:
    """Where the model lies and what it reached (`metrics.json`)."""

    folder: Path
    figures: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """Where a run reads and writes, and how it is watched; nothing of it changes the result.

    Attributes:
        output: the model folder to write.
        genome: FASTA that BED inputs refer to.
        tests: labelled files reported once at the end and used for nothing else.
        force: write into a folder that is not empty.
        resume: continue the run that lies in `output`.
        download: a base of the hub may be fetched.
        should_stop: asked after every step.
        progress: told of every step.
    """

    output: Path
    genome: str | None = None
    tests: Sequence[str] = ()
    force: bool = False
    resume: bool = False
    download: bool = False
    should_stop: Callable[[], bool] = lambda: False
    progress: Progress = SILENT


def finetune(inputs: Sequence[str], config: FinetuneConfig, run: Run) -> FinetuneResult:
    """Train a classifier and write its folder.

    Args:
        inputs: labelled tables, or two files without labels: positives, then negatives.
        config: everything that decides the result.
        run: where to write, and how the run is watched.

    Raises:
        DataError: one class only, sequences too short or too long, too few rows to split.
        OptionsError: the output folder is not empty.
    """
    state_path = run.output / RESUME_FOLDER / "state.pt"
    _check_output(run, state_path)
    base = find_folder(config.base, download=run.download) if config.base else None
    preset = read_preset(config.preset) if base is None and config.arch == "bert" else {}
    data = read_split_rows(inputs, config, run.genome)
    tests = _read_tests(run, data)
    network, tokenizer = build_classifier(config, len(data.label_names), base, preset)
    for rows in (data, *tests.values()):
        _check_lengths(rows, tokenizer, network.config)
    task = _task(data, config, tokenizer)

    def evaluate(current: Classifier) -> dict[str, float]:
        probabilities = _predict(current, task, config, data.part(DEV)[0])
        if np.isnan(probabilities).any():
            raise DnabertError("the network answers NaN", hint="lower --learning-rate")
        return _scores(data, DEV, probabilities)

    called = ", ".join(task.classes[i] for i in task.called_classes)
    logger.info("scans will call: %s; background: %s", called, task.classes[task.background_index])
    _prepare_output(run, state_path)
    state = train_classifier(
        network,
        LabelledRows(*data.part(TRAIN), tokenizer),
        evaluate,
        config,
        state_path=state_path,
        should_stop=run.should_stop,
        progress=run.progress,
    )
    task = replace(task, threshold=_threshold(network, task, config, data))
    figures = {"best_step": state.best_step} | _figures(network, task, config, data, tests)
    save_model(run.output, network, task, half=config.half)
    _write_reports(run.output, config, inputs, figures, state.history)
    state_path.unlink()
    with suppress(OSError):  # files of others may lie there
        state_path.parent.rmdir()
    return FinetuneResult(run.output, figures)


def _read_tests(run: Run, data: LabelledData) -> dict[str, LabelledData]:
    """The rows of every `--test` file by its name, which is how `metrics.json` keeps them."""
    names = [Path(path).name for path in run.tests]
    if len(set(names)) < len(names):
        raise OptionsError("two --test files have the same name; figures are kept by name")
    return {
        name: read_test_rows(path, data.label_names, run.genome)
        for name, path in zip(names, run.tests, strict=True)
    }


def _check_output(run: Run, state_path: Path) -> None:
    if run.output.exists() and not run.output.is_dir():
        raise OptionsError(f"{run.output} is a file; -o names the model folder to write")
    if run.resume and not state_path.exists():
        raise OptionsError(f"{run.output} holds no unfinished run; leave --resume out")
    if run.resume or not run.output.exists():
        return
    if any(run.output.iterdir()) and not run.force:
        raise OptionsError(f"{run.output} is not empty: --resume continues, --force overwrites")


def _prepare_output(run: Run, state_path: Path) -> None:
    """The last step before the long part: nothing was touched while anything could be wrong."""
    if not run.resume:
        state_path.unlink(missing_ok=True)
    try:
        state_path.parent.mkdir(parents=True, exist_ok=True)
        if not os.access(state_path.parent, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise DataError(f"cannot write to {run.output}: {error.strerror}") from error


def _check_lengths(data: LabelledData, tokenizer: Tokenizer, model: ModelConfig) -> None:
    lengths = np.array([len(example.sequence) for example in data.examples])
    if (n_short := int((lengths < tokenizer.k).sum())) > 0:
        raise DataError(f"{n_short} sequences are shorter than k = {tokenizer.k} bases")
    if model.arch != "bert":
        return
    longest = tokenizer.n_bases(model.max_position_embeddings - 2)
    if (n_long := int((lengths > longest).sum())) > 0:
        raise DataError(
            f"{n_long} sequences are longer than the {longest} bases the model can read",
            hint="cut them to the window of interest",
        )


def _task(data: LabelledData, config: FinetuneConfig, tokenizer: Tokenizer) -> TaskConfig:
    """What the model folder will say of itself; the window is the usual length of the rows."""
    names = config.class_names or data.label_names
    if len(names) != len(data.label_names):
        raise OptionsError(
            f"--class-names has {len(names)} names for {len(data.label_names)} labels: "
            f"{', '.join(data.label_names)}"
        )
    if config.background is not None and config.background not in names:
        raise OptionsError(
            f"--background {config.background} is none of the classes: {', '.join(names)}"
        )
    window, _ = Counter(len(example.sequence) for example in data.examples).most_common(1)[0]
    return TaskConfig(
        k=tokenizer.k,
        token_stride=tokenizer.token_stride,
        classes=names,
        window=window,
        anchor=window // 2 if config.anchor is None else config.anchor,
        stride=config.stride,
        pooling=config.pooling,
        background=config.background,
    )


def _predict(
    network: Classifier, task: TaskConfig, config: FinetuneConfig, sequences: Sequence[str]
) -> Probabilities:
    with Predictor(network, task, config.compute) as predictor:
        tokenizer = Tokenizer(task.k, task.token_stride)
        return score_sequences(predictor, tokenizer, sequences, len(task.classes))


def _scores(data: LabelledData, part: int, probabilities: Probabilities) -> dict[str, float]:
    figures = metrics.metrics(data.part(part)[1], probabilities)
    return {name: figures[name] for name in REPORTED}


def _threshold(
    network: Classifier, task: TaskConfig, config: FinetuneConfig, data: LabelledData
) -> float:
    """The probability from which a window is called; chosen on the development part."""
    sequences, labels = data.part(DEV)
    if len(data.label_names) > 2:
        return 0.5
    called = task.called_classes[0]
    scores = _predict(network, task, config, sequences)[:, called]
    labels = (labels == called).astype(np.int64)
    if config.threshold_fpr is not None:
        # the best rows may all be negatives with probability 1: then nothing is called below it
        return min(1.0, metrics.threshold_at_fpr(labels, scores, config.threshold_fpr))
    best = metrics.best_threshold(labels, scores)
    return 0.5 if math.isnan(best) else best


def _figures(
    network: Classifier,
    task: TaskConfig,
    config: FinetuneConfig,
    data: LabelledData,
    tests: dict[str, LabelledData],
) -> dict[str, Any]:
    """Figures of the dev part, the test part whole and by source, and the extra test files."""
    figures: dict[str, Any] = {"threshold": task.threshold}
    parts = {"dev": (data, data.parts == DEV), "test": (data, data.parts == TEST)}
    sources = sorted({example.source for example in data.examples})
    if len(sources) > 1:
        of_row = np.array([example.source for example in data.examples])
        for source in sources:
            parts[f"test of {source}"] = (data, (data.parts == TEST) & (of_row == source))
    parts |= {name: (rows, rows.parts == TEST) for name, rows in tests.items()}
    for name, (rows, chosen) in parts.items():
        if not chosen.any():
            continue
        sequences = [rows.examples[row].sequence for row in np.flatnonzero(chosen).tolist()]
        probabilities = _predict(network, task, config, sequences)
        figures[name] = _report(rows.labels[chosen], probabilities, task.threshold)
        shown = ", ".join(f"{each} {figures[name][each]:.3f}" for each in REPORTED)
        logger.info("%s: %d rows, %s", name, figures[name]["n"], shown)
    return figures


def _report(
    labels: npt.NDArray[np.int64], probabilities: Probabilities, threshold: float
) -> dict[str, Any]:
    """All figures of a part, with bootstrap intervals for those a card quotes."""
    values: dict[str, Any] = {"n": len(labels)}
    if probabilities.shape[1] == 2:
        values["share_of_positives"] = float(labels.mean())
        at_threshold = metrics.metrics(labels, probabilities, threshold=threshold)
        for name in ("precision", "recall", "mcc"):
            values[f"{name}_at_threshold"] = at_threshold[name]
    values |= metrics.metrics(labels, probabilities)
    for name in REPORTED:
        values[f"{name}_interval_95"] = list(metrics.metric_interval(name, labels, probabilities))
    return values


def _write_reports(
    folder: Path,
    config: FinetuneConfig,
    inputs: Sequence[str],
    figures: dict[str, Any],
    history: Sequence[dict[str, float]],
) -> None:
    """Write `run.toml`, `metrics.json` and the curve `training.tsv`."""
    options = asdict(config)
    compute = options.pop("compute")
    checksums = {Path(path).name: sha256(path) for path in inputs if path != "-"}
    run = {"format_version": 1, "version": __version__, **options}
    reports.write_toml(run | {"compute": compute, "inputs": checksums}, folder / "run.toml")
    reports.write_json(figures, folder / "metrics.json")
    reports.write_curve(history, folder / "training.tsv")
