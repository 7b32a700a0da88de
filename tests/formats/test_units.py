"""Units: computed once, read back as they were, whatever interrupted the run."""

import fcntl
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.errors import (
    DataError,
    DnabertError,
    FormatError,
    Interrupted,
    ModelError,
    OptionsError,
)
from dnabert_cli.formats import unit_runs
from dnabert_cli.formats.unit_checks import Expected
from dnabert_cli.formats.unit_parts import read_parts
from dnabert_cli.formats.unit_runs import Run, Shard
from dnabert_cli.formats.units import Units, resumable_units, temporary_units, unit_key
from tests.unit_toys import RUN, Work, interrupt, kept, run_to


def test_keys_tell_parts_apart():
    keys = [("ab", "c"), ("a", "bc"), ("abc",), ("abc", ""), (), ("",), ("é",), ("\udc80",)]

    assert len({unit_key(*parts) for parts in keys}) == len(keys)
    assert unit_key("a", b"b") == unit_key("a", b"b") == unit_key(b"a", "b")


def test_units_without_a_file_compute_every_time():
    work = Work(["a", "b", "a"])

    assert work.run(Units())[0] == work.run(Units())[2]
    assert work.computed == ["a", "b", "a", "a", "b", "a"]


def test_temporary_units_compute_once():
    work = Work(["a", "b", "a"])
    with temporary_units() as units:
        first, second = work.run(units), work.run(units)

    assert first == second
    assert work.computed == ["a", "b"]


@given(
    keys=st.lists(st.text(min_size=1, max_size=3), max_size=12),
    stops=st.lists(st.integers(0, 6), max_size=3),
    lost=st.integers(0, 60),
)
def test_whatever_the_interruptions_the_answers_are_the_same(tmp_path_factory, keys, stops, lost):
    """Killed at any unit, any number of times, with any number of bytes not yet written."""
    output = tmp_path_factory.mktemp("run") / "out"
    done = []
    for after in stops:
        work = Work(keys, stop_after=after)
        with suppress(KeyboardInterrupt), resumable_units(str(output), RUN, resume=True) as units:
            work.run(units)
        done += work.computed
        if kept(output).exists():
            with kept(output).open("r+b") as handle:
                handle.truncate(max(kept(output).stat().st_size - lost, 0))
    work = Work(keys)
    with resumable_units(str(output), RUN, resume=True) as units:
        assert work.run(units) == Work(keys).run(Units())

    assert set(done + work.computed) == set(keys)
    assert not kept(output).exists()
    if lost == 0 and sum(stops) < len(set(keys)):
        assert sorted(done + work.computed) == sorted(set(keys))


@given(
    keys=st.lists(st.text(min_size=1, max_size=2), max_size=15),
    count=st.integers(1, 4),
    passes=st.integers(1, 2),
)
def test_every_unit_is_computed_by_one_shard_and_the_parts_hold_all(
    tmp_path_factory, keys, count, passes
):
    folder = tmp_path_factory.mktemp("run")
    computed = []
    for number in range(1, count + 1):
        found, here = run_to(folder / str(number), keys * passes, shard=Shard(number, count))
        assert {key for key, each in zip(keys * passes, found, strict=True) if each} == set(here)
        computed += here
    parts = read_parts([str(folder / str(number)) for number in range(1, count + 1)])

    assert sorted(computed) == sorted(set(keys))
    assert parts.run == RUN
    nothing = Work(keys, stop_after=0)
    assert nothing.run(parts.units) == Work(keys).run(Units())


def test_shards_have_equally_many_units(tmp_path):
    counts = [
        len(run_to(tmp_path / "out", list("abcdefghij"), shard=Shard(number, 3))[1])
        for number in (1, 2, 3)
    ]

    assert counts == [4, 3, 3]


