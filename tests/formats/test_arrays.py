"""Arrays in `.npz`: mapped where possible, refused where damaged."""

import io
import random
import re
import warnings
import zipfile

import numpy as np
import pytest

from dnabert_cli.errors import DnabertError, FormatError
from dnabert_cli.formats.arrays import map_arrays, write_arrays

ARRAYS = {
    "bytes": np.arange(250, dtype=np.uint8),
    "numbers": np.arange(6).reshape(2, 3) - 3,
    "columns": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
    "names": np.array(["chr1.fa", "Zürich"]),
    "one": np.float32(2.5).reshape(()),
    "none": np.zeros((0, 4), np.int64),
}
PACKINGS = [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "arrays.npz"


def npy(array, version=None):
    stream = io.BytesIO()
    np.lib.format.write_array(stream, array, version)
    return stream.getvalue()


def pack(path, members, packing=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", packing) as archive:
        for name, content in members.items():
            archive.writestr(name, content)


def assert_equal(found, expected=ARRAYS):
    assert set(found) == set(expected)
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert found[name].shape == array.shape
        assert np.array_equal(found[name], array)


def test_arrays_come_back_equal_and_mapped(path):
    write_arrays(path, force=False, **ARRAYS)
    found = map_arrays(path)

    assert_equal(found)
    assert all(isinstance(found[name], np.memmap) for name in ARRAYS if name != "none")
    assert found["columns"].flags.f_contiguous


def test_mapped_arrays_cannot_change_the_file(path):
    write_arrays(path, force=False, **ARRAYS)

    with pytest.raises(ValueError, match="read-only"):
        map_arrays(path)["bytes"][0] = 1


def test_numpy_reads_what_was_written(path):
    write_arrays(path, force=False, **ARRAYS)

    with np.load(path, allow_pickle=False) as found:
        assert_equal(dict(found))


@pytest.mark.parametrize("packing", PACKINGS)
def test_packed_files_are_read_too(path, packing):
    pack(path, {f"{name}.npy": npy(array) for name, array in ARRAYS.items()}, packing)

    assert_equal(map_arrays(path))


@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_version_of_npy_is_read(path, version):
    pack(path, {"bytes.npy": npy(ARRAYS["bytes"], version)})

    assert map_arrays(path)["bytes"].tolist() == ARRAYS["bytes"].tolist()


def test_a_file_is_replaced_only_when_forced(path):
    write_arrays(path, force=False, a=np.zeros(3))
    mapped = map_arrays(path)["a"]

    with pytest.raises(DnabertError, match=r"exists already \(hint: overwrite it with --force\)"):
        write_arrays(path, force=False, a=np.ones(3))
    write_arrays(path, force=True, a=np.ones(3))

    assert map_arrays(path)["a"].tolist() == [1, 1, 1]
    assert mapped.tolist() == [0, 0, 0]  # whoever still reads the old one is not disturbed


def test_a_file_that_could_not_be_written_is_not_there(path):
    class Broken:
        def __array__(self, *args, **kwargs):
            raise RuntimeError("no more")

    with pytest.raises(RuntimeError, match="no more"):
        write_arrays(path, force=False, a=np.zeros(9), b=Broken())
    assert list(path.parent.iterdir()) == []


def test_names_that_lead_elsewhere_are_only_names(path):
    names = ["../../evil.npy", "/etc/passwd.npy", "a/b.npy"]
    pack(path, {name: npy(np.arange(3)) for name in names})
    before = sorted(path.parent.iterdir())

    assert set(map_arrays(path)) == {name.removesuffix(".npy") for name in names}
    assert sorted(path.parent.iterdir()) == before


# --- what is no table of arrays


def test_objects_are_refused_and_never_unpickled(path):
    class Trap:
        def __reduce__(self):
            return (pytest.fail, ("unpickled",))

    for packing in PACKINGS:
        stream = io.BytesIO()
        np.save(stream, np.array([Trap()], dtype=object), allow_pickle=True)
        pack(path, {"trap.npy": stream.getvalue()}, packing)
        with pytest.raises(FormatError, match=r"trap\.npy holds objects"):
            map_arrays(path)


@pytest.mark.parametrize(
    "content", [b"", b">chr1\nACGT\n", b"PK\x03\x04", b"\x93NUMPY\x01\x00", bytes(1000)]
)
def test_other_files_are_refused(path, content):
    path.write_bytes(content)

    with pytest.raises(FormatError, match=r"not a table of arrays \(\.npz\)"):
        map_arrays(path)


def test_a_missing_file_and_a_folder_are_refused(path):
    with pytest.raises(FormatError, match=re.escape(f"{path}: cannot be read: No such file")):
        map_arrays(path)
    with pytest.raises(FormatError, match="cannot be read: Is a directory"):
        map_arrays(path.parent)


@pytest.mark.parametrize("packing", PACKINGS)
def test_a_truncated_file_is_refused_wherever_it_ends(path, packing):
    pack(path, {f"{name}.npy": npy(array) for name, array in ARRAYS.items()}, packing)
    whole = path.read_bytes()

    for end in range(0, len(whole), 37):
        path.write_bytes(whole[:end])
        with pytest.raises(FormatError, match="not a table of arrays"):
            map_arrays(path)


def header(text, version=b"\x01\x00"):
    return b"\x93NUMPY" + version + len(text).to_bytes(2, "little") + text.encode()


@pytest.mark.parametrize(
    "content",
    [
        b"no array",
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (9,), }") + bytes(8),
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (7,), }") + bytes(8),
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (-8,), }") + bytes(8),
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (-2, -4), }") + bytes(8),
        header(f"{{'descr': '<i8', 'fortran_order': False, 'shape': ({2**62},), }}") + bytes(8),
        header(f"{{'descr': '|u1', 'fortran_order': False, 'shape': (0, {2**70}), }}"),
        header("{'descr': '|u1', 'fortran_order': False, 'shape': 8, }") + bytes(8),
        header("{'descr': 'nonsense', 'fortran_order': False, 'shape': (8,), }") + bytes(8),
        header("{'descr': '|u1'}") + bytes(8),
        header("__import__('os')") + bytes(8),
        header("(" * 5000) + bytes(8),
        header("{'descr': '|u1', 'fortran_order': False, 'shape': (8,), }", b"\x09\x00") + bytes(8),
    ],
)
@pytest.mark.parametrize("packing", PACKINGS[:2])
def test_headers_that_do_not_tell_the_truth_are_refused(path, content, packing):
    pack(path, {"a.npy": content}, packing)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # numpy tells of headers that Python 2 wrote
        with pytest.raises(FormatError, match="not a table of arrays"):
            map_arrays(path)


def test_a_locked_file_is_refused(path):
    pack(path, {"a.npy": npy(np.arange(3))})
    content = bytearray(path.read_bytes())
    for mark, offset in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        content[content.index(mark) + offset] |= 1  # "encrypted"
    path.write_bytes(content)

    with pytest.raises(FormatError, match="password"):
        map_arrays(path)


@pytest.mark.parametrize("packing", PACKINGS)
def test_damage_is_refused_or_harmless(path, packing):
    """Whatever byte is wrong, there are arrays or a `FormatError`, nothing else."""
    pack(path, {f"{name}.npy": npy(array) for name, array in ARRAYS.items()}, packing)
    whole, generator = path.read_bytes(), random.Random(0)

    n_refused = 0
    for _ in range(200):
        content = bytearray(whole)
        for _ in range(generator.choice([1, 2, 5])):
            content[generator.randrange(len(content))] = generator.randrange(256)
        path.write_bytes(content)
        try:
            map_arrays(path)
        except FormatError as error:
            assert str(error).startswith(f"{path}: ")  # noqa: PT017
            n_refused += 1
    assert n_refused > 100
