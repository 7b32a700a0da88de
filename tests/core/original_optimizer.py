"""The optimizer of the original program (transformers 2.5.0), to reproduce its training by tests.

It differs from torch's AdamW in two places: eps is added before the correction for the first
steps' bias, and the decay comes after the step, with the learning rate of the moment.
"""

import math

import torch
from torch import nn


class OriginalAdamW(torch.optim.Optimizer):
    """AdamW with the update order of the original."""

    def __init__(self, groups, lr, betas=(0.9, 0.999), eps=1e-8):
        super().__init__(groups, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": 0.0})

    @torch.no_grad()
    def step(self):
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    self._update(parameter, group)

    def _update(self, parameter, group):
        state = self.state[parameter]
        if not state:
            state["step"] = 0
            state["mean"] = torch.zeros_like(parameter)
            state["square"] = torch.zeros_like(parameter)
        state["step"] += 1
        first, second = group["betas"]
        mean, square, gradient = state["mean"], state["square"], parameter.grad
        mean.mul_(first).add_(gradient, alpha=1 - first)
        square.mul_(second).addcmul_(gradient, gradient, value=1 - second)
        size = math.sqrt(1 - second ** state["step"]) / (1 - first ** state["step"])
        parameter.addcdiv_(mean, square.sqrt().add_(group["eps"]), value=-group["lr"] * size)
        parameter.add_(parameter, alpha=-group["lr"] * group["weight_decay"])


def original_optimizer(
    network: nn.Module, *, learning_rate: float, weight_decay: float
) -> OriginalAdamW:
    """Group as the original does (biases and layer norms do not decay); in place of ours."""
    decayed = [one for one in network.parameters() if one.dim() > 1]
    kept = [one for one in network.parameters() if one.dim() <= 1]
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]
    return OriginalAdamW(groups, learning_rate)
