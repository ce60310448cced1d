"""IDX files, the format of MNIST: a magic number, the sizes, the numbers, big-endian.

Y. LeCun, C. Cortes, C. J. C. Burges, "The MNIST database of handwritten digits", section "File formats".
The magic is two zero bytes, a type code and the number of dimensions; each size is an unsigned 32-bit integer.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from strata._bounded import INFLATE_SLACK, MAX_RATIO, existing_file, is_gzip, open_bounded
from strata.errors import DataError

__all__ = ["read_idx", "read_idx_pair"]

_TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
_MAX_DIMENSIONS = 8
_CHUNK = 1 << 20


def read_idx(path: str | os.PathLike[str]) -> NDArray[np.generic]:
    """Read one IDX file, plain or gzip.

    Parameters
    ----------
    path : str or path
        The file; gzip is recognised by its content, not by its name.

    Returns
    -------
    array : ndarray of the file's shape
        In the machine's byte order: uint8, int8, int16, int32, float32 or float64.

    Raises
    ------
    DataError
        If the magic is not that of an IDX file, if the sizes in the header do not agree with the bytes that
        follow (too few, too many), or if the sizes claim more than the file can hold. Checked before memory is taken.

    See Also
    --------
    read_idx_pair : Images and their labels.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> path = pathlib.Path(tempfile.mkdtemp(), "three-idx1-ubyte")
    >>> _ = path.write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 3, 7, 8, 9]))
    >>> read_idx(path)
    array([7, 8, 9], dtype=uint8)
    """
    place = existing_file(path)
    packed = is_gzip(place)
    with open_bounded(place) as stream:
        dtype, shape = _read_header(place, stream)
        header_size = 4 + 4 * len(shape)
        n_bytes = dtype.itemsize
        for size in shape:
            n_bytes *= size
        claim = f"the header says {' x '.join(map(str, shape))} {dtype.newbyteorder('=').name}, {n_bytes} bytes"
        file_size = place.stat().st_size
        if packed and n_bytes > MAX_RATIO * file_size + INFLATE_SLACK:
            raise DataError(f"{place}: {claim}, over {MAX_RATIO} times the size of the gzip file: refused.")
        if not packed and n_bytes != file_size - header_size:
            raise DataError(f"{place}: {claim}, but {file_size - header_size} bytes follow it.")
        if n_bytes == 0:
            raise DataError(f"{place}: {claim}: it holds no values.")
        array = np.empty(shape, dtype)
        _fill(place, stream, array, claim)
    return array.astype(dtype.newbyteorder("="), copy=False)


def read_idx_pair(
    images: str | os.PathLike[str], labels: str | os.PathLike[str]
) -> tuple[NDArray[np.generic], NDArray[np.generic]]:
    """Read a file of images and the file of their labels.

    Parameters
    ----------
    images : str or path
        IDX file whose first dimension counts the images.
    labels : str or path
        IDX file of one dimension.

    Returns
    -------
    images : ndarray of shape (N, ...)
        As stored.
    labels : ndarray of shape (N,)
        As stored.

    Raises
    ------
    DataError
        As :func:`read_idx`, and if ``labels`` has more than one dimension or another count.

    See Also
    --------
    read_idx : One file.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> folder = pathlib.Path(tempfile.mkdtemp())
    >>> _ = (folder / "x").write_bytes(bytes([0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 1, 5, 6]))
    >>> _ = (folder / "y").write_bytes(bytes([0, 0, 8, 1, 0, 0, 0, 2, 1, 0]))
    >>> [part.tolist() for part in read_idx_pair(folder / "x", folder / "y")]
    [[[5], [6]], [1, 0]]
    """
    y = read_idx(labels)
    if y.ndim != 1:
        raise DataError(f"{Path(labels)}: labels must have one dimension. Received {y.ndim}: shape {y.shape}.")
    x = read_idx(images)
    if len(x) != len(y):
        raise DataError(f"{Path(images)} holds {len(x)} items, {Path(labels)} holds {len(y)} labels: not a pair.")
    return x, y


def _read_header(place: Path, stream: BinaryIO) -> tuple[np.dtype[np.generic], tuple[int, ...]]:
    """Read the magic and the sizes."""
    magic = stream.read(4)
    if len(magic) < 4 or magic[:2] != b"\0\0" or magic[2] not in _TYPES or not 1 <= magic[3] <= _MAX_DIMENSIONS:
        raise DataError(
            f"{place}: not an IDX file. It must begin with 0, 0, a type (8, 9, 11..14) and 1 to {_MAX_DIMENSIONS} "
            f"dimensions. Received bytes: {list(magic)}."
        )
    sizes = stream.read(4 * magic[3])
    if len(sizes) < 4 * magic[3]:
        raise DataError(f"{place}: the IDX header ends after {4 + len(sizes)} bytes; {4 + 4 * magic[3]} are needed.")
    shape = tuple(int.from_bytes(sizes[i : i + 4], "big") for i in range(0, len(sizes), 4))
    return np.dtype(_TYPES[magic[2]]), shape


def _fill(place: Path, stream: BinaryIO, array: NDArray[np.generic], claim: str) -> None:
    """Read exactly the array's bytes, and find the end of the file after them."""
    view = array.reshape(-1).view(np.uint8).data
    done = 0
    while done < len(view):
        part = stream.read(min(_CHUNK, len(view) - done))
        if not part:
            raise DataError(f"{place}: {claim}, but only {done} bytes follow it.")
        view[done : done + len(part)] = part
        done += len(part)
    if stream.read(1):
        raise DataError(f"{place}: {claim}, but more bytes follow it.")
