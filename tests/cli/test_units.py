"""`--resume` and `--shard` of `scan` and `predict`: the same bytes, and nothing computed twice."""

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from dnabert_cli.config import ScanConfig
from dnabert_cli.core import device
from dnabert_cli.core.ensemble import Ensemble
from dnabert_cli.errors import DataError, DnabertError
from dnabert_cli.formats.unit_file import UnitFile
from dnabert_cli.tasks import predict as predict_task
from dnabert_cli.tasks import scan as scan_task


@pytest.fixture
def genome(tmp_path):
    """Two records of some units of 64 bases; N among them."""
    letters = np.random.default_rng(3).choice(list("ACGT"), 400)
    letters[100:180] = "N"
    text = "".join(letters)
    path = tmp_path / "genome.fa"
    path.write_text(f">chr1\n{text[:300]}\n>chr2\n{text[300:].lower()}\n>tiny\nAC\n")
    return path


@pytest.fixture
def table(tmp_path):
    """Sequences shorter and longer than a window, and shorter than k."""
    random = np.random.default_rng(4)
    lengths = (30, 70, 2, 45, 30, 100, 28)
    rows = ["".join(random.choice(list("ACGT"), n)) for n in lengths]
    path = tmp_path / "rows.tsv"
    path.write_text("sequence\n" + "".join(f"{row}\n" for row in rows))
    return path


class Watch:
    """Counts what the models compute, and breaks off before one call."""

    def __init__(self, monkeypatch):
        self.n_calls = 0
        self.stop_at = self.error = None
        monkeypatch.setattr(scan_task, "UNIT_BASES", 64)
        monkeypatch.setattr(predict_task, "CHUNK_ROWS", 2)
        for name in ("score_windows", "score_sequences"):
            monkeypatch.setattr(Ensemble, name, self._watched(getattr(Ensemble, name)))

    def _watched(self, compute):
        def call(*arguments, **options):
            self.n_calls += 1
            if self.n_calls == self.stop_at:
                raise self.error
            return compute(*arguments, **options)

        return call

    def stop(self, at, error):
        self.stop_at, self.error = self.n_calls + at, error


@pytest.fixture
def watch(monkeypatch):
    return Watch(monkeypatch)


@pytest.fixture(params=["calls", "windows", "rows", "tiles"])
def words(request, genome, table, tiny_model):
    """A command line without output: every kind of answers."""
    return {
        "calls": ["scan", genome, "--model", tiny_model, "--threshold", "0.4"],
        "windows": ["scan", genome, "--model", tiny_model, "--all-windows"],
        "rows": ["predict", table, "--model", tiny_model],
        "tiles": ["predict", table, "--model", tiny_model, "--aggregate", "windows"],
    }[request.param]


def test_a_resumed_run_writes_the_same_bytes_and_computes_the_rest_only(
    dnabert, words, watch, tmp_path
):
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert dnabert(*words, "-o", whole, "--manifest", tmp_path / "whole.json").code == 0
    n_calls = watch.n_calls
    said = dnabert(*words).err
    watch.n_calls = 0

    watch.stop(at=4, error=KeyboardInterrupt())
    stopped = dnabert(*words, "-o", out)
    assert (stopped.code, out.exists()) == (130, False)
    resumed = dnabert(*words, "-o", out, "--manifest", tmp_path / "out.json", "--resume")

    assert resumed.code == 0
    assert "; --resume continues" in stopped.err
    assert out.read_bytes() == whole.read_bytes()
    assert (tmp_path / "out.json").read_bytes() == (tmp_path / "whole.json").read_bytes()
    assert resumed.err.splitlines()[-1] == said.splitlines()[-1]
    # of what was computed before the interruption a unit's first strand at most is lost
    assert watch.n_calls <= n_calls + 2
    assert [each.name for each in tmp_path.glob(".*")] == []


def test_calls_that_cross_units_are_joined_as_in_one_run(dnabert, genome, tiny_model, watch):
    calls = dnabert("scan", genome, "--model", tiny_model, "--threshold", "0.4").out

    rows = [line.split("\t") for line in calls.splitlines()[1:]]
    assert any(int(row[1]) // 64 != (int(row[2]) - 30) // 64 for row in rows)


def test_standard_input_can_be_resumed(dnabert, genome, tiny_model, watch, tmp_path):
    words = ["scan", "-", "--model", tiny_model, "-o", tmp_path / "out"]
    watch.stop(at=5, error=KeyboardInterrupt())
    assert dnabert(*words, stdin=genome.read_bytes()).code == 130
    n_calls = watch.n_calls

    assert dnabert(*words, "--resume", stdin=genome.read_bytes()).code == 0

    whole = dnabert("scan", genome, "--model", tiny_model).out
    assert (tmp_path / "out").read_text() == whole
    assert n_calls == 5


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1])
def test_a_signal_after_the_first_unit_ends_with_75(
    dnabert, genome, tiny_model, watch, tmp_path, number
):
    watch.stop(at=4, error=SystemExit(128 + number))

    result = dnabert("scan", genome, "--model", tiny_model, "-o", tmp_path / "out")

    assert result.code == 75
    (line,) = [line for line in result.err.splitlines() if "kept" in line]
    assert line == "dnabert: error: stopped, units kept: 1; --resume continues"


