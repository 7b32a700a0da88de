"""How fast training is: `bench_training.py [--quick]`; one thread, or a GPU where there is one.

A step is forward, masked loss, backward and fused AdamW on 4 rows of 512 tokens (64 on a GPU).
Ratios are to stock transformers, eager, fp32, logits at all positions; the variants take turns and
each figure is a median of processor time, so that other load hits all alike. Below: the head at
the hidden tokens against all tokens, what share of the computed tokens is real, and how many
tokens per second the data feed gives against what the step takes.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from transformers import BertConfig, BertForMaskedLM

from dnabert_cli.config import ModelConfig
from dnabert_cli.core.masked_batches import MaskedPiece, MaskedRows, Masking
from dnabert_cli.core.network import MaskedLanguageModel, initialize
from dnabert_cli.core.optimize import build_optimizer
from dnabert_cli.core.pretraining import masked_loss
from dnabert_cli.core.throughput import operations_per_token, peak_operations
from dnabert_cli.sequence.corpus import CorpusBuilder, PieceRules
from dnabert_cli.sequence.kmers import Tokenizer

TOKENIZER = Tokenizer(6)
N_TOKENS, N_BASES = 512, 20_000_000
SIZES = ((4, 256, 9), (6, 384, 5), (12, 768, 3))
Step = Callable[[], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="the small encoder only")
    quick = parser.parse_args().quick
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}, {device}, one thread")
    rows = corpus_rows()
    print("model\tvariant\ttokens/s\tto stock\tof peak")
    best = 0.0
    for layers, hidden, rounds in SIZES[: 1 if quick else None]:
        best = max(best, report(sizes(layers, hidden), rows, rounds, device))
    report_head(rows, device)
    report_feed(rows, best)


def sizes(layers: int, hidden: int) -> ModelConfig:
    return ModelConfig(
        vocab_size=TOKENIZER.vocab_size,
        hidden_size=hidden,
        num_hidden_layers=layers,
        num_attention_heads=hidden // 64,
        intermediate_size=4 * hidden,
    )


def corpus_rows() -> MaskedRows:
    builder = CorpusBuilder(6)
    builder.add_source("random")
    letters = np.frombuffer(b"ACGT", dtype=np.uint8)
    chosen = np.random.default_rng(0).integers(4, size=N_BASES)
    builder.add(letters[chosen].tobytes().decode())
    rules = PieceRules(min_bases=TOKENIZER.n_bases(5), max_bases=TOKENIZER.n_bases(510))
    return MaskedRows(builder.finish(), rules, TOKENIZER, Masking(), 0)


def full_piece(rows: MaskedRows, device: torch.device) -> MaskedPiece:
    """Rows of 512 tokens, as many as a piece of pre-training has."""
    n_rows = 64 if device.type == "cuda" else 4
    batch = next(rows.batches(0, batch_size=4 * n_rows, max_tokens=n_rows * N_TOKENS))
    piece = batch[0]
    assert piece.ids.shape == (n_rows, N_TOKENS), piece.ids.shape
    return piece.to(device)


def report(config: ModelConfig, rows: MaskedRows, rounds: int, device: torch.device) -> float:
    """Measure one size and print its rows; return the tokens per second of our fastest step."""
    piece = full_piece(rows, device)
    no_dropout = replace(config, hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    no_attention = replace(config, attention_probs_dropout_prob=0.0)
    bf16 = torch.bfloat16
    variants = {
        "stock eager fp32, dropout .1": stock_step(config, piece, device, torch.float32),
        "stock eager fp32, no dropout": stock_step(no_dropout, piece, device, torch.float32),
        "ours fp32, dropout .1": our_step(config, piece, device, torch.float32),
        "ours bf16, dropout .1": our_step(config, piece, device, bf16),
        "ours bf16, no attention dropout": our_step(no_attention, piece, device, bf16),
        "ours bf16, no dropout": our_step(no_dropout, piece, device, bf16),
    }
    seconds = measure(variants, rounds, device)
    stock = seconds["stock eager fp32, dropout .1"]
    for name, taken in seconds.items():
        speed = piece.n_tokens / taken
        print(
            f"{config.num_hidden_layers}x{config.hidden_size}\t{name}\t{speed:.0f}\t"
            f"{stock / taken:.2f}\t{share_of_peak(config, speed, device)}",
            flush=True,
        )
    return piece.n_tokens / min(seconds.values())


def share_of_peak(config: ModelConfig, tokens_per_second: float, device: torch.device) -> str:
    peak = peak_operations(device)
    if peak is None:
        return ""
    return f"{operations_per_token(config, N_TOKENS, 0.15) * tokens_per_second / peak:.0%}"


def our_step(
    config: ModelConfig, piece: MaskedPiece, device: torch.device, dtype: torch.dtype
) -> Step:
    network = MaskedLanguageModel(config).to(device)
    initialize(network, 0.02)
    return make_step(network, lambda: masked_loss(network, piece), device, dtype)


def stock_step(
    config: ModelConfig, piece: MaskedPiece, device: torch.device, dtype: torch.dtype
) -> Step:
    stock = BertConfig(
        vocab_size=config.vocab_size,
        hidden_size=config.hidden_size,
        num_hidden_layers=config.num_hidden_layers,
        num_attention_heads=config.num_attention_heads,
        intermediate_size=config.intermediate_size,
        hidden_dropout_prob=config.hidden_dropout_prob,
        attention_probs_dropout_prob=config.attention_probs_dropout_prob,
        attn_implementation="eager",
    )
    network = BertForMaskedLM(stock).to(device)
    labels = torch.full((piece.ids.numel(),), -100, device=device)
    labels[piece.positions] = piece.labels
    labels = labels.view_as(piece.ids)
    mask = torch.ones_like(piece.ids)
    return make_step(
        network,
        lambda: network(piece.ids, attention_mask=mask, labels=labels).loss,
        device,
        dtype,
    )


def make_step(
    network: nn.Module,
    loss: Callable[[], torch.Tensor],
    device: torch.device,
    dtype: torch.dtype,
) -> Step:
    network.train()
    optimizer = build_optimizer(network, learning_rate=1e-4, weight_decay=0.01)

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(device.type, dtype=dtype, enabled=dtype != torch.float32):
            value = loss()
        value.backward()
        optimizer.step()
        return value.item()

    return step


def measure(variants: dict[str, Step], rounds: int, device: torch.device) -> dict[str, float]:
    """Return the median seconds of each variant; they take turns."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    for step in variants.values():
        step()  # warms up
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, step in variants.items():
            begin = clock()
            step()
            seconds[name].append(clock() - begin)
    return {name: statistics.median(taken) for name, taken in seconds.items()}


