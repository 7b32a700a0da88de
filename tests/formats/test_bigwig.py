import errno
import os
import resource
import sys

import numpy as np
import pyBigWig
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.errors import DataError, DnabertError, OptionsError
from dnabert_cli.formats.bigwig import check_bigwig, write_bigwig

NAN = float("nan")
SIZES = {"chr2": 100, "chr10": 50, "chr1": 10**6}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "scores.bw"


def write(path, *tracks, sizes=None, force=False):
    rows = [(chrom, start, np.array(scores, dtype=float)) for chrom, start, scores in tracks]
    write_bigwig(str(path), rows, SIZES if sizes is None else sizes, force=force)


def content(path):
    """The intervals of every sequence, in the order of the file."""
    reader = pyBigWig.open(str(path))
    found = {chrom: list(reader.intervals(chrom) or ()) for chrom in reader.chroms()}
    assert reader.chroms() == {chrom: reader.chroms(chrom) for chrom in found}
    reader.close()
    return found


def test_scores_are_read_back_with_their_places(path):
    write(path, ("chr2", 5, [0.5, 0.5, 2]), ("chr1", 0, [-1]))
    assert content(path) == {"chr2": [(5, 7, 0.5), (7, 8, 2)], "chr10": [], "chr1": [(0, 1, -1)]}


def test_sequences_and_their_sizes_stand_in_the_order_given(path):
    write(path, ("chr1", 0, [1]))
    reader = pyBigWig.open(str(path))
    assert list(reader.chroms().items()) == list(SIZES.items())
    reader.close()


def test_tracks_are_sorted(path):
    write(path, ("chr1", 7, [3]), ("chr10", 0, [2]), ("chr1", 2, [1] * 5), ("chr2", 99, [4]))
    assert content(path) == {
        "chr2": [(99, 100, 4)], "chr10": [(0, 1, 2)], "chr1": [(2, 7, 1), (7, 8, 3)],
    }  # fmt: skip


@pytest.mark.parametrize("unknown", [NAN, float("inf")])
def test_scores_that_are_not_finite_are_left_out(path, unknown):
    write(path, ("chr2", 0, [unknown, 1, unknown, 2]), ("chr10", 0, [unknown]))
    assert content(path) == {"chr2": [(1, 2, 1), (3, 4, 2)], "chr10": [], "chr1": []}


def test_values_are_single_precision(path):
    write(path, ("chr2", 0, [0.1]))
    assert content(path)["chr2"] == [(0, 1, float(np.float32(0.1)))]


def test_no_tracks_are_a_file_without_scores(path):
    write(path)
    assert content(path) == {"chr2": [], "chr10": [], "chr1": []}


@given(st.lists(st.sampled_from([0.0, 1.5, -2.25, NAN]), max_size=50), st.integers(0, 50))
def test_every_base_reads_back(tmp_path_factory, scores, start):
    path = tmp_path_factory.getbasetemp() / "any.bw"
    write(path, ("chr2", start, scores), force=True)
    bases = {
        base: value for begin, end, value in content(path)["chr2"] for base in range(begin, end)
    }
    expected = {start + i: score for i, score in enumerate(scores) if not np.isnan(score)}
    assert bases == expected


def test_many_scores_read_back(path):
    scores = np.random.default_rng(2).normal(size=200_000)
    write(path, ("chr1", 1000, scores))
    reader = pyBigWig.open(str(path))
    values = reader.values("chr1", 1000, 201_000, numpy=True)
    np.testing.assert_array_equal(values, scores.astype(np.float32))
    assert reader.stats("chr1", 1000, 201_000, exact=True) == [pytest.approx(scores.mean())]
    reader.close()


