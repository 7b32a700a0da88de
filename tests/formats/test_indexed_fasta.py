import gzip
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from dnabert_cli.errors import DataError, FormatError
from dnabert_cli.formats.fasta import read_fasta
from dnabert_cli.formats.indexed_fasta import (
    IndexedFasta,
    NotIndexableError,
    fetch_regions,
    n_bases_of,
)
from dnabert_cli.records import Interval, SequenceRecord

TWO = b">chr1 first\nACGTN\nacgt\n>chr2\nTTTT\n"


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "bgzip"])
def test_fetch_equals_slicing_the_streamed_record(write, bgzipped, packed):
    text = ">a x\n" + "ACGTNacgtR\n" * 2000 + "AC\n>b\nTTGCA\n"
    path = bgzipped(text) if packed else write(text.encode())
    streamed = {record.name: record.sequence for record in read_fasta(path)}
    indexed = IndexedFasta(path)
    assert indexed.names() == ["a", "b"]
    assert indexed.length("a") == 20002
    for start, end in [(0, 1), (5, 25), (19990, 20002), (0, 20002), (7, 7)]:
        interval = Interval("a", start, end, strand="-")
        assert indexed.fetch(interval) == SequenceRecord("a", streamed["a"][start:end], start)
    assert indexed.fetch(Interval("b", 4, 5)).sequence == "A"


def test_fetch_reads_u_as_t_and_crlf(write):
    indexed = IndexedFasta(write(b">a\r\nACGU\r\nuuAC\r\n"))
    assert indexed.fetch(Interval("a", 2, 7)).sequence == "GTttA"


def test_index_lies_beside_the_file_and_is_rebuilt_when_older(write):
    path = write(b">a\nACGT\n")
    IndexedFasta(path)
    assert Path(path + ".fai").exists()
    write(b">b\nTTTTTT\n")
    os.utime(path + ".fai", (1, 1))
    assert IndexedFasta(path).length("b") == 6
    names = sorted(entry.name for entry in Path(path).parent.iterdir())
    assert names == ["genome.fa", "genome.fa.fai"]


def test_samtools_index_is_used_as_it_is(write, caplog):
    path = write(b">a\nACGT\n>b\nTT\n")
    Path(path + ".fai").write_text("b\t2\t11\t2\t3\n")
    assert IndexedFasta(path).names() == ["b"]


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "bgzip"])
def test_index_of_a_read_only_folder_lies_in_the_cache(
    write, bgzipped, tmp_path, monkeypatch, packed
):
    path = bgzipped(">a\nACGT\n") if packed else write(b">a\nACGT\n")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    before = sorted(entry.name for entry in tmp_path.iterdir())
    assert IndexedFasta(path).fetch(Interval("a", 1, 3)).sequence == "CG"
    suffixes = sorted(entry.suffix for entry in (tmp_path / "cache" / "dnabert").iterdir())
    assert suffixes == ([".fai", ".gzi"] if packed else [".fai"])
    assert sorted(entry.name for entry in tmp_path.iterdir()) == sorted([*before, "cache"])


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("1", r"no sequence named '1' .*it has 'chr1'"),
        ("chrX", r"no sequence named 'chrX' .*it has chr1, chr2\)"),
    ],
)
def test_unknown_name_is_an_error_with_a_hint(write, name, message):
    with pytest.raises(DataError, match=message):
        IndexedFasta(write(TWO)).fetch(Interval(name, 0, 1))


def test_superfluous_chr_is_noticed(write):
    with pytest.raises(DataError, match="it has '1': write the names in the same way"):
        IndexedFasta(write(b">1\nACGT\n")).length("chr1")


@pytest.mark.parametrize("place", [(0, 10), (-1, 3), (5, 4)])
def test_interval_outside_the_sequence_is_an_error_with_its_length(write, place):
    with pytest.raises(DataError, match=r"does not lie within chr1 of .* 9 bases"):
        IndexedFasta(write(TWO)).fetch(Interval("chr1", *place))


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (gzip.compress(TWO, mtime=0), "gzip cannot be read at random .*bgzip"),
        (b">a\nAC\nACGT\n>b\nA\n", "lines of unequal length"),
        (b">a\n>b\nA\n", "record without sequence"),
        (b">b\nA\n>a\n", "record without sequence"),
    ],
)
def test_what_cannot_be_indexed_is_said(write, data, message):
    with pytest.raises(NotIndexableError, match=message):
        IndexedFasta(write(data))


def test_standard_input_cannot_be_indexed():
    with pytest.raises(NotIndexableError, match="standard input: a stream cannot be indexed"):
        IndexedFasta("-")


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b">a\nA\n>a\nC\n", "already used in line 1"),
        (b"", "is empty"),
        (b"hello\n", "is not FASTA"),
        (b">a\nAEC\n", ":2: 'E' in record 'a'"),
    ],
)
def test_broken_file_is_not_indexed(write, data, message):
    path = write(data)
    with pytest.raises(FormatError, match=message):
        IndexedFasta(path)
    assert not Path(path + ".fai").exists()


def test_blanks_inside_lines_never_shift_a_fetch(write):
    """Counting blanks as bases, the index is off; samtools returns the blanks."""
    with pytest.raises(FormatError, match=r"does not fit its index .*remove blanks"):
        IndexedFasta(write(b">a\nAC GT\nAC GT\n")).fetch(Interval("a", 1, 6))


def test_letters_are_checked_with_a_foreign_index(write):
    path = write(b">a\nAEGT\n")
    Path(path + ".fai").write_text("a\t4\t3\t4\t5\n")
    with pytest.raises(FormatError, match="'E' in record 'a'"):
        IndexedFasta(path).fetch(Interval("a", 0, 2))


