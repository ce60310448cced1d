"""One pass forward and one back through the layers, for some rows of a batch (the equations of L§6.1).

All offsets of a layer are columns of one table, so that networks of any depth share one compiled function. Every
buffer of a layer has one row an example and is padded; the column after the last unit holds ones, so that weights and
bias, which lie one after the other in memory, act as one matrix: ``z = [a 1] [W; b]`` and ``[dW; db] = [a 1]^T d``.
"""

from typing import Any

import numpy as np

from strata.rules.compiled._jit import copy_vector, invoke, kernel, lanes, matrix, vector
from strata.rules.compiled._places import (
    ACTIVATE,
    MULTIPLY,
    MULTIPLY_DENSE,
    NARROW_BACK,
    NARROW_FORWARD,
    NARROW_GRADIENT,
    SLOPE,
)
from strata.rules.compiled.activations import SLOPE_FROM_OUTPUT
from strata.rules.compiled.narrow import pack_units
from strata.rules.compiled.products import pack_rows, pack_transposed

__all__ = ["GAMMA", "backward", "forward", "gather", "mask_key", "mix", "pack_weights"]

#: Columns of the table of layers; offsets count elements of a thread's part of the work buffer, WEIGHT of theta,
#: PACKED, TRANSPOSED and UNITS of the shared part
#: (-1: not used). PRE holds z, or a where the slope is found from a.
SIZE, WIDTH, CODE, PRE, OUT, DELTA, MASK, WEIGHT, PACKED, TRANSPOSED, UNITS, THRESHOLD, N_COLUMNS = range(13)

GAMMA = np.uint64(0x9E3779B97F4A7C15)  # splitmix64, as in strata.functional.dropout
_FIRST = np.uint64(0xBF58476D1CE4E5B9)
_SECOND = np.uint64(0x94D049BB133111EB)


@kernel
def mix(z: Any) -> Any:
    """Mix the bits of a counter: the last part of splitmix64."""
    z = (z ^ (z >> np.uint64(30))) * _FIRST
    z = (z ^ (z >> np.uint64(27))) * _SECOND
    return z ^ (z >> np.uint64(31))


@kernel
def mask_key(seed: int, step: int, layer: int) -> Any:
    """Mix the counters of a dropout mask."""
    key = mix(np.uint64(seed) + GAMMA)
    key = mix(key + np.uint64(step) + GAMMA)
    return mix(key + np.uint64(layer) + GAMMA)


@kernel
def _fill_mask(mask: Any, key: Any, threshold: int, first_row: int, size: int, scale: Any) -> None:
    """Write ``scale`` where a unit is kept and 0 where it is dropped."""
    zero, limit = mask.dtype.type(0), np.uint64(threshold)
    for i in range(mask.shape[0]):
        counter = key + np.uint64((first_row + i) * size) * GAMMA
        for j in range(size):
            counter += GAMMA
            mask[i, j] = scale if (mix(counter) >> np.uint64(11)) >= limit else zero


@kernel
def _drop(layer: Any, scales: Any, work: Any, base: int, key: Any, first_row: int, n_rows: int, dropping: bool) -> None:
    """Apply dropout to a layer's activations: write the mask, and the product of mask and activation."""
    width, at, kind = layer[WIDTH], base + layer[MASK], work.dtype.type
    scale = kind(scales[0] if dropping else scales[1])
    if dropping:
        _fill_mask(matrix(work, at, n_rows, width), key, layer[THRESHOLD], first_row, layer[SIZE], scale)
    else:
        mask = vector(work, at, n_rows * width)
        for i in range(mask.size):
            mask[i] = scale
    mask, out = vector(work, at, n_rows * width), vector(work, base + layer[OUT], n_rows * width)
    for i in range(out.size):
        out[i] *= mask[i]
    for i in range(n_rows):
        work[base + layer[OUT] + i * width + layer[SIZE]] = 1


@kernel
def gather(x: Any, order: Any, first: int, n_rows: int, layer: Any, work: Any, base: int) -> None:
    """Copy rows ``order[first:first + n_rows]`` of x to the input buffer, in whole vectors that may overlap."""
    size, width, step = layer[SIZE], layer[WIDTH], lanes(work)
    for i in range(n_rows):
        source, target = order[first + i] * size, base + layer[OUT] + i * width
        if size < step:
            for j in range(size):
                work[target + j] = x[order[first + i], j]
        else:
            for j in range(0, size - step, step):
                copy_vector(x, source + j, work, target + j)
            copy_vector(x, source + size - step, work, target + size - step)
        work[target + size] = 1