@pytest.mark.parametrize(
    ("tracks", "message"),
    [
        ([("chr3", 0, [1])], "scores of chr3, which is no sequence of the bigWig"),
        ([("chr10", 49, [1, 2])], "scores of chr10:49-51, but chr10 has 50 bases"),
        ([("chr10", -1, [1])], "scores of chr10:-1-0"),
        ([("chr2", 3, [1]), ("chr2", 0, [1] * 4)], "two tracks of chr2 overlap at base 3"),
    ],
)
def test_tracks_that_do_not_fit_are_refused(path, tracks, message):
    with pytest.raises(DataError, match=message):
        write(path, *tracks)
    assert not path.exists()


def test_file_without_sequences_is_refused(path):
    with pytest.raises(DataError, match="lengths of the sequences, and there are none"):
        write(path, sizes={})


def test_sequence_too_long_for_the_format_is_refused(path):
    with pytest.raises(DnabertError, match=r"cannot write .*scores.bw: pyBigWig: "):
        write(path, sizes={"chr1": 2**64})
    assert list(path.parent.iterdir()) == []


def test_existing_file_is_kept_unless_forced(path):
    path.write_text("mine")
    with pytest.raises(DnabertError, match=r"exists already .*--force"):
        write(path)
    assert path.read_text() == "mine"
    write(path, ("chr2", 0, [1]), force=True)
    assert content(path)["chr2"] == [(0, 1, 1)]


def test_nothing_else_is_left_beside_the_file(path):
    write(path, ("chr2", 0, [1]))
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_size < 2000  # what was reserved is given back


def test_full_disk_is_reported_and_leaves_nothing(path, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "posix_fallocate", full)
    with pytest.raises(DnabertError, match=r"cannot write .*scores.bw: No space left"):
        write(path, ("chr2", 0, [1]))
    assert list(path.parent.iterdir()) == []


def test_limit_on_the_size_of_files_is_reported(path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, hard))
    try:
        with pytest.raises(DnabertError, match=r"cannot write .*scores.bw: File too large"):
            write(path, ("chr1", 0, np.arange(10_000)))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("spacing", [1, 100, 3500])
def test_file_takes_less_than_is_reserved(path, monkeypatch, spacing):
    reserved = []
    monkeypatch.setattr(os, "posix_fallocate", lambda *words: reserved.append(words[2]))
    scores = np.full(20_000 * spacing, NAN)
    scores[::spacing] = np.random.default_rng(1).normal(size=20_000)
    write(path, ("chr1", 0, scores), sizes={"chr1": len(scores)})
    assert path.stat().st_size < reserved[0]


def test_file_cut_short_is_noticed(path, monkeypatch):
    monkeypatch.setattr("dnabert_cli.formats.bigwig._write", lambda *_: 1)
    with pytest.raises(DnabertError, match="pyBigWig left it incomplete"):
        write(path, ("chr2", 0, [1, 2]))
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize("force", [True, False])
def test_standard_output_is_refused(force):
    with pytest.raises(OptionsError, match=r"cannot write bigWig to standard output .*name a file"):
        check_bigwig("-", force)


def test_pipe_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OptionsError, match=r"cannot write bigWig to .*pipe .*name a file"):
        check_bigwig(str(tmp_path / "pipe"), force=True)


@pytest.mark.parametrize("name", ["a.bw.gz", "a.bgz"])
def test_packed_file_is_refused(tmp_path, name):
    with pytest.raises(OptionsError, match=r"bigWig is packed already .*leave off"):
        check_bigwig(str(tmp_path / name), force=True)


def test_input_is_no_output(path):
    path.touch()
    with pytest.raises(OptionsError, match="both input and output"):
        check_bigwig(str(path), force=True, inputs=[str(path)])


def test_folder_is_refused(tmp_path):
    with pytest.raises(DnabertError, match="is a folder"):
        check_bigwig(str(tmp_path), force=True)


def test_missing_package_is_named_with_its_cure(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyBigWig", None)
    with pytest.raises(
        OptionsError, match=r"needs the package pyBigWig .*pip install 'dnabert\[bigwig\]'"
    ):
        write(path, ("chr2", 0, [1]))
