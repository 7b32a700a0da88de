"""`dnabert dataset`: the options; the work is `tasks.dataset`."""

import logging
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from dnabert_cli.cli import options
from dnabert_cli.cli.console import configure
from dnabert_cli.config import ARCHITECTURES, ComputeConfig
from dnabert_cli.dataset_config import (
    JUNCTION_PARTS,
    KINDS,
    MATCHES,
    NEGATIVES,
    PROMOTER_CLASSES,
    SPLITS,
    DatasetConfig,
    HardConfig,
    parse_negatives,
)
from dnabert_cli.errors import OptionsError

if TYPE_CHECKING:
    from dnabert_cli.tasks.dataset import Dataset

logger = logging.getLogger(__name__)

CHECK = "check"


def dataset(
    kind: Annotated[
        str,
        typer.Argument(
            metavar="|".join((*KINDS, CHECK)),
            help="What the source holds; check: compare ready files.",
        ),
    ],
    source: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="promoters: BED (start: the start site), GTF or GFF3; splice: GTF or GFF3; peaks: "
            "narrowPeak or BED; regions: BED; sequences: FASTA of positives, and perhaps of "
            "negatives; table: labelled tables.",
        ),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            metavar="DIR",
            help="Folder to write; of check, the file to write.",
            show_default="standard output, of check",
        ),
    ] = None,
    genome: options.Genome = None,
    window: Annotated[
        int | None,
        typer.Option(
            metavar="BASES",
            min=1,
            help="Bases per row.",
            show_default="promoters 300, splice 400, peaks 101, regions as they are",
        ),
    ] = DatasetConfig.window,
    anchor: Annotated[
        int | None,
        typer.Option(
            metavar="BASE",
            min=0,
            help="Base of the window, from 0, that stands at the site.",
            show_default="promoters 249, of 70 bases 34; else the middle",
        ),
    ] = DatasetConfig.anchor,
    promoters: Annotated[
        str,
        typer.Option(metavar="|".join(PROMOTER_CLASSES), help="Which promoters are positives."),
    ] = DatasetConfig.promoters,
    class_column: Annotated[
        int | None,
        typer.Option(
            metavar="INT",
            min=1,
            help="Column of the BED, from 1, that says TATA or something else.",
            show_default="a TATA-box match at its place",
        ),
    ] = DatasetConfig.class_column,
    junctions: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(JUNCTION_PARTS),
            help="What splice sites lie between.",
            show_default="exon where there are exons",
        ),
    ] = DatasetConfig.junctions,
    all_junctions: Annotated[
        bool, typer.Option("--all-junctions", help="Keep splice sites without GT or AG.")
    ] = not DatasetConfig.canonical,
    negatives: Annotated[
        str | None,
        typer.Option(
            metavar="KIND:N,...",
            help=f"Negatives, N rows of each kind per positive; kinds: {', '.join(NEGATIVES)}, "
            "or none.",
            show_default="by what the source holds",
        ),
    ] = None,
    distance: Annotated[
        int,
        typer.Option(
            metavar="BASES", min=0, help="Between a genomic negative and any positive, at least."
        ),
    ] = DatasetConfig.distance,
    match: Annotated[
        str | None,
        typer.Option(
            metavar=",".join(MATCHES),
            help="Genomic negatives have what the positives have of these.",
            show_default="nothing",
        ),
    ] = None,
    regions: options.Regions = None,
    avoid: Annotated[
        str | None, typer.Option(metavar="BED", help="No negative is cut from these regions.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(SPLITS),
            help="What goes to one part as a whole.",
            show_default="block where rows have places, else similarity",
        ),
    ] = DatasetConfig.split,
    block: Annotated[
        int, typer.Option(metavar="BASES", min=1, help="Bases per block of --split block.")
    ] = DatasetConfig.block,
    dev_regions: Annotated[
        str | None, typer.Option(metavar="BED", help="Rows in these regions are the dev part.")
    ] = None,
    test_regions: Annotated[
        str | None, typer.Option(metavar="BED", help="Rows in these regions are the test part.")
    ] = None,
    dev_fraction: Annotated[
        float, typer.Option(metavar="SHARE", help="Of the rows, for the dev part.")
    ] = DatasetConfig.dev_fraction,
    test_fraction: Annotated[
        float, typer.Option(metavar="SHARE", help="Of the rows, for the test part.")
    ] = DatasetConfig.test_fraction,
    max_unknown: Annotated[
        float, typer.Option(metavar="SHARE", help="Leave windows with a larger share of N out.")
    ] = DatasetConfig.max_unknown,
    max_shared: Annotated[
        float,
        typer.Option(
            metavar="SHARE",
            help="A row with this share of its 50-mers in another part is a near-duplicate.",
        ),
    ] = DatasetConfig.max_shared,
    keep_near_duplicates: Annotated[
        bool,
        typer.Option("--keep-near-duplicates", help="Report near-duplicates, but keep them."),
    ] = DatasetConfig.keep_near_duplicates,
    rounds: Annotated[
        int,
        typer.Option(metavar="INT", min=0, help="Rounds that add a model's false calls."),
    ] = HardConfig.rounds,
    model: Annotated[
        str | None,
        typer.Option(metavar="NAME|DIR", help="Model of the rounds; trained anew in each."),
    ] = HardConfig.model,
    arch: Annotated[
        str,
        typer.Option(
            metavar="|".join(ARCHITECTURES[1:]), help="Or a baseline.", show_default=False
        ),
    ] = HardConfig.arch,
    scan_bases: Annotated[
        int | None,
        typer.Option(
            metavar="BASES",
            min=1,
            help="Scanned per round.",
            show_default="1,000,000; splice 100,000",
        ),
    ] = HardConfig.scan_bases,
    epochs: Annotated[
        int, typer.Option(metavar="INT", min=1, help="Of the training in each round.")
    ] = HardConfig.epochs,
    seed: options.Seed = DatasetConfig.seed,
    force: options.Force = False,
    no_header: options.NoHeader = False,
    device: options.Device = ComputeConfig.device,
    precision: options.Precision = ComputeConfig.precision,
    threads: options.Threads = ComputeConfig.threads,
    config: options.Config = None,  # noqa: ARG001  works through its callback
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Build labelled train, dev and test tables that do not leak."""
    from dnabert_cli.tasks import dataset as task

    progress = configure(verbose - quiet)
    if kind == CHECK:
        _check(source, output, max_shared, genome, force=force, header=not no_header)
        return
    if output is None:
        raise OptionsError("-o: name the folder to write")
    if no_header:
        raise OptionsError("--no-header belongs to dataset check: labelled tables have a header")
    settings = DatasetConfig(
        kind=kind,
        window=window,
        anchor=anchor,
        promoters=promoters,
        class_column=class_column,
        junctions=junctions,
        canonical=not all_junctions,
        negatives=_negatives(negatives, kind, source),
        distance=distance,
        match=tuple(match.split(",")) if match else (),
        split=split,
        block=block,
        dev_fraction=dev_fraction,
        test_fraction=test_fraction,
        max_unknown=max_unknown,
        max_shared=max_shared,
        keep_near_duplicates=keep_near_duplicates,
        seed=seed,
        hard=HardConfig(
            rounds=rounds,
            model=model,
            arch=arch,
            scan_bases=scan_bases,
            epochs=epochs,
            compute=ComputeConfig(device=device, precision=precision, threads=threads),
        ),
    )
    inputs = task.Inputs(source, genome, regions, avoid, dev_regions, test_regions)
    task.check_folder(output, inputs, force=force)
    data = task.build(inputs, settings, progress=progress)
    task.write(data, inputs, settings, output)
    _tell(data, output, settings)


def _negatives(
    text: str | None, kind: str, sources: list[str]
) -> tuple[tuple[str, float], ...] | None:
    """Return the negatives asked for; a second file of sequences brings its own."""
    if text is not None:
        return parse_negatives(text)
    return () if kind == "sequences" and len(sources) > 1 else None


def _check(
    paths: list[str],
    output: Path | None,
    max_shared: float,
    genome: str | None,
    *,
    force: bool,
    header: bool,
) -> None:
    """Write how many rows of each file are near-duplicates of rows in another."""
    from dnabert_cli.formats import files, tables
    from dnabert_cli.tasks import dataset as task

    target = "-" if output is None else str(output)
    files.check_output(target, force, [*paths, *filter(None, [genome])])
    found = task.check_leakage(paths, max_shared, genome)
    with files.open_output(target, force=force) as handle:
        rows = task.leakage_rows(found)
        tables.write_table(rows, task.LEAKAGE_COLUMNS, handle, header=header)


def _tell(data: "Dataset", output: Path, settings: DatasetConfig) -> None:
    """Say what was built, and how to train on it."""
    for part, counts in data.counts().items():
        if counts:
            n_rows = sum(counts.values())
            shares = (f"{n:,} {label} ({n / n_rows:.1%})" for label, n in counts.items())
            logger.info("%s: %s", output / f"{part}.tsv", ", ".join(shares))
    for each in data.parts.after:
        if each.n_near_duplicates or each.n_repeat_matches:
            logger.info(
                "%s in %s: %d near-duplicates, %d rows share a repeat",
                each.part, each.other, each.n_near_duplicates, each.n_repeat_matches,
            )  # fmt: skip
    words = ["dnabert finetune", str(output / "train.tsv")]
    words += [
        f"--{part} {output / f'{part}.tsv'}" for part in ("dev", "test") if data.parts.rows[part]
    ]
    if settings.shape[1] is not None:
        words.append(f"--anchor {settings.shape[1]}")
    if settings.kind == "splice":
        words.append("--background none --candidates GT:0,AG:-2")
    logger.info("to train: %s -o model", " ".join(words))
