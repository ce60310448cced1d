"""Convolution of 3x3 with a quarter of the multiplications, on the CPU.

A. Lavin and S. Gray, "Fast Algorithms for Convolutional Neural Networks", CVPR 2016, arXiv:1509.09308: F(4x4, 3x3).
Forward and backward go through the images in blocks that stay in the cache: transform, 36 small matrix products,
transform back. The derivatives are the transposes of the same steps. Rounding errors are some ten times those of the
direct form, about 1e-6 of the largest output.
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

from strata.rules.fast.sharing import n_workers_for, share
from strata.rules.fast.winograd_kernels import (
    KERNEL_MATRIX,
    LANES,
    SIDE,
    add_inputs,
    gather_inputs,
    gather_outputs,
    scatter_outputs,
)

__all__ = ["SquareConv", "is_square_convolution", "make_ready"]

#: Bytes of the transformed inputs of a block of images, measured: twice the second-level cache and more cost as much as
#: many small blocks do.
BLOCK_BYTES = 1_500_000
#: Tiles of a block below which the matrix products are too flat; nor are there fewer than channels.
FEWEST_TILES = 64
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
        Stride and dilation 1, one group, one pixel of zeros around, float32, whole vectors of channels.
    """
    return (
        type(layer) is nn.Conv2d
        and layer.kernel_size == (3, 3)
        and layer.stride == layer.dilation == (1, 1)
        and layer.padding in ("same", (1, 1))
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and layer.weight.dtype is torch.float32
        and layer.in_channels % LANES == layer.out_channels % LANES == 0
        and min(layer.in_channels, layer.out_channels) >= 2 * LANES
    )


