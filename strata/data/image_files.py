"""Reading image files: one format list, one rule for each colour mode, one line for each fault."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from strata.data._decode import MAX_PIXELS, UndecodableError, decode
from strata.data._image_target import checked_target, checked_workers
from strata.errors import DataError

__all__ = ["ImageFiles", "ImageProblem", "read_image"]


@dataclass(frozen=True)
class ImageProblem:
    """Why one image file cannot be used.

    Attributes
    ----------
    path : Path
        The file.
    kind : str
        "missing", "unreadable", "empty", "format", "damaged", "too_large" or "mode".
    message : str
        What is wrong, without the path; ``str(problem)`` has both.
    """

    path: Path
    kind: str
    message: str

    def __str__(self) -> str:
        return f"{self.path}: {self.message}"


def read_image(
    path: str | os.PathLike[str], *, channels: Literal[1, 3] = 3, max_pixels: int = MAX_PIXELS
) -> np.ndarray:
    """Read an image file.

    Parameters
    ----------
    path : str or path
        PNG, JPEG, BMP, WEBP, GIF, TIFF or PPM (PGM, PBM), known by its content and not by its name.
    channels : {1, 3}, default=3
        Grey levels, or red, green and blue.
    max_pixels : int, default=50_000_000
        Pixels of the largest image that is decoded; what is larger is refused by its header.

    Returns
    -------
    image : ndarray of shape (height, width, channels), uint8
        0 is black; turned upright as the EXIF orientation says.

    Raises
    ------
    DataError
        If the file is missing, empty, damaged, truncated, too large, or no image of these formats.
    ValueError
        If ``channels`` or ``max_pixels`` is out of range.

    See Also
    --------
    load_images : Many files at once, resized.

    Notes
    -----
    Films and documents of several pages give their first picture. Transparent pixels lie over white. 16-bit images
    keep the high byte of each value. Palettes, CMYK and YCbCr become RGB without a colour profile; 1-bit images become
    0 and 255. Grey levels are the luma of ITU-R 601-2: 0.299 R + 0.587 G + 0.114 B. 32-bit images are refused.

    Examples
    --------
    >>> read_image("no-such.png")
    Traceback (most recent call last):
    ...
    strata.errors.DataError: no-such.png: there is no such file.
    """
    target = checked_target(channels=channels, size=None, resize="crop", max_pixels=max_pixels)
    try:
        return decode(path, target)
    except UndecodableError as error:
        raise DataError(str(ImageProblem(Path(path), error.kind, error.message))) from None


class ImageFiles:
    """Images that stay in their files and are decoded batch by batch, for more than fits on the disk.

    Parameters
    ----------
    paths : sequence of paths
        The files; read them all once with :func:`load_images` before training on them.
    size : int or tuple of int
        ``(height, width)`` in pixels.
    channels : {1, 3}, default=3
        Grey levels or RGB.
    resize : {"crop", "stretch", "pad"}, default="crop"
        As in :func:`load_images`.
    n_workers : int, optional
        How many files are decoded at a time; by default one for each processor.
    max_pixels : int, default=50_000_000
        Pixels of the largest image that is decoded.

    Attributes
    ----------
    shape : tuple of int
        ``(N, height, width, channels)``, as of the array they would make.
    dtype : dtype
        uint8.
    n_rows : int
        Number of files, N.

    Raises
    ------
    ValueError
        If an argument is out of range.

    See Also
    --------
    load_images : Returns these beyond its ``disk_limit``.

    Examples
    --------
    >>> ImageFiles(["a.png", "b.png"], size=32).shape
    (2, 32, 32, 3)
    """

    def __init__(
        self,
        paths: Sequence[str | os.PathLike[str]],
        *,
        size: int | tuple[int, int],
        channels: Literal[1, 3] = 3,
        resize: Literal["crop", "stretch", "pad"] = "crop",
        n_workers: int | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> None:
        self._target = checked_target(channels=channels, size=size, resize=resize, max_pixels=max_pixels)
        self.paths = tuple(Path(path) for path in paths)
        self.n_rows = len(self.paths)
        height, width = self._target.size or (0, 0)
        self.shape = (self.n_rows, height, width, self._target.channels)
        self.dtype = np.dtype(np.uint8)
        self._n_workers = checked_workers(n_workers)
        self._pool: ThreadPoolExecutor | None = None

    def __len__(self) -> int:
        return self.n_rows

    def take(self, rows: slice | np.ndarray) -> Tensor:
        """Decode some images.

        Parameters
        ----------
        rows : slice or ndarray of int
            Which.

        Returns
        -------
        images : Tensor of shape (n, height, width, channels), uint8
            In the order of ``rows``.

        Raises
        ------
        DataError
            If a file was removed or damaged since it was read last.
        """
        numbers = np.arange(self.n_rows)[rows].tolist()
        if self._pool is None and self._n_workers > 1:
            self._pool = ThreadPoolExecutor(self._n_workers, thread_name_prefix="strata-decode")
        mapped = map if self._pool is None else self._pool.map
        out = np.empty((len(numbers), *self.shape[1:]), np.uint8)
        for place, pixels in enumerate(mapped(self._decode, numbers)):
            out[place] = pixels
        return torch.from_numpy(out)

    def _decode(self, number: int) -> np.ndarray:
        path = self.paths[number]
        try:
            return decode(path, self._target)
        except UndecodableError as error:
            raise DataError(f"{ImageProblem(path, error.kind, error.message)} It was readable before.") from None

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_pool": None}
