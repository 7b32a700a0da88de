"""Indexed files: which fields they have, what a row says of each allele, what is refused."""

import gzip
import logging
import subprocess
from pathlib import Path

import pytest

from dnabert_cli.errors import FormatError, OptionsError
from dnabert_cli.formats.annotations import Field, open_annotations
from tests.formats.annotation_toys import VCF_META, age, bed, indexed, table, vcf
from tests.formats.vcf_toys import needs

ROWS = [
    "chr1 3 rs1;rs2 A C,G AF=0.1,1e-05;AD=9,8,7;SIG=good,bad%2Cugly;DB;GENE=a|b",
    "chr1 3 . A <DEL> GENE=.;SIG=.,.",
    "chr1 9 rs3 ACGT A AF=0.1,0.2;AD=1;SIG=a%20b%3Dc",
]


def records(path, fields=None, chrom="chr1", start=0, end=24):
    return list(open_annotations(path, fields).records(chrom, start, end))


def test_record_of_vcf_has_place_and_alleles(tmp_path):
    found = records(vcf(tmp_path, ROWS))

    assert [(one.position, one.end, one.ref, one.alts) for one in found] == [
        (2, 3, "A", ("C", "G")),
        (2, 3, "A", ("<DEL>",)),
        (8, 12, "ACGT", ("A",)),
    ]


def test_rows_that_reach_into_the_stretch_are_found(tmp_path):
    path = vcf(tmp_path, ROWS)

    assert [one.position for one in records(path, start=11, end=12)] == [8]
    assert records(path, start=12, end=13) == []


@pytest.mark.parametrize(
    ("field", "first", "second", "third"),
    [
        ("AF", ("0.1", "1e-05"), (None,), (None,)),  # the third has too many values
        ("AD", ("8", "7"), (None,), (None,)),
        ("SIG", ("good|bad,ugly",) * 2, (None,), ("a b=c",)),
        ("DB", ("1", "1"), (None,), (None,)),
        ("GENE", ("a|b", "a|b"), (None,), (None,)),
        ("ID", ("rs1|rs2",) * 2, (None,), ("rs3",)),
        ("QUAL", (None, None), (None,), (None,)),
    ],
)
def test_values_of_vcf_by_allele(tmp_path, field, first, second, third):
    found = records(vcf(tmp_path, ROWS), [field])

    assert [one.values for one in found] == [{field: first}, {field: second}, {field: third}]


def test_field_may_get_another_name(tmp_path):
    source = open_annotations(vcf(tmp_path, ROWS), ["known:=INFO/SIG", "DB"])

    assert source.fields == (
        Field("known", "SIG", 'Meaning "for" people'),
        Field("DB", "DB", "In dbSNP"),
    )


def test_vcf_gives_its_id_by_default(tmp_path):
    assert open_annotations(vcf(tmp_path, ROWS)).fields == (Field("ID", "ID"),)


def test_sequences_have_the_lengths_of_the_header(tmp_path):
    path = vcf(tmp_path, [*ROWS, "chrX 1 . A C ."])

    assert open_annotations(path).contigs == {"chr1": 24, "chrX": None}


@pytest.mark.parametrize("position", range(1, 4))
def test_samples_do_not_matter(tmp_path, position):
    meta = VCF_META.replace("\tINFO\n", "\tINFO\tFORMAT\tmother\n")
    path = indexed(tmp_path, f"{meta}chr1\t{position}\trs1\tA\tC\t.\t.\tDB\tGT\t0/1\n")

    assert [one.values for one in records(path, ["DB"])] == [{"DB": ("1",)}]


def test_csi_index_serves_as_well(tmp_path):
    path = vcf(tmp_path, ROWS)
    expected = records(path)
    Path(f"{path}.tbi").unlink()
    indexed(tmp_path, gzip.decompress(Path(path).read_bytes()), preset="vcf", csi=True)

    assert Path(f"{path}.csi").exists()
    assert not Path(f"{path}.tbi").exists()
    assert [one.cells for one in records(path)] == [one.cells for one in expected]


def test_csi_index_says_what_the_columns_are(tmp_path):
    path = table(tmp_path, ["chr1 2 5 a"], "known.bed.gz", preset="bed", csi=True)

    assert [(*one[:2], one.values) for one in records(path)] == [(2, 5, {"name": ("a",)})]


