"""The encoder against transformers' own, with the same weights."""

import pytest
import torch

from dnabert_cli.config import TaskConfig
from dnabert_cli.core.checkpoint import save_model
from dnabert_cli.core.network import initialize, mean_over_tokens
from tests.toys import random_bert

IDS = torch.tensor([[2, 10, 20, 30, 40, 3], [2, 11, 21, 31, 3, 0]])
MASK = torch.tensor([[1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 0]])


@pytest.mark.parametrize("attention_mask", [None, MASK])
def test_logits_equal_those_of_transformers(tmp_path, attention_mask):
    from transformers import BertForSequenceClassification
    from transformers.utils import logging

    logging.disable_progress_bar()
    network = random_bert()
    save_model(tmp_path, network, TaskConfig(k=3, classes=("a", "b")))
    theirs = BertForSequenceClassification.from_pretrained(
        tmp_path, attn_implementation="eager"
    ).eval()

    with torch.no_grad():
        expected = theirs(IDS, attention_mask=attention_mask).logits
        found = network(IDS, attention_mask)

    assert torch.allclose(found, expected, atol=1e-5)
    assert expected.abs().max() > 0.1


def test_padding_does_not_change_the_answer():
    network = random_bert()

    with torch.no_grad():
        padded = network(IDS[1:], MASK[1:])
        alone = network(IDS[1:, :5])

    assert torch.allclose(padded, alone, atol=1e-6)


def test_mean_leaves_out_special_tokens_and_padding():
    hidden = torch.arange(12.0).reshape(2, 6, 1)

    mean = mean_over_tokens(hidden, MASK)

    # rows 1..4 of the first, 1..3 of the second: [CLS], [SEP] and [PAD] do not count
    assert mean.flatten().tolist() == [2.5, 8.0]
    assert mean_over_tokens(hidden[:1], None).item() == 2.5


def test_mean_pooling_does_not_depend_on_padding():
    network = random_bert(pooling="mean")

    with torch.no_grad():
        assert torch.allclose(network(IDS[1:], MASK[1:]), network(IDS[1:, :5]), atol=1e-6)


def test_fresh_weights_have_berts_deviation():
    torch.manual_seed(0)
    network = random_bert(hidden_size=64)
    initialize(network, 0.02)

    assert network.encoder.layers[0].intermediate.weight.std().item() == pytest.approx(
        0.02, rel=0.1
    )
    assert network.encoder.layers[0].intermediate.bias.abs().max() == 0
    assert network.encoder.embeddings.tokens.weight[0].abs().max() == 0
    assert (network.encoder.embeddings.norm.weight == 1).all()
