"""Many batches in one compiled call: gather, forward, loss, backward, penalty, clip, update.

With several threads each takes some rows of every batch and some of the parameters of every update; they meet
between the two. The sums are always cut in the same places, so a run repeats bit for bit at the same number of
threads.
"""

import math
from typing import Any

import numpy as np

from strata.rules.compiled._jit import TILE_ROWS, entry, invoke, kernel, meet, vector
from strata.rules.compiled._places import HEAD_LOSS, UPDATE
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
    mask_key,
    pack_weights,
)

__all__ = ["run_batches"]

#: Entries of the vector of whole numbers.
(
    N_THREADS,
    THREAD_START,
    THREAD_SIZE,
    GRADIENT,
    SPARE,
    TOPS,
    FIRST_STEP,
    DROPOUT_SEED,
    DROPOUT_STEP,
    KIND,
    N_SLOTS,
    MODE,
    PROXIMAL,
    PER_SAMPLE,
    DROPPING,
    N_WHOLE,
) = range(16)
#: Entries of the vector of settings. REPORT multiplies the loss of the targets in the figures (not in the gradient).
L1, L2, MAX_NORM, CLIP_NORM, CLIP_VALUE, REPORT, N_SETTINGS = range(7)
#: What a call does: learn, compute the gradient, or only the loss. DROPPING says whether dropout acts.
LEARN, DIFFERENTIATE, EVALUATE = range(3)
#: Entries of each thread's partial sums.
_LOSS, _PENALTY, _SQUARES, _LARGEST = range(4)
#: Entries of the vector that says how a call ended: batches looked at, updates made, whether the threshold was met.
SEEN, UPDATES, MET = range(3)


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
    partial[_PENALTY] = penalty
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
        partial[_SQUARES] = squares
    if whole[KIND] >= RPROP_KINDS[0]:
        largest = kind(0)
        for i in range(g.size):
            largest = max(largest, abs(g[i]))
        partial[_LARGEST] = largest


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
def _sum_weights(weights: Any, order: Any, first: int, n_rows: int) -> float:
    if weights.size == 0:
        return float(n_rows)
    total = 0.0
    for i in range(first, first + n_rows):
        total += weights[order[i]]
    return total


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
    keys: Any,
    calls: Any,
    loss: Any,
    thread: int,
) -> None:
    """Compute this thread's rows of the batch: its part of the loss and, unless evaluating, of the gradient."""
    base = whole[THREAD_START] + thread * whole[THREAD_SIZE]
    n_tiles = (n_rows + TILE_ROWS - 1) // TILE_ROWS
    share = (n_tiles + whole[N_THREADS] - 1) // whole[N_THREADS] * TILE_ROWS
    low, high = min(thread * share, n_rows), min((thread + 1) * share, n_rows)
    mine, dropping = high - low, whole[DROPPING] != 0
    gather(x, order, first + low, mine, layers[0], work, base)
    if dropping:
        for level in range(keys.size):
            keys[level] = mask_key(whole[DROPOUT_SEED], step, level)
    forward(layers, scales, theta, work, base, low, mine, keys, dropping, calls)
    last = layers[layers.shape[0] - 1]
    scores = (work, base + last[PRE], base + last[OUT], base + last[DELTA], last[WIDTH])
    rows = (vector(work, base + whole[TOPS], 2 * mine), y, order, first + low, mine, weights)
    loss[0] = 0.0
    for h in range(heads.shape[0]):
        total = head_total(heads[h], y, order, first, n_rows, weights)
        invoke(calls[HEAD_LOSS], (heads[h], numbers[h], *scores, *rows, total, heads.shape[0], calls, loss))
    if whole[MODE] != EVALUATE:
        backward(layers, work, base, base + whole[GRADIENT], base + whole[SPARE], mine, calls)


@entry
def run_batches(
    x: Any,
    y: Any,
    weights: Any,
    order: Any,
    batch_size: int,
    start: int,
    stop: int,
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
    rates: Any,
    gate: Any,
    partial: Any,
    figures: Any,
    ended: Any,
    calls: Any,
    thread: int,
) -> None:
    """Take the batches ``start`` to ``stop - 1``: the body of one thread.

    ``figures[i]`` becomes the loss, penalty included, and the weight of the i-th of them. A batch whose loss is not
    finite ends the call before its update.
    """
    n_threads, n_parameters = whole[N_THREADS], layers[layers.shape[0] - 1, WEIGHT]
    low, high = n_parameters * thread // n_threads, n_parameters * (thread + 1) // n_threads
    gradient, size = whole[THREAD_START] + whole[GRADIENT], high - low
    w, g = vector(theta, low, size), vector(work, gradient + low, size)
    p = vector(slots, low if whole[N_SLOTS] > 0 else 0, size)
    q = vector(slots, n_parameters + low if whole[N_SLOTS] > 1 else 0, size)
    keys = np.empty(layers.shape[0], np.uint64)
    learning, updates = whole[MODE] == LEARN, 0
    report = settings[REPORT] if settings.size > REPORT else 1.0
    for batch in range(start, stop):
        first = batch * batch_size
        n_rows = min(batch_size, order.size - first)
        pack_weights(layers, theta, work, thread, n_threads, whole[MODE] != EVALUATE)
        meet(gate, n_threads)
        step = whole[DROPOUT_STEP] + batch - start
        mine = partial[thread]
        rows, tables = (x, y, weights, order, first, n_rows, step), (layers, scales, heads, numbers)
        _differentiate(*rows, *tables, theta, work, whole, keys, calls, mine, thread)
        meet(gate, n_threads)
        weight = _sum_weights(weights, order, first, n_rows)
        share = 1.0 if whole[PER_SAMPLE] == 0 else (1 / weight if weight > 0 else 0.0)
        _finish_gradient(layers, theta, work, whole, settings, low, high, share, mine)
        meet(gate, n_threads)
        loss, squares, largest = 0.0, 0.0, 0.0
        for t in range(n_threads):
            loss += report * partial[t, _LOSS] + partial[t, _PENALTY]
            squares += partial[t, _SQUARES]
            largest = max(largest, partial[t, _LARGEST])
        if thread == 0:
            figures[batch - start, 0], figures[batch - start, 1] = loss, weight
            ended[SEEN], ended[UPDATES] = batch - start + 1, updates
        if not math.isfinite(loss):
            return
        if not learning:
            continue
        updates += 1
        rate = rates[batch - start]
        if settings[CLIP_NORM] > 0:
            _scale_by_norm(work, whole, low, high, settings[CLIP_NORM], squares)
        if whole[KIND] >= RPROP_KINDS[0] and largest <= coefficients[4]:
            if thread == 0:
                ended[MET] = 1
        else:
            _decay(layers, theta, work, whole, coefficients, rate, low, high)
            t = whole[FIRST_STEP] + updates
            invoke(calls[UPDATE], (whole[KIND], coefficients, rate, t, w, g, p, q, whole[N_SLOTS]))
            if whole[PROXIMAL] != 0 and settings[L1] > 0:
                _shrink(layers, theta, low, high, rate * settings[L1] * share)
            if settings[MAX_NORM] > 0:
                meet(gate, n_threads)
                _bound_units(layers, theta, settings[MAX_NORM], thread, n_threads)
        meet(gate, n_threads)
        if thread == 0:
            ended[UPDATES] = updates
