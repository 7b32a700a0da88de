"""`dnabert evaluate` as a user calls it."""

import json

import numpy as np
import pytest

from dnabert_cli.tasks import evaluation_reports
from tests.evaluation_toys import (
    BAD,
    GOOD,
    LABELS,
    sequences,
    write_bed,
    write_calls,
    write_predictions,
    write_rows,
)

COLUMNS = "#data\tsystem\tfigure\tof\tvalue\tlow\thigh\tn\tshare_of_positives"
TEST_COLUMNS = (
    "#data\tsystem_a\tsystem_b\ttest\tfigure\tdifference\tlow\thigh\tstatistic\tp_value\tq_value"
)


@pytest.fixture
def tables(tmp_path):
    return [
        write_predictions(tmp_path / "good.tsv", LABELS, GOOD),
        write_predictions(tmp_path / "bad.tsv", LABELS, BAD),
    ]


def rows_of(text):
    return [line.split("\t") for line in text.splitlines()[1:]]


def cells_of(text):
    """Return the rows of the table by system, figure and of."""
    return {(row[1], row[2], row[3]): row for row in rows_of(text)}


def test_tables_give_a_row_per_figure(dnabert, tables):
    result = dnabert("evaluate", *tables)

    assert result.code == 0
    assert result.out.splitlines()[0] == COLUMNS
    rows = cells_of(result.out)
    assert rows["good", "mcc", "all"][4] == "0.6"
    assert rows["good", "auroc", "yes"][4] == "0.88"
    assert rows["bad", "mcc", "all"][4] == "-0.408248"
    assert rows["good", "mcc", "all"][7:] == ["10", "0.5"]
    assert {row[0] for row in rows.values()} == {"."}
    for row in rows.values():
        assert float(row[5]) <= float(row[4]) + 1e-9 or row[2] == "ece"


def test_summary_says_figures_and_differences(dnabert, tables):
    result = dnabert("evaluate", *tables)

    assert "good: mcc 0.600 [" in result.err
    assert "(10 rows, 50.0% yes)" in result.err
    assert "good - bad: accuracy +0.500 [" in result.err
    assert "(mcnemar, q = " in result.err


def test_comparisons_are_a_table_of_their_own(dnabert, tables, tmp_path):
    out = tmp_path / "tests.tsv"

    assert dnabert("evaluate", *tables, "--tests", out).code == 0

    assert out.read_text().splitlines()[0] == TEST_COLUMNS
    rows = {(row[3], row[4]): row for row in rows_of(out.read_text())}
    assert rows["mcnemar", "accuracy"][5] == "0.5"
    assert rows["mcnemar", "accuracy"][8:10] == ["0", "0.0625"]
    assert set(rows) == {
        ("mcnemar", "accuracy"), ("delong", "auroc"),
        ("bootstrap", "mcc"), ("bootstrap", "auroc"), ("bootstrap", "auprc"),
    }  # fmt: skip


def test_a_table_comes_through_a_pipe(dnabert, tables, tmp_path):
    text = (tmp_path / "good.tsv").read_text()

    piped = dnabert("evaluate", "-", stdin=text)
    named = dnabert("evaluate", tables[0])

    assert piped.out == named.out.replace("\tgood\t", "\tstdin\t")


def test_rows_come_through_a_pipe(dnabert, tiny_model, tmp_path):
    path = write_rows(tmp_path / "stdin.tsv", sequences(12), [0, 1] * 6)
    options = ["--model", tiny_model, "--against", tiny_model, "--resamples", 10]

    piped = dnabert("evaluate", "-", *options, stdin=(tmp_path / "stdin.tsv").read_text())

    assert piped.code == 0
    assert piped.out == dnabert("evaluate", path, *options).out


def test_equal_runs_write_equal_files(dnabert, tables, tmp_path):
    written = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        outputs = ["-o", folder / "o.tsv", "--tests", folder / "t.tsv", "--json",
                   folder / "j.json", "--figure", folder / "f.svg", "--manifest",
                   folder / "m.json", "--confusion", folder / "c.pdf"]  # fmt: skip
        assert dnabert("evaluate", *tables, *outputs).code == 0
        written.append({path.name: path.read_bytes() for path in folder.iterdir()})
    assert set(written[0]) == {"o.tsv", "t.tsv", "j.json", "f.svg", "m.json", "c.pdf"}
    assert written[0] == written[1]


