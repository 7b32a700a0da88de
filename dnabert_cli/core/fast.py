"""The encoder of `network.py` prepared for inference on a CPU: the same weights, twice as fast.

What differs from the reference, and nothing else: query, key and value are one product; linear
layers are packed once for oneDNN, which also adds the bias, the residual and the GELU; windows of
a batch are equally long, so there is no mask; only [CLS] passes the last layer where only [CLS] is
used. In bf16 all that is handed on is rounded to bf16; layer norms and softmax compute in fp32
inside, and [CLS] passes the last layer and the head in fp32.
Shapes: B windows, T tokens with [CLS] and [SEP], H heads, D hidden size, K labels.
"""

import copy
import math
from collections.abc import Iterator
from functools import lru_cache, partial
from typing import TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dnabert_cli.core.attention import ClsRow
from dnabert_cli.core.long import LongClassifier
from dnabert_cli.core.network import (
    Encoder,
    Layer,
    SequenceClassifier,
    TokenClassifier,
    Watch,
    mean_over_tokens,
)
from dnabert_cli.sequence.kmers import PAD

_AnyNetwork = TypeVar("_AnyNetwork", bound=nn.Module)

# Attention is computed for about so many scores at a time: they stay in the cache, and memory is
# reused instead of being asked of the system anew.
_SCORES_AT_ONCE = 1 << 21


def prepare(network: SequenceClassifier, dtype: torch.dtype) -> "FastEncoder":
    """Return a snapshot of the network for inference; later changes of its weights do not show.

    Args:
        network: the classifier, on any device; it is not modified.
        dtype: `torch.float32` or `torch.bfloat16`.
    """
    return FastEncoder(network, dtype)


class _FastStack:
    """Embeddings and layers; hidden states without gradients.

    It keeps no state between calls: several threads may use one instance.
    """

    def __init__(self, encoder: Encoder, dtype: torch.dtype) -> None:
        embeddings = encoder.embeddings
        layers = [layer for layer in encoder.layers if isinstance(layer, Layer)]
        self._dtype = dtype
        self._tokens = embeddings.tokens.weight
        self._positions = embeddings.positions.weight + embeddings.token_types.weight[0]
        self._norm = embeddings.norm
        self._layers = [_FastLayer(layer, dtype) for layer in layers]
        self._last = _ClsLayer(layers[-1])

    @torch.inference_mode()
    def embed(self, ids: Tensor) -> Tensor:
        """Return the hidden states `[B, T, D]` float32 of the last layer."""
        return self._layers[-1](self._below_last(ids)).float()

    @torch.inference_mode()
    def embed_cls(self, ids: Tensor) -> Tensor:
        """Return the hidden state `[B, D]` float32 of [CLS], as `embed(ids)[:, 0]` but cheaper."""
        return self._last(self._below_last(ids))[0]

    def _below_last(self, ids: Tensor, watch: Watch | None = None) -> Tensor:
        """Return what enters the last layer, `[B, T, D]`; `watch` is shown the layers before."""
        vectors = F.embedding(ids, self._tokens) + self._positions[: ids.shape[1]]
        hidden: Tensor = self._norm(vectors).to(self._dtype)
        for number, layer in enumerate(self._layers[:-1]):
            if watch is not None:
                watch(number, partial(layer.weights, hidden))
            hidden = layer(hidden)
        return hidden


class FastEncoder(_FastStack):
    """Logits, [CLS] attention and hidden states of one network, without gradients.

    Agrees with the network to 1e-5 in fp32 (logits), to 1e-2 in bf16 (probabilities).
    """

    def __init__(self, network: SequenceClassifier, dtype: torch.dtype) -> None:
        reference = _snapshot(network)
        super().__init__(reference.encoder, dtype)
        self.config = network.config
        self.pooling = network.pooling
        self._pooler = reference.encoder.pooler
        self._classifier = reference.classifier

    @torch.inference_mode()
    def __call__(self, ids: Tensor) -> Tensor:
        """Return logits `[B, K]` float32 for ids `[B, T]`."""
        if self.pooling == "mean":
            return self._classify(mean_over_tokens(self.embed(ids), None))
        return self._classify(self._last(self._below_last(ids))[0])

    @torch.inference_mode()
    def with_cls_attention(self, ids: Tensor, layer: int | None = None) -> tuple[Tensor, Tensor]:
        """Return logits `[B, K]` and the attention row of [CLS] `[B, H, T]` in one layer.

        Both float32; a row sums to 1.

        Args:
            ids: `[B, T]`.
            layer: counted from 0; `None`: the last one, whose row costs nothing.
        """
        last = len(self._layers) - 1
        row = ClsRow(last if layer is None else layer)
        below = self._below_last(ids, row)
        cls, weights = self._last(below)
        row(last, lambda _: weights[:, :, None])
        if self.pooling == "mean":
            cls = mean_over_tokens(self._layers[-1](below).float(), None)
        return self._classify(cls), row.weights

    def _classify(self, pooled: Tensor) -> Tensor:
        logits: Tensor = self._classifier(torch.tanh(self._pooler(pooled)))
        return logits


