"""Which rows of a data set train, which choose, which test; and no row in two of them.

The parts are drawn as whole groups (blocks of a genome, chromosomes, similar sequences, or rows),
or set by regions. Then rows whose sequence is largely found in a part that judges are taken out.
"""

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from dnabert_cli.dataset_config import PLACED, DatasetConfig
from dnabert_cli.errors import DataError
from dnabert_cli.sequence.background import merged
from dnabert_cli.sequence.groups import similarity_groups, split
from dnabert_cli.sequence.leakage import Leakage, leakage, near_duplicates, shared_share
from dnabert_cli.tasks.dropped import Dropped
from dnabert_cli.tasks.genome import Places, overlap
from dnabert_cli.tasks.positives import Row
from dnabert_cli.tasks.splits import DEV, PART_NAMES, TEST, TRAIN

logger = logging.getLogger(__name__)

Numbers = npt.NDArray[np.int64]

_BY_PLACE = ("block", "chromosome")
_WHOLE = (0, 1 << 40)  # a chromosome of any length
OUT = -1  # the part of a row that crosses the border of a region
# A part that judges keeps its rows; the others lose what they share with it.
_PRECEDENCE = ((TRAIN, TEST), (DEV, TEST), (TRAIN, DEV))


@dataclass(frozen=True)
class Parts:
    """The rows of each part, and what leaked between them.

    Attributes:
        rows: by name of the part.
        territory: where dev and test rows were drawn from, `None` where rows were not drawn by
            place: nothing that trains may be cut there.
        before, after: near-duplicates between parts, before any were taken out and in the end.
    """

    rows: dict[str, list[Row]]
    territory: Places | None
    before: list[Leakage]
    after: list[Leakage]


def make_parts(
    rows: Sequence[Row],
    config: DatasetConfig,
    fixed: Mapping[int, Places],
    dropped: Dropped,
) -> Parts:
    """Split rows and take near-duplicates out.

    Args:
        rows: all rows; parents come before what was made from them.
        config: kind of split, fractions, what a near-duplicate is.
        fixed: regions whose rows are DEV or TEST, whatever is drawn.
        dropped: told what was taken out.

    Raises:
        DataError: a part lacks a class in the end.
    """
    parts, territory = _drawn(rows, config, fixed, dropped)
    if not config.keep_near_duplicates:
        parts = _without_overlaps(rows, parts, dropped)
    sequences = [row.example.sequence for row in rows]
    before = leakage(_texts(sequences, parts), threshold=config.max_shared)
    if not config.keep_near_duplicates:
        parts = _without_duplicates(rows, sequences, parts, config, dropped)
    after = leakage(_texts(sequences, parts), threshold=config.max_shared)
    by_name = {
        name: [rows[i] for i in np.flatnonzero(parts == part).tolist()]
        for part, name in enumerate(PART_NAMES)
    }
    is_asked = {"dev": config.dev_fraction > 0, "test": config.test_fraction > 0}
    is_asked |= {PART_NAMES[part]: True for part in fixed}
    for name, kept in by_name.items():
        if is_asked.get(name, True):
            _check_classes(name, kept, rows)
    return Parts(by_name, territory, before, after)


def _drawn(
    rows: Sequence[Row], config: DatasetConfig, fixed: Mapping[int, Places], dropped: Dropped
) -> tuple[Numbers, Places | None]:
    """Return the part of each row, `[N]`, and the places that do not train."""
    parts = np.full(len(rows), TRAIN)
    is_fixed = np.zeros(len(rows), dtype=bool)
    for i, row in enumerate(rows):
        inside = {part: _where(row, places) for part, places in fixed.items()}
        if None in inside.values():
            dropped.add("across the border of a part", row.example.name)
            parts[i], is_fixed[i] = OUT, True
        for part in (part for part, is_inside in inside.items() if is_inside):
            parts[i], is_fixed[i] = part, True
    fractions = [
        0.0 if part in fixed else fraction
        for part, fraction in ((DEV, config.dev_fraction), (TEST, config.test_fraction))
    ]
    free = np.flatnonzero(~is_fixed)
    kind = config.split or _default_split(rows, config)
    groups = _groups(rows, kind, config)
    if len(free) and any(fractions):
        labels = [str(rows[i].example.label) for i in free.tolist()]
        strata = _strata(labels, groups[free]) if kind in _BY_PLACE else np.array(labels)
        parts[free] = split(groups[free], fractions, seed=config.seed, labels=strata)
    logger.info("split by %s%s", kind, ", and by regions" if fixed else "")
    if kind not in _BY_PLACE:
        return parts, None
    territory: dict[str, list[tuple[int, int]]] = {}
    for chrom, number in {_block(rows[i], config) for i in free.tolist() if parts[i] != TRAIN}:
        place = (number * config.block, (number + 1) * config.block)
        territory.setdefault(chrom, []).append(_WHOLE if kind == "chromosome" else place)
    return parts, territory


def _where(row: Row, places: Places) -> bool | None:
    """Tell whether a row lies inside the places; `None` where it crosses their border."""
    example = row.example
    if example.chrom is None or example.start is None or example.end is None:
        return False
    return overlap(places, example.chrom, example.start, example.end)


