"""Errors a user can meet, and the exit codes of the program.

    DnabertError            exit 1   expected; one line, perhaps a hint
    ├── FormatError                  a file breaks its format: path, line, what is wrong
    ├── DataError                    files are fine alone but do not fit together
    ├── ModelError                   model folder missing, incomplete or unusable
    ├── OptionsError        exit 2   options contradict each other
    └── Interrupted         exit 75  stopped by SIGTERM after saving; `--resume` continues

A message names the culprit; the hint names the cure. Only `cli/app.py` catches these.
"""

EXIT_OK = 0
EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_BUG = 70
EXIT_STOPPED = 75
EXIT_INTERRUPT = 130
EXIT_SIGNAL = 128  # plus the number of the signal that ended the program
EXIT_CLOSED_PIPE = 141


def shown(path: str) -> str:
    """Return a path as messages show it: `-` is standard input."""
    return "standard input" if path == "-" else path


class DnabertError(Exception):
    """An expected problem, told in one line.

    Args:
        message: what is wrong, naming file, line or record.
        hint: what to do about it, or `None` when the message says it.
    """

    exit_code = EXIT_ERROR

    def __init__(self, message: str, *, hint: str | None = None) -> None:
        super().__init__(message)
        self.hint = hint

    def __str__(self) -> str:
        message = super().__str__()
        return f"{message} (hint: {self.hint})" if self.hint else message


class FormatError(DnabertError):
    """A file breaks its format.

    Args:
        path: the file, `-` for standard input.
        message: what was expected and what was found.
        line: 1-based line number, `None` where lines have no meaning.
        hint: what to do about it.
    """

    def __init__(
        self, path: str, message: str, *, line: int | None = None, hint: str | None = None
    ) -> None:
        where = shown(path) if line is None else f"{shown(path)}:{line}"
        super().__init__(f"{where}: {message}", hint=hint)
        self.path = path
        self.line = line


class DataError(DnabertError):
    """Files are fine alone but do not fit together."""


class ModelError(DnabertError):
    """A model folder is missing, incomplete, or unusable here."""


class OptionsError(DnabertError):
    """Options contradict each other."""

    exit_code = EXIT_USAGE


class Interrupted(DnabertError):  # noqa: N818  it is an event, not a mistake
    """The run was asked to stop and has saved its state."""

    exit_code = EXIT_STOPPED
