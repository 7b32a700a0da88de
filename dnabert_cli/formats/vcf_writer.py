"""VCF and BCF out: the records that came in, in their order, with tags added to INFO.

A record read from text is written from its line: everything but INFO stays as it was byte by byte,
and so does what INFO held before. A record read from BCF keeps its bytes in BCF, and becomes text
as bcftools would write it. Text into BCF goes through a packed text file beside the output,
because what the records use but the header does not declare is known only at the end.
There, as with bcftools, a value that contradicts its declaration (AC=abc) becomes missing, and an
empty entry beside others (`.;X`) goes.
"""

import logging
import shutil
from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import BinaryIO

from dnabert_cli.errors import FormatError
from dnabert_cli.formats.bcf import BcfTagger
from dnabert_cli.formats.files import check_output, folder_beside, open_output
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
from dnabert_cli.formats.vcf_header import VariantHeader, annotated_header
from dnabert_cli.formats.vcf_to_bcf import Undeclared, convert, put_right

logger = logging.getLogger(__name__)

_INFO = 7  # column

_Texts = list[tuple[InfoTag, list[str]]]


@dataclass(frozen=True)
class _Job:
    """What is written, whatever the format.

    Attributes:
        header: of the reader the records come from.
        tags: the entries added.
        stale: keys of entries that are removed.
        lines: of the header to write.
    """

    header: VariantHeader
    tags: tuple[InfoTag, ...]
    stale: frozenset[str]
    lines: Sequence[str]


