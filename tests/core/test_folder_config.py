"""`config.json`: what a folder says of itself, in our words or in Hugging Face's."""

import json

import pytest
import torch

from dnabert_cli.config import ModelConfig, TaskConfig
from dnabert_cli.core.folder_config import (
    config_values,
    counts_bias_twice,
    model_config,
    task_config,
    with_chunks,
)
from dnabert_cli.errors import ModelError
from tests.toys import bert_config

CONFIG = bert_config(3)
AB = {"id2label": {"0": "a", "1": "b"}}
LSTM = {"rnn.weight_ih_l0": torch.zeros(128, 32), "rnn.weight_ih_l0_reverse": torch.zeros(128, 32)}


def told(tmp_path, **values):
    return task_config(values, CONFIG, tmp_path)


@pytest.mark.parametrize(
    ("values", "head"),
    [
        (AB, "class"),
        (AB | {"problem_type": None}, "class"),
        (AB | {"problem_type": "single_label_classification"}, "class"),
        (AB | {"problem_type": "multi_label_classification"}, "multi-label"),
        (AB | {"problem_type": "regression"}, "regression"),
        ({"num_labels": 1}, "regression"),
        ({"id2label": {"0": "LABEL_0"}}, "regression"),
        (AB | {"architectures": ["BertForTokenClassification"]}, "token"),
        (AB | {"problem_type": "regression", "dnabert": {"head": "multi-label"}}, "multi-label"),
        ({"dnabert": {"k": 3, "classes": ["a", "b"]}}, "class"),
        ({"dnabert": {"k": 3, "classes": ["expression"]}}, "regression"),
    ],
)
def test_the_head_is_told(tmp_path, values, head):
    assert told(tmp_path, **values).head == head


@pytest.mark.parametrize("problem_type", ["ranking", 3, ["regression"]])
def test_an_unknown_problem_type_is_refused(tmp_path, problem_type):
    with pytest.raises(ModelError, match=r"problem_type .* is not supported"):
        told(tmp_path, **AB, problem_type=problem_type)


def test_a_single_class_is_refused(tmp_path):
    with pytest.raises(ModelError, match="'a' is the only class"):
        told(tmp_path, num_labels=1, dnabert={"classes": ["a"], "head": "class"})


@pytest.mark.parametrize(
    ("head", "architecture", "problem_type"),
    [
        ("class", "BertForSequenceClassification", "single_label_classification"),
        ("multi-label", "BertForSequenceClassification", "multi_label_classification"),
        ("regression", "BertForSequenceClassification", "regression"),
        ("token", "BertForTokenClassification", None),
    ],
)
def test_heads_are_written_in_the_words_of_hugging_face(tmp_path, head, architecture, problem_type):
    task = TaskConfig(k=3, classes=("a", "b"), head=head)

    values = json.loads(json.dumps(config_values(CONFIG, task, half=False)))

    assert values["architectures"] == [architecture]
    assert values.get("problem_type") == problem_type
    assert task_config(values, CONFIG, tmp_path) == task
    del values["dnabert"]
    assert task_config(values, CONFIG, tmp_path) == task


def test_a_model_of_masked_bases_has_no_classes(tmp_path):
    task = TaskConfig(k=3, classes=(), token_stride=3)

    values = json.loads(json.dumps(config_values(CONFIG, task, half=False)))

    assert values["architectures"] == ["BertForMaskedLM"]
    assert not {"id2label", "label2id", "problem_type"} & values.keys()
    assert task_config(values, CONFIG, tmp_path) == task


def test_a_model_of_one_chunk_says_nothing_of_chunks():
    values = config_values(CONFIG, TaskConfig(k=3, classes=("a", "b")), half=False)

    assert not {"long", "chunks", "rnn_layers", "rnn_dropout"} & values.keys()


@pytest.mark.parametrize(
    ("long", "architecture"),
    [
        ("lstm", "BertForLongSequenceClassification"),
        ("gru", "BertForLongSequenceClassification"),
        ("concat", "BertForLongSequenceClassificationCat"),
        ("mean", "BertForSequenceClassification"),
    ],
)
def test_chunks_are_written_and_read_again(tmp_path, long, architecture):
    config = bert_config(3, long=long, chunks=4, rnn_layers=3, rnn_dropout=0.25)

    values = config_values(config, TaskConfig(k=3, classes=("a", "b")), half=False)

    assert values["architectures"] == [architecture]
    assert model_config(json.loads(json.dumps(values)), tmp_path) == config


def test_the_rnn_of_an_original_config_means_nothing_without_its_weights(tmp_path):
    """The original program writes `rnn` and `split` 10 for models of one chunk too."""
    original = {"vocab_size": 69, "rnn": "lstm", "split": 10, "rnn_dropout": 0.5}

    config = model_config(original, tmp_path)

    assert with_chunks(config, original, {"classifier.weight": torch.zeros(2, 768)}) == config
    assert (config.long, config.rnn_dropout) == (None, 0.0)


@pytest.mark.parametrize(("n_rows", "long"), [(128, "lstm"), (96, "gru")])
def test_the_kind_of_an_original_rnn_is_told_by_its_weights(n_rows, long):
    weights = {
        f"rnn.weight_ih_l{i}{direction}": torch.zeros(n_rows, 32)
        for i in range(3)
        for direction in ("", "_reverse")
    }

    config = with_chunks(CONFIG, {"split": 4, "rnn_dropout": 0.5}, weights)

    assert (config.long, config.chunks) == (long, 4)
    assert (config.rnn_layers, config.rnn_dropout) == (3, 0.5)


def test_chunks_side_by_side_are_counted_in_the_weights():
    weights = {"classifier1.weight": torch.zeros(32, 5 * 32)}

    config = with_chunks(CONFIG, {"split": 10}, weights)

    assert (config.long, config.chunks) == ("concat", 5)


@pytest.mark.parametrize("changes", [{"split": "two"}, {"split": 0}, {"rnn_dropout": None}])
def test_a_broken_number_of_chunks_is_refused(changes):
    with pytest.raises(ModelError, match="it must be a"):
        with_chunks(CONFIG, {"split": 2} | changes, LSTM)


@pytest.mark.parametrize(
    ("values", "twice"),
    [
        ({}, True),  # the original's sizes alone
        ({"split": 10}, True),
        ({"split": 10, "dnabert": {"window": 300}}, True),  # with a window added by hand
        ({"split": 10, "transformers_version": "5.0"}, True),  # passed through transformers
        ({"transformers_version": "5.0"}, False),
        ({"dnabert": {"k": 3, "classes": []}}, False),
    ],
)
def test_the_bias_of_masked_bases_counts_twice_in_the_original(values, twice):
    assert counts_bias_twice(values) is twice


@pytest.mark.parametrize("arch", ["cnn", "cnn-lstm", "cnn-gru"])
def test_baselines_keep_their_names(tmp_path, arch):
    config = ModelConfig(vocab_size=9, hidden_size=8, num_hidden_layers=2, arch=arch)

    values = config_values(config, TaskConfig(k=1, classes=("a", "b")), half=False)

    assert values["model_type"] == f"dnabert-{arch}"
    assert model_config(json.loads(json.dumps(values)), tmp_path) == config
