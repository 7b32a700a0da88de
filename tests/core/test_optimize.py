"""The schedule and the groups of weight decay."""

import json

import pytest

from dnabert_cli.core.optimize import build_optimizer, build_schedule, learning_rate_factor
from tests.toys import random_bert


def test_learning_rate_rises_then_falls_to_zero():
    factors = [learning_rate_factor(step, 10, 4) for step in range(11)]

    assert factors[:5] == [0, 0.25, 0.5, 0.75, 1]
    assert factors[7] == 0.5
    assert factors[10] == 0


def test_without_warm_up_the_first_step_has_the_peak():
    assert learning_rate_factor(0, 10, 0) == 1


def test_only_matrices_are_decayed():
    network = random_bert()

    optimizer = build_optimizer(network, learning_rate=1e-3, weight_decay=0.01)

    decayed, kept = (group["params"] for group in optimizer.param_groups)
    assert {parameter.dim() for parameter in decayed} == {2}
    assert {parameter.dim() for parameter in kept} == {1}
    assert optimizer.param_groups[1]["weight_decay"] == 0
    assert len(decayed) + len(kept) == len(list(network.parameters()))


@pytest.mark.oracle
def test_schedule_equals_that_of_the_original_program(oracle):
    for case in json.loads((oracle / "misc" / "misc.json").read_text())["lr"]:
        at = case.get("at") or dict(enumerate(case["lr_used_at_update"]))
        steps = [int(step) for step in at]
        factors = [learning_rate_factor(step, case["total"], case["warmup"]) for step in steps]

        assert [case["base"] * each for each in factors] == pytest.approx(list(at.values()))


def test_the_schedule_moves_the_optimizer():
    optimizer = build_optimizer(random_bert(), learning_rate=1e-3, weight_decay=0)
    schedule = build_schedule(optimizer, n_steps=4, warmup_steps=2)
    used = []
    for _ in range(5):
        used.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()

    assert used == pytest.approx([0, 5e-4, 1e-3, 5e-4, 0])
