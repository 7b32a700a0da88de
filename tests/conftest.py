"""Fixtures of all tests: the program in this process, a tiny model, and where real data lie."""

import io
import logging
import os
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

# Before torch is loaded anywhere: parallel test processes must not fight over the cores.
os.environ.setdefault("OMP_NUM_THREADS", "1")
# Property tests are checked by count, not by the clock of a busy machine.
settings.register_profile("dnabert", deadline=None)
settings.load_profile("dnabert")

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Result:
    """What one call of the program came to."""

    code: int
    out: str
    err: str


@pytest.fixture
def dnabert(capsys, monkeypatch):
    """Call the program in this process: `dnabert("scan", path, stdin=...) -> Result`."""
    from dnabert_cli.cli.app import main

    def call(*argv, stdin: str | bytes | None = None) -> Result:
        if stdin is not None:
            data = stdin.encode() if isinstance(stdin, str) else stdin
            monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), "utf-8"))
        capsys.readouterr()  # what came before belongs to the test, not to the program
        code = main([str(word) for word in argv])
        return Result(code, *capsys.readouterr())

    yield call
    logger = logging.getLogger("dnabert_cli")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)


@pytest.fixture
def toy(monkeypatch):
    """Register a function as the command `toy` for the time of a test."""
    from dnabert_cli.cli.app import app

    def register(command):
        monkeypatch.setattr(app, "registered_commands", [*app.registered_commands])
        app.command(name="toy")(command)

    return register


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory):
    """A model folder: BERT 2x32 of random weights, k = 3, windows of 30 bases."""
    import torch

    from dnabert_cli.config import ModelConfig, TaskConfig
    from dnabert_cli.core.checkpoint import save_model
    from dnabert_cli.core.network import SequenceClassifier, initialize

    config = ModelConfig(
        vocab_size=4**3 + 5,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=64,
        max_position_embeddings=64,
    )
    task = TaskConfig(
        k=3, classes=("other", "promoter"), window=30, anchor=10, stride=5, threshold=0.5
    )
    with torch.random.fork_rng(devices=[]):
        # Seed and deviation (ten times BERT's) such that probabilities of random windows spread
        # over 0.2 to 0.6, one in eight is called, and bf16 stays within 1e-2 of fp32.
        torch.manual_seed(5)
        network = SequenceClassifier(config, len(task.classes))
        initialize(network, 10 * config.initializer_range)
    folder = tmp_path_factory.mktemp("models") / "tiny"
    save_model(folder, network, task)
    return folder


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of real genomes, sites and variants (`DNABERT_DATA`)."""
    return _folder_named_by("DNABERT_DATA")


@pytest.fixture(scope="session")
def oracle() -> Path:
    """The folder of outputs of the original program (`DNABERT_ORACLE`)."""
    return _folder_named_by("DNABERT_ORACLE")


def _folder_named_by(variable: str) -> Path:
    value = os.environ.get(variable)
    if not value:
        pytest.skip(f"{variable} is not set")
    folder = ROOT / value  # an absolute path stays what it is
    if not folder.is_dir():
        pytest.skip(f"{variable}: no folder {folder}")
    return folder
