"""Several processes follow the path of one, and stop and resume together."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from dnabert_cli.core.distributed import World, joined, world

pytestmark = pytest.mark.filterwarnings("ignore")
SCRIPT = Path(__file__).with_name("distributed_run.py")


def test_a_process_alone_is_a_world_of_one(monkeypatch):
    for name in ("RANK", "WORLD_SIZE", "LOCAL_RANK"):
        monkeypatch.delenv(name, raising=False)

    assert world() == World()
    with joined(torch.device("cpu")) as (place, device):
        assert (place, device) == (World(), torch.device("cpu"))
    assert World().from_first("x") == "x"
    assert World().sum(torch.tensor([2.0])).item() == 2


def test_torchrun_tells_the_place(monkeypatch):
    for name, value in (("RANK", "3"), ("WORLD_SIZE", "4"), ("LOCAL_RANK", "1")):
        monkeypatch.setenv(name, value)

    assert world() == World(rank=3, size=4, local_rank=1)
    assert not world().is_first


def run(folder, n_processes, *options):
    """Train in `n_processes`; the losses of every step, and the weights."""
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += [f"--nproc-per-node={n_processes}", str(SCRIPT), str(folder), *options]
    subprocess.run(command, check=True, capture_output=True, timeout=50, env=environment())
    return json.loads((folder / "losses.json").read_text()), torch.load(folder / "weights.pt")


def environment():
    root = str(Path(__file__).resolve().parents[2])
    return os.environ | {"PYTHONPATH": root, "OMP_NUM_THREADS": "1"}


def test_two_processes_follow_the_losses_of_one_with_dropout(tmp_path):
    """Dropout is seeded by step and piece, so that it does not matter which process draws."""
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()
    one, weights = run(tmp_path / "one", 1)
    two, others = run(tmp_path / "two", 2)

    assert two == pytest.approx(one, rel=1e-4)
    assert max(float((weights[name] - others[name]).abs().max()) for name in weights) < 1e-2


def test_more_processes_than_pieces_still_work(tmp_path):
    found, _ = run(tmp_path, 2, "--pieces=1")

    assert len(found) == 8
