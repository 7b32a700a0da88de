"""`dnabert pretrain`: options reach the task; stopped, killed and shared runs end the same."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from dnabert_cli.config import ComputeConfig
from dnabert_cli.tasks.pretrain import PretrainResult
from dnabert_cli.training_config import PretrainConfig

OPTIONS = {
    "--preset": "dnabert-4",
    "--base": "some-model",
    "--start": "random",
    "--token-stride": 2,
    "--steps": 70,
    "--schedule-steps": 80,
    "--warmup-steps": 7,
    "--batch-size": 9,
    "--learning-rate": 0.002,
    "--mask-share": 0.1,
    "--late-mask-share": 0.3,
    "--late-mask-from": 50,
    "--masking": "original",
    "--min-length": 6,
    "--max-length": 90,
    "--length-unit": "bases",
    "--full-share": 0.25,
    "--sampled-share": 0.75,
    "--weight-decay": 0.1,
    "--beta2": 0.9,
    "--eps": 0.001,
    "--max-gradient-norm": 2.0,
    "--hidden-dropout": 0.3,
    "--attention-dropout": 0.0,
    "--dev-fraction": 0.2,
    "--dev-pieces": 33,
    "--evaluate-every": 11,
    "--save-every": 12,
    "--log-every": 13,
    "--seed": 5,
}
TINY = [
    *("--preset", "dnabert-3-tiny", "--batch-size", "4", "--max-length", "40"),
    *("--dev-pieces", "8", "--steps", "60", "--evaluate-every", "20", "--save-every", "5"),
    *("--log-every", "1", "--threads", "1", "--precision", "fp32"),
]


@pytest.fixture
def recorded(monkeypatch):
    """Replace the task by a recorder."""
    calls = []

    def record(inputs, config, run):
        calls.append((inputs, config, run))
        return PretrainResult(run.output, {})

    monkeypatch.setattr("dnabert_cli.tasks.pretrain.pretrain", record)
    return calls


def test_every_option_reaches_the_task(dnabert, recorded):
    words = [str(word) for pair in OPTIONS.items() for word in pair]
    more = (
        "--weights 1,0.5 --reverse-complement --half --compile --checkpoint-activations "
        "--threads 3 --device cpu --precision fp32 --batch-tokens 99 --save-packed c.npz "
        "--log-tsv log.tsv --tensorboard curves --force --download"
    )

    result = dnabert("pretrain", "a.fa", "b.fa", "-o", "out", *words, *more.split())

    assert result.code == 0, result.err
    ((inputs, config, run),) = recorded
    values = {name.lstrip("-").replace("-", "_"): value for name, value in OPTIONS.items()}
    assert inputs == ["a.fa", "b.fa"]
    assert config == PretrainConfig(
        **values,
        weights=(1.0, 0.5),
        reverse_complement=True,
        half=True,
        compile=True,
        checkpoint_activations=True,
        compute=ComputeConfig(device="cpu", precision="fp32", threads=3, batch_tokens=99),
    )
    assert (run.output, run.save_packed, run.log_tsv) == (Path("out"), "c.npz", Path("log.tsv"))
    assert run.tensorboard == Path("curves")
    assert (run.force, run.resume, run.download) == (True, False, True)


def test_defaults_are_those_of_the_config(dnabert, recorded):
    assert dnabert("pretrain", "a.fa", "-o", "out").code == 0

    assert recorded[0][1] == PretrainConfig()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--masking", "none"], "--masking is one of span, original"),
        (["--start", "warm"], "--start is one of random, structured"),
        (["--weights", "1,x"], "--weights 1,x: numbers separated by commas"),
        (["--min-length", "9", "--max-length", "8"], "--min-length must be"),
        (["--mask-share", "1.5"], "--mask-share must lie between 0 and 1"),
        (["--mask-share", "0"], "--mask-share must lie between 0 and 1"),
        (["--learning-rate", "-1"], "--learning-rate must be above 0"),
        (["--eps", "-1"], "--eps must lie between 0 and 1"),
        (["--max-gradient-norm", "-1"], "--max-gradient-norm must be above 0"),
        (["--dev-fraction", "0"], "the held-out loss needs it"),
        (["--preset", "nothing"], "no preset 'nothing'"),
    ],
)
def test_wrong_options_are_told_in_a_line(dnabert, tmp_path, arguments, message):
    path = write_genome(tmp_path)

    result = dnabert("pretrain", path, "-o", tmp_path / "m", *arguments)

    assert result.code in (1, 2)
    assert message in result.err
    assert not (tmp_path / "m").exists()


def write_genome(folder):
    path = folder / "genome.fa"
    path.write_text(">chr1\n" + "".join(random.Random(0).choices("ACGT", k=150_000)) + "\n")
    return str(path)


def start(*arguments, launcher=("-m", "dnabert_cli")):
    root = str(Path(__file__).resolve().parents[2])
    return subprocess.Popen(
        [sys.executable, *launcher, "pretrain", *map(str, arguments), *TINY],
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"},
    )


def finish(process):
    _, messages = process.communicate(timeout=55)
    return process.returncode, messages


def wait_for_state(folder, process, step=10):
    while process.poll() is None:
        found = [int(path.stem.partition("-")[2]) for path in folder.glob("resume/state-*.pt")]
        if found and max(found) >= step:
            return
        time.sleep(0.01)
    raise AssertionError(process.communicate()[1])


def result_of(folder):
    names = ("config.json", "model.safetensors", "metrics.json", "training.tsv")
    return [(folder / name).read_bytes() for name in names]


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run from beginning to end: genome, folder and log."""
    folder = tmp_path_factory.mktemp("whole")
    genome = write_genome(folder)
    code, messages = finish(start(genome, "-o", folder / "m", "--log-tsv", folder / "log.tsv"))
    assert code == 0, messages
    return genome, folder / "m", folder / "log.tsv"


