"""`dnabert finetune`: labelled sequences in, model folder out.

Reads like this: read and split the rows (or read both parts), check them, train, choose the
threshold on the development part, report on the test part, write the folder. With several seeds
all of that but the first, once per seed.
"""

import logging
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from dnabert_cli.analysis.figures import DECIDING, kind_of
from dnabert_cli.config import ModelConfig, TaskConfig
from dnabert_cli.core.batches import LabelledRows
from dnabert_cli.core.checkpoint import save_model
from dnabert_cli.core.device import check_compute
from dnabert_cli.core.distributed import world
from dnabert_cli.core.finetuning import (
    Goal,
    build_classifier,
    rescale_output,
    train_classifier,
)
from dnabert_cli.core.hub import find_folder
from dnabert_cli.core.network import max_tokens
from dnabert_cli.core.pretraining import Watch
from dnabert_cli.core.states import LoopState, states
from dnabert_cli.errors import DataError, OptionsError
from dnabert_cli.formats.files import check_outputs, sha256
from dnabert_cli.progress import SILENT, Progress
from dnabert_cli.sequence.kmers import Tokenizer
from dnabert_cli.tasks.finetune_reports import write_reports
from dnabert_cli.tasks.judging import examine, items, quick_figures, read_answers
from dnabert_cli.tasks.labelled import LabelledData, read_parts, read_test_rows
from dnabert_cli.tasks.model_output import (
    RESUME_FOLDER,
    check_folder,
    forget_states,
    make_log,
    prepare_folder,
    run_values,
)
from dnabert_cli.tasks.seeds import (
    check_seed_folders,
    finished_figures,
    forget,
    seed_folder,
    seeds_of,
    write_best,
)
from dnabert_cli.tasks.splits import DEV, TRAIN
from dnabert_cli.tasks.targets import Scale, balanced_weights, known_labels
from dnabert_cli.training_config import FinetuneConfig, parse_candidates
from dnabert_cli.zoo import read_preset

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FinetuneResult:
    """Where the model lies and what it reached (`metrics.json`)."""

    folder: Path
    figures: dict[str, Any]


@dataclass(frozen=True)
class Run:
    """Where a run reads and writes, and how it is watched; no option of the training.

    Attributes:
        output: the model folder to write.
        genome: FASTA that BED inputs refer to.
        devs: labelled files for the dev part; all inputs then train and none is split off.
        tests: labelled files reported once at the end and used for nothing else.
        log_tsv: write the training log to this file.
        tensorboard: and to this folder, for TensorBoard.
        force: write into a folder that is not empty.
        resume: continue the run that lies in `output`.
        download: a base of the hub may be fetched.
        should_stop: asked after every step.
        progress: told of every step.
    """

    output: Path
    genome: str | None = None
    devs: Sequence[str] = ()
    tests: Sequence[str] = ()
    log_tsv: Path | None = None
    tensorboard: Path | None = None
    force: bool = False
    resume: bool = False
    download: bool = False
    should_stop: Callable[[], bool] = lambda: False
    progress: Progress = SILENT


@dataclass(frozen=True)
class _Job:
    """What all seeds of a call have in common.

    Attributes:
        config: of the whole call.
        run: as the caller gave it.
        values: of `run.toml`.
        data, tests: rows of the parts, and rows that only test, by name of their file.
        base: folder to start from.
        preset: parsed; empty where it is not needed.
        metric: figure of the dev part that decides.
    """

    config: FinetuneConfig
    run: Run
    values: dict[str, Any]
    data: LabelledData
    tests: dict[str, LabelledData]
    base: Path | None
    preset: dict[str, Any]
    metric: str


def finetune(inputs: Sequence[str], config: FinetuneConfig, run: Run) -> FinetuneResult:
    """Train a network to answer as labelled rows do, and write its folder.

    Args:
        inputs: labelled tables; or two files without labels, positives and then negatives; or,
            for head `token`, regions.
        config: everything that decides the result.
        run: where to write, and how the run is watched.

    Raises:
        DataError: nothing to tell apart, sequences too short or too long, too few rows to split.
        OptionsError: the output folder is not empty, or an option does not suit the head.
    """
    _check_options(config)
    check_compute(config.compute)
    if world().is_first:  # the others might look when this one has begun to write
        _check_folder(config, run)
        logs = [_log_path(config, run, seed) for seed in seeds_of(config)]
        check_outputs(
            [None if log is None else str(log) for log in logs],
            run.force or run.resume,
            [*inputs, *run.devs, *run.tests],
        )
    base = find_folder(config.base, download=run.download) if config.base else None
    preset = read_preset(config.preset) if base is None and config.arch == "bert" else {}
    data = read_parts(inputs, run.devs, config, run.genome)
    job = _Job(
        config=config,
        run=run,
        values=_run_values(inputs, config, run),
        data=data,
        tests=_read_tests(config, run, data),
        base=base,
        preset=preset,
        metric=_metric(config, len(data.label_names)),
    )
    if config.seeds == 1:
        return _train(job, config.seed, run.output, resume=run.resume)
    return _train_all(job)


