# mypy: disable-error-code="no-untyped-call,import-untyped"
"""Winograd's convolution F(4x4, 3x3) and its derivatives, compiled for vectors of channels.

A *tile* is 6x6 pixels of the input, 4x4 of the output; neighbouring tiles of the input share two pixels. A transform
takes a tile to 36 numbers per channel, one in each of 36 *planes* (tiles, channels), and there the convolution is a
matrix product per plane. All of it is done for a group of a few rows of tiles at a time, so that the planes stay in the
cache. Images are (n, height, width, channels), flat; planes lie a little further apart than their size: at a power of
two they would fight for the same lines of the cache.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils

from strata.rules.compiled._jit import TILE_ROWS, VECTOR_BYTES, _data, _Vectors, entry, kernel, machine_word, tile

__all__ = ["KERNEL_MATRIX", "SIDE", "STEP", "convolve", "differentiate", "panel_width"]

_LANES = VECTOR_BYTES // 4
#: Channels come in multiples of this: one wide vector or two narrow ones.
STEP = 16
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


def _halves(rows: _Rows) -> _Rows:
    """Return half the sum and half the difference in the place of the rows 1 and 2, and of 3 and 4."""
    first, a, b, c, d, last = rows

    def half(x: tuple[float, ...], y: tuple[float, ...], sign: int) -> tuple[float, ...]:
        return tuple((p + sign * q) / 2 for p, q in zip(x, y, strict=True))

    return first, half(a, b, 1), half(a, b, -1), half(c, d, 1), half(c, d, -1), last


class _Tile(_Vectors):
    """The transform of one vector of channels of a tile.

    The interpolation points are pairs of opposite sign, so that the numbers 1 and 2, and 3 and 4, of six are the sum
    and the difference of a part that is even and one that is odd.
    """

    def combination(self, factors: tuple[float, ...], values: list[Any]) -> Any:
        """Write the machine code of a weighted sum of vectors."""
        total = None
        for factor, value in zip(factors, values, strict=True):
            if factor == 0:
                continue
            if abs(factor) != 1:
                constant = ir.Constant(self.type, [ir.Constant(self.scalar, float(abs(factor)))] * self.count)
                value = self.builder.fmul(value, constant, flags=_FLAGS)
            if total is None:
                total = value if factor > 0 else self.builder.fsub(self.zero, value, flags=_FLAGS)
            else:
                add = self.builder.fadd if factor > 0 else self.builder.fsub
                total = add(total, value, flags=_FLAGS)
        return total

    def paired(self, values: list[Any]) -> list[Any]:
        """Return sums and differences in the place of the numbers 1 and 2, and of 3 and 4."""
        first, a, b, c, d, last = values
        add, subtract = self.builder.fadd, self.builder.fsub
        pairs = [operation(x, y, flags=_FLAGS) for x, y in ((a, b), (c, d)) for operation in (add, subtract)]
        return [first, *pairs, last]

    def to_six(self, rows: _Rows, values: list[Any]) -> list[Any]:
        """Multiply the six rows of a matrix by values."""
        return self.paired([self.combination(row, values) for row in _halves(rows)])

    def from_six(self, rows: _Rows, values: list[Any]) -> list[Any]:
        """Multiply the rows of a matrix of six columns by values."""
        values = self.paired(values)
        return [self.combination(row, values) for row in _transposed(_halves(_transposed(rows)))]


class _Pixels:
    """Where the pixels of a tile are in an image, by the arguments of a word; outside of it is zero, or nowhere."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any, tile: _Tile) -> None:
        self.builder, self.zero = builder, cgutils.alloca_once_value(builder, tile.zero)
        self.nowhere = cgutils.alloca_once(builder, tile.type)
        _, start, self.row, self.step = arguments[:4]
        self.first = _data(context, builder, signature.args[0], arguments[0], start)
        self.top, self.bottom, self.left, self.right = arguments[7:]

    def place(self, i: int, j: int, otherwise: Any) -> Any:
        """Return where a pixel is, and another place if it is outside the image."""
        builder, n = self.builder, self.row.type
        offset = builder.add(builder.mul(self.row, n(i)), builder.mul(self.step, n(j)))
        inside, other = self._within(i, self.top, self.bottom), builder.bitcast(otherwise, self.first.type)
        inside = builder.and_(inside, self._within(j, self.left, self.right))
        return builder.select(inside, builder.gep(self.first, [offset]), other)

    def _within(self, k: int, first: Any, end: Any) -> Any:
        compare, number = self.builder.icmp_signed, self.row.type(k)
        return self.builder.and_(compare("<=", first, number), compare("<", number, end))

    def before(self, i: int, j: int, shared: int, place: Any) -> Any:
        """Return ``place`` if the tile above or the one to the left has written there, a zero else; None: none has."""
        builder, zero = self.builder, self.row.type(0)
        has = [builder.icmp_signed("==", edge, zero) for edge, k in ((self.top, i), (self.left, j)) if k < shared]
        if not has:
            return None
        written = has[0] if len(has) == 1 else builder.or_(*has)
        return builder.select(written, place, builder.bitcast(self.zero, self.first.type))


