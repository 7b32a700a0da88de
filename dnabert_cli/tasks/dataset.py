"""`dnabert dataset`: sites and a genome in, labelled tables in three parts out.

Reads like this: read the positives and cut their windows, make negatives, take doubles out, split,
take near-duplicates out, let a model find hard negatives, write.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from dnabert_cli.core.hub import find_folder
from dnabert_cli.dataset_config import PLACED, DatasetConfig
from dnabert_cli.errors import DataError, OptionsError
from dnabert_cli.formats.bed import read_bed
from dnabert_cli.formats.files import check_output, open_output, sha256
from dnabert_cli.formats.reports import origin, write_json
from dnabert_cli.formats.tables import write_table
from dnabert_cli.progress import SILENT, Progress
from dnabert_cli.sequence.leakage import Leakage, leakage
from dnabert_cli.tasks.dataset_parts import Parts, make_parts
from dnabert_cli.tasks.dropped import Dropped
from dnabert_cli.tasks.genome import TOO_MANY_N, Genome, Places, overlap, unknown_share
from dnabert_cli.tasks.hard_negatives import Hunt, Round
from dnabert_cli.tasks.negatives import Field, make_negatives
from dnabert_cli.tasks.positives import ACCEPTOR, DONOR, Row, read_positives, read_ready, read_rows
from dnabert_cli.tasks.splits import DEV, PART_NAMES, TEST

logger = logging.getLogger(__name__)

COLUMNS = ("sequence", "label", "chrom", "start", "end", "strand", "name", "source")
LEAKAGE_COLUMNS = (
    "part", "other", "n_rows", "n_near_duplicates", "n_repeat_matches", "n_exact",
    "share_threshold", "max_share",
)  # fmt: skip
ROUND_COLUMNS = tuple(Round.__dataclass_fields__)
MANIFEST = "dataset.json"
ROUNDS = "rounds.tsv"


@dataclass(frozen=True)
class Inputs:
    """Files a data set is made from.

    Attributes:
        sources: where positives come from; of ready sequences, or tables, several.
        genome: what coordinates refer to.
        regions: BED; positives and negatives outside are left out.
        avoid: BED; no negative is cut there.
        dev_regions, test_regions: BED; rows inside are that part.
    """

    sources: Sequence[str]
    genome: str | None = None
    regions: str | None = None
    avoid: str | None = None
    dev_regions: str | None = None
    test_regions: str | None = None

    def paths(self) -> list[str]:
        """Return every file that is read."""
        named = (self.genome, self.regions, self.avoid, self.dev_regions, self.test_regions)
        return [*self.sources, *filter(None, named)]


@dataclass(frozen=True)
class Dataset:
    """A data set, not yet written.

    Attributes:
        parts: rows by part.
        dropped: what was left out, and why.
        rounds: of hard negatives.
    """

    parts: Parts
    dropped: Dropped
    rounds: list[Round]

    def counts(self) -> dict[str, dict[str, int]]:
        """Return rows by label, for each part."""
        return {
            name: dict(sorted(Counter(str(row.example.label) for row in rows).items()))
            for name, rows in self.parts.rows.items()
        }


def build(inputs: Inputs, config: DatasetConfig, *, progress: Progress = SILENT) -> Dataset:
    """Build a data set.

    Args:
        inputs: files to read.
        config: everything that decides the result.
        progress: told of the rounds of hard negatives.

    Raises:
        OptionsError: a genome is missing, or options do not fit the kind.
        FormatError, DataError: a file is broken, the files do not fit together, a class is empty.
    """
    _check_inputs(inputs, config)
    dropped = Dropped()
    try:
        return _build(inputs, config, dropped, progress)
    finally:  # what was left out often explains what went wrong
        dropped.log("rows")


def _build(inputs: Inputs, config: DatasetConfig, dropped: Dropped, progress: Progress) -> Dataset:
    rows, ground, fixed = _positives(inputs, config, dropped)
    if not rows:
        raise DataError(
            f"no row of {inputs.sources[0]} is left: {dropped.summary()}",
            hint="check the source, and that the genome belongs to it",
        )
    rows = rows + make_negatives(rows, config, ground, dropped)
    labels = {str(row.example.label) for row in rows}
    labels |= {DONOR, ACCEPTOR} if config.kind == "splice" else set()
    if len(labels) < 2:
        raise DataError("all rows have one label", hint="negatives are needed: --negatives")
    rows = _unique(rows, dropped)
    if missing := labels - {str(row.example.label) for row in rows}:
        shown = ", ".join(sorted(missing))
        raise DataError(f"no row of class {shown} is left: {dropped.summary()}")
    parts = make_parts(rows, config, fixed, dropped)
    rounds: list[Round] = []
    if config.hard.rounds and ground is not None:
        rounds = Hunt(parts, config, ground, fixed, dropped, progress).run()
    return Dataset(parts, dropped, rounds)


def _positives(
    inputs: Inputs, config: DatasetConfig, dropped: Dropped
) -> tuple[list[Row], Field | None, dict[int, Places]]:
    """Return the positives, where negatives may be cut, and the regions of dev and test."""
    if config.kind not in PLACED:
        ready = read_ready(inputs.sources, config, inputs.genome)
        return [row for row in ready if _is_known(row, config, dropped)], None, {}
    genome = Genome(inputs.genome or "", config.max_unknown)
    regions = _places(inputs.regions, genome)
    fixed = _fixed(inputs, genome)
    avoided = _places(inputs.avoid, genome) or {}
    found = read_positives(inputs.sources[0], config, genome, dropped)
    rows = [row for row in found.rows if _is_inside(row, regions, dropped)]
    stretches = genome.known_stretches(config.shape[0] or 1, regions) if _cuts(config) else {}
    return rows, Field(genome, stretches, found.places, avoided, found.genes), fixed


def check_folder(folder: Path, inputs: Inputs, *, force: bool) -> None:
    """Check, before anything is read, that a data set can be written to a folder.

    Raises:
        OptionsError: it is a file, or not empty without `force`, or an input would be lost.
        DnabertError: a file in it cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise OptionsError(f"{folder} is a file; -o names the folder of the data set")
    if folder.exists() and any(folder.iterdir()) and not force:
        raise OptionsError(f"{folder} is not empty: --force overwrites the data set in it")
    if folder.exists():
        for name in (*(f"{part}.tsv" for part in PART_NAMES), MANIFEST, ROUNDS):
            check_output(str(folder / name), force, inputs.paths())
    elif not folder.resolve().parent.is_dir():
        raise OptionsError(f"cannot write {folder}: its parent folder does not exist")


