"""The worked networks of the lectures, built once for all facts."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from strata.data.sources import Batch
from strata.nn import DenseLoss, DenseNetwork, DenseSpec, Head

__all__ = [
    "QUADRATIC_START",
    "autograd",
    "batch",
    "network",
    "quadratic",
    "quadratic_batch",
    "sigmoid_331",
    "small_221",
    "xor_221",
]

#: Start of the common test problem of the optimizers, J = (theta_1^2 + 10 theta_2^2) / 2.
QUADRATIC_START = (3.0, -2.0)

_Rows = Sequence[Sequence[float]]
_Layer = tuple[_Rows, Sequence[float]]


def network(layers: Sequence[_Layer], hidden: str, *, loss: str, out: str | None = None) -> DenseNetwork:
    """Build a network from the lectures' matrices, which map columns: W is (n_out, n_in)."""
    coefs = [np.array(weights, dtype=float).T.copy() for weights, _ in layers]
    intercepts = [np.array(biases, dtype=float) for _, biases in layers]
    sizes = tuple(len(biases) for biases in intercepts[:-1])
    head = Head(len(intercepts[-1]), loss, activation=out)
    spec = DenseSpec(coefs[0].shape[0], sizes, (hidden,) * len(sizes), (head,))
    return DenseNetwork.from_arrays(spec, coefs, intercepts)


def batch(x: _Rows, y: _Rows, sample_weight: Sequence[float] | None = None) -> Batch:
    """Return rows in float64."""
    weight = None if sample_weight is None else torch.tensor(sample_weight, dtype=torch.float64)
    return Batch(torch.tensor(x, dtype=torch.float64), torch.tensor(y, dtype=torch.float64), weight)


def autograd(net: DenseNetwork, rows: Batch) -> tuple[Tensor, list[Tensor], list[Tensor]]:
    """Return loss, gradients of the weights in the lectures' orientation, and gradients of the biases."""
    net.zero_grad()
    loss = DenseLoss(net.spec)(net(rows.x), rows.y, rows.sample_weight)
    loss.backward()
    gradients = [[p.grad for p in group if p.grad is not None] for group in (net.weights, net.biases)]
    return loss.detach(), [gradient.T for gradient in gradients[0]], gradients[1]


def sigmoid_331(hidden: str = "logistic", out: str | None = "logistic") -> DenseNetwork:
    """Return the 3-3-1 network of section 6.2, loss (a - y)^2 / 2 averaged over rows."""
    first = (((0.1, -0.2, 0.3), (0.4, 0.5, -0.6), (-0.7, 0.8, 0.9)), (0.01, -0.02, 0.03))
    return network([first, (((0.5, -0.4, 0.3),), (0.05,))], hidden, loss="squared_error", out=out)


def small_221(two_classes: bool = False) -> DenseNetwork:
    """Return the 2-2-1 sigmoid network of section 6.3, or the 2-2-2 tanh and softmax network of 6.4."""
    first = (((0.15, 0.2), (0.25, 0.3)), (0.35, -0.35))
    if two_classes:
        return network([first, (((0.4, -0.45), (0.5, 0.55)), (0.6, -0.1))], "tanh", loss="cross_entropy")
    return network([first, (((0.4, -0.45),), (0.6,))], "logistic", loss="squared_error", out="logistic")


def xor_221() -> DenseNetwork:
    """Return the 2-2-1 ReLU network that computes XOR with the weights of the slide."""
    first = (((1.0, 1.0), (1.0, 1.0)), (0.0, -1.0))
    return network([first, (((1.0, -2.0),), (0.0,))], "relu", loss="squared_error")


def quadratic(start: Sequence[float] = QUADRATIC_START) -> DenseNetwork:
    """Return a linear neuron whose two weights are theta."""
    return network([((tuple(start),), (0.0,))], "identity", loss="half_squared")


def quadratic_batch(curvatures: Sequence[float] = (1.0, 10.0), optimum: Sequence[float] = (0.0, 0.0)) -> Batch:
    """Return rows on which the neuron's loss is sum of h_i (theta_i - optimum_i)^2 / 2, plus the bias's own part.

    Each axis has two rows of opposite sign and weight 1/2, so that the bias has gradient 0 at 0 and stays there.
    """
    rows, targets = [], []
    for axis, (curvature, best) in enumerate(zip(curvatures, optimum, strict=True)):
        for sign in (1.0, -1.0):
            row = [0.0] * len(curvatures)
            row[axis] = sign * curvature**0.5
            rows.append(row)
            targets.append([row[axis] * best])
    return batch(rows, targets, [0.5] * len(rows))
