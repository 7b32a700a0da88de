"""`dnabert scan`: the options; the work is `tasks.scan`."""

import logging
from typing import Annotated

import typer

from dnabert_cli.cli import options, units
from dnabert_cli.cli.console import configure
from dnabert_cli.config import STRAND_CHOICES, ComputeConfig, ScanConfig

logger = logging.getLogger(__name__)


def scan(
    context: typer.Context,
    genome: Annotated[
        str,
        typer.Argument(metavar="FASTA", help="Sequences to scan; '-' is standard input."),
    ],
    task: options.Task = None,
    model: options.Model = None,
    regions: options.Regions = None,
    output: options.Output = "-",
    threshold: Annotated[
        float | None,
        typer.Option(
            metavar="P", help="Probability from which a window is called.", show_default="model's"
        ),
    ] = ScanConfig.threshold,
    stride: Annotated[
        int | None,
        typer.Option(metavar="BASES", help="Bases between windows.", show_default="model's"),
    ] = ScanConfig.stride,
    strand: Annotated[
        str, typer.Option(metavar="|".join(STRAND_CHOICES), help="Strands to scan.")
    ] = ScanConfig.strand,
    all_windows: Annotated[
        bool, typer.Option("--all-windows", help="Write every window instead of called regions.")
    ] = ScanConfig.all_windows,
    max_unknown: Annotated[
        float,
        typer.Option(metavar="SHARE", help="Skip windows with a larger share of N."),
    ] = ScanConfig.max_unknown,
    no_header: options.NoHeader = False,
    force: options.Force = False,
    resume: units.Resume = False,  # noqa: ARG001  works through the context, as `shard` does
    shard: units.Share = None,  # noqa: ARG001
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
    """Scan a genome with a model; called regions as BED."""
    from dnabert_cli.formats import bed, files, reports
    from dnabert_cli.tasks.scan import scan as run

    progress = configure(verbose - quiet)
    settings = ScanConfig(
        threshold=threshold,
        stride=stride,
        strand=strand,
        all_windows=all_windows,
        max_unknown=max_unknown,
        compute=ComputeConfig(
            device=device, precision=precision, threads=threads, batch_tokens=batch_tokens
        ),
    )
    models = options.model_names(model, task)
    inputs = [genome] if regions is None else [genome, regions]
    files.check_outputs([output, manifest], force, inputs)
    with units.units_of_run(context, settings, models, inputs) as kept:
        result = run(
            genome,
            models,
            settings,
            regions=regions,
            download=download,
            units=kept,
            progress=progress,
        )
        if kept.is_shard:
            units.exhaust(result.windows if all_windows else result.calls)
            return
        with files.open_output(output, force=force) as handle:
            if all_windows:
                n_rows = bed.write_windows(result.windows, handle, header=not no_header)
            else:
                n_rows = bed.write_calls(result.calls, handle, header=not no_header)
    logger.info("%s: %d %s", result.counts.summary(), n_rows, "rows" if all_windows else "calls")
    if manifest is not None:
        counts = result.counts.to_json() | {"n_rows": n_rows}
        reports.write_manifest(manifest, "scan", settings, inputs, models, counts)
