"""The positives of a data set: start sites, splice sites, peaks, regions, or ready sequences."""

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from dnabert_cli.dataset_config import JUNCTION_PARTS, DatasetConfig
from dnabert_cli.errors import DataError, OptionsError
from dnabert_cli.formats.bed import SKIPPED, first_base, read_bed, read_cells
from dnabert_cli.formats.files import as_text, open_binary
from dnabert_cli.formats.gtf import read_transcripts
from dnabert_cli.formats.narrowpeak import read_peaks
from dnabert_cli.formats.tables import read_sequences
from dnabert_cli.records import Example, Interval, Site, Transcript
from dnabert_cli.sequence.sites import is_canonical, junctions, start_sites, window_of
from dnabert_cli.sequence.tata import has_tata_box
from dnabert_cli.tasks.dropped import Dropped
from dnabert_cli.tasks.genome import Genome

logger = logging.getLogger(__name__)

POSITIVE, NEGATIVE = "1", "0"
NONE = "none"  # the class of a splice set that is no site
DONOR, ACCEPTOR = "donor", "acceptor"
START_SITE = "tss"

_NO_STRAND = "of unknown strand"
_GTF_COLUMNS = 9


@dataclass(frozen=True)
class Row:
    """A row of a data set on its way to a part.

    Attributes:
        example: as it will be written, but for the case of its letters (lower case marks repeats);
            its place decides on the part even where the sequence is no longer that of the genome.
        parent: number of the row it was made from by shuffling or substitution, else `None`.
    """

    example: Example
    parent: int | None = None


@dataclass(frozen=True)
class Positives:
    """Rows of the positive classes, and what else the source says.

    Attributes:
        rows: in the order of the source, nothing twice.
        places: of every positive of the source, also those left out: negatives stay away from
            them. By the genome's names.
        genes: of annotations: where transcripts lie.
    """

    rows: list[Row]
    places: list[Interval]
    genes: list[Interval]


def read_positives(
    source: str, config: DatasetConfig, genome: Genome, dropped: Dropped
) -> Positives:
    """Read positives from coordinates and cut their windows.

    Args:
        source: BED, GTF/GFF3 or narrowPeak, as the kind of the config asks.
        config: kind, window, anchor, classes.
        genome: where windows are cut from.
        dropped: told of every row left out.

    Raises:
        FormatError, DataError: the source is broken, or does not fit the genome.
    """
    transcripts: Sequence[Transcript] = ()
    is_annotation = config.kind == "splice" or (config.kind == "promoters" and _is_gtf(source))
    if is_annotation:
        if config.class_column is not None:
            raise OptionsError(f"--class-column: {source} is no BED", hint="leave it out")
        transcripts = read_transcripts(source)
        _count_unusable(transcripts, config, dropped)
        sites = _junctions(transcripts, config) if config.kind == "splice" else []
        sites = sites or (start_sites(transcripts) if config.kind == "promoters" else [])
        if not sites:
            raise DataError(f"{source} holds no {_wanted(config)}")
        places = _windows(sites, config, source)
    elif config.kind == "promoters":
        places = _windows(list(_bed_sites(source, config)), config, source)
    elif config.kind == "peaks":
        found = [
            Site(peak.chrom, summit, _plus(peak.strand), POSITIVE, peak.name)
            for peak, summit in read_peaks(source)
        ]
        places = _windows(found, config, source)
    else:
        places = _regions(read_bed(source), config, source)
    if not places:
        raise DataError(f"{source} holds no rows")
    genome.check_names({place.chrom for place, _ in places}, source)
    cut = _Cutter(genome, config, Path(source).name, dropped)
    rows = [row for row in map(cut.row, places) if row is not None]
    known = [*cut.places, *_other_junctions(transcripts, config, genome)]
    return Positives(rows, known, _spans(transcripts, genome))


