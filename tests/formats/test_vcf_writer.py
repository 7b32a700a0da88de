import gzip
import math
import re
import sys

import pysam
import pytest

from dnabert_cli.errors import DnabertError, FormatError, OptionsError
from dnabert_cli.formats.files import open_binary
from dnabert_cli.formats.info_tags import InfoTag
from dnabert_cli.formats.vcf import open_variants
from dnabert_cli.formats.vcf_writer import check_annotated, open_annotated
from tests.formats.vcf_toys import (
    COLUMNS,
    HEADER,
    NASTY,
    ROWS,
    SCORE,
    WHY,
    annotate,
    rows,
    stripped,
)

GOLDEN_IN = f"""\
##fileformat=VCFv4.2
##INFO=<ID=AC,Number=A,Type=Integer,Description="Count">
##contig=<ID=chr1,length=100>
{COLUMNS}
chr1	5	rs1	A	G,T	29.50	PASS	AC=1,2
chr1	9	.	c	.	.	q10	.
"""
GOLDEN_OUT = f"""\
##fileformat=VCFv4.2
##INFO=<ID=AC,Number=A,Type=Integer,Description="Count">
##INFO=<ID=DB_SCORE,Number=A,Type=Float,Description="change of \\"promoter\\"">
##INFO=<ID=DB_WHY,Number=1,Type=String,Description="why there is no score">
##contig=<ID=chr1,length=100>
##dnabert_version=0.1.0
##dnabert_command=dnabert variants
{COLUMNS}
chr1	5	rs1	A	G,T	29.50	PASS	AC=1,2;DB_SCORE=0.333333,.
chr1	9	.	c	.	.	q10	DB_WHY=no%20allele
"""
PLAIN = f"##fileformat=VCFv4.2\n##contig=<ID=chr1>\n{COLUMNS}\n"


@pytest.fixture
def nasty(write):
    return write(NASTY.encode(), "nasty.vcf")


@pytest.fixture
def golden(write, monkeypatch):
    monkeypatch.setattr("dnabert_cli.formats.vcf_header.__version__", "0.1.0")
    source = write(GOLDEN_IN.encode(), "golden.vcf")

    def run(target):
        with (
            open_variants(source) as reader,
            open_annotated(
                str(target), reader.header, [SCORE, WHY], force=False, command="dnabert variants"
            ) as writer,
        ):
            first, second = reader
            writer.write(first, {"DB_SCORE": [1 / 3, math.nan]})
            writer.write(second, {"DB_WHY": "no allele", "DB_SCORE": []})

    return run


def view(path):
    """Return a VCF or BCF file as text, as htslib shows it."""
    with pysam.VariantFile(str(path)) as variants:
        return str(variants.header) + "".join(map(str, variants))


def unpacked(path):
    with open_binary(str(path)) as stream:
        return stream.read().decode()


def test_text_is_written_as_in_the_golden_file(golden, tmp_path):
    golden(tmp_path / "out.vcf")
    assert (tmp_path / "out.vcf").read_text() == GOLDEN_OUT


def test_standard_output_gets_the_same(golden, capsys):
    golden("-")
    assert capsys.readouterr().out == GOLDEN_OUT


def test_packed_text_holds_the_same_and_has_an_index(golden, tmp_path):
    golden(tmp_path / "out.vcf.gz")
    assert unpacked(tmp_path / "out.vcf.gz") == GOLDEN_OUT
    with pysam.TabixFile(str(tmp_path / "out.vcf.gz")) as index:
        assert [row.split("\t")[1] for row in index.fetch("chr1", 8, 9)] == ["9"]


@pytest.mark.parametrize("name", ["out.vcf", "out.vcf.gz"])
def test_all_but_our_tag_is_the_input_byte_for_byte(nasty, tmp_path, name):
    annotate(nasty, tmp_path / name)
    assert [stripped(row) for row in rows(unpacked(tmp_path / name))] == ROWS


