"""From a drawing on the pad to the picture that a network knows: as the digits of its training set were made."""

from __future__ import annotations

import base64
import binascii

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy.ndimage import center_of_mass

__all__ = ["as_blocks", "as_mnist", "drawing_of"]

Pixels = NDArray[np.uint8]
_SIDE, _BOX = 28, 20
_BITS = 32
_INK = 16  # grey levels below are no ink


def drawing_of(text: str, side: int) -> Pixels:
    """Read a drawing that the page sent.

    Parameters
    ----------
    text : str
        One byte a pixel, row by row, in base 64.
    side : int
        Pixels of a side.

    Returns
    -------
    drawing : ndarray of shape (side, side), uint8
        0 is bare, 255 is ink.

    Raises
    ------
    ValueError
        If it is no base 64 or has another number of pixels.

    Examples
    --------
    >>> drawing_of("AAD/AA==", 2).tolist()
    [[0, 0], [255, 0]]
    """
    try:
        data = base64.b64decode(text, validate=True)
    except binascii.Error:
        raise ValueError("`pixels` must be base 64. Received: other characters.") from None
    if len(data) != side * side:
        raise ValueError(f"`pixels` must hold {side} x {side} bytes. Received: {len(data)}.")
    return np.frombuffer(data, np.uint8).reshape(side, side)


def _cropped(drawing: Pixels) -> Pixels | None:
    """Return the part with ink, or None where there is none."""
    ink = drawing >= _INK
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    if len(rows) == 0:
        return None
    return drawing[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def _scaled(part: Pixels, longest: int) -> Pixels:
    """Bring the longer side to a length, averaging what falls together."""
    height, width = part.shape
    factor = longest / max(height, width)
    size = (max(1, round(width * factor)), max(1, round(height * factor)))
    return np.asarray(Image.fromarray(part).resize(size, Image.Resampling.BILINEAR))


def as_mnist(drawing: Pixels) -> Pixels:
    """Bring a drawing into the form of MNIST.

    Parameters
    ----------
    drawing : ndarray of shape (n, n), uint8
        White on black, anywhere and of any size.

    Returns
    -------
    picture : ndarray of shape (28, 28), uint8
        What has ink fits a box of 20 x 20 with its proportions kept, and its centre of mass lies in the picture's
        middle, row and column 14, to the nearest pixel. Black where there is no ink.

    Notes
    -----
    Y. LeCun, L. Bottou, Y. Bengio, P. Haffner, "Gradient-Based Learning Applied to Document Recognition", 1998,
    section III.A. A digit whose mass lies so far aside that it would leave the picture is pushed back to the edge.

    Examples
    --------
    >>> drawing = np.zeros((100, 100), np.uint8)
    >>> drawing[10:50, 60:70] = 255  # a bar of 40 x 10
    >>> picture = as_mnist(drawing)
    >>> rows, columns = np.nonzero(picture)
    >>> (rows.min(), rows.max(), columns.min(), columns.max()) == (4, 23, 12, 16)
    True
    """
    picture = np.zeros((_SIDE, _SIDE), np.uint8)
    part = _cropped(drawing)
    if part is None:
        return picture
    digit = _scaled(part, _BOX)
    height, width = digit.shape
    down, across = center_of_mass(digit.astype(np.float64))
    top = int(np.clip(round(_SIDE / 2 - down), 0, _SIDE - height))
    left = int(np.clip(round(_SIDE / 2 - across), 0, _SIDE - width))
    picture[top : top + height, left : left + width] = digit
    return picture


def as_blocks(drawing: Pixels) -> NDArray[np.float64]:
    """Bring a drawing into the form of the bundled digits.

    Parameters
    ----------
    drawing : ndarray of shape (n, n), uint8
        White on black, anywhere and of any size.

    Returns
    -------
    picture : ndarray of shape (8, 8), float64
        Whole numbers from 0 to 16: how many of the 4 x 4 points of each block have ink, the digit being as high as
        the 32 x 32 points are, or as wide.

    Examples
    --------
    >>> as_blocks(np.full((64, 64), 255, np.uint8)).tolist() == [[16.0] * 8] * 8
    True
    """
    bits = np.zeros((_BITS, _BITS), bool)
    part = _cropped(drawing)
    if part is not None:
        digit = _scaled(part, _BITS)
        height, width = digit.shape
        top, left = (_BITS - height) // 2, (_BITS - width) // 2
        bits[top : top + height, left : left + width] = digit >= 128
    blocks = bits.reshape(8, 4, 8, 4).sum(axis=(1, 3))
    counts: NDArray[np.float64] = blocks.astype(np.float64)
    return counts
