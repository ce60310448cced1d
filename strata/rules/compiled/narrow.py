"""Products with a layer of one or two units, where tiles of whole vectors would be mostly empty.

The weights, bias included, are read as one row a unit, ``rows[j, :] = [W[:, j], b[j]]``.
"""

from typing import Any

from strata.rules.compiled._jit import kernel, piece, vector

__all__ = ["NARROW_UNITS", "narrow_back", "narrow_forward", "narrow_gradient", "pack_units"]

#: Layers of at most so many units are computed here (measured).
NARROW_UNITS = 2


@kernel
def pack_units(source: Any, start: int, k: int, n: int, target: Any, target_start: int) -> None:
    """Write the transpose of a k by n matrix."""
    for j in range(n):
        unit = vector(target, target_start + j * k, k)
        for i in range(k):
            unit[i] = source[start + i * n + j]


@piece
def narrow_forward(work: Any, a: int, width: int, rows: int, z: int, z_width: int, m: int, n: int, k: int) -> None:
    """Compute ``z = [a 1] [W; b]`` for m examples, n units and k inputs, the ones included."""
    for i in range(m):
        inputs = vector(work, a + i * width, k)
        for j in range(n):
            unit = vector(work, rows + j * k, k)
            total = work.dtype.type(0)
            for s in range(k):
                total += inputs[s] * unit[s]
            work[z + i * z_width + j] = total


@piece
def narrow_gradient(
    work: Any, a: int, width: int, d: int, d_width: int, spare: int, gradient: int, m: int, n: int, k: int
) -> None:
    """Compute ``[dW; db] = [a 1]^T d``, of k by n; ``spare`` is room for k numbers."""
    total = vector(work, spare, k)
    for j in range(n):
        for s in range(k):
            total[s] = 0
        at = d + j
        for i in range(0, m - m % 4, 4):
            a_0, a_1 = vector(work, a + i * width, k), vector(work, a + (i + 1) * width, k)
            a_2, a_3 = vector(work, a + (i + 2) * width, k), vector(work, a + (i + 3) * width, k)
            d_0, d_1 = work[at + i * d_width], work[at + (i + 1) * d_width]
            d_2, d_3 = work[at + (i + 2) * d_width], work[at + (i + 3) * d_width]
            for s in range(k):
                total[s] += (d_0 * a_0[s] + d_1 * a_1[s]) + (d_2 * a_2[s] + d_3 * a_3[s])
        for i in range(m - m % 4, m):
            inputs, slope = vector(work, a + i * width, k), work[at + i * d_width]
            for s in range(k):
                total[s] += slope * inputs[s]
        for s in range(k):
            work[gradient + s * n + j] = total[s]


@piece
def narrow_back(
    work: Any, d: int, d_width: int, rows: int, k: int, before: int, width: int, m: int, n: int, size: int
) -> None:
    """Compute ``d W^T`` for the ``size`` units of the layer before."""
    first, second = vector(work, rows, size), vector(work, rows + (n - 1) * k, size)
    for i in range(m):
        delta, d_0 = vector(work, before + i * width, size), work[d + i * d_width]
        if n == 1:
            for s in range(size):
                delta[s] = d_0 * first[s]
        else:
            d_1 = work[d + i * d_width + 1]
            for s in range(size):
                delta[s] = d_0 * first[s] + d_1 * second[s]
