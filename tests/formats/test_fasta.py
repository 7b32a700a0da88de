import gzip
import logging
import os
import tracemalloc

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from dnabert_cli.errors import FormatError
from dnabert_cli.formats import fasta
from dnabert_cli.formats.fasta import read_fasta
from dnabert_cli.records import SequenceRecord

TWO = b">chr1 first\nACGTN\nacgt\n>chr2\nTTTT\n"
TWO_RECORDS = [SequenceRecord("chr1", "ACGTNacgt"), SequenceRecord("chr2", "TTTT")]


def records(path):
    return [(record.name, record.sequence) for record in read_fasta(path)]


@pytest.mark.parametrize("data", [TWO, gzip.compress(TWO)], ids=["plain", "gzip"])
def test_records_are_the_same_from_file_and_standard_input(write, feed, data):
    assert list(read_fasta(write(data))) == TWO_RECORDS
    feed(data)
    assert list(read_fasta("-")) == TWO_RECORDS


def test_bgzip_is_read(bgzipped):
    assert list(read_fasta(bgzipped(TWO.decode()))) == TWO_RECORDS


@pytest.mark.parametrize(
    "data",
    [
        TWO.replace(b"\n", b"\r\n"),
        TWO.rstrip(b"\n"),
        b"\n\r\n" + TWO,
        b"\xef\xbb\xbf" + TWO,
        TWO.replace(b"\n>", b"\n\n\n>") + b"\n\n",
        b">chr1 first\nACG\nT\n\nNacgt\n>chr2\nTT TT\t\n",
        b">chr1\tfirst\nACGTNacgt\n>chr2\nTTTT",
    ],
    ids=["crlf", "no final newline", "leading blanks", "mark", "blank lines", "ragged", "tab"],
)
def test_layout_does_not_change_the_records(write, data):
    assert list(read_fasta(write(data))) == TWO_RECORDS


def test_u_is_read_as_t_and_said_once(write, caplog):
    caplog.set_level(logging.INFO)
    assert records(write(b">a\nACGU\nu\n>b\nUU\n")) == [("a", "ACGTt"), ("b", "TT")]
    assert [entry.getMessage().split(": ")[1] for entry in caplog.records] == [
        "record 'a' is RNA; U is read as T"
    ]


def test_iupac_codes_and_case_are_kept(write):
    assert records(write(b">a\nACGTRYSWKMBDHVNacgtryswkmbdhvn\n")) == [
        ("a", "ACGTRYSWKMBDHVNacgtryswkmbdhvn")
    ]


def test_record_without_sequence_is_yielded_and_counted(write, caplog):
    path = write(b">a\n>b\nA\n>c\n\n>d")
    assert records(path) == [("a", ""), ("b", "A"), ("c", ""), ("d", "")]
    assert [entry.getMessage() for entry in caplog.records] == [
        f"{path}: 3 records without sequence, the first is 'a'"
    ]


LETTERS = st.text("ACGTNacgtnRYSWKMBDHVryswkmbdhv", max_size=60)


@st.composite
def layouts(draw):
    """Draw the records of a FASTA file and one way to write them down."""
    sequences = draw(st.lists(LETTERS, min_size=1, max_size=6))
    line_end = draw(st.sampled_from(["\n", "\r\n"]))
    lines = []
    for i, sequence in enumerate(sequences):
        lines.append(f">r{i}" + draw(st.sampled_from(["", " two words", "\t>x"])))
        cuts = sorted(draw(st.lists(st.integers(0, len(sequence)), max_size=4)))
        for start, end in zip([0, *cuts], [*cuts, len(sequence)], strict=True):
            lines.append(sequence[start:end])
    final = draw(st.sampled_from(["", line_end, line_end * 3]))
    return [(f"r{i}", s) for i, s in enumerate(sequences)], line_end.join(lines) + final


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(layout=layouts(), n_bytes=st.integers(1, 40))
def test_records_survive_any_layout_and_any_block_size(write, monkeypatch, layout, n_bytes):
    """Headers, line ends and the two bytes of CRLF fall on every possible border of a block."""
    monkeypatch.setattr(fasta, "_BLOCK", n_bytes)
    expected, text = layout
    assert records(write(text.encode())) == expected


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(layout=layouts(), n_bytes=st.integers(1, 40), data=st.data())
def test_wrong_letter_is_reported_with_its_line(write, monkeypatch, layout, n_bytes, data):
    monkeypatch.setattr(fasta, "_BLOCK", n_bytes)
    lines = layout[1].split("\n")
    places = [
        (i, j)
        for i, line in enumerate(lines)
        if not line.startswith(">")
        for j in range(len(line.rstrip("\r")) + 1)
        if any(earlier.startswith(">") for earlier in lines[:i])
    ]
    assume(places)
    row, column = data.draw(st.sampled_from(places))
    lines[row] = lines[row][:column] + "?" + lines[row][column:]
    path = write("\n".join(lines).encode())
    with pytest.raises(FormatError, match=rf"genome\.fa:{row + 1}: '\?' in record 'r\d'"):
        records(path)


