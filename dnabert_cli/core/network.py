"""The BERT encoder and its heads, in plain torch: for training, for GPUs, and as the reference.

Weights map one to one to Hugging Face's `BertModel` (`hub_names.py` knows the names).
Post-layer-norm, learned positions, exact-erf GELU, as published (Devlin et al. 2019; Ji et al.
2021). Shapes: B batch, T tokens with [CLS] and [SEP], H heads, D hidden size, K labels, L bases.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from dnabert_cli.config import ModelConfig
from dnabert_cli.sequence.kmers import Tokenizer

# Given a number of tokens (None: all), returns their attention to every token: `[B, H, n, T]`.
AttentionOf = Callable[[int | None], Tensor]
# Told, before a layer runs, its number (from 0) and its attention, which is computed when called.
Watch = Callable[[int, AttentionOf], None]


@runtime_checkable
class Network(Protocol):
    """What both loops ask of a network: BERT here, the CNN in `baselines.py`."""

    config: ModelConfig

    def __call__(self, ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return logits `[B, K]` for token ids `[B, T]`."""

    def embed(self, ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return the hidden states `[B, T, D]` of the last layer."""


def max_tokens(config: ModelConfig) -> int | None:
    """Return how many tokens a network reads at once, [CLS] and [SEP] not counted; None: any."""
    if config.arch != "bert":
        return None
    n_chunks = 1 if config.long is None else config.chunks
    return n_chunks * (config.max_position_embeddings - 2)


class Embeddings(nn.Module):
    """Token + position + token type, then layer norm. All tokens are of type 0."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.tokens = nn.Embedding(config.vocab_size, config.hidden_size, padding_idx=0)
        self.positions = nn.Embedding(config.max_position_embeddings, config.hidden_size)
        self.token_types = nn.Embedding(config.type_vocab_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, ids: Tensor) -> Tensor:
        """Map ids `[B, T]` to vectors `[B, T, D]`; positions count from 0."""
        positions = self.positions.weight[: ids.shape[1]] + self.token_types.weight[0]
        vectors: Tensor = self.dropout(self.norm(self.tokens(ids) + positions))
        return vectors


class SelfAttention(nn.Module):
    """Multi-head self-attention with its output projection, residual and layer norm."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.n_heads = config.num_attention_heads
        self.query = nn.Linear(config.hidden_size, config.hidden_size)
        self.key = nn.Linear(config.hidden_size, config.hidden_size)
        self.value = nn.Linear(config.hidden_size, config.hidden_size)
        self.output = nn.Linear(config.hidden_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.attention_dropout = config.attention_probs_dropout_prob

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """Attend within `hidden [B, T, D]`; `mask [B, 1, 1, T]` is True where tokens are real."""
        query, key, value = (
            self._heads(layer(hidden)) for layer in (self.query, self.key, self.value)
        )
        context = F.scaled_dot_product_attention(
            query,
            key,
            value,
            attn_mask=mask,
            dropout_p=self.attention_dropout if self.training else 0.0,
        )
        context = context.transpose(1, 2).reshape(hidden.shape)
        attended: Tensor = self.norm(hidden + self.dropout(self.output(context)))
        return attended

    def weights(self, hidden: Tensor, mask: Tensor | None, n_rows: int | None) -> Tensor:
        """Return the attention weights of the first `n_rows` tokens, `None`: of all of them.

        Args:
            hidden: `[B, T, D]`, what enters the layer.
            mask: as in `forward`.
            n_rows: n; of one token the weights are a row, and no matrix is built.

        Returns:
            `[B, H, n, T]` float32; a row sums to 1. Dropout is left out.
        """
        query, key = self._heads(self.query(hidden[:, :n_rows])), self._heads(self.key(hidden))
        # Weights are the answer here: scores rounded to bf16 would be off by whole percents.
        with torch.autocast(hidden.device.type, enabled=False):
            scores = query.float() @ key.float().mT / math.sqrt(query.shape[-1])
        if mask is not None:
            scores = scores.masked_fill(~mask, -math.inf)
        return scores.softmax(-1)

    def _heads(self, vectors: Tensor) -> Tensor:
        """`[B, T, D]` to `[B, H, T, D/H]`."""
        heads: Tensor = vectors.unflatten(-1, (self.n_heads, -1)).transpose(1, 2)
        return heads


class Layer(nn.Module):
    """One encoder layer: self-attention, then the feed-forward part."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.attention = SelfAttention(config)
        self.intermediate = nn.Linear(config.hidden_size, config.intermediate_size)
        self.output = nn.Linear(config.intermediate_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)

    def forward(self, hidden: Tensor, mask: Tensor | None) -> Tensor:
        """`[B, T, D]` to `[B, T, D]`."""
        hidden = self.attention(hidden, mask)
        expanded = F.gelu(self.intermediate(hidden))
        result: Tensor = self.norm(hidden + self.dropout(self.output(expanded)))
        return result


class Encoder(nn.Module):
    """Embeddings, the layers, and the pooler (tanh of a dense layer on [CLS])."""

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.embeddings = Embeddings(config)
        self.layers = nn.ModuleList(Layer(config) for _ in range(config.num_hidden_layers))
        self.pooler = nn.Linear(config.hidden_size, config.hidden_size)
        # Training then computes each layer twice and keeps its inputs only: less memory.
        self.checkpoints_activations = False

    def forward(
        self, ids: Tensor, attention_mask: Tensor | None = None, watch: Watch | None = None
    ) -> Tensor:
        """Encode ids `[B, T]`; `attention_mask [B, T]` is 1 where real, `None` when all are.

        Returns:
            The last hidden states `[B, T, D]`.
        """
        mask = None if attention_mask is None else attention_mask[:, None, None, :].bool()
        hidden: Tensor = self.embeddings(ids)
        for number, layer in enumerate(self.layers):
            if watch is not None:
                assert isinstance(layer, Layer)
                watch(number, partial(layer.attention.weights, hidden, mask))
            if self.checkpoints_activations and self.training:
                hidden = checkpoint(layer, hidden, mask, use_reentrant=False)
            else:
                hidden = layer(hidden, mask)
        return hidden

    def pool(self, hidden: Tensor) -> Tensor:
        """Return the pooled [CLS] vector `[B, D]` of hidden states `[B, T, D]`."""
        return torch.tanh(self.pooler(hidden[:, 0]))


class SequenceClassifier(nn.Module):
    """One vector of logits per sequence, as Hugging Face's `BertForSequenceClassification`.

    With `pooling = "mean"` the mean over the k-mers takes the place of [CLS] before the pooler.
    """

    def __init__(self, config: ModelConfig, n_labels: int, pooling: str = "cls") -> None:
        super().__init__()
        self.config = config
        self.pooling = pooling
        self.encoder = Encoder(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, n_labels)

    def forward(
        self, ids: Tensor, attention_mask: Tensor | None = None, watch: Watch | None = None
    ) -> Tensor:
        """Return logits `[B, K]` for ids `[B, T]`; `watch` is shown the attention of each layer."""
        hidden = self.encoder(ids, attention_mask, watch)
        if self.pooling == "mean":
            hidden = mean_over_tokens(hidden, attention_mask)[:, None]
        logits: Tensor = self.classifier(self.dropout(self.encoder.pool(hidden)))
        return logits

    def embed(self, ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return the hidden states `[B, T, D]` of the last layer."""
        hidden: Tensor = self.encoder(ids, attention_mask)
        return hidden


class TokenClassifier(nn.Module):
    """One vector of logits per base: the mean of those of the k-mers that hold it.

    The weights are those of Hugging Face's `BertForTokenClassification`, which answers per token.
    The pooler belongs to the folder but is not trained here.
    """

    def __init__(self, config: ModelConfig, n_labels: int, k: int, token_stride: int = 1) -> None:
        super().__init__()
        self.config = config
        self.tokenizer = Tokenizer(k, token_stride)
        self.encoder = Encoder(config)
        self.encoder.pooler.requires_grad_(False)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.classifier = nn.Linear(config.hidden_size, n_labels)

    def forward(self, ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return logits `[B, L, K]` float32 for ids `[B, T]`.

        L is the number of bases that T - 2 tokens cover, that is the longest row. The logits of
        a base that no k-mer of its row holds are 0.
        """
        return self.classify(self.encoder(ids, attention_mask), attention_mask)

    def classify(self, hidden: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return logits `[B, L, K]` float32 for last hidden states `[B, T, D]`."""
        logits = self.classifier(self.dropout(hidden[:, 1:-1])).float()
        return mean_over_kmers(
            logits,
            # [CLS] leads and [SEP] ends a row: two further on, the mask says which are k-mers
            None if attention_mask is None else attention_mask[:, 2:],
            self.tokenizer,
        )

    def embed(self, ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return the hidden states `[B, T, D]` of the last layer."""
        hidden: Tensor = self.encoder(ids, attention_mask)
        return hidden


class MaskedLanguageModel(nn.Module):
    """The head of pre-training, as Hugging Face's `BertForMaskedLM`.

    The decoder is the table of token vectors itself, with a bias of its own. The pooler belongs to
    the folder but is not trained here.
    """

    def __init__(self, config: ModelConfig) -> None:
        super().__init__()
        self.config = config
        self.encoder = Encoder(config)
        self.encoder.pooler.requires_grad_(False)
        self.transform = nn.Linear(config.hidden_size, config.hidden_size)
        self.norm = nn.LayerNorm(config.hidden_size, eps=config.layer_norm_eps)
        self.bias = nn.Parameter(torch.zeros(config.vocab_size))

    def forward(
        self, ids: Tensor, attention_mask: Tensor | None = None, positions: Tensor | None = None
    ) -> Tensor:
        """Return logits over the vocabulary, where they are asked for.

        Args:
            ids: `[B, T]`.
            attention_mask: `[B, T]`, 1 where tokens are real; `None` when all are.
            positions: `[M]`, indices into the B x T tokens, row after row; `None`: all of them.

        Returns:
            `[M, V]`; `[B * T, V]` without positions. The head costs as much per position as a
            layer, so that leaving the others out pays.
        """
        hidden = self.encoder(ids, attention_mask).flatten(0, 1)
        if positions is not None:
            hidden = hidden[positions]
        hidden = self.norm(F.gelu(self.transform(hidden)))
        logits: Tensor = F.linear(hidden, self.encoder.embeddings.tokens.weight, self.bias)
        return logits


def mean_over_tokens(hidden: Tensor, attention_mask: Tensor | None) -> Tensor:
    """Return the mean `[B, D]` over the k-mers of `hidden [B, T, D]`, [CLS] and [SEP] left out.

    Args:
        hidden: `[B, T, D]`, [CLS] first, [SEP] at the end of the real tokens.
        attention_mask: `[B, T]`, 1 where tokens are real; `None` when all are.
    """
    if attention_mask is None:
        return hidden[:, 1:-1].mean(1)
    kmers = attention_mask.clone().to(hidden.dtype)
    ends = attention_mask.sum(1, keepdim=True) - 1
    kmers.scatter_(1, ends.long(), 0)
    kmers[:, 0] = 0
    return (hidden * kmers[..., None]).sum(1) / kmers.sum(1, keepdim=True).clamp(min=1)


def mean_over_kmers(scores: Tensor, mask: Tensor | None, tokenizer: Tokenizer) -> Tensor:
    """Return scores of bases `[B, L, K]`: the mean of those of the k-mers that hold them.

    As `sequence.kmers.to_base_scores`, for rows of any number of k-mers; 0 where no k-mer is.

    Args:
        scores: `[B, T, K]`, of k-mers alone.
        mask: `[B, T]`, 1 for k-mers and 0 where padded; `None` when nothing is.
        tokenizer: k and token stride.
    """
    real = scores.new_ones(scores.shape[:2]) if mask is None else mask.to(scores.dtype)
    n_tokens = scores.shape[1]
    n_bases, stride = tokenizer.n_bases(n_tokens), tokenizer.token_stride
    sums = scores.new_zeros(len(scores), n_bases, scores.shape[2])
    counts = scores.new_zeros(len(scores), n_bases, 1)
    kept = scores * real[..., None]
    # Sums of slices, not a convolution: that would be rounded under autocast and on GPUs (TF32).
    for offset in range(tokenizer.k if n_tokens else 0):
        covered = slice(offset, offset + (n_tokens - 1) * stride + 1, stride)
        sums[:, covered] += kept
        counts[:, covered] += real[..., None]
    return sums / counts.clamp(min=1)


def initialize(network: nn.Module, standard_deviation: float) -> None:
    """Set fresh weights as BERT does: normal matrices, zero biases, unit layer norms."""
    for module in network.modules():
        if isinstance(module, nn.Linear | nn.Embedding):
            nn.init.normal_(module.weight, std=standard_deviation)
        if isinstance(module, nn.Linear) and module.bias is not None:
            nn.init.zeros_(module.bias)
        if isinstance(module, nn.Embedding) and module.padding_idx is not None:
            with torch.no_grad():
                module.weight[module.padding_idx].zero_()
