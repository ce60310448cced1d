"""Steps that move pixels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from strata.data._augment_steps import Step
from strata.data.sources import Batch

__all__ = ["Crop", "Flip"]


@dataclass(frozen=True)
class Flip(Step):
    """Mirror some images left to right.

    Attributes
    ----------
    probability : float
        Of an image to be mirrored.
    """

    probability: float = 0.5
    moves_pixels: ClassVar[bool] = True

    def transform(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Mirror the images drawn."""
        chosen = np.flatnonzero(generator.random(len(batch.x)) < self.probability)
        if not chosen.size:
            return batch
        if batch.x.device.type == "cpu":
            x = _rows_last(batch.x)
            flipped = x.copy()
            flipped[chosen] = x[chosen, :, ::-1]
            return batch._replace(x=_as_images(flipped))
        rows = torch.from_numpy(chosen).to(batch.x.device)
        return batch._replace(x=batch.x.index_copy(0, rows, batch.x[rows].flip(-1)))


@dataclass(frozen=True)
class Crop(Step):
    """Pad images with black on all sides, and cut a window of the old size out of each at a random place.

    Attributes
    ----------
    padding : int or None
        Pixels on each side; None takes an eighth of the shorter side (4 for 32 pixels), at least 1.
    """

    padding: int | None = None
    moves_pixels: ClassVar[bool] = True

    def transform(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Move each image by up to ``padding`` pixels each way."""
        x = batch.x
        n, channels, height, width = x.shape
        padding = max(1, min(height, width) // 8) if self.padding is None else self.padding
        if not padding:
            return batch
        top, left = generator.integers(0, 2 * padding + 1, size=(2, n))
        if x.device.type == "cpu":
            rows = _rows_last(x)
            padded = np.zeros((n, height + 2 * padding, width + 2 * padding, channels), rows.dtype)
            padded[:, padding : padding + height, padding : padding + width] = rows
            windows = np.lib.stride_tricks.sliding_window_view(padded, (height, width), axis=(1, 2))
            return batch._replace(x=_as_images(windows.transpose(0, 1, 2, 4, 5, 3)[np.arange(n), top, left]))
        return batch._replace(x=_windows(x, padding, top, left))


def _windows(x: Tensor, padding: int, top: np.ndarray, left: np.ndarray) -> Tensor:
    """Cut the windows on the device of the batch, by the row and column numbers of each pixel."""
    n, _, height, width = x.shape
    padded = torch.nn.functional.pad(x, (padding,) * 4).permute(0, 2, 3, 1)
    rows = torch.from_numpy(top).to(x.device)[:, None] + torch.arange(height, device=x.device)
    columns = torch.from_numpy(left).to(x.device)[:, None] + torch.arange(width, device=x.device)
    images = torch.arange(n, device=x.device)[:, None, None]
    return padded[images, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def _rows_last(x: Tensor) -> np.ndarray:
    """Return images (N, C, H, W) on the host as an array (N, H, W, C), a view where they lie so."""
    return x.detach().permute(0, 2, 3, 1).numpy()


def _as_images(array: np.ndarray) -> Tensor:
    """Return an array (N, H, W, C) as a tensor (N, C, H, W) with the channels last in memory."""
    return torch.from_numpy(np.ascontiguousarray(array)).permute(0, 3, 1, 2)
