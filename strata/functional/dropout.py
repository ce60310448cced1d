r"""The masks of dropout, computed from a counter instead of drawn from a stream.

Whether a unit is kept depends on ``(seed, step, layer, element)`` and on nothing else: not on the device, not on what
was drawn before, not on how the work was cut into calls. A run that resumes at step 1000 needs no random state to see
the masks it would have seen.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

__all__ = ["drop_threshold", "keep_mask", "mask_key"]

_GAMMA = 0x9E3779B97F4A7C15  # increment of splitmix64
_FIRST = 0xBF58476D1CE4E5B9
_SECOND = 0x94D049BB133111EB
_BITS = 0xFFFFFFFFFFFFFFFF


def mask_key(seed: int, step: int, layer: int) -> int:
    """Mix the three counters into the 64-bit key of one mask.

    Parameters
    ----------
    seed : int
        Seed of the run; any integer, taken modulo 2^64.
    step : int
        Number of the update, from 0.
    layer : int
        Number of the layer whose activations are masked; 0 is the input.

    Returns
    -------
    key : int
        ``mix(mix(mix(seed) + step) + layer)`` modulo 2^64, where ``mix(x)`` is the first output of splitmix64
        started at ``x``.

    Examples
    --------
    >>> mask_key(0, 0, 0) == mask_key(0, 1, 0)
    False
    """
    return _mix(_mix(_mix(seed) + step) + layer)


def keep_mask(
    seed: int,
    step: int,
    layer: int,
    shape: Sequence[int],
    drop_probability: float,
    device: torch.device | str | None = None,
) -> Tensor:
    r"""Choose the units that dropout keeps.

    Parameters
    ----------
    seed, step, layer : int
        Counters that name the mask, see :func:`mask_key`.
    shape : sequence of int
        Shape of the activations, the batch first. Element numbers run in row-major order, so a longer batch begins
        with the mask of a shorter one.
    drop_probability : float
        Probability of dropping a unit, in [0, 1). The dropout paper's p is the probability of keeping it.
    device : torch.device, str or None, default=None
        Where the mask is made; the bits are the same everywhere. None: the CPU.

    Returns
    -------
    mask : Tensor of the given shape, bool
        True = keep.

    Raises
    ------
    ValueError
        If ``drop_probability`` is not in [0, 1).

    Notes
    -----
    Element :math:`i` takes the output :math:`h_i` number :math:`i+1` of the generator splitmix64 [1]_ started at the
    key, makes of its upper 53 bits the uniform number :math:`u_i = \lfloor h_i / 2^{11} \rfloor 2^{-53}`, and is kept
    iff :math:`u_i \ge p`. The comparison is done in integers and is therefore exact.

    References
    ----------
    .. [1] G. Steele, D. Lea, C. Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014.

    Examples
    --------
    >>> keep_mask(seed=0, step=3, layer=1, shape=(2, 4), drop_probability=0.5)
    tensor([[ True, False,  True, False],
            [False, False, False,  True]])
    """
    threshold = drop_threshold(drop_probability)
    n_elements = math.prod(shape)
    states = torch.arange(1, n_elements + 1, dtype=torch.int64, device=device)
    states.mul_(_signed(_GAMMA)).add_(_signed(mask_key(int(seed), int(step), int(layer))))
    return (_logical_shift(_finish(states), 11) >= threshold).view(tuple(shape))


def drop_threshold(drop_probability: float) -> int:
    r"""Give the smallest 53-bit integer whose uniform number is kept.

    Parameters
    ----------
    drop_probability : float
        Probability p of dropping a unit, in [0, 1).

    Returns
    -------
    threshold : int
        :math:`\lceil 2^{53} p \rceil`: an integer k is at least this iff :math:`k 2^{-53} \ge p`.

    Raises
    ------
    ValueError
        If ``drop_probability`` is not in [0, 1).

    Examples
    --------
    >>> drop_threshold(0.5) == 2**52
    True
    """
    if not 0 <= drop_probability < 1:
        raise ValueError(f"`drop_probability` must be in [0, 1). Received: drop_probability={drop_probability!r}.")
    return math.ceil(drop_probability * 2.0**53)


def _mix(x: int) -> int:
    z = (x + _GAMMA) & _BITS
    z = ((z ^ (z >> 30)) * _FIRST) & _BITS
    z = ((z ^ (z >> 27)) * _SECOND) & _BITS
    return z ^ (z >> 31)


def _signed(x: int) -> int:
    """Reinterpret 64 unsigned bits as the int64 that torch computes with (it wraps around)."""
    return x - (1 << 64) if x >> 63 else x


def _logical_shift(z: Tensor, n_bits: int) -> Tensor:
    return (z >> n_bits).bitwise_and_((1 << (64 - n_bits)) - 1)


def _finish(z: Tensor) -> Tensor:
    z = (z ^ _logical_shift(z, 30)).mul_(_signed(_FIRST))
    z = (z ^ _logical_shift(z, 27)).mul_(_signed(_SECOND))
    return z ^ _logical_shift(z, 31)
