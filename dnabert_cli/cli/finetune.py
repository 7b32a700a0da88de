"""`dnabert finetune`: the options; the work is `tasks.finetune`."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from dnabert_cli.cli import options
from dnabert_cli.cli.console import configure
from dnabert_cli.cli.signals import StopRequest
from dnabert_cli.config import ARCHITECTURES, HEADS, LONG_CHOICES, POOLINGS, ComputeConfig
from dnabert_cli.training_config import CLASS_WEIGHTS, SPLITS, FinetuneConfig

logger = logging.getLogger(__name__)


def finetune(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Labelled tables (columns sequence, label); two files without labels: positives, "
            "then negatives; for --head token, regions (BED).",
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", metavar="DIR", help="Model folder to write.")
    ],
    base: Annotated[
        str | None,
        typer.Option(
            metavar="NAME|DIR", help="Model to start from.", show_default="random weights"
        ),
    ] = FinetuneConfig.base,
    preset: Annotated[
        str, typer.Option(metavar="NAME", help="Architecture when there is no --base.")
    ] = FinetuneConfig.preset,
    arch: Annotated[
        str,
        typer.Option(metavar="|".join(ARCHITECTURES), help="BERT, or a baseline."),
    ] = FinetuneConfig.arch,
    head: Annotated[
        str,
        typer.Option(
            metavar="|".join(HEADS),
            help="What the model answers: one class, any number of labels, a number, or one of "
            "these per base.",
        ),
    ] = FinetuneConfig.head,
    labels: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Labels of the bases, for --head token: BED (its names are classes) or bedGraph.",
        ),
    ] = FinetuneConfig.labels,
    window: Annotated[
        int | None,
        typer.Option(
            metavar="BASES",
            min=1,
            help="Windows that regions are cut into, for --head token.",
            show_default="300",
        ),
    ] = FinetuneConfig.window,
    long: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(LONG_CHOICES),
            help="Read sequences of any length in chunks, joined so.",
            show_default="one chunk",
        ),
    ] = FinetuneConfig.long,
    genome: options.Genome = None,
    dev: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Labelled rows that choose the best weights and the threshold; all inputs then "
            "train, and --split, --dev-fraction and --test-fraction are without effect. May be "
            "given several times.",
            show_default="split off the inputs",
        ),
    ] = None,
    test: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Labelled rows that are reported once, at the end; may be given several times.",
        ),
    ] = None,
    epochs: Annotated[
        int, typer.Option(metavar="INT", min=1, help="Passes over the training rows.")
    ] = FinetuneConfig.epochs,
    batch_size: Annotated[
        int, typer.Option(metavar="ROWS", min=1, help="Rows per optimisation step.")
    ] = FinetuneConfig.batch_size,
    learning_rate: Annotated[
        float, typer.Option(metavar="RATE", help="Peak of the learning rate.")
    ] = FinetuneConfig.learning_rate,
    weight_decay: Annotated[
        float, typer.Option(metavar="RATE", help="Decoupled weight decay.")
    ] = FinetuneConfig.weight_decay,
    warmup: Annotated[
        float, typer.Option(metavar="SHARE", help="Share of the steps that warm up.")
    ] = FinetuneConfig.warmup,
    max_gradient_norm: Annotated[
        float, typer.Option(metavar="NORM", help="Longer gradients are shortened to this.")
    ] = FinetuneConfig.max_gradient_norm,
    hidden_dropout: Annotated[
        float, typer.Option(metavar="P", help="Dropout between layers.")
    ] = FinetuneConfig.hidden_dropout,
    attention_dropout: Annotated[
        float, typer.Option(metavar="P", help="Dropout of attention; 0 trains a third faster.")
    ] = FinetuneConfig.attention_dropout,
    label_smoothing: Annotated[
        float, typer.Option(metavar="P", help="Share taken from the true class.")
    ] = FinetuneConfig.label_smoothing,
    class_weights: Annotated[
        str,
        typer.Option(
            metavar="|".join(CLASS_WEIGHTS),
            help="balanced: rare classes count as much as frequent ones.",
        ),
    ] = FinetuneConfig.class_weights,
    token_stride: Annotated[
        int | None,
        typer.Option(
            metavar="BASES",
            min=1,
            help="Bases from one k-mer to the next.",
            show_default="the base's, else 1",
        ),
    ] = FinetuneConfig.token_stride,
    pooling: Annotated[
        str, typer.Option(metavar="|".join(POOLINGS), help="What the classifier reads.")
    ] = FinetuneConfig.pooling,
    metric: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Figure of the development rows that decides on the weights kept.",
            show_default="auprc, macro_auprc or spearman, by head",
        ),
    ] = FinetuneConfig.metric,
    split: Annotated[
        str,
        typer.Option(
            metavar="|".join(SPLITS),
            help="What no two parts share; auto: chromosomes where rows have coordinates, else "
            "similar rows. A column group wins.",
        ),
    ] = FinetuneConfig.split,
    dev_fraction: Annotated[
        float, typer.Option(metavar="SHARE", help="Rows for early stopping and the threshold.")
    ] = FinetuneConfig.dev_fraction,
    test_fraction: Annotated[
        float, typer.Option(metavar="SHARE", help="Rows that are reported once, at the end.")
    ] = FinetuneConfig.test_fraction,
    evaluations_per_epoch: Annotated[
        int, typer.Option(metavar="INT", min=1, help="Looks at the development rows.")
    ] = FinetuneConfig.evaluations_per_epoch,
    patience: Annotated[
        int,
        typer.Option(metavar="INT", min=1, help="Looks without a better figure before the end."),
    ] = FinetuneConfig.patience,
    threshold_fpr: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="Set the threshold so that this share of the negatives is called.",
            show_default="best MCC",
        ),
    ] = FinetuneConfig.threshold_fpr,
    class_names: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,NAME...", help="Names of the classes.", show_default="the labels"
        ),
    ] = None,
    background: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="The class that scans never call.", show_default="the first"
        ),
    ] = FinetuneConfig.background,
    anchor: Annotated[
        int | None,
        typer.Option(
            metavar="BASE",
            help="Base of the window that a call points at, from 0.",
            show_default="its middle",
        ),
    ] = FinetuneConfig.anchor,
    candidates: Annotated[
        str | None,
        typer.Option(
            metavar="LETTERS:BASES,...",
            help="Letters that must stand so many bases from the anchor in windows of later scans, "
            "such as GT:0,AG:-2.",
            show_default="every --stride bases",
        ),
    ] = None,
    stride: Annotated[
        int, typer.Option(metavar="BASES", min=1, help="Bases between windows in later scans.")
    ] = FinetuneConfig.stride,
    half: Annotated[
        bool, typer.Option("--half", help="Store the weights in half precision.")
    ] = FinetuneConfig.half,
    compile: options.Compile = FinetuneConfig.compile,  # noqa: A002  the name of the option
    checkpoint_activations: options.CheckpointActivations = FinetuneConfig.checkpoint_activations,
    seed: options.Seed = FinetuneConfig.seed,
    seeds: Annotated[
        int,
        typer.Option(
            metavar="INT", min=1, help="Runs, of seed, seed + 1, ...; the best one is the result."
        ),
    ] = FinetuneConfig.seeds,
    log_tsv: options.LogTsv = None,
    tensorboard: options.TensorBoard = None,
    resume: options.Resume = False,
    force: options.Force = False,
    device: options.Device = ComputeConfig.device,
    precision: options.Precision = ComputeConfig.precision,
    threads: options.Threads = ComputeConfig.threads,
    batch_tokens: options.BatchTokens = ComputeConfig.batch_tokens,
    download: options.Download = False,
    config: options.Config = None,  # noqa: ARG001  works through its callback
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Train a model on labelled sequences; a model folder."""
    from dnabert_cli.tasks.finetune import Run
    from dnabert_cli.tasks.finetune import finetune as run

    progress = configure(verbose - quiet)
    settings = FinetuneConfig(
        arch=arch,
        base=base,
        preset=preset,
        head=head,
        labels=labels,
        window=window,
        long=long,
        class_weights=class_weights,
        metric=metric,
        split=split,
        compile=compile,
        checkpoint_activations=checkpoint_activations,
        seeds=seeds,
        token_stride=token_stride,
        pooling=pooling,
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=learning_rate,
        weight_decay=weight_decay,
        warmup=warmup,
        max_gradient_norm=max_gradient_norm,
        hidden_dropout=hidden_dropout,
        attention_dropout=attention_dropout,
        label_smoothing=label_smoothing,
        dev_fraction=dev_fraction,
        test_fraction=test_fraction,
        evaluations_per_epoch=evaluations_per_epoch,
        patience=patience,
        threshold_fpr=threshold_fpr,
        class_names=None if class_names is None else tuple(class_names.split(",")),
        background=background,
        anchor=anchor,
        candidates=None if candidates is None else tuple(candidates.split(",")),
        stride=stride,
        half=half,
        seed=seed,
        compute=ComputeConfig(
            device=device, precision=precision, threads=threads, batch_tokens=batch_tokens
        ),
    )
    stop = StopRequest()
    result = run(
        inputs,
        settings,
        Run(
            output=output,
            genome=genome,
            devs=dev or (),
            tests=test or (),
            log_tsv=log_tsv,
            tensorboard=tensorboard,
            force=force,
            resume=resume,
            download=download,
            should_stop=stop.is_set,
            progress=progress,
        ),
    )
    logger.info("model written to %s", result.folder)