@kernel
def pack_weights(layers: Any, theta: Any, work: Any, part: int, n_parts: int, for_gradient: bool) -> None:
    """Write this part's share of the packed weights: large matrices as they are, and the transposes."""
    for level in range(layers.shape[0] - 1):
        n_in, n_out, start = layers[level, SIZE], layers[level + 1, SIZE], layers[level, WEIGHT]
        if layers[level, PACKED] >= 0:
            low, high = (n_in + 1) * part // n_parts, (n_in + 1) * (part + 1) // n_parts
            pack_rows(theta, start, n_in + 1, n_out, work, layers[level, PACKED], low, high)
        if layers[level, UNITS] >= 0 and part == 0:
            pack_units(theta, start, n_in + 1, n_out, work, layers[level, UNITS])
        if for_gradient and layers[level, TRANSPOSED] >= 0:
            low, high = n_in * part // n_parts, n_in * (part + 1) // n_parts
            pack_transposed(theta, start, n_in, n_out, work, layers[level, TRANSPOSED], low, high)


@kernel
def forward(
    layers: Any,
    scales: Any,
    theta: Any,
    work: Any,
    base: int,
    first_row: int,
    n_rows: int,
    seed: int,
    step: int,
    dropping: bool,
    calls: Any,
) -> None:
    """Compute z and a of every layer from the gathered inputs, up to the scores."""
    last, panel = layers.shape[0] - 1, 2 * lanes(work)
    for level in range(last):
        here, there = layers[level], layers[level + 1]
        if here[THRESHOLD] > 0:
            key = mask_key(seed, step, level)
            _drop(here, scales[level], work, base, key, first_row, n_rows, dropping)
        a, z, k, n = base + here[OUT], base + there[PRE], here[SIZE] + 1, there[SIZE]
        width = there[WIDTH]
        rectify = 1 if there[CODE] == 1 and level + 1 < last else 0
        if here[UNITS] >= 0:
            invoke(calls[NARROW_FORWARD], (work, a, here[WIDTH], here[UNITS], z, width, n_rows, n, k))
            rectify = 0
        elif here[PACKED] >= 0:
            b = (work, here[PACKED], panel, k)
            invoke(calls[MULTIPLY], (work, a, here[WIDTH], 1, *b, work, z, width, n_rows, n, k, rectify))
        else:
            w = (theta, here[WEIGHT], n, 1)
            invoke(calls[MULTIPLY], (work, a, here[WIDTH], 1, *w, work, z, width, n_rows, n, k, rectify))
        if level + 1 == last:
            break
        source, out = vector(work, z, n_rows * width), vector(work, base + there[OUT], n_rows * width)
        if rectify == 0:
            invoke(calls[ACTIVATE], (there[CODE], source, source if there[CODE] <= SLOPE_FROM_OUTPUT else out))
        if there[CODE] <= SLOPE_FROM_OUTPUT and there[OUT] != there[PRE]:
            for i in range(out.size):
                out[i] = source[i]
        for i in range(n_rows):
            work[base + there[OUT] + i * width + n] = 1


@kernel
def backward(layers: Any, work: Any, base: int, gradient: int, spare: int, n_rows: int, calls: Any) -> None:
    """Compute the gradient of every weight and bias from the scores' gradient, and the deltas on the way."""
    panel = 2 * lanes(work)
    for level in range(layers.shape[0] - 2, -1, -1):
        here, there = layers[level], layers[level + 1]
        d, n, width = base + there[DELTA], there[SIZE], here[WIDTH]
        inputs, delta = (work, base + here[OUT], 1, width), (work, d, there[WIDTH])
        target, size = gradient + here[WEIGHT], here[SIZE]
        if here[UNITS] >= 0:
            a, k = base + here[OUT], size + 1
            invoke(calls[NARROW_GRADIENT], (work, a, width, d, there[WIDTH], spare, target, n_rows, n, k))
        else:
            invoke(calls[MULTIPLY_DENSE], (*inputs, *delta, work, target, size + 1, n, n_rows, spare))
        if level == 0:
            break
        before = base + here[DELTA]
        if here[UNITS] >= 0:
            units = (here[UNITS], size + 1)
            invoke(calls[NARROW_BACK], (work, d, there[WIDTH], *units, before, width, n_rows, n, size))
        else:
            transposed = (work, here[TRANSPOSED], panel, n)
            given = (work, d, there[WIDTH], 1)
            invoke(calls[MULTIPLY], (*given, *transposed, work, before, width, n_rows, size, n, 0))
        flat = vector(work, before, n_rows * width)
        if here[THRESHOLD] > 0:
            mask = vector(work, base + here[MASK], n_rows * width)
            for i in range(flat.size):
                flat[i] *= mask[i]
        invoke(calls[SLOPE], (here[CODE], vector(work, base + here[PRE], n_rows * width), flat))
