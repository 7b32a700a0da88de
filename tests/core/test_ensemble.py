"""Several models averaged; windows of a stretch and whole sequences give the same answers."""

import numpy as np
import pytest

from dnabert_cli.config import ComputeConfig, TaskConfig
from dnabert_cli.core.checkpoint import load_model
from dnabert_cli.core.ensemble import Ensemble, check_window
from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import ModelError
from tests.toys import save_bert

COMPUTE = ComputeConfig(precision="fp32", threads=1)
GENERATOR = np.random.default_rng(3)
SEQUENCE = "".join(GENERATOR.choice(list("ACGT"), 200))
STARTS = np.array([0, 7, 50, 170])


def load(tmp_path, k, *, seed=0, **changes):
    task = {"k": k, "classes": ("other", "promoter"), "window": 30, "anchor": 10} | changes
    return load_model(save_bert(tmp_path / f"{k}-{seed}", TaskConfig(**task), seed=seed))


def windows_of(sequence, strand):
    pieces = [sequence[start : start + 30] for start in STARTS]
    return [reverse_complement(piece) for piece in pieces] if strand == "-" else pieces


@pytest.mark.parametrize("strand", ["+", "-"])
@pytest.mark.parametrize("token_stride", [1, 3])
def test_windows_of_a_stretch_equal_the_sequences_themselves(tmp_path, strand, token_stride):
    model = load(tmp_path, 3, token_stride=token_stride)
    with Ensemble([model], COMPUTE) as ensemble:
        of_stretch = ensemble.score_windows(SEQUENCE, STARTS, 30, strand)
        of_pieces = ensemble.score_sequences(windows_of(SEQUENCE, strand))

    assert np.abs(of_stretch - of_pieces).max() < 1e-6
    assert of_stretch[:, 1].std() > 1e-3


def test_models_of_different_k_are_averaged(tmp_path):
    models = [load(tmp_path, 3), load(tmp_path, 4, seed=1)]
    single = []
    for model in models:
        with Ensemble([model], COMPUTE) as alone:
            single.append(alone.score_windows(SEQUENCE, STARTS, 30, "+"))
    with Ensemble(models, COMPUTE) as both:
        together = both.score_windows(SEQUENCE, STARTS, 30, "+")
        whole = both.score_sequences(windows_of(SEQUENCE, "+"))

    assert np.abs(together - (single[0] + single[1]) / 2).max() < 1e-6
    assert np.abs(together - whole).max() < 1e-6


def test_models_with_other_classes_cannot_be_averaged(tmp_path):
    models = [load(tmp_path, 3), load(tmp_path, 4, classes=("other", "enhancer"))]

    with pytest.raises(ModelError, match="cannot be averaged: classes"):
        Ensemble(models, COMPUTE)


def test_sequences_shorter_than_k_are_nan(tmp_path):
    with Ensemble([load(tmp_path, 3)], COMPUTE) as ensemble:
        scores = ensemble.score_sequences(["AC", "ACGTACGT", ""])
        vectors = ensemble.embed_sequences(["AC", "ACGTACGT", ""], "mean")

    assert np.isnan(scores).all(1).tolist() == [True, False, True]
    assert np.isnan(vectors).all(1).tolist() == [True, False, True]
    assert vectors.shape == (3, 32)


def test_answers_do_not_depend_on_neighbours_or_order(tmp_path):
    sequences = [SEQUENCE[:n] for n in (10, 30, 12, 30, 25)]
    with Ensemble([load(tmp_path, 3)], COMPUTE) as ensemble:
        together = ensemble.score_sequences(sequences)
        alone = np.concatenate([ensemble.score_sequences([each]) for each in sequences])

    assert np.abs(together - alone).max() < 1e-6


def test_a_model_without_a_window_cannot_scan():
    with pytest.raises(ModelError, match="m has no window and cannot scan"):
        check_window(TaskConfig(k=3, classes=("a", "b")), "m")