def test_nothing_is_left_beside_the_output_of_a_run_that_ended(tmp_path):
    run_to(tmp_path / "out", ["a"])

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "error",
    [KeyboardInterrupt, SystemExit, MemoryError, KeyError, DnabertError, DataError, ModelError,
     OptionsError],
)  # fmt: skip
def test_an_interrupted_run_is_kept_with_one_line(tmp_path, caplog, error):
    """A cut line late in the input used to cost all that had been computed before it."""
    interrupt(tmp_path / "out", ["a", "b", "c"], 2, error=error)

    assert caplog.messages == ["units kept: 2; --resume continues"]
    _, computed = run_to(tmp_path / "out", ["a", "b", "c"], resume=True)
    assert computed == ["c"]


def test_an_error_that_tells_of_resuming_is_not_followed_by_a_second_line(tmp_path, caplog):
    interrupt(tmp_path / "out", ["a", "b"], 1, error=Interrupted)

    assert caplog.messages == []
    assert kept(tmp_path / "out").exists()


def test_a_mistake_while_resuming_costs_no_answer(tmp_path):
    interrupt(tmp_path / "out", ["a", "b"], 1)
    interrupt(tmp_path / "out", ["x"], 0, error=DataError, resume=True)

    _, computed = run_to(tmp_path / "out", ["a", "b"], resume=True)
    assert computed == ["b"]


def test_a_run_without_a_finished_unit_leaves_nothing(tmp_path):
    interrupt(tmp_path / "out", ["a"], 0)

    assert list(tmp_path.iterdir()) == []


def test_without_resume_old_answers_are_discarded_with_a_line(tmp_path, caplog):
    interrupt(tmp_path / "out", ["a", "b"], 1)
    caplog.set_level("INFO")

    _, computed = run_to(tmp_path / "out", ["a", "b"])

    assert computed == ["a", "b"]
    assert "units of an interrupted run discarded: 1" in caplog.messages[-1]


def test_resuming_nothing_begins_anew_with_a_line(tmp_path, caplog):
    caplog.set_level("INFO")

    _, computed = run_to(tmp_path / "out", ["a"], resume=True)

    assert computed == ["a"]
    assert "there is nothing to resume" in caplog.messages[-1]


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Run("scan", {"settings": {"stride": 7}, "models": {"1": "abc"}}, {}),
         "settings.stride was 5, is 7"),
        (Run("predict", RUN.identity, {}), 'command was "scan", is "predict"'),
        (Run("scan", RUN.identity, {}, Shard(1, 2)), 'shard was null, is "1/2"'),
        (Run("scan", RUN.identity | {"device": {"kind": 3}}, {}), "device.kind was None, is 3"),
    ],
)  # fmt: skip
def test_another_run_is_not_resumed_and_loses_nothing(tmp_path, other, said):
    interrupt(tmp_path / "out", ["a", "b"], 1)
    before = kept(tmp_path / "out").read_bytes()

    with (
        pytest.raises(OptionsError, match=r"out: the interrupted run was another one: ") as caught,
        resumable_units(str(tmp_path / "out"), other, resume=True),
    ):
        pass
    assert said in str(caught.value)
    assert kept(tmp_path / "out").read_bytes() == before


def test_answers_of_another_version_are_not_used(tmp_path, monkeypatch):
    interrupt(tmp_path / "out", ["a", "b"], 1)
    monkeypatch.setattr(unit_runs, "__version__", "99.0")

    with pytest.raises(OptionsError, match=r'version was ".*", is "99\.0"'):
        run_to(tmp_path / "out", ["a"], resume=True)


def test_options_that_change_no_number_may_change(tmp_path):
    interrupt(tmp_path / "out", ["a", "b"], 1)
    other = Run(RUN.command, RUN.identity, {"genome": "copy.fa", "threads": 3})

    work = Work(["a", "b"])
    with resumable_units(str(tmp_path / "out"), other, resume=True) as units:
        work.run(units)
    assert work.computed == ["b"]


def test_two_runs_do_not_write_one_output(tmp_path):
    output = str(tmp_path / "out")
    with resumable_units(output, RUN, resume=False) as first:
        first.answer("a", lambda: {"n": np.array(1)})
        with (
            pytest.raises(DnabertError, match="out is being written by another run"),
            resumable_units(output, RUN, resume=False),
        ):
            pass
        assert first.answer("a", None)["n"] == 1


