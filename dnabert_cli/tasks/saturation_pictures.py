"""Mutation maps of `variants --saturate`: a picture of one, or a page of many.

A region may be longer than what a model reads at once, so there is no one score of the wild type.
What is shown is the difference score S of each substitution; the wild type's is 0.
Positions count from 1, as in the VCF that the same run can write.
"""

import logging
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis.pages.page import definitions, escaped, render_page, svg_image
from dnabert_cli.analysis.plots.mutations import MOST_BASES, MutationMap, draw_mutations
from dnabert_cli.config import ComputeConfig
from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import DataError, ModelError, OptionsError
from dnabert_cli.explain_config import ExplainConfig
from dnabert_cli.formats.files import check_output, open_output
from dnabert_cli.formats.unit_checks import Expected
from dnabert_cli.formats.units import Arrays, Units, unit_key
from dnabert_cli.formats.vcf import VariantRecord
from dnabert_cli.progress import SILENT, Progress
from dnabert_cli.records import Interval
from dnabert_cli.sequence.substitutions import LETTERS
from dnabert_cli.tasks.base_importance import explain

logger = logging.getLogger(__name__)

Floats = npt.NDArray[np.float32]

MOST_MAPS = 100  # in a page: about 10 MB
N_STRONGEST = 10

_FORMATS = {".png": "png", ".svg": "svg", ".pdf": "pdf", ".html": "html", ".htm": "html"}
_PAGE = "html"
_NO_LIMIT = "a table (.tsv) and a VCF (.vcf, .vcf.gz, .bcf) have no limit"
_MINUS = "\N{MINUS SIGN}"


def map_format(path: str) -> str | None:
    """Return what a path is by its suffix: png, svg, pdf or html; `None`: no mutation maps."""
    return _FORMATS.get(Path(path).suffix.lower())


def check_maps(
    path: str, regions: Sequence[Interval], channels: Sequence[str], *, force: bool
) -> None:
    """Refuse, before the long part, what cannot be drawn or written.

    Args:
        path: the output, with a suffix that `map_format` knows.
        regions: to be drawn.
        channels: names of the scores of every region.
        force: overwrite an existing file.

    Raises:
        OptionsError: another suffix, or more maps than it can hold.
        DataError: a region is too long.
        DnabertError: the file exists or its folder does not.
    """
    fmt = map_format(path)
    if fmt is None:
        raise OptionsError(f"{path}: mutation maps are {', '.join(_FORMATS)}")
    n_maps = len(regions) * len(channels)
    told = f"regions: {len(regions)}, scores of each: {len(channels)} ({', '.join(channels)})"
    if fmt != _PAGE and n_maps > 1:
        raise OptionsError(
            f"{path} holds one mutation map, but there are more ({told})",
            hint="name a page (.html), which holds them all, or give one region and one score",
        )
    if n_maps > MOST_MAPS:
        raise OptionsError(
            f"{path} holds up to {MOST_MAPS} mutation maps, but there are more ({told})",
            hint=f"name fewer regions with --regions; {_NO_LIMIT}",
        )
    for region in regions:
        if region.end - region.start > MOST_BASES:
            raise DataError(
                f"{place_of(region)} has {region.end - region.start:,} bases, but a mutation map "
                f"holds up to {MOST_BASES}",
                hint=f"name shorter regions with --regions; {_NO_LIMIT}",
            )
    check_output(path, force)


def can_be_drawn(regions: Sequence[Interval], n_channels: int) -> bool:
    """Tell whether a page can hold the maps of some regions."""
    is_short = all(region.end - region.start <= MOST_BASES for region in regions)
    return is_short and len(regions) * n_channels <= MOST_MAPS


def place_of(region: Interval) -> str:
    """Return where a region lies, as samtools and tabix write it: first and last base, from 1."""
    return f"{region.chrom}:{region.start + 1}-{region.end}"


