"""The delta rule: gradient descent of one layer on the sum of squares, with separate rates for biases and weights."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn

from strata.data.sources import Batch
from strata.functional.activations import Activation, get_activation
from strata.rules._checks import check_count, check_number
from strata.rules._losses import batch_weight
from strata.rules.base import Rule

__all__ = ["DeltaRule"]

#: A fixed rate, or a function of the iteration, counted from 1.
Rate: TypeAlias = float | Callable[[int], float]


class DeltaRule(Rule):
    r"""Learn one layer of neurons by the batch delta rule.

    Parameters
    ----------
    n_inputs : int
        Inputs, >= 1.
    n_outputs : int, default=1
        Neurons, each with its own bias and weights, >= 1.
    activation : str or Activation, default="identity"
        Activation :math:`f` of the neurons; it must have a slope, so not ``"step"``, and act on each alone.
    bias_rate : float or callable, default=0.1
        Rate :math:`\gamma_1` of the biases, > 0, or a function that gives it for an iteration counted from 1.
    weight_rate : float or callable, default=0.1
        Rate :math:`\gamma_2` of the weights, likewise.
    tol : float or None, default=None
        Stop when no component of the update, before its rate, is larger, >= 0; None never stops.

    Attributes
    ----------
    weight : Parameter of shape (n_outputs, n_inputs), float64
        Weights, zero at the start.
    bias : Parameter of shape (n_outputs,), float64
        Biases, zero at the start.
    n_steps : int
        Iterations done.

    Raises
    ------
    ValueError
        If a number is outside its range or the activation is not usable.
    TypeError
        If a number is not one.

    Notes
    -----
    For :math:`z_j = w_0 + \sum_i w_i x_{ij}`, :math:`y_j = f(z_j)` and the loss :math:`\sum_j (d_j - y_j)^2`,

    .. math:: w_0 \leftarrow w_0 + \gamma_1 \sum_j (d_j - y_j) f'(z_j), \qquad
       w_i \leftarrow w_i + \gamma_2 \sum_j (d_j - y_j) f'(z_j)\, x_{ij}.

    The factor 2 of the gradient is absorbed in the rates. Sums, not means: the rates must shrink with the number of
    rows. With the identity the fixed point is least squares; with the logistic function it is the least-squares fit
    of a logistic curve, which is not logistic regression. Sample weights multiply the terms.

    Examples
    --------
    >>> rule = DeltaRule(2, bias_rate=0.1, weight_rate=0.05)
    >>> x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0], [1.0, 1.0], [2.0, 1.0]])
    >>> figures = rule.step(Batch(x, torch.tensor([[1.0], [3.0], [0.0], [2.5], [4.0]])))
    >>> rule.bias.tolist(), rule.weight.tolist()
    ([1.05], [[0.675, 0.325]])
    """

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int = 1,
        *,
        activation: str | Activation = "identity",
        bias_rate: Rate = 0.1,
        weight_rate: Rate = 0.1,
        tol: float | None = None,
    ) -> None:
        super().__init__()
        shape = check_count("n_outputs", n_outputs), check_count("n_inputs", n_inputs)
        self.activation = get_activation(activation)
        if self.activation.name in ("step", "softmax"):
            raise ValueError(
                f"`activation` must have a slope and act on each neuron alone. Received: {self.activation.name!r}. "
                "For a step use the perceptron rule."
            )
        for name, rate in (("bias_rate", bias_rate), ("weight_rate", weight_rate)):
            if not callable(rate):
                check_number(name, rate, above=0)
        if tol is not None:
            check_number("tol", tol, at_least=0)
        self.bias_rate, self.weight_rate, self.tol = bias_rate, weight_rate, tol
        self.weight = nn.Parameter(torch.zeros(shape, dtype=torch.float64), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(shape[0], dtype=torch.float64), requires_grad=False)
        self.n_steps = 0
        self._converged = False

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs, of shape (N, n_outputs)."""
        return self.activation.function(self._scores(x))

    def _scores(self, x: Tensor) -> Tensor:
        if x.ndim != 2 or x.shape[1] != self.weight.shape[1]:
            raise ValueError(f"`x` must have shape (N, {self.weight.shape[1]}). Received: shape {tuple(x.shape)}.")
        return x.to(self.weight.dtype) @ self.weight.T + self.bias

    def _residuals(self, batch: Batch, outputs: Tensor) -> tuple[Tensor, Tensor]:
        """Return ``d - y`` and the rows' weights as a column."""
        if batch.y is None or batch.y.shape[0] != outputs.shape[0] or batch.y.numel() != outputs.numel():
            got = None if batch.y is None else tuple(batch.y.shape)
            raise ValueError(f"`y` must have shape {tuple(outputs.shape)}. Received: shape {got}.")
        weights = torch.ones(len(outputs)) if batch.sample_weight is None else batch.sample_weight
        return batch.y.to(outputs.dtype).reshape(outputs.shape) - outputs, weights.to(outputs).reshape(-1, 1)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Learn from one batch and return its loss, the sum of squares before the update, and its weight."""
        scores = self._scores(batch.x)
        residuals, weights = self._residuals(batch, self.activation.function(scores))
        errors = weights * residuals * self.activation.derivative(scores)  # (N, n_outputs)
        to_bias = errors.sum(dim=0)
        to_weight = errors.T @ batch.x.to(errors.dtype)  # (n_outputs, n_inputs)
        if self.tol is not None and max(float(to_bias.abs().max()), float(to_weight.abs().max())) <= self.tol:
            self._converged = True
        else:
            self.bias.add_(to_bias, alpha=self._rate_now("bias_rate"))
            self.weight.add_(to_weight, alpha=self._rate_now("weight_rate"))
        self.n_steps += 1
        return {"loss": (weights * residuals.square()).sum(), "weight": batch_weight(batch)}

    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the sum of squares and the weight of one batch."""
        residuals, weights = self._residuals(batch, self(batch.x))
        return {"loss": (weights * residuals.square()).sum(), "weight": batch_weight(batch)}

    def _rate_now(self, name: str) -> float:
        """Return a rate for the next iteration, checking what a function gives."""
        rate = self.bias_rate if name == "bias_rate" else self.weight_rate
        return check_number(f"{name}({self.n_steps + 1})", rate(self.n_steps + 1), above=0) if callable(rate) else rate

    @property
    def converged(self) -> bool:
        """Whether the last update was within ``tol``."""
        return self._converged

    @property
    def rate(self) -> float:
        """Rate of the weights in the next step."""
        return self._rate_now("weight_rate")

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able configuration; a rate that is a function is given by its name."""
        rates = {
            name: getattr(rate, "__name__", type(rate).__name__) if callable(rate) else rate
            for name, rate in (("bias_rate", self.bias_rate), ("weight_rate", self.weight_rate))
        }
        return {"rule": type(self).__name__, "activation": self.activation.name, "tol": self.tol, **rates}

    def get_extra_state(self) -> dict[str, Any]:
        """Return the count of iterations and whether the rule has converged."""
        return {"n_steps": self.n_steps, "converged": self._converged}

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take the state of :meth:`get_extra_state` back."""
        self.n_steps, self._converged = int(state["n_steps"]), bool(state["converged"])
