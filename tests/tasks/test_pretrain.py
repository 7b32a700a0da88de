"""`pretrain` as a function: corpora in, folders out, and what is refused before the first step."""

import json
import random

import pytest
import torch

from dnabert_cli.config import ComputeConfig
from dnabert_cli.core.checkpoint import load_encoder, load_masked_model
from dnabert_cli.errors import DataError, FormatError, OptionsError
from dnabert_cli.tasks.pretrain import PretrainRun, filled_in, pretrain
from dnabert_cli.training_config import PretrainConfig
from dnabert_cli.zoo import read_preset


def make_config(**changes):
    return PretrainConfig(
        **{
            "preset": "dnabert-3-tiny",
            "steps": 6,
            "batch_size": 4,
            "evaluate_every": 3,
            "save_every": 2,
            "max_length": 60,
            "dev_pieces": 8,
            "compute": ComputeConfig(threads=1, precision="fp32"),
        }
        | changes
    )


def write_genome(path, n_bases=200_000, seed=0, name="chr1"):
    letters = random.Random(seed).choices("ACGT", k=n_bases)
    letters[1000:1100] = "N" * 100
    path.write_text(f">{name}\n{''.join(letters)}\n")
    return str(path)


@pytest.fixture(scope="module")
def genome(tmp_path_factory):
    return write_genome(tmp_path_factory.mktemp("genome") / "genome.fa")


def weights_of(folder):
    return (folder / "model.safetensors").read_bytes()


def test_it_writes_a_folder_that_can_be_fine_tuned(genome, tmp_path):
    result = pretrain([genome], make_config(), PretrainRun(output=tmp_path / "m"))

    network, task = load_masked_model(result.folder)
    encoder, _ = load_encoder(result.folder)
    assert (task.k, task.token_stride) == (3, 1)
    assert encoder.config.hidden_size == network.config.hidden_size == 128
    assert {path.name for path in result.folder.iterdir()} == {
        "config.json", "metrics.json", "model.safetensors", "run.toml",
        "tokenizer_config.json", "training.tsv", "vocab.txt",
    }  # fmt: skip


def test_its_figures_stand_beside_a_markov_model(genome, tmp_path):
    result = pretrain([genome], make_config(), PretrainRun(output=tmp_path / "m"))

    figures = json.loads((result.folder / "metrics.json").read_text())
    assert figures == result.figures
    assert figures["steps"] == 6
    assert figures["corpus_bases"] == 199_900
    # random sequence: nobody can do better than two bits
    assert figures["markov_5_bits_per_base"] == pytest.approx(2.0, abs=0.1)
    assert figures["bits_per_base"] > 2


def test_equal_runs_write_equal_bytes(genome, tmp_path):
    for name in "ab":
        pretrain([genome], make_config(), PretrainRun(output=tmp_path / name))

    for path in (tmp_path / "a").iterdir():
        assert path.read_bytes() == (tmp_path / "b" / path.name).read_bytes(), path.name


def test_a_packed_corpus_gives_the_same_model(genome, tmp_path):
    packed = str(tmp_path / "corpus.npz")
    run = PretrainRun(output=tmp_path / "a", save_packed=packed)
    pretrain([genome], make_config(), run)
    pretrain([packed], make_config(), PretrainRun(output=tmp_path / "b"))

    assert weights_of(tmp_path / "a") == weights_of(tmp_path / "b")


def test_weights_per_file_and_reverse_complement_change_the_model(genome, tmp_path):
    other = write_genome(tmp_path / "other.fa", seed=1, name="chr2")
    changes = [{}, {"weights": (1.0, 3.0)}, {"reverse_complement": True}]
    found = set()
    for i, change in enumerate(changes):
        folder = tmp_path / str(i)
        pretrain([genome, other], make_config(**change), PretrainRun(output=folder))
        found.add(weights_of(folder))

    assert len(found) == 3


