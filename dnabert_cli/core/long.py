"""DNABERT-XL: sequences longer than BERT reads, in chunks whose pooled vectors are joined.

Every chunk goes through the encoder alone, its positions counted from 0. Letters of `network.py`;
C chunks, P positions per chunk (`max_position_embeddings`). Rows come from
`sequence.chunks.lay_out`.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dnabert_cli.config import ModelConfig
from dnabert_cli.core.network import Encoder

_RNNS: dict[str, Callable[..., nn.RNNBase]] = {"lstm": nn.LSTM, "gru": nn.GRU}


class LongClassifier(nn.Module):
    """One vector of logits per sequence of C chunks, joined as `config.long` says.

    - `lstm`, `gru`: a bidirectional network over the chunks, zero at the start; its final hidden
      states, of all layers and both directions, are summed (the original's `dnalong`).
    - `concat`: the C vectors side by side, and a dense layer (the original's `dnalongcat`).
    - `mean`: their mean (the class published with the models on the Hugging Face hub).

    Chunks without a token count like any other, as in the original: the answer to a short
    sequence depends on C. Weights have the original's names: `rnn.*` and `classifier.*`, or
    `classifier1.*` and `classifier2.*`.

    Source: Ji et al. 2021 (DNABERT-XL); `BertForLongSequenceClassification` and
    `BertForLongSequenceClassificationCat` of the original program; `dnabert_layer.py` of the hub.
    """

    def __init__(self, config: ModelConfig, n_labels: int) -> None:
        super().__init__()
        assert config.long is not None, "one chunk needs no joining"
        self.config = config
        self.encoder = Encoder(config)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        width = config.hidden_size
        if config.long == "concat":
            self.classifier1 = nn.Linear(config.chunks * width, width)
            self.classifier2 = nn.Linear(width, n_labels)
            return
        if config.long in _RNNS:
            self.rnn = _build_rnn(config)
        self.classifier = nn.Linear(width, n_labels)

    def forward(self, ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return logits `[B, K]` for ids `[B, C * P]`; the mask is 1 where tokens are real."""
        hidden = self._encode(ids, attention_mask)
        pooled = self.encoder.pool(hidden).unflatten(0, (-1, self.config.chunks))
        last = self.classifier2 if self.config.long == "concat" else self.classifier
        logits: Tensor = last(self.dropout(self._join(pooled)))
        return logits

    def embed(self, ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return the hidden states `[B, C * P, D]` of the last layer, chunk after chunk."""
        return self._encode(ids, attention_mask).reshape(*ids.shape, -1)

    def _encode(self, ids: Tensor, attention_mask: Tensor | None) -> Tensor:
        """`[B, C * P]` to `[B * C, P, D]`."""
        n_positions = self.config.max_position_embeddings
        n_tokens = self.config.chunks * n_positions
        assert ids.shape[1] == n_tokens, f"{ids.shape[1]} ids, not {n_tokens}"
        if attention_mask is not None:
            attention_mask = attention_mask.reshape(-1, n_positions).bool()
            # A chunk of padding attends to all of it: the original's mask adds -10000 to every
            # score, and the softmax takes that out again. (Nothing to attend to would be NaN.)
            attention_mask = attention_mask | ~attention_mask.any(1, keepdim=True)
        hidden: Tensor = self.encoder(ids.reshape(-1, n_positions), attention_mask)
        return hidden

    def _join(self, pooled: Tensor) -> Tensor:
        """`[B, C, D]` to `[B, D]`."""
        if self.config.long == "concat":
            return F.relu(self.classifier1(self.dropout(pooled.flatten(1))))
        if self.config.long == "mean":
            return pooled.mean(1)
        states = self.rnn(pooled)[1]
        if self.config.long == "lstm":
            states = states[0]  # the cell states are left out
        summed: Tensor = states.sum(0)
        return summed


def _build_rnn(config: ModelConfig) -> nn.RNNBase:
    """Build the network over chunks, with fresh weights as the original draws them."""
    assert config.long is not None
    rnn = _RNNS[config.long](
        config.hidden_size,
        config.hidden_size,
        num_layers=config.rnn_layers,
        # between layers: torch warns when there is one only
        dropout=config.rnn_dropout if config.rnn_layers > 1 else 0.0,
        batch_first=True,
        bidirectional=True,
    )
    with torch.no_grad():
        for parameter in rnn.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_normal_(parameter)
            else:
                nn.init.normal_(parameter)
    return rnn