def test_long_record_of_one_line_is_read_whole(write):
    sequence = "ACGTTGCAN" * 300_000
    path = write(f">a\n{sequence}\n>b\nACGT\n".encode())
    assert records(path) == [("a", sequence), ("b", "ACGT")]


def test_unread_iterator_closes_its_file(write):
    """Warnings are errors here: an open file left behind would fail the test."""
    read_fasta(write(TWO))
    next(read_fasta(write(TWO)))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", r"genome\.fa: is empty"),
        (b"\n \n", r"genome\.fa: is empty"),
        (b"@read\nACGT\n+\nIIII\n", r"genome\.fa:1: is not FASTA: .* looks like FASTQ"),
        (b"\n\nchr1\t1\t2\n", r"genome\.fa:3: is not FASTA: .* looks like BED"),
        (b"##fileformat=VCFv4.2\n", "looks like VCF"),
        (b"ACGT\n", "looks like plain text"),
        (b"\x00\x01\x02", "looks like binary data"),
        (b"PK\x03\x04", "looks like a zip archive; unpack it first"),
    ],
)
def test_what_is_no_fasta_is_refused_before_iteration(write, feed, data, message):
    with pytest.raises(FormatError, match=message):
        read_fasta(write(data))
    feed(data)
    with pytest.raises(FormatError, match="standard input"):
        read_fasta("-")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b">a\nAC\n>b\nA\n>a x\nC\n", r":5: the name 'a' was already used in line 1 .*rename"),
        (b">\nACGT\n", r":1: a record without a name .*directly after '>'"),
        (b">a\nA\n> b\nACGT\n", r":3: a record without a name"),
        (b">p\nMKT\nAYE\n", r":3: 'E' in record 'p' is not a DNA letter .*protein"),
        (b">a\nAC\nG-T\n", r":3: '-' in record 'a' is not a DNA letter .*gaps"),
        (b">a\nACX\n", r":2: 'X' .*write N"),
        (b">a\nAC>b\nAC\n", r":2: '>' in record 'a' .*line end is missing"),
        (b">a\nAC1\n", r":2: '1' .*allowed are A, C, G, T, U"),
        (b">a\nAC\xc3\xa9\n", r":2: '\xc3' in record 'a'"),
        (b">a\nA\n;comment\n", r":3: ';' in record 'a'"),
    ],
)
def test_broken_record_is_reported_with_line_and_cure(write, data, message):
    with pytest.raises(FormatError, match=message):
        records(write(data))


def test_truncated_gzip_never_reads_short(write):
    data = gzip.compress(b">a\n" + os.urandom(50_000).hex().translate(_HEX).encode())
    with pytest.raises(FormatError, match="truncated"):
        records(write(data[: len(data) // 2]))


_HEX = str.maketrans("0123456789abcdef", "ACGT" * 4)


def test_a_chromosome_is_held_once(write):
    """One copy and one block: `"".join` of pieces would need two."""
    path = write(b">a\n" + b"ACGTACGTAC\n" * 2_000_000)
    tracemalloc.start()
    try:
        (record,) = read_fasta(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 1.5 * len(record.sequence)
