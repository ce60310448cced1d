"""Decoding and resizing many image files once, before training, into one array."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Literal

import numpy as np

from strata.data._decode import MAX_PIXELS, Target, UndecodableError, decode
from strata.data._image_target import checked_target
from strata.data.image_files import ImageProblem
from strata.errors import DataError

__all__ = ["LoadedImages", "load_images"]


@dataclass(frozen=True, eq=False)
class LoadedImages:
    """Images of one size, and what could not be read.

    Attributes
    ----------
    array : ndarray or memmap of shape (N, height, width, channels), uint8
        The images that could be read, in the order of the paths.
    kept : ndarray of shape (N,), int64
        Number of the path of each image.
    problems : tuple of ImageProblem
        One for each path that could not be read, in the order of the paths.
    """

    array: np.ndarray
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
        Bytes of images to hold in the cache folder.
    cache_folder : path, optional
        Where images beyond ``memory_limit`` lie.
    on_problem : {"raise", "skip"}, default="raise"
        What to do when files cannot be read: raise an error that lists them, or leave them out and report them.
    progress : callable, optional
        Called with ``(files done, files in all)``.
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

    See Also
    --------
    find_images : Find the paths.
    strata.data.ImageSource : Make batches of the array.

    Examples
    --------
    >>> load_images(["no-such.png"], size=32)
    Traceback (most recent call last):
    ...
    strata.errors.DataError: 1 of 1 images cannot be used:
      no-such.png: there is no such file.
    """
    target = checked_target(channels=channels, size=size, resize=resize, max_pixels=max_pixels)
    height, width = target.size or (0, 0)
    files = [Path(path) for path in paths]
    if not files:
        raise DataError("`paths` must have at least one path. Received: none.")
    array = np.empty((len(files), height, width, target.channels), np.uint8)
    problems: list[ImageProblem] = []
    kept: list[int] = []
    for number, pixels in enumerate(_decoded(files, target, n_workers or os.cpu_count() or 1)):
        if isinstance(pixels, ImageProblem):
            problems.append(pixels)
        else:
            array[len(kept)] = pixels
            kept.append(number)
        if progress is not None:
            progress(number + 1, len(files))
    if problems and (on_problem == "raise" or not kept):
        raise DataError(_problem_text(problems, len(files)))
    return LoadedImages(array[: len(kept)], np.asarray(kept, dtype=np.int64), tuple(problems))


def _problem_text(problems: Sequence[ImageProblem], n_files: int, *, n_shown: int = 10) -> str:
    lines = [
        f"{len(problems)} of {n_files} images cannot be used:",
        *(f"  {problem}" for problem in problems[:n_shown]),
    ]
    if len(problems) > n_shown:
        lines.append(f"  and {len(problems) - n_shown} more")
    return "\n".join(lines)


def _decode_one(path: Path, target: Target) -> np.ndarray | ImageProblem:
    try:
        return decode(path, target)
    except UndecodableError as error:
        return ImageProblem(path, error.kind, error.message)


def _decoded(files: Sequence[Path], target: Target, n_workers: int) -> Iterator[np.ndarray | ImageProblem]:
    """Decode some files at a time, and give the results in order."""
    if n_workers == 1:
        for path in files:
            yield _decode_one(path, target)
        return
    with ThreadPoolExecutor(n_workers) as pool:
        stream = iter(files)
        waiting = [pool.submit(_decode_one, path, target) for path in islice(stream, 4 * n_workers)]
        while waiting:
            yield waiting.pop(0).result()
            for path in islice(stream, 1):
                waiting.append(pool.submit(_decode_one, path, target))
