"""The original's optimizer, and twelve steps of its fine-tuning run again with it."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from dnabert_cli.core.batches import LabelledPiece
from dnabert_cli.core.checkpoint import load_model
from dnabert_cli.core.finetuning import make_loss
from dnabert_cli.core.loop import LoopSettings, Trainer, fit
from dnabert_cli.core.network import SelfAttention
from dnabert_cli.core.optimize import build_optimizer, build_schedule
from tests.core.original_optimizer import OriginalAdamW, original_optimizer

# The run: 12 batches of 8 rows in the order of the file, three times over the first 32 rows.
N_BATCHES, BATCH_SIZE, N_DISTINCT = 12, 8, 4
PEAK, N_STEPS, WARMUP_STEPS = 2e-3, 12, 2


@pytest.mark.oracle
def test_steps_equal_those_of_the_original_program(oracle):
    case = json.loads((oracle / "misc" / "misc.json").read_text())["adamw"]
    start, *after = case["params_after"]
    weights = {
        name: nn.Parameter(torch.tensor(values, dtype=torch.float64))
        for name, values in start.items()
    }
    groups = [
        {"params": [weights[name]], "weight_decay": case[f"weight_decay_{name}"]} for name in "WB"
    ]
    optimizer = OriginalAdamW(groups, case["lr"], tuple(case["betas"]), case["eps"])

    for gradients, expected in zip(case["grads"], after, strict=True):
        for name, gradient in zip("WB", gradients, strict=True):
            weights[name].grad = torch.tensor(gradient, dtype=torch.float64)
        optimizer.step()
        for name in "WB":
            assert weights[name].tolist() == pytest.approx(expected[name], rel=0, abs=1e-12)


def rows_of(oracle):
    """The 34 rows of the run: ids, mask, labels."""
    with np.load(oracle / "forward" / "k3_binary_L128_predict.npz") as arrays:
        names = ("input_ids", "attention_mask", "labels")
        return [torch.from_numpy(arrays[one].astype(np.int64)) for one in names]


def network_without_dropout(oracle):
    network = load_model(oracle / "models" / "k3_binary").network
    for module in network.modules():
        if isinstance(module, nn.Dropout):
            module.p = 0.0
        if isinstance(module, SelfAttention):
            module.attention_dropout = 0.0
    return network


def fine_tune(network, rows, make_optimizer, *, weight_decay, accumulation):
    """Run the product's loop; return the loss of every update and the logits at the end."""
    pieces = [
        LabelledPiece(
            *(one[BATCH_SIZE * i : BATCH_SIZE * (i + 1)] for one in rows), n_units=BATCH_SIZE
        )
        for i in range(N_DISTINCT)
    ] * (N_BATCHES // N_DISTINCT)
    optimizer = make_optimizer(network, learning_rate=PEAK, weight_decay=weight_decay)
    losses = []
    trainer = Trainer(
        network=network,
        optimizer=optimizer,
        schedule=build_schedule(optimizer, n_steps=N_STEPS, warmup_steps=WARMUP_STEPS),
        batches=lambda _: (
            pieces[i : i + accumulation] for i in range(0, len(pieces), accumulation)
        ),
        loss=make_loss("class", 2, 0.0, None),
        evaluate=lambda _: {},
        metric=None,
        log=lambda row: losses.append(row["loss"]),
    )
    n_steps = N_BATCHES // accumulation
    fit(trainer, LoopSettings(n_steps=n_steps, evaluate_every=n_steps, log_every=1))
    network.eval()
    with torch.no_grad():
        return losses, network(*rows[:2]).numpy()


@pytest.mark.oracle
@pytest.mark.parametrize(
    ("make_optimizer", "loss_tolerance", "logit_tolerance"),
    [
        (original_optimizer, 1e-5, 3e-5),
        # decay before the step and another place for eps: the paths part slowly
        (build_optimizer, 1e-4, 3e-4),
    ],
)
@pytest.mark.parametrize(
    ("name", "weight_decay", "accumulation"), [("wd0.01_acc1", 0.01, 1), ("wd0.0_acc2", 0.0, 2)]
)
def test_the_loop_follows_the_fine_tuning_of_the_original(
    oracle, name, weight_decay, accumulation, make_optimizer, loss_tolerance, logit_tolerance
):
    expected = json.loads((oracle / "train" / "finetune_k3_binary_fixed.json").read_text())[name]
    of_updates = np.array(expected["losses"]).reshape(-1, accumulation).mean(1)

    losses, logits = fine_tune(
        network_without_dropout(oracle),
        rows_of(oracle),
        make_optimizer,
        weight_decay=weight_decay,
        accumulation=accumulation,
    )

    assert losses[0] == pytest.approx(of_updates[0], rel=0, abs=1e-6)
    assert losses == pytest.approx(of_updates.tolist(), rel=0, abs=loss_tolerance)
    assert np.abs(logits - np.array(expected["final_logits"])).max() < logit_tolerance
