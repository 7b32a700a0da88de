"""Several models averaged; windows of a stretch and whole sequences give the same answers."""

import numpy as np
import pytest
import torch

from dnabert_cli.config import ComputeConfig, TaskConfig
from dnabert_cli.core.checkpoint import build_network, load_model, save_model
from dnabert_cli.core.ensemble import Ensemble, check_window
from dnabert_cli.core.network import initialize
from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import ModelError
from tests.toys import bert_config, save_bert

COMPUTE = ComputeConfig(precision="fp32", threads=1)
GENERATOR = np.random.default_rng(3)
SEQUENCE = "".join(GENERATOR.choice(list("ACGT"), 200))
STARTS = np.array([0, 7, 50, 170])


def load(tmp_path, k, *, seed=0, **changes):
    task = {"k": k, "classes": ("other", "promoter"), "window": 30, "anchor": 10} | changes
    return load_model(save_bert(tmp_path / f"{k}-{seed}", TaskConfig(**task), seed=seed))


def load_head(tmp_path, k, head, classes, *, seed=0):
    task = TaskConfig(k=k, classes=classes, head=head)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build_network(bert_config(k), task)
        initialize(network, 0.2)
    save_model(tmp_path / f"{head}-{k}", network, task)
    return load_model(tmp_path / f"{head}-{k}")


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


def test_numbers_are_averaged(tmp_path):
    models = [load_head(tmp_path, k, "regression", ("expression",)) for k in (3, 4)]
    single = []
    for model in models:
        with Ensemble([model], COMPUTE) as alone:
            single.append(alone.score_sequences([SEQUENCE]))
    with Ensemble(models, COMPUTE) as both:
        together = both.score_sequences([SEQUENCE])

    assert together.shape == (1, 1)
    assert abs(together - (single[0] + single[1]) / 2).max() < 1e-6
    assert abs(single[0] - single[1]).max() > 1e-3


def test_models_of_other_heads_cannot_be_averaged(tmp_path):
    models = [load_head(tmp_path, 3, head, ("a", "b")) for head in ("class", "multi-label")]

    with pytest.raises(ModelError, match="cannot be averaged: head is class in one and multi-lab"):
        Ensemble(models, COMPUTE)


def test_bases_are_scored_one_row_each(tmp_path):
    sequences = [SEQUENCE[:20], "AC", SEQUENCE[:7], SEQUENCE[20:40], ""]

    with Ensemble([load_head(tmp_path, 3, "token", ("out", "in"))], COMPUTE) as ensemble:
        scores = ensemble.score_bases(sequences)
        alone = ensemble.score_bases(sequences[2:3])[0]

    assert [one.shape for one in scores] == [(20, 2), (2, 2), (7, 2), (20, 2), (0, 2)]
    assert np.isnan(scores[1]).all()
    assert abs(scores[2] - alone).max() < 1e-6
    assert abs(scores[0].sum(1) - 1).max() < 1e-6


def test_scores_of_bases_are_averaged_over_models_of_different_k(tmp_path):
    models = [load_head(tmp_path, k, "token", ("out", "in"), seed=k) for k in (3, 4)]
    single = []
    for model in models:
        with Ensemble([model], COMPUTE) as alone:
            single.append(alone.score_bases([SEQUENCE[:20], "ACG"]))
    with Ensemble(models, COMPUTE) as both:
        together = both.score_bases([SEQUENCE[:20], "ACG"])

    assert abs(together[0] - (single[0][0] + single[1][0]) / 2).max() < 1e-6
    # three bases are too few for one of the models, so they have no answer of both
    assert not np.isnan(single[0][1]).any()
    assert np.isnan(together[1]).all()


@pytest.mark.parametrize("head", ["token", "regression"])
def test_a_model_without_classes_to_call_cannot_scan(head):
    task = TaskConfig(k=3, classes=("a", "b"), head=head, window=30)

    with pytest.raises(ModelError, match=r"m answers .* cannot scan.*use dnabert predict"):
        check_window(task, "m")


@pytest.mark.parametrize(("head", "called"), [("class", (0, 2)), ("multi-label", (0, 1, 2))])
def test_all_classes_but_a_background_are_called(head, called):
    background = "b" if head == "class" else None
    task = TaskConfig(k=3, classes=("a", "b", "c"), head=head, background=background, window=30)

    assert check_window(task, "m") == (30, 15)
    assert task.called_classes == called


def test_a_background_belongs_to_classes():
    with pytest.raises(ModelError, match="a background class belongs to head class"):
        TaskConfig(k=3, classes=("a", "b"), head="multi-label", background="a")
    with pytest.raises(AssertionError, match="head multi-label has no background"):
        _ = TaskConfig(k=3, classes=("a", "b"), head="multi-label").background_index
