"""Units: pieces of a run whose answers are kept, so that it can be resumed, sharded and merged.

A command cuts its work into units and asks `Units.answer` for each, in the order of its input.
An answer is found by the digest of what went into the unit, so the same unit has the same answer
wherever it stands, and an input that changed costs the changed units only.

* With `-o FILE` answers are kept beside the output until the run ends: `resumable_units`.
* A shard computes every n-th unit; its output is the file of its answers.
* A merge is the whole run again, with every answer read from the shards: `unit_parts.py`.
"""

import errno
import fcntl
import hashlib
import io
import logging
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy.typing as npt

from dnabert_cli.config import ComputeConfig
from dnabert_cli.errors import DnabertError, FormatError, Interrupted, OptionsError
from dnabert_cli.formats.files import remove_abandoned
from dnabert_cli.formats.unit_checks import Expected, check_answer
from dnabert_cli.formats.unit_file import UnitFile
from dnabert_cli.formats.unit_runs import Run, Shard

Arrays = Mapping[str, npt.NDArray[Any]]

logger = logging.getLogger(__name__)

_NO_LOCKS = (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS, errno.EINVAL)  # of some network drives


def unit_key(*parts: str | bytes) -> str:
    """Return the digest of what went into a unit; where one part ends makes a difference."""
    digest = hashlib.blake2b(digest_size=20)
    for part in parts:
        data = part.encode("utf-8", "surrogatepass") if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


class Units:
    """The answers of units: computed, or read back. This one computes all and keeps none.

    Attributes:
        is_shard: the run writes no result of its own; other shards' answers are `None`.
    """

    is_shard = False

    def answer(
        self,
        key: str,
        compute: Callable[[], Arrays],
        expected: Mapping[str, Expected] | None = None,
    ) -> Arrays | None:
        """Return the answer of a unit, computed only where it is not known.

        Args:
            key: `unit_key` of all that decides the answer and is not the same for the whole run.
            compute: returns named arrays of numbers or text.
            expected: what the arrays must be like where they are read from a file, which may
                come from anywhere; `None`: anything.

        Returns:
            The arrays; `None` for a unit that is another shard's.

        Raises:
            DataError: nothing is computed in this run, and the answer is not known.
            FormatError: what was read is damaged.
        """
        del key, expected
        return compute()

    def compute_config(self, asked: ComputeConfig) -> ComputeConfig:
        """Return how models are prepared for this run."""
        return asked


class KeptUnits(Units):
    """Answers kept in a file: a unit that was asked for before costs no computing.

    Args:
        file: open for reading and writing.
        shard: only its units are computed.
    """

    def __init__(self, file: UnitFile, shard: Shard | None = None) -> None:
        self.is_shard = shard is not None
        self._file = file
        self._shard = shard
        self._order: dict[str, int] = {}  # when each unit was first asked for; of shards only

    @property
    def n_kept(self) -> int:
        """Answers in the file."""
        return len(self._file.places)

    def answer(
        self,
        key: str,
        compute: Callable[[], Arrays],
        expected: Mapping[str, Expected] | None = None,
    ) -> Arrays | None:
        """Return the answer of a unit, and keep it."""
        if self._shard is not None:
            position = self._order.setdefault(key, len(self._order))
            if position % self._shard.count != self._shard.number - 1:
                return None
        if key in self._file.places:
            known = self._file.read(key)
            check_answer(known, expected or {}, self._file.path)
            return known
        arrays = compute()
        self._file.add(key, arrays)
        return arrays


@contextmanager
def temporary_units(folder: str | Path | None = None) -> Iterator[Units]:
    """Keep answers in an unnamed file for as long as the block runs.

    Args:
        folder: where the file lies; `None`: the system's folder for temporary files.
    """
    with tempfile.TemporaryFile(buffering=0, dir=folder) as handle:
        file = UnitFile("a temporary file", handle)
        file.begin({})
        yield KeptUnits(file)


@contextmanager
def resumable_units(output: str, run: Run, *, resume: bool) -> Iterator[KeptUnits]:
    """Keep the answers of a run beside its output; a shard's become its output.

    They are removed when the block ends well. When it is left by an exception, whichever, they are
    kept for `resume` if there are any: an input that was repaired costs its changed units only.

    Args:
        output: a regular file, not yet there or to be replaced.
        run: what the run is.
        resume: go on with what an interrupted run has kept; else that is discarded.

    Raises:
        OptionsError: what is kept is of another run.
        DnabertError: another process writes this output now, or nothing can be kept beside it.
    """
    target = Path(output).resolve()  # as `files.open_output`, beside what a link points to
    path = target.with_name(f".{target.name}.units")
    with _locked(path, output) as handle:
        remove_abandoned(output)
        file = UnitFile(str(path), handle)
        (_go_on if resume else _begin)(file, run, output)
        units = KeptUnits(file, run.shard)
        try:
            yield units
        except BaseException as error:
            _keep_or_remove(path, units, error)
            raise
        if run.shard is None:
            path.unlink(missing_ok=True)
        else:
            file.finish()
            os.fsync(handle.fileno())
            path.replace(target)


def _keep_or_remove(path: Path, units: KeptUnits, error: BaseException) -> None:
    if units.n_kept == 0:
        path.unlink(missing_ok=True)
    elif not isinstance(error, Interrupted):  # which says so itself
        logger.warning("units kept: %d; --resume continues", units.n_kept)


@contextmanager
def _locked(path: Path, output: str) -> Iterator[io.FileIO]:
    """Open a file that no other process holds; made when it is not there."""
    while True:
        number = _opened(path, output)
        with io.FileIO(number, "r+") as handle:
            _lock(handle, output)
            # The run that held it may have removed or renamed it meanwhile: then it is another's.
            if path.exists() and os.path.samestat(path.stat(), os.fstat(number)):
                yield handle
                return


def _opened(path: Path, output: str) -> int:
    """Return the descriptor of a regular file, made when it is not there; links are refused."""
    try:
        number = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666)
    except OSError as error:
        is_there = error.errno in (errno.ELOOP, errno.EISDIR)
        problem = f"{path} is a link or a folder" if is_there else str(error.strerror)
        raise DnabertError(
            f"cannot keep units beside {output}: {problem}",
            hint=f"remove {path}" if is_there else "give the output another name or folder",
        ) from error
    return number


def _lock(handle: io.FileIO, output: str) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise DnabertError(
            f"{output} is being written by another run", hint="wait, or name another output"
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise


def _begin(file: UnitFile, run: Run, output: str) -> None:
    """Start without answers; say so where some are given up."""
    with suppress(FormatError):  # empty, as nearly always
        file.load()
    if file.places:
        told = "%s: units of an interrupted run discarded: %d; --resume would have used them"
        logger.info(told, output, len(file.places))
    file.begin(run.header())


def _go_on(file: UnitFile, run: Run, output: str) -> None:
    """Find the answers of an interrupted run."""
    with suppress(FormatError):  # empty, as without an interrupted run
        file.load()
    if not file.places:
        logger.info("%s: there is nothing to resume; the run begins anew", output)
        file.begin(run.header())
        return
    difference = run.difference(file.header)
    if difference:
        raise OptionsError(
            f"{output}: the interrupted run was another one: {difference}",
            hint="give its options, or leave --resume out to begin anew",
        )
    file.cut()
    logger.info("%s: units of the interrupted run used: %d", output, len(file.places))
