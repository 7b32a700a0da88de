"""The negatives of a data set: cut from the genome, or made from the positives.

Every kind is a function that returns rows; `make_negatives` calls those asked for. Synthetic ones
(shuffled, substituted) flatter a model, because it can learn what made them.
"""

import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from dnabert_cli.dataset_config import DatasetConfig
from dnabert_cli.errors import DataError
from dnabert_cli.records import Example, Interval
from dnabert_cli.sequence.background import (
    WindowSampler,
    composition,
    forbidden_zones,
    match_composition,
)
from dnabert_cli.sequence.shuffling import shuffle_dinucleotides, substitute_parts
from dnabert_cli.sequence.tata import find_tata
from dnabert_cli.sequence.windows import candidate_starts
from dnabert_cli.tasks.dropped import Dropped
from dnabert_cli.tasks.genome import Genome, Places
from dnabert_cli.tasks.positives import ACCEPTOR, DONOR, NEGATIVE, NONE, Row

logger = logging.getLogger(__name__)

# Letters of a splice site, and where they begin, counted from the anchor.
CANDIDATES = {DONOR: ("GT", 0), ACCEPTOR: ("AG", -2)}
# Where a TATA box begins, counted from the start site (Bucher 1990): decoys get one there, too.
_TATA_FROM, _TATA_TO = -35, -25
_SLACK = 500  # bases beside a window in which a decoy's letters are looked for
_POOL = 10  # candidates drawn per negative where their composition is to match
_TOO_FEW = 0.5  # share of the negatives asked for below which a set is refused


@dataclass(frozen=True)
class Field:
    """Where negatives may be cut.

    Attributes:
        genome: to cut from.
        stretches: without N, and inside `--regions`.
        positives: places to stay away from.
        avoided: zones nothing may overlap (`--avoid`).
        genes: where transcripts lie, for decoys.
    """

    genome: Genome
    stretches: Places
    positives: Sequence[Interval]
    avoided: Places
    genes: Sequence[Interval]


def make_negatives(
    rows: Sequence[Row], config: DatasetConfig, ground: Field | None, dropped: Dropped
) -> list[Row]:
    """Return the negatives the config asks for, kind by kind.

    Args:
        rows: the positives; synthetic negatives name them as parents by their number.
        config: kinds and how many per positive.
        ground: where to cut; `None` where rows have no genome.
        dropped: told what could not be had.

    Raises:
        DataError: of a kind not even half can be had.
    """
    generator = np.random.default_rng(config.seed)
    found: list[Row] = []
    background = background_label(config)
    numbers = [i for i, row in enumerate(rows) if row.example.label != background]
    for kind, per_positive in config.wanted_negatives:
        wanted = round(per_positive * len(numbers))
        if kind in _SYNTHETIC:
            made = list(_synthetic(rows, numbers, kind, wanted, background, generator))
        else:
            assert ground is not None, f"{kind} without a genome"
            made = _PLACED[kind](rows, wanted, config, ground, generator)
        if len(made) < _TOO_FEW * wanted:
            raise DataError(
                f"--negatives {kind}: {wanted:,} are wanted and {len(made):,} can be had",
                hint="ask for fewer, or lower --distance",
            )
        for _ in range(wanted - len(made)):
            dropped.add(f"{kind} negatives that could not be had", kind)
        logger.info("negatives: %s %s", f"{len(made):,}", kind)
        found += made
    return found


def background_label(config: DatasetConfig) -> str:
    """Return the label of negatives."""
    return NONE if config.kind == "splice" else NEGATIVE


def _synthetic(
    rows: Sequence[Row],
    numbers: Sequence[int],
    kind: str,
    wanted: int,
    background: str,
    generator: np.random.Generator,
) -> Iterator[Row]:
    """Yield negatives made from the positives, whose numbers are given, in turn."""
    make = _SYNTHETIC[kind]
    for made in range(wanted):
        parent = numbers[made % len(numbers)]
        example = rows[parent].example
        try:
            sequence = make(example.sequence, generator)
        except ValueError as error:
            raise DataError(f"--negatives {kind}: {example.name}: {error}") from error
        yield Row(
            replace(
                example,
                sequence=sequence,
                label=background,
                name=f"{kind}:{example.name}",
                source=kind,
            ),
            parent,
        )


def _genomic(
    rows: Sequence[Row],
    wanted: int,
    config: DatasetConfig,
    ground: Field,
    generator: np.random.Generator,
) -> list[Row]:
    """Cut random windows away from every positive, alike in composition where that is asked."""
    window = _window(rows, config)
    sampler = WindowSampler(ground.stretches, _zones(ground, config), window, generator)
    amount = wanted * _POOL if config.match else wanted
    found = [
        row
        for chrom, start, strand in sampler.draw(amount)
        if (row := cut_row(ground, config, "genomic", chrom, start, window, strand)) is not None
    ]
    if not config.match:
        return found
    # every positive is matched as often as there are negatives per positive
    compositions = [composition(row.example.sequence) for row in rows]
    chosen = match_composition(
        [compositions[i % len(rows)] for i in range(wanted)],
        [composition(row.example.sequence) for row in found],
        by=config.match,
    )
    return [found[i] for i in chosen if i >= 0]


