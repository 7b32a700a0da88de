"""`dnabert variants` as a user calls it: streams, files, other programs."""

import gzip
import re
import shutil

import numpy as np
import pysam.bcftools
import pytest

from dnabert_cli.cli import variants as command
from tests.formats.vcf_toys import needs, shell
from tests.variant_files import (
    FAST,
    FIRST,
    HEAD,
    ROWS,
    TEXT,
    bare,
    entries,
    info,
    other,
    records,
    row,
)


def test_the_same_records_with_scores_go_to_standard_output(run):
    result = run()

    assert result.code == 0
    assert [bare(cells) for cells in records(result.out)] == [one.split("\t") for one in ROWS]
    scores = entries(result.out)
    assert [len(one.split(",")) for one in scores] == [1, 1, 1, 4, 1, 1, 1, 1]
    assert info(records(result.out)[5])["DNABERT_WHY"] == "not_in_a_window"
    assert [one == "." for one in scores[3].split(",")] == [False, True, True, False]
    assert scores[4] == "."
    assert info(records(result.out)[3])["DNABERT_WHY"] == ".,symbolic,spanning_deletion,."
    assert info(records(result.out)[4])["DNABERT_WHY"] == "ref_mismatch"
    summary = result.err.splitlines()[-1]
    assert "8 records: 6 scored, 2 skipped (1 ref_mismatch" in summary
    assert "7 of 11 alternative alleles scored" in summary


def test_the_header_keeps_its_lines_and_declares_what_is_added(run):
    lines = run().out.splitlines()
    header = [line for line in lines if line.startswith("#")]
    assert [line for line in header if "DNABERT" not in line and "dnabert" not in line] == (
        HEAD.splitlines()
    )
    ids = re.findall(r"##INFO=<ID=(DNABERT_\w+),Number=A,", "\n".join(header))
    quantities = ["PREF", "PALT", "S", "LOR", "S_MEAN", "LOR_MEAN", "STRAND"]
    assert ids == [*(f"DNABERT_toy_{one}" for one in quantities), "DNABERT_WHY"]
    assert "##dnabert_command=dnabert variants --vcf in.vcf --genome g.fa --model toy" in "".join(
        header
    )


def test_the_command_in_the_header_is_whole(run, here):
    """`--max-unknown 0` used to be left out, and names with blanks were not quoted."""
    (here / "my in.vcf").write_text(TEXT)
    result = run("--max-unknown", 0, vcf="my in.vcf")
    (line,) = [line for line in result.out.splitlines() if line.startswith("##dnabert_command")]
    assert "--vcf 'my in.vcf'" in line
    assert "--max-unknown 0.0" in line


def test_names_of_files_add_no_line_to_the_header(dnabert, here):
    (here / "g\n##evil=1.fa").write_text((here / "g.fa").read_text())
    result = dnabert(
        "variants", "--saturate", "--genome", "g\n##evil=1.fa", "--model", "toy", *FAST
    )
    assert result.code == 0
    assert not [line for line in result.out.splitlines() if line.startswith("##evil")]


def test_scores_fit_each_other(run):
    for cells in records(run().out)[:3]:
        of = {name.removeprefix("DNABERT_toy_"): value for name, value in info(cells).items()}
        before, after = float(of["PREF"]), float(of["PALT"])
        assert float(of["S"]) == pytest.approx((after - before) * max(before, after), abs=1e-5)
        odds = before / (1 - before) * (1 - after) / after
        assert float(of["LOR"]) == pytest.approx(np.log2(odds), abs=1e-3)
        assert of["STRAND"] in "+-"


def test_standard_input_and_packed_files_give_the_same(run, here):
    (here / "in.vcf.gz").write_bytes(gzip.compress(TEXT.encode()))
    pysam.bcftools.view("-Ob", "-o", "in.bcf", "in.vcf", catch_stdout=False)

    expected = records(run().out)

    assert records(run(vcf="-", stdin=TEXT).out) == expected
    assert records(run(vcf="in.vcf.gz").out) == expected
    assert records(run(vcf="-", stdin=gzip.compress(TEXT.encode())).out) == expected
    for found in (run(vcf="in.bcf"), run(vcf="-", stdin=(here / "in.bcf").read_bytes())):
        # bcftools writes 29.50 as 29.5
        assert [[*one[:5], *one[6:]] for one in records(found.out)] == [
            [*one[:5], *one[6:]] for one in expected
        ]


def test_packed_outputs_hold_the_same_and_are_indexed(run, here):
    expected = records(run().out)
    assert run("-o", "out.vcf").code == 0
    for name, index in (("out.vcf.gz", ".tbi"), ("out.bcf", ".csi")):
        result = run("-o", name)
        assert (result.code, result.out) == (0, "")
        assert (here / f"{name}{index}").exists()
        with pysam.VariantFile(name) as file:
            assert [one.id for one in file.fetch("chr1", 40, 42)] == ["rs40", "rs41"]
            found = [one.info["DNABERT_toy_S"] for one in file.fetch("chr2")]
        assert [f"{value:.6g}" for (value,) in found] == [
            info(one)["DNABERT_toy_S"] for one in expected[6:]
        ]
    assert records((here / "out.vcf").read_text()) == expected
    assert (
        gzip.decompress((here / "out.vcf.gz").read_bytes()).decode().replace("out.vcf.gz", "")
        == (here / "out.vcf").read_text()
    )


