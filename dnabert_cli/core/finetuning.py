"""Fine-tuning: the network to start from, the loss of each head, and one run of the loop.

The loop itself is `loop.fit`; this file hands it what fine-tuning is made of.
"""

import dataclasses
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dnabert_cli.config import ModelConfig, TaskConfig
from dnabert_cli.core.batches import IGNORED, LabelledPiece, LabelledRows
from dnabert_cli.core.checkpoint import build_network, load_encoder
from dnabert_cli.core.device import n_threads, resolve_device, resolve_precision, seed_everything
from dnabert_cli.core.distributed import joined
from dnabert_cli.core.loop import LoopSettings, Trainer, fit
from dnabert_cli.core.network import Encoder, initialize
from dnabert_cli.core.optimize import build_optimizer, build_schedule
from dnabert_cli.core.pretraining import Watch, tokens_per_piece
from dnabert_cli.core.states import LoopState
from dnabert_cli.sequence.kmers import Tokenizer
from dnabert_cli.training_config import FinetuneConfig

Loss = Callable[[nn.Module, LabelledPiece], Tensor]

# The baselines every claim stands beside read single bases with 128 filters a layer.
_FILTERS = 128
_N_LAYERS = {"cnn": 3, "cnn-lstm": 1, "cnn-gru": 1}
# Options a resumed run may change, because they decide nothing before its last step.
_AFTER_TRAINING = (
    "compute", "class_names", "background", "anchor", "stride", "half", "threshold_fpr", "seeds",
    "compile", "checkpoint_activations",
)  # fmt: skip


