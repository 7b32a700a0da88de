"""The losses of the heads: worked by hand, and the same however a batch is cut."""

import math

import numpy as np
import pytest
import torch

from dnabert_cli.core.batches import IGNORED, LabelledPiece
from dnabert_cli.core.finetuning import make_loss, rescale_output


def piece(labels, n_units):
    ids = torch.zeros(len(labels), 3, dtype=torch.int64)
    return LabelledPiece(ids, None, torch.as_tensor(np.asarray(labels)), n_units)


def answering(output):
    return lambda *_: torch.tensor(output, dtype=torch.float32)


def test_classes_by_hand():
    loss = make_loss("class", 2, 0.0, None)

    value = loss(answering([[0.0, 0.0], [0.0, math.log(3)]]), piece([0, 1], 2))

    assert value.item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)


def test_class_weights_weigh_rows_and_not_the_number_of_them():
    loss = make_loss("class", 2, 0.0, torch.tensor([0.5, 1.5]))

    value = loss(answering([[0.0, 0.0], [0.0, 0.0]]), piece([0, 1], 2))

    assert value.item() == pytest.approx((0.5 + 1.5) / 2 * math.log(2))


def test_labels_by_hand():
    loss = make_loss("multi-label", 2, 0.0, None)

    value = loss(answering([[0.0, math.log(3)]]), piece(np.array([[1, 1]], dtype=np.float32), 1))

    assert value.item() == pytest.approx((math.log(2) + math.log(4 / 3)) / 2)


def test_numbers_by_hand():
    loss = make_loss("regression", 1, 0.0, None)

    value = loss(answering([[1.0], [3.0]]), piece(np.array([0, 1], dtype=np.float32), 2))

    assert value.item() == pytest.approx((1 + 4) / 2)


def test_bases_without_a_label_do_not_count():
    classes = make_loss("token", 2, 0.0, None)
    numbers = make_loss("token", 1, 0.0, None)

    of_classes = classes(answering([[[0.0, 0.0]] * 3]), piece([[1, IGNORED, 0]], 2))
    of_numbers = numbers(
        answering([[[2.0]] * 3]), piece(np.array([[1, np.nan, 0]], dtype=np.float32), 2)
    )

    assert of_classes.item() == pytest.approx(math.log(2))
    assert of_numbers.item() == pytest.approx((1 + 4) / 2)


def test_a_piece_without_labels_costs_nothing():
    loss = make_loss("token", 2, 0.0, None)

    assert loss(answering([[[0.0, 0.0]]]), piece([[IGNORED]], 0)).item() == 0


def test_rescaled_networks_answer_in_the_units_of_the_data():
    network = torch.nn.Module()
    network.classifier = torch.nn.Linear(2, 1)
    hidden = torch.tensor([[1.0, -2.0]])
    standard = network.classifier(hidden).item()

    rescale_output(network, mean=10.0, sd=4.0)

    assert network.classifier(hidden).item() == pytest.approx(10 + 4 * standard, rel=1e-5)
