"""`dnabert evaluate`: the options; the work is `tasks.evaluate`."""

from typing import Annotated

import typer

from dnabert_cli.cli import options
from dnabert_cli.cli.console import configure
from dnabert_cli.config import ComputeConfig
from dnabert_cli.evaluate_config import CLASSIFIERS, MAX_KMER, MOTIF, NETWORKS, EvaluateConfig


def evaluate(
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="With --model: labelled tables, a data set each. With --tss: calls of scan. Else "
            "tables of predict, a system each, or folders of such; '-' is standard input.",
        ),
    ],
    task: options.Task = None,
    model: options.Model = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME|DIR", help="Another model, judged on the same rows; several times."
        ),
    ] = None,
    baselines: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help=f"Train and judge these too: {', '.join((*NETWORKS, *CLASSIFIERS))}, {MOTIF}NAME.",
        ),
    ] = None,
    train: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="Labelled rows baselines learn from; several times."),
    ] = None,
    dev: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="Labelled rows that decide when a network has learned enough; several times.",
            show_default="a tenth of --train",
        ),
    ] = None,
    motifs: Annotated[
        str | None,
        typer.Option(metavar="FILE", help=f"Motifs that {MOTIF}NAME is found in: MEME, JASPAR."),
    ] = None,
    kmer: Annotated[
        int,
        typer.Option(
            metavar="INT",
            min=1,
            max=MAX_KMER,
            help=f"Length of the k-mers counted for {', '.join(CLASSIFIERS)}.",
        ),
    ] = EvaluateConfig.kmer,
    genome: options.Genome = None,
    tss: Annotated[
        str | None,
        typer.Option(
            metavar="BED", help="Start sites (start is the base) that calls are held against."
        ),
    ] = None,
    regions: Annotated[
        str | None,
        typer.Option(
            metavar="BED",
            help="What was scanned; calls and sites elsewhere do not count.",
            show_default="everything",
        ),
    ] = None,
    within: Annotated[
        int,
        typer.Option(metavar="BASES", min=0, help="How far a summit may lie from its site."),
    ] = EvaluateConfig.within,
    any_strand: Annotated[
        bool, typer.Option("--any-strand", help="Calls find sites of the other strand too.")
    ] = False,
    output: options.Output = "-",
    tests: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Also write the comparisons with the first system."),
    ] = None,
    json: Annotated[
        str | None, typer.Option(metavar="FILE", help="Also write everything, as JSON.")
    ] = None,
    figure: Annotated[
        str | None,
        typer.Option(
            metavar="FILE", help="Draw the curves: .png, .svg or .pdf; one file per data set."
        ),
    ] = None,
    confusion: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Draw the confusion matrix of the first system."),
    ] = None,
    thresholds_tsv: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Also write the figures of calls by threshold."),
    ] = None,
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            min=0,
            max=1,
            help="Probability from which a row is of the positive class.",
            show_default="the most probable class",
        ),
    ] = EvaluateConfig.threshold,
    positive: Annotated[
        str | None,
        typer.Option(
            metavar="CLASS",
            help="Which of two classes is the positive one.",
            show_default="what the model calls; of tables the second",
        ),
    ] = EvaluateConfig.positive,
    resamples: Annotated[
        int, typer.Option(metavar="INT", min=1, help="Resamples of every interval.")
    ] = EvaluateConfig.resamples,
    seed: options.Seed = EvaluateConfig.seed,
    no_header: options.NoHeader = False,
    force: options.Force = False,
    manifest: options.Manifest = None,
    device: options.Device = ComputeConfig.device,
    precision: options.Precision = ComputeConfig.precision,
    threads: options.Threads = ComputeConfig.threads,
    batch_tokens: options.BatchTokens = ComputeConfig.batch_tokens,
    download: options.Download = False,
    config: options.Config = None,  # noqa: ARG001  works through its callback
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Judge models, predictions or calls; figures with intervals."""
    from dnabert_cli.tasks import evaluation_reports as reports
    from dnabert_cli.tasks.evaluate import evaluate as run
    from dnabert_cli.tasks.systems import Run

    progress = configure(verbose - quiet)
    settings = EvaluateConfig(
        baselines=() if baselines is None else tuple(baselines.split(",")),
        kmer=kmer,
        threshold=threshold,
        positive=positive,
        resamples=resamples,
        within=within,
        any_strand=any_strand,
        seed=seed,
        compute=ComputeConfig(
            device=device, precision=precision, threads=threads, batch_tokens=batch_tokens
        ),
    )
    what = Run(
        models=options.model_names(model, task) if model or task is not None else (),
        against=against or (),
        train=train or (),
        devs=dev or (),
        motifs=motifs,
        genome=genome,
        tss=tss,
        regions=regions,
        curves=figure is not None,
        confusions=confusion is not None,
        download=download,
        progress=progress,
    )
    outputs = reports.Outputs(
        output=output,
        tests=tests,
        thresholds=thresholds_tsv,
        json=json,
        figure=figure,
        confusion=confusion,
        manifest=manifest,
        header=not no_header,
        force=force,
    )
    reports.check_outputs(outputs, inputs, settings, what)
    reports.write_evaluation(run(inputs, settings, what), outputs, inputs, settings, what)
