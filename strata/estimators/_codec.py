"""The file of an image compressor: a head of fixed form, the symbols, and a checksum over both.

::

    magic "STRC" | version 1 | quality | channels | flags | model (8 bytes) | n images (4)
    | heights and widths (2 + 2 each; once where all are alike) | length of the symbols (4) | symbols | crc32 (4)

Everything is checked before anything is allocated, and nothing in a file names a path, a class or a module.
"""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

from strata.errors import DataError

__all__ = ["Head", "read_stream", "write_stream"]

_MAGIC = b"STRC"
_VERSION = 1
_FIXED = struct.Struct("<4sBBBB8sI")
_LENGTH = struct.Struct("<I")
_SIZE = struct.Struct("<HH")
_ALIKE, _LIST, _FLAT, _BYTES = 1, 2, 4, 8


class Head(NamedTuple):
    """What a file says before its symbols."""

    quality: int
    n_channels: int
    model: bytes
    sizes: list[tuple[int, int]]
    is_list: bool
    is_flat: bool
    is_bytes: bool

    @property
    def n_pixels(self) -> int:
        """Pixels of all images."""
        return sum(h * w for h, w in self.sizes)


def write_stream(head: Head, payload: bytes) -> bytes:
    """Return the bytes of a file."""
    alike = len(set(head.sizes)) == 1
    flags = (
        (_ALIKE if alike else 0)
        | (_LIST if head.is_list else 0)
        | (_FLAT if head.is_flat else 0)
        | (_BYTES if head.is_bytes else 0)
    )
    sizes = b"".join(_SIZE.pack(h, w) for h, w in (head.sizes[:1] if alike else head.sizes))
    fixed = _FIXED.pack(_MAGIC, _VERSION, head.quality, head.n_channels, flags, head.model, len(head.sizes))
    body = fixed + sizes + _LENGTH.pack(len(payload)) + payload
    return body + _LENGTH.pack(zlib.crc32(body))


def read_stream(data: bytes, *, max_pixels: int) -> tuple[Head, bytes]:
    """Check the bytes of a file; return its head and its symbols.

    Raises
    ------
    DataError
        If it is another file, of another version, damaged, or larger than it may be.
    """
    if data[:4] != _MAGIC:
        raise _refuse("it does not begin as one")
    if len(data) < _FIXED.size + _SIZE.size + 2 * _LENGTH.size:
        raise _refuse("it is cut off")
    _, version, quality, n_channels, flags, model, n_images = _FIXED.unpack_from(data)
    if version != _VERSION:
        raise _refuse(f"its version {version} is not the one that is read here, {_VERSION}")
    if zlib.crc32(data[: -_LENGTH.size]) != _LENGTH.unpack_from(data, len(data) - _LENGTH.size)[0]:
        raise _refuse("its checksum does not fit: it is cut off or damaged")
    if flags > (_ALIKE | _LIST | _FLAT | _BYTES) or not n_images:
        raise _refuse("its head has no meaning")
    alike = bool(flags & _ALIKE)
    end = _FIXED.size + _SIZE.size * (1 if alike else n_images)
    if len(data) < end + 2 * _LENGTH.size:
        raise _refuse("it is cut off")
    first = _SIZE.unpack_from(data, _FIXED.size)
    if first[0] * first[1] * (n_images if alike else 1) > max_pixels:
        raise _refuse(f"it holds more than {max_pixels} pixels")
    sizes = [first] * n_images if alike else list(_SIZE.iter_unpack(data[_FIXED.size : end]))
    head = Head(quality, n_channels, model, sizes, bool(flags & _LIST), bool(flags & _FLAT), bool(flags & _BYTES))
    if any(0 in size for size in sizes) or (head.is_flat and n_channels != 1) or (not alike and not head.is_list):
        raise _refuse("its head has no meaning")
    if head.n_pixels > max_pixels:
        raise _refuse(f"it holds {head.n_pixels} pixels, more than {max_pixels}")
    length = _LENGTH.unpack_from(data, end)[0]
    payload = data[end + _LENGTH.size : -_LENGTH.size]
    if len(payload) != length:
        raise _refuse("its symbols are not as long as it says")
    return head, payload


def _refuse(why: str) -> DataError:
    return DataError(f"This is no file of an ImageCompressor that can be read: {why}.")