def test_tables_have_a_row_per_allele(run, here):
    expected = [one for text in entries(run().out) for one in text.split(",")]
    assert run("-o", "out.tsv").code == run("-o", "out.bed").code == run("-o", "t.tsv.gz").code == 0

    table = (here / "out.tsv").read_text().splitlines()
    names, rows = table[0].split("\t"), [line.split("\t") for line in table[1:]]
    assert names[:6] == ["#chrom", "pos", "id", "ref", "alt", "kind"]
    assert [one[names.index("DNABERT_toy_S")] for one in rows] == expected
    assert [one[5] for one in rows[3:7]] == ["snv", "symbolic", "spanning", "insertion"]
    assert [int(one[1]) for one in rows] == [1, 41, 42, 101, 101, 101, 101, 131, 300, 4, 91]

    bed = records((here / "out.bed").read_text())
    assert [one[:3] for one in bed[:2]] == [["chr1", "0", "1"], ["chr1", "40", "43"]]
    assert bed[0][4] == str(min(int(abs(float(expected[0])) * 1000), 1000))
    assert {one[5] for one in bed} == {"+", "-", "."}
    with pysam.TabixFile("t.tsv.gz") as file:
        assert [one.split("\t")[2] for one in file.fetch("chr1", 40, 42)] == ["rs40", "rs41"]


def test_format_and_no_header_choose_what_goes_to_standard_output(run, here):
    run("-o", "out.tsv")
    assert run("--format", "tsv").out == (here / "out.tsv").read_text()
    assert run("--format", "tsv", "--no-header").out.splitlines()[0].startswith("chr1\t1\t")


def test_an_output_is_not_overwritten_unless_forced(run, here):
    (here / "out.vcf").write_text("precious")
    result = run("-o", "out.vcf")
    assert (result.code, (here / "out.vcf").read_text()) == (1, "precious")
    assert "exists already (hint: overwrite it with --force)" in result.err
    assert run("-o", "out.vcf", "--force").code == 0
    assert (here / "out.vcf").read_text() == run().out


def test_older_scores_are_replaced_and_others_stay(run, here):
    once = run().out
    (here / "again.vcf").write_text(once.replace("DNABERT_toy_S=", "DNABERT_toy_S=9,"))
    twice = run(vcf="again.vcf")
    assert records(twice.out) == records(once)
    assert twice.out.count("##INFO=<ID=DNABERT_toy_S,") == 1
    assert "8 of 8 records already had values of DNABERT_toy_PREF" in twice.err


def test_two_tasks_stand_side_by_side(run, here, monkeypatch, models):
    monkeypatch.setattr(command.options, "model_names", lambda _, task: [str(models / task)])
    both = command.model_groups(None, "toy,sites")
    assert both == {"toy": [str(models / "toy")], "sites": [str(models / "sites")]}


def test_each_class_of_a_model_has_its_entries(dnabert, here):
    words = ["variants", "--vcf", "in.vcf", "--genome", "g.fa", *FAST]
    result = dnabert(*words, "--model", "sites")
    assert result.code == 0
    for name in ("donor", "acceptor"):
        scores = entries(result.out, f"DNABERT_sites_{name}_S")[3].split(",")
        assert [one == "." for one in scores] == [False, True, True, False]


def test_several_models_are_averaged(dnabert, here, run, models):
    shutil.copytree(models / "toy", here / "same")
    words = ["variants", "--vcf", "in.vcf", "--genome", "g.fa", *FAST]
    pair = dnabert(*words, "--model", "toy", "--model", "same")
    assert entries(pair.out) == entries(run().out)


def test_the_genome_may_be_named_by_the_header(run, here):
    expected = records(run().out)
    urls = (f"file://{here}/g.fa", f"file://localhost{here}/g.fa", f"file:{here}/g.fa")
    for named in (*urls, str(here / "g.fa"), "g.fa", '"g.fa"'):
        (here / "ref.vcf").write_text(TEXT.replace("##FILTER", f"##reference={named}\n##FILTER"))
        result = run(vcf="ref.vcf", genome=None)
        assert result.code == 0
        assert records(result.out) == expected
    assert "g.fa, the ##reference= of ref.vcf" in result.err


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("", "no genome: in.vcf has no line ##reference="),
        (
            "##reference=GRCh38\n",
            "no genome: 'GRCh38', the ##reference= of in.vcf, is no file here",
        ),
        ("##reference=ftp://host/g.fa\n", "is no file here"),
    ],
)
def test_without_a_genome_the_error_says_what_to_add(run, here, line, said):
    (here / "in.vcf").write_text(TEXT.replace("##FILTER", f"{line}##FILTER"))
    result = run(genome=None)
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert "(hint: name the FASTA the variants were called on with --genome)" in result.err