def _strata(labels: Sequence[str], groups: Numbers) -> npt.NDArray[np.str_]:
    """Return which labels occur in the group of each row: blocks with sites are drawn as such."""
    found: dict[int, set[str]] = {}
    for label, group in zip(labels, groups.tolist(), strict=True):
        found.setdefault(group, set()).add(label)
    names = {group: "\t".join(sorted(each)) for group, each in found.items()}
    return np.array([names[group] for group in groups.tolist()])


def _default_split(rows: Sequence[Row], config: DatasetConfig) -> str:
    """Return what rows are split by: their column group, their places, or their sequences."""
    if all(row.example.group is not None for row in rows):
        return "group"
    return "block" if _has_places(rows, config) else "similarity"


def _has_places(rows: Sequence[Row], config: DatasetConfig) -> bool:
    return config.kind in PLACED or all(row.example.start is not None for row in rows)


def _groups(rows: Sequence[Row], kind: str, config: DatasetConfig) -> Numbers:
    """Return the group of each row, `[N]`; what was made from a row is in its group.

    Raises:
        DataError: rows have no place, and the split needs one.
    """
    if kind in _BY_PLACE:
        if not _has_places(rows, config):
            raise DataError(f"--split {kind}: rows have no chrom, start and end")
        names = [_block(row, config) for row in rows]
        if kind == "chromosome":
            names = [(chrom, 0) for chrom, _ in names]
        numbers = {name: i for i, name in enumerate(dict.fromkeys(names))}
        return np.array([numbers[name] for name in names], dtype=np.int64)
    if kind == "group":
        known = {name: i for i, name in enumerate({row.example.group: None for row in rows})}
        groups = np.array([known[row.example.group] for row in rows], dtype=np.int64)
    elif kind == "similarity":
        groups = similarity_groups([row.example.sequence for row in rows])
    else:
        groups = np.arange(len(rows), dtype=np.int64)
    for i, row in enumerate(rows):
        if row.parent is not None:
            groups[i] = groups[row.parent]
    return groups


def _block(row: Row, config: DatasetConfig) -> tuple[str, int]:
    """Return the block of the genome that holds the middle of a row."""
    example = row.example
    middle = ((example.start or 0) + (example.end or 0)) // 2
    return example.chrom or "", middle // config.block


def _without_overlaps(rows: Sequence[Row], parts: Numbers, dropped: Dropped) -> Numbers:
    """Return the parts without rows that overlap a row of a judging part on the genome.

    Two blocks meet somewhere, and rows on either side may share bases; too few of them, perhaps,
    to be near-duplicates.
    """
    parts = parts.copy()
    for losing, judging in _PRECEDENCE:
        near: dict[str, list[tuple[int, int]]] = {}
        for i in np.flatnonzero(parts == judging).tolist():
            place = rows[i].example
            if place.chrom is not None and place.start is not None and place.end is not None:
                near.setdefault(place.chrom, []).append((place.start, place.end))
        taken = {chrom: merged(each) for chrom, each in near.items()}
        for i in np.flatnonzero(parts == losing).tolist():
            if _where(rows[i], taken) is not False:
                reason = f"{PART_NAMES[losing]} rows that overlap {PART_NAMES[judging]} rows"
                dropped.add(reason, rows[i].example.name)
                parts[i] = OUT
    return parts


def _without_duplicates(
    rows: Sequence[Row],
    sequences: Sequence[str],
    parts: Numbers,
    config: DatasetConfig,
    dropped: Dropped,
) -> Numbers:
    """Return the parts with near-duplicates of judging parts taken out."""
    parts = parts.copy()
    for losing, judging in _PRECEDENCE:
        mine, theirs = np.flatnonzero(parts == losing), np.flatnonzero(parts == judging)
        is_double = _doubles(
            [sequences[i] for i in mine.tolist()],
            [sequences[i] for i in theirs.tolist()],
            config.max_shared,
        )
        for i in mine[is_double].tolist():
            reason = f"{PART_NAMES[losing]} rows near-duplicate to {PART_NAMES[judging]}"
            dropped.add(reason, rows[i].example.name)
        parts[mine[is_double]] = OUT
    return parts


def _doubles(
    losing: Sequence[str], judging: Sequence[str], threshold: float
) -> npt.NDArray[np.bool_]:
    """Tell which losing rows must go so that neither part has a near-duplicate in the other.

    A judging row may be found piece by piece in several losing rows, none of which is largely
    found in it: then all rows that hold a piece of it go.
    """
    is_double = near_duplicates(losing, judging, threshold=threshold)
    left = [row for row, double in zip(losing, is_double.tolist(), strict=True) if not double]
    found = near_duplicates(judging, left, threshold=threshold)
    if found.any():
        covered = [row for row, each in zip(judging, found.tolist(), strict=True) if each]
        is_double |= shared_share(losing, covered) > 0
    return is_double


def _texts(sequences: Sequence[str], parts: Numbers) -> dict[str, list[str]]:
    return {
        name: [sequences[i] for i in np.flatnonzero(parts == part).tolist()]
        for part, name in enumerate(PART_NAMES)
        if (parts == part).any()
    }


def _check_classes(name: str, kept: Sequence[Row], rows: Sequence[Row]) -> None:
    missing = {row.example.label for row in rows} - {row.example.label for row in kept}
    if missing:
        shown = ", ".join(sorted(map(str, missing)))
        raise DataError(
            f"the {name} part has no row of class {shown}",
            hint="choose another --split, --block, fraction or --seed",
        )
