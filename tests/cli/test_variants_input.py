"""Bad files, bad records and options that contradict each other, for `dnabert variants`."""

import gzip
import re

import pysam
import pytest

from dnabert_cli.config import ComputeConfig
from dnabert_cli.tasks import variant_requests as work
from dnabert_cli.variants_config import VariantsConfig
from tests.variant_files import (
    COLUMNS,
    FIRST,
    HEAD,
    META,
    ROWS,
    TEXT,
    bare,
    entries,
    other,
    records,
    row,
)

VCF = ["--vcf", "in.vcf", "--genome", "g.fa"]


BAD_ROWS = {
    "REF not in the genome": row(10, other(FIRST[10]), FIRST[10]),
    "contig unknown": row(10).replace("chr1", "chrUn"),
    "position 0": row(-1, "N", "A"),
    "past the end": row(300, "A", "C"),
    "half past the end": row(298, FIRST[298:] + "AC", "A"),
    "long alleles": row(10, FIRST[10], FIRST[10] + "ACGT" * 2500),
    "500 alternatives": row(10, FIRST[10], ",".join(FIRST[10] + "A" * n for n in range(1, 501)),
                            info="."),
    "long REF": row(0, FIRST, FIRST[0]),
    "all of it": row(0, FIRST, "<DEL>"),
    "breakend": row(10, FIRST[10], f"{FIRST[10]}]chr2:5]"),
    "no alternative": row(10, FIRST[10], ".", info="."),
    "no letter": row(10, FIRST[10], "J"),
    "undeclared": row(10, info="XX=5"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_ROWS)
def test_a_bad_record_stops_nothing_and_stays_as_it_is(run, name):
    text = HEAD + "\n".join([ROWS[0], BAD_ROWS[name], ROWS[2]]) + "\n"
    result = run(vcf="-", stdin=text)

    assert result.code == 0
    found = records(result.out)
    assert [bare(cells) for cells in found] == records(text)
    assert "." not in (entries(result.out)[0], entries(result.out)[2])
    assert result.err.splitlines()[-1].startswith("dnabert: 3 records: ")


def test_unsorted_records_keep_their_order_and_get_no_index(run, here):
    (here / "in.vcf").write_text(HEAD + "\n".join(ROWS[::-1]) + "\n")
    result = run("-o", "out.vcf.gz")
    assert result.code == 0
    text = gzip.decompress((here / "out.vcf.gz").read_bytes()).decode()
    assert [one[2] for one in records(text)] == [one.split("\t")[2] for one in ROWS[::-1]]
    assert "in.vcf is not sorted: record 2 is the first of 6" in result.err
    assert not (here / "out.vcf.gz.tbi").exists()


def test_a_file_without_contig_lines_is_fine(run):
    text = "".join(line for line in TEXT.splitlines(keepends=True) if "##contig" not in line)
    assert records(run(vcf="-", stdin=text).out) == records(run().out)


BAD_FILES = {
    "no header": ("\n".join(ROWS) + "\n", "is neither VCF nor BCF"),
    "no meta": (COLUMNS + "\n" + ROWS[0] + "\n", "has no line ##fileformat"),
    "no columns": (META + ROWS[0] + "\n", "in.vcf:9: the line #CHROM is missing"),
    "empty": ("", "in.vcf: is empty"),
    "FASTA": (">chr1\nACGT\n", "is neither VCF nor BCF, but looks like"),
    "columns": (HEAD + "chr1\t1\t.\tA\tC\n", "in.vcf:10: record 1: expected 10 columns"),
    "blanks": (HEAD + ROWS[0].replace("\t", " ") + "\n", "record 1: expected 10 columns"),
    "position": (HEAD + ROWS[0].replace("chr1\t1", "chr1\tx") + "\n", "record 1: POS 'x'"),
    "later": (TEXT + "chr1\t5\t.\tA\n", "in.vcf:18: record 9: expected 10 columns"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_bad_file_is_one_line_and_no_output(run, here, name):
    text, said = BAD_FILES[name]
    (here / "in.vcf").write_text(text)
    result = run("-o", "out.vcf")
    assert (result.code, result.out, list(here.glob("*out*"))) == (1, "", [])
    (line,) = [line for line in result.err.splitlines() if "error" in line]
    assert said in line
    assert "in.vcf" in line
    assert "Traceback" not in result.err


@pytest.mark.parametrize("name", sorted(set(BAD_FILES) - {"later"}))
def test_what_the_head_of_a_file_shows_is_told_before_anything_is_written(run, name):
    result = run(vcf="-", stdin=BAD_FILES[name][0])
    assert (result.code, result.out) == (1, "")
    assert "standard input" in result.err


def test_a_truncated_file_is_told_with_the_last_whole_record(run, here):
    many = HEAD + "".join(f"{row(at)}\n" for at in range(290))
    pysam.tabix_compress(str(_written(here / "plain", many)), "in.vcf.gz", force=True)
    whole = (here / "in.vcf.gz").read_bytes()
    (here / "cut.vcf.gz").write_bytes(whole[: len(whole) - 200])
    result = run("-o", "out.vcf", vcf="cut.vcf.gz")
    assert (result.code, list(here.glob("*out*"))) == (1, [])
    assert re.search(r"cut.vcf.gz: .*truncated.*", result.err)


def _written(path, text):
    path.write_text(text)
    return path


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "nothing to score (hint: name variants with --vcf"),
        (["--vcf", "in.vcf", "--saturate"], "--vcf and --saturate exclude each other"),
        (["--saturate"], "--saturate needs --genome"),
        (["--vcf", "in.vcf", "--regions", "r.bed"], "--regions belongs to --saturate"),
        (["--vcf", "in.vcf", "--deletions"], "--deletions belongs to --saturate"),
        (["--vcf", "in.vcf", "--fields", "X"], "--fields belongs to --annotate"),
        (["--vcf", "in.vcf", "--enrichment", "e"], "--enrichment belongs to --annotate"),
        (
            [*VCF, "--annotate", "k", "--enrichment", "e", "--top", "3"],
            "--enrichment compares all alleles: leave out --top",
        ),
        (["--vcf", "in.vcf", "--sample", "x"], "--sample belongs to --haplotypes"),
        (["--saturate", "--genome", "g.fa", "--haplotypes"], "--haplotypes belongs to --vcf"),
        (["--vcf", "in.vcf", "-o", "x.png"], "maps belong to --saturate"),
        (["--saturate", "--genome", "g.fa", "-o", "x.png", "--top", "3"], "is a map: leave out"),
        (["--vcf", "in.vcf", "--format", "xlsx"], "--format xlsx is unknown"),
        (["--vcf", "in.vcf", "--format", "tsv", "-o", "x.bcf"], "contradicts the name x.bcf"),
        (["--vcf", "in.vcf", "--on-mismatch", "ask"], "--on-mismatch ask is unknown"),
        (["--vcf", "in.vcf", "--max-unknown", "2"], "--max-unknown is a share"),
        (["--vcf", "in.vcf", "--min-importance", "-1"], "--min-importance is a number"),
        (["--vcf", "in.vcf", "--strong", "0"], "--strong is a size of S"),
        (["--vcf", "in.vcf", "--offsets", "0"], "--offsets"),
        (["--vcf", "in.vcf", "--null", "0"], "--null"),
        (["--vcf", "in.vcf", "-o", "in.vcf", "--force"], "is both input and output"),
        (["--vcf", "in.vcf", "--task", "prom"], "leave it or --model out"),
        ([*VCF, "--resume"], "a stream cannot be continued"),
        ([*VCF, "--shard", "1/2"], "not a stream"),
        (["--vcf", "-", *VCF[2:], "--shard", "1/2", "-o", "x"], "standard input is read once"),
    ],
)
def test_contradicting_options_exit_with_2(dnabert, here, words, said):
    result = dnabert("variants", *words, "--model", "toy", stdin=TEXT)
    assert (result.code, result.out) == (2, "")
    assert said in result.err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--vcf", "absent.vcf"], "absent.vcf"),
        (["--genome", "absent.fa"], "absent.fa"),
        (["--annotate", "absent.vcf.gz"], "absent.vcf.gz"),
        (["--model", "absent"], "no model 'absent'"),
    ],
)
def test_what_is_missing_is_named(dnabert, here, words, said):
    given = {"--vcf": "in.vcf", "--genome": "g.fa", "--model": "toy"} | dict([words])
    result = dnabert("variants", *(word for pair in given.items() for word in pair))
    assert (result.code, result.out) == (1, "")
    assert said in result.err


