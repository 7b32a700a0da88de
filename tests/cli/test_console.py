"""What a person sees: log lines, and progress on a terminal and off it."""

import io
import logging
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from dnabert_cli.cli import console
from dnabert_cli.progress import SILENT

ROOT = Path(__file__).resolve().parents[2]
HIDE_CURSOR, SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"


@pytest.fixture(autouse=True)
def as_before():
    """Leave logging and progress as they were found."""
    yield
    console.configure(console.QUIET)
    logger = logging.getLogger("dnabert_cli")
    logger.handlers.clear()
    logger.setLevel(logging.NOTSET)
    console._console.cache_clear()


class Terminal(io.StringIO):
    """A terminal that keeps what it was sent."""

    def isatty(self):
        return True


@pytest.fixture
def open_terminal(monkeypatch):
    """Make stderr a terminal; to be called in the test, as pytest sets stderr before each."""

    def call(**environment):
        for name, value in {"TERM": "xterm-256color", "NO_COLOR": "", **environment}.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "stderr", Terminal())
        return sys.stderr

    return call


def log_one_of_each():
    logger = logging.getLogger("dnabert_cli.tasks.toy")
    logger.debug("d")
    logger.info("%d windows", 3)
    logger.warning("w")
    logger.error("e")


INFO_LINES = "dnabert: 3 windows\ndnabert: warning: w\ndnabert: error: e\n"


@pytest.mark.parametrize(
    ("verbosity", "lines"),
    [
        (console.QUIET, "dnabert: error: e\n"),
        (console.NORMAL, INFO_LINES),
        (console.VERBOSE, "dnabert: debug: d\n" + INFO_LINES),
    ],
)
def test_each_event_is_one_plain_line_on_stderr(capsys, verbosity, lines):
    console.configure(verbosity)
    log_one_of_each()
    assert capsys.readouterr() == ("", lines)


def test_second_configuration_takes_the_place_of_the_first(capsys):
    console.configure(console.VERBOSE)
    console.configure(console.NORMAL)
    log_one_of_each()
    assert capsys.readouterr().err == INFO_LINES


def test_other_peoples_chatter_stays_out(capsys):
    console.configure(console.VERBOSE)
    logging.getLogger("transformers").info("chatter")
    assert capsys.readouterr().err == ""


def test_long_lines_and_brackets_come_through_whole(capsys):
    console.configure()
    path = f"[red]{'x' * 300}[/red].fa"
    logging.getLogger("dnabert_cli").info("reading %s", path)
    assert capsys.readouterr().err == f"dnabert: reading {path}\n"


def test_escape_codes_and_line_ends_of_a_hostile_name_are_shown_not_obeyed(capsys):
    console.print_error("record 'a\x1b]0;x\x07' of\nb\r\nc\udcff is broken")
    assert capsys.readouterr().err == (
        "dnabert: error: record 'a\\x1b]0;x\\x07' of b c\\udcff is broken\n"
    )


def test_terminal_gets_colour_and_the_same_words(open_terminal):
    terminal = open_terminal()
    console.configure()
    path = f"[red]{'x' * 300}[/red].fa"
    logging.getLogger("dnabert_cli").warning("no index of %s", path)
    assert "\x1b[1;33mdnabert: warning:\x1b[0m no index of " in terminal.getvalue()
    assert path in terminal.getvalue()
    assert terminal.getvalue().count("\n") == 1


@pytest.mark.parametrize(("name", "value"), [("NO_COLOR", "1"), ("TERM", "dumb")])
def test_colour_can_be_refused(open_terminal, name, value):
    terminal = open_terminal(**{name: value})
    progress = console.configure()
    logging.getLogger("dnabert_cli").warning("w")
    progress.start("scan", 10, "bases")
    progress.finish()
    assert "dnabert: warning: w\n" in terminal.getvalue().replace("\x1b[0m", "")
    assert "\x1b[1;33m" not in terminal.getvalue()


def test_quiet_shows_no_progress(open_terminal):
    terminal = open_terminal()
    assert console.configure(console.QUIET) is SILENT
    assert terminal.getvalue() == ""


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self):
        return self.now


def test_off_a_terminal_progress_is_a_line_every_30_seconds(capsys):
    console.configure()
    clock = Clock()
    progress = console.ConsoleProgress(clock)
    progress.start("scan", 98_000_000, "bases")
    for second in range(1, 91):
        clock.now = 100.0 + second
        progress.advance(410_000, "chr1" if second > 80 else "")
    progress.finish()
    assert capsys.readouterr().err == (
        "dnabert: scan: 12.3 of 98.0 Mb, 410 kb/s, 3 min left\n"
        "dnabert: scan: 24.6 of 98.0 Mb, 410 kb/s, 3 min left\n"
        "dnabert: scan: 36.9 of 98.0 Mb, 410 kb/s, 2 min left, chr1\n"
    )


