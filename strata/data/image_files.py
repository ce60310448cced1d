"""Reading image files: one format list, one rule for each colour mode, one line for each fault."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from strata.data._decode import MAX_PIXELS, UndecodableError, decode
from strata.data._image_target import checked_target
from strata.errors import DataError

__all__ = ["ImageProblem", "read_image"]


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
