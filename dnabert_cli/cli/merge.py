"""`dnabert merge`: the command of the shards once more, with every answer read from them."""

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from dnabert_cli.cli import options
from dnabert_cli.cli.console import configure
from dnabert_cli.cli.units import OF_ONE_RUN
from dnabert_cli.errors import FormatError, OptionsError

if TYPE_CHECKING:
    from dnabert_cli.formats.unit_parts import Parts


def merge(
    context: typer.Context,
    parts: Annotated[
        list[str], typer.Argument(metavar="PART...", help="The files of all shards of one run.")
    ],
    output: options.Output = "-",
    embeddings: Annotated[
        str | None,
        typer.Option(metavar="FILE.npz", help="Also write the vectors that shards have computed."),
    ] = None,
    enrichment: Annotated[
        str | None,
        typer.Option(metavar="FILE", help="As for `dnabert variants`, of all shards together."),
    ] = None,
    force: options.Force = False,
    manifest: options.Manifest = None,
    download: options.Download = False,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Join the shards of a run to what one run would have written."""
    from dnabert_cli.formats.files import check_outputs
    from dnabert_cli.formats.unit_parts import read_parts

    configure(verbose - quiet)
    further = {"embeddings": embeddings, "enrichment": enrichment, "manifest": manifest}
    check_outputs([output, *further.values()], force, parts)
    found = read_parts(parts)
    own: dict[str, Any] = dict.fromkeys(OF_ONE_RUN)
    own |= {"output": output, **further, "force": force, "download": download, "resume": False}
    own |= {"verbose": verbose, "quiet": quiet}
    command = _command(context, found, parts[0])
    _check_outputs_of(command, further)
    again = typer.Context(command, info_name=command.name, parent=context, obj=found)
    again.params = _values(again, found, own, parts[0])
    command.invoke(again)


def _command(context: typer.Context, found: "Parts", path: str) -> Any:
    """Return the command that wrote the parts."""
    group: Any = context.find_root().command
    command = group.commands.get(found.run.command)
    if command is None or "shard" not in {option.name for option in command.params}:
        raise FormatError(path, f"is of {found.run.command!r}, which has no shards")
    return command


def _check_outputs_of(command: Any, further: Mapping[str, str | None]) -> None:
    """Refuse an output that the command has not."""
    known = {option.name for option in command.params}
    for name, path in further.items():
        if path is not None and name not in known:
            raise OptionsError(f"--{name}: the parts are of `{command.name}`, which writes none")


def _values(again: typer.Context, found: "Parts", own: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the values of all options of the command: checked, a file may hold anything."""
    values = dict(found.run.options) | own
    options_of_command = [option for option in again.command.params if option.expose_value]
    for option in options_of_command:
        if option.name not in values:
            raise FormatError(path, f"is damaged: its header does not know {option.name!r}")
        if values[option.name] is None and option.default is not None:
            raise FormatError(path, f"is damaged: its header has no value for {option.name!r}")
    try:
        os.fsencode(json.dumps(found.run.options, ensure_ascii=False))
    except UnicodeEncodeError as error:
        raise FormatError(path, "is damaged: its header holds what no path can be") from error
    return {
        str(option.name): option.process_value(again, values[str(option.name)])
        for option in options_of_command
    }
