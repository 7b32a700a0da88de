"""Models and baselines on labelled rows, and labels read as the model means them."""

import logging

import numpy as np
import pytest

from dnabert_cli.analysis.classical import CLASSICAL
from dnabert_cli.analysis.start_sites import WITHIN
from dnabert_cli.config import ARCHITECTURES, PredictConfig, TaskConfig
from dnabert_cli.errors import DataError, ModelError, OptionsError
from dnabert_cli.evaluate_config import CLASSIFIERS, NETWORKS, EvaluateConfig
from dnabert_cli.formats.tables import write_table
from dnabert_cli.sequence import kmer_counts
from dnabert_cli.tasks.evaluate import evaluate
from dnabert_cli.tasks.predict import predict
from dnabert_cli.tasks.predictions import table_rows
from dnabert_cli.tasks.systems import Run, class_numbers, column_order, distinct_names
from tests.evaluation_toys import (
    COMPUTE,
    config,
    sequences,
    value,
    write_rows,
)
from tests.toys import save_bert

# Models


@pytest.fixture
def data(tmp_path):
    return write_rows(tmp_path / "data.tsv", sequences(40), [i % 2 for i in range(40)])


def test_a_model_is_judged_as_the_table_that_predict_writes_of_it(data, tiny_model, tmp_path):
    table = tmp_path / "tiny.tsv"
    predictions = predict(data, [str(tiny_model)], PredictConfig(compute=COMPUTE))
    with table.open("w") as handle:
        write_table(table_rows(predictions.rows), predictions.columns, handle, header=True)

    (of_table,) = evaluate([str(table)], config(), Run()).judged
    (of_model,) = evaluate([data], config(), Run(models=[str(tiny_model)])).judged

    assert of_model.data.classes == of_table.data.classes == ("other", "promoter")
    for ours, theirs in zip(of_model.figures["tiny"], of_table.figures["tiny"], strict=True):
        assert (ours.name, ours.of) == (theirs.name, theirs.of)
        for name in ("value", "low", "high"):
            assert getattr(ours, name) == pytest.approx(getattr(theirs, name), abs=1e-6)


def test_a_model_against_itself_does_not_differ(data, tiny_model):
    run = Run(models=[str(tiny_model)], against=[str(tiny_model)])

    result = evaluate([data], config(), run)

    assert len(result.judged[0].data.systems) == 2
    assert {one.found.difference for one in result.tests} == {0}
    assert {one.found.p_value for one in result.tests} == {1}


def test_several_models_are_one_system_that_averages(data, tiny_model, tmp_path):
    other = save_bert(
        tmp_path / "other",
        TaskConfig(k=3, classes=("other", "promoter"), window=30, anchor=10, stride=5),
    )
    models = [str(tiny_model), str(other)]

    both = evaluate([data], config(), Run(models=models)).judged[0].data.systems
    each = [evaluate([data], config(), Run(models=[one])).judged[0].data for one in models]

    assert [one.name for one in both] == ["tiny+other"]
    mean = np.mean([one.systems[0].answers for one in each], axis=0)
    assert np.abs(both[0].answers - mean).max() < 1e-6


def test_labels_may_be_names_or_numbers_of_the_classes(tiny_model, tmp_path):
    results = []
    for names in (("0", "1"), ("other", "promoter")):
        labels = [names[i % 2] for i in range(20)]
        path = write_rows(tmp_path / f"{names[0]}.tsv", sequences(20), labels)
        (judged,) = evaluate([path], config(), Run(models=[str(tiny_model)])).judged
        results.append(judged.figures["tiny"])
    assert results[0] == results[1]


def test_two_files_are_two_data_sets(data, tiny_model, tmp_path):
    other = write_rows(tmp_path / "more.tsv", sequences(10, seed=1), [0, 1] * 5)

    both = evaluate([data, other], config(), Run(models=[str(tiny_model)])).judged
    (alone,) = evaluate([other], config(), Run(models=[str(tiny_model)])).judged

    assert [one.data.name for one in both] == ["data", "more"]
    assert both[1].figures == alone.figures


