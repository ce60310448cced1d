"""Activations and their slopes, applied to whole layers in place.

Each loop runs over a flat layer, padding included, so that it becomes vector instructions. The slopes at the kinks
are those of :mod:`strata.functional.activations`.
"""

import math
from typing import Any

from strata.rules.compiled._jit import kernel, piece
from strata.rules.compiled._math import exp, expm1, logistic, softplus, tanh

__all__ = ["ACTIVATION_CODES", "SLOPE_FROM_OUTPUT", "activate", "multiply_by_slope"]

(
    _IDENTITY,
    _RELU,
    _TANH,
    _LOGISTIC,
    _LEAKY_RELU,
    _ELU,
    _SELU,
    _SOFTPLUS,
    _SILU,
    _GELU,
    _MISH,
    _RELU6,
    _HARDTANH,
    _HARDSIGMOID,
    _HARDSWISH,
    _SOFTSIGN,
    _CLIPPED_LINEAR,
    _EXP,
    _STEP,
    _SOFTMAX,
) = range(20)

#: Number of each activation in the tables of the kernels.
ACTIVATION_CODES = {
    "identity": _IDENTITY,
    "relu": _RELU,
    "tanh": _TANH,
    "logistic": _LOGISTIC,
    "leaky_relu": _LEAKY_RELU,
    "elu": _ELU,
    "celu": _ELU,  # the same function at alpha = 1
    "selu": _SELU,
    "softplus": _SOFTPLUS,
    "silu": _SILU,
    "gelu": _GELU,
    "mish": _MISH,
    "relu6": _RELU6,
    "hardtanh": _HARDTANH,
    "hardsigmoid": _HARDSIGMOID,
    "hardswish": _HARDSWISH,
    "softsign": _SOFTSIGN,
    "clipped_linear": _CLIPPED_LINEAR,
    "exp": _EXP,
    "step": _STEP,
    "softmax": _SOFTMAX,
}

#: Codes up to this one find their slope from the output, so that the pre-activation need not be kept.
SLOPE_FROM_OUTPUT = _LOGISTIC

_SELU_ALPHA = 1.6732632423543772
_SELU_SCALE = 1.0507009873554805


@kernel
def _clip(z: Any, a: Any, low: Any, high: Any, slope: Any, offset: Any) -> None:
    """Compute ``min(max(slope z + offset, low), high)``; a NaN stays."""
    for i in range(z.size):
        value = slope * z[i] + offset
        value = low if value < low else value
        a[i] = high if value > high else value


@kernel
def _exponential_unit(z: Any, a: Any, alpha: Any, scale: Any) -> None:
    zero = z.dtype.type(0)
    for i in range(z.size):
        below = z[i] if not z[i] > zero else zero
        a[i] = scale * (z[i] if z[i] > zero else alpha * expm1(below))


@piece
def activate(code: int, z: Any, a: Any) -> None:
    """Compute ``a = f(z)`` for flat arrays, which may be the same one."""
    kind = z.dtype.type
    zero, one, half = kind(0), kind(1), kind(0.5)
    if code == _IDENTITY:
        for i in range(z.size):
            a[i] = z[i]
    elif code == _RELU:
        for i in range(z.size):
            a[i] = zero if z[i] <= zero else z[i]
    elif code == _TANH:
        for i in range(z.size):
            a[i] = tanh(z[i])
    elif code == _LOGISTIC:
        for i in range(z.size):
            a[i] = logistic(z[i])
    elif code == _LEAKY_RELU:
        leak = kind(0.01)
        for i in range(z.size):
            a[i] = z[i] if z[i] > zero else leak * z[i]
    elif code == _ELU:
        _exponential_unit(z, a, one, one)
    elif code == _SELU:
        _exponential_unit(z, a, kind(_SELU_ALPHA), kind(_SELU_SCALE))
    elif code == _SOFTPLUS:
        for i in range(z.size):
            a[i] = softplus(z[i])
    elif code == _SILU:
        for i in range(z.size):
            a[i] = z[i] * logistic(z[i])
    elif code == _GELU:
        root = kind(math.sqrt(0.5))
        for i in range(z.size):
            a[i] = half * z[i] * kind(math.erfc(-root * z[i]))
    elif code == _MISH:
        for i in range(z.size):
            a[i] = z[i] * tanh(softplus(z[i]))
    elif code == _RELU6:
        _clip(z, a, zero, kind(6), one, zero)
    elif code == _HARDTANH:
        _clip(z, a, -one, one, one, zero)
    elif code == _HARDSIGMOID:
        _clip(z, a, zero, one, kind(1 / 6), half)
    elif code == _HARDSWISH:
        sixth, three = kind(1 / 6), kind(3)
        for i in range(z.size):
            gate = z[i] + three
            gate = zero if gate < zero else gate
            gate = three + three if gate > three + three else gate
            a[i] = z[i] * gate * sixth
    elif code == _SOFTSIGN:
        for i in range(z.size):
            a[i] = z[i] / (one + abs(z[i]))
    elif code == _CLIPPED_LINEAR:
        _clip(z, a, zero, one, one, zero)
    elif code == _EXP:
        for i in range(z.size):
            a[i] = exp(z[i])
    elif code == _STEP:
        for i in range(z.size):
            a[i] = one if z[i] > zero else zero * z[i]


