"""NPZ archives: row 30, and no pickle ever."""

import io
import pickle
import zipfile

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strata.data import read_npz, read_table
from strata.errors import DataError


def npy(array):
    stream = io.BytesIO()
    np.save(stream, array, allow_pickle=True)
    return stream.getvalue()


def archive(path, members, **options):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, **options) as file:
        for name, data in members:
            file.writestr(name, data)
    return path


def test_arrays_come_back(tmp_path):
    path = tmp_path / "a.npz"
    arrays = {
        "f": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "big": np.arange(3, dtype=">i4"),
        "t": np.array(["a", "é"]),
        "0d": np.array(5),
    }
    np.savez_compressed(path, **arrays)
    read = read_npz(path)
    assert list(read) == list(arrays)
    for name, array in arrays.items():
        np.testing.assert_array_equal(read[name], array)
    assert read["big"].dtype.isnative


class Evil:
    def __reduce__(self):
        return (pytest.fail, ("unpickled",))


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("a.npy", npy(np.array([{}], object)))], "array 'a' holds object values, which need unpickling"),
        ([("a.npy", pickle.dumps(Evil()))], "does not begin like a NumPy array"),
        ([("a.npy", npy(np.zeros(2, [("x", "f8")])))], "holds records"),
        ([("a.txt", b"hello")], "member 'a.txt' is not an array"),
        ([], "holds no arrays"),
        ([("a.npy", npy(np.zeros(3))[:-4])], "claims shape"),
        ([("a.npy", npy(np.zeros(3)) + b"1")], "claims shape"),
        ([("a.npy", npy(np.zeros(3)).replace(b"(3,)", b"(9,)"))], r"claims shape \(9,\) of float64, 72 bytes, but 24"),
        ([("a.npy", npy(np.zeros(3)).replace(b"(3,)", b"(-3,"))], "unreadable header"),
        ([("a.npy", b"\x93NUMPY\x01\x00\xff\xff" + b" " * 100)], "has a header of 65535 bytes"),
        ([("a.npy", npy(np.zeros(10_000_000)))], "over 200 times the size of the file"),
    ],
    ids=[
        "objects",
        "pickle",
        "records",
        "no array",
        "empty",
        "cut",
        "longer",
        "larger claim",
        "negative",
        "long header",
        "bomb",
    ],
)
def test_bad_archives_are_refused(tmp_path, members, message):
    path = archive(tmp_path / "a.npz", members)
    with pytest.raises(DataError, match=message):
        read_npz(path)


def test_a_directory_that_lies_about_a_size_is_refused(tmp_path):
    path = archive(tmp_path / "a.npz", [("a.npy", npy(np.arange(1000.0)))])
    data = path.read_bytes()
    size = len(npy(np.arange(1000.0)))
    path.write_bytes(data.replace(size.to_bytes(4, "little"), (size - 8).to_bytes(4, "little")))
    with pytest.raises(DataError, match="claims shape|not a readable"):
        read_npz(path)


def test_tables_of_archives(tmp_path):
    path = tmp_path / "a.npz"
    np.savez(path, X=np.arange(6).reshape(2, 3), y=np.array([b"u", b"v"]))
    frame = read_table(path)
    assert frame.columns.tolist() == ["x0", "x1", "x2", "y"]
    assert frame["y"].tolist() == ["u", "v"]
    np.savez(path, age=np.array([1, 2]), city=np.array(["a", "b"]))
    assert read_table(path).to_dict("list") == {"age": [1, 2], "city": ["a", "b"]}
    np.savez(path, X=np.zeros((2, 3)), y=np.zeros(3))
    with pytest.raises(DataError, match=r"same number of rows. Received: X \(2, 3\), y \(3,\)"):
        read_table(path)
    np.savez(path, Z=np.zeros((2, 3)))
    with pytest.raises(DataError, match="a table is made of X"):
        read_table(path)


_WHOLE = io.BytesIO()
np.savez_compressed(_WHOLE, X=np.arange(12.0).reshape(3, 4), y=np.arange(3))


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 5000), st.integers(0, 255), st.integers(0, 5000))
def test_only_our_errors_escape(tmp_path, place, byte, length):
    data = bytearray(_WHOLE.getvalue())
    data[place % len(data)] = byte
    path = tmp_path / "a.npz"
    path.write_bytes(bytes(data[: len(data) - length % 7]))
    try:
        arrays = read_npz(path)
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert all(isinstance(array, np.ndarray) for array in arrays.values())
