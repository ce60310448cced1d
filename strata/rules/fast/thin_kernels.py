# mypy: disable-error-code="no-untyped-call,import-untyped"
"""What moves numbers between the matrix products of thin layers, compiled.

Images lie with their channels innermost, (n, height, width, channels). A *window* is what some neighbouring outputs
of a row see: ``k_height`` rows of numbers that follow each other in memory.
"""

from typing import Any

import numpy as np
from numba import types

from strata.rules.compiled._jit import VECTOR_BYTES, _data, _Vectors, copy_vector, entry, machine_word

__all__ = ["NOBODY", "add_vector", "add_windows", "copy_windows", "item", "pool_backward", "pool_forward"]

#: Winner of a pooled square where nothing was above zero.
NOBODY = 4
_LANES = VECTOR_BYTES // 4


@machine_word
def add_vector(typing_context: Any, source: Any, source_start: Any, target: Any, target_start: Any) -> Any:
    """Add one vector register's worth of elements."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        vectors = _Vectors(context, builder, source.dtype)
        place = _data(context, builder, signature.args[2], arguments[2], arguments[3])
        value = vectors.load(_data(context, builder, signature.args[0], arguments[0], arguments[1]))
        vectors.store(builder.fadd(vectors.load(place), value), place)
        return context.get_dummy_value()

    return types.void(source, types.intp, target, types.intp), codegen


@machine_word
def item(typing_context: Any, array: Any, index: Any) -> Any:
    """Read an element without asking whether the index counts from the end."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.load(_data(context, builder, signature.args[0], arguments[0], arguments[1]))

    return array.dtype(array, types.intp), codegen


@entry
def copy_windows(x: Any, windows: Any, image: int, row: int, step: int, shape: Any) -> None:
    """Copy images into windows.

    ``x`` is flat, ``image`` and ``row`` are the lengths of one of each in it, and windows begin ``step`` numbers apart;
    ``windows`` is flat too, of ``shape`` (n, h, w, k_height, length).
    """
    n, height, width, k_height, length = shape
    target = 0
    for b in range(n):
        for i in range(height):
            for j in range(width):
                source = b * image + i * row + j * step
                for _ in range(k_height):
                    if length < _LANES:
                        for q in range(length):
                            windows[target + q] = x[source + q]
                    else:
                        for q in range(0, length - _LANES, _LANES):
                            copy_vector(x, source + q, windows, target + q)
                        copy_vector(x, source + length - _LANES, windows, target + length - _LANES)
                    source += row
                    target += length


@entry
def add_windows(windows: Any, x: Any, image: int, row: int, step: int, shape: Any) -> None:
    """Add windows up in images that are zero: what :func:`copy_windows` does, transposed."""
    n, height, width, k_height, length = shape
    source = 0
    for b in range(n):
        for i in range(height):
            for j in range(width):
                target = b * image + i * row + j * step
                for _ in range(k_height):
                    whole = length - length % _LANES
                    for q in range(0, whole, _LANES):
                        add_vector(windows, source + q, x, target + q)
                    for q in range(whole, length):
                        x[target + q] += windows[source + q]
                    source += length
                    target += row


@entry
def pool_forward(x: Any, y: Any, winners: Any, rectified: bool, shape: Any, odd: int) -> None:
    """Take the largest of each square of four pixels and note which it was, the first one of equals.

    All arrays are flat, ``y`` of ``shape`` (n, h, w, channels); ``odd`` is 1 where a row of ``x`` has a pixel more than
    two times w, plus 2 where an image has a row more. ``rectified``: what is not above zero becomes zero, and nobody
    has won. NaN stays NaN.
    """
    n, height, width, channels = shape
    row = (2 * width + odd % 2) * channels
    image = (2 * height + odd // 2) * row
    zero = np.float32(0.0)
    place = 0
    for b in range(n):
        for i in range(height):
            above = b * image + 2 * i * row
            for _ in range(width):
                for c in range(channels):
                    v0, v1 = item(x, above + c), item(x, above + channels + c)
                    v2, v3 = item(x, above + row + c), item(x, above + row + channels + c)
                    right, low_right = v1 > v0, v3 > v2
                    upper, lower = v1 if right else v0, v3 if low_right else v2
                    low = lower > upper
                    best = lower if low else upper
                    winner = 2 + np.int32(low_right) if low else np.int32(right)
                    total = v0 + v1 + v2 + v3
                    best = best if total == total else total
                    nobody = rectified and best <= 0
                    y[place] = zero if nobody else best
                    winners[place] = NOBODY if nobody else winner
                    place += 1
                above += 2 * channels


@entry
def pool_backward(gradient: Any, winners: Any, out: Any, shape: Any, odd: int) -> None:
    """Hand each derivative to the pixel that won, and nothing to the others; arguments as of the forward pass."""
    n, height, width, channels = shape
    row = (2 * width + odd % 2) * channels
    image = (2 * height + odd // 2) * row
    offsets = np.array([0, channels, row, row + channels, 0])
    shares = np.array([1, 1, 1, 1, 0], dtype=np.float32)
    out[:] = 0
    place = 0
    for b in range(n):
        for i in range(height):
            above = b * image + 2 * i * row
            for _ in range(width):
                for c in range(channels):
                    winner = item(winners, place)
                    out[above + item(offsets, winner) + c] = item(gradient, place) * item(shares, winner)
                    place += 1
                above += 2 * channels
