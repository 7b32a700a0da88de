"""The page of `viz`: one file, every name in it and none of them as HTML."""

import json
import re

import numpy as np
import pytest

from dnabert_cli.explain_config import ExplainConfig, VizConfig
from dnabert_cli.tasks import viz_html as module
from dnabert_cli.tasks.viz_html import page
from tests.viz_toys import FP32, example, random_sequence, save_motif_finder, shown

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(1)>"
SEQUENCE = random_sequence(5, 30)
SCORES = np.linspace(0, 1, 30)
ROWS = [
    (example(SEQUENCE, "first", "chr1", 5, "-", label="up"), SCORES),
    (example(SEQUENCE[:20], HOSTILE), SCORES[:20]),
    (example("AC", "../../x"), [np.nan, np.nan]),
]
ANSWERS = [[0.75, 0.25], [0.5, 0.5], [np.nan, np.nan]]
CONFIG = VizConfig(compute=FP32)


def made(model, rows=ROWS, answers=ANSWERS, settings=CONFIG, **changes):
    return page(shown(*rows, probabilities=answers, **changes), [str(model)], settings)


def data_of(text):
    return json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])


def test_names_are_there_and_hostile_ones_are_text(tiny_model):
    text = made(tiny_model)

    assert '<th scope="row">first</th>' in text
    assert "../../x" in text
    assert "<script>alert" not in text
    assert "<img" not in text
    assert [one["name"] for one in data_of(text)["sequences"]] == ["first", HOSTILE, "../../x"]


def test_the_page_asks_for_no_other_file(tiny_model):
    text = made(tiny_model)
    assert re.findall(r"""(?:src|href)=["'](?!data:)""", text) == []
    assert "default-src 'none'" in text


def test_scores_places_and_answers_are_those_that_were_found(tiny_model):
    first, other, short = data_of(made(tiny_model))["sequences"]

    assert first["scores"] == pytest.approx(SCORES, abs=1e-3)
    assert (first["chrom"], first["start"], first["strand"]) == ("chr1", 5, "-")
    assert [one["probability"] for one in (first, other, short)] == [0.25, 0.5, None]
    assert [one["label"] for one in (first, other, short)] == ["up", None, None]
    assert short["scores"] == [None, None]


def test_attention_is_that_of_the_most_probable_sequences(tiny_model, monkeypatch):
    monkeypatch.setattr(module, "N_WITH_ATTENTION", 1)
    attention = data_of(made(tiny_model))["attention"]
    assert list(attention) == ["1"]
    assert attention["1"]["layers"] == [0, 1]
    assert attention["1"]["starts"] == [-1, *range(18), -1]


def test_the_last_layers_are_kept_where_not_all_fit(tiny_model, monkeypatch):
    monkeypatch.setattr(module, "_MOST_WEIGHTS", 2 * 20**2 + 10)  # two heads of 20 tokens, once
    attention = data_of(made(tiny_model))["attention"]
    assert [heads["layers"] for heads in attention.values()] == [[1]]


def test_a_network_without_attention_gives_a_page_without(tmp_path):
    model = save_motif_finder(tmp_path / "finder")
    settings = VizConfig(compute=FP32, explain=ExplainConfig(method="ism"))
    data = data_of(made(model, settings=settings))
    assert data["attention"] == {}
    assert data["scoreLabel"] == "mean effect of substitutions (log odds)"


def test_the_anchor_is_marked_where_there_is_one(tiny_model):
    assert data_of(made(tiny_model))["anchor"] is None
    assert data_of(made(tiny_model, anchor=10))["anchor"] == 10