def write(data: Dataset, inputs: Inputs, config: DatasetConfig, folder: Path) -> None:
    """Write `train.tsv`, `dev.tsv`, `test.tsv` and, last, `dataset.json`.

    Files of an earlier data set are replaced; one that this one does not have is removed.
    """
    folder.mkdir(exist_ok=True)
    (folder / MANIFEST).unlink(missing_ok=True)  # while it is missing, the data set is not whole
    for name in (*(f"{part}.tsv" for part in PART_NAMES), ROUNDS):
        (folder / name).unlink(missing_ok=True)  # all, before the first new one: none goes astray
    checksums = {}
    for part, rows in data.parts.rows.items():
        path = folder / f"{part}.tsv"
        if rows:
            with open_output(str(path), force=True) as handle:
                write_table(map(_cells, rows), COLUMNS, handle, header=True)
            checksums[path.name] = sha256(str(path))
    if data.rounds:
        with open_output(str(folder / ROUNDS), force=True) as handle:
            rows_of = ([getattr(each, name) for name in ROUND_COLUMNS] for each in data.rounds)
            write_table(rows_of, ROUND_COLUMNS, handle, header=True)
        checksums[ROUNDS] = sha256(str(folder / ROUNDS))
    write_json(_manifest(data, inputs, config, checksums), folder / MANIFEST)


def check_leakage(
    paths: Sequence[str], threshold: float, genome: str | None = None
) -> list[Leakage]:
    """Look up the rows of each file in every other one.

    Args:
        paths: FASTA, tables, or BED with `genome`.
        threshold: share of a row's stretches from which it is a near-duplicate.
        genome: what BED refers to.

    Raises:
        DataError: a file holds no rows, or two have the same name.
        OptionsError: there is only one file.
    """
    if len(paths) < 2:
        raise OptionsError("dataset check compares files: name two or more")
    if len({path if path == "-" else Path(path).resolve() for path in paths}) < len(paths):
        raise OptionsError("the same file is named twice")
    DatasetConfig(kind="sequences", max_shared=threshold)  # refuses what is no share
    parts = {path: [row.sequence for row in read_rows(path, genome)] for path in paths}
    return leakage(parts, threshold=threshold)


def leakage_rows(found: Sequence[Leakage]) -> Iterator[list[Any]]:
    """Yield the cells of `LEAKAGE_COLUMNS`."""
    for each in found:
        yield [getattr(each, name) for name in LEAKAGE_COLUMNS]


