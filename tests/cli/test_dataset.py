"""`dnabert dataset` as a user calls it: options, folders, messages, the check."""

import json

import pytest

from dnabert_cli.config import ComputeConfig
from dnabert_cli.dataset_config import DatasetConfig, HardConfig
from dnabert_cli.tasks import dataset as task
from dnabert_cli.tasks.dataset_parts import Parts
from dnabert_cli.tasks.dropped import Dropped
from tests.dataset_toys import (
    letters,
    read_tsv,
    site_bed,
    toy_records,
    transcript,
    write_fasta,
    write_rows,
)

SMALL = ("--block", "5000", "--distance", "200", "--negatives", "genomic:1",
         "--dev-fraction", "0.2", "--test-fraction", "0.2")  # fmt: skip


@pytest.fixture
def genome(tmp_path):
    return write_fasta(tmp_path / "g.fa", toy_records())


@pytest.fixture
def sites(tmp_path):
    return write_rows(tmp_path / "sites.bed", site_bed())


@pytest.fixture
def recorded(monkeypatch):
    """Replace the work by a recorder of what it is asked for."""
    calls = []

    def build(inputs, config, *, progress):
        calls.append((inputs, config))
        return task.Dataset(
            Parts({"train": [], "dev": [], "test": []}, None, [], []), Dropped(), []
        )

    monkeypatch.setattr(task, "build", build)
    monkeypatch.setattr(task, "write", lambda *_: None)
    return calls


def test_nothing_named_is_the_default_of_the_config(dnabert, recorded, tmp_path):
    assert dnabert("dataset", "promoters", "a.bed", "-o", tmp_path / "out").code == 0
    assert recorded == [(task.Inputs(["a.bed"]), DatasetConfig(kind="promoters"))]


@pytest.mark.parametrize(
    ("kind", "words", "changes"),
    [
        ("promoters", ["--window", "70"], {"window": 70}),
        ("promoters", ["--window", "90", "--anchor", "8"], {"window": 90, "anchor": 8}),
        ("promoters", ["--promoters", "tata"], {"promoters": "tata"}),
        ("promoters", ["--class-column", "5"], {"class_column": 5}),
        ("splice", ["--junctions", "cds"], {"junctions": "cds"}),
        ("splice", ["--all-junctions"], {"canonical": False}),
        ("peaks", ["--negatives", "genomic:2,shuffled"],
         {"negatives": (("genomic", 2.0), ("shuffled", 1.0))}),
        ("peaks", ["--negatives", "none"], {"negatives": ()}),
        ("peaks", ["--distance", "0"], {"distance": 0}),
        ("peaks", ["--match", "gc,repeats"], {"match": ("gc", "repeats")}),
        ("peaks", ["--split", "chromosome"], {"split": "chromosome"}),
        ("peaks", ["--block", "7"], {"block": 7}),
        ("peaks", ["--dev-fraction", "0"], {"dev_fraction": 0}),
        ("peaks", ["--test-fraction", "0.3"], {"test_fraction": 0.3}),
        ("peaks", ["--max-unknown", "0.1"], {"max_unknown": 0.1}),
        ("peaks", ["--max-shared", "1"], {"max_shared": 1}),
        ("peaks", ["--keep-near-duplicates"], {"keep_near_duplicates": True}),
        ("peaks", ["--seed", "4"], {"seed": 4}),
    ],
)  # fmt: skip
def test_every_option_of_the_rows_arrives(dnabert, recorded, tmp_path, kind, words, changes):
    assert dnabert("dataset", kind, "a.bed", "-o", tmp_path / "out", *words).code == 0
    assert recorded[0][1] == DatasetConfig(kind=kind, **changes)


@pytest.mark.parametrize(
    ("words", "changes"),
    [
        (["--rounds", "2", "--arch", "cnn"], {"rounds": 2, "arch": "cnn"}),
        (["--rounds", "1", "--model", "prom", "--scan-bases", "9", "--epochs", "2"],
         {"rounds": 1, "model": "prom", "scan_bases": 9, "epochs": 2}),
        (["--device", "cpu", "--precision", "fp32", "--threads", "1"],
         {"compute": ComputeConfig(device="cpu", precision="fp32", threads=1)}),
    ],
)  # fmt: skip
def test_every_option_of_the_rounds_arrives(dnabert, recorded, tmp_path, words, changes):
    assert dnabert("dataset", "peaks", "a.bed", "-o", tmp_path / "out", *words).code == 0
    assert recorded[0][1].hard == HardConfig(**changes)


