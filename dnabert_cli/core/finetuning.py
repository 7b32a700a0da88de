"""Fine-tuning of classifiers: the network to start from, its loss, and one run of the loop.

The loop itself is `loop.fit`; this file hands it what fine-tuning is made of.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dnabert_cli.config import FinetuneConfig, ModelConfig
from dnabert_cli.core.baselines import ConvolutionalClassifier
from dnabert_cli.core.batches import Batch, LabelledRows
from dnabert_cli.core.checkpoint import build_network, load_encoder
from dnabert_cli.core.device import n_threads, resolve_device, resolve_precision, seed_everything
from dnabert_cli.core.loop import LoopSettings, LoopState, Trainer, fit
from dnabert_cli.core.network import SequenceClassifier, initialize
from dnabert_cli.core.optimize import build_optimizer, build_schedule
from dnabert_cli.progress import SILENT, Progress
from dnabert_cli.sequence.kmers import Tokenizer

Classifier = SequenceClassifier | ConvolutionalClassifier

# The CNN every claim stands beside: three layers of 128 filters over single bases.
_CNN: dict[str, Any] = {"hidden_size": 128, "num_hidden_layers": 3}
# Options a resumed run may change, because they decide nothing before its last step.
_AFTER_TRAINING = (
    "compute", "class_names", "background", "anchor", "stride", "half", "threshold_fpr",
)  # fmt: skip
# Tokens that go through the network at once in training; more only costs memory.
_TOKENS_PER_PIECE = 16384


def build_classifier(
    config: FinetuneConfig, n_labels: int, base: Path | None, preset: dict[str, Any]
) -> tuple[Classifier, Tokenizer]:
    """Return the network to start from and the tokenizer it reads with.

    Args:
        config: architecture, dropout, pooling and seed.
        n_labels: number of classes.
        base: model folder whose encoder is taken over; `None` starts from random weights.
        preset: parsed preset (`zoo.read_preset`), used without a base.
    """
    seed_everything(config.seed)
    dropout: dict[str, Any] = {
        "hidden_dropout_prob": config.hidden_dropout,
        "attention_probs_dropout_prob": config.attention_dropout,
    }
    if config.arch == "cnn":
        tokenizer = Tokenizer(1)
        cnn = ModelConfig(vocab_size=tokenizer.vocab_size, arch="cnn", **_CNN | dropout)
        return build_network(cnn, n_labels, "cls"), tokenizer
    if base is None:
        tokenizer = Tokenizer(int(preset["k"]), config.token_stride or 1)
        sizes = ModelConfig(vocab_size=tokenizer.vocab_size, **preset["architecture"] | dropout)
        return _fresh_classifier(sizes, n_labels, config.pooling), tokenizer
    encoder, task = load_encoder(base)
    sizes = dataclasses.replace(encoder.config, **dropout)
    classifier = _fresh_classifier(sizes, n_labels, config.pooling)
    classifier.encoder.load_state_dict(encoder.state_dict())
    return classifier, Tokenizer(task.k, config.token_stride or task.token_stride)


def _fresh_classifier(sizes: ModelConfig, n_labels: int, pooling: str) -> SequenceClassifier:
    network = SequenceClassifier(sizes, n_labels, pooling)
    initialize(network, sizes.initializer_range)
    return network


def classification_loss(label_smoothing: float) -> Callable[[nn.Module, Batch], Tensor]:
    """Return the cross-entropy of a batch, the mean over its rows."""

    def loss(network: nn.Module, batch: Batch) -> Tensor:
        logits = network(batch.ids, batch.mask)
        return F.cross_entropy(logits.float(), batch.labels, label_smoothing=label_smoothing)

    return loss


def train_classifier(
    network: Classifier,
    rows: LabelledRows,
    evaluate: Callable[[Classifier], dict[str, float]],
    config: FinetuneConfig,
    *,
    state_path: Path,
    should_stop: Callable[[], bool] = lambda: False,
    progress: Progress = SILENT,
) -> LoopState:
    """Run the loop over `rows` and leave the best weights in `network`, on the CPU.

    Args:
        network: from `build_classifier`.
        rows: the training part.
        evaluate: figures on the development part; `auprc` decides.
        config: schedule and sizes.
        state_path: where the resume state lies.
        should_stop: asked after every step.
        progress: told of every step.
    """
    device = resolve_device(config.compute.device)
    if device.type == "cpu":
        torch.set_num_threads(n_threads(config.compute.threads))
    network.to(device)
    settings = _settings(network, rows, config, device)
    n_steps = settings.epochs * settings.steps_per_epoch
    optimizer = build_optimizer(
        network, learning_rate=config.learning_rate, weight_decay=config.weight_decay
    )
    trainer = Trainer(
        network=network,
        optimizer=optimizer,
        schedule=build_schedule(
            optimizer, n_steps=n_steps, warmup_steps=int(config.warmup * n_steps)
        ),
        batches=lambda epoch: rows.epoch(epoch, batch_size=config.batch_size, seed=config.seed),
        loss=classification_loss(config.label_smoothing),
        evaluate=evaluate,  # type: ignore[arg-type]  # the loop gives back this very network
        metric="auprc",
        should_stop=should_stop,
    )
    run_key = _run_key(config, rows)
    state = fit(trainer, settings, state_path=state_path, run_key=run_key, progress=progress)
    network.to("cpu").eval()
    return state


def _run_key(config: FinetuneConfig, rows: LabelledRows) -> str:
    """Checksum of what decides the steps of a run; a resumed one must agree in it."""
    kept = {name: one for name, one in vars(config).items() if name not in _AFTER_TRAINING}
    return hashlib.sha256(f"{sorted(kept.items())} {rows.checksum()}".encode()).hexdigest()


def _settings(
    network: Classifier, rows: LabelledRows, config: FinetuneConfig, device: torch.device
) -> LoopSettings:
    steps = rows.n_batches(config.batch_size)
    is_bert = isinstance(network, SequenceClassifier)
    return LoopSettings(
        epochs=config.epochs,
        steps_per_epoch=steps,
        evaluate_every=max(1, steps // config.evaluations_per_epoch),
        patience=config.patience,
        max_gradient_norm=config.max_gradient_norm,
        rows_per_piece=max(1, _TOKENS_PER_PIECE // rows.max_tokens),
        # batch norm and short convolutions gain nothing from half precision on a CPU
        dtype=resolve_precision(config.compute.precision, device) if is_bert else torch.float32,
        device=device,
    )
