"""The losses of the output heads with their gradients at the scores, in one pass each.

The definitions are those of :mod:`strata.functional.losses`; a head is a range of columns of the last layer.
"""

import math
from typing import Any

from strata.rules.compiled._jit import invoke, kernel, piece, vector
from strata.rules.compiled._math import exp, logistic, softplus
from strata.rules.compiled._places import ACTIVATE, SLOPE
from strata.rules.compiled.activations import ACTIVATION_CODES, SLOPE_FROM_OUTPUT

__all__ = ["LOSS_CODES", "head_loss", "head_total"]

_SQUARED, _HUBER, _ABSOLUTE, _CLASSES, _PROBABILITIES, _KL, _BINARY, _POISSON, _HINGE, _HINGES, _FOCAL, _FOCALS = range(
    12
)

#: Number of each loss: of the form whose target is one value an output, and of the form with a class number.
LOSS_CODES = {
    "half_squared": (_SQUARED, -1),
    "squared_error": (_SQUARED, -1),
    "mse": (_SQUARED, -1),  # with the factor 2 in the head's scale
    "rss": (_SQUARED, -1),
    "huber": (_HUBER, -1),
    "mae": (_ABSOLUTE, -1),
    "cross_entropy": (_PROBABILITIES, _CLASSES),
    "kl_divergence": (_KL, -1),
    "binary_cross_entropy": (_BINARY, -1),
    "poisson": (_POISSON, -1),
    "hinge": (_HINGES, _HINGE),
    "focal": (_FOCALS, _FOCAL),
}

#: Columns of the table of heads.
LOSS, ACTIVATION, COLUMN, SIZE, TARGET, TARGET_WIDTH, IS_MEAN, MAY_MISS = range(8)
#: Columns of the table of the heads' numbers: scale (weight and constants), huber's delta, focal's gamma and alpha.
SCALE, DELTA, GAMMA, ALPHA = range(4)

_SOFTMAX = ACTIVATION_CODES["softmax"]


@kernel
def _is_missing(targets: Any) -> bool:
    for j in range(targets.size):  # noqa: SIM110 - compiled
        if targets[j] != targets[j]:
            return True
    return False


@kernel
def head_total(head: Any, y: Any, order: Any, first: int, n_rows: int, weights: Any) -> float:
    """Sum the weights of the batch's rows that count for a head, which its mean is divided by."""
    if head[IS_MEAN] == 0:
        return 1.0
    if weights.size == 0 and head[MAY_MISS] == 0:
        return float(n_rows)
    total, width = 0.0, y.shape[1]
    for i in range(first, first + n_rows):
        row = order[i]
        targets = vector(y, row * width + head[TARGET], head[TARGET_WIDTH])
        if head[MAY_MISS] == 0 or not _is_missing(targets):
            total += 1.0 if weights.size == 0 else weights[row]
    return total if total != 0.0 else 1.0


@kernel
def _softmax_rows(work: Any, z: int, a: int, ld: int, n_rows: int, size: int, tops: Any, flat: bool) -> None:
    """Write ``exp(z - max z)`` of each row to a, and the maxima to ``tops``."""
    for i in range(n_rows):
        scores, out = vector(work, z + i * ld, size), vector(work, a + i * ld, size)
        top = scores[0]
        for j in range(1, size):
            top = scores[j] if scores[j] > top else top
        tops[i] = top
        for j in range(size):
            out[j] = scores[j] - top
        if not flat:
            for j in range(size):
                out[j] = exp(out[j])
    if flat:
        everything = vector(work, a, n_rows * ld)
        for i in range(everything.size):
            everything[i] = exp(everything[i])


@kernel
def _row_scale(weights: Any, row: int, scale: Any, targets: Any, may_miss: int) -> Any:
    """Return what the loss of a row is multiplied by."""
    kind = targets.dtype.type
    if may_miss != 0 and _is_missing(targets):
        return kind(0)
    return scale if weights.size == 0 else scale * weights[row]


@kernel
def _classes_row(
    p: Any, delta: Any, scores: Any, targets: Any, top: Any, scale: Any, is_index: bool, is_kl: bool
) -> Any:
    """Return the cross-entropy of one row, whose ``p`` holds the exponentials, and write p and the gradient."""
    kind = p.dtype.type
    total = kind(0)
    for j in range(p.size):
        total += p[j]
    lse, inverse = top + kind(math.log(total)), kind(1) / total
    if is_index:
        for j in range(p.size):
            p[j] *= inverse
            delta[j] = p[j] * scale
        wanted = targets[0]
        if not (wanted >= 0 and wanted < p.size):
            return kind(math.nan)
        truth = int(wanted)
        delta[truth] -= scale
        return lse - scores[truth]
    mass = kind(0)
    for j in range(p.size):
        mass += targets[j]
    loss = kind(0)
    for j in range(p.size):
        p[j] *= inverse
        delta[j] = (p[j] * mass - targets[j]) * scale
        loss += targets[j] * (lse - scores[j])
        if is_kl and targets[j] != 0:
            loss += targets[j] * kind(math.log(targets[j]))
    return loss


