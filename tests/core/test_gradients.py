"""Integrated gradients: they add up to the answer, and agree with a slow sum."""

import dataclasses

import numpy as np
import pytest
import torch

from dnabert_cli.config import ComputeConfig, TaskConfig
from dnabert_cli.core.checkpoint import Model
from dnabert_cli.core.device import CPU
from dnabert_cli.core.gradients import IntegratedGradients
from dnabert_cli.core.importance import Importance, ImportanceOptions
from dnabert_cli.core.infer import log_odds
from dnabert_cli.core.network import initialize
from dnabert_cli.sequence.kmers import to_base_scores
from tests.toys import random_bert

TASK = TaskConfig(k=3, classes=("a", "b", "c"), calibration=1.5)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def build(pooling="cls"):
    """A network so steep that answers depend on the bases."""
    network = random_bert(n_labels=3, pooling=pooling)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        initialize(network, 0.35)
    return network


def some_ids(n_windows, n_tokens):
    ids = torch.randint(5, 69, (n_windows, n_tokens), generator=torch.Generator().manual_seed(1))
    ids[:, 0], ids[:, -1] = 2, 3
    return ids


@pytest.mark.parametrize("head", ["class", "multi-label", "regression"])
@pytest.mark.parametrize("pooling", ["cls", "mean"])
def test_attributions_add_up_to_the_change_of_the_answer(head, pooling):
    network, ids = build(pooling), some_ids(6, 30)
    task = dataclasses.replace(TASK, head=head)
    gradients = IntegratedGradients(network, task, CPU)

    attributions = gradients(ids, 2, 32)

    change = gradients.score(ids, 2) - gradients.score(ids, 2, 0)
    with torch.no_grad():
        assert torch.allclose(gradients.score(ids, 2), log_odds(network(ids), task, 2), atol=1e-5)
    assert attributions.shape == (6, 28)
    assert (attributions.sum(1) - change).abs().max() < 1e-3
    assert change.abs().max() > 0.3


def test_more_steps_add_up_more_exactly():
    gradients, ids = IntegratedGradients(build(), TASK, CPU), some_ids(6, 30)
    change = gradients.score(ids, 1) - gradients.score(ids, 1, 0)

    gaps = [(gradients(ids, 1, n).sum(1) - change).abs().max() for n in (1, 4, 64)]

    assert gaps[0] > gaps[1] > gaps[2]
    assert gaps[2] < 1e-4


def test_attributions_equal_a_slow_sum_over_the_path():
    """Five hundred equal steps, with the word vectors put into the network's table."""
    network, ids = build(), some_ids(1, 8)
    table = network.encoder.embeddings.tokens.weight.detach().clone()
    kmers = ids[0, 1:-1]
    change = table[kmers] - table[5:].mean(0)
    unique = torch.arange(5, 5 + len(kmers))  # each k-mer gets a row of its own
    row = torch.cat((ids[:, :1], unique[None], ids[:, -1:]), dim=1)
    total = torch.zeros_like(change)
    n_steps = 500
    for step in range(n_steps):
        share = (step + 0.5) / n_steps
        network.encoder.embeddings.tokens.weight.data[unique] = table[5:].mean(0) + share * change
        network.zero_grad()
        log_odds(network(row), TASK, 1).sum().backward()
        total += network.encoder.embeddings.tokens.weight.grad[unique] / n_steps
    network.encoder.embeddings.tokens.weight.data = table

    found = IntegratedGradients(network, TASK, CPU)(ids, 1, 64)

    assert (found[0] - (total * change).sum(1)).abs().max() < 1e-3


def test_parts_of_a_batch_and_of_the_path_change_nothing():
    gradients, ids = IntegratedGradients(build(), TASK, CPU), some_ids(5, 20)
    together = gradients(ids, 1, 8)

    gradients._at_once = 60  # three windows, then two; one point at a time
    parts = gradients(ids, 1, 8)

    assert (together - parts).abs().max() < 1e-5


def test_the_network_is_not_changed():
    network, ids = build(), some_ids(2, 20)
    before = {name: weights.clone() for name, weights in network.state_dict().items()}

    IntegratedGradients(network, TASK, CPU)(ids, 1, 2)

    assert network.state_dict().keys() == before.keys()
    assert all(torch.equal(before[name], each) for name, each in network.state_dict().items())
    assert all(weights.requires_grad for weights in network.parameters())


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_bases_are_the_mean_over_kmers_each_for_its_own_class(precision):
    """Some of these sequences are called b, some c."""
    network = build()
    model = Model(network, TASK, "m", None)
    generator = np.random.default_rng(0)
    sequences = ["".join(generator.choice(list("ACGT"), 20)) for _ in range(12)]
    compute = ComputeConfig(precision=precision, threads=1)

    with Importance([model], compute, ImportanceOptions(method="ig", steps=8)) as importance:
        scores, answers = importance.scores(sequences)

    targets = 1 + answers[:, 1:].argmax(1)
    gradients = IntegratedGradients(network, TASK, CPU)
    for sequence, target, found in zip(sequences, targets.tolist(), scores, strict=True):
        ids = torch.tensor([[2, *model.tokenizer.encode(sequence).tolist(), 3]])
        expected = to_base_scores(gradients(ids, target, 8)[0].numpy(), 3)
        assert np.abs(found - expected).max() < 1e-5
    assert len(set(targets.tolist())) == 2
