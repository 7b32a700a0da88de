"""Genotypes of one sample: which alleles a record gives it, and on which of its haplotypes.

Read from a record as it is, for text and BCF alike. Alleles are counted as in VCF: 0 is the
reference, 1 the first of ALT. How many there are is the ploidy of the record, whatever it is in
others. The phasing mark before the first allele, new in VCF 4.4, is read and tells nothing more.

Source: "The Variant Call Format Specification", VCFv4.3 and 4.4, section 1.6.2.
"""

import difflib
import re
from dataclasses import dataclass
from typing import Any

from dnabert_cli.errors import DataError, FormatError, shown
from dnabert_cli.formats.bcf import BcfRecord
from dnabert_cli.formats.vcf import VariantRecord
from dnabert_cli.formats.vcf_header import VariantHeader

_FORMAT_AT = 8  # column; those of the samples follow
_N_SHOWN = 5
_ALLELE = r"(?:\d{1,9}|\.)"
_IS_GT = re.compile(rf"[|/]?{_ALLELE}(?:[|/]{_ALLELE})*", re.ASCII).fullmatch
_SEPARATOR = re.compile(r"[|/]")


@dataclass(frozen=True, slots=True)
class Genotype:
    """The alleles of one sample at one record.

    Attributes:
        alleles: one per haplotype in order; 0 is the reference, `None` is missing.
        is_phased: whether it is known which haplotype has which allele. That is so where the file
            says it (`0|1`), where all haplotypes have the same (`1/1`), and where there is one.
        phase_set: the value of PS. Phases are comparable between records of one set only; `None`,
            where there is none, is a set of its own.
    """

    alleles: tuple[int | None, ...]
    is_phased: bool
    phase_set: str | None = None


def sample_index(header: VariantHeader, sample: str | None) -> int:
    """Return which of the samples of a file is meant, counted from 0.

    Args:
        header: of the file.
        sample: its name; `None` is the only one there is.

    Raises:
        FormatError: the file has no samples, or this name twice.
        DataError: no sample has this name, or none is named and there are several.
    """
    names = header.columns.split("\t")[_FORMAT_AT + 1 :]
    if not names:
        raise FormatError(
            header.path,
            "has no samples, so there are no genotypes",
            hint="haplotypes need a phased VCF: columns FORMAT and one per sample",
        )
    if sample is None:
        if len(names) > 1:
            raise DataError(
                f"{shown(header.path)} has {len(names)} samples and none is named",
                hint=f"name one with --sample: {_first(names)}",
            )
        return 0
    if sample not in names:
        raise DataError(f"{shown(header.path)} has no sample {sample!r}", hint=_near(names, sample))
    if names.count(sample) > 1:
        raise FormatError(
            header.path,
            f"two samples are named {sample!r}",
            hint="rename them with bcftools reheader --samples",
        )
    return names.index(sample)


def _first(names: list[str]) -> str:
    return ", ".join(names[:_N_SHOWN]) + (", …" if len(names) > _N_SHOWN else "")


def _near(names: list[str], sample: str) -> str:
    lower: dict[str, list[str]] = {}
    for name in names:
        lower.setdefault(name.lower(), []).append(name)
    near = difflib.get_close_matches(sample.lower(), lower, n=_N_SHOWN)
    found = [name for key in near for name in lower[key]]
    if found:
        return f"near: {_first(found)}"
    count = "1 sample" if len(names) == 1 else f"{len(names)} samples"
    return f"it has {count}: {_first(names)}"


def genotype_of(record: VariantRecord, sample: int, path: str) -> Genotype | None:
    """Return the genotype of a sample at a record; `None` where FORMAT has no GT.

    Args:
        record: as read.
        sample: as `sample_index` returns it.
        path: the file, for messages.

    Raises:
        FormatError: GT is malformed, or names an allele that the record has not. (In BCF such an
            allele is missing.)
    """
    if isinstance(record.source, BcfRecord):
        return _native_genotype(record.source.native, sample)
    cells = record.source.split("\t", _FORMAT_AT + 2 + sample)
    keys, values = (cells[at].split(":") for at in (_FORMAT_AT, _FORMAT_AT + 1 + sample))
    fields = dict(zip(keys, values, strict=False))  # those at the end may be left out
    if "GT" not in keys:
        return None
    text = fields.get("GT", ".")
    problem = None if _IS_GT(text) else "is malformed"
    if problem is None:
        alleles, is_phased = _parsed(text)
        largest = max(allele or 0 for allele in alleles)
        if largest <= len(record.alts):
            phase_set = fields.get("PS", ".")
            return _genotype(alleles, None if phase_set == "." else phase_set, is_phased=is_phased)
        problem = f"names allele {largest}, but ALT has {len(record.alts)}"
    short = text if len(text) <= 20 else f"{text[:20]}…"
    raise FormatError(
        path,
        f"record {record.number} ({record.chrom}, position {record.position + 1}): "
        f"GT {short!r} of sample {sample + 1} {problem}",
        hint="GT is 0 for REF, 1 for the first of ALT and so on, joined by | or /, such as 0|1",
    )


def _parsed(text: str) -> tuple[tuple[int | None, ...], bool]:
    """Return the alleles of a well-formed GT, and whether all marks between them are `|`."""
    text = text.lstrip("|/")
    alleles = tuple(None if one == "." else int(one) for one in _SEPARATOR.split(text))
    return alleles, "/" not in text


def _native_genotype(native: Any, sample: int) -> Genotype | None:
    """Return the genotype of a record of pysam."""
    if "GT" not in native.format:
        return None
    values = native.samples[sample]
    phase_set = values["PS"] if "PS" in native.format else None
    alleles = values.allele_indices or (None,)
    return _genotype(
        alleles, None if phase_set is None else str(phase_set), is_phased=values.phased
    )


def _genotype(
    alleles: tuple[int | None, ...], phase_set: str | None, *, is_phased: bool
) -> Genotype:
    is_same = None not in alleles and len(set(alleles)) == 1
    return Genotype(alleles, is_phased or is_same or len(alleles) == 1, phase_set)
