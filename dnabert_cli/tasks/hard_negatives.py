"""Hard negatives: what a model wrongly calls in a genome becomes a row it is trained on.

Per round: train, scan a stretch of the genome, add the calls that have no site near them. Only
training rows grow; the parts that judge stay as they were drawn. What SpliceFinder (Wang et al.
2019, BMC Bioinformatics 20:652) and the paper's adversarial splice set do.
"""

import logging
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dnabert_cli.config import ScanConfig
from dnabert_cli.core.folder_config import model_config, read_config, task_config
from dnabert_cli.core.hub import find_folder
from dnabert_cli.dataset_config import DatasetConfig
from dnabert_cli.errors import DataError
from dnabert_cli.formats.bed import write_rows
from dnabert_cli.formats.files import open_output
from dnabert_cli.formats.tables import write_table
from dnabert_cli.progress import Progress
from dnabert_cli.records import Call, Interval, Site
from dnabert_cli.sequence.background import WindowSampler, forbidden_zones
from dnabert_cli.sequence.leakage import leakage, near_duplicates
from dnabert_cli.sequence.sites import window_of
from dnabert_cli.tasks.dataset_parts import Parts
from dnabert_cli.tasks.dropped import Dropped
from dnabert_cli.tasks.finetune import Run, finetune
from dnabert_cli.tasks.genome import Places, overlap
from dnabert_cli.tasks.negatives import CANDIDATES, Field, background_label, cut_row
from dnabert_cli.tasks.positives import Row
from dnabert_cli.tasks.scan import scan
from dnabert_cli.training_config import FinetuneConfig

logger = logging.getLogger(__name__)

SCAN_PIECE = 10_000  # bases scanned in one stretch
# Per round; every GT and AG of a splice scan is a window, which makes it twenty times longer.
SCAN_BASES, SPLICE_SCAN_BASES = 1_000_000, 100_000
# Of baselines, which learn well at it, and of BERT.
_LEARNING_RATES = (1e-3, FinetuneConfig.learning_rate)


@dataclass(frozen=True)
class Round:
    """What a round did.

    Attributes:
        round: from 1.
        n_train: rows the model was trained on; 0 where the model given was used as it is.
        scanned_bases: of the training part of the genome.
        n_calls: calls of the scan.
        n_near_sites: of these, calls near a site, which are no mistakes.
        n_new: rows added.
        calls_per_mb: false ones, per million bases scanned.
    """

    round: int
    n_train: int
    scanned_bases: int
    n_calls: int
    n_near_sites: int
    n_new: int
    calls_per_mb: float


