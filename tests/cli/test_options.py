"""Options that several commands share: `--config`, `--model`, `--task`; wiring to `config.py`."""

import dataclasses
from typing import Annotated

import pytest
import typer

from dnabert_cli import config as settings
from dnabert_cli import training_config as training
from dnabert_cli.cli import options
from dnabert_cli.cli.app import app
from dnabert_cli.errors import OptionsError


@pytest.fixture
def configured(dnabert, toy, tmp_path):
    """Run a `toy` with a config file; return the result and the values the command received."""
    received = {}

    def command(
        inputs: Annotated[list[str] | None, typer.Argument()] = None,
        *,  # as typer calls it
        model: options.Model = None,
        class_names: str = "",
        epochs: int = 5,
        learning_rate: float = 0.5,
        half: bool = False,
        threads: options.Threads = None,
        config: options.Config = None,
    ) -> None:
        received.update(locals())

    def call(text, *argv):
        path = tmp_path / "run.toml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return dnabert("toy", "--config", path, *argv), received

    toy(command)
    return call


def test_flag_wins_over_file_and_file_over_default(configured):
    result, received = configured("epochs = 7\nlearning_rate = 1e-3\n", "--epochs", "9")
    assert (result.code, result.err) == (0, "")
    assert received["epochs"] == 9
    assert received["learning_rate"] == 1e-3
    assert received["threads"] is None


def test_config_takes_lists_flags_and_tables(configured):
    text = (
        'inputs = ["x", "y"]\nmodel = ["a", "b"]\nclass_names = ["no", "yes"]\nhalf = true\n'
        "[compute]\nthreads = 3\n"
    )
    result, received = configured(text)
    assert (result.code, result.err) == (0, "")
    assert received["inputs"] == ["x", "y"]
    assert received["model"] == ["a", "b"]
    assert received["class_names"] == "no,yes"
    assert received["half"] is True
    assert received["threads"] == 3


def test_one_model_needs_no_brackets_in_config(configured):
    _, received = configured('model = "a"\n')
    assert received["model"] == ["a"]


def test_run_toml_is_a_config_file(configured):
    text = (
        'format_version = 1\nversion = "0.1.0"\nepochs = 7\nhalf = false\n'
        '[compute]\nthreads = 2\n[inputs]\n"a.tsv" = "00ff"\n'
    )
    result, received = configured(text)
    assert (result.code, result.err) == (0, "")
    assert (received["epochs"], received["half"], received["threads"]) == (7, False, 2)


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        ("epoch = 3", 2, "unknown option 'epoch' (hint: did you mean 'epochs'?)"),
        ("learning-rate = 3.0", 2, "hint: did you mean 'learning_rate'?"),
        ("[compute]\nthread = 3", 2, "hint: did you mean 'threads'?"),
        ("zzz = 3", 2, "hint: known: class_names, epochs,"),
        ('config = "x.toml"', 2, "unknown option 'config'"),
        ("version = 1", 2, "unknown option 'version'"),
        ("epochs = ", 1, "not TOML: "),
        (b"\xff = 1", 1, "not TOML: "),
        ("format_version = 2", 1, "format_version is not 1"),
    ],
)
def test_config_file_at_fault_is_named(configured, text, code, said):
    result, received = configured(text)
    assert (result.code, result.out, received) == (code, "", {})
    assert result.err.startswith("dnabert: error: ")
    assert "run.toml: " in result.err
    assert said in result.err
    assert result.err.count("\n") == 1


@pytest.mark.parametrize(
    "text", ["epochs = 2.5", "epochs = true", 'epochs = "x"', "threads = 0", "half = 7"]
)
def test_config_value_of_wrong_type_or_range_ends_with_2(configured, text):
    result, received = configured(text)
    assert (result.code, result.out, received) == (2, "", {})
    assert f"Invalid value for '--{text.split()[0]}'" in result.err


def test_config_file_that_is_not_there_is_one_line(dnabert, toy):
    def command(config: options.Config = None) -> None:
        pytest.fail("the command ran")

    toy(command)
    result = dnabert("toy", "--config", "no.toml")
    assert result.code == 1
    assert result.err == "dnabert: error: no.toml: No such file or directory\n"


@pytest.mark.parametrize(
    ("command", "config"),
    [
        ("scan", settings.ScanConfig),
        ("predict", settings.PredictConfig),
        ("finetune", training.FinetuneConfig),
        ("pretrain", training.PretrainConfig),
    ],
)
def test_every_setting_is_an_option_with_the_same_default(command, config):
    """Else `--config run.toml`, which holds them all, would be refused."""
    parameters = {p.name: p for p in typer.main.get_command(app).commands[command].params}
    defaults = dataclasses.asdict(config())
    defaults |= defaults.pop("compute")
    assert defaults.keys() <= parameters.keys()
    assert {name: parameters[name].default for name in defaults} == defaults


# --model and --task


@pytest.fixture
def bundled(monkeypatch):
    monkeypatch.setattr(options, "bundled_models", lambda: ("prom", "tf-CTCF"))


def test_models_are_taken_as_given(bundled):
    assert options.model_names(["a", "b"], None) == ["a", "b"]


@pytest.mark.parametrize(("task", "name"), [("prom", "prom"), ("tf:CTCF", "tf-CTCF")])
def test_task_names_its_bundled_model(bundled, task, name):
    assert options.model_names(None, task) == [name]


@pytest.mark.parametrize(
    ("models", "task", "said"),
    [
        (["a"], "prom", "leave it or --model out"),
        (None, None, r"name one with --task or --model \(bundled: prom, tf-CTCF\)"),
        ([], None, "name one with --task or --model"),
        (None, "splice", r"no model is bundled for --task splice \(bundled: prom, tf-CTCF\)"),
    ],
)
def test_models_that_are_not_told_or_told_twice_are_refused(bundled, models, task, said):
    with pytest.raises(OptionsError, match=said):
        options.model_names(models, task)