def report_head(rows: MaskedRows, device: torch.device) -> None:
    """The head at the hidden tokens against the head at all of them, forward and backward."""
    config = sizes(4, 256)
    piece = full_piece(rows, device)
    network = MaskedLanguageModel(config).to(device)
    initialize(network, 0.02)
    hidden = torch.randn(*piece.ids.shape, config.hidden_size, device=device)
    network.encoder.forward = lambda *_: hidden  # the head alone
    labels = torch.full((piece.ids.numel(),), -100, device=device)
    labels[piece.positions] = piece.labels
    losses = {
        "hidden": lambda: masked_loss(network, piece),
        "all": lambda: F.cross_entropy(network(piece.ids), labels),
    }

    def step(name: str) -> float:
        value = losses[name]()
        value.backward()
        return value.item()

    difference = abs(step("hidden") - step("all"))
    seconds = measure({name: lambda name=name: step(name) for name in losses}, 7, device)
    print(
        f"head at hidden tokens: {seconds['all'] / seconds['hidden']:.1f} times as fast as at all, "
        f"losses {difference:.1e} apart"
    )


def report_feed(rows: MaskedRows, step_speed: float) -> None:
    """The data feed alone, for batches of the published size."""
    feed = rows.batches(0, batch_size=2000, max_tokens=65536)
    next(feed)
    begin, real, computed = time.perf_counter(), 0, 0
    for _ in range(4):
        for piece in next(feed):
            real += piece.n_real
            computed += piece.n_tokens
    speed = computed / (time.perf_counter() - begin)
    print(
        f"feed: {speed:,.0f} tokens/s, {speed / step_speed:.0f} times the fastest step; "
        f"{real / computed:.1%} of the computed tokens are real"
    )


if __name__ == "__main__":
    main()