def test_the_original_masking_can_be_asked_for(genome, tmp_path):
    config = make_config(masking="original", mask_share=0.05)

    assert pretrain([genome], config, PretrainRun(output=tmp_path / "m")).figures["steps"] == 6


def test_it_goes_on_from_a_base(genome, tmp_path):
    pretrain([genome], make_config(token_stride=2), PretrainRun(output=tmp_path / "a"))
    config = make_config(base=str(tmp_path / "a"), learning_rate=1e-30)
    pretrain([genome], config, PretrainRun(output=tmp_path / "b"))

    assert load_masked_model(tmp_path / "b")[1].token_stride == 2
    first, _ = load_masked_model(tmp_path / "a")
    second, _ = load_masked_model(tmp_path / "b")
    assert torch.equal(first.transform.weight, second.transform.weight)


def test_a_base_of_another_k_is_refused(genome, tmp_path):
    pretrain([genome], make_config(), PretrainRun(output=tmp_path / "a"))
    config = make_config(base=str(tmp_path / "a"), preset="dnabert-6-compact")

    with pytest.raises(OptionsError, match="reads 3-mers, --preset dnabert-6-compact 6-mers"):
        pretrain([genome], config, PretrainRun(output=tmp_path / "b"))


def test_the_run_file_says_what_was_done(genome, tmp_path):
    result = pretrain([genome], make_config(), PretrainRun(output=tmp_path / "m"))

    text = (result.folder / "run.toml").read_text()
    assert "steps = 6" in text
    assert "schedule_steps = 6" in text  # filled in
    assert "genome.fa" in text


@pytest.mark.parametrize(
    ("text", "changes", "error", "message"),
    [
        (">a\nACGTNNNN\n", {}, DataError, "bases outside N are too few"),
        (">a\n" + "ACGT" * 40, {}, DataError, "held out are too few"),
        ("no fasta", {}, FormatError, "genome.fa"),
        (None, {"max_length": 600}, OptionsError, "reads at most 510 tokens"),
        (None, {"weights": (1.0, 2.0)}, OptionsError, "--weights needs a number per file"),
        (None, {"schedule_steps": 3}, OptionsError, "--schedule-steps is smaller than --steps"),
    ],
)
def test_what_cannot_train_is_refused_before_anything_is_written(
    tmp_path, text, changes, error, message
):
    path = tmp_path / "genome.fa"
    if text is None:
        write_genome(path)
    else:
        path.write_text(text)

    with pytest.raises(error, match=message):
        pretrain([str(path)], make_config(**changes), PretrainRun(output=tmp_path / "m"))
    assert not (tmp_path / "m").exists()


def test_a_folder_that_is_not_empty_is_refused(genome, tmp_path):
    (tmp_path / "thesis.doc").write_text("years of work")

    with pytest.raises(OptionsError, match="is not empty: --resume continues, --force overwrites"):
        pretrain([genome], make_config(), PretrainRun(output=tmp_path))


def test_resume_needs_a_run(genome, tmp_path):
    with pytest.raises(OptionsError, match="holds no unfinished run"):
        pretrain([genome], make_config(), PretrainRun(output=tmp_path / "m", resume=True))


def test_a_damaged_packed_corpus_is_refused(tmp_path):
    path = tmp_path / "corpus.npz"
    path.write_bytes(b"PK\x03\x04 nothing")

    with pytest.raises(FormatError, match=r"corpus\.npz"):
        pretrain([str(path)], make_config(), PretrainRun(output=tmp_path / "m"))


def test_a_shorter_run_gets_a_shorter_schedule():
    preset = read_preset("dnabert-6")

    published = filled_in(PretrainConfig(), preset)
    short = filled_in(PretrainConfig(steps=1000), preset)

    assert (published.steps, published.schedule_steps, published.warmup_steps) == (
        120_000,
        200_000,
        10_000,
    )
    assert (published.late_mask_from, published.batch_size) == (100_000, 2000)
    assert (short.steps, short.schedule_steps, short.warmup_steps) == (1000, 1000, 100)
    assert short.late_mask_from is None
