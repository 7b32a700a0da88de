import gzip
import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.errors import FormatError
from dnabert_cli.formats.narrowpeak import read_peaks
from dnabert_cli.records import Interval


@pytest.fixture
def save(write):
    return lambda text: write(text.encode(), "a.narrowPeak")


def row(start=100, end=200, summit="30"):
    return f"chr1\t{start}\t{end}\tp\t0\t.\t5.1\t-1\t2.5\t{summit}\n"


def test_tenth_column_counts_from_the_start_of_the_peak(save):
    assert read_peaks(save(row())) == [(Interval("chr1", 100, 200, "p"), 130)]


def test_unknown_summit_is_the_middle(save):
    assert [summit for _, summit in read_peaks(save(row(summit="-1")))] == [150]


@pytest.mark.parametrize(
    "text",
    [
        "chr1\t100\t201\n",
        "chr1\t100\t201\tp\t0\t-\n",
        "chr1\t100\t201\tp\t0\t-\t5\t3\t2\n",
        "chr1\t100\t201\tp\t0\t-\t100\t201\t0\t2\t5,5\t0,96\n",  # BED12: two blocks
    ],
)
def test_bed_without_summit_gives_the_middle(save, text):
    assert [summit for _, summit in read_peaks(save(text))] == [150]


def test_gzip_crlf_header_and_standard_input_are_read(write, feed):
    text = "track name=a\n#chrom\tstart\tend\n" + row() + "\n" + row(5, 6, "0")
    data = gzip.compress(text.replace("\n", "\r\n").encode())
    expected = [(Interval("chr1", 100, 200, "p"), 130), (Interval("chr1", 5, 6, "p"), 5)]
    assert read_peaks(write(data)) == expected
    feed(data)
    assert read_peaks("-") == expected


def test_file_without_rows_has_no_peaks(save):
    assert read_peaks(save("# nothing\n")) == []


def test_named_summits_are_counted_in_the_log(save, caplog):
    with caplog.at_level(logging.INFO):
        read_peaks(save(row() + row(summit="-1")))
    assert "1 of 2 peaks name their summit" in caplog.text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (row(summit="1.5"), r"summit '1\.5' is not a whole number .*column 10"),
        (row(summit=""), r"summit '' is not"),
        (row(summit="-2"), r"summit '-2' is not"),
        (row(summit="100"), r"summit 100 lies outside the peak of 100 bases .*column 10"),
        (row(start=300), r"end 200 is smaller than start 300"),
    ],
)
def test_broken_row_is_reported_with_its_line(save, text, message):
    with pytest.raises(FormatError, match=r"a\.narrowPeak:3: .*" + message):
        read_peaks(save("# toy\n" + row() + text))


def test_last_base_of_a_peak_may_be_its_summit(save):
    assert [summit for _, summit in read_peaks(save(row(summit="99")))] == [199]


@given(st.integers(0, 2**40), st.integers(1, 2**20), st.data())
def test_summit_lies_in_its_peak(tmp_path_factory, start, n_bases, data):
    offset = data.draw(st.integers(-1, n_bases - 1))
    path = tmp_path_factory.mktemp("peaks") / "a.narrowPeak"
    path.write_text(row(start, start + n_bases, str(offset)))
    [(peak, summit)] = read_peaks(str(path))
    assert peak.start <= summit < peak.end
    assert offset == -1 or summit - peak.start == offset
