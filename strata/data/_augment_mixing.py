"""Steps that mix two images and their targets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from strata.data._augment_steps import Step, check_number, to_device
from strata.data.sources import Batch

__all__ = ["CutMix", "MixUp"]


@dataclass(frozen=True)
class MixUp(Step):
    """Blend each image and its target with those of another one of the batch (Zhang et al., arXiv 1710.09412).

    ``x = s x_i + (1 - s) x_j`` with ``s ~ Beta(alpha, alpha)`` drawn for each image, and the targets likewise.

    Attributes
    ----------
    alpha : float
        Above 0; small values leave most images nearly as they are.
    n_classes : int or None
        Number of classes, for targets that are class indices.
    """

    alpha: float = 0.2
    n_classes: int | None = None
    mixes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check(self.alpha, self.n_classes)

    def transform(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Blend each image with another."""
        partner, share = _draw(generator, len(batch.x), self.alpha)
        weight = to_device(share, batch.x)[:, None, None, None]
        x = torch.lerp(batch.x[to_device(partner, batch.x)], batch.x, weight)
        return _mixed(batch, x, partner, share, self.n_classes)


@dataclass(frozen=True)
class CutMix(Step):
    """Paste a random window of another image of the batch into each one (Yun et al., arXiv 1905.04899).

    The window takes the share ``1 - s`` of the image, ``s ~ Beta(alpha, alpha)``, about a uniform centre and cut at
    the border; targets are mixed by the share of pixels that is left.

    Attributes
    ----------
    alpha : float
        Above 0; 1 draws the share uniformly.
    n_classes : int or None
        Number of classes, for targets that are class indices.
    """

    alpha: float = 1.0
    n_classes: int | None = None
    mixes: ClassVar[bool] = True

    def __post_init__(self) -> None:
        _check(self.alpha, self.n_classes)

    def transform(self, batch: Batch, generator: np.random.Generator) -> Batch:
        """Paste a window of another image into each."""
        n, _, height, width = batch.x.shape
        partner, share = _draw(generator, n, self.alpha)
        centre = generator.random((2, n)) * [[height], [width]]
        half = np.sqrt(1.0 - share) * [[height / 2], [width / 2]]
        top, left = np.clip(np.round(centre - half), 0, [[height], [width]]).astype(np.int64)
        bottom, right = np.clip(np.round(centre + half), 0, [[height], [width]]).astype(np.int64)
        x = batch.x.clone()
        for row, other in enumerate(partner.tolist()):
            window = (slice(top[row], bottom[row]), slice(left[row], right[row]))
            x[row, :, window[0], window[1]] = batch.x[other, :, window[0], window[1]]
        kept = 1.0 - (bottom - top) * (right - left) / (height * width)
        return _mixed(batch, x, partner, kept, self.n_classes)


def _check(alpha: object, n_classes: object) -> None:
    check_number("alpha", alpha, least=1e-3, most=1000.0)
    if n_classes is not None:
        check_number("n_classes", n_classes, least=1)


def _draw(generator: np.random.Generator, n: int, alpha: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the partner of each image and the share that is left of the image itself."""
    return generator.permutation(n), generator.beta(alpha, alpha, size=n)


def _mixed(batch: Batch, x: Tensor, partner: np.ndarray, share: np.ndarray, n_classes: int | None) -> Batch:
    """Return the mixed images with targets and weights such that the weighted loss is that of both parts."""
    if batch.y is None:
        return batch._replace(x=x)
    y = _rows(batch.y, n_classes)
    other = to_device(partner, y)
    own = to_device(share, y)
    if batch.sample_weight is None:
        return Batch(x, torch.lerp(y[other], y, own[:, None]), None)
    mine, theirs = own * batch.sample_weight, (1.0 - own) * batch.sample_weight[other]
    weight = mine + theirs
    part = torch.where(weight > 0, mine / weight, own)
    return Batch(x, torch.lerp(y[other], y, part[:, None].to(y.dtype)), weight)


def _rows(y: Tensor, n_classes: int | None) -> Tensor:
    """Return targets as rows of numbers."""
    if y.ndim == 2:
        return y if y.is_floating_point() else y.float()
    if y.is_floating_point():
        raise ValueError(f"Images can be mixed with class indices or rows of numbers as targets. Received: {y.dtype}.")
    if n_classes is None:
        raise ValueError("`n_classes` must be given where images with class indices are mixed. Received: None.")
    if y.ndim != 1:
        raise ValueError(f"Targets must be of shape (N,) or (N, L) to be mixed. Received: {tuple(y.shape)}.")
    return torch.nn.functional.one_hot(y.long(), n_classes).float()
