"""`dnabert viz` as a user calls it."""

import dataclasses
import json

import pytest

from dnabert_cli.cli import viz as module
from dnabert_cli.explain_config import ExplainConfig, VizConfig
from tests.viz_toys import random_sequence

COLUMNS = "#name\tchrom\tposition\tstrand\tbase\tscore"
SEQUENCE = random_sequence(5, 30)
FP32 = ["--precision", "fp32", "--threads", 1]


def rows_of(text):
    return [line.split("\t") for line in text.splitlines() if line[0] != "#"]


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "in.fa"
    path.write_text(f">a\n{SEQUENCE}\n>b\n{SEQUENCE[::-1]}\n")
    return path


def test_letters_give_a_table_of_bases(dnabert, tiny_model):
    result = dnabert("viz", "--sequence", SEQUENCE, "--model", tiny_model, *FP32)

    assert result.code == 0
    assert result.out.splitlines()[0] == COLUMNS
    rows = rows_of(result.out)
    assert "".join(row[4] for row in rows) == SEQUENCE
    assert [row[:4] for row in rows] == [["seq1", "seq1", str(i), "."] for i in range(30)]
    assert "1 sequences, attention" in result.err


def test_standard_input_equals_a_file_and_an_output_file(dnabert, tiny_model, fasta, tmp_path):
    out = tmp_path / "out.tsv"

    named = dnabert("viz", fasta, "--model", tiny_model)
    piped = dnabert("viz", "-", "--model", tiny_model, stdin=fasta.read_text())
    written = dnabert("viz", fasta, "--model", tiny_model, "-o", out)

    assert named.out == piped.out == out.read_text()
    assert written.out == ""


def test_both_strands_of_a_bed_lie_on_the_same_bases(dnabert, tiny_model, tmp_path):
    (tmp_path / "g.fa").write_text(f">chr1\n{'ACGTT' * 20}\n")
    (tmp_path / "in.bed").write_text("chr1\t20\t50\tx\t0\t+\nchr1\t20\t50\ty\t0\t-\n")

    result = dnabert(
        "viz", tmp_path / "in.bed", "--genome", tmp_path / "g.fa", "--model", tiny_model, *FP32
    )

    rows = rows_of(result.out)
    for strand in "+-":
        of_strand = [row for row in rows if row[3] == strand]
        assert [int(row[2]) for row in of_strand] == list(range(20, 50))
    pairs = {a[4] + b[4] for a, b in zip(rows[:30], rows[30:], strict=True)}
    assert pairs == {"AT", "TA", "CG", "GC"}


def test_a_reverse_row_mirrors_the_scores_of_its_letters(dnabert, tiny_model, tmp_path):
    (tmp_path / "g.fa").write_text(f">chr1\n{SEQUENCE}\n")
    (tmp_path / "in.bed").write_text("chr1\t0\t30\tx\t0\t-\n")
    letters = SEQUENCE[::-1].translate(str.maketrans("ACGT", "TGCA"))

    mirrored = dnabert(
        "viz", tmp_path / "in.bed", "--genome", tmp_path / "g.fa", "--model", tiny_model, *FP32
    )
    plain = dnabert("viz", "--sequence", letters, "--model", tiny_model, *FP32)

    assert [row[5] for row in rows_of(mirrored.out)] == [
        row[5] for row in rows_of(plain.out)
    ][::-1]  # fmt: skip


def test_a_picture_goes_to_standard_output_too(dnabert, tiny_model, fasta):
    result = dnabert("viz", fasta, "--model", tiny_model, "--format", "svg")
    assert result.code == 0
    assert result.out.startswith("<?xml")


def test_names_make_no_files(dnabert, tiny_model, tmp_path):
    folder = tmp_path / "here"
    folder.mkdir()
    names = ["../../x", "a" * 300, "/tmp/y", "$x$", "<b>", "[red]"]
    (folder / "in.fa").write_text("".join(f">{name}\n{SEQUENCE}\n" for name in names))
    for suffix in ("tsv", "bdg", "bw", "svg", "html"):
        result = dnabert(
            "viz", folder / "in.fa", "--model", tiny_model, "-o", folder / f"o.{suffix}"
        )
        assert (result.code, result.out) == (0, "")
    assert {path.name for path in folder.iterdir()} == {
        "in.fa", "o.tsv", "o.bdg", "o.bw", "o.svg", "o.html",
    }  # fmt: skip
    assert [path.name for path in tmp_path.iterdir()] == ["here"]


