"""The two classes `motifs` compares: read as they are, or shuffled, and never one file twice."""

import logging
from collections import Counter
from itertools import pairwise

import pytest

from dnabert_cli.errors import DataError, OptionsError
from dnabert_cli.tasks.motif_rows import MotifRows, check_apart, labelled, read_motif_rows
from tests.motif_toys import planted, random_sequences, write_fasta


@pytest.fixture
def files(tmp_path):
    return (
        write_fasta(tmp_path / "p.fa", planted(1, 6)),
        write_fasta(tmp_path / "n.fa", random_sequences(2, 4)),
    )


def texts(examples):
    return [one.sequence for one in examples]


def test_both_files_are_read_in_their_order(files):
    rows = read_motif_rows(*files, None, 100, 0)

    assert texts(rows.positives) == planted(1, 6)
    assert texts(rows.negatives) == random_sequences(2, 4)
    assert [one.name for one in rows.negatives] == ["n0", "n1", "n2", "n3"]
    assert not rows.is_shuffled


def test_without_negatives_the_positives_are_shuffled_with_their_dinucleotides(files):
    rows = read_motif_rows(files[0], None, None, 100, 0)

    assert rows.is_shuffled
    for one, other in zip(texts(rows.positives), texts(rows.negatives), strict=True):
        assert other != one
        assert Counter(pairwise(other)) == Counter(pairwise(one))


def test_the_seed_decides_how_they_are_shuffled(files):
    first, again, other = (
        texts(read_motif_rows(files[0], None, None, 100, seed).negatives) for seed in (0, 0, 1)
    )

    assert first == again != other


def test_only_the_first_sequences_are_read_and_that_is_said(files, caplog):
    caplog.set_level(logging.INFO)

    rows = read_motif_rows(*files, None, 4, 0)

    assert texts(rows.positives) == planted(1, 6)[:4]
    told = [text for text in caplog.messages if "--max-sequences" in text]
    assert told == [f"{files[0]}: only the first 4 sequences are read (--max-sequences)"]


def test_bed_is_fetched_from_the_genome_on_its_strand(tmp_path, files):
    (tmp_path / "g.fa").write_text(">c\nAAAACCCCGG\n")
    (tmp_path / "a.bed").write_text("c\t0\t6\nc\t4\t10\tx\t0\t-\n")

    rows = read_motif_rows(str(tmp_path / "a.bed"), files[1], str(tmp_path / "g.fa"), 100, 0)

    assert texts(rows.positives) == ["AAAACC", "CCGGGG"]
    assert (rows.positives[1].chrom, rows.positives[1].start) == ("c", 4)


def test_a_bed_without_rows_is_refused(tmp_path):
    (tmp_path / "g.fa").write_text(">c\nAAAACCCCGG\n")
    (tmp_path / "a.bed").write_text("# nothing\n")

    with pytest.raises(DataError, match=r"a\.bed holds no sequences"):
        read_motif_rows(str(tmp_path / "a.bed"), None, str(tmp_path / "g.fa"), 100, 0)


def test_one_file_for_both_classes_is_refused_under_any_name(tmp_path, files):
    (tmp_path / "link.fa").symlink_to(files[0])

    check_apart(*files)
    check_apart(files[0], None)
    for other in (files[0], str(tmp_path / "link.fa")):
        with pytest.raises(OptionsError, match=r"is named for positives and negatives.*shuffled"):
            check_apart(files[0], other)


def test_labels_are_those_of_the_classes_and_swap_with_them(files):
    rows = read_motif_rows(*files, None, 100, 0)

    assert [label for _, label in labelled(rows)] == ["1"] * 6 + ["0"] * 4
    swapped = rows.swapped()
    assert swapped == MotifRows(rows.negatives, rows.positives, is_shuffled=False)
    assert [label for _, label in labelled(swapped)] == ["1"] * 4 + ["0"] * 6
