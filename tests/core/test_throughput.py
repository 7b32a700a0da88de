"""Operations of training, counted by hand and by torch."""

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from dnabert_cli.core.network import MaskedLanguageModel
from dnabert_cli.core.throughput import operations_per_token, peak_operations
from tests.toys import bert_config


def test_a_processor_has_no_known_peak():
    assert peak_operations(torch.device("cpu")) is None


def test_known_cards_are_told_by_their_name(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H100 80GB HBM3")

    assert peak_operations(torch.device("cuda")) == 989e12


def test_unknown_cards_have_none(monkeypatch):
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "Vanity 9000")

    assert peak_operations(torch.device("cuda")) is None


def test_operations_of_the_weights_are_those_torch_counts():
    config = bert_config(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    network = MaskedLanguageModel(config)
    ids = torch.randint(5, 69, (2, 50))
    with FlopCounterMode(display=False) as counter:
        logits = network(ids)
        logits.sum().backward()

    counted = counter.get_total_flops() / ids.numel()

    # torch does not count fused attention on a processor: 0 tokens attended
    assert operations_per_token(config, 0, 1.0) == pytest.approx(counted)


def test_attention_grows_with_the_tokens():
    config = bert_config()
    # scores and context: each 2 operations per token attended and width, in 2 layers of 32
    forward = 2 * 2 * 2 * 50 * 32

    difference = operations_per_token(config, 50) - operations_per_token(config, 0)

    assert difference == pytest.approx(3 * forward)
