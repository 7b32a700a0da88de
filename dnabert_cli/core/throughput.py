"""How many operations training takes, to say what share of a GPU's peak it reaches."""

import torch

from dnabert_cli.config import ModelConfig

# Dense bf16 operations per second of one card, as its maker states them.
_PEAKS = {"H200": 989e12, "H100": 989e12, "A100": 312e12, "L40S": 362e12}


def peak_operations(device: torch.device) -> float | None:
    """Return the bf16 operations per second a GPU can do; `None` where that is not known."""
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for known, peak in _PEAKS.items() if known in name), None)


def operations_per_token(config: ModelConfig, n_tokens: float, hidden_share: float = 0.0) -> float:
    """Return the operations of forward and backward pass per token.

    Two per weight and token forward, twice that backward; what does not grow with the square of
    the width, such as norms, is left out.

    Args:
        config: sizes of the encoder.
        n_tokens: tokens a token attends to, in the mean.
        hidden_share: of the tokens go through the head of a masked language model.
    """
    width, n_layers = config.hidden_size, config.num_hidden_layers
    weights = n_layers * (4 * width**2 + 2 * width * config.intermediate_size)
    weights += int(hidden_share * (width**2 + width * config.vocab_size))
    attention = n_layers * 4 * n_tokens * width
    return 3 * (2 * weights + attention)