def test_the_class_a_scan_calls_is_the_positive_one(tmp_path):
    task = TaskConfig(k=3, classes=("promoter", "other"), window=30, background="other")
    folder = save_bert(tmp_path / "model", task)
    rows = write_rows(tmp_path / "rows.tsv", sequences(10), ["promoter", "other"] * 5)

    (judged,) = evaluate([rows], config(), Run(models=[str(folder)])).judged

    assert judged.data.classes == ("other", "promoter")
    assert judged.data.truth.tolist() == [1, 0] * 5


def test_rows_shorter_than_k_are_left_out(tiny_model, tmp_path):
    rows = write_rows(tmp_path / "rows.tsv", [*sequences(10), "AC"], [i % 2 for i in range(11)])

    (judged,) = evaluate([rows], config(), Run(models=[str(tiny_model)])).judged

    assert (len(judged.data.truth), judged.data.n_left_out) == (10, 1)


@pytest.mark.parametrize(
    ("head", "classes", "labels", "figure"),
    [
        ("multi-label", ("a", "b"), ["a", "b", "a,b", "."], "macro_auroc"),
        ("regression", ("value",), ["1.5", "2", "-3", "0"], "spearman"),
    ],
)
def test_other_heads_have_figures_and_a_bootstrap(tmp_path, head, classes, labels, figure):
    folders = [
        save_bert(tmp_path / f"m{seed}", TaskConfig(k=3, classes=classes, head=head), seed=seed)
        for seed in (0, 1)
    ]
    rows = write_rows(tmp_path / "rows.tsv", sequences(16), labels * 4)

    result = evaluate([rows], config(), Run(models=[str(folders[0])], against=[str(folders[1])]))

    assert figure in {one.name for one in result.judged[0].figures["m0"]}
    assert {one.found.test for one in result.tests} == {"bootstrap"}


# Baselines


@pytest.fixture
def box_rows(tmp_path):
    """Rows of which the positives hold CACGTG at any place: easy to learn."""

    def write(name, n, seed):
        texts = sequences(n, seed, length=40)
        place = np.random.default_rng(seed).integers(0, 34, n)
        for i in range(0, n, 2):
            texts[i] = texts[i][: place[i]] + "CACGTG" + texts[i][place[i] + 6 :]
        return write_rows(tmp_path / name, texts, [1 - i % 2 for i in range(n)])

    return write


def test_classifiers_learn_what_the_rows_hold(box_rows, tiny_model):
    pytest.importorskip("sklearn")
    run = Run(models=[str(tiny_model)], train=[box_rows("train.tsv", 300, 1)])

    result = evaluate([box_rows("test.tsv", 60, 2)], config(baselines=("logistic", "tree")), run)

    (judged,) = result.judged
    assert list(judged.figures) == ["tiny", "logistic", "tree"]
    assert value(judged, "logistic", "auroc", "promoter") > 0.9
    assert {one.system_b for one in result.tests} == {"logistic", "tree"}


def test_a_motif_is_found_by_its_best_match(box_rows, tiny_model, tmp_path):
    rows = "0 1 0 0\n1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 1\n0 0 1 0"
    (tmp_path / "m.meme").write_text(
        "MEME version 4\nALPHABET= ACGT\nMOTIF M1 ebox\n"
        f"letter-probability matrix: alength= 4 w= 6\n{rows}\n"
    )
    run = Run(
        models=[str(tiny_model)],
        train=[box_rows("train.tsv", 200, 1)],
        motifs=str(tmp_path / "m.meme"),
    )

    (judged,) = evaluate(
        [box_rows("test.tsv", 60, 2)], config(baselines=("motif:ebox",)), run
    ).judged

    assert value(judged, "motif:ebox", "auroc", "promoter") > 0.95
    assert value(judged, "motif:ebox", "mcc") > 0.8


