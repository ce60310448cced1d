# mypy: disable-error-code="no-untyped-call,import-untyped"
"""The draws of a Gibbs chain: NumPy's uniform numbers, made many at a time, and what they are turned into.

The generator is the Mersenne Twister in the form of ``numpy.random.RandomState`` [1]_, so that a compiled chain sees
the numbers that a plain one would see.

.. [1] M. Matsumoto, T. Nishimura, "Mersenne twister: a 623-dimensionally equidistributed uniform pseudo-random number
   generator", ACM Transactions on Modeling and Computer Simulation 8, 1998.
"""

import math
from typing import Any

import numpy as np

from strata.rules.compiled._jit import exact_kernel, kernel, vector

__all__ = ["MT_PLACE", "MT_WORDS", "draw_uniform", "normal_cdf", "normal_quantile"]

#: Words of the generator's state; the one after them says how many were used.
MT_WORDS = MT_PLACE = 624

_SHIFT = 397
_TOP, _LOW = np.uint32(0x80000000), np.uint32(0x7FFFFFFF)
_TWIST = np.uint32(0x9908B0DF)
_ONE = np.uint32(1)
_MASKS = np.uint32(0x9D2C5680), np.uint32(0xEFC60000)
_SHIFTS = np.uint32(11), np.uint32(7), np.uint32(15), np.uint32(18)
_HALVES = np.uint32(5), np.uint32(6)


@kernel
def _twist(old: Any, following: Any, far: Any, new: Any) -> None:
    """Compute new words of the state from words of it that do not overlap them."""
    for i in range(new.size):
        y = (old[i] & _TOP) | (following[i] & _LOW)
        new[i] = far[i] ^ (y >> _ONE) ^ (_TWIST * (y & _ONE))


@kernel
def _next_block(state: Any, spare: Any) -> None:
    """Replace the whole state; ``spare`` has room for as many words."""
    n, m = MT_WORDS, _SHIFT
    first = n - m
    for i in range(n):
        spare[i] = state[i]
    old = spare
    _twist(vector(old, 0, first), vector(old, 1, first), vector(old, m, first), vector(state, 0, first))
    half = 2 * first
    _twist(vector(old, first, first), vector(old, first + 1, first), vector(state, 0, first),
           vector(state, first, first))  # fmt: skip
    rest = n - half - 1
    _twist(vector(old, half, rest), vector(old, half + 1, rest), vector(state, first, rest),
           vector(state, half, rest))  # fmt: skip
    _twist(vector(old, n - 1, 1), vector(state, 0, 1), vector(state, m - 1, 1), vector(state, n - 1, 1))


@kernel
def _temper(state: Any, words: Any) -> None:
    """Compute the output words of a state."""
    for i in range(MT_WORDS):
        y = state[i]
        y ^= y >> _SHIFTS[0]
        y ^= (y << _SHIFTS[1]) & _MASKS[0]
        y ^= (y << _SHIFTS[2]) & _MASKS[1]
        words[i] = y ^ (y >> _SHIFTS[3])


@kernel
def _join(high: Any, low: Any) -> float:
    """Make of two words the uniform number that ``RandomState.random_sample`` makes of them."""
    return (float(high >> _HALVES[0]) * 67108864.0 + float(low >> _HALVES[1])) / 9007199254740992.0


@kernel
def draw_uniform(generator: Any, spare: Any, out: Any) -> None:
    """Fill ``out`` as ``RandomState.random_sample`` would; ``spare`` has room for twice the words of a state."""
    state, words = vector(generator, 0, MT_WORDS), vector(spare, MT_WORDS, MT_WORDS)
    _temper(state, words)
    place, done = int(generator[MT_PLACE]), 0
    while done < out.size:
        n = min((MT_WORDS - place) // 2, out.size - done)
        for i in range(n):
            out[done + i] = _join(words[place + 2 * i], words[place + 2 * i + 1])
        done += n
        place += 2 * n
        if done == out.size:
            break
        last, left = words[MT_WORDS - 1], MT_WORDS - place
        _next_block(state, spare)
        _temper(state, words)
        place = 0
        if left == 1:  # a number of which one word is in the old block
            out[done] = _join(last, words[0])
            done += 1
            place = 1
    generator[MT_PLACE] = np.uint32(place)


@exact_kernel
def normal_cdf(x: float) -> float:
    """Compute the distribution function of the normal distribution."""
    return 0.5 * math.erfc(-x * 0.7071067811865476)


_CENTRE = (
    (3.3871328727963666080, 133.14166789178437745, 1971.5909503065514427, 13731.693765509461125,
     45921.953931549871457, 67265.770927008700853, 33430.575583588128105, 2509.0809287301226727),
    (1.0, 42.313330701600911252, 687.18700749205790830, 5394.1960214247511077,
     21213.794301586595867, 39307.895800092710610, 28729.085735721942674, 5226.4952788528545610),
)  # fmt: skip
_SIDE = (
    (1.42343711074968357734, 4.63033784615654529590, 5.76949722146069140550, 3.64784832476320460504,
     1.27045825245236838258, 0.241780725177450611770, 0.0227238449892691845833, 7.74545014278341407640e-4),
    (1.0, 2.05319162663775882187, 1.67638483018380384940, 0.689767334985100004550,
     0.148103976427480074590, 0.0151986665636164571966, 5.47593808499534494600e-4, 1.05075007164441684324e-9),
)  # fmt: skip
_TAIL = (
    (6.65790464350110377720, 5.46378491116411436990, 1.78482653991729133580, 0.296560571828504891230,
     0.0265321895265761230930, 1.24266094738807843860e-3, 2.71155556874348757815e-5, 2.01033439929228813265e-7),
    (1.0, 0.599832206555887937690, 0.136929880922735805310, 0.0148753612908506148525,
     7.86869131145613259100e-4, 1.84631831751005468180e-5, 1.42151175831644588870e-7, 2.04426310338993978564e-15),
)  # fmt: skip


@exact_kernel
def _ratio(pair: Any, r: float) -> float:
    top, bottom = 0.0, 0.0
    for k in range(7, -1, -1):
        top, bottom = top * r + pair[0][k], bottom * r + pair[1][k]
    return top / bottom


@exact_kernel
def normal_quantile(p: float) -> float:
    """Compute the inverse of :func:`normal_cdf` for 0 < p < 1 (M. Wichura, algorithm AS 241, 1988)."""
    q = p - 0.5
    if abs(q) <= 0.425:
        return q * _ratio(_CENTRE, 0.180625 - q * q)
    r = math.sqrt(-math.log(p if q < 0 else 1 - p))
    size = _ratio(_SIDE, r - 1.6) if r <= 5 else _ratio(_TAIL, r - 5)
    return -size if q < 0 else size
