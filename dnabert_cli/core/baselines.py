"""The baseline networks every claim is measured against; same loops, same folders as BERT.

They read single bases (k = 1) as one-hot columns; [CLS], [SEP], [PAD] and [UNK] are empty columns.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from dnabert_cli.config import ModelConfig
from dnabert_cli.sequence.kmers import BASES, N_SPECIAL

# Widths of the convolutions in bases; the first is about the length of a binding site.
_WIDTHS = (11, 9, 7)
_POOL = 4


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
        n_symbols = N_SPECIAL + len(BASES)
        hidden = F.one_hot(ids.long(), n_symbols)[..., N_SPECIAL:].transpose(1, 2)
        hidden = hidden.to(self.classifier.weight.dtype)
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            hidden = F.relu(norm(convolution(hidden)))
            if hidden.shape[2] >= _POOL:
                hidden = F.max_pool1d(hidden, _POOL)
        return hidden.transpose(1, 2)
