"""Training on real sequence: a loss falls, and each head learns something."""

import csv
import gzip

import pytest

from dnabert_cli.config import ComputeConfig, PredictConfig
from dnabert_cli.tasks.finetune import Run, finetune
from dnabert_cli.tasks.predict import predict
from dnabert_cli.tasks.pretrain import PretrainRun, pretrain
from dnabert_cli.training_config import FinetuneConfig, PretrainConfig

pytestmark = [pytest.mark.realdata, pytest.mark.slow, pytest.mark.timeout(600)]
COMPUTE = ComputeConfig(threads=1)


def test_pre_training_on_human_sequence_lowers_the_held_out_loss(real_data, tmp_path):
    config = PretrainConfig(
        preset="dnabert-3-tiny",
        max_length=64,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        evaluate_every=100,
        dev_pieces=128,
        compute=COMPUTE,
    )
    genome = str(real_data / "reference" / "hg38.blocks.fa.gz")

    pretrain([genome], config, PretrainRun(output=tmp_path / "m"))

    lines = (tmp_path / "m" / "training.tsv").read_text().splitlines()
    rows = list(csv.DictReader(lines, delimiter="\t"))
    losses = [float(row["dev_loss"]) for row in rows]
    assert losses[-1] < 0.85 * losses[0]


def test_a_model_of_three_classes_learns_splice_sites(real_data, tmp_path):
    path = str(real_data / "splice" / "gue_splice.train.tsv.gz")
    head = tmp_path / "splice.tsv"
    with gzip.open(path, "rt") as file:
        head.write_text("".join(line for line, _ in zip(file, range(3001), strict=False)))
    config = FinetuneConfig(
        arch="cnn", epochs=4, learning_rate=1e-3, class_weights="balanced", compute=COMPUTE
    )

    result = finetune([str(head)], config, Run(output=tmp_path / "m"))

    assert result.figures["test"]["auroc"] > 0.6
    answers = predict(str(head), [str(tmp_path / "m")], PredictConfig(compute=COMPUTE))
    assert {row.predicted for row in answers.rows} == {"0", "1", "2"}