@pytest.mark.parametrize(("at", "code"), [(1, 128 + signal.SIGTERM), (4, 128 + signal.SIGHUP)])
def test_other_ends_keep_their_codes(dnabert, genome, tiny_model, watch, tmp_path, at, code):
    watch.stop(at=at, error=SystemExit(code))

    assert dnabert("scan", genome, "--model", tiny_model, "-o", tmp_path / "out").code == code


def test_a_signal_without_an_output_file_ends_as_ever(dnabert, genome, tiny_model, watch):
    watch.stop(at=4, error=SystemExit(143))

    assert dnabert("scan", genome, "--model", tiny_model).code == 143


def test_a_real_signal_keeps_the_units(genome, tiny_model, tmp_path):
    """The process signals itself after three units."""
    script = (
        "import os, signal\n"
        "from dnabert_cli.cli import app\n"
        "from dnabert_cli.core.ensemble import Ensemble\n"
        "from dnabert_cli.tasks import scan\n"
        "scan.UNIT_BASES = 64\n"
        "compute, calls = Ensemble.score_windows, []\n"
        "def watched(*words):\n"
        "    calls.append(1)\n"
        "    if len(calls) == 7: os.kill(os.getpid(), signal.SIGTERM)\n"
        "    return compute(*words)\n"
        "Ensemble.score_windows = watched\n"
        "app.run()\n"
    )
    words = [sys.executable, "-c", script, "scan", genome, "--model", tiny_model]
    done = subprocess.run(
        [*map(str, words), "-o", str(tmp_path / "out")],
        capture_output=True,
        env=os.environ | {"PYTHONPATH": str(Path.cwd())},
        text=True,
        check=False,
    )

    assert (done.returncode, done.stdout) == (75, "")
    assert done.stderr.endswith("stopped, units kept: 3; --resume continues\n")
    assert [each.name for each in tmp_path.glob("*out*")] == [".out.units"]


def test_trouble_of_the_machine_keeps_the_units(dnabert, genome, tiny_model, watch, tmp_path):
    watch.stop(at=6, error=DnabertError("the disk is full"))

    result = dnabert("scan", genome, "--model", tiny_model, "-o", tmp_path / "out")

    assert (result.code, (tmp_path / ".out.units").exists()) == (1, True)


def test_a_fault_late_in_the_input_costs_what_it_concerns(
    dnabert, genome, tiny_model, watch, tmp_path
):
    """All that had been computed before a cut line used to be removed."""
    words = ["scan", genome, "--model", tiny_model, "-o", tmp_path / "out"]
    whole = genome.read_text()
    genome.write_text(whole.replace(">tiny\n", ">tiny\n?!"))
    broken = dnabert(*words)
    n_calls = watch.n_calls
    genome.write_text(whole)

    assert (broken.code, "units kept: " in broken.err) == (1, True)
    assert dnabert(*words, "--resume").code == 0
    assert watch.n_calls == n_calls


def test_a_fault_before_the_first_unit_leaves_nothing(dnabert, genome, tiny_model, watch, tmp_path):
    watch.stop(at=1, error=DataError("record 1 is broken"))

    result = dnabert("scan", genome, "--model", tiny_model, "-o", tmp_path / "out")

    assert (result.code, list(tmp_path.glob("*out*"))) == (1, [])


def test_another_model_is_not_resumed(dnabert, genome, tiny_model, watch, tmp_path):
    from dnabert_cli.core.checkpoint import load_model, save_model
    from tests.toys import random_bert

    task = load_model(tiny_model).task
    save_model(tmp_path / "other", random_bert(3, n_labels=2), task)
    watch.stop(at=4, error=KeyboardInterrupt())
    dnabert("scan", genome, "--model", tiny_model, "-o", tmp_path / "out")

    result = dnabert(
        "scan", genome, "--model", tmp_path / "other", "-o", tmp_path / "out", "--resume"
    )

    assert result.code == 2
    assert "the interrupted run was another one: models.1.weights was" in result.err


def test_answers_without_the_embeddings_asked_for_later_are_another_run(
    dnabert, table, tiny_model, watch, tmp_path
):
    """All were computed once more, without a word."""
    words = ["predict", table, "--model", tiny_model, "-o", tmp_path / "out"]
    watch.stop(at=3, error=KeyboardInterrupt())
    dnabert(*words)

    result = dnabert(*words, "--embeddings", tmp_path / "v.npz", "--resume")

    assert result.code == 2
    assert "the interrupted run was another one: embeddings was false, is true" in result.err


def test_other_hardware_is_another_run(dnabert, genome, tiny_model, watch, tmp_path, monkeypatch):
    """`auto` was compared as a word, and answers of bf16 and fp32 were mixed."""
    words = ["scan", genome, "--model", tiny_model, "-o", tmp_path / "out"]
    monkeypatch.setattr(device, "has_native_bf16", lambda _: False)
    watch.stop(at=4, error=KeyboardInterrupt())
    dnabert(*words)
    monkeypatch.setattr(device, "has_native_bf16", lambda _: True)

    result = dnabert(*words, "--resume")

    assert result.code == 2
    assert 'another one: precision was "fp32", is "bf16"' in result.err
    assert dnabert(*words, "--resume", "--precision", "fp32", "--device", "cpu").code == 0