def test_what_info_held_stands_first_byte_for_byte(nasty, tmp_path):
    annotate(nasty, tmp_path / "out.vcf")
    infos = [row.split("\t")[7] for row in rows((tmp_path / "out.vcf").read_text())]
    for row, info in zip(ROWS, infos, strict=True):
        old = row.split("\t")[7]
        assert info == old or info.startswith(f"{old};DB_SCORE=") or old == "."


def test_records_without_values_are_not_changed(nasty, tmp_path):
    annotate(nasty, tmp_path / "out.vcf", values={})
    assert rows((tmp_path / "out.vcf").read_text()) == ROWS


def test_bytes_that_are_not_utf8_survive(tmp_path, write, capsysbinary):
    row = b"chr1\t5\tr\xe9\tA\tG\t.\t.\tN=\xff\xfe"
    source = write(PLAIN.encode() + row + b"\n")
    annotate(source, tmp_path / "out.vcf.gz")
    annotate(source, "-")
    assert gzip.decompress((tmp_path / "out.vcf.gz").read_bytes()).splitlines()[-1].startswith(row)
    assert capsysbinary.readouterr().out.splitlines()[-1].startswith(row)


def test_windows_line_ends_become_plain_ones(tmp_path, write):
    annotate(write(NASTY.replace("\n", "\r\n").encode()), tmp_path / "out.vcf")
    data = (tmp_path / "out.vcf").read_bytes()
    assert b"\r" not in data
    assert [stripped(row) for row in rows(data.decode())] == ROWS


def test_undeclared_things_are_fine_in_text(tmp_path, write):
    row = "weird:1\t5\t.\tA\tG\t.\tunheard\tX;Y=1,2"
    annotate(write(f"{PLAIN}{row}\n".encode()), tmp_path / "out.vcf")
    assert rows((tmp_path / "out.vcf").read_text()) == [f"{row};DB_SCORE=0.142857"]


def test_five_hundred_values_are_written_for_five_hundred_alleles(nasty, tmp_path):
    annotate(nasty, tmp_path / "out.vcf")
    assert (tmp_path / "out.vcf").read_text().splitlines()[-1].count(",") == 499 + 499


def test_file_without_records_has_its_header(tmp_path, write, capsys):
    source = write(PLAIN.encode())
    for name in ("out.vcf", "out.vcf.gz", "out.bcf"):
        annotate(source, tmp_path / name)
        assert "DB_SCORE" in view(tmp_path / name)
    annotate(source, "-")
    assert capsys.readouterr().out.endswith(f"{COLUMNS}\n")


# --- annotated once more ---------------------------------------------------------------------


def test_second_annotation_replaces_the_first(nasty, tmp_path, caplog):
    annotate(nasty, tmp_path / "one.vcf")
    writer = annotate(tmp_path / "one.vcf", tmp_path / "two.vcf")
    assert (tmp_path / "two.vcf").read_text() == (tmp_path / "one.vcf").read_text()
    assert writer.n_replaced == 7  # one has no allele and so no value
    assert "7 of 8 records already had values of DB_SCORE: they were replaced" in caplog.text


def test_old_values_go_even_where_there_are_no_new_ones(nasty, tmp_path):
    annotate(nasty, tmp_path / "one.vcf")
    annotate(tmp_path / "one.vcf", tmp_path / "two.vcf", values={})
    assert rows((tmp_path / "two.vcf").read_text()) == ROWS


def test_tags_of_another_run_stay(nasty, tmp_path):
    annotate(nasty, tmp_path / "one.vcf")
    annotate(tmp_path / "one.vcf", tmp_path / "two.vcf", [WHY], {"DB_WHY": "x"})
    text = (tmp_path / "two.vcf").read_text()
    assert "##INFO=<ID=DB_SCORE" in text
    assert "AC=1,2,3;AF=0.123456789,1e-05,.;DB;DB_SCORE=0.285714,.,2.28571;DB_WHY=x" in text


