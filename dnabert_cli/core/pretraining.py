"""Pre-training: the network to start from, the masked loss, what is measured, one run of the loop.

The loop itself is `loop.fit`; this file hands it what pre-training is made of.
"""

import dataclasses
import hashlib
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dnabert_cli.config import CPU_BATCH_TOKENS, GPU_BATCH_TOKENS, ModelConfig
from dnabert_cli.core.checkpoint import load_masked_model
from dnabert_cli.core.device import n_threads, resolve_device, resolve_precision, seed_everything
from dnabert_cli.core.distributed import joined
from dnabert_cli.core.loop import LoopSettings, Trainer, fit
from dnabert_cli.core.masked_batches import HeldOut, MaskedPiece, MaskedRows, Masking
from dnabert_cli.core.network import MaskedLanguageModel, initialize
from dnabert_cli.core.optimize import build_optimizer, build_schedule
from dnabert_cli.core.starts import start_structured
from dnabert_cli.core.states import LoopState
from dnabert_cli.core.throughput import operations_per_token
from dnabert_cli.progress import SILENT, Progress
from dnabert_cli.sequence.corpus import Corpus, PieceRules
from dnabert_cli.sequence.kmers import Tokenizer
from dnabert_cli.training_config import PretrainConfig

Value = TypeVar("Value")

# Options a resumed run may change, because they decide nothing but how it is watched.
_UNSEEN = ("compute", "half", "compile", "checkpoint_activations", "save_every", "log_every")


@dataclass(frozen=True)
class Watch:
    """How a run is watched and kept; nothing of it changes the result.

    Attributes:
        state_folder: where resume states lie.
        should_stop: asked after every step.
        log: told of the training now and then.
        save: called with the network whenever the state has been saved.
        progress: told of every step.
    """

    state_folder: Path
    should_stop: Callable[[], bool] = lambda: False
    log: Callable[[dict[str, float]], None] = lambda _: None
    save: Callable[[nn.Module], None] = lambda _: None
    progress: Progress = SILENT


def build_masked_model(
    config: PretrainConfig, base: Path | None, preset: dict[str, Any]
) -> tuple[MaskedLanguageModel, Tokenizer]:
    """Return the network to start from and the tokenizer it reads with.

    Args:
        config: dropout, token stride and seed.
        base: model folder to go on from; `None` starts from random weights.
        preset: parsed preset (`zoo.read_preset`), used without a base.
    """
    seed_everything(config.seed)
    dropout: dict[str, Any] = {
        "hidden_dropout_prob": config.hidden_dropout,
        "attention_probs_dropout_prob": config.attention_dropout,
    }
    if base is None:
        tokenizer = Tokenizer(int(preset["k"]), config.token_stride or 1)
        sizes = ModelConfig(vocab_size=tokenizer.vocab_size, **preset["architecture"] | dropout)
        network = MaskedLanguageModel(sizes)
        initialize(network, sizes.initializer_range)
        if config.start == "structured":
            start_structured(network.encoder, tokenizer.k, config.seed)
        return network, tokenizer
    loaded, task = load_masked_model(base)
    network = MaskedLanguageModel(dataclasses.replace(loaded.config, **dropout))
    network.load_state_dict(loaded.state_dict())
    return network, Tokenizer(task.k, config.token_stride or task.token_stride)


def masked_loss(network: nn.Module, piece: MaskedPiece) -> Tensor:
    """Return the cross-entropy of the hidden tokens, in nats, the mean over them."""
    logits = network(piece.ids, piece.mask, piece.positions)
    return F.cross_entropy(logits.float(), piece.labels)


def held_out_figures(
    network: nn.Module, held_out: HeldOut, device: torch.device, dtype: torch.dtype
) -> dict[str, float]:
    """Return the loss per hidden token, and in bits per hidden base.

    The bases of a hidden k-mer that a visible one holds too are known; the loss is spread over
    the others. A base is counted once for every hidden token that holds it, as the loss is.

    Args:
        network: on `device`, in evaluation mode.
        held_out: what to judge by.
        device: where the network is.
        dtype: of autocast.

    Returns:
        `dev_loss` in nats per hidden token, `bits_per_base` (2 is chance), `accuracy` of the most
        likely k-mer.
    """
    total, n_right, n_hidden = 0.0, 0, 0
    autocast = torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32)
    with torch.inference_mode(), autocast:
        for piece in held_out.pieces:
            there = piece.to(device)
            logits = network(there.ids, there.mask, there.positions).float()
            total += float(F.cross_entropy(logits, there.labels, reduction="sum"))
            n_right += int((logits.argmax(1) == there.labels).sum())
            n_hidden += piece.n_units
    return {
        "dev_loss": total / n_hidden,
        "bits_per_base": total / math.log(2) / held_out.n_base_tokens,
        "accuracy": n_right / n_hidden,
    }