def test_damaged_index_is_an_error(write):
    path = write(b">a\nAEGT\n")
    Path(path + ".fai").write_text("hello\n")
    with pytest.raises(FormatError, match=r"the index .*\.fai is damaged .*delete it"):
        IndexedFasta(path)


REGIONS = [
    Interval("chr2", 1, 3),
    Interval("chr1", 4, 9),
    Interval("chr1", 0, 2, strand="-"),
    Interval("chr1", 4, 6),
]
CUT = [
    SequenceRecord("chr1", "AC", 0),
    SequenceRecord("chr1", "Na", 4),
    SequenceRecord("chr1", "Nacgt", 4),
    SequenceRecord("chr2", "TT", 1),
]


def test_regions_come_in_the_same_order_from_index_and_stream(write, feed):
    assert list(fetch_regions(write(TWO), REGIONS)) == CUT
    assert list(fetch_regions(write(gzip.compress(TWO), "a.gz"), REGIONS)) == CUT
    ragged = TWO.replace(b"ACGTN\n", b"ACG\nTN\n")
    assert list(fetch_regions(write(ragged, "ragged.fa"), REGIONS)) == CUT
    feed(TWO)
    assert list(fetch_regions("-", REGIONS)) == CUT


def test_unknown_region_is_found_before_the_first_record_when_indexed(write):
    with pytest.raises(DataError, match=r"no sequence named '2' .*it has 'chr2'"):
        fetch_regions(write(TWO), [Interval("chr1", 0, 2), Interval("2", 0, 1)])


def test_unknown_region_is_found_at_the_end_of_a_stream(feed):
    feed(TWO)
    regions = fetch_regions("-", [Interval("chr1", 0, 2), Interval("2", 0, 1)])
    assert next(regions).sequence == "AC"
    with pytest.raises(DataError, match=r"no sequence named '2' .*it has 'chr2'"):
        list(regions)


@pytest.mark.parametrize("data", [TWO, gzip.compress(TWO)], ids=["indexed", "streamed"])
def test_region_outside_its_sequence_is_an_error(write, data):
    with pytest.raises(DataError, match=r"does not lie within chr2 of .* 4 bases"):
        list(fetch_regions(write(data), [Interval("chr2", 3, 5)]))


def test_regions_of_a_missing_file_are_an_error(tmp_path):
    with pytest.raises(FormatError, match="no such file"):
        fetch_regions(str(tmp_path / "no.fa"), [])


@pytest.mark.skipif(shutil.which("samtools") is None, reason="samtools is not installed")
def test_our_index_is_byte_for_byte_that_of_samtools(write):
    path = write(TWO)
    IndexedFasta(path)
    ours = Path(path + ".fai").read_bytes()
    subprocess.run(["samtools", "faidx", path], check=True)
    assert Path(path + ".fai").read_bytes() == ours


@pytest.mark.realdata
def test_yeast_is_read_whole_and_fetched(real_data, tmp_path):
    source = real_data / "reference" / "yeast_sacCer3.fa.gz"
    streamed = {record.name: record.sequence for record in read_fasta(str(source))}
    assert len(streamed) == 17
    assert len(streamed["I"]) == 230_218  # sacCer3 chromosome I
    link = tmp_path / "yeast.fa.gz"  # the index must not land among the data
    link.symlink_to(source.resolve())
    intervals = [Interval(name, 1000, 1300) for name in streamed]
    fetched = list(fetch_regions(str(link), intervals))
    assert [piece.sequence for piece in fetched] == [
        sequence[1000:1300] for sequence in streamed.values()
    ]


@pytest.mark.realdata
@pytest.mark.slow
def test_human_genome_with_gaps_is_fetched_at_true_coordinates(real_data, tmp_path):
    link = tmp_path / "hg38.fa.gz"
    link.symlink_to((real_data / "reference" / "hg38.mini.fa.gz").resolve())
    genome = IndexedFasta(str(link))
    assert genome.length("chr1") == 248_956_422
    assert genome.fetch(Interval("chr1", 0, 50)).sequence == "N" * 50
    block = next(read_fasta(str(real_data / "reference" / "hg38.blocks.fa.gz")))
    chrom, span = block.name.split(":")
    start = int(span.split("-")[0]) - 1
    piece = genome.fetch(Interval(chrom, start, start + 5000))
    assert piece.sequence.upper() == block.sequence[:5000].upper()


def test_the_number_of_bases_is_told_by_the_index_or_guessed_from_the_size(tmp_path):
    path = tmp_path / "genome.fa"
    path.write_text(">a\nACGT\nAC\n>b\nGG\n")

    guessed = n_bases_of(str(path))
    IndexedFasta(str(path))

    assert guessed == path.stat().st_size
    assert n_bases_of(str(path)) == 8
    assert n_bases_of("-") is None


def test_the_number_of_bases_of_a_packed_file_is_unknown(tmp_path):
    path = tmp_path / "genome.fa.gz"
    path.write_bytes(gzip.compress(b">a\nACGT\n"))

    assert n_bases_of(str(path)) is None


def test_without_pysam_a_fasta_is_streamed(write, monkeypatch):
    """A machine that trains from tables may have torch and numpy only."""
    import sys

    monkeypatch.setitem(sys.modules, "pysam", None)
    path = write(TWO)
    with pytest.raises(NotIndexableError, match="pysam, which indexes FASTA, is not installed"):
        IndexedFasta(path)
    assert [r.sequence for r in fetch_regions(path, [Interval("chr2", 1, 3)])] == ["TT"]