class AnnotatedWriter(ABC):
    """Takes records in order, each with the values of its tags.

    Attributes:
        n_records: how many were written.
        n_replaced: how many had older values, which are gone.
        replaced: the keys that had them.
        is_sorted: whether they came sorted.
        last: the highest position written, 0-based.
    """

    def __init__(self, job: _Job) -> None:
        self.n_records = 0
        self.n_replaced = 0
        self.replaced: set[str] = set()
        self.is_sorted = True
        self.last = 0
        self._path = job.header.path
        self._tags = job.tags
        self._ids = frozenset(tag.id for tag in job.tags)
        self._protected = frozenset(tag.id for tag in job.tags if not tag.replaces)
        self._order = SortOrder()

    def write(self, record: VariantRecord, values: InfoValues) -> None:
        """Write a record with values added.

        Args:
            record: as read by the reader whose header the writer was opened with.
            values: by tag: a number, a text, `True` for a flag, or a sequence of them as long as
                the tag's number says. `None`, NaN and infinity are written as missing. Tags left
                out, and tags without values (one per allele of none), are not written.

        Raises:
            FormatError: the record has an entry already that must not be replaced; or cannot be
                turned into text.
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

    def _note_removed(self, record: VariantRecord, keys: Collection[str]) -> None:
        """Count what was taken out of a record; refuse it where it is not ours."""
        if not keys:
            return
        for key in keys:
            if key in self._protected:
                raise FormatError(
                    self._path,
                    f"record {record.number}: INFO has {key} already",
                    hint=f"--fields NEW:={key} renames it",
                )
        self.n_replaced += 1
        self.replaced.update(keys)

    @abstractmethod
    def _put(self, record: VariantRecord, texts: _Texts) -> None: ...

    @abstractmethod
    def close(self) -> None:
        """Write what is left to write."""


class _TextWriter(AnnotatedWriter):
    """Writes lines; the header together with the first one, so that early failures leave none."""

    def __init__(self, sink: BinaryIO, job: _Job, undeclared: Undeclared | None = None) -> None:
        super().__init__(job)
        self._sink = sink
        self._pending = "".join(f"{line}\n" for line in job.lines)
        self._old = self._ids | job.stale
        self._undeclared = undeclared

    def _put(self, record: VariantRecord, texts: _Texts) -> None:
        cells = self._line(record).split("\t", _INFO + 1)
        kept, removed = without_tags(cells[_INFO], self._old)
        self._note_removed(record, removed)
        cells[_INFO] = joined_info(kept, ";".join(info_entry(tag, items) for tag, items in texts))
        if self._undeclared:  # it becomes BCF
            put_right(cells)
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

    def __init__(self, sink: BinaryIO, job: _Job) -> None:
        super().__init__(job)
        self._sink = sink
        self._tagger = BcfTagger(job.header.stored, job.lines, job.tags, job.stale)
        sink.write(self._tagger.header)

    def _put(self, record: VariantRecord, texts: _Texts) -> None:
        data, removed = self._tagger.tagged(record.source, texts)
        self._note_removed(record, removed)
        self._sink.write(data)

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
    stale: Collection[str] = (),
) -> Iterator[AnnotatedWriter]:
    """Open an output for annotated variants; it appears whole or not at all.

    A name ending in `.bcf` is BCF with a `.csi` index, one ending in `.gz` bgzip with a `.tbi`
    index, all else text. Records that are not sorted are written as they come, without index and
    with a warning. On standard output the header comes with the first record.

    Args:
        path: the output, `-` is standard output.
        header: of the reader the records come from.
        tags: the entries added to INFO. Where the header has them already, their lines are
            replaced, and so are older values in the records, if the tag says so.
        force: overwrite an existing file.
        command: the command line, for the header; empty leaves it out.
        contigs: lengths of sequences, for those BCF must declare and the header does not.
        stale: keys of entries that are removed from header and records, and not written.

    Raises:
        DnabertError: as `check_annotated`; the disk is full.
        FormatError: a record cannot be turned into text, or bcftools refuses it as BCF.
    """
    check_annotated(path, force)
    gone = frozenset(stale) - {tag.id for tag in tags}
    job = _Job(header, tuple(tags), gone, annotated_header(header, tags, command, gone))
    if not path.endswith(".bcf"):
        opened = _text_output(path, job, force=force)
    elif header.is_bcf:
        opened = _bcf_output(path, job, force=force)
    else:
        opened = _converted_output(path, job, contigs or {}, force=force)
    with opened as writer:
        yield writer
    _warn_of_replaced(writer, job)
    layout = BCF if path.endswith(".bcf") else VCF
    write_index(path, layout, last=writer.last, is_sorted=writer.is_sorted)


def _warn_of_replaced(writer: AnnotatedWriter, job: _Job) -> None:
    """Say which keys had values: first those written anew, then those that are gone."""
    if writer.n_replaced:
        keys = [*(tag.id for tag in job.tags), *sorted(job.stale)]
        logger.warning(
            "%d of %d records already had values of %s: they were replaced or removed",
            writer.n_replaced,
            writer.n_records,
            ", ".join(key for key in keys if key in writer.replaced),
        )


@contextmanager
def _text_output(
    path: str, job: _Job, *, force: bool, undeclared: Undeclared | None = None
) -> Iterator[AnnotatedWriter]:
    with open_output(path, force=force) as handle:
        handle.flush()
        writer = _TextWriter(handle.buffer, job, undeclared)
        yield writer
        writer.close()
        drop_index(path)


@contextmanager
def _bcf_output(path: str, job: _Job, *, force: bool) -> Iterator[AnnotatedWriter]:
    with folder_beside(path) as folder:
        packed = folder / "records.gz"  # packed as bgzip for its name
        with open_output(str(packed), force=True) as handle:
            writer = _BcfWriter(handle.buffer, job)
            yield writer
            writer.close()
        with open_output(path, force=force) as handle, packed.open("rb") as bcf:
            shutil.copyfileobj(bcf, handle.buffer)
            drop_index(path)


@contextmanager
def _converted_output(
    path: str, job: _Job, contigs: Mapping[str, int], *, force: bool
) -> Iterator[AnnotatedWriter]:
    undeclared = Undeclared(job.lines)
    with folder_beside(path) as folder:
        text, header = folder / "records.vcf.gz", folder / "header"
        with _text_output(str(text), job, force=True, undeclared=undeclared) as writer:
            yield writer
        with open_output(path, force=force) as handle:
            lines = "".join(f"{line}\n" for line in undeclared.header_lines(contigs))
            header.write_text(lines, encoding="utf-8", errors="surrogateescape")
            convert(str(text), str(header), str(handle.name), job.header.path)
            drop_index(path)
