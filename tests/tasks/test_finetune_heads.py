"""Every head from labelled rows to a folder that `predict` reads; several seeds; long rows."""

import json

import numpy as np
import pytest

from dnabert_cli.config import ComputeConfig, PredictConfig, TaskConfig
from dnabert_cli.core.checkpoint import load_model
from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import DataError, FormatError, Interrupted, OptionsError
from dnabert_cli.tasks.finetune import Run, finetune
from dnabert_cli.tasks.labelled import read_split_rows
from dnabert_cli.tasks.predict import predict
from dnabert_cli.training_config import FinetuneConfig
from tests.toys import save_bert

COMPUTE = ComputeConfig(precision="fp32", threads=1)
GENERATOR = np.random.default_rng(0)


def bases(n):
    return "".join(GENERATOR.choice(list("ACGT"), n))


@pytest.fixture(autouse=True)
def _begin_anew():
    GENERATOR.bit_generator.state = np.random.default_rng(0).bit_generator.state


@pytest.fixture
def base(tmp_path):
    return str(save_bert(tmp_path / "base", TaskConfig(k=3, classes=("a", "b"))))


def config(**changes):
    values = {"compute": COMPUTE, "epochs": 4, "batch_size": 16, "learning_rate": 2e-3} | changes
    return FinetuneConfig(**values)


def write_table(path, rows):
    path.write_text("sequence\tlabel\n" + "".join(f"{s}\t{label}\n" for s, label in rows))
    return str(path)


def predicted(path, model, **options):
    settings = PredictConfig(compute=COMPUTE, **options.pop("settings", {}))
    return list(predict(str(path), [str(model)], settings, **options).rows)


@pytest.fixture
def labels_table(tmp_path):
    """Label `at` where AT is repeated, `gc` where GC is, each in half of the rows."""
    rows = []
    for i in range(200):
        names = [name for name, bit in (("at", 1), ("gc", 2)) if i & bit]
        sequence = "".join(
            ("AT" if name == "at" else "GC") * 6 if name in names else bases(12)
            for name in ("at", "gc")
        )
        rows.append((sequence, ";".join(names) or "."))
    return write_table(tmp_path / "rows.tsv", rows)


def test_multi_label_rows_are_learned_and_predicted(tmp_path, base, labels_table):
    result = finetune(
        [labels_table], config(base=base, head="multi-label", epochs=3), Run(tmp_path / "out")
    )

    assert result.figures["test"]["macro_auroc"] > 0.9
    assert set(result.figures["test"]["labels"]) == {"at", "gc"}
    model = load_model(result.folder)
    assert (model.task.head, model.task.classes) == ("multi-label", ("at", "gc"))
    rows = predicted(labels_table, result.folder)
    for row in rows:
        names = [name for name, p in zip(("at", "gc"), row.probabilities, strict=True) if p >= 0.5]
        assert row.predicted == (",".join(names) or None)
    wanted = [(row.example.label or "").replace(";", ",") for row in rows]
    assert np.mean([(row.predicted or "") == w for row, w in zip(rows, wanted, strict=True)]) > 0.7


@pytest.fixture
def numbers_table(tmp_path):
    rows = [
        (("AT" * 6 if i % 2 else bases(12)) + bases(12), f"{1000 + 50 * (i % 2) + i % 5}")
        for i in range(200)
    ]
    return write_table(tmp_path / "rows.tsv", rows)


def test_numbers_are_predicted_in_the_units_of_the_data(tmp_path, base, numbers_table):
    settings = config(base=base, head="regression", epochs=6)

    result = finetune([numbers_table], settings, Run(tmp_path / "out", tests=[numbers_table]))

    assert result.figures["test"]["pearson"] > 0.8
    rows = predicted(numbers_table, result.folder)
    values = np.array([row.probabilities[0] for row in rows])
    truth = np.array([float(row.example.label) for row in rows])
    rmse = np.sqrt(np.mean((values - truth) ** 2))
    assert result.figures["rows.tsv"]["rmse"] == pytest.approx(rmse, rel=1e-4)
    assert 1000 < values.mean() < 1050
    assert {row.predicted for row in rows} == {None}


