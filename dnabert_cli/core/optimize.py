"""AdamW with decoupled weight decay, and the schedule: linear warm-up, then linear decay to 0."""

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR


def build_optimizer(
    network: nn.Module,
    *,
    learning_rate: float,
    weight_decay: float,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
) -> torch.optim.AdamW:
    """Return AdamW; biases and layer norms are not decayed (Ji et al. 2021, after BERT)."""
    decayed: list[nn.Parameter] = []
    kept: list[nn.Parameter] = []
    for parameter in (one for one in network.parameters() if one.requires_grad):
        # matrices have two dimensions; biases and the weights of norms have one
        (decayed if parameter.dim() > 1 else kept).append(parameter)
    groups = [
        {"params": decayed, "weight_decay": weight_decay},
        {"params": kept, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=betas, eps=eps, fused=True)


def build_schedule(
    optimizer: torch.optim.Optimizer, *, n_steps: int, warmup_steps: int
) -> LambdaLR:
    """Return the schedule: 0 at the first step, the peak after `warmup_steps`, 0 at `n_steps`."""
    return LambdaLR(optimizer, lambda step: learning_rate_factor(step, n_steps, warmup_steps))


def learning_rate_factor(step: int, n_steps: int, warmup_steps: int) -> float:
    """Return the share of the peak learning rate used at update `step` (0-based)."""
    if step < warmup_steps:
        return step / warmup_steps
    return max(0.0, (n_steps - step) / max(1, n_steps - warmup_steps))
