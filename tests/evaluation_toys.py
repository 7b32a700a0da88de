"""Predictions, rows and calls small enough to be judged by hand."""

import math

import numpy as np

from dnabert_cli.config import ComputeConfig
from dnabert_cli.evaluate_config import EvaluateConfig

COMPUTE = ComputeConfig(precision="fp32", threads=1)
LABELS = [1] * 5 + [0] * 5
# of the positive class: 8 of 10 right, 22 of 25 pairs in order
GOOD = [0.9, 0.8, 0.7, 0.6, 0.3, 0.1, 0.2, 0.25, 0.4, 0.65]
# 3 of 10 right, all of them right above too
BAD = [0.9, 0.8, 0.3, 0.2, 0.1, 0.4, 0.6, 0.7, 0.75, 0.95]


def config(**changes):
    return EvaluateConfig(**{"compute": COMPUTE, "resamples": 20, **changes})


def write_predictions(path, labels, probabilities, classes=("no", "yes"), names=None):
    """Write a table as `dnabert predict` does."""
    probabilities = np.asarray(probabilities, dtype=float)
    if probabilities.ndim == 1:
        probabilities = np.stack([1 - probabilities, probabilities], axis=1)
    path.parent.mkdir(exist_ok=True)
    heading = ["#name", "chrom", "start", "end", "strand", "n_windows", "label", "predicted"]
    lines = ["\t".join(heading + [f"probability_{name}" for name in classes])]
    for row, (label, answers) in enumerate(zip(labels, probabilities.tolist(), strict=True)):
        name = names[row] if names else f"r{row}"
        cells = ["." if math.isnan(answer) else repr(answer) for answer in answers]
        lines.append("\t".join([name, *"....", "1", str(label), ".", *cells]))
    path.write_text("\n".join(lines) + "\n")
    return str(path)


def write_rows(path, sequences, labels):
    pairs = zip(sequences, labels, strict=True)
    path.write_text("sequence\tlabel\n" + "".join(f"{text}\t{label}\n" for text, label in pairs))
    return str(path)


def sequences(n, seed=0, length=30):
    letters = np.random.default_rng(seed).choice(list("ACGT"), (n, length))
    return ["".join(row) for row in letters]


def write_calls(path, calls):
    """Write calls (chrom, summit, strand, probability) of 100 bases around the summit."""
    rows = (
        f"{chrom}\t{summit - 50}\t{summit + 50}\tp\t900\t{strand}\t{p}\t{summit}\t1\n"
        for chrom, summit, strand, p in calls
    )
    path.write_text("".join(rows))
    return str(path)


def write_bed(path, rows):
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return str(path)


def value(judged, system, name, of="all"):
    found = [one for one in judged.figures[system] if (one.name, one.of) == (name, of)]
    assert len(found) == 1, (name, of)
    return found[0].value