def _tata(
    rows: Sequence[Row],
    wanted: int,
    config: DatasetConfig,
    ground: Field,
    generator: np.random.Generator,
) -> list[Row]:
    """Cut windows away from promoters, with a TATA box where a promoter has it."""
    window = _window(rows, config)
    anchor = config.shape[1] or 0

    def place(text: str) -> list[int]:
        distance = int(generator.integers(_TATA_FROM, _TATA_TO + 1))
        starts = (hit - distance - anchor for hit in find_tata(text))
        return [start for start in starts if 0 <= start <= len(text) - window]

    zones = _zones(ground, config)
    sampler = WindowSampler(ground.stretches, zones, window + 2 * _SLACK, generator)
    return _searched("tata", wanted, sampler, place, (window, config, ground, generator))


def _decoys(
    rows: Sequence[Row],
    wanted: int,
    config: DatasetConfig,
    ground: Field,
    generator: np.random.Generator,
) -> list[Row]:
    """Cut windows inside genes whose anchor stands at GT or AG that is no annotated site."""
    window = _window(rows, config)
    anchor = config.shape[1] or 0
    true = {(site.chrom, site.start, site.strand) for site in ground.positives}
    found: list[Row] = []
    spans = _inside(ground.stretches, ground.genes)
    n_donors = round(wanted * sum(row.example.label == DONOR for row in rows) / len(rows))
    for kind, share in ((DONOR, n_donors), (ACCEPTOR, wanted - n_donors)):

        def place(text: str, kind: str = kind) -> list[int]:
            starts = candidate_starts(text, window, anchor, (CANDIDATES[kind],))
            return [int(start) for start in starts]

        sampler = WindowSampler(spans, ground.avoided, window + 2 * _SLACK, generator)
        drawn = _searched(
            f"decoy_{kind}", share, sampler, place, (window, config, ground, generator), true
        )
        found += drawn
    return found


def _searched(
    source: str,
    wanted: int,
    sampler: WindowSampler,
    place: Callable[[str], list[int]],
    where: tuple[int, DatasetConfig, Field, np.random.Generator],
    excluded: Iterable[tuple[str, int, str]] = (),
) -> list[Row]:
    """Draw stretches, look in each for places of a window, and cut one of them.

    Args:
        source: name of the kind.
        wanted: rows.
        sampler: of stretches.
        place: returns the starts of windows within the text of a stretch, read on its strand.
        where: bases of a window, config, where to cut, random numbers.
        excluded: (chrom, start, strand) of windows never cut.
    """
    window, config, ground, generator = where
    seen = set(excluded)
    found: list[Row] = []
    while len(found) < wanted:
        drawn = sampler.draw(1, overlap_allowed=True)
        if not drawn:
            break
        chrom, start, strand = drawn[0]
        end = start + window + 2 * _SLACK
        text = ground.genome.sequence(Interval(chrom, start, end, strand=strand))
        starts = place(text) if text is not None else []
        if not starts:
            continue
        offset = starts[int(generator.integers(len(starts)))]
        first = end - offset - window if strand == "-" else start + offset
        row = cut_row(ground, config, source, chrom, first, window, strand)
        if row is not None and (chrom, first, strand) not in seen:
            found.append(row)
            seen.add((chrom, first, strand))
    return found


def cut_row(
    ground: Field,
    config: DatasetConfig,
    source: str,
    chrom: str,
    start: int,
    window: int,
    strand: str,
) -> Row | None:
    """Return a negative cut from the genome; `None` where it holds too many N."""
    place = Interval(chrom, start, start + window, strand=strand)
    sequence = ground.genome.sequence(place)
    if sequence is None:
        return None
    return Row(
        Example(
            sequence,
            label=background_label(config),
            name=f"{source}:{chrom}:{start}-{start + window}",
            chrom=chrom,
            start=start,
            end=start + window,
            strand=strand,
            source=source,
        )
    )


def _window(rows: Sequence[Row], config: DatasetConfig) -> int:
    return config.shape[0] or len(rows[0].example.sequence)


def _zones(ground: Field, config: DatasetConfig) -> dict[str, list[tuple[int, int]]]:
    """Return where no negative may lie: near positives, and what `--avoid` names."""
    near: dict[str, list[tuple[int, int]]] = {}
    for place in ground.positives:
        near.setdefault(place.chrom, []).append((place.start, place.end))
    zones = {chrom: forbidden_zones(each, config.distance) for chrom, each in near.items()}
    for chrom, avoided in ground.avoided.items():
        zones[chrom] = [*zones.get(chrom, []), *avoided]
    return zones


def _inside(stretches: Places, genes: Sequence[Interval]) -> dict[str, list[tuple[int, int]]]:
    """Return the parts of stretches that lie in genes."""
    spans: dict[str, list[tuple[int, int]]] = {}
    for gene in genes:
        spans.setdefault(gene.chrom, []).append((gene.start, gene.end))
    return {
        chrom: [
            (max(start, low), min(end, high))
            for low, high in forbidden_zones(spans[chrom], 0)
            for start, end in stretches[chrom]
            if max(start, low) < min(end, high)
        ]
        for chrom in spans
        if chrom in stretches
    }


_SYNTHETIC: dict[str, Callable[[str, np.random.Generator], str]] = {
    "shuffled": shuffle_dinucleotides,
    "substituted": substitute_parts,
}
_PLACED = {"genomic": _genomic, "tata": _tata, "decoys": _decoys}
