"""Strict safetensors files and packed state."""

import json
import os
import resource
import struct
import time

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load_file

from strata._tensors import pack_state, read_tensors, unpack_state, write_tensors
from strata.errors import ModelRefusedError


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "weights.safetensors"
    rng = np.random.default_rng(0)
    digest = write_tensors(path, {"a": rng.normal(size=(3, 4)), "b": torch.arange(5), "c": np.float32(2.5)})
    return path, digest


def raw(header: object, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def entry(shape, start=0, dtype="F32", stop=None):
    return {
        "dtype": dtype,
        "shape": shape,
        "data_offsets": [start, start + 4 * int(np.prod(shape)) if stop is None else stop],
    }


def test_round_trip_and_the_library_reads_it_too(file):
    path, digest = file
    tensors = read_tensors(
        path, sha256=digest, expected={"a": ((3, 4), torch.float64), "b": ((5,), None), "c": ((), None)}
    )
    np.testing.assert_array_equal(tensors["a"].numpy(), np.random.default_rng(0).normal(size=(3, 4)))
    assert tensors["b"].tolist() == [0, 1, 2, 3, 4]
    assert tensors["c"].shape == () and tensors["c"].item() == 2.5
    assert set(load_file(path)) == {"a", "b", "c"}


@pytest.mark.parametrize(
    "array",
    [
        np.arange(6, dtype=">f8").reshape(2, 3),
        np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        np.arange(12.0)[::-2],
        np.zeros((0, 3)),
        np.array([True, False]),
        np.arange(3, dtype=np.uint32),
        np.broadcast_to(np.float64(2), (2, 2)),
    ],
    ids=["big-endian", "fortran", "reversed", "empty", "bool", "uint32", "stride 0"],
)
def test_any_array_round_trips(tmp_path, array):
    write_tensors(tmp_path / "a", {"x": array})
    found = read_tensors(tmp_path / "a")["x"].numpy()
    assert found.shape == array.shape
    assert found.dtype == array.dtype.newbyteorder("=")
    np.testing.assert_array_equal(found, array)


def test_views_of_one_buffer_and_bfloat16_round_trip(tmp_path):
    theta = torch.arange(6.0)
    half = torch.tensor([0.5, 3.0], dtype=torch.bfloat16)
    write_tensors(
        tmp_path / "a", {"all": theta, "w": theta[:4].view(2, 2), "again": theta, "t": theta.view(2, 3).T, "h": half}
    )
    found = read_tensors(tmp_path / "a")
    assert torch.equal(found["w"], theta[:4].view(2, 2)) and torch.equal(found["again"], theta)
    assert torch.equal(found["t"], theta.view(2, 3).T) and torch.equal(found["h"], half)


def test_the_same_tensors_give_the_same_bytes(tmp_path):
    tensors = {"b": torch.ones(3), "a": torch.zeros(2, dtype=torch.int64)}
    first = write_tensors(tmp_path / "a", tensors)
    assert first == write_tensors(tmp_path / "b", dict(reversed(tensors.items())))


@pytest.mark.parametrize("name", ["../../x", "/etc/x", "a\0b", "x" * 257, "", "ä"])
def test_names_that_look_like_paths_are_not_written(tmp_path, name):
    with pytest.raises(ValueError, match="names of letters, digits"):
        write_tensors(tmp_path / "a", {name: torch.ones(1)})
    assert not (tmp_path / "a").exists()


@pytest.mark.parametrize("value", [np.array(["a"]), np.array([None]), np.array([1j])])
def test_what_is_no_number_is_not_written(tmp_path, value):
    with pytest.raises(TypeError, match="`tensors` must hold"):
        write_tensors(tmp_path / "a", {"x": value})


def test_truncation_at_every_byte_is_refused(file):
    path, digest = file
    data = path.read_bytes()
    for n in range(len(data)):
        path.write_bytes(data[:n])
        for expected_digest in (digest, None):
            with pytest.raises(ModelRefusedError, match="weights.safetensors is refused"):
                read_tensors(path, sha256=expected_digest)


def test_a_flipped_bit_anywhere_is_refused(file):
    path, digest = file
    data = bytearray(path.read_bytes())
    for offset in range(len(data)):
        data[offset] ^= 1 << (offset % 8)
        path.write_bytes(data)
        with pytest.raises(ModelRefusedError):
            read_tensors(path, sha256=digest)
        data[offset] ^= 1 << (offset % 8)


HUGE = {f"t{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(20_001)}
BAD = {
    "header of 2**62": (raw({}, length=1 << 62), "header claims 4611686018427387904 bytes"),
    "header of 5 MB": (raw(b" " * (5 << 20)), "header claims 5242880 bytes"),
    "20 001 tensors": (raw(HUGE), "names 20001 tensors, more than 20000"),
    "duplicate keys": (
        raw(b'{"a":' + json.dumps(entry([1])).encode() + b',"a":' + json.dumps(entry([1])).encode() + b"}", bytes(4)),
        "the key 'a' is given twice",
    ),
    "huge zero shape": (raw({"a": entry([0, 1 << 60], stop=0)}), "impossible shape"),
    "rank 100": (raw({"a": entry([1] * 100)}, bytes(4)), "impossible shape"),
    "negative": (raw({"a": entry([-1], stop=0)}), "impossible shape"),
    "true as a size": (raw({"a": entry([True])}, bytes(4)), "impossible shape"),
    "wrong offsets": (raw({"a": entry([2], stop=4)}, bytes(4)), "overlaps, leaves a hole or does not fit"),
    "overlap": (raw({"a": entry([2]), "b": entry([2], start=4)}, bytes(12)), "overlaps"),
    "hole": (raw({"a": entry([1]), "b": entry([1], start=8)}, bytes(12)), "overlaps"),
    "trailing bytes": (raw({"a": entry([1])}, bytes(5)), "has .* bytes, and its header describes"),
    "unknown dtype": (raw({"a": entry([1], dtype="PICKLE")}, bytes(4)), "unknown dtype 'PICKLE'"),
    "extra field": (raw({"a": entry([1]) | {"code": "x"}}, bytes(4)), "is not dtype, shape and data_offsets"),
    "list": (raw([1]), "is not an object"),
    "metadata": (raw({"__metadata__": {"a": 1}}), "metadata is not text"),
    "path as name": (raw({"../../x": entry([1])}, bytes(4)), "a tensor is named '../../x'"),
    "absolute name": (raw({"/etc/x": entry([1])}, bytes(4)), "a tensor is named"),
    "NUL in a name": (raw({"a\0": entry([1])}, bytes(4)), "a tensor is named"),
    "1 MB name": (raw({"a" * (1 << 20): entry([1])}, bytes(4)), "a tensor is named"),
    "deep": (raw(b"[" * 100_000), "nested deeper"),
    "NaN": (raw(b'{"a": NaN}'), "NaN is not JSON"),
}


@pytest.mark.parametrize("case", BAD)
def test_hostile_headers_are_refused_fast_and_lean(tmp_path, case):
    """Rows 3 and 6."""
    data, message = BAD[case]
    path = tmp_path / "a"
    path.write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.process_time()
    with pytest.raises(ModelRefusedError, match=message) as caught:
        read_tensors(path)
    assert time.process_time() - start < 1
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000  # kB
    assert len(str(caught.value)) < 500


@pytest.mark.parametrize(
    ("expected", "message"),
    [
        ({"a": ((3, 4), None), "b": ((5,), None)}, r"unknown: \['c'\]"),
        ({"a": ((3, 4), None), "b": ((5,), None), "c": ((), None), "d": ((), None)}, r"missing: \['d'\]"),
        (
            {"a": ((4, 3), None), "b": ((5,), None), "c": ((), None)},
            r"'a' has shape \[3, 4\], and this model needs \[4, 3\]",
        ),
        ({"a": ((3, 4), torch.float32), "b": ((5,), None), "c": ((), None)}, "'a' has dtype torch.float64"),
    ],
)
def test_what_is_not_expected_is_refused(file, expected, message):
    with pytest.raises(ModelRefusedError, match=message):
        read_tensors(file[0], expected=expected)


def test_the_data_is_not_read_when_the_shapes_are_wrong(tmp_path):
    path = tmp_path / "sparse"
    with open(path, "wb") as file:  # a sparse file of 8 GB: reading it would be seen
        file.write(raw({"a": entry([1 << 31])}))
        file.truncate(file.tell() + (1 << 33))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ModelRefusedError, match="this model needs"):
        read_tensors(path, expected={"a": ((3,), None)})
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 50_000


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_non_finite_values_are_refused_unless_allowed(tmp_path, value):
    """Row 8."""
    write_tensors(tmp_path / "a", {"x": np.array([0.0, value])})
    with pytest.raises(ModelRefusedError, match="'x' holds NaN or infinity; allow_nonfinite=True"):
        read_tensors(tmp_path / "a")
    found = read_tensors(tmp_path / "a", allow_nonfinite=True)["x"].numpy()
    np.testing.assert_array_equal(found, [0.0, value])


def test_tensors_outlive_their_file(tmp_path):
    """Row 11: nothing is mapped."""
    path = tmp_path / "a"
    write_tensors(path, {"x": torch.ones(100_000)})
    found = read_tensors(path)["x"]
    with open(path, "r+b") as file:
        file.truncate(10)
    assert float(found.sum()) == 100_000
    os.unlink(path)
    assert float(found.sum()) == 100_000


@settings(deadline=None, max_examples=150)
@given(st.binary(max_size=200))
def test_nothing_but_refusal_escapes(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "fuzz"
    path.write_bytes(data)
    with pytest.raises(ModelRefusedError):
        read_tensors(path, expected={"a": ((1,), None)})


@settings(deadline=None, max_examples=150)
@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=5) | st.floats(allow_nan=False),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    )
)
def test_a_header_of_any_json_is_refused(tmp_path_factory, tree):
    path = tmp_path_factory.getbasetemp() / "fuzz-json"
    path.write_bytes(raw({"a": tree}))
    with pytest.raises(ModelRefusedError):
        read_tensors(path)


