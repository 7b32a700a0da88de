"""The folder a training run writes: checked before the long part, and never overwritten unasked."""

import errno
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from dnabert_cli import __version__
from dnabert_cli.core.distributed import world
from dnabert_cli.core.folder_config import CONFIG
from dnabert_cli.core.states import states
from dnabert_cli.core.tensorboard import TensorBoardLog
from dnabert_cli.errors import DataError, OptionsError
from dnabert_cli.formats.files import sha256
from dnabert_cli.formats.training_log import TrainingLog
from dnabert_cli.training_config import FinetuneConfig, PretrainConfig

Log = Callable[[Mapping[str, float]], None]

RESUME_FOLDER = "resume"
# What an earlier run has written that would not be true of this one.
RUN, METRICS, CURVE, PICTURE = "run.toml", "metrics.json", "training.tsv", "training.png"
_OF_A_RUN = (CONFIG, RUN, METRICS, CURVE, PICTURE)


def check_folder(folder: Path, *, force: bool, resume: bool) -> None:
    """Refuse a folder that holds something else, or no run to resume.

    Raises:
        OptionsError: the folder is a file, is not empty, or `resume` finds nothing to go on with.
    """
    if folder.exists() and not folder.is_dir():
        raise OptionsError(f"{folder} is a file; -o names the model folder to write")
    if resume and not states(folder / RESUME_FOLDER):
        raise OptionsError(f"{folder} holds no unfinished run; leave --resume out")
    if resume or not folder.exists():
        return
    if any(folder.iterdir()) and not force:
        raise OptionsError(f"{folder} is not empty: --resume continues, --force overwrites")


def prepare_folder(folder: Path, *, resume: bool) -> None:
    """Make the folder; states of an earlier run go away unless it is resumed.

    The last step before the long part: nothing was touched while anything could be wrong.

    Raises:
        DataError: the folder cannot be written to.
    """
    kept = folder / RESUME_FOLDER
    if not resume:
        for stale in (*states(kept), *(folder / name for name in _OF_A_RUN)):
            stale.unlink(missing_ok=True)
    try:
        kept.mkdir(parents=True, exist_ok=True)
        if not os.access(kept, os.W_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
    except OSError as error:
        raise DataError(f"cannot write to {folder}: {error.strerror}") from error


def forget_states(folder: Path) -> None:
    """Remove the states of a run that has ended; files of others in their folder stay."""
    kept = folder / RESUME_FOLDER
    for state in states(kept):
        state.unlink()
    with suppress(OSError):  # files of others may lie there
        kept.rmdir()


def run_values(config: FinetuneConfig | PretrainConfig, files: Sequence[str]) -> dict[str, Any]:
    """Return what `run.toml` says: version, every option, checksums of the files read."""
    options = asdict(config)
    compute = options.pop("compute")
    checksums = {Path(path).name: sha256(path) for path in files if path != "-"}
    run = {"format_version": 1, "version": __version__, **options}
    return run | {"compute": compute, "inputs": checksums}


def make_log(folder: Path, tsv: Path | None, tensorboard: Path | None, *, resume: bool) -> Log:
    """Return what a run tells of its training; when resumed, a TSV goes on where the state stands.

    With several processes the first one tells.
    """
    logs: list[Log] = []
    if not world().is_first:
        tsv = tensorboard = None
    if tsv is not None:
        logs.append(TrainingLog(tsv, saved_step(folder) if resume else 0))
    if tensorboard is not None:
        logs.append(TensorBoardLog(tensorboard))

    def log(values: Mapping[str, float]) -> None:
        for one in logs:
            one(values)

    return log


def saved_step(folder: Path) -> int:
    """Return the step of the newest state in the folder of a run, 0 without one."""
    found = states(folder / RESUME_FOLDER)
    return int(found[0].stem.partition("-")[2]) if found else 0
