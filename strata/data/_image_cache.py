"""Decoded images on the disk: one file of bytes and one small record, which is written last.

::

    folder/<key>.u8      the images one after another
    folder/<key>.json    shape, which paths were kept, and the problems: what has no record is not there

The key is a digest of the paths, the sizes and times of the files, and the settings, so a changed file makes another
key. What a killed process left behind is swept; the oldest entries go when the folder is full.
"""

from __future__ import annotations

import hashlib
import os
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np

from strata._files import atomic_write, canonical_json, read_json, sweep_temporary_files, write_json
from strata.data._decode import Target
from strata.data.image_files import ImageProblem

__all__ = ["Entry", "ImageCache"]

_FORMAT = 1
_SPARE = 256 << 20  # bytes to leave to others on the disk
_ENTRY = re.compile(r"([0-9a-f]{64})\.(u8|json)")


class Entry(NamedTuple):
    """Images in the cache.

    Attributes
    ----------
    array : memmap of shape (N, height, width, channels), uint8
        Read-only.
    kept : ndarray of shape (N,), int64
        Number of the path of each image.
    problems : tuple of ImageProblem
        Of the paths that could not be read.
    """

    array: np.ndarray
    kept: np.ndarray
    problems: tuple[ImageProblem, ...]


def _free_bytes(folder: Path) -> int:
    """Return how many bytes the disk of a folder has left; the folder need not exist."""
    folder = folder.absolute()
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return shutil.disk_usage(folder).free


class ImageCache:
    """The entry of some files with some settings.

    Parameters
    ----------
    folder : Path
        Where entries lie; created when absent.
    paths : sequence of Path
        The image files.
    target : Target
        The settings.
    """

    def __init__(self, folder: Path, paths: Sequence[Path], target: Target) -> None:
        self.folder = folder
        self._paths = paths
        self._shape = (*(target.size or (0, 0)), target.channels)
        self.key = _key(paths, target)
        self._data = folder / f"{self.key}.u8"
        self._record = folder / f"{self.key}.json"

    def find(self) -> Entry | None:
        """Return the entry when it is whole."""
        sweep_temporary_files(self.folder)
        try:
            record = read_json(self._record, max_bytes=1 << 30)
            kept = np.asarray(record["kept"], dtype=np.int64)
            problems = tuple(
                ImageProblem(self._paths[n], str(kind), str(message)) for n, kind, message in record["problems"]
            )
            if list(record["shape"]) != [len(kept), *self._shape] or not len(kept):
                return None
            if self._data.stat().st_size != int(np.prod(record["shape"])):
                return None
            array = np.memmap(self._data, dtype=np.uint8, mode="r", shape=tuple(record["shape"]))
        except (OSError, ValueError, KeyError, TypeError, IndexError):
            return None
        with suppress(OSError):
            os.utime(self._record)  # the oldest go first
        return Entry(array, kept, problems)

    def write(
        self, images: Iterator[np.ndarray | ImageProblem], *, done: Callable[[int], None]
    ) -> Entry | tuple[ImageProblem, ...]:
        """Write the images that can be read; return the problems alone where none can."""
        self.folder.mkdir(parents=True, exist_ok=True)
        kept: list[int] = []
        problems: list[tuple[int, ImageProblem]] = []
        with suppress(FileNotFoundError):
            self._record.unlink()  # it is not of the bytes that come now
        with atomic_write(self._data) as file:
            for number, image in enumerate(images):
                if isinstance(image, ImageProblem):
                    problems.append((number, image))
                else:
                    file.write(image.tobytes())
                    kept.append(number)
                done(number + 1)
        if not kept:
            self._data.unlink()
            return tuple(problem for _, problem in problems)
        record = {
            "format": _FORMAT,
            "shape": [len(kept), *self._shape],
            "kept": kept,
            "problems": [[number, problem.kind, problem.message] for number, problem in problems],
        }
        write_json(self._record, record)
        array = np.memmap(self._data, dtype=np.uint8, mode="r", shape=(len(kept), *self._shape))
        return Entry(array, np.asarray(kept, dtype=np.int64), tuple(problem for _, problem in problems))

    def make_room(self, limit: int) -> bool:
        """Remove the entries used longest ago until a new one is within the limit; False when the disk is too full."""
        needed = len(self._paths) * int(np.prod(self._shape))
        entries: dict[str, tuple[float, int]] = {}
        for item in os.scandir(self.folder) if self.folder.is_dir() else ():
            if match := _ENTRY.fullmatch(item.name):
                status = item.stat(follow_symlinks=False)
                time, size = entries.get(match[1], (0.0, 0))
                entries[match[1]] = (max(time, status.st_mtime), size + status.st_size)
        used = sum(size for _, size in entries.values())
        for key, (_, size) in sorted(entries.items(), key=lambda entry: entry[1]):
            if used + needed <= limit:
                break
            for ending in ("json", "u8"):
                with suppress(OSError):
                    (self.folder / f"{key}.{ending}").unlink()
            used -= size
        return _free_bytes(self.folder) > needed + _SPARE


def _key(paths: Sequence[Path], target: Target) -> str:
    digest = hashlib.sha256(canonical_json([_FORMAT, *target]).encode())
    for path in paths:
        try:
            status = path.stat()
            about = (status.st_size, status.st_mtime_ns)
        except OSError:
            about = (-1, 0)
        digest.update(os.fsencode(os.path.abspath(path)) + b"\0" + b"%d %d\0" % about)
    return digest.hexdigest()
