"""Convolution of 3x3 with a quarter of the multiplications, on the CPU.

A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, arXiv:1509.09308: F(4x4, 3x3).
Forward and backward go through the images in small groups of tiles that stay in the cache: transform, 36 small matrix
products, transform back. The derivatives are the transposes of the same steps. Rounding errors are some ten times those
of the direct form, about 1e-6 of the largest output.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Sequence
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from strata.rules.compiled._jit import TILE_ROWS
from strata.rules.fast.sharing import n_workers_for, share
from strata.rules.fast.winograd_kernels import KERNEL_MATRIX, SIDE, STEP, convolve, differentiate, panel_width

__all__ = ["SquareConv", "is_square_convolution", "make_ready"]

#: Tiles of a group for each channel: with fewer, reading the matrices takes longer than multiplying by them; with more,
#: the planes leave the cache.
TILES_PER_CHANNEL = 0.75
#: Numbers between two planes beyond their size; at powers of two they would share the lines of the cache.
GAP = 16
#: Share of the pixels of the tiles that must belong to the image; the rest is computed in vain.
LEAST_USE = 0.5

_local = threading.local()


def is_square_convolution(layer: nn.Module) -> bool:
    """Say whether a layer is a 3x3 convolution that can be computed here.

    Parameters
    ----------
    layer : nn.Module
        Any layer.

    Returns
    -------
    fits : bool
        Stride and dilation 1, one group, one pixel of zeros around, float32, multiples of 16 channels.
    """
    return (
        type(layer) is nn.Conv2d
        and layer.kernel_size == (3, 3)
        and layer.stride == layer.dilation == (1, 1)
        and layer.padding in ("same", (1, 1))
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and layer.weight.dtype is torch.float32
        and layer.in_channels % STEP == layer.out_channels % STEP == 0
    )


class _Plan(NamedTuple):
    """How images are cut into tiles, and those into groups."""

    n: int
    size: tuple[int, int, int, int]  # height, width, rows of tiles, columns of tiles
    depths: tuple[int, int]  # channels in, out
    group: int  # rows of tiles
    planes: tuple[int, int]  # numbers from one plane of a group to the next, in and out

    @classmethod
    def of(cls, x: Tensor, out: int) -> _Plan:
        n, channels, height, width = x.shape
        rows, columns = -(-height // SIDE), -(-width // SIDE)
        least = TILE_ROWS // math.gcd(TILE_ROWS, columns)  # so that the products have no rest
        wanted = TILES_PER_CHANNEL * (channels + out) / 2
        group = least * max(1, round(wanted / (least * columns)))
        tiles = group * columns
        return cls(
            n, (height, width, rows, columns), (channels, out), group, (tiles * channels + GAP, tiles * out + GAP)
        )

    @property
    def pays(self) -> bool:
        height, width, rows, columns = self.size
        return self.n > 0 and height * width >= LEAST_USE * rows * columns * SIDE**2

    def spaces(self) -> tuple[np.ndarray, np.ndarray]:
        """Return memory of this thread for the planes of a group, in and out."""
        return _space("inputs", 36 * self.planes[0]), _space("outputs", 36 * self.planes[1])


def _space(role: str, n_numbers: int) -> np.ndarray:
    """Return memory of this thread for a role, at least as large as wanted; what lay in it is gone."""
    parts: dict[str, np.ndarray] = _local.__dict__.setdefault("parts", {})
    if role not in parts or len(parts[role]) < n_numbers:
        parts[role] = np.zeros(n_numbers, dtype=np.float32)
    return parts[role]


@cache
def _kernel_matrix() -> Tensor:
    """Return what takes a kernel of 9 numbers to its 36, (36, 9)."""
    return torch.from_numpy(np.kron(KERNEL_MATRIX, KERNEL_MATRIX)).float()


def _transformed(weight: Tensor) -> Tensor:
    """Return ``G w G^T`` as 36 matrices (in, out)."""
    out, channels = weight.shape[:2]
    flat = weight.detach().permute(2, 3, 1, 0).reshape(9, channels * out)
    return torch.mm(_kernel_matrix(), flat).view(36, channels, out)


def _panels(matrices: Tensor) -> np.ndarray:
    """Return matrices (36, rows, columns) as (36, panels, rows, columns of a panel), flat."""
    count, rows, columns = matrices.shape
    width = panel_width(columns)
    return _flat(matrices.reshape(count, rows, columns // width, width).transpose(1, 2).contiguous())


def _flat(x: Tensor) -> np.ndarray:
    array: np.ndarray = x.view(-1).numpy()
    return array


def _pixels(x: Tensor) -> Tensor:
    """Return images with their channels innermost, (n, height, width, channels)."""
    return x.detach().permute(0, 2, 3, 1).contiguous()


class SquareConv:
    """A convolution of 3x3 with one pixel of zeros around.

    Parameters
    ----------
    layer : nn.Conv2d
        Whose weights it uses; see :func:`is_square_convolution`.
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        self.layer = layer

    def __call__(self, x: Tensor) -> Tensor:
        """Return the layer's output for images (n, channels, height, width)."""
        layer, plan = self.layer, _Plan.of(x, self.layer.out_channels)
        if not plan.pays:
            direct: Tensor = layer(x)
            return direct
        y: Tensor = _Convolution.apply(x, layer.weight, plan)
        return y if layer.bias is None else y + layer.bias[:, None, None]


class _Convolution(torch.autograd.Function):
    """The convolution without bias, and its derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, plan: _Plan) -> Tensor:
        images, kernel = _pixels(x), _transformed(weight)
        y = torch.empty(*images.shape[:3], len(weight))
        flat, matrices, out = _flat(images), _panels(kernel), _flat(y)

        def work(_: int, mine: Sequence[int]) -> None:
            convolve(flat, matrices, out, *plan.spaces(), tuple(plan), mine[0], mine[-1] + 1)

        share(range(plan.n), work)
        ctx.save_for_backward(images, kernel)
        ctx.plan = plan
        return y.permute(0, 3, 1, 2).detach()  # no view: layers may work in place

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, None]:
        images, kernel = ctx.saved_tensors
        plan: _Plan = ctx.plan
        flat, slopes = _flat(images), _flat(_pixels(gradient))
        d_images = torch.empty(images.shape if ctx.needs_input_grad[0] else 0)
        out, matrices = _flat(d_images), _panels(kernel.transpose(1, 2))
        channels, depth = plan.depths
        rows = -(-channels // TILE_ROWS) * TILE_ROWS
        sums = torch.zeros(n_workers_for(range(plan.n)), 36, rows, depth)

        def work(worker: int, mine: Sequence[int]) -> None:
            total = _flat(sums[worker])
            differentiate(slopes, flat, matrices, total, out, *plan.spaces(), tuple(plan), mine[0], mine[-1] + 1)

        share(range(plan.n), work)
        total = sums.sum(0)[:, :channels].reshape(36, -1)
        d_weight = torch.mm(_kernel_matrix().t(), total).view(3, 3, channels, depth).permute(3, 2, 0, 1)
        return (d_images.permute(0, 3, 1, 2) if ctx.needs_input_grad[0] else None), d_weight, None


@cache
def make_ready() -> None:
    """Go once through each kernel, so that none is compiled or loaded in the first step."""
    x = torch.zeros(1, STEP, SIDE, SIDE, requires_grad=True)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        SquareConv(nn.Conv2d(STEP, STEP, 3, padding=1))(x).sum().backward()  # type: ignore[no-untyped-call]
