"""VCF and BCF out: the records that came in, in their order, with tags added to INFO.

A record read from text is written from its line: everything but INFO stays as it was byte by byte,
and so does what INFO held before. A record read from BCF keeps its bytes in BCF, and becomes text
as bcftools would write it. Text into BCF goes through a packed text file beside the output,
because what the records use but the header does not declare is known only at the end.
There, as with bcftools, a value that contradicts its declaration (AC=abc) becomes missing.
"""

import logging
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from dnabert_cli.errors import DnabertError, FormatError
from dnabert_cli.formats.bcf import BcfTagger
from dnabert_cli.formats.contig_names import normalise_contig
from dnabert_cli.formats.files import check_output, open_output
from dnabert_cli.formats.info_tags import (
    InfoTag,
    InfoValues,
    info_entry,
    joined_info,
    value_texts,
    without_tags,
)
from dnabert_cli.formats.tabix import BCF, VCF, drop_index, is_indexed, write_index
from dnabert_cli.formats.vcf import SortOrder, VariantRecord, load_pysam
from dnabert_cli.formats.vcf_header import VariantHeader, annotated_header, meta_id

logger = logging.getLogger(__name__)

_INFO = 7  # column
_FILTER = 6
_FORMAT = 8

_Texts = list[tuple[InfoTag, list[str]]]


class AnnotatedWriter(ABC):
    """Takes records in order, each with the values of its tags.

    Attributes:
        n_records: how many were written.
        n_replaced: how many had older values of the tags, which are gone.
        is_sorted: whether they came sorted.
        last: the highest position written, 0-based.
    """

    def __init__(self, tags: Sequence[InfoTag]) -> None:
        self.n_records = 0
        self.n_replaced = 0
        self.is_sorted = True
        self.last = 0
        self._tags = tuple(tags)
        self._ids = frozenset(tag.id for tag in tags)
        self._order = SortOrder()

    def write(self, record: VariantRecord, values: InfoValues) -> None:
        """Write a record with values added.

        Args:
            record: as read by the reader whose header the writer was opened with.
            values: by tag: a number, a text, `True` for a flag, or a sequence of them as long as
                the tag's number says. `None`, NaN and infinity are written as missing. Tags left
                out, and tags without values (one per allele of none), are not written.
        """
        assert values.keys() <= self._ids, f"not declared: {sorted(values.keys() - self._ids)}"
        texts = [
            (tag, value_texts(tag, values[tag.id], len(record.alts)))
            for tag in self._tags
            if tag.id in values
        ]
        self._put(record, [(tag, items) for tag, items in texts if items])
        self.n_records += 1
        self.is_sorted &= self._order.follows(record.chrom, record.position)
        self.last = max(self.last, record.position)

    @abstractmethod
    def _put(self, record: VariantRecord, texts: _Texts) -> None: ...

    @abstractmethod
    def close(self) -> None:
        """Write what is left to write."""


class _TextWriter(AnnotatedWriter):
    """Writes lines; the header together with the first one, so that early failures leave none."""

    def __init__(
        self,
        sink: BinaryIO,
        lines: Sequence[str],
        header: VariantHeader,
        tags: Sequence[InfoTag],
        undeclared: "_Undeclared | None" = None,
    ) -> None:
        super().__init__(tags)
        self._sink = sink
        self._pending = "".join(f"{line}\n" for line in lines)
        self._path = header.path
        self._undeclared = undeclared

    def _put(self, record: VariantRecord, texts: _Texts) -> None:
        cells = self._line(record).split("\t", _INFO + 1)
        kept, is_replaced = without_tags(cells[_INFO], self._ids)
        self.n_replaced += is_replaced
        cells[_INFO] = joined_info(kept, ";".join(info_entry(tag, items) for tag, items in texts))
        if self._undeclared:
            self._undeclared.note(cells)
        self._write("\t".join(cells) + "\n")

    def _line(self, record: VariantRecord) -> str:
        if isinstance(record.source, str):
            return record.source
        try:
            return str(record.source.native).rstrip("\n")
        except UnicodeDecodeError as error:
            raise FormatError(
                self._path, f"record {record.number}: holds text that is not UTF-8"
            ) from error

    def _write(self, text: str) -> None:
        self._sink.write((self._pending + text).encode("utf-8", "surrogateescape"))
        self._pending = ""

    def close(self) -> None:
        self._write("")
        self._sink.flush()


class _BcfWriter(AnnotatedWriter):
    """Writes the bytes of records, with tags behind their INFO."""

    def __init__(
        self, sink: BinaryIO, lines: Sequence[str], header: VariantHeader, tags: Sequence[InfoTag]
    ) -> None:
        super().__init__(tags)
        self._sink = sink
        self._tagger = BcfTagger(header.stored, lines, tags)
        sink.write(self._tagger.header)

    def _put(self, record: VariantRecord, texts: _Texts) -> None:
        data, is_replaced = self._tagger.tagged(record.source, texts)
        self._sink.write(data)
        self.n_replaced += is_replaced

    def close(self) -> None:
        self._sink.flush()


