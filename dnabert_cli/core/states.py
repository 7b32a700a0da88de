"""Where a training run stands, on disk: written whole, the older ones kept for a while.

A state holds everything a resumed run needs: weights, optimizer, schedule, loss scaling, step and
the best weights so far. What dropout and batches draw is a function of the step.
"""

import copy
import io
import logging
import math
import re
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from dnabert_cli.core.whole_files import write_whole
from dnabert_cli.errors import ModelError

logger = logging.getLogger(__name__)

# Two: the newest, and the one before should the newest not be readable.
N_KEPT = 2
_NAME = re.compile(r"state-(\d+)\.pt")


@dataclass
class LoopState:
    """Where a run stands; everything a resumed run needs besides the objects it belongs to."""

    step: int = 0
    saved_step: int = 0
    best_metric: float = -math.inf
    best_step: int = 0
    best_weights: dict[str, Tensor] = field(default_factory=dict)
    evaluations_without_gain: int = 0
    losses: list[float] = field(default_factory=list)  # since the last evaluation
    unlogged: list[float] = field(default_factory=list)  # losses since the last row of the log
    history: list[dict[str, float]] = field(default_factory=list)

    def judge(self, metric: float, network: nn.Module) -> None:
        """Keep the weights of a network when its metric is the best so far."""
        self.evaluations_without_gain += 1
        is_first = not self.best_weights or math.isnan(self.best_metric)
        if metric > self.best_metric or is_first:
            self.best_metric, self.best_step = metric, self.step
            self.best_weights = copy.deepcopy(network.state_dict())
            self.evaluations_without_gain = 0


def states(folder: Path) -> list[Path]:
    """Return the states in a folder, the newest first."""
    found = [path for path in folder.glob("state-*.pt") if _NAME.fullmatch(path.name)]
    return sorted(found, key=lambda path: int(path.stem.partition("-")[2]), reverse=True)


def save_state(folder: Path, objects: dict[str, Any], state: LoopState, run_key: str) -> None:
    """Write the state of a run, whole or not at all, and remove all but the last ones.

    Args:
        folder: made when absent.
        objects: whatever has a `state_dict`, by name.
        state: of the loop.
        run_key: tells the run from others.
    """
    values = {name: one.state_dict() for name, one in objects.items()}
    content = io.BytesIO()
    torch.save(values | {"run_key": run_key, "loop": asdict(state)}, content)
    folder.mkdir(parents=True, exist_ok=True)
    write_whole(folder / f"state-{state.step}.pt", content.getbuffer())
    for old in states(folder)[N_KEPT:]:
        old.unlink()


def load_newest(folder: Path, objects: dict[str, Any], run_key: str) -> LoopState | None:
    """Read the newest readable state into the objects of a run; `None` where there is none.

    Raises:
        ModelError: every state is damaged, or they belong to a run with other options.
    """
    found = states(folder)
    for path in found:
        try:
            values = torch.load(path, map_location="cpu", weights_only=True)
        except Exception as error:  # noqa: BLE001  damaged pickles raise whatever they like
            logger.warning("%s is damaged (%s); the state before it is used", path, error)
            continue
        return _take(path, values, objects, run_key)
    if found:
        raise ModelError(f"{folder}: no state can be read", hint="start again with --force")
    return None


def _take(path: Path, values: Any, objects: dict[str, Any], run_key: str) -> LoopState:
    if not isinstance(values, dict) or values.get("run_key") != run_key:
        raise ModelError(
            f"{path} belongs to a run with other options or rows",
            hint="--resume needs the options and files of the first start",
        )
    try:
        for name, one in objects.items():
            one.load_state_dict(values[name])
        return LoopState(**values["loop"])
    except Exception as error:
        raise ModelError(
            f"{path} does not continue this run: {error}",
            hint="start again without --resume into an empty folder",
        ) from error
