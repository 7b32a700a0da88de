"""Importance as numbers: genome coordinates on both strands, in all three formats."""

import gzip
import shutil
import subprocess

import numpy as np
import pyBigWig
import pytest

from dnabert_cli.errors import DataError
from dnabert_cli.tasks.viz_tracks import names_of, place_of, write_tracks
from tests.viz_toys import example, shown

NAN = float("nan")
FORWARD = (example("ACGTa", "fwd", "chr1", 10, "+"), [0.5, 0.5, 1, NAN, -2])
REVERSE = (example("ACGTA", "rev", "chr1", 20, "-"), [1, 2, 3, 4, 5])
UNPLACED = (example("AC", "plain"), [0.125, 1 / 3])


def written(tmp_path, *parts, fmt="tsv", genome=None, header=True):
    out = tmp_path / f"out.{fmt}"
    write_tracks(iter(parts), str(out), fmt, genome, header=header, force=False)
    return out


def bases_of(path):
    """The score of each base of a bedGraph, one base at a time."""
    rows = [line.split("\t") for line in path.read_text().splitlines() if line[0] != "#"]
    return {
        (row[0], place): float(row[3]) for row in rows for place in range(int(row[1]), int(row[2]))
    }


def test_the_table_letter_by_letter(tmp_path):
    out = written(tmp_path, shown(FORWARD, UNPLACED))
    assert out.read_text() == (
        "#name\tchrom\tposition\tstrand\tbase\tscore\n"
        "fwd\tchr1\t10\t+\tA\t0.5\n"
        "fwd\tchr1\t11\t+\tC\t0.5\n"
        "fwd\tchr1\t12\t+\tG\t1\n"
        "fwd\tchr1\t13\t+\tT\t.\n"
        "fwd\tchr1\t14\t+\ta\t-2\n"
        "plain\tplain\t0\t.\tA\t0.125\n"
        "plain\tplain\t1\t.\tC\t0.333333\n"
    )


def test_a_reverse_row_of_the_table_runs_along_the_genome_with_the_letters_it_was_read_as(tmp_path):
    out = written(tmp_path, shown(REVERSE), header=False)
    cells = [line.split("\t") for line in out.read_text().splitlines()]
    assert [(row[2], row[4], row[5]) for row in cells] == [
        ("20", "A", "5"), ("21", "T", "4"), ("22", "G", "3"), ("23", "C", "2"), ("24", "A", "1"),
    ]  # fmt: skip


def test_bedgraph_mirrors_a_reverse_row_and_leaves_nan_out(tmp_path):
    out = written(tmp_path, shown(FORWARD, REVERSE), fmt="bedgraph")
    assert out.read_text() == (
        "#chrom\tstart\tend\tvalue\n"
        "chr1\t10\t12\t0.5\nchr1\t12\t13\t1\nchr1\t14\t15\t-2\n"
        "chr1\t20\t21\t5\nchr1\t21\t22\t4\nchr1\t22\t23\t3\nchr1\t23\t24\t2\nchr1\t24\t25\t1\n"
    )


def test_rows_that_overlap_are_averaged_also_across_strands_and_parts(tmp_path):
    other = (example("ACG", "x", "chr1", 22, "+"), [9, 9, 9])
    out = written(tmp_path, shown(REVERSE), shown(other), fmt="bedgraph")
    assert bases_of(out) == {
        ("chr1", 20): 5, ("chr1", 21): 4, ("chr1", 22): 6, ("chr1", 23): 5.5, ("chr1", 24): 5,
    }  # fmt: skip


def test_blanks_in_a_name_become_underscores_in_a_track_only(tmp_path):
    row = (example("AC", "my seq"), [1, 2])
    assert set(bases_of(written(tmp_path, shown(row), fmt="bedgraph"))) == {
        ("my_seq", 0), ("my_seq", 1),
    }  # fmt: skip
    assert "my seq\tmy seq\t0" in written(tmp_path, shown(row)).read_text()


