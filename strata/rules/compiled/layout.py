"""Where everything lies: the tables and the work memory that the kernels share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from strata.functional.dropout import drop_threshold
from strata.nn.dense import DenseSpec, Head
from strata.rules.compiled import losses, passes
from strata.rules.compiled._jit import TILE_ROWS, VECTOR_BYTES
from strata.rules.compiled._places import GRADIENT, N_THREADS, N_WHOLE, SPARE, THREAD_SIZE, THREAD_START, TOPS
from strata.rules.compiled.activations import ACTIVATION_CODES, SLOPE_FROM_OUTPUT
from strata.rules.compiled.narrow import NARROW_UNITS

__all__ = ["Layout", "aligned", "parameter_starts", "plan_layout"]

_PACK_BYTES = 128 * 1024  # a weight matrix above this is copied into panels before each product (measured)
_SLACK = 128  # elements after each buffer: whole tiles are read and written at its end


@dataclass(frozen=True)
class Layout:
    """The tables for one network, batch size and number of parts.

    Attributes
    ----------
    layers : ndarray of shape (n_layers + 1, columns), int64
        Columns as named in :mod:`strata.rules.compiled.passes`.
    scales : ndarray of shape (n_layers + 1, 2), float64
        Factor of a kept unit in training, and of every unit in evaluation.
    heads : ndarray of shape (n_heads, columns), int64
        Columns as named in :mod:`strata.rules.compiled.losses`.
    numbers : ndarray of shape (n_heads, columns), float64
        The heads' numbers, likewise.
    whole : ndarray of int64
        Whole numbers as named in :mod:`strata.rules.compiled.loop`; those of a call are still 0.
    work : ndarray
        All buffers.
    batch_size : int
        Largest number of rows of a batch.
    """

    layers: np.ndarray
    scales: np.ndarray
    heads: np.ndarray
    numbers: np.ndarray
    whole: np.ndarray
    work: np.ndarray
    batch_size: int

    def rows(self, layer: int, buffer: int, n_rows: int) -> np.ndarray:
        """View the rows of one buffer of the first part, padding left out; shape (n_rows, size)."""
        table = self.layers[layer]
        start, width = int(self.whole[THREAD_START] + table[buffer]), int(table[passes.WIDTH])
        return self.work[start : start + n_rows * width].reshape(n_rows, width)[:, : int(table[passes.SIZE])]

    @property
    def gradient(self) -> np.ndarray:
        """View the flat gradient."""
        start = int(self.whole[THREAD_START] + self.whole[GRADIENT])
        return self.work[start : start + int(self.layers[-1, passes.WEIGHT])]


def aligned(n_elements: int, dtype: np.dtype) -> np.ndarray:
    """Allocate zeros that begin at a cache line, with slack behind.

    Parameters
    ----------
    n_elements : int
        Elements wanted.
    dtype : dtype
        Their type.

    Returns
    -------
    zeros : ndarray of shape (n_elements + slack,)
        The slack may be written beyond the end by whole vectors.
    """
    item = dtype.itemsize
    raw = np.zeros(n_elements + _SLACK + 64 // item, dtype=dtype)
    skip = (-raw.ctypes.data % 64) // item
    return raw[skip : skip + n_elements + _SLACK]


def parameter_starts(sizes: Sequence[int]) -> list[int]:
    """Return where each layer's weights begin in theta, and the end.

    Parameters
    ----------
    sizes : sequence of int
        Units of each layer, the inputs first.

    Returns
    -------
    starts : list of int
        One place for each layer of weights, then the length of theta.
    """
    starts = [0]
    for n_in, n_out in pairwise(sizes):
        starts.append(starts[-1] + (n_in + 1) * n_out)
    return starts


def _round_up(number: int, step: int) -> int:
    return -(-number // step) * step


class _Allocator:
    """Hand out offsets, each at a cache line."""

    def __init__(self, item: int) -> None:
        self._line = 64 // item
        self.size = 0

    def take(self, n_elements: int) -> int:
        start = self.size
        self.size += _round_up(n_elements, self._line)
        return start


def _width(size: int, item: int) -> int:
    """Return the padded row length: room for the column of ones, and no stride that falls on few cache sets."""
    lanes = VECTOR_BYTES // item
    width = _round_up(size + 1, lanes)
    return width + lanes if width * item % 256 == 0 else width


def _place_packed(layers: np.ndarray, item: int) -> int:
    """Place the packed weights, shared by all parts, and return their size."""
    memory, panel = _Allocator(item), 2 * VECTOR_BYTES // item
    for layer in range(len(layers) - 1):
        n_in, n_out = int(layers[layer, passes.SIZE]), int(layers[layer + 1, passes.SIZE])
        if n_out <= NARROW_UNITS:
            layers[layer, passes.UNITS] = memory.take((n_in + 1) * n_out)
            continue
        if (n_in + 1) * n_out * item > _PACK_BYTES:
            layers[layer, passes.PACKED] = memory.take((n_in + 1) * _round_up(n_out, panel))
        if layer > 0:
            layers[layer, passes.TRANSPOSED] = memory.take(n_out * _round_up(n_in, panel))
    return memory.size


def _place_buffers(layers: np.ndarray, whole: np.ndarray, item: int, n_rows: int) -> None:
    """Place the buffers of one part."""
    memory, last = _Allocator(item), len(layers) - 1
    for number, layer in enumerate(layers):
        size = _round_up(n_rows, TILE_ROWS) * int(layer[passes.WIDTH]) + _SLACK
        dropped = layer[passes.THRESHOLD] > 0
        if number > 0:
            layer[passes.PRE] = layer[passes.OUT] = memory.take(size)
            layer[passes.DELTA] = memory.take(size)
        in_place = 0 < number < last and layer[passes.CODE] <= SLOPE_FROM_OUTPUT and not dropped
        if not in_place:
            layer[passes.OUT] = memory.take(size)
        if dropped:
            layer[passes.MASK] = memory.take(size)
    whole[GRADIENT] = memory.take(int(layers[-1, passes.WEIGHT]) + _SLACK)
    widest = int(layers[:, passes.WIDTH].max())
    whole[SPARE] = memory.take(max(2 * TILE_ROWS * VECTOR_BYTES // item, widest))
    whole[TOPS] = memory.take(2 * n_rows)
    whole[THREAD_SIZE] = memory.size + _SLACK


def _head_rows(heads: Sequence[Head]) -> tuple[np.ndarray, np.ndarray]:
    table, numbers = np.zeros((len(heads), 8), np.int64), np.zeros((len(heads), 4))
    column = target = 0
    for row, values, head in zip(table, numbers, heads, strict=True):
        options = dict(head.loss_options)
        row[:] = (
            losses.LOSS_CODES[head.loss][head.index_targets],
            ACTIVATION_CODES[head.output_activation],
            column,
            head.size,
            target,
            head.target_width,
            head.loss not in ("half_squared", "rss"),
            len(heads) > 1,
        )
        scale = head.weight * (2.0 if head.loss in ("mse", "rss") else 1.0)
        scale /= head.size if head.loss in ("mse", "huber", "mae") else 1
        values[:] = (scale, options.get("delta", 1.0), options.get("gamma", 2.0), options.get("alpha", -1.0))
        column, target = column + head.size, target + head.target_width
    return table, numbers


def plan_layout(spec: DenseSpec, dtype: np.dtype, *, batch_size: int, n_parts: int) -> Layout:
    """Lay out a network's tables and allocate its buffers.

    Parameters
    ----------
    spec : DenseSpec
        The network.
    dtype : dtype
        float32 or float64.
    batch_size : int
        Largest number of rows of a batch.
    n_parts : int
        Parts that a batch is divided into.

    Returns
    -------
    layout : Layout
        Tables and buffers.
    """
    sizes, item = spec.layer_sizes, dtype.itemsize
    layers = np.full((len(sizes), passes.N_COLUMNS), -1, np.int64)
    scales = np.ones((len(sizes), 2))
    layers[:, passes.SIZE] = sizes
    layers[:, passes.WIDTH] = [_width(size, item) for size in sizes]
    layers[:, passes.WEIGHT] = parameter_starts(sizes)
    layers[:, passes.THRESHOLD] = 0
    layers[1:-1, passes.CODE] = [ACTIVATION_CODES[name] for name in spec.hidden_activations]
    for layer, probability in enumerate(spec.dropout):
        layers[layer, passes.THRESHOLD] = drop_threshold(probability)
        inverted = spec.dropout_form == "inverted"
        scales[layer] = (1 / (1 - probability), 1.0) if inverted else (1.0, 1 - probability)
    whole = np.zeros(N_WHOLE, np.int64)
    whole[N_THREADS] = n_parts
    whole[THREAD_START] = _place_packed(layers, item)
    n_tiles = -(-batch_size // TILE_ROWS)
    rows = -(-n_tiles // n_parts) * TILE_ROWS
    _place_buffers(layers, whole, item, rows)
    heads, numbers = _head_rows(spec.heads)
    work = aligned(int(whole[THREAD_START] + n_parts * whole[THREAD_SIZE]), dtype)
    return Layout(layers, scales, heads, numbers, whole, work, batch_size)
