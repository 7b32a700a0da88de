"""Targets: what a row's label means to each head, and what cannot be learned from."""

import logging

import numpy as np
import pytest

from dnabert_cli.errors import DataError
from dnabert_cli.records import Example
from dnabert_cli.tasks.targets import (
    NO_CLASS,
    Scale,
    balanced_weights,
    check_part,
    in_order,
    known_labels,
    output_names,
    row_targets,
    strata,
    take,
)


def rows(*labels):
    return [Example("ACGT", label=label) for label in labels]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ({"10", "9", "-1"}, ("-1", "9", "10")),
        ({"1", "01"}, ("01", "1")),
        ({"b", "10", "9"}, ("10", "9", "b")),
    ],
)
def test_labels_are_in_order_of_numbers_or_of_the_alphabet(names, expected):
    assert in_order(names) == expected


def test_classes_are_numbered_in_order():
    examples = rows("b", "a", "b")
    names = output_names(examples, "class")
    assert names == ("a", "b")
    assert row_targets(examples, names, "class").tolist() == [1, 0, 1]


def test_several_labels_are_separated_by_commas_or_semicolons():
    examples = rows("b;a", "c, a,", None, "c,c")
    names = output_names(examples, "multi-label")
    targets = row_targets(examples, names, "multi-label")
    assert names == ("a", "b", "c")
    assert targets.tolist() == [[1, 1, 0], [1, 0, 1], [0, 0, 0], [0, 0, 1]]
    assert targets.dtype == np.float32


def test_numbers_are_single_precision():
    examples = rows("1", "-2.5e1")
    targets = row_targets(examples, output_names(examples, "regression"), "regression")
    assert (targets.tolist(), targets.dtype) == ([1.0, -25.0], np.float32)


@pytest.mark.parametrize(
    ("head", "labels", "message"),
    [
        ("class", ("x", "x"), "all 2 rows have the label 'x'"),
        ("multi-label", (None, ","), "none of the 2 rows has a label"),
    ],
)
def test_rows_with_nothing_to_tell_apart_are_refused(head, labels, message):
    with pytest.raises(DataError, match=message):
        output_names(rows(*labels), head)


BASES = [np.array([0, 1, NO_CLASS]), np.array([0])]
VALUES = [np.array([1, np.nan], np.float32), np.array([3], np.float32)]


@pytest.mark.parametrize(
    ("targets", "names", "head", "message"),
    [
        (np.array([0, 0]), ("a", "b"), "class", "the dev part has 2 rows and misses a class"),
        (np.ones((2, 2)), ("a", "b"), "multi-label", "that some rows have and others have not"),
        (np.array([0.5, 0.5]), ("value",), "regression", "has no two different values"),
        (np.empty(0), ("value",), "regression", "has 0 rows"),
        (BASES[1:], ("a", "b"), "token", "1 labelled bases and misses a class"),
        (VALUES[:1], ("value",), "token", "1 labelled bases and has no two"),
    ],
)
def test_a_part_that_cannot_be_judged_is_refused(targets, names, head, message):
    with pytest.raises(DataError, match=message):
        check_part("dev", targets, names, head)


@pytest.mark.parametrize(
    ("targets", "names", "head", "message"),
    [
        (np.array([0, 1, 1]), ("a", "b"), "class", "dev part: 3 rows (a 1, b 2)"),
        (np.eye(3)[:2, :2], ("a", "b"), "multi-label", "dev part: 2 rows (a 1, b 1)"),
        (np.array([1.0, 3.0]), ("value",), "regression", "dev part: 2 rows (mean 2, sd 1)"),
        (BASES, ("a", "b"), "token", "dev part: 2 rows (a 2, b 1)"),
        (VALUES, ("value",), "token", "dev part: 2 rows (mean 2, sd 1)"),
    ],
)
def test_the_log_says_what_a_part_holds(caplog, targets, names, head, message):
    caplog.set_level(logging.INFO)
    check_part("dev", targets, names, head)
    assert caplog.messages == [message]


def test_a_label_that_a_part_lacks_is_warned_of(caplog):
    check_part("train", np.array([[1, 0], [0, 0]]), ("a", "b"), "multi-label")
    assert caplog.messages == ["no row of the train part has the label b"]


def test_many_labels_do_not_flood_the_log(caplog):
    caplog.set_level(logging.INFO)
    check_part("dev", np.eye(40), tuple(f"n{i}" for i in range(40)), "multi-label")
    assert caplog.messages[0].endswith("n11 1, …)")


def test_bases_without_a_label_do_not_count():
    assert known_labels(BASES).tolist() == [0, 1, 0]
    assert known_labels(VALUES).tolist() == [1, 3]
    assert known_labels(np.array([4, 5])).tolist() == [4, 5]


def test_rows_are_taken_from_arrays_and_lists():
    assert take(np.array([4, 5, 6]), np.array([2, 0])).tolist() == [6, 4]
    assert take(BASES, np.array([1]))[0].tolist() == [0]


@pytest.mark.parametrize(
    ("targets", "head", "expected"),
    [
        (np.array([1, 0]), "class", [1, 0]),
        (np.array([[0, 1], [0, 0]]), "multi-label", [1, 0]),
        (BASES, "token", [1, 0]),
        (VALUES, "token", None),
        (np.array([1.0, 2.0]), "regression", None),
    ],
)
def test_what_each_part_gets_its_share_of(targets, head, expected):
    found = strata(targets, head)
    assert (found if found is None else found.tolist()) == expected


def test_values_are_learned_with_mean_0_and_deviation_1():
    scale = Scale.of(VALUES)
    assert (scale.mean, scale.sd) == (2, 1)
    scaled = scale.apply(VALUES)
    assert [row.tolist() for row in scaled][1] == [1]
    assert scaled[0][0] == -1
    assert np.isnan(scaled[0][1])
    assert scaled[0].dtype == np.float32


@pytest.mark.parametrize("targets", [VALUES, np.array([3, 5, 9], np.float32)])
def test_restoring_is_the_inverse_of_scaling(targets):
    scale = Scale(4.5, 2.5)
    restored = scale.restore(scale.apply(targets))
    for ours, theirs in zip(restored, targets, strict=True):
        assert ours == pytest.approx(theirs, nan_ok=True)


def test_classes_are_not_scaled():
    assert Scale().apply(BASES) is BASES
    assert Scale().restore(BASES) is BASES


def test_balanced_weights_worked_by_hand():
    classes = balanced_weights("classes", np.array([0, 0, 0, 1]), 2)
    assert classes.tolist() == pytest.approx([4 / 6, 2])
    labels = balanced_weights("labels", np.array([[1, 0, 1], [0, 0, 1], [0, 0, 1]]), 3)
    assert labels.tolist() == [2, 1, 1]
    assert (classes.dtype, labels.dtype) == (np.float32, np.float32)


def test_balanced_classes_weigh_the_same_and_1_in_the_mean():
    labels = np.random.default_rng(0).integers(3, size=50) // np.array([1, 2] * 25)
    weights = balanced_weights("classes", labels, 3)
    sums = np.bincount(labels, weights=weights[labels])
    assert sums == pytest.approx(np.full(3, 50 / 3), rel=1e-6)
