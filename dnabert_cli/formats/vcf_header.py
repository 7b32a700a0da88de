"""The header of VCF and BCF: what it declares, and how tags of ours come into it."""

import logging
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from dnabert_cli import __version__
from dnabert_cli.errors import shown
from dnabert_cli.formats.info_tags import InfoTag

logger = logging.getLogger(__name__)

_META_ID = re.compile(r'##(\w+)=<(?:[^",]*,)*?ID=([^,>]+)')
_META_LENGTH = re.compile(r"[<,]length=(\d+)")


@dataclass(frozen=True, slots=True)
class VariantHeader:
    """What stands above the records.

    Attributes:
        path: the file it was read from, for messages.
        meta: the lines beginning with `##`, as read, without line ends.
        columns: the line beginning with `#CHROM`.
        contigs: the declared sequences in order, with their lengths where they are given.
        reference: the value of `##reference=`, `None` where there is none.
        stored: the lines of a BCF header as stored, with their indices; none for text.
    """

    path: str
    meta: tuple[str, ...]
    columns: str
    contigs: Mapping[str, int | None]
    reference: str | None
    stored: tuple[str, ...] = ()

    @property
    def is_bcf(self) -> bool:
        """Whether it is the header of BCF, not of text."""
        return bool(self.stored)


def meta_id(line: str) -> tuple[str, str] | None:
    """Return kind and ID of a header line such as `##INFO=<ID=AC,...>`; `None` for others."""
    match = _META_ID.match(line)
    return (match[1], match[2]) if match else None


def parse_header(
    path: str, meta: Sequence[str], columns: str, stored: tuple[str, ...] = ()
) -> VariantHeader:
    """Return a header with what its lines declare.

    Args:
        path: the file, for messages.
        meta: the lines beginning with `##`.
        columns: the line beginning with `#CHROM`.
        stored: the lines as stored in BCF.
    """
    contigs: dict[str, int | None] = {}
    reference = None
    for line in meta:
        named = meta_id(line)
        if named and named[0] == "contig":
            length = _META_LENGTH.search(line)
            contigs[named[1]] = int(length[1]) if length else None
        elif line.startswith("##reference="):
            reference = line.removeprefix("##reference=")
    return VariantHeader(path, tuple(meta), columns, contigs, reference, stored)


def annotated_header(
    header: VariantHeader, tags: Sequence[InfoTag], command: str, stale: Collection[str] = ()
) -> list[str]:
    """Return the lines of the header with tags of ours declared.

    They come behind the INFO lines, or to where they stood if the header has one of them already.
    At the end stand the version and, unless it is empty, the command; never the same line twice.

    Args:
        header: as read.
        tags: of ours.
        command: the command line.
        stale: keys of INFO whose lines are left out.
    """
    ours = {("INFO", key) for key in (*(tag.id for tag in tags), *stale)}
    meta: list[str] = []
    replaced: list[str] = []
    place = None
    n_infos = 0  # lines up to the last of INFO
    for line in header.meta:
        named = meta_id(line)
        if named and named in ours:
            place = len(meta) if place is None else place
            replaced.append(named[1])
            continue
        meta.append(line)
        if named and named[0] == "INFO":
            n_infos = len(meta)
    if replaced:
        names = ", ".join(replaced)
        logger.info("%s: replaced in its header: INFO lines of %s", shown(header.path), names)
    place = (n_infos or len(meta)) if place is None else place
    meta[place:place] = [tag.header_line() for tag in tags]
    own = {"dnabert_version": __version__, "dnabert_command": " ".join(command.split())}
    lines = [f"##{key}={value}" for key, value in own.items() if value]
    return [*meta, *(line for line in lines if line not in meta), header.columns]