def test_old_values_in_bcf_are_replaced_even_of_another_type(nasty, tmp_path):
    text = InfoTag("DB_SCORE", "1", "String", "as text")
    annotate(nasty, tmp_path / "one.bcf", [text], {"DB_SCORE": "high"})
    writer = annotate(tmp_path / "one.bcf", tmp_path / "two.bcf")
    assert writer.n_replaced == 8
    assert "high" not in view(tmp_path / "two.bcf")
    assert "ID=DB_SCORE,Number=A" in view(tmp_path / "two.bcf")


@pytest.mark.parametrize("name", ["out.vcf", "out.bcf"])
def test_stale_entries_go_and_are_named(nasty, tmp_path, caplog, name):
    """Of an earlier run with more entries the rest stayed, beside scores it does not belong to."""
    annotate(nasty, tmp_path / "one.vcf", [WHY], {"DB_WHY": "x"})
    annotate(tmp_path / "one.vcf", tmp_path / name, stale=["DB_WHY", "DB_NEVER", "DB_SCORE"])
    annotate(nasty, tmp_path / f"plain{name}")
    assert rows(view(tmp_path / name)) == rows(view(tmp_path / f"plain{name}"))
    assert "DB_WHY" not in view(tmp_path / name)
    assert "8 of 8 records already had values of DB_WHY: they were" in caplog.text


def test_entry_that_is_not_ours_to_replace_is_an_error(tmp_path, write):
    """MAF=KEEPME, not declared in the header, was lost for a MAF that was looked up."""
    row = "chr1\t5\t.\tA\tG\t.\t.\t"
    source = write(f"{PLAIN}{row}.\n{row}MAF=KEEPME\n".encode(), "in.vcf")
    tag = InfoTag("MAF", "1", "String", "", replaces=False)
    hint = re.escape("(hint: --fields NEW:=MAF renames it)")
    with pytest.raises(FormatError, match=f"in.vcf: record 2: INFO has MAF already {hint}"):
        annotate(source, tmp_path / "out.vcf", [SCORE, tag], {"MAF": "0.5"})


# --- BCF -------------------------------------------------------------------------------------


def test_bcf_from_text_is_the_text_written(nasty, tmp_path):
    annotate(nasty, tmp_path / "out.vcf")
    annotate(nasty, tmp_path / "out.bcf")
    assert view(tmp_path / "out.bcf") == view(tmp_path / "out.vcf")


def test_bcf_from_bcf_is_the_bcf_from_text(nasty, tmp_path):
    annotate(nasty, tmp_path / "in.bcf", (), {})
    annotate(nasty, tmp_path / "from_text.bcf")
    annotate(tmp_path / "in.bcf", tmp_path / "from_bcf.bcf")
    assert rows(view(tmp_path / "from_bcf.bcf")) == rows(view(tmp_path / "from_text.bcf"))


def test_text_from_bcf_is_the_text_of_the_bcf(nasty, tmp_path):
    annotate(nasty, tmp_path / "in.bcf", (), {})
    annotate(tmp_path / "in.bcf", tmp_path / "out.vcf")
    found = [stripped(row) for row in rows((tmp_path / "out.vcf").read_text())]
    assert found == rows(view(tmp_path / "in.bcf"))


def test_numbers_of_bcf_keep_every_bit(tmp_path, write):
    source = write(f"{HEADER}{COLUMNS}\nchr1\t5\t.\tA\tG\t1.23456789\t.\tAF=0.123456789\n".encode())
    annotate(source, tmp_path / "in.bcf", (), {})
    annotate(tmp_path / "in.bcf", tmp_path / "out.bcf")
    with (
        pysam.VariantFile(tmp_path / "in.bcf") as old,
        pysam.VariantFile(tmp_path / "out.bcf") as new,
    ):
        before, after = next(old), next(new)
    assert after.info["AF"] == before.info["AF"] != (0.123457,)
    assert after.qual == before.qual


