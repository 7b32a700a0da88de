"""`dnabert predict`: sequences in, one row of answers each out, or one per base (head `token`).

A sequence longer than the model's window is tiled and its windows are combined: nothing is ever
cut off without a word. The answers to the rows taken together can be kept, so that a run can be
resumed or shared out (`formats/units.py`).
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.config import PredictConfig, ScanConfig
from dnabert_cli.core.checkpoint import Model, load_models
from dnabert_cli.core.ensemble import Ensemble
from dnabert_cli.errors import DataError, OptionsError
from dnabert_cli.formats.tables import read_sequences
from dnabert_cli.formats.unit_checks import Expected
from dnabert_cli.formats.units import Arrays, Units, unit_key
from dnabert_cli.progress import SILENT, Progress
from dnabert_cli.records import Example
from dnabert_cli.sequence.windows import n_unknown, tile
from dnabert_cli.tasks.base_predictions import average_bases, base_rows, groups_of
from dnabert_cli.tasks.pieces import piece_of
from dnabert_cli.tasks.predictions import (
    PredictCounts,
    Prediction,
    Predictions,
    has_values,
    predicted_of,
)

logger = logging.getLogger(__name__)

# Rows read, scored and written together; results appear this often.
CHUNK_ROWS = 1024

_DEFAULT_AGGREGATE = PredictConfig.aggregate

Floats = npt.NDArray[np.float32]


def predict(  # noqa: PLR0913  eight things a caller may say, most of them seldom said
    source: str,
    models: Sequence[str],
    config: PredictConfig,
    *,
    genome: str | None = None,
    embed: bool = False,
    download: bool = False,
    units: Units | None = None,
    progress: Progress = SILENT,
) -> Predictions:
    """Predict what a model, or several averaged, answers to sequences.

    Args:
        source: FASTA, labelled table, k-mer table, or BED; `-` is standard input.
        models: bundled names, folders or hub names.
        config: how long sequences are tiled and combined.
        genome: FASTA that BED intervals refer to.
        embed: also compute embeddings (of the first model).
        download: models of the hub may be fetched.
        units: answers kept from before or for later; `None`: none are.
        progress: told of the sequences done.

    Raises:
        ModelError: a model is missing or does not fit the others.
        OptionsError: windows are to be combined as a model per base does not.
        FormatError, DataError: the input is broken; later parts of a stream are checked while
            the rows are read.
    """
    loaded = load_models(models, download=download)
    if loaded[0].task.head == "token" and config.aggregate not in {_DEFAULT_AGGREGATE, "mean"}:
        raise OptionsError(
            f"--aggregate {config.aggregate}: this model answers per base, its windows are averaged"
        )
    units = units or Units()
    predictor = _TiledPredictor(
        Ensemble(loaded, units.compute_config(config.compute)),
        config,
        window=min(longest_input(model) for model in loaded),
        embed=embed,
        units=units,
        progress=progress,
    )
    rows = predictor.predictions(read_sequences(source, genome=genome))
    progress.start("predict", None, "sequences")
    return Predictions(predictor.task, rows, predictor.counts)


def longest_input(model: Model) -> int:
    """Bases the model reads at once: its window, else as many as it has positions for.

    A model that joins chunks was made for rows of any length: its window is no limit.
    """
    sizes = model.network.config
    if model.task.window is not None and sizes.long is None:
        return model.task.window
    return model.tokenizer.n_bases(model.max_tokens or sizes.max_position_embeddings - 2)


class _TiledPredictor:
    """Cuts sequences into windows, scores them together, and combines them again."""

    def __init__(
        self,
        ensemble: Ensemble,
        config: PredictConfig,
        *,
        window: int,
        embed: bool,
        units: Units,
        progress: Progress,
    ) -> None:
        self.ensemble = ensemble
        self.task = ensemble.task
        self.config = config
        self.aggregate = config.aggregate or ("mean" if has_values(self.task) else "max")
        self.window = window
        self.stride = config.stride or max(1, window // 2)
        self.embed = embed
        self.units = units
        self.progress = progress
        self.counts = PredictCounts()

    def predictions(self, examples: Iterator[Example]) -> Iterator[Prediction]:
        """Yield the predictions of all examples, in order, a chunk at a time."""
        with self.ensemble:
            while chunk := list(islice(examples, CHUNK_ROWS)):
                self.counts.n_rows += len(chunk)
                for example in chunk:
                    self.counts.n_tiled += len(example.sequence) > self.window
                    self.counts.n_too_short += len(example.sequence) < self.ensemble.k
                is_per_base = self.task.head == "token"
                yield from self._score_bases(chunk) if is_per_base else self._score(chunk)
                self.progress.advance(len(chunk))
        self.progress.finish()
        if self.counts.n_rows == 0:
            raise DataError("there is nothing to predict: the input holds no sequence")

    def _score_bases(self, chunk: Sequence[Example]) -> Iterator[Prediction]:
        for group in groups_of(chunk):
            n_bases = sum(len(example.sequence) for example in group)
            expected = {
                "means": Expected("f", (n_bases, len(self.task.classes)), may_miss=True),
                "counts": Expected("i", (n_bases,)),
            }
            answers = self._answers(group, partial(self._base_answers, group), expected, len(group))
            if answers is None:
                continue
            first = 0
            for i, example in enumerate(group):
                rows = slice(first, first + len(example.sequence))
                first = rows.stop
                means, counts = answers["means"][rows], answers["counts"][rows]
                vector = answers["vectors"][i] if self.embed else None
                yield from base_rows(self.task, example, means, counts, vector)

    def _base_answers(self, group: Sequence[Example]) -> Arrays:
        """Return means `[B, K]` and counts `[B]` of all bases; vectors `[N, D]` if asked for."""
        sequences = [example.sequence for example in group]
        found = average_bases(sequences, self.ensemble, self.window, self.stride)
        answers: dict[str, npt.NDArray[Any]] = {
            "means": np.concatenate([means for means, _ in found]),
            "counts": np.concatenate([counts for _, counts in found]),
        }
        if self.embed:
            answers["vectors"] = np.stack([self._vector(example) for example in group])
        return answers

    def _vector(self, example: Example) -> Floats:
        pieces = [window.sequence for window in self._windows(example)]
        vector: Floats = self.ensemble.embed_sequences(pieces, self.config.pooling).mean(0)
        return vector

    def _score(self, chunk: Sequence[Example]) -> Iterator[Prediction]:
        windows = [self._windows(example) for example in chunk]
        n_rows = sum(map(len, windows)) if self.aggregate == "windows" else len(chunk)
        expected = {"scores": Expected("f", (n_rows, len(self.task.classes)), may_miss=True)}
        answers = self._answers(chunk, partial(self._window_answers, windows), expected, n_rows)
        if answers is None:
            return
        rows: Iterator[tuple[Example, int]]
        if self.aggregate == "windows":
            rows = ((window, 1) for of_example in windows for window in of_example)
        else:
            rows = zip(chunk, map(len, windows), strict=True)
        for i, (example, n_windows) in enumerate(rows):
            vector = answers["vectors"][i] if self.embed else None
            yield self._prediction(example, n_windows, answers["scores"][i], vector)

    def _answers(
        self,
        examples: Sequence[Example],
        compute: Callable[[], Arrays],
        expected: dict[str, Expected],
        n_vectors: int,
    ) -> Arrays | None:
        """Return the answers to rows taken together; `None` where they are another shard's."""
        if self.embed:
            shape = (n_vectors, self.ensemble.predictors[0].hidden_size)
            expected["vectors"] = Expected("f", shape, may_miss=True)
        what = "scores and vectors" if self.embed else "scores"
        key = unit_key(what, *(example.sequence for example in examples))
        return self.units.answer(key, compute, expected)

    def _window_answers(self, windows: Sequence[Sequence[Example]]) -> Arrays:
        """Return scores `[N, K]` of rows of the table; vectors `[N, D]` if asked for.

        Args:
            windows: of each sequence.
        """
        sequences = [window.sequence for of_example in windows for window in of_example]
        lengths = [len(of_example) for of_example in windows]
        answers = {"scores": self.ensemble.score_sequences(sequences)}
        if self.embed:
            answers["vectors"] = self.ensemble.embed_sequences(sequences, self.config.pooling)
        if self.aggregate == "windows":
            return answers
        ends = np.cumsum(lengths)
        rows = [slice(end - n, end) for end, n in zip(ends, lengths, strict=True)]
        combined = {"scores": np.stack([self._combine(answers["scores"][each]) for each in rows])}
        if self.embed:
            combined["vectors"] = np.stack([answers["vectors"][each].mean(0) for each in rows])
        return combined

    def _windows(self, example: Example) -> list[Example]:
        """The windows of an example, with their coordinates; one, itself, when it is short."""
        n_bases = len(example.sequence)
        if n_bases <= self.window:
            return [example]
        starts = tile(n_bases, self.window, self.stride)
        n_allowed = ScanConfig.max_unknown * self.window
        readable = n_unknown(example.sequence, starts, self.window) <= n_allowed
        # as `scan` does: what a model says of N must not outvote what it says of bases
        kept = starts[readable] if readable.any() else starts
        return [_window(example, int(start), self.window) for start in kept]

    def _combine(self, scores: Floats) -> Floats:
        """Return one answer `[K]` for those to the windows of a sequence, `[W, K]`."""
        if self.aggregate == "mean":
            combined: Floats = scores.mean(0)
        elif self.task.head == "class":
            # the window that speaks most clearly against the background speaks for the sequence
            combined = scores[scores[:, self.task.background_index].argmin()]
        else:
            combined = scores.max(0)
        return combined

    def _prediction(
        self, example: Example, n_windows: int, probabilities: Floats, vector: Floats | None
    ) -> Prediction:
        if np.isnan(probabilities).any():
            return Prediction(example, 0, probabilities, None, vector)
        predicted = predicted_of(self.task, probabilities)
        return Prediction(example, n_windows, probabilities, predicted, vector)


def _window(example: Example, start: int, window: int) -> Example:
    """Return a window of an example, named by its place in the sequence as it was read."""
    name = f"{example.name}:{start}-{start + window}"
    return replace(piece_of(example, start, window), name=name)
