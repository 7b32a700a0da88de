"""The baseline networks every claim is measured against; same loops, same folders as BERT.

They read single bases (k = 1) as one-hot columns; [CLS], [SEP], [PAD] and [UNK] are empty columns.
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from dnabert_cli.config import ModelConfig
from dnabert_cli.errors import ModelError
from dnabert_cli.sequence.kmers import BASES, N_SPECIAL

# Widths of the convolutions in bases; the first is about the length of a binding site.
_WIDTHS = (11, 9, 7)
_POOL = 4
_RNNS: dict[str, Callable[..., nn.RNNBase]] = {"cnn-lstm": nn.LSTM, "cnn-gru": nn.GRU}


class ConvolutionalClassifier(nn.Module):
    """Convolutions with batch norm and max pooling, then one dense layer.

    `config.hidden_size` is the number of filters, `config.num_hidden_layers` of convolutions.
    """

    def __init__(self, config: ModelConfig, n_labels: int) -> None:
        super().__init__()
        self.config = config
        widths = (_WIDTHS + (_WIDTHS[-1],) * config.num_hidden_layers)[: config.num_hidden_layers]
        n_inputs = [len(BASES)] + [config.hidden_size] * (len(widths) - 1)
        self.convolutions = nn.ModuleList(
            nn.Conv1d(n_in, config.hidden_size, width, padding="same")
            for n_in, width in zip(n_inputs, widths, strict=True)
        )
        self.norms = nn.ModuleList(nn.BatchNorm1d(config.hidden_size) for _ in widths)
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.dense = nn.Linear(2 * config.hidden_size, config.hidden_size)
        self.classifier = nn.Linear(config.hidden_size, n_labels)

    def forward(self, ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return logits `[B, K]` for ids `[B, T]` of single bases; padding is empty anyway."""
        hidden = self.embed(ids, attention_mask).transpose(1, 2)
        summary = torch.cat((hidden.amax(2), hidden.mean(2)), 1)
        logits: Tensor = self.classifier(self.dropout(F.relu(self.dense(self.dropout(summary)))))
        return logits

    def embed(self, ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:  # noqa: ARG002
        """Return the last feature map `[B, T', D]`, pooled along the sequence."""
        hidden = _one_hot(ids, self.classifier.weight.dtype)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            hidden = F.relu(norm(convolution(hidden)))
            if hidden.shape[2] >= _POOL:
                hidden = F.max_pool1d(hidden, _POOL)
        return hidden.transpose(1, 2)


class RecurrentClassifier(nn.Module):
    """One convolution with max pooling, a bidirectional LSTM or GRU over it, one dense layer.

    `config.hidden_size` is the number of filters and the width of the recurrent layers (half of it
    for each direction), `config.num_hidden_layers` the number of recurrent layers, `config.arch`
    (`cnn-lstm`, `cnn-gru`) their kind. The dense layer reads the last state of each direction.

    Padding takes no part, whatever the mask leaves out: a row gives the same answer in any batch.

    Source: the CNN-LSTM and CNN-GRU that Ji et al. 2021 compare with; the sizes are ours.
    """

    def __init__(self, config: ModelConfig, n_labels: int) -> None:
        super().__init__()
        width = config.hidden_size
        if width % 2:
            raise ModelError(f"hidden_size {width} of a {config.arch} is not even")
        self.config = config
        self.convolution = nn.Conv1d(len(BASES), width, _WIDTHS[0], padding="same")
        self.rnn = _RNNS[config.arch](
            width,
            width // 2,
            num_layers=config.num_hidden_layers,
            batch_first=True,
            bidirectional=True,
        )
        self.dropout = nn.Dropout(config.hidden_dropout_prob)
        self.dense = nn.Linear(width, width)
        self.classifier = nn.Linear(width, n_labels)

    def forward(self, ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return logits `[B, K]` for ids `[B, T]` of single bases; the mask is 1 where real."""
        states = self._read(ids, attention_mask)[1]
        last = states[-2:].transpose(0, 1).flatten(1)  # both directions of the uppermost layer
        logits: Tensor = self.classifier(self.dropout(F.relu(self.dense(self.dropout(last)))))
        return logits

    def embed(self, ids: Tensor, attention_mask: Tensor | None = None) -> Tensor:
        """Return the uppermost states `[B, T', D]`, a column for 4 tokens; 0 at padding."""
        return self._read(ids, attention_mask)[0]

    def _read(self, ids: Tensor, attention_mask: Tensor | None) -> tuple[Tensor, Tensor]:
        """`[B, T]` to all states `[B, T', D]`, and to the last ones `[2 * N, B, D / 2]`."""
        hidden = F.relu(self.convolution(_one_hot(ids, self.classifier.weight.dtype)))
        if attention_mask is not None:
            hidden = hidden * attention_mask[:, None]  # nothing is smaller: pooling ignores it
        # A row that does not fill its last column keeps it, alone as in a batch of longer ones.
        columns = F.max_pool1d(hidden, _POOL, ceil_mode=True).transpose(1, 2)
        if attention_mask is None:
            states, last = self.rnn(columns)
        else:
            n_columns = (attention_mask.sum(1) + _POOL - 1) // _POOL
            packed = pack_padded_sequence(
                columns, n_columns.cpu(), batch_first=True, enforce_sorted=False
            )
            states, last = self.rnn(packed)
            states = pad_packed_sequence(states, batch_first=True, total_length=columns.shape[1])[0]
        return states, last[0] if self.config.arch == "cnn-lstm" else last


def _one_hot(ids: Tensor, dtype: torch.dtype) -> Tensor:
    """`[B, T]` to `[B, 4, T]`; the columns of special tokens are empty."""
    columns = F.one_hot(ids.long(), N_SPECIAL + len(BASES))[..., N_SPECIAL:]
    return columns.transpose(1, 2).to(dtype)
