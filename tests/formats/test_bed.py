import gzip
import io
import shutil
import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnabert_cli.errors import FormatError
from dnabert_cli.formats.bed import read_bed, read_numbered, write_calls, write_windows
from dnabert_cli.formats.files import open_output
from dnabert_cli.records import Call, Interval

CALLS = [
    Call("chr1", 10, 310, "promoter", 0.98765, "+", 259, 1),
    Call("chr1", 400, 900, "promoter", 1.0, "-", 650, 5),
    Call("chr2", 0, 300, "a b\tc", 0.5, ".", 249, 2),
]
CALLS_BED = """\
#chrom	start	end	name	score	strand	probability	summit	n_windows
chr1	10	310	promoter	987	+	0.9877	259	1
chr1	400	900	promoter	1000	-	1.0000	650	5
chr2	0	300	a_b_c	500	.	0.5000	249	2
"""


@pytest.fixture
def bed(tmp_path):
    def save(text):
        path = tmp_path / "peaks.bed"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return str(path)

    return save


@pytest.mark.parametrize(
    ("row", "interval"),
    [
        ("chr1\t1\t2", Interval("chr1", 1, 2)),
        ("chr1\t1\t2\t", Interval("chr1", 1, 2)),
        ("chr1\t1\t2\tpeak one", Interval("chr1", 1, 2, "peak one")),
        ("chr1\t1\t2\tp\t0.5", Interval("chr1", 1, 2, "p")),
        ("chr1\t1\t2\tp\t0\t-", Interval("chr1", 1, 2, "p", "-")),
        ("chr1\t1\t2\tp\t0\t+\t1.5\t-1\t-1\t1", Interval("chr1", 1, 2, "p", "+")),
    ],
)
def test_three_to_six_columns_and_more_are_read(bed, row, interval):
    assert read_bed(bed(row + "\n")) == [interval]


def test_comments_header_and_blank_lines_are_skipped(bed):
    text = (
        "browser position chr1\n#chrom\tstart\tend\n##x\ntrack name=a\n"
        "chrom\tstart\tend\nchr2\t5\t9\n\n#\nchr1\t1\t2\n"
    )
    assert read_bed(bed(text)) == [Interval("chr2", 5, 9), Interval("chr1", 1, 2)]


def test_gzip_crlf_and_standard_input_are_read(bed, feed):
    data = gzip.compress(b"chr1\t1\t2\r\nchr1\t3\t4")
    expected = [Interval("chr1", 1, 2), Interval("chr1", 3, 4)]
    assert read_bed(bed(data)) == expected
    feed(data)
    assert read_bed("-") == expected


@pytest.mark.parametrize("text", ["", "#chrom\tstart\tend\n"])
def test_file_without_rows_has_no_intervals(bed, text):
    assert read_bed(bed(text)) == []


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("chr1 10 20", r"found blanks .*tr -s"),
        ("chr1\t10", r"found 2 column"),
        (">chr1", r"found 1 column"),
        ("chr1\t20\t10", r"end 10 is smaller than start 20"),
        ("chr1\t20\t20", r"end 20 is equal to start 20"),
        ("chr1\t-1\t10", r"coordinate '-1' is not a whole number"),
        ("chr1\t1e3\t2000", r"coordinate '1e3' is not"),
        ("chr1\t1.0\t2", r"coordinate '1\.0' is not"),
        ("chr1\t1_0\t20", r"coordinate '1_0' is not"),
        ("chr1\t1,000\t2,000", r"coordinate '1,000' is not .*start counts from 0"),
        ("\t1\t2", r"name of the sequence is missing"),
        ("chr1\t1\t2\tp\t0\t1", r"strand '1' is not one of"),
    ],
)
def test_broken_row_is_reported_with_its_line(bed, row, message):
    with pytest.raises(FormatError, match=r"peaks\.bed:3: .*" + message):
        read_bed(bed(f"#c\nchr1\t1\t2\n{row}\n"))


names = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1)


@st.composite
def intervals(draw):
    start = draw(st.integers(0, 2**40))
    end = start + draw(st.integers(1, 2**40))
    chrom = draw(names.filter(lambda name: not name.startswith(("#", "track", "browser"))))
    return Interval(chrom, start, end, draw(names), draw(st.sampled_from("+-.")))


