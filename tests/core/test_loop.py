"""The training loop: resuming is exact, pieces do not matter, and it stops when it should."""

import dataclasses
import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from dnabert_cli.core.batches import LabelledRows
from dnabert_cli.core.loop import LoopSettings, Trainer, fit
from dnabert_cli.core.optimize import build_optimizer, build_schedule
from dnabert_cli.errors import DnabertError, Interrupted, ModelError
from dnabert_cli.sequence.kmers import Tokenizer
from tests.toys import random_bert

N_ROWS = 24
SETTINGS = LoopSettings(
    epochs=3,
    steps_per_epoch=6,
    evaluate_every=4,
    patience=100,
    max_gradient_norm=1.0,
    rows_per_piece=100,
)


def mean_loss(network, batch):
    return F.cross_entropy(network(batch.ids, batch.mask), batch.labels)


def make_trainer(*, evaluate=None, loss=mean_loss, dropout=0.1, should_stop=lambda: False):
    torch.manual_seed(5)
    network = random_bert(hidden_dropout_prob=dropout, attention_probs_dropout_prob=0.0)
    generator = np.random.default_rng(0)
    labels = generator.integers(2, size=N_ROWS)
    sequences = ["".join(generator.choice(list("AT" if y else "CG"), 12)) for y in labels]
    rows = LabelledRows(sequences, labels, Tokenizer(3))
    optimizer = build_optimizer(network, learning_rate=1e-3, weight_decay=0.01)
    return Trainer(
        network=network,
        optimizer=optimizer,
        schedule=build_schedule(optimizer, n_steps=18, warmup_steps=2),
        batches=lambda epoch: rows.epoch(epoch, batch_size=4, seed=7),
        loss=loss,
        evaluate=evaluate or (lambda network: {"auprc": network.classifier.weight.sum().item()}),
        metric="auprc",
        should_stop=should_stop,
    )


def weights(trainer):
    return torch.cat([parameter.flatten() for parameter in trainer.network.parameters()])


def test_training_lowers_the_loss():
    trainer = make_trainer(dropout=0.0)
    losses = []

    def watch(network):
        with torch.no_grad():
            losses.append(float(mean_loss(network, next(iter(trainer.batches(0))))))
        return {"auprc": -losses[-1]}

    fit(dataclasses.replace(trainer, evaluate=watch), SETTINGS)

    assert losses[-1] < 0.5 * losses[0]


@pytest.mark.parametrize("stop_after", [1, 4, 7, 17])
def test_a_stopped_and_resumed_run_equals_an_uninterrupted_one_bit_for_bit(tmp_path, stop_after):
    whole = make_trainer()
    expected = fit(whole, SETTINGS)

    n_asked = 0

    def stop():
        nonlocal n_asked
        n_asked += 1
        return n_asked == stop_after

    path = tmp_path / "resume" / "state.pt"
    with pytest.raises(Interrupted, match=f"stopped after step {stop_after} of 18"):
        fit(make_trainer(should_stop=stop), SETTINGS, state_path=path)
    torch.manual_seed(999)
    resumed = make_trainer()
    state = fit(resumed, SETTINGS, state_path=path)

    assert torch.equal(weights(resumed), weights(whole))
    assert state.history == expected.history


def test_gradient_accumulation_follows_the_same_path():
    whole, pieces = make_trainer(dropout=0.0), make_trainer(dropout=0.0)

    expected = fit(whole, SETTINGS)
    found = fit(pieces, dataclasses.replace(SETTINGS, rows_per_piece=3))

    # weights may differ where a gradient is rounding noise, which Adam blows up; losses do not
    for ours, theirs in zip(found.history, expected.history, strict=True):
        assert ours["loss"] == pytest.approx(theirs["loss"], rel=1e-4)


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


def test_training_ends_when_the_metric_no_longer_improves():
    values = iter([0.5, 0.4, 0.4, 0.6, 0.7])

    state = fit(
        make_trainer(evaluate=lambda _: {"auprc": next(values)}),
        dataclasses.replace(SETTINGS, patience=2),
    )

    assert [row["step"] for row in state.history] == [4, 8, 12]


def test_an_undefined_metric_does_not_lose_the_weights():
    """A development part without positives has no AUPRC."""
    state = fit(make_trainer(evaluate=lambda _: {"auprc": math.nan}), SETTINGS)

    assert state.best_step == 4


def test_a_loss_that_is_not_finite_stops_the_run_and_names_the_step():
    trainer = make_trainer(loss=lambda network, batch: mean_loss(network, batch) * math.nan)

    with pytest.raises(DnabertError, match="loss is nan at step 1"):
        fit(trainer, SETTINGS)


def test_a_broken_resume_state_is_refused(tmp_path):
    path = tmp_path / "state.pt"
    path.write_bytes(b"not a checkpoint")

    with pytest.raises(ModelError, match="does not continue this run"):
        fit(make_trainer(), SETTINGS, state_path=path)


def test_bf16_autocast_stays_close_to_fp32():
    full, half = make_trainer(dropout=0.0), make_trainer(dropout=0.0)
    settings = dataclasses.replace(SETTINGS, epochs=1)

    a = fit(full, settings)
    b = fit(half, dataclasses.replace(settings, dtype=torch.bfloat16))

    assert b.history[0]["loss"] == pytest.approx(a.history[0]["loss"], rel=0.05)
