"""How fast `dnabert variants` is, and what it computes: `python tests/bench/bench_variants.py`.

* Speed: windows a second end to end (reading, checking, cutting, scoring, writing VCF) against
  those of the encoder alone on the same windows, already tokenized and given all at once, taking
  turns; wanted are 90 %. Beside it variants an hour, and SpliceAI's published 4,000 on a CPU.
  Bundled models: `prom` on its default grid and with one offset, `splice` at all candidates.
* Windows: asked for and computed per allele of a dense file; no model answers.
* Memory: the peak of a run over all records of that file against one over its first 1,000, with one
  offset and a network that is next to nothing; wanted are at most 200 MB more.

The file is that of dbSNP in the folder that DNABERT_DATA names (107,122 SNVs in 1 Mb), else one of
the same density, made up. `--records` cuts it; `--quick` takes some hundred records, for a look at
whether it runs. The whole takes some ten minutes on two cores; do nothing else meanwhile.
"""

import argparse
import gzip
import os
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from dnabert_cli.config import ModelConfig, TaskConfig
from dnabert_cli.core.checkpoint import save_model
from dnabert_cli.core.network import SequenceClassifier, initialize
from dnabert_cli.sequence.kmers import Tokenizer
from dnabert_cli.sequence.windows import windows_by_length
from dnabert_cli.tasks.variant_genome import VariantGenome
from dnabert_cli.tasks.variant_outputs import Target, write_variants
from dnabert_cli.tasks.variant_scores import VariantModel
from dnabert_cli.tasks.variant_source import VariantFile
from dnabert_cli.tasks.variants import VariantCounts, variants
from dnabert_cli.variants_config import VariantsConfig

SPLICEAI = 4_000  # variants an hour on a CPU
DBSNP = "variants/dbsnp_vep84.chr21_25Mb_hg38.vcf.gz"
HG38 = "reference/hg38.mini.fa.gz"
N_BASES, N_SNVS = 1_000_000, 107_122  # of the file made up
N_FEW = 1_000  # records that the memory of all is held against
TINY = {
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 1,
    "intermediate_size": 16,
}


@dataclass(frozen=True)
class Data:
    """What is scored.

    Attributes:
        genome: FASTA.
        lines: of the VCF.
        folder: for files.
    """

    genome: str
    lines: list[str]
    folder: Path

    def first(self, n: int) -> str:
        """Write the header and the first n records; return the path."""
        path = self.folder / f"{n}.vcf"
        header = [line for line in self.lines if line.startswith("#")]
        path.write_text("".join([*header, *self.lines[len(header) : len(header) + n]]))
        return str(path)