def test_the_genome_of_the_header_is_not_overwritten(run, here):
    (here / "in.vcf").write_text(TEXT.replace("##FILTER", "##reference=g.fa\n##FILTER"))
    before = (here / "g.fa").read_text()
    result = run("-o", "g.fa", "--force", genome=None)
    assert (here / "g.fa").read_text() == before
    assert (result.code, "is both input and output" in result.err) == (2, True)


def test_other_names_of_sequences_are_told_in_a_line(run, here):
    (here / "in.vcf").write_text(TEXT.replace("chr", ""))
    result = run()
    assert entries(result.out) == entries(run(vcf="-", stdin=TEXT).out)
    assert result.err.count("1 is read as chr1 of g.fa, and so on") == 1
    assert "2 is read as" not in result.err


def test_sequences_the_genome_lacks_are_named(run):
    """A whole file without any known sequence used to end without a word."""
    result = run(vcf="-", stdin=TEXT.replace("chr2\t", "chr20\t"))
    assert (
        "2 records lie on sequences that g.fa lacks: it has no chr20, but chr1, chr2" in result.err
    )


def test_a_percent_sign_in_a_path_is_one(run, here):
    """Plain paths used to be decoded as if they were URLs."""
    (here / "g%20.fa").write_text((here / "g.fa").read_text())
    (here / "ref.vcf").write_text(TEXT.replace("##FILTER", "##reference=g%20.fa\n##FILTER"))
    assert run(vcf="ref.vcf", genome=None).code == 0


def test_another_assembly_is_told(run, here):
    wrong = [row(at, other(FIRST[at]), FIRST[at]) for at in range(10, 160, 5)]
    few = run(vcf="-", stdin=HEAD + "\n".join(wrong[:9]) + "\n")
    assert "another assembly" not in few.err
    ten = run(vcf="-", stdin=HEAD + "\n".join(wrong[:10]) + "\n")
    assert "REF of 10 records is not in g.fa: most of them" in ten.err
    text = HEAD.replace("length=300", "length=301") + "\n".join([*wrong, ROWS[0]]) + "\n"
    result = run(vcf="-", stdin=text)
    assert result.code == 0
    assert "chr1 with 301 bases, g.fa has 300: is it the same assembly?" in result.err
    assert "REF of 30 records is not in g.fa: most of them, so it was made on another" in result.err
    assert "31 records: 1 scored, 30 skipped (30 ref_mismatch" in result.err


def test_a_mismatch_can_end_the_run_and_leaves_nothing(run, here):
    result = run("--on-mismatch", "error", "-o", "out.vcf")
    assert (result.code, list(here.glob("*out*"))) == (1, [])
    (line,) = [line for line in result.err.splitlines() if "error" in line]
    assert f"record 5 (chr1, position 131): REF is {other(FIRST[130])}, g.fa has" in line


@needs("bcftools", "tabix")
def test_bcftools_and_tabix_take_what_is_written(run, here):
    for name in ("out.vcf.gz", "out.bcf"):
        assert run("-o", name).code == 0
        assert len(records(shell("bcftools", "view", "--no-version", name))) == 8
        assert len(records(shell("bcftools", "norm", "-m-", name))) == 11
        found = shell("bcftools", "query", "-f", "%ID %DNABERT_toy_S\n", name).split("\n")
        assert found[3].startswith("rs100 ")
        assert found[3].count(",") == 3
        assert len(records(shell("bcftools", "view", "-H", "-r", "chr2", name))) == 2
    assert len(shell("tabix", "out.vcf.gz", "chr1:41-42").splitlines()) == 2


@needs("bcftools")
def test_scores_are_the_same_before_and_after_normalising(run, here):
    (here / "fit.vcf").write_text(HEAD + "\n".join([*ROWS[:4], *ROWS[5:]]) + "\n")
    (here / "split.vcf").write_text(shell("bcftools", "norm", "-m-", "-f", "g.fa", "fit.vcf"))
    (here / "scored.vcf").write_text(run(vcf="fit.vcf").out)
    after = shell("bcftools", "norm", "-m-", "-f", "g.fa", "scored.vcf")
    before = run(vcf="split.vcf").out

    names = ("DNABERT_toy_S", "DNABERT_toy_LOR_MEAN", "DNABERT_toy_STRAND")
    for name in names:
        assert entries(before, name) == entries(after, name)


@needs("vcf-validator")
def test_vcf_validator_finds_nothing_to_say(run, here):
    plain = [row(0), row(41), row(100, FIRST[100], f"{other(FIRST[100])},<DEL>", info="AC=1,2")]
    text = HEAD.replace("##FILTER", "##source=x\n##FILTER") + "\n".join(plain) + "\n"
    (here / "plain.vcf").write_text(text)
    before = shell("vcf-validator", "plain.vcf")
    (here / "s.vcf").write_text(run(vcf="plain.vcf").out)
    after = shell("vcf-validator", "s.vcf")
    assert after.replace("s.vcf", "plain.vcf") == before
