"""Many processes, one run: what `torchrun` starts, joined by PyTorch's own DDP.

A process that was not started by `torchrun` is a world of one, and nothing here does anything.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from dnabert_cli.core.device import CPU

Value = TypeVar("Value")

# The first process evaluates and saves while the others wait.
_PATIENCE = timedelta(hours=4)


@dataclass(frozen=True)
class World:
    """Which process this is.

    Attributes:
        rank: number of the process, 0 for the one that evaluates, logs and writes.
        size: how many there are.
        local_rank: number on this machine, the GPU it takes.
    """

    rank: int = 0
    size: int = 1
    local_rank: int = 0

    @property
    def is_first(self) -> bool:
        """Tell whether this process writes."""
        return self.rank == 0

    def sum(self, values: Tensor) -> Tensor:
        """Return the sum of a tensor over all processes."""
        if self.size > 1:
            torch.distributed.all_reduce(values)
        return values

    def from_first(self, value: Value) -> Value:
        """Return the value the first process has; the others pass whatever they like."""
        if self.size == 1:
            return value
        values: list[Any] = [value]
        torch.distributed.broadcast_object_list(values, src=0)
        received: Value = values[0]
        return received

    def wrap(self, network: nn.Module, device: torch.device) -> nn.Module:
        """Return the network whose backward pass also sums gradients over the processes."""
        if self.size == 1:
            return network
        devices = None if device.type == "cpu" else [device]
        return DistributedDataParallel(network, device_ids=devices)


def world() -> World:
    """Return this process's place, as `torchrun` tells it."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK")
    if not all(name in os.environ for name in names):
        return World()
    return World(*(int(os.environ[name]) for name in names))


@contextmanager
def joined(device: torch.device) -> Iterator[tuple[World, torch.device]]:
    """Join the processes for a while; yields the place of this one and the device it takes.

    Args:
        device: as the user asked; with several processes on GPUs each takes its own.
    """
    place = world()
    if place.size == 1:
        yield place, device
        return
    if device.type == "cuda":
        device = torch.device("cuda", place.local_rank)
        torch.cuda.set_device(device)
    backend = "gloo" if device == CPU else "nccl"
    torch.distributed.init_process_group(backend, timeout=_PATIENCE)
    try:
        yield place, device
    finally:
        torch.distributed.destroy_process_group()
