"""Files appear whole or not at all."""

import os

import pytest

from dnabert_cli.core.whole_files import write_whole
from dnabert_cli.errors import DnabertError


def test_a_file_is_written_and_nothing_else(tmp_path):
    write_whole(tmp_path / "a.bin", b"first")
    write_whole(tmp_path / "a.bin", memoryview(b"second"))

    assert (tmp_path / "a.bin").read_bytes() == b"second"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_full_disk_leaves_the_old_file_and_names_the_new_one(tmp_path, monkeypatch):
    def fail(_):
        raise OSError(28, "No space left on device")

    write_whole(tmp_path / "a.bin", b"old")
    monkeypatch.setattr(os, "fsync", fail)

    with pytest.raises(DnabertError, match=r"cannot write .*a\.bin: No space left on device"):
        write_whole(tmp_path / "a.bin", b"new")
    assert (tmp_path / "a.bin").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_missing_folder_is_an_error(tmp_path):
    with pytest.raises(DnabertError, match="No such file or directory"):
        write_whole(tmp_path / "missing" / "a.bin", b"")
