"""Batch normalization with the sum and the rectifier that follow it, in four passes over the numbers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from strata.rules.fast.norm_kernels import LANES, add_gradient_sums, add_sums, map_forward, map_gradient
from strata.rules.fast.sharing import n_workers_for, share

__all__ = ["FastNorm", "is_plain_norm", "make_ready"]

#: Rows of pixels that are handed to a thread at a time.
ROWS_PER_PART = 4096


def is_plain_norm(layer: nn.Module | None) -> bool:
    """Say whether a layer is a batch normalization that can be computed here.

    Parameters
    ----------
    layer : nn.Module or None
        Any layer.

    Returns
    -------
    fits : bool
        With gains, shifts and running statistics of fixed momentum, float32, whole vectors of channels.
    """
    return (
        type(layer) is nn.BatchNorm2d
        and layer.affine
        and layer.track_running_stats
        and layer.momentum is not None
        and layer.weight.dtype is torch.float32
        and layer.num_features % LANES == 0
    )


class FastNorm:
    """A batch normalization, what is added to it, and the rectifier.

    Parameters
    ----------
    layer : nn.BatchNorm2d
        Whose parameters and statistics it uses and moves; in evaluation mode it is called as it is.
    rectified : bool
        Whether a rectifier follows.
    """

    def __init__(self, layer: nn.BatchNorm2d, *, rectified: bool) -> None:
        self.layer = layer
        self.rectified = rectified

    def __call__(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        """Return the layer's output for images (n, channels, height, width), the residual added, rectified."""
        layer = self.layer
        if not layer.training or x.numel() == x.shape[1]:
            y = layer(x) if residual is None else layer(x) + residual
            return torch.relu(y) if self.rectified else y
        result: Tensor = _Norm.apply(x, residual, layer.weight, layer.bias, self)
        return result


def _rows(x: Tensor) -> Tensor:
    """Return the pixels of images, (pixels, channels), in memory one after the other."""
    return x.detach().permute(0, 2, 3, 1).contiguous().view(-1, x.shape[1])


def _parts(n_rows: int) -> list[tuple[int, int]]:
    return [(first, min(first + ROWS_PER_PART, n_rows)) for first in range(0, n_rows, ROWS_PER_PART)]


def _flat(x: Tensor) -> np.ndarray:
    array: np.ndarray = x.view(-1).numpy()
    return array


class _Totals:
    """Sums of each worker, added up in their order."""

    def __init__(self, parts: Sequence[object], channels: int) -> None:
        n_workers = n_workers_for(parts)
        self.of = np.zeros((n_workers, 2, channels))
        self.scratch = np.empty((n_workers, 2, channels), dtype=np.float32)

    def added(self) -> np.ndarray:
        total: np.ndarray = self.of.sum(axis=0)
        return total


class _Norm(torch.autograd.Function):
    """The normalization and its derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, residual: Tensor | None, gain: Tensor, shift: Tensor, norm: FastNorm) -> Tensor:
        layer, rows = norm.layer, _rows(x)
        n, channels = rows.shape
        parts, flat = _parts(n), _flat(rows)
        pivot = flat[:channels].copy()
        totals = _Totals(parts, channels)

        def count(worker: int, mine: Sequence[tuple[int, int]]) -> None:
            for first, end in mine:
                add_sums(flat, pivot, totals.scratch[worker], totals.of[worker], first, end)

        share(parts, count)
        from_pivot, squares = totals.added() / n
        mean, variance = pivot + from_pivot, np.maximum(squares - from_pivot**2, 0.0)
        inverse = 1.0 / np.sqrt(variance + layer.eps)
        scale = gain.detach().numpy() * inverse
        factors = np.stack([scale, shift.detach().numpy() - scale * mean]).astype(np.float32)
        others = flat if residual is None else _flat(_rows(residual))
        y = torch.empty(x.shape[0], *x.shape[2:], channels)
        out = _flat(y)

        def work(_: int, mine: Sequence[tuple[int, int]]) -> None:
            for first, end in mine:
                map_forward(flat, others, out, factors[0], factors[1], norm.rectified, residual is not None, first, end)

        share(parts, work)
        _move_statistics(layer, mean, variance * (n / (n - 1)))
        ctx.save_for_backward(rows, y if norm.rectified else rows, gain)  # others may be changed in place
        ctx.mean, ctx.inverse, ctx.rectified, ctx.summed = mean, inverse, norm.rectified, residual is not None
        ctx.shape = y.shape
        return y.permute(0, 3, 1, 2).detach()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        rows, y, gain = ctx.saved_tensors
        n, channels = rows.shape
        parts, slopes, flat, seen = _parts(n), _flat(_rows(gradient)), _flat(rows), _flat(y)
        totals, mean = _Totals(parts, channels), ctx.mean.astype(np.float32)

        def count(worker: int, mine: Sequence[tuple[int, int]]) -> None:
            scratch, of = totals.scratch[worker], totals.of[worker]
            for first, end in mine:
                add_gradient_sums(slopes, seen, flat, mean, scratch, of, ctx.rectified, first, end)

        share(parts, count)
        total, products = totals.added()
        a = gain.numpy() * ctx.inverse
        b = -a * ctx.inverse**2 * products / n
        factors = np.stack([a, b, -a * total / n - b * mean]).astype(np.float32)
        d_x = torch.empty(ctx.shape)
        masks = ctx.summed and ctx.rectified
        d_residual = torch.empty(ctx.shape) if masks else d_x

        def work(_: int, mine: Sequence[tuple[int, int]]) -> None:
            out, other = _flat(d_x), _flat(d_residual)
            for first, end in mine:
                map_gradient(slopes, seen, flat, factors, out, other, ctx.rectified, ctx.summed, first, end)

        share(parts, work)
        residual = None
        if ctx.summed:
            residual = d_residual.permute(0, 3, 1, 2) if masks else gradient
        d_gain = torch.from_numpy((products * ctx.inverse).astype(np.float32))
        return d_x.permute(0, 3, 1, 2), residual, d_gain, torch.from_numpy(total.astype(np.float32)), None


@torch.no_grad()
def _move_statistics(layer: nn.BatchNorm2d, mean: np.ndarray, variance: np.ndarray) -> None:
    """Move the running statistics as torch does; the variance is the unbiased one."""
    moved = ((layer.running_mean, mean), (layer.running_var, variance))
    for running, value in moved:
        if running is not None and layer.momentum is not None:
            running.lerp_(torch.from_numpy(value.astype(np.float32)), layer.momentum)
    if layer.num_batches_tracked is not None:
        layer.num_batches_tracked.add_(1)


@cache
def make_ready() -> None:
    """Go once through each kernel, so that none is compiled or loaded in the first step."""
    x = torch.zeros(1, LANES, 2, 2, requires_grad=True)
    with torch.enable_grad():
        norm = FastNorm(nn.BatchNorm2d(LANES), rectified=True)
        norm(norm(x), x).sum().backward()  # type: ignore[no-untyped-call]