def pretrain_network(
    network: MaskedLanguageModel,
    rows: MaskedRows,
    held_out: HeldOut,
    config: PretrainConfig,
    watch: Watch,
    corpus_key: str,
) -> LoopState:
    """Run the loop and leave the last weights in `network`, on the CPU.

    Args:
        network: from `build_masked_model`.
        rows: the training part.
        held_out: judged at every evaluation.
        config: schedule and sizes, presets filled in.
        watch: how the run is watched.
        corpus_key: tells the corpus from others; a resumed run must agree in it.
    """
    device = resolve_device(config.compute.device)
    if device.type == "cpu":
        torch.set_num_threads(n_threads(config.compute.threads))
    with joined(device) as (world, device):
        network.to(device)
        network.encoder.checkpoints_activations = config.checkpoint_activations
        settings = _settings(network, config, device)
        state = fit(
            _trainer(network, rows, held_out, config, watch, settings),
            settings,
            state_folder=watch.state_folder,
            run_key=_run_key(config, corpus_key),
            world=world,
            progress=watch.progress,
        )
    network.to("cpu").eval()
    return state


def _trainer(
    network: MaskedLanguageModel,
    rows: MaskedRows,
    held_out: HeldOut,
    config: PretrainConfig,
    watch: Watch,
    settings: LoopSettings,
) -> Trainer:
    """What the loop is handed; the network is on its device."""
    device, dtype = settings.device, settings.dtype
    optimizer = build_optimizer(
        network,
        learning_rate=_given(config.learning_rate),
        weight_decay=config.weight_decay,
        betas=(0.9, config.beta2),
        eps=config.eps,
    )
    return Trainer(
        network=network,
        optimizer=optimizer,
        schedule=build_schedule(
            optimizer,
            n_steps=_given(config.schedule_steps),
            warmup_steps=_given(config.warmup_steps),
        ),
        batches=lambda first: rows.batches(
            first,
            batch_size=_given(config.batch_size),
            max_tokens=tokens_per_piece(config.compute.batch_tokens, device),
        ),
        loss=masked_loss,
        evaluate=lambda current: held_out_figures(current, held_out, device, dtype),
        metric=None,
        should_stop=watch.should_stop,
        log=watch.log,
        save=watch.save,
        forward=torch.compile(network) if config.compile else None,  # type: ignore[arg-type]
    )


def _settings(
    network: MaskedLanguageModel, config: PretrainConfig, device: torch.device
) -> LoopSettings:
    return LoopSettings(
        n_steps=_given(config.steps),
        evaluate_every=config.evaluate_every,
        save_every=config.save_every,
        log_every=config.log_every,
        max_gradient_norm=config.max_gradient_norm,
        seed=config.seed,
        operations_per_token=operations_per_token(
            network.config, config.max_length / 2, _given(config.mask_share)
        ),
        dtype=resolve_precision(config.compute.precision, device),
        device=device,
    )


def _given(value: Value | None) -> Value:
    """What `filled_in` left no gap in."""
    assert value is not None, "the preset has not been filled in"
    return value


def tokens_per_piece(requested: int | None, device: torch.device) -> int:
    """Return how many tokens go through a network at once in training."""
    return requested or (CPU_BATCH_TOKENS if device.type == "cpu" else GPU_BATCH_TOKENS)


def _run_key(config: PretrainConfig, corpus_key: str) -> str:
    """Checksum of what decides the steps of a run; a resumed one must agree in it."""
    kept = {name: one for name, one in vars(config).items() if name not in _UNSEEN}
    return hashlib.sha256(f"{sorted(kept.items())} {corpus_key}".encode()).hexdigest()


def corpus_key(corpus: Corpus, rules: PieceRules) -> str:
    """Return a checksum of a corpus and of how it is cut."""
    digest = hashlib.sha256(repr((rules, corpus.names)).encode())
    for runs in (corpus.starts, corpus.lengths, corpus.sources):
        digest.update(runs.tobytes())
    digest.update(np.ascontiguousarray(corpus.packed).data)  # a view: no second copy
    return digest.hexdigest()


def make_masking(config: PretrainConfig) -> Masking:
    """Return how tokens are hidden."""
    return Masking(
        share=_given(config.mask_share),
        late_share=_given(config.late_mask_share),
        late_from=config.late_mask_from,
        original=config.masking == "original",
    )
