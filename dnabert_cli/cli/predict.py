"""`dnabert predict`: the options; the work is `tasks.predict`."""

import logging
from typing import TYPE_CHECKING, Annotated

import typer

from dnabert_cli.cli import options, units
from dnabert_cli.cli.console import configure
from dnabert_cli.config import AGGREGATES, POOLINGS, ComputeConfig, PredictConfig

if TYPE_CHECKING:
    from dnabert_cli.tasks.predictions import Predictions

logger = logging.getLogger(__name__)


def predict(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="INPUT",
            help="FASTA, table with a `sequence` column, k-mer table, or BED with --genome; "
            "'-' is standard input.",
        ),
    ],
    task: options.Task = None,
    model: options.Model = None,
    genome: options.Genome = None,
    output: options.Output = "-",
    aggregate: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(AGGREGATES),
            help="How the windows of a sequence longer than the model's are combined.",
            show_default="max; mean of numbers",
        ),
    ] = PredictConfig.aggregate,
    stride: Annotated[
        int | None,
        typer.Option(
            metavar="BASES",
            help="Bases between the windows of a long sequence.",
            show_default="half a window",
        ),
    ] = PredictConfig.stride,
    embeddings: Annotated[
        str | None,
        typer.Option(metavar="FILE.npz", help="Also write one vector per row."),
    ] = None,
    pooling: Annotated[
        str, typer.Option(metavar="|".join(POOLINGS), help="What the vectors are made from.")
    ] = PredictConfig.pooling,
    no_header: options.NoHeader = False,
    force: options.Force = False,
    resume: units.Resume = False,  # noqa: ARG001  works through the context, as `shard` does
    shard: units.Share = None,
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
    """Predict what a model answers to sequences; a table."""
    from dnabert_cli.formats import files, reports
    from dnabert_cli.tasks.predict import predict as run

    progress = configure(verbose - quiet)
    settings = PredictConfig(
        aggregate=aggregate or PredictConfig.aggregate,
        stride=stride,
        pooling=pooling,
        compute=ComputeConfig(
            device=device, precision=precision, threads=threads, batch_tokens=batch_tokens
        ),
    )
    models = options.model_names(model, task)
    inputs = [source] if genome is None else [source, genome]
    files.check_outputs([output, None if shard else embeddings, manifest], force, inputs)
    embed = units.has_embeddings(context)
    with units.units_of_run(context, settings, models, inputs, embeddings=embed) as kept:
        result = run(
            source,
            models,
            settings,
            genome=genome,
            embed=embed,
            download=download,
            units=kept,
            progress=progress,
        )
        if kept.is_shard:
            units.exhaust(result.rows)
            return
        _write(result, output, embeddings, header=not no_header, force=force)
    logger.info(result.counts.summary())
    if manifest is not None:
        reports.write_manifest(
            manifest, "predict", settings, inputs, models, result.counts.to_json()
        )


def _write(
    result: "Predictions", output: str, embeddings: str | None, *, header: bool, force: bool
) -> None:
    from dnabert_cli.formats import files, tables
    from dnabert_cli.tasks.predictions import EmbeddingCollector, table_rows

    vectors = EmbeddingCollector(result.rows)
    # held in memory only where they are wanted: a merge may have them and not be asked for them
    rows = table_rows(result.rows if embeddings is None else vectors)
    with files.open_output(output, force=force) as handle:
        tables.write_table(rows, result.columns, handle, header=header)
    if embeddings is not None:
        vectors.save(embeddings)