def _run_values(inputs: Sequence[str], config: FinetuneConfig, run: Run) -> dict[str, Any]:
    """What `run.toml` says; a dev file with the name of an input is kept as `dev NAME`."""
    values = run_values(config, [*inputs, *filter(None, [config.labels])])
    checksums = values["inputs"]
    for path in run.devs:
        if path != "-":
            name = Path(path).name
            checksums[f"dev {name}" if name in checksums else name] = sha256(path)
    return values


def _train_all(job: _Job) -> FinetuneResult:
    """Train once per seed, on the same parts, each in a folder of its own; copy the best."""
    output = job.run.output
    folders = {seed: seed_folder(output, seed) for seed in seeds_of(job.config)}
    figures: dict[int, dict[str, Any]] = {}
    if job.run.resume:
        found = {seed: finished_figures(folder, job.values) for seed, folder in folders.items()}
        figures = {seed: values for seed, values in found.items() if values is not None}
    for seed, folder in folders.items():
        if seed not in figures:
            logger.info("seed %d", seed)
            resume = job.run.resume and bool(states(folder / RESUME_FOLDER))
            figures[seed] = _train(job, seed, folder, resume=resume).figures
    in_order = {seed: figures[seed] for seed in folders}
    return FinetuneResult(output, write_best(output, in_order, job.metric))


def _train(job: _Job, seed: int, folder: Path, *, resume: bool) -> FinetuneResult:
    """Train from one seed and write the folder."""
    config = replace(job.config, seed=seed, seeds=1, metric=job.metric)
    network: Any
    network, tokenizer = build_classifier(
        config, len(job.data.label_names), job.base, job.preset, longest=_longest(job)
    )
    for rows in (job.data, *job.tests.values()):
        _check_lengths(rows, tokenizer, network.config)
    task = _task(job.data, config, tokenizer)
    if task.head == "class":
        called = ", ".join(task.classes[i] for i in task.called_classes)
        background = task.classes[task.background_index]
        logger.info("scans will call: %s; background: %s", called, background)
    watch = _watch(job, seed, folder, resume=resume)
    is_first = world().is_first
    if is_first:
        if seed == job.config.seed and job.config.seeds > 1 and not job.run.resume:
            forget(job.run.output, job.config)
        prepare_folder(folder, resume=resume)
    state = _learn(job, config, task, network, watch)
    if not is_first:
        return FinetuneResult(folder, {})
    task, found = examine(network, task, config, job.data, job.tests)
    figures = {"best_step": state.best_step} | found
    write_reports(folder, job.values, figures, state, job.metric)
    save_model(folder, network, task, half=config.half)
    forget_states(folder)
    return FinetuneResult(folder, figures)


def _learn(
    job: _Job, config: FinetuneConfig, task: TaskConfig, network: Any, watch: Watch
) -> LoopState:
    """Run the loop; the network then answers in the units of the data."""
    tokenizer = Tokenizer(task.k, task.token_stride)
    sequences, targets = job.data.part(TRAIN)
    dev_sequences, dev_targets = job.data.part(DEV)
    kind = kind_of(task.head, len(task.classes))
    scale = Scale.of(targets) if kind == "values" else Scale()

    def evaluate(current: Any) -> dict[str, float]:
        answers = read_answers(current, task, config.compute, dev_sequences)
        return quick_figures(items(dev_targets, scale.restore(answers), task), job.metric)

    weights = None
    if config.class_weights == "balanced":
        weights = balanced_weights(kind, known_labels(targets), len(task.classes))
    rows = _TrainingRows(
        sequences,
        scale.apply(targets),
        tokenizer,
        network.config.chunks if network.config.long else None,
        network.config.max_position_embeddings - 2,
    )
    if job.run.devs:
        rows.dev = LabelledRows(dev_sequences, dev_targets, tokenizer)
    state = train_classifier(
        network,
        rows,
        evaluate,
        config,
        Goal(len(task.classes), job.metric, weights),
        watch,
    )
    if kind == "values":
        rescale_output(network, scale.mean, scale.sd)
    return state


