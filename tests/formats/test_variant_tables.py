"""Tables of alleles, letter by letter, and what tabix and bedtools make of them."""

import gzip
import math
import subprocess

import numpy as np
import pysam
import pytest

from dnabert_cli.errors import DnabertError
from dnabert_cli.formats.bed import read_bed
from dnabert_cli.formats.variant_tables import AlleleRow, open_allele_table
from dnabert_cli.records import Interval
from tests.formats.vcf_toys import needs, shell

COLUMNS = ("prom_S", "rank", "why")
ROWS = [
    AlleleRow("chr1", -1, "telo", "N", "<DEL>", "symbolic", (None, None, "symbolic")),
    AlleleRow("chr1", 9, "rs1;rs2", "A", "C", "snv", (-0.123456789, 12_345_678, None), "-"),
    AlleleRow("chr1", 9, "rs1;rs2", "A", "CA", "insertion", (1e-7, None, ""), "+"),
    AlleleRow("chr1", 19, ".", "ACGT", "A", "deletion", (-0.0, 3, "a b\tc"), "+"),
    AlleleRow("chr2", 4, ".", "A", "T" * 500, "delins", (2.5, math.nan, math.inf)),
]
TSV = """\
#chrom	pos	id	ref	alt	kind	prom_S	rank	why
chr1	0	telo	N	<DEL>	symbolic	.	.	symbolic
chr1	10	rs1;rs2	A	C	snv	-0.123457	12345678	.
chr1	10	rs1;rs2	A	CA	insertion	1e-07	.	.
chr1	20	.	ACGT	A	deletion	0	3	a b c
chr2	5	.	A	{}	delins	2.5	.	.
""".format("T" * 500)
BED = """\
#chrom	start	end	name	score	strand	prom_S	rank	why
chr1	0	1	telo	0	.	.	.	symbolic
chr1	9	10	rs1;rs2	123	-	-0.123457	12345678	.
chr1	9	10	rs1;rs2	0	+	1e-07	.	.
chr1	19	23	chr1:20:ACGT>A	0	+	0	3	a b c
chr2	4	5	chr2:5:A>TTTTTTTTTT...	1000	.	2.5	.	.
"""
FORMATS = [("tsv", TSV), ("bed", BED)]


@pytest.fixture
def table(tmp_path):
    """Return a function that writes rows and returns the path."""

    def save(name, rows=ROWS, columns=COLUMNS, *, force=False, header=True):
        path = tmp_path / name
        fmt = "bed" if ".bed" in name else "tsv"
        with open_allele_table(str(path), columns, fmt=fmt, force=force, header=header) as writer:
            for row in rows:
                writer.write(row)
        return path

    return save


def row(chrom="chr1", position=0, identifier=".", ref="A", alt="C", values=()):
    return AlleleRow(chrom, position, identifier, ref, alt, "snv", values)


@pytest.mark.parametrize(("fmt", "expected"), FORMATS)
def test_golden_tables(table, fmt, expected):
    assert table(f"out.{fmt}").read_text() == expected


@pytest.mark.parametrize(("fmt", "expected"), FORMATS)
def test_packed_tables_hold_the_same(table, fmt, expected):
    assert gzip.decompress(table(f"out.{fmt}.gz").read_bytes()).decode() == expected


@pytest.mark.parametrize(("fmt", "expected"), FORMATS)
def test_standard_output_gets_the_same(capsys, fmt, expected):
    with open_allele_table("-", COLUMNS, fmt=fmt, force=False, header=True) as writer:
        list(map(writer.write, ROWS))

    assert capsys.readouterr().out == expected


@pytest.mark.parametrize(("fmt", "expected"), FORMATS)
def test_without_header_the_rows_are_the_same(table, fmt, expected):
    assert table(f"out.{fmt}", header=False).read_text() == expected.partition("\n")[2]


def test_without_rows_there_is_a_header_alone(table):
    assert table("out.tsv", []).read_text() == TSV.splitlines(keepends=True)[0]
    assert table("none.tsv", [], header=False).read_text() == ""