@pytest.mark.parametrize("source", ["text", "bcf"])
def test_every_type_of_value_reaches_bcf(nasty, tmp_path, source):
    tags = [
        InfoTag("DB_F", "1", "Float", ""),
        InfoTag("DB_I", "R", "Integer", ""),
        InfoTag("DB_S", ".", "String", ""),
        InfoTag("DB_ON", "0", "Flag", ""),
        InfoTag("DB_OFF", "0", "Flag", ""),
    ]
    values = {
        "DB_F": None,
        "DB_I": [1, None],
        "DB_S": ["a b", None],
        "DB_ON": True,
        "DB_OFF": False,
    }
    row = "chr1\t5\t.\tA\tG\t.\t.\tDB"
    path = tmp_path / "in.vcf"
    path.write_text(f"{HEADER}{COLUMNS}\n{row}\n")
    if source == "bcf":
        annotate(path, tmp_path / "in.bcf", (), {})
        path = tmp_path / "in.bcf"
    annotate(path, tmp_path / "out.bcf", tags, values)
    assert rows(view(tmp_path / "out.bcf")) == [f"{row};DB_F=.;DB_I=1,.;DB_S=a%20b,.;DB_ON"]


def test_bcf_declares_what_the_text_did_not(tmp_path, write):
    row = "2\t5\t.\tA\tG\t.\tunheard\tX;Y=1,2;AC\tGT:ZZ\t0/1:7"
    text = f"##fileformat=VCFv4.2\n{COLUMNS}\tFORMAT\ts\n{row}\nother" + row[1:] + "\n"
    annotate(write(text.encode()), tmp_path / "out.bcf", contigs={"chr2": 500, "chr3": 9})
    shown = view(tmp_path / "out.bcf")
    assert rows(shown)[0] == row.replace(";AC", ";AC;DB_SCORE=0.142857")
    assert "##contig=<ID=2,length=500>\n" in shown
    assert "##contig=<ID=other>\n" in shown
    assert "chr3" not in shown


def test_bcf_has_an_index(nasty, tmp_path):
    annotate(nasty, tmp_path / "out.bcf")
    with pysam.VariantFile(tmp_path / "out.bcf") as variants:
        assert [record.pos for record in variants.fetch("chr1", 19, 25)] == [20, 21]
    assert (tmp_path / "out.bcf.csi").exists()


# --- indexes ---------------------------------------------------------------------------------

UNSORTED = f"{PLAIN}chr1\t9\t.\tA\tG\t.\t.\t.\nchr1\t5\t.\tA\tG\t.\t.\t.\n"


@pytest.mark.parametrize("name", ["out.vcf.gz", "out.bcf"])
def test_unsorted_records_keep_their_order_and_get_no_index(tmp_path, write, caplog, name):
    annotate(write(UNSORTED.encode()), tmp_path / name)
    assert [row.split("\t")[1] for row in rows(view(tmp_path / name))] == ["9", "5"]
    assert not list(tmp_path.glob("*.tbi")) + list(tmp_path.glob("*.csi"))
    assert f"{name} is not sorted: it gets no index" in caplog.text


@pytest.mark.parametrize("name", ["out.vcf.gz", "out.bcf"])
def test_index_of_a_replaced_file_goes_with_it(tmp_path, write, nasty, name):
    annotate(nasty, tmp_path / name)
    annotate(write(UNSORTED.encode()), tmp_path / name)
    assert not list(tmp_path.glob("*.tbi")) + list(tmp_path.glob("*.csi"))


def test_positions_beyond_the_reach_of_tabix_get_another_index(tmp_path, write):
    row = "chr1\t600000000\t.\tA\tG\t.\t.\t."
    annotate(write(f"{PLAIN}{row}\n".encode()), tmp_path / "out.vcf.gz")
    assert (tmp_path / "out.vcf.gz.csi").exists()
    assert not (tmp_path / "out.vcf.gz.tbi").exists()


