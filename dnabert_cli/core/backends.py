"""What computes the logits: the prepared encoder on a CPU, else the network as it is."""

import copy
from contextlib import nullcontext
from typing import Protocol

import torch
from torch import Tensor, nn

from dnabert_cli.core.attention import ClsRow
from dnabert_cli.core.fast import FastLongClassifier, FastTokenClassifier, prepare
from dnabert_cli.core.long import LongClassifier
from dnabert_cli.core.network import Network, SequenceClassifier, TokenClassifier
from dnabert_cli.sequence.kmers import PAD


class Backend(Protocol):
    """What computes: one of `fast.py`, or a network under autocast."""

    def __call__(self, ids: Tensor) -> Tensor:
        """Return logits `[B, K]`, or `[B, L, K]` per base."""

    def embed(self, ids: Tensor) -> Tensor:
        """Return hidden states `[B, T, D]`."""

    def embed_cls(self, ids: Tensor) -> Tensor:
        """Return the hidden state `[B, D]` of [CLS]."""


class PlainNetwork:
    """A copy of a network on its device, run as it is, under autocast below fp32."""

    def __init__(self, network: Network, device: torch.device, dtype: torch.dtype) -> None:
        assert isinstance(network, nn.Module)
        self._network = copy.deepcopy(network).to(device).eval()
        self._device, self._dtype = device, dtype
        self._is_padded = network.config.long is not None

    def __call__(self, ids: Tensor) -> Tensor:
        """Return logits `[B, K]`, or `[B, L, K]` per base."""
        ids = ids.to(self._device)
        with self._autocast():
            logits: Tensor = self._network(ids, self._mask(ids))
        return logits

    def with_cls_attention(self, ids: Tensor, layer: int | None = None) -> tuple[Tensor, Tensor]:
        """As `FastEncoder.with_cls_attention`; for a `SequenceClassifier`."""
        network = self._network
        assert isinstance(network, SequenceClassifier), "this network has no [CLS] row"
        row = ClsRow(network.config.num_hidden_layers - 1 if layer is None else layer)
        with self._autocast():
            logits: Tensor = network(ids.to(self._device), None, row)
        return logits, row.weights

    def embed(self, ids: Tensor) -> Tensor:
        """Return hidden states `[B, T, D]` float32."""
        ids = ids.to(self._device)
        with self._autocast():
            hidden: Tensor = self._network.embed(ids, self._mask(ids))
        return hidden.float()

    def embed_cls(self, ids: Tensor) -> Tensor:
        """Return the hidden state `[B, D]` float32 of [CLS]."""
        return self.embed(ids)[:, 0]

    def _mask(self, ids: Tensor) -> Tensor | None:
        return (ids != PAD).long() if self._is_padded else None

    def _autocast(self) -> torch.autocast | nullcontext[None]:
        if self._dtype == torch.float32:
            return nullcontext()
        return torch.autocast(self._device.type, self._dtype)


def backend_for(network: Network, device: torch.device, dtype: torch.dtype) -> Backend:
    """Return what computes a network's answers on a device; baselines run in fp32."""
    if network.config.arch != "bert":
        return PlainNetwork(network, device, torch.float32)
    if device.type != "cpu":
        return PlainNetwork(network, device, dtype)
    if isinstance(network, LongClassifier):
        return FastLongClassifier(network, dtype)
    if isinstance(network, TokenClassifier):
        return FastTokenClassifier(network, dtype)
    if isinstance(network, SequenceClassifier):
        return prepare(network, dtype)
    return PlainNetwork(network, device, torch.float32)
