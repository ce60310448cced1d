"""The phases of a step, each divided into parts that any thread may compute.

The rows of a batch are divided, then the parameters; the sums are always cut in the same places.
"""

import math
from typing import Any

from strata.rules.compiled._jit import TILE_ROWS, invoke, kernel, piece, vector
from strata.rules.compiled._places import (
    ALL_SQUARES,
    CLIP_NORM,
    CLIP_VALUE,
    DROPOUT_SEED,
    DROPPING,
    EVALUATE,
    FIRST_ROW,
    GRADIENT,
    HEAD_LOSS,
    KIND,
    L1,
    L2,
    LARGEST,
    MAX_NORM,
    MODE,
    N_ROWS,
    N_SLOTS,
    N_THREADS,
    PENALTY_SUM,
    PROXIMAL,
    RATE,
    SHARE,
    SPARE,
    SQUARES_SUM,
    STEP,
    THREAD_SIZE,
    THREAD_START,
    TIME,
    TOPS,
    UPDATE,
)
from strata.rules.compiled.losses import head_total
from strata.rules.compiled.optimizers import ADAM_KINDS, RPROP_KINDS
from strata.rules.compiled.passes import (
    DELTA,
    OUT,
    PRE,
    SIZE,
    WEIGHT,
    WIDTH,
    backward,
    forward,
    gather,
    pack_weights,
)

__all__ = ["BOUND", "FINISH", "LEARN_ROWS", "PACK", "STEP_WEIGHTS", "UP_TO_FINISH", "perform"]

#: The phases of a step, in their order; a batch that is not divided takes two at once.
PACK, LEARN_ROWS, FINISH, STEP_WEIGHTS, BOUND, UP_TO_FINISH = range(6)


@kernel
def _weight_range(layers: Any, level: int, low: int, high: int) -> Any:
    """Return the part of a layer's weights, biases left out, that lies in ``low`` to ``high - 1``."""
    start = layers[level, WEIGHT]
    stop = start + layers[level, SIZE] * layers[level + 1, SIZE]
    return max(start, low), min(stop, high)


@kernel
def _add_gradients(work: Any, whole: Any, low: int, high: int) -> None:
    """Add the gradients of all threads into that of the first."""
    first = vector(work, whole[THREAD_START] + whole[GRADIENT] + low, high - low)
    for t in range(1, whole[N_THREADS]):
        other = vector(work, whole[THREAD_START] + t * whole[THREAD_SIZE] + whole[GRADIENT] + low, high - low)
        for i in range(first.size):
            first[i] += other[i]


@kernel
def _add_penalty(theta: Any, gradient: Any, l1: float, l2: float, subgradient: bool) -> float:
    """Add the penalty's gradient to that of some weights and return the penalty."""
    kind = theta.dtype.type
    zero, one, squares = kind(0), kind(1), kind(0)
    alpha, size = kind(l2), kind(0)
    for i in range(theta.size):
        squares += theta[i] * theta[i]
        gradient[i] += alpha * theta[i]
    if l1 > 0:
        step = kind(l1) if subgradient else zero
        for i in range(theta.size):
            size += abs(theta[i])
            gradient[i] += step * (one if theta[i] > zero else (-one if theta[i] < zero else zero))
    penalty: float = 0.5 * l2 * squares + l1 * size
    return penalty


@kernel
def _finish_gradient(
    layers: Any, theta: Any, work: Any, whole: Any, settings: Any, low: int, high: int, share: float, partial: Any
) -> None:
    """Sum over the threads, add the penalty, clip by value, and write what the clipping by norm needs."""
    if whole[N_THREADS] > 1:
        _add_gradients(work, whole, low, high)
    gradient = whole[THREAD_START] + whole[GRADIENT]
    penalty = 0.0
    if settings[L1] > 0 or settings[L2] > 0:
        for level in range(layers.shape[0] - 1):
            start, stop = _weight_range(layers, level, low, high)
            if stop > start:
                weights, g = vector(theta, start, stop - start), vector(work, gradient + start, stop - start)
                penalty += _add_penalty(weights, g, settings[L1] * share, settings[L2] * share, whole[PROXIMAL] == 0)
    partial[PENALTY_SUM] = penalty
    g = vector(work, gradient + low, high - low)
    kind = work.dtype.type
    if settings[CLIP_VALUE] > 0:
        bound = kind(settings[CLIP_VALUE])
        for i in range(g.size):
            value = -bound if g[i] < -bound else g[i]
            g[i] = bound if value > bound else value
    if settings[CLIP_NORM] > 0:
        squares = kind(0)
        for i in range(g.size):
            squares += g[i] * g[i]
        partial[SQUARES_SUM] = squares
    if whole[KIND] >= RPROP_KINDS[0]:
        largest = kind(0)
        for i in range(g.size):
            largest = max(largest, abs(g[i]))
        partial[LARGEST] = largest


