"""What other programs make of annotated variants, and real files going through unharmed."""

import gzip
import subprocess

import pytest

from dnabert_cli.formats.files import open_binary
from tests.formats.vcf_toys import NASTY, ROWS, annotate, needs, rows, shell, stripped

OUTPUTS = ["out.vcf", "out.vcf.gz", "out.bcf"]
THOUSAND_GENOMES = "variants/1kgp_phase3.chr20_1Mb_contig_z.vcf.gz"
DBSNP = "variants/dbsnp_vep84.chr21_25Mb_hg38.vcf.gz"


@pytest.fixture
def nasty(write):
    return write(NASTY.encode(), "nasty.vcf")


@pytest.fixture
def annotated(nasty, tmp_path):
    """Return a function that annotates the nasty records and returns the path."""

    def run(name):
        annotate(nasty, tmp_path / name)
        return tmp_path / name

    return run


@needs("bcftools")
@pytest.mark.parametrize("name", OUTPUTS)
def test_bcftools_view_shows_every_record_without_complaint(annotated, nasty, name):
    done = subprocess.run(
        ["bcftools", "view", "-H", annotated(name)], capture_output=True, text=True, check=True
    )
    expected = rows(shell("bcftools", "view", "-H", nasty))
    assert [stripped(row) for row in done.stdout.splitlines()] == expected
    assert done.stderr == ""


@needs("bcftools")
@pytest.mark.parametrize("name", OUTPUTS)
def test_bcftools_norm_splits_the_values_with_the_alleles(annotated, name):
    found = shell("bcftools", "norm", "-m-", annotated(name))
    split = [line.split("\t") for line in rows(found) if line.startswith("chr1\t10\trs1")]
    assert [(cells[4], cells[7].split("DB_SCORE=")[1]) for cells in split] == [
        ("C", "0.285714"), ("G", "."), ("*", "2.28571"),
    ]  # fmt: skip


@needs("bcftools")
@pytest.mark.parametrize("name", OUTPUTS)
def test_bcftools_query_finds_the_tag(annotated, name):
    found = shell("bcftools", "query", "-f", "%POS %DB_SCORE\n", annotated(name)).splitlines()
    assert found[:5] == [
        "0 0.142857",
        "10 0.285714,.,2.28571",
        "10 0.428571",
        "20 0.571429",
        "21 .",
    ]


@needs("bcftools", "bgzip", "tabix")
@pytest.mark.parametrize("name", OUTPUTS[1:])
def test_bcftools_isec_finds_no_record_lost(annotated, nasty, tmp_path, name):
    target = annotated(name)
    packed = tmp_path / "packed.vcf.gz"
    packed.write_bytes(subprocess.check_output(["bgzip", "-c", nasty]))
    shell("tabix", "-p", "vcf", packed)
    shell("bcftools", "isec", "-c", "none", "-p", tmp_path / "sets", packed, target)
    counts = [len(rows((tmp_path / f"sets/000{n}.vcf").read_text())) for n in range(4)]
    assert counts == [0, 0, 7, 7]  # isec leaves out the telomere


@needs("tabix")
def test_tabix_fetches_by_the_index(annotated):
    found = shell("tabix", annotated("out.vcf.gz"), "chr1:20-25").splitlines()
    assert [stripped(row) for row in found] == ROWS[3:5]


@needs("bgzip")
def test_bgzip_accepts_the_packing(annotated):
    shell("bgzip", "-t", annotated("out.vcf.gz"))


@needs("vcf-validator")
def test_validator_finds_nothing_it_did_not_find_in_the_input(annotated, nasty):
    def complaints(path):
        done = subprocess.run(["vcf-validator", path], capture_output=True, text=True, check=False)
        return (done.stdout + done.stderr).replace(str(path), "")

    assert complaints(annotated("out.vcf")) == complaints(nasty)


@needs("vcf-validator")
def test_validator_has_no_complaint_about_a_clean_file(tmp_path, write):
    text = (
        "##fileformat=VCFv4.2\n##reference=x\n##contig=<ID=chr1,length=99>\n"
        '##FILTER=<ID=PASS,Description="All filters passed">\n'
        "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"
        "chr1\t5\t.\tA\tG,T,C\t.\tPASS\t.\nchr1\t7\t.\tACG\tA,<DEL>\t.\tPASS\t.\n"
    )
    annotate(write(text.encode(), "a.vcf"), tmp_path / "out.vcf", command="dnabert variants a.vcf")
    done = subprocess.run(
        ["vcf-validator", tmp_path / "out.vcf"], capture_output=True, text=True, check=True
    )
    assert done.stdout + done.stderr == ""


@needs("bcftools")
def test_a_pipe_of_bcftools_goes_in_and_out(nasty, tmp_path, feed, capsys):
    feed(subprocess.check_output(["bcftools", "view", "-Ou", nasty]))
    annotate("-", "-")
    (tmp_path / "out.vcf").write_text(capsys.readouterr().out)
    assert len(rows(shell("bcftools", "view", "-H", tmp_path / "out.vcf"))) == len(ROWS)


def real_lines(path):
    with gzip.open(path, "rt", encoding="utf-8", newline="") as handle:
        return handle.read().splitlines()


@pytest.mark.realdata
@pytest.mark.parametrize("name", [THOUSAND_GENOMES, DBSNP])
def test_real_file_comes_back_byte_for_byte_without_the_tag(real_data, tmp_path, name):
    writer = annotate(real_data / name, tmp_path / "out.vcf.gz")
    with open_binary(str(tmp_path / "out.vcf.gz")) as stream:
        found = stream.read().decode().splitlines()
    own = ("##INFO=<ID=DB_SCORE", "##dnabert_")
    found = [line for line in found if not line.startswith(own)]
    expected = real_lines(real_data / name)
    n_header = len(expected) - writer.n_records
    assert found[:n_header] == expected[:n_header]
    assert [stripped(row) for row in found[n_header:]] == expected[n_header:]
    assert writer.n_records == {THOUSAND_GENOMES: 28_998, DBSNP: 107_122}[name]


@needs("bcftools", "bgzip", "tabix")
@pytest.mark.realdata
def test_real_file_through_bcf_loses_no_record_by_isec(real_data, tmp_path):
    original = real_data / THOUSAND_GENOMES
    annotate(original, tmp_path / "one.bcf")
    annotate(tmp_path / "one.bcf", tmp_path / "two.bcf")
    annotate(tmp_path / "two.bcf", tmp_path / "three.vcf.gz")
    packed = tmp_path / "packed.vcf.gz"
    with gzip.open(original) as text:
        packed.write_bytes(
            subprocess.run(["bgzip"], input=text.read(), capture_output=True, check=True).stdout
        )
    shell("tabix", "-p", "vcf", packed)
    shell("bcftools", "isec", "-c", "none", "-p", tmp_path / "s", packed, tmp_path / "three.vcf.gz")
    counts = [len(rows((tmp_path / f"s/000{n}.vcf").read_text())) for n in range(4)]
    assert counts == [0, 0, 28_998, 28_998]


@needs("bcftools")
@pytest.mark.realdata
def test_real_bcf_holds_the_values_of_the_input(real_data, tmp_path):
    original = real_data / THOUSAND_GENOMES
    annotate(original, tmp_path / "out.bcf", values={})
    assert shell("bcftools", "view", "-H", tmp_path / "out.bcf") == shell(
        "bcftools", "view", "-H", original
    )
