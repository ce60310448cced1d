# mypy: disable-error-code="no-untyped-call,import-untyped"
"""The transforms of Winograd's convolution F(4x4, 3x3) and their transposes, compiled for vectors of channels.

A *tile* is 6x6 pixels of the padded input, 4x4 of the output; neighbouring tiles of the input share two pixels. The
transforms take images (n, height, width, channels) to 36 *planes* (tiles, channels), one for each place in a tile, and
back. Each works on one vector of channels at a time, unrolled into additions and multiplications by the few numbers
of its matrix. Planes lie a little further apart than their size: at a power of two they would fight for the same lines
of the cache.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types

from strata.rules.compiled._jit import VECTOR_BYTES, _data, _Vectors, copy_vector, entry, kernel, machine_word

__all__ = ["KERNEL_MATRIX", "LANES", "SIDE", "add_inputs", "gather_inputs", "gather_outputs", "scatter_outputs"]

LANES = VECTOR_BYTES // 4
SIDE = 4  # pixels of the output in a tile, per axis

_Rows = tuple[tuple[float, ...], ...]

#: B^T, A^T and G of Lavin and Gray, equation 2.1 and section 4.3: interpolation at 0, 1, -1, 2, -2 and infinity.
_INPUT: _Rows = (
    (4, 0, -5, 0, 1, 0),
    (0, -4, -4, 1, 1, 0),
    (0, 4, -4, -1, 1, 0),
    (0, -2, -1, 2, 1, 0),
    (0, 2, -1, -2, 1, 0),
    (0, 4, 0, -5, 0, 1),
)
_OUTPUT: _Rows = (
    (1, 1, 1, 1, 1, 0),
    (0, 1, -1, 2, -2, 0),
    (0, 1, 1, 4, 4, 0),
    (0, 1, -1, 8, -8, 1),
)
KERNEL_MATRIX = np.array(
    [
        [1 / 4, 0, 0],
        [-1 / 6, -1 / 6, -1 / 6],
        [-1 / 6, 1 / 6, -1 / 6],
        [1 / 24, 1 / 12, 1 / 6],
        [1 / 24, -1 / 12, 1 / 6],
        [0, 0, 1],
    ]
)
_FLAGS = ("contract", "nsz")


def _transposed(rows: _Rows) -> _Rows:
    return tuple(zip(*rows, strict=True))


def _combination(vectors: Any, factors: tuple[float, ...], values: list[Any]) -> Any:
    """Write the machine code of a weighted sum of vectors."""
    builder, total = vectors.builder, None
    for factor, value in zip(factors, values, strict=True):
        if factor == 0:
            continue
        if abs(factor) != 1:
            constant = ir.Constant(vectors.type, [ir.Constant(vectors.scalar, float(abs(factor)))] * vectors.count)
            value = builder.fmul(value, constant, flags=_FLAGS)
        if total is None:
            total = value if factor > 0 else builder.fsub(vectors.zero, value, flags=_FLAGS)
        else:
            total = (builder.fadd if factor > 0 else builder.fsub)(total, value, flags=_FLAGS)
    return total


def _sandwich(rows: _Rows, *, add: bool = False) -> Any:
    """Return a machine word that takes a square of vectors ``d`` to ``rows d rows^T``.

    Its arguments: the array to read, and where in it the square begins, how far apart its rows and columns are; the
    same of the array to write. ``add``: what is there already is added to.
    """
    side = len(rows[0])

    @machine_word
    def word(
        typing_context: Any,
        x: Any,
        x_start: Any,
        x_row: Any,
        x_step: Any,
        y: Any,
        y_start: Any,
        y_row: Any,
        y_step: Any,
    ) -> Any:
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            vectors = _Vectors(context, builder, x.dtype)

            def place(first: int, i: int, j: int) -> Any:
                start, row, step = arguments[first + 1 : first + 4]
                number = builder.add(builder.mul(row, row.type(i)), builder.mul(step, step.type(j)))
                offset = builder.add(start, number)
                return _data(context, builder, signature.args[first], arguments[first], offset)

            square = [[vectors.load(place(0, i, j)) for j in range(side)] for i in range(side)]
            half = [
                [_combination(vectors, row, [square[k][j] for k in range(side)]) for j in range(side)] for row in rows
            ]
            for i, line in enumerate(half):
                for j, row in enumerate(rows):
                    value, target = _combination(vectors, row, line), place(4, i, j)
                    vectors.store(builder.fadd(vectors.load(target), value) if add else value, target)
            return context.get_dummy_value()

        n = types.intp
        return types.void(x, n, n, n, y, n, n, n), codegen

    return word


_from_input = _sandwich(_INPUT)
_to_output = _sandwich(_OUTPUT)
_from_output = _sandwich(_transposed(_OUTPUT))
_to_input = _sandwich(_transposed(_INPUT), add=True)


@kernel
def _copy_rows(x: Any, x_start: int, x_row: int, y: Any, y_start: int, y_row: int, n_rows: int, length: int) -> None:
    """Copy rows of whole vectors."""
    for i in range(n_rows):
        for q in range(0, length, LANES):
            copy_vector(x, x_start + i * x_row + q, y, y_start + i * y_row + q)


@entry
def gather_inputs(images: Any, planes: Any, field: Any, plane: int, tiles: Any, size: Any, channels: int) -> None:
    """Transform images to planes that begin ``plane`` numbers apart.

    ``tiles`` is their (n, rows, columns), ``size`` the (height, width) of an image; ``field`` has room for one image
    with a margin, up to whole tiles, and is zero outside the image.
    """
    n, rows, columns = tiles
    height, width = size
    row, target = (4 * columns + 2) * channels, 0
    for b in range(n):
        length = width * channels
        _copy_rows(images, b * height * length, length, field, row + channels, row, height, length)
        for i in range(rows):
            for j in range(columns):
                source = 4 * i * row + 4 * j * channels
                for c in range(0, channels, LANES):
                    _from_input(field, source + c, row, channels, planes, target + c, 6 * plane, plane)
                target += channels


@entry
def add_inputs(planes: Any, images: Any, field: Any, plane: int, tiles: Any, size: Any, channels: int) -> None:
    """Transform planes to images, adding up where tiles overlap: the transpose of :func:`gather_inputs`."""
    n, rows, columns = tiles
    height, width = size
    row, source = (4 * columns + 2) * channels, 0
    for b in range(n):
        field[: (4 * rows + 2) * row] = 0
        for i in range(rows):
            for j in range(columns):
                target = 4 * i * row + 4 * j * channels
                for c in range(0, channels, LANES):
                    _to_input(planes, source + c, 6 * plane, plane, field, target + c, row, channels)
                source += channels
        length = width * channels
        _copy_rows(field, row + channels, row, images, b * height * length, length, height, length)


@entry
def scatter_outputs(planes: Any, images: Any, field: Any, plane: int, tiles: Any, size: Any, channels: int) -> None:
    """Transform planes to images; ``field`` has room for an image of whole tiles."""
    n, rows, columns = tiles
    height, width = size
    row, length, source = 4 * columns * channels, width * channels, 0
    whole = height == 4 * rows and width == 4 * columns
    for b in range(n):
        first = b * height * length if whole else 0
        for i in range(rows):
            for j in range(columns):
                target = first + 4 * i * row + 4 * j * channels
                for c in range(0, channels, LANES):
                    if whole:
                        _to_output(planes, source + c, 6 * plane, plane, images, target + c, row, channels)
                    else:
                        _to_output(planes, source + c, 6 * plane, plane, field, target + c, row, channels)
                source += channels
        if not whole:
            _copy_rows(field, 0, row, images, b * height * length, length, height, length)


@entry
def gather_outputs(images: Any, planes: Any, field: Any, plane: int, tiles: Any, size: Any, channels: int) -> None:
    """Transform derivatives of images to planes: the transpose of :func:`scatter_outputs`.

    ``field`` is zero outside the image.
    """
    n, rows, columns = tiles
    height, width = size
    row, length, target = 4 * columns * channels, width * channels, 0
    whole = height == 4 * rows and width == 4 * columns
    for b in range(n):
        first = b * height * length if whole else 0
        if not whole:
            _copy_rows(images, b * height * length, length, field, 0, row, height, length)
        for i in range(rows):
            for j in range(columns):
                source = first + 4 * i * row + 4 * j * channels
                for c in range(0, channels, LANES):
                    if whole:
                        _from_output(images, source + c, row, channels, planes, target + c, 6 * plane, plane)
                    else:
                        _from_output(field, source + c, row, channels, planes, target + c, 6 * plane, plane)
                target += channels
