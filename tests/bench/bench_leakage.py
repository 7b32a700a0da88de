"""How long near-duplicates take to find on one core: `python tests/bench/bench_leakage.py`.

* Speed: windows of 300 bases from one genome in parts of 40,000, 5,000 and 5,000, each looked up
  in the others. The goal is well under a minute and 2 GB.
* Ratio: the same work on fewer windows, taking turns with sets of strings in plain Python.

`--quick` takes a tenth of the windows.
"""

import argparse
import resource
import statistics
import time
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from dnabert_cli.dna import reverse_complement
from dnabert_cli.sequence.leakage import STRETCH, leakage

WINDOW = 300
PARTS = {"train": 40_000, "dev": 5_000, "test": 5_000}
GOAL = 60


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="a tenth of the windows")
    quick = parser.parse_args().quick
    parts = windows(divisor=10 if quick else 1)
    taken = seconds(lambda: leakage(parts))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    n_rows = sum(map(len, parts.values()))
    print(f"leakage\t{n_rows} windows\t{taken:.1f} s (goal {GOAL})\tpeak {peak:.0f} MB (goal 2000)")
    few = windows(divisor=100 if quick else 40)
    mine = statistics.median(seconds(lambda: leakage(few)) for _ in range(3))
    plain = statistics.median(seconds(lambda: sets_of_strings(few)) for _ in range(3))
    n_few = sum(map(len, few.values()))
    print(f"to sets of strings\t{n_few} windows\t{mine:.2f} s\t{plain / mine:.1f} times as fast")


def windows(divisor: int) -> dict[str, list[str]]:
    """Return windows of a random genome, of which each base lies in one and a half on average."""
    generator = np.random.default_rng(0)
    n_windows = sum(PARTS.values()) // divisor
    letters = generator.integers(4, size=n_windows * WINDOW * 2 // 3)
    genome = np.frombuffer(b"ACGT", dtype=np.uint8)[letters].tobytes().decode()
    starts = generator.integers(len(genome) - WINDOW, size=n_windows).tolist()
    drawn = [genome[start : start + WINDOW] for start in starts]
    parts, first = {}, 0
    for name, n_rows in PARTS.items():
        parts[name] = drawn[first : first + n_rows // divisor]
        first += n_rows // divisor
    return parts


def sets_of_strings(parts: Mapping[str, Sequence[str]]) -> dict[tuple[str, str], list[float]]:
    """Return the shares of all rows for every ordered pair of parts, the obvious way."""
    stretches = {name: list(map(of_sequence, rows)) for name, rows in parts.items()}
    known = {name: set().union(*rows) for name, rows in stretches.items()}
    return {
        (part, other): [sum(one in known[other] for one in row) / len(row) for row in rows]
        for part, rows in stretches.items()
        for other in parts
        if part != other
    }


def of_sequence(sequence: str) -> list[str]:
    reverse = reverse_complement(sequence)
    n_bases = len(sequence)
    return [
        min(sequence[i : i + STRETCH], reverse[n_bases - i - STRETCH : n_bases - i])
        for i in range(n_bases - STRETCH + 1)
    ]


def seconds(work: Callable[[], object]) -> float:
    begin = time.thread_time()
    work()
    return time.thread_time() - begin


if __name__ == "__main__":
    main()
