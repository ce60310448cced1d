"""Steps that move pixels: mirror, shifted and resized windows, turns, elastic deformation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from strata.data._augment_steps import (
    Step,
    boxes,
    check_number,
    check_probability,
    check_range,
    to_device,
)
from strata.data.sources import Batch

__all__ = ["Crop", "Elastic", "Flip", "ResizedCrop", "Rotate"]


@dataclass(frozen=True)
class Flip(Step):
    """Mirror some images.

    Attributes
    ----------
    probability : float
        Of an image to be mirrored.
    direction : str
        "horizontal" (left and right change places) or "vertical".
    """

    probability: float = 0.5
    direction: str = "horizontal"
    moves_pixels: ClassVar[bool] = True

    def __post_init__(self) -> None:
        check_probability(self.probability)
        if self.direction not in ("horizontal", "vertical"):
            raise ValueError(f"`direction` must be 'horizontal' or 'vertical'. Received: direction={self.direction!r}.")

    def transform(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Mirror the images drawn."""
        chosen = np.flatnonzero(generator.random(len(batch.x)) < self.probability)
        if not chosen.size:
            return batch
        axis = -1 if self.direction == "horizontal" else -2
        if batch.x.device.type != "cpu":
            return batch._replace(x=_mirrored(batch.x, chosen, axis))
        x = batch.x.detach().numpy()
        flipped = np.array(x, order="K")  # in the memory order of the images
        for channel in range(x.shape[1]):
            flipped[chosen, channel] = np.flip(x[:, channel], axis)[chosen]
        return batch._replace(x=torch.from_numpy(flipped))


