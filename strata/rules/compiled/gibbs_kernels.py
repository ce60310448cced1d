# mypy: disable-error-code="no-untyped-call,import-untyped"
"""The kernels of contrastive divergence: the batch and its lists, down, up, and the update.

Where few values of a block of visible units are not 0, as in most pictures and in what a chain draws, the products walk
over those only: lists of them are made on the way.
"""

import math
from typing import Any

from strata.rules.compiled._jit import (
    TILE_ROWS,
    exact_kernel,
    kernel,
    lanes,
    tile,
    vector,
)
from strata.rules.compiled._math import logistic, softplus
from strata.rules.compiled.gibbs_draws import normal_cdf, normal_quantile
from strata.rules.compiled.gibbs_places import (
    AVERAGE,
    BINARY,
    BLOCK,
    BLOCK_COUNT,
    CHAIN_WIDTH,
    CHAINS,
    CHUNK_ROWS,
    COLUMNS,
    COST,
    DATA_ENERGY,
    DATA_SUM,
    DECAY,
    DRAW_ALL,
    DRAW_NONE,
    DRAWS,
    ERROR,
    GAUSSIAN,
    KEEP,
    KIND,
    LIST_ROWS,
    MODEL_ENERGY,
    MODEL_SUM,
    MOMENTUM,
    MOST_FILLED,
    N_HIDDEN,
    N_VISIBLE,
    PANEL_VECTORS,
    PANELS_A_PART,
    RATE,
    RECTIFIED,
    TARGET,
    WIDTH,
)
from strata.rules.compiled.gibbs_rows import add_rows

__all__ = ["go_down", "go_up", "load", "update_block", "update_hidden"]


# -- the batch, and lists of what is not 0 in it -----------------------------------------------------------


@kernel
def load(m: Any, x: Any, order: Any, first: int, n_rows: int, block: int) -> None:
    """Transpose a block of the batch's columns."""
    w = m.whole
    low, columns = block * w[BLOCK], w[COLUMNS]
    size = min(w[BLOCK], w[N_VISIBLE] - low)
    for r in range(n_rows):
        source = vector(x, order[first + r] * w[N_VISIBLE] + low, size)
        target = vector(m.visible, low * columns + r, size * columns)
        for i in range(size):
            target[i * columns] = source[i]
    m.sums[block, DATA_ENERGY] = _visible_energy(m, low, size, 0, n_rows)
    _list(m, low, size, 0, n_rows, block, 0)


@kernel
def _visible_energy(m: Any, low: int, size: int, offset: int, n_rows: int) -> float:
    """Sum what the visible units of a block add to the energies of some rows."""
    total = 0.0
    for i in range(low, low + size):
        total += _visible_term(m, vector(m.visible, i * m.whole[COLUMNS] + offset, n_rows), m.visible_bias[i])
    return total


@kernel
def _visible_term(m: Any, values: Any, bias: Any) -> float:
    """Sum what one visible unit adds to the energies of some rows."""
    total = values.dtype.type(0)
    if m.whole[KIND] == BINARY:
        for r in range(values.size):
            total -= values[r]
        return float(total * bias)
    half = values.dtype.type(0.5)
    for r in range(values.size):
        total += half * (values[r] - bias) * (values[r] - bias)
    return float(total)


@kernel
def _list(m: Any, low: int, size: int, offset: int, n_rows: int, block: int, side: int) -> None:
    """List what is not 0 in a block: for each visible unit the rows, and for each row the units, if they are few."""
    w = m.whole
    columns, room, zero, filled = w[COLUMNS], w[LIST_ROWS], m.visible.dtype.type(0), 0
    for i in range(low, low + size):
        source, n = vector(m.visible, i * columns + offset, n_rows), 0
        places, values = (
            vector(m.unit_places, i * room + offset, n_rows),
            vector(m.unit_values, i * room + offset, n_rows),
        )
        for r in range(n_rows):
            value = source[r]
            places[n] = r
            values[n] = value
            n += 1 if value != zero else 0
        m.unit_counts[2 * i + side] = n
        filled += n
    m.filled[2 * block + side] = filled
    if filled >= MOST_FILLED * size * n_rows:
        return
    rows = block * room + offset
    counts = vector(m.row_counts, rows, n_rows)
    for r in range(n_rows):
        counts[r] = 0
    places, values = (
        vector(m.row_places, rows * w[BLOCK], n_rows * w[BLOCK]),
        vector(m.row_values, rows * w[BLOCK], n_rows * w[BLOCK]),
    )
    for i in range(size):
        at = (low + i) * room + offset
        for k in range(at, at + m.unit_counts[2 * (low + i) + side]):
            r = m.unit_places[k]
            place = r * w[BLOCK] + counts[r]
            places[place] = i
            values[place] = m.unit_values[k]
            counts[r] += 1


