"""Run by `test_distributed.py` under torchrun: a short training, its losses and weights kept."""

import json
import sys
from pathlib import Path

import torch

from dnabert_cli.core.distributed import joined
from dnabert_cli.core.loop import LoopSettings, fit
from tests.core.test_loop import make_trainer


def main() -> None:
    torch.set_num_threads(1)
    folder = Path(sys.argv[1])
    max_tokens = 10**6 if "--pieces=1" in sys.argv else 100
    losses = []
    trainer = make_trainer(max_tokens=max_tokens, log=lambda row: losses.append(row["loss"]))
    settings = LoopSettings(n_steps=8, evaluate_every=4, log_every=1)
    with joined(torch.device("cpu")) as (world, _):
        fit(trainer, settings, state_folder=folder / "resume", world=world)
    if world.is_first:
        (folder / "losses.json").write_text(json.dumps(losses))
        torch.save(trainer.network.state_dict(), folder / "weights.pt")


if __name__ == "__main__":
    main()