@kernel
def _scale_by_norm(work: Any, whole: Any, low: int, high: int, limit: float, squares: float) -> None:
    """Shorten the gradient to ``limit``, as ``torch.nn.utils.clip_grad_norm_`` does."""
    factor = limit / (math.sqrt(squares) + 1e-6)
    if factor < 1:
        g = vector(work, whole[THREAD_START] + whole[GRADIENT] + low, high - low)
        short = work.dtype.type(factor)
        for i in range(g.size):
            g[i] *= short


@kernel
def _decay(layers: Any, theta: Any, work: Any, whole: Any, c: Any, rate: float, low: int, high: int) -> None:
    """Apply the optimizer's weight decay to the weights in the range."""
    is_adam = ADAM_KINDS[0] <= whole[KIND] <= ADAM_KINDS[1]
    strength = c[3] if is_adam else (c[2] if whole[KIND] <= 1 else 0.0)
    if strength == 0:
        return
    shrink, add = theta.dtype.type(1 - rate * strength), theta.dtype.type(strength)
    for level in range(layers.shape[0] - 1):
        start, stop = _weight_range(layers, level, low, high)
        if stop > start:
            w = vector(theta, start, stop - start)
            g = vector(work, whole[THREAD_START] + whole[GRADIENT] + start, stop - start)
            if is_adam:
                for i in range(w.size):
                    w[i] *= shrink
            else:
                for i in range(w.size):
                    g[i] += add * w[i]


@kernel
def _shrink(layers: Any, theta: Any, low: int, high: int, threshold: float) -> None:
    """Take the proximal step of the L1 penalty on the weights in the range."""
    t = theta.dtype.type(threshold)
    for level in range(layers.shape[0] - 1):
        start, stop = _weight_range(layers, level, low, high)
        if stop > start:
            w = vector(theta, start, stop - start)
            for i in range(w.size):
                part = -t if w[i] < -t else w[i]
                w[i] -= t if part > t else part


