"""Files by path or "-": gzip by content on the way in, whole or not at all on the way out.

A truncated file is always an error: a gzip stream that stops early, and a bgzip file without the
end mark every bgzip writer leaves.
"""

import errno
import glob
import gzip
import hashlib
import io
import os
import shutil
import struct
import sys
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO, cast

from dnabert_cli.errors import DnabertError, FormatError, OptionsError

_GZIP = b"\x1f\x8b"
# The empty block that ends every bgzip file (SAM specification, section 4.1.2).
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_BGZF_BLOCK = 0xFF00  # letters per block, as bgzip itself cuts them
_BUFFER = 1 << 18
_PART = ".part"  # of the name of an output that is not whole yet
_FOLDER = ".folder"  # before it, of a folder

# What a file that is something else begins with, the most telling first.
_SIGNATURES = (
    (b"\x1f\x8b", "a gzip file packed twice"),
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"BZh", "a bzip2 file; unpack it first"),
    (b"\xfd7zXZ", "an xz file; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "a zstd file; unpack it first"),
    (b"\x1a\x41\x27\x43", "2bit"),
    (b"\x43\x27\x41\x1a", "2bit"),
    (b"BAM\x01", "BAM"),
    (b"CRAM", "CRAM"),
    (b"BCF\x02", "BCF"),
    (b"##fileformat=VCF", "VCF"),
    (b"##gff", "GFF"),
    (b"@HD\t", "SAM"),
    (b"@SQ\t", "SAM"),
    (b"@", "FASTQ"),
    (b">", "FASTA"),
    (b"LOCUS ", "GenBank"),
    (b"<", "a web page or XML"),
)


def open_binary(path: str) -> io.BufferedReader:
    """Open a file, or standard input for `-`, and unpack gzip and bgzip by content.

    `peek()` of the result shows up to 256 KiB without consuming them, on a pipe too.
    Closing it leaves standard input open.

    Raises:
        FormatError: the file cannot be opened; later, while reading: it is truncated or damaged.
    """
    source = _Source(path)
    stream: io.BufferedReader = io.BufferedReader(source, _BUFFER)
    if stream.peek()[:2] != _GZIP:
        return stream
    return io.BufferedReader(_Gunzip(path, source, stream), _BUFFER)


def open_text(path: str) -> TextIO:
    """Open a file or `-` as `open_binary` does, as lines of text."""
    return as_text(open_binary(path))


def as_text(stream: io.BufferedReader) -> TextIO:
    """Read a stream as UTF-8 lines with any line end.

    Bytes that are no UTF-8 become U+FFFD, so that the caller's own check names the line.
    """
    return io.TextIOWrapper(stream, encoding="utf-8-sig", errors="replace")


def is_bgzf(first: bytes) -> bool:
    """Tell from the first 18 bytes whether a gzip file is bgzip: it can be read at random."""
    return first[:2] == _GZIP and len(first) >= 18 and bool(first[3] & 4) and first[12:14] == b"BC"


def looks_like(first: bytes) -> str:
    """Say in words what the unpacked beginning of a file looks like, for error messages."""
    text = first.lstrip()
    for signature, kind in _SIGNATURES:
        if text.startswith(signature):
            return kind
    if b"\0" in text:
        return "binary data"
    cells = text.split(b"\n", 1)[0].split(b"\t")
    if len(cells) >= 3 and cells[1].isdigit() and cells[2].strip().isdigit():
        return "BED"
    return "a table" if len(cells) > 1 else "plain text"


def sha256(path: str) -> str:
    """Return the SHA-256 checksum of a file as stored, in hexadecimal.

    Raises:
        FormatError: the file cannot be read.
    """
    with _open_file(path) as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def check_outputs(paths: Iterable[str | None], force: bool, inputs: Sequence[str] = ()) -> None:
    """Check several outputs of one run, `None` where not asked for; they must differ."""
    seen: set[Path | str] = set()
    for path in filter(None, paths):
        check_output(path, force, inputs)
        place = path if path == "-" or _is_special(Path(path)) else Path(path).resolve()
        if place in seen and place != os.devnull:
            raise OptionsError(f"{path} is named for two outputs")
        seen.add(place)


