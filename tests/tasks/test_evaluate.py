"""Evaluation of predictions: figures known by hand, the same rows, several data sets."""

import math

import numpy as np
import pytest
from scipy import stats

from dnabert_cli.errors import DataError, OptionsError
from dnabert_cli.tasks.comparisons import quoted
from dnabert_cli.tasks.evaluate import evaluate
from dnabert_cli.tasks.systems import Run
from tests.evaluation_toys import (
    BAD,
    GOOD,
    LABELS,
    config,
    value,
    write_predictions,
)


@pytest.fixture
def tables(tmp_path):
    return [
        write_predictions(tmp_path / "good.tsv", LABELS, GOOD),
        write_predictions(tmp_path / "bad.tsv", LABELS, BAD),
    ]


# Figures and tests


def test_figures_of_a_table_are_those_counted_by_hand(tables):
    (judged,) = evaluate(tables, config(), Run()).judged

    assert value(judged, "good", "accuracy") == pytest.approx(0.8)
    assert value(judged, "good", "mcc") == pytest.approx(15 / 25)
    assert value(judged, "good", "auroc", "yes") == pytest.approx(22 / 25)
    assert value(judged, "bad", "mcc") == pytest.approx(-10 / math.sqrt(600))
    assert value(judged, "bad", "precision", "yes") == pytest.approx(2 / 6)


def test_mcnemar_is_that_of_five_against_none(tables):
    tests = evaluate(tables, config(), Run()).tests

    (found,) = [one for one in tests if one.found.test == "mcnemar"]
    assert (found.system_a, found.system_b, found.found.figure) == ("good", "bad", "accuracy")
    assert found.found.difference == pytest.approx(0.5)
    assert found.found.p_value == pytest.approx(2 * 0.5**5)


def test_area_is_the_u_of_mann_and_whitney(tables):
    (judged,) = evaluate(tables, config(), Run()).judged

    u = stats.mannwhitneyu(BAD[:5], BAD[5:]).statistic
    assert value(judged, "bad", "auroc", "yes") == pytest.approx(u / 25)


def test_q_values_are_over_all_tests_of_the_run(tables, tmp_path):
    third = write_predictions(tmp_path / "third.tsv", LABELS, [0.6] * 10)

    tests = evaluate([*tables, third], config(), Run()).tests

    q_values = stats.false_discovery_control([one.found.p_value for one in tests])
    assert [one.q_value for one in tests] == pytest.approx(q_values.tolist())
    assert {(one.system_a, one.system_b) for one in tests} == {("good", "bad"), ("good", "third")}


def test_threshold_moves_calls_and_leaves_areas(tables):
    plain, moved = (
        evaluate(tables, config(threshold=threshold), Run()) for threshold in (None, 0.65)
    )

    # from 0.65 on: 0.9, 0.8, 0.7 of the positives, 0.65 of the negatives
    assert value(moved.judged[0], "good", "recall", "yes") == pytest.approx(3 / 5)
    assert value(moved.judged[0], "good", "precision", "yes") == pytest.approx(3 / 4)
    of_mcc = next(one for one in moved.tests if one.found.figure == "mcc")
    values = [value(moved.judged[0], name, "mcc") for name in ("good", "bad")]
    assert of_mcc.found.difference == pytest.approx(values[0] - values[1])
    areas = [
        [one.found.difference for one in result.tests if one.found.figure == "auroc"]
        for result in (plain, moved)
    ]
    assert areas[0] == areas[1]


def test_positive_names_the_class_that_is_judged(tables):
    (judged,) = evaluate(tables[:1], config(positive="no"), Run()).judged

    assert judged.data.classes == ("yes", "no")
    assert value(judged, "good", "auroc", "no") == pytest.approx(22 / 25)
    assert quoted(judged.data, judged.figures["good"])["auprc"].of == "no"


def test_rows_a_system_does_not_answer_are_left_out_for_all(tmp_path, caplog):
    holes = [math.nan, *GOOD[1:]]
    tables = [
        write_predictions(tmp_path / "a.tsv", LABELS, GOOD),
        write_predictions(tmp_path / "b.tsv", LABELS, holes),
    ]

    (judged,) = evaluate(tables, config(), Run()).judged

    assert (len(judged.data.truth), judged.data.n_left_out) == (9, 1)
    assert value(judged, "a", "accuracy") == value(judged, "b", "accuracy") == pytest.approx(7 / 9)
    assert "1 rows without an answer" in caplog.text


