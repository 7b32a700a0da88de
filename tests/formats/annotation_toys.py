"""Indexed files for the tests of annotations."""

import os
import time

import pysam

VCF_META = """\
##fileformat=VCFv4.2
##contig=<ID=chr1,length=24>
##INFO=<ID=AF,Number=A,Type=Float,Description="Frequency">
##INFO=<ID=AD,Number=R,Type=Integer,Description="Depths, with Number=A inside">
##INFO=<ID=SIG,Number=.,Type=String,Description="Meaning \\"for\\" people">
##INFO=<ID=DB,Number=0,Type=Flag,Description="In dbSNP">
##INFO=<ID=GENE,Number=1,Type=String,Description="Gene">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO
"""
TABLE = {"seq_col": 0, "start_col": 1, "end_col": 1, "line_skip": 1}


def indexed(folder, text, name="known.vcf.gz", **how):
    """Pack text by bgzip and index it as `pysam.tabix_index` is told; return its path."""
    path, plain = folder / name, folder / f"{name}.plain"
    plain.write_bytes(text if isinstance(text, bytes) else text.encode())
    pysam.tabix_compress(str(plain), str(path), force=True)
    pysam.tabix_index(str(path), force=True, **(how or {"preset": "vcf"}))
    return str(path)


def vcf(folder, rows, name="known.vcf.gz", meta=VCF_META):
    """Index records, given as `chrom position id ref alt info` separated by blanks."""
    cells = [row.split(" ") for row in rows]
    lines = ["\t".join([*one[:5], ".", ".", one[5]]) + "\n" for one in cells]
    return indexed(folder, meta + "".join(lines), name)


def table(folder, rows, name="known.tsv.gz", **how):
    """Index rows given with blanks for tabs; the first one names the columns."""
    text = "".join(row.replace(" ", "\t") + "\n" for row in rows)
    return indexed(folder, text, name, **(how or TABLE))


def bed(folder, rows, name="known.bed.gz"):
    """Index intervals given with blanks for tabs."""
    return table(folder, rows, name, preset="bed")


def age(path):
    """Make a file an hour older than it is."""
    past = time.time() - 3600
    os.utime(path, (past, past))