class FastTokenClassifier(_FastStack):
    """Logits per base; the head computes in fp32."""

    def __init__(self, network: TokenClassifier, dtype: torch.dtype) -> None:
        reference = _snapshot(network)
        super().__init__(reference.encoder, dtype)
        reference.add_module("encoder", nn.Identity())  # its fp32 layers need not stay
        self._classify = reference.classify

    @torch.inference_mode()
    def __call__(self, ids: Tensor) -> Tensor:
        """Return logits `[B, L, K]` float32 for ids `[B, T]`."""
        return self._classify(self.embed(ids))


class FastLongClassifier:
    """Logits of a long model, its chunks computed without their padding; the rest in fp32."""

    def __init__(self, network: LongClassifier, dtype: torch.dtype) -> None:
        reference = _snapshot(network)
        self._chunks = _FastChunks(_FastStack(reference.encoder, dtype), reference.encoder.pooler)
        self._n_positions = network.config.max_position_embeddings
        reference.add_module("encoder", self._chunks)
        self._network = reference

    @torch.inference_mode()
    def __call__(self, ids: Tensor) -> Tensor:
        """Return logits `[B, K]` float32 for ids `[B, C * P]`, 0 where padded."""
        logits: Tensor = self._network(ids)
        return logits

    @torch.inference_mode()
    def embed(self, ids: Tensor) -> Tensor:
        """Return the hidden states `[B, C * P, D]` float32; 0 where padded."""
        hidden = self._chunks.embed(ids.reshape(-1, self._n_positions))
        return hidden.reshape(*ids.shape, -1)

    def embed_cls(self, ids: Tensor) -> Tensor:
        """Return the hidden state `[B, D]` float32 of the first chunk's [CLS]."""
        states: Tensor = self._chunks(ids[:, : self._n_positions])[:, 0]
        return states


class _FastChunks(nn.Module):
    """Stands in for the `Encoder` of a long model: chunks of equal length go together."""

    def __init__(self, stack: _FastStack, pooler: nn.Linear) -> None:
        super().__init__()
        self._stack = stack
        self._pooler = pooler

    def forward(self, ids: Tensor, _mask: Tensor | None = None) -> Tensor:
        """Return the states `[N, 1, D]` of [CLS] for chunks `[N, P]`."""
        states = self._pooler.weight.new_empty(len(ids), len(self._pooler.weight))
        for n_tokens, rows in _by_length(ids):
            if n_tokens:
                states[rows] = self._stack.embed_cls(ids[rows, :n_tokens])
            else:  # padding attends to all padding, and all such chunks are alike
                states[rows] = self._stack.embed_cls(ids[rows[:1]])
        return states[:, None]

    def embed(self, ids: Tensor) -> Tensor:
        """Return the hidden states `[N, P, D]` of chunks `[N, P]`; 0 where padded."""
        hidden = self._pooler.weight.new_zeros(*ids.shape, len(self._pooler.weight))
        for n_tokens, rows in _by_length(ids):
            if n_tokens:
                hidden[rows, :n_tokens] = self._stack.embed(ids[rows, :n_tokens])
        return hidden

    def pool(self, hidden: Tensor) -> Tensor:
        """Return the pooled vectors `[N, D]`, as `Encoder.pool`."""
        return torch.tanh(self._pooler(hidden[:, 0]))


