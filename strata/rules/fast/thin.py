"""Convolution and pooling for few channels, as matrix products with what moves numbers in between.

A convolution over few channels wastes the width of the vector unit. Here ``tile`` neighbouring outputs of a row are
computed at once, from the window that all of them see, by a banded matrix of the weights: more multiplications, most of
them by zero, and still several times as fast. The results are those of the direct form but for rounding.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from strata.rules.fast.thin_kernels import add_windows, copy_windows, pool_backward, pool_forward

__all__ = ["ThinConv", "ThinPool", "is_thin", "make_ready"]

#: Channels from which on the library's own convolution is the faster one, measured on AVX2.
FEW_CHANNELS = 8
#: Outputs of a window (times channels) below which a matrix product gains nothing from having fewer.
_NARROW = 24


def is_thin(layer: nn.Module) -> bool:
    """Say whether a layer is a plain convolution over few channels.

    Parameters
    ----------
    layer : nn.Module
        Any layer.

    Returns
    -------
    thin : bool
        Stride and dilation 1, one group, float32, padded by zeros if at all, fewer than 8 channels in.
    """
    return (
        type(layer) is nn.Conv2d
        and layer.in_channels < FEW_CHANNELS
        and layer.stride == layer.dilation == (1, 1)
        and layer.groups == 1
        and layer.padding_mode == "zeros"
        and not isinstance(layer.padding, str)
        and layer.weight.dtype is torch.float32
    )


def _tile(width: int, layer: nn.Conv2d) -> int:
    """Return how many neighbouring outputs to compute at once: a divisor of the width, by counting products."""

    def cost(tile: int) -> float:
        window = layer.kernel_size[0] * (layer.kernel_size[1] + tile - 1) * layer.in_channels
        outputs = -(-tile * layer.out_channels // 8) * 8
        return window * max(outputs, _NARROW) / tile

    return min((tile for tile in range(1, min(width, 16) + 1) if width % tile == 0), key=cost)


class _Space:
    """Memory that is used again in every step; what lies in it is gone with the next one."""

    def __init__(self) -> None:
        self._parts: dict[str, Tensor] = {}

    def take(self, name: str, *shape: int, dtype: torch.dtype = torch.float32, zeros: bool = False) -> Tensor:
        """Return a tensor of a shape; with ``zeros``, one that was zero when it was first made in this shape."""
        part = self._parts.get(name)
        if part is None or part.shape != shape:
            part = (torch.zeros if zeros else torch.empty)(shape, dtype=dtype)
            self._parts[name] = part
        return part


class ThinConv:
    """A convolution of stride 1 over few channels.

    Parameters
    ----------
    layer : nn.Conv2d
        Whose weights it uses; see :func:`is_thin`.
    """

    def __init__(self, layer: nn.Conv2d) -> None:
        self.layer = layer
        self.padding = (int(layer.padding[0]), int(layer.padding[1]))
        self.space = _Space()
        self._places: dict[int, Tensor] = {}

    def __call__(self, x: Tensor) -> Tensor:
        """Return the layer's output for images (n, channels, height, width), channels innermost in memory."""
        result: Tensor = _Convolution.apply(x, self.layer.weight, self.layer.bias, self)
        return result

    def places(self, tile: int) -> Tensor:
        """Return where each weight stands in the flat banded matrix, (tile, out, in, k_height, k_width)."""
        if tile not in self._places:
            out, channels, k_height, k_width = self.layer.weight.shape
            shift = np.arange(tile)[:, None, None, None, None]
            o = np.arange(out)[:, None, None, None]
            c, i, j = np.ogrid[:channels, :k_height, :k_width]
            row = (i * (k_width + tile - 1) + shift + j) * channels + c
            self._places[tile] = torch.from_numpy((row * (tile * out) + shift * out + o).reshape(-1))
        return self._places[tile]


