"""What a person sees on stderr: log lines, errors, progress.

The one place that configures logging. stdout is never touched here. rich is loaded only when
stderr is a terminal.
"""

import logging
import math
import os
import sys
import time
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING

from dnabert_cli.progress import SILENT, Progress

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress as RichProgress

QUIET, NORMAL, VERBOSE = -1, 0, 1
_LEVELS = {QUIET: logging.ERROR, NORMAL: logging.INFO, VERBOSE: logging.DEBUG}
_MARKS = {logging.DEBUG: "debug", logging.WARNING: "warning", logging.ERROR: "error"}
_STYLES = {logging.DEBUG: "dim", logging.WARNING: "bold yellow", logging.ERROR: "bold red"}
_SECONDS_BETWEEN_LINES = 30.0
_BAR_COLUMNS = 20

_log = logging.getLogger(__name__)
_active: Progress = SILENT


def configure(verbosity: int = NORMAL) -> Progress:
    """Set up logging for one command and return the progress its task reports to.

    Args:
        verbosity: -1 (`-q`): errors only, no progress; 0: what a person wants to read once;
            1 (`-v`): also why decisions fell. With both flags `verbose - quiet` is 0.
    """
    global _active  # noqa: PLW0603  `stop` must find the bar wherever an error comes from
    stop()
    if os.environ.get("RANK", "0") != "0":  # as torchrun sets it: one process speaks for all
        verbosity = QUIET
    logger = logging.getLogger("dnabert_cli")
    logger.handlers = [_Handler()]
    logger.setLevel(_LEVELS[verbosity])
    _active = SILENT if verbosity < NORMAL else ConsoleProgress()
    return _active


def stop() -> None:
    """End the progress that is shown, if any: the cursor comes back and the line is free."""
    _active.finish()


def print_error(message: str) -> None:
    """Say on stderr, in one line, why the program ends."""
    _write(logging.ERROR, message)


class _Handler(logging.Handler):
    """One line per event, above the bar if there is one."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record; the traceback it may carry follows on lines of its own."""
        try:
            _write(record.levelno, record.getMessage())
            if record.exc_info:
                sys.stderr.write(logging.Formatter().formatException(record.exc_info) + "\n")
        except Exception:  # noqa: BLE001  a log line that fails must not end the run
            self.handleError(record)


def _write(level: int, message: str) -> None:
    mark = f"dnabert: {_MARKS[level]}:" if level in _MARKS else "dnabert:"
    message = _printable(message)
    if not _is_terminal():
        sys.stderr.write(f"{mark} {message}\n")
        return
    from rich.text import Text

    line = Text.assemble((mark, _STYLES.get(level, "bold")), " ", message)
    _console().print(line, soft_wrap=True)


def _printable(message: str) -> str:
    """Keep a message on one line, and escape codes of a hostile file off the terminal."""
    return "".join(
        letter if letter.isprintable() else letter.encode("unicode_escape").decode()
        for letter in " ".join(message.splitlines())
    )


def _is_terminal() -> bool:
    return sys.stderr.isatty() and os.environ.get("TERM") != "dumb"


@cache
def _console() -> "Console":
    """One console for log lines and bar: rich keeps the two apart only within one."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


class ConsoleProgress:
    """A bar while stderr is a terminal, else a log line every 30 seconds.

    Args:
        clock: seconds that only grow.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._bar: RichProgress | None = None
        self.start("", None, "")
        self.finish()

    def start(self, label: str, total: int | None, unit: str, done: int = 0) -> None:
        """Begin: `total` in `unit`, `None` when unknown; `done` of them in an earlier run."""
        self.finish()
        self._label, self._total, self._unit = label, total, unit
        self._done = self._done_before = done
        self._started = self._last_line = self._clock()
        if label and _is_terminal():
            self._bar = _bar(label, total)

    def advance(self, amount: int, note: str = "") -> None:
        """Report `amount` more units done; `note` is shown behind the numbers."""
        self._done += amount
        now = self._clock()
        status = describe(
            self._done, self._total, self._unit, now - self._started, self._done_before
        )
        status = f"{status}, {note}" if note else status
        if self._bar is not None:
            self._bar.update(self._bar.task_ids[0], completed=self._done, status=status)
        elif now - self._last_line >= _SECONDS_BETWEEN_LINES:
            self._last_line = now
            _log.info("%s: %s", self._label, status)

    def finish(self) -> None:
        """End: the bar vanishes; the closing line is the command's."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def _bar(label: str, total: int | None) -> "RichProgress":
    from rich.progress import BarColumn, Progress, TextColumn

    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=_BAR_COLUMNS),
        TextColumn("{task.fields[status]}", markup=False),
        console=_console(),
        transient=True,
        redirect_stdout=False,  # else results printed meanwhile end up on stderr
        redirect_stderr=False,
    )
    bar.add_task(label, total=total, status="")
    bar.start()
    return bar


def describe(done: int, total: int | None, unit: str, seconds: float, done_before: int = 0) -> str:
    """Return how far and how fast: `12.4 of 98.0 Mb, 410 kb/s, 3 min left`.

    Args:
        done: units done.
        total: units in all, `None` when unknown.
        unit: plural name; `bases` are given in kb, Mb, Gb.
        seconds: time it took.
        done_before: units of `done` that an earlier run did, which say nothing of the rate.
    """
    scale, symbol = _scale(done if total is None else total, unit)
    decimals = 0 if scale == 1 else 1
    whole = "" if total is None else f" of {total / scale:,.{decimals}f}"
    parts = [f"{done / scale:,.{decimals}f}{whole} {symbol}"]
    if done > done_before and seconds > 0:
        rate = (done - done_before) / seconds
        scale, symbol = _scale(rate, unit)
        decimals = max(0, 2 - math.floor(math.log10(rate / scale)))  # three digits that count
        parts.append(f"{rate / scale:,.{decimals}f} {symbol}/s")
        if total is not None:
            parts.append(f"{_duration(max(total - done, 0) / rate)} left")
    return ", ".join(parts)


def _scale(amount: float, unit: str) -> tuple[float, str]:
    """Return the factor and symbol that keep an amount of bases short; other units stay."""
    if unit == "bases":
        for scale, symbol in ((1e9, "Gb"), (1e6, "Mb"), (1e3, "kb")):
            if amount >= scale:
                return scale, symbol
    return 1, unit


def _duration(seconds: float) -> str:
    minutes, hours = round(seconds / 60), round(seconds / 3600)
    if seconds < 90:
        return f"{seconds:.0f} s"
    if minutes < 90:
        return f"{minutes} min"
    if hours < 48:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{hours // 24} d {hours % 24} h"