class Recorded(VariantModel):
    """A model that remembers what it was asked.

    Attributes:
        asked: every window, in order.
        is_silent: answers nothing, so that only windows are counted.
    """

    asked: list[str]
    is_silent = False

    def probabilities(self, texts: list[str]) -> npt.NDArray[np.float64]:
        if self.is_silent:
            return np.zeros((len(texts), len(self.task.classes)))
        self.asked += texts
        return super().probabilities(texts)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--quick", action="store_true", help="few records and rounds")
    parser.add_argument("--records", type=int, help="of the file, for windows and memory")
    options = parser.parse_args()
    n_records = options.records or (1_500 if options.quick else N_SNVS)
    n_timed, rounds = (40, 1) if options.quick else (1_000, 3)
    with tempfile.TemporaryDirectory() as name:
        data = read_data(Path(name))
        speed(data, "prom", None, n_timed, rounds)
        speed(data, "prom", 1, n_timed * 5, rounds)
        speed(data, "splice", None, n_timed // 4, rounds)
        for offsets in (None, 1):
            windows(data, offsets, n_records)
        memory(data, n_records)


def read_data(folder: Path) -> Data:
    """Return the dbSNP file and its genome, or ones made up."""
    real = os.environ.get("DNABERT_DATA")
    if real:
        with gzip.open(Path(real) / DBSNP, "rt") as file:
            return Data(str(Path(real) / HG38), file.readlines(), folder)
    rng = np.random.default_rng(0)
    letters = rng.choice(list("ACGT"), N_BASES)
    genome = folder / "genome.fa"
    genome.write_text(f">a\n{''.join(letters)}\n")
    lines = ["##fileformat=VCFv4.3\n", "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\n"]
    for place in sorted(rng.choice(N_BASES, N_SNVS, replace=False).tolist()):
        ref = str(letters[place])
        alt = "ACGT".replace(ref, "")[int(rng.integers(3))]
        lines.append(f"a\t{place + 1}\t.\t{ref}\t{alt}\t.\t.\t.\n")
    return Data(str(genome), lines, folder)


def speed(data: Data, task: str, offsets: int | None, n: int, rounds: int) -> None:
    """Time a run end to end, and the encoder alone on what it was asked."""
    path, config = data.first(n), VariantsConfig(offsets=offsets)
    whole, alone = [], []
    for _ in range(rounds):
        model = Recorded(task, [task], config)
        model.asked = []
        begun = time.perf_counter()
        counts = scored(data, path, model, config)
        whole.append(time.perf_counter() - begun)
        alone.append(of_encoder(task, config, model.asked))
        assert counts.n_windows_computed == len(model.asked)
    ratio = statistics.median(one / other for one, other in zip(alone, whole, strict=True))
    seconds, n_windows = statistics.median(whole), counts.n_windows_computed
    per_hour = 3600 * counts.n_alleles_scored / seconds
    print(
        f"variants\t{task}, {named(offsets)}\t{n_windows / seconds:.0f} windows/s\t"
        f"{ratio:.1%} of the encoder's {n_windows / statistics.median(alone):.0f}\t"
        f"{per_hour:,.0f} variants/h, {per_hour / SPLICEAI:.1f} times SpliceAI's {SPLICEAI:,}",
        flush=True,
    )


def scored(data: Data, path: str, model: VariantModel, config: VariantsConfig) -> VariantCounts:
    """Score a file and write it; the threads of the model end with it."""
    genome = VariantGenome(data.genome)
    with VariantFile(path) as source:
        run = variants(source, genome, [model], config)
        target = Target(str(data.folder / "out.vcf"), "vcf", force=True)
        write_variants(run, source.header, target, lengths=genome.lengths)
    return run.counts


def of_encoder(task: str, config: VariantsConfig, texts: list[str]) -> float:
    """Return the seconds that the encoder takes for windows, already tokenized, all at once."""
    with VariantModel(task, [task], config) as model:
        (predictor,), (tokenizer,) = model.ensemble.predictors, model.ensemble.tokenizers
        tokens = [each for _, each in windows_by_length(texts, tokenizer)]
        begun = time.perf_counter()
        for each in tokens:
            predictor.probabilities(each)
        return time.perf_counter() - begun


def windows(data: Data, offsets: int | None, n: int) -> None:
    """Count the windows of each allele."""
    config = VariantsConfig(offsets=offsets)
    model = Recorded("prom", ["prom"], config)
    model.is_silent = True
    counts = scored(data, data.first(n), model, config)
    asked = counts.n_windows / counts.n_alleles_scored
    computed = counts.n_windows_computed / counts.n_alleles_scored
    print(
        f"windows\tprom, {named(offsets)}\t{asked:.2f} asked for per allele\t"
        f"{computed:.2f} computed\t{counts.n_alleles_scored:,} alleles",
        flush=True,
    )


def memory(data: Data, n: int) -> None:
    """Hold the peak of many records against that of few."""
    model = data.folder / "tiny"
    task = TaskConfig(k=6, classes=("other", "promoter"), token_stride=3, window=300, anchor=249)
    torch.manual_seed(0)
    network = SequenceClassifier(ModelConfig(vocab_size=Tokenizer(6).vocab_size, **TINY), 2)
    initialize(network, 0.02)
    save_model(model, network, task)
    few, many = (peak(data, n_records, str(model)) for n_records in (min(N_FEW, n), n))
    print(
        f"memory\t{many:.0f} MB for {n:,} records\t{many - few:+.0f} MB to {min(N_FEW, n):,}",
        flush=True,
    )


def peak(data: Data, n: int, model: str) -> float:
    """Return the peak of a run of its own, in MB."""
    command = [sys.executable, "-m", "dnabert_cli", "variants", "-q", "--force"]
    command += ["--vcf", data.first(n), "--genome", data.genome, "--model", model]
    command += ["--offsets", "1", "-o", str(data.folder / "memory.vcf")]
    process = subprocess.Popen(command)
    _, status, usage = os.wait4(process.pid, 0)
    assert status == 0
    return usage.ru_maxrss / 1024


def named(offsets: int | None) -> str:
    return "default windows" if offsets is None else f"{offsets} offset(s)"


if __name__ == "__main__":
    main()