@kernel
def _pass_between(z: Any, delta: Any, low: Any, high: Any, slope: Any) -> None:
    zero = z.dtype.type(0)
    for i in range(z.size):
        delta[i] = slope * delta[i] if (z[i] > low) & (z[i] < high) else zero


@kernel
def _exponential_slope(z: Any, delta: Any, alpha: Any, scale: Any) -> None:
    zero = z.dtype.type(0)
    for i in range(z.size):
        below = z[i] if not z[i] > zero else zero
        delta[i] *= scale if z[i] > zero else scale * alpha * exp(below)


@piece
def multiply_by_slope(code: int, source: Any, delta: Any) -> None:
    """Multiply ``delta`` by f', which is found from the output for codes up to ``SLOPE_FROM_OUTPUT``, else from z."""
    kind = source.dtype.type
    zero, one, half = kind(0), kind(1), kind(0.5)
    if code == _RELU:
        for i in range(source.size):
            delta[i] = delta[i] if source[i] > zero else zero
    elif code == _TANH:
        for i in range(source.size):
            delta[i] *= one - source[i] * source[i]
    elif code == _LOGISTIC:
        for i in range(source.size):
            delta[i] *= source[i] * (one - source[i])
    elif code == _LEAKY_RELU:
        leak = kind(0.01)
        for i in range(source.size):
            delta[i] *= one if source[i] > zero else leak
    elif code == _ELU:
        _exponential_slope(source, delta, one, one)
    elif code == _SELU:
        _exponential_slope(source, delta, kind(_SELU_ALPHA), kind(_SELU_SCALE))
    elif code == _SOFTPLUS:
        for i in range(source.size):
            delta[i] *= logistic(source[i])
    elif code == _SILU:
        for i in range(source.size):
            p = logistic(source[i])
            delta[i] *= p * (one + source[i] * (one - p))
    elif code == _GELU:
        root, density = kind(math.sqrt(0.5)), kind(1 / math.sqrt(2 * math.pi))
        for i in range(source.size):
            z = source[i]
            delta[i] *= half * kind(math.erfc(-root * z)) + z * density * exp(-half * z * z)
    elif code == _MISH:
        for i in range(source.size):
            t = tanh(softplus(source[i]))
            delta[i] *= t + source[i] * (one - t * t) * logistic(source[i])
    elif code == _RELU6:
        _pass_between(source, delta, zero, kind(6), one)
    elif code == _HARDTANH:
        _pass_between(source, delta, -one, one, one)
    elif code == _HARDSIGMOID:
        _pass_between(source, delta, -kind(3), kind(3), kind(1 / 6))
    elif code == _HARDSWISH:
        third, three = kind(1 / 3), kind(3)
        for i in range(source.size):
            inside = source[i] * third + half if source[i] < three else one
            delta[i] *= zero if source[i] <= -three else inside
    elif code == _SOFTSIGN:
        for i in range(source.size):
            root = one / (one + abs(source[i]))
            delta[i] *= root * root
    elif code == _CLIPPED_LINEAR:
        _pass_between(source, delta, zero, one, one)
    elif code == _EXP:
        for i in range(source.size):
            delta[i] *= exp(source[i])
    elif code == _STEP:
        for i in range(source.size):
            delta[i] = zero