# -- down: from hidden to visible units --------------------------------------------------------------------


@kernel
def go_down(m: Any, offset: int, n_rows: int, at_uniform: int, block: int) -> None:
    """Draw the visible units of a block given the chains' hidden units."""
    w = m.whole
    low, columns, width = block * w[BLOCK], w[COLUMNS], w[WIDTH]
    size, step = min(w[BLOCK], w[N_VISIBLE] - low), lanes(m.weight)
    for first in range(0, w[N_HIDDEN], 256):
        depth = min(256, w[N_HIDDEN] - first)
        for j in range(0, n_rows, 2 * step):
            at_b = first * w[CHAIN_WIDTH] + j
            for i in range(low, low + size, TILE_ROWS):
                at_a, at_c = i * width + first, i * columns + offset + j
                if n_rows - j > step:
                    tile(
                        m.weight, at_a, width, 1, m.chains, at_b, w[CHAIN_WIDTH], m.visible, at_c, columns, depth,
                        first, 0, 2,
                    )  # fmt: skip
                else:
                    tile(
                        m.weight, at_a, width, 1, m.chains, at_b, w[CHAIN_WIDTH], m.visible, at_c, columns, depth,
                        first, 0, 1,
                    )  # fmt: skip
    for i in range(low, low + size):
        row, bias = vector(m.visible, i * columns + offset, n_rows), m.visible_bias[i]
        if w[KIND] == BINARY:
            for r in range(n_rows):
                row[r] = logistic(row[r] + bias)
        else:
            for r in range(n_rows):
                row[r] += bias
    if w[DRAWS] == DRAW_ALL:
        _draw_visible(m, low, size, offset, n_rows, at_uniform)
    elif w[KIND] == RECTIFIED:
        _cut_means(m, low, size, offset, n_rows)
    m.sums[block, MODEL_ENERGY] = _visible_energy(m, low, size, offset, n_rows)
    _list(m, low, size, offset, n_rows, block, 1)


@kernel
def _draw_visible(m: Any, low: int, size: int, offset: int, n_rows: int, at_uniform: int) -> None:
    """Replace probabilities or centres by draws."""
    w = m.whole
    columns, kind = w[COLUMNS], m.visible.dtype.type
    one, zero = kind(1), kind(0)
    turned = vector(m.turned, low * n_rows, size * n_rows)
    for r in range(n_rows):
        source = vector(m.uniform, at_uniform + r * w[N_VISIBLE] + low, size)
        for i in range(size):
            turned[i * n_rows + r] = source[i]
    for i in range(size):
        row, u = vector(m.visible, (low + i) * columns + offset, n_rows), vector(turned, i * n_rows, n_rows)
        if w[KIND] == BINARY:
            for r in range(n_rows):
                row[r] = one if u[r] < row[r] else zero
        else:
            for r in range(n_rows):
                row[r] = kind(_deviate(w[KIND], float(row[r]), u[r]))


@exact_kernel
def _deviate(kind: int, centre: float, u: float) -> float:
    """Give the real value at a quantile of a unit's distribution."""
    if kind == GAUSSIAN:
        return centre + normal_quantile(max(u, 1e-300))
    return max(centre - normal_quantile(max(u * normal_cdf(centre), 1e-300)), 0.0)


