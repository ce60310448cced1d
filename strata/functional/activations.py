r"""Activations: what a unit makes of its pre-activation, with the derivative that learning needs.

The lectures' seven (identity, step, sigmoid, tanh, ReLU, softmax, clipped linear) and the usual modern ones,
in one registry by name. Every entry is stable: no finite pre-activation gives an overflow or a NaN, except
``exp``, which overflows where the exponential does.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from strata._names import unknown_name
from strata.functional._slopes import SLOPES

__all__ = [
    "ACTIVATIONS",
    "Activation",
    "get_activation",
    "identity",
    "log_softmax",
    "relu",
    "sigmoid",
    "softmax",
    "step",
    "tanh",
]


def identity(z: Tensor) -> Tensor:
    """Return the pre-activation unchanged, the output unit of a regression.

    Parameters
    ----------
    z : Tensor of any shape, float
        Pre-activations.

    Returns
    -------
    a : Tensor of the same shape
        The same tensor, ``g(z) = z``, with slope 1.

    Examples
    --------
    >>> identity(torch.tensor([-1.5, 2.0]))
    tensor([-1.5000,  2.0000])
    """
    return z


def step(z: Tensor) -> Tensor:
    """Fire where the pre-activation is above zero, as the McCulloch-Pitts neuron does.

    Parameters
    ----------
    z : Tensor of any shape, float
        Pre-activations.

    Returns
    -------
    a : Tensor of the same shape and dtype
        1 where ``z > 0``, else 0. At equality the unit is silent. The slope is 0, so the gradient is 0 too:
        a net of steps cannot learn by gradient descent.

    Examples
    --------
    >>> step(torch.tensor([-1.0, 0.0, 0.5]))
    tensor([0., 0., 1.])
    """
    return SLOPES["step"][0](z)


def sigmoid(z: Tensor) -> Tensor:
    r"""Squash to the unit interval, the logistic function.

    Parameters
    ----------
    z : Tensor of any shape, float
        Pre-activations.

    Returns
    -------
    a : Tensor of the same shape
        :math:`1 / (1 + e^{-z})`, in (0, 1); 0 or 1 exactly where floating point saturates.

    Notes
    -----
    The slope is :math:`g(1 - g)`, at most 1/4. It is the same as ``logistic`` and ``expit`` elsewhere.

    Examples
    --------
    >>> sigmoid(torch.tensor([-6.0, 0.0, 1000.0]))
    tensor([0.0025, 0.5000, 1.0000])
    """
    return torch.sigmoid(z)


def tanh(z: Tensor) -> Tensor:
    r"""Squash to the interval from -1 to 1.

    Parameters
    ----------
    z : Tensor of any shape, float
        Pre-activations.

    Returns
    -------
    a : Tensor of the same shape
        :math:`(e^z - e^{-z}) / (e^z + e^{-z}) = 2 \sigma(2z) - 1`, with slope :math:`1 - g^2`.

    Examples
    --------
    >>> tanh(torch.tensor([0.0, 0.5]))
    tensor([0.0000, 0.4621])
    """
    return torch.tanh(z)


def relu(z: Tensor) -> Tensor:
    """Keep what is positive.

    Parameters
    ----------
    z : Tensor of any shape, float
        Pre-activations.

    Returns
    -------
    a : Tensor of the same shape
        ``max(0, z)``. The slope is 1 above zero and 0 elsewhere; at zero it is defined as 0.

    Examples
    --------
    >>> relu(torch.tensor([-1.0, 0.0, 2.0]))
    tensor([0., 0., 2.])
    """
    return torch.relu(z)


def softmax(z: Tensor) -> Tensor:
    r"""Turn the last axis into probabilities of exclusive classes.

    Parameters
    ----------
    z : Tensor of shape (..., K), float
        Logits; adding a constant to a row changes nothing.

    Returns
    -------
    p : Tensor of shape (..., K)
        :math:`p_i = e^{z_i} / \sum_j e^{z_j}`: positive, summing to 1 over the last axis. The largest logit is
        subtracted first, so logits of 1000 are as good as logits of 0.

    Notes
    -----
    The Jacobian is :math:`\operatorname{diag}(p) - p p^T`; see :meth:`Activation.jacobian`.

    Examples
    --------
    >>> softmax(torch.tensor([1001.0, 1002.0, 1003.0]))
    tensor([0.0900, 0.2447, 0.6652])
    """
    return torch.softmax(z, dim=-1)


def log_softmax(z: Tensor) -> Tensor:
    r"""Give the logarithm of the softmax, by log-sum-exp.

    Parameters
    ----------
    z : Tensor of shape (..., K), float
        Logits.

    Returns
    -------
    log_probs : Tensor of shape (..., K)
        :math:`z_i - \log \sum_j e^{z_j}`; finite even where the softmax itself rounds to zero.

    Examples
    --------
    >>> log_softmax(torch.tensor([0.0, 200.0]))
    tensor([-200.,    0.])
    """
    return torch.log_softmax(z, dim=-1)


@dataclass(frozen=True)
class Activation:
    r"""An activation function with its derivative.

    Parameters
    ----------
    name : str
        Name in the registry; aliases resolve to one name.
    function : callable
        From a tensor of pre-activations to a tensor of the same shape.
    slope : callable or None, default=None
        :math:`g'` of an elementwise function. None: it is found by automatic differentiation.
    elementwise : bool, default=True
        Whether each output depends on its own input only. Softmax is the one registered exception.

    Examples
    --------
    >>> g = get_activation("tanh")
    >>> g(torch.tensor([0.5])), g.derivative(torch.tensor([0.5]))
    (tensor([0.4621]), tensor([0.7864]))
    """

    name: str
    function: Callable[[Tensor], Tensor]
    slope: Callable[[Tensor], Tensor] | None = None
    elementwise: bool = True

    def __call__(self, z: Tensor) -> Tensor:
        """Apply the function."""
        return self.function(z)

    def derivative(self, z: Tensor) -> Tensor:
        r"""Compute the slope of an elementwise activation.

        Parameters
        ----------
        z : Tensor of any shape, float
            Pre-activations.

        Returns
        -------
        slope : Tensor of the same shape
            :math:`g'(z)`, elementwise.

        Raises
        ------
        ValueError
            If the activation is not elementwise.

        Examples
        --------
        >>> get_activation("relu").derivative(torch.tensor([-1.0, 0.0, 2.0]))
        tensor([0., 0., 1.])
        """
        if not self.elementwise:
            raise ValueError(
                f"Activation {self.name!r} must be elementwise to have a derivative of the shape of z. "
                "Use jacobian(z), which has one axis more."
            )
        if self.slope is not None:
            return self.slope(z)
        with torch.enable_grad():
            point = z.detach().requires_grad_()
            (gradient,) = torch.autograd.grad(self.function(point).sum(), point)
        return gradient

    def jacobian(self, z: Tensor) -> Tensor:
        r"""Compute all partial derivatives over the last axis.

        Parameters
        ----------
        z : Tensor of shape (..., K), float
            Pre-activations.

        Returns
        -------
        jacobian : Tensor of shape (..., K, K)
            Entry :math:`(i, j)` is :math:`\partial g_i / \partial z_j`: diagonal for an elementwise activation,
            :math:`\operatorname{diag}(p) - p p^T` for softmax.

        Raises
        ------
        ValueError
            If the activation is neither elementwise nor softmax.

        Examples
        --------
        >>> get_activation("softmax").jacobian(torch.tensor([0.0, 0.0]))
        tensor([[ 0.2500, -0.2500],
                [-0.2500,  0.2500]])
        """
        if self.elementwise:
            return torch.diag_embed(self.derivative(z))
        if self.name != "softmax":
            raise ValueError(f"Activation {self.name!r} must be elementwise or softmax to have a jacobian here.")
        p = self.function(z)
        return torch.diag_embed(p) - p.unsqueeze(-1) * p.unsqueeze(-2)


_ALIASES = {"linear": "identity", "sigmoid": "logistic", "swish": "silu"}

#: Every activation by name; an alias gives the same object as the name it stands for.
ACTIVATIONS: dict[str, Activation] = {name: Activation(name, *pair) for name, pair in SLOPES.items()}
ACTIVATIONS["softmax"] = Activation("softmax", softmax, elementwise=False)
ACTIVATIONS.update({alias: ACTIVATIONS[name] for alias, name in _ALIASES.items()})


def get_activation(activation: str | Activation | Callable[[Tensor], Tensor]) -> Activation:
    """Find an activation by name, or wrap a function of one's own.

    Parameters
    ----------
    activation : str, Activation or callable
        A registered name (``linear``, ``sigmoid`` and ``swish`` are aliases of ``identity``, ``logistic`` and
        ``silu``), an :class:`Activation`, or an elementwise function of tensors, whose derivative is then found by
        automatic differentiation.

    Returns
    -------
    activation : Activation
        The function and its derivative.

    Raises
    ------
    ValueError
        If the name is unknown; the message suggests the nearest one.
    TypeError
        If it is neither a name nor callable.

    Examples
    --------
    >>> get_activation("sigmoid").name
    'logistic'
    >>> get_activation(torch.sin).derivative(torch.tensor([0.0]))
    tensor([1.])
    """
    if isinstance(activation, Activation):
        return activation
    if isinstance(activation, str):
        if activation not in ACTIVATIONS:
            raise ValueError(unknown_name("activation", activation, ACTIVATIONS))
        return ACTIVATIONS[activation]
    if callable(activation):
        return Activation(getattr(activation, "__name__", type(activation).__name__), activation)
    raise TypeError(f"`activation` must be a name, an Activation or a callable. Received: activation={activation!r}.")
