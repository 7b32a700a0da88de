"""`dnabert merge`: the command of the shards once more, with every answer read from them."""

from typing import TYPE_CHECKING, Annotated, Any

import typer

from dnabert_cli.cli import options
from dnabert_cli.cli.console import configure
from dnabert_cli.cli.units import OF_ONE_RUN
from dnabert_cli.errors import FormatError

if TYPE_CHECKING:
    from dnabert_cli.formats.unit_parts import Parts


def merge(
    context: typer.Context,
    parts: Annotated[
        list[str], typer.Argument(metavar="PART...", help="The files of all shards of one run.")
    ],
    output: options.Output = "-",
    force: options.Force = False,
    manifest: options.Manifest = None,
    verbose: options.Verbose = False,
    quiet: options.Quiet = False,
) -> None:
    """Join the shards of a run to what one run would have written."""
    from dnabert_cli.formats.files import check_outputs
    from dnabert_cli.formats.unit_parts import read_parts

    configure(verbose - quiet)
    check_outputs([output, manifest], force, parts)
    found = read_parts(parts)
    own: dict[str, Any] = dict.fromkeys(OF_ONE_RUN)
    own |= {"output": output, "force": force, "manifest": manifest, "resume": False}
    own |= {"verbose": verbose, "quiet": quiet}
    command = _command(context, found, parts[0])
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


def _values(again: typer.Context, found: "Parts", own: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the values of all options of the command: checked, a file may hold anything."""
    values = dict(found.run.options) | own
    options_of_command = [option for option in again.command.params if option.expose_value]
    for option in options_of_command:
        if option.name not in values:
            raise FormatError(path, f"is damaged: its header does not know {option.name!r}")
    return {
        str(option.name): option.process_value(again, values[str(option.name)])
        for option in options_of_command
    }
