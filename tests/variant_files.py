"""A small file of variants on a small genome, and how to read what became of it."""

from tests.variant_toys import COLUMNS, other, random_genome

GENOME = {"chr1": random_genome(300, 1), "chr2": random_genome(120, 2)}
FIRST = GENOME["chr1"]
META = """\
##fileformat=VCFv4.2
##FILTER=<ID=q10,Description="Quality below 10">
##INFO=<ID=AC,Number=A,Type=Integer,Description="Allele count">
##INFO=<ID=DB,Number=0,Type=Flag,Description="In dbSNP">
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
##ALT=<ID=DEL,Description="Deletion">
##contig=<ID=chr1,length=300>
##contig=<ID=chr2,length=120>
"""


def row(position, ref=None, alt=None, chrom="chr1", info="AC=1;DB"):
    """Write a record; without alleles it is a substitution."""
    ref = GENOME[chrom][position] if ref is None else ref
    alt = other(ref[0]) + ref[1:] if alt is None else alt
    return "\t".join([chrom, str(position + 1), f"rs{position}", ref, alt, "29.50", "q10", info,
                      "GT", "0|1"])  # fmt: skip


ROWS = [
    row(0),
    row(40, FIRST[40:43], FIRST[40]),
    row(41),
    row(100, FIRST[100], f"{other(FIRST[100])},<DEL>,*,{FIRST[100]}TT", info="AC=1,2,3,4"),
    row(130, other(FIRST[130]), FIRST[130]),
    row(299, FIRST[299], FIRST[299] + "A", info="."),
    row(3, chrom="chr2"),
    row(90, chrom="chr2"),
]
FAST = ["--precision", "fp32", "--threads", 1]
HEAD = f"{META}{COLUMNS}\tFORMAT\tchild\n"
TEXT = HEAD + "".join(f"{one}\n" for one in ROWS)


def records(text):
    return [line.split("\t") for line in text.splitlines() if line[:1] != "#"]


def info(cells):
    return dict(entry.partition("=")[::2] for entry in cells[7].split(";"))


def bare(cells):
    """Return a record without what was added."""
    kept = [entry for entry in cells[7].split(";") if not entry.startswith("DNABERT_")]
    return [*cells[:7], ";".join(kept) or ".", *cells[8:]]


def entries(text, name="DNABERT_toy_S"):
    return [info(cells).get(name) for cells in records(text)]