def _check_inputs(inputs: Inputs, config: DatasetConfig) -> None:
    is_placed = config.kind in PLACED
    if is_placed and inputs.genome is None:
        raise OptionsError(f"dataset {config.kind} cuts windows: add --genome FASTA")
    if is_placed and len(inputs.sources) > 1:
        raise OptionsError(f"dataset {config.kind} reads one file; {len(inputs.sources)} are named")
    for name in ("regions", "avoid", "dev_regions", "test_regions"):
        if not is_placed and getattr(inputs, name) is not None:
            option = name.replace("_", "-")
            raise OptionsError(f"--{option}: {config.kind} have no place in a genome")
    if inputs.paths().count("-") > 1:
        raise OptionsError("only one input can be standard input")
    if config.hard.rounds and inputs.dev_regions is None and config.dev_fraction == 0:
        raise OptionsError("--rounds trains a model, which needs a dev part: raise --dev-fraction")
    if config.hard.model is not None:
        find_folder(config.hard.model)  # now, not after all else is done


def _cuts(config: DatasetConfig) -> bool:
    """Tell whether anything but the positives is cut from the genome."""
    kinds = {kind for kind, _ in config.wanted_negatives}
    return bool(kinds & {"genomic", "tata", "decoys"}) or config.hard.rounds > 0


def _places(path: str | None, genome: Genome) -> Places | None:
    if path is None:
        return None
    regions = read_bed(path)
    if not regions:
        raise DataError(f"{path} holds no regions", hint="leave the option out")
    return genome.clipped(regions, path)


def _fixed(inputs: Inputs, genome: Genome) -> dict[int, Places]:
    named = {DEV: inputs.dev_regions, TEST: inputs.test_regions}
    fixed = {part: _places(path, genome) or {} for part, path in named.items() if path is not None}
    for chrom, places in fixed.get(DEV, {}).items():
        for start, end in places:
            if overlap(fixed.get(TEST, {}), chrom, start, end) is not False:
                place = f"{chrom}:{start}-{end}"
                raise DataError(f"--dev-regions and --test-regions overlap: {place} is in both")
    return fixed


def _is_inside(row: Row, regions: Places | None, dropped: Dropped) -> bool:
    example = row.example
    first, last = example.start or 0, example.end or 0
    if regions is None or overlap(regions, example.chrom or "", first, last):
        return True
    dropped.add("outside --regions", f"{example.chrom}:{first}-{last}")
    return False


def _is_known(row: Row, config: DatasetConfig, dropped: Dropped) -> bool:
    if unknown_share(row.example.sequence) <= config.max_unknown:
        return True
    dropped.add(TOO_MANY_N, row.example.name)
    return False


def _unique(rows: Sequence[Row], dropped: Dropped) -> list[Row]:
    """Return the rows without doubles; a sequence with two labels is left out altogether."""
    labels: dict[str, set[str | None]] = {}
    for row in rows:
        labels.setdefault(row.example.sequence.upper(), set()).add(row.example.label)
    kept: list[Row] = []
    number: dict[str, int] = {}  # of the row kept for a sequence
    new_number: dict[int, int | None] = {}
    for i, row in enumerate(rows):
        text = row.example.sequence.upper()
        if len(labels[text]) > 1:
            dropped.add("of a sequence that has two labels", row.example.name)
            new_number[i] = None
        elif text in number:
            dropped.add("the same sequence again", row.example.name)
            new_number[i] = number[text]
        else:
            new_number[i] = number[text] = len(kept)
            parent = None if row.parent is None else new_number[row.parent]
            kept.append(replace(row, parent=parent))
    return kept


def _cells(row: Row) -> list[Any]:
    """Return the cells of `COLUMNS`; what was made from a row lies nowhere in a genome."""
    example = row.example
    is_made = example.source in {"shuffled", "substituted"}
    place = (example.chrom, example.start, example.end, example.strand)
    return [
        example.sequence.upper(),
        example.label,
        *((None, None, None, ".") if is_made else place),
        example.name,
        example.source,
    ]


def _manifest(
    data: Dataset, inputs: Inputs, config: DatasetConfig, checksums: Mapping[str, str]
) -> dict[str, Any]:
    sources = {
        name: dict(sorted(Counter(row.example.source for row in rows).items()))
        for name, rows in data.parts.rows.items()
    }
    return origin("dataset", config, inputs.paths()) | {
        "files": checksums,
        "rows": {name: len(rows) for name, rows in data.parts.rows.items()},
        "labels": data.counts(),
        "sources": sources,
        "left_out": data.dropped.to_json(),
        "leakage_before": [asdict(each) for each in data.parts.before],
        "leakage": [asdict(each) for each in data.parts.after],
        "rounds": [asdict(each) for each in data.rounds],
    }
