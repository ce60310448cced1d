"""Whole numbers as few bytes, and back: the symbols of a compressor, through the coders of the standard library.

::

    payload = method (1 byte) + bytes of that method

A symbol goes to one byte by zigzag (0, -1, 1, -2, ... to 0, 1, 2, 3, ...), or to two bytes where one is not enough. The
coders are LZMA, whose range coder adapts a model to each context (the channel of a symbol and the size of the one
before it), and Deflate, which costs less at the start. All are tried, of many symbols on the first part of them,
and the shortest wins. Reading never takes more memory than the symbols that were announced.
"""

from __future__ import annotations

import lzma
import zlib
from typing import Any

import numpy as np

from strata.errors import DataError

__all__ = ["pack_symbols", "unpack_symbols"]

_WIDE, _PLANES = 0x80, 0x40  # two bytes a symbol; one channel after the other
_STORED, _DEFLATE, _LZMA = 0, 1, 2  # and above: an index into the contexts
#: Literal context bits of LZMA: of the byte before, and of the place.
_CONTEXTS = ((0, 0), (4, 0), (0, 4), (2, 2), (0, 2), (0, 3), (1, 3), (3, 0))
_LARGEST = 1 << 15  # of a symbol, in absolute value
_TRIED = 1 << 17  # symbols of which all ways are tried


def _filters(number: int) -> list[dict[str, Any]]:
    lc, lp = _CONTEXTS[number]
    return [
        {
            "id": lzma.FILTER_LZMA2,
            "preset": 6,
            "dict_size": 1 << 22,
            "lc": lc,
            "lp": lp,
            "pb": min(lp, 4),
            "nice_len": 128,
        }
    ]


def pack_symbols(symbols: np.ndarray) -> bytes:
    """Pack whole numbers.

    Parameters
    ----------
    symbols : ndarray of shape (n_places, n_channels), int
        From -32767 to 32767, of which most are near 0.

    Returns
    -------
    payload : bytes
        For :func:`unpack_symbols`.

    Raises
    ------
    ValueError
        If a symbol is out of range or the array has other axes.

    Examples
    --------
    >>> payload = pack_symbols(np.zeros((1000, 4), int))
    >>> len(payload) < 30, unpack_symbols(payload, 1000, 4).shape
    (True, (1000, 4))
    """
    if symbols.ndim != 2:
        raise ValueError(f"`symbols` must have two axes. Received: symbols of shape {symbols.shape}.")
    if symbols.size and np.abs(symbols).max() >= _LARGEST:
        raise ValueError(f"`symbols` must lie within ±{_LARGEST - 1}. Received: {int(np.abs(symbols).max())}.")
    zigzag = (symbols.astype(np.int32) << 1) ^ (symbols.astype(np.int32) >> 31)
    wide = bool(symbols.size) and int(zigzag.max()) > 255
    ways = [(planes, method) for planes in (False, True) for method in range(_LZMA + len(_CONTEXTS))]
    if zigzag.size > _TRIED:
        part = zigzag[: -(-_TRIED // zigzag.shape[1])]
        ways = [min(ways, key=lambda way: len(_packed(part, wide, *way)))]
    return min((_packed(zigzag, wide, *way) for way in ways), key=len)


def _packed(zigzag: np.ndarray, wide: bool, planes: bool, method: int) -> bytes:
    """Return the payload of one way to pack."""
    data = _bytes_of(np.ascontiguousarray(zigzag.T if planes else zigzag), wide)
    flags = (_WIDE if wide else 0) | (_PLANES if planes else 0) | method
    if method == _DEFLATE:
        data = _deflated(data)
    elif method >= _LZMA:
        data = lzma.compress(data, format=lzma.FORMAT_RAW, filters=_filters(method - _LZMA))
    return bytes([flags]) + data


def _bytes_of(zigzag: np.ndarray, wide: bool) -> bytes:
    """Return low bytes, and after them high bytes where there are any."""
    low = (zigzag & 0xFF).astype(np.uint8).tobytes()
    return low + (zigzag >> 8).astype(np.uint8).tobytes() if wide else low


def _deflated(data: bytes) -> bytes:
    tried = []
    for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FILTERED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE):
        coder = zlib.compressobj(9, zlib.DEFLATED, -15, 9, strategy)
        tried.append(coder.compress(data) + coder.flush())
    return min(tried, key=len)


def unpack_symbols(payload: bytes, n_places: int, n_channels: int) -> np.ndarray:
    """Unpack whole numbers.

    Parameters
    ----------
    payload : bytes
        What :func:`pack_symbols` gave; it may come from anywhere.
    n_places, n_channels : int
        Shape of what is in it.

    Returns
    -------
    symbols : ndarray of shape (n_places, n_channels), int32
        The numbers.

    Raises
    ------
    DataError
        If the payload is damaged, or holds more or less than that.
    """
    if not payload:
        raise DataError("The symbols are damaged: there are none.")
    flags, data = payload[0], payload[1:]
    wide, planes, method = bool(flags & _WIDE), bool(flags & _PLANES), flags & 0x3F
    size = n_places * n_channels * (2 if wide else 1)
    raw = _unpacked(method, data, size)
    if len(raw) != size:
        raise DataError(f"The symbols are damaged: {size} bytes were announced, and {len(raw)} came.")
    low = np.frombuffer(raw, np.uint8, n_places * n_channels).astype(np.int32)
    if wide:
        low |= np.frombuffer(raw, np.uint8, n_places * n_channels, n_places * n_channels).astype(np.int32) << 8
    symbols = (low >> 1) ^ -(low & 1)
    return np.ascontiguousarray(symbols.reshape(n_channels, n_places).T if planes else symbols.reshape(n_places, -1))


def _unpacked(method: int, data: bytes, size: int) -> bytes:
    """Return at most one byte more than announced."""
    if method == _STORED:
        return data[: size + 1]
    try:
        if method == _DEFLATE:
            inflater = zlib.decompressobj(-15)
            raw = inflater.decompress(data, size + 1)
            whole = inflater.eof and not inflater.unused_data
        elif method < _LZMA + len(_CONTEXTS):
            coder = lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_filters(method - _LZMA))
            raw = coder.decompress(data, max_length=size + 1)
            if len(raw) == size and not coder.eof:  # the mark of the end may lie after the last byte
                raw += coder.decompress(b"", max_length=1)
            whole = coder.eof and not coder.unused_data
        else:
            raise DataError(f"The symbols are damaged: there is no method {method}.")
    except (zlib.error, lzma.LZMAError, EOFError) as error:
        raise DataError(f"The symbols are damaged: {error}.") from None
    if not whole:
        raise DataError("The symbols are damaged: they do not end where they should.")
    return raw
