"""`predict` with models of other heads than `class`."""

import io

import numpy as np
import pytest

from dnabert_cli.config import ComputeConfig, PredictConfig, TaskConfig
from dnabert_cli.core.checkpoint import load_model
from dnabert_cli.core.ensemble import Ensemble
from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import OptionsError
from dnabert_cli.formats.tables import write_table
from dnabert_cli.tasks import base_predictions
from dnabert_cli.tasks.predict import predict
from dnabert_cli.tasks.predictions import EmbeddingCollector, table_rows
from tests.toys import save_bert

COMPUTE = ComputeConfig(precision="fp32", threads=1)
LONG = "".join(np.random.default_rng(0).choice(list("ACGT"), 100))


def task(head, classes=("a", "b"), **changes):
    return TaskConfig(k=3, head=head, classes=classes, window=30, **changes)


def run(source, model, *, embed=False, genome=None, **changes):
    settings = PredictConfig(compute=COMPUTE, **changes)
    return predict(str(source), [str(model)], settings, genome=genome, embed=embed)


def table_of(predictions):
    handle = io.StringIO()
    write_table(table_rows(predictions.rows), predictions.columns, handle, header=True)
    heading, *rows = [line.split("\t") for line in handle.getvalue().splitlines()]
    return heading, rows


def ensemble_of(model):
    return Ensemble([load_model(model)], COMPUTE)


@pytest.fixture
def fasta(tmp_path):
    (tmp_path / "in.fa").write_text(f">long\n{LONG}\n>one\n{LONG[:30]}\n>tiny\nAC\n")
    return tmp_path / "in.fa"


@pytest.mark.parametrize(("aggregate", "combine"), [("max", np.max), ("mean", np.mean)])
@pytest.mark.parametrize("head", ["multi-label", "regression"])
def test_windows_are_combined_number_by_number(tmp_path, fasta, head, aggregate, combine):
    classes = ("a", "b") if head == "multi-label" else ("value",)
    model = save_bert(tmp_path / "model", task(head, classes))

    first = next(run(fasta, model, aggregate=aggregate, stride=35).rows)

    with ensemble_of(model) as ensemble:
        scores = ensemble.score_sequences([LONG[at : at + 30] for at in (0, 35, 70)])
    assert first.n_windows == 3
    assert np.abs(first.probabilities - combine(scores, axis=0)).max() < 1e-6


def test_labels_from_one_half_on_are_predicted(tmp_path, fasta):
    model = save_bert(tmp_path / "model", task("multi-label", ("a", "b", "c")))
    heading, rows = table_of(run(fasta, model))
    assert heading[7:] == ["predicted", "probability_a", "probability_b", "probability_c"]
    for row in rows[:2]:
        names = [name for name, p in zip("abc", row[8:], strict=True) if float(p) >= 0.5]
        assert row[7] == (",".join(names) or ".")
    assert rows[2][5:] == ["0", ".", ".", ".", ".", "."]


def test_numbers_have_one_column_and_no_class(tmp_path, fasta):
    model = save_bert(tmp_path / "model", task("regression", ("value",)))
    heading, rows = table_of(run(fasta, model))
    assert heading[5:] == ["n_windows", "label", "predicted", "value"]
    assert [row[7] for row in rows] == [".", ".", "."]
    assert float(rows[0][8]) == pytest.approx(float(rows[0][8]))
    assert rows[2][8] == "."


@pytest.fixture
def token_model(tmp_path):
    return save_bert(tmp_path / "model", task("token", ("0", "site")))


def test_a_short_sequence_is_read_whole_base_by_base(fasta, token_model):
    heading, rows = table_of(run(fasta, token_model))
    assert heading[8:] == ["probability_0", "probability_site"]
    mine = [row for row in rows if row[0] == "one"]
    assert [row[:5] for row in mine[:2]] == [
        ["one", "one", "0", "1", "."],
        ["one", "one", "1", "2", "."],
    ]
    with ensemble_of(token_model) as ensemble:
        (scores,) = ensemble.score_bases([LONG[:30]])
    assert [float(row[9]) for row in mine] == pytest.approx(scores[:, 1].tolist(), abs=1e-5)
    assert [row[7] for row in mine] == [("0", "site")[int(p)] for p in scores.argmax(1)]
    assert [row[5:9] for row in rows if row[0] == "tiny"] == [["0", ".", ".", "."]] * 2


