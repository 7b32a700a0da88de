"""A file of units: what is put in comes out, a torn end is cut off, nothing in it is executed."""

import io
import resource
import signal
from contextlib import contextmanager

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dnabert_cli.errors import DnabertError, FormatError
from dnabert_cli.formats import unit_file as module
from dnabert_cli.formats.unit_file import UnitFile

ANSWERS = {
    "first": {"scores": np.array([0.25, np.nan], np.float32), "n": np.array(7)},
    "second": {"empty": np.empty((0, 3)), "names": np.array(["a", "é"])},
    "third": {
        "columns": np.asfortranarray(np.arange(6).reshape(2, 3)),
        "big": np.arange(9, dtype=">i4"),
    },
}


@contextmanager
def opened(path):
    path.touch()
    with io.FileIO(path, "r+") as handle:
        yield UnitFile(str(path), handle)


@contextmanager
def loaded(path):
    with opened(path) as file:
        file.load()
        yield file


def fill(path, answers, *, finish=False):
    with opened(path) as file:
        file.begin({"command": "scan"})
        for key, arrays in answers.items():
            file.add(key, arrays)
        if finish:
            file.finish()
    return path


@pytest.fixture
def filled(tmp_path):
    """A finished file with three answers."""
    return fill(tmp_path / "units", ANSWERS, finish=True)


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert (found[name].dtype, found[name].shape) == (array.dtype, array.shape)
        assert found[name].tobytes("A") == array.tobytes("A")
        assert found[name].flags.f_contiguous == array.flags.f_contiguous
        assert found[name].flags.writeable
        assert found[name].flags.aligned


def test_arrays_come_back_as_they_were(filled):
    with loaded(filled) as file:
        assert file.header == {"command": "scan"}
        assert file.is_complete
        assert list(file.places) == list(ANSWERS)
        for key, arrays in ANSWERS.items():
            assert_same(file.read(key), arrays)


def test_a_file_without_end_mark_is_not_complete(tmp_path):
    with loaded(fill(tmp_path / "units", {"a": {}})) as file:
        assert (list(file.places), file.is_complete) == (["a"], False)


def test_something_behind_the_end_mark_is_damage(filled):
    with filled.open("ab") as handle:
        handle.write(b"x")

    with loaded(filled) as file:
        assert not file.is_complete


def test_wherever_the_file_is_torn_whole_answers_stay_and_more_can_be_added(filled):
    content = filled.read_bytes()
    with loaded(filled) as whole:
        ends = [sum(place) for place in whole.places.values()]
    for size in range(ends[0] - 40, len(content)):
        filled.write_bytes(content[:size])
        with loaded(filled) as file:
            assert len(file.places) == sum(end <= size for end in ends)
            assert not file.is_complete
            file.cut()
            file.add("new", ANSWERS["first"])
            file.finish()
        with loaded(filled) as again:
            assert again.is_complete
            assert_same(again.read("new"), ANSWERS["first"])


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_a_flipped_bit_costs_answers_but_never_changes_one(tmp_path_factory, place, bit):
    path = fill(tmp_path_factory.mktemp("bits") / "units", ANSWERS)
    content = bytearray(path.read_bytes())
    content[int(place * len(content))] ^= 1 << bit
    path.write_bytes(content)

    try:
        with loaded(path) as file:
            assert len(file.places) < len(ANSWERS)
            for key in file.places:
                assert_same(file.read(key), ANSWERS[key])
    except FormatError:
        pass  # in the header: nothing is read


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "no file of units"),
        (b">chr1\nACGT\n" * 9, "no file of units"),
        (module._MAGIC + b"\xff\xff\xff\xff" * 2, "header cannot be read"),
        (module._MAGIC + module._SIZE_AND_SUM.pack(2, 1) + b"{}", "header cannot be read"),
    ],
)
def test_what_is_no_file_of_units_is_refused(tmp_path, content, said):
    (tmp_path / "x").write_bytes(content)

    with pytest.raises(FormatError, match=said), loaded(tmp_path / "x"):
        pass


