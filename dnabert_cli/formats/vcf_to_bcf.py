"""Text into BCF: by bcftools, after what text may hold and BCF may not is put right."""

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from dnabert_cli.errors import FormatError
from dnabert_cli.formats.contig_names import normalise_contig
from dnabert_cli.formats.htslib_messages import complaint
from dnabert_cli.formats.vcf import load_pysam
from dnabert_cli.formats.vcf_header import meta_id

_FILTER, _INFO, _FORMAT = 6, 7, 8  # columns
_EMPTY = frozenset({"", "."})
_PROBE = bytes(1 << 20)  # more than what is left of a disk when a block does not fit
_SAYS_NOTHING = ("Encountered an error", "If feeling adventurous", "[main_")


class Undeclared:
    """What records use without a line in the header, which text allows and BCF does not.

    Args:
        lines: of the header.
    """

    def __init__(self, lines: Iterable[str]) -> None:
        self._declared = {meta_id(line) for line in lines} | {("FILTER", "PASS")}
        # (kind, ID) in order of appearance, and whether one had a value.
        self._found: dict[tuple[str, str], bool] = {}

    def note(self, cells: Sequence[str]) -> None:
        """Look through a record, cut into columns at least as far as INFO."""
        self._add("contig", cells[0])
        for name in cells[_FILTER].split(";"):
            self._add("FILTER", name)
        for entry in cells[_INFO].split(";"):
            key, equals, _ = entry.partition("=")
            self._add("INFO", key, has_value=bool(equals))
        if len(cells) > _FORMAT:
            for key in cells[_FORMAT].split("\t", 1)[0].split(":"):
                self._add("FORMAT", key)

    def _add(self, kind: str, name: str, *, has_value: bool = True) -> None:
        key = (kind, name)
        if key not in self._declared and name not in _EMPTY:
            self._found[key] = self._found.get(key, False) or has_value

    def header_lines(self, contigs: Mapping[str, int]) -> list[str]:
        """Return a line for each, contigs with their length where it is known."""
        lines = []
        for (kind, name), has_value in self._found.items():
            if kind == "contig":
                known = normalise_contig(name, contigs)
                length = f",length={contigs[known]}" if known else ""
                lines.append(f"##contig=<ID={name}{length}>")
                continue
            number, type_ = (".", "String") if has_value else ("0", "Flag")
            typed = "" if kind == "FILTER" else f"Number={number},Type={type_},"
            lines.append(f'##{kind}=<ID={name},{typed}Description="not declared in the input">')
        return lines


def put_right(cells: list[str]) -> None:
    """Take empty entries out of FILTER and INFO: bcftools refuses `.;X`."""
    for column in (_FILTER, _INFO):
        entries = cells[column].split(";")
        if not _EMPTY.isdisjoint(entries):
            cells[column] = ";".join(one for one in entries if one not in _EMPTY) or "."


def convert(text: str, header: str, part: str, source: str) -> None:
    """Turn packed text into BCF, with the lines of a file added to its header.

    By bcftools, which pysam brings along: records pysam itself writes get another INFO/END.

    Args:
        text: the file to read.
        header: the file with the lines to add.
        part: the file to write.
        source: where the records came from, for messages.

    Raises:
        OSError: there is no more room.
        FormatError: bcftools refuses a record or a line of the header.
    """
    load_pysam("writing BCF")
    import pysam.bcftools

    options = ("--no-version", "-h", header, "-Ob", "-o")

    def annotate(target: str) -> None:
        pysam.bcftools.annotate(*options, target, text, catch_stdout=False)

    try:
        annotate(part)
    except pysam.SamtoolsError as error:
        if Path(part).is_file():
            with Path(part).open("ab") as handle:
                handle.write(_PROBE)
        said = complaint(pysam, lambda: annotate(os.devnull)) or _last_line(str(error.args[0]))
        raise FormatError(
            source, f"does not fit into BCF: {said}", hint="repair it, or write VCF instead"
        ) from error


def _last_line(message: str) -> str:
    """Return the last thing bcftools itself says, in one line."""
    lines = message.partition("stderr=")[2].splitlines()
    said = [line.strip() for line in lines if not line.startswith(_SAYS_NOTHING)]
    return next((line for line in reversed(said) if line), "bcftools does not say why")