@pytest.fixture
def genome(tmp_path):
    """Four chromosomes with AT repeats, where they are, and a value per ten bases."""
    sites, values, records = [], [], []
    for c in range(1, 5):
        letters = list(bases(900))
        for at in range(40, 860, 60):
            letters[at : at + 20] = "AT" * 10
            sites.append(f"chr{c}\t{at}\t{at + 20}\tsite")
        text = "".join(letters)
        values += [
            f"chr{c}\t{i}\t{i + 10}\t{100 + text[i : i + 10].count('A')}" for i in range(0, 900, 10)
        ]
        records.append(f">chr{c}\n{text}\n")
    (tmp_path / "g.fa").write_text("".join(records))
    (tmp_path / "sites.bed").write_text("\n".join(sites) + "\n")
    (tmp_path / "values.bedGraph").write_text("\n".join(values) + "\n")
    (tmp_path / "regions.bed").write_text(
        "".join(f"chr{c}\t0\t875\tr\t0\t{'+-'[c % 2]}\n" for c in range(1, 5))
    )
    return tmp_path


def train_on_bases(genome, base, labels, **changes):
    settings = config(
        base=base, head="token", labels=str(genome / labels), window=50, batch_size=4, **changes
    )
    run = Run(genome / "out", genome=str(genome / "g.fa"))
    return finetune([str(genome / "regions.bed")], settings, run)


def test_classes_of_bases_are_learned_and_predicted_where_they_lie(genome, base):
    result = train_on_bases(genome, base, "sites.bed", epochs=2)

    assert result.figures["test"]["auroc"] > 0.9
    assert result.figures["test"]["n_bases"] == 875  # of one chromosome, each base once
    assert result.figures["positive_class"] == "site"
    model = load_model(result.folder)
    assert (model.task.head, model.task.classes) == ("token", ("0", "site"))
    assert model.task.window == 50
    rows = predicted(genome / "regions.bed", result.folder, genome=str(genome / "g.fa"))
    assert len(rows) == 4 * 875
    first = rows[875:1750]  # chr2, '+'
    assert [row.example.start for row in first] == list(range(875))
    inside = [40 <= row.example.start % 60 + 0 < 60 for row in first]
    called = [row.predicted == "site" for row in first]
    assert np.corrcoef(inside, called)[0, 1] > 0.5


def test_values_of_bases_are_learned_in_their_units(genome, base):
    result = train_on_bases(genome, base, "values.bedGraph", epochs=2)

    assert result.figures["test"]["pearson"] > 0.3
    rows = predicted(genome / "regions.bed", result.folder, genome=str(genome / "g.fa"))
    values = [row.probabilities[0] for row in rows]
    assert 100 < np.mean(values) < 106
    assert load_model(result.folder).task.classes == ("value",)


def test_rows_longer_than_the_network_reads_are_joined_from_chunks(tmp_path, base):
    rows = [(("AT" * 20 if i % 2 else bases(40)) + bases(560), i % 2) for i in range(24)]
    table = write_table(tmp_path / "rows.tsv", rows)
    changes = {"base": base, "epochs": 1, "dev_fraction": 0.2, "evaluations_per_epoch": 1}

    with pytest.raises(DataError, match=r"longer than the .* --long lstm"):
        finetune([table], config(**changes), Run(tmp_path / "short"))
    result = finetune([table], config(**changes, long="mean"), Run(tmp_path / "out"))

    model = load_model(result.folder)
    assert (model.network.config.long, model.network.config.chunks) == ("mean", 2)
    read = predicted(table, result.folder)
    assert {row.n_windows for row in read} == {1}  # whole, up to what the chunks hold


def test_several_seeds_share_one_split_and_leave_a_folder_each(tmp_path, base, labels_table):
    settings = config(base=base, head="multi-label", epochs=1, seeds=2, seed=3)

    result = finetune([labels_table], settings, Run(tmp_path / "out"))

    written = json.loads((tmp_path / "out" / "metrics.json").read_text())
    single = {s: json.loads((tmp_path / f"out/seed-{s}/metrics.json").read_text()) for s in (3, 4)}
    values = written["seeds"]["test"]["macro_auroc"]["values"]
    assert values == [single[s]["test"]["macro_auroc"] for s in (3, 4)]
    assert values[0] != values[1]
    counts = [[one["n_positives"] for one in single[s]["test"]["labels"].values()] for s in (3, 4)]
    assert counts[0] == counts[1]
    best = written["seeds"]["best"]
    weights = [
        (tmp_path / "out" / f / "model.safetensors").read_bytes() for f in ("", f"seed-{best}")
    ]
    assert weights[0] == weights[1]
    assert result.figures["seeds"] == written["seeds"]
    assert load_model(tmp_path / "out").task.head == "multi-label"