def test_a_network_is_trained_on_train_and_stopped_on_dev(box_rows, tiny_model, caplog):
    caplog.set_level(logging.INFO, "dnabert_cli")
    run = Run(
        models=[str(tiny_model)],
        train=[box_rows("train.tsv", 64, 1)],
        devs=[box_rows("dev.tsv", 20, 2)],
    )

    (judged,) = evaluate([box_rows("test.tsv", 20, 3)], config(baselines=("cnn",)), run).judged

    assert "train part: 64 rows" in caplog.text
    assert "dev part: 20 rows" in caplog.text
    assert judged.data.systems[1].answers.shape == (20, 2)


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("train", "sequence\nACGTACGT\n", "train.tsv has rows without a label"),
        ("train", "sequence\tlabel\n", "train.tsv holds no rows"),
        ("train", "sequence\tlabel\nACGTACGT\tx\n", "the rows of --train: the labels are x"),
        ("dev", "sequence\tlabel\nACGTACGT\t7\n", "label '7' does not occur in the rows of"),
    ],
)
def test_rows_nothing_can_be_learned_from_are_refused(
    data, box_rows, tiny_model, tmp_path, name, rows, message
):
    files = {each: box_rows(f"{each}.tsv", 20, 1) for each in ("train", "dev")}
    (tmp_path / f"{name}.tsv").write_text(rows)
    run = Run(models=[str(tiny_model)], train=[files["train"]], devs=[files["dev"]])

    with pytest.raises(DataError, match=message):
        evaluate([data], config(baselines=("cnn",)), run)


def test_a_folder_without_weights_is_refused_at_once(data, tiny_model, tmp_path):
    folder = tmp_path / "bare"
    folder.mkdir()
    (folder / "config.json").write_text((tiny_model / "config.json").read_text())

    with pytest.raises(ModelError, match=r"it has no model\.safetensors"):
        evaluate([data], config(), Run(models=[str(tiny_model)], against=[str(folder)]))


def test_rows_that_also_train_are_told_of(box_rows, tiny_model, caplog, tmp_path):
    pytest.importorskip("sklearn")
    train = box_rows("train.tsv", 60, 1)
    (tmp_path / "copy.tsv").write_text((tmp_path / "train.tsv").read_text())

    run = Run(models=[str(tiny_model)], train=[train])
    evaluate([str(tmp_path / "copy.tsv")], config(baselines=("tree",)), run)

    assert "60 rows to judge by are in --train too" in caplog.text


def test_baselines_are_named_as_where_they_are_trained():
    assert CLASSIFIERS == CLASSICAL
    assert set(NETWORKS) == set(ARCHITECTURES) - {"bert"}
    assert EvaluateConfig.within == WITHIN
    assert config(kmer=kmer_counts.LARGEST_K).kmer == kmer_counts.LARGEST_K
    with pytest.raises(OptionsError, match="--kmer"):
        config(kmer=kmer_counts.LARGEST_K + 1)


# Names and classes


def test_class_numbers_prefer_names():
    assert class_numbers(["1", "0", "1"], ["1", "0"], "x").tolist() == [0, 1, 0]
    assert class_numbers(["1", "0"], ["a", "b"], "x").tolist() == [1, 0]
    with pytest.raises(DataError, match="x: the labels are a, c; the classes are a, b"):
        class_numbers(["a", "c"], ["a", "b"], "x")


def test_classes_named_by_numbers_are_not_counted_again():
    assert class_numbers(["2", "1"], ["1", "2"], "x").tolist() == [1, 0]
    with pytest.raises(DataError, match=r"x: the labels are 0, 1; the classes are 1, 2"):
        class_numbers(["0", "1"], ["1", "2"], "x")


def test_classes_of_other_names_are_matched_by_the_labels():
    assert column_order(["b", "a"], ["a", "b"], None, "s") == [1, 0]
    assert column_order(["0", "1"], ["no", "yes"], ["0", "1"], "s") == [0, 1]
    with pytest.raises(DataError, match="s answers x, y"):
        column_order(["x", "y"], ["a", "b"], None, "s")


def test_systems_of_one_name_are_told_apart():
    assert distinct_names([("m", "a/m"), ("m", "b/m"), ("n", "c/n")]) == ["a/m", "b/m", "n"]
    assert distinct_names([("m", "a/m"), ("m", "a/m")]) == ["a/m", "a/m (2)"]
