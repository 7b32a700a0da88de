"""`--dev`: rows in files of their own choose weights and threshold, and all inputs train."""

import json
import logging
import tomllib

import numpy as np
import pytest

from dnabert_cli.config import ComputeConfig, TaskConfig
from dnabert_cli.errors import DataError, FormatError, Interrupted, ModelError, OptionsError
from dnabert_cli.formats.files import sha256
from dnabert_cli.tasks.finetune import Run, finetune
from dnabert_cli.tasks.labelled import read_parts, read_split_rows
from dnabert_cli.tasks.splits import DEV, TRAIN
from dnabert_cli.training_config import FinetuneConfig
from tests.toys import save_bert

MOTIF = "TATAAATA"


def random_rows(n_rows, seed):
    """Sequences of 40 bases; every second one holds a motif."""
    generator = np.random.default_rng(seed)
    rows = []
    for row in range(n_rows):
        bases = "".join(generator.choice(list("ACGT"), 40))
        rows.append(bases[:10] + MOTIF + bases[18:] if row % 2 else bases)
    return rows


def table(path, n_rows=48, seed=0, label=lambda row: row % 2):
    path.parent.mkdir(exist_ok=True)
    lines = [f"{bases}\t{label(row)}\n" for row, bases in enumerate(random_rows(n_rows, seed))]
    path.write_text("sequence\tlabel\n" + "".join(lines))
    return str(path)


@pytest.fixture
def train(tmp_path):
    return table(tmp_path / "train.tsv")


@pytest.fixture
def dev(tmp_path):
    return table(tmp_path / "dev.tsv", n_rows=22, seed=1)


@pytest.fixture
def base(tmp_path):
    return str(save_bert(tmp_path / "base", TaskConfig(k=3, classes=("a", "b"))))


def config(**changes):
    compute = ComputeConfig(precision="fp32", threads=1)
    values = {"compute": compute, "epochs": 2, "batch_size": 16, "learning_rate": 2e-3} | changes
    return FinetuneConfig(**values)


# Which rows are where


def test_all_inputs_train_and_the_rows_of_the_files_are_the_dev_part(tmp_path, train, dev):
    more = table(tmp_path / "more.tsv", n_rows=6, seed=2)

    data = read_parts([train, more], [dev], config())

    assert data.parts.tolist() == [TRAIN] * 54 + [DEV] * 22
    sequences, targets = data.part(DEV)
    assert sequences == random_rows(22, 1)
    assert targets.tolist() == [0, 1] * 11
    assert data.part(TRAIN)[0] == random_rows(48, 0) + random_rows(6, 2)


def test_several_dev_files_are_put_together(tmp_path, train):
    devs = [table(tmp_path / f"dev{seed}.tsv", n_rows=4, seed=seed) for seed in (1, 2)]

    data = read_parts([train], devs, config())

    assert data.part(DEV)[0] == random_rows(4, 1) + random_rows(4, 2)


def test_options_of_the_split_are_without_effect(train, dev):
    plain = read_parts([train], [dev], config())
    other = read_parts(
        [train], [dev], config(dev_fraction=0.4, test_fraction=0.4, split="chromosome", seed=3)
    )
    assert other.parts.tolist() == plain.parts.tolist()


def test_without_dev_files_rows_are_split_as_ever(tmp_path):
    rows = table(tmp_path / "rows.tsv", n_rows=200)
    assert (read_parts([rows], [], config()).parts == read_split_rows([rows], config()).parts).all()


def test_the_names_of_classes_are_those_of_training_in_its_order(tmp_path):
    train = table(tmp_path / "train.tsv", label=lambda row: ("b", "c", "a")[row % 3])
    dev = table(tmp_path / "dev.tsv", n_rows=6, label=lambda row: ("c", "b", "a")[row % 3])

    data = read_parts([train], [dev], config())

    assert data.label_names == ("a", "b", "c")
    assert data.part(DEV)[1].tolist() == [2, 1, 0, 2, 1, 0]


def test_the_log_names_each_file_and_its_rows(tmp_path, train, caplog):
    devs = [table(tmp_path / "dev.tsv", n_rows=1234), table(tmp_path / "few.tsv", n_rows=2)]

    with caplog.at_level(logging.INFO):
        read_parts([train], devs, config())

    assert f"dev rows from {devs[0]}: 1,234" in caplog.messages
    assert f"dev rows from {devs[1]}: 2" in caplog.messages
    assert "dev part: 1236 rows (0 618, 1 618)" in caplog.messages


# What is refused


def test_a_label_unknown_in_training_is_refused(tmp_path, train, dev):
    odd = table(tmp_path / "odd.tsv", label=lambda row: f"x{row % 2}")
    with pytest.raises(DataError, match=r"odd\.tsv: label 'x0' does not occur in the training"):
        read_parts([train], [dev, odd], config())


