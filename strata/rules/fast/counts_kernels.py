# mypy: disable-error-code="no-untyped-call,import-untyped"
"""The log-likelihood of counts and its derivatives in one pass over the numbers, for negative binomial distributions.

What is needed at every entry is computed by vectors; what only counts above 0 need, by the entry: of most counts that
is a short product in place of four gamma functions.
"""

import math
from typing import Any

import numpy as np
from llvmlite import ir

from strata.rules.compiled._jit import entry, exact_kernel, fused, kernel, machine_word
from strata.rules.compiled._math import exp, logistic, softplus

__all__ = ["LOG_FACTORIALS", "add_up"]

#: Entries of a row that are worked on at a time: they stay in the first-level cache.
CHUNK = 256
#: Counts up to here have their gamma functions as a product.
SHORT = 16
#: Logarithms of the factorials of counts; larger ones are computed.
LOG_FACTORIALS = np.array([math.lgamma(count + 1.0) for count in range(1024)])

_ROOT_HALF = 0x3F3504F3  # bits of the square root of one half in float32
_ODD = tuple(np.float32(1 / (2 * k + 1)) for k in range(5))
_LN2 = np.float32(math.log(2))


@machine_word
def _exponent(typing_context: Any, x: Any) -> Any:
    """Return the whole n for which ``x / 2^n`` is between the roots of one half and of two, x a positive float32."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(32)
        bits = builder.sub(builder.bitcast(arguments[0], word), word(_ROOT_HALF))
        return builder.sitofp(builder.ashr(bits, word(23)), arguments[0].type)

    return x(x), codegen


@machine_word
def _mantissa(typing_context: Any, x: Any) -> Any:
    """Return that ``x / 2^n``."""

    def codegen(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        word = ir.IntType(32)
        bits = builder.bitcast(arguments[0], word)
        n = builder.ashr(builder.sub(bits, word(_ROOT_HALF)), word(23))
        return builder.bitcast(builder.sub(bits, builder.shl(n, word(23))), arguments[0].type)

    return x(x), codegen


@exact_kernel
def _log1p(q: Any) -> Any:
    """Compute ``log(1 + q)`` for q >= 0, precise near zero too; infinite and NaN stay what they are."""
    one = np.float32(1)
    u = one + q
    n, m = _exponent(u), _mantissa(u)
    top = q if n == np.float32(0) else m - one
    s = top / (m + one)  # log m = 2 artanh(s)
    t = s * s
    p = fused(_ODD[4], t, _ODD[3])
    p = fused(p, t, _ODD[2])
    p = fused(p, t, _ODD[1])
    p = fused(p, t, _ODD[0])
    value = fused(n, _LN2, np.float32(2) * s * p)
    return value if u < np.float32(3e38) else u


@kernel
def _digamma(x: float) -> float:
    """Compute the derivative of the logarithm of the gamma function for x > 0."""
    total = 0.0
    while x < 8.0:
        total -= 1.0 / x
        x += 1.0
    y = 1.0 / (x * x)
    return total + math.log(x) - 0.5 / x - y * (1 / 12 - y * (1 / 120 - y * (1 / 252 - y * (1 / 240 - y / 132))))


@kernel
def _rising(count: float, theta: float) -> tuple[float, float]:
    """Return ``lgamma(x + theta) - lgamma(theta) - x log(theta)`` and the difference of their digammas, x > 0."""
    if count <= SHORT:
        inverse = 1.0 / theta
        product, total, factor = 1.0, 0.0, 1.0
        for _ in range(int(count)):  # of 1 + k / theta, and the sum of their inverses over a common denominator
            total = total * factor + product
            product *= factor
            factor += inverse
        return math.log(product), inverse * total / product
    top = count + theta
    return math.lgamma(top) - math.lgamma(theta) - count * math.log(theta), _digamma(top) - _digamma(theta)


@kernel
def _log_factorial(count: float, table: Any) -> float:
    return table[int(count)] if count < len(table) else math.lgamma(count + 1.0)


@kernel
def _everywhere(log_mean: Any, theta: Any, likes: Any, logs: Any, means: Any, g_mean: Any, g_theta: Any) -> None:
    """Fill in what a count of 0 would have."""
    for j in range(len(log_mean)):
        shape = theta[j]
        mean = exp(log_mean[j])
        log = _log1p(mean / shape)
        share = mean / (shape + mean)
        logs[j], means[j] = log, mean
        likes[j] = -shape * log
        g_mean[j] = -shape * share
        g_theta[j] = share - log


@kernel
def _above_zero(
    counts: Any, log_mean: Any, theta: Any, likes: Any, logs: Any, means: Any, g_mean: Any, g_theta: Any, table: Any
) -> None:
    """Mend the entries of counts above 0."""
    for j in range(len(counts)):
        count = float(counts[j])
        if count > 0.0:
            shape, mean = float(theta[j]), float(means[j])
            log_ratio, slope = _rising(count, shape)
            total = shape + mean
            extra = log_ratio - _log_factorial(count, table) + count * (float(log_mean[j]) - float(logs[j]))
            likes[j] = np.float32(float(likes[j]) + extra)
            g_mean[j] = np.float32(shape * (count - mean) / total)
            g_theta[j] = np.float32(slope - float(logs[j]) + (mean - count) / total)


@kernel
def _inflate(counts: Any, logits: Any, likes: Any, g_mean: Any, g_theta: Any, g_zero: Any) -> None:
    """Mix in the extra zeros."""
    zero, one = np.float32(0), np.float32(1)
    for j in range(len(counts)):
        logit = logits[j]
        no_extra = softplus(logit)  # minus the logarithm of the probability that a count is no extra zero
        extra = logistic(logit)
        odds = likes[j] - logit
        share = logistic(odds) if counts[j] == zero else one  # of the distribution in the entry's probability
        likes[j] = softplus(odds) + logit - no_extra if counts[j] == zero else likes[j] - no_extra
        g_mean[j] *= share
        g_theta[j] *= share
        g_zero[j] = one - extra - share


@entry
def add_up(
    counts: Any,
    log_mean: Any,
    theta: Any,
    logits: Any,
    g_mean: Any,
    g_theta: Any,
    g_zero: Any,
    rows: Any,
    first: int,
    last: int,
    table: Any,
) -> None:
    """Add up the log-likelihood of some rows, and fill in its derivatives by all that it is made of.

    ``theta`` has one row, or one for each; ``logits`` and ``g_zero`` have no row where there are no extra zeros.
    """
    likes, logs = np.empty(CHUNK, dtype=np.float32), np.empty(CHUNK, dtype=np.float32)
    means = np.empty(CHUNK, dtype=np.float32)
    n_genes, step, inflated = counts.shape[1], int(theta.shape[0] > 1), logits.shape[0] > 0
    for i in range(first, last):
        total = 0.0
        for a in range(0, n_genes, CHUNK):
            b = min(a + CHUNK, n_genes)
            n = b - a
            _everywhere(
                log_mean[i, a:b], theta[i * step, a:b], likes[:n], logs[:n], means[:n], g_mean[i, a:b], g_theta[i, a:b]
            )
            _above_zero(
                counts[i, a:b], log_mean[i, a:b], theta[i * step, a:b], likes[:n], logs[:n], means[:n],
                g_mean[i, a:b], g_theta[i, a:b], table,
            )  # fmt: skip
            if inflated:
                _inflate(counts[i, a:b], logits[i, a:b], likes[:n], g_mean[i, a:b], g_theta[i, a:b], g_zero[i, a:b])
            part = np.float32(0)
            for j in range(n):
                part += likes[j]
            total += float(part)
        rows[i] = total
