import gzip
import io

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnabert_cli.dna import reverse_complement
from dnabert_cli.errors import DataError, FormatError, OptionsError
from dnabert_cli.formats.indexed_fasta import fetch_regions
from dnabert_cli.formats.tables import read_examples, read_sequences, write_table
from dnabert_cli.records import Example, Interval

GENOME = b">chr1\nACGTNaacgt\n>chr2\nTTTTGGGG\n"


@pytest.fixture
def write(tmp_path):
    def save(data, name="train.tsv"):
        path = tmp_path / name
        path.write_bytes(data.encode() if isinstance(data, str) else data)
        return str(path)

    return save


def examples(path, **options):
    return list(read_examples(path, **options))


# Labelled tables


@pytest.mark.parametrize("mark", ["", "#", "##version 1\n", "\n"])
def test_columns_are_found_by_name_in_any_order(write, mark):
    text = (
        f"{mark}label\textra\tsequence\tname\tchrom\tstart\tend\tstrand\tgroup\n"
        "1\tx\tACGU\tone\tchr1\t10\t14\t-\tg1\n"
        "\n"
        "0\tx\tacgtn\t.\t\t\t\t\t.\n"
    )
    assert examples(write(text)) == [
        Example("ACGT", "1", "one", "chr1", 10, 14, "-", "train.tsv", "g1"),
        Example("acgtn", "0", source="train.tsv"),
    ]


def test_gzip_crlf_byte_order_mark_and_standard_input_are_read(write, feed):
    data = gzip.compress(b"\xef\xbb\xbfSequence\tLabel\r\nACGT\t1\r\n")
    assert examples(write(data)) == [Example("ACGT", "1", source="train.tsv")]
    feed(data)
    assert examples("-") == [Example("ACGT", "1", source="-")]


def test_label_is_optional(write):
    assert examples(write("sequence\nACGT\n")) == [Example("ACGT", source="train.tsv")]
    assert examples(write("sequence\tlabel\nACGT\t\n")) == [Example("ACGT", source="train.tsv")]


def test_table_of_a_header_alone_has_no_rows(write):
    assert examples(write("sequence\tlabel\n")) == []


@pytest.mark.parametrize(
    ("locus", "place"),
    [
        ("chr1:11-14", ("chr1", 10, 14)),  # from 1, end included: as long as the sequence
        ("chr1:10-14", (None, None, None)),  # 0-based, or one base too long: not certain
        ("TXNDC12_1", (None, None, None)),
    ],
)
def test_locus_is_a_place_only_when_its_length_proves_it(write, locus, place):
    (example,) = examples(write(f"sequence\tlocus\tstrand\nACGT\t{locus}\t-\n"))
    assert (example.chrom, example.start, example.end) == place
    assert (example.name, example.strand) == (locus, "-")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", r"train\.tsv: is empty"),
        (
            "seq\tlabel\nACGT\t1\n",
            r"train\.tsv:1: there is no column 'sequence'; found: seq, label",
        ),
        ("sequence,label\nACGT,1\n", r"found: sequence,label .*tabs, not commas"),
        (">a\nACGT\n", r"this is FASTA"),
        ("ACGT" * 100 + "\t1\n", r"found: (ACGT)+… .*the first line names the columns"),
        ("chrom\tstart\tend\nchr1\t1\t2\n", r"add the column, or --genome FASTA"),
    ],
)
def test_table_without_sequences_is_refused_before_iteration(write, text, message):
    with pytest.raises(FormatError, match=message):
        read_examples(write(text))


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("ACGT", r"expected 5 columns, found 1"),
        ("ACEGT\tc\t1\t6\t+", r"'E' in column 'sequence' is not a DNA letter"),
        ("\tc\t1\t6\t+", r"the sequence is missing"),
        (".\tc\t1\t6\t+", r"the sequence is missing"),
        ("ACGT\tc\t1\t4\t+", r"c:1-4 spans 3 bases, the sequence has 4 .*counts from 0"),
        ("ACGT\tc\t-1\t3\t+", r"c:-1-3 is no place"),
        ("ACGT\tc\t1.0\t5\t+", r"c:1\.0-5 is no place"),
        ("ACGT\tc\t1\t5\tplus", r"strand 'plus' is not one of"),
    ],
)
def test_broken_row_is_reported_with_its_line(write, row, message):
    path = write(f"sequence\tchrom\tstart\tend\tstrand\nACGT\tc\t1\t5\t+\n{row}\n")
    with pytest.raises(FormatError, match=r"train\.tsv:3: " + message):
        examples(path)


