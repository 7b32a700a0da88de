import gzip
import os
import resource
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dnabert_cli.errors import DnabertError, FormatError, OptionsError
from dnabert_cli.formats.files import (
    check_output,
    looks_like,
    open_binary,
    open_output,
    open_text,
    sha256,
)

TEXT = b"chr1\t1\t2\n" * 50_000


def bgzip(data):
    return subprocess.run(["bgzip", "-c"], input=data, capture_output=True, check=True).stdout


def write_bgzip(path, text):
    with open_output(str(path), force=False) as handle:
        handle.write(text)


def block_starts(packed):
    starts, position = [], 0
    while position < len(packed):
        starts.append(position)
        position += int.from_bytes(packed[position + 16 : position + 18], "little") + 1
    return starts


@pytest.mark.parametrize("data", [TEXT, gzip.compress(TEXT)], ids=["plain", "gzip"])
def test_content_is_unpacked_whatever_the_name(tmp_path, feed, data):
    path = tmp_path / "file.with.any.name"
    path.write_bytes(data)
    feed(data)
    assert open_binary(str(path)).read() == TEXT
    assert open_binary("-").read() == TEXT


def test_peek_shows_the_beginning_and_consumes_nothing(feed):
    feed(gzip.compress(TEXT))
    stream = open_binary("-")
    assert stream.peek().startswith(TEXT[:1000])
    assert stream.read() == TEXT


def test_peek_waits_for_a_slow_pipe(tmp_path):
    """`peek` used to depend on how many bytes the first read of a pipe happens to bring."""
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write():
        with path.open("wb", buffering=0) as pipe:
            pipe.write(b"sequ")
            pipe.write(b"ence\tlabel\n")

    writer = threading.Thread(target=write)
    writer.start()
    with open_binary(str(path)) as stream:
        assert stream.peek() == b"sequence\tlabel\n"
    writer.join()


def test_standard_input_stays_open(feed):
    feed(b"a\n")
    with open_binary("-") as stream:
        stream.read()
    assert not sys.stdin.closed


def test_closed_standard_input_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    with pytest.raises(FormatError, match="standard input: is closed"):
        open_binary("-")


def test_text_has_any_line_end_and_no_byte_order_mark(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"\xef\xbb\xbfone\r\ntwo\nthree")
    with open_text(str(path)) as lines:
        assert list(lines) == ["one\n", "two\n", "three"]


def test_concatenated_gzip_members_are_read_to_the_end(tmp_path):
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"a\n") + gzip.compress(b"b\n"))
    assert open_binary(str(path)).read() == b"a\nb\n"


@pytest.mark.parametrize("share", [0.01, 0.5, 0.999])
def test_truncated_gzip_is_an_error(tmp_path, feed, share):
    data = gzip.compress(os.urandom(100_000))
    data = data[: int(len(data) * share)]
    path = tmp_path / "a.gz"
    path.write_bytes(data)
    with pytest.raises(FormatError, match=r"a\.gz: the gzip file is truncated.*copy it again"):
        open_binary(str(path)).read()
    feed(data)
    with pytest.raises(FormatError, match="standard input: the gzip file is truncated"):
        open_binary("-").read()


def test_bgzip_cut_between_blocks_is_an_error(tmp_path):
    """Such a file is valid gzip; htslib and gzip read it without a word."""
    path = tmp_path / "a.gz"
    write_bgzip(path, TEXT.decode())
    packed = path.read_bytes()
    starts = block_starts(packed)
    assert len(starts) > 3
    for cut in starts[1:]:
        path.write_bytes(packed[:cut])
        with pytest.raises(FormatError, match="truncated"):
            open_binary(str(path)).read()


def test_damaged_gzip_is_an_error(tmp_path):
    data = bytearray(gzip.compress(os.urandom(10_000)))
    data[5000] ^= 255
    path = tmp_path / "a.gz"
    path.write_bytes(data)
    with pytest.raises(FormatError, match="damaged"):
        open_binary(str(path)).read()


def test_missing_file_and_folder_are_errors_of_one_line(tmp_path):
    with pytest.raises(FormatError, match=r"nothing\.fa: no such file$"):
        open_binary(str(tmp_path / "nothing.fa"))
    with pytest.raises(FormatError, match=r"is a folder, not a file$"):
        open_binary(str(tmp_path))


