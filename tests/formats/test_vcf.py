import gzip
import io
import sys
from pathlib import Path

import pysam
import pytest

from dnabert_cli.errors import DnabertError, FormatError
from dnabert_cli.formats import vcf
from dnabert_cli.formats.vcf import SortOrder, open_variants
from tests.formats.vcf_toys import COLUMNS, HEADER, NASTY, ROWS

PLAIN = f"##fileformat=VCFv4.2\n{COLUMNS}\n"
ROW = "chr1\t5\trs1\tA\tG\t.\tPASS\t.\n"


@pytest.fixture
def bcf(tmp_path, write):
    """Return a function that packs text as BCF and returns the path."""

    def save(text, name="a.bcf"):
        path = str(tmp_path / name)
        with (
            pysam.VariantFile(write(text.encode(), "to_pack.vcf")) as source,
            pysam.VariantFile(path, "wb", header=source.header) as target,
        ):
            for record in source:
                target.write(record)
        return path

    return save


def read(path, **options):
    with open_variants(path, **options) as reader:
        return list(reader)


def content(path):
    return Path(path).read_bytes()


def core(record):
    return record.number, record.chrom, record.position, record.identifier, record.ref, record.alts


def test_record_has_position_from_zero_and_alleles_in_order(write):
    record = read(write(NASTY.encode()))[1]
    assert core(record) == (2, "chr1", 9, "rs1;rs2", "A", ("C", "G", "*"))


def test_source_of_a_text_record_is_its_line(write):
    assert [record.source for record in read(write(NASTY.encode()))] == ROWS


def test_alt_of_a_point_is_no_allele(write):
    assert read(write(NASTY.encode()))[4].alts == ()


def test_case_of_the_reference_allele_is_kept(write):
    assert read(write(NASTY.encode()))[2].ref == "a"


def test_position_zero_is_marked_as_telomere(write):
    records = read(write(NASTY.encode()))
    assert records[0].position == -1
    assert [record.is_telomere for record in records] == [True] + [False] * 7


def test_long_and_many_alleles_are_read_whole(write):
    records = read(write(NASTY.encode()))
    assert len(records[6].ref) == 10_000
    assert len(records[7].alts) == 500


@pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "gzip"])
def test_text_is_read_from_file_and_standard_input(write, feed, pack):
    data = pack(NASTY.encode())
    feed(data)
    assert [record.source for record in read(write(data))] == ROWS
    assert [record.source for record in read("-")] == ROWS


def test_bgzip_is_read_whatever_its_name(bgzipped, write):
    path = write(content(bgzipped(NASTY)), "a.txt")
    assert [record.source for record in read(path)] == ROWS


def test_bcf_gives_the_records_of_the_text(bcf, write):
    text = [core(record) for record in read(write(NASTY.encode()))]
    assert [core(record) for record in read(bcf(NASTY))] == text


def gzipped(packed):
    return gzip.compress(gzip.decompress(packed))


@pytest.mark.parametrize("pack", [bytes, gzip.decompress, gzipped])
def test_bcf_is_read_from_standard_input(bcf, feed, pack):
    feed(pack(content(bcf(NASTY))))
    assert [record.position for record in read("-")] == [-1, 9, 9, 19, 20, 499, 6, 8]


def test_standard_input_stays_open(feed):
    feed(NASTY.encode())
    read("-")
    assert not sys.stdin.buffer.closed


def test_header_tells_contigs_lengths_and_reference(write):
    with open_variants(write(HEADER.encode() + b"##contig=<ID=x>\n" + COLUMNS.encode())) as reader:
        header = reader.header
    assert header.contigs == {"chr1": 100_000, "chr2": 200_000, "x": None}
    assert header.reference == "file:///genome.fa"


def test_header_of_bcf_tells_the_same(bcf, write):
    with open_variants(bcf(NASTY)) as packed, open_variants(write(NASTY.encode())) as text:
        assert packed.header.contigs == text.header.contigs
        assert sorted(packed.header.meta) == sorted(text.header.meta)  # PASS comes first in BCF
        assert packed.header.columns == text.header.columns


