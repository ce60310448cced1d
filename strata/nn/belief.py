"""The deep belief network: directed layers under a restricted Boltzmann machine.

G. Hinton, S. Osindero, Y. Teh, "A fast learning algorithm for deep belief nets", Neural Computation 18, 2006.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Self

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor, nn
from torch.nn import functional as F

from strata.nn.rbm import RBM

__all__ = ["DeepBelief"]


class DeepBelief(nn.Module):
    r"""Layers of binary units that generate from the top down, and recognize from the bottom up.

    Parameters
    ----------
    sizes : sequence of int
        Units of each layer, the visible one first; at least two layers.
    n_labels : int, default=0
        Classes of a label that is joined to the top machine as a group of units of which one is 1; 0 for none.
    init_sigma : float, default=0.01
        Standard deviation of the first weights.
    dtype : torch.dtype, default=torch.float32
        Of the parameters.
    random_state : int, RandomState or None, default=0
        Source of the first weights.

    Attributes
    ----------
    recognition_weights, recognition_biases : ParameterList
        For each layer below the top machine the weights (n_below, n_above) and biases (n_above,) of the way up.
    generative_weights, generative_biases : ParameterList
        For the same layers the weights (n_above, n_below) and biases (n_below,) of the way down.
    top : RBM
        The undirected machine between the two highest layers; its last ``n_labels`` visible units are the label.

    Raises
    ------
    ValueError
        If there are fewer than two layers.

    See Also
    --------
    strata.rules.UpDown : The rule that refines it.

    Notes
    -----
    :math:`p(v, h^1, \dots, h^L) = p(h^{L-1}, h^L) \prod_{l < L - 1} p(h^l | h^{l+1})`. The units of a label have the
    probabilities :math:`e^{x_k} / \sum_j e^{x_j}`.

    Examples
    --------
    >>> network = DeepBelief([6, 4, 5], n_labels=3)
    >>> network.label_scores(torch.zeros(2, 6)).shape, network.sample(4, 10, label=1).shape
    (torch.Size([2, 3]), torch.Size([4, 6]))
    """

    def __init__(
        self,
        sizes: Sequence[int],
        *,
        n_labels: int = 0,
        init_sigma: float = 0.01,
        dtype: torch.dtype = torch.float32,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        super().__init__()
        if len(sizes) < 2:
            raise ValueError(f"`sizes` must name at least two layers. Received: sizes={list(sizes)!r}.")
        generator = check_random_state(random_state)
        self.n_labels = int(n_labels)
        rbms = [
            RBM(below, above, init_sigma=init_sigma, dtype=dtype, random_state=generator)
            for below, above in pairwise(sizes[:-1])
        ]
        self._hold(rbms)
        self.top = RBM(sizes[-2] + self.n_labels, sizes[-1], init_sigma=init_sigma, dtype=dtype, random_state=generator)

    def _hold(self, rbms: Sequence[RBM]) -> None:
        def own(tensors: Sequence[Tensor]) -> nn.ParameterList:
            return nn.ParameterList([nn.Parameter(tensor.clone(), requires_grad=False) for tensor in tensors])

        self.recognition_weights = own([rbm.weight for rbm in rbms])
        self.recognition_biases = own([rbm.hidden_bias for rbm in rbms])
        self.generative_weights = own([rbm.weight.T for rbm in rbms])
        self.generative_biases = own([rbm.visible_bias for rbm in rbms])

    @classmethod
    def from_rbms(
        cls,
        rbms: Sequence[RBM],
        *,
        n_labels: int = 0,
        init_sigma: float = 0.01,
        random_state: int | np.random.RandomState | None = 0,
    ) -> Self:
        """Stack machines that were trained one upon the other; both ways begin with the same weights.

        Parameters
        ----------
        rbms : sequence of RBM
            Binary machines, the lowest first; each has as many visible units as the one below has hidden ones. They
            are copied.
        n_labels : int, default=0
            Classes of a label, whose weights are drawn.
        init_sigma : float, default=0.01
            Standard deviation of the label's weights.
        random_state : int, RandomState or None, default=0
            Source of the label's weights.

        Returns
        -------
        network : DeepBelief
            The network.

        Raises
        ------
        ValueError
            If the sizes do not fit each other or a machine is not binary.
        """
        sizes = [rbms[0].n_visible, *(rbm.n_hidden for rbm in rbms)]
        if any(rbm.n_visible != size or rbm.visible != "binary" for rbm, size in zip(rbms, sizes, strict=False)):
            raise ValueError("`rbms` must be binary machines whose sizes fit each other. Received: others.")
        dtype = rbms[0].weight.dtype
        network = cls(sizes, n_labels=n_labels, init_sigma=init_sigma, dtype=dtype, random_state=random_state)
        network._hold(rbms[:-1])
        inner, last = sizes[-2], rbms[-1]
        network.top.weight[:inner] = last.weight
        network.top.visible_bias[:inner] = last.visible_bias
        network.top.hidden_bias.copy_(last.hidden_bias)
        return network

    @staticmethod
    def shapes(sizes: Sequence[int], *, n_labels: int = 0) -> list[tuple[int, ...]]:
        """Return the shapes of the parameters of a network, in their order.

        Parameters
        ----------
        sizes : sequence of int
            Units of each layer, the visible one first.
        n_labels : int, default=0
            Classes of a label.

        Returns
        -------
        shapes : list of tuple of int
            As :meth:`parameters` gives them.
        """
        pairs, top = list(pairwise(sizes[:-1])), sizes[-2] + n_labels
        ways = [*pairs, *((b,) for _, b in pairs), *((b, a) for a, b in pairs), *((a,) for a, _ in pairs)]
        return [*ways, (top, sizes[-1]), (top,), (sizes[-1],)]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Units of each layer, the visible one first."""
        below = tuple(weight.shape[0] for weight in self.recognition_weights)
        return (*below, self.top.n_visible - self.n_labels, self.top.n_hidden)

    def recognize(self, visible: Tensor) -> Tensor:
        """Compute the probabilities of the layer under the top one, layer by layer by probabilities.

        Parameters
        ----------
        visible : Tensor of shape (N, n_visible)
            Values from 0 to 1.

        Returns
        -------
        probs : Tensor of shape (N, n_inner)
            What the top machine sees.
        """
        values = visible
        for weight, bias in zip(self.recognition_weights, self.recognition_biases, strict=True):
            values = torch.addmm(bias, values, weight).sigmoid()
        return values

    def generate(self, inner: Tensor) -> Tensor:
        """Compute the expectation of the visible units from the layer under the top one, by probabilities.

        Parameters
        ----------
        inner : Tensor of shape (N, n_inner)
            Values from 0 to 1.

        Returns
        -------
        visible : Tensor of shape (N, n_visible)
            Probabilities.
        """
        values = inner
        for weight, bias in zip(reversed(self.generative_weights), reversed(self.generative_biases), strict=True):
            values = torch.addmm(bias, values, weight).sigmoid()
        return values

    def label_scores(self, visible: Tensor) -> Tensor:
        r"""Compute minus the free energy of the top machine with each label, but for what all labels share.

        Parameters
        ----------
        visible : Tensor of shape (N, n_visible)
            Values from 0 to 1.

        Returns
        -------
        scores : Tensor of shape (N, n_labels)
            Logits: their softmax is the probability of each label given the recognized layer.

        Raises
        ------
        ValueError
            If there are no labels.
        """
        if self.n_labels == 0:
            raise ValueError("`n_labels` must be positive for a network that tells labels. Received: n_labels=0.")
        inner, n = self.recognize(visible), self.sizes[-2]
        drives = torch.addmm(self.top.hidden_bias, inner, self.top.weight[:n])
        scores = [
            bias + F.softplus(drives + weight).sum(1)
            for bias, weight in zip(self.top.visible_bias[n:], self.top.weight[n:], strict=True)
        ]
        return torch.stack(scores, dim=1)

    def draw_top(
        self, hidden: Tensor, *, label: Tensor | None = None, generator: torch.Generator | None = None
    ) -> Tensor:
        """Draw the visible units of the top machine; the label as one unit that is 1.

        Parameters
        ----------
        hidden : Tensor of shape (N, n_top)
            Values of the top layer.
        label : Tensor of shape (N, n_labels), optional
            A label that is given; drawn otherwise.
        generator : torch.Generator, optional
            Source of the draws.

        Returns
        -------
        values : Tensor of shape (N, n_inner + n_labels)
            0 or 1.
        """
        n = self.sizes[-2]
        drives = torch.addmm(self.top.visible_bias, hidden, self.top.weight.T)
        inner = _draw(drives[:, :n].sigmoid(), generator)
        if self.n_labels == 0:
            return inner
        if label is None:
            chosen = torch.multinomial(drives[:, n:].softmax(1), 1, generator=generator)[:, 0]
            label = F.one_hot(chosen, self.n_labels).to(inner)
        return torch.cat([inner, label], dim=1)

    @torch.no_grad()
    def sample(
        self,
        n_samples: int,
        n_steps: int = 1000,
        *,
        label: int | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """Draw from the model: Gibbs steps in the top machine, then one way down.

        Parameters
        ----------
        n_samples : int
            Rows, each from a chain of its own.
        n_steps : int, default=1000
            Gibbs steps of the top machine, from random units.
        label : int, optional
            Class that is held fixed.
        generator : torch.Generator, optional
            Source of the draws.

        Returns
        -------
        visible : Tensor of shape (n_samples, n_visible)
            Probabilities of the visible units, of which a picture is made.
        """
        weight = self.top.weight
        hidden = (torch.rand((n_samples, self.top.n_hidden), generator=generator) < 0.5).to(weight)
        given = None
        if label is not None:
            given = F.one_hot(torch.full((n_samples,), int(label)), self.n_labels).to(weight)
        values = self.draw_top(hidden, label=given, generator=generator)
        for _ in range(n_steps):
            hidden = _draw(self.top.hidden_probs(values), generator)
            values = self.draw_top(hidden, label=given, generator=generator)
        inner = values[:, : self.sizes[-2]]
        if not len(self.generative_weights):
            return torch.addmm(self.top.visible_bias, hidden, weight.T).sigmoid()[:, : self.sizes[-2]]
        for weight, bias in list(zip(self.generative_weights, self.generative_biases, strict=True))[:0:-1]:
            inner = _draw(torch.addmm(bias, inner, weight).sigmoid(), generator)
        return torch.addmm(self.generative_biases[0], inner, self.generative_weights[0]).sigmoid()

    def forward(self, visible: Tensor) -> Tensor:
        """Return the probabilities of the top layer, by probabilities; a label is taken as unknown (all 0)."""
        inner = self.recognize(visible)
        return torch.addmm(self.top.hidden_bias, inner, self.top.weight[: inner.shape[1]]).sigmoid()


def _draw(probs: Tensor, generator: torch.Generator | None) -> Tensor:
    return (torch.rand(probs.shape, generator=generator, dtype=probs.dtype) < probs).to(probs)