@kernel
def _cut_means(m: Any, low: int, size: int, offset: int, n_rows: int) -> None:
    """Replace the centres of rectified units by the means of their distributions."""
    columns, kind = m.whole[COLUMNS], m.visible.dtype.type
    for i in range(low, low + size):
        for r in range(n_rows):
            place = i * columns + offset + r
            m.visible[place] = kind(_mean_above_zero(float(m.visible[place])))


@exact_kernel
def _mean_above_zero(centre: float) -> float:
    mass = normal_cdf(centre)
    if mass > 1e-200:
        return centre + 0.3989422804014327 * math.exp(-0.5 * centre * centre) / mass
    return -1 / centre  # the tail is nearly exponential there, with this mean


# -- up: from visible to hidden units ----------------------------------------------------------------------


@kernel
def _sum_panel(m: Any, column: int, low: int, high: int, side: int, n_side: int) -> None:
    """Compute the drives of one panel of hidden units for the rows ``low`` to ``high - 1``."""
    w = m.whole
    width, columns, step = w[WIDTH], w[COLUMNS], lanes(m.weight)
    for r in range(low, high):
        for j in range(PANEL_VECTORS * step):
            m.hidden[r * width + column + j] = m.hidden_bias[column + j]
    for block in range(w[BLOCK_COUNT]):
        begin = block * w[BLOCK]
        size = min(w[BLOCK], w[N_VISIBLE] - begin)
        at_b = begin * width + column
        if m.filled[2 * block + side] < MOST_FILLED * size * n_side:
            for r in range(low, high):
                row = block * w[LIST_ROWS] + r
                if m.row_counts[row] > 0:
                    add_rows(
                        m.row_places, m.row_values, row * w[BLOCK], m.row_counts[row], m.weight, at_b, width,
                        m.hidden, r * width + column, PANEL_VECTORS,
                    )  # fmt: skip
        else:
            for j in range(0, PANEL_VECTORS * step, 2 * step):
                for r in range(low, high, TILE_ROWS):
                    tile(
                        m.visible, begin * columns + r, 1, columns, m.weight, at_b + j, width, m.hidden,
                        r * width + column + j, width, size, 1, 0, 2,
                    )  # fmt: skip


@kernel
def go_up(m: Any, n_rows: int, n_negative: int, low: int, high: int, at_uniform: int, draw: int, part: int) -> None:
    """Compute a part's hidden units of the rows ``low`` to ``high - 1``; the first ``n_rows`` are the data."""
    w = m.whole
    step = PANEL_VECTORS * lanes(m.weight)
    if low == 0:
        m.sums[part, DATA_SUM] = 0.0
    m.sums[part, MODEL_SUM] = 0.0
    for panel in range(part * w[PANELS_A_PART], (part + 1) * w[PANELS_A_PART]):
        column = panel * step
        if column >= w[N_HIDDEN]:
            return
        size = min(step, w[N_HIDDEN] - column)
        for side in range(2):
            begin, end = (low, min(high, n_rows)) if side == 0 else (max(low, n_rows), high)
            if begin >= end:
                continue
            _sum_panel(m, column, begin, end, side, n_rows if side == 0 else n_negative)
            m.sums[part, DATA_SUM + side] += _activate(m, column, size, begin, end)
            if (side == 0 and w[CHAINS] == 0) or (side == 1 and draw):
                _draw_hidden(m, column, size, begin, end - begin, at_uniform)
            if side == 0:
                _weigh_data(m, column, size, n_rows)
            else:
                _weigh_model(m, column, size, n_rows, high)


@kernel
def _activate(m: Any, column: int, size: int, low: int, high: int) -> float:
    """Make probabilities of drives; return the sum of what the drives add to the free energies."""
    width, total = m.whole[WIDTH], 0.0
    for r in range(low, high):
        row = vector(m.hidden, r * width + column, size)
        part = row.dtype.type(0)
        for j in range(size):
            drive = row[j]
            part += softplus(drive)
            row[j] = logistic(drive)
        total -= part
    return total


