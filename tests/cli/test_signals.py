"""A signal asks a training to save and stop; one that comes again much later ends it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

CODE = """
import os, signal, time
from dnabert_cli.cli import signals
signals._SECONDS_TO_SAVE = {seconds}
stop = signals.StopRequest()
print(stop.is_set())
os.kill(os.getpid(), signal.SIGTERM)
print(stop.is_set())
time.sleep(0.05)
os.kill(os.getpid(), signal.SIGTERM)
print("still here")
"""


@pytest.mark.parametrize(
    ("seconds", "code", "lines"),
    [
        (30, 0, ["False", "True", "still here"]),
        (0.01, -signal.SIGTERM, ["False", "True"]),
    ],
)
def test_a_second_signal_ends_the_process_only_after_a_while(seconds, code, lines):
    done = subprocess.run(
        [sys.executable, "-u", "-c", CODE.format(seconds=seconds)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).resolve().parents[2])},
    )

    assert (done.returncode, done.stdout.splitlines()) == (code, lines)
