"""What every substitution of one sequence would do to the answer."""

import numpy as np
import numpy.typing as npt

from dnabert_cli.config import ComputeConfig
from dnabert_cli.core.checkpoint import Model
from dnabert_cli.core.ensemble import Ensemble
from dnabert_cli.core.importance import choose_targets
from dnabert_cli.sequence.substitutions import LETTERS, substitutions

Floats = npt.NDArray[np.float32]


def mutation_scores(
    sequence: str, models: list[Model], compute: ComputeConfig, target: int | None
) -> tuple[str, float, Floats]:
    """Return the class looked at, its probability, and that of each substitution.

    Args:
        sequence: L letters, not longer than the models read at once.
        models: averaged.
        compute: where and how.
        target: number of the class; `None`: the most probable one that is called.

    Returns:
        name of the class; probability of the sequence as it is; `[L, 4]` with A, C, G or T in
        place of each base, NaN for the letter that is there already.
    """
    mutants = substitutions(sequence)
    with Ensemble(models, compute) as ensemble:
        answers = ensemble.score_sequences([sequence, *(text for _, _, text in mutants)])
        column = int(choose_targets(ensemble.task, answers[:1], target)[0])
        name = ensemble.task.classes[column]
    scores = np.full((len(sequence), len(LETTERS)), np.nan, dtype=np.float32)
    scores[mutants.positions, mutants.letters] = answers[1:, column]
    return name, float(answers[0, column]), scores