def test_a_short_sequence_is_counted_and_has_no_score(dnabert, tiny_model):
    result = dnabert("viz", "--sequence", "AC", "--sequence", SEQUENCE, "--model", tiny_model)
    assert result.code == 0
    assert [row[5] for row in rows_of(result.out)[:2]] == [".", "."]
    assert "1 of 2 sequences have no scores: shorter than a k-mer" in result.err


def test_equal_runs_write_equal_files(dnabert, tiny_model, fasta, tmp_path):
    written = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        for suffix in ("tsv", "bedgraph.gz", "svg", "html"):
            out = tmp_path / name / f"o.{suffix}"
            assert dnabert("viz", fasta, "--model", tiny_model, *FP32, "-o", out).code == 0
        written.append({path.name: path.read_bytes() for path in (tmp_path / name).iterdir()})
    assert len(written[0]) == 4
    assert written[0] == written[1]


def test_the_manifest_says_what_was_done(dnabert, tiny_model, fasta, tmp_path):
    out = tmp_path / "m.json"
    result = dnabert("viz", fasta, "--model", tiny_model, "--rollout", "--manifest", out)
    assert result.code == 0
    values = json.loads(out.read_text())
    assert values["command"] == "viz"
    assert values["counts"] == {"n_rows": 2, "n_without_scores": 0}
    assert values["options"]["explain"]["rollout"] is True


WIRING = {
    "--plot": ("context", "plot", "context"),
    "--method": ("ig", "explain.method", "ig"),
    "--layer": (1, "explain.layer", 1),
    "--head": (1, "explain.head", 1),
    "--rollout": (None, "explain.rollout", True),
    "--legacy": (None, "explain.legacy", True),
    "--target": ("promoter", "explain.target", "promoter"),
    "--steps": (7, "explain.steps", 7),
    "--anchor": (3, "anchor", 3),
    "--token": (4, "token", 4),
    "--cutoff": (0.5, "cutoff", 0.5),
    "--max-sequences": (9, "max_sequences", 9),
    "--by-input": (None, "by_input", True),
    "--seed": (5, "seed", 5),
    "--device": ("cpu", "compute.device", "cpu"),
    "--precision": ("fp32", "compute.precision", "fp32"),
    "--threads": (2, "compute.threads", 2),
    "--batch-tokens": (77, "compute.batch_tokens", 77),
    "--genome": ("g.fa", "inputs.genome", "g.fa"),
    "--download": (None, "inputs.download", True),
    "--sequence": ("ACGT", "inputs.sequences", ["ACGT"]),
    "--model": ("m2", "inputs.models", ["m", "m2"]),
    "--force": (None, "target.force", True),
    "--no-header": (None, "target.header", False),
    "--format": ("pdf", "target.fmt", "pdf"),
    "--output": ("x.svg", "target.fmt", "svg"),
}
ELSEWHERE = {"--task", "--config", "--manifest", "--verbose", "--quiet", "--help"}


@pytest.fixture
def received(monkeypatch):
    """What the command hands to its task."""
    from dnabert_cli.tasks import viz as work
    from dnabert_cli.tasks import viz_outputs

    found = {}

    def show(inputs, config, target, *, progress):
        assert progress is not None
        found.update({"config": config, "inputs": inputs, "target": target})
        return work.VizCounts()

    monkeypatch.setattr(work, "check", lambda *_: None)
    monkeypatch.setattr(viz_outputs, "show", show)
    return found


