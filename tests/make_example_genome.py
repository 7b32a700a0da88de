"""Write the example genome: `python tests/make_example_genome.py > models/example/genome.fa`.

Random sequence, not taken from any organism. The background has the base composition and the rare
CpG of vertebrate genomes; planted in it are islands with the elements that promoters without and
with a TATA box carry, at their usual distances from the start site (TSS).
"""

import random
import sys

BACKGROUND = {"A": 0.295, "C": 0.205, "G": 0.205, "T": 0.295}
ISLAND = {"A": 0.16, "C": 0.33, "G": 0.35, "T": 0.16}
CPG_KEPT = 0.25  # of the CpG that chance would give, in the background

# (position relative to the TSS, element); the names of the factors that bind it
ELEMENTS = (
    (-150, "GGGGCGGGGC"),  # SP1
    (-95, "ACCGGAAGTG"),  # ETS
    (-80, "TGCGCATGCGCA"),  # NRF1
    (-60, "GGGGCGGGGC"),  # SP1
    (-45, "AGCCAATCAG"),  # NFY
    (-2, "TCAGTC"),  # initiator
    (8, "AAGATGGCGGC"),  # YY1
    (28, "AGACGTG"),  # downstream element
)
TATA_BOX = (-31, "GCTATAAAAGGC")

# name, bases, (TSS, strand, with TATA box)
RECORDS = (
    ("exA", 12_000, ((3_000, "+", False), (8_200, "-", True))),
    ("exB", 8_000, ((4_500, "-", False),)),
)
UPSTREAM, DOWNSTREAM = 500, 400


def main() -> None:
    sys.stdout.write(example_genome())


def example_genome() -> str:
    """Return the FASTA text, the same every time."""
    generator = random.Random(20)
    lines = []
    for name, n_bases, promoters in RECORDS:
        bases = stretch(generator, n_bases, BACKGROUND, CPG_KEPT)
        for tss, strand, has_tata in promoters:
            island = promoter(generator, has_tata=has_tata)
            start = tss - UPSTREAM
            if strand == "-":
                island = island.translate(str.maketrans("ACGT", "TGCA"))[::-1]
                start = tss - DOWNSTREAM + 1
            bases = bases[:start] + island + bases[start + len(island) :]
        lines.append(f">{name} random sequence with planted promoters")
        lines += [bases[first : first + 60] for first in range(0, len(bases), 60)]
    return "\n".join(lines) + "\n"


def promoter(generator: random.Random, *, has_tata: bool) -> str:
    """Return an island read 5' to 3'; the TSS is its base `UPSTREAM`."""
    island = stretch(generator, UPSTREAM + DOWNSTREAM, ISLAND, 1.0)
    for position, element in (*ELEMENTS, *([TATA_BOX] if has_tata else [])):
        start = UPSTREAM + position
        island = island[:start] + element + island[start + len(element) :]
    return island


def stretch(
    generator: random.Random, n_bases: int, weights: dict[str, float], cpg_kept: float
) -> str:
    """Return random bases; of every CpG only a share is kept, the others become TpG."""
    bases = generator.choices(list(weights), list(weights.values()), k=n_bases)
    for i in range(n_bases - 1):
        if bases[i : i + 2] == ["C", "G"] and generator.random() > cpg_kept:
            bases[i] = "T"
    return "".join(bases)


if __name__ == "__main__":
    main()