def _mirrored(x: Tensor, chosen: np.ndarray, axis: int) -> Tensor:
    """Mirror some images on the device of the batch."""
    rows = to_device(chosen, x)
    return x.index_copy(0, rows, x[rows].flip(axis))


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

    def __post_init__(self) -> None:
        if self.padding is not None and not isinstance(self.padding, (int, np.integer)):
            raise ValueError(f"`padding` must be whole pixels or None. Received: padding={self.padding!r}.")
        if self.padding is not None:
            check_number("padding", self.padding, least=0, most=4096)

    def transform(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Move each image by up to ``padding`` pixels each way."""
        x = batch.x
        n, _, height, width = x.shape
        padding = max(1, min(height, width) // 8) if self.padding is None else self.padding
        top, left = generator.integers(0, 2 * padding + 1, size=(2, n))
        if x.device.type != "cpu":
            return batch._replace(x=_windows(x, padding, top, left))
        sides = ((padding, padding), (padding, padding))
        window = np.lib.stride_tricks.sliding_window_view
        images = np.arange(n)
        if x.is_contiguous():
            padded = np.pad(x.detach().numpy(), ((0, 0), (0, 0), *sides))
            cut = window(padded, (height, width), axis=(2, 3))[images, :, top, left]
            return batch._replace(x=torch.from_numpy(cut))
        padded = np.pad(x.detach().permute(0, 2, 3, 1).numpy(), ((0, 0), *sides, (0, 0)))
        cut = window(padded, (height, width), axis=(1, 2)).transpose(0, 1, 2, 4, 5, 3)[images, top, left]
        return batch._replace(x=torch.from_numpy(cut).permute(0, 3, 1, 2))


def _windows(x: Tensor, padding: int, top: np.ndarray, left: np.ndarray) -> Tensor:
    """Cut the windows on the device of the batch, by the row and column numbers of each pixel."""
    n, _, height, width = x.shape
    padded = F.pad(x, (padding,) * 4).permute(0, 2, 3, 1)
    rows = to_device(top, x)[:, None] + torch.arange(height, device=x.device)
    columns = to_device(left, x)[:, None] + torch.arange(width, device=x.device)
    images = torch.arange(n, device=x.device)[:, None, None]
    return padded[images, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


@dataclass(frozen=True)
class ResizedCrop(Step):
    """Cut a window of random area and aspect out of each image, and enlarge it to the old size, bilinearly.

    Attributes
    ----------
    area : tuple of float
        Smallest and largest share of the image.
    ratio : tuple of float
        Smallest and largest width over height, drawn on a logarithmic scale.
    """

    area: tuple[float, float] = (0.08, 1.0)
    ratio: tuple[float, float] = (3 / 4, 4 / 3)

    def __post_init__(self) -> None:
        check_range("area", self.area, least=1e-4, most=1.0)
        check_range("ratio", self.ratio, least=1e-2, most=100.0)

    def transform(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Cut and enlarge each image."""
        x = batch.x
        height, width = x.shape[-2:]
        top, left, tall, wide = boxes(generator, len(x), (height, width), self.area, self.ratio).T
        down = _places(top, tall, height)[:, :, None]
        across = _places(left, wide, width)[:, None, :]
        return batch._replace(x=_sampled(x, to_device(across, x), to_device(down, x), "border"))


def _places(start: np.ndarray, extent: np.ndarray, length: int) -> np.ndarray:
    """Return where ``length`` equal steps through each window fall, on the scale -1..1 of the whole side."""
    steps = (np.arange(length) + 0.5) / length
    places: np.ndarray = 2 * (start[:, None] + extent[:, None] * steps) / length - 1
    return places


def _sampled(x: Tensor, across: Tensor, down: Tensor, fill: str) -> Tensor:
    """Return the images at the places (N, H, W) given on the scale -1..1, bilinearly.

    The places are put together by broadcasting: three times as fast as ``affine_grid``.
    """
    places = torch.stack(torch.broadcast_tensors(across, down), dim=-1)  # type: ignore[no-untyped-call]
    return F.grid_sample(x, places, padding_mode=fill, align_corners=False)


@dataclass(frozen=True)
class Rotate(Step):
    """Turn each image about its centre by a random angle, bilinearly.

    Attributes
    ----------
    degrees : float
        Largest angle, either way.
    fill : str
        What comes in at the corners: "zeros" (black), "border" or "reflection".
    """

    degrees: float = 15.0
    fill: str = "zeros"

    def __post_init__(self) -> None:
        check_number("degrees", self.degrees, least=0.0, most=180.0)
        if self.fill not in ("zeros", "border", "reflection"):
            raise ValueError(f"`fill` must be 'zeros', 'border' or 'reflection'. Received: fill={self.fill!r}.")

    def transform(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Turn each image."""
        x = batch.x
        height, width = x.shape[-2:]
        angles = np.radians(generator.uniform(-self.degrees, self.degrees, size=len(x)))[:, None, None]
        cos, sin = to_device(np.cos(angles), x), to_device(np.sin(angles), x)
        across, down = _centres(width, x), _centres(height, x)[:, None]
        return batch._replace(
            x=_sampled(
                x, cos * across - sin * (height / width) * down, sin * (width / height) * across + cos * down, self.fill
            )
        )


def _centres(length: int, x: Tensor) -> Tensor:
    """Return the centres of the pixels along one side, on the scale -1..1."""
    return (torch.arange(length, device=x.device, dtype=torch.float32) + 0.5) * (2 / length) - 1


@dataclass(frozen=True)
class Elastic(Step):
    """Deform each image by a smooth random field (Simard, Steinkraus and Platt, ICDAR 2003).

    Attributes
    ----------
    displacement : float
        Root mean square of each coordinate's displacement, as a share of the shorter side. The paper's alpha 34 with
        sigma 4 on 28 pixels is 0.049.
    smoothness : float
        Standard deviation of the Gaussian that smooths the field, as a share of the shorter side (4 of 28 pixels).
    """

    displacement: float = 0.049
    smoothness: float = 1 / 7

    def __post_init__(self) -> None:
        check_number("displacement", self.displacement, least=0.0, most=1.0)
        check_number("smoothness", self.smoothness, least=1e-3, most=1.0)

    def transform(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Deform each image."""
        x = batch.x
        n, _, height, width = x.shape
        side = min(height, width)
        noise = to_device(generator.random((n, 2, height, width), dtype=np.float32), x).mul_(2).sub_(1)
        down, across = (to_device(_smoothing(length, self.smoothness * side), x) for length in (height, width))
        field = down @ noise @ across.T
        pixels = self.displacement * side * 3**0.5  # the noise has a variance of a third
        across_by, down_by = field.unbind(dim=1)
        return batch._replace(
            x=_sampled(
                x,
                _centres(width, x) + across_by * (2 * pixels / width),
                _centres(height, x)[:, None] + down_by * (2 * pixels / height),
                "zeros",
            )
        )


def _smoothing(length: int, sigma: float) -> np.ndarray:
    """Return the matrix (length, length) of a Gaussian filter that keeps the variance of white noise (inside)."""
    offsets = np.subtract.outer(np.arange(length), np.arange(length))
    radius = np.arange(-int(4 * sigma) - 1, int(4 * sigma) + 2)
    norm = np.sqrt(np.exp(-(radius**2) / sigma**2).sum())
    matrix: np.ndarray = np.exp(-(offsets**2) / (2 * sigma**2)) / norm
    return matrix