def test_unreadable_file_is_an_error(tmp_path, monkeypatch):
    path = tmp_path / "a.fa"
    path.touch()

    def refuse(*_args, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("pathlib.Path.open", refuse)  # root may read everything
    with pytest.raises(FormatError, match=r"a\.fa: cannot be read: Permission denied"):
        open_binary(str(path))


@pytest.mark.parametrize(
    ("first", "kind"),
    [
        (b"@read\nACGT\n", "FASTQ"),
        (b"chr1\t10\t20\n", "BED"),
        (b"##fileformat=VCFv4.2\n", "VCF"),
        (b"\n\n>a\n", "FASTA"),
        (b"a\tb\n", "a table"),
        (b"hello\n", "plain text"),
        (b"\x00\x01", "binary data"),
        (b"<!DOCTYPE html>", "a web page or XML"),
    ],
)
def test_looks_like_names_common_formats(first, kind):
    assert looks_like(first) == kind


def test_sha256_is_that_of_the_stored_bytes(tmp_path):
    path = tmp_path / "a"
    path.write_bytes(b"abc")
    assert sha256(str(path)) == (
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # FIPS 180-2, B.1
    )
    with pytest.raises(FormatError, match="no such file"):
        sha256(str(tmp_path / "b"))


def test_output_appears_only_when_it_is_complete(tmp_path):
    path = tmp_path / "out.bed"
    with open_output(str(path), force=False) as handle:
        handle.write("a\n")
        assert not path.exists()
    assert path.read_text() == "a\n"
    assert [entry.name for entry in tmp_path.iterdir()] == ["out.bed"]


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
@pytest.mark.parametrize("name", ["out.bed", "out.bed.gz"])
def test_interrupted_output_leaves_nothing(tmp_path, error, name):
    with (  # noqa: PT012  the write before the error is the point
        pytest.raises(error, match="stop"),
        open_output(str(tmp_path / name), force=False) as handle,
    ):
        handle.write("a\n")
        raise error("stop")
    assert list(tmp_path.iterdir()) == []


def test_interrupted_output_keeps_the_old_file(tmp_path):
    path = tmp_path / "out.bed"
    path.write_text("old\n")
    with pytest.raises(ValueError, match="stop"), open_output(str(path), force=True):
        raise ValueError("stop")
    assert path.read_text() == "old\n"


def test_existing_file_is_overwritten_only_with_force(tmp_path):
    path = tmp_path / "out.bed"
    path.write_text("old\n")
    with pytest.raises(DnabertError, match=r"exists already.*--force"):
        check_output(str(path), force=False)
    with open_output(str(path), force=True) as handle:
        handle.write("new\n")
    assert path.read_text() == "new\n"


def test_missing_folder_is_named(tmp_path):
    with pytest.raises(DnabertError, match=r"the folder .*/no does not exist"):
        check_output(str(tmp_path / "no" / "out.bed"), force=False)


def test_folder_as_output_is_refused(tmp_path):
    with pytest.raises(DnabertError, match="is a folder"):
        check_output(str(tmp_path), force=True)


def test_folder_without_write_permission_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)
    with pytest.raises(DnabertError, match="no permission to write"):
        check_output(str(tmp_path / "out.bed"), force=False)


def test_output_that_is_an_input_is_refused_under_any_name(tmp_path):
    path = tmp_path / "in.bed"
    path.touch()
    link = tmp_path / "link.bed"
    link.symlink_to(path)
    with pytest.raises(OptionsError, match="both input and output"):
        check_output(str(link), force=True, inputs=["-", str(path)])
    check_output("-", force=False, inputs=["-"])


def test_link_is_kept_and_its_target_replaced(tmp_path):
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("old\n")
    link.symlink_to(target)
    with open_output(str(link), force=True) as handle:
        handle.write("new\n")
    assert link.is_symlink()
    assert target.read_text() == "new\n"


def test_standard_output_is_flushed_and_stays_open(capsys):
    with open_output("-", force=False) as handle:
        handle.write("a\n")
    assert capsys.readouterr().out == "a\n"
    assert not sys.stdout.closed


def test_closed_standard_output_is_an_error(monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    with (
        pytest.raises(DnabertError, match="standard output is closed"),
        open_output("-", force=False),
    ):
        pass


def test_special_file_is_written_directly():
    """Renaming onto /dev/null would replace it."""
    with open_output(os.devnull, force=False) as handle:
        handle.write("a\n")
    assert not Path(os.devnull).is_file()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_full_disk_is_an_expected_error():
    with (
        pytest.raises(DnabertError, match="cannot write /dev/full: No space left"),
        open_output("/dev/full", force=False) as handle,
    ):
        handle.write("a\n")


@pytest.mark.parametrize("name", ["out", "out.gz"])
def test_file_too_large_leaves_nothing(tmp_path, name):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with (
            pytest.raises(DnabertError, match=r"cannot write .*: File too large"),
            open_output(str(tmp_path / name), force=False) as handle,
        ):
            handle.write(os.urandom(300_000).hex())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(tmp_path.iterdir()) == []


def test_closed_pipe_is_not_hidden(monkeypatch):
    """`main` turns it into exit code 141."""
    read_end, write_end = os.pipe()
    os.close(read_end)
    handle = os.fdopen(write_end, "w")
    monkeypatch.setattr(sys, "stdout", handle)
    with (
        pytest.raises(BrokenPipeError, match="Broken pipe"),
        open_output("-", force=False) as out,
    ):
        out.write("a\n")
    with pytest.raises(BrokenPipeError, match="Broken pipe"):  # closing flushes once more
        handle.close()


@settings(deadline=None)
@given(st.text(alphabet="ACGT\n\té", max_size=200), st.integers(1, 2000))
def test_gz_output_is_gzip_of_the_text(tmp_path_factory, text, times):
    path = tmp_path_factory.mktemp("gz") / "out.gz"
    write_bgzip(path, text * times)
    assert gzip.decompress(path.read_bytes()).decode() == text * times
    assert open_binary(str(path)).read().decode() == text * times


def test_gz_output_of_random_letters_fits_its_blocks(tmp_path):
    """Deflate makes noise longer; a block must stay below 64 KiB all the same."""
    path = tmp_path / "out.gz"
    noise = os.urandom(300_000).decode("latin-1")
    write_bgzip(path, noise)
    assert gzip.decompress(path.read_bytes()).decode() == noise
    assert block_starts(path.read_bytes())[-1] == path.stat().st_size - 28


@pytest.mark.skipif(shutil.which("bgzip") is None, reason="bgzip is not installed")
def test_bgzip_and_we_read_each_other(tmp_path):
    path = tmp_path / "out.gz"
    write_bgzip(path, TEXT.decode())
    subprocess.run(["bgzip", "--test", path], check=True)
    path.write_bytes(bgzip(TEXT))
    assert open_binary(str(path)).read() == TEXT
