r"""Penalties :math:`\Omega` on the size of the weights, and the two constraints that act after a step.

They are for weights only: a bias does not make a function less smooth, and the lectures leave it free. The lectures
write L2 in two ways, :math:`\lambda \sum W^2` and :math:`\frac\alpha2 \sum W^2`; here it is the second, so
:math:`\alpha = 2 \lambda`.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

__all__ = ["Penalty", "clip_max_norm", "elastic_net", "l1_penalty", "l2_penalty", "soft_threshold"]


def _total(terms: list[Tensor]) -> Tensor:
    return torch.stack([term.to(terms[0].device) for term in terms]).sum() if terms else torch.zeros(())


def l1_penalty(weights: Iterable[Tensor]) -> Tensor:
    r"""Add up the absolute weights.

    Parameters
    ----------
    weights : iterable of Tensors
        Weight tensors of any shapes; leave the biases out.

    Returns
    -------
    penalty : Tensor of shape ()
        :math:`\sum |W|`, with the subgradient :math:`\operatorname{sign}(W)` and :math:`\operatorname{sign}(0) = 0`.

    Examples
    --------
    >>> l1_penalty([torch.tensor([[1.0, -2.0]]), torch.tensor([[0.5]])])
    tensor(3.5000)
    """
    return _total([weight.abs().sum() for weight in weights])


def l2_penalty(weights: Iterable[Tensor]) -> Tensor:
    r"""Add up half the squared weights.

    Parameters
    ----------
    weights : iterable of Tensors
        Weight tensors of any shapes; leave the biases out.

    Returns
    -------
    penalty : Tensor of shape ()
        :math:`\tfrac12 \sum W^2`, with gradient :math:`W`.

    Examples
    --------
    >>> l2_penalty([torch.tensor([[1.0, -2.0]])])
    tensor(2.5000)
    """
    return 0.5 * _total([weight.square().sum() for weight in weights])


def elastic_net(weights: Iterable[Tensor], *, l1: float, l2: float) -> Tensor:
    r"""Add both penalties.

    Parameters
    ----------
    weights : iterable of Tensors
        Weight tensors of any shapes; leave the biases out.
    l1, l2 : float
        Strengths of the two.

    Returns
    -------
    penalty : Tensor of shape ()
        :math:`l_1 \sum |W| + \tfrac12 l_2 \sum W^2`.

    Examples
    --------
    >>> elastic_net([torch.tensor([[1.0, -2.0]])], l1=0.1, l2=0.2)
    tensor(0.8000)
    """
    listed = list(weights)
    return l1 * l1_penalty(listed) + l2 * l2_penalty(listed)


def soft_threshold(weight: Tensor, threshold: float | Tensor) -> Tensor:
    r"""Move every weight toward zero, and stop there: the proximal step of the L1 penalty.

    Parameters
    ----------
    weight : Tensor of any shape
        Weights.
    threshold : float or Tensor
        How far to move, at least 0.

    Returns
    -------
    shrunk : Tensor of the same shape
        :math:`\operatorname{sign}(w) \max(|w| - t, 0)`, with exact zeros, which a subgradient step hardly ever gives.

    Examples
    --------
    >>> soft_threshold(torch.tensor([3.0, -0.2, 0.05]), 0.1)
    tensor([ 2.9000, -0.1000,  0.0000])
    """
    limit = torch.as_tensor(threshold, dtype=weight.dtype, device=weight.device)
    return weight - weight.clamp(-limit, limit)  # no negative zeros


def clip_max_norm(weight: Tensor, max_norm: float, dim: int = 0) -> Tensor:
    r"""Shorten the weight vectors that are longer than a bound.

    Parameters
    ----------
    weight : Tensor of shape (n_in, n_out)
        Weights.
    max_norm : float
        Largest Euclidean length of a unit's incoming weights, above 0.
    dim : int, default=0
        Axis along which a unit's incoming weights lie: 0 in our orientation, 1 in that of ``torch.nn.Linear``.

    Returns
    -------
    clipped : Tensor of the same shape
        Vectors within the bound unchanged, bit for bit; the others scaled to it.

    Raises
    ------
    ValueError
        If ``max_norm`` is not positive.

    Examples
    --------
    >>> clip_max_norm(torch.tensor([[3.0, 0.3], [4.0, 0.4]]), 1.0)
    tensor([[0.6000, 0.3000],
            [0.8000, 0.4000]])
    """
    if not max_norm > 0:
        raise ValueError(f"`max_norm` must be above 0. Received: max_norm={max_norm!r}.")
    norms = weight.square().sum(dim=dim, keepdim=True).sqrt()
    return torch.where(norms > max_norm, weight * (max_norm / norms), weight)


@dataclass(frozen=True)
class Penalty:
    r"""What a learning rule does to keep weights small.

    Parameters
    ----------
    l1 : float, default=0.0
        Strength of :math:`\sum |W|`.
    l2 : float, default=0.0
        Strength of :math:`\tfrac12 \sum W^2`.
    l1_form : {"subgradient", "proximal"}, default="subgradient"
        Add ``l1 * sign(W)`` to the gradient, or soft-threshold the weights by ``rate * l1`` after each step, which
        makes exact zeros.
    max_norm : float or None, default=None
        Bound on the length of each unit's incoming weights, kept after each step. None: no bound.
    per_sample : bool, default=False
        Divide the penalty by the total weight of the batch, as scikit-learn does with its ``alpha``.

    Raises
    ------
    ValueError
        If a strength is negative or not finite, ``max_norm`` is not positive, or ``l1_form`` is unknown.

    Examples
    --------
    >>> penalty = Penalty(l1=0.1, l2=0.2)
    >>> penalty.value([torch.tensor([[1.0, -2.0]])])
    tensor(0.8000)
    """

    l1: float = 0.0
    l2: float = 0.0
    l1_form: Literal["subgradient", "proximal"] = "subgradient"
    max_norm: float | None = None
    per_sample: bool = False

    def __post_init__(self) -> None:
        for name, strength in (("l1", self.l1), ("l2", self.l2)):
            if not 0 <= strength < float("inf"):
                raise ValueError(f"`{name}` must be at least 0 and finite. Received: {name}={strength!r}.")
        if self.max_norm is not None and not self.max_norm > 0:
            raise ValueError(f"`max_norm` must be above 0 or None. Received: max_norm={self.max_norm!r}.")
        if self.l1_form not in ("subgradient", "proximal"):
            raise ValueError(f"`l1_form` must be 'subgradient' or 'proximal'. Received: l1_form={self.l1_form!r}.")

    @property
    def in_gradient(self) -> bool:
        """Whether anything is added to the gradient."""
        return self.l2 > 0 or (self.l1 > 0 and self.l1_form == "subgradient")

    @property
    def after_step(self) -> bool:
        """Whether anything is done to the weights after a step."""
        return self.max_norm is not None or (self.l1 > 0 and self.l1_form == "proximal")

    def value(self, weights: Iterable[Tensor], *, total_weight: float | Tensor = 1.0) -> Tensor:
        r"""Compute the penalty that is added to the loss.

        Parameters
        ----------
        weights : iterable of Tensors
            Weight tensors; leave the biases out.
        total_weight : float or Tensor of shape (), default=1.0
            Sum of the sample weights of the batch; counts with ``per_sample`` only.

        Returns
        -------
        penalty : Tensor of shape ()
            :math:`l_1 \sum |W| + \tfrac12 l_2 \sum W^2`, in either form of L1.

        Examples
        --------
        >>> Penalty(l2=0.2, per_sample=True).value([torch.tensor([[1.0, -2.0]])], total_weight=10)
        tensor(0.0500)
        """
        penalty = elastic_net(weights, l1=self.l1, l2=self.l2)
        return penalty / total_weight if self.per_sample else penalty

    def gradient(self, weight: Tensor, *, total_weight: float | Tensor = 1.0) -> Tensor:
        r"""Compute what one weight tensor's gradient gains.

        Parameters
        ----------
        weight : Tensor of any shape
            Weights of one layer.
        total_weight : float or Tensor of shape (), default=1.0
            Sum of the sample weights of the batch; counts with ``per_sample`` only.

        Returns
        -------
        gradient : Tensor of the same shape
            :math:`l_2 W + l_1 \operatorname{sign}(W)`; the second term is left to :meth:`constrain_` in the proximal
            form.

        Examples
        --------
        >>> Penalty(l1=0.1, l2=0.5).gradient(torch.tensor([2.0, -1.0, 0.0]))
        tensor([ 1.1000, -0.6000,  0.0000])
        """
        gradient = self.l2 * weight.detach()
        if self.l1 and self.l1_form == "subgradient":
            gradient = gradient + self.l1 * torch.sign(weight.detach())
        return gradient / total_weight if self.per_sample else gradient

    @torch.no_grad()
    def constrain_(self, weight: Tensor, rate: float, *, total_weight: float | Tensor = 1.0, dim: int = 0) -> None:
        r"""Do to one weight tensor, in place, what follows a step.

        Parameters
        ----------
        weight : Tensor of shape (n_in, n_out)
            Weights of one layer, changed in place: soft-thresholded by ``rate * l1`` in the proximal form, then
            bounded by ``max_norm``.
        rate : float
            Learning rate of the step.
        total_weight : float or Tensor of shape (), default=1.0
            Sum of the sample weights of the batch; counts with ``per_sample`` only.
        dim : int, default=0
            Axis along which a unit's incoming weights lie.

        Examples
        --------
        >>> weight = torch.tensor([[3.0], [-0.2]])
        >>> Penalty(l1=0.5, l1_form="proximal").constrain_(weight, rate=1.0)
        >>> weight
        tensor([[2.5000],
                [0.0000]])
        """
        if self.l1 and self.l1_form == "proximal":
            threshold = rate * self.l1 / total_weight if self.per_sample else rate * self.l1
            weight.copy_(soft_threshold(weight, threshold))
        if self.max_norm is not None:
            weight.copy_(clip_max_norm(weight, self.max_norm, dim))