@kernel
def _focal_row(p: Any, delta: Any, scores: Any, targets: Any, top: Any, scale: Any, gamma: Any) -> Any:
    """Return the focal loss of one row of exclusive classes, likewise."""
    kind = p.dtype.type
    wanted = targets[0]
    if not (wanted >= 0 and wanted < p.size):
        return kind(math.nan)
    truth = int(wanted)
    rival, total, others = kind(-math.inf), kind(0), kind(0)
    for j in range(p.size):
        total += p[j]
        if j != truth:
            rival = scores[j] if scores[j] > rival else rival
    for j in range(p.size):
        if j != truth:
            others += exp(scores[j] - rival)
    lse, lse_others = top + kind(math.log(total)), rival + kind(math.log(others))
    log_p, log_rest = scores[truth] - lse, lse_others - lse
    power = exp(gamma * log_rest) if gamma != 0 else kind(1)
    bend = gamma * power * exp(log_p) * log_p
    inverse = kind(1) / total
    for j in range(p.size):
        p[j] *= inverse
        if j == truth:
            delta[j] = scale * (bend - power * exp(log_rest))
        else:
            delta[j] = scale * (power * p[j] - bend * exp(scores[j] - lse_others))
    return -power * log_p


@kernel
def _hinge_row(delta: Any, scores: Any, targets: Any, scale: Any) -> Any:
    """Return the multi-class hinge loss of one row."""
    kind = delta.dtype.type
    for j in range(delta.size):
        delta[j] = 0
    wanted = targets[0]
    if not (wanted >= 0 and wanted < delta.size):
        return kind(math.nan)
    truth = int(wanted)
    rival = -1
    for j in range(delta.size):
        if j != truth and (rival < 0 or scores[j] > scores[rival]):
            rival = j
    margin = kind(1) + scores[rival] - scores[truth]
    if margin <= 0:
        return kind(0)
    delta[rival], delta[truth] = scale, -scale
    return margin


@kernel
def _answers_row(loss: int, p: Any, delta: Any, scores: Any, targets: Any, scale: Any, numbers: Any) -> Any:
    """Return the loss of a row whose outputs are separate questions or counts."""
    kind = p.dtype.type
    one, total = kind(1), kind(0)
    if loss == _BINARY:
        for j in range(p.size):
            total += softplus(scores[j]) - targets[j] * scores[j]
            p[j] = logistic(scores[j])
            delta[j] = (p[j] - targets[j]) * scale
    elif loss == _POISSON:
        for j in range(p.size):
            p[j] = exp(scores[j])
            total += p[j] - targets[j] * scores[j]
            delta[j] = (p[j] - targets[j]) * scale
    elif loss == _HINGES:
        for j in range(p.size):
            p[j] = scores[j]
            sign = one if targets[j] > 0 else -one
            margin = one - sign * scores[j]
            delta[j] = -sign * scale if margin > 0 else kind(0)
            total += margin if not margin <= 0 else kind(0)
    else:
        gamma, alpha = kind(numbers[GAMMA]), kind(numbers[ALPHA])
        for j in range(p.size):
            p[j] = logistic(scores[j])
            yes = targets[j] > kind(0.5)
            signed = scores[j] if yes else -scores[j]
            log_p, log_rest = -softplus(-signed), -softplus(signed)
            power = exp(gamma * log_rest)
            share = one if alpha < 0 else (alpha if yes else one - alpha)
            slope = share * power * (gamma * exp(log_p) * log_p - exp(log_rest)) * scale
            delta[j] = slope if yes else -slope
            total -= share * power * log_p
    return total


@kernel
def _single_answers(work: Any, z: int, ld: int, n_rows: int, spare: Any) -> None:
    """Write the probabilities of one yes-or-no output, and after them the softplus of its scores, to ``spare``."""
    p, bent = vector(spare, 0, n_rows), vector(spare, n_rows, n_rows)
    for i in range(n_rows):
        p[i] = work[z + i * ld]
    for i in range(n_rows):
        bent[i] = softplus(p[i])
    for i in range(n_rows):
        p[i] = logistic(p[i])


