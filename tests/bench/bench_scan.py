"""What surrounds the encoder in a scan, memory, start-up: `python tests/bench/bench_scan.py`.

* Speed: windows a second of `scan` end to end (reading, cutting, tokenizing, merging, writing)
  against those of the encoder alone on the same windows, taking turns. Random weights, 4x256.
* Memory: the peak of a scan over a record of 249 Mb, nearly all of it N, against a record of 1 kb.
* Start-up: `dnabert --help` and `dnabert scan --help` against `python -c pass`.
"""

import argparse
import io
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from dnabert_cli.config import ComputeConfig, ModelConfig, ScanConfig, TaskConfig
from dnabert_cli.core.checkpoint import load_model, save_model
from dnabert_cli.core.ensemble import Ensemble
from dnabert_cli.core.network import SequenceClassifier, initialize
from dnabert_cli.formats.bed import write_calls
from dnabert_cli.sequence.kmers import Tokenizer
from dnabert_cli.sequence.windows import tile
from dnabert_cli.tasks.scan import scan

TASK = TaskConfig(k=6, classes=("other", "promoter"), window=300, anchor=249, stride=50)
SIZES = {
    "hidden_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "intermediate_size": 1024,
}
CHR1 = 248_956_422


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="fewer windows and rounds")
    quick = parser.parse_args().quick
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        torch.manual_seed(0)
        network = SequenceClassifier(
            ModelConfig(vocab_size=Tokenizer(6).vocab_size, **SIZES), len(TASK.classes)
        )
        initialize(network, 0.02)
        save_model(folder / "model", network, TASK)
        speed(folder, n_bases=20_000 if quick else 60_000, rounds=3 if quick else 5)
        memory(folder)
        start_up(3 if quick else 11)


def speed(folder: Path, n_bases: int, rounds: int) -> None:
    sequence = random_sequence(n_bases)
    genome = folder / "speed.fa"
    genome.write_text(f">a\n{sequence}\n")
    model = load_model(folder / "model")
    starts = tile(n_bases, 300, 50)
    alone, whole = [], []
    for _ in range(rounds):
        with Ensemble([model], ComputeConfig()) as ensemble:
            begun = time.perf_counter()
            for strand in "+-":
                ensemble.score_windows(sequence, starts, 300, strand)
            alone.append(time.perf_counter() - begun)
        run = scan(str(genome), [str(folder / "model")], ScanConfig(threshold=0.5))
        begun = time.perf_counter()
        write_calls(run.calls, io.StringIO(), header=True)
        whole.append(time.perf_counter() - begun)
    n_windows = 2 * len(starts)
    ratio = statistics.median(a / b for a, b in zip(alone, whole, strict=True))
    print(
        f"scan\t{n_windows / statistics.median(whole):.0f} windows/s\t"
        f"{ratio:.1%} of the encoder's {n_windows / statistics.median(alone):.0f}"
    )


def memory(folder: Path) -> None:
    (folder / "small.fa").write_text(f">a\n{random_sequence(1000)}\n")
    with (folder / "large.fa").open("w") as file:
        file.write(">chr1\n")
        for first in range(0, CHR1, 1_000_000):
            # one stretch of sequence in the middle, N on both sides
            is_middle = first == 124_000_000
            n_bases = min(1_000_000, CHR1 - first)
            file.write((random_sequence(n_bases) if is_middle else "N" * n_bases) + "\n")
    peaks, seconds = [], []
    for name, stride in (("small.fa", 50), ("large.fa", 500)):
        command = [sys.executable, "-m", "dnabert_cli", "scan", str(folder / name), "-q"]
        command += ["--model", str(folder / "model"), "--stride", str(stride), "-o", os.devnull]
        begun = time.perf_counter()
        process = subprocess.Popen(command)
        _, status, usage = os.wait4(process.pid, 0)
        assert status == 0
        peaks.append(usage.ru_maxrss / 1024)
        seconds.append(time.perf_counter() - begun)
    print(
        f"memory\t{peaks[1]:.0f} MB for a record of 249 Mb\t"
        f"{peaks[1] - peaks[0]:.0f} MB above a record of 1 kb\t{seconds[1]:.0f} s"
    )


def start_up(rounds: int) -> None:
    commands = {
        "python -c pass": ["-c", "pass"],
        "dnabert --help": ["-m", "dnabert_cli", "--help"],
        "dnabert scan --help": ["-m", "dnabert_cli", "scan", "--help"],
    }
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, words in commands.items():
            begun = time.perf_counter()
            subprocess.run([sys.executable, *words], stdout=subprocess.DEVNULL, check=True)
            times[name].append(time.perf_counter() - begun)
    for name, values in times.items():
        print(f"start-up\t{name}\t{statistics.median(values):.3f} s")


def random_sequence(n_bases: int) -> str:
    return "".join(np.random.default_rng(0).choice(list("ACGT"), n_bases))


if __name__ == "__main__":
    main()
