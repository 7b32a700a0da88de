"""Integrated gradients: what each k-mer adds to an answer, against k-mers that tell nothing.

The path runs over word vectors alone: from the mean vector of all k-mers, at every k-mer, to the
vectors of the sequence. Positions, [CLS] and [SEP] stay as they are, so that nothing falls to
them. (The vector of [MASK] would do as well, but a network without pre-training never learned it.)
Shapes: B windows, T tokens with [CLS] and [SEP], D hidden size.
"""

import copy
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor, nn

from dnabert_cli.config import CPU_BATCH_TOKENS, TaskConfig
from dnabert_cli.core.infer import log_odds
from dnabert_cli.core.network import SequenceClassifier
from dnabert_cli.sequence.kmers import N_SPECIAL

# A backward pass keeps what the forward pass computed: fewer tokens at a time than prediction.
_GPU_TOKENS = 8192


class IntegratedGradients:
    """Attributions of one network; it works on a copy, in fp32 whatever the precision asked for.

    The integral is taken by Gauss-Legendre quadrature, whose error falls far faster with the
    number of steps than that of a sum of equal steps.

    Args:
        network: a BERT of one chunk and one answer; it is not modified.
        task: head, classes, calibration.
        device: where to compute.

    Source: Sundararajan et al. 2017, equation 1.
    """

    def __init__(self, network: SequenceClassifier, task: TaskConfig, device: torch.device) -> None:
        self._network = copy.deepcopy(network).to(device, torch.float32).eval()
        self._network.requires_grad_(requires_grad=False)
        self._task, self._device = task, device
        embeddings = self._network.encoder.embeddings
        self._vectors: Tensor = embeddings.tokens.weight
        self._neutral = self._vectors[N_SPECIAL:].mean(0)
        # From here on the network reads word vectors [B, T, D] in the place of ids.
        embeddings.add_module("tokens", nn.Identity())
        self._at_once = CPU_BATCH_TOKENS if device.type == "cpu" else _GPU_TOKENS

    def __call__(self, ids: Tensor, target: int, n_steps: int) -> Tensor:
        """Return what each k-mer adds to the log odds of an output, `[B, T - 2]`.

        The sum over a row is `score(ids) - score(ids, 0)` but for the error of the integral.

        Args:
            ids: `[B, T]`, without padding.
            target: index of the output.
            n_steps: points of the path at which gradients are taken.
        """
        size = max(1, self._at_once // ids.shape[1])
        return torch.cat([self._attribute(part, target, n_steps) for part in ids.split(size)])

    def score(self, ids: Tensor, target: int, share: float = 1.0) -> Tensor:
        """Return the log odds `[B]` at one point of the path: 0 its beginning, 1 the sequences."""
        start, change = self._path(ids)
        with torch.no_grad():
            return log_odds(self._network(start + share * change), self._task, target)

    def _attribute(self, ids: Tensor, target: int, n_steps: int) -> Tensor:
        # The loop of predictions computes in inference mode, which knows no gradients.
        with torch.inference_mode(mode=False), torch.enable_grad():
            start, change = self._path(ids)
            total = torch.zeros_like(change)
            for nodes, weights in self._points(n_steps, ids.numel()):
                vectors = (start + nodes * change).flatten(0, 1).requires_grad_()
                score = log_odds(self._network(vectors), self._task, target).sum()
                gradient = torch.autograd.grad(score, vectors)[0]
                total += (weights * gradient.unflatten(0, (len(nodes), -1))).sum(0)
            return (total * change).sum(-1)[:, 1:-1]

    def _path(self, ids: Tensor) -> tuple[Tensor, Tensor]:
        """Return where the path begins and how far it leads, both `[B, T, D]`."""
        vectors = self._vectors[ids.to(self._device).clone()]
        start = vectors.clone()
        start[:, 1:-1] = self._neutral
        return start, vectors - start

    def _points(self, n_steps: int, n_tokens: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Yield nodes and weights `[n, 1, 1, 1]`, as many as go through the network together."""
        nodes, weights = np.polynomial.legendre.leggauss(n_steps)  # of the interval -1 to 1
        points = torch.tensor(
            np.stack(((nodes + 1) / 2, weights / 2)), dtype=torch.float32, device=self._device
        )
        for part in points.split(max(1, self._at_once // n_tokens), dim=1):
            yield part[0, :, None, None, None], part[1, :, None, None, None]