def test_second_start_counts_from_zero(capsys):
    console.configure()
    clock = Clock()
    progress = console.ConsoleProgress(clock)
    progress.start("train", 10, "steps")
    progress.advance(5)
    clock.now += 100
    progress.start("test", 10, "steps")
    clock.now += 40
    progress.advance(4)
    assert capsys.readouterr().err == "dnabert: test: 4 of 10 steps, 0.100 steps/s, 60 s left\n"


@pytest.mark.parametrize(
    ("done", "total", "unit", "seconds", "said"),
    [
        (0, None, "bases", 0, "0 bases"),
        (0, 500, "windows", 3, "0 of 500 windows"),
        (500, None, "bases", 1, "500 bases, 500 bases/s"),
        (1_500, None, "bases", 1, "1.5 kb, 1.50 kb/s"),
        (2_000_000, 3_100_000_000, "bases", 1, "0.0 of 3.1 Gb, 2.00 Mb/s, 26 min left"),
        (1_234, 98_000, "windows", 10, "1,234 of 98,000 windows, 123 windows/s, 13 min left"),
        (120_000, None, "windows", 1, "120,000 windows, 120,000 windows/s"),
        (1, 1000, "steps", 20, "1 of 1,000 steps, 0.0500 steps/s, 5 h 33 min left"),
        (1, 10_000, "steps", 60, "1 of 10,000 steps, 0.0167 steps/s, 6 d 23 h left"),
        (11, 10, "steps", 11, "11 of 10 steps, 1.00 steps/s, 0 s left"),
    ],
)
def test_how_far_and_how_fast(done, total, unit, seconds, said):
    assert console.describe(done, total, unit, seconds) == said


def test_what_an_earlier_run_did_says_nothing_of_the_rate():
    """A resumed run used to show the rate of both runs together."""
    assert (
        console.describe(110, 130, "steps", 10.0, 100)
        == "110 of 130 steps, 1.00 steps/s, 20 s left"
    )


def test_log_lines_stand_above_the_bar_and_the_bar_vanishes(open_terminal):
    terminal = open_terminal()
    progress = console.configure()
    progress.start("scan [x]", 100, "windows")
    progress.advance(50, "[y]")
    logging.getLogger("dnabert_cli").info("half way")
    progress.finish()
    shown = terminal.getvalue()
    assert "scan [x]" in shown
    assert "half way\n" in shown.replace("\x1b[0m", "")
    assert shown.endswith("\x1b[2K")  # the line of the bar is cleared


def test_stop_ends_the_bar_of_a_task_that_failed(open_terminal):
    terminal = open_terminal()
    progress = console.configure()
    progress.start("scan", 100, "windows")
    console.stop()
    assert terminal.getvalue().count(HIDE_CURSOR) == terminal.getvalue().count(SHOW_CURSOR) == 1
    assert sys.stderr is terminal


def test_one_bar_at_a_time(open_terminal):
    terminal = open_terminal()
    console.configure().start("left over", 100, "windows")
    progress = console.configure()
    progress.start("scan", 100, "windows")
    progress.start("write", 100, "windows")
    progress.finish()
    assert terminal.getvalue().count(HIDE_CURSOR) == terminal.getvalue().count(SHOW_CURSOR) == 3


def test_rows_reach_a_redirected_stdout_while_a_bar_is_drawn():
    """The defaults of rich send them to stderr: `scan > calls.bed` once gave an empty file."""
    code = (
        "import sys\n"
        "from dnabert_cli.cli import console\n"
        "progress = console.configure()\n"
        "progress.start('scan', 3, 'windows')\n"
        "for row in range(3):\n"
        "    print(row); progress.advance(1)\n"
        "progress.finish()\n"
        "print('done', file=sys.stderr)\n"
    )
    ours, theirs = pty.openpty()
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            stdout=subprocess.PIPE,
            stderr=theirs,
            cwd=ROOT,
            env=os.environ | {"TERM": "xterm"},
            check=True,
        )
        shown = os.read(ours, 100_000).decode()
    finally:
        os.close(ours)
        os.close(theirs)
    assert done.stdout == b"0\n1\n2\n"
    assert "scan" in shown
    assert shown.endswith("done\r\n")
