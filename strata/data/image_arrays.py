"""Images in arrays: brought to another size or number of channels, and their mean and deviation."""

from __future__ import annotations

import numpy as np
import torch
from torch.nn import functional as F

__all__ = ["channel_statistics", "resize_images", "to_channels"]

#: Values that are looked at in one go.
_CHUNK_VALUES = 1 << 24
#: Values from which statistics are taken from images spread over the data rather than from all.
_MOST_VALUES = 1 << 28
#: Shares of red, green and blue in a grey level, ITU-R BT.601.
_LUMA = (0.299, 0.587, 0.114)


def _chunks(n_rows: int, n_values: int) -> list[slice]:
    """Return slices of rows of at most so many values."""
    size = max(1, _CHUNK_VALUES // max(1, n_values))
    return [slice(start, min(start + size, n_rows)) for start in range(0, n_rows, size)]


def resize_images(images: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Scale images to one height and width.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, c), uint8 or float32
        Images; a memory map is read piece by piece.
    size : tuple of int
        Height and width to scale to, in pixels; the proportions are not kept.

    Returns
    -------
    images : ndarray of shape (n, size[0], size[1], c)
        Of the same type; the same object where the size is right already.

    Raises
    ------
    ValueError
        If the array is not of images or a side is below 1.

    See Also
    --------
    load_images : Scales files while they are read.

    Notes
    -----
    Bilinear, smoothed beforehand where the images shrink, as ``torch.nn.functional.interpolate`` with ``antialias``
    and corners not aligned; bytes are rounded to the nearest.

    Examples
    --------
    >>> resize_images(np.array([[[[0.0], [1.0]]]], dtype=np.float32), (1, 4)).ravel()
    array([0.  , 0.25, 0.75, 1.  ], dtype=float32)
    """
    if images.ndim != 4 or min(images.shape[1:]) < 1:
        raise ValueError(f"`images` must have shape (n, h, w, c). Received: images of shape {images.shape}.")
    if len(size) != 2 or min(size) < 1:
        raise ValueError(f"`size` must be a height and a width >= 1. Received: size={size!r}.")
    n, h, w, c = images.shape
    if (h, w) == tuple(size):
        return images
    out = np.empty((n, *size, c), dtype=images.dtype)
    for rows in _chunks(n, max(h * w, size[0] * size[1]) * c):
        x = torch.from_numpy(np.array(images[rows], dtype=np.float32)).permute(0, 3, 1, 2)
        scaled = F.interpolate(x, size=tuple(size), mode="bilinear", antialias=True, align_corners=False)
        if images.dtype == np.uint8:
            scaled = scaled.round_().clamp_(0, 255)
        out[rows] = scaled.permute(0, 2, 3, 1).numpy().astype(images.dtype)
    return out


def to_channels(images: np.ndarray, n_channels: int) -> np.ndarray:
    """Bring images to a number of channels.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, c), uint8 or float32
        Images.
    n_channels : int
        Channels to have: grey levels are repeated, three colours become their luma, and a fourth channel is left out.

    Returns
    -------
    images : ndarray of shape (n, h, w, n_channels)
        Of the same type; the same object where nothing changes.

    Raises
    ------
    ValueError
        If there is no such way.

    Examples
    --------
    >>> to_channels(np.full((1, 1, 1, 1), 7, dtype=np.uint8), 3).ravel()
    array([7, 7, 7], dtype=uint8)
    """
    c = images.shape[3]
    if c == n_channels:
        return images
    if c == 1:
        return np.repeat(images, n_channels, axis=3)
    if c == 4 and n_channels == 3:
        return np.ascontiguousarray(images[..., :3])
    if n_channels != 1 or c not in (3, 4):
        raise ValueError(
            f"`images` must have 1 channel or {n_channels}, as the network takes them. "
            f"Received: images of shape {images.shape}."
        )
    out = np.empty((*images.shape[:3], 1), dtype=images.dtype)
    for rows in _chunks(len(images), int(np.prod(images.shape[1:]))):
        grey = np.asarray(images[rows][..., :3], dtype=np.float32) @ np.asarray(_LUMA, dtype=np.float32)
        out[rows, ..., 0] = np.rint(grey) if images.dtype == np.uint8 else grey
    return out


def channel_statistics(images: np.ndarray) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation of each channel over all pixels.

    Parameters
    ----------
    images : ndarray of shape (n, h, w, c), uint8 or float
        Images from 0 to 255, or from 0 to 1.

    Returns
    -------
    mean : tuple of float
        On the scale from 0 to 1.
    std : tuple of float
        Likewise; 1 for a channel that is the same everywhere.

    Notes
    -----
    Beyond 268 million values every k-th image is taken.

    Examples
    --------
    >>> channel_statistics(np.array([[[[0], [255]]]], dtype=np.uint8))
    ((0.5,), (0.5,))
    """
    n, c = images.shape[0], images.shape[3]
    n_values = int(np.prod(images.shape[1:]))
    stride = max(1, -(-n * n_values // _MOST_VALUES))
    chosen = images[::stride]
    sums, squares, count = np.zeros(c), np.zeros(c), 0
    for rows in _chunks(len(chosen), n_values):
        values = np.asarray(chosen[rows], dtype=np.float64).reshape(-1, c)
        sums += values.sum(axis=0)
        squares += np.einsum("ij,ij->j", values, values)
        count += len(values)
    unit = 255.0 if images.dtype == np.uint8 else 1.0
    mean = sums / count / unit
    variance = np.maximum(squares / count / unit**2 - mean**2, 0.0)
    std = np.where(variance > 1e-12, np.sqrt(variance), 1.0)
    return tuple(mean.tolist()), tuple(std.tolist())
