"""Predictions: one row per sequence, long ones tiled, none dropped or cut without a word."""

import numpy as np
import pytest

from dnabert_cli.config import ComputeConfig, PredictConfig
from dnabert_cli.core.checkpoint import load_model
from dnabert_cli.core.ensemble import Ensemble
from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import DataError
from dnabert_cli.tasks import predict as module
from dnabert_cli.tasks.predict import predict

COMPUTE = ComputeConfig(precision="fp32", threads=1)
LONG = "".join(np.random.default_rng(0).choice(list("ACGT"), 100))


def config(**changes):
    return PredictConfig(compute=COMPUTE, **changes)


def run(source, model, settings=None, **options):
    return list(predict(str(source), [str(model)], settings or config(), **options).rows)


def scores_of(model, sequences):
    with Ensemble([load_model(model)], COMPUTE) as ensemble:
        return ensemble.score_sequences(sequences)


@pytest.fixture
def fasta(tmp_path):
    path = tmp_path / "in.fa"
    path.write_text(f">a\n{LONG[:30]}\n>b\n{LONG[40:62]}\n>tiny\nAC\n>c\n{LONG[50:80]}\n")
    return path


def test_each_sequence_has_its_own_probabilities_in_input_order(fasta, tiny_model):
    rows = run(fasta, tiny_model)

    expected = scores_of(tiny_model, [LONG[:30], LONG[40:62], LONG[50:80]])
    assert [row.example.name for row in rows] == ["a", "b", "tiny", "c"]
    found = np.stack([row.probabilities for row in rows if row.n_windows])
    assert np.abs(found - expected).max() < 1e-6
    assert rows[0].predicted == ("other", "promoter")[int(expected[0].argmax())]


def test_a_sequence_shorter_than_k_keeps_its_row_and_is_counted(fasta, tiny_model):
    predictions = predict(str(fasta), [str(tiny_model)], config())
    rows = list(predictions.rows)

    assert (rows[2].n_windows, rows[2].predicted) == (0, None)
    assert predictions.counts.n_too_short == 1
    assert "1 shorter than a k-mer" in predictions.counts.summary()


@pytest.mark.parametrize("aggregate", ["max", "mean"])
def test_a_long_sequence_is_tiled_and_combined(tmp_path, tiny_model, aggregate):
    (tmp_path / "in.fa").write_text(f">a\n{LONG}\n")
    starts = [0, 20, 40, 60, 70]

    (row,) = run(tmp_path / "in.fa", tiny_model, config(aggregate=aggregate, stride=20))

    scores = scores_of(tiny_model, [LONG[start : start + 30] for start in starts])
    expected = scores.mean(0) if aggregate == "mean" else scores[scores[:, 1].argmax()]
    assert row.n_windows == 5
    assert np.abs(row.probabilities - expected).max() < 1e-6


def test_windows_of_a_long_sequence_can_be_seen(tmp_path, tiny_model):
    (tmp_path / "in.fa").write_text(f">a\n{LONG}\n")

    rows = run(tmp_path / "in.fa", tiny_model, config(aggregate="windows", stride=35))

    assert [row.example.name for row in rows] == ["a:0-30", "a:35-65", "a:70-100"]


@pytest.mark.parametrize("strand", ["+", "-"])
def test_windows_of_a_bed_interval_have_genome_coordinates(tmp_path, tiny_model, strand):
    (tmp_path / "g.fa").write_text(f">chr1\n{LONG}\n")
    (tmp_path / "in.bed").write_text(f"chr1\t10\t80\tx\t0\t{strand}\n")

    rows = run(
        tmp_path / "in.bed",
        tiny_model,
        config(aggregate="windows", stride=30),
        genome=str(tmp_path / "g.fa"),
    )

    assert len(rows) == 3
    for row in rows:
        piece = LONG[row.example.start : row.example.end]
        read = reverse_complement(piece) if strand == "-" else piece
        assert row.example.sequence == read


def test_windows_of_n_have_no_say(tmp_path, tiny_model):
    """A stretch of N used to win when the model liked it best."""
    text = LONG[:40] + "N" * 60 + LONG[40:80]
    (tmp_path / "in.fa").write_text(f">a\n{text}\n")

    rows = run(tmp_path / "in.fa", tiny_model, config(aggregate="windows", stride=5))

    assert all(row.example.sequence.count("N") <= 3 for row in rows)
    assert len(rows) > 4


def test_chunks_do_not_change_the_answer(fasta, tiny_model, monkeypatch):
    whole = run(fasta, tiny_model)
    monkeypatch.setattr(module, "CHUNK_ROWS", 1)

    cut = run(fasta, tiny_model)

    for ours, theirs in zip(cut, whole, strict=True):
        assert np.allclose(ours.probabilities, theirs.probabilities, atol=1e-6, equal_nan=True)


@pytest.mark.parametrize("pooling", ["mean", "cls"])
def test_embeddings_are_those_of_the_last_layer(fasta, tiny_model, pooling):
    import torch

    rows = run(fasta, tiny_model, config(pooling=pooling), embed=True)

    model = load_model(tiny_model)
    ids = torch.tensor([[2, *model.tokenizer.encode(LONG[:30]).tolist(), 3]])
    with torch.no_grad():
        hidden = model.network.embed(ids)[0]
    expected = hidden[0] if pooling == "cls" else hidden[1:-1].mean(0)
    assert np.abs(rows[0].embedding - expected.numpy()).max() < 1e-5
    assert np.isnan(rows[2].embedding).all()


def test_labels_of_a_table_are_kept(tmp_path, tiny_model):
    (tmp_path / "in.tsv").write_text(f"sequence\tlabel\n{LONG[:30]}\t1\n{LONG[30:60]}\t0\n")

    rows = run(tmp_path / "in.tsv", tiny_model)

    assert [row.example.label for row in rows] == ["1", "0"]


def test_an_input_without_rows_is_an_error(tmp_path, tiny_model):
    (tmp_path / "in.tsv").write_text("sequence\tlabel\n")

    with pytest.raises(DataError, match="nothing to predict"):
        run(tmp_path / "in.tsv", tiny_model)
