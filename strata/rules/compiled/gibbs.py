# mypy: disable-error-code="no-untyped-call,import-untyped"
"""Contrastive divergence, compiled: many batches in one call, shared by threads.

A batch is a sequence of phases, each divided into parts. Going up to the hidden units a part is a range of hidden
units, so that the weights are read once; going down, and in the update, it is a block of visible units.
"""

from collections.abc import Callable
from functools import cache
from typing import Any

import numba
import numpy as np
from numba import types

from strata.rules.compiled._jit import address_of, entry, invoke, is_at_hand, is_kept_on_disk, kernel, piece, vector
from strata.rules.compiled.gibbs_draws import draw_uniform
from strata.rules.compiled.gibbs_kernels import go_down, go_up, load, update_block, update_hidden
from strata.rules.compiled.gibbs_places import (
    AT_HIDDEN,
    AT_VISIBLE,
    BLOCK_COUNT,
    CHAINS,
    DATA_ENERGY,
    DATA_SUM,
    DOWN,
    DRAW,
    DRAW_ALL,
    DRAW_NONE,
    DRAWS,
    ERROR,
    FIRST,
    HELPERS,
    LOAD,
    MODEL_ENERGY,
    MODEL_SUM,
    N_HIDDEN,
    N_PARTS,
    N_VISIBLE,
    NEGATIVE,
    NEXT,
    PHASE,
    RATE,
    ROWS,
    STEPS,
    UP,
    UP_FROM,
    UP_TO,
    UPDATE,
    Memory,
)
from strata.rules.compiled.sharing import close, finished, next_part, post, wait_for_all, wait_for_part

__all__ = ["addresses", "learn_batches", "perform"]

_LARGEST = 1.7976931348623157e308


# -- phases ------------------------------------------------------------------------------------------------


@kernel
def _n_draws(m: Any, n_rows: int) -> int:
    """Return how many uniform numbers a batch of so many rows takes."""
    w = m.whole
    n_negative = w[CHAINS] if w[CHAINS] > 0 else n_rows
    # of hidden units: after every step of a persistent chain; else at the start and between the steps
    total = 0 if w[DRAWS] == DRAW_NONE else w[STEPS] * n_negative * w[N_HIDDEN]
    if w[DRAWS] == DRAW_ALL:
        total += w[STEPS] * n_negative * w[N_VISIBLE]
    return int(total)


@piece
def perform(m: Any, x: Any, order: Any, gate: Any, part: int) -> None:
    """Compute one part of the phase that the gate describes."""
    w, phase, n_rows, n_negative = m.whole, gate[PHASE], gate[ROWS], gate[NEGATIVE]
    inside = part < w[BLOCK_COUNT]
    if phase == LOAD and inside:
        load(m, x, order, gate[FIRST], n_rows, part)
    if inside and (phase == DOWN or (phase == LOAD and w[CHAINS] > 0)):
        go_down(m, n_rows, n_negative, gate[AT_VISIBLE], part)
    if phase == UP:
        go_up(m, n_rows, n_negative, gate[UP_FROM], gate[UP_TO], gate[AT_HIDDEN], gate[DRAW], part)
    if phase == UPDATE and inside:
        update_block(m, n_rows, n_negative, part)
    if phase == UPDATE and part == w[BLOCK_COUNT]:
        update_hidden(m, n_rows, n_negative)
        draw_uniform(m.generator, m.spare, vector(m.uniform, 0, _n_draws(m, gate[NEXT]) if gate[NEXT] > 0 else 0))


@kernel
def _share_out(phase: int, m: Any, x: Any, order: Any, gate: Any, calls: Any) -> None:
    """Have every part of a phase computed, by this thread and by those that help."""
    n_parts = m.whole[N_PARTS]
    gate[PHASE] = phase
    if m.whole[HELPERS] == 0:
        for part in range(n_parts):
            invoke(calls[0], (m, x, order, gate, part))
        return
    post(gate)
    part = next_part(gate, n_parts)
    while part < n_parts:
        invoke(calls[0], (m, x, order, gate, part))
        finished(gate)
        part = next_part(gate, n_parts)
    wait_for_all(gate, n_parts)


@kernel
def _walk(m: Any, x: Any, order: Any, gate: Any, calls: Any, n_rows: int) -> None:
    """Take a batch and its chains up to the update."""
    w = m.whole
    persistent = w[CHAINS] > 0
    n_negative = w[CHAINS] if persistent else n_rows
    visible_draws = n_negative * w[N_VISIBLE] if w[DRAWS] == DRAW_ALL else 0
    hidden_draws = 0 if w[DRAWS] == DRAW_NONE else n_negative * w[N_HIDDEN]
    gate[ROWS], gate[NEGATIVE], gate[UP_FROM] = n_rows, n_negative, 0
    at = 0
    if persistent:
        gate[AT_VISIBLE], at = at, at + visible_draws
        _share_out(LOAD, m, x, order, gate, calls)
        gate[UP_TO], gate[DRAW], gate[AT_HIDDEN], at = n_rows + n_negative, 1, at, at + hidden_draws
        _share_out(UP, m, x, order, gate, calls)
    else:
        _share_out(LOAD, m, x, order, gate, calls)
        gate[UP_TO], gate[DRAW], gate[AT_HIDDEN], at = n_rows, 0, at, at + hidden_draws
        _share_out(UP, m, x, order, gate, calls)
    gate[UP_FROM], gate[UP_TO] = n_rows, n_rows + n_negative
    for step in range(1 if persistent else 0, w[STEPS]):
        gate[AT_VISIBLE], at = at, at + visible_draws
        _share_out(DOWN, m, x, order, gate, calls)
        gate[DRAW] = 1 if persistent or step + 1 < w[STEPS] else 0
        gate[AT_HIDDEN] = at
        if gate[DRAW] == 1:
            at += hidden_draws
        _share_out(UP, m, x, order, gate, calls)


