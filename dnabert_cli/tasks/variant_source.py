"""Where variants come from: a header, and records that can be gone through more than once."""

import logging
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Protocol, Self
from urllib.parse import unquote

from dnabert_cli.errors import DnabertError, FormatError, OptionsError, shown
from dnabert_cli.formats.files import open_binary
from dnabert_cli.formats.vcf import VariantReader, VariantRecord, open_variants
from dnabert_cli.formats.vcf_header import VariantHeader

logger = logging.getLogger(__name__)

STDIN = "-"


class VariantSource(Protocol):
    """What `variants` reads: a file, or all substitutions of regions."""

    @property
    def header(self) -> VariantHeader:
        """What stands above the records."""

    def records(self) -> Iterator[VariantRecord]:
        """Yield the records, from the first one on whenever it is called."""


class VariantFile:
    """VCF or BCF; a context manager.

    Args:
        path: the file, or `-`.
        again: the records are asked for more than once: standard input, or a pipe, is then copied
            to a temporary file.
        require_sorted: whether an unsorted record is an error.

    Attributes:
        header: what stands above the records; it and the first record are read and checked at once.

    Raises:
        FormatError: as `open_variants`, also of the first record.
        DnabertError: there is no room for the copy.
    """

    def __init__(self, path: str, *, again: bool = False, require_sorted: bool = False) -> None:
        self._stack = ExitStack()
        self._require_sorted = require_sorted
        self._given = path
        self._path = self._copy() if again and _is_stream(path) else path
        self._told = False
        with self._named():
            reader = self._open()
            # read at once: what is wrong with it is told before anything is written
            first = list(next(([one] for one in reader), []))
        self.header = replace(reader.header, path=path)
        self._opened: tuple[VariantReader, list[VariantRecord]] | None = (reader, first)

    def _open(self) -> VariantReader:
        reader = open_variants(self._path, require_sorted=self._require_sorted)
        return self._stack.enter_context(reader)

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Call the copy of standard input by that name in what is wrong with it."""
        try:
            yield
        except FormatError as error:
            if self._path == self._given:
                raise
            error.args = (str(error.args[0]).replace(self._path, shown(self._given)),)
            raise

    def _copy(self) -> str:
        folder = self._stack.enter_context(tempfile.TemporaryDirectory(prefix="dnabert."))
        copy = Path(folder) / "input"
        stream = self._stack.enter_context(open_binary(self._given))
        try:
            with copy.open("wb") as handle:
                shutil.copyfileobj(stream, handle)
        except OSError as error:
            raise DnabertError(
                f"no room for a copy of {shown(self._given)} in {folder}: {error.strerror}",
                hint="name another folder with TMPDIR, or name a file instead of -",
            ) from error
        return str(copy)

    def __enter__(self) -> Self:
        """Return it."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close the file, and remove the copy."""
        self._stack.close()

    def records(self) -> Iterator[VariantRecord]:
        """Yield the records, from the first one on whenever it is called."""
        reader, first = self._opened or (self._open(), [])
        self._opened = None
        with self._named():
            yield from chain(first, reader)
        if reader.first_unsorted is not None and not self._told:
            self._told = True
            logger.warning(
                "%s is not sorted: record %d is the first of %d that come too late",
                shown(self.header.path), reader.first_unsorted, reader.n_unsorted,
            )  # fmt: skip


def _is_stream(path: str) -> bool:
    """Tell whether something can be read only once."""
    return path == STDIN or Path(path).is_fifo() or Path(path).is_char_device()


def genome_of(header: VariantHeader, genome: str | None) -> str:
    """Return the genome: as named, else the local file that a header names in `##reference=`.

    Raises:
        OptionsError: neither is there.
    """
    if genome is not None:
        return genome
    cure = "name the FASTA the variants were called on with --genome"
    path = shown(header.path)
    if header.reference is None:
        raise OptionsError(f"no genome: {path} has no line ##reference=", hint=cure)
    local = _local_path(header.reference)
    if not local or not Path(local).is_file():
        raise OptionsError(
            f"no genome: {header.reference!r}, the ##reference= of {path}, is no file here",
            hint=cure,
        )
    logger.info("the genome is %s, the ##reference= of %s", local, path)
    return local


def _local_path(reference: str) -> str:
    """Return the path in a `##reference=`, which may be a URL or in quotes."""
    text = reference.strip().strip('"')
    if not text.startswith("file:"):
        return text
    rest = text.removeprefix("file:")
    for host in ("//localhost/", "///"):
        if rest.startswith(host):
            rest = "/" + rest.removeprefix(host)
    return unquote(rest.removeprefix("//"))
