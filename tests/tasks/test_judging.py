"""Figures of a model: of the class that is called, of the bases that have a label."""

import numpy as np
import pytest

from dnabert_cli.config import TaskConfig
from dnabert_cli.records import Example
from dnabert_cli.tasks import judging
from dnabert_cli.tasks.judging import best_threshold, examine, items, quick_figures, report
from dnabert_cli.tasks.labelled import LabelledData
from dnabert_cli.tasks.splits import DEV, TEST, TRAIN
from dnabert_cli.tasks.targets import NO_CLASS
from dnabert_cli.training_config import FinetuneConfig


def task(head="class", classes=("a", "b"), **changes):
    return TaskConfig(k=3, head=head, classes=classes, **changes)


def two(*scores):
    """Probabilities of two classes from those of the second."""
    second = np.array(scores, np.float32)
    return np.stack([1 - second, second], 1)


LABELS = np.array([0, 0, 1, 1])


def test_figures_are_of_the_class_that_is_called():
    """With the second class as background they used to be of that one all the same."""
    answers = two(0.1, 0.6, 0.7, 0.8)
    called_b = report(items(LABELS, answers, task()), task())
    swapped = task(background="b")
    called_a = report(items(LABELS, answers, swapped), swapped)
    assert (called_b["precision"], called_b["recall"]) == (pytest.approx(2 / 3), 1)
    assert (called_a["precision"], called_a["recall"]) == (1, 1 / 2)
    mirrored = report(items(1 - LABELS, answers[:, ::-1], task()), task())
    assert called_a == mirrored


def test_the_threshold_is_of_the_called_class():
    found = items(LABELS, two(0.1, 0.2, 0.7, 0.8), task(background="b"))
    threshold = best_threshold(found, task(background="b"), FinetuneConfig())
    assert threshold == pytest.approx((0.8 + 0.3) / 2)


@pytest.mark.parametrize(
    ("head", "classes"), [("class", ("a", "b", "c")), ("multi-label", ("a", "b"))]
)
def test_without_one_called_class_the_threshold_is_one_half(head, classes):
    model = task(head, classes)
    found = items(np.eye(len(classes))[0], np.eye(len(classes)), model)
    assert best_threshold(found, model, FinetuneConfig()) == 0.5


def test_bases_without_label_or_answer_are_left_out():
    targets = [np.array([0, NO_CLASS, 1]), np.array([1, 1])]
    answers = [two(0.1, 0.9, 0.8), np.concatenate([two(0.7), np.full((1, 2), np.nan)])]
    found = items(targets, answers, task("token"))
    assert found.truth.tolist() == [0, 1, 1]
    assert found.answers[:, 1] == pytest.approx([0.1, 0.8, 0.7])
    assert (found.rows.tolist(), found.n_rows) == ([0, 0, 1], 2)
    values = report(found, task("token"))
    assert (values["n"], values["n_bases"]) == (2, 3)
    assert values["share_of_positives"] == pytest.approx(2 / 3)
    assert "mcc_at_threshold" not in values


def test_values_per_base_have_correlations():
    targets = [np.array([1, 2], np.float32), np.array([np.nan, 4], np.float32)]
    answers = [np.array([[1], [2]], np.float32), np.array([[9], [5]], np.float32)]
    model = task("token", ("value",))
    values = report(items(targets, answers, model), model)
    assert values["spearman"] == pytest.approx(1)
    assert "share_of_positives" not in values


def test_labels_have_a_table_each():
    model = task("multi-label")
    values = report(
        items(np.array([[1, 0], [0, 1]]), np.array([[0.9, 0.8], [0.1, 0.3]]), model), model
    )
    assert list(values["labels"]) == ["a", "b"]
    assert values["labels"]["b"] == {"n_positives": 1, "auroc": 0, "auprc": 0.5}


def test_an_evaluation_also_holds_the_figure_that_decides():
    found = items(LABELS, two(0.1, 0.6, 0.7, 0.8), task())
    assert list(quick_figures(found, "f1")) == ["mcc", "auroc", "auprc", "f1"]
    assert list(quick_figures(found, "auprc")) == ["mcc", "auroc", "auprc"]


def test_each_part_is_answered_once(monkeypatch):
    """The test part used to be scored whole and once more for every source."""
    asked = []

    def answer(network, model, compute, sequences):
        asked.append(len(sequences))
        return two(*([0.2, 0.9] * len(sequences))[: len(sequences)])

    monkeypatch.setattr(judging, "read_answers", answer)
    examples = [Example("ACGT", source=f"{'xy'[i % 4 > 1]}.tsv") for i in range(12)]
    parts = np.repeat([TRAIN, DEV, TEST], 4)
    data = LabelledData(examples, np.array([0, 1] * 6), ("a", "b"), parts)
    extra = LabelledData(examples[:2], np.array([0, 1]), ("a", "b"), np.full(2, TEST))

    model, figures = examine(None, task(), FinetuneConfig(), data, {"extra.tsv": extra})

    assert asked == [4, 4, 2]
    assert list(figures) == [
        "threshold", "positive_class", "dev", "test", "test of x.tsv", "test of y.tsv", "extra.tsv",
    ]  # fmt: skip
    assert figures["positive_class"] == "b"
    assert [figures[name]["n"] for name in ("test", "test of x.tsv")] == [4, 2]
    assert model.threshold == figures["threshold"] == pytest.approx(0.55)