class _Convolution(torch.autograd.Function):
    """The product of windows and the banded matrix, and its derivative."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, conv: ThinConv) -> Tensor:
        out, channels, k_height, k_width = weight.shape
        p_height, p_width = conv.padding
        n, _, height, width = x.shape
        padded = (n, height + 2 * p_height, width + 2 * p_width, channels)
        rows, columns = padded[1] - k_height + 1, padded[2] - k_width + 1
        tile = _tile(columns, conv.layer)
        length = (k_width + tile - 1) * channels
        images = x.permute(0, 2, 3, 1)
        if p_height or p_width:
            field = conv.space.take("field", *padded, zeros=True)
            field[:, p_height : p_height + height, p_width : p_width + width] = images
        else:
            field = images.contiguous()
        windows = conv.space.take("windows", n, rows, columns // tile, k_height, length)
        ctx.steps = (padded[1] * padded[2] * channels, padded[2] * channels, tile * channels, tuple(windows.shape))
        copy_windows(field.view(-1).numpy(), windows.view(-1).numpy(), *ctx.steps)
        matrix = conv.space.take("matrix", k_height * length, tile * out, zeros=True)
        matrix.view(-1)[conv.places(tile)] = weight.reshape(-1).repeat(tile)
        flat = windows.view(-1, k_height * length)
        product = conv.space.take("product", len(flat), tile * out)
        if bias is None:
            torch.mm(flat, matrix, out=product)
        else:
            torch.addmm(bias.repeat(tile), flat, matrix, out=product)
        ctx.conv, ctx.tile, ctx.flat, ctx.matrix = conv, tile, flat, matrix
        ctx.padded, ctx.size, ctx.weight_shape = padded, (height, width), weight.shape
        return product.view(n, rows, columns, out).permute(0, 3, 1, 2).detach()  # no view: layers may work in place

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, Tensor | None, Tensor | None, None]:
        conv, tile, out = ctx.conv, ctx.tile, ctx.weight_shape[0]
        flat = gradient.permute(0, 2, 3, 1).contiguous().view(-1, tile * out)
        d_weight = d_bias = d_x = None
        if ctx.needs_input_grad[1]:
            banded = torch.mm(ctx.flat.t(), flat, out=conv.space.take("banded", ctx.flat.shape[1], tile * out))
            d_weight = banded.view(-1)[conv.places(tile)].view(tile, *ctx.weight_shape).sum(0)
        if ctx.needs_input_grad[2]:
            d_bias = flat.sum(0).view(tile, out).sum(0)
        if ctx.needs_input_grad[0]:
            windows = torch.mm(flat, ctx.matrix.t(), out=conv.space.take("d_windows", *ctx.flat.shape))
            field = conv.space.take("d_field", *ctx.padded).zero_()
            add_windows(windows.view(-1).numpy(), field.view(-1).numpy(), *ctx.steps)
            p_height, p_width = conv.padding
            height, width = ctx.size
            d_x = field[:, p_height : p_height + height, p_width : p_width + width].permute(0, 3, 1, 2)
        return d_x, d_weight, d_bias, None


class ThinPool:
    """The largest of each square of four pixels, and the rectifier before or after it.

    Parameters
    ----------
    rectified : bool
        Whether there is a rectifier.
    """

    def __init__(self, *, rectified: bool) -> None:
        self.rectified = rectified
        self.space = _Space()

    def __call__(self, x: Tensor) -> Tensor:
        """Return the pooled images of images (n, channels, height, width)."""
        result: Tensor = _Pooling.apply(x, self)
        return result


class _Pooling(torch.autograd.Function):
    """Pooling that remembers winners in bytes."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, pool: ThinPool) -> Tensor:
        images = x.permute(0, 2, 3, 1).contiguous()
        n, height, width, channels = images.shape
        pooled = pool.space.take("pooled", n, height // 2, width // 2, channels)
        winners = pool.space.take("winners", *pooled.shape, dtype=torch.uint8)
        ctx.pool, ctx.winners, ctx.shape, ctx.odd = pool, winners, images.shape, width % 2 + 2 * (height % 2)
        x_flat, y_flat, won = (part.view(-1).numpy() for part in (images, pooled, winners))
        pool_forward(x_flat, y_flat, won, pool.rectified, tuple(pooled.shape), ctx.odd)
        return pooled.permute(0, 3, 1, 2).detach()

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        out, gradient = ctx.pool.space.take("gradient", *ctx.shape), gradient.permute(0, 2, 3, 1).contiguous()
        slopes, won, flat = (part.view(-1).numpy() for part in (gradient, ctx.winners, out))
        pool_backward(slopes, won, flat, tuple(gradient.shape), ctx.odd)
        return out.permute(0, 3, 1, 2), None


@cache
def make_ready() -> None:
    """Go once through each kernel, so that none is compiled or loaded in the first step."""
    x = torch.zeros(1, 1, 3, 3, requires_grad=True)
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        conv = ThinConv(nn.Conv2d(1, 1, 2))
        ThinPool(rectified=True)(conv(x)).sum().backward()  # type: ignore[no-untyped-call]