def check_output(path: str, force: bool, inputs: Iterable[str] = ()) -> None:
    """Check, before the long part, that an output can be written.

    Args:
        path: the output; `-` is standard output and always fine.
        force: whether an existing file may be overwritten.
        inputs: paths that are read, which the output must not be; `-` is skipped.

    Raises:
        OptionsError: the output is also an input.
        DnabertError: it exists, or its folder is missing or not writable.
    """
    if path == "-":
        return
    for name in inputs:
        if _is_same_file(path, name):
            raise OptionsError(f"{path} is both input and output", hint="name another output file")
    target = Path(path)
    folder = target.resolve().parent
    if target.is_dir():
        raise DnabertError(f"{path} is a folder", hint="name a file in it")
    if target.is_file() and not force:
        raise DnabertError(f"{path} exists already", hint="overwrite it with --force")
    if not folder.is_dir():
        raise DnabertError(f"cannot write {path}: the folder {folder} does not exist")
    # Only a regular file is replaced through its folder; /dev/null and pipes are written directly.
    if not _is_special(target) and not os.access(folder, os.W_OK):
        raise DnabertError(f"cannot write {path}: no permission to write in {folder}")


@contextmanager
def open_output(path: str, *, force: bool) -> Iterator[TextIO]:
    """Open an output that appears whole or not at all.

    The rows go to a temporary file beside the final one, which is renamed when the block ends and
    removed when it is left by any exception. `-` is standard output: flushed, never closed.
    A name ending in `.gz` or `.bgz` is written as bgzip, so that tabix can index it.

    Raises:
        DnabertError: as `check_output`; or the disk is full.
    """
    check_output(path, force)
    try:
        if path == "-":
            yield from _standard_output()
        elif _is_special(Path(path)):
            with Path(path).open("w", encoding="utf-8", newline="\n") as handle:
                yield handle
        else:
            yield from _renamed_output(path)
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EACCES, errno.EROFS}:
            name = "standard output" if path == "-" else path
            raise DnabertError(f"cannot write {name}: {error.strerror}") from error
        raise


def _standard_output() -> Iterator[TextIO]:
    if sys.stdout is None:
        raise DnabertError("standard output is closed", hint="name a file with --output")
    yield sys.stdout
    sys.stdout.flush()


def _renamed_output(path: str) -> Iterator[TextIO]:
    target = Path(path).resolve()  # a link is kept: the file it points to is replaced
    temporary = target.with_name(f".{target.name}.{os.getpid()}{_PART}")
    try:
        with _open_new(temporary, packed=path.endswith((".gz", ".bgz"))) as handle:
            yield handle
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)


@contextmanager
def folder_beside(path: str) -> Iterator[Path]:
    """Make a folder for as long as an output is written, on the same disk.

    Raises:
        DnabertError: it cannot be made.
    """
    target = Path(path).resolve()
    folder = target.with_name(f".{target.name}.{os.getpid()}{_FOLDER}{_PART}")
    try:
        _remove_folder(folder)  # of a killed run that had this number
        folder.mkdir(mode=0o700)
    except OSError as error:
        raise DnabertError(f"cannot write {path}: {error.strerror}") from error
    try:
        yield folder
    finally:
        _remove_folder(folder)


def remove_abandoned(path: str) -> None:
    """Remove what killed runs have left of an output; no other run may be writing it now."""
    target = Path(path).resolve()
    for part in target.parent.glob(f".{glob.escape(target.name)}.*{_PART}"):
        number = part.name.removeprefix(f".{target.name}.").removesuffix(_PART)
        if number.isdigit():
            part.unlink(missing_ok=True)
        elif number.removesuffix(_FOLDER).isdigit():
            _remove_folder(part)


def _remove_folder(path: Path) -> None:
    shutil.rmtree(path, ignore_errors=True)  # a link is left alone


