"""Rows 29 and 30 of the fault table, for IDX; and MNIST as published."""

import gzip
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strata.data import read_idx, read_idx_pair, read_table
from strata.errors import DataError


def idx(shape, data, code=8):
    return bytes([0, 0, code, len(shape)]) + b"".join(struct.pack(">I", size) for size in shape) + data


@pytest.fixture
def write(tmp_path):
    def _write(content, name="some-idx3-ubyte"):
        path = tmp_path / name
        path.write_bytes(content)
        return path

    return _write


@pytest.mark.parametrize(("code", "dtype"), [(8, "u1"), (9, "i1"), (11, "i2"), (12, "i4"), (13, "f4"), (14, "f8")])
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_type_comes_back(write, code, dtype, pack):
    values = np.array([[1, 2, 3], [4, 5, 100]], dtype)
    read = read_idx(write(pack(idx((2, 3), values.astype(">" + dtype).tobytes(), code))))
    assert read.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(read, values)


FAULTS = {
    "bad magic": (b"\x01\x00\x08\x01" + b"\0" * 8, "not an IDX file"),
    "bad type": (idx((1,), b"\0", code=7), "not an IDX file"),
    "no dimensions": (bytes([0, 0, 8, 0]), "not an IDX file"),
    "three bytes": (b"\0\0\x08", "not an IDX file"),
    "short header": (idx((2, 3), b"")[:9], "the IDX header ends after 9 bytes; 12 are needed"),
    "overflow": (idx((2**32 - 1,) * 4, b"\0"), "but 1 bytes follow it"),
    "short": (idx((2, 3), b"12345"), "the header says 2 x 3 uint8, 6 bytes, but 5 bytes follow it"),
    "trailing": (idx((2, 3), b"1234567"), "6 bytes, but 7 bytes follow it"),
    "no values": (idx((0, 3), b""), "it holds no values"),
    "short gzip": (gzip.compress(idx((2, 3), b"12345")), "6 bytes, but only 5 bytes follow it"),
    "trailing gzip": (gzip.compress(idx((2, 3), b"1234567")), "6 bytes, but more bytes follow it"),
    "overflow gzip": (gzip.compress(idx((2**32 - 1,) * 4, b"\0")), "over 200 times the size of the gzip file"),
    "truncated gzip": (gzip.compress(idx((1000,), bytes(range(250)) * 4))[:-30], "the gzip stream ends too early"),
    "bomb": (gzip.compress(idx((50_000_000,), bytes(50_000_000))), "over 200 times the size of the gzip file"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_refused_before_memory_is_taken(write, fault):
    content, message = FAULTS[fault]
    path = write(content)
    del content
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match=message):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 4_000_000
    finally:
        tracemalloc.stop()


def test_a_bomb_with_an_innocent_header_is_left_after_one_byte_more(write, monkeypatch):
    path = write(gzip.compress(idx((4,), bytes(50_000_000))))
    tracemalloc.start()
    try:
        with pytest.raises(DataError, match="more bytes follow it"):
            read_idx(path)
        assert tracemalloc.get_traced_memory()[1] < 2_000_000
    finally:
        tracemalloc.stop()


def test_a_pair_must_match(write):
    x, y = write(idx((2, 1), b"ab"), "x"), write(idx((3,), b"\0\1\2"), "y")
    with pytest.raises(DataError, match=r"holds 2 items, .* holds 3 labels"):
        read_idx_pair(x, y)
    with pytest.raises(DataError, match="labels must have one dimension"):
        read_idx_pair(x, x)


def test_the_table_of_an_idx_file_finds_its_labels(write):
    path = write(idx((2, 1, 2), b"\1\2\3\4"), "train-images-idx3-ubyte")
    assert read_table(path).columns.tolist() == ["pixel_0", "pixel_1"]
    labels = write(idx((2,), b"\7\5"), "train-labels-idx1-ubyte")
    assert read_table(path).to_dict("list") == {"pixel_0": [1, 3], "pixel_1": [2, 4], "label": [7, 5]}
    labels.rename(labels.with_name("other.idx"))
    assert read_table(path, labels=labels.with_name("other.idx"))["label"].tolist() == [7, 5]


@settings(deadline=None, max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.one_of(
        st.binary(max_size=40),
        st.builds(
            lambda code, shape, data, pack: (gzip.compress if pack else bytes)(idx(shape, data, code)),
            st.integers(0, 255),
            st.lists(st.one_of(st.integers(0, 4), st.integers(0, 2**32 - 1)), max_size=9),
            st.binary(max_size=40),
            st.booleans(),
        ),
        st.integers(0, 60).map(lambda n: gzip.compress(idx((2, 2), b"abcd"))[:n]),
    )
)
def test_only_our_errors_escape(write, content):
    path = write(content)
    try:
        array = read_idx(path)
    except DataError as error:
        assert str(path) in str(error)  # noqa: PT017
    else:
        assert array.size > 0


def test_mnist_as_published(shared_data):
    folder = shared_data / "mnist"
    x, y = read_idx_pair(folder / "t10k-images-idx3-ubyte.gz", folder / "t10k-labels-idx1-ubyte.gz")
    assert x.shape == (10_000, 28, 28)
    assert np.bincount(y).tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert y[:5].tolist() == [7, 2, 1, 0, 4]