def test_file_without_records_is_read(write):
    assert read(write(PLAIN.encode())) == []


def test_windows_line_ends_byte_order_mark_and_blank_lines_are_no_part_of_records(write):
    text = "\ufeff" + (PLAIN + ROW + "\n" + ROW).replace("\n", "\r\n") + "\r\n"
    assert [record.source for record in read(write(text.encode()))] == [ROW.strip()] * 2


def test_last_line_may_lack_its_end(write):
    assert len(read(write((PLAIN + ROW).encode().rstrip()))) == 1


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is empty"),
        (COLUMNS + "\n" + ROW, "no line ##fileformat"),
        (">chr1\nACGT\n", "neither VCF nor BCF, but looks like FASTA"),
        ("##fileformat=VCFv4.2\n##x\n", r"a.vcf:3: the line #CHROM is missing: the file ends"),
        ("##fileformat=VCFv4.2\n" + ROW, r"a.vcf:2: the line #CHROM is missing \(hint"),
        ("##fileformat=VCFv4.2\n#CHROM\tPOS\tID\n", r"a.vcf:2: .* eight columns"),
        (PLAIN.replace("\t", " "), r"a.vcf:2: .* separated by tabs"),
    ],
)
def test_broken_header_is_an_error_at_opening(write, text, problem):
    with pytest.raises(FormatError, match=problem):
        open_variants(write(text.encode(), "a.vcf"))


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ("chr1\t5\t.\tA\tG\t.\tPASS", "expected 8 columns .* found 7"),
        ("chr1\t5\t.\tA\tG\t.\tPASS\t.\tGT\t0/1", "expected 8 columns .* found 10"),
        ("chr1 5 . A G . PASS .", "found blanks"),
        ("chr1\t-1\t.\tA\tG\t.\tPASS\t.", "POS '-1' is not a whole number of 1"),
        ("chr1\t1e3\t.\tA\tG\t.\tPASS\t.", "POS '1e3' is not"),
        ("chr1\t\t.\tA\tG\t.\tPASS\t.", "POS '' is not"),
        ("\t5\t.\tA\tG\t.\tPASS\t.", "CHROM is empty"),
        ("chr1\t5\t.\t\tG\t.\tPASS\t.", "REF is empty"),
        ("chr1\t5\t.\tA\tG,\t.\tPASS\t.", "an allele in ALT is empty"),
        ("chr1\t5\t.\tA\t\t.\tPASS\t.", "an allele in ALT is empty"),
        (COLUMNS, "POS 'POS' is not|a header line among the records"),
        ("##fileformat=VCFv4.2", "a header line among the records"),
    ],
)
def test_broken_record_is_named_with_line_and_number(write, row, problem):
    path = write((PLAIN + ROW + row + "\n").encode(), "a.vcf")
    with pytest.raises(FormatError, match=f"a.vcf:4: record 2: .*(?:{problem})"):
        read(path)


@pytest.mark.parametrize("ref", ["-", ".", "<x>", "AC-", "*"])
@pytest.mark.parametrize("kind", ["text", "bcf"])
def test_reference_allele_that_is_no_dna_is_read_as_it_is(write, bcf, kind, ref):
    """One such record stopped the whole run, though it can pass through unscored."""
    text = f"{HEADER}{COLUMNS}\nchr1\t5\t.\t{ref}\tG\t.\tPASS\tDB\n"
    assert read(bcf(text) if kind == "bcf" else write(text.encode()))[0].ref == ref


def test_ambiguous_letters_are_reference_alleles(write):
    assert read(write((PLAIN + ROW.replace("\tA\t", "\tRyN\t")).encode()))[0].ref == "RyN"


