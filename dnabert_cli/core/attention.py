"""What is kept of the attention while a network runs: a row, a rollout, or all of one layer.

Each class is a `Watch` (see `network.py`): it is told of every layer before that runs, and asks
for no more of its attention than it needs. Letters of `network.py`.
"""

import torch
from torch import Tensor

from dnabert_cli.core.network import AttentionOf


class ClsRow:
    """The attention of [CLS] in one layer, beside the fused attention: no matrix is built.

    Args:
        layer: counted from 0.

    Attributes:
        weights: `[B, H, T]` float32, once the network has run; a row sums to 1.

    Source: Ji et al. 2021 (DNABERT-viz), which takes the last layer.
    """

    weights: Tensor

    def __init__(self, layer: int) -> None:
        self._layer = layer

    def __call__(self, number: int, attention_of: AttentionOf) -> None:
        """Keep the row, if it is this layer's."""
        if number == self._layer:
            self.weights = attention_of(1)[:, :, 0]


class LayerAttention:
    """All attention of one layer, every head and token.

    Args:
        layer: counted from 0.

    Attributes:
        weights: `[B, H, T, T]` float32, once the network has run; rows sum to 1.
    """

    weights: Tensor

    def __init__(self, layer: int) -> None:
        self._layer = layer

    def __call__(self, number: int, attention_of: AttentionOf) -> None:
        """Keep the weights, if they are this layer's."""
        if number == self._layer:
            self.weights = attention_of(None)


class Rollout:
    """How much of each token has come to each token through all layers up to one.

    With A the mean of a layer's heads, R is (A + I) / 2, for the residual, times the R of the
    layer below. Rows sum to 1.

    Args:
        layer: the uppermost, counted from 0.

    Attributes:
        weights: `[B, T, T]` float32, once the network has run.

    Source: Abnar and Zuidema 2020, equation 1 (attention rollout).
    """

    weights: Tensor

    def __init__(self, layer: int) -> None:
        self._layer = layer

    def __call__(self, number: int, attention_of: AttentionOf) -> None:
        """Multiply a layer to those below it."""
        if number > self._layer:
            return
        heads = attention_of(None).mean(1)
        mixed = (heads + torch.eye(heads.shape[-1], device=heads.device)) / 2
        self.weights = mixed if number == 0 else mixed @ self.weights