def _word(rows: _Rows, *, gathers: bool) -> Any:
    """Return a machine word that takes a tile ``d`` of an image to ``rows d rows^T`` in planes, or one of planes back.

    Its arguments: the images, where in them the tile begins, how far apart its rows and columns are; the planes, where
    in them the tile is and how far apart they are; the first row of the tile inside the image, the one after the last,
    and its columns likewise. On the way back, pixels that neighbouring tiles share are added up.
    """

    def write_planes(six: _Tile, pixels: _Pixels, plane: Any) -> None:
        side, half = len(rows[0]), []
        for j in range(side):
            half.append(six.to_six(rows, [six.load(pixels.place(i, j, pixels.zero)) for i in range(side)]))
        for i in range(6):
            for j, value in enumerate(six.to_six(rows, [column[i] for column in half])):
                six.store(value, plane(i, j))

    def write_pixels(six: _Tile, pixels: _Pixels, plane: Any) -> None:
        side, half = len(rows), []
        for j in range(6):
            half.append(six.from_six(rows, [six.load(plane(i, j)) for i in range(6)]))
        for i in range(side):
            for j, value in enumerate(six.from_six(rows, [column[i] for column in half])):
                target = pixels.place(i, j, pixels.nowhere)
                before = pixels.before(i, j, side - SIDE, target)
                six.store(value if before is None else six.builder.fadd(six.load(before), value), target)

    @machine_word
    def word(
        tc: Any, x: Any, start: Any, row: Any, step: Any, y: Any, place: Any, plane: Any,
        top: Any, bottom: Any, left: Any, right: Any,
    ) -> Any:  # fmt: skip
        def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            six = _Tile(context, builder, x.dtype)
            first, apart = _data(context, builder, signature.args[4], *arguments[4:6]), arguments[6]

            def at(i: int, j: int) -> Any:
                return builder.gep(first, [builder.mul(apart, apart.type(6 * i + j))])

            (write_planes if gathers else write_pixels)(six, _Pixels(context, builder, signature, arguments, six), at)
            return context.get_dummy_value()

        return types.void(x, *(types.intp,) * 3, y, *(types.intp,) * 6), codegen

    return word