def test_several_seeds_are_resumed_where_they_stopped(tmp_path, base, labels_table):
    settings = config(base=base, head="multi-label", epochs=1, seeds=2)
    finetune([labels_table], settings, Run(tmp_path / "whole"))
    n_asked = iter(range(100))

    with pytest.raises(Interrupted):
        finetune(
            [labels_table], settings, Run(tmp_path / "cut", should_stop=lambda: next(n_asked) == 14)
        )
    first = (tmp_path / "cut/seed-0/model.safetensors").stat().st_mtime_ns
    finetune([labels_table], settings, Run(tmp_path / "cut", resume=True))

    assert (tmp_path / "cut/seed-0/model.safetensors").stat().st_mtime_ns == first
    for name in ("model.safetensors", "metrics.json", "seed-1/metrics.json", "run.toml"):
        assert (tmp_path / "cut" / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_several_processes_train_one_seed(tmp_path, labels_table, monkeypatch):
    """A second group of processes would wait for the first one for ever."""
    for name, value in (("RANK", 0), ("WORLD_SIZE", 2), ("LOCAL_RANK", 0)):
        monkeypatch.setenv(name, str(value))
    with pytest.raises(OptionsError, match="--seeds: several processes train one seed"):
        finetune([labels_table], config(seeds=2), Run(tmp_path / "out"))


def test_the_log_of_a_run_is_written_as_it_goes(tmp_path, base, numbers_table):
    log = tmp_path / "log.tsv"
    finetune(
        [numbers_table],
        config(base=base, head="regression", epochs=1),
        Run(tmp_path / "out", log_tsv=log),
    )
    rows = [line.split("\t") for line in log.read_text().splitlines()]
    assert rows[0][:3] == ["#step", "loss", "learning_rate"]
    assert [row[0] for row in rows[1:]] == ["10"]


def test_the_figure_that_decides_can_be_chosen(tmp_path, base, numbers_table):
    finetune(
        [numbers_table],
        config(base=base, head="regression", epochs=1, metric="r2"),
        Run(tmp_path / "out"),
    )
    heading, *rows = [
        line.split("\t") for line in (tmp_path / "out/training.tsv").read_text().splitlines()
    ]
    r2 = [float(row[heading.index("r2")]) for row in rows]
    best = int(rows[int(np.argmax(r2))][heading.index("step")])
    assert json.loads((tmp_path / "out/metrics.json").read_text())["best_step"] == best


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"metric": "rmse"}, "rmse cannot decide .* known: spearman, pearson, r2"),
        ({"background": "x"}, "--background belongs to --head class"),
        ({"threshold_fpr": 0.1}, "--threshold-fpr belongs to --head class"),
        ({"class_weights": "balanced"}, "--class-weights: the answers are numbers"),
        ({"label_smoothing": 0.1}, "--label-smoothing is for classes"),
    ],
)
def test_options_of_other_heads_are_refused(tmp_path, base, numbers_table, changes, message):
    with pytest.raises(OptionsError, match=message):
        finetune(
            [numbers_table], config(base=base, head="regression", **changes), Run(tmp_path / "out")
        )
    assert not (tmp_path / "out").exists()


def test_balanced_weights_reach_the_training(tmp_path, base, monkeypatch):
    goals = []

    def stop(network, rows, evaluate, settings, goal, watch):
        goals.append(goal)
        raise Interrupted("seen enough")

    monkeypatch.setattr("dnabert_cli.tasks.finetune.train_classifier", stop)
    table = write_table(tmp_path / "rows.tsv", [(bases(20), int(i % 4 == 0)) for i in range(80)])
    for weights in ("none", "balanced"):
        with pytest.raises(Interrupted, match="seen enough"):
            finetune(
                [table], config(base=base, class_weights=weights), Run(tmp_path / "out", force=True)
            )
    assert goals[0].class_weights is None
    assert goals[1].class_weights == pytest.approx([80 / 2 / 60, 80 / 2 / 20], rel=0.1)
    assert goals[1].metric == "auprc"