def test_failing_index_leaves_the_file_and_a_warning(nasty, tmp_path, caplog, monkeypatch):
    def fail(*_, **__):
        raise OSError("no")

    monkeypatch.setattr(pysam, "tabix_index", fail)
    annotate(nasty, tmp_path / "out.vcf.gz")
    assert len(rows(unpacked(tmp_path / "out.vcf.gz"))) == 8
    assert "could not be indexed: no; a record may reach beyond" in caplog.text


@pytest.mark.parametrize("name", ["out.vcf.gz", "out.bcf"])
def test_place_that_no_index_can_hold_is_told(tmp_path, write, caplog, name):
    """All that was said is that building failed."""
    row = "chr1\t5\t.\tA\t<DEL>\t.\t.\tEND=2000000000"
    annotate(write(f"{HEADER}{COLUMNS}\n{row}\n".encode()), tmp_path / name)
    assert f"{name} could not be indexed: Region 4..2000000000 cannot be stored" in caplog.text
    assert sorted(path.name for path in tmp_path.iterdir()) == ["genome.fa", name]


# --- whole or not at all ---------------------------------------------------------------------


def fail_half_way(source, target):
    with (
        open_variants(source) as reader,
        open_annotated(str(target), reader.header, [SCORE], force=False) as writer,
    ):
        for record in reader:
            if record.number == 4:
                raise RuntimeError("half-way")
            writer.write(record, {})


@pytest.mark.parametrize("source", ["text", "bcf"])
@pytest.mark.parametrize("name", ["out.vcf", "out.vcf.gz", "out.bcf"])
def test_failure_half_way_leaves_nothing(nasty, tmp_path, name, source):
    if source == "bcf":
        annotate(nasty, tmp_path / "in.bcf", (), {})
        nasty = str(tmp_path / "in.bcf")
    before = sorted(tmp_path.iterdir())
    with pytest.raises(RuntimeError, match="half-way"):
        fail_half_way(nasty, tmp_path / name)
    assert sorted(tmp_path.iterdir()) == before


def test_broken_first_record_leaves_standard_output_empty(write, capsys):
    source = write(f"{PLAIN}chr1\tx\t.\tA\tG\t.\t.\t.\n".encode())
    with pytest.raises(FormatError, match="record 1"):
        annotate(source, "-")
    assert capsys.readouterr().out == ""


def test_existing_file_is_kept_without_force(nasty, tmp_path):
    (tmp_path / "out.vcf").write_text("mine")
    with open_variants(nasty) as reader:
        opened = open_annotated(str(tmp_path / "out.vcf"), reader.header, [], force=False)
        with pytest.raises(DnabertError, match="exists already"), opened:
            pass
    assert (tmp_path / "out.vcf").read_text() == "mine"


def test_output_must_not_be_the_input(nasty):
    with pytest.raises(OptionsError, match="both input and output"):
        check_annotated(nasty, True, [nasty])


def test_packed_output_without_pysam_is_an_error_before_the_long_part(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pysam", None)
    check_annotated(str(tmp_path / "out.vcf"), False)
    with pytest.raises(DnabertError, match=r"writing .*out.vcf.gz needs pysam"):
        check_annotated(str(tmp_path / "out.vcf.gz"), False)


@pytest.mark.parametrize("name", ["out.vcf", "out.vcf.gz", "out.bcf"])
def test_equal_runs_give_equal_bytes(nasty, tmp_path, name):
    annotate(nasty, tmp_path / f"a{name}")
    annotate(nasty, tmp_path / f"b{name}")
    assert (tmp_path / f"a{name}").read_bytes() == (tmp_path / f"b{name}").read_bytes()


def test_value_of_an_undeclared_tag_is_a_bug(nasty, tmp_path):
    with pytest.raises(AssertionError, match="not declared"):
        annotate(nasty, tmp_path / "out.vcf", values={"OTHER": 1})
