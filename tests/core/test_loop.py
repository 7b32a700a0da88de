"""The training loop: resuming is exact, pieces do not matter, and it stops when it should."""

import dataclasses
import logging
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dnabert_cli.core.batches import LabelledRows
from dnabert_cli.core.loop import LoopSettings, Trainer, fit
from dnabert_cli.core.optimize import build_optimizer, build_schedule
from dnabert_cli.core.states import states
from dnabert_cli.errors import DnabertError, Interrupted, ModelError
from dnabert_cli.sequence.kmers import Tokenizer
from tests.toys import random_bert

N_ROWS = 24
SETTINGS = LoopSettings(n_steps=18, evaluate_every=4, save_every=3, patience=100, log_every=5)


def mean_loss(network, piece):
    return F.cross_entropy(network(piece.ids, piece.mask), piece.labels)


def make_trainer(*, dropout=0.1, max_tokens=10_000, **changes):
    torch.manual_seed(5)
    network = random_bert(hidden_dropout_prob=dropout, attention_probs_dropout_prob=0.0)
    generator = np.random.default_rng(0)
    labels = generator.integers(2, size=N_ROWS)
    lengths = generator.integers(8, 60, size=N_ROWS)
    sequences = [
        "".join(generator.choice(list("AT" if label else "CG"), length))
        for label, length in zip(labels, lengths, strict=True)
    ]
    rows = LabelledRows(sequences, labels, Tokenizer(3))
    optimizer = build_optimizer(network, learning_rate=1e-3, weight_decay=0.01)
    trainer = Trainer(
        network=network,
        optimizer=optimizer,
        schedule=build_schedule(optimizer, n_steps=18, warmup_steps=2),
        batches=lambda first: rows.batches(first, batch_size=8, max_tokens=max_tokens, seed=7),
        loss=mean_loss,
        evaluate=lambda network: {"auprc": network.classifier.weight.sum().item()},
        metric="auprc",
    )
    return dataclasses.replace(trainer, **changes)


def weights(trainer):
    return torch.cat([parameter.flatten() for parameter in trainer.network.parameters()])


def stop_after(n_steps):
    asked = 0

    def should_stop():
        nonlocal asked
        asked += 1
        return asked == n_steps

    return should_stop


def test_training_lowers_the_loss():
    losses = []
    trainer = make_trainer(dropout=0.0, log=lambda row: losses.append(row["loss"]))

    fit(trainer, dataclasses.replace(SETTINGS, log_every=1))

    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("n_steps", [1, 4, 7, 17])
def test_a_stopped_and_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path, n_steps):
    whole = make_trainer()
    expected = fit(whole, SETTINGS)

    with pytest.raises(Interrupted, match=f"stopped after step {n_steps} of 18"):
        fit(make_trainer(should_stop=stop_after(n_steps)), SETTINGS, state_folder=tmp_path)
    torch.manual_seed(999)
    resumed = make_trainer()
    state = fit(resumed, SETTINGS, state_folder=tmp_path)

    assert torch.equal(weights(resumed), weights(whole))
    assert state.history == expected.history


def test_a_killed_run_goes_on_from_its_last_state_bit_for_bit(tmp_path):
    """Killed between two states, it has to do the steps since the last one again."""
    whole = make_trainer()
    fit(whole, SETTINGS)

    class Killed(Exception):  # noqa: N818  no mistake
        pass

    def kill(row):
        if row["step"] == 8:
            raise Killed

    with pytest.raises(Killed):
        fit(
            make_trainer(log=kill),
            dataclasses.replace(SETTINGS, log_every=1),
            state_folder=tmp_path,
        )
    assert [path.name for path in states(tmp_path)] == ["state-6.pt", "state-3.pt"]
    resumed = make_trainer()
    fit(resumed, SETTINGS, state_folder=tmp_path)

    assert torch.equal(weights(resumed), weights(whole))


