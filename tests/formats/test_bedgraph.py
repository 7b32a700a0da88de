"""bedGraph: values per stretch, and telling it from BED."""

import gzip

import pytest

from dnabert_cli.errors import FormatError
from dnabert_cli.formats.bedgraph import is_bedgraph, read_bedgraph
from dnabert_cli.records import Interval


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
