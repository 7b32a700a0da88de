"""Every bundled model loads, is small, and reproduces a number of its card."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest

from dnabert_cli.analysis.metrics import auprc, auroc
from dnabert_cli.config import ComputeConfig
from dnabert_cli.core.checkpoint import load_encoder, load_model
from dnabert_cli.core.ensemble import Ensemble
from dnabert_cli.errors import ModelError
from dnabert_cli.formats.tables import read_examples
from dnabert_cli.zoo import bundled_bases, bundled_models, find_model, read_preset

ROOT = Path(__file__).resolve().parents[1]
GENOMIC_DEV = "prom300_genomic_dev.tsv.gz"


@pytest.mark.parametrize("name", bundled_models())
def test_a_bundled_model_can_scan(name):
    assert load_model(find_model(name)).task.window is not None


@pytest.mark.parametrize("name", bundled_bases())
def test_a_bundled_base_begins_a_training(name):
    encoder, task = load_encoder(find_model(name))

    assert encoder.config.vocab_size == 4**task.k + 5
    with pytest.raises(ModelError, match="has no classification head"):
        load_model(find_model(name))


@pytest.mark.parametrize("name", [*bundled_models(), *bundled_bases()])
def test_a_bundled_model_carries_its_card(name):
    folder = find_model(name)

    for file in ("CARD.md", "run.toml", "metrics.json", "vocab.txt"):
        assert (folder / file).is_file()
    assert name in (ROOT / "models" / "README.md").read_text()


@pytest.mark.parametrize("name", bundled_models())
def test_the_card_quotes_the_measured_figures(name):
    folder = find_model(name)
    card = (folder / "CARD.md").read_text()
    figures = json.loads((folder / "metrics.json").read_text())

    for part, values in figures.items():
        if part in (GENOMIC_DEV, "test", "test.tsv"):
            for metric in ("auroc", "auprc"):
                assert f"{values[metric]:.3f}" in card


def test_the_example_genome_is_what_its_script_writes():
    script = runpy.run_path(str(ROOT / "tests" / "make_example_genome.py"))

    assert (ROOT / "models" / "example" / "genome.fa").read_text() == script["example_genome"]()


@pytest.mark.parametrize("k", [3, 4, 5, 6])
def test_the_published_architectures_are_there(k):
    preset = read_preset(f"dnabert-{k}")

    assert preset["k"] == k
    assert preset["architecture"]["hidden_size"] == 768


@pytest.mark.realdata
def test_the_promoter_model_reproduces_its_card_on_genomic_windows(real_data):
    folder = find_model("prom")
    expected = json.loads((folder / "metrics.json").read_text())[GENOMIC_DEV]
    examples = list(read_examples(str(real_data / "promoter" / GENOMIC_DEV)))
    labels = np.array([int(example.label) for example in examples])

    with Ensemble([load_model(folder)], ComputeConfig()) as ensemble:
        scores = ensemble.score_sequences([example.sequence for example in examples])

    # bf16 or fp32, depending on the machine: ranks move a little
    assert auroc(labels, scores) == pytest.approx(expected["auroc"], abs=0.005)
    assert auprc(labels, scores) == pytest.approx(expected["auprc"], abs=0.02)
