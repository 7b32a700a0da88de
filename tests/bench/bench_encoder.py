"""How fast the encoder is on this CPU: `bench_encoder.py [--quick] [--one-core]`.

Windows of 300 bases (k = 6, 297 tokens) a second, on all cores; with `--one-core` per second of
processor time of one thread, which other load on the machine hardly moves. The variants take turns,
so that other load hits all alike, and each figure is a median; ratios hold, absolute figures drift.
Ratios are to stock transformers at its best batch size and at the largest. The GEMM ceiling is
what packed linear layers of the same sizes reach alone, on as many single-threaded workers as there
are cores. Random weights: max |dp| checks the plumbing, not the accuracy of a trained model.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

import numpy as np
import torch
from transformers import BertConfig, BertForSequenceClassification

from dnabert_cli.config import ComputeConfig, ModelConfig, TaskConfig
from dnabert_cli.core.device import has_native_bf16, n_threads
from dnabert_cli.core.fast import _Linear
from dnabert_cli.core.infer import Predictor
from dnabert_cli.core.network import SequenceClassifier
from dnabert_cli.sequence.kmers import CLS, SEP, Tokenizer
from dnabert_cli.sequence.windows import TokenWindows, token_windows

K, WINDOW = 6, 300
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16}


@dataclass
class Size:
    """An encoder and how long to look at it; `windows` fill whole micro-batches of 4096 tokens."""

    layers: int
    hidden: int
    windows: int
    rounds: int
    stock_batches: tuple[int, ...]

    @property
    def config(self) -> ModelConfig:
        return ModelConfig(
            vocab_size=Tokenizer(K).vocab_size,
            hidden_size=self.hidden,
            num_hidden_layers=self.layers,
            num_attention_heads=self.hidden // 64,
            intermediate_size=4 * self.hidden,
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="the small encoder only, few rounds")
    parser.add_argument("--batch-tokens", type=int, default=None)
    parser.add_argument("--one-core", action="store_true", help="processor time of one thread")
    options = parser.parse_args()
    n_cores = 1 if options.one_core else n_threads(None)
    torch.set_num_threads(n_cores)
    compute = ComputeConfig(threads=n_cores, batch_tokens=options.batch_tokens)
    sizes = [Size(4, 256, 78, 5, (4, 8, 32))]
    if not options.quick:
        sizes = [Size(4, 256, 156, 9, (4, 8, 32)), Size(12, 768, 26, 5, (4, 26))]
    print(f"torch {torch.__version__}, {n_cores} cores, native bf16: {has_native_bf16()}")
    print("model\tvariant\twindows/s\tto best stock\tto large batch\tof GEMM ceiling\tmax |dp|")
    for size in sizes:
        report(size, compute, time.process_time if options.one_core else time.perf_counter)


def report(size: Size, compute: ComputeConfig, clock: Callable[[], float]) -> None:
    """Measure one size and print its rows."""
    torch.manual_seed(0)
    network = SequenceClassifier(size.config, 2).eval()
    rng = np.random.default_rng(0)
    sequence = "".join(rng.choice(list("ACGT"), WINDOW + 50 * (size.windows - 1)))
    windows = token_windows(sequence, 50 * np.arange(size.windows), WINDOW, Tokenizer(K))
    task = TaskConfig(k=K, classes=("no", "yes"), window=WINDOW)
    variants = {
        f"stock eager fp32, batch {b}": stock(size.config, windows, b) for b in size.stock_batches
    }
    variants["network.py fp32"] = plain(network, windows)
    predictors = {
        name: Predictor(network, task, replace(compute, precision=name)) for name in DTYPES
    }
    for name, predictor in predictors.items():
        variants[f"Predictor {name}"] = lambda p=predictor: p.probabilities(windows)
    seconds, answers = measure(variants, size.rounds, clock)
    ceilings = {name: gemm_ceiling(size, dtype, compute) for name, dtype in DTYPES.items()}
    stock_seconds = [seconds[name] for name in variants if name.startswith("stock")]
    for name, taken in seconds.items():
        share, change = "", ""
        if name.startswith("Predictor"):
            achieved = flops_per_window(size) * size.windows / taken
            share = f"{achieved / ceilings[name.split()[1]]:.0%}"
            change = f"{np.abs(answers[name] - answers['network.py fp32']).max():.1e}"
        print(
            f"{size.layers}x{size.hidden}\t{name}\t{size.windows / taken:.1f}\t"
            f"{min(stock_seconds) / taken:.2f}\t{stock_seconds[-1] / taken:.2f}\t{share}\t{change}",
            flush=True,
        )
    for predictor in predictors.values():
        predictor.close()


def measure(
    variants: dict[str, Callable[[], np.ndarray]], rounds: int, clock: Callable[[], float]
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """Return the median seconds and the answer of each variant; they take turns."""
    answers = {name: variant() for name, variant in variants.items()}  # also warms up
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(rounds):
        for name, variant in variants.items():
            begin = clock()
            variant()
            seconds[name].append(clock() - begin)
    return {name: statistics.median(taken) for name, taken in seconds.items()}, answers


def stock(config: ModelConfig, windows: TokenWindows, batch: int) -> Callable[[], np.ndarray]:
    """Return a run of transformers' own model, all cores, eager attention, fp32."""
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
    return lambda: in_batches(lambda ids: model(input_ids=ids).logits, windows, batch)