def test_a_run_killed_at_any_moment_and_resumed_ends_in_the_same_bytes(whole, tmp_path):
    genome, expected, log = whole
    options = (genome, "-o", tmp_path / "m", "--log-tsv", tmp_path / "log.tsv")
    process = start(*options)
    wait_for_state(tmp_path / "m", process)
    process.kill()  # SIGKILL: nothing can be saved any more
    assert finish(process)[0] == -signal.SIGKILL

    code, messages = finish(start(*options, "--resume"))

    assert code == 0, messages
    assert result_of(tmp_path / "m") == result_of(expected)
    steps = [line.split("\t")[:3] for line in (tmp_path / "log.tsv").read_text().splitlines()]
    assert steps == [line.split("\t")[:3] for line in log.read_text().splitlines()]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_run_asked_to_stop_saves_and_exits_with_75(whole, tmp_path, number):
    genome, expected, _ = whole
    process = start(genome, "-o", tmp_path / "m")
    wait_for_state(tmp_path / "m", process, step=5)
    process.send_signal(number)
    code, messages = finish(process)

    assert code == 75
    assert "--resume continues" in messages
    code, messages = finish(start(genome, "-o", tmp_path / "m", "--resume"))
    assert code == 0, messages
    assert result_of(tmp_path / "m") == result_of(expected)


def test_the_folder_of_an_unfinished_run_can_be_used(whole, tmp_path):
    from dnabert_cli.core.checkpoint import load_encoder

    genome, _, _ = whole
    process = start(genome, "-o", tmp_path / "m")
    wait_for_state(tmp_path / "m", process)
    process.kill()
    finish(process)

    assert load_encoder(tmp_path / "m")[1].k == 3


def test_two_processes_follow_the_curve_of_one(whole, tmp_path):
    genome, _, log = whole
    launcher = ("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", "-m")
    process = start(
        genome,
        "-o",
        tmp_path / "m",
        "--log-tsv",
        tmp_path / "log.tsv",
        launcher=(*launcher, "dnabert_cli"),
    )
    code, messages = finish(process)

    assert code == 0, messages
    losses, expected = (
        [float(line.split("\t")[1]) for line in path.read_text().splitlines()[1:]]
        for path in (tmp_path / "log.tsv", log)
    )
    assert losses == pytest.approx(expected, rel=1e-3)
    assert messages.count("model written to") == 1
