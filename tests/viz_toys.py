"""A model whose answer is known by hand, and scores made up for the outputs of `viz`."""

import numpy as np
import torch

from dnabert_cli.config import ComputeConfig, ModelConfig, TaskConfig
from dnabert_cli.core.baselines import ConvolutionalClassifier
from dnabert_cli.core.checkpoint import save_model
from dnabert_cli.records import Example
from dnabert_cli.sequence.kmers import BASES
from dnabert_cli.tasks.viz import Shown

FP32 = ComputeConfig(precision="fp32", threads=1)
TASK = TaskConfig(k=3, classes=("other", "promoter"))
MOTIF = "GATTACA"  # what the motif finder looks for


def save_motif_finder(folder, **task):
    """A CNN whose log odds of `yes` are 3, 0 or -3 by the best match of `MOTIF` anywhere.

    0 for one mismatch, -3 for more: each base of a single full match is worth 3, all others 0.
    """
    config = ModelConfig(vocab_size=9, hidden_size=1, num_hidden_layers=1, arch="cnn")
    network = ConvolutionalClassifier(config, 2)
    (convolution,) = network.convolutions
    with torch.no_grad():
        for part in network.parameters():
            part.zero_()
        network.norms[0].weight.fill_(1)
        for place, letter in enumerate(MOTIF, 2):
            convolution.weight[0, BASES.index(letter), place] = 1
        convolution.bias.fill_(2.0 - len(MOTIF))
        network.dense.weight[0, 0] = 1  # of the highest match; the second input is the mean
        network.classifier.weight[1, 0] = 3
        network.classifier.bias[1] = -3
    values = {"k": 1, "classes": ("no", "yes"), "window": 40} | task
    save_model(folder, network.eval(), TaskConfig(**values))
    return folder


def random_sequence(seed, n_bases):
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), n_bases))


def with_motif(seed, place, n_bases=40):
    """A sequence without anything like `MOTIF` but for one full match."""
    background = "".join(np.random.default_rng(seed).choice(list("CG"), n_bases))
    return background[:place] + MOTIF + background[place + len(MOTIF) :]


def shown(*rows, anchor=0, task=TASK, probabilities=None):
    """What `viz` found, from pairs of an example and its scores."""
    if probabilities is None:
        probabilities = [[0.25, 0.75]] * len(rows)
    return Shown(
        [row for row, _ in rows],
        [np.array(scores, dtype=np.float32) for _, scores in rows],
        np.array(probabilities, dtype=np.float32),
        task,
        anchor,
    )


def example(sequence, name=".", chrom=None, start=None, strand=".", label=None):
    end = None if start is None else start + len(sequence)
    return Example(
        sequence, name=name, chrom=chrom, start=start, end=end, strand=strand, label=label
    )