@kernel
def _draw_hidden(m: Any, column: int, size: int, offset: int, n_rows: int, at_uniform: int) -> None:
    """Write the hidden units that the chains go on from."""
    w = m.whole
    one, zero, across = m.hidden.dtype.type(1), m.hidden.dtype.type(0), w[CHAIN_WIDTH]
    drawn = vector(m.drawn, column, size)
    for r in range(n_rows):
        probs = vector(m.hidden, (offset + r) * w[WIDTH] + column, size)
        target = vector(m.chains, column * across + r, size * across)
        if w[DRAWS] == DRAW_NONE:
            for j in range(size):
                target[j * across] = probs[j]
        else:
            u = vector(m.uniform, at_uniform + r * w[N_HIDDEN] + column, size)
            for j in range(size):
                drawn[j] = one if u[j] < probs[j] else zero
            for j in range(size):
                target[j * across] = drawn[j]


@kernel
def _weigh_data(m: Any, column: int, size: int, n_rows: int) -> None:
    """Push the hidden units of the data towards their target, sum them, and multiply them by what they count for."""
    w, kind = m.whole, m.hidden.dtype.type
    width, share = w[WIDTH], kind(m.sums[0, RATE] / n_rows)
    change = vector(m.change, column, size)
    for j in range(size):
        change[j] = 0
    for r in range(n_rows):
        row = vector(m.hidden, r * width + column, size)
        for j in range(size):
            change[j] += row[j]
    if m.settings[COST] > 0:
        keep = kind(m.settings[KEEP])
        for j in range(size):
            now = change[j] / kind(n_rows)
            before = m.activity[column + j]
            q = now if before < 0 else keep * before + (kind(1) - keep) * now
            m.activity[column + j] = q
            push = kind(m.settings[COST]) * (kind(m.settings[TARGET]) - q)
            change[j] += push * kind(n_rows)
            for r in range(n_rows):
                m.hidden[r * width + column + j] += push
    for r in range(n_rows):
        row = vector(m.hidden, r * width + column, size)
        for j in range(size):
            row[j] *= share


@kernel
def _weigh_model(m: Any, column: int, size: int, low: int, high: int) -> None:
    """Sum the hidden units of the chains, and multiply them by what they count for."""
    w, kind = m.whole, m.hidden.dtype.type
    width, share = w[WIDTH], kind(-m.sums[0, RATE] / low * _model_ratio(m, low, high - low))
    total = vector(m.change, w[WIDTH] + column, size)  # the last step's alone
    for j in range(size):
        total[j] = 0
    for r in range(low, high):
        row = vector(m.hidden, r * width + column, size)
        for j in range(size):
            total[j] += row[j]
            row[j] *= share


@kernel
def _model_ratio(m: Any, n_rows: int, n_negative: int) -> float:
    """Return what a row of the chains counts for, in rows of the data."""
    return n_rows / n_negative if m.whole[AVERAGE] != 0 else 1.0


# -- the update --------------------------------------------------------------------------------------------


@kernel
def _find_chunk(m: Any, low: int, size: int, offset: int, begin: int, end: int, side: int) -> None:
    """Find, in the list of each visible unit of a block, the rows ``begin`` to ``end - 1`` of a side."""
    room = m.whole[LIST_ROWS]
    for i in range(low, low + size):
        start = i * room + offset
        stop = start + m.unit_counts[2 * i + side]
        at = start if begin == 0 else m.chunk_starts[i] + m.chunk_counts[i]
        n = 0
        while at + n < stop and m.unit_places[at + n] < end:
            n += 1
        m.chunk_starts[i], m.chunk_counts[i] = at, n


