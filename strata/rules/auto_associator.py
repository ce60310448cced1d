"""The auto-associator: a layer that learns to give its inputs back through the transpose of its own weights."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor, nn
from torch.nn import functional as F

from strata.data.sources import Batch
from strata.rules._checks import check_choice, check_count, check_number
from strata.rules.base import Rule
from strata.rules.schedules import Schedule, get_schedule

__all__ = ["AutoAssociator"]


class AutoAssociator(Rule):
    r"""Learn one layer of logistic units by what it can tell of its inputs.

    Parameters
    ----------
    n_visible, n_hidden : int
        Inputs and units, >= 1.
    learning_rate : float, default=0.1
        Rate, > 0.
    momentum : float, default=0.0
        Share of the last change that is made again, in [0, 1).
    weight_decay : float, default=0.0
        Strength of the L2 penalty on the weights, >= 0.
    corruption : float, default=0.0
        Probability that an input is hidden from the layer, set to 0, in [0, 1): the denoising form.
    output : {"binary", "gaussian"}, default="binary"
        Inputs from 0 to 1 and the cross-entropy, or real inputs, linear outputs and half the squared error.
    schedule : str or Schedule, default="constant"
        How the rate changes; the object is copied.
    init_sigma : float or None, default=None
        Standard deviation of the first weights; None draws them uniformly up to :math:`4 \sqrt{6 / (n_v + n_h)}`.
    dtype : torch.dtype, default=torch.float32
        Of the parameters.
    random_state : int, RandomState or None, default=None
        Source of the first weights and of the corruption.

    Attributes
    ----------
    weight : Parameter of shape (n_visible, n_hidden)
        Weights W.
    hidden_bias : Parameter of shape (n_hidden,)
        Biases b of the units.
    visible_bias : Parameter of shape (n_visible,)
        Biases c of the reconstruction.

    Raises
    ------
    ValueError
        If a number is outside its range.

    See Also
    --------
    ContrastiveDivergence : The other way to learn a layer without labels.

    Notes
    -----
    The reconstruction of x is :math:`p = \sigma(c + W \sigma(b + W' x))` and the loss
    :math:`-\sum_i x_i \log p_i + (1 - x_i) \log (1 - p_i)`, in the mean over the rows [1]_. The weights are used twice
    and have the sum of two gradients.

    References
    ----------
    .. [1] Y. Bengio, P. Lamblin, D. Popovici, H. Larochelle, "Greedy layer-wise training of deep networks", NIPS 19,
       2007, section 4.

    Examples
    --------
    >>> rule = AutoAssociator(4, 3, random_state=0)
    >>> x = torch.tensor([[0.0, 1.0, 1.0, 0.0], [1.0, 1.0, 0.0, 0.0]])
    >>> first = float(rule.step(Batch(x))["loss"])
    >>> for _ in range(50):
    ...     figures = rule.step(Batch(x))
    >>> float(figures["loss"]) < first
    True
    """

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        *,
        learning_rate: float = 0.1,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        corruption: float = 0.0,
        output: str = "binary",
        schedule: str | Schedule = "constant",
        init_sigma: float | None = None,
        dtype: torch.dtype = torch.float32,
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__()
        shape = check_count("n_visible", n_visible), check_count("n_hidden", n_hidden)
        self.learning_rate = check_number("learning_rate", learning_rate, above=0)
        self.momentum = check_number("momentum", momentum, at_least=0, below=1)
        self.weight_decay = check_number("weight_decay", weight_decay, at_least=0)
        self.corruption = check_number("corruption", corruption, at_least=0, below=1)
        self.output = check_choice("output", output, ("binary", "gaussian"))
        self.schedule = copy.deepcopy(get_schedule(schedule))
        generator = check_random_state(random_state)
        if init_sigma is None:
            bound = 4 * np.sqrt(6 / sum(shape))
            drawn = generator.uniform(-bound, bound, shape)
        else:
            drawn = generator.normal(0, check_number("init_sigma", init_sigma, at_least=0), shape)
        self.weight = nn.Parameter(torch.from_numpy(drawn).to(dtype), requires_grad=False)
        self.hidden_bias = nn.Parameter(torch.zeros(shape[1], dtype=dtype), requires_grad=False)
        self.visible_bias = nn.Parameter(torch.zeros(shape[0], dtype=dtype), requires_grad=False)
        for name, parameter in list(self.named_parameters()):
            self.register_buffer(f"change_of_{name}", torch.zeros_like(parameter))
        self._generator = torch.Generator().manual_seed(int(generator.randint(2**31 - 1)))
        self.n_steps = 0
        self._n_samples = 0

    def forward(self, x: Tensor) -> Tensor:
        """Return the activations of the units, of shape (N, n_hidden)."""
        return torch.addmm(self.hidden_bias, x.to(self.weight), self.weight).sigmoid_()

    def _loss(self, x: Tensor, scores: Tensor) -> Tensor:
        """Return the mean loss of reconstructions by their scores."""
        if self.output == "gaussian":
            return ((scores - x) ** 2).sum() / (2 * len(x))
        return F.binary_cross_entropy_with_logits(scores, x, reduction="sum") / len(x)

    @torch.no_grad()
    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Learn from one batch; targets are not looked at.

        Parameters
        ----------
        batch : Batch
            ``x`` of shape (N, n_visible).

        Returns
        -------
        figures : dict of Tensors
            ``loss`` before the update and ``weight``, the number of rows.
        """
        x = batch.x.to(self.weight)
        n, seen = len(x), x
        if self.corruption > 0:
            keep = torch.rand(x.shape, generator=self._generator, dtype=torch.float32) >= self.corruption
            seen = x * keep.to(x)
        hidden = self(seen)
        scores = torch.addmm(self.visible_bias, hidden, self.weight.T)
        loss = self._loss(x, scores)
        figures = {"loss": loss, "weight": torch.tensor(float(n), dtype=torch.float64)}
        if not bool(loss.isfinite()):
            return figures
        error = (scores.sigmoid_() if self.output == "binary" else scores).sub_(x)  # n times the gradient
        inner = (error @ self.weight).mul_(hidden * (1 - hidden))
        rate = float(self.schedule.rate(self.learning_rate, self.n_steps))
        share = -rate / n
        moves = dict(self.named_buffers())
        change = moves["change_of_weight"]
        torch.addmm(change, error.T, hidden, beta=self.momentum, alpha=share, out=change)
        change.addmm_(seen.T, inner, alpha=share)
        if self.weight_decay:
            change.sub_(self.weight, alpha=rate * self.weight_decay)
        moves["change_of_hidden_bias"].mul_(self.momentum).add_(inner.sum(0), alpha=share)
        moves["change_of_visible_bias"].mul_(self.momentum).add_(error.sum(0), alpha=share)
        for name, parameter in self.named_parameters():
            parameter.add_(moves[f"change_of_{name}"])
        self.n_steps += 1
        self._n_samples += n
        return figures

    @torch.no_grad()
    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the loss of whole rows, nothing hidden, and the number of rows."""
        x = batch.x.to(self.weight)
        loss = self._loss(x, torch.addmm(self.visible_bias, self(x), self.weight.T))
        return {"loss": loss, "weight": torch.tensor(float(len(x)), dtype=torch.float64)}

    def plan(self, *, n_batches: int | None, max_epochs: int) -> None:
        """Hand the length of the run to the schedule."""
        self.schedule.plan(n_batches=n_batches, max_epochs=max_epochs)

    def end_epoch(self, figures: dict[str, float]) -> None:
        """Hand the figures and the number of rows seen to the schedule."""
        self.schedule.end_epoch(figures, n_samples=self._n_samples)
        self._n_samples = 0

    @property
    def batches_per_call(self) -> int:  # type: ignore[override]
        """Batches of 100 rows that take about 0.15 s."""
        return max(1, int(0.15 / max(5e-5, 1000.0 * self.weight.numel() / 6e10)))

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        return self.schedule.rate(self.learning_rate, self.n_steps)

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able configuration."""
        return {
            "rule": type(self).__name__,
            "output": self.output,
            "learning_rate": self.learning_rate,
            "momentum": self.momentum,
            "weight_decay": self.weight_decay,
            "corruption": self.corruption,
            "schedule": self.schedule.describe(),
        }

    def get_extra_state(self) -> dict[str, Any]:
        """Return what is not in a parameter or buffer: the generator, the schedule and the counters."""
        return {
            "generator": self._generator.get_state(),
            "schedule": self.schedule.state_dict(),
            "counts": [self.n_steps, self._n_samples],
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take the state of :meth:`get_extra_state` back."""
        self._generator.set_state(state["generator"].to(torch.uint8))
        self.schedule.load_state_dict(state["schedule"])
        self.n_steps, self._n_samples = (int(count) for count in state["counts"])
