#!/usr/bin/env bash
# Rebuild models/dnabert-6-compact from public data: `rebuild.sh DATA OUT`; needs python3.
# DATA holds reference/ and pretrain/ as described in docs/models.md. About an hour on one core.
# The development block, chr1:52,045,200-54,501,000, trains nothing: pieces that share 50 bases with
# it are left out, and so are longer sequences of which more than a fifth does.
set -euo pipefail
data=$1 out=$2
mkdir -p "$out"

python3 - "$data" "$out/human.fa" << 'PYTHON'
import gzip
import sys
from pathlib import Path

K, EVERY = 50, 10
COMPLEMENT = bytes.maketrans(b"ACGT", b"TGCA")
OTHERS = (
    "pretrain/human_pas606_hg38", "pretrain/human_clones_ensembl_testdb",
    "pretrain/hg18.chr20_1_1000000", "pretrain/human_chr21_1Mb_mccortex",
    "reference/hg19.chr15_48500000_49000000", "reference/hg19.chr20_1000001_2000000",
    "reference/hg19.chr20_9995001_11095000", "reference/hg38.chr21_22000000_23000000",
    "reference/hg38.chr21_vep", "reference/hg38.chr2_1_2333275",
)


def records(path):
    with gzip.open(path, "rb") as file:
        for text in file.read().upper().split(b">")[1:]:
            head, _, lines = text.partition(b"\n")
            yield head.split()[0].decode(), lines.replace(b"\n", b"")


data = Path(sys.argv[1])
blocks = dict(records(data / "reference/hg38.blocks.fa.gz"))
held = blocks.pop("CHR1:52045200-54501000")
seen = {
    hash(strand[i : i + K])
    for strand in (held, held.translate(COMPLEMENT)[::-1])
    for i in range(len(strand) - K + 1)
}
with open(sys.argv[2], "w") as out:
    for name, sequence in blocks.items():
        out.write(f">{name}\n{sequence.decode()}\n")
    for file in OTHERS:
        for name, sequence in records(data / f"{file}.fa.gz"):
            shared = sum(
                hash(sequence[i : i + K]) in seen
                for i in range(0, len(sequence) - K + 1, EVERY)
            )
            if shared > (0 if len(sequence) < 1000 else 0.2 * len(sequence) / EVERY):
                continue
            out.write(f">{Path(file).name}|{name}\n{sequence.decode()}\n")
PYTHON

dnabert pretrain "$out/human.fa" -o "$out/dnabert-6-compact" --preset dnabert-6-compact \
    --token-stride 3 --steps 6000 --warmup-steps 150 --late-mask-from 5000 --late-mask-share 0.2 \
    --max-length 140 --attention-dropout 0 --hidden-dropout 0 --reverse-complement \
    --dev-pieces 256 --evaluate-every 250 --save-every 250 --threads 1 --half
