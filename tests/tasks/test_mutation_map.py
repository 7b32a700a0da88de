"""A mutation map equals asking the model for each mutant by itself."""

import numpy as np
import pytest

from dnabert_cli.core.checkpoint import load_model
from dnabert_cli.core.ensemble import Ensemble
from dnabert_cli.tasks.mutation_map import mutation_scores
from tests.viz_toys import FP32, MOTIF, random_sequence, save_motif_finder, with_motif


@pytest.mark.parametrize(("target", "name"), [(None, "promoter"), (0, "other")])
def test_each_cell_is_the_answer_to_its_mutant(tiny_model, target, name):
    model, sequence = load_model(tiny_model), random_sequence(3, 14) + "N"

    found = mutation_scores(sequence, [model], FP32, target)

    column = 1 if target is None else target
    with Ensemble([model], FP32) as ensemble:
        expected = np.full((15, 4), np.nan)
        for i, there in enumerate(sequence):
            for j, letter in enumerate("ACGT"):
                if there in "ACGT" and letter != there:
                    mutant = sequence[:i] + letter + sequence[i + 1 :]
                    expected[i, j] = ensemble.score_sequences([mutant])[0, column]
        whole = ensemble.score_sequences([sequence])[0, column]
    assert found[0] == name
    assert found[1] == pytest.approx(whole, abs=1e-6)
    assert found[2] == pytest.approx(expected, abs=1e-5, nan_ok=True)


def test_only_changes_of_the_motif_lower_the_answer_of_a_motif_finder(tmp_path):
    model = load_model(save_motif_finder(tmp_path / "finder"))
    sequence = with_motif(1, 12)

    name, wild_type, mutants = mutation_scores(sequence, [model], FP32, None)

    assert (name, round(wild_type, 4)) == ("yes", round(1 / (1 + np.exp(-3)), 4))
    changed = np.nanmax(np.abs(mutants - wild_type), axis=1) > 1e-6
    assert np.flatnonzero(changed).tolist() == list(range(12, 12 + len(MOTIF)))
    assert mutants[12] == pytest.approx([0.5, 0.5, np.nan, 0.5], nan_ok=True, abs=1e-5)
