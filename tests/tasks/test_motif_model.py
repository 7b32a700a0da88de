"""The model `motifs` trains for itself: what it could not do is refused before it is trained."""

import logging
from dataclasses import replace

import pytest

from dnabert_cli.config import ComputeConfig, TaskConfig
from dnabert_cli.core.checkpoint import load_model
from dnabert_cli.errors import DataError, ModelError, OptionsError
from dnabert_cli.explain_config import ExplainConfig, MotifsConfig
from dnabert_cli.progress import SILENT
from dnabert_cli.records import Example
from dnabert_cli.tasks.motif_model import check_kept, check_training, keep, train
from dnabert_cli.tasks.motif_rows import MotifRows
from tests.motif_toys import planted, random_sequences
from tests.toys import save_bert

COMPUTE = ComputeConfig(precision="fp32", threads=1)


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    task = TaskConfig(k=3, classes=("a", "b"))
    return str(save_bert(tmp_path_factory.mktemp("base") / "tiny", task, num_hidden_layers=1))


def rows(positives, negatives):
    parts = [
        [Example(letters, name=f"{name}{i}") for i, letters in enumerate(sequences)]
        for name, sequences in (("p", positives), ("n", negatives))
    ]
    return MotifRows(*parts, is_shuffled=False)


TOYS = rows(planted(1, 40, 40), random_sequences(2, 40, 40))


def config(base, **explain):
    return MotifsConfig(base=base, epochs=1, compute=COMPUTE, explain=ExplainConfig(**explain))


@pytest.mark.parametrize(
    "explain",
    [{}, {"layer": 0, "head": 1}, {"legacy": True}, {"method": "ig", "target": "negative"}],
)
def test_what_the_model_can_be_asked_passes(base, explain):
    check_training(TOYS, config(base, **explain))


@pytest.mark.parametrize(
    ("explain", "message"),
    [
        ({"layer": 1}, "--layer 1: .* has 1 layers"),
        ({"head": 2}, "--head 2: .* has 2 heads"),
        ({"target": "positive"}, "attention belongs to no output"),
        ({"method": "ig", "target": "1"}, "--target 1 is no class.*known: negative, positive"),
        ({"method": "ism", "legacy": True}, "--legacy belongs to --method attention"),
    ],
)
def test_what_it_cannot_be_asked_is_refused_before_training(base, explain, message):
    with pytest.raises(OptionsError, match=message):
        check_training(TOYS, config(base, **explain))


def test_the_original_needs_every_kmer(base):
    spaced = replace(config(base, legacy=True), token_stride=3)

    with pytest.raises(OptionsError, match=r"the token stride .* is 3 \(hint: add --token-stride"):
        check_training(TOYS, spaced)


@pytest.mark.parametrize(
    ("letters", "message"),
    [
        ("AC", r"1 sequences are shorter than 3 bases.*'n1' \(hint: leave them out; --method kmer"),
        ("", "1 sequences are shorter than 3 bases"),
        ("A" * 513, r"1 sequences are longer than the 512 bases.*'n1' \(hint: cut them"),
    ],
)
def test_sequences_the_base_cannot_read_are_refused_by_name(base, letters, message):
    with pytest.raises(DataError, match=message):
        check_training(rows(["ACGT"], ["A" * 512, letters]), config(base))


def test_a_base_that_is_none_is_refused(tmp_path):
    with pytest.raises(ModelError, match="nowhere"):
        check_training(TOYS, config(str(tmp_path / "nowhere")))


def test_training_gives_a_model_that_names_the_classes(base, tmp_path, caplog):
    caplog.set_level(logging.INFO)

    folder, auroc = train(TOYS, config(base), tmp_path, SILENT)

    assert load_model(folder).task.classes == ("negative", "positive")
    (told,) = [text for text in caplog.messages if text.startswith("fine-tuned")]
    assert f"AUROC {auroc:.3f} (" in told
    assert told.endswith("on 8 rows kept aside")


def test_a_model_that_tells_nothing_apart_is_warned_of(base, tmp_path, caplog):
    # one epoch at a rate of almost 0: as good as untrained
    train(TOYS, replace(config(base), learning_rate=1e-9), tmp_path, SILENT)

    assert "may not tell the classes apart at all" in caplog.text


def test_too_few_sequences_say_what_to_do(base, tmp_path):
    few = rows(planted(1, 3, 40), random_sequences(2, 3, 40))

    with pytest.raises(DataError, match=r"the dev part.*too few.*\(hint: give more sequences; --m"):
        train(few, config(base), tmp_path, SILENT)


def test_a_model_is_moved_whole_and_its_config_last(tmp_path, monkeypatch):
    (tmp_path / "model").mkdir()
    for name in ("model.safetensors", "config.json", "vocab.txt"):
        (tmp_path / "model" / name).write_text(name)
    moved = []
    replace_file = type(tmp_path).replace
    monkeypatch.setattr(
        type(tmp_path),
        "replace",
        lambda *paths: (moved.append(paths[0].name), replace_file(*paths)),
    )

    keep(tmp_path / "model", tmp_path / "kept")

    assert moved == ["model.safetensors", "vocab.txt", "config.json"]
    assert {path.read_text() for path in (tmp_path / "kept").iterdir()} == set(moved)


def test_where_a_model_cannot_be_kept_is_refused(tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")

    check_kept(tmp_path / "new", force=False)
    check_kept(tmp_path / "full", force=True)
    for name, message in [
        ("full", "is not empty .hint: name another folder, or add --force"),
        ("full/file", "is a file"),
        ("no/such", "parent folder does not exist"),
    ]:
        with pytest.raises(OptionsError, match=f"--save-model .*{name}.*{message}"):
            check_kept(tmp_path / name, force=False)


@pytest.mark.parametrize(("n_rows", "epochs"), [(40, 60), (600, 34), (6400, 3), (10_000, 3)])
def test_few_rows_are_read_more_often(n_rows, epochs):
    """With three epochs of a few hundred rows the network learned nothing."""
    from dnabert_cli.tasks.motif_model import _epochs

    assert _epochs(n_rows, MotifsConfig()) == epochs
    assert _epochs(n_rows, MotifsConfig(epochs=7)) == 7