class Hunt:
    """Rounds of training and scanning; `parts.rows["train"]` grows in place.

    Args:
        parts: the data set as it was split.
        config: rounds, model, how much is scanned.
        ground: the genome and its sites.
        fixed: regions of dev and test.
        dropped: told of rows that are left out.
        progress: of the training and the scans.
    """

    def __init__(
        self,
        parts: Parts,
        config: DatasetConfig,
        ground: Field,
        fixed: Mapping[int, Places],
        dropped: Dropped,
        progress: Progress,
    ) -> None:
        assert parts.territory is not None, "the config refuses a split that is not by place"
        self._parts, self._config, self._ground = parts, config, ground
        self._dropped, self._progress = dropped, progress
        closed = [
            (chrom, place)
            for places in (parts.territory, *fixed.values(), ground.avoided)
            for chrom, each in places.items()
            for place in each
        ]
        self._closed = _zones(closed, 0)  # to what trains
        generator = np.random.default_rng(config.seed + 1)
        self._sampler = WindowSampler(ground.stretches, self._closed, SCAN_PIECE, generator)
        sites = [(place.chrom, (place.start, place.end)) for place in ground.positives]
        self._near = _zones(sites, config.distance)
        self._sites = {(site.chrom, site.start, site.strand) for site in ground.positives}

    def run(self) -> list[Round]:
        """Return what each round did."""
        rounds: list[Round] = []
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for number in range(1, self._config.hard.rounds + 1):
                pieces = self._sampler.draw(max(self._scan_bases() // SCAN_PIECE, 1))
                if not pieces:
                    if rounds:
                        logger.info("all of the training part is scanned: no more rounds")
                        break
                    raise DataError(
                        f"no stretch of {SCAN_PIECE:,} bases of the training part can be scanned"
                    )
                model, n_train = self._model(number, folder)
                done = self._round(number, model, n_train, pieces, folder)
                rounds.append(done)
                logger.info(
                    "round %d: %d calls in %.2f Mb, %d near a site, %d new hard negatives",
                    number, done.n_calls, done.scanned_bases / 1e6, done.n_near_sites, done.n_new,
                )  # fmt: skip
                if done.n_new < self._config.hard.min_new * len(self._parts.rows["train"]):
                    logger.info("few new ones: no more rounds")
                    break
        after = self._parts.after
        texts = {
            part: [row.example.sequence for row in rows]
            for part, rows in self._parts.rows.items()
            if rows
        }
        after[:] = leakage(texts, threshold=self._config.max_shared)
        return rounds

    def _model(self, number: int, folder: Path) -> tuple[str, int]:
        """Return the model of a round and how many rows it was trained on, 0 for the one given."""
        hard = self._config.hard
        arch = hard.arch
        if hard.model is not None:
            home = find_folder(hard.model)
            values = read_config(home)
            sizes = model_config(values, home)
            task = task_config(values, sizes, home)
            arch = sizes.arch
            if number == 1 and task.head == "class" and len(task.classes) == len(self._labels()):
                return hard.model, 0
        base = hard.model if arch == "bert" else None
        return self._trained(arch, base, folder / f"round-{number}"), len(self._rows("train"))

    def _trained(self, arch: str, base: str | None, folder: Path) -> str:
        """Train on the rows as they are now; return the folder of the model."""
        folder.mkdir()
        for part in ("train", "dev"):
            with open_output(str(folder / f"{part}.tsv"), force=True) as handle:
                cells = ((row.example.sequence, row.example.label) for row in self._rows(part))
                write_table(cells, ("sequence", "label"), handle, header=True)
        hard = self._config.hard
        config = FinetuneConfig(
            arch=arch,
            base=base,
            epochs=hard.epochs,
            learning_rate=hard.learning_rate or _LEARNING_RATES[arch == "bert"],
            anchor=self._config.shape[1],
            background=background_label(self._config),
            candidates=self._candidates(),
            seed=self._config.seed,
            compute=hard.compute,
        )
        run = Run(folder / "model", devs=[str(folder / "dev.tsv")], progress=self._progress)
        finetune([str(folder / "train.tsv")], config, run)
        return str(folder / "model")

    def _round(
        self,
        number: int,
        model: str,
        n_train: int,
        pieces: Sequence[tuple[str, int, str]],
        folder: Path,
    ) -> Round:
        """Scan, and add what was called wrongly to the training rows."""
        bed = folder / f"scan-{number}.bed"
        with open_output(str(bed), force=True) as handle:
            rows = ((chrom, str(start), str(start + SCAN_PIECE)) for chrom, start, _ in pieces)
            write_rows(rows, ("chrom", "start", "end"), handle, header=False)
        settings = ScanConfig(compute=self._config.hard.compute)
        genome = self._ground.genome.path
        found = scan(genome, [model], settings, regions=str(bed), progress=self._progress)
        calls = sorted(found.calls, key=lambda call: -call.probability)
        wrong = [(call, place) for call in calls if (place := self._wrong(call)) is not None]
        n_near = len(calls) - len(wrong)
        cut = (self._cut(call, place, number) for call, place in wrong)
        new = self._new([row for row in cut if row is not None])[: len(self._rows("train"))]
        self._rows("train").extend(new)
        n_bases = len(pieces) * SCAN_PIECE
        rate = len(wrong) / n_bases * 1e6
        return Round(number, n_train, n_bases, len(calls), n_near, len(new), rate)

    def _wrong(self, call: Call) -> tuple[int, int] | None:
        """Return (start, end) of the window of a call; `None` where a site is near."""
        window, anchor = self._config.shape
        assert window is not None and anchor is not None, "a placed kind has a window"  # noqa: PT018
        site = Site(call.chrom, call.summit, call.strand, call.name)
        start, end = window_of(site, window, anchor)
        if self._config.kind == "splice":
            is_near = (call.chrom, start, call.strand) in self._sites
        else:
            is_near = bool(overlap(self._near, call.chrom, start, end) is not False)
        return None if is_near else (start, end)

    def _cut(self, call: Call, place: tuple[int, int], number: int) -> Row | None:
        """Return a window as a negative; `None`, and counted, where none may be cut.

        A window longer than the model's reaches beyond what was scanned.
        """
        start, end = place
        if overlap(self._closed, call.chrom, start, end) is not False:
            self._dropped.add("hard negatives that reach into another part", call.chrom)
            return None
        if self._ground.genome.cut(Interval(call.chrom, start, end), self._dropped) is None:
            return None
        names = (self._ground, self._config, f"hard:{number}", call.chrom)
        return cut_row(*names, start, end - start, call.strand)

    def _new(self, rows: Sequence[Row]) -> list[Row]:
        """Return rows that are neither among the training rows nor alike to those that judge."""
        seen = {row.example.sequence.upper() for row in self._rows("train")}
        distinct: dict[str, Row] = {}
        for row in rows:
            if row.example.sequence.upper() not in seen:
                distinct.setdefault(row.example.sequence.upper(), row)
        kept = list(distinct.values())
        if self._config.keep_near_duplicates:
            return kept
        judging = [row.example.sequence for part in ("dev", "test") for row in self._rows(part)]
        is_double = near_duplicates(list(distinct), judging, threshold=self._config.max_shared)
        for row, double in zip(kept, is_double.tolist(), strict=True):
            if double:
                self._dropped.add("hard negatives near-duplicate to dev or test", row.example.name)
        return [row for row, double in zip(kept, is_double.tolist(), strict=True) if not double]

    def _rows(self, part: str) -> list[Row]:
        return self._parts.rows[part]

    def _labels(self) -> set[str | None]:
        return {row.example.label for row in self._rows("train")}

    def _scan_bases(self) -> int:
        asked = self._config.hard.scan_bases
        default = SPLICE_SCAN_BASES if self._config.kind == "splice" else SCAN_BASES
        return default if asked is None else asked

    def _candidates(self) -> tuple[str, ...] | None:
        """What a scan for splice sites looks at: every GT and AG, not every so many bases."""
        if self._config.kind != "splice":
            return None
        return tuple(f"{letters}:{offset}" for letters, offset in CANDIDATES.values())


def _zones(
    places: Sequence[tuple[str, tuple[int, int]]], distance: int
) -> dict[str, list[tuple[int, int]]]:
    """Return what lies up to `distance` bases from the places, by sequence, merged."""
    found: dict[str, list[tuple[int, int]]] = {}
    for chrom, place in places:
        found.setdefault(chrom, []).append(place)
    return {chrom: forbidden_zones(each, distance) for chrom, each in found.items()}
