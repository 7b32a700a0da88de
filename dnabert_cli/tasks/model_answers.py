"""What models answer to sequences that were read already, by the way `predict` takes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from dnabert_cli.config import ComputeConfig, PredictConfig, TaskConfig
from dnabert_cli.core.checkpoint import LEGACY_WEIGHTS, WEIGHTS
from dnabert_cli.core.folder_config import model_config, read_config, task_config
from dnabert_cli.core.hub import find_folder
from dnabert_cli.errors import ModelError
from dnabert_cli.tasks.predict import predict
from dnabert_cli.tasks.systems import Run


def model_task(name: str, run: Run) -> TaskConfig:
    """Return what a model says of itself, without its weights.

    Raises:
        ModelError: there is no such model, or it answers nothing that rows are labelled with.
    """
    folder = find_folder(name, download=run.download)
    if not any((folder / name).is_file() for name in (WEIGHTS, LEGACY_WEIGHTS)):
        raise ModelError(f"{folder} is no model folder: it has no {WEIGHTS}")
    values = read_config(folder)
    task = task_config(values, model_config(values, folder), folder)
    if task.head == "token":
        raise ModelError(
            f"{name} answers per base, and rows have one label",
            hint="dnabert finetune --test judges models per base",
        )
    if not task.classes:
        raise ModelError(f"{name} names no classes", hint="fine-tune it first: dnabert finetune")
    return task


def write_sequences(sequences: Sequence[str], path: Path) -> None:
    """Write the table that `answers_of` reads: standard input can be read only once."""
    with path.open("w", encoding="utf-8", newline="\n") as handle:
        handle.write("sequence\n")
        handle.writelines(f"{sequence}\n" for sequence in sequences)


def answers_of(
    models: Sequence[str], table: Path, compute: ComputeConfig, run: Run
) -> npt.NDArray[Any]:
    """Return `[N, K]` answers of models, averaged; NaN to sequences shorter than k."""
    predictions = predict(
        str(table),
        models,
        PredictConfig(compute=compute),
        download=run.download,
        progress=run.progress,
    )
    return np.stack([row.probabilities for row in predictions.rows])