@pytest.mark.parametrize("option", WIRING)
def test_each_option_reaches_the_task(dnabert, received, option, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    value, path, expected = WIRING[option]

    words = [option] if value is None else [option, value]
    assert dnabert("viz", "in.fa", "--model", "m", *words).code == 0

    first, _, rest = path.rpartition(".")
    holder = received[first] if first in ("inputs", "target") else received["config"]
    if first in ("explain", "compute"):
        holder = getattr(holder, first)
    assert getattr(holder, rest) == expected


def test_every_option_is_wired():
    import typer

    from dnabert_cli.cli.app import app

    options = {
        name
        for parameter in typer.main.get_command(app).commands["viz"].params
        for name in parameter.opts
        if name.startswith("--")
    }
    assert options - ELSEWHERE == set(WIRING)


def test_defaults_are_those_of_the_config(dnabert, received):
    dnabert("viz", "in.fa", "--model", "m")
    assert received["config"] == VizConfig(explain=ExplainConfig())
    names = {field.name for field in dataclasses.fields(VizConfig)}
    assert names - {path.split(".")[0] for _, path, _ in WIRING.values()} == {"n_shuffles"}


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["-o", "x.doc"], 2, "x.doc: format 'doc' is unknown"),
        (["--format", "doc"], 2, "error: format 'doc' is unknown"),
        (["--plot", "pie", "-o", "x.png"], 2, "--plot pie is unknown"),
        (["--method", "kmers"], 2, "--method kmers is unknown; known: attention, ig, ism"),
        (["--plot", "logo"], 2, "--plot logo is a picture, and the output is tsv"),
        (["--plot", "logo", "-o", "x.png"], 2, "--plot logo shows one sequence, and 2 are given"),
        (["--token", "3"], 2, "--token belongs to --plot context"),
        (["--plot", "context", "--max-sequences", "1", "--token", "30", "-o", "x.png"], 2,
         "--token 30: no k-mer"),
        (["--cutoff", "1"], 2, "--cutoff is a weight of attention"),
        (["--target", "x", "--method", "ig"], 2, "--target x is no class of the model"),
        (["--target", "promoter"], 2, "attention belongs to no output"),
        (["--layer", "2"], 2, "has 2 layers, counted from 0"),
        (["--head", "2"], 2, "has 2 heads, counted from 0"),
        (["--rollout", "--head", "0"], 2, "--rollout takes the mean over heads"),
        (["--method", "ism", "--rollout"], 2, "--rollout belongs to --method attention"),
        (["--format", "bigwig"], 2, "cannot write bigWig to standard output"),
        (["--task", "prom"], 2, "--task stands for its bundled model"),
        (["-", "--genome", "-"], 2, "only one input can be standard input"),
        (["--sequence", ""], 1, "--sequence: sequence 1 has no letters"),
        (["-o", "nowhere/x.png"], 1, "does not exist"),
        (["-o", "in.fa", "--format", "tsv"], 2, "in.fa is both input and output"),
        (["empty.fa"], 1, "empty.fa: is empty"),
        (["in.bed"], 1, "is BED, which holds no sequence (hint: add --genome FASTA)"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_one_line_and_no_file(
    dnabert, tiny_model, fasta, monkeypatch, arguments, code, message
):
    monkeypatch.chdir(fasta.parent)
    (fasta.parent / "empty.fa").write_text("")
    (fasta.parent / "in.bed").write_text("chr1\t0\t30\n")

    result = dnabert("viz", "in.fa", "--model", tiny_model, *arguments, stdin="")

    assert (result.code, result.out) == (code, "")
    assert message in result.err.splitlines()[-1]
    assert sorted(path.name for path in fasta.parent.iterdir()) == ["empty.fa", "in.bed", "in.fa"]


def test_nothing_to_show_is_refused(dnabert, tiny_model):
    result = dnabert("viz", "--model", tiny_model)
    assert (result.code, result.out) == (2, "")
    assert "there is nothing to show" in result.err


def test_an_existing_file_is_kept_unless_forced(dnabert, tiny_model, fasta, tmp_path):
    out = tmp_path / "o.svg"
    out.write_text("mine")

    refused = dnabert("viz", fasta, "--model", tiny_model, "-o", out)
    assert (refused.code, out.read_text()) == (1, "mine")
    assert "exists already (hint: overwrite it with --force)" in refused.err

    assert dnabert("viz", fasta, "--model", tiny_model, "-o", out, "--force").code == 0
    assert out.read_text().startswith("<?xml")


def test_a_later_file_that_is_broken_leaves_no_output(dnabert, tiny_model, fasta, tmp_path):
    (tmp_path / "bad.fa").write_text(">x\nAC!T\n")
    out = tmp_path / "o.tsv"
    result = dnabert("viz", fasta, tmp_path / "bad.fa", "--model", tiny_model, "-o", out)
    assert (result.code, out.exists()) == (1, False)
    assert "bad.fa:2: '!' in record 'x' is not a DNA letter" in result.err


def test_the_command_loads_its_task_only_when_it_runs():
    assert not hasattr(module, "work")


@pytest.mark.parametrize("asked", [("--method", "ig"), ("--rollout",), ("--head", "0")])
def test_a_context_plot_shows_the_attention_of_every_head(dnabert, tiny_model, tmp_path, asked):
    """Other methods were computed and thrown away."""
    result = dnabert("viz", "--sequence", "ACGTACGTACGTACGT", "--model", tiny_model, "--plot",
                     "context", *asked, "-o", tmp_path / "c.png")  # fmt: skip

    assert result.code == 2
    assert "--plot context shows the attention of every head of one layer" in result.err
