# mypy: disable-error-code="no-untyped-call"
"""Elementary functions that the compiler can turn into vector instructions.

The C library computes one exponential at a time; these compute as many as a register holds. Their error is a few
units in the last place in float32 and float64 (compared with the C library in the tests), and a NaN stays a NaN.
"""

import math
from typing import Any

import numpy as np
from numba import types
from numba.extending import overload

from strata.rules.compiled._jit import exact_kernel, fused, nearest, two_to

__all__ = ["exp", "expm1", "logistic", "softplus", "tanh"]

# e^x = 2^n e^r with n whole and |r| <= ln(2)/2; e^r - 1 = r + r^2/2! + ... up to the term that no longer counts.
# Every constant has the type of the arithmetic: a float64 among float32 would halve the speed.
_LOG2_E = 1 / math.log(2)
_LN2, _LN2_REST = math.log(2), 2.3190468138462996e-17  # their sum is ln(2) to 33 digits
_SHIFT = 1.5 * 2.0**52 + 1023  # added to n, it leaves n + 1023 in the lowest bits of the mantissa
_LOWEST, _HIGHEST = -708.0, 709.4
_C = tuple(1 / math.factorial(k) for k in range(2, 14))

_LOG2_E_32 = np.float32(_LOG2_E)
_LN2_32, _LN2_REST_32 = np.float32(_LN2), np.float32(_LN2 - float(np.float32(_LN2)))
_SHIFT_32 = np.float32(1.5 * 2.0**23 + 127)
_LOWEST_32, _HIGHEST_32 = np.float32(-87.0), np.float32(88.37)
_C_32 = tuple(np.float32(c) for c in _C[:6])


def _parts(x):  # type: ignore[no-untyped-def]
    """Return ``2^n`` and ``e^r - 1``; the argument is first brought into the range that the format can hold."""
    raise NotImplementedError


def _parts_64(x):  # type: ignore[no-untyped-def]
    x = _LOWEST if x < _LOWEST else x
    x = _HIGHEST if x > _HIGHEST else x
    n = nearest(x * _LOG2_E)
    r = fused(n, -_LN2_REST, fused(n, -_LN2, x))
    p = fused(_C[11], r, _C[10])
    p = fused(p, r, _C[9])
    p = fused(p, r, _C[8])
    p = fused(p, r, _C[7])
    p = fused(p, r, _C[6])
    p = fused(p, r, _C[5])
    p = fused(p, r, _C[4])
    p = fused(p, r, _C[3])
    p = fused(p, r, _C[2])
    p = fused(p, r, _C[1])
    p = fused(p, r, _C[0])
    return two_to(n + _SHIFT), fused(p, r * r, r)


def _parts_32(x):  # type: ignore[no-untyped-def]
    x = _LOWEST_32 if x < _LOWEST_32 else x
    x = _HIGHEST_32 if x > _HIGHEST_32 else x
    n = nearest(x * _LOG2_E_32)
    r = fused(n, -_LN2_REST_32, fused(n, -_LN2_32, x))
    p = fused(_C_32[5], r, _C_32[4])
    p = fused(p, r, _C_32[3])
    p = fused(p, r, _C_32[2])
    p = fused(p, r, _C_32[1])
    p = fused(p, r, _C_32[0])
    return two_to(n + _SHIFT_32), fused(p, r * r, r)


@overload(_parts)
def _choose_parts(x):  # type: ignore[no-untyped-def]
    return _parts_32 if x == types.float32 else _parts_64


def _highest(x):  # type: ignore[no-untyped-def]
    """Return the argument above which the exponential is called infinite."""
    raise NotImplementedError


@overload(_highest)
def _choose_highest(x):  # type: ignore[no-untyped-def]
    return (lambda x: _HIGHEST_32) if x == types.float32 else (lambda x: _HIGHEST)


@exact_kernel
def exp(x: Any) -> Any:
    """Compute the exponential; infinite from half a unit below where the format's numbers end."""
    scale, p = _parts(x)
    value = fused(scale, p, scale)
    return type(x)(math.inf) if x > _highest(x) else value


@exact_kernel
def expm1(x: Any) -> Any:
    """Compute ``exp(x) - 1`` without cancellation, for x below the range's upper end."""
    scale, p = _parts(x)
    return fused(scale, p, scale - type(x)(1))


@exact_kernel
def tanh(x: Any) -> Any:
    """Compute the hyperbolic tangent, precise near zero too."""
    two = type(x)(2)
    e = expm1(-two * abs(x))
    size = -e / (e + two)
    return -size if x < type(x)(0) else size


@exact_kernel
def logistic(x: Any) -> Any:
    """Compute ``1 / (1 + exp(-x))`` without overflow."""
    one = type(x)(1)
    e = exp(-abs(x))
    top = e if x < type(x)(0) else one
    return top / (one + e)


# log(1 + e) = 2 artanh(s) = 2 (s + s^3/3 + s^5/5 + ...) with s = e / (2 + e) <= 1/3 for e <= 1
_ODD = tuple(1 / (2 * k + 1) for k in range(17))
_ODD_32 = tuple(np.float32(c) for c in _ODD[:8])


def _series(q):  # type: ignore[no-untyped-def]
    """Return ``1 + q/3 + q^2/5 + ...``."""
    raise NotImplementedError


def _series_64(q):  # type: ignore[no-untyped-def]
    total = fused(_ODD[16], q, _ODD[15])
    total = fused(total, q, _ODD[14])
    total = fused(total, q, _ODD[13])
    total = fused(total, q, _ODD[12])
    total = fused(total, q, _ODD[11])
    total = fused(total, q, _ODD[10])
    total = fused(total, q, _ODD[9])
    total = fused(total, q, _ODD[8])
    total = fused(total, q, _ODD[7])
    total = fused(total, q, _ODD[6])
    total = fused(total, q, _ODD[5])
    total = fused(total, q, _ODD[4])
    total = fused(total, q, _ODD[3])
    total = fused(total, q, _ODD[2])
    total = fused(total, q, _ODD[1])
    return fused(total, q, _ODD[0])


def _series_32(q):  # type: ignore[no-untyped-def]
    total = fused(_ODD_32[7], q, _ODD_32[6])
    total = fused(total, q, _ODD_32[5])
    total = fused(total, q, _ODD_32[4])
    total = fused(total, q, _ODD_32[3])
    total = fused(total, q, _ODD_32[2])
    total = fused(total, q, _ODD_32[1])
    return fused(total, q, _ODD_32[0])


@overload(_series)
def _choose_series(q):  # type: ignore[no-untyped-def]
    return _series_32 if q == types.float32 else _series_64


@exact_kernel
def softplus(x: Any) -> Any:
    """Compute ``log(1 + exp(x))`` without overflow."""
    two = type(x)(2)
    positive = type(x)(0) if x < type(x)(0) else x
    e = exp(-abs(x))
    s = e / (two + e)
    return positive + two * s * _series(s * s)
