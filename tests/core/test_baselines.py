"""The CNN baseline: its shape, its input, and that it learns."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dnabert_cli.config import ModelConfig
from dnabert_cli.core.baselines import ConvolutionalClassifier
from dnabert_cli.sequence.kmers import CLS, PAD, SEP, UNK


def build(n_layers=3):
    torch.manual_seed(0)
    return ConvolutionalClassifier(
        ModelConfig(vocab_size=9, hidden_size=16, num_hidden_layers=n_layers, arch="cnn"), 2
    )


@pytest.mark.parametrize("n_tokens", [3, 10, 101, 302])
def test_any_length_gives_one_row_of_logits(n_tokens):
    network = build().eval()

    assert network(torch.randint(5, 9, (4, n_tokens))).shape == (4, 2)


def test_special_tokens_are_empty_columns():
    network = build().eval()
    ids = torch.randint(5, 9, (2, 40))
    variants = []
    for special in (CLS, SEP, PAD, UNK):
        changed = ids.clone()
        changed[:, 0] = special
        with torch.no_grad():
            variants.append(network(changed))

    assert all(torch.equal(variants[0], other) for other in variants[1:])


def test_it_learns_a_motif():
    generator = np.random.default_rng(0)
    ids = torch.from_numpy(generator.integers(5, 9, (128, 60)))
    labels = torch.arange(128) % 2
    for row in range(1, 128, 2):
        start = int(generator.integers(5, 45))
        ids[row, start : start + 8] = torch.tensor([5, 6, 5, 6, 7, 8, 7, 8])
    network = build()
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    for _ in range(30):
        optimizer.zero_grad()
        F.cross_entropy(network(ids), labels).backward()
        optimizer.step()

    with torch.no_grad():
        accuracy = (network.eval()(ids).argmax(1) == labels).float().mean()
    assert accuracy > 0.9
