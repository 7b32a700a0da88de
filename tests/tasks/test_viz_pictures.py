"""The pictures of `viz`: a valid file of every plot, and the words it says."""

import dataclasses
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from dnabert_cli.config import TaskConfig
from dnabert_cli.core.checkpoint import load_model
from dnabert_cli.core.ensemble import Ensemble
from dnabert_cli.errors import DataError, ModelError, OptionsError
from dnabert_cli.explain_config import PLOTS, ExplainConfig, VizConfig
from dnabert_cli.tasks import viz_pictures as module
from dnabert_cli.tasks.viz_pictures import draw, score_label
from tests.toys import save_bert
from tests.viz_toys import FP32, example, random_sequence, save_motif_finder, shown

SIGNATURES = {"png": b"\x89PNG\r\n\x1a\n", "svg": b"<?xml", "pdf": b"%PDF-"}
SEQUENCE = random_sequence(5, 30)
SCORES = np.linspace(0, 1, 30)
ONE = (example(SEQUENCE, "one", "chr1", 5, "+"), SCORES)
OTHER = (example(SEQUENCE[::-1], "other<&", label="group b"), SCORES[::-1])
WORDS = {  # of each plot: some of what it says of the one sequence
    "heatmap": ["one, probability 0.750", "attention of [CLS]", "position (bases, from 0)"],
    "landscape": ["all (n = 1)", "attention of [CLS]", "position (bases, from 0)"],
    "logo": ["one: promoter 0.750", "attention of [CLS]", "position (bases, from 0)"],
    "context": ["one: promoter 0.750, layer 1", "weight 0.02", "[CLS]"],
    "mutations": ["one: promoter 0.750", "probability of promoter: mutant less wild type"],
    "faithfulness": ["attention, top bases", "random bases", "mean probability"],
}


def config(plot="heatmap", *, explain=None, **changes):
    return VizConfig(
        plot=plot,
        compute=FP32,
        explain=ExplainConfig(**explain or {}),
        **{"n_shuffles": 1} | changes,
    )


def svg(found, model, settings):
    return draw(found, [str(model)], settings, "svg")


def words(content):
    return [
        "".join(text.itertext())
        for text in ET.fromstring(content.decode()).iter("{http://www.w3.org/2000/svg}text")
    ]


@pytest.mark.parametrize("fmt", SIGNATURES)
@pytest.mark.parametrize("plot", PLOTS)
def test_every_plot_is_a_file_of_its_kind_and_says_its_words(tiny_model, plot, fmt):
    content = draw(shown(ONE), [str(tiny_model)], config(plot), fmt)

    assert content.startswith(SIGNATURES[fmt])
    if fmt == "svg":
        said = words(content)
        assert [word for word in WORDS[plot] if word not in said] == []


def test_heatmap_rows_stand_by_probability_unless_the_input_order_is_asked_for(tiny_model):
    found = shown(ONE, OTHER, probabilities=[[0.9, 0.1], [0.2, 0.8]])
    by_probability, by_input = (
        [word for word in words(svg(found, tiny_model, config(by_input=order))) if word in names]
        for order in (False, True)
        for names in [{"one", "other<&"}]
    )
    assert by_probability == ["other<&", "one"]
    assert by_input == ["one", "other<&"]


def test_a_row_without_an_answer_comes_last(tiny_model):
    found = shown(ONE, OTHER, probabilities=[[np.nan, np.nan], [0.9, 0.1]])
    said = words(svg(found, tiny_model, config()))
    assert said.index("other<&") < said.index("one")


def test_the_anchor_is_base_0_and_said(tiny_model):
    found = shown(ONE, OTHER, anchor=10)
    said = words(svg(found, tiny_model, config()))
    assert {"anchor", "position (bases from the anchor)", "\N{MINUS SIGN}10"} <= set(said)


def test_a_landscape_has_a_curve_per_label(tiny_model):
    found = shown(ONE, OTHER, (dataclasses.replace(ONE[0], label="group b"), SCORES))
    said = words(svg(found, tiny_model, config("landscape")))
    assert {"all (n = 1)", "group b (n = 2)"} <= set(said)


@pytest.fixture
def drawn(monkeypatch):
    """What is handed to a drawing function, in place of the picture."""
    received = {}

    def watch(name):
        def take(*arguments, **options):
            received["arguments"] = arguments
            received.update(options)
            return b""

        monkeypatch.setattr(module, name, take)
        return received

    return watch