def _by_length(ids: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Yield (tokens, rows) of rows that are equally long."""
    n_tokens = (ids != PAD).sum(1)
    for n in n_tokens.unique().tolist():
        yield n, torch.nonzero(n_tokens == n)[:, 0]


def _snapshot(network: _AnyNetwork) -> _AnyNetwork:
    """Return a copy that computes here, in fp32, and learns nothing."""
    reference = copy.deepcopy(network).to(device="cpu", dtype=torch.float32).eval()
    return reference.requires_grad_(requires_grad=False)


class _FastLayer:
    """One encoder layer for all tokens."""

    def __init__(self, layer: Layer, dtype: torch.dtype) -> None:
        attention = layer.attention
        self._n_heads = attention.n_heads
        self._attend = _attend_bf16 if dtype == torch.bfloat16 else _attend_fp32
        # The scores' factor is multiplied into the queries, once.
        scale = _score_scale(layer)
        parts = (attention.query, attention.key, attention.value)
        weight = torch.cat([part.weight for part in parts])
        bias = torch.cat([part.bias for part in parts])
        n_scaled = attention.query.out_features
        weight[:n_scaled] *= scale
        bias[:n_scaled] *= scale
        self._query_key_value = _Linear(weight, bias, dtype)
        self._attention_output = _Linear.like(attention.output, dtype)
        self._attention_norm = attention.norm
        self._intermediate = _Linear.like(layer.intermediate, dtype)
        self._output = _Linear.like(layer.output, dtype)
        self._norm = layer.norm

    def __call__(self, hidden: Tensor) -> Tensor:
        """`[B, T, D]` to `[B, T, D]`."""
        tokens = hidden.flatten(0, 1)
        context = self._context(self._query_key_value(tokens).unflatten(0, hidden.shape[:2]))
        attended = _normalize(
            self._attention_output.plus(context.flatten(0, 1), tokens), self._attention_norm
        )
        expanded = self._intermediate.gelu(attended)
        result = _normalize(self._output.plus(expanded, attended), self._norm)
        return result.view(hidden.shape)

    def weights(self, hidden: Tensor, n_rows: int | None) -> Tensor:
        """As `SelfAttention.weights`: `[B, T, D]` to `[B, H, n, T]` float32, `None`: n = T."""
        tokens = self._query_key_value(hidden.flatten(0, 1)).unflatten(0, hidden.shape[:2])
        query, key, _ = tokens.unflatten(-1, (3, self._n_heads, -1)).permute(2, 0, 3, 1, 4)
        return torch.softmax(query[:, :, :n_rows].float() @ key.float().mT, dim=-1)

    def _context(self, query_key_value: Tensor) -> Tensor:
        """Attend within each window: `[B, T, 3D]` to `[B, T, D]`."""
        n_windows, n_tokens, width = query_key_value.shape
        context = query_key_value.new_empty(n_windows, n_tokens, width // 3)
        at_once = max(1, _SCORES_AT_ONCE // (self._n_heads * n_tokens**2))
        for part, target in zip(
            query_key_value.split(at_once), context.split(at_once), strict=True
        ):
            # [b, T, 3D] -> three of [b, H, T, D/H]
            heads = part.unflatten(-1, (3, self._n_heads, -1)).permute(2, 0, 3, 1, 4)
            target.unflatten(-1, (self._n_heads, -1)).transpose(1, 2).copy_(self._attend(heads))
        return context


class _ClsLayer:
    """The last layer for [CLS] alone, in fp32.

    Keys and values of the other tokens are never built: q·(W x) = (Wᵀ q)·x, a key's bias shifts
    all scores of a row alike, and weights that sum to 1 let the value's bias through unchanged.
    """

    def __init__(self, layer: Layer) -> None:
        self._layer = layer
        self._n_heads = layer.attention.n_heads
        self._scale = _score_scale(layer)
        heads = (self._n_heads, -1)
        self._key = layer.attention.key.weight.unflatten(0, heads)  # [H, D/H, D]
        self._value = layer.attention.value.weight.unflatten(0, heads).mT

    def __call__(self, below: Tensor) -> tuple[Tensor, Tensor]:
        """`[B, T, D]` to the hidden state `[B, D]` of [CLS] and its attention row `[B, H, T]`."""
        attention, states = self._layer.attention, below.float()
        cls = states[:, 0]
        query = attention.query(cls).unflatten(-1, (self._n_heads, -1)) * self._scale
        probe = (query.transpose(0, 1) @ self._key).transpose(0, 1)  # [B, H, D]
        row = torch.softmax(probe @ states.mT, dim=-1)
        gathered = (row @ states).transpose(0, 1)  # [H, B, D]
        context = (gathered @ self._value).transpose(0, 1).flatten(1) + attention.value.bias
        attended = attention.norm(cls + attention.output(context))
        expanded = F.gelu(self._layer.intermediate(attended))
        return self._layer.norm(attended + self._layer.output(expanded)), row


class _Linear:
    """A linear layer on `[N, in]`, packed for oneDNN where torch offers that, else plain."""

    def __init__(self, weight: Tensor, bias: Tensor, dtype: torch.dtype) -> None:
        self._packed = _can_pack(dtype)
        self._weight, self._bias = weight.to(dtype), bias.to(dtype)
        if self._packed:
            self._weight = torch.ops.mkldnn._reorder_linear_weight(self._weight)

    @classmethod
    def like(cls, linear: nn.Linear, dtype: torch.dtype) -> "_Linear":
        return cls(linear.weight, linear.bias, dtype)

    def __call__(self, inputs: Tensor) -> Tensor:
        """`[N, in]` to `[N, out]`."""
        if not self._packed:
            return F.linear(inputs, self._weight, self._bias)
        return _onednn_linear(inputs, self._weight, self._bias)

    def gelu(self, inputs: Tensor) -> Tensor:
        """`[N, in]` to `[N, out]`, through the exact (erf) GELU."""
        if not self._packed:
            return F.gelu(self(inputs))
        return _onednn_linear(inputs, self._weight, self._bias, "gelu")

    def plus(self, inputs: Tensor, residual: Tensor) -> Tensor:
        """`[N, in]` to `[N, out]`, plus `residual [N, out]`."""
        if not self._packed:
            return self(inputs) + residual
        return _onednn_linear_plus(inputs, residual, self._weight, self._bias)


def _onednn_linear(inputs: Tensor, packed: Tensor, bias: Tensor, post: str = "none") -> Tensor:
    # The overloads are named because torch's search for the right one formats every tensor.
    algorithm = "none" if post == "gelu" else ""  # "none" is the exact GELU, not tanh's
    linear = torch.ops.mkldnn._linear_pointwise.default
    result: Tensor = linear(inputs, packed, bias, post, [], algorithm)
    return result


def _onednn_linear_plus(inputs: Tensor, residual: Tensor, packed: Tensor, bias: Tensor) -> Tensor:
    linear = torch.ops.mkldnn._linear_pointwise.binary
    result: Tensor = linear(inputs, residual, packed, bias, "add")
    return result


@lru_cache
def _can_pack(dtype: torch.dtype) -> bool:
    """Tell whether oneDNN's linear is there and right: the op is private and may change."""
    if not torch.backends.mkldnn.is_available():
        return False
    inputs = torch.linspace(-1, 1, 3 * 16, dtype=dtype).view(3, 16)
    weight = torch.linspace(1, -1, 8 * 16, dtype=dtype).view(8, 16)
    bias, residual = torch.ones(8, dtype=dtype), torch.full((3, 8), 2.0, dtype=dtype)
    expected = F.linear(inputs, weight, bias).float()
    try:
        packed = torch.ops.mkldnn._reorder_linear_weight(weight)
        plain = _onednn_linear(inputs, packed, bias)
        gelu = _onednn_linear(inputs, packed, bias, "gelu")
        plus = _onednn_linear_plus(inputs, residual, packed, bias)
    except (AttributeError, RuntimeError, TypeError, NotImplementedError):
        return False
    pairs = ((plain, expected), (gelu, F.gelu(expected)), (plus, expected + residual))
    tolerance = 1e-5 if dtype == torch.float32 else 5e-2
    return all(torch.allclose(a.float(), b, tolerance, tolerance) for a, b in pairs)


def _attend_bf16(heads: Tensor) -> Tensor:
    """`[3, B, H, T, d]` to `[B, H, T, d]`; products are faster than the fused kernel in bf16."""
    query, key, value = heads.flatten(1, 2)  # one copy makes all three contiguous
    weights = torch.softmax(query @ key.mT, dim=-1)
    context: Tensor = (weights @ value).view(heads.shape[1:])
    return context


def _attend_fp32(heads: Tensor) -> Tensor:
    """`[3, B, H, T, d]` to `[B, H, T, d]` with torch's fused kernel."""
    query, key, value = heads
    return F.scaled_dot_product_attention(query, key, value, scale=1.0)


def _normalize(hidden: Tensor, norm: nn.LayerNorm) -> Tensor:
    """Layer norm of bf16 or fp32 values with fp32 weights."""
    return F.layer_norm(hidden, norm.normalized_shape, norm.weight, norm.bias, norm.eps)


def _score_scale(layer: Layer) -> float:
    return 1 / math.sqrt(layer.attention.query.out_features // layer.attention.n_heads)
