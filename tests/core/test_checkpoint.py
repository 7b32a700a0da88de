"""Model folders: what is written is read again, and what is broken is refused in one sentence."""

import json
import pickle

import numpy as np
import pytest
import torch

from dnabert_cli.config import ModelConfig, TaskConfig
from dnabert_cli.core.baselines import ConvolutionalClassifier
from dnabert_cli.core.checkpoint import load_encoder, load_model, save_model
from dnabert_cli.errors import ModelError
from tests.toys import random_bert, save_bert

TASK = TaskConfig(k=3, classes=("other", "promoter"), window=30, anchor=10)
IDS = torch.tensor([[2, 10, 20, 30, 40, 3]])


def change_config(folder, **changes):
    path = folder / "config.json"
    values = json.loads(path.read_text())
    for name, value in changes.items():
        if value is None:
            del values[name]
        else:
            values[name] = value
    path.write_text(json.dumps(values))


def test_a_saved_model_is_read_again(tmp_path):
    network = random_bert()
    save_model(tmp_path, network, TASK)

    model = load_model(tmp_path)

    assert model.task == TASK
    assert model.network.config == network.config
    with torch.no_grad():
        assert torch.equal(model.network(IDS), network(IDS))


def test_half_precision_halves_the_file_and_changes_little(tmp_path):
    network = random_bert()
    save_model(tmp_path / "full", network, TASK)
    save_model(tmp_path / "half", network, TASK, half=True)

    model = load_model(tmp_path / "half")

    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("full", "half")]
    assert sizes[1] < 0.6 * sizes[0]
    assert next(model.network.parameters()).dtype == torch.float32
    with torch.no_grad():
        assert torch.allclose(model.network(IDS), network(IDS), atol=0.05)


def test_the_cnn_is_saved_and_read_again(tmp_path):
    torch.manual_seed(0)
    config = ModelConfig(vocab_size=9, hidden_size=8, num_hidden_layers=3, arch="cnn")
    network = ConvolutionalClassifier(config, 2)
    network(torch.randint(5, 9, (4, 50)))  # running means of batch norm take values
    save_model(tmp_path, network, TaskConfig(k=1, classes=("a", "b")), half=True)

    model = load_model(tmp_path)

    ids = torch.randint(5, 9, (2, 50))
    with torch.no_grad():
        assert torch.allclose(model.network(ids), network.eval()(ids), atol=0.02)
    assert model.network.norms[0].num_batches_tracked == 1


def test_a_folder_of_transformers_is_read(tmp_path):
    from transformers import BertConfig, BertForSequenceClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    config = BertConfig(
        vocab_size=69,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        id2label={0: "neither", 1: "donor", 2: "acceptor"},
    )
    theirs = BertForSequenceClassification(config).eval()
    theirs.save_pretrained(tmp_path)

    model = load_model(tmp_path)

    assert model.task.classes == ("neither", "donor", "acceptor")
    assert (model.task.k, model.task.window) == (3, None)
    with torch.no_grad():
        assert torch.allclose(model.network(IDS), theirs(IDS).logits, atol=1e-6)


def test_old_names_of_layer_norms_are_understood(tmp_path):
    network = random_bert()
    save_model(tmp_path, network, TASK)
    from safetensors.torch import load_file

    weights = load_file(tmp_path / "model.safetensors")
    old = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace(
            "LayerNorm.bias", "LayerNorm.beta"
        ): tensor
        for name, tensor in weights.items()
    }
    (tmp_path / "model.safetensors").unlink()
    torch.save(old, tmp_path / "pytorch_model.bin")

    with torch.no_grad():
        assert torch.equal(load_model(tmp_path).network(IDS), network(IDS))


def test_a_base_without_the_prefix_bert_is_read(tmp_path):
    """Folders saved from a bare BertModel name their weights without `bert.`."""
    network = random_bert()
    save_model(tmp_path, network, TASK)
    from safetensors.torch import load_file, save_file

    path = tmp_path / "model.safetensors"
    bare = {
        name.removeprefix("bert."): tensor
        for name, tensor in load_file(path).items()
        if name.startswith("bert.")
    }
    save_file(bare, path)

    encoder, _ = load_encoder(tmp_path)

    with torch.no_grad():
        assert torch.equal(encoder.eval()(IDS), network.encoder(IDS))


class Malicious:
    def __reduce__(self):
        return (open, ("executed", "w"))