class MutationMaps:
    """Collects scores of substitutions, and draws them.

    Args:
        regions: that do not overlap, in any order.
        letters: gives the forward letters of a region, such as `Saturation.sequence`.
        channels: names of the scores.
        wider: gives the region that is read for the importance of one; `None`: itself.
    """

    def __init__(
        self,
        regions: Sequence[Interval],
        letters: Callable[[Interval], str],
        channels: Sequence[str],
        wider: Callable[[Interval], Interval] | None = None,
    ) -> None:
        self._wider = wider
        self._regions = tuple(regions)
        self._letters = letters
        self._channels = tuple(channels)
        self._scores = [
            np.full((len(channels), region.end - region.start, len(LETTERS)), np.nan, np.float32)
            for region in regions
        ]  # of each region [C, L, 4]
        self._importance: dict[str, list[Floats]] = {}
        self._starts: dict[str, list[tuple[int, int]]] = {}  # (start, number), in order
        for number, region in sorted(enumerate(regions), key=lambda each: each[1].start):
            self._starts.setdefault(region.chrom, []).append((region.start, number))

    def add(self, record: VariantRecord, values: Sequence[float]) -> None:
        """Take the scores of a record; those of no substitution in a region are passed over.

        Args:
            record: with one alternative allele.
            values: `[C]`, S in each channel; NaN where it has none.
        """
        (alt,) = record.alts
        if len(record.ref) != 1 or len(alt) != 1:
            return
        starts = self._starts.get(record.chrom, [])
        nearest = bisect_right(starts, record.position, key=lambda each: each[0]) - 1
        if nearest < 0:
            return
        start, number = starts[nearest]
        if record.position < self._regions[number].end:
            self._scores[number][:, record.position - start, LETTERS.index(alt)] = values

    def explain(
        self,
        models: Mapping[str, Sequence[str]],
        compute: ComputeConfig,
        *,
        units: Units,
        download: bool = False,
        progress: Progress = SILENT,
    ) -> None:
        """Ask models for the importance of the bases, to be drawn above the maps.

        It is the attention of [CLS], on the strand of the region where it has one, averaged over
        windows that overlap by half. The maps of
        models without attention have no importance, which the log says.

        Args:
            models: those that gave the scores of a channel, averaged; by channel.
            compute: where and how.
            units: keeps the answers.
            download: models of the hub may be fetched.
            progress: told of the sequences done.
        """
        read = [self._wider(region) if self._wider else region for region in self._regions]
        sequences = [self._oriented(region) for region in read]
        ends = np.cumsum([len(sequence) for sequence in sequences])[:-1]
        for asked in dict.fromkeys(tuple(models.get(channel, ())) for channel in self._channels):
            if not asked:
                continue
            told = [name for name in self._channels if tuple(models.get(name, ())) == asked]
            found = units.answer(
                unit_key("importance", *asked, "", *sequences),
                partial(_attention, sequences, asked, compute, progress, download=download),
                {"scores": Expected("f", (sum(map(len, sequences)),), may_miss=True)},
            )
            if found is not None and np.isnan(found["scores"]).all():
                logger.warning("no importance above the maps of %s: no attention", ", ".join(told))
            elif found is not None:
                pieces = np.split(found["scores"], ends)
                scores = [_cut(*each) for each in zip(pieces, read, self._regions, strict=True)]
                self._importance |= dict.fromkeys(told, scores)

    def write(
        self,
        path: str,
        *,
        title: str,
        force: bool,
        facts: Sequence[tuple[str, str]] = (),
        progress: Progress = SILENT,
    ) -> None:
        """Write a picture of the one map, or a page of all; whole or not at all.

        Args:
            path: the format follows from its suffix, see `map_format`.
            title: of the page; a picture says region and score instead.
            force: overwrite an existing file.
            facts: (name, text) of what belongs to the whole page, such as the model.
            progress: told of the maps drawn.

        Raises:
            OptionsError, DataError, DnabertError: as `check_maps`.
        """
        check_maps(path, self._regions, self._channels, force=force)
        fmt = _FORMATS[Path(path).suffix.lower()]
        progress.start("drawing", len(self._regions) * len(self._channels), "maps")
        if fmt == _PAGE:
            content = self._page(title, facts, progress).encode()
        else:
            content = self._drawn(0, 0, fmt)
            progress.advance(1)
        progress.finish()
        with open_output(path, force=force) as handle:
            handle.buffer.write(content)

    def _oriented(self, region: Interval) -> str:
        letters = self._letters(region)
        return reverse_complement(letters) if region.strand == "-" else letters

    def _drawn(self, number: int, column: int, fmt: str) -> bytes:
        """Return the map of a region and a channel."""
        region, channel = self._regions[number], self._channels[column]
        importance = self._importance.get(channel)
        return draw_mutations(
            MutationMap(
                self._letters(region),
                None if importance is None else importance[number],
                None,
                self._scores[number][column],
            ),
            first=region.start + 1,
            title="" if fmt == _PAGE else f"{_named(region)}, {channel}",
            score_label=f"S of {channel}: how far the substitution changes it",
            fmt="svg" if fmt == _PAGE else fmt,
        )

    def _page(self, title: str, facts: Sequence[tuple[str, str]], progress: Progress) -> str:
        told = [*facts, ("Scores", ", ".join(self._channels)), ("Regions", f"{len(self._scores)}")]
        sections = []
        for number in range(len(self._regions)):
            sections.append(self._section(number))
            progress.advance(len(self._channels))
        explained = _EXPLANATION.format(bars=_BARS if self._importance else "")
        return render_page(title, definitions(told) + explained + "".join(sections))

    def _section(self, number: int) -> str:
        """Return the maps of a region, and its strongest substitutions."""
        region = self._regions[number]
        figures = "".join(
            _FIGURE.format(
                image=svg_image(
                    self._drawn(number, column, _PAGE).decode(),
                    f"mutation map of {place_of(region)}, {channel}",
                ),
                caption=escaped(channel),
            )
            for column, channel in enumerate(self._channels)
        )
        heading = f"<h2>{escaped(_named(region))}</h2>\n"
        return f"<section>\n{heading}{figures}{self._table(number)}</section>\n"

    def _table(self, number: int) -> str:
        """Return the substitutions with the largest scores in any channel, as HTML."""
        region, letters = self._regions[number], self._letters(self._regions[number])
        rows = []
        for place, index in strongest(self._scores[number]):
            cells = "".join(
                f'<td class="number">{_signed(value)}</td>'
                for value in self._scores[number][:, place, index].tolist()
            )
            rows.append(
                f'<tr><td class="number">{region.start + place + 1:,}</td>'
                f"<td>{letters[place]}&gt;{LETTERS[index]}</td>{cells}</tr>\n"
            )
        if not rows:
            return "<p>No substitution of this region has a score.</p>\n"
        channels = "".join(
            f'<th scope="col" class="number">S of {escaped(channel)}</th>'
            for channel in self._channels
        )
        return _TABLE.format(channels=channels, rows="".join(rows))