@pytest.mark.parametrize(("arch", "precision"), [("bert", "bf16"), ("cnn", "fp32")])
def test_what_auto_comes_to_depends_on_the_model(
    dnabert, genome, watch, tmp_path, monkeypatch, arch, precision
):
    from dnabert_cli.config import TaskConfig
    from dnabert_cli.core.checkpoint import build_network, save_model
    from tests.toys import bert_config

    k = 3 if arch == "bert" else 1
    task = TaskConfig(k=k, classes=("0", "1"), window=30, anchor=10, precision="bf16")
    save_model(tmp_path / "model", build_network(bert_config(k, arch=arch), task), task)
    monkeypatch.setattr(device, "has_native_bf16", lambda _: False)
    words = ["scan", genome, "--model", tmp_path / "model"]

    assert dnabert(*words, "--shard", "1/4", "-o", tmp_path / "part").code == 0
    assert read_header(tmp_path / "part")["identity"]["precision"] == precision


def read_header(path):
    with io.FileIO(path) as handle:
        file = UnitFile(str(path), handle)
        file.load()
    return file.header


def test_settings_that_decide_no_answer_may_change(
    dnabert, genome, tiny_model, watch, tmp_path, monkeypatch
):
    """Another `--strong` or `--top` of `variants` used to cost all that had been computed."""
    monkeypatch.setattr(ScanConfig, "NOT_IN_ANSWERS", ("max_unknown",), raising=False)
    words = ["scan", genome, "--model", tiny_model, "-o", tmp_path / "out", "--max-unknown"]
    watch.stop(at=4, error=KeyboardInterrupt())
    dnabert(*words, 0.5)

    assert dnabert(*words, 0.6, "--resume").code == 0


def test_the_settings_of_a_run_are_those_that_decide_answers(dnabert, genome, tiny_model, tmp_path):
    words = ["scan", genome, "--model", tiny_model, "--shard", "1/1"]
    assert dnabert(*words, "-o", tmp_path / "part").code == 0

    identity = read_header(tmp_path / "part")["identity"]
    assert sorted(identity) == ["device", "embeddings", "models", "precision", "settings"]
    assert identity["device"] == "cpu"
    assert identity["settings"]["compute"] == {"batch_tokens": None}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--resume"], "--resume: a stream cannot be continued (hint: name a file with -o)"),
        (["--shard", "1/2"], "--shard writes a file for `dnabert merge`, not a stream"),
        (["--shard", "1/2", "-o", "/dev/null"], "not a stream"),
        (["--resume", "-o", "/dev/null"], "a stream cannot be continued"),
        (["--shard", "3/2", "-o", "OUT"], "--shard 3/2: the shards of 2 begin with 1"),
        (["--shard", "half", "-o", "OUT"], "--shard half: it is i/n, such as 1/4"),
        (["--shard", "1/2", "-o", "OUT", "--manifest", "M"], "give it to `dnabert merge`"),
    ],
)
@pytest.mark.parametrize("command", ["scan", "predict"])
def test_options_that_cannot_be_are_wrong_command_lines(
    dnabert, genome, tiny_model, tmp_path, command, arguments, said
):
    places = {"OUT": tmp_path / "out", "M": tmp_path / "m.json"}

    result = dnabert(
        command, genome, "--model", tiny_model, *(places.get(word, word) for word in arguments)
    )

    assert (result.code, result.out) == (2, "")
    assert said in result.err.splitlines()[-1]
    assert list(tmp_path.glob("*out*")) == []


@pytest.mark.parametrize("command", ["scan", "predict"])
def test_a_shard_of_standard_input_is_refused(dnabert, tiny_model, tmp_path, command):
    words = ["--model", tiny_model, "--shard", "1/2", "-o", tmp_path / "out"]

    result = dnabert(command, "-", *words, stdin=">a\nACGT\n")

    assert result.code == 2
    assert "standard input is read once (hint: name a file)" in result.err


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
@pytest.mark.parametrize("place", ["source", "genome"])
def test_a_shard_of_a_pipe_is_refused(dnabert, table, tiny_model, tmp_path, place):
    """Only `-` was, and the merge then waited for the pipe or found it empty."""
    os.mkfifo(tmp_path / "pipe")
    inputs = {"source": [tmp_path / "pipe"], "genome": [table, "--genome", tmp_path / "pipe"]}
    words = ["--model", tiny_model, "--shard", "1/2", "-o", tmp_path / "out"]

    result = dnabert("predict", *inputs[place], *words)

    assert result.code == 2
    assert "pipe is read once (hint: name a file)" in result.err


def test_a_missing_input_of_a_shard_is_called_missing(dnabert, tiny_model, tmp_path):
    words = ["--model", tiny_model, "--shard", "1/2", "-o", tmp_path / "out"]

    assert "no such file" in dnabert("scan", tmp_path / "absent.fa", *words).err
