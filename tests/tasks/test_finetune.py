"""Fine-tuning: a model folder that has learned, honest figures, and no run lost."""

import json
from pathlib import Path

import numpy as np
import pytest

from dnabert_cli.config import ComputeConfig, PredictConfig, TaskConfig
from dnabert_cli.core.checkpoint import load_model
from dnabert_cli.errors import DataError, DnabertError, Interrupted, ModelError, OptionsError
from dnabert_cli.tasks.finetune import Run, finetune
from dnabert_cli.tasks.predict import predict
from dnabert_cli.training_config import FinetuneConfig
from tests.toys import save_bert

COMPUTE = ComputeConfig(precision="fp32", threads=1)
MOTIF = "TATAAATA"


def table(path, n_rows=160, seed=0, label=str):
    """Random sequences of 40 bases; those of class 1 hold a motif."""
    generator = np.random.default_rng(seed)
    lines = ["sequence\tlabel"]
    for row in range(n_rows):
        bases = "".join(generator.choice(list("ACGT"), 40))
        if row % 2:
            bases = bases[:10] + MOTIF + bases[18:]
        lines.append(f"{bases}\t{label(row % 2)}")
    path.write_text("\n".join(lines) + "\n")
    return str(path)


@pytest.fixture
def base(tmp_path):
    return str(save_bert(tmp_path / "base", TaskConfig(k=3, classes=("a", "b"))))


def config(**changes):
    values = {"compute": COMPUTE, "epochs": 6, "batch_size": 16, "learning_rate": 2e-3} | changes
    return FinetuneConfig(**values)


def test_it_learns_and_writes_a_complete_folder(tmp_path, base):
    rows = table(tmp_path / "rows.tsv")

    result = finetune([rows], config(base=base, class_names=("no", "yes")), Run(tmp_path / "out"))

    assert {path.name for path in result.folder.iterdir()} == {
        "config.json",
        "vocab.txt",
        "tokenizer_config.json",
        "model.safetensors",
        "run.toml",
        "metrics.json",
        "training.tsv",
        "training.png",
    }
    assert result.figures["test"]["auroc"] > 0.9
    assert json.loads((result.folder / "metrics.json").read_text())["test"]["n"] == 16
    model = load_model(result.folder)
    assert model.task.classes == ("no", "yes")
    assert (model.task.window, model.task.anchor) == (40, 20)
    assert model.task.threshold == result.figures["threshold"]


def test_the_figures_are_those_of_the_saved_model(tmp_path, base):
    rows = table(tmp_path / "rows.tsv")
    other = table(tmp_path / "other.tsv", seed=1)

    result = finetune([rows], config(base=base, epochs=2), Run(tmp_path / "out", tests=[other]))

    predictions = predict(other, [str(result.folder)], PredictConfig(compute=COMPUTE)).rows
    called = [row.predicted == row.example.label for row in predictions]
    assert result.figures["other.tsv"]["accuracy"] == pytest.approx(np.mean(called))


def test_the_same_seed_gives_the_same_bytes(tmp_path, base):
    rows = table(tmp_path / "rows.tsv")
    for name in ("one", "two"):
        finetune([rows], config(base=base, epochs=1), Run(tmp_path / name))

    for name in ("model.safetensors", "config.json", "metrics.json", "training.tsv"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_a_stopped_run_is_resumed_to_the_same_bytes(tmp_path, base):
    rows = table(tmp_path / "rows.tsv")
    settings = config(base=base, epochs=2)
    finetune([rows], settings, Run(tmp_path / "whole"))
    n_asked = iter(range(100))

    with pytest.raises(Interrupted, match="--resume continues"):
        finetune([rows], settings, Run(tmp_path / "cut", should_stop=lambda: next(n_asked) == 4))
    assert not (tmp_path / "cut" / "config.json").exists()
    finetune([rows], settings, Run(tmp_path / "cut", resume=True))

    for name in ("model.safetensors", "metrics.json", "training.tsv"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_two_fasta_files_are_positives_and_negatives(tmp_path, base):
    text = Path(table(tmp_path / "rows.tsv")).read_text()
    lines = [line.split("\t") for line in text.splitlines()][1:]
    for name, label in (("pos.fa", "1"), ("neg.fa", "0")):
        records = [f">{i}\n{row[0]}\n" for i, row in enumerate(lines) if row[1] == label]
        (tmp_path / name).write_text("".join(records))

    result = finetune(
        [str(tmp_path / "pos.fa"), str(tmp_path / "neg.fa")],
        config(base=base),
        Run(tmp_path / "out"),
    )

    assert load_model(result.folder).task.classes == ("0", "1")
    assert result.figures["test"]["auroc"] > 0.9


def test_the_cnn_runs_through_the_same_loop(tmp_path):
    result = finetune(
        [table(tmp_path / "rows.tsv")], config(arch="cnn", epochs=8), Run(tmp_path / "out")
    )

    assert result.figures["test"]["auroc"] > 0.9
    assert load_model(result.folder).task.k == 1


def test_random_weights_of_a_preset_are_a_start(tmp_path):
    settings = config(epochs=1, token_stride=3, half=True)

    result = finetune([table(tmp_path / "rows.tsv")], settings, Run(tmp_path / "out"))

    model = load_model(result.folder)
    assert (model.task.k, model.task.token_stride) == (6, 3)
    assert model.network.config.hidden_size == 256


def test_similar_rows_stay_in_one_part(tmp_path, base):
    """A copy of every row: with the copies apart, a test part would be known by heart."""
    from dnabert_cli.tasks.labelled import read_split_rows

    generator = np.random.default_rng(0)
    rows = ["".join(generator.choice(list("ACGT"), 60)) for _ in range(60)]
    lines = [
        f"{row[shift : shift + 55]}\t{i % 2}" for i, row in enumerate(rows) for shift in (0, 5)
    ]
    (tmp_path / "rows.tsv").write_text("sequence\tlabel\n" + "\n".join(lines) + "\n")

    data = read_split_rows([str(tmp_path / "rows.tsv")], config(base=base))

    assert (data.parts[0::2] == data.parts[1::2]).all()
    assert set(data.parts.tolist()) == {0, 1, 2}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sequence\tlabel\n" + "ACGTACGT\t1\n" * 30, "all 30 rows have the label '1'"),
        ("sequence\tlabel\nACGTACGTA\t1\nTTTTACGTA\t0\n", "misses a class"),
        ("sequence\n" + "ACGTACGT\n" * 30, "rows without a label"),
        ("sequence\tlabel\n", "holds no rows"),
    ],
)
def test_rows_that_cannot_be_learned_from_are_refused(tmp_path, base, content, message):
    (tmp_path / "rows.tsv").write_text(content)

    with pytest.raises(DataError, match=message):
        finetune([str(tmp_path / "rows.tsv")], config(base=base), Run(tmp_path / "out"))
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(("n_bases", "message"), [(2, "shorter than k"), (600, "longer than the")])
def test_sequences_the_model_cannot_read_are_refused(tmp_path, base, n_bases, message):
    rows = table(tmp_path / "rows.tsv")
    Path(rows).write_text(Path(rows).read_text() + "A" * n_bases + "\t1\n")

    with pytest.raises(DataError, match=message):
        finetune([rows], config(base=base), Run(tmp_path / "out"))


