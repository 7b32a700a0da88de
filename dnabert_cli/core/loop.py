"""THE training loop. Pre-training and fine-tuning hand it different batches, losses, evaluations.

One step reads: forward, backward (in pieces that fit the memory), clip, step, schedule; then, when
due: evaluate, save, log. Nothing here knows what is being learned.

A run can be stopped at any step and resumed: the state holds weights, optimizer, schedule, step,
random state and the best weights so far, and batches are a pure function of (seed, epoch).
"""

import copy
import logging
import math
import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dnabert_cli.core.batches import Batch
from dnabert_cli.core.device import CPU
from dnabert_cli.errors import DnabertError, Interrupted, ModelError
from dnabert_cli.progress import SILENT, Progress

logger = logging.getLogger(__name__)

Weights = dict[str, Tensor]


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """How long and how: what the loop itself needs to know."""

    epochs: int
    steps_per_epoch: int
    evaluate_every: int  # steps
    patience: int  # evaluations without a better metric
    max_gradient_norm: float
    rows_per_piece: int  # gradient accumulation: rows that go through the network at once
    dtype: torch.dtype = torch.float32  # of autocast; fp32 switches it off
    device: torch.device = CPU


@dataclass
class LoopState:
    """Where a run stands; everything a resumed run needs besides the objects it belongs to."""

    step: int = 0
    best_metric: float = -math.inf
    best_step: int = 0
    best_weights: Weights = field(default_factory=dict)
    evaluations_without_gain: int = 0
    losses: list[float] = field(default_factory=list)  # since the last evaluation
    history: list[dict[str, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Trainer:
    """The objects of a run, so that they travel together.

    Attributes:
        network: on the device of the settings.
        optimizer, schedule: over its parameters.
        batches: the batches of an epoch, the same each time they are asked for.
        loss: (logits or other output, batch) to a scalar, the mean over the rows.
        evaluate: network to named figures; `metric` among them, larger is better.
        metric: which figure decides on the best weights and early stopping.
        should_stop: asked after each step, e.g. whether SIGTERM came.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    batches: Callable[[int], Iterator[Batch]]
    loss: Callable[[nn.Module, Batch], Tensor]
    evaluate: Callable[[nn.Module], dict[str, float]]
    metric: str
    should_stop: Callable[[], bool] = lambda: False


def fit(
    trainer: Trainer,
    settings: LoopSettings,
    *,
    state_path: Path | None = None,
    run_key: str = "",
    progress: Progress = SILENT,
) -> LoopState:
    """Train, and leave the best weights in the network.

    Args:
        trainer: what to train.
        settings: how long and how.
        state_path: file of the resume state; read when it exists, written at every evaluation
            and when the run is stopped. `None`: nothing is kept.
        run_key: kept in the state; a state with another one belongs to another run.
        progress: told of every step.

    Returns:
        The final state; `history` has one entry per evaluation.

    Raises:
        Interrupted: `should_stop` said so; the state has been saved.
        DnabertError: the loss is not finite, or memory ran out.
    """
    state = LoopState()
    if state_path is not None and state_path.exists():
        state = load_state(state_path, trainer, run_key)
    n_steps = settings.epochs * settings.steps_per_epoch
    progress.start("training", n_steps, "steps", done=state.step)
    for batch in _remaining_batches(trainer, settings, state.step):
        if state.evaluations_without_gain >= settings.patience:
            break
        state.losses.append(_step(trainer, settings, batch, state.step))
        state.step += 1
        progress.advance(1, f"loss {_mean(state.losses):.4f}")
        is_due = state.step % settings.evaluate_every == 0 or state.step == n_steps
        stopped = trainer.should_stop()
        if is_due:
            _evaluate(trainer, state)
        if state_path is not None and (is_due or stopped):
            save_state(state_path, trainer, state, run_key)
        if stopped:
            raise Interrupted(f"stopped after step {state.step} of {n_steps}; --resume continues")
    progress.finish()
    if state.best_weights:
        trainer.network.load_state_dict(state.best_weights)
    return state


def _remaining_batches(trainer: Trainer, settings: LoopSettings, step: int) -> Iterator[Batch]:
    """Yield the batches a run has not seen after `step` steps."""
    for epoch in range(step // settings.steps_per_epoch, settings.epochs):
        seen = step - epoch * settings.steps_per_epoch
        for i, batch in enumerate(trainer.batches(epoch)):
            if i >= seen:
                yield batch


def _step(trainer: Trainer, settings: LoopSettings, batch: Batch, step: int) -> float:
    """Do one optimisation step and return the loss: the mean over the rows of the batch."""
    trainer.network.train()
    trainer.optimizer.zero_grad(set_to_none=True)
    total = 0.0
    try:
        for piece in batch.pieces(settings.rows_per_piece):
            with _autocast(settings):
                loss = trainer.loss(trainer.network, piece.to(settings.device))
            # weighted, so that the gradient is that of the whole batch however it is cut
            loss = loss * (len(piece) / len(batch))
            loss.backward()
            total += float(loss.detach())
    except torch.OutOfMemoryError as error:
        raise ModelError("the device ran out of memory", hint="lower --batch-size") from error
    if not math.isfinite(total):
        raise DnabertError(f"the loss is {total} at step {step + 1}", hint="lower --learning-rate")
    nn.utils.clip_grad_norm_(trainer.network.parameters(), settings.max_gradient_norm)
    trainer.optimizer.step()
    trainer.schedule.step()
    return total


def _autocast(settings: LoopSettings) -> AbstractContextManager[Any]:
    if settings.dtype == torch.float32:
        return nullcontext()
    return torch.autocast(settings.device.type, dtype=settings.dtype)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)


def _evaluate(trainer: Trainer, state: LoopState) -> None:
    """Evaluate, and keep the weights when they are the best so far."""
    training_loss = _mean(state.losses)
    state.losses.clear()
    trainer.network.eval()
    figures = trainer.evaluate(trainer.network)
    metric = figures[trainer.metric]
    learning_rate = float(trainer.schedule.get_last_lr()[0])
    state.history.append(
        {"step": state.step, "learning_rate": learning_rate, "loss": training_loss, **figures}
    )
    state.evaluations_without_gain += 1
    if metric > state.best_metric or not state.best_weights:
        state.best_metric, state.best_step = metric, state.step
        state.best_weights = copy.deepcopy(trainer.network.state_dict())
        state.evaluations_without_gain = 0
    shown = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
    logger.info("step %d: loss %.4f, %s", state.step, training_loss, shown)


def save_state(path: Path, trainer: Trainer, state: LoopState, run_key: str = "") -> None:
    """Write the resume state, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    values = {
        "run_key": run_key,
        "loop": asdict(state),
        "network": trainer.network.state_dict(),
        "optimizer": trainer.optimizer.state_dict(),
        "schedule": trainer.schedule.state_dict(),
        "random": torch.get_rng_state(),
    }
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        torch.save(values, temporary)
        temporary.replace(path)
    except RuntimeError as error:  # torch's word for a full disk
        raise DnabertError(f"cannot write {path}: is the disk full?") from error
    finally:
        temporary.unlink(missing_ok=True)


def load_state(path: Path, trainer: Trainer, run_key: str = "") -> LoopState:
    """Read a resume state into the objects of a run.

    Raises:
        ModelError: the file is broken or belongs to a run of another shape.
    """
    try:
        values = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        raise ModelError(
            f"{path} does not continue this run: it is damaged", hint="start again with --force"
        ) from error
    if values.get("run_key") != run_key:
        raise ModelError(
            f"{path} belongs to a run with other options or rows",
            hint="--resume needs the options and files of the first start",
        )
    try:
        trainer.network.load_state_dict(values["network"])
        trainer.optimizer.load_state_dict(values["optimizer"])
        trainer.schedule.load_state_dict(values["schedule"])
        torch.set_rng_state(values["random"])
        return LoopState(**values["loop"])
    except Exception as error:
        raise ModelError(
            f"{path} does not continue this run: {error}",
            hint="start again without --resume into an empty folder",
        ) from error
