"""The encoder against transformers' own, with the same weights; and the heads."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.config import TaskConfig
from dnabert_cli.core.checkpoint import save_model
from dnabert_cli.core.network import (
    MaskedLanguageModel,
    TokenClassifier,
    initialize,
    max_tokens,
    mean_over_kmers,
    mean_over_tokens,
)
from dnabert_cli.sequence.kmers import Tokenizer, to_base_scores
from tests.toys import bert_config, random_bert

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


def token_classifier(k=3, token_stride=1, n_labels=2):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = TokenClassifier(bert_config(k), n_labels, k, token_stride)
        initialize(network, 0.2)
    return network.eval()


@given(st.integers(3, 6), st.integers(1, 8), st.lists(st.integers(1, 9), min_size=1, max_size=4))
def test_the_mean_over_kmers_is_that_of_base_scores(k, token_stride, n_tokens):
    """The slow twin takes one row at a time, without padding."""
    tokenizer = Tokenizer(k, token_stride)
    scores = torch.randn(len(n_tokens), max(n_tokens), 2, dtype=torch.float64)
    mask = (torch.arange(max(n_tokens)) < torch.tensor(n_tokens)[:, None]).long()

    found = mean_over_kmers(scores, mask, tokenizer)

    assert found.shape[1] == tokenizer.n_bases(max(n_tokens))
    for row, n in enumerate(n_tokens):
        expected = to_base_scores(scores[row, :n].T.numpy(), k, token_stride).T
        n_bases = tokenizer.n_bases(n)
        np.testing.assert_allclose(found[row, :n_bases], np.nan_to_num(expected), atol=1e-12)
        assert (found[row, n_bases:] == 0).all()


def test_logits_of_bases_are_means_of_those_of_tokens():
    """Two 3-mers two bases apart: bases 0, 1 of the first, 2 of both, 3, 4 of the second."""
    network = token_classifier(token_stride=2)
    ids = torch.tensor([[2, 10, 20, 3]])

    with torch.no_grad():
        first, second = network.classifier(network.embed(ids))[0, 1:3]
        logits = network(ids)[0]

    expected = torch.stack((first, first, (first + second) / 2, second, second))
    assert torch.allclose(logits, expected, atol=1e-6)


def test_padding_does_not_change_the_bases():
    network = token_classifier()

    with torch.no_grad():
        padded = network(IDS, MASK)
        alone = network(IDS[1:, :5])

    assert padded.shape == (2, 6, 2)
    assert torch.allclose(padded[1:, :5], alone, atol=1e-6)
    assert padded[1, 5].abs().max() == 0


def test_logits_of_bases_are_fp32_under_autocast():
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        assert token_classifier()(IDS, MASK).dtype == torch.float32


@pytest.mark.parametrize("build", [token_classifier, lambda: MaskedLanguageModel(bert_config(3))])
def test_a_pooler_that_is_not_read_is_not_trained(build):
    network = build()

    network(IDS, MASK).sum().backward()

    frozen = {name for name, weights in network.named_parameters() if not weights.requires_grad}
    assert frozen == {"encoder.pooler.weight", "encoder.pooler.bias"}
    assert all(w.grad is not None for w in network.parameters() if w.requires_grad)


@pytest.mark.parametrize(
    ("changes", "n_tokens"),
    [({}, 510), ({"long": "lstm", "chunks": 4}, 2040), ({"arch": "cnn"}, None)],
)
def test_a_network_reads_so_many_tokens(changes, n_tokens):
    assert max_tokens(bert_config(3, **changes)) == n_tokens
