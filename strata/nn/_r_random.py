"""R's random numbers: the generator that ``set.seed`` starts, and the normal numbers that ``rnorm`` draws from it.

R Core Team, "R: A Language and Environment for Statistical Computing", ``?Random``: kind "Mersenne-Twister", normal
kind "Inversion". The generator itself is that of ``numpy.random.RandomState``; how a seed fills it and how its words
become numbers are not.
"""

import numpy as np
from scipy.special import ndtri

__all__ = ["r_normal", "r_random_state"]

_WORD = 0xFFFFFFFF
_STEP = 2.3283064365386963e-10  # 2**-32 as R rounds it
_EDGE = 2.328306437080797e-10  # keeps uniform numbers inside (0, 1)
_BIG = 134217728  # 2**27: the first word gives the upper bits, the second the lower


def r_random_state(seed: int) -> np.random.RandomState:
    """Return a generator in the state of R after ``set.seed(seed)``.

    Parameters
    ----------
    seed : int
        From 0 to ``2**32 - 1``.

    Returns
    -------
    random_state : RandomState
        Its 32-bit words are those of R.

    Examples
    --------
    >>> r_normal(r_random_state(1), 3).round(7).tolist()
    [-0.6264538, 0.1836433, -0.8356286]
    """
    word = int(seed) & _WORD
    for _ in range(50):
        word = (69069 * word + 1) & _WORD
    words = []
    for _ in range(625):
        word = (69069 * word + 1) & _WORD
        words.append(word)
    random_state = np.random.RandomState(0)
    random_state.set_state(("MT19937", np.array(words[1:], dtype=np.uint32), 624, 0, 0.0))
    return random_state


def r_normal(random_state: np.random.RandomState, size: int) -> np.ndarray:
    """Draw standard normal numbers as R's ``rnorm`` does, by inversion of two words each.

    Parameters
    ----------
    random_state : RandomState
        Where the words come from.
    size : int
        How many numbers.

    Returns
    -------
    numbers : ndarray of shape (size,), float64
        Equal to R's but for the rounding of the normal quantile (1e-14).
    """
    words = np.frombuffer(random_state.bytes(8 * size), dtype="<u4").astype(np.float64)
    uniform = np.clip(words * _STEP, 0.5 * _EDGE, 1.0 - 0.5 * _EDGE)
    first, second = uniform[0::2], uniform[1::2]
    return np.asarray(ndtri((np.floor(_BIG * first) + second) / _BIG))
