"""The McCulloch-Pitts neuron: fixed weights, a threshold, and nothing to learn."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from strata.data.sources import Batch
from strata.rules.base import Rule

__all__ = ["McCullochPittsRule"]


class McCullochPittsRule(Rule):
    r"""Compute a threshold function of binary inputs; a step measures the errors and changes nothing.

    Parameters
    ----------
    weights : array-like of shape (n_inputs,) or (n_neurons, n_inputs)
        Fixed weights.
    threshold : float or array-like of shape (n_neurons,)
        Fixed threshold :math:`\mu`; the output is 1 strictly above it.
    inhibitory : sequence of int, default=()
        Inputs that veto: while one of them is 1, every output is 0, as in the model of 1943. Their weights count
        for nothing.

    Attributes
    ----------
    weight : Tensor of shape (n_neurons, n_inputs), float64
        The weights.
    threshold : Tensor of shape (n_neurons,), float64
        The thresholds.

    Raises
    ------
    ValueError
        If a shape does not fit, a number is not finite, or an inhibitory input does not exist.

    Notes
    -----
    McCulloch and Pitts [1]_, in the weighted form of the lecture:
    :math:`y = 1` if :math:`\sum_i w_i x_i > \mu`, else 0, equality included.

    References
    ----------
    .. [1] W. S. McCulloch, W. Pitts, "A logical calculus of the ideas immanent in nervous activity", Bulletin of
       Mathematical Biophysics 5, 1943.

    Examples
    --------
    >>> gate = McCullochPittsRule([1, 1], threshold=1.5)
    >>> gate(torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])).flatten().tolist()
    [0.0, 0.0, 0.0, 1.0]
    """

    weight: Tensor
    threshold: Tensor

    def __init__(self, weights: Any, threshold: Any, *, inhibitory: Sequence[int] = ()) -> None:
        super().__init__()
        weight = torch.as_tensor(weights, dtype=torch.float64)
        weight = weight[None] if weight.ndim == 1 else weight
        levels = torch.as_tensor(threshold, dtype=torch.float64)
        levels = levels[None] if levels.ndim == 0 else levels
        if weight.ndim != 2 or weight.shape[1] == 0:
            raise ValueError(
                "`weights` must have shape (n_inputs,) or (n_neurons, n_inputs). "
                f"Received: shape {tuple(weight.shape)}."
            )
        if levels.ndim != 1 or len(levels) not in (1, len(weight)):
            raise ValueError(
                f"`threshold` must be one number, or one for each of {len(weight)} neurons. "
                f"Received: shape {tuple(levels.shape)}."
            )
        if not (weight.isfinite().all() and levels.isfinite().all()):
            raise ValueError("`weights` and `threshold` must be finite. Received: NaN or infinity.")
        n_inputs = weight.shape[1]
        for index in inhibitory:
            if isinstance(index, bool) or not isinstance(index, int) or not 0 <= index < n_inputs:
                raise ValueError(
                    f"`inhibitory` must hold input numbers from 0 to {n_inputs - 1}. Received: {list(inhibitory)!r}."
                )
        veto = torch.zeros(n_inputs, dtype=torch.bool)
        veto[list(inhibitory)] = True
        self.register_buffer("weight", weight.clone().masked_fill_(veto, 0.0))
        self.register_buffer("threshold", levels.expand(len(weight)).clone())
        self.register_buffer("veto", veto)

    def forward(self, x: Tensor) -> Tensor:
        """Return the outputs.

        Parameters
        ----------
        x : Tensor of shape (N, n_inputs)
            Inputs, each 0 or 1.

        Returns
        -------
        outputs : Tensor of shape (N, n_neurons), float64
            0 or 1.

        Raises
        ------
        ValueError
            If the width is wrong or an input is neither 0 nor 1.
        """
        if x.ndim != 2 or x.shape[1] != self.weight.shape[1]:
            raise ValueError(f"`x` must have shape (N, {self.weight.shape[1]}). Received: shape {tuple(x.shape)}.")
        x = x.to(self.weight.dtype)
        if not ((x == 0) | (x == 1)).all():
            raise ValueError("`x` must hold only 0 and 1. Received: other values.")
        excited = x @ self.weight.T > self.threshold  # (N, n_neurons)
        vetoed = x[:, self.veto].any(dim=1, keepdim=True)  # type: ignore[index]
        return (excited & ~vetoed).to(self.weight.dtype)

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Measure the errors; the weights are fixed."""
        return self.evaluate(batch)

    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the mean of :math:`|d - y|` (as ``loss`` and ``error``) and the number of rows."""
        outputs = self(batch.x)
        if batch.y is None:
            raise ValueError("`batch` must hold targets to measure errors. Received: y=None.")
        error = (batch.y.to(outputs.dtype).reshape(outputs.shape) - outputs).abs().mean()
        return {"loss": error, "error": error, "weight": torch.tensor(float(len(batch.x)), dtype=torch.float64)}

    @property
    def converged(self) -> bool:
        """Always: there is nothing to learn."""
        return True
