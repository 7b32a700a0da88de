"""The DNA alphabet. Letters are IUPAC codes in either case; U is read as T."""

IUPAC = "ACGTURYSWKMBDHVN"
# The bases a code stands for; U is read as T.
STANDS_FOR = {
    "A": "A", "C": "C", "G": "G", "T": "T", "U": "T", "R": "AG", "Y": "CT", "S": "CG", "W": "AT",
    "K": "GT", "M": "AC", "B": "CGT", "D": "AGT", "H": "ACT", "V": "ACG", "N": "ACGT",
}  # fmt: skip
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


def may_be_equal(one: str, other: str) -> bool:
    """Tell whether two sequences of IUPAC codes, in either case, can stand for the same bases."""
    if len(one) != len(other):
        return False
    pairs = zip(one.upper(), other.upper(), strict=True)
    return all(a == b or set(STANDS_FOR[a]) & set(STANDS_FOR[b]) for a, b in pairs)
