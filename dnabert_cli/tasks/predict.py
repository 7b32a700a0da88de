"""`dnabert predict`: sequences in, one row of class probabilities each out.

A sequence longer than the model's window is tiled and its windows are combined: nothing is ever
cut off without a word.
"""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import islice

import numpy as np
import numpy.typing as npt

from dnabert_cli.config import PredictConfig, ScanConfig
from dnabert_cli.core.checkpoint import Model, load_models
from dnabert_cli.core.ensemble import Ensemble
from dnabert_cli.errors import DataError
from dnabert_cli.formats.reports import save_arrays
from dnabert_cli.formats.tables import read_sequences
from dnabert_cli.progress import SILENT, Progress
from dnabert_cli.records import Example
from dnabert_cli.sequence.windows import n_unknown, tile

logger = logging.getLogger(__name__)

# Rows read, scored and written together; results appear this often.
CHUNK_ROWS = 1024

Floats = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Prediction:
    """The answer for one sequence, or for one window of it.

    Attributes:
        example: the row read; with `aggregate = "windows"` narrowed to the window.
        n_windows: windows combined; 0 when the sequence is too short to be read.
        probabilities: `[K]`; NaN when `n_windows` is 0.
        predicted: class of the largest probability, `None` when `n_windows` is 0.
        embedding: `[D]`, when asked for.
    """

    example: Example
    n_windows: int
    probabilities: Floats
    predicted: str | None
    embedding: Floats | None = None


@dataclass
class PredictCounts:
    """What was read; filled while the rows are read."""

    n_rows: int = 0
    n_tiled: int = 0
    n_too_short: int = 0

    def to_json(self) -> dict[str, int]:
        """Return the counts for a manifest."""
        return asdict(self)

    def summary(self) -> str:
        """Say it in one line."""
        text = f"{self.n_rows:,} sequences"
        if self.n_tiled:
            text += f"; {self.n_tiled:,} longer than the model's window were tiled"
        if self.n_too_short:
            text += f"; {self.n_too_short:,} shorter than a k-mer have no prediction"
        return text


@dataclass(frozen=True)
class Predictions:
    """Predictions about to be made: everything checked, nothing computed.

    Attributes:
        classes: the K class names, in the order of the probabilities.
        rows: one per sequence, in input order.
        counts: filled while the rows are read.
    """

    classes: tuple[str, ...]
    rows: Iterator[Prediction]
    counts: PredictCounts


def predict(
    source: str,
    models: Sequence[str],
    config: PredictConfig,
    *,
    genome: str | None = None,
    embed: bool = False,
    download: bool = False,
    progress: Progress = SILENT,
) -> Predictions:
    """Predict the class of sequences with one model, or with several averaged.

    Args:
        source: FASTA, labelled table, k-mer table, or BED; `-` is standard input.
        models: bundled names, folders or hub names.
        config: how long sequences are tiled and combined.
        genome: FASTA that BED intervals refer to.
        embed: also compute embeddings (of the first model).
        download: models of the hub may be fetched.
        progress: told of the sequences done.

    Raises:
        ModelError: a model is missing or does not fit the others.
        FormatError, DataError: the input is broken; later parts of a stream are checked while
            the rows are read.
    """
    loaded = load_models(models, download=download)
    predictor = _TiledPredictor(
        Ensemble(loaded, config.compute),
        config,
        window=min(_longest_input(model) for model in loaded),
        embed=embed,
        progress=progress,
    )
    rows = predictor.predictions(read_sequences(source, genome=genome))
    progress.start("predict", None, "sequences")
    return Predictions(predictor.classes, rows, predictor.counts)


def _longest_input(model: Model) -> int:
    """Bases the model reads at once: its window, else as many as it has positions for."""
    if model.task.window is not None:
        return model.task.window
    return model.tokenizer.n_bases(model.network.config.max_position_embeddings - 2)