@needs("bcftools")
def test_bcf_reads_like_vcf(tmp_path):
    rows = [ROWS[0], ROWS[1].replace(";SIG=.,.", ""), "chr1 9 rsé ACGT A SIG=é"]
    path, target = vcf(tmp_path, rows), str(tmp_path / "known.bcf")
    subprocess.run(["bcftools", "view", "-Ob", "-o", target, path], check=True)
    subprocess.run(["bcftools", "index", target], check=True)
    fields = ["ID", "AF", "AD", "SIG", "DB", "GENE"]

    assert open_annotations(target).contigs == {"chr1": 24}
    assert [(one[:4], one.values) for one in records(target, fields)] == [
        (one[:4], one.values) for one in records(path, fields)
    ]


def test_text_is_utf8_and_other_bytes_stop_nothing(tmp_path):
    rows = "chr1\t3\té\tA\tC\t.\t.\tGENE=%C3%A9\n".encode() + b"chr1\t4\t\xff\tA\tC\t.\t.\t.\n"
    path = indexed(tmp_path, VCF_META.encode() + rows)

    assert [one.values for one in records(path, ["ID", "GENE"])] == [
        {"ID": ("é",), "GENE": ("é",)},
        {"ID": ("\ufffd",), "GENE": (None,)},
    ]


def test_bed_gives_its_name_by_default(tmp_path):
    source = open_annotations(bed(tmp_path, ["chr1 2 5 first 0 +", "chr1 4 9 . 0 -"]))
    found = list(source.records("chr1", 4, 5))

    assert not source.by_allele
    assert [one[:4] for one in found] == [(2, 5, None, ()), (4, 9, None, ())]
    assert [one.values for one in found] == [{"name": ("first",)}, {"name": (None,)}]


def test_columns_of_bed_have_names_and_numbers(tmp_path):
    path = bed(tmp_path, ["#made-by-hand", "chr1 2 5 a 7 + more"])
    found = records(path, ["score", "7", "state:=4"])

    assert found[0].values == {"score": ("7",), "column7": ("more",), "state": ("a",)}


def test_heading_of_bed_names_its_columns(tmp_path):
    path = indexed(
        tmp_path, "#chrom\tstart\tend\ttrait\tp-value\nchr1\t2\t5\tdeaf, blind\t3e-9\n",
        "known.bed.gz", preset="bed",
    )  # fmt: skip

    assert records(path, ["TRAIT", "p-value"])[0].values == {
        "trait": ("deaf, blind",),
        "p_value": ("3e-9",),
    }


@pytest.mark.parametrize("names", ["chr pos ref alt x", "#CHROM Position Ref ALT X"])
def test_table_with_alleles_goes_by_allele(tmp_path, names):
    source = open_annotations(table(tmp_path, [names, "chr1 3 AC G,T 7", "chr1 4 A . 8"]), ["x"])
    found = list(source.records("chr1", 0, 24))

    assert source.by_allele
    assert not source.has_extent
    assert [one[:4] for one in found] == [(2, 4, "AC", ("G", "T")), (3, 4, "A", ())]
    assert list(found[0].values.values()) == [("7", "7")]


def test_table_without_alleles_goes_by_place(tmp_path):
    source = open_annotations(table(tmp_path, ["rs chr pos", "rs1 chr1 3"], seq_col=1, start_col=2,
                                    end_col=2, line_skip=1), ["rs"])  # fmt: skip

    assert not source.by_allele
    assert [one[:2] for one in source.records("chr1", 2, 3)] == [(2, 3)]


def test_index_says_whether_a_table_counts_from_0(tmp_path):
    how = {"seq_col": 0, "start_col": 1, "end_col": 1, "zerobased": True}
    path = table(tmp_path, ["#chrom pos x", "chr1 3 a"], **how)

    assert [one.position for one in records(path, ["x"])] == [3]


def test_table_without_heading_has_numbers(tmp_path):
    path = table(tmp_path, ["chr1 3 a", "chr1 5 b"], seq_col=0, start_col=1, end_col=1)

    assert [one.values for one in records(path, ["3"])] == [
        {"column3": ("a",)},
        {"column3": ("b",)},
    ]


def test_table_asks_for_fields_and_lists_them(tmp_path):
    path = table(tmp_path, ["chr pos trait", "chr1 3 a"])

    with pytest.raises(OptionsError, match=r"has chr, pos, trait .*--fields"):
        open_annotations(path)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (["AFF"], "known.vcf.gz: has no field 'AFF' for --fields .*near: AF"),
        (["XYZW"], "has no field 'XYZW'.*it has AF, AD, SIG, DB, GENE, ID, QUAL, FILTER"),
        (["sig"], "near: SIG"),
    ],
)
def test_unknown_field_of_vcf_is_named_with_near_ones(tmp_path, fields, problem):
    with pytest.raises(FormatError, match=problem):
        open_annotations(vcf(tmp_path, ROWS), fields)


