"""Small genomes, sites and annotations that data sets are built from in tests."""

import numpy as np

from dnabert_cli.dna import reverse_complement
from dnabert_cli.records import Example
from dnabert_cli.tasks.positives import Row


def letters(n_bases, seed=0, bases="ACGT"):
    return "".join(np.random.default_rng(seed).choice(list(bases), n_bases))


def toy_records():
    """Two chromosomes, one with N and a soft-masked stretch, and a scaffold."""
    chr1 = letters(60_000, 1)
    chr1 = chr1[:20_000] + "N" * 1_000 + chr1[21_000:40_000] + chr1[40_000:46_000].lower()
    return {"chr1": chr1 + letters(14_000, 4), "chr2": letters(40_000, 2), "scaffold": "ACGT" * 100}


def write_fasta(path, records):
    lines = (
        f">{name}\n" + "".join(text[i : i + 60] + "\n" for i in range(0, len(text), 60))
        for name, text in records.items()
    )
    path.write_text("".join(lines))
    return str(path)


def write_rows(path, rows):
    path.write_text("".join("\t".join(map(str, row)) + "\n" for row in rows))
    return str(path)


def planted(records, places):
    """Return records with letters put at (chrom, start)."""
    texts = {name: list(text) for name, text in records.items()}
    for (chrom, start), text in places.items():
        texts[chrom][start : start + len(text)] = text
    return {name: "".join(text) for name, text in texts.items()}


def read_on(records, chrom, strand):
    """Return the whole sequence as it is read on a strand, its letters as they are."""
    text = records[chrom]
    return text if strand == "+" else reverse_complement(text)


def site_bed(n_per_chrom=20, step=1_500, first=700):
    """Rows of BED6: sites of one base on both strands in turn, outside the N of chr1."""
    places = [(chrom, first + step * i) for chrom in ("chr1", "chr2") for i in range(n_per_chrom)]
    return [
        (chrom, start, start + 1, f"{chrom}_{start}", "0", "+-"[number % 2])
        for number, (chrom, start) in enumerate(places)
        if not (chrom == "chr1" and 19_000 < start < 22_000)
    ]


def transcript(name, chrom, strand, exons, feature="exon"):
    """Rows of GTF; exons are (start, end), 0-based half-open."""
    attributes = f'gene_id "{name}"; transcript_id "{name}";'
    return [
        (chrom, "toy", feature, start + 1, end, ".", strand, ".", attributes)
        for start, end in exons
    ]


def read_tsv(path):
    """Return the rows of a table as dictionaries."""
    first, *lines = path.read_text().splitlines()
    names = first.removeprefix("#").split("\t")
    return [dict(zip(names, line.split("\t"), strict=True)) for line in lines]


def placed_row(sequence, label, chrom, start, **changes):
    end = start + len(sequence)
    return Row(Example(sequence, label=label, chrom=chrom, start=start, end=end, **changes))
