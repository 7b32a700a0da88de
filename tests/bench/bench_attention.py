"""How fast the attention row of [CLS] is on this CPU: `bench_attention.py [--quick] [--one-core]`.

Windows of 300 bases (k = 6, 297 tokens) a second, with their answers, on all cores; with
`--one-core` per second of processor time of one thread. The variants take turns, so that other
load on the machine hits all alike, and each figure is a median; ratios hold, absolute figures
drift. Ratios are to stock transformers with `output_attentions=True`, eager and fp32, at the best
of its batch sizes. "rows, MB" is what the rows of 32 windows take, and for stock transformers what
the attentions of all layers do. Random weights: max |d row| checks the plumbing.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification

from dnabert_cli.config import ComputeConfig, ModelConfig, TaskConfig
from dnabert_cli.core.device import has_native_bf16, n_threads
from dnabert_cli.core.hub_names import to_hub
from dnabert_cli.core.infer import Predictor
from dnabert_cli.core.network import SequenceClassifier
from dnabert_cli.sequence.kmers import CLS, SEP, Tokenizer
from dnabert_cli.sequence.windows import TokenWindows, token_windows

K, WINDOW, N_MEASURED = 6, 300, 32
PRECISIONS = ("fp32", "bf16")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="a small encoder only")
    parser.add_argument("--one-core", action="store_true", help="processor time of one thread")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    n_cores = 1 if options.one_core else n_threads(None)
    torch.set_num_threads(n_cores)
    clock = time.process_time if options.one_core else time.perf_counter
    sizes = [(4, 256, 52)] if options.quick else [(4, 256, 52), (12, 768, 12)]
    print(f"torch {torch.__version__}, {n_cores} cores, native bf16: {has_native_bf16()}")
    print("model\tvariant\twindows/s\tto best stock\trows, MB\tmax |d row|")
    for layers, hidden, n_windows in sizes:
        config = ModelConfig(
            vocab_size=Tokenizer(K).vocab_size,
            hidden_size=hidden,
            num_hidden_layers=layers,
            num_attention_heads=hidden // 64,
            intermediate_size=4 * hidden,
        )
        report(config, n_windows, options.rounds, ComputeConfig(threads=n_cores), clock)


def report(
    config: ModelConfig,
    n_windows: int,
    rounds: int,
    compute: ComputeConfig,
    clock: Callable[[], float],
) -> None:
    """Measure one size and print its rows."""
    torch.manual_seed(0)
    network = SequenceClassifier(config, 2).eval()
    sequence = "".join(np.random.default_rng(0).choice(list("ACGT"), WINDOW + 50 * n_windows))
    windows = token_windows(sequence, 50 * np.arange(n_windows), WINDOW, Tokenizer(K))
    task = TaskConfig(k=K, classes=("no", "yes"), window=WINDOW)
    variants = {f"stock eager fp32, batch {b}": stock(network, windows, b) for b in (4, 12)}
    predictors = [Predictor(network, task, replace(compute, precision=one)) for one in PRECISIONS]
    for precision, predictor in zip(PRECISIONS, predictors, strict=True):
        variants[f"row {precision}"] = lambda p=predictor: p.with_cls_attention(windows)[1]
        variants[f"no row {precision}"] = lambda p=predictor: p.probabilities(windows)
    seconds, rows = measure(variants, rounds, clock)
    stock_names = [name for name in variants if name.startswith("stock")]
    best = min(seconds[name] for name in stock_names)
    n_tokens = windows.n_tokens + 2
    for name, taken in seconds.items():
        n_numbers, change = N_MEASURED * config.num_attention_heads * n_tokens, ""
        if name in stock_names:
            n_numbers *= n_tokens * config.num_hidden_layers
        if name.startswith("row"):
            change = f"{np.abs(rows[name] - rows[stock_names[0]]).max():.1e}"
        size = "" if name.startswith("no row") else f"{4 * n_numbers / 1e6:.2f}"
        print(
            f"{config.num_hidden_layers}x{config.hidden_size}\t{name}\t{n_windows / taken:.1f}\t"
            f"{best / taken:.2f}\t{size}\t{change}",
            flush=True,
        )
    for predictor in predictors:
        predictor.close()


def stock(
    network: SequenceClassifier, windows: TokenWindows, batch: int
) -> Callable[[], np.ndarray]:
    """Return a run of transformers' own model with these weights, all attentions kept."""
    config = network.config
    model = BertForSequenceClassification._from_config(
        BertConfig(
            vocab_size=config.vocab_size,
            hidden_size=config.hidden_size,
            num_hidden_layers=config.num_hidden_layers,
            num_attention_heads=config.num_attention_heads,
            intermediate_size=config.intermediate_size,
        ),
        attn_implementation="eager",
    ).eval()
    weights = {to_hub(name): each for name, each in network.state_dict().items()}
    model.load_state_dict(weights, strict=False)

    def run() -> np.ndarray:
        rows = []
        with torch.inference_mode():
            for first in range(0, len(windows), batch):
                kmers = windows.rows(first, min(first + batch, len(windows)))
                ids = np.pad(kmers.astype(np.int64), ((0, 0), (1, 1)), constant_values=(CLS, SEP))
                attentions = model(torch.from_numpy(ids), output_attentions=True).attentions
                rows.append(attentions[-1][:, :, 0].sum(1))
        return torch.cat(rows).numpy()

    return run


def measure(
    variants: dict[str, Callable[[], np.ndarray]], rounds: int, clock: Callable[[], float]
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return the median seconds and the result of each variant; they take turns."""
    results = {name: variant() for name, variant in variants.items()}  # also warms up
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, variant in variants.items():
            begin = clock()
            variant()
            seconds[name].append(clock() - begin)
    return {name: statistics.median(taken) for name, taken in seconds.items()}, results


if __name__ == "__main__":
    sys.exit(main())