@pytest.mark.parametrize(("token", "query"), [(None, 0), (0, 1), (1, 1), (2, 1), (3, 2), (29, 28)])
def test_the_first_kmer_that_holds_the_token_base_asks(tiny_model, drawn, token, query):
    received = drawn("draw_context")
    svg(shown(ONE, anchor=10), tiny_model, config("context", token=token, cutoff=0.25))
    assert (received["query"], received["cutoff"]) == (query, 0.25)
    assert received["bases"][:3] == [None, -10, -9]
    assert len(received["bases"]) == 30


def test_a_kmer_is_where_the_token_stride_puts_it(tmp_path, drawn):
    task = TaskConfig(k=3, classes=("a", "b"), token_stride=4)
    model = save_bert(tmp_path / "m", task)
    received = drawn("draw_context")

    svg(shown(ONE), model, config("context", token=5))

    assert received["bases"] == [None, 0, 4, 8, 12, 16, 20, 24, None]
    assert received["query"] == 2
    with pytest.raises(OptionsError, match="--token 7: no k-mer of the sequence holds that base"):
        svg(shown(ONE), model, config("context", token=7))


def test_a_token_outside_the_sequence_is_refused(tiny_model):
    with pytest.raises(OptionsError, match="--token 30: no k-mer"):
        svg(shown(ONE), tiny_model, config("context", token=30))


def test_the_layer_of_a_context_plot_is_the_one_asked_for(tiny_model, drawn):
    received, weights = drawn("draw_context"), []
    for layer in (0, 1, None):
        svg(shown(ONE), tiny_model, config("context", explain={"layer": layer}))
        weights.append(received["arguments"][1])
    assert (weights[1] == weights[2]).all()
    assert np.abs(weights[0] - weights[1]).max() > 1e-3


def test_context_is_refused_without_attention(tmp_path):
    model = save_motif_finder(tmp_path / "finder")
    with pytest.raises(ModelError, match="without k-mer vectors and attention"):
        svg(shown(ONE), model, config("context", explain={"method": "ism"}))


@pytest.mark.parametrize(("target", "column"), [(None, 1), ("promoter", 1), ("other", 0)])
def test_the_mutation_map_is_of_the_target(tiny_model, drawn, target, column):
    received = drawn("draw_mutations")
    explain = {"method": "ism", "target": target}

    svg(shown(ONE), tiny_model, config("mutations", explain=explain))

    with Ensemble([load_model(tiny_model)], FP32) as ensemble:
        answer = ensemble.score_sequences([SEQUENCE])[0]
    assert received["arguments"][0].wild_type == pytest.approx(answer[column], abs=1e-6)
    assert received["score_label"] == f"probability of {('other', 'promoter')[column]}"


def test_faithfulness_is_told_target_shuffles_and_seed(tiny_model, monkeypatch):
    received = {}

    def measure(*_, **options):
        received.update(options)
        raise ValueError("measured")

    monkeypatch.setattr(module.faithfulness, "measure", measure)
    explain = {"method": "ig", "target": "promoter"}
    with pytest.raises(DataError, match="--plot faithfulness: measured"):
        svg(shown(ONE), tiny_model, config("faithfulness", explain=explain, seed=7, n_shuffles=2))
    assert received == {"n_shuffles": 2, "seed": 7, "target": 1}


@pytest.mark.parametrize(
    ("explain", "head", "label"),
    [
        ({}, "class", "attention of [CLS]"),
        ({"rollout": True}, "class", "attention rollout of [CLS]"),
        ({"method": "ig"}, "class", "integrated gradients (log odds)"),
        ({"method": "ism"}, "multi-label", "mean effect of substitutions (log odds)"),
        ({"method": "ism"}, "regression", "mean effect of substitutions"),
    ],
)
def test_a_score_is_named_by_method_and_head(explain, head, label):
    assert score_label(ExplainConfig(**explain), head) == label


def test_a_number_is_not_drawn_as_a_probability(tiny_model):
    task = TaskConfig(k=3, classes=("strength",), head="regression")
    found = shown(ONE, OTHER, task=task, probabilities=[[7.5], [3.0]])
    said = words(svg(found, tiny_model, config()))
    assert "probability" not in said
    assert said.index("one") < said.index("other<&")