@entry
def learn_batches(
    x: Any, order: Any, batch_size: int, start: int, stop: int, m: Any, rates: Any, gate: Any, figures: Any, seen: Any,
    calls: Any, thread: int,
) -> None:  # fmt: skip
    """Learn from the batches ``start`` to ``stop - 1`` (thread 0), or help whoever does (other threads).

    ``figures[i]`` becomes the mean free energy of the data minus that of the chains, the mean squared error of the
    reconstruction, and the number of rows. A batch whose figure is not finite ends the call before its update.
    """
    w = m.whole
    if thread > 0:
        while True:
            part = wait_for_part(gate, w[N_PARTS])
            if part < 0:
                return
            invoke(calls[0], (m, x, order, gate, part))
            finished(gate)
    n_rows = min(batch_size, order.size - start * batch_size)
    draw_uniform(m.generator, m.spare, vector(m.uniform, 0, _n_draws(m, n_rows)))
    for batch in range(start, stop):
        first = batch * batch_size
        n_rows = min(batch_size, order.size - first)
        gate[FIRST] = first
        gate[NEXT] = min(batch_size, order.size - first - batch_size) if batch + 1 < stop else 0
        m.sums[0, RATE] = rates[batch - start]
        _walk(m, x, order, gate, calls, n_rows)
        data, model = 0.0, 0.0
        for part in range(w[N_PARTS]):
            data += m.sums[part, DATA_ENERGY] + m.sums[part, DATA_SUM]
            model += m.sums[part, MODEL_ENERGY] + m.sums[part, MODEL_SUM]
        contrast = data / n_rows - model / gate[NEGATIVE]
        figures[batch - start, 0], figures[batch - start, 2] = contrast, n_rows
        seen[0] = batch - start + 1
        if not abs(contrast) <= _LARGEST:  # math.isfinite subtracts, which the compiler may reorder to 0
            break
        _share_out(UPDATE, m, x, order, gate, calls)
        error = 0.0
        for part in range(w[N_PARTS]):
            error += m.sums[part, ERROR]
        figures[batch - start, 1] = error / (n_rows * w[N_VISIBLE])
    if w[HELPERS] != 0:
        close(gate)


# -- compiling ---------------------------------------------------------------------------------------------

_SMALL = {"unit_places": np.int32, "row_places": np.int32, "generator": np.uint32, "spare": np.uint32}
_WHOLE = ("filled", "unit_counts", "row_counts", "chunk_starts", "chunk_counts", "whole")
_REAL = ("uniform", "turned", "settings")


def _kinds(dtype: np.dtype) -> tuple[tuple[Any, ...], tuple[Any, ...]]:
    """Return the argument types of :func:`perform` and of :func:`learn_batches`."""
    n, double = types.int64, types.float64
    real, whole, numbers = (types.Array(kind, 1, "C") for kind in (numba.from_dtype(dtype), n, double))
    arrays: list[Any] = []
    for name in Memory._fields:
        if name in _SMALL:
            arrays.append(types.Array(numba.from_dtype(np.dtype(_SMALL[name])), 1, "C"))
        elif name == "sums":
            arrays.append(types.Array(double, 2, "C"))
        else:
            arrays.append(whole if name in _WHOLE else numbers if name in _REAL else real)
    memory, figures = types.NamedTuple(tuple(arrays), Memory), types.Array(double, 2, "C")
    learning = (real, whole, n, n, n, memory, numbers, whole, figures, whole, whole, n)
    return (memory, real, whole, whole, n), learning


@cache
def addresses(dtype: np.dtype, say: Callable[[str], None] | None = None) -> np.ndarray:
    """Compile the chain for a dtype, or load it from disk.

    Parameters
    ----------
    dtype : dtype
        float32 or float64.
    say : callable, optional
        Takes a line when there is something to compile, which takes a while.

    Returns
    -------
    addresses : ndarray of shape (1,), int64
        Where the code of :func:`perform` begins in this process.
    """
    part, whole = _kinds(dtype)
    if say is not None and not (is_at_hand(perform, part) and is_at_hand(learn_batches, whole)):
        once = "once on this machine" if is_kept_on_disk(perform) else "no folder to keep it in can be written to"
        say(f"compiling the Gibbs chain ({once})")
    address = address_of(perform, part)
    address_of(learn_batches, whole)
    return np.array([address], dtype=np.int64)
