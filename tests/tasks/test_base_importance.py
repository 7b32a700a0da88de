"""Importance of bases: long sequences are tiled and averaged, whatever the parts."""

import numpy as np
import pytest

from dnabert_cli.config import TaskConfig
from dnabert_cli.core.checkpoint import build_network, load_model, save_model
from dnabert_cli.core.importance import Importance, ImportanceOptions
from dnabert_cli.errors import ModelError, OptionsError
from dnabert_cli.explain_config import ExplainConfig
from dnabert_cli.progress import SILENT
from dnabert_cli.tasks import base_importance as module
from dnabert_cli.tasks.base_importance import Explainer, explain
from tests.toys import bert_config, save_bert
from tests.viz_toys import FP32, MOTIF, random_sequence, save_motif_finder, with_motif

LONG = random_sequence(0, 100)
STARTS = [0, 15, 30, 45, 60, 70]  # windows of 30 bases that overlap by half, the last flush


def run(sequences, models, **config):
    return explain(
        sequences, [str(model) for model in models], ExplainConfig(**config), FP32, SILENT
    )


def in_core(model, sequences, **options):
    with Importance([load_model(model)], FP32, ImportanceOptions(**options)) as importance:
        return importance.scores(sequences)


def average_of_windows(pieces):
    """The mean over the windows that hold a base, one base at a time."""
    return [
        np.mean([p[i - s] for s, p in zip(STARTS, pieces, strict=True) if 0 <= i - s < 30])
        for i in range(100)
    ]


@pytest.mark.parametrize(
    "options", [{}, {"method": "ig", "steps": 4}, {"method": "ism"}, {"rollout": True}]
)
def test_a_long_sequence_is_the_average_of_its_windows(tiny_model, options):
    pieces, _ = in_core(tiny_model, [LONG[start : start + 30] for start in STARTS], **options)

    found = run([LONG], [tiny_model], **options)

    assert np.abs(found.scores[0] - average_of_windows(pieces)).max() < 1e-5


def test_the_answer_to_a_long_sequence_is_that_of_its_best_window(tiny_model):
    _, answers = in_core(tiny_model, [LONG[start : start + 30] for start in STARTS])

    found = run([LONG], [tiny_model])

    assert found.probabilities[0] == pytest.approx(answers[answers[:, 1].argmax()], abs=1e-6)


def test_short_sequences_are_read_whole(tiny_model):
    texts = [LONG[:30], LONG[5:17]]
    expected, answers = in_core(tiny_model, texts)

    found = run(texts, [tiny_model])

    for scores, wanted in zip(found.scores, expected, strict=True):
        assert scores == pytest.approx(wanted, abs=1e-6)
    assert np.abs(found.probabilities - answers).max() < 1e-6


def test_sequences_shorter_than_k_keep_their_place(tiny_model):
    found = run(["AC", LONG[:30], ""], [tiny_model])

    assert [len(scores) for scores in found.scores] == [2, 30, 0]
    assert np.isnan(found.scores[0]).all()
    assert np.isnan(found.probabilities).all(1).tolist() == [True, False, True]


def test_no_sequences_give_no_answers(tiny_model):
    assert run([], [tiny_model]).probabilities.shape == (0, 2)


def test_models_of_different_k_are_averaged_base_by_base(tmp_path):
    models = [
        save_bert(tmp_path / f"k{k}", TaskConfig(k=k, classes=("a", "b"), window=30), seed=k)
        for k in (3, 4)
    ]
    single = [run([LONG], [model]) for model in models]

    both = run([LONG], models)

    assert both.scores[0] == pytest.approx(
        (single[0].scores[0] + single[1].scores[0]) / 2, abs=1e-6
    )


@pytest.mark.parametrize(("name", "value"), [("CHUNK", 2), ("_WINDOWS", 4)])
def test_parts_give_the_same_as_the_whole(tiny_model, monkeypatch, name, value):
    texts = [LONG, LONG[:20], LONG[::-1], "AC", LONG[40:75]]
    whole = run(texts, [tiny_model])
    monkeypatch.setattr(module, name, value)

    parts = run(texts, [tiny_model])

    assert np.abs(whole.probabilities - parts.probabilities)[[0, 1, 2, 4]].max() < 1e-6
    for one, other in zip(whole.scores, parts.scores, strict=True):
        assert one == pytest.approx(other, abs=1e-6, nan_ok=True)