@pytest.mark.parametrize(
    "text", [b"[]", b"nothing", b"[" * 100_000, b"\xff", rb'{"path": "a\u0000b"}']
)
def test_a_header_that_is_no_json_of_names_is_refused(tmp_path, text):
    head = module._SIZE_AND_SUM.pack(len(text), module.zlib.crc32(text))
    (tmp_path / "x").write_bytes(module._MAGIC + head + text)

    with pytest.raises(FormatError, match="x: is damaged: its header"), loaded(tmp_path / "x"):
        pass


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def npy(array, **options):
    buffer = io.BytesIO()
    np.lib.format.write_array(buffer, array, version=(1, 0), **options)
    return buffer.getvalue()


def header_of(shape, kind="<f8"):
    buffer = io.BytesIO()
    values = {"descr": kind, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, values)
    return buffer.getvalue()


def read_hostile(path, data):
    """Read a file whose checksums are right and whose only record holds these bytes."""
    fill(path, {})
    with loaded(path) as file:
        file._add_record(b"a", data)
    with loaded(path) as file:
        return file.read("a")


def test_a_hostile_file_executes_nothing(tmp_path):
    array = np.array([Bomb(tmp_path / "harm")], dtype=object)
    data = b"\x01\x00x" + npy(array, allow_pickle=True)

    with pytest.raises(FormatError, match="holds neither numbers nor text"):
        read_hostile(tmp_path / "units", data)
    assert not (tmp_path / "harm").exists()


@pytest.mark.parametrize(
    "data",
    [
        b"\x01\x00x" + header_of((1 << 60,)),
        b"\x01\x00x" + header_of((-1,)),
        b"\x01\x00x" + header_of((2,), "<i4")[:-30],
        b"\x01\x00x\x93NUMPY\x03\x00rest",
        b"\x01\x00xnot an array",
        b"\xff\xffx",
        b"\x01\x00\xff" + npy(np.zeros(1)),
        b"\x01",
    ],
)
def test_hostile_arrays_are_an_error_of_one_line(tmp_path, data):
    with pytest.raises(FormatError, match="units: is damaged"):
        read_hostile(tmp_path / "units", data)


@pytest.mark.parametrize(
    ("shape", "kind"),
    [
        ((10**10,), "|V0"),
        ((10**10,), "<U0"),
        ((), "(0,)f8"),
        ((0,), [("x", "<f8")]),
        ((0,), "<M8[s]"),
        ((0,), ("",)),
    ],
)
def test_only_numbers_and_text_are_read(tmp_path, shape, kind):
    """Ten billion numbers of no bytes fitted into 2.7 kB, and exhausted memory when used."""
    with pytest.raises(FormatError, match="units: is damaged"):
        read_hostile(tmp_path / "units", b"\x01\x00x" + header_of(shape, kind))


def test_a_record_that_claims_more_than_the_file_has_costs_no_memory(tmp_path):
    path = fill(tmp_path / "units", {})
    with path.open("ab") as handle:
        handle.write(module._RECORD.pack(b"unit", 1, 1 << 62, 0) + b"a")

    with loaded(path) as file:
        assert file.places == {}


def test_arrays_of_objects_are_not_written(tmp_path):
    with pytest.raises(ValueError, match="allow_pickle"):
        fill(tmp_path / "units", {"a": {"x": np.array([{}], dtype=object)}})


def test_a_full_disk_is_one_line_and_what_was_added_stays(tmp_path):
    path = fill(tmp_path / "units", {"a": ANSWERS["first"]})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with loaded(path) as file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 100, hard))
        try:
            with pytest.raises(DnabertError, match=r"cannot write .*units: File too large"):
                file.add("b", {"x": np.zeros(1000)})
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
            signal.signal(signal.SIGXFSZ, before)

    with loaded(path) as file:
        assert list(file.places) == ["a"]
