"""The log of a run: a row per call, and a resumed run goes on where it was."""

import pytest

from dnabert_cli.errors import DnabertError, FormatError
from dnabert_cli.formats.training_log import TrainingLog


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.tsv"


def write(path, steps, resumed_at=0):
    log = TrainingLog(path, resumed_at)
    for step in steps:
        log({"step": step, "loss": step / 3, "rate": 1e-4})


def steps(path):
    return [line.split("\t")[0] for line in path.read_text().splitlines()]


def test_a_row_per_call_under_the_names_of_its_columns(path):
    write(path, [10, 1_234_567])

    assert path.read_bytes() == (
        b"#step\tloss\trate\n10\t3.33333\t0.0001\n1234567\t411522\t0.0001\n"
    )


def test_rows_are_on_the_disk_at_once(path):
    log = TrainingLog(path)
    assert path.read_text() == ""
    log({"step": 1})

    assert path.read_text() == "#step\n1\n"


def test_a_resumed_run_cuts_back_to_its_step(path):
    write(path, range(10, 60, 10))

    TrainingLog(path, 30)
    assert steps(path) == ["#step", "10", "20", "30"]

    write(path, [40], resumed_at=30)
    assert steps(path) == ["#step", "10", "20", "30", "40"]


def test_a_resumed_run_leaves_the_log_of_an_uninterrupted_one(path, tmp_path):
    write(path, range(10, 60, 10))
    write(path, range(40, 60, 10), resumed_at=37)
    write(tmp_path / "other.tsv", range(10, 60, 10))

    assert path.read_bytes() == (tmp_path / "other.tsv").read_bytes()


def test_a_new_run_begins_anew(path):
    write(path, [10, 20])
    write(path, [5])

    assert steps(path) == ["#step", "5"]


@pytest.mark.parametrize("n_letters", range(1, 15))
def test_half_a_row_is_dropped(path, n_letters):
    """A run may be killed while it writes; half a step may pass for a smaller one."""
    write(path, [10])
    row = "30\t10.5\t0.0001\n"
    with path.open("a") as file:
        file.write(row[:n_letters])

    write(path, [40], resumed_at=35)

    expected = ["#step", "10", "30", "40"] if n_letters == len(row) else ["#step", "10", "40"]
    assert steps(path) == expected


@pytest.mark.parametrize("half", ["", "#", "#step\tlo"])
def test_half_a_header_is_written_anew(path, half):
    """It used to be kept, and the first row went on in its line."""
    path.write_text(half)
    write(path, [40], resumed_at=30)

    assert steps(path) == ["#step", "40"]


def test_a_log_that_is_gone_begins_at_the_step(path):
    write(path, [40], resumed_at=30)

    assert steps(path) == ["#step", "40"]


def test_other_line_ends_are_understood(path):
    path.write_bytes(b"#step\tloss\r\n10\t1\r\n20\t2\r\n")

    assert TrainingLog(path, 10)
    assert path.read_bytes() == b"#step\tloss\n10\t1\n"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"#step\tloss\n10\t1\nten\t2\n", "log.tsv:3: 'ten' is no step"),
        (b"#step\tloss\n10\t1\n\n", "log.tsv:3: '' is no step"),
        (b"#step\n-1\t2\n", "log.tsv:2: '-1' is no step"),
        (b"#step\n1.5\n", "log.tsv:2: '1.5' is no step"),
        (b"#step\n" + b"9" * 5000 + b"\n", "log.tsv:2: '99999999999999999999' is no step"),
        ("#step\n\u0663\t1\n".encode(), "is no step"),
        (b"#step\n\xff\xfe\n", "log.tsv:2: "),
        (b"#step\n\x00\x00\n", "log.tsv:2: "),
        (b"10\t1\n", "log.tsv:1: a training log begins with the names of its columns"),
        (b">chr1\nACGT\n", "log.tsv:1: a training log begins with the names of its columns"),
    ],
)
def test_a_file_that_is_no_log_is_refused_and_kept(path, content, message):
    path.write_bytes(content)

    with pytest.raises(FormatError, match=message):
        TrainingLog(path, 30)
    assert path.read_bytes() == content


def test_a_log_in_no_folder_is_refused_in_one_line(tmp_path):
    with pytest.raises(DnabertError, match=r"cannot write .*log\.tsv: No such file or directory"):
        TrainingLog(tmp_path / "missing" / "log.tsv")
