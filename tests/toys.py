"""Networks whose answers are known by hand, and small models on disk."""

from pathlib import Path

import torch

from dnabert_cli.config import ModelConfig, TaskConfig
from dnabert_cli.core.checkpoint import save_model
from dnabert_cli.core.network import SequenceClassifier, initialize

SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}


def bert_config(k: int = 3, **changes) -> ModelConfig:
    return ModelConfig(**{"vocab_size": 4**k + 5, **SMALL, **changes})


def random_bert(k: int = 3, *, n_labels: int = 2, pooling: str = "cls", seed: int = 0, **changes):
    """A BERT in evaluation mode with weights large enough that its answers differ."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SequenceClassifier(bert_config(k, **changes), n_labels, pooling)
        initialize(network, 0.2)
    return network.eval()


def save_bert(folder: Path, task: TaskConfig, *, seed: int = 0, **changes) -> Path:
    network = random_bert(
        task.k, n_labels=len(task.classes), pooling=task.pooling, seed=seed, **changes
    )
    save_model(folder, network, task)
    return folder