def read_ready(paths: Sequence[str], config: DatasetConfig, genome: str | None = None) -> list[Row]:
    """Read rows that bring their sequences: labelled tables, or positives and then negatives.

    Args:
        paths: FASTA, tables, or BED with `genome`.
        config: of kind `table` or `sequences`.
        genome: what BED, and tables without sequences, refer to.

    Raises:
        DataError: a row of a table has no label; nothing is there.
        OptionsError: more than two files of sequences.
    """
    files = [read_rows(path, genome) for path in paths]
    if config.kind == "table":
        rows = [example for examples in files for example in examples]
        for number, example in enumerate(rows, 1):
            if example.label is None:
                raise DataError(
                    f"{example.source}: row {number} has no label",
                    hint="take it out; positives without labels are for dataset sequences",
                )
        return [Row(example) for example in rows]
    if len(files) > 2:
        raise OptionsError("dataset sequences takes one file of positives, one of negatives")
    for path, examples in zip(paths, files, strict=True):
        labels = {one.label for one in examples} - {None}
        if len(labels) > 1:  # all of them would become one class
            raise DataError(
                f"{path} has {len(labels)} labels, and its rows would all get one",
                hint="labelled tables are for dataset table",
            )
    labelled = zip(files, (POSITIVE, NEGATIVE), strict=False)
    return [Row(replace(one, label=label)) for each, label in labelled for one in each]


def read_rows(path: str, genome: str | None) -> list[Example]:
    """Read sequences, labelled or not.

    Raises:
        DataError: there are none.
    """
    rows = list(read_sequences(path, genome))
    if not rows:
        raise DataError(f"{path} holds no rows")
    return rows


def _wanted(config: DatasetConfig) -> str:
    return "junction between two exons" if config.kind == "splice" else "exon on a known strand"


def _is_gtf(path: str) -> bool:
    """Tell GTF and GFF from BED by the first row; a stream, which is read only once, is BED."""
    if not Path(path).is_file():
        return False
    with as_text(open_binary(path)) as lines:
        for line in lines:
            if line.strip() and not line.startswith(SKIPPED):
                cells = line.split("\t")
                return len(cells) >= _GTF_COLUMNS and not cells[1].strip().isdigit()
    return False


def _count_unusable(
    transcripts: Sequence[Transcript], config: DatasetConfig, dropped: Dropped
) -> None:
    """Count transcripts that no site comes from."""
    for each in transcripts:
        if each.strand not in {"+", "-"}:
            dropped.add("transcripts of unknown strand", each.name)
        elif config.kind == "promoters" and not each.exons:
            dropped.add("transcripts without exons", each.name)


def _junctions(transcripts: Sequence[Transcript], config: DatasetConfig) -> list[Site]:
    part = config.junctions
    if part is None:
        part = "exon" if any(each.exons for each in transcripts) else "cds"
        shown = {"exon": "exons", "cds": "coding parts"}[part]
        logger.info("junctions between consecutive %s of one transcript", shown)
    return junctions(transcripts, part)


def _other_junctions(
    transcripts: Sequence[Transcript], config: DatasetConfig, genome: Genome
) -> Iterator[Interval]:
    """Yield the windows of all junctions: one between untranslated exons is no decoy either."""
    window, anchor = config.shape
    if config.kind == "splice" and window is not None and anchor is not None:
        for part in JUNCTION_PARTS:
            for site in junctions(transcripts, part):
                chrom = genome.resolve(site.chrom)
                if chrom is not None:
                    yield replace(_window(site, window, anchor), chrom=chrom)


def _bed_sites(source: str, config: DatasetConfig) -> Iterator[Site]:
    """Yield the start site of each interval: its first base on its strand."""
    for number, place, cells in read_cells(source):
        kind = START_SITE
        if config.class_column is not None:
            if len(cells) < config.class_column:
                raise DataError(
                    f"{source}:{number}: there is no column {config.class_column}",
                    hint="--class-column counts from 1",
                )
            kind = cells[config.class_column - 1].strip()
        yield Site(place.chrom, first_base(place), place.strand, kind, place.name)


def _windows(
    sites: Sequence[Site], config: DatasetConfig, source: str
) -> list[tuple[Interval, str]]:
    """Return the window of each site, and the site's kind."""
    window, anchor = config.shape
    if window is None or anchor is None:
        raise OptionsError(f"--window: how many bases around each row of {source}?")
    return [(_window(site, window, anchor), site.kind) for site in sites]