def _mover(word: Any, side: int) -> Any:
    """Return a kernel that transforms the rows of tiles from ``first`` on, counted through all images."""
    margin = (side - SIDE) // 2

    @kernel
    def move(images: Any, planes: Any, plane: int, size: Any, channels: int, first: int, end: int) -> None:
        height, width, rows, columns = size
        place = 0
        for r in range(first, end):
            above = SIDE * (r % rows) - margin
            top, bottom = max(0, -above), min(side, height - above)
            for j in range(columns):
                before = SIDE * j - margin
                left, right = max(0, -before), min(side, width - before)
                start = ((r // rows * height + above) * width + before) * channels
                if top == 0 and bottom == side and left == 0 and right == side:
                    for c in range(0, channels, _LANES):
                        word(images, start + c, width * channels, channels, planes, place + c, plane, 0, side, 0, side)
                else:
                    for c in range(0, channels, _LANES):
                        word(
                            images, start + c, width * channels, channels, planes, place + c, plane,
                            top, bottom, left, right,
                        )  # fmt: skip
                place += channels

    return move


_gather_inputs = _mover(_word(_INPUT, gathers=True), SIDE + 2)
_scatter_outputs = _mover(_word(_OUTPUT, gathers=False), SIDE)
_gather_outputs = _mover(_word(_transposed(_OUTPUT), gathers=True), SIDE)
_scatter_inputs = _mover(_word(_transposed(_INPUT), gathers=False), SIDE + 2)


def panel_width(columns: Any) -> Any:
    """Return how many columns of the products are computed at once: two vectors, or one where two do not divide them.

    Parameters
    ----------
    columns : int
        A multiple of :data:`STEP`.

    Returns
    -------
    width : int
        Columns of a panel of the matrices.
    """
    return 2 * _LANES if columns % (2 * _LANES) == 0 else _LANES


_panel_width = kernel(panel_width)


@kernel
def _multiply(x: Any, x_plane: int, matrices: Any, y: Any, y_plane: int, n_tiles: int, channels: int, out: int) -> None:
    """Multiply planes by matrices (panels, channels, columns of a panel)."""
    panel = _panel_width(out)
    for p in range(36):
        for q in range(0, out, panel):
            b = (p * out + q) * channels
            for t in range(0, n_tiles, TILE_ROWS):
                x_start, y_start = p * x_plane + t * channels, p * y_plane + t * out + q
                if panel == _LANES:
                    tile(x, x_start, channels, 1, matrices, b, panel, y, y_start, out, channels, 0, 0, 1)
                else:
                    tile(x, x_start, channels, 1, matrices, b, panel, y, y_start, out, channels, 0, 0, 2)


@kernel
def _add_products(x: Any, x_plane: int, y: Any, y_plane: int, sums: Any, n_tiles: int, channels: int, out: int) -> None:
    """Add the products of transposed planes by planes to sums (36, channels in whole tiles of the product, out)."""
    rows = -(-channels // TILE_ROWS) * TILE_ROWS
    panel = _panel_width(out)
    for p in range(36):
        for q in range(0, out, panel):
            for i in range(0, channels, TILE_ROWS):
                x_start, y_start, start = p * x_plane + i, p * y_plane + q, (p * rows + i) * out + q
                if panel == _LANES:
                    tile(x, x_start, 1, channels, y, y_start, out, sums, start, out, n_tiles, 1, 0, 1)
                else:
                    tile(x, x_start, 1, channels, y, y_start, out, sums, start, out, n_tiles, 1, 0, 2)


@entry
def convolve(
    images: Any, matrices: Any, result: Any, inputs: Any, outputs: Any, plan: Any, first: int, end: int
) -> None:
    """Convolve the images from ``first`` on.

    ``plan`` is their number, the (height, width) of one and how many (rows, columns) of tiles it has, the channels (in,
    out), the rows of tiles in a group, and how far apart its planes (in, out) are, for which ``inputs`` and ``outputs``
    have room; ``matrices`` are 36 (panels, in, columns of a panel).
    """
    _, size, depths, group, planes = plan
    channels, out = depths
    for row in range(first * size[2], end * size[2], group):
        last = min(row + group, end * size[2])
        n_tiles = (last - row) * size[3]
        _gather_inputs(images, inputs, planes[0], size, channels, row, last)
        _multiply(inputs, planes[0], matrices, outputs, planes[1], n_tiles, channels, out)
        _scatter_outputs(result, outputs, planes[1], size, out, row, last)


@entry
def differentiate(
    gradient: Any, images: Any, matrices: Any, sums: Any, d_images: Any, inputs: Any, outputs: Any, plan: Any,
    first: int, end: int,
) -> None:  # fmt: skip
    """Add the derivative of the transformed kernel to ``sums``, and write that of the images unless it has no room.

    ``matrices`` are transposed, 36 (panels, out, columns of a panel); the other arguments as of :func:`convolve`.
    """
    _, size, depths, group, planes = plan
    channels, out = depths
    for row in range(first * size[2], end * size[2], group):
        last = min(row + group, end * size[2])
        n_tiles = (last - row) * size[3]
        _gather_outputs(gradient, outputs, planes[1], size, out, row, last)
        _gather_inputs(images, inputs, planes[0], size, channels, row, last)
        _add_products(inputs, planes[0], outputs, planes[1], sums, n_tiles, channels, out)
        if len(d_images) > 0:
            _multiply(outputs, planes[1], matrices, inputs, planes[0], n_tiles, out, channels)
            _scatter_inputs(d_images, inputs, planes[0], size, channels, row, last)