def test_a_class_without_rows_has_no_figures(tmp_path, caplog):
    answers = [[0.6, 0.3, 0.1], [0.2, 0.7, 0.1], [0.8, 0.1, 0.1], [0.5, 0.4, 0.1]]
    table = write_predictions(tmp_path / "t.tsv", list("abab"), answers, classes="abc")

    (judged,) = evaluate([table], config(), Run()).judged

    assert math.isnan(value(judged, "t", "auroc", "c"))
    assert value(judged, "t", "accuracy") == pytest.approx(3 / 4)
    assert "no row is of class c" in caplog.text


def in_another_order(tmp_path, labels):
    answers = np.stack([GOOD, 1 - np.array(GOOD)], axis=1)
    return [
        write_predictions(tmp_path / "a.tsv", labels, GOOD),
        write_predictions(tmp_path / "b.tsv", labels, answers, ("yes", "no")),
    ]


def test_columns_in_another_order_are_put_in_order(tmp_path):
    names = [("no", "yes")[int(label)] for label in LABELS]
    (judged,) = evaluate(in_another_order(tmp_path, names), config(), Run()).judged

    assert value(judged, "b", "mcc") == pytest.approx(15 / 25)


def test_numbers_as_labels_need_the_same_order_of_columns(tmp_path):
    """The meaning of 0 and 1 was that of the first table, whichever it was."""
    with pytest.raises(DataError, match="the labels are their numbers"):
        evaluate(in_another_order(tmp_path, LABELS), config(), Run())


def test_labels_that_need_not_exclude_each_other_are_judged_one_by_one(tmp_path):
    truth = ["a", "b", "a,b", "."]
    answers = [[0.9, 0.1], [0.2, 0.8], [0.7, 0.4], [0.3, 0.6]]
    table = write_predictions(tmp_path / "t.tsv", truth, answers, classes="ab")

    (judged,) = evaluate([table], config(), Run()).judged

    assert judged.data.kind == "labels"
    assert value(judged, "t", "auroc", "a") == 1
    assert value(judged, "t", "auroc", "b") == pytest.approx(3 / 4)
    assert value(judged, "t", "macro_auroc") == pytest.approx(7 / 8)


def test_numbers_are_judged_by_correlation(tmp_path):
    lines = ["#name\tlabel\tvalue"] + [f"r{i}\t{i}\t{(3 * i) % 7}" for i in range(7)]
    (tmp_path / "t.tsv").write_text("\n".join(lines) + "\n")

    (judged,) = evaluate([str(tmp_path / "t.tsv")], config(), Run()).judged

    expected = stats.spearmanr(range(7), [(3 * i) % 7 for i in range(7)]).statistic
    assert value(judged, "t", "spearman") == pytest.approx(expected)


# Several data sets


@pytest.fixture
def folders(tmp_path):
    for name, spread in (("a", 0.5), ("b", 1.5), ("c", 4.0)):
        for number, data in enumerate(("x", "y", "z", "w")):
            generator = np.random.default_rng([number, int(spread * 2)])
            labels = np.arange(20) % 2
            scores = 1 / (1 + np.exp(-(labels - 0.5 + generator.normal(0, spread, 20))))
            write_predictions(tmp_path / name / f"{data}.tsv", labels, scores)
    return [str(tmp_path / name) for name in "abc"]


def test_folders_hold_a_table_per_data_set(folders):
    result = evaluate(folders, config(), Run())

    assert [one.data.name for one in result.judged] == ["w", "x", "y", "z"]
    assert list(result.judged[0].figures) == ["a", "b", "c"]


def test_tests_over_data_sets_are_those_of_scipy(folders):
    result = evaluate(folders, config(), Run())

    values = {name: [value(one, name, "auprc", "yes") for one in result.judged] for name in "abc"}
    over = {
        (one.found.test, one.system_b): one.found
        for one in result.tests
        if one.data == "all" and one.found.figure == "auprc"
    }
    assert over["wilcoxon", "c"].p_value == stats.wilcoxon(values["a"], values["c"]).pvalue
    assert over["kruskal-wallis", "."].p_value == stats.kruskal(*values.values()).pvalue
    assert len(over) == 3


def test_a_folder_that_lacks_a_data_set_is_named(folders, tmp_path):
    (tmp_path / "b" / "y.tsv").unlink()

    with pytest.raises(DataError, match=r"b has no table y"):
        evaluate(folders, config(), Run())


def test_files_and_folders_do_not_mix(folders, tables):
    with pytest.raises(OptionsError, match="is a file and"):
        evaluate([*folders, tables[0]], config(), Run())