@pytest.mark.parametrize("label", ["high", "nan", "inf", "1,5", "1_5"])
def test_label_that_must_be_a_number_is_reported_with_its_line(write, label):
    path = write(f"sequence\tlabel\nACGT\t-1.5e3\nACGT\t.\nACGT\t{label}\n")
    assert len(examples(path)) == 3
    with pytest.raises(FormatError, match=rf"train.tsv:4: label '{label}' is no finite number"):
        examples(path, numeric_labels=True)
    with pytest.raises(FormatError, match=r"train\.tsv:4"):
        list(read_sequences(path, numeric_labels=True))


def test_rows_without_sequence_column_are_fetched_from_the_genome(write):
    genome = write(GENOME, "genome.fa")
    table = write("chrom\tstart\tend\tstrand\tlabel\nchr2\t2\t6\t-\t1\nchr1\t0\t4\t.\t0\n")
    assert [(e.sequence, e.label) for e in examples(table, genome=genome)] == [
        ("CCAA", "1"),
        ("ACGT", "0"),
    ]


def test_row_without_place_cannot_be_fetched(write):
    genome = write(GENOME, "genome.fa")
    with pytest.raises(FormatError, match=r"train\.tsv:2: None:2-6 is no place"):
        examples(write("chrom\tstart\tend\n.\t2\t6\n"), genome=genome)


# The original's k-mer tables


def kmers(sequence, k):
    return " ".join(sequence[i : i + k] for i in range(len(sequence) - k + 1))


@pytest.mark.parametrize("header", ["sequence\tlabel", "setence\tlabel", "a\tb\tc"])
@pytest.mark.parametrize("k", [1, 3, 6])
def test_kmer_table_is_recognised_whatever_its_header(write, header, k):
    rest = "\tx" if header.count("\t") == 2 else ""
    path = write(f"{header}\n{kmers('ACGTTGCA', k)}\t1{rest}\n{kmers('TTTTTTTT', k)} \t0{rest}\n")
    assert examples(path) == [
        Example("ACGTTGCA", "1", source="train.tsv"),
        Example("TTTTTTTT", "0", source="train.tsv"),
    ]


@settings(deadline=None)
@given(st.text("ACGTN", min_size=8, max_size=60), st.sampled_from([3, 4, 5, 6]))
def test_kmers_are_turned_back_into_the_sequence(tmp_path_factory, sequence, k):
    path = tmp_path_factory.mktemp("kmers") / "dev.tsv"
    path.write_text(f"sequence\tlabel\n{kmers(sequence, k)}\t1\n")
    assert examples(str(path)) == [Example(sequence, "1", source="dev.tsv")]


def test_kmers_that_do_not_overlap_are_an_error(write):
    with pytest.raises(FormatError, match=r"train\.tsv:3: k-mers 2 and 3 do not overlap: CGT TTT"):
        examples(write("sequence\tlabel\nACG CGT\t1\nACG CGT TTT\t1\n"))


# Whatever sequences are predicted from


def test_fasta_is_told_by_content(write, feed):
    expected = [
        Example("ACGTNaacgt", name="chr1", source="a.txt"),
        Example("TTTTGGGG", name="chr2", source="a.txt"),
    ]
    assert list(read_sequences(write(b"\n" + GENOME, "a.txt"))) == expected
    feed(gzip.compress(GENOME))
    assert [e.sequence for e in read_sequences("-")] == ["ACGTNaacgt", "TTTTGGGG"]


def test_tables_are_told_by_content(write, feed):
    expected = [Example("ACGT", "1", source="a")]
    assert list(read_sequences(write("#sequence\tlabel\nACGT\t1\n", "a"))) == expected
    assert list(read_sequences(write("sequence\tlabel\nACG CGT\t1\n", "a"))) == expected
    feed(b"x\ty\nACG CGT\t1\n")
    assert [e.sequence for e in read_sequences("-")] == ["ACGT"]


BED = "#chrom\tstart\tend\nchr2\t2\t6\tone\t0\t-\nchr1\t0\t4\nchr2\t2\t6\tagain\t0\t+\n"
FETCHED = [
    Example("CCAA", None, "one", "chr2", 2, 6, "-", "sites.bed"),
    Example("ACGT", None, ".", "chr1", 0, 4, ".", "sites.bed"),
    Example("TTGG", None, "again", "chr2", 2, 6, "+", "sites.bed"),
]


@pytest.mark.parametrize("data", [GENOME, gzip.compress(GENOME)], ids=["indexed", "streamed"])
def test_bed_is_fetched_in_its_own_order_and_strand(write, data):
    genome = write(data, "genome.fa")
    assert list(read_sequences(write(BED, "sites.bed"), genome)) == FETCHED