def test_a_dev_part_that_misses_a_class_is_refused_with_a_cure_that_helps(tmp_path, train):
    dev = table(tmp_path / "dev.tsv", n_rows=5, label=lambda _: "1")
    message = r"the dev part has 5 rows and misses a class \(0 0, 1 5\) \(hint: .* with --dev all"
    with pytest.raises(DataError, match=message):
        read_parts([train], [dev], config())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("sequence\nACGTACGT\n", "rows without a label"),
        ("sequence\tlabel\n", "holds no rows"),
        ("sequence\tlabel\n" + "A" * 600 + "\t1\nACGT\t0\n", "longer than the"),
    ],
)
def test_dev_rows_that_cannot_judge_are_refused_before_training(
    tmp_path, base, train, content, message
):
    (tmp_path / "dev.tsv").write_text(content)
    with pytest.raises(DataError, match=message):
        finetune(
            [train], config(base=base), Run(tmp_path / "out", devs=[str(tmp_path / "dev.tsv")])
        )
    assert not (tmp_path / "out").exists()


def test_a_missing_dev_file_is_named(tmp_path, base, train):
    with pytest.raises(FormatError, match=r"no\.tsv: no such file"):
        finetune([train], config(base=base), Run(tmp_path / "out", devs=["no.tsv"]))


def test_an_output_must_not_be_a_dev_file(tmp_path, base, train, dev):
    before = (tmp_path / "dev.tsv").read_bytes()
    run = Run(tmp_path / "out", devs=[dev], log_tsv=tmp_path / "dev.tsv", force=True)
    with pytest.raises(OptionsError, match=r"dev\.tsv is both input and output"):
        finetune([train], config(base=base), run)
    assert (tmp_path / "dev.tsv").read_bytes() == before


# What the run makes of them


def test_figures_of_the_dev_part_are_those_of_the_files(tmp_path, base, train, dev):
    copy = table(tmp_path / "copy.tsv", n_rows=22, seed=1)

    result = finetune([train], config(base=base), Run(tmp_path / "out", devs=[dev], tests=[copy]))

    assert result.figures["dev"]["n"] == 22
    assert result.figures["dev"] == result.figures["copy.tsv"]
    assert "test" not in result.figures


def test_weights_and_threshold_are_chosen_on_the_dev_files(tmp_path, base, train):
    """With labels swapped there, what the inputs teach makes the figure worse with every look."""
    dev = table(tmp_path / "dev.tsv", n_rows=60, seed=1, label=lambda row: 1 - row % 2)
    settings = config(base=base, epochs=6, learning_rate=1e-3, patience=20, threshold_fpr=0.0)

    result = finetune([train], settings, Run(tmp_path / "out", devs=[dev]))

    heading, *rows = [
        line.split("\t") for line in (tmp_path / "out" / "training.tsv").read_text().splitlines()
    ]
    auprc = [float(row[heading.index("auprc")]) for row in rows]
    best = int(np.argmax(auprc))
    assert best < len(rows) - 1
    assert result.figures["best_step"] == int(rows[best][0])
    assert result.figures["dev"]["auprc"] == pytest.approx(auprc[best], abs=1e-4)
    assert result.figures["dev"]["recall_at_threshold"] < 0.5
    assert auprc[-1] < 0.45


def test_checksums_of_the_dev_files_are_kept_beside_those_of_the_inputs(tmp_path, base, train, dev):
    same_name = table(tmp_path / "other" / "train.tsv", n_rows=4, seed=5)

    finetune([train], config(base=base, epochs=1), Run(tmp_path / "out", devs=[dev, same_name]))

    assert tomllib.loads((tmp_path / "out" / "run.toml").read_text())["inputs"] == {
        "train.tsv": sha256(train),
        "dev.tsv": sha256(dev),
        "dev train.tsv": sha256(same_name),
    }


def test_several_seeds_are_judged_by_the_same_rows(tmp_path, base, train, dev):
    settings = config(base=base, epochs=1, seeds=2)

    result = finetune([train], settings, Run(tmp_path / "out", devs=[dev], tests=[train]))

    single = [json.loads((tmp_path / f"out/seed-{i}/metrics.json").read_text()) for i in (0, 1)]
    assert [one["dev"]["n"] for one in single] == [22, 22]
    assert single[0]["dev"] != single[1]["dev"]
    assert list(result.figures["seeds"]) == ["best", "seeds", "train.tsv"]


# Going on


def stop_at(n):
    n_asked = iter(range(1000))
    return lambda: next(n_asked) == n


