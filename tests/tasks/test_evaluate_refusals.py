"""What cannot be judged is refused before anything is computed."""

import pytest

from dnabert_cli.config import TaskConfig
from dnabert_cli.errors import DataError, FormatError, ModelError, OptionsError
from dnabert_cli.tasks.evaluate import evaluate
from dnabert_cli.tasks.systems import Run
from tests.evaluation_toys import (
    BAD,
    GOOD,
    LABELS,
    config,
    sequences,
    write_predictions,
    write_rows,
)


@pytest.fixture
def tables(tmp_path):
    return [
        write_predictions(tmp_path / "good.tsv", LABELS, GOOD),
        write_predictions(tmp_path / "bad.tsv", LABELS, BAD),
    ]


@pytest.fixture
def data(tmp_path):
    return write_rows(tmp_path / "data.tsv", sequences(40), [i % 2 for i in range(40)])


@pytest.mark.parametrize(
    ("labels", "names", "message"),
    [
        ([*LABELS[:-1], 1], None, r"label of row 10 is '0' in one and '1' in the other"),
        (LABELS, [*(f"r{i}" for i in range(9)), "s"], r"name of row 10 is 'r9'"),
        (LABELS[:9], None, r"10 in one, 9 in the other"),
    ],
)
def test_tables_of_different_rows_are_refused(tables, tmp_path, labels, names, message):
    other = write_predictions(tmp_path / "o.tsv", labels, GOOD[: len(labels)], names=names)

    with pytest.raises(DataError, match=message):
        evaluate([tables[0], other], config(), Run())


@pytest.mark.parametrize(
    ("labels", "error", "message"),
    [
        ([2, *LABELS[1:]], DataError, r"the labels are 0, 1, 2; the classes are no, yes"),
        ([".", *LABELS[1:]], FormatError, r"t.tsv:2: the row has no label"),
        ([1] * 10, DataError, r"all 10 rows are of class yes"),
    ],
)
def test_labels_that_cannot_be_judged_by_are_refused(tmp_path, labels, error, message):
    table = write_predictions(tmp_path / "t.tsv", labels, GOOD)

    with pytest.raises(error, match=message):
        evaluate([table], config(), Run())


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        ("sequence\tlabel\nACGT\t1\n", r"no column 'probability_CLASS'.*--model"),
        ("#name\tprobability_a\nx\t1\n", "no column 'label'"),
        ("#label\tprobability_a\tprobability_a\n1\t1\t0\n", "two columns have one name"),
        ("#label\tprobability_a\tprobability_b\n1\t1\n", r":2: expected 3 columns, found 2"),
        ("#label\tprobability_a\tprobability_b\n1\t2\t0\n", r":2: '2' is no probability"),
    ],
)
def test_a_table_that_holds_no_predictions_is_refused(tmp_path, text, message):
    (tmp_path / "t.tsv").write_text(text)

    with pytest.raises(FormatError, match=message):
        evaluate([str(tmp_path / "t.tsv")], config(), Run())


def test_one_row_is_not_enough(tmp_path):
    table = write_predictions(tmp_path / "t.tsv", [1], [0.5])

    with pytest.raises(DataError, match="1 rows to judge by"):
        evaluate([table], config(), Run())


def test_systems_of_other_classes_are_refused(tables, tmp_path):
    other = write_predictions(tmp_path / "o.tsv", LABELS, [[0.2, 0.3, 0.5]] * 10, classes="abc")

    with pytest.raises(DataError, match="o answers a, b, c, the first system no, yes"):
        evaluate([tables[0], other], config(), Run())


def test_sequences_without_labels_are_refused(tiny_model, tmp_path):
    (tmp_path / "x.fa").write_text(">a\nACGTACGT\n")

    with pytest.raises(DataError, match=r"1 of 1 rows have no label.*column label"):
        evaluate([str(tmp_path / "x.fa")], config(), Run(models=[str(tiny_model)]))


def test_a_model_per_base_is_refused(data, tmp_path):
    task = TaskConfig(k=3, classes=("a", "b"), head="token")
    folder = tmp_path / "token"
    folder.mkdir()
    from dnabert_cli.core.checkpoint import save_model
    from dnabert_cli.core.network import TokenClassifier
    from tests.toys import bert_config

    save_model(folder, TokenClassifier(bert_config(), 2, 3, 1), task)

    with pytest.raises(ModelError, match="finetune --test judges models per base"):
        evaluate([data], config(), Run(models=[str(folder)]))


@pytest.mark.parametrize(
    ("changes", "run", "message"),
    [
        ({}, {"against": ["x"]}, "--against needs a model"),
        ({"baselines": ("tree",)}, {}, "--baselines needs a model"),
        ({}, {"regions": "r.bed"}, "--regions is for calls of a scan"),
        ({"within": 3}, {}, "--within is for calls of a scan"),
        ({"any_strand": True}, {}, "--any-strand is for calls of a scan"),
        ({"threshold": 0.5}, {"tss": "t.bed"}, "--threshold has no part"),
        ({}, {"tss": "t.bed", "models": ["prom"]}, "--model has no part"),
        ({"baselines": ("tree",)}, {"models": ["prom"]}, "--baselines tree needs --train"),
        ({}, {"models": ["prom"], "train": ["t"]}, "--train is for --baselines"),
        (
            {"baselines": ("motif:x",)},
            {"models": ["prom"], "train": ["t"]},
            "--baselines motif:x needs --motifs",
        ),
        (
            {"baselines": ("motif:x",)},
            {"models": ["prom"], "train": ["t"], "motifs": "m", "devs": ["d"]},
            "--dev is for --baselines cnn",
        ),
        ({"baselines": ("cnn",)}, {"models": ["prom"], "train": ["-"]}, "only data can come"),
        ({"positive": "maybe"}, {}, "--positive maybe is none of two classes"),
    ],
)
def test_options_that_do_not_belong_together_are_refused(tables, changes, run, message):
    with pytest.raises(OptionsError, match=message):
        evaluate(tables, config(**changes), Run(**run))


def test_rows_cannot_train_and_judge(data, tiny_model):
    run = Run(models=[str(tiny_model)], train=[data])

    with pytest.raises(OptionsError, match="would both train and judge"):
        evaluate([data], config(baselines=("logistic",)), run)


def test_threshold_is_for_two_classes(tmp_path):
    table = write_predictions(tmp_path / "t.tsv", list("abc"), [[0.2, 0.3, 0.5]] * 3, classes="abc")

    with pytest.raises(OptionsError, match="--threshold is for two classes"):
        evaluate([table], config(threshold=0.5), Run())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baselines": ("guess",)}, "guess is unknown; known: cnn"),
        ({"baselines": ("motif:",)}, "motif: is unknown"),
        ({"baselines": ("tree", "tree")}, "twice"),
        ({"kmer": 0}, "--kmer"),
        ({"threshold": 1.5}, "--threshold"),
        ({"resamples": 0}, "--resamples"),
        ({"within": -1}, "--within"),
        ({"seed": -1}, "--seed"),
    ],
)
def test_values_nothing_can_be_judged_with_are_refused(changes, message):
    with pytest.raises(OptionsError, match=message):
        config(**changes)


@pytest.mark.parametrize(
    ("run", "message"),
    [({"curves": True}, "--figure is for models"), ({"confusions": True}, "--confusion is for")],
)
def test_pictures_of_numbers_are_refused(tmp_path, run, message):
    (tmp_path / "t.tsv").write_text("#label\tvalue\n1\t2\n3\t4\n")

    with pytest.raises(OptionsError, match=message):
        evaluate([str(tmp_path / "t.tsv")], config(), Run(**run))
