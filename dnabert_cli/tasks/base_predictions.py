"""Head `token` in `predict`: one row per base, long sequences tiled and averaged per base."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from dnabert_cli.config import TaskConfig
from dnabert_cli.core.ensemble import Ensemble
from dnabert_cli.records import Example
from dnabert_cli.sequence.windows import chunks, tile
from dnabert_cli.tasks.predictions import Prediction, predicted_of

# Windows scored, and bases averaged, together: bounds memory.
_WINDOWS = 1024
_BASES = 1 << 22

Floats = npt.NDArray[np.float32]
Counts = npt.NDArray[np.int64]


def groups_of(examples: Sequence[Example]) -> Iterator[Sequence[Example]]:
    """Yield consecutive examples of together about `_BASES` bases: enough to keep cores busy."""
    first, n_bases = 0, 0
    for i, example in enumerate(examples):
        n_bases += len(example.sequence)
        if n_bases >= _BASES or i == len(examples) - 1:
            yield examples[first : i + 1]
            first, n_bases = i + 1, 0


def average_bases(
    sequences: Sequence[str], ensemble: Ensemble, window: int, stride: int
) -> list[tuple[Floats, Counts]]:
    """Return, for each sequence, the mean answer to its bases `[L, K]` and of how many windows.

    NaN where no window has an answer: in a sequence shorter than k, and behind the last k-mer.

    Args:
        sequences: of any length.
        ensemble: of head `token`.
        window: bases per window; a shorter sequence is read whole.
        stride: bases between windows.
    """
    n_outputs = len(ensemble.task.classes)
    sums = [np.zeros((len(sequence), n_outputs)) for sequence in sequences]
    counts = [np.zeros(len(sequence), dtype=np.int64) for sequence in sequences]
    places = [
        (i, start)
        for i, sequence in enumerate(sequences)
        for start in tile(len(sequence), window, stride).tolist()
    ]
    for begin, end in chunks(len(places), _WINDOWS):
        batch = places[begin:end]
        answers = ensemble.score_bases([sequences[i][at : at + window] for i, at in batch])
        for (i, at), scores in zip(batch, answers, strict=True):
            known = np.asarray(~np.isnan(scores).any(axis=1))
            sums[i][at : at + len(scores)] += np.where(known[:, None], scores, 0)
            counts[i][at : at + len(scores)] += known
    return [(_mean(*pair), pair[1]) for pair in zip(sums, counts, strict=True)]


def _mean(sums: npt.NDArray[np.float64], counts: Counts) -> Floats:
    known = counts > 0
    means = np.full(sums.shape, np.nan, dtype=np.float32)
    means[known] = sums[known] / counts[known, None]
    return means


def base_rows(
    task: TaskConfig, example: Example, means: Floats, counts: Counts, vector: Floats | None
) -> Iterator[Prediction]:
    """Yield a prediction per base, in the order of the coordinates.

    A base lies where the example says; without a place, the sequence itself is the coordinates,
    under its name.

    Args:
        task: of the model.
        example: the row.
        means: `[L, K]` of `average_bases`.
        counts: `[L]` of `average_bases`.
        vector: of the whole sequence; goes with its first base.
    """
    is_placed = example.chrom is not None and example.start is not None
    chrom = example.chrom if is_placed else example.name
    first = example.start if is_placed and example.start is not None else 0
    n_bases = len(example.sequence)
    for i in range(n_bases):
        # the base as the sequence is read
        read = n_bases - 1 - i if is_placed and example.strand == "-" else i
        base = replace(
            example,
            sequence=example.sequence[read],
            chrom=chrom,
            start=first + i,
            end=first + i + 1,
        )
        yield Prediction(
            base,
            int(counts[read]),
            means[read],
            predicted_of(task, means[read]),
            vector if i == 0 else None,
        )
