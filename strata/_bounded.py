"""Bytes of a file, plain or gzip, that never inflate beyond a bound.

A gzip file of 189 kB can hold 200 MB; nothing in the format says how much will come. Whatever is read here
stops at ``MAX_RATIO`` times the size of the file on disk.
"""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from strata.errors import DataError

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["INFLATE_SLACK", "MAX_RATIO", "existing_file", "is_gzip", "open_bounded"]

#: A compressed file may hold this many times its own size, and no more. Text and images stay far below.
MAX_RATIO = 200
#: Bytes that any compressed file may hold, however small it is.
INFLATE_SLACK = 1 << 20


def existing_file(path: str | os.PathLike[str]) -> Path:
    """Return the path of a regular, non-empty file, or say what is wrong with it."""
    place = Path(path)
    try:
        if place.is_dir():
            raise DataError(f"{place}: this is a folder. Give the path of a file.")
        if not place.exists():
            raise DataError(f"{place}: no such file.")
        if not place.is_file():
            raise DataError(f"{place}: this is not a regular file.")
        with place.open("rb") as stream:
            if not stream.read(1):
                raise DataError(f"{place}: the file is empty.")
    except OSError as error:
        raise DataError(f"{place}: cannot be read ({error.strerror or error}).") from None
    except ValueError as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{str(path)!r}: not a path ({error}).") from None
    return place


def is_gzip(path: Path) -> bool:
    """Say whether the file begins like a gzip stream."""
    with path.open("rb") as stream:
        return stream.read(2) == b"\x1f\x8b"


class _Inflating(io.RawIOBase):
    """Read a gzip stream; refuse a damaged one, and one that inflates beyond ``limit`` bytes."""

    def __init__(self, path: Path, limit: int) -> None:
        self.path = path
        self.limit = limit
        self.read_so_far = 0
        self.inner = gzip.open(path, "rb")  # noqa: SIM115 - closed in close()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        view = memoryview(buffer).cast("B")
        room = min(len(view), self.limit + 1 - self.read_so_far)
        try:
            data = self.inner.read(room)
        except (EOFError, zlib.error, gzip.BadGzipFile) as error:
            reason = "ends too early" if isinstance(error, EOFError) else "is damaged"
            raise DataError(
                f"{self.path}: the gzip stream {reason}, after {self.read_so_far} bytes of content. Get the file again."
            ) from None
        self.read_so_far += len(data)
        if self.read_so_far > self.limit:
            raise DataError(
                f"{self.path}: the gzip stream holds more than {self.limit} bytes, over {MAX_RATIO} times the size of "
                "the file: refused. Unpack it yourself if you trust it."
            )
        view[: len(data)] = data
        return len(data)

    def close(self) -> None:
        self.inner.close()
        super().close()


@contextmanager
def open_bounded(path: Path, *, limit: int | None = None) -> Iterator[BinaryIO]:
    """Open a file for reading bytes, unpacked when it is gzip.

    Parameters
    ----------
    path : Path
        A regular file.
    limit : int, optional
        Most bytes that a gzip stream may hold; by default :data:`MAX_RATIO` times its size on disk
        plus :data:`INFLATE_SLACK`.
    """
    try:
        if is_gzip(path):
            bound = MAX_RATIO * path.stat().st_size + INFLATE_SLACK if limit is None else limit
            stream: BinaryIO = cast(BinaryIO, io.BufferedReader(_Inflating(path, bound), 1 << 18))
        else:
            stream = path.open("rb", buffering=1 << 18)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None
    with stream:
        try:
            yield stream
        except OSError as error:
            raise DataError(f"{path}: cannot be read ({error.strerror or error}).") from None
