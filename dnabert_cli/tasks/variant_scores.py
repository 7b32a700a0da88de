"""The scores of alleles: windows of reference and alternative read by every model, then summed up.

A *channel* is one called class of one model. Of an allele a channel has the scores of its
strongest window and the means over all of them, on the strand that answers most (formulas:
`analysis/effects.py`).
"""

from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from dnabert_cli.analysis.effects import (
    against_background,
    difference_score,
    log2_odds_ratio,
    mean,
    reported_strand,
    strongest,
)
from dnabert_cli.core.checkpoint import load_models
from dnabert_cli.core.ensemble import Ensemble, check_window
from dnabert_cli.core.importance import Importance, ImportanceOptions
from dnabert_cli.formats.info_tags import info_key
from dnabert_cli.sequence.alleles import Change, Letters
from dnabert_cli.tasks.variant_genome import REASONS, Allele
from dnabert_cli.tasks.variant_haplotypes import N_HAPLOTYPES, PhasedAllele, haplotype_readings
from dnabert_cli.tasks.variant_windows import (
    STRANDS,
    Reading,
    Readings,
    WindowPlan,
    WindowTexts,
    readings_of,
)
from dnabert_cli.variants_config import VariantsConfig

# What a channel says of an allele, in the order in which arrays hold it.
QUANTITIES = ("PREF", "PALT", "S", "LOR", "S_MEAN", "LOR_MEAN", "STRAND")
S = QUANTITIES.index("S")
STRAND = QUANTITIES.index("STRAND")

LettersOf = Callable[[str], Letters]
Floats = npt.NDArray[np.floating]
Doubles = npt.NDArray[np.float64]
OnHaplotype = tuple[PhasedAllele, Readings, Readings]
Arrays = Mapping[str, npt.NDArray[Any]]

_REASON_OF = {name: index for index, name in enumerate(REASONS)}


@dataclass(frozen=True)
class Channel:
    """One called class of one model.

    Attributes:
        name: of the model, and of the class where the model calls several.
        model: index of the model.
        column: index of the class.
        label: the class, in words.
    """

    name: str
    model: int
    column: int
    label: str


