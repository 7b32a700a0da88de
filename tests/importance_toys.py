"""A model and sequences whose importance is asked for."""

import numpy as np
import torch

from dnabert_cli.config import ComputeConfig, TaskConfig
from dnabert_cli.core.checkpoint import Model, build_network
from dnabert_cli.core.importance import Importance, ImportanceOptions
from dnabert_cli.core.network import initialize
from tests.toys import bert_config

FP32 = ComputeConfig(precision="fp32", threads=1)
BF16 = ComputeConfig(precision="bf16", threads=1)
PAPER = ImportanceOptions()
TASK = TaskConfig(k=3, classes=("other", "promoter"))
GENERATOR = np.random.default_rng(4)
SEQUENCES = ["".join(GENERATOR.choice(list("ACGT"), n)) for n in (20, 31, 20, 12, 3)]


def build(task=TASK, *, seed=0, **changes):
    """A BERT of 3 layers with random weights, or whatever the changes make of it."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        sizes = changes or {"num_hidden_layers": 3}
        network = build_network(bert_config(task.k, **sizes), task)
        initialize(network, 0.2)
    return Model(network.eval(), task, f"model{seed}", None)


def explain(models, sequences, options=PAPER, compute=FP32):
    with Importance(models if isinstance(models, list) else [models], compute, options) as one:
        return one.scores(sequences)
