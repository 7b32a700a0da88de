import gzip
import re
import struct

import py2bit
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dnabert_cli.errors import FormatError
from dnabert_cli.formats.fasta import read_fasta
from dnabert_cli.formats.indexed_fasta import IndexedFasta, fetch_regions
from dnabert_cli.formats.twobit import TwoBitFile
from dnabert_cli.records import Interval, SequenceRecord

GENOME = {"chr1": "ACGTNNacgtnnACGTA", "chr2": "T", "chr3": "NNNN"}


def packed(genome, order="<", version=0):
    """Write a 2bit file down, block by block, as UCSC's format page says."""
    index_end = 16 + sum(5 + len(name) for name in genome)
    index, body = b"", b""
    for name, sequence in genome.items():
        index += bytes([len(name)]) + name.encode()
        index += struct.pack(order + "I", index_end + len(body))
        body += struct.pack(order + "I", len(sequence))
        for pattern in ("[Nn]+", "[a-z]+"):
            spans = [match.span() for match in re.finditer(pattern, sequence)]
            numbers = [start for start, _ in spans] + [end - start for start, end in spans]
            body += struct.pack(f"{order}I{len(numbers)}I", len(spans), *numbers)
        body += struct.pack(order + "I", 0)
        digits = ["TCAG".find(letter) % 4 for letter in sequence.upper().replace("N", "T")]
        digits += [0] * (-len(digits) % 4)
        body += bytes(
            a << 6 | b << 4 | c << 2 | d
            for a, b, c, d in zip(*(digits[i::4] for i in range(4)), strict=True)
        )
    head = struct.pack(order + "4I", 0x1A412743, version, len(genome), 0)
    return head + index + body


@pytest.fixture
def genome(tmp_path):
    path = tmp_path / "genome.2bit"
    path.write_bytes(packed(GENOME))
    return str(path)


def test_every_stretch_is_read(genome):
    twobit = TwoBitFile(genome)
    for start in range(17):
        for end in range(start, 18):
            assert twobit.letters("chr1", start, end) == GENOME["chr1"][start:end]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(sequence=st.text("ACGTNacgtn", min_size=1, max_size=80), data=st.data())
def test_stretches_agree_with_py2bit(tmp_path, sequence, data):
    path = tmp_path / "a.2bit"
    path.write_bytes(packed({"a": sequence}))
    start = data.draw(st.integers(0, len(sequence) - 1))
    end = data.draw(st.integers(start + 1, len(sequence)))
    letters = TwoBitFile(str(path)).letters("a", start, end)
    assert letters == sequence[start:end]
    # py2bit writes N in upper case inside a masked stretch; twoBitToFa does not
    assert letters.replace("n", "N") == py2bit.open(str(path), True).sequence("a", start, end)


def test_fasta_functions_take_2bit_by_content(tmp_path):
    path = tmp_path / "any.name"
    path.write_bytes(packed(GENOME))
    assert {r.name: r.sequence for r in read_fasta(str(path))} == GENOME
    assert IndexedFasta(str(path)).names() == list(GENOME)
    regions = [Interval("chr2", 0, 1), Interval("chr1", 2, 8)]
    assert list(fetch_regions(str(path), regions)) == [
        SequenceRecord("chr1", "GTNNac", 2),
        SequenceRecord("chr2", "T", 0),
    ]


def test_big_endian_is_read(tmp_path):
    path = tmp_path / "a.2bit"
    path.write_bytes(packed(GENOME, order=">"))
    assert {r.name: r.sequence for r in read_fasta(str(path))} == GENOME


def test_every_truncation_is_an_error(tmp_path):
    """py2bit dies of SIGBUS or reads on in silence."""
    data = packed(GENOME)
    path = tmp_path / "a.2bit"
    for n_bytes in range(4, len(data)):
        path.write_bytes(data[:n_bytes])
        with pytest.raises(FormatError, match=r"a\.2bit: is truncated"):
            TwoBitFile(str(path))


def test_standard_input_cannot_be_2bit(feed):
    feed(packed(GENOME))
    with pytest.raises(FormatError, match="standard input: 2bit cannot be read from a stream"):
        read_fasta("-")


def test_gzipped_2bit_is_an_error(tmp_path):
    path = tmp_path / "a.2bit.gz"
    path.write_bytes(gzip.compress(packed(GENOME)))
    with pytest.raises(FormatError, match=r"compressed 2bit file .*unpack it first"):
        read_fasta(str(path))


def test_unknown_version_is_refused(tmp_path):
    path = tmp_path / "a.2bit"
    path.write_bytes(packed(GENOME, version=1))
    with pytest.raises(FormatError, match="version 1 is not known"):
        TwoBitFile(str(path))