def test_the_writer_counts_its_rows(tmp_path):
    with open_allele_table(
        str(tmp_path / "out.tsv"), COLUMNS, fmt="tsv", force=False, header=True
    ) as writer:
        list(map(writer.write, ROWS))

    assert (writer.n_rows, writer.is_sorted, writer.last) == (5, True, 23)


def test_numbers_of_numpy_are_written_as_those_of_python(table):
    values = (np.float32(0.1), np.int64(12_345_678), np.float64("nan"))
    path = table("out.tsv", [row(values=values)], header=False)

    assert path.read_text().split("\t")[6:] == ["0.1", "12345678", ".\n"]


def test_a_row_has_a_value_for_each_column(table):
    with pytest.raises(AssertionError, match="2 values for 3 columns"):
        table("out.tsv", [row(values=(1.0, 2.0))])


@pytest.mark.parametrize(
    ("values", "score"),
    [((), "0"), ((0.9996,), "999"), ((-1.0,), "1000"), ((-48.0,), "1000"), ((math.nan,), "0"),
     ((math.inf,), "0"), (("high",), "0"), ((1,), "1000")],
)  # fmt: skip
def test_score_of_bed_is_the_size_of_the_first_value(table, values, score):
    path = table("out.bed", [row(values=values)], ["x"] * len(values), header=False)

    assert path.read_text().split()[4] == score


def test_blanks_in_names_of_bed_become_underscores(table):
    path = table("out.bed", [row("chr 1"), row(identifier="my id\x0b1")], [], header=False)

    names = [line.split("\t")[3] for line in path.read_text().split("\n")[:2]]
    assert names == ["chr_1:1:A>C", "my_id_1"]


def test_tabs_and_line_ends_never_reach_the_table(table):
    strange = row("a\tb", identifier="c\r\nd", alt="e\tf", values=("g\nh",))
    path = table("out.tsv", [strange], ["i\tj"])

    assert path.read_bytes() == (
        b"#chrom\tpos\tid\tref\talt\tkind\ti j\na b\t1\tc d\tA\te f\tsnv\tg h\n"
    )


@pytest.mark.parametrize("fmt", ["tsv", "bed"])
def test_bytes_that_are_no_utf8_survive(table, fmt):
    name = b"caf\xe9"
    path = table(f"out.{fmt}", [row(identifier=name.decode("utf-8", "surrogateescape"))], [])

    assert name in path.read_bytes()


# --- index -----------------------------------------------------------------------------------


@pytest.mark.parametrize("fmt", ["tsv", "bed"])
def test_pysam_fetches_by_the_index(table, fmt):
    path = table(f"out.{fmt}.gz")

    with pysam.TabixFile(str(path)) as tabix:
        assert [line.split("\t")[1] for line in tabix.fetch("chr1", 9, 10)] == (
            ["10", "10"] if fmt == "tsv" else ["9", "9"]
        )
        assert list(tabix.header) == [dict(FORMATS)[fmt].split("\n")[0]]


def test_a_long_deletion_is_found_in_bed_by_each_of_its_bases(table):
    with pysam.TabixFile(str(table("out.bed.gz"))) as tabix:
        n_found = [len(list(tabix.fetch("chr1", base, base + 1))) for base in range(18, 24)]

    assert n_found == [0, 1, 1, 1, 1, 0]


@needs("tabix")
@pytest.mark.parametrize(("fmt", "expected"), FORMATS)
def test_tabix_fetches_by_the_index(table, fmt, expected):
    lines = expected.splitlines(keepends=True)

    assert shell("tabix", "-h", table(f"out.{fmt}.gz"), "chr1:20-25") == lines[0] + lines[4]


@needs("tabix")
def test_tabix_makes_the_same_index_of_tsv(table):
    path = table("out.tsv.gz")
    ours = gzip.decompress(path.with_name("out.tsv.gz.tbi").read_bytes())
    shell("tabix", "-f", "-s1", "-b2", "-e2", path)

    assert gzip.decompress(path.with_name("out.tsv.gz.tbi").read_bytes()) == ours