def test_every_option_reaches_the_work(dnabert, here, monkeypatch):
    asked = []

    class Stop(Exception):  # noqa: N818
        pass

    def remember(request):
        asked.append(request)
        raise KeyboardInterrupt

    monkeypatch.setattr(work, "check", remember)
    words = (
        "--vcf v --genome g --model a --model b -o o.tsv --format tsv --offsets 3"
        " --on-mismatch error --max-unknown 0.2 --min-importance 1.5 --null 7 --seed 8 --top 9"
        " --annotate k --fields A,B:=C --enrichment e --strong 0.3 --haplotypes --sample s"
        " --no-header --force --device cpu --precision fp32 --threads 2 --batch-tokens 99"
        " --download"
    )
    dnabert("variants", *words.split())
    dnabert(
        "variants", "--saturate", "--regions", "r", "--deletions", "--genome", "g", "--model", "m"
    )

    first, second = asked
    compute = ComputeConfig(device="cpu", precision="fp32", threads=2, batch_tokens=99)
    settings = VariantsConfig(
        offsets=3, on_mismatch="error", max_unknown=0.2, min_importance=1.5, null=7, seed=8,
        top=9, strong=0.3, haplotypes=True, sample="s", compute=compute,
    )  # fmt: skip
    assert first == work.VariantRequest(
        vcf="v", genome="g", models={"a": ["a", "b"]}, settings=settings, output="o.tsv",
        fmt="tsv", annotate="k", fields=["A", "B:=C"], enrichment=first.enrichment, header=False,
        force=True, command=first.command, download=True,
    )  # fmt: skip
    assert type(first.enrichment).__name__ == "Enrichment"
    assert second == work.VariantRequest(
        vcf=None, genome="g", models={"m": ["m"]}, settings=VariantsConfig(), saturate=True,
        regions="r", deletions=True, command="dnabert variants --saturate --genome g --model m"
        " --regions r --deletions",
    )  # fmt: skip
