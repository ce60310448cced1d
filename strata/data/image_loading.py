"""Decoding and resizing many image files once, before training, into one array."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from strata._files import cache_home
from strata.data._decode import MAX_PIXELS, Target, UndecodableError, decode
from strata.data._image_cache import Entry, ImageCache
from strata.data._image_target import checked_target, checked_workers
from strata.data.image_files import ImageFiles, ImageProblem
from strata.errors import DataError

__all__ = ["LoadedImages", "load_images"]

_N_SHOWN = 10  # problems in one message


@dataclass(frozen=True, eq=False)
class LoadedImages:
    """Images of one size, and what could not be read.

    Attributes
    ----------
    array : ndarray, memmap or ImageFiles of shape (N, height, width, channels), uint8
        The images that could be read, in the order of the paths: in memory, in the cache folder, or in their files.
    kept : ndarray of shape (N,), int64
        Number of the path of each image.
    problems : tuple of ImageProblem
        One for each path that could not be read, in the order of the paths.
    """

    array: np.ndarray | ImageFiles
    kept: np.ndarray
    problems: tuple[ImageProblem, ...]


def load_images(
    paths: Sequence[str | os.PathLike[str]],
    *,
    size: int | tuple[int, int],
    channels: Literal[1, 3] = 3,
    resize: Literal["crop", "stretch", "pad"] = "crop",
    n_workers: int | None = None,
    memory_limit: int = 2 << 30,
    disk_limit: int = 32 << 30,
    cache_folder: str | os.PathLike[str] | None = None,
    on_problem: Literal["raise", "skip"] = "raise",
    progress: Callable[[int, int], None] | None = None,
    max_pixels: int = MAX_PIXELS,
) -> LoadedImages:
    """Decode and resize image files once, so that nothing can fail during the training.

    Parameters
    ----------
    paths : sequence of paths
        The files.
    size : int or tuple of int
        ``(height, width)`` in pixels; a number stands for a square.
    channels : {1, 3}, default=3
        Grey levels or RGB.
    resize : {"crop", "stretch", "pad"}, default="crop"
        Scale so that the shorter side fits and cut the middle out; scale each side; or scale so that the longer side
        fits and fill with black. Always bilinear, with antialiasing.
    n_workers : int, optional
        How many files are decoded at a time; by default one for each processor. The result does not depend on it.
    memory_limit : int, default=2 GiB
        Bytes of images to hold in memory.
    disk_limit : int, default=32 GiB
        Bytes that the cache folder may take; older entries make room. Images beyond it, or beyond the space that the
        disk has left, stay in their files: they are read once here, and decoded again in every epoch.
    cache_folder : path, optional
        Where images beyond ``memory_limit`` lie; by default ``images`` in the cache (``$STRATA_HOME`` or the user's
        cache folder). They are used again as long as no file and no setting changes.
    on_problem : {"raise", "skip"}, default="raise"
        What to do when files cannot be read: raise an error that lists them, or leave them out and report them.
    progress : callable, optional
        Called with ``(files done, files in all)``; not for images that are in the cache already.
    max_pixels : int, default=50_000_000
        Pixels of the largest image that is decoded.

    Returns
    -------
    images : LoadedImages
        The array, which paths it holds, and the problems.

    Raises
    ------
    DataError
        If files cannot be read and ``on_problem="raise"``, or none can be read: the first ten and their number.
    ValueError
        If an argument is out of range.
    OSError
        If the cache folder cannot be written.

    See Also
    --------
    find_images : Find the paths.
    strata.data.ImageSource : Make batches of the array.

    Notes
    -----
    A JPEG file that is much larger than ``size`` is decoded at a half, a quarter or an eighth of its size, never below
    twice ``size``, which takes a quarter of the time and a fraction of the memory.

    Examples
    --------
    >>> load_images(["no-such.png"], size=32)
    Traceback (most recent call last):
    ...
    strata.errors.DataError: 1 of 1 images cannot be used:
      no-such.png: there is no such file.
    """
    target = checked_target(channels=channels, size=size, resize=resize, max_pixels=max_pixels)
    n_threads = checked_workers(n_workers)
    _check(memory_limit=memory_limit, disk_limit=disk_limit, on_problem=on_problem)
    files = [Path(path) for path in paths]
    if not files:
        raise DataError("`paths` must have at least one path. Received: none.")

    def done(number: int) -> None:
        if progress is not None:
            progress(number, len(files))

    height, width = target.size or (0, 0)
    n_bytes = len(files) * height * width * target.channels
    folder = cache_home() / "images" if cache_folder is None else Path(cache_folder)
    if n_bytes <= memory_limit:
        loaded = _in_memory(files, target, n_threads, done)
    elif n_bytes <= disk_limit:
        loaded = _on_disk(files, target, n_threads, done, folder=folder, disk_limit=disk_limit)
    else:
        loaded = _in_files(files, target, n_threads, done)
    if loaded.problems and (on_problem == "raise" or not len(loaded.kept)):
        raise DataError(_problem_text(loaded.problems, len(files)))
    return loaded


def _check(*, memory_limit: object, disk_limit: object, on_problem: object) -> None:
    for name, value in (("memory_limit", memory_limit), ("disk_limit", disk_limit)):
        if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not value >= 0:
            raise ValueError(f"`{name}` must be a number of bytes, 0 or more. Received: {name}={value!r}.")
    if on_problem not in ("raise", "skip"):
        raise ValueError(f"`on_problem` must be 'raise' or 'skip'. Received: on_problem={on_problem!r}.")


def _in_memory(files: Sequence[Path], target: Target, n_threads: int, done: Callable[[int], None]) -> LoadedImages:
    array = np.empty((len(files), *(target.size or (0, 0)), target.channels), np.uint8)
    kept: list[int] = []
    problems: list[ImageProblem] = []
    for number, image in enumerate(_decoded(files, target, n_threads)):
        if isinstance(image, ImageProblem):
            problems.append(image)
        else:
            array[len(kept)] = image
            kept.append(number)
        done(number + 1)
    return LoadedImages(array[: len(kept)], np.asarray(kept, dtype=np.int64), tuple(problems))


def _on_disk(
    files: Sequence[Path],
    target: Target,
    n_threads: int,
    done: Callable[[int], None],
    *,
    folder: Path,
    disk_limit: int,
) -> LoadedImages:
    cache = ImageCache(folder, files, target)
    found = cache.find()
    if found is None:
        if not cache.make_room(disk_limit):
            return _in_files(files, target, n_threads, done)
        written = cache.write(_decoded(files, target, n_threads), done=done)
        if not isinstance(written, Entry):
            return LoadedImages(np.empty((0, 0, 0, 0), np.uint8), np.empty(0, np.int64), written)
        found = written
    return LoadedImages(*found)


def _in_files(files: Sequence[Path], target: Target, n_threads: int, done: Callable[[int], None]) -> LoadedImages:
    """Read every file once, to find the problems before the training, and hold none."""
    kept: list[int] = []
    problems: list[ImageProblem] = []
    for number, image in enumerate(_decoded(files, target, n_threads)):
        if isinstance(image, ImageProblem):
            problems.append(image)
        else:
            kept.append(number)
        done(number + 1)
    return LoadedImages(
        ImageFiles(
            [files[number] for number in kept],
            size=target.size or (1, 1),
            channels=1 if target.channels == 1 else 3,
            resize=target.resize,  # type: ignore[arg-type]
            n_workers=n_threads,
            max_pixels=target.max_pixels,
        ),
        np.asarray(kept, dtype=np.int64),
        tuple(problems),
    )


def _problem_text(problems: Sequence[ImageProblem], n_files: int) -> str:
    """List the first problems, and say how many there are."""
    lines = [f"{len(problems)} of {n_files} images cannot be used:"]
    lines += [f"  {problem}" for problem in problems[:_N_SHOWN]]
    if len(problems) > _N_SHOWN:
        lines.append(f"  and {len(problems) - _N_SHOWN} more")
    return "\n".join(lines)


def _decode_one(path: Path, target: Target) -> np.ndarray | ImageProblem:
    try:
        return decode(path, target)
    except UndecodableError as error:
        return ImageProblem(path, error.kind, error.message)


def _decoded(files: Sequence[Path], target: Target, n_threads: int) -> Iterator[np.ndarray | ImageProblem]:
    """Decode some files at a time, and give the results in the order of the files."""
    if n_threads == 1:
        for path in files:
            yield _decode_one(path, target)
        return
    pool = ThreadPoolExecutor(n_threads, thread_name_prefix="strata-decode")
    stream = iter(files)
    waiting: deque[Future[np.ndarray | ImageProblem]] = deque()
    try:
        waiting.extend(pool.submit(_decode_one, path, target) for path in islice(stream, 4 * n_threads))
        while waiting:
            yield waiting.popleft().result()
            waiting.extend(pool.submit(_decode_one, path, target) for path in islice(stream, 1))
    finally:
        pool.shutdown(cancel_futures=True)
