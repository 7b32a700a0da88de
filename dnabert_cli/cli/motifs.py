"""`dnabert motifs`: the options; the work is `tasks.motifs`."""

import logging
from pathlib import Path
from typing import Annotated

import typer

from dnabert_cli.cli import options
from dnabert_cli.cli.console import configure
from dnabert_cli.config import ComputeConfig
from dnabert_cli.errors import OptionsError
from dnabert_cli.explain_config import (
    KMERS,
    LEGACY,
    METHODS,
    MIN_EPOCHS,
    MIN_STEPS,
    ExplainConfig,
    MotifRules,
    MotifsConfig,
)

logger = logging.getLogger(__name__)


def motifs(
    positives: Annotated[
        str,
        typer.Argument(
            metavar="POSITIVES",
            help="FASTA, table, or BED with --genome; '-' is standard input.",
        ),
    ],
    negatives: Annotated[
        str | None,
        typer.Argument(
            metavar="NEGATIVES", help="The same.", show_default="the positives, shuffled"
        ),
    ] = None,
    task: options.Task = None,
    model: options.Model = None,
    output: options.Output = "-",
    fmt: Annotated[
        str | None,
        typer.Option("--format", metavar="meme|jaspar", help="Format.", show_default="by suffix"),
    ] = None,
    genome: options.Genome = None,
    method: Annotated[
        str,
        typer.Option(
            metavar="|".join((*METHODS, KMERS)),
            help="Importance that regions are read from; kmers: none, all k-mers are tested.",
        ),
    ] = ExplainConfig.method,
    layer: options.Layer = ExplainConfig.layer,
    head: options.Head = ExplainConfig.head,
    target: options.Target = ExplainConfig.target,
    steps: options.Steps = ExplainConfig.steps,
    database: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Motifs to compare with, MEME or JASPAR."),
    ] = None,
    report: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Write a page to look at.")
    ] = None,
    hits: Annotated[
        str | None, typer.Option(metavar="BED", help="Write where every instance lies.")
    ] = None,
    tested: Annotated[
        str | None, typer.Option(metavar="TSV", help="Write every candidate that was tested.")
    ] = None,
    matches: Annotated[
        str | None,
        typer.Option(metavar="TSV", help="Write the best match of the database for each motif."),
    ] = None,
    differential: Annotated[
        bool,
        typer.Option(
            "--differential", help="Two bound classes: motifs of the first, then of the second."
        ),
    ] = MotifsConfig.differential,
    both_strands: Annotated[
        bool, typer.Option("--both-strands", help="A motif and its reverse complement are one.")
    ] = MotifRules.both_strands,
    min_length: Annotated[
        int | None,
        typer.Option(
            metavar="BASES",
            min=1,
            help="Of a region of high scores.",
            show_default=f"{MotifRules.min_length}, with --legacy {LEGACY.min_length}",
        ),
    ] = None,
    above_mean: Annotated[
        float, typer.Option(metavar="FACTOR", help="High is above this many times the mean,")
    ] = MotifRules.above_mean,
    above_min: Annotated[
        float | None,
        typer.Option(metavar="FACTOR", help="and above this many times the minimum."),
    ] = MotifRules.above_min,
    max_q: Annotated[
        float, typer.Option(metavar="Q", help="A candidate below is enriched.")
    ] = MotifRules.max_q,
    window: Annotated[
        int, typer.Option(metavar="BASES", min=1, help="Columns of a matrix before trimming.")
    ] = MotifRules.window,
    min_instances: Annotated[
        int, typer.Option(metavar="INT", min=1, help="Windows that a motif needs.")
    ] = MotifRules.min_instances,
    no_trim: Annotated[
        bool, typer.Option("--no-trim", help="Keep columns that tell nothing.")
    ] = not MotifsConfig.trim,
    legacy: Annotated[
        bool,
        typer.Option("--legacy", help="Scores and rules of the original program."),
    ] = False,
    base: Annotated[
        str, typer.Option(metavar="NAME|DIR", help="Fine-tuned when no model is named.")
    ] = MotifsConfig.base,
    epochs: Annotated[
        int | None,
        typer.Option(
            metavar="INT",
            min=1,
            help="Of this fine-tuning.",
            show_default=f"{MIN_EPOCHS}, or what makes {MIN_STEPS} steps",
        ),
    ] = MotifsConfig.epochs,
    learning_rate: Annotated[
        float, typer.Option(metavar="RATE", help="Of this fine-tuning.")
    ] = MotifsConfig.learning_rate,
    token_stride: Annotated[
        int | None,
        typer.Option(metavar="BASES", min=1, help="Of this fine-tuning.", show_default="base's"),
    ] = MotifsConfig.token_stride,
    save_model: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep the model fine-tuned.", show_default="not kept"),
    ] = None,
    max_sequences: Annotated[
        int, typer.Option(metavar="INT", min=1, help="Of each file, the first ones.")
    ] = MotifsConfig.max_sequences,
    seed: options.Seed = MotifsConfig.seed,
    no_header: options.NoHeader = False,
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
    """Find the motifs that tell two classes of sequences apart."""
    from dnabert_cli.tasks.motif_reports import MotifOutputs, summary, write_motifs
    from dnabert_cli.tasks.motifs import MotifInputs
    from dnabert_cli.tasks.motifs import motifs as run

    progress = configure(verbose - quiet)
    if task is not None or model:
        model = options.model_names(model, task)
    if method not in {*METHODS, KMERS}:
        raise OptionsError(f"--method {method} is unknown; known: {', '.join((*METHODS, KMERS))}")
    compute = ComputeConfig(
        device=device, precision=precision, threads=threads, batch_tokens=batch_tokens
    )
    settings = MotifsConfig(
        max_sequences=max_sequences,
        base=base,
        epochs=epochs,
        learning_rate=learning_rate,
        token_stride=token_stride,
        trim=not no_trim,
        differential=differential,
        seed=seed,
        explain=ExplainConfig(
            method=method, layer=layer, head=head, target=target, steps=steps, legacy=legacy
        ),
        compute=compute,
    )
    rules = MotifRules(
        min_length=min_length or (LEGACY if legacy else MotifRules).min_length,
        above_mean=above_mean,
        above_min=above_min,
        max_q=max_q,
        window=window,
        min_instances=min_instances,
        both_strands=both_strands,
        legacy=legacy,
    )
    inputs = MotifInputs(
        positives, negatives, genome, model or (), database, save_model, force, download
    )
    outputs = MotifOutputs(output, fmt, hits, tested, matches, report, force)
    outputs.check([path for path in (positives, negatives, genome, database) if path], database)
    found = run(inputs, settings, rules, progress=progress)
    write_motifs(found, outputs, header=not no_header)
    for label, text in summary(found):
        logger.info("%s: %s", label, text)
    for reason in found.reasons:
        logger.info("%s", reason)
