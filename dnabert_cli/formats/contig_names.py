"""One sequence, many names: `chr1`, `1` and `NC_000001.11` mean the same."""

import re
from collections.abc import Mapping

_REFSEQ = re.compile(r"NC_(\d{6})\.\d+")
# Of any database: NC_000001.11, CM000683.2, KI270706.1, NZ_CP012345.1, U00096.3, AABR07000001.1
_ACCESSION = re.compile(r"[A-Z]{1,6}(?:_[A-Z]{0,6})?\d{5,}\.\d+")
# The human chromosomes in RefSeq: NC_000001 to NC_000024, and the mitochondrion.
_HUMAN = {f"{number:06d}": str(number) for number in range(1, 23)}
_HUMAN |= {"000023": "X", "000024": "Y", "012920": "MT"}


def normalise_contig(
    name: str, genome: Mapping[str, int], header_length: int | None = None
) -> str | None:
    """Find the sequence of a genome that a VCF file means.

    Understood are names with and without `chr`, M for MT, and accessions on either side: those of
    RefSeq for human chromosomes (NC_...) by number, all others, of GenBank too, by their length.
    Where a name is found the lengths may still differ, which means another assembly: comparing
    them is left to the caller. Only accessions and the mitochondrion, which has two lengths in
    common use, must agree.

    Args:
        name: of the sequence in the VCF file.
        genome: name and length of every sequence of the genome.
        header_length: the length the VCF header declares, `None` where it declares none.

    Returns:
        The name in the genome; `None` where none or more than one fits.
    """
    if name in genome:
        return name
    wanted = _plain_name(name)
    found = [other for other in genome if _plain_name(other) == wanted]
    if header_length is not None:
        is_accession = _is_accession(name)
        if not found:
            found = [other for other in genome if is_accession or _is_accession(other)]
        strict = is_accession or wanted == "MT" or any(map(_is_accession, found))
        if strict:
            found = [other for other in found if genome[other] == header_length]
    return found[0] if len(found) == 1 else None


def _is_accession(name: str) -> bool:
    return _ACCESSION.fullmatch(name) is not None


def _plain_name(name: str) -> str:
    accession = _REFSEQ.fullmatch(name)
    if accession:
        return _HUMAN.get(accession[1], name)
    bare = name[3:] if name[:3].lower() == "chr" else name
    return "MT" if bare == "M" else bare
