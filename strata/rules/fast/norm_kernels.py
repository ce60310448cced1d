# mypy: disable-error-code="no-untyped-call,import-untyped"
"""Sums and maps of batch normalization over pixels (rows, channels), compiled for vectors of channels.

All arrays are flat float32 but the totals. A *word* goes down some rows of one vector of channels.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from numba import types
from numba.core import cgutils

from strata.rules.compiled._jit import VECTOR_BYTES, _data, _Vectors, entry, machine_word

__all__ = ["add_gradient_sums", "add_sums", "map_forward", "map_gradient"]

LANES = VECTOR_BYTES // 4
#: Rows that are worked on at a time: they stay in the first-level cache while all of their channels are gone through.
ROWS = 128
_FLAGS = ("contract", "nsz")


class _Lanes:
    """Vectors of a word's arrays; its last arguments: first place, number of rows, their distance, a channel."""

    def __init__(self, context: Any, builder: Any, signature: Any, arguments: Any) -> None:
        self.context, self.builder, self.signature, self.arguments = context, builder, signature, arguments
        self.vectors = _Vectors(context, builder, signature.args[0].dtype)
        self.start, self.n_rows, self.step, self.channel = arguments[-4:]

    def load(self, array: int, offset: Any) -> Any:
        return self.vectors.load(
            _data(self.context, self.builder, self.signature.args[array], self.arguments[array], offset)
        )

    def store(self, value: Any, array: int, offset: Any) -> None:
        place = _data(self.context, self.builder, self.signature.args[array], self.arguments[array], offset)
        self.vectors.store(value, place)

    def constant(self, array: int) -> Any:
        """Return what an array holds for the channels."""
        return self.load(array, self.channel)

    def masked(self, value: Any, judge: Any) -> Any:
        """Return zero where ``judge`` is not above zero, else the value; where it is NaN, the value too."""
        off = self.builder.fcmp_ordered("<=", judge, self.vectors.zero)
        return self.builder.select(off, self.vectors.zero, value)

    def add(self, x: Any, y: Any) -> Any:
        return self.builder.fadd(x, y, flags=_FLAGS)

    def fma(self, x: Any, y: Any, z: Any) -> Any:
        return self.builder.fadd(self.builder.fmul(x, y, flags=_FLAGS), z, flags=_FLAGS)

    def sums(self, n_sums: int) -> list[Any]:
        """Return places for sums that begin at zero."""
        return [cgutils.alloca_once_value(self.builder, self.vectors.zero) for _ in range(n_sums)]

    @contextmanager
    def rows(self) -> Iterator[Any]:
        """Write a loop over the rows; yields the place of each."""
        with cgutils.for_range(self.builder, self.n_rows) as loop:
            yield self.builder.add(self.start, self.builder.mul(loop.index, self.step))

    def hand_out(self, sums: list[Any], first_array: int) -> None:
        """Add the sums to what arrays hold for the channels."""
        for i, place in enumerate(sums):
            total = self.builder.fadd(self.constant(first_array + i), self.builder.load(place))
            self.store(total, first_array + i, self.channel)