def strongest(scores: Floats) -> list[tuple[int, int]]:
    """Return base and letter of the `N_STRONGEST` scores furthest from 0 in any channel, in order.

    Of equally strong ones the first comes first.

    Args:
        scores: `[C, L, 4]`, NaN where there is none.
    """
    sizes = np.nan_to_num(np.abs(scores), nan=-1.0).max(axis=0)  # [L, 4]
    order = np.argsort(-sizes, axis=None, kind="stable")[:N_STRONGEST]
    places, letters = np.unravel_index(order[sizes.flat[order] >= 0], sizes.shape)
    return list(zip(places.tolist(), letters.tolist(), strict=True))


def _named(region: Interval) -> str:
    return place_of(region) if region.name == "." else f"{region.name}, {place_of(region)}"


def _signed(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:+#.3g}".replace("-", _MINUS)


# A map keeps its size where it is scrolled, grows where there is room, and fits on paper.
_EXPLANATION = """<style>
.map {{ overflow-x: auto; }}
@media screen and (min-width: 1080px) {{ .map img {{ zoom: 1.5; }} }}
@media print {{ .map img {{ max-width: 100%; height: auto; }} }}
</style>
<p>Each column of a map is a base, each row what stands in its place. Red raises the probability p
that the model gives, blue lowers it, white leaves it as it is; a letter on grey is the base that is
there, grey has no score. S = (p(alt) &minus; p(ref)) · max(p(ref), p(alt)), in the window in which
it is furthest from 0. Each map has its own scale, given below it.{bars}</p>
<p class="quiet">Positions count from 1, as in VCF.</p>
"""
_BARS = (
    " Bars above a map are the attention that its bases get among those around them, on the "
    "strand of the region."
)
_FIGURE = """<figure>
<figcaption>{caption}</figcaption>
<div class="map" tabindex="0">{image}</div>
</figure>
"""
_TABLE = """<h3>Strongest substitutions</h3>
<div class="map" tabindex="0"><table><thead><tr>
<th scope="col" class="number">Position</th><th scope="col">Change</th>
{channels}</tr></thead>
<tbody>
{rows}</tbody></table></div>
"""


def _cut(scores: Floats, read: Interval, region: Interval) -> Floats:
    """Return what belongs to a region of the scores of a wider one, from left to right."""
    forward = scores[::-1] if read.strand == "-" else scores
    return forward[region.start - read.start : region.end - read.start]


def _attention(
    sequences: Sequence[str],
    models: Sequence[str],
    compute: ComputeConfig,
    progress: Progress,
    *,
    download: bool,
) -> Arrays:
    """Return the attention to all bases of all sequences; NaN where models have none."""
    try:
        found = explain(sequences, models, ExplainConfig(), compute, progress, download=download)
    except ModelError as error:
        logger.debug("no attention: %s", error)
        return {"scores": np.full(sum(map(len, sequences)), np.nan, np.float32)}
    return {"scores": np.concatenate(found.scores)}