@pytest.mark.parametrize("fmt", ["bedgraph", "bigwig"])
def test_two_sequences_of_one_name_and_no_place_are_refused_in_a_track(tmp_path, fmt):
    with pytest.raises(DataError, match=r"two sequences are named 'plain'.*or write tsv"):
        written(tmp_path, shown(UNPLACED), shown(UNPLACED), fmt=fmt)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(shutil.which("bedtools") is None, reason="bedtools is not installed")
def test_bedtools_reads_the_bedgraph(tmp_path):
    out = written(tmp_path, shown(REVERSE, FORWARD), fmt="bedgraph")
    (tmp_path / "regions.bed").write_text("chr1\t20\t22\n")
    done = subprocess.run(
        ["bedtools", "map", "-a", tmp_path / "regions.bed", "-b", out, "-c", "4", "-o", "mean"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout == "chr1\t20\t22\t4.5\n"


def test_a_bigwig_holds_the_same_scores_as_the_bedgraph(tmp_path):
    found = shown(FORWARD, REVERSE, UNPLACED)
    expected = bases_of(written(tmp_path, found, fmt="bedgraph"))

    with pyBigWig.open(str(written(tmp_path, found, fmt="bigwig"))) as reader:
        assert reader.chroms() == {"chr1": 25, "plain": 2}
        for chrom, size in reader.chroms().items():
            values = reader.values(chrom, 0, size)
            known = {(chrom, i): v for i, v in enumerate(values) if not np.isnan(v)}
            of_chrom = {place: value for place, value in expected.items() if place[0] == chrom}
            assert known == pytest.approx(of_chrom, rel=1e-5)


@pytest.mark.parametrize("packed", [False, True])
def test_a_bigwig_has_the_sizes_of_the_genome_packed_or_not(tmp_path, packed):
    content = b">chr2\nACGT\n>chr1\n" + b"A" * 40 + b"\n"
    path = tmp_path / ("g.fa.gz" if packed else "g.fa")
    path.write_bytes(gzip.compress(content) if packed else content)

    out = written(tmp_path, shown(REVERSE), fmt="bigwig", genome=str(path))

    with pyBigWig.open(str(out)) as reader:
        assert reader.chroms() == {"chr2": 4, "chr1": 40}


def test_a_sequence_that_is_not_of_the_genome_is_refused_in_a_bigwig(tmp_path):
    (tmp_path / "g.fa").write_text(">chr1\n" + "A" * 40 + "\n")
    with pytest.raises(DataError, match="plain is no sequence of the genome"):
        written(tmp_path, shown(UNPLACED), fmt="bigwig", genome=str(tmp_path / "g.fa"))
    assert not (tmp_path / "out.bigwig").exists()


def test_a_table_is_written_while_the_parts_come(tmp_path):
    out = tmp_path / "out.tsv"
    waiting = []

    def parts():
        for number in range(3):
            waiting.append([p.stat().st_size for p in tmp_path.iterdir()])
            letters = "A" * 3000
            yield shown((example(letters, f"s{number}"), [number] * len(letters)))

    write_tracks(parts(), str(out), "tsv", None, header=True, force=False)

    assert [sizes[0] > 0 for sizes in waiting] == [False, True, True]
    assert len(out.read_text().splitlines()) == 9001


def test_a_failure_halfway_leaves_no_file(tmp_path):
    def parts():
        yield shown(FORWARD)
        raise DataError("the second part is broken")

    with pytest.raises(DataError, match="second part"):
        write_tracks(parts(), str(tmp_path / "o.tsv"), "tsv", None, header=True, force=False)
    assert list(tmp_path.iterdir()) == []


def test_a_row_without_coordinates_is_its_own_place():
    assert place_of(example("ACGT", "x")) == ("x", 0, False)
    assert place_of(example("ACGT", "x", chrom="chr1")) == ("x", 0, False)
    assert place_of(example("ACGT", "x", "chr1", 7, "-")) == ("chr1", 7, True)


def test_a_row_without_name_is_shown_by_its_place():
    rows = [example("ACGT", "x", "chr1", 7, "-"), example("ACGT", ".", "chr1", 7, "-")]
    assert names_of(rows) == ["x", "chr1:7-11(-)"]
