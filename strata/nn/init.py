r"""Starting weights: what breaks the symmetry between hidden units.

Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks", AISTATS 2010; He et
al., "Delving deep into rectifiers", ICCV 2015; Saxe et al., "Exact solutions to the nonlinear dynamics of learning in
deep linear neural networks", ICLR 2014.
"""

import math
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch import Tensor

from strata._names import unknown_name
from strata.functional import get_activation
from strata.nn._r_random import r_normal

__all__ = ["INITIALIZERS", "initialize"]

Array = np.ndarray

#: (random_state, n_in, n_out, gain) -> weights of shape (n_in, n_out), float64
_Draw = Callable[[np.random.RandomState, int, int, float], Array]


def _glorot_normal(random_state: np.random.RandomState, n_in: int, n_out: int, gain: float) -> Array:
    return random_state.normal(0.0, gain * math.sqrt(2.0 / (n_in + n_out)), (n_in, n_out))


def _he_normal(random_state: np.random.RandomState, n_in: int, n_out: int, gain: float) -> Array:
    return random_state.normal(0.0, gain * math.sqrt(2.0 / n_in), (n_in, n_out))


def _he_uniform(random_state: np.random.RandomState, n_in: int, n_out: int, gain: float) -> Array:
    bound = gain * math.sqrt(6.0 / n_in)
    return random_state.uniform(-bound, bound, (n_in, n_out))


def _orthogonal(random_state: np.random.RandomState, n_in: int, n_out: int, gain: float) -> Array:
    long, short = max(n_in, n_out), min(n_in, n_out)
    q, r = np.linalg.qr(random_state.normal(0.0, 1.0, (long, short)))
    q *= np.where(np.diag(r) < 0, -1.0, 1.0)  # without this the draw would not be uniform over rotations
    return gain * (q if n_in >= n_out else q.T)


def _zeros(random_state: np.random.RandomState, n_in: int, n_out: int, gain: float) -> Array:
    return np.zeros((n_in, n_out))


_SIMPLE: dict[str, _Draw] = {
    "glorot_normal": _glorot_normal,
    "he_normal": _he_normal,
    "he_uniform": _he_uniform,
    "orthogonal": _orthogonal,
    "zeros": _zeros,
}

#: Names of the schemes.
INITIALIZERS: tuple[str, ...] = tuple(sorted((*_SIMPLE, "glorot_uniform", "neuralnet", "normal")))


