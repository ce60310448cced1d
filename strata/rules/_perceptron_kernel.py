"""The perceptron's pass over its examples, compiled.

The arithmetic is that of scikit-learn's stochastic gradient descent with the perceptron loss, so that both give the
same weights: a weight vector held as a scalar times a vector (L2 shrinks the scalar), and the truncated L1 penalty
of Tsuruoka, Tsujii and Ananiadou (ACL 2009, section 3) with its cumulative form.
"""

from typing import Any

import numpy as np
from numba import njit

__all__ = ["BIAS", "L1_NORM", "L1_TOTAL", "SQUARED_NORM", "one_pass", "shuffle"]

#: Places in the vector of scalars that a pass carries on.
BIAS, L1_TOTAL, SQUARED_NORM, L1_NORM = 0, 1, 2, 3
_MASK = np.uint64(0xFFFFFFFF)
_SMALLEST_SCALE = 1e-9


@njit(cache=True)
def shuffle(order: Any, seed: int) -> None:
    """Shuffle in place by Fisher and Yates with a 32-bit xorshift (Marsaglia 2003), as scikit-learn does."""
    n = len(order)
    state = np.uint64(seed) & _MASK
    if state == np.uint64(0):
        state = np.uint64(1)
    for i in range(n - 1):
        state ^= (state << np.uint64(13)) & _MASK
        state ^= state >> np.uint64(17)
        state ^= (state << np.uint64(5)) & _MASK
        j = i + np.int64((state & np.uint64(0x7FFFFFFF)) % np.uint64(n - i))
        order[i], order[j] = order[j], order[i]


@njit(cache=True)
def _truncate(w: Any, q: Any, scale: float, total: float, columns: Any, first: int, n: int) -> None:
    """Move the touched weights toward 0 by the L1 penalty that is still owed, and not past it."""
    for j in range(first, first + n):
        column = columns[j]
        before = w[column]
        if scale * before > 0.0:
            w[column] = max(0.0, before - (total + q[column]) / scale)
        elif scale * before < 0.0:
            w[column] = min(0.0, before + (total - q[column]) / scale)
        q[column] += scale * (w[column] - before)


@njit(cache=True, nogil=True)
def one_pass(
    values: Any,
    columns: Any,
    starts: Any,
    dense: bool,
    order: Any,
    skip: Any,
    targets: Any,
    row_weights: Any,
    w: Any,
    q: Any,
    scalars: Any,
    rate: float,
    alpha: float,
    l1_ratio: float,
    fit_intercept: bool,
    bias_share: float,
    class_weights: Any,
    tie_is_error: bool,
) -> tuple[float, float, float, float]:
    """Visit every example once, in order, and learn from those on the wrong side.

    ``values`` are the entries row by row, from ``starts[i]`` to ``starts[i + 1]``, and ``columns`` their columns (of
    one row, when ``dense``). ``targets`` are -1 and 1. ``scalars`` holds the bias, the L1 penalty per weight so far,
    the squared norm and the L1 norm. Returns the sums of the loss, of loss and penalty, of the errors, and the
    number of examples.
    """
    bias, l1_total, squared, absolute = scalars[0], scalars[1], scalars[2], scalars[3]
    scale, loss_sum, objective, n_errors, n_seen = 1.0, 0.0, 0.0, 0.0, 0.0
    shrink = max(0.0, 1.0 - (1.0 - l1_ratio) * rate * alpha)
    for i in order:
        if skip[i]:
            continue
        start, n = starts[i], starts[i + 1] - starts[i]
        first = 0 if dense else start
        score = 0.0
        for j in range(n):
            score += w[columns[first + j]] * values[start + j]
        score = score * scale + bias
        target = targets[i]
        margin = score * target
        wrong = (margin <= 0.0) if tie_is_error else ((score > 0.0) != (target > 0.0))
        loss = -margin if margin <= 0.0 else 0.0
        loss_sum += loss
        objective += loss
        if alpha > 0.0:
            objective += alpha * ((1.0 - l1_ratio) * 0.5 * squared + l1_ratio * absolute)
            scale *= shrink
            squared *= shrink * shrink
            absolute *= shrink
            if scale < _SMALLEST_SCALE:
                w *= scale
                scale = 1.0
        if wrong:
            n_errors += 1.0
            update = rate * target * row_weights[i] * (class_weights[1] if target > 0.0 else class_weights[0])
            if update != 0.0:
                squared, absolute = 0.0, 0.0
                for j in range(n):
                    column = columns[first + j]
                    w[column] += values[start + j] * (update / scale)
                    squared += w[column] * w[column]
                    absolute += abs(w[column])
                squared *= scale * scale
                absolute *= scale
                if fit_intercept:
                    bias += update * bias_share
        if alpha > 0.0 and l1_ratio > 0.0:
            l1_total += l1_ratio * rate * alpha
            _truncate(w, q, scale, l1_total, columns, first, n)
        n_seen += 1.0
    w *= scale
    scalars[0], scalars[1], scalars[2], scalars[3] = bias, l1_total, squared, absolute
    return loss_sum, objective, n_errors, n_seen