@kernel
def _bound_units(layers: Any, theta: Any, limit: float, part: int, n_parts: int) -> None:
    """Scale every unit's incoming weights to the bound where they are longer."""
    kind = theta.dtype.type
    for level in range(layers.shape[0] - 1):
        n_in, n_out, start = layers[level, SIZE], layers[level + 1, SIZE], layers[level, WEIGHT]
        for unit in range(n_out * part // n_parts, n_out * (part + 1) // n_parts):
            squares = kind(0)
            for i in range(n_in):
                squares += theta[start + i * n_out + unit] * theta[start + i * n_out + unit]
            length = math.sqrt(squares)
            if length > limit:
                factor = kind(limit) / length
                for i in range(n_in):
                    theta[start + i * n_out + unit] *= factor


@kernel
def _differentiate(
    x: Any,
    y: Any,
    weights: Any,
    order: Any,
    first: int,
    n_rows: int,
    step: int,
    layers: Any,
    scales: Any,
    heads: Any,
    numbers: Any,
    theta: Any,
    work: Any,
    whole: Any,
    calls: Any,
    loss: Any,
    part: int,
) -> None:
    """Compute one part's rows of the batch: their loss and, unless evaluating, the gradient."""
    base = whole[THREAD_START] + part * whole[THREAD_SIZE]
    n_tiles = (n_rows + TILE_ROWS - 1) // TILE_ROWS
    share = (n_tiles + whole[N_THREADS] - 1) // whole[N_THREADS] * TILE_ROWS
    low, high = min(part * share, n_rows), min((part + 1) * share, n_rows)
    mine, dropping = high - low, whole[DROPPING] != 0
    gather(x, order, first + low, mine, layers[0], work, base)
    forward(layers, scales, theta, work, base, low, mine, whole[DROPOUT_SEED], step, dropping, calls)
    last = layers[layers.shape[0] - 1]
    scores = (work, base + last[PRE], base + last[OUT], base + last[DELTA], last[WIDTH])
    rows = (vector(work, base + whole[TOPS], 2 * mine), y, order, first + low, mine, weights)
    loss[0] = 0.0
    for h in range(heads.shape[0]):
        total = head_total(heads[h], y, order, first, n_rows, weights)
        invoke(calls[HEAD_LOSS], (heads[h], numbers[h], *scores, *rows, total, heads.shape[0], calls, loss))
    if whole[MODE] != EVALUATE:
        backward(layers, work, base, base + whole[GRADIENT], base + whole[SPARE], mine, calls)


@kernel
def _step_weights(
    layers: Any,
    theta: Any,
    slots: Any,
    work: Any,
    whole: Any,
    settings: Any,
    c: Any,
    t: int,
    known: Any,
    calls: Any,
    low: int,
    high: int,
) -> None:
    """Update the parameters ``low`` to ``high - 1`` from their finished gradient."""
    n_parameters, size = layers[layers.shape[0] - 1, WEIGHT], high - low
    w, g = vector(theta, low, size), vector(work, whole[THREAD_START] + whole[GRADIENT] + low, size)
    p = vector(slots, low if whole[N_SLOTS] > 0 else 0, size)
    q = vector(slots, n_parameters + low if whole[N_SLOTS] > 1 else 0, size)
    rate = known[RATE]
    if settings[CLIP_NORM] > 0:
        _scale_by_norm(work, whole, low, high, settings[CLIP_NORM], known[ALL_SQUARES])
    _decay(layers, theta, work, whole, c, rate, low, high)
    invoke(calls[UPDATE], (whole[KIND], c, rate, t, w, g, p, q, whole[N_SLOTS]))
    if whole[PROXIMAL] != 0 and settings[L1] > 0:
        _shrink(layers, theta, low, high, rate * settings[L1] * known[SHARE])


@piece
def perform(
    phase: int,
    part: int,
    x: Any,
    y: Any,
    weights: Any,
    order: Any,
    layers: Any,
    scales: Any,
    heads: Any,
    numbers: Any,
    theta: Any,
    slots: Any,
    work: Any,
    whole: Any,
    settings: Any,
    coefficients: Any,
    gate: Any,
    partial: Any,
    calls: Any,
) -> None:
    """Compute one part of one phase of a step; the gate says which step."""
    n_parts, n_parameters = whole[N_THREADS], layers[layers.shape[0] - 1, WEIGHT]
    low, high = n_parameters * part // n_parts, n_parameters * (part + 1) // n_parts
    known, mine = vector(partial, 0, partial.shape[1]), vector(partial, part * partial.shape[1], partial.shape[1])
    if phase in (PACK, UP_TO_FINISH):
        pack_weights(layers, theta, work, part, n_parts, whole[MODE] != EVALUATE)
    if phase in (LEARN_ROWS, UP_TO_FINISH):
        batch, tables = (gate[FIRST_ROW], gate[N_ROWS], gate[STEP]), (layers, scales, heads, numbers)
        _differentiate(x, y, weights, order, *batch, *tables, theta, work, whole, calls, mine, part)
    if phase in (FINISH, UP_TO_FINISH):
        _finish_gradient(layers, theta, work, whole, settings, low, high, known[SHARE], mine)
    if phase == STEP_WEIGHTS:
        given = (layers, theta, slots, work, whole, settings, coefficients)
        _step_weights(*given, gate[TIME], known, calls, low, high)
    if phase == BOUND:
        _bound_units(layers, theta, settings[MAX_NORM], part, n_parts)
