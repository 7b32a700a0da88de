"""The program: its commands, its exit codes, and the only place that catches errors."""

import errno
import logging
import os
import signal
import sys
import traceback
import warnings
from contextlib import suppress
from typing import Annotated

import typer

from dnabert_cli import __version__
from dnabert_cli.cli import console
from dnabert_cli.cli.dataset import dataset
from dnabert_cli.cli.evaluate import evaluate
from dnabert_cli.cli.finetune import finetune
from dnabert_cli.cli.merge import merge
from dnabert_cli.cli.motifs import motifs
from dnabert_cli.cli.predict import predict
from dnabert_cli.cli.pretrain import pretrain
from dnabert_cli.cli.scan import scan
from dnabert_cli.cli.variants import variants
from dnabert_cli.cli.viz import viz
from dnabert_cli.errors import (
    EXIT_BUG,
    EXIT_CLOSED_PIPE,
    EXIT_ERROR,
    EXIT_INTERRUPT,
    EXIT_OK,
    EXIT_SIGNAL,
    DnabertError,
)

HELP_COLUMNS = 100
_log = logging.getLogger(__name__)
# What a write can fail with that is the machine's trouble, though Python names no file then.
_FULL_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)

app = typer.Typer(
    name="dnabert",
    no_args_is_help=True,
    rich_markup_mode=None,  # rich would double the time of `--help`
    pretty_exceptions_enable=False,
    context_settings={
        "help_option_names": ["--help", "-h"],
        "max_content_width": HELP_COLUMNS,
    },
)
app.command(name="scan")(scan)
app.command(name="predict")(predict)
app.command(name="merge")(merge)
app.command(name="finetune")(finetune)
app.command(name="pretrain")(pretrain)
app.command(name="dataset")(dataset)
app.command(name="viz")(viz)
app.command(name="motifs")(motifs)
app.command(name="variants")(variants)
app.command(name="evaluate")(evaluate)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"dnabert {__version__}")
        raise typer.Exit


@app.callback()
def dnabert(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_show_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """Genomic BERT models on the command line: scan, predict and train."""


def run() -> None:
    """Run the program on the arguments of the process and end the process."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # of libraries; ours go through logging
    for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGUSR1):
        if signal.getsignal(number) is not signal.SIG_IGN:  # as `nohup` sets it
            signal.signal(number, _end)
    if sys.stdout is not None:
        sys.stdout.reconfigure(encoding="utf-8")  # type: ignore[union-attr]  # whatever the locale
    sys.exit(main())


def _end(number: int, frame: object) -> None:  # noqa: ARG001  as `signal` calls it
    """End as an error would: half-written files go away; the code is what the shell expects."""
    raise SystemExit(EXIT_SIGNAL + number)


def main(argv: list[str] | None = None) -> int:
    """Run the program and return its exit code.

    Args:
        argv: arguments without the program's name; `None`: those of the process.

    Returns:
        An exit code of `errors.py`. Every error has been told on stderr.
    """
    try:
        _check_streams()
        code = _call(argv)
        sys.stdout.flush()  # here, where a full disk or a closed pipe can still be told
    except KeyboardInterrupt:
        code = EXIT_INTERRUPT
    except BrokenPipeError:
        code = EXIT_CLOSED_PIPE
    except Exception as error:  # noqa: BLE001  this is the place where all of them end
        code = _tell(error)
    if code != EXIT_OK:
        _let_go_of_stdout()
    return code


def _check_streams() -> None:
    """Refuse a closed stdout: the next file opened would get its number and the results."""
    if sys.stderr is None:
        # print(file=None) and traceback would fall back on stdout, among the results
        sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115
    if sys.stdout is None:
        raise DnabertError("standard output is closed", hint="redirect it, to /dev/null if unused")


def _call(argv: list[str] | None) -> int:
    """Run the app, which ends in SystemExit, and give back the errors it takes for its own."""
    try:
        app(argv, prog_name="dnabert")
    except SystemExit as stop:
        hidden = stop.__context__
        if isinstance(hidden, typer.Abort):
            hidden = hidden.__cause__
        if isinstance(hidden, OSError | EOFError):
            raise hidden from None
        return int(stop.code or EXIT_OK)
    finally:
        console.stop()  # before an error is told: a live bar would be drawn over it
    return EXIT_OK


def _tell(error: Exception) -> int:
    """Say on stderr what went wrong: one line, or all there is when the mistake is ours."""
    code, message = EXIT_ERROR, None
    if isinstance(error, DnabertError):
        code, message = error.exit_code, str(error)
    elif isinstance(error, MemoryError):
        message = "out of memory (hint: lower --batch-tokens, or use a machine with more)"
    elif isinstance(error, OSError) and error.filename is not None:
        message = f"{error.filename}: {error.strerror}"
    elif isinstance(error, OSError) and error.errno in _FULL_DISK:
        message = f"cannot write the output: {error.strerror}"
    if message is None:
        return _tell_bug(error)
    _log.debug("where it was raised:", exc_info=error)
    console.print_error(message)
    return code


def _tell_bug(error: Exception) -> int:
    traceback.print_exception(error)
    python = ".".join(map(str, sys.version_info[:3]))
    console.print_error(
        f"this is a bug in dnabert {__version__} (Python {python}); "
        "please report this with the lines above to the project's issue tracker"
    )
    return EXIT_BUG


def _let_go_of_stdout() -> None:
    """Write out what stdout still holds; where that fails, drop it, or Python would complain."""
    try:
        sys.stdout.flush()
    except (OSError, AttributeError):  # closed from the start, it is None
        with suppress(OSError, AttributeError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