def test_progress_counts_sequences(tiny_model, monkeypatch):
    monkeypatch.setattr(module, "CHUNK", 2)
    told = []

    class Told:
        def start(self, label, total, unit, done=0):
            told.append((label, total, unit, done))

        def advance(self, amount, note=""):
            told.append((amount, note))

        def finish(self):
            told.append("end")

    explain([LONG[:30]] * 3, [str(tiny_model)], ExplainConfig(), FP32, Told())

    assert told == [("attention", 3, "sequences", 0), (2, ""), (1, ""), "end"]


@pytest.mark.parametrize("changes", [{"layer": 0}, {"head": 1}, {"rollout": True}])
def test_layer_head_and_rollout_reach_the_core(tiny_model, changes):
    (expected,), _ = in_core(tiny_model, [LONG[:30]], **changes)
    (plain,), _ = in_core(tiny_model, [LONG[:30]])

    found = run([LONG[:30]], [tiny_model], **changes)

    assert found.scores[0] == pytest.approx(expected, abs=1e-6)
    assert np.abs(expected - plain).max() > 1e-3


def test_legacy_pads_to_the_longest_sequence(tiny_model):
    texts = [LONG[:30], LONG[:20]]
    expected, _ = in_core(tiny_model, texts, legacy=30)

    found = run(texts, [tiny_model], legacy=True)

    for scores, wanted in zip(found.scores, expected, strict=True):
        assert scores == pytest.approx(wanted, abs=1e-6)


def test_legacy_of_a_tiled_sequence_pads_to_the_window(tiny_model):
    pieces, _ = in_core(tiny_model, [LONG[start : start + 30] for start in STARTS], legacy=30)

    found = run([LONG], [tiny_model], legacy=True)

    assert np.abs(found.scores[0] - average_of_windows(pieces)).max() < 1e-6


def test_steps_reach_the_core(tiny_model):
    (expected,), _ = in_core(tiny_model, [LONG[:30]], method="ig", steps=2)

    found = run([LONG[:30]], [tiny_model], method="ig", steps=2)

    assert found.scores[0] == pytest.approx(expected, abs=1e-6)
    many = run([LONG[:30]], [tiny_model], method="ig", steps=32)
    assert np.abs(expected - many.scores[0]).max() > 1e-4


def test_the_target_turns_the_sign_of_two_classes(tiny_model):
    one, other = (
        run([LONG[:30]], [tiny_model], method="ism", target=name) for name in ("promoter", "other")
    )

    assert one.scores[0] == pytest.approx(-other.scores[0], abs=1e-4)


def test_mutagenesis_finds_the_motif_a_model_looks_for(tmp_path):
    model = save_motif_finder(tmp_path / "finder")

    found = run([with_motif(1, 12)], [model], method="ism")

    expected = np.zeros(40)
    expected[12 : 12 + len(MOTIF)] = 3
    assert found.scores[0] == pytest.approx(expected, abs=1e-4)


def test_an_unknown_target_is_refused(tiny_model):
    with pytest.raises(OptionsError, match="--target x is no class of the model; known: other, "):
        run([LONG], [tiny_model], method="ig", target="x")


def test_a_network_without_attention_is_refused(tmp_path):
    with pytest.raises(ModelError, match=r"cnn without k-mer vectors and attention.*--method ism"):
        run([LONG], [save_motif_finder(tmp_path / "finder")])


def test_a_model_that_answers_every_base_is_refused(tmp_path):
    task = TaskConfig(k=3, classes=("a", "b"), head="token")
    save_model(tmp_path / "m", build_network(bert_config(), task), task)
    with pytest.raises(ModelError, match="answers every base"):
        run([LONG], [tmp_path / "m"])


def test_an_explainer_names_window_and_task(tiny_model):
    with Explainer([str(tiny_model)], ExplainConfig(), FP32) as explainer:
        assert explainer.window == 30
        assert explainer.task.classes == ("other", "promoter")
