"""NPZ archives, read without unpickling and without inflating more than they declare."""

from __future__ import annotations

import ast
import os
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from strata._bounded import INFLATE_SLACK, MAX_RATIO, existing_file
from strata.errors import DataError

__all__ = ["read_npz"]

_MAX_MEMBERS = 1000
_MAX_HEADER = 10_000
_KINDS = "biufcSUMm"  # plain values only: no objects, no records
_CHUNK = 1 << 20


def read_npz(path: str | os.PathLike[str]) -> dict[str, NDArray[np.generic]]:
    """Read every array of an ``.npz`` archive.

    Parameters
    ----------
    path : str or path
        A file written by ``numpy.savez`` or ``numpy.savez_compressed``.

    Returns
    -------
    arrays : dict of str to ndarray
        In the order of the archive. Nothing is ever unpickled.

    Raises
    ------
    DataError
        If the file is not an archive of arrays, is damaged or encrypted, holds Python objects or records, declares
        more than 200 times its compressed size (and 1 MB), or if a header does not agree with the bytes after it.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "two.npz")
    >>> np.savez(path, X=np.eye(2), y=np.array([0, 1]))
    >>> read_npz(path)["y"]
    array([0, 1])
    """
    place = existing_file(path)
    arrays: dict[str, NDArray[np.generic]] = {}
    try:
        with zipfile.ZipFile(place) as archive:
            members = archive.infolist()
            _check_members(place, members)
            for member in members:
                arrays[member.filename.removesuffix(".npy")] = _read_member(place, archive, member)
    except (
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        OSError,
        NotImplementedError,
        RuntimeError,
        struct.error,
        UnicodeError,
    ) as error:
        raise DataError(f"{place}: not a readable .npz archive ({error}).") from None
    return arrays


def _check_members(place: Path, members: list[zipfile.ZipInfo]) -> None:
    """Refuse what the directory of the archive already shows to be wrong."""
    if not members:
        raise DataError(f"{place}: the archive holds no arrays.")
    if len(members) > _MAX_MEMBERS:
        raise DataError(f"{place}: the archive holds {len(members)} members; at most {_MAX_MEMBERS} are read.")
    names = [member.filename for member in members]
    if len(set(names)) < len(names):
        raise DataError(f"{place}: two members of the archive have the same name.")
    # What is inflated is bounded by the file on disk: overlapping members cannot multiply it.
    declared = sum(member.file_size for member in members)
    if declared > MAX_RATIO * place.stat().st_size + INFLATE_SLACK:
        raise DataError(
            f"{place}: the archive declares {declared} bytes, over {MAX_RATIO} times the size of the file: refused."
        )
    for member in members:
        if not member.filename.endswith(".npy"):
            raise DataError(f"{place}: member {member.filename!r} is not an array (.npy).")
        if member.flag_bits & 0x1:
            raise DataError(f"{place}: member {member.filename!r} is encrypted.")


def _read_member(place: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[np.generic]:
    """Read one array: header first, then exactly the bytes that it and the directory declare."""
    where = f"{place}: array {member.filename.removesuffix('.npy')!r}"
    with archive.open(member) as stream:
        prefix = stream.read(8)
        if len(prefix) < 8 or prefix[:6] != b"\x93NUMPY" or prefix[6] not in (1, 2, 3):
            raise DataError(f"{where} does not begin like a NumPy array.")
        width = 2 if prefix[6] == 1 else 4
        length = int.from_bytes(stream.read(width), "little")
        if length > _MAX_HEADER:
            raise DataError(f"{where} has a header of {length} bytes; at most {_MAX_HEADER} are read.")
        dtype, shape, fortran = _parse_header(where, stream.read(length))
        n_bytes = dtype.itemsize
        for size in shape:
            n_bytes *= size
        rest = member.file_size - 8 - width - length
        if n_bytes != rest:
            raise DataError(f"{where} claims shape {shape} of {dtype}, {n_bytes} bytes, but {rest} bytes are declared.")
        data = bytearray()
        while len(data) <= n_bytes:  # at most one byte more than declared
            part = stream.read(min(_CHUNK, n_bytes + 1 - len(data)))
            if not part:
                break
            data += part
    if len(data) != n_bytes:
        raise DataError(f"{where} must hold {n_bytes} bytes. Received: {len(data)}.")
    array = np.frombuffer(data, dtype).reshape(shape, order="F" if fortran else "C")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _parse_header(where: str, header: bytes) -> tuple[np.dtype[np.generic], tuple[int, ...], bool]:
    """Parse the literal dictionary of a ``.npy`` header."""
    try:
        entry = ast.literal_eval(header.decode("latin-1").strip())
        order, shape, description = entry["fortran_order"], entry["shape"], entry["descr"]
    except (ValueError, SyntaxError, KeyError, TypeError, RecursionError, MemoryError):
        raise DataError(f"{where} has an unreadable header.") from None
    if not isinstance(description, str) or not isinstance(order, bool) or not isinstance(shape, tuple):
        raise DataError(f"{where} holds records or an unreadable header; plain numbers and text are read.")
    if len(shape) > 32 or not all(isinstance(size, int) and 0 <= size < 2**62 for size in shape):
        raise DataError(f"{where} has the shape {shape!r}, which is none.")
    try:
        dtype = np.dtype(description)
    except (TypeError, ValueError, SyntaxError):
        raise DataError(f"{where} has the unknown type {description!r}.") from None
    if dtype.kind not in _KINDS or dtype.itemsize == 0:
        raise DataError(f"{where} holds {dtype} values, which need unpickling or have no size: refused.")
    return dtype, shape, order