def test_every_file_arrives(dnabert, recorded, tmp_path):
    words = ["--genome", "g", "--regions", "r", "--avoid", "a", "--dev-regions", "d",
             "--test-regions", "t"]  # fmt: skip
    dnabert("dataset", "peaks", "p", *words, "-o", tmp_path / "out")
    dnabert("dataset", "table", "one", "two", "-o", tmp_path / "out")
    assert [inputs for inputs, _ in recorded] == [
        task.Inputs(["p"], "g", "r", "a", "d", "t"),
        task.Inputs(["one", "two"]),
    ]


def test_a_second_file_of_sequences_takes_the_place_of_shuffled_ones(dnabert, recorded, tmp_path):
    for words in (["p"], ["p", "n"], ["p", "n", "--negatives", "shuffled"]):
        dnabert("dataset", "sequences", *words, "-o", tmp_path / "out")
    shuffled = (("shuffled", 1.0),)
    assert [config.wanted_negatives for _, config in recorded] == [shuffled, (), shuffled]


def test_a_run_says_what_it_built_and_how_to_train_on_it(dnabert, genome, sites, tmp_path):
    out = tmp_path / "out"
    result = dnabert("dataset", "promoters", sites, "--genome", genome, "-o", out, *SMALL)

    assert (result.code, result.out) == (0, "")
    for name in ("train", "dev", "test"):
        rows = read_tsv(out / f"{name}.tsv")
        n_positives = sum(row["label"] == "1" for row in rows)
        assert f"{name}.tsv: {len(rows) - n_positives} 0 (" in result.err
        assert f", {n_positives} 1 ({n_positives / len(rows):.1%})" in result.err
    assert "near-duplicates" not in result.err
    assert (
        f"to train: dnabert finetune {out}/train.tsv --dev {out}/dev.tsv --test {out}/test.tsv "
        "--anchor 249 -o model"
    ) in result.err


def test_a_splice_set_is_trained_with_its_candidates(dnabert, genome, tmp_path):
    lines = [
        line
        for i, at in enumerate(range(500, 36_000, 3_000))
        for line in transcript(
            f"t{i}", "chr2", "+-"[i % 2], [(at, at + 400), (at + 999, at + 1_900)]
        )
    ]
    source = write_rows(tmp_path / "a.gtf", lines)
    words = ("--genome", genome, "-o", tmp_path / "out", *SMALL, "--all-junctions")
    result = dnabert("dataset", "splice", source, *words)
    assert result.code == 0
    assert "--anchor 200 --background none --candidates GT:0,AG:-2 -o model" in result.err


def test_what_was_left_out_is_told(dnabert, genome, tmp_path):
    rows = [*site_bed(), ("chr7", 9, 10, "a", 0, "+"), ("chr1", 9, 10, "b", 0, "+")]
    source = write_rows(tmp_path / "more.bed", rows)
    words = ("--genome", genome, "-o", tmp_path / "out")
    result = dnabert("dataset", "promoters", source, *words, *SMALL)
    assert (
        "warning: rows left out: 1 on a sequence the genome lacks (first: chr7); "
        "1 past the end of the sequence (first: chr1:-240-60)"
    ) in result.err


