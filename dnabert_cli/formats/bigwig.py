"""bigWig: scores per base, indexed and packed, for genome browsers.

Written by pyBigWig, an optional extra (docs/decisions/007-bigwig.md). Values are stored as
float32, about 7 digits.
"""

import errno
import importlib.util
import os
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import TextIO

from dnabert_cli.errors import DataError, DnabertError, OptionsError
from dnabert_cli.formats.bedgraph import Floats, Positions, Track, runs
from dnabert_cli.formats.files import check_output, open_output

# Upper bounds of what a file takes. The most seen was 89 bytes per run (runs far apart, which
# every zoom level repeats), and 400 bytes for a file without runs.
_BYTES_PER_RUN = 128
_BYTES_PER_CHROM = 64
_BYTES_OF_FILE = 1 << 16

Runs = tuple[str, Positions, Positions, Floats]  # sequence, starts, ends, values


def check_bigwig(path: str, force: bool, inputs: Iterable[str] = ()) -> None:
    """Check, before the long part, that a bigWig can be written.

    Raises:
        OptionsError: pyBigWig is not installed, or the path is no plain file.
        DnabertError: as `check_output`.
    """
    if importlib.util.find_spec("pyBigWig") is None:
        raise OptionsError(
            f"cannot write {path}: bigWig needs the package pyBigWig",
            hint="pip install 'dnabert[bigwig]'",
        )
    target = Path(path)
    is_stream = path == "-" or (target.exists() and not (target.is_file() or target.is_dir()))
    if is_stream:
        name = "standard output" if path == "-" else path
        raise OptionsError(f"cannot write bigWig to {name}", hint="name a file")
    if path.endswith((".gz", ".bgz")):
        raise OptionsError(f"cannot write {path}: bigWig is packed already", hint="leave off .gz")
    check_output(path, force, inputs)


def write_bigwig(
    path: str, tracks: Iterable[Track], chrom_sizes: Mapping[str, int], *, force: bool
) -> None:
    """Write scores per base as bigWig, whole or not at all.

    Bases whose score is not finite are left out, and equal neighbours are stored as one.

    Args:
        path: a plain file.
        tracks: (chrom, start, scores `[L]`) in any order; start 0-based. They must not overlap.
        chrom_sizes: the length of every sequence; the file names them in this order.
        force: replace an existing file.

    Raises:
        DataError: a track is of no such sequence, leaves it or overlaps another one; or there
            are no sequences.
        DnabertError: as `check_bigwig`; or the disk is full.
    """
    check_bigwig(path, force)
    ordered = [
        (chrom, *runs(start, scores)) for chrom, start, scores in _ordered(tracks, chrom_sizes)
    ]
    n_runs = sum(len(values) for _, _, _, values in ordered)
    n_covered = sum(int((ends - starts).sum()) for _, starts, ends, _ in ordered)
    n_bytes = _BYTES_OF_FILE + _BYTES_PER_RUN * n_runs
    n_bytes += sum(_BYTES_PER_CHROM + len(name.encode()) for name in chrom_sizes)
    with open_output(path, force=force) as handle:
        _reserve(handle, n_bytes)
        try:
            n_written = _write(str(handle.name), ordered, chrom_sizes)
        except (RuntimeError, OverflowError) as error:
            raise DnabertError(f"cannot write {path}: pyBigWig: {error}") from error
        if n_written != n_covered:
            raise DnabertError(f"cannot write {path}: pyBigWig left it incomplete")


def _ordered(tracks: Iterable[Track], chrom_sizes: Mapping[str, int]) -> list[Track]:
    """Return the tracks in the order of the file, once they are checked."""
    if not chrom_sizes:
        raise DataError("a bigWig needs the lengths of the sequences, and there are none")
    rank = {chrom: number for number, chrom in enumerate(chrom_sizes)}
    kept = [track for track in tracks if len(track[2])]
    for chrom, start, scores in kept:
        end = start + len(scores)
        if chrom not in rank:
            raise DataError(f"scores of {chrom}, which is no sequence of the bigWig")
        if start < 0 or end > chrom_sizes[chrom]:
            raise DataError(
                f"scores of {chrom}:{start}-{end}, but {chrom} has {chrom_sizes[chrom]} bases"
            )
    kept.sort(key=lambda track: (rank[track[0]], track[1]))
    for (chrom, start, scores), (other, next_start, _) in pairwise(kept):
        if chrom == other and next_start < start + len(scores):
            raise DataError(f"two tracks of {chrom} overlap at base {next_start}")
    return kept


def _reserve(handle: TextIO, n_bytes: int) -> None:
    """Make sure the disk has room: where it has none, pyBigWig overwrites memory and crashes."""
    if not hasattr(os, "posix_fallocate"):  # macOS
        return
    try:
        os.posix_fallocate(handle.fileno(), 0, n_bytes)
    except OSError as error:
        if error.errno not in {errno.EOPNOTSUPP, errno.EINVAL}:  # file systems that cannot
            raise


def _write(path: str, ordered: Sequence[Runs], chrom_sizes: Mapping[str, int]) -> int:
    """Write the file and return how many bases it has scores for when it is read again."""
    import pyBigWig

    writer = pyBigWig.open(path, "w")  # an emptied file: what was reserved is given back
    writer.addHeader(list(chrom_sizes.items()))
    for chrom, starts, ends, values in ordered:
        if len(starts):
            writer.addEntries([chrom] * len(starts), starts, ends=ends, values=values)
    writer.close()
    reader = pyBigWig.open(path)
    n_covered = int(reader.header()["nBasesCovered"])
    reader.close()
    return n_covered
