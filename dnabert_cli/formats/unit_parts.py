"""The files of all shards of one run, put together: every answer is read, none is computed."""

import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from dnabert_cli import __version__
from dnabert_cli.config import ComputeConfig
from dnabert_cli.errors import DataError, FormatError, OptionsError
from dnabert_cli.formats.unit_checks import Expected, check_answer
from dnabert_cli.formats.unit_file import Place, UnitFile, read_arrays
from dnabert_cli.formats.unit_runs import FORMAT_VERSION, Run, Shard, difference
from dnabert_cli.formats.units import Arrays, Units

_N_SHOWN = 3
# Options of which each shard may have its own. Where a device matters, the identity has its kind.
_MAY_DIFFER = ("threads", "device")


@dataclass(frozen=True)
class Parts:
    """The files of all shards of one run.

    Attributes:
        run: what the shards say of it; its `shard` is `None`.
        units: every answer is read, none is computed.
    """

    run: Run
    units: Units


class PartUnits(Units):
    """Answers read from the files of shards.

    Args:
        places: the file and the place of every answer, by key.
    """

    def __init__(self, places: Mapping[str, tuple[str, Place]]) -> None:
        self._places = places

    def answer(
        self,
        key: str,
        compute: Callable[[], Arrays],
        expected: Mapping[str, Expected] | None = None,
    ) -> Arrays:
        """Return the answer of a unit."""
        del compute
        if key not in self._places:
            raise DataError(
                "a unit is missing from all parts: the input is not what the shards have read",
                hint="run the shards again on this input, or bring that input back",
            )
        path, place = self._places[key]
        # opened for each: of hundreds of parts not all can be open at once
        with io.FileIO(path, "rb") as handle:
            known = read_arrays(handle, place, path)
        check_answer(known, expected or {}, path)
        return known

    def compute_config(self, asked: ComputeConfig) -> ComputeConfig:
        """Return what every machine has: the shards may have had a GPU, and nothing is computed."""
        del asked
        return ComputeConfig(device="cpu", precision="fp32")


def read_parts(paths: Sequence[str]) -> Parts:
    """Read what the shards of one run say of themselves, and where their answers lie.

    Raises:
        FormatError: a file is no shard's, unfinished, damaged, or of another version.
        DataError: they are not the shards 1 to n of one run.
    """
    places: dict[str, tuple[str, Place]] = {}
    runs: dict[str, Run] = {}
    for path in paths:
        file = _read_part(path)
        runs[path] = run = _run_of(path, file.header)
        first_path, first = next(iter(runs.items()))
        _check_same_run(first_path, first, path, run)
        for key, place in file.places.items():
            places[key] = (path, place)
    _check_all_there(runs, list(paths))
    run = next(iter(runs.values()))
    return Parts(Run(run.command, run.identity, run.options), PartUnits(places))


def _read_part(path: str) -> UnitFile:
    try:
        handle = io.FileIO(path, "rb")
    except OSError as error:
        raise FormatError(path, f"cannot be read: {error.strerror}") from error
    with handle:
        file = UnitFile(path, handle)
        file.load()
    if not file.is_complete:
        raise FormatError(
            path, "is truncated, damaged, or of a shard that has not ended",
            hint="copy it again, or run the shard with --resume",
        )  # fmt: skip
    return file


def _run_of(path: str, header: Mapping[str, Any]) -> Run:
    if header.get("format_version") != FORMAT_VERSION or header.get("version") != __version__:
        made_by = header.get("version")
        raise FormatError(
            path, f"was written by dnabert {made_by}; this is {__version__}",
            hint="merge with the version that ran the shards",
        )  # fmt: skip
    command, identity, options, shard = (
        header.get(name) for name in ("command", "identity", "options", "shard")
    )
    if not (isinstance(command, str) and isinstance(identity, dict) and isinstance(options, dict)):
        raise FormatError(path, "is damaged: its header is incomplete")
    if not isinstance(shard, str):
        raise FormatError(path, "is of a whole run, not of a shard", hint="give files of --shard")
    try:
        return Run(command, identity, options, Shard.parse(shard))
    except OptionsError as error:
        raise FormatError(path, f"is damaged: {error}") from error


def _check_same_run(first_path: str, first: Run, path: str, run: Run) -> None:
    then, now = (
        {
            "command": each.command,
            "shards": each.shard.count,
            "identity": each.identity,
            "options": {n: v for n, v in each.options.items() if n not in _MAY_DIFFER},
        }
        for each in (first, run)
        if each.shard is not None
    )
    differs = difference(then, now)
    if differs:
        raise DataError(f"{path} is a shard of another run than {first_path}: {differs}")


def _check_all_there(runs: Mapping[str, Run], paths: Sequence[str]) -> None:
    """Every shard once."""
    by_number: dict[int, str] = {}
    for path in paths:
        shard = runs[path].shard
        assert shard is not None
        if shard.number in by_number:
            raise DataError(f"{path} and {by_number[shard.number]} are both shard {shard}")
        by_number[shard.number] = path
        count = shard.count
    # no more than are shown: a damaged file may be of a billion shards
    absent = (str(i) for i in range(1, count + 1) if i not in by_number)
    missing = list(islice(absent, _N_SHOWN + 1))
    if missing:
        shown = ", ".join(missing[:_N_SHOWN]) + (", …" if len(missing) > _N_SHOWN else "")
        raise DataError(f"shard {shown} of {count} is missing", hint="give the files of all shards")
