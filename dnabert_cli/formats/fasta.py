"""FASTA and 2bit as a stream of records; `indexed_fasta.py` fetches intervals.

Case is kept, U is read as T, IUPAC codes are allowed, and nothing else is. Records come in the
order of the file; the name of a record is the first word of its header.
"""

import io
import logging
from collections.abc import Iterator

from dnabert_cli.dna import IUPAC, to_dna
from dnabert_cli.errors import FormatError, shown
from dnabert_cli.formats.files import looks_like, open_binary
from dnabert_cli.formats.twobit import TWOBIT_MAGIC, TwoBitFile
from dnabert_cli.records import SequenceRecord

logger = logging.getLogger(__name__)

BYTE_ORDER_MARK = b"\xef\xbb\xbf"

_BLOCK = 1 << 20  # bytes
_LETTERS = (IUPAC + IUPAC.lower()).encode()
_BLANKS = b" \t\r\n\v\f"
_PROTEIN = "EFIJLOPQZ*"  # amino acids that are no IUPAC code of a base


def read_fasta(path: str, stream: io.BufferedReader | None = None) -> Iterator[SequenceRecord]:
    """Stream the records of a FASTA (plain, gzip, bgzip) or 2bit file.

    A record without sequence is yielded with `''`; how many there were is logged as a warning.
    The memory needed is that of the longest record.

    Args:
        path: the file, or `-` for standard input.
        stream: the file as `open_binary` opened it, not yet read; `None` opens it.

    Raises:
        FormatError: at once when the file is empty or no FASTA; later, with the line, at a record
            without a name, a name used twice, a letter that is no IUPAC code, a truncated file.
    """
    stream = stream or open_binary(path)
    first = stream.peek()
    if first.startswith(TWOBIT_MAGIC):
        stream.close()
        if path == "-":
            raise FormatError(path, "2bit cannot be read from a stream", hint="name a file")
        twobit = TwoBitFile(path)
        return (
            SequenceRecord(name, twobit.letters(name, 0, n_bases))
            for name, n_bases in twobit.n_bases.items()
        )
    _check_is_fasta(path, first)
    return _Reader(path).records(stream)


def clean_sequence(path: str, text: bytes, place: str, line: int | None) -> str:
    """Check the letters of a piece of sequence, drop blanks and line ends, read U as T.

    Args:
        path: for the error message.
        text: the piece as stored, line ends included.
        place: for the error message, such as `record 'chr1'`.
        line: line of the file on which the piece begins, `None` where unknown.

    Raises:
        FormatError: a letter is no IUPAC code.
    """
    letters = text.translate(None, _BLANKS)
    wrong = letters.translate(None, _LETTERS)
    if wrong:
        letter = wrong[:1].decode("latin-1")
        if line is not None:
            line += text[: text.index(wrong[:1])].count(b"\n")
        raise FormatError(
            path,
            f"{letter!r} in {place} is not a DNA letter",
            line=line,
            hint=_cure(letter),
        )
    return to_dna(letters.decode("ascii"))


class _Reader:
    """What must be remembered while the records of one FASTA file go by."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._line = 0  # line ends seen so far: where a header stands, its line number
        self._lines: dict[str, int] = {}  # line of each name
        self._empty: list[str] = []
        self._has_rna = False

    def records(self, stream: io.BufferedReader) -> Iterator[SequenceRecord]:
        """Yield the records of a stream that begins with a header or blank lines."""
        name, sequence = "", ""
        with stream:
            for block in _blocks(stream):
                rest, *others = block.split(b"\n>")
                # CPython lengthens a local string in place: one copy of a chromosome, not two.
                sequence += self._piece(name, rest)
                for record in others:
                    if name:
                        yield self._record(name, sequence)
                    header, line_end, rest = record.partition(b"\n")
                    name = self._name(header)
                    self._line += len(line_end)
                    sequence = ""  # set free before the next one grows
                    sequence += self._piece(name, rest)
        yield self._record(name, sequence)
        if self._empty:
            logger.warning(
                "%s: %d records without sequence, the first is %r",
                shown(self._path), len(self._empty), self._empty[0],
            )  # fmt: skip

    def _piece(self, name: str, text: bytes) -> str:
        if not self._has_rna and (b"U" in text or b"u" in text):
            self._has_rna = True
            logger.info("%s: record %r is RNA; U is read as T", shown(self._path), name)
        piece = clean_sequence(self._path, text, f"record {name!r}", self._line)
        self._line += text.count(b"\n")
        return piece

    def _name(self, header: bytes) -> str:
        self._line += 1
        words = header.decode("utf-8", "replace").split()
        if not words or header[:1].isspace():
            raise FormatError(
                self._path,
                "a record without a name",
                line=self._line,
                hint="write the name directly after '>'",
            )
        name = words[0]
        if name in self._lines:
            raise FormatError(
                self._path,
                f"the name {name!r} was already used in line {self._lines[name]}",
                line=self._line,
                hint="rename or remove one of the two records",
            )
        self._lines[name] = self._line
        return name

    def _record(self, name: str, sequence: str) -> SequenceRecord:
        if not sequence:
            self._empty.append(name)
        return SequenceRecord(name, sequence)


def _blocks(stream: io.BufferedReader) -> Iterator[bytes]:
    """Yield the file in pieces that begin with the line end before them and never cut a header.

    So a header is whatever follows a line end and '>'.
    """
    if stream.peek().startswith(BYTE_ORDER_MARK):
        stream.read(len(BYTE_ORDER_MARK))
    line_end = b"\n"
    while text := stream.read(_BLOCK):
        block = line_end + text
        if block[block.rfind(b"\n") :].startswith(b"\n>"):
            block += stream.readline()
        line_end = b"\n" if block.endswith(b"\n") else b""
        yield block[: len(block) - len(line_end)]


def _check_is_fasta(path: str, first: bytes) -> None:
    text = first.removeprefix(BYTE_ORDER_MARK).lstrip()
    if not text:
        raise FormatError(path, "is empty", hint="a FASTA file is needed")
    if not text.startswith(b">"):
        raise FormatError(
            path,
            f"is not FASTA: it does not begin with '>' but looks like {looks_like(text)}",
            line=1 + first[: first.index(text[:1])].count(b"\n"),
        )


def _cure(letter: str) -> str:
    if letter in "-.":
        return "remove the gaps"
    if letter == ">":
        return "a line end is missing before '>'"
    if letter in "Xx":
        return "write N for an unknown base"
    if letter.upper() in _PROTEIN:
        return "this looks like protein; DNA or RNA is needed"
    return "allowed are A, C, G, T, U and the IUPAC codes RYSWKMBDHVN"
