"""`dnabert viz`: the options; the work is `tasks.viz`."""

import logging
from dataclasses import asdict
from typing import Annotated

import typer

from dnabert_cli.cli import options
from dnabert_cli.cli.console import configure
from dnabert_cli.config import ComputeConfig
from dnabert_cli.errors import OptionsError
from dnabert_cli.explain_config import METHODS, PLOTS, ExplainConfig, VizConfig

logger = logging.getLogger(__name__)


def viz(
    inputs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[INPUT]...",
            help="FASTA, table, or BED with --genome; '-' is standard input; of several files "
            "each is a group.",
            show_default=False,
        ),
    ] = None,
    sequence: Annotated[
        list[str] | None,
        typer.Option(metavar="LETTERS", help="A sequence itself; may be given several times."),
    ] = None,
    task: options.Task = None,
    model: options.Model = None,
    output: options.Output = "-",
    fmt: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="tsv|bedgraph|bigwig|png|svg|pdf|html",
            help="Format.",
            show_default="by suffix, else tsv",
        ),
    ] = None,
    genome: options.Genome = None,
    plot: Annotated[
        str, typer.Option(metavar="|".join(PLOTS), help="What a picture shows.")
    ] = VizConfig.plot,
    method: Annotated[
        str,
        typer.Option(
            metavar="|".join(METHODS),
            help="Importance: attention of [CLS], integrated gradients, or substitutions.",
        ),
    ] = ExplainConfig.method,
    layer: options.Layer = ExplainConfig.layer,
    head: options.Head = ExplainConfig.head,
    rollout: Annotated[
        bool, typer.Option("--rollout", help="Attention through all layers.")
    ] = ExplainConfig.rollout,
    legacy: Annotated[
        bool, typer.Option("--legacy", help="Attention as the original program normalises it.")
    ] = ExplainConfig.legacy,
    target: options.Target = ExplainConfig.target,
    steps: options.Steps = ExplainConfig.steps,
    anchor: Annotated[
        int | None,
        typer.Option(
            metavar="BASE",
            min=0,
            help="Base of every sequence, from 0, that pictures number 0.",
            show_default="model's, where rows have its window",
        ),
    ] = VizConfig.anchor,
    token: Annotated[
        int | None,
        typer.Option(
            metavar="BASE",
            min=0,
            help="Base whose k-mer looks, in --plot context.",
            show_default="[CLS]",
        ),
    ] = VizConfig.token,
    cutoff: Annotated[
        float, typer.Option(metavar="WEIGHT", help="Least attention drawn in --plot context.")
    ] = VizConfig.cutoff,
    max_sequences: Annotated[
        int | None,
        typer.Option(
            metavar="INT",
            min=1,
            help="Of each input, the first ones.",
            show_default="1000 in pictures and pages, else all",
        ),
    ] = VizConfig.max_sequences,
    by_input: Annotated[
        bool,
        typer.Option("--by-input", help="Heatmap rows as they came, not by probability."),
    ] = VizConfig.by_input,
    seed: options.Seed = VizConfig.seed,
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
    """Show which bases a model looks at: numbers, pictures, or a page."""
    from dnabert_cli.formats import files, reports
    from dnabert_cli.tasks import viz as work
    from dnabert_cli.tasks.viz_outputs import show

    progress = configure(verbose - quiet)
    if method not in METHODS:
        raise OptionsError(f"--method {method} is unknown; known: {', '.join(METHODS)}")
    settings = VizConfig(
        plot=plot,
        anchor=anchor,
        token=token,
        cutoff=cutoff,
        max_sequences=max_sequences,
        by_input=by_input,
        seed=seed,
        explain=ExplainConfig(
            method=method,
            layer=layer,
            head=head,
            rollout=rollout,
            legacy=legacy,
            target=target,
            steps=steps,
        ),
        compute=ComputeConfig(
            device=device, precision=precision, threads=threads, batch_tokens=batch_tokens
        ),
    )
    kind = work.format_of(output, fmt)
    models = options.model_names(model, task)
    given = work.VizInputs(inputs or [], models, sequence or [], genome, download)
    read = [*given.paths, *([genome] if genome else [])]
    work.check(given, settings, kind, output)
    files.check_outputs([output, manifest], force, read)
    target_file = work.Target(output, kind, force=force, header=not no_header)
    counts = show(given, settings, target_file, progress=progress)
    logger.info("%d sequences, %s", counts.n_rows, method)
    if manifest is not None:
        reports.write_manifest(manifest, "viz", settings, read, models, asdict(counts))