def test_a_label_unknown_in_training_is_refused_in_a_test_file(tmp_path, base):
    rows = table(tmp_path / "rows.tsv")
    other = table(tmp_path / "other.tsv", label=lambda y: f"x{y}")

    with pytest.raises(DataError, match="label 'x0' does not occur"):
        finetune([rows], config(base=base), Run(tmp_path / "out", tests=[other]))


def test_a_folder_that_is_not_empty_is_kept(tmp_path, base):
    out = tmp_path / "out"
    out.mkdir()
    (out / "precious.txt").write_text("mine")

    with pytest.raises(OptionsError, match="is not empty"):
        finetune([table(tmp_path / "rows.tsv")], config(base=base), Run(out))
    assert (out / "precious.txt").read_text() == "mine"


def test_resume_without_a_run_is_refused(tmp_path, base):
    with pytest.raises(OptionsError, match="holds no unfinished run"):
        finetune([table(tmp_path / "rows.tsv")], config(base=base), Run(tmp_path, resume=True))


def test_threshold_fpr_calls_few_negatives(tmp_path, base):
    rows = table(tmp_path / "rows.tsv", n_rows=400)

    result = finetune([rows], config(base=base, epochs=2, threshold_fpr=0.0), Run(tmp_path / "out"))

    assert result.figures["dev"]["precision_at_threshold"] == 1.0


def test_class_names_must_match_the_labels(tmp_path, base):
    with pytest.raises(OptionsError, match="3 names for 2 labels: 0, 1"):
        finetune(
            [table(tmp_path / "rows.tsv")],
            config(base=base, class_names=("a", "b", "c")),
            Run(tmp_path / "out"),
        )


@pytest.mark.parametrize("change", [{"seed": 2}, {"learning_rate": 1e-4}, {"epochs": 3}])
def test_resume_with_other_options_is_refused(tmp_path, base, change):
    """It used to go on, and rows of the training part became rows of the test part."""
    rows = table(tmp_path / "rows.tsv")
    n_asked = iter(range(100))
    stop = Run(tmp_path / "out", should_stop=lambda: next(n_asked) == 2)
    with pytest.raises(Interrupted):
        finetune([rows], config(base=base, epochs=2), stop)

    with pytest.raises(ModelError, match="belongs to a run with other options or rows"):
        finetune(
            [rows], config(base=base, **{"epochs": 2} | change), Run(tmp_path / "out", resume=True)
        )


def test_force_keeps_what_a_mistyped_input_would_have_cost(tmp_path, base):
    """The resume state used to be deleted before the inputs were looked at."""
    state = tmp_path / "out" / "resume" / "state.pt"
    state.parent.mkdir(parents=True)
    state.write_bytes(b"precious")

    with pytest.raises(DnabertError, match="no such file"):
        finetune([str(tmp_path / "typo.tsv")], config(base=base), Run(state.parents[1], force=True))
    assert state.read_bytes() == b"precious"


def test_test_rows_are_checked_before_training(tmp_path, base):
    """Too long ones used to be found after the training, and the model was lost."""
    rows = table(tmp_path / "rows.tsv")
    (tmp_path / "long.tsv").write_text("sequence\tlabel\n" + "A" * 600 + "\t1\n")

    with pytest.raises(DataError, match="longer than the"):
        finetune(
            [rows], config(base=base), Run(tmp_path / "out", tests=[str(tmp_path / "long.tsv")])
        )
    assert not (tmp_path / "out").exists()


def test_the_threshold_is_that_of_the_class_a_scan_calls(tmp_path, base):
    """With the second class as background it used to be chosen on the wrong column."""
    rows = table(tmp_path / "rows.tsv", label=lambda y: "none" if y else "enhancer")

    result = finetune([rows], config(base=base, background="none"), Run(tmp_path / "out"))

    rows_read = list(predict(rows, [str(result.folder)], PredictConfig(compute=COMPUTE)).rows)
    called = [row.probabilities[0] >= result.figures["threshold"] for row in rows_read]
    truth = [row.example.label == "enhancer" for row in rows_read]
    assert np.mean(np.equal(called, truth)) > 0.9