def plain(network: SequenceClassifier, windows: TokenWindows) -> Callable[[], np.ndarray]:
    return lambda: in_batches(network, windows, 8)


def in_batches(
    network: Callable[[torch.Tensor], torch.Tensor], windows: TokenWindows, batch: int
) -> np.ndarray:
    """Return the probabilities of all windows, a batch after the other, with all cores."""
    rows = []
    with torch.inference_mode():
        for first in range(0, len(windows), batch):
            kmers = windows.rows(first, min(first + batch, len(windows)))
            ids = np.pad(kmers.astype(np.int64), ((0, 0), (1, 1)), constant_values=(CLS, SEP))
            rows.append(network(torch.from_numpy(ids)).softmax(-1))
    return torch.cat(rows).numpy()


def flops_per_window(size: Size) -> float:
    """Return the floating point operations that the prepared encoder executes per window.

    All layers but the last are full: 12 D² multiply-adds per token in products with weights and
    2 T D in attention. The last one, for [CLS] alone, is left out: less than 1 % of the whole.
    """
    tokens = WINDOW - K + 3
    multiply_adds = tokens * (12 * size.hidden**2 + 2 * tokens * size.hidden)
    return 2.0 * (size.layers - 1) * multiply_adds


def gemm_ceiling(size: Size, dtype: torch.dtype, compute: ComputeConfig) -> float:
    """Return the operations per second of packed linear layers alone, on all cores."""
    torch.manual_seed(0)
    hidden = size.hidden
    inputs = torch.randn(2048, hidden).to(dtype)
    expanded = torch.randn(2048, 4 * hidden).to(dtype)
    up = _Linear(torch.randn(4 * hidden, hidden), torch.randn(4 * hidden), dtype)
    down = _Linear(torch.randn(hidden, 4 * hidden), torch.randn(hidden), dtype)

    def work() -> float:
        done, begin = 0, time.thread_time()
        with torch.inference_mode():
            while time.thread_time() < begin + 1:
                up(inputs)
                down(expanded)
                done += 2 * 2 * 2048 * 4 * hidden**2
        return done / (time.thread_time() - begin)

    with ThreadPoolExecutor(
        compute.threads, initializer=torch.set_num_threads, initargs=(1,)
    ) as pool:
        return sum(
            future.result() for future in [pool.submit(work) for _ in range(pool._max_workers)]
        )


if __name__ == "__main__":
    sys.exit(main())