def test_a_file_that_was_removed_before_it_was_locked_is_not_used(tmp_path, monkeypatch):
    """The run that held it ended between opening and locking."""
    lock, opened = fcntl.flock, []

    def slow(handle, how):
        if not opened:
            kept(tmp_path / "out").unlink()
        opened.append(handle)
        lock(handle, how)

    monkeypatch.setattr(fcntl, "flock", slow)
    interrupt(tmp_path / "out", ["a", "b"], 1)

    assert len(opened) == 2
    assert kept(tmp_path / "out").exists()


def test_a_drive_without_locks_is_no_error(tmp_path, monkeypatch):
    def refuse(handle, how):
        raise OSError(37, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)

    assert run_to(tmp_path / "out", ["a"])[1] == ["a"]


def test_answers_lie_beside_what_a_link_points_to(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "far" / "real")

    interrupt(tmp_path / "out", ["a", "b"], 1)

    assert [each.name for each in (tmp_path / "far").iterdir()] == [".real.units"]


def make_link(path):
    path.symlink_to(path.with_name("elsewhere"))


@pytest.mark.parametrize("make", [make_link, Path.mkdir])
def test_a_link_or_folder_where_units_should_lie_is_one_line(tmp_path, make):
    """It used to be an unexpected error of the system."""
    make(kept(tmp_path / "out"))

    with pytest.raises(DnabertError, match=r"beside .*out: .*\.out\.units is a link or a folder"):
        run_to(tmp_path / "out", ["a"])
    assert not (tmp_path / "elsewhere").exists()


def test_a_name_with_no_room_for_units_is_one_line(tmp_path):
    """It used to be an unexpected error of the system."""
    name = 250 * "x"

    with pytest.raises(DnabertError, match=r"cannot keep units .*too long \(hint: give the output"):
        run_to(tmp_path / name, ["a"])


def test_answers_that_are_read_back_are_checked(tmp_path):
    interrupt(tmp_path / "out", ["a", "b"], 1)
    expected = {"n": Expected("f", ())}

    with resumable_units(str(tmp_path / "out"), RUN, resume=True) as units:
        with pytest.raises(FormatError, match=r"\.out\.units: is damaged: 'n' is int64"):
            units.answer("a", None, expected)
        computed = units.answer("b", lambda: {"n": np.array(1)}, expected)
    assert computed["n"] == 1


@pytest.mark.parametrize(
    "text", ["", "1", "1/", "/2", "a/b", "1/2/3", "-1/2", "1.5/2", "٣/٤", "1 /2"]
)
def test_a_share_is_written_i_of_n(text):
    with pytest.raises(OptionsError, match="it is i/n, such as 1/4"):
        Shard.parse(text)


@pytest.mark.parametrize("text", ["0/2", "3/2", "1/0"])
def test_a_share_that_does_not_exist_is_refused(text):
    with pytest.raises(OptionsError, match=f"--shard {text}: the shards of . begin with 1"):
        Shard.parse(text)


def test_a_shard_is_resumed(tmp_path):
    interrupt(tmp_path / "out", list("abcdef"), 2, shard=Shard(1, 2))
    assert not (tmp_path / "out").exists()

    _, computed = run_to(tmp_path / "out", list("abcdef"), shard=Shard(1, 2), resume=True)

    assert computed == ["e"]
    assert [each.name for each in tmp_path.iterdir()] == ["out"]


def test_what_a_killed_run_has_left_of_its_output_goes(tmp_path):
    """A run ended by SIGKILL left `.out.PID.part` beside the output for good, BCF a folder."""
    for name in (".out.123.part", ".out.mine.part", ".other.123.part"):
        (tmp_path / name).touch()
    (tmp_path / ".out.123.folder.part").mkdir()
    (tmp_path / ".out.123.folder.part" / "records.gz").touch()
    with resumable_units(str(tmp_path / "out"), RUN, resume=False):
        pass

    assert {path.name for path in tmp_path.iterdir()} == {".out.mine.part", ".other.123.part"}
