"""Weights to begin pre-training with that know two things random ones have to find out.

Positions lie on a line, and k-mers are made of bases. Both are said in the tables of vectors that
BERT has anyway, so that the network, its folder and its training stay what they are. What it gains
stands in docs/experiments.md.
"""

import math

import torch
from torch import Tensor

from dnabert_cli.core.network import Encoder
from dnabert_cli.sequence.kmers import N_SPECIAL

# Wave lengths from 2 pi tokens to 200 times that: with the usual 10,000 (Vaswani et al. 2017,
# section 3.5) most of them are longer than a sequence.
_LONGEST = 200.0
# Positions must be heard beside tokens, or no head learns to look at a neighbour.
_POSITION_FACTOR = 2.0


def start_structured(encoder: Encoder, k: int, seed: int) -> None:
    """Set the vectors of positions and tokens of a fresh encoder.

    Positions become sines and cosines, where a shift by one is the same rotation everywhere;
    k-mers become sums of one random vector per base and place, so that those that share bases
    begin alike. The norms are those BERT begins with, of positions twice that.

    Args:
        encoder: with fresh weights.
        k: bases per token.
        seed: decides the random vectors.
    """
    table = encoder.embeddings
    norm = encoder.config.initializer_range
    with torch.no_grad():
        positions = table.positions.weight
        positions.copy_(_waves(*positions.shape) * (_POSITION_FACTOR * norm * math.sqrt(2)))
        table.tokens.weight[N_SPECIAL:] = _sums_over_bases(k, positions.shape[1], seed) * norm


def _waves(n_positions: int, width: int) -> Tensor:
    """`[P, D]`: sines and cosines in turn, wave lengths growing geometrically."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(_LONGEST) / width))
    angles = torch.arange(n_positions)[:, None] * rates
    return torch.stack((torch.sin(angles), torch.cos(angles)), dim=2).flatten(1)[:, :width]


def _sums_over_bases(k: int, width: int, seed: int) -> Tensor:
    """`[4^k, D]` of unit variance: the sum of a vector for each base at its place."""
    generator = torch.Generator().manual_seed(seed)
    parts = torch.randn(k, 4, width, generator=generator) / math.sqrt(k)
    kmers = torch.arange(4**k)
    places = [parts[i, (kmers // 4 ** (k - 1 - i)) % 4] for i in range(k)]
    return torch.stack(places).sum(0)
