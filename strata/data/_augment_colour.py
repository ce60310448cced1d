"""Steps that change colours or cover parts."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from strata.data._augment_steps import Step, boxes, check_number, check_probability, check_range, to_device
from strata.data.sources import Batch

__all__ = ["Color", "ColorPCA", "Erase"]

_GREY = np.array([0.299, 0.587, 0.114])  # ITU-R 601-2
_TO_YIQ = np.array([[0.299, 0.587, 0.114], [0.595716, -0.274453, -0.321263], [0.211456, -0.522591, 0.311135]])
#: Eigenvalues and eigenvectors (columns) of RGB on the scale 0..1, over ImageNet.
_PCA_VALUES = np.array([0.2175, 0.0188, 0.0045])
_PCA_VECTORS = np.array([[-0.5675, 0.7192, 0.4009], [-0.5808, -0.0045, -0.8140], [-0.5836, -0.6948, 0.4203]])


@dataclass(frozen=True)
class Color(Step):
    """Change brightness, contrast, saturation and hue of each image, in this order.

    Brightness multiplies; contrast moves away from the image's mean grey level; saturation moves each pixel away from
    its own grey level; hue turns the colours about the grey axis (in YIQ). Factors are uniform in ``1 - a .. 1 + a``,
    the turn in ``-hue .. hue`` of a full circle. All four are affine in RGB and are taken as one map; the result is
    clipped to 0..1 once. Grey images change in brightness and contrast only.

    Attributes
    ----------
    brightness, contrast, saturation : float
        Largest change of the factor, 0..1.
    hue : float
        Largest turn, 0..0.5.
    """

    brightness: float = 0.4
    contrast: float = 0.4
    saturation: float = 0.4
    hue: float = 0.0

    def __post_init__(self) -> None:
        for name in ("brightness", "contrast", "saturation"):
            check_number(name, getattr(self, name), least=0.0, most=1.0)
        check_number("hue", self.hue, least=0.0, most=0.5)

    def transform(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Change the colours of each image."""
        n, channels, height, width = batch.x.shape
        spread = np.array([[self.brightness], [self.contrast], [self.saturation]])
        bright, contrast, saturation = generator.uniform(-1.0, 1.0, size=(3, n)) * spread + 1.0
        turn = generator.uniform(-self.hue, self.hue, size=n)
        maps = (
            _colour_maps(saturation, turn)
            if channels == 3
            else np.broadcast_to(np.eye(channels), (n, channels, channels))
        )
        maps = maps * (bright * contrast)[:, None, None]
        pixels = batch.x.contiguous().reshape(n, channels, height * width)
        weights = _GREY if channels == 3 else np.full(channels, 1.0 / channels)
        means = to_device(weights, pixels) @ pixels.mean(dim=2, keepdim=True)  # mean grey level of each image
        offsets = to_device(bright * (1.0 - contrast), pixels)[:, None, None] * means.reshape(n, 1, 1)
        out = torch.baddbmm(offsets.expand(n, channels, 1), to_device(maps, pixels), pixels)
        return batch._replace(x=out.clamp_(0.0, 1.0).view(n, channels, height, width))


def _colour_maps(saturation: np.ndarray, turn: np.ndarray) -> np.ndarray:
    """Return the matrices (N, 3, 3) that change saturation and then hue; they leave greys as they are."""
    angle = 2 * math.pi * turn
    cos, sin, zero, one = np.cos(angle), np.sin(angle), np.zeros_like(turn), np.ones_like(turn)
    rotation = np.array([[one, zero, zero], [zero, cos, -sin], [zero, sin, cos]]).transpose(2, 0, 1)
    hue = np.linalg.inv(_TO_YIQ) @ rotation @ _TO_YIQ
    grey = np.broadcast_to(_GREY, (3, 3))
    mixed: np.ndarray = hue @ (saturation[:, None, None] * np.eye(3) + (1.0 - saturation)[:, None, None] * grey)
    return mixed


@dataclass(frozen=True)
class ColorPCA(Step):
    """Add a random multiple of each principal component of RGB to all pixels of an image (Krizhevsky et al. 2012).

    Adds ``p1 a1 v1 + p2 a2 v2 + p3 a3 v3`` with ``a ~ N(0, sigma)`` drawn for each image; nothing is clipped, so the
    mean over many draws is the image itself. Grey images get the same number on every pixel, of the same size as the
    change of the grey level.

    Attributes
    ----------
    sigma : float
        Standard deviation of the multiples; 0.1 in the paper.
    """

    sigma: float = 0.1

    def __post_init__(self) -> None:
        check_number("sigma", self.sigma, least=0.0, most=10.0)

    def transform(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Shift the colours of each image."""
        n, channels = batch.x.shape[:2]
        shifts = (generator.normal(0.0, self.sigma, size=(n, 3)) * _PCA_VALUES) @ _PCA_VECTORS.T
        if channels != 3:
            shifts = np.repeat((shifts @ _GREY)[:, None], channels, axis=1)
        return batch._replace(x=batch.x + to_device(shifts, batch.x)[:, :, None, None])


@dataclass(frozen=True)
class Erase(Step):
    """Cover a random rectangle of some images with one value.

    Attributes
    ----------
    probability : float
        Of an image to be covered.
    area : tuple of float
        Smallest and largest share of the image.
    ratio : tuple of float
        Smallest and largest width over height.
    fill : float
        Value on the scale 0..1.
    """

    probability: float = 0.5
    area: tuple[float, float] = (0.02, 0.33)
    ratio: tuple[float, float] = (0.3, 3.3)
    fill: float = 0.5

    def __post_init__(self) -> None:
        check_probability(self.probability)
        check_range("area", self.area, least=0.0, most=1.0)
        check_range("ratio", self.ratio, least=1e-2, most=100.0)
        check_number("fill", self.fill, least=0.0, most=1.0)

    def transform(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Cover the rectangles drawn."""
        n = len(batch.x)
        chosen = generator.random(n) < self.probability
        drawn = boxes(generator, n, (batch.x.shape[-2], batch.x.shape[-1]), self.area, self.ratio)
        top, left, tall, wide = drawn.round().astype(np.int64).T
        x = batch.x.clone()
        for row in np.flatnonzero(chosen).tolist():
            x[row, :, top[row] : top[row] + tall[row], left[row] : left[row] + wide[row]] = self.fill
        return batch._replace(x=x)