def initialize(
    weights: Sequence[Array | Tensor],
    biases: Sequence[Array | Tensor],
    scheme: str = "glorot_uniform",
    *,
    random_state: np.random.RandomState | int,
    activation: str | Sequence[str] = "relu",
    sigma: float = 0.01,
    gain: float = 1.0,
) -> tuple[list[Array], list[Array]]:
    r"""Fill weights and biases with their starting values, layer by layer.

    Parameters
    ----------
    weights : sequence of arrays or Tensors of shape (n_in, n_out)
        Weights of each layer, overwritten in place.
    biases : sequence of arrays or Tensors of shape (n_out,)
        Biases of each layer, overwritten in place.
    scheme : str, default="glorot_uniform"
        One of ``INITIALIZERS``, see Notes.
    random_state : numpy.random.RandomState or int
        Where the numbers come from. They are drawn in float64 and then rounded to the dtype of the weights, so both
        precisions start from the same point.
    activation : str or sequence of str, default="relu"
        Activation that follows each layer, or one for all. Only "glorot_uniform" asks for it.
    sigma : float, default=0.01
        Standard deviation of "normal" and "neuralnet".
    gain : float, default=1.0
        Factor on the weights of every scheme.

    Returns
    -------
    coefs : list of arrays of shape (n_in, n_out)
        The weights; the arrays that were given, or views of the tensors (copies when these are not on the CPU).
    intercepts : list of arrays of shape (n_out,)
        The biases.

    Raises
    ------
    ValueError
        If the scheme or an activation is unknown, the shapes do not fit, or ``sigma`` or ``gain`` is negative.

    Warns
    -----
    UserWarning
        If "zeros" is asked for a network with hidden layers, whose units then stay identical for ever.

    Notes
    -----
    ================ ============================================================= ==========
    scheme           weights                                                       biases
    ================ ============================================================= ==========
    glorot_uniform   uniform within ±sqrt(6/(n_in+n_out)), 2 in place of 6 when    the same
                     the activation is logistic; scikit-learn's draws exactly
    glorot_normal    normal, variance 2/(n_in+n_out)                               0
    he_uniform       uniform within ±sqrt(6/n_in)                                  0
    he_normal        normal, variance 2/n_in                                       0
    neuralnet        normal, standard deviation sigma, in the order of R's         the same
                     neuralnet and by R's ``rnorm``: with the generator of R's
                     ``set.seed`` the weights that R starts from
    normal           normal, standard deviation sigma                              0
    orthogonal       orthonormal columns or rows, whichever are fewer              0
    zeros            0                                                             0
    ================ ============================================================= ==========

    Examples
    --------
    >>> coefs, intercepts = initialize([np.empty((2, 1))], [np.empty(1)], "he_uniform", random_state=0)
    >>> coefs[0].round(4), intercepts[0]
    (array([[0.1691],
           [0.7454]]), array([0.]))
    """
    activations = _check(weights, biases, scheme, activation, sigma, gain)
    source = random_state if isinstance(random_state, np.random.RandomState) else np.random.RandomState(random_state)
    if scheme == "zeros" and len(weights) > 1:
        warnings.warn(
            "All hidden units start equal, have equal gradients and stay equal for ever: zero weights break no "
            "symmetry. Use init='glorot_uniform' or another random scheme.",
            UserWarning,
            stacklevel=2,
        )
    coefs, intercepts = [], []
    for weight, bias, name in zip(weights, biases, activations, strict=True):
        n_in, n_out = weight.shape
        drawn_bias = np.zeros(n_out)
        if scheme == "glorot_uniform":
            bound = gain * math.sqrt((2.0 if name == "logistic" else 6.0) / (n_in + n_out))
            drawn = source.uniform(-bound, bound, (n_in, n_out))
            drawn_bias = source.uniform(-bound, bound, n_out)
        elif scheme == "neuralnet":
            block = gain * sigma * r_normal(source, (n_in + 1) * n_out).reshape(n_out, n_in + 1).T
            drawn_bias, drawn = block[0], block[1:]
        elif scheme == "normal":
            drawn = source.normal(0.0, gain * sigma, (n_in, n_out))
        else:
            drawn = _SIMPLE[scheme](source, n_in, n_out, gain)
        coefs.append(_fill(weight, drawn))
        intercepts.append(_fill(bias, drawn_bias))
    return coefs, intercepts


def _check(
    weights: Sequence[Array | Tensor],
    biases: Sequence[Array | Tensor],
    scheme: str,
    activation: str | Sequence[str],
    sigma: float,
    gain: float,
) -> list[str]:
    """Check the arguments and return the name of each layer's activation."""
    if scheme not in INITIALIZERS:
        raise ValueError(unknown_name("initializer", scheme, INITIALIZERS))
    for name, value in (("sigma", sigma), ("gain", gain)):
        if not 0 <= value < math.inf:
            raise ValueError(f"`{name}` must be at least 0 and finite. Received: {name}={value!r}.")
    names = [activation] * len(weights) if isinstance(activation, str) else list(activation)
    if not len(weights) == len(biases) == len(names):
        raise ValueError(
            "`weights`, `biases` and `activation` must have one entry a layer. "
            f"Received: {len(weights)} weights, {len(biases)} biases, {len(names)} activations."
        )
    for layer, (weight, bias) in enumerate(zip(weights, biases, strict=True)):
        if weight.ndim != 2 or tuple(bias.shape) != (weight.shape[1],):
            raise ValueError(
                "Each weight must have shape (n_in, n_out) and its bias (n_out,). "
                f"Received: weights[{layer}] of shape {tuple(weight.shape)}, biases[{layer}] of shape "
                f"{tuple(bias.shape)}."
            )
    return [get_activation(name).name for name in names]


def _fill(target: Array | Tensor, values: Array) -> Array:
    if isinstance(target, Tensor):
        with torch.no_grad():
            target.copy_(torch.from_numpy(values))
        filled: Array = target.detach().cpu().numpy()
        return filled
    target[...] = values
    return target
