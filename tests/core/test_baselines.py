"""The baselines: their shape, their input, and that they learn."""

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dnabert_cli.config import ModelConfig
from dnabert_cli.core.baselines import ConvolutionalClassifier, RecurrentClassifier
from dnabert_cli.core.network import Network
from dnabert_cli.errors import ModelError
from dnabert_cli.sequence.kmers import CLS, PAD, SEP, UNK

RECURRENT = ("cnn-lstm", "cnn-gru")
ALL = ("cnn", *RECURRENT)


def build(arch="cnn", n_layers=None, width=16):
    torch.manual_seed(0)
    n_layers = n_layers or (3 if arch == "cnn" else 1)
    kind = ConvolutionalClassifier if arch == "cnn" else RecurrentClassifier
    return kind(
        ModelConfig(vocab_size=9, hidden_size=width, num_hidden_layers=n_layers, arch=arch), 2
    )


def padded_rows():
    """Rows of 3 to 41 tokens with their mask, [CLS] and [SEP] among them."""
    lengths = (3, 24, 25, 26, 27, 41)
    ids = torch.full((len(lengths), max(lengths)), PAD)
    for row, n_tokens in zip(ids, lengths, strict=True):
        row[:n_tokens] = torch.randint(5, 9, (n_tokens,))
        row[0], row[n_tokens - 1] = CLS, SEP
    return ids, (ids != PAD).long(), lengths


@pytest.mark.parametrize("arch", ALL)
@pytest.mark.parametrize("n_tokens", [3, 10, 101, 302])
def test_any_length_gives_one_row_of_logits(arch, n_tokens):
    network = build(arch).eval()

    assert isinstance(network, Network)
    assert network(torch.randint(5, 9, (4, n_tokens))).shape == (4, 2)


@pytest.mark.parametrize("arch", ALL)
def test_special_tokens_are_empty_columns(arch):
    network = build(arch).eval()
    ids = torch.randint(5, 9, (2, 40))
    variants = []
    for special in (CLS, SEP, PAD, UNK):
        changed = ids.clone()
        changed[:, 0] = special
        with torch.no_grad():
            variants.append(network(changed))

    assert all(torch.equal(variants[0], other) for other in variants[1:])


@pytest.mark.parametrize("arch", RECURRENT)
@pytest.mark.parametrize("is_training", [False, True])
def test_padding_does_not_change_the_answer_of_a_recurrent_baseline(arch, is_training):
    network = build(arch, n_layers=2).train(is_training)
    network.dropout.p = 0.0
    ids, mask, lengths = padded_rows()

    with torch.no_grad():
        together = network(ids, mask)
        alone = [network(ids[i : i + 1, :n]) for i, n in enumerate(lengths)]

    assert torch.allclose(together, torch.cat(alone), atol=1e-6)


@pytest.mark.parametrize("arch", RECURRENT)
def test_states_of_a_recurrent_baseline_do_not_depend_on_padding(arch):
    network = build(arch).eval()
    ids, mask, lengths = padded_rows()

    with torch.no_grad():
        together = network.embed(ids, mask)
        for i, n_tokens in enumerate(lengths):
            alone = network.embed(ids[i : i + 1, :n_tokens])[0]
            assert torch.allclose(together[i, : len(alone)], alone, atol=1e-6)
            assert together[i, len(alone) :].abs().sum() == 0
    assert together.shape == (len(lengths), 11, 16)


@pytest.mark.parametrize("arch", RECURRENT)
def test_a_recurrent_baseline_reads_both_ways(arch):
    network = build(arch).eval()
    ids = torch.randint(5, 9, (1, 60))
    with torch.no_grad():
        before = network.embed(ids)[0]
        changed = [ids.clone(), ids.clone()]
        changed[0][0, 0], changed[1][0, -1] = 13 - ids[0, 0], 13 - ids[0, -1]
        from_left, from_right = (network.embed(one)[0] for one in changed)

    # the first half of D is read from the left, the second from the right
    assert (from_left[-1, :8] != before[-1, :8]).any()
    assert (from_right[0, 8:] != before[0, 8:]).any()
    assert torch.equal(from_right[0, :8], before[0, :8])


@pytest.mark.parametrize("arch", RECURRENT)
def test_an_odd_width_cannot_be_shared_by_two_directions(arch):
    with pytest.raises(ModelError, match=f"hidden_size 15 of a {arch} is not even"):
        build(arch, width=15)


@pytest.mark.parametrize(("arch", "rate"), [("cnn", 3e-3), ("cnn-lstm", 1e-2), ("cnn-gru", 1e-2)])
def test_it_learns_a_motif(arch, rate):
    generator = np.random.default_rng(0)
    ids = torch.from_numpy(generator.integers(5, 9, (128, 60)))
    labels = torch.arange(128) % 2
    for row in range(1, 128, 2):
        start = int(generator.integers(5, 45))
        ids[row, start : start + 8] = torch.tensor([5, 6, 5, 6, 7, 8, 7, 8])
    network = build(arch)
    optimizer = torch.optim.AdamW(network.parameters(), lr=rate)
    for _ in range(40):
        optimizer.zero_grad()
        F.cross_entropy(network(ids), labels).backward()
        optimizer.step()

    with torch.no_grad():
        accuracy = (network.eval()(ids).argmax(1) == labels).float().mean()
    assert accuracy > 0.9