def test_either_bed_or_genome_may_be_standard_input(write, feed):
    feed(BED.encode())
    sequences = [e.sequence for e in read_sequences("-", write(GENOME, "genome.fa"))]
    assert sequences == ["CCAA", "ACGT", "TTGG"]
    feed(GENOME)
    assert list(read_sequences(write(BED, "sites.bed"), "-")) == FETCHED
    with pytest.raises(OptionsError, match="only one input can be standard input"):
        read_sequences("-", "-")


def test_bed_without_genome_is_refused(write):
    with pytest.raises(FormatError, match=r"sites\.bed: is BED.*--genome"):
        read_sequences(write(BED, "sites.bed"))


def test_bed_without_rows_gives_nothing(write):
    genome = write(GENOME, "genome.fa")
    assert list(read_sequences(write("", "a.bed"), genome)) == []
    assert list(read_sequences(write("#chrom\tstart\tend\n", "a.bed"), genome)) == []


def test_empty_input_without_genome_is_an_error(write):
    with pytest.raises(FormatError, match="is empty"):
        read_sequences(write("", "a"))


@pytest.mark.parametrize(
    ("data", "kind"), [(b"@r\nACGT\n+\nIIII\n", "FASTQ"), (b"##fileformat=VCFv4.3\n", "VCF")]
)
def test_other_formats_are_named(write, data, kind):
    with pytest.raises(FormatError, match=f"looks like {kind}; FASTA, a table or BED is needed"):
        read_sequences(write(data))


def test_place_outside_the_genome_is_found_before_iteration(write):
    with pytest.raises(DataError, match=r"chr2 of .* 8 bases"):
        read_sequences(write("chr1\t0\t4\nchr2\t5\t9\n", "a.bed"), write(GENOME, "genome.fa"))


# Writing


def test_table_writes_numbers_missing_values_and_safe_text():
    handle = io.StringIO()
    rows = [
        ["a\tb\nc", 3, 0.123456789, None],
        ["", np.int64(4), np.float32(0.5), float("nan")],
        ["é", True, 1e-12, 1234567.0],
    ]
    write_table(rows, ["name", "n", "p", "q"], handle, header=True)
    assert handle.getvalue() == (
        "#name\tn\tp\tq\na b c\t3\t0.123457\t.\n.\t4\t0.5\t.\né\tTrue\t1e-12\t1.23457e+06\n"
    )


def test_row_of_another_width_is_a_mistake_of_ours():
    with pytest.raises(ValueError, match="shorter"):
        write_table([["a"]], ["name", "label"], io.StringIO(), header=False)


def test_written_table_is_read_back(write):
    handle = io.StringIO()
    write_table([["ACGT", "1", "one"]], ["sequence", "label", "name"], handle, header=True)
    assert examples(write(handle.getvalue())) == [Example("ACGT", "1", "one", source="train.tsv")]


# Real data


@pytest.mark.realdata
@pytest.mark.parametrize(
    ("name", "n_rows", "n_bases"),
    [
        ("promoter/prom300.train.tsv.gz", 14_758, 300),
        ("promoter/core70.train.tsv.gz", 47_117, 70),
        ("promoter/prom300_genomic_dev.tsv.gz", 2_530, 300),
    ],
)
def test_labelled_tables_are_read(real_data, name, n_rows, n_bases):
    rows = examples(str(real_data / name))
    assert len(rows) == n_rows
    assert {row.label for row in rows} == {"0", "1"}
    assert {len(row.sequence) for row in rows} == {n_bases}


@pytest.mark.realdata
def test_loci_count_from_one_in_the_genome(real_data, tmp_path):
    """Every negative window equals the genome at the place read from its locus."""
    rows = examples(str(real_data / "promoter" / "prom300_genomic_dev.tsv.gz"))
    placed = [row for row in rows if row.start is not None][:200]
    assert len(placed) == 200
    interval = Interval("chr1:52045200-54501000", 0, 2_455_801)
    link = tmp_path / "blocks.fa.gz"  # the index must not land among the data
    link.symlink_to((real_data / "reference" / "hg38.blocks.fa.gz").resolve())
    (block,) = fetch_regions(str(link), [interval])
    for row in placed:
        start = row.start - 52_045_199  # the name of the block counts from 1
        piece = block.sequence[start : start + 300].upper()
        assert row.sequence == (reverse_complement(piece) if row.strand == "-" else piece)
