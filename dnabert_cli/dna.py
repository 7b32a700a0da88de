"""The DNA alphabet. Letters are IUPAC codes in either case; U is read as T."""

IUPAC = "ACGTURYSWKMBDHVN"
_COMPLEMENT = str.maketrans(
    "ACGTURYSWKMBDHVNacgturyswkmbdhvn",
    "TGCAAYRSWMKVHDBNtgcaayrswmkvhdbn",
)
_U_TO_T = str.maketrans("Uu", "Tt")


def reverse_complement(sequence: str) -> str:
    """Return the opposite strand, 5' to 3'; case and ambiguity codes are kept.

    Letters outside the IUPAC code stay as they are.
    """
    return sequence.translate(_COMPLEMENT)[::-1]


def is_rna(sequence: str) -> bool:
    """Tell whether the sequence holds a U."""
    return "U" in sequence or "u" in sequence


def to_dna(sequence: str) -> str:
    """Return the sequence with U read as T, case kept."""
    return sequence.translate(_U_TO_T) if is_rna(sequence) else sequence
