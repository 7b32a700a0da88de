"""THE training loop. Pre-training and fine-tuning hand it different batches, losses, evaluations.

One step reads: forward and backward (in pieces that fit the memory), clip, step, schedule; then,
when due: evaluate, log, save. Nothing here knows what is being learned.

A step is a pure function of (weights, seed, step): batches are numbered, and what dropout draws in
a piece is seeded by (seed, step, piece). So a run may be killed at any moment and resumed from its
last state, or spread over several processes, and takes the same path.
"""

import logging
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, Self

import numpy as np
import torch
from torch import Tensor, nn

from dnabert_cli.core.device import CPU, is_out_of_memory
from dnabert_cli.core.distributed import World
from dnabert_cli.core.states import LoopState, load_newest, save_state
from dnabert_cli.core.throughput import peak_operations
from dnabert_cli.errors import DnabertError, Interrupted, ModelError
from dnabert_cli.progress import SILENT, Progress

logger = logging.getLogger(__name__)


class Piece(Protocol):
    """A part of a batch that goes through the network at once.

    Attributes:
        n_units: what the loss of the piece is the mean over: rows, hidden tokens, bases.
        n_tokens: that are computed, padding counted.
    """

    @property
    def n_units(self) -> int:
        """Units of the loss."""

    @property
    def n_tokens(self) -> int:
        """Tokens computed."""

    def to(self, device: torch.device) -> Self:
        """Return the piece on a device."""


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """How long and how: what the loop itself needs to know."""

    n_steps: int
    evaluate_every: int  # steps
    save_every: int | None = None  # steps; None: with every evaluation
    log_every: int = 10  # steps
    patience: int | None = None  # evaluations without a better metric; None: never stop early
    max_gradient_norm: float = 1.0
    seed: int = 0
    operations_per_token: float = 0.0  # of forward and backward pass
    dtype: torch.dtype = torch.float32  # of autocast; fp32 switches it off
    device: torch.device = CPU


@dataclass(frozen=True)
class Trainer:
    """The objects of a run, so that they travel together.

    Attributes:
        network: on the device of the settings; its weights are what is saved.
        optimizer, schedule: over its parameters.
        batches: the batches from a step on, each as the pieces it goes through the network in.
        loss: (network, piece) to a scalar, the mean over the units of the piece.
        evaluate: network to named figures, `metric` among them, larger is better.
        metric: which figure decides on the best weights and early stopping; `None`: the last
            weights are the result.
        should_stop: asked after each step, e.g. whether SIGTERM came.
        log: told of the training every `log_every` steps.
        save: called with the network whenever the state has been saved.
        forward: what computes instead of the network itself, e.g. compiled.
    """

    network: nn.Module
    optimizer: torch.optim.Optimizer
    schedule: torch.optim.lr_scheduler.LRScheduler
    batches: Callable[[int], Iterator[Sequence[Piece]]]
    loss: Callable[[nn.Module, Any], Tensor]
    evaluate: Callable[[nn.Module], dict[str, float]]
    metric: str | None
    should_stop: Callable[[], bool] = lambda: False
    log: Callable[[dict[str, float]], None] = lambda _: None
    save: Callable[[nn.Module], None] = lambda _: None
    forward: nn.Module | None = None


@dataclass
class _Recent:
    """How fast it went since the last row of the log."""

    n_tokens: int = 0
    began: float = field(default_factory=time.monotonic)


def fit(
    trainer: Trainer,
    settings: LoopSettings,
    *,
    state_folder: Path | None = None,
    run_key: str = "",
    world: World | None = None,
    progress: Progress = SILENT,
) -> LoopState:
    """Train, and leave the best (or last) weights in the network.

    Args:
        trainer: what to train.
        settings: how long and how.
        state_folder: where resume states lie; the newest is read when there is one. `None`:
            nothing is kept.
        run_key: kept in the state; a state with another one belongs to another run.
        world: the processes that share the run.
        progress: told of every step.

    Returns:
        The final state; `history` has one entry per evaluation.

    Raises:
        Interrupted: `should_stop` said so; the state has been saved.
        DnabertError: the loss or the gradient is not finite.
        ModelError: memory ran out, or the state belongs to another run.
    """
    world = world or World()
    run = _Run(trainer, settings, world, state_folder, run_key, progress)
    return run.go()