def test_a_full_folder_is_replaced_only_with_force(dnabert, genome, sites, tmp_path):
    out = tmp_path / "out"
    words = ("dataset", "promoters", sites, "--genome", genome, "-o", out, *SMALL)
    assert dnabert(*words).code == 0
    before = (out / "train.tsv").read_bytes()
    (out / "notes.txt").write_text("mine")

    refused = dnabert(*words, "--seed", "1")
    assert refused.code == 2
    assert "is not empty: --force overwrites the data set in it" in refused.err
    assert (out / "train.tsv").read_bytes() == before

    assert dnabert(*words, "--seed", "1", "--force").code == 0
    assert (out / "train.tsv").read_bytes() != before
    assert json.loads((out / "dataset.json").read_text())["options"]["seed"] == 1
    assert (out / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["promoters", "sites.bed"], 2, "-o: name the folder to write"),
        (["genes", "sites.bed", "-o", "out"], 2, "dataset genes is unknown; known: promoters"),
        (
            ["promoters", "sites.bed", "-o", "out"],
            2,
            "dataset promoters cuts windows: add --genome",
        ),
        (["promoters", "no.bed", "-o", "out", "--genome", "g.fa"], 1, "no.bed: no such file"),
        (["promoters", "sites.bed", "-o", "out", "--genome", "no.fa"], 1, "no.fa: no such file"),
        (
            ["promoters", "zero.bed", "-o", "out", "--genome", "g.fa"],
            1,
            "zero.bed:1: end 5 is equal",
        ),
        (["promoters", "cells.bed", "-o", "out", "--genome", "g.fa"], 1, "cells.bed:1: coordinate"),
        (["splice", "sites.bed", "-o", "out", "--genome", "g.fa"], 1, "sites.bed:1: expected nine"),
        (["promoters", "empty.bed", "-o", "out", "--genome", "g.fa"], 1, "empty.bed holds no rows"),
        (["promoters", "alien.bed", "-o", "out", "--genome", "g.fa"], 1, "no sequence in common"),
        (
            ["promoters", "sites.bed", "-o", "out", "--genome", "empty.bed"],
            1,
            "empty.bed: is empty",
        ),
        (["promoters", "sites.bed", "-o", "a/b", "--genome", "g.fa"], 2, "parent folder does not"),
        (["promoters", "sites.bed", "-o", "g.fa", "--genome", "g.fa"], 2, "g.fa is a file"),
        (["sequences", "sites.bed", "-o", "out"], 1, "is BED, which holds no sequence"),
        (["table", "one.tsv", "-o", "out"], 1, "all rows have one label"),
        (["check", "one.tsv"], 2, "name two or more"),
    ],
)
def test_a_mistake_is_one_line_that_names_it_and_leaves_no_folder(
    dnabert, tmp_path, monkeypatch, words, code, message
):
    monkeypatch.chdir(tmp_path)
    write_fasta(tmp_path / "g.fa", toy_records())
    write_rows(tmp_path / "sites.bed", site_bed())
    write_rows(tmp_path / "zero.bed", [("chr1", 5, 5)])
    write_rows(tmp_path / "cells.bed", [("chr1", "x", "y")])
    write_rows(tmp_path / "empty.bed", [])
    write_rows(tmp_path / "alien.bed", [("chrX", 5, 6, "a", 0, "+")])
    write_rows(tmp_path / "one.tsv", [("sequence", "label"), ("ACGT", "a"), ("ACGG", "a")])

    result = dnabert("dataset", *words)

    assert (result.code, result.out) == (code, "")
    (line,) = [line for line in result.err.splitlines() if "error" in line]
    assert message in line
    assert "Traceback" not in result.err
    assert not (tmp_path / "out").exists()


def test_check_prints_a_row_per_ordered_pair(dnabert, tmp_path):
    texts = [letters(80, i) for i in range(10)]
    for name, kept in (("a", texts[:6]), ("b", texts[5:]), ("c", [letters(80, 99)])):
        write_fasta(tmp_path / f"{name}.fa", {f"s{i}": text for i, text in enumerate(kept)})
    paths = [str(tmp_path / f"{name}.fa") for name in "abc"]

    result = dnabert("dataset", "check", *paths)
    bare = dnabert("dataset", "check", *paths, "--no-header")

    assert result.code == 0
    header, *rows = result.out.splitlines()
    assert header == (
        "#part\tother\tn_rows\tn_near_duplicates\tn_repeat_matches\tn_exact\tshare_threshold"
        "\tmax_share"
    )
    assert rows[0] == f"{paths[0]}\t{paths[1]}\t6\t1\t0\t1\t0.5\t1"
    assert rows[1] == f"{paths[0]}\t{paths[2]}\t6\t0\t0\t0\t0.5\t0"
    assert len(rows) == 6
    assert bare.out.splitlines() == rows


def test_check_writes_a_file_once(dnabert, tmp_path):
    for name in "ab":
        write_fasta(tmp_path / f"{name}.fa", {"s": letters(80, ord(name))})
    words = ("dataset", "check", tmp_path / "a.fa", tmp_path / "b.fa", "-o", tmp_path / "out.tsv")
    assert dnabert(*words).code == 0
    assert len((tmp_path / "out.tsv").read_text().splitlines()) == 3
    assert "exists already" in dnabert(*words).err
    assert dnabert(*words, "--force").code == 0


def test_labelled_tables_always_have_a_header(dnabert, genome, sites, tmp_path):
    result = dnabert("dataset", "promoters", sites, "--genome", genome, "-o", tmp_path / "out",
                     "--no-header")  # fmt: skip

    assert result.code == 2
    assert "--no-header belongs to dataset check" in result.err
