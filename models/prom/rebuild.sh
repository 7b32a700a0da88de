#!/usr/bin/env bash
# Rebuild models/prom and its CNN baseline from public data: `models/prom/rebuild.sh DATA OUT`.
# DATA holds promoter/, reference/ and annotation/ as described in docs/models.md; needs bedtools.
# The development block, chr1:52,045,200-54,501,000, trains nothing.
set -euo pipefail
data=$1 out=$2
mkdir -p "$out"
genome=$data/reference/hg38.mini.fa.gz

# Blocks that hold sequence, without the development block and without 1 kb around every TSS.
zcat "$data/reference/hg38.blocks.fa.gz" | grep '^>' | tr -d '>' | tr ':-' '\t\t' \
    | awk -v OFS='\t' '{print $1, $2 - 1, $3}' > "$out/blocks.bed"
printf 'chr1\t52045200\t54501000\n' > "$out/dev-block.bed"
zcat "$data/annotation/epdnew_hg38.genome_minus_heldout.bed.gz" \
    | awk -v OFS='\t' '{s = $2 - 1000; print $1, s < 0 ? 0 : s, $2 + 1000}' > "$out/near-tss.bed"
bedtools subtract -a "$out/blocks.bed" -b "$out/dev-block.bed" \
    | bedtools subtract -a - -b "$out/near-tss.bed" > "$out/allowed.bed"

# One window of 300 bp every 700 bp, strands in turn: genomic negatives.
bedtools makewindows -b "$out/allowed.bed" -w 300 -s 700 \
    | awk -v OFS='\t' '$3 - $2 == 300 {print $1, $2, $3, ".", 0, NR % 2 ? "+" : "-"}' \
    > "$out/negatives.bed"
zcat "$genome" > "$out/genome.fa"
{ printf 'sequence\tlabel\n'
  bedtools getfasta -s -tab -fi "$out/genome.fa" -bed "$out/negatives.bed" \
      | awk -v OFS='\t' 'toupper($2) !~ /N/ {print toupper($2), 0}'; } \
    | gzip -n > "$out/genomic-negatives.tsv.gz"
rm -f "$out/genome.fa" "$out/genome.fa.fai"

# The model, and the CNN on the same rows and the same split. On two cores about 45 minutes and 10.
rows=("$data/promoter/prom300.train.tsv.gz" "$data/promoter/prom300_genomic_train.tsv.gz"
    "$out/genomic-negatives.tsv.gz")
common=(--test "$data/promoter/prom300_genomic_dev.tsv.gz" --class-names other,promoter
    --anchor 249 --threshold-fpr 0.001 --evaluations-per-epoch 1 --patience 3 --half --threads 1)
dnabert finetune "${rows[@]}" "${common[@]}" -o "$out/prom" --epochs 4 --learning-rate 3e-4 \
    --token-stride 3 --attention-dropout 0
dnabert finetune "${rows[@]}" "${common[@]}" -o "$out/cnn" --arch cnn --epochs 8 \
    --learning-rate 1e-3
