"""The restricted Boltzmann machine: an energy over visible and hidden units that are not connected among themselves.

P. Smolensky, "Information processing in dynamical systems: foundations of harmony theory", 1986; G. Hinton, "A
practical guide to training restricted Boltzmann machines", UTML TR 2010-003.
"""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor, nn
from torch.nn import functional as F

from strata._names import unknown_name

__all__ = ["RBM", "VISIBLE_KINDS"]

#: Kinds of visible units: 0 or 1; Gaussian; Gaussian that cannot be below 0.
VISIBLE_KINDS = ("binary", "gaussian", "rectified")

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
_TINY = 1e-300  # a probability of 0 has no quantile


class RBM(nn.Module):
    r"""Binary hidden units joined to binary or real visible units.

    Parameters
    ----------
    n_visible : int
        Visible units, >= 1.
    n_hidden : int
        Hidden units, >= 1.
    visible : {"binary", "gaussian", "rectified"}, default="binary"
        Kind of the visible units: 0 or 1, real numbers, or real numbers that are never negative.
    sigma : float or sequence of float, default=1.0
        Standard deviation of each visible unit that is not binary, > 0.
    init_sigma : float, default=0.01
        Standard deviation of the first weights; the biases begin at 0.
    dtype : torch.dtype, default=torch.float32
        Of the parameters, float32 or float64.
    random_state : int, RandomState or None, default=0
        Source of the first weights.

    Attributes
    ----------
    weight : Parameter of shape (n_visible, n_hidden)
        Weights W.
    visible_bias : Parameter of shape (n_visible,)
        Biases b.
    hidden_bias : Parameter of shape (n_hidden,)
        Biases c.
    sigma : Tensor of shape (n_visible,)
        Standard deviations; ones for binary units.

    Raises
    ------
    ValueError
        If a size is below 1, a kind is unknown, a deviation is not positive or the dtype is another.

    See Also
    --------
    strata.rules.ContrastiveDivergence : The rule that it learns by.
    log_partition : The constant that makes of the energy a probability.

    Notes
    -----
    With binary visible units the energy is :math:`E(v, h) = -b'v - c'h - v'Wh`, with Gaussian ones
    :math:`E(v, h) = \sum_i (v_i - b_i)^2 / 2\sigma_i^2 - c'h - \sum_{ij} (v_i / \sigma_i) W_{ij} h_j`, and
    :math:`p(v, h) = e^{-E(v, h)} / Z`. "rectified" is the Gaussian energy on :math:`v \ge 0` alone [2]_, so that
    :math:`p(v | h)` is a normal distribution cut off at 0.

    No parameter asks for a gradient: the rules of a Boltzmann machine make their own. :meth:`free_energy` can be
    differentiated all the same.

    References
    ----------
    .. [1] G. Hinton, "A practical guide to training restricted Boltzmann machines", UTML TR 2010-003.
    .. [2] N. Socci, D. Lee, H. Seung, "The rectified Gaussian distribution", NIPS 10, 1997.

    Examples
    --------
    >>> weight = np.array([[0.5, -0.3], [0.2, 0.8], [-0.6, 0.1]])
    >>> rbm = RBM.from_arrays(weight, np.array([0.1, -0.2, 0.05]), np.array([-0.1, 0.3]))
    >>> rbm.free_energy(torch.tensor([[1.0, 0.0, 1.0]]).double())
    tensor([-1.4925], dtype=torch.float64)
    """

    sigma: Tensor

    def __init__(
        self,
        n_visible: int,
        n_hidden: int,
        *,
        visible: str = "binary",
        sigma: float | Any = 1.0,
        init_sigma: float = 0.01,
        dtype: torch.dtype = torch.float32,
        random_state: int | np.random.RandomState | None = 0,
    ) -> None:
        super().__init__()
        for name, size in (("n_visible", n_visible), ("n_hidden", n_hidden)):
            if size < 1:
                raise ValueError(f"`{name}` must be at least 1. Received: {name}={size!r}.")
        if visible not in VISIBLE_KINDS:
            raise ValueError(unknown_name("`visible`", visible, VISIBLE_KINDS))
        if dtype not in (torch.float32, torch.float64):
            raise ValueError(f"`dtype` must be torch.float32 or torch.float64. Received: dtype={dtype}.")
        deviations = torch.as_tensor(sigma, dtype=dtype).broadcast_to((n_visible,)).clone()
        if not bool(((deviations > 0) & deviations.isfinite()).all()):
            raise ValueError(f"`sigma` must be positive. Received: sigma={sigma!r}.")
        if visible == "binary" and not bool((deviations == 1).all()):
            raise ValueError(f"`sigma` must be 1 for binary units, which have none. Received: sigma={sigma!r}.")
        self.visible = visible
        drawn = check_random_state(random_state).normal(0, init_sigma, (n_hidden, n_visible))
        self._hold(torch.from_numpy(np.ascontiguousarray(drawn.T)).to(dtype))
        self.register_buffer("sigma", deviations)

    def _hold(self, weight: Tensor) -> None:
        n_visible, n_hidden = weight.shape
        self.weight = nn.Parameter(weight, requires_grad=False)
        self.visible_bias = nn.Parameter(weight.new_zeros(n_visible), requires_grad=False)
        self.hidden_bias = nn.Parameter(weight.new_zeros(n_hidden), requires_grad=False)

    @classmethod
    def from_arrays(
        cls,
        weight: np.ndarray,
        visible_bias: np.ndarray,
        hidden_bias: np.ndarray,
        *,
        visible: str = "binary",
        sigma: float | Any = 1.0,
    ) -> Self:
        """Make a machine of given parameters.

        Parameters
        ----------
        weight : ndarray of shape (n_visible, n_hidden)
            Weights, float32 or float64; copied.
        visible_bias : ndarray of shape (n_visible,)
            Biases of the visible units.
        hidden_bias : ndarray of shape (n_hidden,)
            Biases of the hidden units.
        visible : {"binary", "gaussian", "rectified"}, default="binary"
            Kind of the visible units.
        sigma : float or sequence of float, default=1.0
            Standard deviation of visible units that are not binary.

        Returns
        -------
        rbm : RBM
            The machine.

        Raises
        ------
        ValueError
            If the shapes do not fit each other.
        """
        weight = np.asarray(weight)
        if weight.ndim != 2 or np.shape(visible_bias) != weight.shape[:1] or np.shape(hidden_bias) != weight.shape[1:]:
            shapes = f"{weight.shape}, {np.shape(visible_bias)}, {np.shape(hidden_bias)}"
            raise ValueError(
                "`weight`, `visible_bias` and `hidden_bias` must have the shapes (D, H), (D,) and (H,). "
                f"Received: {shapes}."
            )
        dtype = torch.float32 if weight.dtype == np.float32 else torch.float64
        rbm = cls(*weight.shape, visible=visible, sigma=sigma, dtype=dtype)
        for parameter, value in zip(rbm.parameters(), (weight, visible_bias, hidden_bias), strict=True):
            parameter.copy_(torch.from_numpy(np.array(value, dtype=weight.dtype if dtype == torch.float32 else float)))
        return rbm

    @property
    def n_visible(self) -> int:
        """Number of visible units."""
        return self.weight.shape[0]

    @property
    def n_hidden(self) -> int:
        """Number of hidden units."""
        return self.weight.shape[1]

    # -- energies ----------------------------------------------------------------------------------------------

    def energy(self, visible: Tensor, hidden: Tensor) -> Tensor:
        r"""Compute :math:`E(v, h)`.

        Parameters
        ----------
        visible : Tensor of shape (..., n_visible)
            Values of the visible units.
        hidden : Tensor of shape (..., n_hidden)
            Values of the hidden units, 0 or 1.

        Returns
        -------
        energy : Tensor of shape (...)
            In nats.
        """
        bonds = ((visible / self.sigma) @ self.weight * hidden).sum(-1)
        return self._visible_term(visible) - hidden @ self.hidden_bias - bonds

    def free_energy(self, visible: Tensor) -> Tensor:
        r"""Compute :math:`F(v) = -\log \sum_h e^{-E(v, h)}`.

        Parameters
        ----------
        visible : Tensor of shape (..., n_visible)
            Values of the visible units.

        Returns
        -------
        free_energy : Tensor of shape (...)
            In nats; :math:`p(v) = e^{-F(v)} / Z`.
        """
        return self._visible_term(visible) - F.softplus(self._into_hidden(visible)).sum(-1)

    def _visible_term(self, visible: Tensor) -> Tensor:
        if self.visible == "binary":
            return -(visible @ self.visible_bias)
        return (((visible - self.visible_bias) / self.sigma) ** 2).sum(-1) / 2

    def _into_hidden(self, visible: Tensor) -> Tensor:
        scaled = visible if self.visible == "binary" else visible / self.sigma
        return scaled @ self.weight + self.hidden_bias

    # -- conditionals ------------------------------------------------------------------------------------------

    def hidden_probs(self, visible: Tensor) -> Tensor:
        """Compute the probability that each hidden unit is 1.

        Parameters
        ----------
        visible : Tensor of shape (..., n_visible)
            Values of the visible units.

        Returns
        -------
        probs : Tensor of shape (..., n_hidden)
            ``p(h = 1 | v)``.
        """
        return self._into_hidden(visible).sigmoid()

    def visible_mean(self, hidden: Tensor) -> Tensor:
        """Compute the expectation of the visible units.

        Parameters
        ----------
        hidden : Tensor of shape (..., n_hidden)
            Values of the hidden units.

        Returns
        -------
        mean : Tensor of shape (..., n_visible)
            ``E[v | h]``; for binary units the probability of 1.
        """
        drive = hidden @ self.weight.T
        if self.visible == "binary":
            return (drive + self.visible_bias).sigmoid()
        centre = self.visible_bias / self.sigma + drive  # in deviations
        if self.visible == "rectified":
            # the mean of a normal distribution cut off at 0 lies higher by the inverse Mills ratio
            log_ratio = -0.5 * centre * centre - _LOG_SQRT_2PI - torch.special.log_ndtr(centre)
            centre = centre + log_ratio.exp()
        return self.sigma * centre

    def sample_hidden(self, visible: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw the hidden units.

        Parameters
        ----------
        visible : Tensor of shape (..., n_visible)
            Values of the visible units.
        generator : torch.Generator, optional
            Source of the draws.

        Returns
        -------
        hidden : Tensor of shape (..., n_hidden)
            0 or 1, from ``p(h | v)``.
        """
        probs = self.hidden_probs(visible)
        return (torch.rand(probs.shape, generator=generator, dtype=probs.dtype, device=probs.device) < probs).to(probs)

    def sample_visible(self, hidden: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Draw the visible units.

        Parameters
        ----------
        hidden : Tensor of shape (..., n_hidden)
            Values of the hidden units.
        generator : torch.Generator, optional
            Source of the draws.

        Returns
        -------
        visible : Tensor of shape (..., n_visible)
            From ``p(v | h)``.
        """
        shape, weight = (*hidden.shape[:-1], self.n_visible), self.weight
        uniform = torch.rand(shape, generator=generator, dtype=torch.float64, device=weight.device)
        return self.visible_at(hidden, uniform)

    def visible_at(self, hidden: Tensor, uniform: Tensor) -> Tensor:
        """Compute the visible units at given quantiles of their distributions.

        Parameters
        ----------
        hidden : Tensor of shape (..., n_hidden)
            Values of the hidden units.
        uniform : Tensor of shape (..., n_visible), float64
            Numbers from 0 to 1, one for each visible unit.

        Returns
        -------
        visible : Tensor of shape (..., n_visible)
            Binary units are 1 where the number is below their probability. With numbers that are drawn uniformly this
            is a draw from ``p(v | h)``.
        """
        if self.visible == "binary":
            return (uniform < self.visible_mean(hidden)).to(self.weight)
        centre = (self.visible_bias / self.sigma + hidden @ self.weight.T).double()
        if self.visible == "gaussian":
            values = centre + torch.special.ndtri(uniform.clamp_min(_TINY))
        else:
            # minus a normal number below the centre: precise for a centre far below 0, where 1 - p would round to 0
            mass = 0.5 * torch.erfc(-math.sqrt(0.5) * centre)  # torch.special.ndtr is 0 there
            deviate = torch.special.ndtri((uniform * mass).clamp_min(_TINY))
            values = (centre - deviate).clamp_min(0.0)
        drawn: Tensor = self.sigma * values.to(self.weight)
        return drawn

    def gibbs(self, visible: Tensor, n_steps: int = 1, *, generator: torch.Generator | None = None) -> Tensor:
        """Let a Markov chain go on from given values.

        Parameters
        ----------
        visible : Tensor of shape (..., n_visible)
            Where each chain begins.
        n_steps : int, default=1
            Times that the hidden and then the visible units are drawn, >= 0.
        generator : torch.Generator, optional
            Source of the draws.

        Returns
        -------
        visible : Tensor of shape (..., n_visible)
            Where the chains are then; after many steps, draws from ``p(v)``.

        Examples
        --------
        >>> rbm = RBM(4, 3)
        >>> rbm.gibbs(torch.zeros(2, 4), 5, generator=torch.Generator().manual_seed(0)).shape
        torch.Size([2, 4])
        """
        for _ in range(n_steps):
            visible = self.sample_visible(self.sample_hidden(visible, generator=generator), generator=generator)
        return visible

    def forward(self, visible: Tensor) -> Tensor:
        """Return :meth:`hidden_probs`: the machine as a layer of a network."""
        return self.hidden_probs(visible)

    def extra_repr(self) -> str:
        """Describe the sizes."""
        return f"n_visible={self.n_visible}, n_hidden={self.n_hidden}, visible={self.visible!r}"
