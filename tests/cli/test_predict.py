"""`dnabert predict` as a user calls it."""

import numpy as np
import pytest

COLUMNS = (
    "#name\tchrom\tstart\tend\tstrand\tn_windows\tlabel\tpredicted\t"
    "probability_other\tprobability_promoter"
)
SEQUENCES = ["".join(np.random.default_rng(i).choice(list("ACGT"), 30)) for i in range(3)]


def rows_of(text):
    return [line.split("\t") for line in text.splitlines()[1:]]


def test_fasta_gives_a_table(dnabert, tiny_model):
    fasta = "".join(f">s{i} words\n{each}\n" for i, each in enumerate(SEQUENCES))

    result = dnabert("predict", "-", "--model", tiny_model, stdin=fasta)

    assert result.code == 0
    assert result.out.splitlines()[0] == COLUMNS
    rows = rows_of(result.out)
    assert [row[0] for row in rows] == ["s0", "s1", "s2"]
    assert all(row[1:5] == ["."] * 4 for row in rows)
    for row in rows:
        assert float(row[8]) + float(row[9]) == pytest.approx(1, abs=1e-4)
        assert row[7] == ("promoter" if float(row[9]) > 0.5 else "other")
    assert "3 sequences" in result.err


def test_bed_and_genome_give_coordinates(dnabert, tiny_model, tmp_path):
    (tmp_path / "g.fa").write_text(f">chr1\n{''.join(SEQUENCES)}\n")
    (tmp_path / "in.bed").write_text("chr1\t10\t40\tx\t0\t-\nchr1\t0\t30\n")

    result = dnabert(
        "predict", tmp_path / "in.bed", "--genome", tmp_path / "g.fa", "--model", tiny_model
    )

    assert [row[1:5] for row in rows_of(result.out)] == [
        ["chr1", "10", "40", "-"],
        ["chr1", "0", "30", "."],
    ]


def test_the_originals_kmer_table_gives_the_same_probabilities(dnabert, tiny_model):
    plain = "sequence\tlabel\n" + "".join(f"{each}\t1\n" for each in SEQUENCES)
    kmers = "sequence\tlabel\n" + "".join(
        " ".join(each[i : i + 3] for i in range(28)) + "\t1\n" for each in SEQUENCES
    )

    results = [
        dnabert("predict", "-", "--model", tiny_model, stdin=text) for text in (plain, kmers)
    ]

    assert [row[6:] for row in rows_of(results[0].out)] == [
        row[6:] for row in rows_of(results[1].out)
    ]
    assert rows_of(results[0].out)[0][6] == "1"


def test_embeddings_are_written_whole(dnabert, tiny_model, tmp_path):
    fasta = "".join(f">s{i}\n{each}\n" for i, each in enumerate(SEQUENCES))
    out = tmp_path / "vectors.npz"

    result = dnabert("predict", "-", "--model", tiny_model, "--embeddings", out, stdin=fasta)

    assert result.code == 0
    with np.load(out) as arrays:
        assert arrays["names"].tolist() == ["s0", "s1", "s2"]
        assert arrays["vectors"].shape == (3, 32)
        assert arrays["vectors"].dtype == np.float32


def test_a_sequence_too_short_keeps_its_row(dnabert, tiny_model):
    result = dnabert("predict", "-", "--model", tiny_model, stdin=">tiny\nAC\n")

    assert rows_of(result.out) == [["tiny", ".", ".", ".", ".", "0", ".", ".", ".", "."]]
    assert "1 shorter than a k-mer have no prediction" in result.err


def test_one_file_for_two_outputs_is_refused(dnabert, tiny_model, tmp_path):
    out = tmp_path / "out"

    result = dnabert(
        "predict", "-", "--model", tiny_model, "-o", out, "--embeddings", out, stdin=">a\nACGT\n"
    )

    assert (result.code, out.exists()) == (2, False)
    assert "is named for two outputs" in result.err


@pytest.mark.parametrize(
    ("text", "code", "message"),
    [
        ("", 1, "empty"),
        ("name\tvalue\nx\t1\n", 1, "sequence"),
        ("chr1\t0\t30\n", 1, "--genome"),
    ],
)
def test_input_that_cannot_be_read_is_one_line(dnabert, tiny_model, text, code, message):
    result = dnabert("predict", "-", "--model", tiny_model, stdin=text)

    assert (result.code, result.out) == (code, "")
    assert message in result.err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--aggregate", "sum"], "--aggregate sum is unknown"),
        (["--pooling", "max"], "--pooling max is unknown"),
    ],
)
def test_unknown_choices_exit_with_2(dnabert, tiny_model, arguments, message):
    result = dnabert("predict", "-", "--model", tiny_model, *arguments, stdin=">a\nACGT\n")

    assert (result.code, result.out) == (2, "")
    assert message in result.err