class _TrainingRows(LabelledRows):
    """Training rows; a resumed run is known by their checksum, which covers rows of `--dev` too.

    Dev rows split off the inputs add nothing: they are what the training rows are not.
    """

    dev: LabelledRows | None = None

    def checksum(self) -> str:
        """Return the checksum of the rows and of `dev`."""
        return super().checksum() + (self.dev.checksum() if self.dev is not None else "")


def _watch(job: _Job, seed: int, folder: Path, *, resume: bool) -> Watch:
    """How the run of a seed is watched; with several seeds each has logs of its own."""
    tsv, tensorboard = _log_path(job.config, job.run, seed), job.run.tensorboard
    if job.config.seeds > 1:
        tensorboard = tensorboard and tensorboard / f"seed-{seed}"
    return Watch(
        folder / RESUME_FOLDER,
        should_stop=job.run.should_stop,
        log=make_log(folder, tsv, tensorboard, resume=resume),
        progress=job.run.progress,
    )


def _log_path(config: FinetuneConfig, run: Run, seed: int) -> Path | None:
    if run.log_tsv is None or config.seeds == 1:
        return run.log_tsv
    return run.log_tsv.with_stem(f"{run.log_tsv.stem}-seed-{seed}")


def _check_options(config: FinetuneConfig) -> None:
    """Refuse options that the head has no use for, and seeds that would have to share processes."""
    if config.seeds > 1 and world().size > 1:
        raise OptionsError(
            "--seeds: several processes train one seed", hint="start one run per --seed"
        )
    if config.head != "class":
        for name in ("background", "threshold_fpr"):
            if getattr(config, name) is not None:
                option = name.replace("_", "-")
                raise OptionsError(f"--{option} belongs to --head class, not to {config.head}")


def _check_folder(config: FinetuneConfig, run: Run) -> None:
    if config.seeds == 1:
        check_folder(run.output, force=run.force, resume=run.resume)
    else:
        check_seed_folders(run.output, config, force=run.force, resume=run.resume)


def _metric(config: FinetuneConfig, n_outputs: int) -> str:
    """Return the figure that decides on the best weights.

    Raises:
        OptionsError: the head has no such figure, or a larger one is not better; or an option is
            for classes, and the answers are others.
    """
    kind = kind_of(config.head, n_outputs)
    if kind == "values" and config.class_weights != "none":
        raise OptionsError("--class-weights: the answers are numbers, there are no classes")
    if kind != "classes" and config.label_smoothing > 0:
        raise OptionsError("--label-smoothing is for classes; leave it out")
    known = DECIDING[kind]
    if config.metric is not None and config.metric not in known:
        raise OptionsError(
            f"--metric {config.metric} cannot decide for --head {config.head}; "
            f"known: {', '.join(known)}"
        )
    return config.metric or known[0]


def _read_tests(config: FinetuneConfig, run: Run, data: LabelledData) -> dict[str, LabelledData]:
    """The rows of every `--test` file by its name, which is how `metrics.json` keeps them."""
    names = [Path(path).name for path in run.tests]
    if len(set(names)) < len(names):
        raise OptionsError("two --test files have the same name; figures are kept by name")
    return {
        name: read_test_rows(path, config, data.label_names, run.genome)
        for name, path in zip(names, run.tests, strict=True)
    }


def _longest(job: _Job) -> int:
    """Bases of the longest row."""
    return max(
        len(example.sequence)
        for rows in (job.data, *job.tests.values())
        for example in rows.examples
    )


def _check_lengths(data: LabelledData, tokenizer: Tokenizer, model: ModelConfig) -> None:
    lengths = np.array([len(example.sequence) for example in data.examples])
    if (n_short := int((lengths < tokenizer.k).sum())) > 0:
        raise DataError(f"{n_short} sequences are shorter than k = {tokenizer.k} bases")
    most_tokens = max_tokens(model)
    if most_tokens is None:
        return
    longest = tokenizer.n_bases(most_tokens)
    if (n_long := int((lengths > longest).sum())) > 0:
        raise DataError(
            f"{n_long} sequences are longer than the {longest} bases the model can read",
            hint="cut them to the window of interest, or read them in chunks: --long lstm",
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
        head=config.head,
        window=window,
        anchor=window // 2 if config.anchor is None else config.anchor,
        candidates=parse_candidates(config.candidates or ()) or None,
        stride=config.stride,
        pooling=config.pooling,
        background=config.background,
    )