@pytest.mark.parametrize("field", ["traits", "0", "4"])
def test_unknown_column_of_table_is_named(tmp_path, field):
    path = table(tmp_path, ["chr pos trait", "chr1 3 a"])

    with pytest.raises(FormatError, match=f"has no field '{field}'"):
        open_annotations(path, [field])


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (["a b:=AF"], "'a b' cannot be a key of INFO"),
        (["1x:=AF"], "'1x' cannot be a key of INFO"),
        (["AF", "AF:=SIG"], "AF more than once .*NEW:=AF"),
        (["DNABERT_x:=AF"], "DNABERT_ are kept for scores .*OLD_DNABERT_x:=AF"),
    ],
)
def test_names_that_cannot_be_written_are_refused(tmp_path, fields, problem):
    with pytest.raises(OptionsError, match=problem):
        open_annotations(vcf(tmp_path, ROWS), fields)


@pytest.mark.parametrize(
    ("name", "text", "cure"),
    [
        ("a.vcf", VCF_META, "bgzip .*a.vcf && tabix -p vcf .*a.vcf.gz"),
        ("a.bed", "chr1\t1\t2\n", "tabix -p bed .*a.bed.gz"),
        ("a.tsv", "chr\tpos\n", "tabix -s 1 -b 2 -e 2 -S 1 .*a.tsv.gz"),
    ],
)
def test_plain_text_is_refused_with_the_commands(write, name, text, cure):
    with pytest.raises(FormatError, match=f"not packed by bgzip .*{cure}"):
        open_annotations(write(text.encode(), name))


def test_plain_gzip_is_refused_with_the_commands(write):
    path = write(gzip.compress(VCF_META.encode()), "a.vcf.gz")

    with pytest.raises(FormatError, match=r"by gzip.*zcat .*a.vcf.gz \| bgzip > .*new.a.vcf.gz"):
        open_annotations(path)


@pytest.mark.parametrize("suffix", ["vcf", "bed"])
def test_file_without_index_is_refused_with_the_command(tmp_path, suffix):
    path = vcf(tmp_path, ROWS) if suffix == "vcf" else bed(tmp_path, ["chr1 2 5"])
    Path(f"{path}.tbi").unlink()

    with pytest.raises(FormatError, match=f"no index beside it .*tabix -p {suffix} .*{path}"):
        open_annotations(path)


def test_index_older_than_the_file_is_a_warning(tmp_path, caplog):
    path = vcf(tmp_path, ROWS)
    age(f"{path}.tbi")

    with caplog.at_level(logging.WARNING):
        open_annotations(path)

    assert "known.vcf.gz.tbi is older than the file" in caplog.text


def test_fresh_index_is_no_warning(tmp_path, caplog):
    open_annotations(vcf(tmp_path, ROWS))

    assert caplog.text == ""


@pytest.mark.parametrize(
    "content",
    [b"", b"TBI\x01", b"no index", gzip.compress(b"x" * 99)],
    ids=["empty", "cut", "text", "gzip"],  # gzip writes the time: not the same in every process
)
def test_broken_index_is_named(tmp_path, content):
    path = vcf(tmp_path, ROWS)
    Path(f"{path}.tbi").write_bytes(content)

    with pytest.raises(FormatError, match=r"with its index .*known.vcf.gz.tbi .*delete"):
        open_annotations(path)


@pytest.mark.parametrize("path", ["nothing.vcf.gz", "."])
def test_missing_file_is_named(tmp_path, monkeypatch, path):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FormatError, match=f"^{path}: (no such file|is a folder)"):
        open_annotations(path)


def test_standard_input_cannot_be_indexed():
    with pytest.raises(FormatError, match="standard input: cannot be read at random"):
        open_annotations("-")


def test_truncated_file_is_an_error(tmp_path):
    path = Path(vcf(tmp_path, ROWS))
    path.write_bytes(path.read_bytes()[:-28])

    with pytest.raises(FormatError, match="truncated or damaged"):
        open_annotations(str(path))


def test_damage_is_an_error_when_it_is_reached(tmp_path):
    rows = [f"chr1 {n} rs{n * 7919 % 10007} A C ." for n in range(1, 9000)]
    path = Path(vcf(tmp_path, rows))
    source = open_annotations(str(path))
    content = bytearray(path.read_bytes())
    content[len(content) // 2 :] = bytes(len(content) - len(content) // 2)
    path.write_bytes(content)

    with pytest.raises(FormatError, match=r"known.vcf.gz: is truncated or damaged"):
        list(source.records("chr1", 0, 10_000))


def test_row_that_lacks_columns_is_named(tmp_path):
    path = indexed(tmp_path, f"{VCF_META}chr1\t3\t.\tA\tC\n")

    with pytest.raises(FormatError, match="the row chr1:3 lacks columns"):
        records(path)
