"""Folders of every head and length: ours, those of transformers, those of the original program."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dnabert_cli.config import ComputeConfig, TaskConfig
from dnabert_cli.core.checkpoint import (
    build_network,
    load_encoder,
    load_masked_model,
    load_model,
    save_model,
)
from dnabert_cli.core.ensemble import Ensemble
from dnabert_cli.core.network import MaskedLanguageModel, initialize
from dnabert_cli.errors import ModelError
from tests.toys import bert_config

MASKED = TaskConfig(k=3, classes=(), token_stride=3)
IDS = torch.tensor([[2, 10, 20, 30, 40, 3], [2, 11, 21, 31, 3, 0]])
MASK = (IDS != 0).long()
FP32 = ComputeConfig(precision="fp32", threads=1)


def build(task, **changes):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = build_network(bert_config(task.k, **changes), task)
        initialize(network, 0.2)
    return network.eval()


def masked_model():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = MaskedLanguageModel(bert_config(3))
        initialize(network, 0.2)
        torch.nn.init.normal_(network.bias)
    return network.eval()


def save_with_transformers(folder, class_name, **changes):
    import transformers
    from transformers.utils import logging

    logging.disable_progress_bar()
    torch.manual_seed(0)
    config = transformers.BertConfig(**dataclasses.asdict(bert_config(3)) | changes)
    network = getattr(transformers, class_name)(config).eval()
    network.save_pretrained(folder)
    return network


def load_with_transformers(folder, class_name):
    """Load with the class named, and return what it missed of its weights too."""
    import transformers
    from transformers.utils import logging

    logging.disable_progress_bar()
    before = logging.get_verbosity()
    logging.set_verbosity_error()  # it tells of the pooler it has no use for
    try:
        network, told = getattr(transformers, class_name).from_pretrained(
            folder, attn_implementation="eager", output_loading_info=True
        )
    finally:
        logging.set_verbosity(before)
    return network.eval(), told["missing_keys"]


def change_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("half", [False, True])
def test_a_saved_masked_model_is_read_again(tmp_path, half):
    network = masked_model()
    save_model(tmp_path, network, MASKED, half=half)

    loaded, task = load_masked_model(tmp_path)

    assert task == MASKED
    with torch.no_grad():
        assert torch.allclose(loaded(IDS, MASK), network(IDS, MASK), atol=0.05 if half else 0)


def test_transformers_reads_our_masked_model(tmp_path):
    network = masked_model()
    save_model(tmp_path, network, MASKED)

    theirs, missing = load_with_transformers(tmp_path, "BertForMaskedLM")

    assert not missing
    with torch.no_grad():
        expected = theirs(IDS, attention_mask=MASK).logits.flatten(0, 1)
        assert torch.allclose(network(IDS, MASK), expected, atol=1e-5)


def test_a_masked_model_of_transformers_is_read_with_its_bias_once(tmp_path):
    """Such a folder has no pooler."""
    theirs = save_with_transformers(tmp_path, "BertForMaskedLM")
    with torch.no_grad():
        theirs.cls.predictions.bias.normal_()
    theirs.save_pretrained(tmp_path)

    loaded, task = load_masked_model(tmp_path)

    assert (task.k, task.classes) == (3, ())
    with torch.no_grad():
        expected = theirs(IDS, attention_mask=MASK).logits.flatten(0, 1)
        assert torch.allclose(loaded(IDS, MASK), expected, atol=1e-5)


def test_a_masked_model_cannot_classify_and_says_what_to_do(tmp_path):
    save_model(tmp_path, masked_model(), MASKED)

    with pytest.raises(ModelError, match=r"no classification head \(hint: fine-tune it first"):
        load_model(tmp_path)


def test_a_masked_model_is_a_base(tmp_path):
    network = masked_model()
    save_model(tmp_path, network, MASKED)

    encoder, task = load_encoder(tmp_path)

    assert (task.k, task.token_stride) == (3, 3)
    with torch.no_grad():
        assert torch.equal(encoder.eval()(IDS), network.encoder(IDS))


def test_a_classifier_has_no_head_for_masked_bases(tmp_path):
    task = TaskConfig(k=3, classes=("a", "b"))
    save_model(tmp_path, build(task), task)

    with pytest.raises(ModelError, match="has no head for masked bases"):
        load_masked_model(tmp_path)


def test_a_decoder_of_its_own_is_refused(tmp_path):
    from safetensors.torch import load_file, save_file

    save_model(tmp_path, masked_model(), MASKED)
    weights = load_file(tmp_path / "model.safetensors")
    weights["cls.predictions.decoder.weight"] = torch.zeros(69, 32)
    save_file(weights, tmp_path / "model.safetensors")

    with pytest.raises(ModelError, match="is not the table of the token vectors"):
        load_masked_model(tmp_path)


def test_classes_are_for_classifiers():
    with pytest.raises(AssertionError, match="classes are for classifiers"):
        save_model(None, masked_model(), TaskConfig(k=3, classes=("a", "b")))


@pytest.mark.parametrize("head", ["class", "multi-label", "regression", "token"])
def test_every_head_is_saved_and_read_again(tmp_path, head):
    task = TaskConfig(k=3, classes=("a", "b"), head=head, token_stride=2)
    network = build(task)
    save_model(tmp_path, network, task)

    model = load_model(tmp_path)

    assert model.task == task
    with torch.no_grad():
        assert torch.equal(model.network(IDS, MASK), network(IDS, MASK))


@pytest.mark.parametrize("long", ["lstm", "gru", "concat", "mean"])
def test_every_long_model_is_saved_and_read_again(tmp_path, long):
    task = TaskConfig(k=3, classes=("a", "b"))
    network = build(task, long=long, chunks=3, max_position_embeddings=4)
    save_model(tmp_path, network, task)
    ids = torch.tensor([[2, 7, 8, 3, 2, 9, 3, 0, 0, 0, 0, 0]])

    model = load_model(tmp_path)

    assert model.max_tokens == 6
    with torch.no_grad():
        assert torch.equal(model.network(ids, (ids != 0).long()), network(ids, (ids != 0).long()))


@pytest.mark.parametrize("arch", ["cnn-lstm", "cnn-gru"])
def test_recurrent_baselines_are_saved_and_read_again(tmp_path, arch):
    task = TaskConfig(k=1, classes=("a", "b"))
    network = build(task, arch=arch)
    save_model(tmp_path, network, task)
    ids = torch.tensor([[2, 5, 6, 7, 8, 8, 7, 3]])

    model = load_model(tmp_path)

    assert model.max_tokens is None
    with torch.no_grad():
        assert torch.equal(model.network(ids), network(ids))


def test_the_base_of_a_long_model_is_that_of_its_chunks(tmp_path):
    task = TaskConfig(k=3, classes=("a", "b"))
    network = build(task, long="lstm", chunks=3)
    save_model(tmp_path, network, task)

    encoder, _ = load_encoder(tmp_path)

    assert encoder.config == bert_config(3)
    assert torch.equal(encoder.pooler.weight, network.encoder.pooler.weight)


@pytest.mark.parametrize("changes", [{"rnn_layers": 100_000}, {"long": "concat", "chunks": 90_000}])
def test_a_hostile_long_model_costs_no_memory(tmp_path, changes):
    task = TaskConfig(k=3, classes=("a", "b"))
    save_model(tmp_path, build(task, long="lstm", chunks=2), task)
    change_config(tmp_path, **changes)

    with pytest.raises(ModelError, match=r"config\.json says .* or more"):
        load_model(tmp_path)


@pytest.mark.parametrize("changes", [{"long": "mean", "chunks": 2}, {"arch": "cnn"}])
def test_only_a_bert_of_one_chunk_answers_per_base(tmp_path, changes):
    task = TaskConfig(k=3, classes=("a", "b"))
    save_model(tmp_path, build(task, **changes), task)
    change_config(tmp_path, dnabert=task.to_json() | {"head": "token"})

    with pytest.raises(ModelError, match="head token is for a BERT of one chunk"):
        load_model(tmp_path)


def test_a_head_without_classes_is_refused(tmp_path):
    task = TaskConfig(k=3, classes=("a", "b"))
    save_model(tmp_path, build(task), task)
    change_config(tmp_path, dnabert=task.to_json() | {"classes": []})

    with pytest.raises(ModelError, match=r"config\.json names no classes"):
        load_model(tmp_path)


def test_transformers_reads_our_token_classifier(tmp_path):
    """Its logits are those of the tokens, of which ours are the means."""
    task = TaskConfig(k=3, classes=("a", "b", "c"), head="token")
    network = build(task)
    save_model(tmp_path, network, task)

    theirs, missing = load_with_transformers(tmp_path, "BertForTokenClassification")

    assert not missing
    with torch.no_grad():
        of_tokens = theirs(IDS[:1]).logits
        of_bases = network(IDS[:1])
    assert torch.allclose(of_bases[:, 0], of_tokens[:, 1], atol=1e-5)
    assert torch.allclose(of_bases[:, 2], of_tokens[:, 1:4].mean(1), atol=1e-5)


def test_a_token_classifier_of_transformers_is_read(tmp_path):
    theirs = save_with_transformers(
        tmp_path, "BertForTokenClassification", id2label={0: "out", 1: "in"}
    )

    model = load_model(tmp_path)

    assert (model.task.head, model.task.classes) == ("token", ("out", "in"))
    with torch.no_grad():
        expected = theirs(IDS[:1]).logits[:, 1]
        assert torch.allclose(model.network(IDS[:1])[:, 0], expected, atol=1e-5)


@pytest.mark.oracle
@pytest.mark.parametrize("with_mask", [False, True])
def test_masked_bases_are_predicted_as_by_the_original(oracle, with_mask):
    network, _ = load_masked_model(oracle / "models" / "k3_mlm")
    expected = np.load(oracle / "forward" / "k3_mlm.npz")
    ids, mask, labels = (
        torch.from_numpy(expected[name].astype(np.int64))
        for name in ("input_ids", "attention_mask", "labels")
    )
    suffix = "mask" if with_mask else "nomask"

    with torch.no_grad():
        logits = network(ids, mask if with_mask else None)
        loss = F.cross_entropy(logits, labels.flatten()).item()

    theirs = expected[f"logits_{suffix}"].reshape(logits.shape)
    assert np.abs(logits.numpy() - theirs).max() < 2e-5
    assert loss == pytest.approx(expected[f"loss_{suffix}"].item(), abs=2e-5)


@pytest.mark.oracle
@pytest.mark.parametrize("name", ["k6_dnalong_lstm2", "k3_dnalongcat"])
def test_long_sequences_are_predicted_as_by_the_original(oracle, name):
    """The whole road: folder, tokens, layout and network. The original cuts at 1020 tokens."""
    expected = np.load(oracle / "forward" / f"{name}_L1024_predict.npz")
    model = load_model(oracle / "models" / name)
    lines = (oracle / "inputs" / "long.tsv").read_text().splitlines()[1:]
    longest = model.tokenizer.n_bases(model.max_tokens)
    sequences = [line.split("\t")[1][:longest] for line in lines]

    ids = torch.from_numpy(expected["input_ids"].astype(np.int64))
    with torch.no_grad():
        logits = model.network(ids, (ids != 0).long()).numpy()
    with Ensemble([model], FP32) as ensemble:
        answers = ensemble.score_sequences(sequences)

    assert model.max_tokens == 1020
    assert np.abs(logits - expected["logits"]).max() < 2e-5
    assert np.abs(answers[:, 1] - expected["probs"]).max() < 2e-5
    assert expected["probs"].std() > 1e-3


@pytest.mark.oracle
def test_the_original_regression_predicts_a_number(oracle):
    model = load_model(oracle / "models" / "k6_regression")

    with Ensemble([model], FP32) as ensemble:
        answers = ensemble.score_sequences(["ACGTACGTTGCA", "TTTTTTTTTTTT"])

    assert (model.task.head, model.task.classes) == ("regression", ("LABEL_0",))
    assert answers.shape == (2, 1)
    assert np.isfinite(answers).all()