def check_annotated(path: str, force: bool, inputs: Iterable[str] = ()) -> None:
    """Check, before the long part, that annotated variants can be written.

    Raises:
        OptionsError: the output is also an input.
        DnabertError: as `check_output`; or it is packed and pysam is missing.
    """
    check_output(path, force, inputs)
    if is_indexed(path):
        load_pysam(f"writing {path}")


@contextmanager
def open_annotated(
    path: str,
    header: VariantHeader,
    tags: Sequence[InfoTag],
    *,
    force: bool,
    command: str = "",
    contigs: Mapping[str, int] | None = None,
) -> Iterator[AnnotatedWriter]:
    """Open an output for annotated variants; it appears whole or not at all.

    A name ending in `.bcf` is BCF with a `.csi` index, one ending in `.gz` bgzip with a `.tbi`
    index, all else text. Records that are not sorted are written as they come, without index and
    with a warning. On standard output the header comes with the first record.

    Args:
        path: the output, `-` is standard output.
        header: of the reader the records come from.
        tags: the entries added to INFO. Where the header has them already, their lines are
            replaced, and so are older values in the records.
        force: overwrite an existing file.
        command: the command line, for the header; empty leaves it out.
        contigs: lengths of sequences, for those BCF must declare and the header does not.

    Raises:
        DnabertError: as `check_annotated`; the disk is full; htslib refuses a record of the BCF.
        FormatError: a record cannot be turned into text.
    """
    check_annotated(path, force)
    lines = annotated_header(header, tags, command)
    if not path.endswith(".bcf"):
        opened = _text_output(path, lines, header, tags, force=force)
    elif header.is_bcf:
        opened = _bcf_output(path, lines, header, tags, force=force)
    else:
        opened = _converted_output(path, lines, header, tags, contigs or {}, force=force)
    with opened as writer:
        yield writer
    if writer.n_replaced:
        logger.warning(
            "%d of %d records already had values of %s: they were replaced",
            writer.n_replaced,
            writer.n_records,
            ", ".join(tag.id for tag in tags),
        )
    layout = BCF if path.endswith(".bcf") else VCF
    write_index(path, layout, last=writer.last, is_sorted=writer.is_sorted)


@contextmanager
def _text_output(
    path: str,
    lines: Sequence[str],
    header: VariantHeader,
    tags: Sequence[InfoTag],
    *,
    force: bool,
    undeclared: "_Undeclared | None" = None,
) -> Iterator[AnnotatedWriter]:
    with open_output(path, force=force) as handle:
        handle.flush()
        writer = _TextWriter(handle.buffer, lines, header, tags, undeclared)
        yield writer
        writer.close()
        drop_index(path)


@contextmanager
def _bcf_output(
    path: str,
    lines: Sequence[str],
    header: VariantHeader,
    tags: Sequence[InfoTag],
    *,
    force: bool,
) -> Iterator[AnnotatedWriter]:
    with _folder_beside(path) as folder:
        packed = folder / "records.gz"  # packed as bgzip for its name
        with open_output(str(packed), force=True) as handle:
            writer = _BcfWriter(handle.buffer, lines, header, tags)
            yield writer
            writer.close()
        with open_output(path, force=force) as handle, packed.open("rb") as bcf:
            shutil.copyfileobj(bcf, handle.buffer)
            drop_index(path)


@contextmanager
def _converted_output(
    path: str,
    lines: Sequence[str],
    header: VariantHeader,
    tags: Sequence[InfoTag],
    contigs: Mapping[str, int],
    *,
    force: bool,
) -> Iterator[AnnotatedWriter]:
    undeclared = _Undeclared(lines)
    with _folder_beside(path) as folder:
        text = str(folder / "records.vcf.gz")
        with _text_output(text, lines, header, tags, force=True, undeclared=undeclared) as writer:
            yield writer
        (folder / "header").write_text(
            "".join(f"{line}\n" for line in undeclared.header_lines(contigs)),
            encoding="utf-8",
            errors="surrogateescape",
        )
        with open_output(path, force=force) as handle:
            _convert(text, str(folder / "header"), str(handle.name), path)
            drop_index(path)


@contextmanager
def _folder_beside(path: str) -> Iterator[Path]:
    """Make a folder for the time of the writing, on the disk of the output."""
    parent = Path(path).resolve().parent
    with tempfile.TemporaryDirectory(prefix=".dnabert.", dir=parent) as folder:
        yield Path(folder)


def _convert(text: str, header: str, part: str, path: str) -> None:
    """Turn packed text into BCF, with the lines of a file added to its header.

    By bcftools, which pysam brings along: records pysam itself writes get another INFO/END.
    """
    load_pysam("writing BCF")
    import pysam.bcftools

    options = ("--no-version", "-h", header, "-Ob", "-o", part)
    try:
        pysam.bcftools.annotate(*options, text, catch_stdout=False)
    except pysam.SamtoolsError as error:
        raise DnabertError(
            f"cannot write {path}: the disk is full, or a record does not fit into BCF",
            hint="write VCF instead",
        ) from error


class _Undeclared:
    """What records use without a line in the header, which text allows and BCF does not."""

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
        if key not in self._declared and name not in {"", "."}:
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