# -- packed state ------------------------------------------------------------------------------------

leaves = (
    st.none()
    | st.booleans()
    | st.integers(-(2**200), 2**200)
    | st.text(max_size=5)
    | st.floats()
    | st.binary(max_size=9)
)
states = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(
            st.text(max_size=3) | st.integers() | st.sampled_from(["$tensor", "$tuple", "$"]), inner, max_size=3
        )
    ),
    max_leaves=12,
)


def same(a: object, b: object) -> bool:
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b or (a != a and b != b)


@settings(deadline=None, max_examples=200)
@given(states)
def test_pack_state_round_trips_through_json(state):
    tree, tensors = pack_state(state)
    assert same(unpack_state(json.loads(json.dumps(tree, allow_nan=False)), tensors), state)


def test_tensors_and_arrays_come_back_as_what_they_were(tmp_path):
    order = np.random.RandomState(3).get_state()
    state = {"w": [torch.ones(2, dtype=torch.float64)], "rng": order, 7: np.int64(4), "k": np.array(3.0)}
    tree, tensors = pack_state(state)
    write_tensors(tmp_path / "a", tensors)
    found = unpack_state(json.loads(json.dumps(tree)), read_tensors(tmp_path / "a"))
    assert torch.equal(found["w"][0], state["w"][0]) and isinstance(found["w"][0], torch.Tensor)
    assert found[7] == 4 and type(found[7]) is int
    assert isinstance(found["k"], np.ndarray) and found["k"].shape == ()
    a, b = np.random.RandomState(0), np.random.RandomState(3)
    a.set_state(found["rng"])
    np.testing.assert_array_equal(a.random(5), b.random(5))


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({"a": [1, object()]}, r"`state\['a'\]\[1\]` cannot be kept in a file. Received: object"),
        ({1.5: 0}, r"`state` must have text or integer keys. Received: 1.5"),
        ({"a": {True: 1}}, r"`state\['a'\]` must have text or integer keys. Received: True"),
    ],
)
def test_what_cannot_be_kept_is_refused(state, message):
    with pytest.raises(TypeError, match=message):
        pack_state(state)


@pytest.mark.parametrize(
    "tree",
    [
        {"$tensor": "t9"},
        {"$tensor": 3},
        {"$float": "1"},
        {"$tuple": 3},
        {"$dict": [[1]]},
        {"$bytes": "*"},
        {"$import": "os"},
        {"$tensor": "t0", "x": 1},
        {"$dict": [[None, 1]]},
        {"$dict": [[[], 1]]},
        {"$tensor": []},
    ],
)
def test_bad_marks_are_refused(tree):
    with pytest.raises(ModelRefusedError, match="The state is refused"):
        unpack_state([tree], {"t0": torch.ones(1)})
