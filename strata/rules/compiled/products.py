"""Matrix products on flat buffers, in tiles of six rows that stay in registers.

At the sizes of dense networks these products meet or beat the BLAS libraries (measured; see ``benchmarks/``), they
need no packing for small matrices, no memory and no thread pool, and their bits do not depend on the library.
"""

from typing import Any

from strata.rules.compiled._jit import TILE_ROWS, copy_vector, kernel, lanes, piece, tile

__all__ = ["multiply", "multiply_dense", "pack_rows", "pack_transposed"]

_DEPTH = 256  # terms of a sum that are taken at once, so that a panel of B stays in the first cache


@piece
def multiply(
    a: Any,
    a_start: int,
    a_row: int,
    a_step: int,
    b: Any,
    b_start: int,
    b_step: int,
    b_column: int,
    c: Any,
    c_start: int,
    c_row: int,
    m: int,
    n: int,
    k: int,
    rectify: int,
) -> None:
    """Compute ``C = A B`` into a padded C: whole tiles are written, beyond m rows and n columns too.

    ``B[k, j]`` is at ``b_start + k b_step + j b_column`` at the first column j of a panel of two vectors: with
    ``b_column = 1`` B is a plain matrix, with ``b_column = k`` it is packed in panels.
    """
    width = lanes(c)
    for first in range(0, k, _DEPTH):
        depth = min(_DEPTH, k - first)
        top = rectify if first + depth == k else 0
        for j in range(0, n, 2 * width):
            at_b = b_start + first * b_step + j * b_column
            if n - j > width:
                for i in range(0, m, TILE_ROWS):
                    at_a = a_start + i * a_row + first * a_step
                    tile(
                        a, at_a, a_row, a_step, b, at_b, b_step, c, c_start + i * c_row + j, c_row, depth, first, top, 2
                    )
            else:
                for i in range(0, m, TILE_ROWS):
                    at_a = a_start + i * a_row + first * a_step
                    tile(
                        a, at_a, a_row, a_step, b, at_b, b_step, c, c_start + i * c_row + j, c_row, depth, first, top, 1
                    )


@piece
def multiply_dense(
    a: Any,
    a_start: int,
    a_row: int,
    a_step: int,
    b: Any,
    b_start: int,
    b_step: int,
    c: Any,
    c_start: int,
    m: int,
    n: int,
    k: int,
    spare: int,
) -> None:
    """Compute ``C = A B`` into a C of exactly m by n; ``c[spare:]`` has room for one tile, used at the edges."""
    width = lanes(c)
    whole_rows, whole_columns = m - m % TILE_ROWS, n - n % width
    for first in range(0, max(k, 1), _DEPTH):
        depth = min(_DEPTH, k - first)
        for j in range(0, whole_columns, 2 * width):
            at_b = b_start + first * b_step + j
            at_c = c_start + j
            if whole_columns - j > width:
                for i in range(0, whole_rows, TILE_ROWS):
                    at_a = a_start + i * a_row + first * a_step
                    tile(a, at_a, a_row, a_step, b, at_b, b_step, c, at_c + i * n, n, depth, first, 0, 2)
            else:
                for i in range(0, whole_rows, TILE_ROWS):
                    at_a = a_start + i * a_row + first * a_step
                    tile(a, at_a, a_row, a_step, b, at_b, b_step, c, at_c + i * n, n, depth, first, 0, 1)
    for i in range(0, m, TILE_ROWS):
        for j in range(0 if i == whole_rows else whole_columns, n, width):
            tile(a, a_start + i * a_row, a_row, a_step, b, b_start + j, b_step, c, spare, width, k, 0, 0, 1)
            for row in range(min(TILE_ROWS, m - i)):
                for column in range(min(width, n - j)):
                    c[c_start + (i + row) * n + j + column] = c[spare + row * width + column]


@kernel
def pack_rows(source: Any, start: int, k: int, n: int, target: Any, target_start: int, low: int, high: int) -> None:
    """Copy the rows ``low`` to ``high - 1`` of a k by n matrix into panels of two vectors of columns."""
    width = lanes(source)
    for row in range(low, high):
        at = start + row * n
        for j in range(0, n - n % width, width):
            panel = j - j % (2 * width)
            copy_vector(source, at + j, target, target_start + panel * k + row * 2 * width + j - panel)
        for j in range(n - n % width, n):
            panel = j - j % (2 * width)
            target[target_start + panel * k + row * 2 * width + j - panel] = source[at + j]


@kernel
def pack_transposed(
    source: Any, start: int, n_rows: int, n_columns: int, target: Any, target_start: int, low: int, high: int
) -> None:
    """Write the transpose of the rows ``low`` to ``high - 1`` of a matrix into panels of two vectors of columns."""
    step = 2 * lanes(source)
    for row in range(low, high):
        panel = row - row % step
        at, to = start + row * n_columns, target_start + panel * n_columns + row - panel
        for column in range(n_columns):
            target[to + column * step] = source[at + column]