def test_json_holds_everything(dnabert, tables, tmp_path):
    out = tmp_path / "all.json"

    dnabert("evaluate", *tables, "--json", out)

    values = json.loads(out.read_text())
    assert values["options"]["resamples"] == 1000
    assert [len(one["sha256"]) for one in values["inputs"]] == [64, 64]
    (data,) = values["data"]
    assert (data["n"], data["classes"], data["positive_class"]) == (10, ["no", "yes"], "yes")
    good = data["systems"][0]
    assert good["confusion"] == [[4, 1], [1, 4]]
    assert sum(one["n"] for one in good["calibration"]["yes"]) == 10
    assert {one["test"] for one in values["tests"]} == {"mcnemar", "delong", "bootstrap"}


def test_json_names_models_by_their_weights(dnabert, tiny_model, tmp_path):
    rows = write_rows(tmp_path / "rows.tsv", sequences(12), [0, 1] * 6)

    dnabert("evaluate", rows, "--model", tiny_model, "--json", tmp_path / "j.json")

    (model,) = json.loads((tmp_path / "j.json").read_text())["models"]
    assert model["name"] == str(tiny_model)
    assert len(model["sha256"]) == 64


def test_folders_are_systems_and_files_data_sets(dnabert, tmp_path):
    for system, scores in (("a", GOOD), ("b", BAD)):
        for data in ("x", "y"):
            write_predictions(tmp_path / system / f"{data}.tsv", LABELS, scores)
    picture, tests = tmp_path / "f.png", tmp_path / "t.tsv"

    result = dnabert(
        "evaluate", tmp_path / "a", tmp_path / "b", "--figure", picture, "--tests", tests
    )

    assert {(row[0], row[1]) for row in rows_of(result.out)} == {
        ("x", "a"), ("x", "b"), ("y", "a"), ("y", "b")
    }  # fmt: skip
    assert not picture.exists()
    assert (tmp_path / "f-x.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "f-y.png").exists()
    over = [row for row in rows_of(tests.read_text()) if row[0] == "all"]
    assert {row[3] for row in over} == {"wilcoxon"}


def test_calls_are_judged_by_start_sites(dnabert, tmp_path):
    calls = write_calls(tmp_path / "calls.bed", [("c", 1000, "+", 0.9), ("c", 9000, "+", 0.8)])
    tss = write_bed(tmp_path / "tss.bed", [("c", 1200, 1201, "g", 0, "+")])
    regions = write_bed(tmp_path / "regions.bed", [("c", 0, 10_000)])
    table = tmp_path / "thresholds.tsv"

    result = dnabert(
        "evaluate", calls, "--tss", tss, "--regions", regions, "--thresholds-tsv", table,
        "--figure", tmp_path / "f.svg", "--json", tmp_path / "j.json",
    )  # fmt: skip

    assert result.code == 0
    rows = cells_of(result.out)
    assert rows["calls", "precision", "all"][4] == "0.5"
    assert rows["calls", "recall", "all"][4] == "1"
    assert rows["calls", "calls_per_mb", "all"][4:] == ["200", ".", ".", "2", "."]
    assert table.read_text().splitlines() == [
        "#system\tthreshold\tn_calls\tprecision\trecall\tf1",
        "calls\t0.9\t1\t1\t1\t1",
        "calls\t0.8\t2\t0.5\t1\t0.666667",
    ]
    assert "<svg" in (tmp_path / "f.svg").read_text()
    assert json.loads((tmp_path / "j.json").read_text())["n_sites"] == 1


def test_baselines_are_trained_beside_a_model(dnabert, tiny_model, tmp_path):
    pytest.importorskip("sklearn")
    train = write_rows(tmp_path / "train.tsv", sequences(60), [0, 1] * 30)
    rows = write_rows(tmp_path / "rows.tsv", sequences(12, seed=1), [0, 1] * 6)

    result = dnabert(
        "evaluate", rows, "--model", tiny_model, "--baselines", "logistic,tree", "--train", train
    )

    assert result.code == 0
    assert {row[1] for row in rows_of(result.out)} == {"tiny", "logistic", "tree"}


def test_an_interrupted_run_leaves_nothing(dnabert, tables, tmp_path, monkeypatch):
    def interrupted(rows, columns, handle, *, header):
        handle.write("half a row")
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluation_reports.tables, "write_table", interrupted)
    before = set(tmp_path.iterdir())

    result = dnabert(
        "evaluate", *tables, "-o", tmp_path / "o.tsv", "--tests", tmp_path / "t.tsv",
        "--figure", tmp_path / "f.png",
    )  # fmt: skip

    assert result.code == 130
    assert set(tmp_path.iterdir()) == before


