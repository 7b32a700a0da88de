"""What "progress" is: an object a task is given and reports to; the silent one is the default.

Tasks never print. `cli/console.py` has the bar and the plain line every 30 seconds.
"""

from typing import Protocol


class Progress(Protocol):
    """Receives how far a task has come."""

    def start(self, label: str, total: int | None, unit: str, done: int = 0) -> None:
        """Begin: `total` in `unit`, `None` when unknown; `done` of them in an earlier run."""

    def advance(self, amount: int, note: str = "") -> None:
        """Report `amount` more units done; `note` is a short text such as a loss."""

    def finish(self) -> None:
        """End: nothing more is reported."""


class SilentProgress:
    """Says nothing."""

    def start(self, label: str, total: int | None, unit: str, done: int = 0) -> None:
        """Ignore."""

    def advance(self, amount: int, note: str = "") -> None:
        """Ignore."""

    def finish(self) -> None:
        """Ignore."""


SILENT: Progress = SilentProgress()