@pytest.mark.parametrize("strand", ["+", "-"])
def test_bases_of_a_region_lie_in_the_genome_and_windows_are_averaged(
    tmp_path, token_model, strand
):
    (tmp_path / "g.fa").write_text(f">chr1\n{LONG}\n")
    (tmp_path / "in.bed").write_text(f"chr1\t10\t90\tx\t0\t{strand}\n")

    rows = list(
        run(tmp_path / "in.bed", token_model, genome=str(tmp_path / "g.fa"), stride=20).rows
    )

    text = reverse_complement(LONG[10:90]) if strand == "-" else LONG[10:90]
    sums, counts = np.zeros((80, 2)), np.zeros(80)
    with ensemble_of(token_model) as ensemble:
        for at in (0, 20, 40, 50):
            (scores,) = ensemble.score_bases([text[at : at + 30]])
            sums[at : at + 30] += scores
            counts[at : at + 30] += 1
    means = sums / counts[:, None]
    order = slice(None, None, -1 if strand == "-" else 1)
    assert [row.example.start for row in rows] == list(range(10, 90))
    assert {row.example.strand for row in rows} == {strand}
    assert np.abs(np.stack([row.probabilities for row in rows]) - means[order]).max() < 1e-6
    assert [row.n_windows for row in rows] == counts[order].tolist()


def test_bases_behind_the_last_k_mer_have_no_answer(tmp_path, fasta):
    """With a token stride of 2, 30 bases hold 14 k-mers: the last base is in none."""
    model = save_bert(tmp_path / "model", task("token", ("0", "site"), token_stride=2))
    rows = [row for row in run(fasta, model).rows if row.example.name == "one"]
    assert [row.n_windows for row in rows] == [1] * 29 + [0]
    assert rows[-1].predicted is None


def test_cutting_into_batches_does_not_change_the_answer(fasta, token_model, monkeypatch):
    whole = list(run(fasta, token_model, stride=7).rows)
    monkeypatch.setattr(base_predictions, "_WINDOWS", 2)
    monkeypatch.setattr(base_predictions, "_BASES", 10)
    cut = list(run(fasta, token_model, stride=7).rows)
    assert [row.example for row in cut] == [row.example for row in whole]
    for ours, theirs in zip(cut, whole, strict=True):
        assert ours.probabilities == pytest.approx(theirs.probabilities, abs=1e-6, nan_ok=True)


@pytest.mark.parametrize(
    ("head", "classes"), [("token", ("0", "site")), ("multi-label", ("a",)), ("regression", ("v",))]
)
def test_every_row_has_one_embedding(tmp_path, fasta, head, classes):
    model = save_bert(tmp_path / "model", task(head, classes))
    vectors = EmbeddingCollector(run(fasta, model, embed=True).rows)
    list(vectors)
    vectors.save(str(tmp_path / "vectors.npz"))
    with np.load(tmp_path / "vectors.npz") as arrays:
        assert arrays["names"].tolist() == ["long", "one", "tiny"]
        assert arrays["vectors"].shape == (3, 32)
        assert np.isnan(arrays["vectors"]).any(1).tolist() == [False, False, True]


def test_values_per_base_have_one_column(tmp_path, fasta):
    model = save_bert(tmp_path / "model", task("token", ("value",)))
    heading, rows = table_of(run(fasta, model))
    assert heading[7:] == ["predicted", "value"]
    assert len(rows) == 132
    assert {row[7] for row in rows} == {"."}


def test_windows_of_bases_cannot_be_listed(fasta, token_model):
    with pytest.raises(OptionsError, match="--aggregate windows: this model answers per base"):
        run(fasta, token_model, aggregate="windows")
