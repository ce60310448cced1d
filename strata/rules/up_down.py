"""The up-down algorithm: contrastive wake-sleep, which refines a deep belief network as a whole."""

from __future__ import annotations

import copy
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor
from torch.nn import functional as F

from strata.data.sources import Batch
from strata.nn.belief import DeepBelief
from strata.rules._checks import check_choice, check_count, check_number
from strata.rules.base import Rule
from strata.rules.schedules import Schedule, get_schedule

__all__ = ["UpDown"]


class UpDown(Rule):
    r"""Refine a deep belief network by a pass up, a chain at the top, and a pass down.

    Parameters
    ----------
    network : DeepBelief
        The network, on the CPU; trained in place.
    learning_rate : float, default=0.01
        Rate r, > 0.
    n_gibbs_steps : int or sequence of (int, int), default=1
        Gibbs steps of the top machine, >= 1, or pairs of an epoch, counted from 0, and the steps from then on.
    momentum : float, default=0.0
        Share of the last change that is made again, in [0, 1).
    weight_decay : float, default=0.0
        Strength of the L2 penalty on the weights, >= 0.
    layers : {"all", "top"}, default="all"
        Whether all layers learn, or only the top machine: the last step of greedy training when there are labels.
    schedule : str or Schedule, default="constant"
        How the rate changes; the object is copied.
    random_state : int, RandomState or None, default=None
        Source of the draws.

    Attributes
    ----------
    network : DeepBelief
        The network.
    n_steps : int
        Updates made.

    Raises
    ------
    ValueError
        If a number is outside its range.
    TypeError
        If ``network`` is none.

    See Also
    --------
    ContrastiveDivergence : How each layer is trained before.

    Notes
    -----
    Up: states :math:`s^1, s^2, \dots` are drawn with the recognition weights, and the generative weights between two
    layers learn by :math:`\Delta G = r\, s^{l+1\prime} (s^l - p^l)`, :math:`p^l` what they predict. Top: contrastive
    divergence from the state that was reached, with the label. Down: states are drawn from where the chain ends, and
    the recognition weights learn by :math:`\Delta R = r\, s^{l\prime} (s^{l+1} - q^{l+1})` [1]_. Every change is a mean
    over the batch. The published pseudo-code mixes two variables and leaves out a transpose; here the equations count.

    The logged ``loss`` is the mean squared error of the visible units that the generative weights predict from the
    first layer on the way up; ``label`` the cross-entropy of the labels by the top machine, before the update.

    References
    ----------
    .. [1] G. Hinton, S. Osindero, Y. Teh, "A fast learning algorithm for deep belief nets", Neural Computation 18,
       2006, appendix B.

    Examples
    --------
    >>> rule = UpDown(DeepBelief([6, 4, 5]), random_state=0)
    >>> sorted(rule.step(Batch(torch.ones(3, 6))))
    ['loss', 'weight']
    """

    network: DeepBelief

    def __init__(
        self,
        network: DeepBelief,
        *,
        learning_rate: float = 0.01,
        n_gibbs_steps: int | tuple[tuple[int, int], ...] = 1,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        layers: str = "all",
        schedule: str | Schedule = "constant",
        random_state: int | np.random.RandomState | None = None,
    ) -> None:
        super().__init__()
        if not isinstance(network, DeepBelief):
            raise TypeError(f"`network` must be a DeepBelief. Received: network={type(network).__name__}.")
        self.network = network
        self.learning_rate = check_number("learning_rate", learning_rate, above=0)
        plan = ((0, n_gibbs_steps),) if isinstance(n_gibbs_steps, int) else tuple(n_gibbs_steps)
        if not plan or plan[0][0] != 0 or any(a[0] >= b[0] for a, b in pairwise(plan)):
            raise ValueError(
                "`n_gibbs_steps` must be a number, or pairs of an epoch and steps whose epochs rise from 0. "
                f"Received: n_gibbs_steps={n_gibbs_steps!r}."
            )
        self.n_gibbs_steps = tuple((int(epoch), check_count("n_gibbs_steps", steps)) for epoch, steps in plan)
        self.momentum = check_number("momentum", momentum, at_least=0, below=1)
        self.weight_decay = check_number("weight_decay", weight_decay, at_least=0)
        self.layers = check_choice("layers", layers, ("all", "top"))
        self.schedule = copy.deepcopy(get_schedule(schedule))
        seed = int(check_random_state(random_state).randint(2**31 - 1))
        self._generator = torch.Generator().manual_seed(seed)
        self.n_steps = self.n_epochs = self._n_samples = 0
        if self.momentum:
            for name, parameter in list(network.named_parameters()):
                self.register_buffer("change_of_" + name.replace(".", "_"), torch.zeros_like(parameter))

    def _steps_now(self) -> int:
        return [steps for epoch, steps in self.n_gibbs_steps if epoch <= self.n_epochs][-1]

    def _draw(self, probs: Tensor) -> Tensor:
        return (torch.rand(probs.shape, generator=self._generator, dtype=probs.dtype) < probs).to(probs)

    def _labels(self, batch: Batch, n: int) -> Tensor | None:
        """Return the labels of a batch as rows of which one number is 1, or None where the network has none."""
        k = self.network.n_labels
        if k == 0:
            return None
        if batch.y is None or batch.y.shape[0] != n:
            raise ValueError("`y` must hold the class number of each row: the network has labels. Received: none.")
        y = batch.y
        rows = F.one_hot(y.reshape(-1).long(), k) if y.ndim == 1 or y.shape[1] == 1 else y
        return rows.to(self.network.top.weight)

    @torch.no_grad()
    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Learn from one batch.

        Parameters
        ----------
        batch : Batch
            ``x`` of shape (N, n_visible), from 0 to 1; ``y`` the class numbers (N,) or (N, 1), or rows of 0 and 1,
            where the network has labels.

        Returns
        -------
        figures : dict of Tensors
            ``loss``, ``weight`` (the number of rows), and ``label`` where there are labels.
        """
        net, x = self.network, batch.x.to(self.network.top.weight)
        labels = self._labels(batch, len(x))
        states = [x]
        for weight, bias in zip(net.recognition_weights, net.recognition_biases, strict=True):
            probs = torch.addmm(bias, states[-1], weight).sigmoid()
            states.append(self._draw(probs) if self.layers == "all" else probs)
        figures = self._figures(batch, states, labels)
        if not bool(figures["loss"].isfinite()):
            return figures
        changes: dict[str, Tensor] = {}
        if self.layers == "all":
            self._wake(states, changes)
        ends = self._contrast(states[-1], labels, changes)
        if self.layers == "all":
            self._sleep(ends, changes)
        self._make(changes, len(x))
        self.n_steps += 1
        self._n_samples += len(x)
        return figures

    def _figures(self, batch: Batch, states: list[Tensor], labels: Tensor | None) -> dict[str, Tensor]:
        net, x = self.network, states[0]
        if len(states) > 1:
            again = torch.addmm(net.generative_biases[0], states[1], net.generative_weights[0]).sigmoid()
        else:
            again = net.top.visible_mean(net(x))[:, : x.shape[1]]
        figures = {"loss": ((x - again) ** 2).mean(), "weight": torch.tensor(float(len(x)), dtype=torch.float64)}
        if labels is not None:
            figures["label"] = F.cross_entropy(net.label_scores(x), labels)
        return figures

    def _wake(self, states: list[Tensor], changes: dict[str, Tensor]) -> None:
        """Let the generative weights learn to predict each layer from the one above."""
        net = self.network
        for level, (weight, bias) in enumerate(zip(net.generative_weights, net.generative_biases, strict=True)):
            below, above = states[level], states[level + 1]
            error = below - torch.addmm(bias, above, weight).sigmoid()
            changes[f"generative_weights.{level}"] = above.T @ error
            changes[f"generative_biases.{level}"] = error.sum(0)

    def _contrast(self, inner: Tensor, labels: Tensor | None, changes: dict[str, Tensor]) -> Tensor:
        """Let the top machine learn; return where its chain ends, in the layer under the top one."""
        net, top = self.network, self.network.top
        values = inner if labels is None else torch.cat([inner, labels], dim=1)
        begin, probs = values, top.hidden_probs(values)
        last = probs
        for _ in range(self._steps_now()):
            values = net.draw_top(self._draw(last), generator=self._generator)
            last = top.hidden_probs(values)
        changes["top.weight"] = begin.T @ probs - values.T @ last
        changes["top.visible_bias"] = (begin - values).sum(0)
        changes["top.hidden_bias"] = (probs - last).sum(0)
        return values[:, : inner.shape[1]]

    def _sleep(self, ends: Tensor, changes: dict[str, Tensor]) -> None:
        """Let the recognition weights learn to infer each layer of what the model generates."""
        net, above = self.network, ends
        for level in reversed(range(len(net.generative_weights))):
            probs = torch.addmm(net.generative_biases[level], above, net.generative_weights[level]).sigmoid()
            below = self._draw(probs) if level > 0 else probs
            inferred = torch.addmm(net.recognition_biases[level], below, net.recognition_weights[level]).sigmoid()
            error = above - inferred
            changes[f"recognition_weights.{level}"] = below.T @ error
            changes[f"recognition_biases.{level}"] = error.sum(0)
            above = below

    def _make(self, changes: dict[str, Tensor], n_rows: int) -> None:
        rate = self.schedule.rate(self.learning_rate, self.n_steps)
        parameters, buffers = dict(self.network.named_parameters()), dict(self.named_buffers())
        for name, change in changes.items():
            parameter = parameters[name]
            change.mul_(rate / n_rows)
            if self.weight_decay and parameter.ndim == 2:
                change.sub_(parameter, alpha=rate * self.weight_decay)
            if self.momentum:
                change = buffers["change_of_" + name.replace(".", "_")].mul_(self.momentum).add_(change)
            parameter.add_(change)

    @torch.no_grad()
    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the figures of one batch, with probabilities in place of draws."""
        x = batch.x.to(self.network.top.weight)
        states = [x]
        for weight, bias in zip(self.network.recognition_weights, self.network.recognition_biases, strict=True):
            states.append(torch.addmm(bias, states[-1], weight).sigmoid())
        return self._figures(batch, states, self._labels(batch, len(x)))

    def forward(self, x: Tensor) -> Tensor:
        """Return the probabilities of the top layer."""
        probs: Tensor = self.network(x.to(self.network.top.weight))
        return probs

    def plan(self, *, n_batches: int | None, max_epochs: int) -> None:
        """Hand the length of the run to the schedule."""
        self.schedule.plan(n_batches=n_batches, max_epochs=max_epochs)

    def end_epoch(self, figures: dict[str, float]) -> None:
        """Count the epoch, and hand its figures to the schedule."""
        self.n_epochs += 1
        self.schedule.end_epoch(figures, n_samples=self._n_samples)
        self._n_samples = 0

    @property
    def rate(self) -> float:
        """Learning rate of the next step."""
        return self.schedule.rate(self.learning_rate, self.n_steps)

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able configuration."""
        return {
            "rule": type(self).__name__,
            "sizes": list(self.network.sizes),
            "n_labels": self.network.n_labels,
            "learning_rate": self.learning_rate,
            "n_gibbs_steps": [list(pair) for pair in self.n_gibbs_steps],
            "momentum": self.momentum,
            "weight_decay": self.weight_decay,
            "layers": self.layers,
            "schedule": self.schedule.describe(),
        }

    def get_extra_state(self) -> dict[str, Any]:
        """Return what is not in a parameter or buffer: the generator, the schedule and the counters."""
        return {
            "generator": self._generator.get_state(),
            "schedule": self.schedule.state_dict(),
            "counts": [self.n_steps, self.n_epochs, self._n_samples],
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take the state of :meth:`get_extra_state` back."""
        self._generator.set_state(state["generator"].to(torch.uint8))
        self.schedule.load_state_dict(state["schedule"])
        self.n_steps, self.n_epochs, self._n_samples = (int(count) for count in state["counts"])