class _Run:
    """One call of `fit`."""

    def __init__(
        self,
        trainer: Trainer,
        settings: LoopSettings,
        world: World,
        state_folder: Path | None,
        run_key: str,
        progress: Progress,
    ) -> None:
        self.trainer, self.settings, self.world = trainer, settings, world
        self.folder, self.run_key, self.progress = state_folder, run_key, progress
        # fp16 has too few exponents for small gradients: the loss is scaled up before backward
        self.scaler = torch.amp.GradScaler(
            settings.device.type, enabled=settings.dtype == torch.float16
        )
        self.state = LoopState()
        if state_folder is not None:
            self.state = load_newest(state_folder, self._objects(), run_key) or self.state
        forward = trainer.network if trainer.forward is None else trainer.forward
        self.network = world.wrap(forward, settings.device)
        self.recent = _Recent()
        self.peak = peak_operations(settings.device)

    def go(self) -> LoopState:
        """Run all steps that are left."""
        state, n_steps = self.state, self.settings.n_steps
        self.progress.start("training", n_steps, "steps", done=state.step)
        batches = self.trainer.batches(state.step) if state.step < n_steps else iter(())
        for pieces in batches:
            if state.step >= n_steps or self._has_no_patience():
                break
            stopped = self._step(pieces)
            state.step += 1
            self.progress.advance(1, self._note())
            if self._is_due(self.settings.evaluate_every):
                self._evaluate()
            if self._is_due(self.settings.log_every):  # before saving: a kill must not lose the row
                self._log()
            if stopped or self._is_due(self.settings.save_every or self.settings.evaluate_every):
                self._save()
            if stopped:
                raise Interrupted(
                    f"stopped after step {state.step} of {n_steps}; --resume continues"
                )
        self.progress.finish()
        if state.best_weights:
            self.trainer.network.load_state_dict(state.best_weights)
        return state

    def _step(self, pieces: Sequence[Piece]) -> bool:
        """Do one optimisation step; tell whether any process was asked to stop."""
        trainer, settings = self.trainer, self.settings
        trainer.network.train()
        trainer.optimizer.zero_grad(set_to_none=True)
        # pieces without units, such as windows without labels, have no part in the loss
        n_units = max(1, sum(piece.n_units for piece in pieces))
        mine = range(self.world.rank, len(pieces), self.world.size)
        total = 0.0
        try:
            for i in mine:
                # gradients are summed over the processes once, in the last backward pass
                with nullcontext() if i == mine[-1] else self._alone():
                    total += self._piece(pieces[i], pieces[i].n_units / n_units, i)
            if not mine:
                self._piece(pieces[0], 0.0, 0)  # the others wait for this process's gradients
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
            raise ModelError(
                "out of memory", hint="lower --batch-tokens, which does not change the result"
            ) from error
        loss, n_stops = self.world.sum(
            torch.tensor([total, float(trainer.should_stop())], device=settings.device)
        ).tolist()
        self._check(loss, "loss")
        self.scaler.unscale_(trainer.optimizer)
        norm = nn.utils.clip_grad_norm_(trainer.network.parameters(), settings.max_gradient_norm)
        if not self.scaler.is_enabled():  # a scaler leaves such a step out, and scales less
            self._check(float(norm), "gradient")
        self.scaler.step(trainer.optimizer)
        self.scaler.update()
        trainer.schedule.step()
        self.state.losses.append(loss)
        self.state.unlogged.append(loss)
        self.recent.n_tokens += sum(piece.n_tokens for piece in pieces)
        return bool(n_stops)

    def _piece(self, piece: Piece, share: float, number: int) -> float:
        """Add the gradient of a piece, `share` of the batch; return its part of the loss."""
        settings = self.settings
        torch.manual_seed(_seed_of(settings.seed, self.state.step, number))
        with _autocast(settings):
            loss = self.trainer.loss(self.network, piece.to(settings.device))
        # weighted, so that the gradient is that of the whole batch however it is cut; DDP takes
        # the mean over processes, where the sum is wanted
        self.scaler.scale(loss * (share * self.world.size)).backward()
        return float(loss.detach()) * share if share else 0.0

    def _alone(self) -> AbstractContextManager[Any]:
        if self.world.size == 1:
            return nullcontext()
        alone: AbstractContextManager[Any] = self.network.no_sync()  # type: ignore[operator]
        return alone

    def _check(self, value: float, what: str) -> None:
        if math.isfinite(value):
            return
        saved = f"; step {self.state.saved_step} is saved" if self.state.saved_step else ""
        raise DnabertError(
            f"the {what} is {value} at step {self.state.step + 1}{saved}",
            hint="lower --learning-rate, or use --precision fp32",
        )

    def _is_due(self, every: int) -> bool:
        return self.state.step % every == 0 or self.state.step == self.settings.n_steps

    def _has_no_patience(self) -> bool:
        patience = self.settings.patience
        return patience is not None and self.state.evaluations_without_gain >= patience

    def _evaluate(self) -> None:
        """Evaluate, and keep the weights when they are the best so far."""
        state, trainer = self.state, self.trainer
        training_loss = float(np.mean(state.losses))
        state.losses.clear()
        trainer.network.eval()
        figures = trainer.evaluate(trainer.network) if self.world.is_first else {}
        figures = self.world.from_first(figures)
        rate = float(trainer.schedule.get_last_lr()[0])
        state.history.append(
            {"step": state.step, "learning_rate": rate, "loss": training_loss, **figures}
        )
        if trainer.metric is not None:
            state.judge(figures[trainer.metric], trainer.network)
        shown = ", ".join(f"{name} {value:.4f}" for name, value in figures.items())
        logger.info("step %d: loss %.4f, %s", state.step, training_loss, shown)

    def _save(self) -> None:
        if self.folder is None or not self.world.is_first:
            return
        self.state.saved_step = self.state.step
        save_state(self.folder, self._objects(), self.state, self.run_key)
        self.trainer.save(self.trainer.network)

    def _log(self) -> None:
        recent, self.recent = self.recent, _Recent()
        unlogged, self.state.unlogged = self.state.unlogged, []
        if self.world.is_first:
            seconds = time.monotonic() - recent.began
            self.trainer.log(
                {
                    "step": self.state.step,
                    "loss": float(np.mean(unlogged)),
                    "learning_rate": float(self.trainer.schedule.get_last_lr()[0]),
                    "tokens_per_second": recent.n_tokens / seconds if seconds else 0.0,
                }
            )

    def _note(self) -> str:
        """What stands behind the progress: loss, learning rate, speed, share of the peak."""
        seconds = time.monotonic() - self.recent.began
        speed = self.recent.n_tokens / seconds if seconds else 0.0
        note = (
            f"loss {np.mean(self.state.unlogged):.4f}, "
            f"lr {self.trainer.schedule.get_last_lr()[0]:.2g}, {speed:,.0f} tokens/s"
        )
        if self.peak is not None:
            share = speed * self.settings.operations_per_token / (self.peak * self.world.size)
            note += f", {share:.0%} of the peak"
        return note

    def _objects(self) -> dict[str, Any]:
        trainer = self.trainer
        return {
            "network": trainer.network,
            "optimizer": trainer.optimizer,
            "schedule": trainer.schedule,
            "scaler": self.scaler,
        }


def _seed_of(seed: int, step: int, piece: int) -> int:
    """Return the seed of a piece's dropout."""
    return int(np.random.SeedSequence((seed, step, piece)).generate_state(1, np.uint64)[0] >> 1)


def _autocast(settings: LoopSettings) -> AbstractContextManager[Any]:
    if settings.dtype == torch.float32:
        return nullcontext()
    return torch.autocast(settings.device.type, dtype=settings.dtype)
