"""The elementwise updates, by the numbers that :mod:`strata.rules.optimizers` gives them.

The formulas are in the table of that module.
"""

import math
from typing import Any

from strata.rules.compiled._jit import kernel, piece

__all__ = ["ADAM_KINDS", "RPROP_KINDS", "update"]

#: Kinds whose weight decay shrinks the weights before the update.
ADAM_KINDS = (5, 7)
#: Kinds that may have a stop threshold.
RPROP_KINDS = (8, 10)


@kernel
def _momentum(kind: int, c: Any, rate: float, w: Any, g: Any, p: Any, has_slot: bool) -> None:
    number = w.dtype.type
    a, mu, look_ahead = number(rate), number(c[0]), c[1] != 0
    if not has_slot:
        for i in range(w.size):
            w[i] -= a * g[i]
    elif kind == 0:
        for i in range(w.size):
            v = mu * p[i] - a * g[i]
            p[i] = v
            w[i] += mu * v - a * g[i] if look_ahead else v
    else:
        for i in range(w.size):
            v = mu * p[i] + g[i]
            p[i] = v
            w[i] -= a * (g[i] + mu * v) if look_ahead else a * v


@kernel
def _scaled(kind: int, c: Any, rate: float, w: Any, g: Any, p: Any) -> None:
    number = w.dtype.type
    a = number(rate)
    if kind == 2:
        eps = number(c[0])
        for i in range(w.size):
            p[i] += g[i] * g[i]
            w[i] -= a * g[i] / (math.sqrt(p[i]) + eps)
        return
    keep, add, eps = number(c[0]), number(1 - c[0]), number(c[1])
    if kind == 3:
        for i in range(w.size):
            p[i] = keep * p[i] + add * (g[i] * g[i])
            w[i] -= a * g[i] / math.sqrt(p[i] + eps)
    else:
        for i in range(w.size):
            p[i] = keep * p[i] + add * (g[i] * g[i])
            w[i] -= a * g[i] / (math.sqrt(p[i]) + eps)


@kernel
def _adam(kind: int, c: Any, rate: float, t: int, w: Any, g: Any, p: Any, q: Any) -> None:
    number = w.dtype.type
    correction_1, correction_2 = 1 - c[0] ** t, 1 - c[1] ** t
    keep_1, add_1, keep_2, add_2 = number(c[0]), number(1 - c[0]), number(c[1]), number(1 - c[1])
    eps = number(c[2])
    if kind == 5:
        a, share = number(rate / correction_1), number(1 / correction_2)
        for i in range(w.size):
            p[i] = keep_1 * p[i] + add_1 * g[i]
            q[i] = keep_2 * q[i] + add_2 * (g[i] * g[i])
            w[i] -= a * p[i] / math.sqrt(q[i] * share + eps)
        return
    if kind == 6:
        a, share = number(rate / correction_1), number(1 / math.sqrt(correction_2))
    else:
        a, share = number(rate * math.sqrt(correction_2) / correction_1), number(1)
    for i in range(w.size):
        p[i] = keep_1 * p[i] + add_1 * g[i]
        q[i] = keep_2 * q[i] + add_2 * (g[i] * g[i])
        w[i] -= a * p[i] / (math.sqrt(q[i]) * share + eps)


@kernel
def _rprop(kind: int, c: Any, rate: float, t: int, w: Any, g: Any, p: Any, q: Any) -> None:
    number = w.dtype.type
    zero, one = number(0), number(1)
    down, up, smallest, largest = number(c[0]), number(c[1]), number(c[2]), number(c[3])
    for i in range(w.size):
        size = number(rate) if t == 1 else q[i]
        sign = one if g[i] > zero else (-one if g[i] < zero else zero)
        course = p[i] * sign
        if kind == 10:
            size = size * up if course > zero else (size * down if course < zero else size)
            size = min(max(size, smallest), largest)
            sign = zero if course < zero else sign
            w[i] -= sign * size
        elif course < zero:
            if kind == 8:
                w[i] += p[i] * size
            size = max(down * size, smallest)
            if kind == 9:
                w[i] -= sign * size
            else:
                sign = zero
        else:
            if course > zero:
                size = min(up * size, largest)
            w[i] -= sign * size
        p[i], q[i] = sign, size


@piece
def update(kind: int, c: Any, rate: float, t: int, w: Any, g: Any, p: Any, q: Any, n_slots: int) -> None:
    """Change the parameters ``w`` by the gradient ``g`` in step ``t``, from 1; ``p`` and ``q`` are the state."""
    if kind <= 1:
        _momentum(kind, c, rate, w, g, p, n_slots > 0)
    elif kind <= 4:
        _scaled(kind, c, rate, w, g, p)
    elif kind <= 7:
        _adam(kind, c, rate, t, w, g, p, q)
    else:
        _rprop(kind, c, rate, t, w, g, p, q)
