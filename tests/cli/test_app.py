"""The shell around the commands: exit codes and streams. A toy command stands in."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from dnabert_cli import __version__
from dnabert_cli.cli import app as shell
from dnabert_cli.cli import options
from dnabert_cli.errors import DnabertError, FormatError, Interrupted, OptionsError

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def failing(toy):
    """Register a `toy` that raises."""

    def register(error):
        def command() -> None:
            raise error

        toy(command)

    return register


def process(code: str, redirect: str = "") -> subprocess.CompletedProcess:
    """Run the program with a `toy` whose body is `code`, under a shell that redirects.

    With the buffer that stdout has outside of tests: the last rows are written at the very end.
    """
    script = (
        "import os, sys, time\n"
        "from dnabert_cli.cli import app as shell\n"
        "@shell.app.command(name='toy')\n"
        f"def toy() -> None:\n    {code}\n"
        "shell.run()\n"
    )
    return subprocess.run(
        ["bash", "-c", f'"$0" -c "$1" toy {redirect}', sys.executable, script],
        capture_output=True,
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        text=True,
        check=False,
    )


def test_version_is_one_plain_line(dnabert):
    result = dnabert("--version")
    assert (result.code, result.out, result.err) == (0, f"dnabert {__version__}\n", "")


def test_help_has_one_line_per_command(dnabert):
    result = dnabert("--help")
    names = [info.name for info in shell.app.registered_commands]
    listed = result.out.split("Commands:\n")[1].splitlines()
    assert result.code == 0
    assert [line.split()[0] for line in listed] == names
    assert not [line for line in listed if line.endswith("...")], "a summary is cut"


def test_no_arguments_show_help_and_are_a_wrong_command_line(dnabert):
    result = dnabert()
    assert (result.code, result.out) == (2, "")
    assert "Commands:" in result.err


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["scna"], "No such command 'scna'. Did you mean 'scan'?"),
        (["--nonsense"], "No such option: --nonsense"),
        (["toy", "--threads", "many"], "Invalid value for '--threads'"),
        (["toy", "--threads", "0"], "greater than or equal to 1"),
    ],
)
def test_wrong_command_line_ends_with_2_and_nothing_on_stdout(dnabert, toy, argv, said):
    def command(threads: options.Threads = None) -> None:
        pytest.fail("the command ran")

    toy(command)
    result = dnabert(*argv)
    assert (result.code, result.out) == (2, "")
    assert said in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (DnabertError("no", hint="try yes"), 1, "no (hint: try yes)"),
        (FormatError("a[red].fa", "no header", line=3), 1, "a[red].fa:3: no header"),
        (OptionsError("--a contradicts --b"), 2, "--a contradicts --b"),
        (Interrupted("stopped"), 75, "stopped"),
        (
            FileNotFoundError(2, "No such file or directory", "x.fa"),
            1,
            "x.fa: No such file or directory",
        ),
        (
            OSError(28, "No space left on device"),
            1,
            "cannot write the output: No space left on device",
        ),
        (
            MemoryError(),
            1,
            "out of memory (hint: lower --batch-tokens, or use a machine with more)",
        ),
        (DnabertError("two\nlines \x1b[2J"), 1, r"two lines \x1b[2J"),
    ],
)
def test_expected_error_is_one_line_on_stderr(dnabert, failing, error, code, said):
    failing(error)
    result = dnabert("toy")
    assert (result.code, result.out, result.err) == (code, "", f"dnabert: error: {said}\n")


@pytest.mark.parametrize(
    "error",
    [KeyError("x"), OSError("no errno, no file"), EOFError("early end"), RuntimeError("x")],
)
def test_bug_ends_with_70_traceback_version_and_where_to_report(dnabert, failing, error):
    failing(error)
    result = dnabert("toy")
    lines = result.err.splitlines()
    assert (result.code, result.out) == (70, "")
    assert "Traceback (most recent call last):" in lines
    assert type(error).__name__ in lines[-2]
    assert __version__ in lines[-1]
    assert "issue tracker" in lines[-1]


def test_ctrl_c_ends_with_130_and_says_nothing(dnabert, failing):
    failing(KeyboardInterrupt())
    result = dnabert("toy")
    assert (result.code, result.out, result.err) == (130, "", "")


def test_ctrl_c_before_the_command_starts_is_the_same(dnabert, monkeypatch):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(shell, "_check_streams", interrupt)
    result = dnabert("--help")
    assert (result.code, result.out, result.err) == (130, "", "")


def test_closed_pipe_ends_with_141_and_says_nothing(dnabert, failing):
    failing(BrokenPipeError(32, "Broken pipe"))
    result = dnabert("toy")
    assert (result.code, result.out, result.err) == (141, "", "")


def test_verbose_shows_where_an_expected_error_was_raised(dnabert, toy):
    def command(verbose: options.Verbose = False) -> None:
        shell.console.configure(int(verbose))
        raise DnabertError("no")

    toy(command)
    assert "Traceback" not in dnabert("toy").err
    assert "Traceback" in dnabert("toy", "-v").err


def test_live_progress_ends_before_the_error_is_told(dnabert, toy, monkeypatch):
    told = []

    class Recorder:
        def finish(self):
            told.append("progress ended")

    def command() -> None:
        shell.console.configure()
        monkeypatch.setattr(shell.console, "_active", Recorder())
        raise DnabertError("no")

    toy(command)
    monkeypatch.setattr(shell.console, "print_error", told.append)
    dnabert("toy")
    assert told == ["progress ended", "no"]


def test_reader_that_stops_early_is_no_error():
    """Both ways: more than a pipe holds, and so little that only the last flush meets the pipe."""
    for code in ("[print(i) for i in range(100_000)]", "time.sleep(0.5); print(1)"):
        done = process(code, "| head -0; exit ${PIPESTATUS[0]}")
        assert (done.returncode, done.stdout, done.stderr) == (141, "", ""), code


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
@pytest.mark.parametrize("code", ["print(1)", "[print(i) for i in range(100_000)]"])
def test_full_disk_behind_stdout_is_one_line(code):
    done = process(code, "> /dev/full")
    said = "dnabert: error: cannot write the output: No space left on device\n"
    assert (done.returncode, done.stderr) == (1, said)


def test_closed_stdout_is_one_line():
    done = process("print(1)", ">&-")
    assert done.returncode == 1
    assert done.stderr.startswith("dnabert: error: standard output is closed (hint: ")
    assert done.stderr.count("\n") == 1


def test_closed_stderr_sends_no_message_among_the_results():
    """print(file=None) writes to stdout."""
    done = process("print('row'); raise KeyError", "2>&-")
    assert (done.returncode, done.stdout) == (70, "row\n")


def test_rows_written_before_an_error_are_kept():
    done = process("print('row'); raise shell.DnabertError('record 2 is broken')")
    assert (done.returncode, done.stdout) == (1, "row\n")


def test_interrupt_signal_ends_with_130_and_says_nothing():
    script = (
        "import time\n"
        "from dnabert_cli.cli import app as shell\n"
        "@shell.app.command(name='toy')\n"
        "def toy() -> None:\n    print('ready', flush=True); time.sleep(30)\n"
        "shell.run()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, "toy"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=ROOT,
    ) as running:
        running.stdout.readline()
        running.send_signal(signal.SIGINT)
        _, told = running.communicate(timeout=10)
    assert (running.returncode, told) == (130, b"")
