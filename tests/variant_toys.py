"""Models that answer by a rule, and small files of variants, for the tests of `variants`."""

import zlib
from types import SimpleNamespace

import numpy as np

from dnabert_cli.config import TaskConfig
from dnabert_cli.tasks.variant_genome import VariantGenome
from dnabert_cli.tasks.variant_source import VariantFile
from dnabert_cli.tasks.variant_windows import WindowPlan
from dnabert_cli.tasks.variants import variants
from dnabert_cli.variants_config import VariantsConfig

META = "##fileformat=VCFv4.2\n"
COLUMNS = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO"
PHASED = f"{COLUMNS}\tFORMAT\tchild\n"


def by_digest(text):
    """Answer with a probability that any other letter changes."""
    return zlib.crc32(text.encode()) / 2**32


class RuleModel:
    """Stands in for `VariantModel`: the probability of a window is a function of its letters."""

    def __init__(self, rule=by_digest, *, name="toy", window=12, anchor=4, offsets=None, **task):
        task = {"k": 3, "classes": ("none", "promoter")} | task
        self.task = TaskConfig(window=window, anchor=anchor, **task)
        self.name, self.rule = name, rule
        self.plan = WindowPlan.of(self.task, window, anchor, offsets)
        self.ensemble = SimpleNamespace(k=self.task.k)
        self.read = []  # all windows, in the order in which they were computed

    def __enter__(self):
        return self

    def __exit__(self, *_):
        pass

    def probabilities(self, texts):
        self.read += texts
        return np.array([[np.nan, self.rule(text)] for text in texts])

    def importance(self, texts):
        """Weigh G twice as much as others, as multiples of the mean."""
        rows = [np.array([1.0 + (letter == "G") for letter in text]) for text in texts]
        return [row / row.mean() for row in rows]


def random_genome(n_bases, seed=0):
    return "".join(np.random.default_rng(seed).choice(list("ACGT"), n_bases))


def other(base):
    """Return the base that stands in for another in substitutions of these tests."""
    return "ACGT"["CATG".index(base)]


def fasta(folder, **sequences):
    path = folder / "genome.fa"
    path.write_text("".join(f">{name}\n{letters}\n" for name, letters in sequences.items()))
    return str(path)


def vcf(folder, rows, *, meta=META, columns=f"{COLUMNS}\n", name="in.vcf"):
    """Write records given as tuples: CHROM, 0-based position, REF, ALT and perhaps a genotype."""
    lines = []
    for chrom, position, ref, alt, *genotype in rows:
        cells = [chrom, str(position + 1), ".", ref, alt, ".", ".", "."]
        if genotype:
            cells += ["GT:PS" if ":" in genotype[0] else "GT", genotype[0]]
        lines.append("\t".join(cells) + "\n")
    path = folder / name
    path.write_text(meta + columns + "".join(lines))
    return str(path)


def scored(path, genome, models, config=None, **options):
    """Run `variants` over a file; return the pairs of record and scores, and the run."""
    config = config or VariantsConfig()
    with VariantFile(path, again=config.asks_twice) as source:
        run = variants(source, VariantGenome(genome), models, config, **options)
        return list(run.rows), run
