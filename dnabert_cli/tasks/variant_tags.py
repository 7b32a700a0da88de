"""The entries of INFO that `variants` adds: their names, and their values for a record."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.formats.info_tags import InfoTag
from dnabert_cli.tasks.variant_genome import REASONS
from dnabert_cli.tasks.variant_scores import QUANTITIES, STRAND, Channel
from dnabert_cli.tasks.variant_windows import STRANDS

PREFIX = "DNABERT"
WHY = f"{PREFIX}_WHY"
RANK = f"{PREFIX}_RANK"

HAPLOTYPE_QUANTITIES = ("HAP1_S", "HAP2_S", "BG_S")

_MEANINGS = {
    "PREF": "p({label}) of the reference, in the window with the largest |S|",
    "PALT": "p({label}) of the alternative, in the same window",
    "S": "(PALT - PREF) max(PREF, PALT): how far the allele changes p({label}); negative: weaker",
    "LOR": "log2 odds of PREF less log2 odds of PALT; positive: weaker",
    "S_MEAN": "mean of S over all windows that hold the change",
    "LOR_MEAN": "mean of LOR over the same windows",
    "STRAND": "strand these were read on, the one with the largest p({label})",
    "HAP1_S": "S of the first haplotype, all its variants together, against the reference",
    "HAP2_S": "S of the second haplotype, all its variants together, against the reference",
    "BG_S": "S of the allele on the haplotype that carries it (the stronger one of two)",
    "P": "share of random substitutions with an |S| as large",
    "Q": "false discovery rate (Benjamini-Hochberg) among all alleles with this P",
}

Values = dict[str, Any]
Doubles = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class AlleleScores:
    """What is known of the alternative alleles of one record, n of them.

    Attributes:
        scores: `[n, C, Q]`, NaN where there is none.
        reasons: `[n, M]`, why a model did not score an allele, 0 where it did.
        importance: `[n, M]`, of the change in attention; NaN where it was not asked for.
        haplotypes: `[n, C, 3]`, see `VariantScorer.score`.
        p_values, q_values: `[n, C]`, `None` where there is no null.
        ranks: of the strongest alleles, `None` for others; `None` where no ranking was asked for.
    """

    scores: Doubles
    reasons: npt.NDArray[np.uint8]
    importance: Doubles
    haplotypes: Doubles
    p_values: Doubles | None = None
    q_values: Doubles | None = None
    ranks: Sequence[int | None] | None = None

    def __len__(self) -> int:
        """Number of alleles."""
        return len(self.scores)

    def whys(self) -> list[str | None]:
        """Return per allele why it, or a part of its scores, is missing; `None`: nothing is."""
        found = [sorted({REASONS[one] for one in row} - {""}) for row in self.reasons.tolist()]
        return ["|".join(reasons) or None for reasons in found]


@dataclass(frozen=True)
class TagSet:
    """The entries of a run.

    Attributes:
        channels: C of them.
        models: names of the M models.
        has_null, has_importance, has_ranks, has_haplotypes: which entries there are beside
            the scores.
    """

    channels: Sequence[Channel]
    models: Sequence[str]
    has_null: bool = False
    has_importance: bool = False
    has_ranks: bool = False
    has_haplotypes: bool = False

    @property
    def _quantities(self) -> tuple[str, ...]:
        """Of a channel, beside QUANTITIES."""
        of_haplotypes = HAPLOTYPE_QUANTITIES if self.has_haplotypes else ()
        return (*of_haplotypes, *(("P", "Q") if self.has_null else ()))

    def tags(self) -> list[InfoTag]:
        """Return the entries in the order in which they are written."""
        found: list[InfoTag] = []
        for channel in self.channels:
            for name in (*QUANTITIES, *self._quantities):
                kind = "String" if name == "STRAND" else "Float"
                text = _MEANINGS[name].format(label=channel.label)
                found.append(InfoTag(tag_id(channel.name, name), "A", kind, text))
        if self.has_importance:
            text = "largest attention to a changed base, as multiple of the mean of its window"
            found += [InfoTag(tag_id(name, "IMP"), "A", "Float", text) for name in self.models]
        if self.has_ranks:
            text = "rank by the largest |S| among all alleles, 1 is the strongest"
            found.append(InfoTag(RANK, "A", "Integer", text))
        found.append(InfoTag(WHY, "A", "String", "why the allele has no score"))
        return found

    def stale_ids(self) -> list[str]:
        """Return the keys another run with these channels and models could have written."""
        every = replace(
            self, has_null=True, has_importance=True, has_ranks=True, has_haplotypes=True
        )
        own = {tag.id for tag in self.tags()}
        return [tag.id for tag in every.tags() if tag.id not in own]

    def values(self, found: AlleleScores) -> Values:
        """Return the value of every entry, a list of one per alternative allele."""
        values: Values = {}
        for place, channel in enumerate(self.channels):
            for column, name in enumerate(QUANTITIES):
                cells = found.scores[:, place, column].tolist()
                values[tag_id(channel.name, name)] = (
                    [_strand(cell) for cell in cells] if column == STRAND else cells
                )
            if self.has_haplotypes:
                for column, name in enumerate(HAPLOTYPE_QUANTITIES):
                    cells = found.haplotypes[:, place, column].tolist()
                    values[tag_id(channel.name, name)] = cells
            if found.p_values is not None and found.q_values is not None:
                values[tag_id(channel.name, "P")] = found.p_values[:, place].tolist()
                values[tag_id(channel.name, "Q")] = found.q_values[:, place].tolist()
        if self.has_importance:
            for place, name in enumerate(self.models):
                values[tag_id(name, "IMP")] = found.importance[:, place].tolist()
        if found.ranks is not None:
            values[RANK] = list(found.ranks)
        whys = found.whys()
        if any(whys):
            values[WHY] = whys
        return values


def tag_id(name: str, quantity: str) -> str:
    """Return the key of a quantity of a channel or model."""
    return f"{PREFIX}_{name}_{quantity}"


def _strand(cell: float) -> str | None:
    return None if np.isnan(cell) else STRANDS[int(cell)]
