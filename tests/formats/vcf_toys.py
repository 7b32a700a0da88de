"""Records that break careless tools, and how to read them, for the tests of VCF."""

import shutil
import subprocess

import pytest

from dnabert_cli.formats.info_tags import InfoTag
from dnabert_cli.formats.vcf import open_variants
from dnabert_cli.formats.vcf_writer import open_annotated

COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
SCORE = InfoTag("DB_SCORE", "A", "Float", 'change of "promoter"')
WHY = InfoTag("DB_WHY", "1", "String", "why there is no score")

HEADER = """\
##fileformat=VCFv4.3
##reference=file:///genome.fa
##FILTER=<ID=PASS,Description="All filters passed">
##FILTER=<ID=q10,Description="Quality below 10">
##FILTER=<ID=lowDP,Description="Depth, below 5">
##INFO=<ID=AC,Number=A,Type=Integer,Description="Allele count, with ID=X inside">
##INFO=<ID=AF,Number=A,Type=Float,Description="Allele frequency">
##INFO=<ID=END,Number=1,Type=Integer,Description="End">
##INFO=<ID=SVTYPE,Number=1,Type=String,Description="Type">
##INFO=<ID=DB,Number=0,Type=Flag,Description="In dbSNP">
##INFO=<ID=NOTE,Number=.,Type=String,Description="Notes">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##FORMAT=<ID=GL,Number=G,Type=Float,Description="Likelihood">
##ALT=<ID=DEL,Description="Deletion">
##contig=<ID=chr1,length=100000,assembly=toy>
##contig=<ID=chr2,length=200000>
"""
ROWS = [
    "chr1\t0\ttelo\tN\t<DEL>\t.\tPASS\tEND=12;SVTYPE=DEL\tGT\t0|1\t0/0",
    "chr1\t10\trs1;rs2\tA\tC,G,*\t29.50\tPASS\tAC=1,2,3;AF=0.123456789,1e-05,.;DB\tGT:GL\t0/1\t1|2:.",
    "chr1\t10\t.\ta\tT\t.\tq10;lowDP\t.\tGT\t./.\t0|1",
    "chr1\t20\t.\tACGTN\tA\t1e3\t.\tNOTE=a%20b,c|d:e;DB\tGT\t1/1\t0/1",
    "chr1\t21\t.\tC\t.\t0.0\tPASS\tAC=.\tGT\t0/0\t0/0",
    "chr1\t500\tbnd\tG\tG]chr2:150]\t.\tPASS\tSVTYPE=BND\tGT\t0/1\t0/1",
    "chr2\t7\t.\t" + "ACGT" * 2500 + "\tA\t.\tPASS\tDB;AF=0.5\tGT\t0/1\t0/1",
    f"chr2\t9\t.\tT\t{','.join('T' + 'A' * n for n in range(1, 501))}\t.\tPASS\t.\tGT\t0/499\t1/2",
]  # fmt: skip
NASTY = HEADER + f"{COLUMNS}\tFORMAT\tmother\tson 1\n" + "".join(f"{row}\n" for row in ROWS)


def needs(*programs):
    """Mark a test that runs other programs."""
    missing = [name for name in programs if shutil.which(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"not installed: {', '.join(missing)}")


def shell(*command):
    """Run a program; return what it wrote to standard output."""
    done = subprocess.run([str(word) for word in command], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


def scores(record):
    """Return other values for every allele, the second one missing."""
    values = [record.number / 7 + place for place in range(len(record.alts))]
    return values[:1] + [None] * bool(values[1:]) + values[2:]


def annotate(source, target, tags=(SCORE,), values=None, **options):
    """Write a file with tags added: those of `values`, or `scores`."""
    with (
        open_variants(str(source)) as reader,
        open_annotated(str(target), reader.header, tags, force=True, **options) as writer,
    ):
        for record in reader:
            writer.write(record, {SCORE.id: scores(record)} if values is None else values)
    return writer


def stripped(line, ids=(SCORE.id,)):
    """Return a line of VCF without tags of ours."""
    cells = line.split("\t")
    kept = [entry for entry in cells[7].split(";") if entry.split("=")[0] not in ids]
    return "\t".join([*cells[:7], ";".join(kept) or ".", *cells[8:]])


def rows(text):
    """Return the records of VCF text, as lines."""
    return [line for line in text.splitlines() if not line.startswith("#")]
