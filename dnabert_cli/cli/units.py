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
`context` and the values of the others are what `merge` needs to call the command again. A file of a
shard may come from anywhere: an option that names a further output, or allows something, belongs
into `OF_ONE_RUN` and into the options of `merge`.
"""

import json
import logging
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dnabert_cli.cli import signals
from dnabert_cli.errors import DataError, Interrupted, OptionsError, shown

if TYPE_CHECKING:
    from dnabert_cli.config import ComputeConfig
    from dnabert_cli.formats.unit_runs import Run
    from dnabert_cli.formats.units import KeptUnits, Units

logger = logging.getLogger(__name__)

# What one run or shard has of its own; `merge` gives its own values.
OF_ONE_RUN = (
    "output", "embeddings", "enrichment", "manifest", "force", "download", "resume", "shard",
    "config", "verbose", "quiet",
)  # fmt: skip
_OF_THE_RESULT = ("manifest", "enrichment")  # outputs that a shard has nothing for
_DIGITS = 16  # of a checksum: enough to tell models apart, short enough to be shown
_PRECISIONS = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}

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
    embeddings: bool = False,
    asked_twice: bool = False,
) -> Iterator["Units"]:
    """Keep the answers of a command's run, as its options say, for as long as the block runs.

    Args:
        context: of the command.
        settings: its config dataclass; all of it must be the same for an answer to be used again,
            but for the number of threads and the fields it lists in `NOT_IN_ANSWERS`.
        models: names or paths.
        inputs: paths that are read.
        embeddings: whether they are in the answers, see `has_embeddings`.
        asked_twice: the task asks for a unit more than once; then answers are kept for the time
            of the run even where it has no file to keep them beside.

    Raises:
        OptionsError: the run cannot be resumed or be a shard.
        Interrupted: the run was stopped by a signal and can be resumed.
        DataError: a merge finds that models or settings are not those of the parts.
    """
    from dnabert_cli.formats.unit_parts import Parts
    from dnabert_cli.formats.units import Units, resumable_units, temporary_units

    if isinstance(context.obj, Parts):
        parts = context.obj.run
        there = {name: parts.identity.get(name) for name in ("device", "precision")}
        _check_same(_run(context, settings, models, there | {"embeddings": embeddings}), parts)
        yield context.obj.units
    elif _is_stream(context.params["output"]):
        _refuse_stream(context)
        with temporary_units() if asked_twice else nullcontext(Units()) as units:
            yield units
    else:
        _check_shard(context, inputs)
        here = _computing(settings.compute, models, context.params.get("download", False))
        run = _run(context, settings, models, here | {"embeddings": embeddings})
        with (
            resumable_units(context.params["output"], run, resume=context.params["resume"]) as kept,
            _saved_on_request(kept),
        ):
            yield kept
        if run.shard is not None:
            logger.info(
                "shard %s, units: %d; `dnabert merge` joins the shards", run.shard, kept.n_kept
            )


def has_embeddings(context: typer.Context) -> bool:
    """Tell whether answers hold embeddings; of a merge it is its shards that decide.

    Raises:
        OptionsError: a merge shall write embeddings, and the shards have none.
    """
    from dnabert_cli.formats.unit_parts import Parts

    is_asked = context.params["embeddings"] is not None
    if not isinstance(context.obj, Parts):
        return is_asked
    are_there = context.obj.run.identity.get("embeddings") is True
    if is_asked and not are_there:
        raise OptionsError(
            "--embeddings: the shards hold none", hint="run them with --embeddings, too"
        )
    if are_there and not is_asked:
        logger.info("the shards hold embeddings; --embeddings FILE writes them")
    return are_there


def _is_stream(path: str) -> bool:
    """Tell whether a file is read or written directly: `-`, a pipe, /dev/null."""
    there = Path(path)
    return path == "-" or (there.exists() and not there.is_file() and not there.is_dir())


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


def _run(
    context: typer.Context, settings: Any, models: Sequence[str], more: Mapping[str, Any]
) -> "Run":
    """Return what a run is.

    Args:
        context: of the command.
        settings: its config dataclass.
        models: names or paths.
        more: that must be the same for an answer to be used again.
    """
    from dnabert_cli.formats.unit_runs import Run, Shard

    options, shard = context.params, context.params["shard"]
    values = asdict(settings)
    for name in getattr(settings, "NOT_IN_ANSWERS", ()):
        del values[name]
    # Threads have no part in how batches are formed; `_computing` tells what the others come to.
    for name in ("threads", "device", "precision"):
        del values["compute"][name]
    download = options.get("download", False)
    identity = {
        "settings": values,
        "models": {str(i): _checksums(name, download) for i, name in enumerate(models, 1)},
        **more,
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


def _computing(compute: "ComputeConfig", models: Sequence[str], download: bool) -> dict[str, str]:
    """Return where and how precisely each model computes on this machine: what `auto` comes to."""
    from dnabert_cli.core.folder_config import model_config, read_config, task_config
    from dnabert_cli.core.hub import find_folder

    folders = [find_folder(name, download=download) for name in models]
    configs = [(folder, read_config(folder)) for folder in folders]  # before torch is loaded
    from dnabert_cli.core.device import resolve_device, resolve_precision

    device = resolve_device(compute.device)
    found: list[str] = []
    for folder, values in configs:
        config = model_config(values, folder)
        precision = task_config(values, config, folder).precision
        if config.arch != "bert":
            precision = "fp32"  # as `core.backends` computes it, whatever was asked for
        elif compute.precision != "auto":
            precision = compute.precision
        found.append(_PRECISIONS[str(resolve_precision(precision, device)).removeprefix("torch.")])
    return {"device": device.type, "precision": ",".join(found)}


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
    for path in inputs:
        if _is_stream(path):
            raise OptionsError(
                "--shard: every shard and the merge read the input, and "
                f"{shown(path)} is read once",
                hint="name a file",
            )
    for name in _OF_THE_RESULT:
        if context.params.get(name) is not None:
            raise OptionsError(f"--{name} belongs to the result: give it to `dnabert merge`")
    if context.params.get("embeddings") is not None:
        logger.info("embeddings are computed; `dnabert merge --embeddings FILE` writes them")


def _check_same(run: "Run", parts: "Run") -> None:
    from dnabert_cli.formats.unit_runs import difference

    differs = difference(parts.identity, run.identity)
    if differs:
        raise DataError(f"the parts are of another run: {differs}", hint="run the shards again")
