"""What every step of an augmentation has, and the checks of its numbers."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from strata.data.sources import Batch

__all__ = ["Step", "boxes", "check_number", "check_probability", "check_range", "to_device"]


class Step(ABC):
    """One step: takes a batch and a generator, gives a batch."""

    #: Whether it only moves pixels (filling with 0), so that it may be taken on uint8 as well, where it costs less.
    moves_pixels: ClassVar[bool] = False
    #: Whether it mixes images, so that targets become rows of probabilities.
    mixes: ClassVar[bool] = False
    #: Whether it draws from global generators (which are put back), and so must not be taken beside a training step.
    is_foreign: ClassVar[bool] = False

    @abstractmethod
    def transform(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Return the batch with the step taken; the batch given is not changed."""


def check_number(name: str, value: object, *, least: float, most: float = math.inf) -> None:
    """Refuse what is not a number in a range."""
    if isinstance(value, bool) or not isinstance(value, (int, float, np.number)) or not least <= value <= most:
        bound = f"at least {least:g}" if most == math.inf else f"in [{least:g}, {most:g}]"
        raise ValueError(f"`{name}` must be a number {bound}. Received: {name}={value!r}.")


def check_probability(value: object) -> None:
    """Refuse what is not a probability."""
    check_number("probability", value, least=0.0, most=1.0)


def check_range(name: str, value: object, *, least: float, most: float = math.inf) -> None:
    """Refuse what is not an ordered pair of numbers in a range."""
    if not isinstance(value, (tuple, list)) or len(value) != 2 or not value[0] <= value[1]:
        raise ValueError(f"`{name}` must be two numbers, the smaller first. Received: {name}={value!r}.")
    for number in value:
        check_number(name, number, least=least, most=most)


def to_device(values: np.ndarray, x: Tensor) -> Tensor:
    """Return drawn numbers as a float32 tensor, or an int64 one, where the images are."""
    kind = np.int64 if values.dtype.kind in "iu" else np.float32
    return torch.from_numpy(values.astype(kind)).to(x.device, non_blocking=True)


def boxes(
    generator: np.random.Generator, n: int, size: tuple[int, int], area: tuple[float, float], ratio: tuple[float, float]
) -> np.ndarray:
    """Draw n boxes ``(top, left, height, width)``, real numbers in pixels, by area and ratio of width to height.

    The area is uniform on the scale of the whole image, the ratio on a logarithmic one; a side longer than the image
    is cut to it. The place is uniform.
    """
    height, width = size
    share = generator.uniform(*area, size=n) * height * width
    aspect = np.exp(generator.uniform(math.log(ratio[0]), math.log(ratio[1]), size=n))
    heights = np.minimum(np.sqrt(share / aspect), height)
    widths = np.minimum(np.sqrt(share * aspect), width)
    tops, lefts = generator.random((2, n)) * [height - heights, width - widths]
    return np.stack([tops, lefts, heights, widths], axis=1)
