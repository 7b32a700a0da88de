"""Being asked to stop: the signals clusters send before they take a machine away."""

import os
import signal
import time

from dnabert_cli.errors import EXIT_SIGNAL

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)
_SECONDS_TO_SAVE = 30.0


def is_request_to_stop(stop: SystemExit) -> bool:
    """Tell whether the program ends because it was asked to, by a signal that allows to save."""
    return stop.code in {EXIT_SIGNAL + number for number in _STOP_SIGNALS}


class StopRequest:
    """Remembers that the process was asked to end, so that a training loop can save first.

    Asked again after a while, it ends at once. Not sooner: a cluster that signals every process
    and a launcher that passes signals on make two of one.
    """

    def __init__(self) -> None:
        self._asked_at: float | None = None
        for number in _STOP_SIGNALS:
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: object) -> None:  # noqa: ARG002  as `signal` calls it
        now = time.monotonic()
        if self._asked_at is None:
            self._asked_at = now
        elif now - self._asked_at > _SECONDS_TO_SAVE:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def is_set(self) -> bool:
        """Tell whether a signal has come."""
        return self._asked_at is not None
