"""Whole numbers to bytes and back, and what hostile bytes may not do."""

import lzma
import tracemalloc
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from strata.data.symbols import pack_symbols, unpack_symbols
from strata.errors import DataError

SHAPES = hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=40)


@settings(deadline=None, max_examples=80)
@given(hnp.arrays(np.int32, SHAPES, elements=st.integers(-32767, 32767)))
def test_any_numbers_come_back(symbols):
    assert np.array_equal(unpack_symbols(pack_symbols(symbols), *symbols.shape), symbols)


@pytest.mark.parametrize("spread", [0.0, 0.3, 2.0, 100.0, 5000.0])
def test_numbers_of_any_spread_come_back(spread):
    symbols = np.rint(np.random.RandomState(0).laplace(0, spread + 1e-9, (500, 12))).astype(int).clip(-32767, 32767)
    assert np.array_equal(unpack_symbols(pack_symbols(symbols), 500, 12), symbols)


def test_the_bytes_are_near_the_entropy_of_the_channels():
    random = np.random.RandomState(0)
    scales = np.array([0.05, 0.2, 0.5, 1.0, 2.0, 4.0, 8.0, 0.05])
    symbols = np.rint(random.laplace(0, scales, (20_000, 8))).astype(int)
    entropy = 0.0
    for column in symbols.T:
        counts = np.unique(column, return_counts=True)[1]
        entropy -= float((counts * np.log2(counts / len(column))).sum()) / 8
    payload = pack_symbols(symbols)  # so many that the way to pack is chosen by a part of them
    assert np.array_equal(unpack_symbols(payload, 20_000, 8), symbols)
    assert entropy < len(payload) < 1.08 * entropy
    assert len(payload) < 0.95 * len(zlib.compress(symbols.astype(np.int8).tobytes(), 9))


@settings(deadline=None, max_examples=300)
@given(st.binary(max_size=200), st.integers(1, 50), st.integers(1, 8))
def test_no_bytes_do_anything_but_come_back_or_be_refused(payload, n_places, n_channels):
    try:
        symbols = unpack_symbols(payload, n_places, n_channels)
    except DataError:
        return
    assert symbols.shape == (n_places, n_channels)


def bombs():
    zeros = bytes(50_000_000)
    deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
    yield bytes([1]) + deflater.compress(zeros) + deflater.flush()
    filters = [{"id": lzma.FILTER_LZMA2, "preset": 6, "dict_size": 1 << 22, "lc": 0, "lp": 0, "pb": 0}]
    yield bytes([2]) + lzma.compress(zeros, format=lzma.FORMAT_RAW, filters=filters)


@pytest.mark.parametrize("payload", list(bombs()), ids=["deflate", "lzma"])
def test_a_bomb_takes_no_memory(payload):
    tracemalloc.start()
    with pytest.raises(DataError, match="The symbols are damaged"):
        unpack_symbols(payload, 10, 10)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20_000_000


@pytest.mark.parametrize("symbols", [np.zeros((3, 5), int), np.arange(4000).reshape(-1, 8) % 7 - 3], ids=["0", "7"])
def test_more_or_less_than_announced_is_refused(symbols):
    payload = pack_symbols(symbols)
    n, c = symbols.shape
    for places in (n - 1, n + 1):
        with pytest.raises(DataError, match="The symbols are damaged"):
            unpack_symbols(payload, places, c)
    for cut in range(0, len(payload), max(1, len(payload) // 16)):
        with pytest.raises(DataError, match="The symbols are damaged"):
            unpack_symbols(payload[:cut], n, c)
    with pytest.raises(DataError, match="The symbols are damaged"):
        unpack_symbols(payload + b"x", n, c)
    with pytest.raises(DataError, match="there is no method 63"):
        unpack_symbols(b"\x3f" + payload[1:], n, c)


@pytest.mark.parametrize(
    ("symbols", "message"),
    [
        (np.full((1, 1), 32768), "`symbols` must lie within ±32767"),
        (np.zeros(3, int), "`symbols` must have two axes"),
    ],
)
def test_numbers_that_do_not_fit_are_refused(symbols, message):
    with pytest.raises(ValueError, match=message):
        pack_symbols(symbols)