def _window(site: Site, window: int, anchor: int) -> Interval:
    """Return the window of a site; the site itself where no strand says which way it reads."""
    place = (site.position, site.position + 1)
    if site.strand in {"+", "-"}:
        place = window_of(site, window, anchor)
    return Interval(site.chrom, *place, site.name, site.strand)


def _regions(
    regions: Sequence[Interval], config: DatasetConfig, source: str
) -> list[tuple[Interval, str]]:
    """Return regions as they are, or windows with the anchor in the middle of each."""
    window, anchor = config.shape
    if window is not None:
        middles = [
            Site(r.chrom, (r.start + r.end) // 2, _plus(r.strand), POSITIVE, r.name)
            for r in regions
        ]
        return _windows(middles, config, source)
    lengths = {region.end - region.start for region in regions}
    if len(lengths) > 1:
        raise OptionsError(
            f"the regions of {source} have {len(lengths)} lengths, from {min(lengths)} to "
            f"{max(lengths)} bases",
            hint="cut windows of one length around their middles with --window",
        )
    if anchor is not None and lengths and anchor >= min(lengths):
        raise OptionsError(f"--anchor {anchor} lies outside the regions of {min(lengths)} bases")
    return [(replace(region, strand=_plus(region.strand)), POSITIVE) for region in regions]


def _plus(strand: str) -> str:
    return "+" if strand == "." else strand


def _spans(transcripts: Sequence[Transcript], genome: Genome) -> list[Interval]:
    spans = []
    for each in transcripts:
        chrom = genome.resolve(each.chrom)
        parts = each.exons or each.coding
        if chrom is not None and parts and each.strand in {"+", "-"}:
            spans.append(Interval(chrom, parts[0][0], parts[-1][1], each.name, each.strand))
    return spans


class _Cutter:
    """Cuts the windows of positives, each place once, and counts what cannot be cut."""

    def __init__(
        self, genome: Genome, config: DatasetConfig, source: str, dropped: Dropped
    ) -> None:
        self.places: list[Interval] = []
        self._genome, self._config = genome, config
        self._source, self._dropped = source, dropped
        self._seen: set[tuple[str, int, str, str]] = set()

    def row(self, wanted: tuple[Interval, str]) -> Row | None:
        """Return the row of a window, `None` where it is left out."""
        place, kind = wanted
        chrom = self._genome.resolve(place.chrom)
        if chrom is not None:
            self.places.append(replace(place, chrom=chrom))
        if place.strand not in {"+", "-"}:
            self._dropped.add(_NO_STRAND, f"{place.chrom}:{place.start}")
            return None
        cut = self._genome.cut(place, self._dropped)
        if cut is None:
            return None
        key = (cut.chrom, cut.start, cut.strand, self._label(kind))
        if key in self._seen:
            self._dropped.add("the same place again", f"{place.chrom}:{place.start}")
            return None
        self._seen.add(key)
        sequence = self._genome.sequence(cut, self._dropped)
        if sequence is None or not self._is_wanted(sequence, kind, place):
            return None
        return Row(
            Example(
                sequence,
                label=self._label(kind),
                name=cut.name,
                chrom=cut.chrom,
                start=cut.start,
                end=cut.end,
                strand=cut.strand,
                source=self._source,
            )
        )

    def _label(self, kind: str) -> str:
        return kind if self._config.kind == "splice" else POSITIVE

    def _is_wanted(self, sequence: str, kind: str, place: Interval) -> bool:
        """Tell whether a site is of the class asked for; those that are not are counted."""
        _, anchor = self._config.shape
        reason = None
        if self._config.kind == "splice" and self._config.canonical:
            if not is_canonical(sequence, anchor or 0, kind):
                reason = "without GT or AG (--all-junctions keeps them)"
        elif self._config.promoters != "all":
            is_tata = kind.upper() == "TATA"
            if self._config.class_column is None:
                is_tata = has_tata_box(sequence, anchor or 0)
            if is_tata != (self._config.promoters == "tata"):
                reason = f"not {self._config.promoters}"
        if reason is not None:
            self._dropped.add(reason, f"{place.chrom}:{place.start}")
        return reason is None
