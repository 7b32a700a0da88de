"""What holds of every method of importance; mutagenesis; what is refused."""

import dataclasses

import numpy as np
import pytest
import torch

from dnabert_cli.config import ComputeConfig, TaskConfig
from dnabert_cli.core.ensemble import Ensemble
from dnabert_cli.core.importance import (
    Importance,
    ImportanceOptions,
    choose_targets,
)
from dnabert_cli.errors import ModelError, OptionsError
from dnabert_cli.sequence.substitutions import substitutions
from tests.importance_toys import FP32, PAPER, SEQUENCES, TASK, build, explain

ROW, ROLLOUT = PAPER, ImportanceOptions(rollout=True)
IG, ISM = ImportanceOptions(method="ig"), ImportanceOptions(method="ism")
METHODS = pytest.mark.parametrize(
    "options", [ROW, ImportanceOptions(layer=0), ImportanceOptions(head=1), ROLLOUT, IG, ISM]
)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize("method", ["ig", "ism", "rollout"])
def test_bases_between_kmers_have_no_importance(method):
    model = build(dataclasses.replace(TASK, token_stride=4))
    options = ROLLOUT if method == "rollout" else ImportanceOptions(method=method)

    (found,), _ = explain(model, [SEQUENCES[1][:13]], options)

    assert np.flatnonzero(np.isnan(found)).tolist() == [3, 7, 11, 12]


@METHODS
def test_importance_does_not_depend_on_neighbours(options):
    model = build()
    together, answers = explain(model, SEQUENCES, options)

    for i, sequence in enumerate(SEQUENCES):
        (alone,), answer = explain(model, [sequence], options)
        assert np.abs(alone - together[i]).max() < 1e-5
        assert np.abs(answer - answers[i]).max() < 1e-6


@METHODS
def test_sequences_shorter_than_k_have_none(options):
    scores, answers = explain(build(), ["AC", SEQUENCES[0], ""], options)

    assert [len(one) for one in scores] == [2, 20, 0]
    assert np.isnan(scores[0]).all()
    assert not np.isnan(scores[1]).any()
    assert np.isnan(answers).all(1).tolist() == [True, False, True]


@METHODS
def test_models_are_averaged_base_by_base(options):
    models = [build(), build(dataclasses.replace(TASK, k=4), seed=1)]
    single = [explain(model, SEQUENCES, options) for model in models]

    scores, answers = explain(models, SEQUENCES, options)

    for i in range(4):
        expected = (single[0][0][i] + single[1][0][i]) / 2
        assert np.abs(scores[i] - expected).max() < 1e-6
    assert np.isnan(scores[4]).all()  # three bases are too few for k = 4
    assert np.abs(answers - (single[0][1] + single[1][1]) / 2)[:4].max() < 1e-6


@METHODS
def test_answers_are_those_of_prediction(options):
    model = build()
    with Ensemble([model], FP32) as ensemble:
        expected = ensemble.score_sequences(SEQUENCES)

    _, answers = explain(model, SEQUENCES, options)

    assert np.abs(answers - expected).max() < 1e-6


@METHODS
def test_progress_counts_each_sequence_once(options):
    models, told = [build(), build(seed=1)], []

    with Importance(models, FP32, options) as importance:
        importance.scores(SEQUENCES, told.append)

    assert sum(told) == len(SEQUENCES)


def test_many_sequences_are_taken_in_parts(monkeypatch):
    model, sequences = build(), [*SEQUENCES, *(one[::-1] for one in SEQUENCES)]
    whole, _ = explain(model, sequences)
    monkeypatch.setattr("dnabert_cli.core.model_importance._SEQUENCES", 3)

    parts, _ = explain(model, sequences)

    assert max(np.abs(a - b).max() for a, b in zip(whole, parts, strict=True)) < 1e-6


@pytest.mark.parametrize("head", ["class", "multi-label", "regression"])
def test_mutagenesis_is_the_mean_drop_over_three_substitutions(head):
    task = dataclasses.replace(TASK, head=head, classes=("a", "b", "c"), calibration=1.5)
    model, sequence, target = build(task), SEQUENCES[3], 1
    (found,), _ = explain(model, [sequence], ImportanceOptions(method="ism", target=target))

    def score(text):
        ids = torch.tensor([[2, *model.tokenizer.encode(text).tolist(), 3]])
        with torch.no_grad():
            logits = model.network(ids)[0].double().numpy()
        if head == "regression":
            return logits[target]
        p = 1 / (1 + np.exp(-logits / 1.5))
        if head == "class":
            p = np.exp(logits / 1.5) / np.exp(logits / 1.5).sum()
        return np.log(p[target] / (1 - p[target]))

    drops = np.zeros(len(sequence))
    for position, _, mutant in substitutions(sequence):
        drops[position] += (score(sequence) - score(mutant)) / 3
    assert np.abs(found - drops).max() < 1e-4
    assert drops.std() > 0.05


