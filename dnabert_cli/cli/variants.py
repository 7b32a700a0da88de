"""`dnabert variants`: the options; the work is `tasks.variants`."""

import logging
import shlex
from pathlib import Path
from typing import Annotated

import typer

from dnabert_cli.cli import options, units
from dnabert_cli.cli.console import configure
from dnabert_cli.config import ComputeConfig
from dnabert_cli.errors import OptionsError
from dnabert_cli.variants_config import N_OFFSETS, ON_MISMATCH, VariantsConfig

logger = logging.getLogger(__name__)

DEFAULT_TASK = "prom"


def variants(
    context: typer.Context,
    vcf: Annotated[
        str | None,
        typer.Option("--vcf", metavar="FILE", help="Variants: VCF, packed or not, or BCF; '-'."),
    ] = None,
    saturate: Annotated[
        bool,
        typer.Option("--saturate", help="Instead of --vcf: every substitution of the genome."),
    ] = False,
    genome: Annotated[
        str | None,
        typer.Option(
            "--genome",
            metavar="FASTA",
            help="What REF refers to.",
            show_default="the ##reference= of the variants, if it is a file here",
        ),
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            "--task",
            metavar="NAME,...",
            help="Bundled models to score with, one or several.",
            show_default=DEFAULT_TASK,
        ),
    ] = None,
    model: options.Model = None,
    output: options.Output = "-",
    fmt: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="vcf|tsv|bed",
            help="Format.",
            show_default="by suffix, else vcf",
        ),
    ] = None,
    offsets: Annotated[
        int | None,
        typer.Option(
            metavar="INT",
            min=1,
            help="Windows per strand that an allele is read in.",
            show_default=f"model's, else {N_OFFSETS}; at splice sites all within reach",
        ),
    ] = VariantsConfig.offsets,
    on_mismatch: Annotated[
        str,
        typer.Option(metavar="|".join(ON_MISMATCH), help="What to do if REF is not in the genome."),
    ] = VariantsConfig.on_mismatch,
    max_unknown: Annotated[
        float, typer.Option(metavar="SHARE", help="Leave out windows with a larger share of N.")
    ] = VariantsConfig.max_unknown,
    min_importance: Annotated[
        float | None,
        typer.Option(
            metavar="TIMES",
            help="Score only changes with this attention, as multiple of their window's mean.",
            show_default="all",
        ),
    ] = VariantsConfig.min_importance,
    null: Annotated[
        int | None,
        typer.Option(metavar="INT", min=1, help="Add p and q from this many random substitutions."),
    ] = VariantsConfig.null,
    seed: options.Seed = VariantsConfig.seed,
    top: Annotated[
        int | None,
        typer.Option(metavar="INT", min=1, help="Write the strongest alleles only, ranked."),
    ] = VariantsConfig.top,
    annotate: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Look alleles up in this indexed VCF, BCF, BED or TSV."),
    ] = None,
    fields: Annotated[
        str | None,
        typer.Option(
            metavar="NAME,...",
            help="What to look up; NEW:=NAME renames.",
            show_default="ID, or the name in BED",
        ),
    ] = None,
    enrichment: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="Test strong against weak alleles for what was found."),
    ] = None,
    strong: Annotated[
        float, typer.Option(metavar="S", help="|S| from which an allele is strong.")
    ] = VariantsConfig.strong,
    haplotypes: Annotated[
        bool,
        typer.Option("--haplotypes", help="Score the phased haplotypes of a sample as well."),
    ] = VariantsConfig.haplotypes,
    sample: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Whose haplotypes.", show_default="the only one"),
    ] = VariantsConfig.sample,
    regions: Annotated[
        str | None,
        typer.Option(metavar="BED", help="With --saturate: these regions of the genome only."),
    ] = None,
    deletions: Annotated[
        bool, typer.Option("--deletions", help="With --saturate: every single base deleted, too.")
    ] = False,
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
    """Score what variants do to sites; annotated VCF, tables, maps."""
    from dnabert_cli.formats import files, reports
    from dnabert_cli.tasks import variant_requests as work

    progress = configure(verbose - quiet)
    settings = VariantsConfig(
        offsets=offsets,
        on_mismatch=on_mismatch,
        max_unknown=max_unknown,
        min_importance=min_importance,
        null=null,
        seed=seed,
        top=top,
        strong=strong,
        haplotypes=haplotypes,
        sample=sample,
        compute=ComputeConfig(
            device=device, precision=precision, threads=threads, batch_tokens=batch_tokens
        ),
    )
    counted = None
    if enrichment is not None:
        from dnabert_cli.tasks.variant_enrichment import Enrichment

        counted = Enrichment()
    names = model_groups(model, task)
    request = work.VariantRequest(
        vcf=vcf,
        genome=genome,
        models=names,
        settings=settings,
        output=output,
        fmt=fmt,
        saturate=saturate,
        regions=regions,
        deletions=deletions,
        annotate=annotate,
        fields=None if fields is None else fields.split(","),
        enrichment=counted,
        header=not no_header,
        force=force,
        command=command_line(context),
        download=download,
    )
    work.check(request)
    files.check_outputs([output, enrichment, manifest], force, request.inputs)
    with work.opened(request) as job:
        inputs = work.inputs_of(request, job)
        files.check_outputs([output, enrichment, manifest], force, inputs)
        every = [name for group in names.values() for name in group]
        with units.units_of_run(
            context, settings, every, inputs, asked_twice=settings.asks_twice
        ) as kept:
            counts = work.run(request, job, units=kept, progress=progress)
    if counted is not None and enrichment is not None:
        counted.save(enrichment, force=force, header=not no_header)
    logger.info(counts.summary())
    if manifest is not None:
        reports.write_manifest(manifest, "variants", settings, inputs, every, counts.to_json())


def model_groups(models: list[str] | None, task: str | None) -> dict[str, list[str]]:
    """Return what scores variants by the name its entries get.

    Tasks are scored with side by side, several --model are averaged.

    Raises:
        OptionsError: as `options.model_names`, or two tasks have the same name.
    """
    from dnabert_cli.formats.info_tags import info_key

    if models:
        chosen = options.model_names(models, task)
        return {info_key(Path(chosen[0]).resolve().name) or "model": chosen}
    tasks = (task or DEFAULT_TASK).split(",")
    groups = {info_key(one): options.model_names(None, one) for one in tasks}
    if len(groups) < len(tasks):
        raise OptionsError(f"--task {task} names a task twice")
    return groups


def command_line(context: typer.Context) -> str:
    """Return the options that decide the result, for the header of VCF; no path of an output."""
    left_out = {*units.OF_ONE_RUN, "no_header", "threads", "device", "batch_tokens", "enrichment"}
    words = ["dnabert", "variants"]
    for parameter in context.command.params:
        name = str(parameter.name)
        value = context.params.get(name)
        if name in left_out or value == parameter.default or value is None:
            continue
        flag = parameter.opts[0]
        for one in value if isinstance(value, list | tuple) else [value]:
            words += [flag] if value is True else [flag, str(one)]
    return shlex.join(words)
