#!/usr/bin/env bash
# Rebuild models/splice and its CNN baseline from public data: `models/splice/rebuild.sh DATA OUT`.
# DATA holds reference/ and annotation/ as described in docs/models.md.
# The development block, chr1:52,045,200-54,501,000, is the test part: it trains nothing.
set -euo pipefail
data=$1 out=$2
mkdir -p "$out"
printf 'chr1\t52045200\t54501000\n' > "$out/dev-block.bed"

# Junctions of coding parts, decoys, random windows, and two rounds of a CNN's false calls.
dnabert dataset splice "$data/annotation/ensembl_chr1_CDS.in_blocks.gtf.gz" \
    --genome "$data/reference/hg38.mini.fa.gz" --test-regions "$out/dev-block.bed" \
    --rounds 2 --arch cnn --threads 1 -o "$out/set"

# The model, and the CNN on the same rows. On one core about 15 minutes and 2.
rows=("$out/set/train.tsv" --dev "$out/set/dev.tsv" --test "$out/set/test.tsv" --anchor 200
    --background none --candidates "GT:0,AG:-2" --epochs 10 --half --threads 1)
dnabert finetune "${rows[@]}" -o "$out/splice" --base dnabert-6-compact --learning-rate 3e-4 \
    --attention-dropout 0 --evaluations-per-epoch 1
dnabert finetune "${rows[@]}" -o "$out/cnn" --arch cnn --learning-rate 1e-3