def test_a_stopped_run_is_resumed_to_the_same_bytes(tmp_path, base, train, dev):
    finetune([train], config(base=base), Run(tmp_path / "whole", devs=[dev]))
    run = Run(tmp_path / "cut", devs=[dev], should_stop=stop_at(3))
    with pytest.raises(Interrupted):
        finetune([train], config(base=base), run)

    finetune([train], config(base=base), Run(tmp_path / "cut", devs=[dev], resume=True))

    for name in ("model.safetensors", "metrics.json", "training.tsv", "run.toml"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


@pytest.mark.parametrize(
    "changes",
    [{"seed": 7}, {"n_rows": 20}, {"label": lambda row: (row // 2) % 2}],
    ids=["sequences", "fewer", "labels"],
)
def test_resume_with_other_dev_rows_is_refused(tmp_path, base, train, dev, changes):
    run = Run(tmp_path / "out", devs=[dev], should_stop=stop_at(3))
    with pytest.raises(Interrupted):
        finetune([train], config(base=base), run)
    table(tmp_path / "dev.tsv", **{"n_rows": 22, "seed": 1} | changes)

    with pytest.raises(ModelError, match="belongs to a run with other options or rows"):
        finetune([train], config(base=base), Run(tmp_path / "out", devs=[dev], resume=True))


def test_a_seed_that_was_finished_with_other_dev_rows_is_refused(tmp_path, base, train, dev):
    settings = config(base=base, epochs=1, seeds=2)
    with pytest.raises(Interrupted):
        finetune([train], settings, Run(tmp_path / "out", devs=[dev], should_stop=stop_at(4)))
    assert (tmp_path / "out" / "seed-0" / "config.json").exists()
    table(tmp_path / "dev.tsv", n_rows=22, seed=7)

    with pytest.raises(ModelError, match="seed-0 belongs to a run with other options or rows"):
        finetune([train], settings, Run(tmp_path / "out", devs=[dev], resume=True))


# Every head


def test_multi_label_rows_judge(tmp_path, base):
    names = (".", "even", "odd", "even;odd")
    train = table(tmp_path / "train.tsv", label=lambda row: names[row % 4])
    dev = table(tmp_path / "dev.tsv", n_rows=8, seed=1, label=lambda row: names[row % 3])

    settings = config(base=base, head="multi-label", epochs=1)
    result = finetune([train], settings, Run(tmp_path / "out", devs=[dev]))

    data = read_parts([train], [dev], settings)
    assert data.part(DEV)[1].tolist() == [[row % 3 == 1, row % 3 == 2] for row in range(8)]
    assert result.figures["dev"]["n"] == 8
    odd = table(tmp_path / "odd.tsv", label=lambda _: "even,neither")
    with pytest.raises(DataError, match="label 'neither' does not occur"):
        read_parts([train], [odd], settings)


def test_numbers_judge_in_their_own_units(tmp_path, base):
    train = table(tmp_path / "train.tsv", label=lambda row: 1000 + row)
    dev = table(tmp_path / "dev.tsv", n_rows=8, seed=1, label=lambda row: 2000 + row)

    settings = config(base=base, head="regression", epochs=1)
    result = finetune([train], settings, Run(tmp_path / "out", devs=[dev]))

    assert result.figures["dev"]["n"] == 8
    assert 900 < result.figures["dev"]["rmse"] < 1100
    flat = table(tmp_path / "flat.tsv", label=lambda _: 3)
    with pytest.raises(DataError, match="the dev part has 48 rows and has no two different values"):
        read_parts([train], [flat], settings)


@pytest.fixture
def regions(tmp_path):
    """Two chromosomes with a site in every hundred bases; regions of one each."""
    generator = np.random.default_rng(0)
    with (tmp_path / "g.fa").open("w") as genome, (tmp_path / "sites.bed").open("w") as sites:
        for chrom in ("chr1", "chr2"):
            genome.write(f">{chrom}\n{''.join(generator.choice(list('ACGT'), 400))}\n")
            for start in range(20, 400, 100):
                sites.write(f"{chrom}\t{start}\t{start + 30}\tsite\n")
    (tmp_path / "train.bed").write_text("chr1\t0\t400\n")
    (tmp_path / "dev.bed").write_text("chr2\t0\t200\n")
    return tmp_path


def test_labelled_bases_judge(regions, base):
    paths = [str(regions / "train.bed")], [str(regions / "dev.bed")]
    genome = str(regions / "g.fa")
    labels = str(regions / "sites.bed")
    settings = config(base=base, head="token", labels=labels, window=50, batch_size=4, epochs=1)
    result = finetune(paths[0], settings, Run(regions / "out", genome=genome, devs=paths[1]))

    data = read_parts(*paths, settings, genome)
    sequences, targets = data.part(DEV)
    assert data.parts.tolist() == [TRAIN] * 8 + [DEV] * 4
    assert [len(bases) for bases in sequences] == [50] * 4
    of_base = [int(20 <= i % 100 < 50) for i in range(200)]
    assert np.concatenate(targets).tolist() == of_base
    assert result.figures["dev"]["n_bases"] == 200
    assert tomllib.loads((regions / "out" / "run.toml").read_text())["inputs"] == {
        name: sha256(str(regions / name)) for name in ("train.bed", "sites.bed", "dev.bed")
    }
    (regions / "dev.bed").write_text("chr2\t50\t100\n")
    with pytest.raises(DataError, match="the dev part has 50 labelled bases and misses a class"):
        read_parts(*paths, settings, genome)


# What later scans look at


def test_candidates_lie_in_the_model_folder(tmp_path, train, dev, base):
    settings = config(base=base, epochs=1, candidates=("GT:0", "AG:-2"))

    result = finetune([train], settings, Run(tmp_path / "out", devs=[dev]))

    values = json.loads((result.folder / "config.json").read_text())
    assert values["dnabert"]["candidates"] == [["GT", 0], ["AG", -2]]
