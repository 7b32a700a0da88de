"""Intervals of a FASTA or 2bit file: by its index where there can be one, else from the stream.

Always the forward strand, in 0-based half-open coordinates of the full record.
"""

import hashlib
import logging
import os
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from dnabert_cli.errors import DataError, FormatError
from dnabert_cli.formats.fasta import clean_sequence, read_fasta
from dnabert_cli.formats.files import is_bgzf, open_binary
from dnabert_cli.formats.twobit import TWOBIT_MAGIC, TwoBitFile
from dnabert_cli.records import Interval, SequenceRecord

logger = logging.getLogger(__name__)

_N_NAMES_SHOWN = 5


class NotIndexableError(FormatError):
    """The FASTA can be streamed, but not read at random."""


def fetch_regions(path: str, intervals: Iterable[Interval]) -> Iterator[SequenceRecord]:
    """Yield the forward strand of intervals, in the order of the FASTA, then by start and end.

    The index is used where there can be one. Otherwise (gzip, standard input, lines of unequal
    length) the file is streamed once, and unknown names are only found at its end.

    Raises:
        FormatError: as `read_fasta`.
        DataError: an interval lies on an unknown sequence or outside its sequence.
    """
    wanted: dict[str, list[Interval]] = {}
    for interval in sorted(intervals, key=lambda item: (item.start, item.end)):
        wanted.setdefault(interval.chrom, []).append(interval)
    try:
        indexed = IndexedFasta(path)
    except NotIndexableError as error:
        logger.debug("%s; streaming it instead", error)
        return _regions_from_stream(path, wanted)
    for group in wanted.values():
        for interval in group:
            indexed.check(interval)
    names = [name for name in indexed.names() if name in wanted]
    return (indexed.fetch(interval) for name in names for interval in wanted[name])


