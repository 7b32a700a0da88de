"""`dnabert merge` with files from a stranger: they name no output, ask no network, harm nothing."""

import numpy as np
import pytest

from dnabert_cli.cli.app import app
from dnabert_cli.cli.units import OF_ONE_RUN
from dnabert_cli.tasks import predict as predict_task
from dnabert_cli.tasks import scan as scan_task
from tests.formats.annotation_toys import indexed
from tests.unit_toys import rewrite, run_shards
from tests.variant_files import COLUMNS, FIRST, META, other

OF_ONE_CLASS = ("starts 1 +", "scores 1 +")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The input `genome.fa`, of some units, is named from here."""
    monkeypatch.setattr(scan_task, "UNIT_BASES", 64)
    monkeypatch.setattr(predict_task, "CHUNK_ROWS", 2)
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(6)
    texts = ["".join(random.choice(list("ACGT"), n)) for n in (130, 30, 70)]
    (tmp_path / "genome.fa").write_text("".join(f">{i}\n{each}\n" for i, each in enumerate(texts)))
    return tmp_path


def assert_one_line(result, code, said):
    assert (result.code, result.out) == (code, "")
    assert said in result.err.splitlines()[-1]
    assert "Traceback" not in result.err


def files_of(command):
    """Return the options of a command that name files and that a merge takes from its parts."""
    (info,) = (each for each in app.registered_commands if each.name == command)
    import typer.main

    options = typer.main.get_command_from_info(
        info, pretty_exceptions_short=True, rich_markup_mode=None
    ).params
    named = {str(one.name) for one in options if str(one.metavar).startswith("FILE")}
    return named - set(OF_ONE_RUN)


@pytest.mark.parametrize(
    ("command", "read"), [("scan", set()), ("predict", set()), ("variants", {"vcf", "annotate"})]
)
def test_the_files_that_a_part_may_name_are_read_only(command, read):
    assert files_of(command) == read


def test_a_part_names_no_output(dnabert, folder, tiny_model):
    """Embeddings went to the file that the part named: anybody's `.bashrc`."""
    words = ["predict", "genome.fa", "--model", tiny_model, "--embeddings", "x.npz"]
    parts = run_shards(dnabert, words, 1)
    places = {"embeddings": ".bashrc", "manifest": ".profile", "output": "o", "enrichment": "e"}
    rewrite(parts[0], header=lambda header: header["options"].update(places, force=True))
    before = sorted(folder.iterdir())

    result = dnabert("merge", *parts)

    assert result.code == 0
    assert "the shards hold embeddings; --embeddings FILE writes them" in result.err
    assert sorted(folder.iterdir()) == before


@pytest.mark.parametrize("words", [[], ["--download"]])
def test_a_part_asks_no_network(dnabert, folder, tiny_model, monkeypatch, words):
    """The part alone decided that a model of the hub was downloaded."""
    from huggingface_hub.errors import LocalEntryNotFoundError

    asked = []

    def refuse(name, *, local_files_only, **_):
        asked.append((name, local_files_only))
        raise LocalEntryNotFoundError("nothing here")

    monkeypatch.setattr("huggingface_hub.snapshot_download", refuse)
    parts = run_shards(dnabert, ["scan", "genome.fa", "--model", tiny_model], 1)
    foreign = {"model": ["hf:some/body"], "download": True}
    rewrite(parts[0], header=lambda header: header["options"].update(foreign))

    result = dnabert("merge", *parts, *words)

    assert_one_line(result, 1, "is there a network?" if words else "nothing is downloaded unasked")
    assert set(asked) == {("some/body", not words)}


def test_an_enrichment_is_written_by_the_merge(run, dnabert, here):
    known = f"chr1\t41\tk40\t{FIRST[40]}\t{other(FIRST[40])}\t.\t.\tSIG=path\n"
    meta = META + '##INFO=<ID=SIG,Number=1,Type=String,Description="Meaning">\n'
    indexed(here, f"{meta}{COLUMNS}\n{known}")
    words = ["--annotate", "known.vcf.gz", "--fields", "SIG", "--strong", 0.000001]
    assert run(*words, "--enrichment", "whole.tsv").code == 0
    assert run(*words, "--shard", "1/1", "-o", "part").code == 0

    assert dnabert("merge", "part", "--enrichment", "merged.tsv").code == 0

    assert (here / "merged.tsv").read_bytes() == (here / "whole.tsv").read_bytes()