def test_a_pickle_with_code_is_refused_and_nothing_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save_bert(tmp_path / "model", TASK)
    (tmp_path / "model" / "model.safetensors").unlink()
    (tmp_path / "model" / "pytorch_model.bin").write_bytes(
        pickle.dumps({"x": Malicious()}, protocol=2)
    )

    with pytest.raises(ModelError, match="holds more than weights and is refused"):
        load_model(tmp_path / "model")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"vocab_size": 70}, "vocab_size is 70, but 3-mers make 69"),
        ({"hidden_size": 48}, "config.json says"),
        ({"num_hidden_layers": 3}, "the weights lack bert.encoder.layer.2"),
        ({"num_attention_heads": 5}, "not a multiple"),
        ({"vocab_size": None}, "is incomplete"),
        ({"hidden_act": "relu"}, "hidden_act 'relu'"),
        ({"model_type": "gpt2"}, "model_type 'gpt2' is not supported"),
        ({"dnabert": ["a", "b"]}, "not a JSON object"),
        ({"dnabert": {"k": 3, "classes": ["a", "b"], "pooling": "max"}}, "pooling 'max'"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(tmp_path, changes, message):
    save_bert(tmp_path, TASK)
    change_config(tmp_path, **changes)

    with pytest.raises(ModelError, match=message):
        load_model(tmp_path)


def test_a_window_can_be_added_to_a_folder_that_tells_nothing_else(tmp_path):
    save_bert(tmp_path, TASK)
    change_config(tmp_path, dnabert={"window": 30, "anchor": 10})

    task = load_model(tmp_path).task

    assert (task.k, task.classes, task.window) == (3, ("other", "promoter"), 30)


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": 1_000_000},
        {"num_hidden_layers": 100_000},
        {"hidden_size": "32"},
        {"num_hidden_layers": -1},
        {"dnabert": {"k": 3, "classes": ["a", "a"]}},
        {"dnabert": {"k": 3, "classes": ["a", "b\tc"]}},
        {"dnabert": {"k": 3, "classes": ["a", "b"], "threshold": float("nan")}},
        {"dnabert": {"k": 3, "classes": ["a", "b"], "window": 30, "anchor": 30}},
        {"dnabert": {"k": 3, "classes": ["a", "b"], "calibration": 0}},
    ],
)
def test_a_hostile_config_costs_neither_memory_nor_a_traceback(tmp_path, changes):
    save_bert(tmp_path, TASK)
    change_config(tmp_path, **changes)

    with pytest.raises(ModelError):
        load_model(tmp_path)


def test_weights_without_a_place_are_refused(tmp_path):
    """A folder with a recurrent head used to answer without it."""
    save_bert(tmp_path, TASK)
    change_config(tmp_path, num_hidden_layers=1)

    with pytest.raises(ModelError, match=r"bert\.encoder\.layer\.1"):
        load_model(tmp_path)


def test_keys_of_later_versions_are_ignored(tmp_path):
    save_bert(tmp_path, TASK)
    change_config(tmp_path, dnabert=TASK.to_json() | {"invented_later": 1})

    assert load_model(tmp_path).task == TASK


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_missing_file_is_named(tmp_path, name):
    save_bert(tmp_path, TASK)
    (tmp_path / name).unlink()

    with pytest.raises(ModelError, match=name):
        load_model(tmp_path)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors"])
def test_a_truncated_file_is_named(tmp_path, name):
    save_bert(tmp_path, TASK)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: len(content) // 2])

    with pytest.raises(ModelError, match=name):
        load_model(tmp_path)


def test_another_vocabulary_order_is_refused(tmp_path):
    save_bert(tmp_path, TASK)
    lines = (tmp_path / "vocab.txt").read_text().split()
    (tmp_path / "vocab.txt").write_text("\n".join(lines[:5] + lines[:4:-1]))

    with pytest.raises(ModelError, match="not the published DNABERT-3 vocabulary"):
        load_model(tmp_path)


def test_a_model_without_a_head_says_how_to_get_one(tmp_path):
    save_bert(tmp_path, TASK)
    from safetensors.torch import load_file, save_file

    weights = load_file(tmp_path / "model.safetensors")
    save_file(
        {name: each for name, each in weights.items() if not name.startswith("classifier")},
        tmp_path / "model.safetensors",
    )

    with pytest.raises(ModelError, match="fine-tune it first: dnabert finetune"):
        load_model(tmp_path)
    load_encoder(tmp_path)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["k3_binary", "k3_3class", "k6_binary"])
def test_logits_equal_those_of_the_original_program(oracle, name):
    model = load_model(oracle / "models" / name)
    expected = np.load(oracle / "forward" / f"{name}_L512_predict.npz")
    ids = torch.from_numpy(expected["input_ids"].astype(np.int64))
    mask = torch.from_numpy(expected["attention_mask"].astype(np.int64))

    with torch.no_grad():
        logits = model.network(ids, mask).numpy()

    assert np.abs(logits - expected["logits"]).max() < 2e-5


@pytest.mark.oracle
def test_the_encoder_of_a_masked_language_model_is_a_base(oracle):
    encoder, task = load_encoder(oracle / "models" / "k3_mlm")

    assert task.k == 3
    assert encoder.config.num_hidden_layers == 2