class VariantModel:
    """One model, or several averaged, that answers to windows around a change.

    Args:
        name: what its channels are called by.
        models: bundled names, folders or hub names.
        config: offsets, device, precision; whether importance is asked for.
        download: models of the hub may be fetched.

    Raises:
        ModelError: a model is missing, has no window, or does not fit the others.
    """

    def __init__(
        self, name: str, models: Sequence[str], config: VariantsConfig, *, download: bool = False
    ) -> None:
        loaded = load_models(models, download=download)
        self.name = name
        self.ensemble = Ensemble(loaded, config.compute)
        self.task = self.ensemble.task
        window, anchor = check_window(self.task, loaded[0].name)
        self.plan = WindowPlan.of(self.task, window, anchor, config.offsets)
        self._importance: Importance | None = None
        if config.min_importance is not None:
            self._importance = Importance(loaded, config.compute, ImportanceOptions())

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the worker threads."""
        self.ensemble.__exit__(kind, error, traceback)
        if self._importance is not None:
            self._importance.__exit__(kind, error, traceback)

    def probabilities(self, texts: Sequence[str]) -> Doubles:
        """Return `[N, K]`; each class as if there were it and the background only.

        NaN for windows shorter than k. The column of the background class means nothing.
        """
        answers = self.ensemble.score_sequences(texts)
        if self.task.head != "class":
            return answers.astype(np.float64)
        background = self.task.background_index
        shares = np.full(answers.shape, np.nan)
        for column in self.task.called_classes:
            shares[:, column] = against_background(answers, column, background)
        return shares

    def importance(self, texts: Sequence[str]) -> list[Floats]:
        """Return of every window the importance of its bases, as multiples of their mean."""
        assert self._importance is not None, "importance was not asked for"
        scores, _ = self._importance.scores(texts)
        return [row / np.nanmean(row) for row in scores]


class VariantScorer:
    """Scores alleles with several models; a context manager.

    Args:
        models: one or more, all of different names.
        letters_of: of a sequence of the genome, by its name.
        config: what is read and left out.

    Attributes:
        channels: C, in the order in which scores hold them.
    """

    def __init__(
        self, models: Sequence[VariantModel], letters_of: LettersOf, config: VariantsConfig
    ) -> None:
        self.models = models
        self.channels = tuple(
            channel for number, one in enumerate(models) for channel in _channels(one, number)
        )
        self._letters_of = letters_of
        self._config = config
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        """Return it."""
        for model in self.models:
            self._stack.enter_context(model)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the worker threads."""
        self._stack.__exit__(kind, error, traceback)

    def score(self, alleles: Sequence[Allele], phased: Sequence[PhasedAllele] = ()) -> Arrays:
        """Return the scores of alleles `[A]`.

        Args:
            alleles: of a unit.
            phased: those of them that lie on a known haplotype.

        Returns:
            `scores` `[A, C, Q]` float64, NaN where there is none; `reasons` `[A, M]` uint8, per
            model an index of `REASONS`; `importance` `[A, M]`, of the change, NaN where it was not
            asked for; `haplotypes` `[A, C, 3]`: S of the first and of the second haplotype
            against the reference, and S of the allele on its own haplotype (the stronger one of
            two), NaN where it is not phased; `n_windows` `[2]`: windows asked for, and computed.
        """
        scores = np.full((len(alleles), len(self.channels), len(QUANTITIES)), np.nan)
        haplotypes = np.full((len(alleles), len(self.channels), N_HAPLOTYPES + 1), np.nan)
        importance = np.full((len(alleles), len(self.models)), np.nan)
        reasons = np.array([_REASON_OF[one.reason] for one in alleles], dtype=np.uint8)
        reasons = np.repeat(reasons[:, None], len(self.models), axis=1)
        n_windows = np.zeros(2, dtype=np.int64)
        for number, model in enumerate(self.models):
            rows = [row for row, one in enumerate(alleles) if one.change is not None]
            if self._config.min_importance is not None:
                importance[:, number] = self._weights(alleles, rows, model)
                is_low = importance[:, number] < self._config.min_importance
                reasons[is_low, number] = _REASON_OF["low_importance"]
                rows = [row for row in rows if not is_low[row]]
            texts = WindowTexts()
            found = self._readings(alleles, rows, model, texts)
            on_haplotypes = self._haplotype_readings(alleles, phased, found, model, texts)
            for row, readings in found.items():
                if not readings.used:
                    reasons[row, number] = _REASON_OF[_why(readings)]
            if texts.texts:
                answers = model.probabilities(texts.texts)
                for place, channel in enumerate(self.channels):
                    if channel.model == number:
                        of_class = answers[:, channel.column]
                        _fill(scores[:, place], found, of_class)
                        _fill_haplotypes(haplotypes[:, place], on_haplotypes, of_class)
            n_windows += (texts.n_asked, len(texts.texts))
        return {
            "scores": scores,
            "reasons": reasons,
            "importance": importance,
            "haplotypes": haplotypes,
            "n_windows": n_windows,
        }

    def _readings(
        self,
        alleles: Sequence[Allele],
        rows: Sequence[int],
        model: VariantModel,
        texts: WindowTexts,
    ) -> dict[int, Readings]:
        """Take the windows of some alleles into `texts`; return their readings by row."""
        found: dict[int, Readings] = {}
        for row in rows:
            allele = alleles[row]
            assert allele.change is not None, "there is nothing to read"
            found[row] = readings_of(
                allele.change,
                self._letters_of(allele.chrom),
                allele.n_bases,
                model.plan,
                self._config.max_unknown,
                texts,
                least=max(model.ensemble.k, model.plan.shortest),
            )
        return found

    def _haplotype_readings(
        self,
        alleles: Sequence[Allele],
        phased: Sequence[PhasedAllele],
        found: Mapping[int, Readings],
        model: VariantModel,
        texts: WindowTexts,
    ) -> list[OnHaplotype]:
        """Take the windows of haplotypes into `texts`, for alleles that are read themselves."""
        return [
            (
                one,
                *haplotype_readings(
                    one,
                    alleles[one.row],
                    self._letters_of(alleles[one.row].chrom),
                    model.plan,
                    self._config.max_unknown,
                    texts,
                    least=max(model.ensemble.k, model.plan.shortest),
                ),
            )
            for one in phased
            if one.row in found
        ]

    def _weights(
        self, alleles: Sequence[Allele], rows: Sequence[int], model: VariantModel
    ) -> Doubles:
        """Return the importance of the changes `[A]`: the largest over their windows."""
        weights = np.full(len(alleles), np.nan)
        texts = WindowTexts()
        found = self._readings(alleles, rows, model, texts)
        references = sorted({one.reference for each in found.values() for one in each.used})
        scores = model.importance([texts.texts[index] for index in references])
        by_text = dict(zip(references, scores, strict=True))
        for row, readings in found.items():
            change = alleles[row].change
            assert change is not None, "it was read"
            of_windows = [
                change_weight(change, one, by_text[one.reference]) for one in readings.used
            ]
            weights[row] = max(of_windows, default=np.nan)
        return weights


