"""Sequences with a planted motif, and a model that sees nothing else."""

import numpy as np

from dnabert_cli.config import TaskConfig
from dnabert_cli.dna import reverse_complement
from dnabert_cli.tasks.base_importance import Explained

MOTIF = "CACGTTGA"
LOW, HIGH = 0.01, 1.0


def random_sequences(seed, n=60, n_bases=60):
    generator = np.random.default_rng(seed)
    return ["".join(generator.choice(list("ACGT"), n_bases)) for _ in range(n)]


def planted(seed, n=60, n_bases=60, motif=MOTIF, *, turned=False):
    """Random sequences with a motif somewhere; every second one turned round if asked so."""
    generator = np.random.default_rng(seed + 1000)
    found = []
    for number, letters in enumerate(random_sequences(seed, n, n_bases)):
        start = int(generator.integers(12, n_bases - 12 - len(motif)))
        text = reverse_complement(motif) if turned and number % 2 else motif
        found.append(letters[:start] + text + letters[start + len(motif) :])
    return found


def write_fasta(path, sequences, names=None):
    names = names or [f"{path.stem}{number}" for number in range(len(sequences))]
    rows = zip(names, sequences, strict=True)
    path.write_text("".join(f">{name}\n{letters}\n" for name, letters in rows))
    return str(path)


def seeing(*motifs):
    """Return a stand-in for `explain`: high are the bases of the motifs, on either strand."""

    def explain(sequences, *_, **__):
        scores = []
        for letters in sequences:
            row = np.full(len(letters), LOW, dtype=np.float32)
            for motif in {text for one in motifs for text in (one, reverse_complement(one))}:
                start = letters.upper().find(motif)
                if start >= 0:
                    row[start : start + len(motif)] = HIGH
            scores.append(row)
        task = TaskConfig(k=3, classes=("negative", "positive"))
        return Explained(scores, np.zeros((len(scores), 2), dtype=np.float32), task)

    return explain