class _TiledPredictor:
    """Cuts sequences into windows, scores them together, and combines them again."""

    def __init__(
        self,
        ensemble: Ensemble,
        config: PredictConfig,
        *,
        window: int,
        embed: bool,
        progress: Progress,
    ) -> None:
        self.ensemble = ensemble
        self.classes = ensemble.task.classes
        self.config = config
        self.window = window
        self.stride = config.stride or max(1, window // 2)
        self.embed = embed
        self.progress = progress
        self.counts = PredictCounts()

    def predictions(self, examples: Iterator[Example]) -> Iterator[Prediction]:
        """Yield the predictions of all examples, in order, a chunk at a time."""
        with self.ensemble:
            while chunk := list(islice(examples, CHUNK_ROWS)):
                yield from self._score(chunk)
                self.progress.advance(len(chunk))
        self.progress.finish()
        if self.counts.n_rows == 0:
            raise DataError("there is nothing to predict: the input holds no sequence")

    def _score(self, chunk: Sequence[Example]) -> Iterator[Prediction]:
        windows = [self._windows(example) for example in chunk]
        sequences = [window.sequence for of_example in windows for window in of_example]
        scores = self.ensemble.score_sequences(sequences)
        vectors: Floats | None = None
        if self.embed:
            vectors = self.ensemble.embed_sequences(sequences, self.config.pooling)
        first = 0
        for example, of_example in zip(chunk, windows, strict=True):
            rows = slice(first, first + len(of_example))
            first = rows.stop
            self.counts.n_rows += 1
            self.counts.n_tiled += len(of_example) > 1
            self.counts.n_too_short += len(example.sequence) < self.ensemble.k
            yield from self._combine(
                example, of_example, scores[rows], None if vectors is None else vectors[rows]
            )

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

    def _combine(
        self,
        example: Example,
        windows: Sequence[Example],
        scores: Floats,
        vectors: Floats | None,
    ) -> Iterator[Prediction]:
        if self.config.aggregate == "windows":
            for i, window in enumerate(windows):
                vector = None if vectors is None else vectors[i]
                yield self._prediction(window, 1, scores[i], vector)
            return
        if self.config.aggregate == "mean":
            probabilities = scores.mean(0)
        else:
            # the window that speaks most clearly against the background speaks for the sequence
            probabilities = scores[scores[:, self.ensemble.task.background_index].argmin()]
        vector = None if vectors is None else vectors.mean(0)
        yield self._prediction(example, len(windows), probabilities, vector)

    def _prediction(
        self, example: Example, n_windows: int, probabilities: Floats, vector: Floats | None
    ) -> Prediction:
        if np.isnan(probabilities).any():
            return Prediction(example, 0, probabilities, None, vector)
        predicted = self.classes[int(probabilities.argmax())]
        return Prediction(example, n_windows, probabilities, predicted, vector)


def _window(example: Example, start: int, window: int) -> Example:
    """Return a window of an example; on '-' the genome runs against the sequence."""
    piece = replace(
        example,
        sequence=example.sequence[start : start + window],
        name=f"{example.name}:{start}-{start + window}",
    )
    if example.start is None or example.end is None:
        return piece
    first = example.end - start - window if example.strand == "-" else example.start + start
    return replace(piece, start=first, end=first + window)


def columns(classes: Sequence[str]) -> list[str]:
    """Return the columns of the table: see docs/formats.md."""
    fixed = ["name", "chrom", "start", "end", "strand", "n_windows", "label", "predicted"]
    return fixed + [f"probability_{name}" for name in classes]


def table_rows(predictions: Iterable[Prediction]) -> Iterator[list[object]]:
    """Yield one table row per prediction; `.` where a value is missing."""
    for prediction in predictions:
        example = prediction.example
        probabilities = prediction.probabilities.tolist()
        row = [
            example.name,
            example.chrom,
            example.start,
            example.end,
            example.strand,
            prediction.n_windows,
            example.label,
            prediction.predicted,
            *(probabilities if prediction.n_windows else [None] * len(probabilities)),
        ]
        yield ["." if value is None else value for value in row]


class EmbeddingCollector:
    """Passes predictions on and keeps their names and vectors for the `.npz` file."""

    def __init__(self, predictions: Iterable[Prediction]) -> None:
        self._predictions = predictions
        self._names: list[str] = []
        self._vectors: list[Floats] = []

    def __iter__(self) -> Iterator[Prediction]:
        """Yield the predictions unchanged."""
        for prediction in self._predictions:
            if prediction.embedding is not None:
                self._names.append(prediction.example.name)
                self._vectors.append(prediction.embedding)
            yield prediction

    def save(self, path: str) -> None:
        """Write `names` `[N]` and `vectors` `[N, D]` float32, whole or not at all."""
        save_arrays(path, names=np.array(self._names), vectors=np.stack(self._vectors))
