"""How long motifs take to find on one core: `python tests/bench/bench_motifs.py`.

* Speed: 4,000 positive and 4,000 negative sequences of 100 to 300 bases with planted motifs and
  made-up scores, from the scores to the matrices. The goal is 4 seconds of processor time.
* Ratios: the time to that for half as many sequences (more sequences also have more candidates),
  and the time for every sequence given twice to that for once (the same candidates; 2 is linear).
* The k-mers without any scores (`kmer_baseline`) on the same sequences, without a goal.

`--quick` takes a tenth of the sequences.
"""

import argparse
import os
import statistics
import time
from collections.abc import Callable

# Before numpy is loaded: processor time of one core.
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np

from dnabert_cli.analysis.motifs import MotifResult, find_motifs, kmer_baseline

N_EACH = 4_000
GOAL = 4
PLANTED = ("TGACTCA", "GGGCGGGG", "CCACCAGGGGGC", "TATAAAAG", "CACGTGAC", "GATTACTTCCG")
K = 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="a tenth of the sequences")
    n_each = N_EACH // (10 if parser.parse_args().quick else 1)
    whole, half = made_up(n_each), made_up(n_each // 2)
    find_motifs(*half)  # warms up
    found, taken = timed(lambda: find_motifs(*whole), rounds=3)
    _, taken_half = timed(lambda: find_motifs(*half), rounds=3)
    report("find_motifs", n_each, found, taken, f"goal {GOAL}")
    print(f"to half the sequences\t{taken / taken_half:.2f} times as long")
    twice = [half[0] * 2, np.tile(half[1], 2), half[2] * 2]
    _, taken_twice = timed(lambda: find_motifs(*twice), rounds=3)
    _, taken_once = timed(lambda: find_motifs(*half), rounds=3)
    print(f"all twice to once\t{taken_twice / taken_once:.2f} times as long (2 is linear)")
    found, taken = timed(lambda: kmer_baseline(*whole[:2]))
    report("kmer_baseline", n_each, found, taken, "no goal")


def report(name: str, n_each: int, found: MotifResult, taken: float, goal: str) -> None:
    n_enriched = len({member for motif in found.motifs for member in motif.members})
    n_instances = sum(len(motif.instances) for motif in found.motifs)
    print(
        f"{name}\t{n_each} + {n_each} sequences\t{taken:.2f} s ({goal})\t"
        f"{len(found.candidates)} candidates, {n_enriched} enriched, "
        f"{len(found.motifs)} motifs, {n_instances} instances"
    )


def made_up(n_each: int) -> tuple[list[str], np.ndarray, list[np.ndarray]]:
    """Return sequences, which are positive, and scores that are high on planted motifs."""
    generator = np.random.default_rng(0)
    sequences, scores = [], []
    for number in range(2 * n_each):
        n_bases = int(generator.integers(100, 301))
        letters = generator.choice(list("ACGT"), n_bases)
        noise = generator.lognormal(0, 1, n_bases + K - 1)
        for _ in range(2 if number < n_each else int(generator.integers(2))):
            motif = PLANTED[generator.integers(len(PLANTED))]
            start = int(generator.integers(n_bases - len(motif)))
            letters[start : start + len(motif)] = list(motif)
            noise[start + K // 2 : start + len(motif)] += 20
        sequences.append("".join(letters))
        # The mean over the k-mers that hold a base, as scores of a model are.
        scores.append(np.convolve(noise, np.full(K, 1 / K), mode="valid"))
    return sequences, np.arange(2 * n_each) < n_each, scores


def timed(work: Callable[[], MotifResult], rounds: int = 1) -> tuple[MotifResult, float]:
    """Return the result and the median seconds of processor time."""
    taken = []
    for _ in range(rounds):
        begin = time.process_time()
        found = work()
        taken.append(time.process_time() - begin)
    return found, statistics.median(taken)


if __name__ == "__main__":
    main()