@pytest.mark.parametrize("max_tokens", [1, 64, 100, 200])
def test_gradient_accumulation_follows_the_same_path(max_tokens):
    """Rows of a batch have different lengths; each counts the same however they are cut."""
    whole = make_trainer(dropout=0.0)
    pieces = make_trainer(dropout=0.0, max_tokens=max_tokens)

    expected = fit(whole, SETTINGS)
    found = fit(pieces, SETTINGS)

    # weights may differ where a gradient is rounding noise, which Adam blows up; losses do not
    for ours, theirs in zip(found.history, expected.history, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)


def test_dropout_differs_between_steps_and_between_seeds():
    losses = {}
    for seed in (0, 1):
        rows = []
        trainer = make_trainer(dropout=0.5, log=lambda row, rows=rows: rows.append(row["loss"]))
        still = build_schedule(trainer.optimizer, n_steps=10**9, warmup_steps=10**9)
        settings = dataclasses.replace(SETTINGS, n_steps=6, log_every=1, seed=seed)
        fit(dataclasses.replace(trainer, schedule=still), settings)
        losses[seed] = rows

    # three batches an epoch: the same rows may come back, never the same dropout
    assert len(set(losses[0])) == 6
    assert losses[0][0] != losses[1][0]


def test_the_best_weights_come_back():
    values = iter([0.1, 0.9, 0.5, 0.2, 0.3])
    snapshots = []

    def evaluate(network):
        snapshots.append(network.classifier.weight.detach().clone())
        return {"auprc": next(values)}

    trainer = make_trainer(evaluate=evaluate)
    state = fit(trainer, SETTINGS)

    assert (state.best_metric, state.best_step) == (0.9, 8)
    assert torch.equal(trainer.network.classifier.weight, snapshots[1])


def test_without_a_metric_the_last_weights_stay():
    snapshots = []

    def evaluate(network):
        snapshots.append(network.classifier.weight.detach().clone())
        return {"bits": 1.0}

    trainer = make_trainer(evaluate=evaluate, metric=None)
    state = fit(trainer, SETTINGS)

    assert state.best_weights == {}
    assert torch.equal(trainer.network.classifier.weight, snapshots[-1])


def test_it_stops_when_the_metric_no_longer_improves():
    values = iter([0.5, 0.4, 0.4, 0.4, 0.4])
    trainer = make_trainer(evaluate=lambda _: {"auprc": next(values)})

    state = fit(trainer, dataclasses.replace(SETTINGS, patience=2))

    assert state.step == 12


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_names_the_step_and_the_last_state(tmp_path, value):
    n_calls = 0

    def loss(network, piece):
        nonlocal n_calls
        n_calls += 1
        return mean_loss(network, piece) * (value if n_calls == 36 else 1.0)

    with pytest.raises(DnabertError, match=r"loss is (nan|inf) at step 5; step 3 is saved"):
        fit(make_trainer(loss=loss, max_tokens=1), SETTINGS, state_folder=tmp_path)
    assert states(tmp_path)[0].name == "state-3.pt"


def test_a_gradient_that_is_no_number_is_told(tmp_path):
    def loss(network, piece):
        return mean_loss(network, piece) + network.classifier.weight.mul(0).sum().sqrt() * 0

    with pytest.raises(DnabertError, match="gradient is nan at step 1"):
        fit(make_trainer(loss=loss), SETTINGS)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
)
def test_running_out_of_memory_names_the_option(error):
    def loss(network, piece):
        raise error

    with pytest.raises(ModelError, match=r"out of memory .*--batch-tokens"):
        fit(make_trainer(loss=loss), SETTINGS)


def test_other_errors_of_torch_are_not_reworded():
    def loss(network, piece):
        raise RuntimeError("shapes do not fit")

    with pytest.raises(RuntimeError, match="shapes do not fit"):
        fit(make_trainer(loss=loss), SETTINGS)