def _word(n_arrays: int, write: Callable[[_Lanes], None]) -> Any:
    """Return a machine word of so many arrays and four numbers."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        write(_Lanes(context, builder, signature, arguments))
        return context.get_dummy_value()

    def signed(arrays: tuple[Any, ...]) -> Any:
        return types.void(*arrays, *(types.intp,) * 4), codegen

    if n_arrays == 4:

        def four(tc: Any, a: Any, b: Any, c: Any, d: Any, start: Any, rows: Any, step: Any, channel: Any) -> Any:
            return signed((a, b, c, d))

        return machine_word(four)
    if n_arrays == 5:

        def five(
            tc: Any, a: Any, b: Any, c: Any, d: Any, e: Any, start: Any, rows: Any, step: Any, channel: Any
        ) -> Any:
            return signed((a, b, c, d, e))

        return machine_word(five)
    if n_arrays == 6:

        def six(
            tc: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, start: Any, rows: Any, step: Any, channel: Any
        ) -> Any:
            return signed((a, b, c, d, e, f))

        return machine_word(six)

    def eight(
        tc: Any, a: Any, b: Any, c: Any, d: Any, e: Any, f: Any, g: Any, h: Any,
        start: Any, rows: Any, step: Any, channel: Any,
    ) -> Any:  # fmt: skip
        return signed((a, b, c, d, e, f, g, h))

    return machine_word(eight)


def _write_sums(lanes: _Lanes) -> None:
    """Arrays: x, pivot, sum of x - pivot, sum of its squares."""
    pivot, (total, squares) = lanes.constant(1), lanes.sums(2)
    with lanes.rows() as offset:
        value = lanes.builder.fsub(lanes.load(0, offset), pivot, flags=_FLAGS)
        lanes.builder.store(lanes.add(lanes.builder.load(total), value), total)
        lanes.builder.store(lanes.fma(value, value, lanes.builder.load(squares)), squares)
    lanes.hand_out([total, squares], 2)


def _forward_writer(*, rectified: bool, residual: bool) -> Callable[[_Lanes], None]:
    def write(lanes: _Lanes) -> None:
        """Arrays: x, residual, y, scale, shift."""
        scale, shift = lanes.constant(3), lanes.constant(4)
        with lanes.rows() as offset:
            value = lanes.fma(lanes.load(0, offset), scale, shift)
            if residual:
                value = lanes.add(value, lanes.load(1, offset))
            lanes.store(lanes.masked(value, value) if rectified else value, 2, offset)

    return write


def _gradient_sums_writer(*, rectified: bool) -> Callable[[_Lanes], None]:
    def write(lanes: _Lanes) -> None:
        """Arrays: gradient, y, x, mean, sum of the gradient, sum of gradient times x - mean."""
        mean, (total, products) = lanes.constant(3), lanes.sums(2)
        with lanes.rows() as offset:
            slope = lanes.load(0, offset)
            if rectified:
                slope = lanes.masked(slope, lanes.load(1, offset))
            value = lanes.builder.fsub(lanes.load(2, offset), mean, flags=_FLAGS)
            lanes.builder.store(lanes.add(lanes.builder.load(total), slope), total)
            lanes.builder.store(lanes.fma(slope, value, lanes.builder.load(products)), products)
        lanes.hand_out([total, products], 4)

    return write


def _gradient_writer(*, rectified: bool, residual: bool) -> Callable[[_Lanes], None]:
    def write(lanes: _Lanes) -> None:
        """Arrays: gradient, y, x, its factor a, that of x b, constant c, d_x, d_residual."""
        a, b, c = (lanes.constant(place) for place in (3, 4, 5))
        with lanes.rows() as offset:
            slope = lanes.load(0, offset)
            if rectified:
                slope = lanes.masked(slope, lanes.load(1, offset))
            if residual:
                lanes.store(slope, 7, offset)
            lanes.store(lanes.fma(slope, a, lanes.fma(lanes.load(2, offset), b, c)), 6, offset)

    return write


_sums = _word(4, _write_sums)
_forward = _word(5, _forward_writer(rectified=False, residual=False))
_forward_relu = _word(5, _forward_writer(rectified=True, residual=False))
_forward_sum = _word(5, _forward_writer(rectified=False, residual=True))
_forward_sum_relu = _word(5, _forward_writer(rectified=True, residual=True))
_slopes = _word(6, _gradient_sums_writer(rectified=False))
_slopes_relu = _word(6, _gradient_sums_writer(rectified=True))
_gradient = _word(8, _gradient_writer(rectified=False, residual=False))
_gradient_relu = _word(8, _gradient_writer(rectified=True, residual=False))
_gradient_sum_relu = _word(8, _gradient_writer(rectified=True, residual=True))


@entry
def add_sums(x: Any, pivot: Any, part: Any, totals: Any, first: int, end: int) -> None:
    """Add the sums of ``x - pivot`` and of its squares over some rows to ``totals`` (2, channels)."""
    channels = totals.shape[1]
    for row in range(first, end, ROWS):
        n = min(ROWS, end - row)
        part[:] = 0
        for c in range(0, channels, LANES):
            _sums(x, pivot, part[0], part[1], row * channels + c, n, channels, c)
        for k in range(2):
            for c in range(channels):
                totals[k, c] += part[k, c]


@entry
def map_forward(
    x: Any, residual: Any, y: Any, scale: Any, shift: Any, rectified: bool, summed: bool, first: int, end: int
) -> None:
    """Write ``x * scale + shift``, with the residual added if ``summed``, and the rectifier after it."""
    channels = len(scale)
    for row in range(first, end, ROWS):
        n = min(ROWS, end - row)
        for c in range(0, channels, LANES):
            start = row * channels + c
            if summed and rectified:
                _forward_sum_relu(x, residual, y, scale, shift, start, n, channels, c)
            elif summed:
                _forward_sum(x, residual, y, scale, shift, start, n, channels, c)
            elif rectified:
                _forward_relu(x, residual, y, scale, shift, start, n, channels, c)
            else:
                _forward(x, residual, y, scale, shift, start, n, channels, c)


@entry
def add_gradient_sums(
    gradient: Any, y: Any, x: Any, mean: Any, part: Any, totals: Any, rectified: bool, first: int, end: int
) -> None:
    """Add the sums of the gradient, and of it times ``x - mean``, to ``totals`` (2, channels)."""
    channels = totals.shape[1]
    for row in range(first, end, ROWS):
        n = min(ROWS, end - row)
        part[:] = 0
        for c in range(0, channels, LANES):
            start = row * channels + c
            if rectified:
                _slopes_relu(gradient, y, x, mean, part[0], part[1], start, n, channels, c)
            else:
                _slopes(gradient, y, x, mean, part[0], part[1], start, n, channels, c)
        for k in range(2):
            for c in range(channels):
                totals[k, c] += part[k, c]


@entry
def map_gradient(
    gradient: Any, y: Any, x: Any, factors: Any, d_x: Any, d_residual: Any, rectified: bool, summed: bool,
    first: int, end: int,
) -> None:  # fmt: skip
    """Write ``factors[0] * gradient + factors[1] * x + factors[2]``, and the gradient of the residual if ``summed``."""
    channels = factors.shape[1]
    for row in range(first, end, ROWS):
        n = min(ROWS, end - row)
        for c in range(0, channels, LANES):
            start = row * channels + c
            if summed and rectified:
                _gradient_sum_relu(
                    gradient, y, x, factors[0], factors[1], factors[2], d_x, d_residual, start, n, channels, c
                )
            elif rectified:
                _gradient_relu(
                    gradient, y, x, factors[0], factors[1], factors[2], d_x, d_residual, start, n, channels, c
                )
            else:
                _gradient(gradient, y, x, factors[0], factors[1], factors[2], d_x, d_residual, start, n, channels, c)