@pytest.mark.parametrize("n_lost", [28, 29, 5000])
def test_truncated_bgzip_is_named_with_the_last_record(bgzipped, write, n_lost):
    rows = (f"chr1\t{n}\t.\tA\tG\t.\t.\tN={n * n}\n" for n in range(1, 40_000))
    path = write(content(bgzipped(PLAIN + "".join(rows)))[:-n_lost], "cut.vcf.gz")
    with pytest.raises(FormatError, match=r"gz: .*truncated, after record \d+ \(hint: download"):
        read(path)


def test_truncation_within_the_first_block_is_found_at_opening(bgzipped, write):
    path = write(content(bgzipped(NASTY))[:-40], "cut.vcf.gz")
    with pytest.raises(FormatError, match="truncated"):
        open_variants(path)


@pytest.mark.parametrize("n_lost", [28, 40, 200])
def test_truncated_bcf_is_an_error(bcf, write, n_lost):
    path = write(content(bcf(NASTY))[:-n_lost], "cut.bcf")
    with pytest.raises(FormatError, match="file is truncated"):
        read(path)


@pytest.mark.parametrize("n_lost", [28, 40, 200])
def test_truncated_bcf_on_standard_input_is_an_error(bcf, feed, n_lost):
    feed(content(bcf(NASTY))[:-n_lost])
    with pytest.raises(FormatError, match=r"standard input: .*truncated"):
        read("-")


def test_damaged_bcf_is_named_with_the_last_record(bcf, feed):
    with gzip.open(bcf(NASTY)) as handle:
        feed(handle.read()[:-2000])
    with pytest.raises(FormatError, match="truncated or damaged, after record 7"):
        read("-")


def test_bcf_of_the_first_version_is_refused(write):
    with pytest.raises(FormatError, match="version 1"):
        open_variants(write(b"BCF\x04" + bytes(100)))


def test_bcf_without_pysam_says_what_to_install(bcf, monkeypatch):
    path = bcf(NASTY)
    monkeypatch.setitem(sys.modules, "pysam", None)
    with pytest.raises(DnabertError, match="reading BCF needs pysam"):
        open_variants(path)


def test_text_is_read_without_pysam(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "pysam", None)
    assert len(read(write(NASTY.encode()))) == len(ROWS)


def test_full_disk_for_the_copy_of_bcf_is_an_error(bcf, feed, monkeypatch):
    class Full(io.BytesIO):
        def write(self, _):
            raise OSError(28, "No space left on device")

    feed(content(bcf(NASTY)))
    monkeypatch.setattr(vcf.tempfile, "NamedTemporaryFile", Full)
    with pytest.raises(DnabertError, match=r"no room for a copy of standard input .*TMPDIR"):
        open_variants("-")


UNSORTED = [("a", 5), ("a", 4), ("b", 1), ("a", 9), ("a", 9)]


def test_order_is_judged_by_position_and_whole_sequences():
    order = SortOrder()
    assert [order.follows(*place) for place in UNSORTED] == [True, False, True, False, True]


def test_sequences_may_come_in_any_order():
    order = SortOrder()
    assert all(order.follows(*place) for place in [("b", 9), ("a", 1), ("a", 1), ("X", 0)])


def unsorted_text():
    return PLAIN + "".join(f"{chrom}\t{pos}\t.\tA\tG\t.\t.\t.\n" for chrom, pos in UNSORTED)


def test_unsorted_records_are_counted(write):
    with open_variants(write(unsorted_text().encode())) as reader:
        assert len(list(reader)) == reader.n_records == 5
    assert reader.n_unsorted == 2


def test_unsorted_record_is_an_error_where_order_is_needed(write):
    with pytest.raises(FormatError, match=r"record 2 \(a, position 4\) comes too late .*bcftools"):
        read(write(unsorted_text().encode()), require_sorted=True)


@pytest.mark.realdata
def test_real_file_is_read_whole(real_data):
    records = read(str(real_data / "variants/1kgp_phase3.chr20_1Mb_contig_z.vcf.gz"))
    assert len(records) == 28_998
    assert sum(alt.startswith("<") for record in records for alt in record.alts) > 20
