"""The answers of `predict` on their way from the model to the table and the `.npz` file."""

from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from dnabert_cli.config import TaskConfig
from dnabert_cli.formats.reports import save_arrays
from dnabert_cli.records import Example
from dnabert_cli.tasks.targets import VALUE

Floats = npt.NDArray[np.float32]

_FIXED_COLUMNS = ("name", "chrom", "start", "end", "strand", "n_windows", "label", "predicted")
_HALF = 0.5  # probability from which a label of head `multi-label` is predicted


@dataclass(frozen=True)
class Prediction:
    """The answer for one sequence, for one window of it, or for one base.

    Attributes:
        example: the row read, narrowed to the window or base.
        n_windows: windows combined; 0 when the sequence is too short to be read.
        probabilities: `[K]`, numbers where the model answers with such; NaN when `n_windows` is 0.
        predicted: what the probabilities say in a word, `None` where they say nothing.
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
        task: of the model, the first where there are several.
        rows: one per sequence, window or base, in input order.
        counts: filled while the rows are read.
    """

    task: TaskConfig
    rows: Iterator[Prediction]
    counts: PredictCounts

    @property
    def classes(self) -> tuple[str, ...]:
        """The names of the K answers, in the order of the probabilities."""
        return self.task.classes

    @property
    def columns(self) -> list[str]:
        """The columns of the table: see docs/formats.md."""
        if has_values(self.task):
            return [*_FIXED_COLUMNS, VALUE]
        return [*_FIXED_COLUMNS, *(f"probability_{name}" for name in self.task.classes)]


def has_values(task: TaskConfig) -> bool:
    """Tell whether a model answers with numbers, not with probabilities."""
    return task.head == "regression" or (task.head == "token" and len(task.classes) == 1)


def predicted_of(task: TaskConfig, probabilities: Floats) -> str | None:
    """Return the class with the largest probability, or all labels of at least one half.

    `None` where there is no such label, for numbers, and for NaN.
    """
    if has_values(task) or np.isnan(probabilities).any():
        return None
    if task.head != "multi-label":
        return task.classes[int(probabilities.argmax())]
    pairs = zip(task.classes, probabilities.tolist(), strict=True)
    return ",".join(name for name, probability in pairs if probability >= _HALF) or None


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