def test_unknown_letters_are_not_mutated():
    (found,), _ = explain(build(), ["ACGTNACGTA"], ISM)

    assert np.flatnonzero(np.isnan(found)).tolist() == [4]


def test_a_sequence_of_unknown_letters_has_no_mutants():
    (found,), answers = explain(build(), ["NNNNN"], ISM)

    assert np.isnan(found).all()
    assert not np.isnan(answers).any()


def test_a_cnn_is_explained_by_mutation():
    model = build(TaskConfig(k=1, classes=("a", "b")), arch="cnn")

    (found,), _ = explain(model, SEQUENCES[:1], ISM)

    assert found.std() > 0


def test_a_model_of_chunks_is_explained_by_mutation():
    model = build(long="lstm", chunks=2, max_position_embeddings=12)

    (found,), _ = explain(model, SEQUENCES[:1], ISM)

    assert found.std() > 0


@pytest.mark.parametrize("method", ["attention", "ig"])
@pytest.mark.parametrize(
    ("k", "changes", "words"),
    [
        (1, {"arch": "cnn"}, "is a cnn without"),
        (1, {"arch": "cnn-lstm"}, "is a cnn-lstm without"),
        (3, {"long": "gru", "chunks": 2, "max_position_embeddings": 12}, "reads 2 chunks"),
    ],
)
def test_attention_and_gradients_need_one_bert(method, k, changes, words):
    model = build(TaskConfig(k=k, classes=("a", "b")), **changes)

    with pytest.raises(ModelError, match=rf"model0 {words}.*\(hint: use --method ism\)"):
        Importance([model], FP32, ImportanceOptions(method=method))


@METHODS
def test_answers_per_base_have_no_importance(options):
    with pytest.raises(ModelError, match=r"answers every base.*use dnabert predict"):
        Importance([build(dataclasses.replace(TASK, head="token"))], FP32, options)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"layer": 3}, "--layer 3: model0 has 3 layers, counted from 0"),
        ({"head": 2}, "--head 2: model0 has 2 heads"),
        ({"head": -1}, "--head -1: model0 has 2 heads"),
        ({"method": "ism", "target": 2}, "--target 2: model0 has 2 outputs"),
    ],
)
def test_numbers_out_of_range_are_refused(options, words):
    with pytest.raises(OptionsError, match=words):
        Importance([build()], FP32, ImportanceOptions(**options))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "lime"}, "--method lime is unknown; known: attention, ig, ism"),
        ({"method": "ism", "layer": 1}, "--layer belongs to --method attention, not to ism"),
        ({"method": "ig", "legacy": 512}, "--legacy belongs to --method attention, not to ig"),
        ({"rollout": True, "head": 1}, "leave out --head"),
        ({"rollout": True, "legacy": 512}, "leave out --head and --legacy"),
        ({"target": 1}, "attention belongs to no output.*use --method ig"),
        ({"method": "ig", "steps": 0}, "--steps must be at least 1"),
    ],
)
def test_contradictions_are_refused(options, words):
    with pytest.raises(OptionsError, match=words):
        ImportanceOptions(**options)


def test_of_several_numbers_one_must_be_chosen():
    model = build(dataclasses.replace(TASK, head="regression"))

    with pytest.raises(OptionsError, match=r"2 numbers: other, promoter \(hint: .*--target"):
        Importance([model], FP32, ISM)
    explain(model, SEQUENCES)  # attention belongs to all of them


@pytest.mark.parametrize(("head", "expected"), [("class", [2, 0, 0]), ("multi-label", [2, 1, 0])])
def test_without_a_target_the_most_probable_called_class_is_explained(head, expected):
    background = "b" if head == "class" else None
    task = TaskConfig(k=3, classes=("a", "b", "c"), head=head, background=background)
    answers = np.array([[0.1, 0.2, 0.7], [0.3, 0.6, 0.1], [np.nan] * 3], dtype=np.float32)

    assert choose_targets(task, answers).tolist() == expected
    assert choose_targets(task, answers, 1).tolist() == [1, 1, 1]


@pytest.mark.gpu
@METHODS
def test_a_gpu_gives_the_importance_of_the_cpu(options):
    if not torch.cuda.is_available():
        pytest.skip("no GPU")
    model = build()
    expected, _ = explain(model, SEQUENCES, options)

    found, _ = explain(model, SEQUENCES, options, ComputeConfig(device="cuda", precision="fp32"))

    assert max(np.abs(a - b).max() for a, b in zip(expected, found, strict=True)) < 1e-4