def _fill(scores: Doubles, found: Mapping[int, Readings], probabilities: Doubles) -> None:
    """Write what a channel says into its scores `[A, Q]`."""
    for row, readings in found.items():
        if readings.used:
            scores[row] = summarised(readings, probabilities)


def _fill_haplotypes(scores: Doubles, found: Sequence[OnHaplotype], probabilities: Doubles) -> None:
    """Write what a channel says of haplotypes into `[A, 3]`."""
    for one, of_haplotype, of_allele in found:
        if of_haplotype.used:
            scores[one.row, one.haplotype] = summarised(of_haplotype, probabilities)[S]
            alone = summarised(of_allele, probabilities)[S]
            before = scores[one.row, N_HAPLOTYPES]
            if np.isnan(before) or abs(alone) > abs(before):
                scores[one.row, N_HAPLOTYPES] = alone


def summarised(readings: Readings, probabilities: Doubles) -> list[float]:
    """Return what a channel says of an allele, in the order of `QUANTITIES`.

    Args:
        readings: of the allele, at least one.
        probabilities: of all windows `[N]`, which readings point into.
    """
    used = readings.used
    n_strand = [sum(one.strand == strand for one in used) for strand in range(len(STRANDS))]
    before, after = np.full((2, len(STRANDS), max(n_strand)), np.nan)
    for strand, n_used in enumerate(n_strand):
        here = [one for one in used if one.strand == strand]
        before[strand, :n_used] = probabilities[[one.reference for one in here]]
        after[strand, :n_used] = probabilities[[one.alternative for one in here]]
    chosen = reported_strand(before, after)
    p_ref, p_alt = before[chosen, : n_strand[chosen]], after[chosen, : n_strand[chosen]]
    differences, ratios = difference_score(p_ref, p_alt), log2_odds_ratio(p_ref, p_alt)
    best = strongest(differences)
    if best is None:
        return [float("nan")] * len(QUANTITIES)
    return [
        float(p_ref[best]),
        float(p_alt[best]),
        float(differences[best]),
        float(ratios[best]),
        mean(differences),
        mean(ratios),
        float(chosen),
    ]


def change_weight(change: Change, reading: Reading, weights: Floats) -> float:
    """Return the largest weight among the bases a change touches in a reference window.

    Of an insertion these are the bases on both sides of it.

    Args:
        change: normalised.
        reading: the window it is read in.
        weights: of the bases of the window `[L]`, on its strand.
    """
    n_bases = reading.pair.n_bases
    low, high = change.position, change.end
    if low == high:
        low, high = low - 1, high + 1
    low = max(low - reading.pair.start, 0)
    high = min(high - reading.pair.start, n_bases)
    if STRANDS[reading.strand] == "-":
        low, high = n_bases - high, n_bases - low
    touched = weights[low:high]
    touched = touched[~np.isnan(touched)]
    return float(touched.max()) if len(touched) else float("nan")


def _why(readings: Readings) -> str:
    if readings.n_alike:
        return "not_in_a_window"
    return "unknown_bases" if readings.n_unknown else "too_short"


def _channels(model: VariantModel, number: int) -> list[Channel]:
    columns = model.task.called_classes
    names = [model.task.classes[column] for column in columns]
    keys = [info_key(name) for name in names]
    if len(set(keys)) < len(keys) or "" in keys:  # `H3K4+` and `H3K4-` are the same key
        keys = [f"{key}_{column}" for key, column in zip(keys, columns, strict=True)]
    keys = [f"{model.name}_{key}" for key in keys] if len(keys) > 1 else [model.name]
    return [
        Channel(key, number, column, name)
        for key, column, name in zip(keys, columns, names, strict=True)
    ]
