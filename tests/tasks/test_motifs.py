"""From two files to named motifs: with a model trained on the spot, one that is given, or none."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dnabert_cli.config import ComputeConfig, TaskConfig
from dnabert_cli.errors import FormatError, ModelError, OptionsError
from dnabert_cli.explain_config import KMERS, LEGACY, PAPER, ExplainConfig, MotifRules, MotifsConfig
from dnabert_cli.formats.meme import write_meme
from dnabert_cli.records import Motif
from dnabert_cli.tasks import motifs as m
from dnabert_cli.tasks.motifs import MotifInputs, motifs
from tests.motif_toys import MOTIF, planted, random_sequences, seeing, write_fasta
from tests.toys import save_bert

COMPUTE = ComputeConfig(precision="fp32", threads=1)
BY_KMERS = MotifsConfig(explain=ExplainConfig(method=KMERS), compute=COMPUTE)
BY_MODEL = MotifsConfig(epochs=6, learning_rate=2e-3, compute=COMPUTE)
# The attention of the tiny model lies on one 3-mer.
TINY = MotifRules(min_length=3, window=12)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("motifs")


@pytest.fixture(scope="module")
def files(folder):
    return (
        write_fasta(folder / "p.fa", planted(1)),
        write_fasta(folder / "n.fa", random_sequences(2)),
    )


@pytest.fixture(scope="module")
def trained(folder):
    """What was found from nothing but a base, and the model that was kept: a TATA box."""
    base = save_bert(folder / "base", TaskConfig(k=3, classes=("a", "b")))
    boxed = [one[:14] + "TATAAATA" + one[22:] for one in random_sequences(3, 100, 40)]
    inputs = MotifInputs(
        write_fasta(folder / "boxed.fa", boxed),
        write_fasta(folder / "plain.fa", random_sequences(4, 100, 40)),
        save_model=folder / "kept",
    )
    return inputs, motifs(inputs, replace(BY_MODEL, base=str(base)), TINY)


def text_of(found, tmp_path):
    with (tmp_path / "found.meme").open("w") as handle:
        write_meme([one.motif for one in found.motifs], handle)
    return (tmp_path / "found.meme").read_bytes()


def test_a_motif_is_found_from_nothing(trained):
    _, found = trained

    assert found.auroc > 0.95
    assert "TATAAATA" in found.motifs[0].motif.alternate_name
    assert found.model.endswith("base, fine-tuned")
    assert found.reasons == []


def test_the_model_that_was_kept_finds_the_same(trained, tmp_path):
    inputs, found = trained
    assert not [path for path in inputs.save_model.parent.iterdir() if path.name[0] == "."]

    again = motifs(
        MotifInputs(inputs.positives, inputs.negatives, models=[str(inputs.save_model)]),
        BY_MODEL,
        TINY,
    )

    assert again.auroc is None
    assert text_of(again, tmp_path) == text_of(found, tmp_path) != b""


@pytest.mark.parametrize("method", ["ig", "ism"])
def test_gradients_and_substitutions_find_it_too(trained, method):
    inputs, _ = trained
    given = MotifInputs(inputs.positives, inputs.negatives, models=[str(inputs.save_model)])
    config = replace(BY_MODEL, max_sequences=40, explain=ExplainConfig(method=method))

    found = motifs(given, config, replace(TINY, min_length=4))

    assert "TAAATA" in found.motifs[0].motif.alternate_name


def test_the_planted_motif_is_the_first_of_those_by_kmers(files):
    found = motifs(MotifInputs(*files), BY_KMERS, PAPER)

    assert MOTIF in found.motifs[0].motif.alternate_name
    assert (found.auroc, found.model) == (None, "k-mers, no model")


def test_a_name_is_number_and_key_and_beside_it_the_consensus(files, monkeypatch):
    monkeypatch.setattr(m, "explain", seeing(MOTIF, MOTIF[2:6]))

    found = motifs(MotifInputs(*files, models=["any"]), BY_MODEL, PAPER).motifs

    assert [(one.motif.name, one.motif.alternate_name) for one in found] == [("1_CGTT", MOTIF)]
    assert found[0].found.members == ("CGTT", MOTIF)


def test_matrices_are_trimmed_unless_told_otherwise(files, monkeypatch):
    monkeypatch.setattr(m, "explain", seeing(MOTIF))
    inputs = MotifInputs(*files, models=["any"])

    (cut,) = motifs(inputs, BY_MODEL, PAPER).motifs
    (whole,) = motifs(inputs, replace(BY_MODEL, trim=False), PAPER).motifs

    assert (len(cut.motif.matrix), len(whole.motif.matrix)) == (8, 24)
    assert whole.motif.matrix[8:16] == cut.motif.matrix
    assert whole.motif.alternate_name == MOTIF


def test_the_e_value_is_p_times_the_candidates(files):
    found = motifs(MotifInputs(*files), BY_KMERS, PAPER)

    one = found.motifs[0]
    n_candidates = len(found.results[0].candidates)
    assert n_candidates > 1000
    assert one.motif.e_value == one.found.p_value * n_candidates
    assert one.test.p_value == one.found.p_value
    assert one.test.sequence in one.found.members


def test_both_classes_have_motifs_of_their_own(folder, files):
    other = write_fasta(folder / "o.fa", planted(5, motif="GGATTACA"))

    found = motifs(MotifInputs(files[0], other), replace(BY_KMERS, differential=True), PAPER)

    first = {one.motif.name.split("_")[0]: one for one in found.motifs}
    assert MOTIF in first["a1"].motif.alternate_name
    assert "GGATTACA" in first["b1"].motif.alternate_name
    assert first["b1"].rows.positives == found.rows.negatives
    assert {name[0] for name in first} == {"a", "b"}


@pytest.mark.parametrize("method", ["attention", "ig", "ism"])
def test_the_second_class_is_explained_for_itself(files, tiny_model, monkeypatch, method):
    asked = []

    def explain(sequences, models, config, *_, **__):
        asked.append(config.target)
        return seeing()(sequences)

    monkeypatch.setattr(m, "explain", explain)
    config = replace(BY_MODEL, differential=True, explain=ExplainConfig(method=method))

    motifs(MotifInputs(*files, models=[str(tiny_model)]), config, PAPER)

    # the tiny model tells "other", its background, from "promoter"
    assert asked == [None, None if method == "attention" else "other"]


def test_scores_that_may_be_negative_have_no_lowest_to_exceed(files, monkeypatch):
    used = []
    find_motifs = m.find_motifs
    monkeypatch.setattr(m, "explain", seeing(MOTIF))
    monkeypatch.setattr(
        m, "find_motifs", lambda *all_: (used.append(all_[3]), find_motifs(*all_))[1]
    )

    for method in ("attention", "ig", "ism"):
        config = replace(BY_MODEL, explain=ExplainConfig(method=method))
        motifs(MotifInputs(*files, models=["any"]), config, LEGACY)

    assert used == [LEGACY, *[replace(LEGACY, above_min=None)] * 2]


def test_nothing_found_says_why(folder):
    inputs = MotifInputs(
        write_fasta(folder / "r1.fa", random_sequences(6)),
        write_fasta(folder / "r2.fa", random_sequences(7)),
    )

    (reason,) = motifs(inputs, BY_KMERS, PAPER).reasons
    both = motifs(inputs, replace(BY_KMERS, differential=True), PAPER).reasons

    assert reason.startswith("no motif: none of ")
    assert [text.split(":")[0] for text in both] == [
        "no motif of the first class",
        "no motif of the second class",
    ]


def test_the_nearest_motif_of_a_database_is_told(files, folder):
    rows = np.eye(4)[["ACGT".index(letter) for letter in MOTIF]].tolist()
    generator = np.random.default_rng(8)
    others = [
        Motif(f"r{i}", tuple(map(tuple, generator.dirichlet([0.3] * 4, 8).tolist())))
        for i in range(30)
    ]
    with (folder / "known.meme").open("w") as handle:
        write_meme([*others, Motif("it", tuple(map(tuple, rows)), "planted")], handle)

    found = motifs(MotifInputs(*files, database=str(folder / "known.meme")), BY_KMERS, PAPER)

    assert found.motifs[0].best_motif.name == "it"
    assert found.motifs[0].best.q_value < 1e-4


def test_a_database_without_motifs_matches_nothing(files, folder, caplog):
    (folder / "none.meme").write_text("MEME version 4\n\nALPHABET= ACGT\n")

    found = motifs(MotifInputs(*files, database=str(folder / "none.meme")), BY_KMERS, PAPER)

    assert found.motifs[0].best is None
    assert "none.meme holds no motif" in caplog.text


@pytest.mark.parametrize("stop", [KeyboardInterrupt, SystemExit, FormatError("a", "b")])
def test_an_interrupted_training_leaves_nothing(files, tmp_path, monkeypatch, stop):
    monkeypatch.setattr(m, "check_training", lambda *_, **__: None)

    def interrupted(rows, config, folder, *_, **__):
        (folder / "half").write_text("")
        assert folder.parent == tmp_path
        raise stop

    monkeypatch.setattr(m, "train", interrupted)

    with pytest.raises(type(stop) if isinstance(stop, Exception) else stop):
        motifs(MotifInputs(*files, save_model=tmp_path / "kept"), BY_MODEL, PAPER)
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_answers_every_base_is_refused(files, tmp_path):
    task = TaskConfig(k=3, classes=("a", "b"), head="token")
    save_token_model(tmp_path / "token", task)

    with pytest.raises(ModelError, match="answers every base"):
        motifs(MotifInputs(*files, models=[str(tmp_path / "token")]), BY_MODEL, PAPER)


def save_token_model(folder: Path, task: TaskConfig) -> None:
    from dnabert_cli.core.checkpoint import build_network, save_model
    from tests.toys import bert_config

    save_model(folder, build_network(bert_config(task.k), task).eval(), task)


@pytest.mark.parametrize(
    ("inputs", "changes", "message"),
    [
        ({"positives": "-", "negatives": "-"}, {}, "only one input can be standard input"),
        ({"database": "-", "negatives": "-"}, {}, "only one input can be standard input"),
        ({"genome": "-"}, {}, "--genome - can be read for one file only"),
        ({"negatives": None}, {"differential": True}, "--differential compares two files"),
        ({}, {"differential": True, "explain": ExplainConfig(target="x")}, "--target names one"),
        ({"models": ["x"]}, {"explain": BY_KMERS.explain}, "asks no model; leave --model out"),
        (
            {"save_model": Path("x")},
            {"explain": BY_KMERS.explain},
            "asks no model; leave --save-model out",
        ),
        (
            {},
            {"explain": ExplainConfig(method=KMERS, layer=1)},
            "asks no model; leave --layer out",
        ),
        ({"models": ["x"], "save_model": Path("x")}, {}, "--save-model keeps a model trained here"),
    ],
)
def test_contradictions_are_refused_before_anything_is_read(inputs, changes, message):
    given = MotifInputs(**{"positives": "no.fa", "negatives": "such.fa"} | inputs)

    with pytest.raises(OptionsError, match=message):
        motifs(given, replace(MotifsConfig(), **changes), PAPER)
