"""The index beside a packed output of sorted places: `.tbi`, or `.csi` beyond its reach."""

import logging
import os
from pathlib import Path
from typing import Any

from dnabert_cli.formats.htslib_messages import complaint
from dnabert_cli.formats.vcf import load_pysam

logger = logging.getLogger(__name__)

_PRESET = "preset"
BCF = {_PRESET: "bcf"}
VCF = {_PRESET: "vcf"}

_INDEXED = (".gz", ".bgz", ".bcf")
_CURE = "; a record may reach beyond its sequence (POS, END): `bcftools index` says which"
_MAX_TBI = 1 << 29  # bases; `.tbi` reaches no further


def is_indexed(path: str) -> bool:
    """Tell by its name whether an output gets an index."""
    return path.endswith(_INDEXED)


def drop_index(path: str) -> None:
    """Remove the index of a file that is about to be replaced."""
    if is_indexed(path):
        for suffix in (".tbi", ".csi"):
            Path(path + suffix).unlink(missing_ok=True)


def write_index(path: str, layout: dict[str, Any], *, last: int, is_sorted: bool) -> None:
    """Write the index of a packed file; where there can be none, a warning says so.

    Args:
        path: the file; a pipe or a device gets none.
        layout: `BCF`, `VCF`, or what `pysam.tabix_index` is told about columns.
        last: the highest position in it, 0-based.
        is_sorted: whether its rows are.
    """
    if not is_indexed(path) or not Path(path).is_file():
        return
    if not is_sorted:
        logger.warning(
            "%s is not sorted: it gets no index; sort the variants with bcftools sort", path
        )
        return
    pysam = load_pysam(f"writing {path}")
    is_csi = layout == BCF or last >= _MAX_TBI
    index = Path(path + (".csi" if is_csi else ".tbi"))
    part = index.with_name(f".{index.name}.{os.getpid()}.part")

    def build() -> None:
        pysam.tabix_index(path, index=str(part), csi=is_csi, force=True, **layout)

    try:
        build()
        part.replace(index)
    except (OSError, ValueError) as error:
        why = complaint(pysam, build) or str(error)
        cure = _CURE if _PRESET in layout else ""
        logger.warning("%s could not be indexed: %s%s", path, why, cure)
    finally:
        part.unlink(missing_ok=True)