class _Plan(NamedTuple):
    """How images are cut into tiles and blocks."""

    n: int
    height: int
    width: int
    rows: int
    columns: int
    block: int

    @classmethod
    def of(cls, x: Tensor) -> _Plan:
        n, channels, height, width = x.shape
        rows, columns = -(-height // SIDE), -(-width // SIDE)
        tiles = max(BLOCK_BYTES // (36 * 4 * channels), channels, FEWEST_TILES)
        block = max(1, min(n, tiles // (rows * columns)))
        return cls(n, height, width, rows, columns, block)

    @property
    def pays(self) -> bool:
        return self.height * self.width >= LEAST_USE * self.rows * self.columns * SIDE**2

    def blocks(self) -> list[tuple[int, int]]:
        return [(first, min(first + self.block, self.n)) for first in range(0, self.n, self.block)]


def _space(role: str, n_numbers: int) -> Tensor:
    """Return memory of this thread for a role, as large as wanted; what lay in it is gone."""
    parts: dict[str, Tensor] = _local.__dict__.setdefault("parts", {})
    part = parts.get(role)
    if part is None or len(part) < n_numbers:
        parts[role] = part = torch.empty(n_numbers)
    return part[:n_numbers]


class _Planes:
    """36 planes (tiles, channels) in memory of this thread."""

    def __init__(self, role: str, n_tiles: int, channels: int) -> None:
        self.plane = n_tiles * channels + GAP
        flat = _space(role, 36 * self.plane)
        self.array = flat.numpy()
        self.matrices = flat.view(36, self.plane)[:, : n_tiles * channels].view(36, n_tiles, channels)


def _field(kind: str, plan: _Plan, channels: int, *, margin: int) -> np.ndarray:
    """Return memory of this thread for one image of whole tiles with a margin, zero where no image has lain."""
    shape = (SIDE * plan.rows + 2 * margin, SIDE * plan.columns + 2 * margin, channels)
    fields: dict[tuple[Any, ...], np.ndarray] = _local.__dict__.setdefault("fields", {})
    key = (kind, plan.height, plan.width, *shape)
    if key not in fields:
        fields[key] = np.zeros(math.prod(shape), dtype=np.float32)
    return fields[key]


def _inputs(images: Tensor, plan: _Plan) -> _Planes:
    """Return the transformed inputs of a block."""
    n, _, _, channels = images.shape
    planes = _Planes("inputs", n * plan.rows * plan.columns, channels)
    field, size = _field("inputs", plan, channels, margin=1), (plan.height, plan.width)
    tiles = (n, plan.rows, plan.columns)
    gather_inputs(images.view(-1).numpy(), planes.array, field, planes.plane, tiles, size, channels)
    return planes


@cache
def _kernel_matrix() -> Tensor:
    """Return what takes a kernel of 9 numbers to its 36, (36, 9)."""
    return torch.from_numpy(np.kron(KERNEL_MATRIX, KERNEL_MATRIX)).float()


def _transformed(weight: Tensor) -> Tensor:
    """Return ``G w G^T`` as 36 matrices (in, out)."""
    out, channels = weight.shape[:2]
    flat = weight.detach().permute(2, 3, 1, 0).reshape(9, channels * out)
    return torch.mm(_kernel_matrix(), flat).view(36, channels, out)


def _forward_block(images: Tensor, kernel: Tensor, plan: _Plan, y: Tensor) -> None:
    inputs, out = _inputs(images, plan), kernel.shape[2]
    tiles, size = (len(images), plan.rows, plan.columns), (plan.height, plan.width)
    outputs = _Planes("outputs", math.prod(tiles), out)
    torch.bmm(inputs.matrices, kernel, out=outputs.matrices)
    field = _field("outputs", plan, out, margin=0)
    scatter_outputs(outputs.array, y.view(-1).numpy(), field, outputs.plane, tiles, size, out)


def _backward_block(
    gradient: Tensor, images: Tensor, kernel: Tensor, plan: _Plan, d_kernel: Tensor, d_x: Tensor | None
) -> None:
    _, channels, out = kernel.shape
    tiles, size = (len(images), plan.rows, plan.columns), (plan.height, plan.width)
    outputs = _Planes("outputs", math.prod(tiles), out)
    field = _field("slopes", plan, out, margin=0)
    gather_outputs(gradient.view(-1).numpy(), outputs.array, field, outputs.plane, tiles, size, out)
    d_kernel.baddbmm_(_inputs(images, plan).matrices.transpose(1, 2), outputs.matrices)
    if d_x is not None:
        inputs = _Planes("inputs", math.prod(tiles), channels)
        torch.bmm(outputs.matrices, kernel.transpose(1, 2), out=inputs.matrices)
        field = _field("sums", plan, channels, margin=1)
        add_inputs(inputs.array, d_x.view(-1).numpy(), field, inputs.plane, tiles, size, channels)


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
        layer, plan = self.layer, _Plan.of(x)
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
        y = torch.empty(plan.n, plan.height, plan.width, len(weight))

        def work(_: int, blocks: Sequence[tuple[int, int]]) -> None:
            for first, end in blocks:
                _forward_block(images[first:end], kernel, plan, y[first:end])

        share(plan.blocks(), work)
        ctx.save_for_backward(images, kernel)
        ctx.plan = plan
        return y.permute(0, 3, 1, 2).detach()  # no view: layers may work in place

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor, None]:
        images, kernel = ctx.saved_tensors
        plan, slopes = ctx.plan, _pixels(gradient)
        d_images = torch.empty_like(images) if ctx.needs_input_grad[0] else None
        blocks = plan.blocks()
        sums = torch.zeros(n_workers_for(blocks), *kernel.shape)

        def work(worker: int, mine: Sequence[tuple[int, int]]) -> None:
            for first, end in mine:
                d_x = None if d_images is None else d_images[first:end]
                _backward_block(slopes[first:end], images[first:end], kernel, plan, sums[worker], d_x)

        share(blocks, work)
        _, channels, out = kernel.shape
        d_flat = torch.mm(_kernel_matrix().t(), sums.sum(0).view(36, -1))
        d_weight = d_flat.view(3, 3, channels, out).permute(3, 2, 0, 1)
        return (None if d_images is None else d_images.permute(0, 3, 1, 2)), d_weight, None


@cache
def make_ready() -> None:
    """Go once through each kernel, so that none is compiled or loaded in the first step."""
    x = torch.zeros(1, LANES, SIDE, SIDE, requires_grad=True)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        SquareConv(nn.Conv2d(LANES, LANES, 3, padding=1))(x).sum().backward()  # type: ignore[no-untyped-call]