@kernel
def _residual_row(loss: int, p: Any, delta: Any, targets: Any, scale: Any, limit: Any) -> Any:
    """Return the loss of a row from its predictions, and write the gradient at these."""
    kind = p.dtype.type
    half, total = kind(0.5), kind(0)
    if loss == _SQUARED:
        for j in range(p.size):
            error = p[j] - targets[j]
            total += half * error * error
            delta[j] = error * scale
    elif loss == _HUBER:
        for j in range(p.size):
            error = p[j] - targets[j]
            size = abs(error)
            total += half * error * error if size <= limit else limit * (size - half * limit)
            bounded = -limit if error < -limit else error
            delta[j] = (limit if bounded > limit else bounded) * scale
    else:
        for j in range(p.size):
            error = p[j] - targets[j]
            total += abs(error)
            delta[j] = scale if error > 0 else (-scale if error < 0 else error)
    return total


@kernel
def _through_softmax(p: Any, delta: Any) -> None:
    """Multiply the gradient at the probabilities by the Jacobian ``diag(p) - p p^T``."""
    mean = p.dtype.type(0)
    for j in range(p.size):
        mean += p[j] * delta[j]
    for j in range(p.size):
        delta[j] = p[j] * (delta[j] - mean)


@piece
def head_loss(
    head: Any,
    numbers: Any,
    work: Any,
    z: int,
    a: int,
    d: int,
    ld: int,
    tops: Any,
    y: Any,
    order: Any,
    first: int,
    n_rows: int,
    weights: Any,
    total_weight: float,
    n_heads: int,
    calls: Any,
    loss_sum: Any,
) -> None:
    """Add the head's part of the loss over some rows; write its predictions and its gradient at the scores.

    ``z``, ``a`` and ``d`` are where the scores, predictions and gradients of the whole layer begin in ``work``;
    the rows are ``order[first:first + n_rows]`` of ``y``; ``tops`` has
    room for two numbers a row. The sum is added to ``loss_sum[0]``.
    """
    kind, alone = work.dtype.type, n_heads == 1
    loss, activation, size, column = head[LOSS], head[ACTIVATION], head[SIZE], head[COLUMN]
    z, a, d = z + column, a + column, d + column
    scale = kind(numbers[SCALE] / total_weight)
    exclusive = loss in (_CLASSES, _PROBABILITIES, _KL, _FOCAL)
    residual = loss <= _ABSOLUTE
    if exclusive or activation == _SOFTMAX:
        _softmax_rows(work, z, a, ld, n_rows, size, tops, alone)
    elif residual and alone:
        invoke(calls[ACTIVATE], (activation, vector(work, z, n_rows * ld), vector(work, a, n_rows * ld)))
    lone_answer = loss == _BINARY and size == 1
    if lone_answer:
        _single_answers(work, z, ld, n_rows, tops)
    result = 0.0
    for i in range(n_rows):
        row = order[first + i]
        scores, p = vector(work, z + i * ld, size), vector(work, a + i * ld, size)
        delta = vector(work, d + i * ld, size)
        targets = vector(y, row * y.shape[1] + head[TARGET], head[TARGET_WIDTH])
        row_scale = _row_scale(weights, row, scale, targets, head[MAY_MISS])
        if head[MAY_MISS] != 0 and _is_missing(targets):
            for j in range(size):
                delta[j] = 0
            continue
        if lone_answer:
            p[0] = tops[i]
            value = tops[n_rows + i] - targets[0] * scores[0]
            delta[0] = (p[0] - targets[0]) * row_scale
        elif residual:
            if activation == _SOFTMAX:
                value = kind(0)
                for j in range(size):
                    value += p[j]
                for j in range(size):
                    p[j] /= value
            elif not alone:
                invoke(calls[ACTIVATE], (activation, scores, p))
            value = _residual_row(loss, p, delta, targets, row_scale, kind(numbers[DELTA]))
            if activation == _SOFTMAX:
                _through_softmax(p, delta)
            elif not alone:
                invoke(calls[SLOPE], (activation, p if activation <= SLOPE_FROM_OUTPUT else scores, delta))
        elif loss == _FOCAL:
            value = _focal_row(p, delta, scores, targets, tops[i], row_scale, kind(numbers[GAMMA]))
        elif exclusive:
            value = _classes_row(p, delta, scores, targets, tops[i], row_scale, loss == _CLASSES, loss == _KL)
        elif loss == _HINGE:
            value = _hinge_row(delta, scores, targets, row_scale)
            for j in range(size):
                p[j] = scores[j]
        else:
            value = _answers_row(loss, p, delta, scores, targets, row_scale, numbers)
        if row_scale != 0:
            result += row_scale * value
    if residual and alone and activation != _SOFTMAX:
        source = a if activation <= SLOPE_FROM_OUTPUT else z
        invoke(calls[SLOPE], (activation, vector(work, source, n_rows * ld), vector(work, d, n_rows * ld)))
    loss_sum[0] += result