def _open_new(path: Path, *, packed: bool) -> TextIO:
    if not packed:
        return path.open("w", encoding="utf-8", newline="\n")
    sink = io.BufferedWriter(cast("io.RawIOBase", _Bgzip(path)), _BGZF_BLOCK)
    return io.TextIOWrapper(sink, encoding="utf-8", newline="\n")


def _is_same_file(first: str, second: str) -> bool:
    return (
        second != "-"
        and Path(first).exists()
        and Path(second).exists()
        and (Path(first).samefile(second))
    )


def _is_special(path: Path) -> bool:
    return path.exists() and not path.is_file()


def _open_file(path: str) -> io.BufferedReader:
    try:
        return Path(path).open("rb")
    except FileNotFoundError as error:
        raise FormatError(path, "no such file") from error
    except IsADirectoryError as error:
        raise FormatError(path, "is a folder, not a file") from error
    except OSError as error:
        raise FormatError(path, f"cannot be read: {error.strerror}") from error


class _Source(io.RawIOBase):
    """The bytes as stored; remembers the last ones, where bgzip has its end mark."""

    def __init__(self, path: str) -> None:
        if path == "-" and sys.stdin is None:
            raise FormatError(path, "is closed")
        self._path = path
        self._inner = (
            cast("io.BufferedReader", sys.stdin.buffer) if path == "-" else _open_file(path)
        )
        self.tail = b""

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            # A buffered readinto waits until the buffer is full: a pipe can be peeked at.
            n_read = self._inner.readinto(buffer)
        except OSError as error:
            raise FormatError(self._path, f"cannot be read: {error.strerror}") from error
        n_kept = len(_BGZF_END)
        self.tail = (self.tail + bytes(buffer[max(n_read - n_kept, 0) : n_read]))[-n_kept:]
        return n_read

    def close(self) -> None:
        if not self.closed and self._path != "-":
            self._inner.close()
        super().close()


class _Gunzip(io.RawIOBase):
    """The unpacked bytes of a gzip stream; early ends and damage become a `FormatError`."""

    def __init__(self, path: str, source: _Source, stream: io.BufferedReader) -> None:
        self._path = path
        self._source = source
        self._stream = stream
        self._is_bgzf = is_bgzf(stream.peek())
        self._gzip = gzip.GzipFile(fileobj=stream)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        try:
            n_read = self._gzip.readinto(buffer)
        except EOFError as error:
            raise self._truncated() from error
        except (zlib.error, gzip.BadGzipFile) as error:
            raise FormatError(
                self._path, "is damaged: not valid gzip", hint="download or copy it again"
            ) from error
        # Cut between two blocks, a bgzip file is still valid gzip: only its end mark is missing.
        if n_read == 0 and self._is_bgzf and self._source.tail != _BGZF_END:
            raise self._truncated()
        return n_read

    def _truncated(self) -> FormatError:
        return FormatError(
            self._path, "the gzip file is truncated", hint="download or copy it again"
        )

    def close(self) -> None:
        if not self.closed:
            self._gzip.close()
            self._stream.close()
        super().close()


class _Bgzip(io.RawIOBase):
    """Writes bgzip: gzip members of at most 64 KiB that carry their own size."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("wb")

    def writable(self) -> bool:
        return True

    def write(self, data: memoryview) -> int:  # type: ignore[override]
        block = bytes(data[:_BGZF_BLOCK])
        self._file.write(_bgzf_block(block))
        return len(block)

    def close(self) -> None:
        if not self.closed:
            with self._file:
                self._file.write(_BGZF_END)
        super().close()


def _bgzf_block(data: bytes) -> bytes:
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    packed = deflate.compress(data) + deflate.flush()
    # The gzip header with one extra field: "BC", two bytes long, the size of the block minus one.
    size = 18 + len(packed) + 8
    header = struct.pack("<4sI2sH2s2H", b"\x1f\x8b\x08\x04", 0, b"\x00\xff", 6, b"BC", 2, size - 1)
    return header + packed + struct.pack("<2I", zlib.crc32(data), len(data))