# Reading labelled rows


def test_a_label_that_is_no_number_is_named_with_its_line(tmp_path):
    table = write_table(tmp_path / "rows.tsv", [(bases(20), 1.5), (bases(20), "high")])
    with pytest.raises(FormatError, match=r"rows.tsv:3: label 'high' is no finite number"):
        read_split_rows([table], config(head="regression"))


def test_numbers_are_needed_in_every_row(tmp_path):
    table = write_table(tmp_path / "rows.tsv", [(bases(20), 1.5), (bases(20), ".")])
    with pytest.raises(DataError, match=r"rows without a label .* holds numbers"):
        read_split_rows([table], config(head="regression"))


def test_a_file_without_labels_has_none_of_them(tmp_path, labels_table):
    (tmp_path / "none.fa").write_text("".join(f">{i}\n{bases(24)}\n" for i in range(40)))
    data = read_split_rows([labels_table, str(tmp_path / "none.fa")], config(head="multi-label"))
    assert data.targets.shape == (240, 2)
    assert not data.targets[200:].any()


def token_rows(genome, labels="sites.bed", **changes):
    settings = config(head="token", labels=str(genome / labels), window=50, **changes)
    return read_split_rows([str(genome / "regions.bed")], settings, str(genome / "g.fa"))


def test_labels_stand_where_the_repeat_is_on_either_strand(genome):
    data = token_rows(genome)
    text = dict(zip(*[iter((genome / "g.fa").read_text().split())] * 2, strict=True))
    assert {example.strand for example in data.examples} == {"+", "-"}
    for example, target in zip(data.examples, data.targets, strict=True):
        piece = text[f">{example.chrom}"][example.start : example.end]
        forward = target[::-1] if example.strand == "-" else target
        assert example.sequence == (reverse_complement(piece) if example.strand == "-" else piece)
        for i, label in enumerate(forward, example.start):
            if label != -100:
                assert label == int(40 <= i < 860 and (i - 40) % 60 < 20)


def test_regions_are_split_by_chromosome(genome):
    data = token_rows(genome)
    for chrom in ("chr1", "chr2", "chr3", "chr4"):
        parts = {p for e, p in zip(data.examples, data.parts, strict=True) if e.chrom == chrom}
        assert len(parts) == 1


def test_windows_without_any_value_are_left_out(genome):
    text = (genome / "values.bedGraph").read_text().splitlines()
    kept = [line for line in text if not 300 <= int(line.split("\t")[1]) < 500]
    (genome / "gaps.bedGraph").write_text("\n".join(kept) + "\n")
    whole, gaps = token_rows(genome, "values.bedGraph"), token_rows(genome, "gaps.bedGraph")
    assert len(whole.examples) == 4 * 18
    assert len(gaps.examples) == 2 * (18 - 4) + 2 * (18 - 3)  # on '-' windows begin at the end


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("chrX\t0\t10\tsite\n", "all bases of the regions have the label '0'"),
        ("", "all bases of the regions have the label '0'"),
    ],
)
def test_labels_that_miss_the_regions_are_refused(genome, content, message):
    (genome / "other.bed").write_text(content)
    with pytest.raises(DataError, match=message):
        token_rows(genome, "other.bed")


def test_test_regions_know_the_classes_of_training(genome, base):
    from dnabert_cli.tasks.labelled import read_test_rows

    settings = config(head="token", labels=str(genome / "sites.bed"), window=50)
    path, fasta = str(genome / "regions.bed"), str(genome / "g.fa")
    data = read_test_rows(path, settings, ("0", "exon", "site"), fasta)
    assert set(np.unique(np.concatenate(data.targets)).tolist()) == {-100, 0, 2}
    with pytest.raises(DataError, match="label 'site' does not occur in the training rows"):
        read_test_rows(path, settings, ("0", "exon"), fasta)


def test_bed_regions_need_a_genome(genome):
    settings = config(head="token", labels=str(genome / "sites.bed"))
    with pytest.raises(FormatError, match=r"is BED, which holds no sequence .*--genome"):
        read_split_rows([str(genome / "regions.bed")], settings)