def test_outputs_are_not_overwritten_unasked(dnabert, tables, tmp_path):
    out = tmp_path / "o.tsv"
    out.write_text("mine")

    refused = dnabert("evaluate", *tables, "-o", out)

    assert (refused.code, out.read_text()) == (1, "mine")
    assert "--force" in refused.err
    assert dnabert("evaluate", *tables, "-o", out, "--force").code == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--figure", "f.jpg"], "f.jpg: pictures end in .png, .svg, .pdf"),
        (["--thresholds-tsv", "t.tsv"], "--thresholds-tsv needs calls and --tss"),
        (["--tss", "t.bed", "--tests", "t.tsv"], "--tests has no part in judging calls"),
        (["--tss", "t.bed", "--confusion", "c.png"], "--confusion has no part"),
        (["--against", "prom"], "--against needs a model"),
        (["--resamples", "0"], "--resamples"),
        (["--tests", "x.tsv", "--json", "x.tsv"], "is named for two outputs"),
    ],
)
def test_a_wrong_command_line_is_refused(
    dnabert, tables, tmp_path, monkeypatch, arguments, message
):
    monkeypatch.chdir(tmp_path)

    result = dnabert("evaluate", *tables, *arguments)

    assert (result.code, result.out) == (2, "")
    assert message in result.err


def test_one_system_cannot_be_compared(dnabert, tables, tmp_path):
    result = dnabert("evaluate", tables[0], "--tests", tmp_path / "t.tsv")

    assert (result.code, result.out) == (2, "")
    assert "--tests compares systems, and there is one" in result.err


def test_more_curves_than_can_be_told_apart_are_refused(dnabert, tmp_path):
    tables = [write_predictions(tmp_path / f"s{i}.tsv", LABELS, GOOD) for i in range(9)]

    result = dnabert("evaluate", *tables, "--figure", tmp_path / "f.png")

    assert (result.code, (tmp_path / "f.png").exists()) == (2, False)
    assert "--figure would hold 9 curves" in result.err


def test_two_tables_of_one_name_are_refused(dnabert, tables, tmp_path):
    other = write_predictions(tmp_path / "more" / "good.tsv", LABELS, BAD)

    result = dnabert("evaluate", tables[0], other)

    assert (result.code, result.out) == (2, "")
    assert "two tables are named good" in result.err


# The original program


@pytest.fixture
def reference(oracle):
    return json.loads((oracle / "misc" / "misc.json").read_text())


def figures_of(path):
    (data,) = json.loads(path.read_text())["data"]
    return {(one["figure"], one["of"]): one["value"] for one in data["systems"][0]["figures"]}


@pytest.mark.oracle
def test_two_classes_are_judged_as_the_original_does(dnabert, reference, tmp_path):
    case = reference["metrics2"]
    table = write_predictions(tmp_path / "t.tsv", case["labels"], case["prob1"])
    options = ["--resamples", 10, "--json", tmp_path / "j.json"]

    rows = cells_of(dnabert("evaluate", table, *options).out)
    exact = figures_of(tmp_path / "j.json")

    expected = {
        ("accuracy", "all"): case["dna690"]["acc"],
        ("mcc", "all"): case["dna690"]["mcc"],
        ("auroc", "yes"): case["dna690"]["auc"],
        ("auprc", "yes"): case["dna690"]["aupr"],
        **{(name, "yes"): case["dna690"][name] for name in ("precision", "recall", "f1")},
        **{(name, "macro"): case["dnaprom"][name] for name in ("precision", "recall", "f1")},
    }
    for (name, of), value in expected.items():
        assert exact[name, of] == pytest.approx(value, abs=1e-9), (name, of)
        assert float(rows["t", name, of][4]) == pytest.approx(value, abs=1e-6), (name, of)


@pytest.mark.oracle
def test_three_classes_are_judged_as_the_original_does(dnabert, reference, tmp_path):
    """Its AUC averages over pairs of classes, ours over each against the rest."""
    case = reference["metrics3"]
    table = write_predictions(
        tmp_path / "t.tsv", case["labels"], np.array(case["probs"]), ("a", "b", "c")
    )
    options = ["--resamples", 10, "--json", tmp_path / "j.json"]

    rows = cells_of(dnabert("evaluate", table, *options).out)
    exact = figures_of(tmp_path / "j.json")

    expected = {
        ("accuracy", "all"): case["dnasplice"]["acc"],
        ("mcc", "all"): case["dnasplice"]["mcc"],
        **{(name, "macro"): case["dnasplice"][name] for name in ("precision", "recall", "f1")},
    }
    for (name, of), value in expected.items():
        assert exact[name, of] == pytest.approx(value, abs=1e-9), (name, of)
        assert float(rows["t", name, of][4]) == pytest.approx(value, abs=1e-6), (name, of)
