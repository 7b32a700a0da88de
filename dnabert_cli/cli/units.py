"""`--resume` and `--shard`: how a command keeps its answers, and how `merge` calls it again.

A command takes part with these lines; its task asks the `units` it is given for every answer:

    def command(context: typer.Context, ..., resume: units.Resume = False,
                shard: units.Share = None, ...) -> None:
        files.check_outputs([output, ...], force, inputs)
        with units.units_of_run(context, settings, models, inputs) as kept:
            result = run(..., units=kept)
            if kept.is_shard:
                units.exhaust(result.rows); return
            with files.open_output(output, force=force) as handle:
                ...

The options must be called `output`, `force`, `manifest`, `resume`, `shard`, `verbose` and `quiet`;
`context` and the values of the others are what `merge` needs to call the command again.
"""

import json
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dnabert_cli.cli import signals
from dnabert_cli.errors import DataError, Interrupted, OptionsError

if TYPE_CHECKING:
    from dnabert_cli.formats.unit_runs import Run
    from dnabert_cli.formats.units import KeptUnits, Units

logger = logging.getLogger(__name__)

# What one run or shard has of its own; `merge` gives its own values.
OF_ONE_RUN = ("output", "force", "manifest", "resume", "shard", "config", "verbose", "quiet")
_DIGITS = 16  # of a checksum: enough to tell models apart, short enough to be shown

Resume = Annotated[
    bool,
    typer.Option("--resume", help="Continue an interrupted run; the result has the same bytes."),
]
Share = Annotated[
    str | None,
    typer.Option(
        "--shard",
        metavar="I/N",
        help="Compute every N-th part of the work only; `dnabert merge` joins the N files.",
        show_default="everything",
    ),
]


def exhaust(rows: Iterable[object]) -> None:
    """Read rows that nobody wants: a shard is computed for the answers that are kept."""
    deque(rows, maxlen=0)


@contextmanager
def units_of_run(
    context: typer.Context,
    settings: Any,
    models: Sequence[str],
    inputs: Sequence[str],
    *,
    genome: str | None = None,
    asked_twice: bool = False,
) -> Iterator["Units"]:
    """Keep the answers of a command's run, as its options say, for as long as the block runs.

    Args:
        context: of the command.
        settings: its config dataclass; all of it must be the same for an answer to be used again,
            but for the number of threads.
        models: names or paths.
        inputs: paths that are read.
        genome: a file whose letters decide answers and are no part of the keys.
        asked_twice: the task asks for a unit more than once; then answers are kept for the time
            of the run even where it has no file to keep them beside.

    Raises:
        OptionsError: the run cannot be resumed or be a shard.
        Interrupted: the run was stopped by a signal and can be resumed.
        DataError: a merge finds that models, settings or genome are not those of the parts.
    """
    from dnabert_cli.formats.unit_parts import Parts
    from dnabert_cli.formats.units import Units, resumable_units, temporary_units

    if isinstance(context.obj, Parts):
        _check_same(_run(context, settings, models, genome), context.obj.run)
        yield context.obj.units
    elif _is_stream(context.params["output"]):
        _refuse_stream(context)
        with temporary_units() if asked_twice else nullcontext(Units()) as units:
            yield units
    else:
        _check_shard(context, inputs)
        run = _run(context, settings, models, genome)
        with (
            resumable_units(context.params["output"], run, resume=context.params["resume"]) as kept,
            _saved_on_request(kept),
        ):
            yield kept
        if run.shard is not None:
            logger.info(
                "shard %s, units: %d; `dnabert merge` joins the shards", run.shard, kept.n_kept
            )


def _is_stream(output: str) -> bool:
    """Tell whether an output is written directly: standard output, a pipe, /dev/null."""
    return output == "-" or (Path(output).exists() and not Path(output).is_file())


@contextmanager
def _saved_on_request(kept: "KeptUnits") -> Iterator[None]:
    """End as a stopped training does where a signal stops the run and something is kept."""
    try:
        yield
    except SystemExit as stop:
        if kept.n_kept == 0 or not signals.is_request_to_stop(stop):
            raise
        told = f"stopped, units kept: {kept.n_kept}; --resume continues"
        raise Interrupted(told) from None


def _run(context: typer.Context, settings: Any, models: Sequence[str], genome: str | None) -> "Run":
    from dnabert_cli.formats.unit_runs import Run, Shard

    options, shard = context.params, context.params["shard"]
    values = asdict(settings)
    values.get("compute", {}).pop("threads", None)  # has no part in how batches are formed
    download = options.get("download", False)
    identity = {
        "settings": values,
        "models": {str(i): _checksums(name, download) for i, name in enumerate(models, 1)},
        "genome": None if genome is None else _state(genome),
    }
    others = {name: value for name, value in options.items() if name not in OF_ONE_RUN}
    return Run(
        str(context.command.name),
        json.loads(json.dumps(identity, default=str)),
        json.loads(json.dumps(others, default=str)),
        None if shard is None else Shard.parse(shard),
    )


def _checksums(model: str, download: bool) -> dict[str, str | None]:
    """What a model folder holds that decides its answers."""
    from dnabert_cli.core.hub import find_folder
    from dnabert_cli.formats.files import sha256
    from dnabert_cli.formats.reports import weights_checksum

    folder = find_folder(model, download=download)
    weights, config = weights_checksum(str(folder)), folder / "config.json"
    return {
        "weights": None if weights is None else weights[:_DIGITS],
        "config": sha256(str(config))[:_DIGITS] if config.is_file() else None,
    }


def _state(path: str) -> dict[str, int] | None:
    """Size and time of change in place of a checksum: a genome has gigabytes."""
    if not Path(path).is_file():
        return None
    state = Path(path).stat()
    return {"bytes": state.st_size, "changed_ns": state.st_mtime_ns}


def _refuse_stream(context: typer.Context) -> None:
    if context.params["resume"]:
        raise OptionsError("--resume: a stream cannot be continued", hint="name a file with -o")
    if context.params["shard"] is not None:
        raise OptionsError(
            "--shard writes a file for `dnabert merge`, not a stream", hint="name it with -o"
        )


def _check_shard(context: typer.Context, inputs: Sequence[str]) -> None:
    if context.params["shard"] is None:
        return
    if "-" in inputs:
        raise OptionsError(
            "--shard: every shard and the merge read the input, and standard input is read once",
            hint="name a file",
        )
    if context.params.get("manifest") is not None:
        raise OptionsError("--manifest belongs to the result: give it to `dnabert merge`")


def _check_same(run: "Run", parts: "Run") -> None:
    from dnabert_cli.formats.unit_runs import difference

    differs = difference(parts.identity, run.identity)
    if differs:
        raise DataError(f"the parts are of another run: {differs}", hint="run the shards again")
