"""What the tests of the readers share."""

import io
import sys

import pytest

from dnabert_cli.formats.files import open_output


@pytest.fixture
def feed(monkeypatch):
    """Return a function that puts bytes on standard input."""

    def put(data):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return put


@pytest.fixture
def write(tmp_path):
    """Return a function that saves bytes and returns the path."""

    def save(data, name="genome.fa"):
        path = tmp_path / name
        path.write_bytes(data)
        return str(path)

    return save


@pytest.fixture
def bgzipped(tmp_path):
    """Return a function that saves text as bgzip and returns the path."""

    def save(text, name="genome.fa.gz"):
        with open_output(str(tmp_path / name), force=True) as handle:
            handle.write(text)
        return str(tmp_path / name)

    return save
