"""Binary frames: a JSON header and arrays one after the other, little endian."""

from __future__ import annotations

import json
import struct
from collections.abc import Mapping
from typing import Any

import numpy as np

from strata.playground.messages import say

__all__ = ["MAGIC", "pack_frame", "unpack_frame"]

MAGIC = b"STRF"
_DTYPES = {"f4": "<f4", "f8": "<f8", "u1": "|u1"}
_NAMES = {np.dtype(code): name for name, code in _DTYPES.items()}


def pack_frame(header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> bytes:
    """Return a frame as bytes.

    Parameters
    ----------
    header : mapping of str to object
        Plain values; ``arrays`` is added.
    arrays : mapping of str to ndarray
        Of float32, float64 or uint8.

    Returns
    -------
    frame : bytes
        ``STRF``, the length of the header as u32, the header as JSON with blanks up to a multiple of 8 bytes, the
        arrays, each filled up to a multiple of 8 bytes.

    Raises
    ------
    ValueError
        If an array has another dtype.

    Examples
    --------
    >>> frame = pack_frame({"frame": 1}, {"map": np.zeros((2, 2), np.float32)})
    >>> frame[:4], len(frame) % 8
    (b'STRF', 0)
    """
    listed, parts = [], []
    for name, array in arrays.items():
        kept = np.ascontiguousarray(array)
        kind = _NAMES.get(kept.dtype.newbyteorder("<") if kept.dtype.itemsize > 1 else kept.dtype)
        if kind is None:
            raise ValueError(f"`arrays` must be float32, float64 or uint8. Received: {name} of {kept.dtype}.")
        listed.append({"name": name, "dtype": kind, "shape": list(kept.shape)})
        body = kept.astype(_DTYPES[kind], copy=False).tobytes()
        parts.append(body + b"\0" * (-len(body) % 8))
    text = say({**header, "arrays": listed})
    text += b" " * (-(len(text) + 8) % 8)
    return b"".join((MAGIC, struct.pack("<I", len(text)), text, *parts))


def unpack_frame(frame: bytes) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Return the header and the arrays of a frame; the inverse of :func:`pack_frame`.

    Parameters
    ----------
    frame : bytes
        A whole frame.

    Returns
    -------
    header : dict
        As it was given, with ``arrays``.
    arrays : dict of str to ndarray
        By name.

    Raises
    ------
    ValueError
        If it is no frame, or shorter than it says.
    """
    if frame[:4] != MAGIC or len(frame) < 8:
        raise ValueError(f"`frame` must begin with {MAGIC!r}. Received: {frame[:4]!r}.")
    (length,) = struct.unpack("<I", frame[4:8])
    header = json.loads(frame[8 : 8 + length])
    place, arrays = 8 + length, {}
    for entry in header["arrays"]:
        dtype = np.dtype(_DTYPES[entry["dtype"]])
        n_bytes = dtype.itemsize * int(np.prod(entry["shape"], dtype=np.int64))
        if place + n_bytes > len(frame):
            raise ValueError(f"`frame` must hold {entry['name']!r} whole. Received: {len(frame)} bytes.")
        arrays[entry["name"]] = np.frombuffer(frame, dtype, n_bytes // dtype.itemsize, place).reshape(entry["shape"])
        place += n_bytes + (-n_bytes % 8)
    return header, arrays