class IndexedFasta:
    """Random access to a FASTA (plain or bgzip) or 2bit file.

    The index lies beside the file (`.fai`, for bgzip also `.gzi`, as samtools makes them), or in
    `$XDG_CACHE_HOME/dnabert` when that folder is read-only. It is built when it is missing or
    older than the file.

    Args:
        path: the file.

    Raises:
        NotIndexableError: plain gzip, standard input, or lines of unequal length.
        FormatError: the file is missing, damaged or no FASTA, or has a name twice.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        if path == "-" or (Path(path).exists() and not Path(path).is_file()):
            raise NotIndexableError(path, "a stream cannot be indexed", hint="name a file")
        with open_binary(path) as stream:
            is_twobit = stream.peek().startswith(TWOBIT_MAGIC)
        self._n_bases: dict[str, int]
        self._letters: Callable[[str, int, int], str]
        if is_twobit:
            twobit = TwoBitFile(path)
            self._n_bases, self._letters = twobit.n_bases, twobit.letters
        else:
            fasta = _open_indexed(path)
            self._n_bases = dict(zip(fasta.references, fasta.lengths, strict=True))
            self._letters = partial(_fetched, path, fasta)

    def names(self) -> list[str]:
        """Return the names of the sequences, in the order of the file."""
        return list(self._n_bases)

    def length(self, name: str) -> int:
        """Return the number of bases of a sequence.

        Raises:
            DataError: there is no sequence of that name.
        """
        if name not in self._n_bases:
            raise _unknown_name(self._path, name, self.names())
        return self._n_bases[name]

    def check(self, interval: Interval) -> None:
        """Check that an interval can be fetched.

        Raises:
            DataError: its sequence is unknown, or it does not lie within the sequence.
        """
        _check_inside(self._path, interval, self.length(interval.chrom))

    def fetch(self, interval: Interval) -> SequenceRecord:
        """Return the forward strand of an interval, whatever its strand.

        Raises:
            DataError: as `check`.
            FormatError: the sequence holds a letter that is no IUPAC code.
        """
        self.check(interval)
        letters = self._letters(interval.chrom, interval.start, interval.end)
        return SequenceRecord(interval.chrom, letters, interval.start)


def n_bases_of(path: str) -> int | None:
    """Return how many bases a FASTA holds, if that can be told without reading it.

    From the index, or, a little too high, from the size of a plain file; `None` for packed files
    without an index and for streams. Good for a progress bar only.
    """
    if path == "-" or not Path(path).is_file():
        return None
    index = Path(f"{path}.fai")
    if index.exists() and _is_fresh(str(index), path):
        lines = index.read_text(encoding="utf-8", errors="replace").splitlines()
        lengths = [line.split("\t")[1:2] for line in lines]
        return sum(int(cells[0]) for cells in lengths if cells and cells[0].isdigit())
    with Path(path).open("rb") as handle:
        is_plain = handle.read(1) == b">"
    return Path(path).stat().st_size if is_plain else None


def _regions_from_stream(path: str, wanted: dict[str, list[Interval]]) -> Iterator[SequenceRecord]:
    names: list[str] = []
    for record in read_fasta(path):
        names.append(record.name)
        for interval in wanted.pop(record.name, []):
            _check_inside(path, interval, len(record.sequence))
            sequence = record.sequence[interval.start : interval.end]
            yield SequenceRecord(record.name, sequence, interval.start)
    for name in wanted:
        raise _unknown_name(path, name, names)


def _check_inside(path: str, interval: Interval, n_bases: int) -> None:
    if not 0 <= interval.start <= interval.end <= n_bases:
        raise DataError(
            f"{interval.chrom}:{interval.start}-{interval.end} (0-based) does not lie within "
            f"{interval.chrom} of {path}, which has {n_bases} bases",
            hint="use the genome the intervals were made on",
        )


def _unknown_name(path: str, name: str, names: list[str]) -> DataError:
    other = name.removeprefix("chr") if name.startswith("chr") else f"chr{name}"
    if other in names:
        hint = f"it has {other!r}: write the names in the same way"
    else:
        shown = ", ".join(names[:_N_NAMES_SHOWN])
        hint = f"it has {shown}{', …' if len(names) > _N_NAMES_SHOWN else ''}"
    return DataError(f"{path} has no sequence named {name!r}", hint=hint)


def _load_pysam(path: str) -> Any:
    """Load pysam here: a machine that trains from tables may lack it, and streams FASTA."""
    try:
        import pysam
    except ImportError as error:
        raise NotIndexableError(path, "pysam, which indexes FASTA, is not installed") from error
    pysam.set_verbosity(0)  # htslib writes to stderr by itself; our errors say the same
    return pysam


def _open_indexed(path: str) -> Any:
    with Path(path).open("rb") as handle:
        first = handle.read(18)
    is_packed = first.startswith(b"\x1f\x8b")
    if is_packed and not is_bgzf(first):
        raise NotIndexableError(
            path, "gzip cannot be read at random", hint="pack it with bgzip instead"
        )
    pysam = _load_pysam(path)
    index = _index(path, is_packed)
    try:
        return pysam.FastaFile(
            path,
            filepath_index=f"{index}.fai",
            filepath_index_compressed=f"{index}.gzi" if is_packed else None,
        )
    except (OSError, ValueError) as error:
        raise FormatError(
            path, f"the index {index}.fai is damaged", hint="delete it and try again"
        ) from error


def _fetched(path: str, fasta: Any, name: str, start: int, end: int) -> str:
    text = fasta.fetch(name, start, end) if start < end else ""
    sequence = clean_sequence(path, text.encode(), f"record {name!r}", None)
    if len(sequence) != end - start:
        raise FormatError(
            path,
            f"record {name!r} does not fit its index",
            hint="remove blanks inside the lines, delete the .fai file and try again",
        )
    return sequence


def _index(path: str, is_packed: bool) -> str:
    """Return the path of a fresh index without its suffixes; build it where it is missing."""
    suffixes = (".fai", ".gzi") if is_packed else (".fai",)
    absolute = os.path.abspath(path)  # noqa: PTH100  links stay: the index lies beside the link
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "dnabert"
    beside, cached = absolute, str(cache / hashlib.sha256(os.fsencode(absolute)).hexdigest()[:32])
    for base in (beside, cached):
        if all(_is_fresh(base + suffix, path) for suffix in suffixes):
            return base
    names = [record.name for record in read_fasta(path)]  # checks the whole file, once
    if os.access(Path(absolute).parent, os.W_OK):
        _build_index(path, names, beside, suffixes)
        return beside
    try:
        cache.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise NotIndexableError(path, f"no place for its index: {error}") from error
    _build_index(path, names, cached, suffixes)
    return cached


def _is_fresh(index: str, path: str) -> bool:
    return Path(index).exists() and Path(index).stat().st_mtime >= Path(path).stat().st_mtime


def _build_index(path: str, names: list[str], base: str, suffixes: tuple[str, ...]) -> None:
    pysam = _load_pysam(path)
    logger.info("%s: building its index %s.fai", path, base)
    # Made beside the final name and renamed: several shards may do this at the same time.
    parts = {suffix: Path(f"{base}.{os.getpid()}{suffix}") for suffix in (".fai", ".gzi")}
    try:
        pysam.faidx("--fai-idx", str(parts[".fai"]), "--gzi-idx", str(parts[".gzi"]), path)
        indexed = [line.split("\t")[0] for line in parts[".fai"].read_text().splitlines()]
        if indexed != names:
            raise NotIndexableError(path, "a record without sequence cannot be indexed")
        for suffix in suffixes:
            parts[suffix].replace(base + suffix)
    except pysam.SamtoolsError as error:
        raise NotIndexableError(
            path,
            "cannot be indexed: lines of unequal length or a record without sequence",
            hint="write all lines of a record equally long, for example with `seqkit seq -w 60`",
        ) from error
    finally:
        for part in parts.values():
            part.unlink(missing_ok=True)
