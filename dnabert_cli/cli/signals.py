"""Being asked to stop: the signals clusters send before they take a machine away."""

import os
import signal

_STOP_SIGNALS = (signal.SIGTERM, signal.SIGUSR1)


class StopRequest:
    """Remembers that the process was asked to end, so that a training loop can save first.

    Asked a second time, it ends at once.
    """

    def __init__(self) -> None:
        self._asked = False
        for number in _STOP_SIGNALS:
            signal.signal(number, self._ask)

    def _ask(self, number: int, frame: object) -> None:  # noqa: ARG002  as `signal` calls it
        if self._asked:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        self._asked = True

    def is_set(self) -> bool:
        """Tell whether a signal has come."""
        return self._asked