@settings(deadline=None)
@given(st.lists(intervals()), st.booleans(), st.sampled_from(["\n", "\r\n"]))
def test_written_windows_are_read_back(tmp_path_factory, rows, header, line_end):
    handle = io.StringIO()
    windows = [(i.chrom, i.start, i.end, i.name, 0.25, i.strand) for i in rows]
    write_windows(windows, handle, header=header)
    path = tmp_path_factory.mktemp("bed") / "a.bed"
    path.write_bytes(handle.getvalue().replace("\n", line_end).encode())
    assert read_bed(str(path)) == rows


def test_calls_have_nine_columns():
    handle = io.StringIO()
    write_calls(CALLS, handle, header=True)
    assert handle.getvalue() == CALLS_BED


def test_windows_have_seven_columns_and_no_header_on_request():
    handle = io.StringIO()
    write_windows([("chr1", 0, 300, "", 0.12345, "-")], handle, header=False)
    assert handle.getvalue() == "chr1\t0\t300\t.\t123\t-\t0.1235\n"


@pytest.mark.parametrize(
    ("probability", "score"), [(0.0, 0), (0.0009, 0), (0.9999, 999), (1.0, 1000), (1.0000001, 1000)]
)
def test_score_is_the_floor_of_a_thousand_times_the_probability(probability, score):
    handle = io.StringIO()
    write_windows([("c", 0, 1, "n", probability, "+")], handle, header=False)
    assert handle.getvalue().split("\t")[4] == str(score)


def test_header_is_not_written_before_the_first_row():
    """A stream that fails at once must leave standard output empty."""

    def failing():
        raise ValueError("broken input")
        yield

    handle = io.StringIO()
    with pytest.raises(ValueError, match="broken input"):
        write_calls(failing(), handle, header=True)
    assert handle.getvalue() == ""


def test_empty_result_is_a_header_alone():
    handle = io.StringIO()
    write_calls([], handle, header=True)
    write_calls([], handle, header=False)
    assert handle.getvalue() == CALLS_BED.splitlines(keepends=True)[0]


@pytest.mark.skipif(shutil.which("bedtools") is None, reason="bedtools is not installed")
def test_bedtools_accepts_our_bed(tmp_path):
    path = tmp_path / "calls.bed"
    with open_output(str(path), force=False) as handle:
        write_calls(CALLS, handle, header=True)
    command = ["bedtools", "intersect", "-header", "-wa", "-u", "-a", path, "-b", path]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    assert (result.stdout, result.stderr) == (CALLS_BED, "")
    merge = ["bedtools", "merge", "-s", "-d", "100", "-c", "7", "-o", "max", "-i", path]
    result = subprocess.run(merge, capture_output=True, text=True, check=True)
    assert result.stdout.splitlines()[0] == "chr1\t10\t310\t0.9877"


@pytest.mark.skipif(shutil.which("tabix") is None, reason="tabix is not installed")
def test_tabix_indexes_our_packed_bed(tmp_path):
    path = tmp_path / "calls.bed.gz"
    with open_output(str(path), force=False) as handle:
        write_calls(CALLS, handle, header=True)
    subprocess.run(["tabix", "-p", "bed", path], check=True)
    command = ["tabix", "-h", path, "chr1:500-600"]
    result = subprocess.run(command, capture_output=True, text=True, check=True)
    lines = CALLS_BED.splitlines(keepends=True)
    assert result.stdout == lines[0] + lines[2]


@pytest.mark.realdata
def test_promoter_sites_are_read(real_data):
    sites = read_bed(str(real_data / "annotation" / "epdnew_hg38.in_blocks.bed.gz"))
    assert len(sites) == 191
    assert sites[0] == Interval("chr1", 52_055_190, 52_055_191, "TXNDC12_1", "-")
    assert all(site.end - site.start == 1 for site in sites)


def test_intervals_can_be_read_with_their_lines(bed):
    rows = list(read_numbered(bed("#c\nchrom\tstart\tend\nchr1\t1\t2\n\nchr1\t5\t6\tx\n")))
    assert rows == [(3, Interval("chr1", 1, 2)), (5, Interval("chr1", 5, 6, "x"))]
