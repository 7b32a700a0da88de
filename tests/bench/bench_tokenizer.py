"""How fast the tokenizer is on one core: `python tests/bench/bench_tokenizer.py [--quick]`.

Million bases a second; the goal is 300. `unknown` has an N in every thousand bases, as little
stretches of real genomes do. The variants take turns and each figure is a median.
"""

import argparse
import random
import statistics
import time

from dnabert_cli.config import K_CHOICES
from dnabert_cli.sequence.kmers import Tokenizer

GOAL = 300


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="fewer bases and rounds")
    quick = parser.parse_args().quick
    n_bases, rounds = (2_000_000, 5) if quick else (20_000_000, 9)
    known = "".join(random.Random(0).choices("ACGT", k=n_bases))
    sequences = {"known": known, "lower case": known.lower(), "unknown": with_unknown(known)}
    seconds: dict[tuple[int, str], list[float]] = {}
    for _ in range(rounds):
        for k in K_CHOICES:
            for name, sequence in sequences.items():
                begin = time.thread_time()
                Tokenizer(k).encode(sequence)
                seconds.setdefault((k, name), []).append(time.thread_time() - begin)
    print(f"k\tsequence\tMbp/s/core (goal {GOAL})")
    for (k, name), taken in seconds.items():
        print(f"{k}\t{name}\t{n_bases / statistics.median(taken) / 1e6:.0f}")


def with_unknown(sequence: str) -> str:
    pieces = (sequence[first : first + 999] for first in range(0, len(sequence), 999))
    return "N".join(pieces)[: len(sequence)]


if __name__ == "__main__":
    main()