def test_an_enrichment_of_a_shard_is_refused(run, here):
    """It was accepted and never written."""
    (here / "known.vcf.gz").touch()
    words = ["--annotate", "known.vcf.gz", "--enrichment", "e.tsv"]
    meta = f"{META}{COLUMNS}\n"
    indexed(here, meta)

    result = run(*words, "--shard", "1/1", "-o", "part")

    assert_one_line(result, 2, "--enrichment belongs to the result: give it to `dnabert merge`")


def test_embeddings_of_a_shard_are_told_to_belong_to_the_merge(dnabert, folder, tiny_model):
    (folder / "there.npz").touch()
    words = ["predict", "genome.fa", "--model", tiny_model, "--embeddings", "there.npz"]

    result = dnabert(*words, "--shard", "1/2", "-o", "part")

    assert result.code == 0
    assert "`dnabert merge --embeddings FILE` writes them" in result.err
    assert (folder / "there.npz").stat().st_size == 0


def put(**changes):
    return lambda arrays: arrays.update(changes)


def add_far(arrays):
    arrays["starts 1 +"] = np.append(arrays["starts 1 +"], 1 << 40)
    arrays["scores 1 +"] = np.append(arrays["scores 1 +"], np.float32(0.9))


@pytest.mark.parametrize(
    ("words", "change", "said"),
    [
        (["scan"], dict.clear, "is missing"),
        (["scan"], lambda arrays: arrays.pop("n_windows"), "'n_windows' is missing"),
        (["scan"], add_far, "'starts 1 +' holds what is out of range"),
        (["scan"], put(**{"scores 1 +": np.zeros(99, np.float32)}), "'scores 1 +' has the shape"),
        (
            ["scan", "--all-windows"],
            lambda arrays: arrays["classes -"].fill(9),
            "'classes -' holds what is out of range",
        ),
        (
            ["scan", "--all-windows"],
            lambda arrays: arrays["scores -"].fill(np.nan),
            "'scores -' holds what is not a number",
        ),
        (["predict"], dict.clear, "'scores' is missing"),
        (["predict"], put(scores=np.zeros((1, 2))), "'scores' has the shape [1, 2]"),
        (["predict", "--aggregate", "windows"], put(scores=np.zeros((2, 2))), "'scores' has the"),
        (
            ["predict", "--embeddings", "v.npz"],
            lambda arrays: arrays.update(vectors=arrays["vectors"][:, :5]),
            "'vectors' has the shape [2, 5]",
        ),
    ],
)
def test_answers_that_no_shard_has_written_are_damage(
    dnabert, folder, tiny_model, words, change, said
):
    """They ended in a traceback."""
    command, *more = words
    parts = run_shards(dnabert, [command, "genome.fa", "--model", tiny_model, *more], 1)
    rewrite(parts[0], answers=change)

    assert_one_line(dnabert("merge", *parts, "-o", "out"), 1, "part1: is damaged: ")
    assert said in dnabert("merge", *parts, "-o", "out").err


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (dict.clear, "'scores' is missing"),
        (lambda arrays: arrays["reasons"].fill(200), "'reasons' holds what is out of range"),
        (lambda arrays: arrays["scores"].fill(7), "'scores' holds what is out of range"),
        (lambda arrays: arrays.update(scores=arrays["scores"][1:]), "'scores' has the shape"),
    ],
)
@pytest.mark.parametrize("words", [[], ["--null", 3]])
def test_scores_that_no_shard_has_written_are_damage(run, dnabert, here, change, said, words):
    """A reason of number 200 ended in a traceback."""
    assert run(*words, "--shard", "1/1", "-o", "part").code == 0
    rewrite(here / "part", answers=change)

    assert_one_line(dnabert("merge", "part", "-o", "out.vcf"), 1, f"part: is damaged: {said}")


def test_answers_per_base_that_no_shard_has_written_are_damage(dnabert, folder):
    from dnabert_cli.config import TaskConfig
    from dnabert_cli.core.checkpoint import build_network, save_model
    from tests.toys import bert_config

    task = TaskConfig(k=3, classes=("0", "1"), head="token", window=30)
    save_model(folder / "model", build_network(bert_config(), task), task)
    parts = run_shards(dnabert, ["predict", "genome.fa", "--model", "model"], 1)
    rewrite(parts[0], answers=lambda arrays: arrays.update(counts=arrays["counts"][:-1]))

    assert_one_line(dnabert("merge", *parts), 1, "part1: is damaged: 'counts' has the shape")
