"""The files of shards: all of one run, whole, each once; else the culprit is named."""

import io
from pathlib import Path

import pytest

from dnabert_cli.errors import DataError, FormatError
from dnabert_cli.formats.unit_checks import Expected
from dnabert_cli.formats.unit_file import UnitFile
from dnabert_cli.formats.unit_parts import read_parts
from dnabert_cli.formats.unit_runs import Run, Shard
from dnabert_cli.formats.units import Units, resumable_units
from tests.unit_toys import RUN, Work, interrupt, kept, run_to


@pytest.fixture
def shards(tmp_path):
    """The files of both shards of a run of three units."""
    paths = [tmp_path / "one", tmp_path / "two"]
    for number, path in enumerate(paths, 1):
        run_to(path, ["a", "b", "c"], shard=Shard(number, 2))
    return [str(path) for path in paths]


def test_parts_may_come_in_any_order(shards):
    found = Work(["a", "b", "c"], stop_after=0).run(read_parts(shards[::-1]).units)

    assert found == Work(["a", "b", "c"]).run(Units())


def test_a_missing_shard_is_named(shards):
    with pytest.raises(DataError, match="shard 2 of 2 is missing"):
        read_parts(shards[:1])


def test_a_shard_given_twice_is_named(shards, tmp_path):
    run_to(tmp_path / "again", ["a", "b", "c"], shard=Shard(1, 2))

    with pytest.raises(DataError, match=r"again and .*one are both shard 1/2"):
        read_parts([*shards, str(tmp_path / "again")])
    with pytest.raises(DataError, match=r"one and .*one are both shard 1/2"):
        read_parts([*shards, shards[0]])


@pytest.mark.parametrize(
    ("other", "said"),
    [
        (Run("scan", RUN.identity, RUN.options, Shard(2, 3)), "shards was 2, is 3"),
        (Run("scan", RUN.identity, {"genome": "y.fa"}, Shard(2, 2)), 'options.genome was "x.fa"'),
        (Run("scan", {"settings": {"stride": 6}}, RUN.options, Shard(2, 2)), "settings.stride"),
    ],
)
def test_a_shard_of_another_run_is_named(shards, tmp_path, other, said):
    with resumable_units(str(tmp_path / "foreign"), other, resume=False):
        pass

    with pytest.raises(DataError, match=r"foreign is a shard of another run than .*one") as caught:
        read_parts([shards[0], str(tmp_path / "foreign")])
    assert said in str(caught.value)


@pytest.mark.parametrize("own", [{"threads": 4}, {"device": "cuda:1"}])
def test_shards_may_differ_in_what_each_machine_has(shards, tmp_path, own):
    """Two GPUs of a machine could not share a run."""
    other = Run("scan", RUN.identity, {**RUN.options, **own}, Shard(2, 2))
    with resumable_units(str(tmp_path / "fast"), other, resume=False):
        pass

    assert read_parts([shards[0], str(tmp_path / "fast")]).run == RUN


def test_a_torn_part_is_named_wherever_it_is_torn(shards):
    with Path(shards[1]).open("r+b") as handle:
        size = handle.seek(0, io.SEEK_END)
        for less in (1, 40, 200):
            handle.truncate(size - less)
            with pytest.raises(FormatError, match="two: is truncated, damaged, or of a shard"):
                read_parts(shards)


def test_the_answers_of_a_whole_run_are_no_part(tmp_path):
    interrupt(tmp_path / "out", ["a", "b"], 1)
    with io.FileIO(kept(tmp_path / "out"), "r+") as handle:
        file = UnitFile("out", handle)
        file.load()
        file.finish()

    with pytest.raises(FormatError, match="is of a whole run, not of a shard"):
        read_parts([str(kept(tmp_path / "out"))])


def test_parts_of_another_version_are_refused(shards, monkeypatch):
    from dnabert_cli.formats import unit_parts

    monkeypatch.setattr(unit_parts, "__version__", "99.0")

    with pytest.raises(FormatError, match=r"one: was written by dnabert .*; this is 99\.0"):
        read_parts(shards)


@pytest.mark.parametrize(
    "changes", [{"command": 3}, {"identity": None}, {"options": []}, {"shard": "2/1"}]
)
def test_a_header_that_makes_no_sense_is_one_line(shards, changes):
    with io.FileIO(shards[0], "r+") as handle:
        file = UnitFile("one", handle)
        file.load()
        file.begin(file.header | changes)
        file.finish()

    with pytest.raises(FormatError, match="one: is damaged"):
        read_parts(shards)


def test_a_part_of_a_billion_shards_costs_no_memory(shards):
    """The numbers of all missing ones used to be listed."""
    with io.FileIO(shards[0], "r+") as handle:
        file = UnitFile("one", handle)
        file.load()
        file.begin(file.header | {"shard": "1/999999999"})
        file.finish()

    with pytest.raises(DataError, match="shard 2, 3, 4, … of 999999999 is missing"):
        read_parts(shards[:1])


def test_answers_of_parts_are_checked(shards):
    units = read_parts(shards).units

    with pytest.raises(FormatError, match="one: is damaged: 'n' is int64"):
        units.answer("a", None, {"n": Expected("f", ())})


def test_a_part_that_is_not_there_is_named():
    with pytest.raises(FormatError, match="absent: cannot be read: No such file"):
        read_parts(["absent"])


def test_a_unit_that_no_part_has_names_the_cure(shards):
    units = read_parts(shards).units

    with pytest.raises(DataError, match=r"a unit is missing .* \(hint: run the shards again"):
        units.answer("d", None)
