"""Many batches in one compiled call: gather, forward, loss, backward, penalty, clip, update.

A batch may be divided into parts, which several threads share. The division depends on the network and the batch
only, never on who is there, so a run repeats bit for bit.
"""

import math
from typing import Any

from strata.rules.compiled._jit import entry, invoke, kernel
from strata.rules.compiled._places import (
    ALL_SQUARES,
    DROPOUT_STEP,
    FIRST_ROW,
    FIRST_STEP,
    HELPERS,
    KIND,
    LARGEST,
    LEARN,
    LOSS_SUM,
    MAX_NORM,
    MET,
    MODE,
    N_ROWS,
    N_THREADS,
    PENALTY_SUM,
    PER_SAMPLE,
    PERFORM,
    PHASE,
    RATE,
    REPORT,
    SEEN,
    SHARE,
    SQUARES_SUM,
    STEP,
    TIME,
    UPDATES,
)
from strata.rules.compiled.optimizers import RPROP_KINDS
from strata.rules.compiled.phases import BOUND, FINISH, LEARN_ROWS, PACK, STEP_WEIGHTS, UP_TO_FINISH
from strata.rules.compiled.sharing import close, finished, next_part, post, wait_for_all, wait_for_part

__all__ = ["run_batches"]


@kernel
def _sum_weights(weights: Any, order: Any, first: int, n_rows: int) -> float:
    if weights.size == 0:
        return float(n_rows)
    total = 0.0
    for i in range(first, first + n_rows):
        total += weights[order[i]]
    return total


@kernel
def _share_out(phase: int, whole: Any, gate: Any, calls: Any, given: Any) -> None:
    """Have every part of a phase computed, by this thread and by those that help."""
    n_parts = whole[N_THREADS]
    if whole[HELPERS] == 0:
        for part in range(n_parts):
            invoke(calls[PERFORM], (phase, part, *given))
        return
    gate[PHASE] = phase
    post(gate)
    part = next_part(gate, n_parts)
    while part < n_parts:
        invoke(calls[PERFORM], (phase, part, *given))
        finished(gate)
        part = next_part(gate, n_parts)
    wait_for_all(gate, n_parts)


@kernel
def _help(whole: Any, gate: Any, calls: Any, given: Any) -> None:
    """Compute parts until the gate is closed."""
    while True:
        part = wait_for_part(gate, whole[N_THREADS])
        if part < 0:
            return
        invoke(calls[PERFORM], (gate[PHASE], part, *given))
        finished(gate)


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
    """Take the batches ``start`` to ``stop - 1`` (thread 0), or help whoever does (other threads).

    ``figures[i]`` becomes the loss, penalty included, and the weight of the i-th of them. A batch whose loss is not
    finite ends the call before its update.
    """
    tables = (layers, scales, heads, numbers)
    given = (x, y, weights, order, *tables, theta, slots, work, whole, settings, coefficients, gate, partial, calls)
    if thread > 0:
        _help(whole, gate, calls, given)
        return
    learning, updates = whole[MODE] == LEARN, 0
    report = settings[REPORT] if settings.size > REPORT else 1.0
    for batch in range(start, stop):
        first = batch * batch_size
        n_rows = min(batch_size, order.size - first)
        gate[FIRST_ROW], gate[N_ROWS], gate[STEP] = first, n_rows, whole[DROPOUT_STEP] + batch - start
        weight = _sum_weights(weights, order, first, n_rows)
        partial[0, SHARE] = 1.0 if whole[PER_SAMPLE] == 0 else (1 / weight if weight > 0 else 0.0)
        if whole[N_THREADS] == 1:
            invoke(calls[PERFORM], (UP_TO_FINISH, 0, *given))
        else:
            _share_out(PACK, whole, gate, calls, given)
            _share_out(LEARN_ROWS, whole, gate, calls, given)
            _share_out(FINISH, whole, gate, calls, given)
        loss, squares, largest = 0.0, 0.0, 0.0
        for t in range(whole[N_THREADS]):
            loss += report * partial[t, LOSS_SUM] + partial[t, PENALTY_SUM]
            squares += partial[t, SQUARES_SUM]
            largest = max(largest, partial[t, LARGEST])
        figures[batch - start, 0], figures[batch - start, 1] = loss, weight
        ended[SEEN] = batch - start + 1
        if not math.isfinite(loss):
            break
        if not learning:
            continue
        updates += 1
        if whole[KIND] >= RPROP_KINDS[0] and largest <= coefficients[4]:
            ended[MET] = 1
        else:
            partial[0, RATE], partial[0, ALL_SQUARES] = rates[batch - start], squares
            gate[TIME] = whole[FIRST_STEP] + updates
            _share_out(STEP_WEIGHTS, whole, gate, calls, given)
            if settings[MAX_NORM] > 0:
                _share_out(BOUND, whole, gate, calls, given)
        ended[UPDATES] = updates
    if whole[HELPERS] != 0:
        close(gate)
