"""`dnabert merge`: what the shards and the merge write is what one run would have written."""

import numpy as np
import pytest

from dnabert_cli.core import device
from dnabert_cli.core.ensemble import Ensemble
from dnabert_cli.tasks import predict as predict_task
from dnabert_cli.tasks import scan as scan_task
from tests.unit_toys import rewrite, run_shards


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Units are small, and the inputs `genome.fa` and `rows.tsv` are named from here."""
    monkeypatch.setattr(scan_task, "UNIT_BASES", 64)
    monkeypatch.setattr(predict_task, "CHUNK_ROWS", 2)
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(5)
    texts = ["".join(random.choice(list("ACGT"), n)) for n in (300, 100, 30, 2, 70)]
    texts[0] = texts[0][:150] + 140 * "N" + texts[0][290:]
    records = (f">chr{i}\n{text}\n" for i, text in enumerate(texts))
    (tmp_path / "genome.fa").write_text("".join(records))
    rows = (f"{text[i : i + 40]}\n" for text in texts[1:] for i in (0, 20))
    (tmp_path / "rows.tsv").write_text("sequence\n" + "".join(rows))
    return tmp_path


@pytest.fixture
def no_computing(monkeypatch):
    """Return a function after which no model may be asked for anything."""

    def forbid():
        for name in ("score_windows", "score_sequences", "embed_sequences", "score_bases"):
            monkeypatch.setattr(Ensemble, name, None)

    return forbid


@pytest.mark.parametrize(
    "words",
    [
        ["scan", "genome.fa", "--threshold", "0.4"],
        ["scan", "genome.fa", "--all-windows", "--no-header", "--strand", "-"],
        ["scan", "genome.fa", "--regions", "regions.bed", "--max-unknown", "0.5"],
        ["predict", "rows.tsv"],
        ["predict", "genome.fa", "--aggregate", "windows", "--stride", "7"],
    ],
)
@pytest.mark.parametrize("count", [1, 3])
def test_merged_shards_are_what_one_run_writes(
    dnabert, folder, tiny_model, no_computing, words, count
):
    (folder / "regions.bed").write_text("chr0\t0\t200\nchr1\t10\t90\n")
    words = [*words, "--model", tiny_model]
    said = dnabert(*words, "-o", "whole", "--manifest", "whole.json").err
    parts = run_shards(dnabert, words, count)
    no_computing()

    result = dnabert("merge", *reversed(parts), "-o", "merged", "--manifest", "merged.json")

    assert (result.code, result.out) == (0, "")
    assert (folder / "merged").read_bytes() == (folder / "whole").read_bytes()
    assert (folder / "merged").stat().st_size > 200
    assert (folder / "merged.json").read_bytes() == (folder / "whole.json").read_bytes()
    assert result.err == said.splitlines(keepends=True)[-1]
    assert [each.name for each in folder.glob(".*")] == []


def test_calls_across_units_of_different_shards_are_joined(dnabert, folder, tiny_model):
    words = ["scan", "genome.fa", "--model", tiny_model, "--threshold", "0.3"]
    parts = run_shards(dnabert, words, 2)

    merged = dnabert("merge", *parts).out

    rows = [line.split("\t") for line in merged.splitlines()[1:]]
    assert any(int(row[1]) // 64 != (int(row[2]) - 30) // 64 for row in rows)
    assert merged == dnabert(*words).out


def test_a_merge_writes_to_standard_output(dnabert, folder, tiny_model):
    parts = run_shards(dnabert, ["scan", "genome.fa", "--model", tiny_model], 2)

    result = dnabert("merge", *parts, "-q")

    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("#chrom\tstart")


def test_embeddings_of_shards_are_written_by_the_merge(dnabert, folder, tiny_model, no_computing):
    words = ["predict", "rows.tsv", "--model", tiny_model, "--embeddings"]
    assert dnabert(*words, "whole.npz").code == 0
    parts = run_shards(dnabert, [*words, "whole.npz"], 2)
    no_computing()

    assert dnabert("merge", *parts, "-o", "table", "--embeddings", "merged.npz").code == 0

    with np.load("merged.npz") as merged, np.load("whole.npz") as whole:
        assert merged["names"].tolist() == whole["names"].tolist()
        assert merged["vectors"].tobytes() == whole["vectors"].tobytes()


def test_options_of_a_file_are_those_of_the_merge(dnabert, folder, tiny_model):
    (folder / "run.toml").write_text("all_windows = true\nstride = 10\n")
    words = ["scan", "genome.fa", "--model", tiny_model, "--config", "run.toml"]
    parts = run_shards(dnabert, words, 2)
    (folder / "run.toml").unlink()

    rows = dnabert("merge", *parts, "--force").out.splitlines()[1:]

    assert {int(row.split("\t")[1]) % 10 for row in rows if row.startswith("chr2")} == {0}


def test_a_model_per_base_is_merged_too(dnabert, folder, tmp_path, no_computing):
    import torch

    from dnabert_cli.config import ModelConfig, TaskConfig
    from dnabert_cli.core.checkpoint import build_network, save_model

    task = TaskConfig(k=3, classes=("0", "1"), head="token", window=30)
    config = ModelConfig(vocab_size=4**3 + 5, hidden_size=16, num_hidden_layers=1,
                         num_attention_heads=1, intermediate_size=16)  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        save_model(tmp_path / "model", build_network(config, task), task)
    words = ["predict", "rows.tsv", "--model", tmp_path / "model"]
    whole = dnabert(*words).out
    parts = run_shards(dnabert, words, 3)
    no_computing()

    merged = dnabert("merge", *parts).out

    assert merged == whole
    assert merged.count("\n") > 200


@pytest.fixture
def parts(dnabert, folder, tiny_model):
    return run_shards(dnabert, ["scan", "genome.fa", "--model", tiny_model], 2)


def assert_one_line(result, code, said):
    assert (result.code, result.out) == (code, "")
    (line,) = result.err.splitlines()
    assert said in line


def test_an_input_that_is_gone_is_one_line(dnabert, folder, parts):
    (folder / "genome.fa").unlink()

    result = dnabert("merge", *parts, "-o", "out")

    assert_one_line(result, 1, "genome.fa: no such file")
    assert not (folder / "out").exists()


def test_an_input_that_changed_is_one_line(dnabert, folder, parts):
    text = (folder / "genome.fa").read_text()
    (folder / "genome.fa").write_text(text.replace("A", "C", 1))

    result = dnabert("merge", *parts, "-o", "out")

    assert_one_line(result, 1, "a unit is missing from all parts: the input is not what the shards")
    assert not (folder / "out").exists()


def test_a_model_that_changed_is_one_line(dnabert, folder, parts, tiny_model, tmp_path):
    import shutil

    shutil.copytree(tiny_model, "model")
    words = ["scan", "genome.fa", "--model", "model"]
    parts = run_shards(dnabert, [*words, "--force"], 2)
    config = folder / "model" / "config.json"
    config.write_text(config.read_text() + "\n")

    assert_one_line(
        dnabert("merge", *parts), 1, "the parts are of another run: models.1.config was"
    )


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["part1"], 1, "shard 2 of 2 is missing"),
        (["part1", "part1", "part2"], 1, "part1 and part1 are both shard 1/2"),
        (["part1", "genome.fa"], 1, "genome.fa: is no file of units"),
        (["part1", "absent"], 1, "absent: cannot be read: No such file"),
        (["part1", "part2", "-o", "part1", "--force"], 2, "part1 is both input and output"),
        (["part1", "part2", "-o", "genome.fa"], 1, "genome.fa exists already"),
        (["part1", "part2", "-o", "genome.fa", "--force"], 2, "genome.fa is both input and output"),
        (["part1", "part2", "-o", "x", "--manifest", "x"], 2, "x is named for two outputs"),
    ],
)
def test_what_cannot_be_merged_is_one_line(dnabert, parts, words, code, said):
    assert_one_line(dnabert("merge", *words), code, said)


def test_no_parts_are_a_wrong_command_line(dnabert):
    assert dnabert("merge").code == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--embeddings", "v.npz"], "--embeddings: the shards hold none (hint: run them with"),
        (["--enrichment", "e.tsv"], "--enrichment: the parts are of `predict`, which writes none"),
    ],
)
def test_an_output_that_shards_have_nothing_for_is_refused(
    dnabert, folder, tiny_model, words, said
):
    parts = run_shards(dnabert, ["predict", "rows.tsv", "--model", tiny_model], 1)

    assert_one_line(dnabert("merge", *parts, *words), 2, said)


def test_shards_of_other_hardware_are_other_runs(dnabert, folder, tiny_model, monkeypatch):
    """`auto` was bf16 on one machine and fp32 on the other, and they were merged silently."""
    for number in (1, 2):
        monkeypatch.setattr(device, "has_native_bf16", lambda _, is_native=number == 2: is_native)
        words = ["scan", "genome.fa", "--model", tiny_model, "--shard", f"{number}/2"]
        assert dnabert(*words, "-o", f"part{number}").code == 0

    assert_one_line(
        dnabert("merge", "part1", "part2"), 1,
        'part2 is a shard of another run than part1: precision was "fp32", is "bf16"',
    )  # fmt: skip


def test_a_merge_may_run_on_other_hardware(dnabert, folder, tiny_model, monkeypatch):
    words = ["scan", "genome.fa", "--model", tiny_model]
    monkeypatch.setattr(device, "has_native_bf16", lambda _: False)
    whole = dnabert(*words).out
    parts = run_shards(dnabert, words, 2)
    monkeypatch.setattr(device, "has_native_bf16", lambda _: True)

    assert dnabert("merge", *parts).out == whole


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        (lambda header: header.update(command="nonsense"), 1, "'nonsense', which has no shards"),
        (lambda header: header.update(command="finetune"), 1, "'finetune', which has no shards"),
        (lambda header: header.update(command="merge"), 1, "'merge', which has no shards"),
        (lambda header: header["options"].pop("genome"), 1, "does not know 'genome'"),
        (lambda header: header["options"].update(threshold="x"), 2, "Invalid value"),
        (lambda header: header["options"].update(genome=None), 2, "Missing argument"),
        (lambda header: header["options"].update(threshold={}), 2, "Invalid value"),
        (lambda header: header["options"].update(max_unknown=None), 1, "value for 'max_unknown'"),
        (lambda header: header["options"].update(genome="\ud800"), 1, "what no path can be"),
        (lambda header: header["options"].update(genome="a\0b"), 1, "its header holds NUL"),
    ],
)
def test_a_hostile_header_is_no_bug(dnabert, folder, parts, change, code, said):
    for path in parts:
        rewrite(path, header=change)

    result = dnabert("merge", *parts)

    assert (result.code, result.out) == (code, "")
    assert said in result.err
    assert "Traceback" not in result.err