def test_a_packed_table_without_rows_has_an_index(table):
    with pysam.TabixFile(str(table("out.tsv.gz", []))) as tabix:
        assert tabix.contigs == []


@pytest.mark.parametrize("fmt", ["tsv", "bed"])
@pytest.mark.parametrize("places", [[("chr1", 9), ("chr1", 5)], [("a", 1), ("b", 1), ("a", 2)]])
def test_unsorted_rows_keep_their_order_and_get_no_index(table, caplog, fmt, places):
    path = table(f"out.{fmt}.gz", [row(*place) for place in places], [], header=False)

    text = gzip.decompress(path.read_bytes()).decode()
    assert [line.split("\t")[0] for line in text.splitlines()] == [chrom for chrom, _ in places]
    assert [one.name for one in path.parent.iterdir()] == [path.name]
    assert f"out.{fmt}.gz is not sorted: it gets no index" in caplog.text


def test_unsorted_text_needs_no_warning(table, caplog):
    table("out.tsv", [row("chr1", 9), row("chr1", 5)], [])

    assert caplog.text == ""


def test_index_of_a_replaced_file_goes_with_it(table):
    path = table("out.tsv.gz")
    table("out.tsv.gz", [row("chr1", 9), row("chr1", 5)], [], force=True)

    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_positions_beyond_the_reach_of_tabix_get_another_index(table):
    path = table("out.bed.gz", [row("chr1", 600_000_000)], [])

    assert {one.suffix for one in path.parent.iterdir()} == {".gz", ".csi"}
    with pysam.TabixFile(str(path), index=f"{path}.csi") as tabix:
        assert len(list(tabix.fetch("chr1", 599_999_999, 600_000_001))) == 1


def test_failing_index_leaves_the_file_and_a_warning(table, caplog, monkeypatch):
    def fail(*_, **__):
        raise OSError("no")

    monkeypatch.setattr(pysam, "tabix_index", fail)
    path = table("out.tsv.gz")

    assert gzip.decompress(path.read_bytes()).decode() == TSV
    assert "could not be indexed: no" in caplog.text


# --- whole or not at all ---------------------------------------------------------------------


@pytest.mark.parametrize("name", ["out.tsv", "out.bed.gz"])
def test_failure_half_way_leaves_the_file_before_and_its_index(table, name):
    def failing():
        yield ROWS[0]
        raise RuntimeError("half-way")

    path = table(name)
    before = {one.name: one.read_bytes() for one in path.parent.iterdir()}
    with pytest.raises(RuntimeError, match="half-way"):
        table(name, failing(), force=True)

    assert {one.name: one.read_bytes() for one in path.parent.iterdir()} == before


def test_failure_before_the_first_row_leaves_standard_output_empty(capsys):
    with (
        pytest.raises(RuntimeError, match="early"),
        open_allele_table("-", COLUMNS, fmt="tsv", force=False, header=True),
    ):
        raise RuntimeError("early")

    assert capsys.readouterr().out == ""


def test_an_existing_file_is_not_overwritten(table):
    table("out.tsv")

    with pytest.raises(DnabertError, match="exists already"):
        table("out.tsv")


# --- other readers ---------------------------------------------------------------------------


def test_our_own_reader_of_bed_takes_every_row(table):
    assert read_bed(str(table("out.bed")))[:2] == [
        Interval("chr1", 0, 1, "telo", "."),
        Interval("chr1", 9, 10, "rs1;rs2", "-"),
    ]


@needs("bedtools")
def test_bedtools_reads_the_bed(table):
    path = table("out.bed")
    done = subprocess.run(
        ["bedtools", "intersect", "-header", "-u", "-a", path, "-b", path],
        capture_output=True,
        text=True,
        check=True,
    )

    assert (done.stdout, done.stderr) == (BED, "")
