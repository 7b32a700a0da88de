"""`dnabert finetune`: every option reaches the task, and signals stop a run that can go on."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dnabert_cli.config import ComputeConfig
from dnabert_cli.tasks.finetune import FinetuneResult
from dnabert_cli.training_config import FinetuneConfig

OPTIONS = {
    "--base": "some-model",
    "--long": "gru",
    "--class-weights": "balanced",
    "--metric": "mcc",
    "--split": "similarity",
    "--seeds": 3,
    "--token-stride": 2,
    "--pooling": "mean",
    "--epochs": 7,
    "--batch-size": 8,
    "--learning-rate": 0.001,
    "--weight-decay": 0.1,
    "--warmup": 0.2,
    "--max-gradient-norm": 2.0,
    "--hidden-dropout": 0.3,
    "--attention-dropout": 0.0,
    "--label-smoothing": 0.05,
    "--dev-fraction": 0.2,
    "--test-fraction": 0.0,
    "--evaluations-per-epoch": 3,
    "--patience": 9,
    "--threshold-fpr": 0.01,
    "--background": "no",
    "--anchor": 17,
    "--stride": 25,
    "--seed": 5,
}

MORE = (
    "--class-names no,yes --candidates GT:0,AG:-2 --half --compile --checkpoint-activations "
    "--log-tsv log.tsv --threads 3 "
    "--device cpu --precision fp32 --genome g.fa --test t.tsv --force --download "
    "--tensorboard curves"
)


@pytest.fixture
def recorded(monkeypatch):
    """Replace the task by a recorder."""
    calls = []

    def record(inputs, config, run):
        calls.append((inputs, config, run))
        return FinetuneResult(run.output, {})

    monkeypatch.setattr("dnabert_cli.tasks.finetune.finetune", record)
    return calls


def test_every_option_reaches_the_task(dnabert, recorded):
    words = [str(word) for pair in OPTIONS.items() for word in pair]

    result = dnabert("finetune", "a.tsv", "b.tsv", "-o", "out", *words, *MORE.split())

    assert result.code == 0
    ((inputs, config, run),) = recorded
    values = {name.lstrip("-").replace("-", "_"): value for name, value in OPTIONS.items()}
    assert inputs == ["a.tsv", "b.tsv"]
    assert config == FinetuneConfig(
        **values,
        class_names=("no", "yes"),
        candidates=("GT:0", "AG:-2"),
        half=True,
        compile=True,
        checkpoint_activations=True,
        compute=ComputeConfig(device="cpu", precision="fp32", threads=3),
    )
    assert (run.output, run.genome, run.tests) == (Path("out"), "g.fa", ["t.tsv"])
    assert (run.force, run.resume, run.download) == (True, False, True)
    assert (run.log_tsv, run.tensorboard) == (Path("log.tsv"), Path("curves"))


def test_the_options_of_the_token_head_reach_the_task(dnabert, recorded):
    result = dnabert(
        "finetune", "a.bed", "--genome", "g.fa", "-o", "out", "--head", "token",
        "--labels", "exons.bed", "--window", "200",
    )  # fmt: skip

    assert result.code == 0
    assert recorded[0][1] == FinetuneConfig(head="token", labels="exons.bed", window=200)


def test_candidates_that_cannot_be_read_are_refused(dnabert):
    result = dnabert("finetune", "a.tsv", "-o", "out", "--candidates", "GT")

    assert result.code == 2
    assert "--candidates: cannot read 'GT' (hint: letters and their distance" in result.err


def test_several_dev_and_test_files_reach_the_task(dnabert, recorded):
    result = dnabert(
        "finetune", "a.tsv", "-o", "out", "--dev", "d.tsv", "--dev", "e.tsv",
        "--test", "t.tsv", "--test", "u.tsv",
    )  # fmt: skip

    assert result.code == 0
    ((inputs, config, run),) = recorded
    assert inputs == ["a.tsv"]
    assert config == FinetuneConfig()
    assert (run.devs, run.tests) == (["d.tsv", "e.tsv"], ["t.tsv", "u.tsv"])


def test_without_options_the_defaults_are_those_of_the_config(dnabert, recorded):
    assert dnabert("finetune", "a.tsv", "-o", "out").code == 0

    assert recorded[0][1] == FinetuneConfig()


def test_the_run_file_of_a_model_can_be_fed_back(dnabert, recorded, tmp_path):
    from dnabert_cli.formats.reports import write_toml
    from dnabert_cli.tasks.model_output import run_values

    config = FinetuneConfig(
        arch="cnn", epochs=9, class_names=("no", "yes"), candidates=("AG:-2",), seed=3, seeds=2
    )
    write_toml(run_values(config, []), tmp_path / "run.toml")

    result = dnabert("finetune", "a.tsv", "-o", "out", "--config", tmp_path / "run.toml")

    assert result.code == 0, result.err
    assert recorded[0][1] == config


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--arch", "cnn", "--base", "x"], "--arch cnn has no --base and no --long"),
        (["--arch", "gru"], "--arch gru is unknown"),
        (["--head", "token"], "--head token needs --labels"),
        (["--head", "words"], "--head words is unknown"),
        (["--window", "200"], "--labels and --window belong to --head token"),
        (["--dev-fraction", "0"], "early stopping needs it"),
        (["--learning-rate", "0"], "--learning-rate must be above 0"),
        (["--epochs", "0"], "--epochs"),
    ],
)
def test_contradicting_options_exit_with_2(dnabert, arguments, message):
    result = dnabert("finetune", "a.tsv", "-o", "out", *arguments)

    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_fp16_is_refused_on_a_processor(dnabert, tmp_path):
    write_rows(tmp_path / "rows.tsv")

    result = dnabert(
        "finetune", tmp_path / "rows.tsv", "-o", tmp_path / "out", "--precision", "fp16",
        "--device", "cpu",
    )  # fmt: skip

    assert result.code == 2
    assert "--precision fp16 needs a GPU" in result.err


def write_rows(path):
    generator = np.random.default_rng(0)
    rows = "".join("".join(generator.choice(list("ACGT"), 60)) + f"\t{i % 2}\n" for i in range(600))
    path.write_text("sequence\tlabel\n" + rows)


def test_sigterm_saves_and_resume_continues(tmp_path):
    write_rows(tmp_path / "rows.tsv")
    words = "finetune rows.tsv -o out --arch cnn --epochs 8 --patience 50 --threads 1"
    command = [sys.executable, "-m", "dnabert_cli", *words.split()]
    options = {
        "cwd": tmp_path,
        "env": os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        "text": True,
    }
    with subprocess.Popen(command, stderr=subprocess.PIPE, **options) as process:
        for line in process.stderr:
            if "step" in line:  # the first evaluation has been made
                break
        os.kill(process.pid, signal.SIGTERM)
        error = process.stderr.read()
        code = process.wait(60)
    assert code == 75, error
    assert "--resume continues" in error
    assert not (tmp_path / "out" / "config.json").exists()

    resumed = subprocess.run([*command, "--resume"], capture_output=True, check=False, **options)

    assert resumed.returncode == 0, resumed.stderr
    assert (tmp_path / "out" / "config.json").exists()
    assert not (tmp_path / "out" / "resume").exists()
