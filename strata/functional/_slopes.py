"""Elementwise activations of the lectures and their modern relatives, each with its derivative.

Every pair below is ``(g, g')`` of one real variable. Derivatives are written out, not recorded, so
that an explicit back-propagation can use them; at a kink they take the value that PyTorch's own
backward pass takes.
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["SLOPES", "softplus"]

_SELU_ALPHA = 1.6732632423543772  # Klambauer et al. 2017: fixed point at mean 0, variance 1
_SELU_SCALE = 1.0507009873554805
_LEAK = 0.01


def _ones(z: Tensor) -> Tensor:
    return torch.ones_like(z)


def _where(condition: Tensor, z: Tensor) -> Tensor:
    return condition.to(z.dtype)


def _sigmoid_slope(z: Tensor) -> Tensor:
    p = torch.sigmoid(z)
    return p * (1 - p)


def _tanh_slope(z: Tensor) -> Tensor:
    return 1 - torch.tanh(z).square()


def _leaky_slope(z: Tensor) -> Tensor:
    return torch.where(z > 0, torch.ones_like(z), _LEAK)


def _elu_slope(z: Tensor) -> Tensor:
    return torch.exp(z.clamp(max=0))


def _selu_slope(z: Tensor) -> Tensor:
    return _SELU_SCALE * torch.where(z > 0, 1.0, _SELU_ALPHA * torch.exp(z.clamp(max=0)))


def softplus(z: Tensor) -> Tensor:
    """Compute log(1 + e^z) without a linear short cut for large z."""
    return torch.logaddexp(z, torch.zeros_like(z))


def _silu_slope(z: Tensor) -> Tensor:
    p = torch.sigmoid(z)
    return p * (1 + z * (1 - p))


def _gelu_slope(z: Tensor) -> Tensor:
    below = 0.5 * torch.erfc(-z / math.sqrt(2))  # the normal distribution function
    return below + z * torch.exp(-0.5 * z.square()) / math.sqrt(2 * math.pi)


def _mish(z: Tensor) -> Tensor:
    return z * torch.tanh(softplus(z))


def _mish_slope(z: Tensor) -> Tensor:
    t = torch.tanh(softplus(z))
    return t + z * (1 - t.square()) * torch.sigmoid(z)


def _hardsigmoid(z: Tensor) -> Tensor:
    return F.relu6(z + 3) / 6  # torch's own backward pass multiplies by a single-precision 1/6


def _hardswish_slope(z: Tensor) -> Tensor:
    return torch.where(z <= -3, 0.0, torch.where(z < 3, z / 3 + 0.5, 1.0))


def _clipped_linear(z: Tensor) -> Tensor:
    return F.hardtanh(z, 0.0, 1.0)


def _step(z: Tensor) -> Tensor:
    return torch.sign(z).clamp(min=0)  # keeps a (zero) gradient, where a comparison would have none


#: name -> (g, g'), for one real variable.
SLOPES: dict[str, tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]] = {
    "celu": (F.celu, _elu_slope),
    "clipped_linear": (_clipped_linear, lambda z: _where((z > 0) & (z < 1), z)),
    "elu": (F.elu, _elu_slope),
    "exp": (torch.exp, torch.exp),
    "gelu": (F.gelu, _gelu_slope),
    "hardsigmoid": (_hardsigmoid, lambda z: _where((z > -3) & (z < 3), z) / 6),
    "hardswish": (F.hardswish, _hardswish_slope),
    "hardtanh": (F.hardtanh, lambda z: _where((z > -1) & (z < 1), z)),
    "identity": (lambda z: z, _ones),
    "leaky_relu": (F.leaky_relu, _leaky_slope),
    "logistic": (torch.sigmoid, _sigmoid_slope),
    "mish": (_mish, _mish_slope),
    "relu": (torch.relu, lambda z: _where(z > 0, z)),
    "relu6": (F.relu6, lambda z: _where((z > 0) & (z < 6), z)),
    "selu": (F.selu, _selu_slope),
    "silu": (F.silu, _silu_slope),
    "softplus": (softplus, torch.sigmoid),
    "softsign": (F.softsign, lambda z: (1 + z.abs()).reciprocal().square()),
    "step": (_step, torch.zeros_like),
    "tanh": (torch.tanh, _tanh_slope),
}