def build_classifier(
    config: FinetuneConfig,
    n_labels: int,
    base: Path | None,
    preset: dict[str, Any],
    *,
    longest: int = 0,
) -> tuple[nn.Module, Tokenizer]:
    """Return the network to start from and the tokenizer it reads with.

    Args:
        config: architecture, head, dropout, pooling and seed.
        n_labels: number of classes or labels; 1 for a number.
        base: model folder whose encoder is taken over; `None` starts from random weights.
        preset: parsed preset (`zoo.read_preset`), used without a base.
        longest: bases of the longest row, which decides on the chunks of `--long`.
    """
    seed_everything(config.seed)
    dropout: dict[str, Any] = {
        "hidden_dropout_prob": config.hidden_dropout,
        "attention_probs_dropout_prob": config.attention_dropout,
    }
    if config.arch != "bert":
        tokenizer = Tokenizer(1)
        sizes = ModelConfig(
            vocab_size=tokenizer.vocab_size,
            arch=config.arch,
            hidden_size=_FILTERS,
            num_hidden_layers=_N_LAYERS[config.arch],
            **dropout,
        )
        return build_network(sizes, _task(config, tokenizer, n_labels)), tokenizer
    encoder: Encoder | None = None
    if base is None:
        tokenizer = Tokenizer(int(preset["k"]), config.token_stride or 1)
        sizes = ModelConfig(vocab_size=tokenizer.vocab_size, **preset["architecture"] | dropout)
    else:
        encoder, task = load_encoder(base)
        tokenizer = Tokenizer(task.k, config.token_stride or task.token_stride)
        sizes = dataclasses.replace(encoder.config, **dropout)
    if config.long is not None:
        per_chunk = sizes.max_position_embeddings - 2
        n_chunks = max(1, -(-tokenizer.n_tokens(longest) // per_chunk))
        sizes = dataclasses.replace(sizes, long=config.long, chunks=n_chunks)
    network = build_network(sizes, _task(config, tokenizer, n_labels))
    initialize(network, sizes.initializer_range)
    if encoder is not None:
        network.encoder.load_state_dict(encoder.state_dict())  # type: ignore[union-attr]
    return network, tokenizer


def _task(config: FinetuneConfig, tokenizer: Tokenizer, n_labels: int) -> TaskConfig:
    """What `build_network` asks of a task; the names come later."""
    return TaskConfig(
        k=tokenizer.k,
        token_stride=tokenizer.token_stride,
        classes=tuple(map(str, range(n_labels))),
        head=config.head,
        pooling=config.pooling,
    )


def make_loss(head: str, n_labels: int, label_smoothing: float, weights: Tensor | None) -> Loss:
    """Return the loss of a piece, the mean over its rows or bases.

    Args:
        head: of `config.HEADS`.
        n_labels: number of classes or labels; 1 for a number.
        label_smoothing: share taken from the true class.
        weights: `[K]`, of the classes, or of the positives of each label; 1 in the mean.
    """

    def loss(network: nn.Module, piece: LabelledPiece) -> Tensor:
        output = network(piece.ids, piece.mask).float()
        labels = piece.labels
        if head == "multi-label":
            return F.binary_cross_entropy_with_logits(output, labels, pos_weight=weights)
        if n_labels == 1:
            known = ~labels.isnan()
            total = F.mse_loss(output.squeeze(-1)[known], labels[known], reduction="sum")
            return total / max(1, piece.n_units)
        total = F.cross_entropy(
            output.flatten(0, -2),
            labels.flatten(),
            weight=weights,
            label_smoothing=label_smoothing,
            ignore_index=IGNORED,
            reduction="sum",  # torch's mean divides by weights, which differ from piece to piece
        )
        return total / max(1, piece.n_units)

    return loss


@dataclass(frozen=True)
class Goal:
    """What a network shall learn to answer.

    Attributes:
        n_labels: number of classes or labels; 1 for a number.
        metric: figure of the development part that decides.
        class_weights: `[K]` float32, 1 in the mean, or `None` for equal ones.
    """

    n_labels: int
    metric: str
    class_weights: npt.NDArray[np.float32] | None = None


def train_classifier(
    network: nn.Module,
    rows: LabelledRows,
    evaluate: Callable[[Any], dict[str, float]],
    config: FinetuneConfig,
    goal: Goal,
    watch: Watch,
) -> LoopState:
    """Run the loop over `rows` and leave the best weights in `network`, on the CPU.

    Args:
        network: from `build_classifier`.
        rows: the training part.
        evaluate: figures on the development part, larger is better.
        config: schedule and sizes.
        goal: what is learned, and which figure decides.
        watch: where states lie and how the run is watched.
    """
    device = resolve_device(config.compute.device)
    if device.type == "cpu":
        torch.set_num_threads(n_threads(config.compute.threads))
    with joined(device) as (world, device):
        network.to(device)
        if isinstance(encoder := getattr(network, "encoder", None), Encoder):
            encoder.checkpoints_activations = config.checkpoint_activations
        settings = _settings(network, rows, config, device)
        state = fit(
            _trainer(network, rows, evaluate, config, goal, watch, settings),
            settings,
            state_folder=watch.state_folder,
            run_key=_run_key(config, rows),
            world=world,
            progress=watch.progress,
        )
    network.to("cpu").eval()
    return state


def _trainer(
    network: nn.Module,
    rows: LabelledRows,
    evaluate: Callable[[Any], dict[str, float]],
    config: FinetuneConfig,
    goal: Goal,
    watch: Watch,
    settings: LoopSettings,
) -> Trainer:
    """What the loop is handed; the network is on its device."""
    device = settings.device
    optimizer = build_optimizer(
        network, learning_rate=config.learning_rate, weight_decay=config.weight_decay
    )
    weights = goal.class_weights
    return Trainer(
        network=network,
        optimizer=optimizer,
        schedule=build_schedule(
            optimizer,
            n_steps=settings.n_steps,
            warmup_steps=int(config.warmup * settings.n_steps),
        ),
        batches=lambda first: rows.batches(
            first,
            batch_size=config.batch_size,
            max_tokens=tokens_per_piece(config.compute.batch_tokens, device),
            seed=config.seed,
        ),
        loss=make_loss(
            config.head,
            goal.n_labels,
            config.label_smoothing,
            None if weights is None else torch.from_numpy(weights).to(device),
        ),
        evaluate=evaluate,
        metric=goal.metric,
        should_stop=watch.should_stop,
        log=watch.log,
        forward=torch.compile(network) if config.compile else None,  # type: ignore[arg-type]
    )


def _run_key(config: FinetuneConfig, rows: LabelledRows) -> str:
    """Checksum of what decides the steps of a run; a resumed one must agree in it."""
    kept = {name: one for name, one in vars(config).items() if name not in _AFTER_TRAINING}
    return hashlib.sha256(f"{sorted(kept.items())} {rows.checksum()}".encode()).hexdigest()


def _settings(
    network: nn.Module, rows: LabelledRows, config: FinetuneConfig, device: torch.device
) -> LoopSettings:
    steps = rows.n_batches(config.batch_size)
    is_bert = hasattr(network, "encoder")
    return LoopSettings(
        n_steps=config.epochs * steps,
        evaluate_every=-(-steps // config.evaluations_per_epoch),
        patience=config.patience,
        max_gradient_norm=config.max_gradient_norm,
        seed=config.seed,
        # batch norm and short convolutions gain nothing from half precision on a CPU
        dtype=resolve_precision(config.compute.precision, device) if is_bert else torch.float32,
        device=device,
    )


def rescale_output(network: nn.Module, mean: float, sd: float) -> None:
    """Make a network that answers in standard units answer in those of the data.

    Args:
        network: whose last layer, `classifier` or `classifier2`, is linear.
        mean: of the training part.
        sd: its standard deviation.
    """
    last: Any = getattr(network, "classifier2", None) or network.classifier
    with torch.no_grad():
        last.weight *= sd
        last.bias.copy_(last.bias * sd + mean)