def test_the_log_has_the_mean_loss_the_rate_and_the_speed():
    rows = []
    every = []
    fit(make_trainer(log=rows.append), SETTINGS)
    fit(make_trainer(log=every.append), dataclasses.replace(SETTINGS, log_every=1))

    assert [row["step"] for row in rows] == [5, 10, 15, 18]
    expected = np.mean([row["loss"] for row in every[:5]])
    assert rows[0]["loss"] == pytest.approx(expected)
    assert all(row["tokens_per_second"] > 0 for row in rows)
    assert rows[-1]["learning_rate"] == 0


def test_states_of_other_options_are_refused(tmp_path):
    with pytest.raises(Interrupted, match="--resume continues"):
        fit(
            make_trainer(should_stop=stop_after(2)),
            SETTINGS,
            state_folder=tmp_path,
            run_key="one",
        )

    with pytest.raises(ModelError, match="belongs to a run with other options"):
        fit(make_trainer(), SETTINGS, state_folder=tmp_path, run_key="two")


def test_a_damaged_state_falls_back_on_the_one_before(tmp_path, caplog):
    whole = make_trainer()
    fit(whole, SETTINGS)
    with pytest.raises(Interrupted, match="step 7"):
        fit(make_trainer(should_stop=stop_after(7)), SETTINGS, state_folder=tmp_path)
    newest, before = states(tmp_path)
    newest.write_bytes(newest.read_bytes()[:1000])

    resumed = make_trainer()
    with caplog.at_level(logging.WARNING):
        fit(resumed, SETTINGS, state_folder=tmp_path)

    assert before.name == "state-6.pt"
    assert "state-7.pt is damaged" in caplog.text
    assert torch.equal(weights(resumed), weights(whole))


def test_when_every_state_is_damaged_it_says_so(tmp_path):
    (tmp_path / "state-3.pt").write_bytes(b"junk")

    with pytest.raises(ModelError, match="no state can be read"):
        fit(make_trainer(), SETTINGS, state_folder=tmp_path)


def test_a_finished_run_does_nothing_more(tmp_path):
    whole = make_trainer()
    fit(whole, SETTINGS, state_folder=tmp_path)
    again = make_trainer()

    state = fit(again, SETTINGS, state_folder=tmp_path)

    assert state.step == 18
    assert torch.equal(weights(again), weights(whole))


def test_save_is_called_with_every_state(tmp_path):
    steps = []
    trainer = make_trainer(save=lambda _: steps.append(states(tmp_path)[0].name))

    fit(trainer, dataclasses.replace(SETTINGS, save_every=8), state_folder=tmp_path)

    assert steps == ["state-8.pt", "state-16.pt", "state-18.pt"]


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_follows_the_same_path_roughly(dtype):
    exact = fit(make_trainer(dropout=0.0), SETTINGS)
    half = fit(make_trainer(dropout=0.0), dataclasses.replace(SETTINGS, dtype=dtype))

    for ours, theirs in zip(half.history, exact.history, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=0.05)


def test_a_resumed_fp16_run_keeps_its_loss_scale(tmp_path):
    settings = dataclasses.replace(SETTINGS, dtype=torch.float16)
    whole = make_trainer()
    fit(whole, settings)
    with pytest.raises(Interrupted, match="step 7"):
        fit(make_trainer(should_stop=stop_after(7)), settings, state_folder=tmp_path)

    resumed = make_trainer()
    fit(resumed, settings, state_folder=tmp_path)

    assert torch.equal(weights(resumed), weights(whole))


def test_checkpointed_activations_give_the_same_weights():
    plain, checkpointed = make_trainer(), make_trainer()
    checkpointed.network.encoder.checkpoints_activations = True

    fit(plain, SETTINGS)
    fit(checkpointed, SETTINGS)

    assert torch.equal(weights(plain), weights(checkpointed))


def test_a_compiled_network_takes_the_same_path():
    """Asking torch's compiled module for its truth used to end the run."""
    plain, compiled = make_trainer(), make_trainer()
    forward = torch.compile(compiled.network, backend="eager")

    fit(plain, SETTINGS)
    fit(dataclasses.replace(compiled, forward=forward), SETTINGS)

    assert torch.equal(weights(plain), weights(compiled))