@kernel
def _add_products(m: Any, target: Any, block: int, first: int, n_rows: int, side: int) -> None:
    """Add to a block of ``target`` the products of visible and hidden units of some rows."""
    w = m.whole
    low, width, columns, step = block * w[BLOCK], w[WIDTH], w[COLUMNS], lanes(m.weight)
    size = min(w[BLOCK], w[N_VISIBLE] - low)
    few = m.filled[2 * block + side] < MOST_FILLED * size * n_rows
    n_chunks = (n_rows + CHUNK_ROWS - 1) // CHUNK_ROWS
    for chunk in range(n_chunks):
        begin, end = n_rows * chunk // n_chunks, n_rows * (chunk + 1) // n_chunks
        count = end - begin
        if few:
            _find_chunk(m, low, size, first, begin, end, side)
            for column in range(0, w[N_HIDDEN], PANEL_VECTORS * step):
                for i in range(low, low + size):
                    if m.chunk_counts[i] > 0:
                        add_rows(
                            m.unit_places, m.unit_values, m.chunk_starts[i], m.chunk_counts[i], m.hidden,
                            first * width + column, width, target, i * width + column, PANEL_VECTORS,
                        )  # fmt: skip
        else:
            for column in range(0, w[N_HIDDEN], 2 * step):
                for i in range(low, low + size, TILE_ROWS):
                    tile(
                        m.visible, i * columns + first + begin, columns, 1, m.hidden,
                        (first + begin) * width + column, width,
                        target, i * width + column, width, count, 1, 0, 2,
                    )  # fmt: skip


@kernel
def update_block(m: Any, n_rows: int, n_negative: int, block: int) -> None:
    """Update the weights and biases of a block of visible units."""
    w, kind = m.whole, m.weight.dtype.type
    low, columns, width = block * w[BLOCK], w[COLUMNS], w[WIDTH]
    size, rate = min(w[BLOCK], w[N_VISIBLE] - low), m.sums[0, RATE]
    momentum, cost = kind(m.settings[MOMENTUM]), kind(rate * m.settings[DECAY])
    weight = vector(m.weight, low * width, size * width)
    moving = m.velocity.size > 0
    if moving:
        velocity = vector(m.velocity, low * width, size * width)
        for i in range(weight.size):
            velocity[i] = momentum * velocity[i] - cost * weight[i]
    elif cost != 0:
        for i in range(weight.size):
            weight[i] -= cost * weight[i]
    target = m.velocity if moving else m.weight
    for side in range(2):
        _add_products(m, target, block, side * n_rows, n_rows if side == 0 else n_negative, side)
    if moving:
        velocity = vector(m.velocity, low * width, size * width)
        for i in range(weight.size):
            weight[i] += velocity[i]
    share, ratio = rate / n_rows, _model_ratio(m, n_rows, n_negative)
    for i in range(low, low + size):
        change, model = kind(0), kind(0)
        data_row = vector(m.visible, i * columns, n_rows)
        model_row = vector(m.visible, i * columns + n_rows, n_negative)
        for r in range(n_rows):
            change += data_row[r]
        for r in range(n_negative):
            model += model_row[r]
        move = share * (float(change) - ratio * float(model))  # in double precision: there are few biases
        if moving:
            move += m.settings[MOMENTUM] * m.visible_velocity[i]
            m.visible_velocity[i] = kind(move)
        m.visible_bias[i] = kind(float(m.visible_bias[i]) + move)
    error = 0.0
    if w[CHAINS] == 0:
        for i in range(low, low + size):
            part = kind(0)
            data_row = vector(m.visible, i * columns, n_rows)
            model_row = vector(m.visible, i * columns + n_rows, n_negative)
            for r in range(n_rows):
                part += (data_row[r] - model_row[r]) * (data_row[r] - model_row[r])
            error += part
    m.sums[block, ERROR] = error


@kernel
def update_hidden(m: Any, n_rows: int, n_negative: int) -> None:
    """Update the biases of the hidden units."""
    w, kind, moving = m.whole, m.hidden_bias.dtype.type, m.velocity.size > 0
    share, ratio = m.sums[0, RATE] / n_rows, _model_ratio(m, n_rows, n_negative)
    for j in range(w[N_HIDDEN]):
        move = share * (float(m.change[j]) - ratio * float(m.change[w[WIDTH] + j]))
        if moving:
            move += m.settings[MOMENTUM] * m.hidden_velocity[j]
            m.hidden_velocity[j] = kind(move)
        m.hidden_bias[j] = kind(float(m.hidden_bias[j]) + move)
