"""bedGraph: values per stretch, in and out, and telling it from BED."""

import gzip
import io
import shutil
import subprocess

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.errors import FormatError
from dnabert_cli.formats.bedgraph import is_bedgraph, read_bedgraph, runs, write_bedgraph
from dnabert_cli.formats.files import open_output
from dnabert_cli.records import Interval

NAN, INF = float("nan"), float("inf")


def test_rows_keep_their_lines_and_comments_are_skipped(write):
    text = b"track type=bedGraph\n#c\n\nchr1\t0\t10\t-1.5\nchr2 5 6 2e3\n"
    assert list(read_bedgraph(write(text))) == [
        (4, Interval("chr1", 0, 10), -1.5),
        (5, Interval("chr2", 5, 6), 2000.0),
    ]


def test_gzip_is_read(write):
    assert len(list(read_bedgraph(write(gzip.compress(b"chr1\t0\t10\t1\n"))))) == 1


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("chr1\t0\t10", "3 columns instead of 4"),
        ("chr1\t0\t10\tx\t0\t+", "6 columns instead of 4"),
        ("chr1\t0\tten\t1", "'ten' is not a whole number"),
        ("chr1\t10\t10\t1", "end 10 is not above start 10"),
        ("chr1\t0\t10\tsite", "'site' is no finite number"),
        ("chr1\t0\t10\tnan", "'nan' is no finite number"),
        ("chr1\t0\t10\tinf", "'inf' is no finite number"),
    ],
)
def test_a_broken_row_is_reported_with_its_line(write, row, message):
    path = write(f"chr1\t0\t1\t1\n{row}\n".encode())
    with pytest.raises(FormatError, match=f"genome.fa:2: .*{message}"):
        list(read_bedgraph(path))


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.bed", "chr1\t0\t1\t5\n", False),
        ("a.bed.gz", "chr1\t0\t1\t5\n", False),
        ("a.bedGraph", "chr1\t0\t1\t5\n", True),
        ("a.bg.gz", "chr1\t0\t1\t5\n", True),
        ("a.bdg", "", True),
        ("a.txt", "chr1\t0\t1\t5\n", True),
        ("a.txt", "#c\nchr1 0 1 0.5\n", True),
        ("a.txt", "chr1\t0\t1\tsite\n", False),
        ("a.txt", "chr1\t0\t1\n", False),
        ("a.txt", "chr1\t0\t1\t5\t0\t+\n", False),
        ("a.txt", 'track type=bedGraph name="x"\nchr1\t0\t1\tsite\n', True),
        ("a.txt", "track name=x\nchr1\t0\t1\tsite\n", False),
        ("a.txt", "", False),
    ],
)
def test_bedgraph_is_told_by_name_track_line_or_first_row(write, name, content, expected):
    assert is_bedgraph(write(content.encode(), name)) is expected


def written(*tracks, header=False):
    handle = io.StringIO()
    rows = [(chrom, start, np.array(scores, dtype=float)) for chrom, start, scores in tracks]
    n_rows = write_bedgraph(rows, handle, header=header)
    assert n_rows == handle.getvalue().count("\n") - header
    return handle.getvalue()


def test_equal_neighbours_are_one_row():
    text = "chr1\t5\t7\t0.5\nchr1\t7\t8\t2\nchr1\t8\t9\t0.5\n"
    assert written(("chr1", 5, [0.5, 0.5, 2, 0.5])) == text


@pytest.mark.parametrize("unknown", [NAN, INF, -INF])
def test_scores_that_are_not_finite_are_left_out(unknown):
    rows = "a\t1\t2\t1\na\t3\t4\t1\n"
    assert written(("a", 0, [unknown, 1, unknown, 1, unknown, unknown])) == rows


def test_values_have_six_digits_and_are_joined_by_what_is_written():
    text = "a\t0\t2\t0.333333\na\t2\t3\t1.23457e-09\n"
    assert written(("a", 0, [1 / 3, 0.33333333, 1.2345678e-9])) == text


def test_minus_zero_is_zero():
    assert written(("a", 0, [-0.0, 0.0])) == "a\t0\t2\t0\n"


def test_tracks_keep_their_order_and_are_not_joined():
    text = "chr2\t1\t2\t1\nchr2\t2\t3\t1\nchr10\t0\t1\t1\n"
    assert written(("chr2", 1, [1]), ("chr2", 2, [1]), ("chr10", 0, [1])) == text


def test_header_is_a_comment():
    head = "#chrom\tstart\tend\tvalue\n"
    assert written(("a", 0, [1]), header=True) == head + "a\t0\t1\t1\n"
    assert written(header=True) == head
    assert written(("a", 0, [NAN])) == written(("a", 0, [])) == ""


@given(st.lists(st.sampled_from([0.0, 1.5, -2.25, NAN]), max_size=30), st.integers(0, 9))
def test_what_is_written_reads_back_base_by_base(tmp_path_factory, scores, start):
    path = tmp_path_factory.getbasetemp() / "any.bedGraph"
    path.write_text(written(("a", start, scores), header=True))
    bases = {
        base: value
        for _, interval, value in read_bedgraph(str(path))
        for base in range(interval.start, interval.end)
    }
    expected = {start + i: score for i, score in enumerate(scores) if not np.isnan(score)}
    assert bases == expected


def test_runs_of_single_precision_stay_so():
    starts, ends, values = runs(3, np.array([1, 1, NAN, NAN, 2], dtype=np.float32))
    assert (starts.tolist(), ends.tolist(), values.tolist()) == ([3, 7], [5, 8], [1, 2])
    assert values.dtype == np.float32


def peer(*argv):
    if shutil.which(argv[0]) is None:
        pytest.skip(f"{argv[0]} is not installed")
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


@pytest.fixture
def scored(tmp_path):
    """A bgzipped bedGraph as the program writes it."""
    path = str(tmp_path / "scores.bedGraph.gz")
    with open_output(path, force=False) as handle:
        write_bedgraph([("chr1", 5, np.array([0.5, 0.5, NAN, 2]))], handle, header=True)
    return path


def test_bedtools_reads_what_is_written(scored, write):
    regions = write(b"chr1\t6\t9\n", "regions.bed")
    answer = peer("bedtools", "map", "-a", regions, "-b", scored, "-c", "4", "-o", "mean")
    assert answer == "chr1\t6\t9\t1.25\n"


def test_tabix_reads_what_is_written(scored):
    peer("tabix", "-p", "bed", scored)
    assert peer("tabix", scored, "chr1:8-9") == "chr1\t8\t9\t2\n"
