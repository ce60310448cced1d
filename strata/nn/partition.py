"""The partition function of a restricted Boltzmann machine: exactly where that can be, else by annealing.

R. Salakhutdinov, I. Murray, "On the quantitative analysis of deep belief networks", ICML 2008.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from strata.nn.rbm import RBM

__all__ = ["MOST_UNITS", "PartitionEstimate", "annealed_log_partition", "log_partition"]

#: Units of the smaller layer up to which every state is looked at.
MOST_UNITS = 25

_LOG_SQRT_2PI = 0.5 * math.log(2 * math.pi)
_STATES_AT_ONCE = 1 << 14


def log_partition(rbm: RBM) -> float:
    r"""Compute :math:`\log Z` by looking at every state of the smaller layer.

    Parameters
    ----------
    rbm : RBM
        Machine of which one binary layer has at most 25 units.

    Returns
    -------
    log_z : float
        :math:`\log \sum_v e^{-F(v)}`, or the integral over v, in nats; computed in float64.

    Raises
    ------
    ValueError
        If both layers are larger, or the only binary layer is.

    See Also
    --------
    annealed_log_partition : For larger machines.

    Examples
    --------
    >>> weight = np.array([[0.5, -0.3], [0.2, 0.8], [-0.6, 0.1]])
    >>> rbm = RBM.from_arrays(weight, np.array([0.1, -0.2, 0.05]), np.array([-0.1, 0.3]))
    >>> round(log_partition(rbm), 10)
    3.8296440458
    """
    over_visible = rbm.visible == "binary" and rbm.n_visible < rbm.n_hidden
    n_units = rbm.n_visible if over_visible else rbm.n_hidden
    if n_units > MOST_UNITS:
        raise ValueError(
            f"`rbm` must have a layer of at most {MOST_UNITS} binary units, whose states can all be looked at. "
            f"Received: {rbm.n_visible} visible and {rbm.n_hidden} hidden units. Use annealed_log_partition."
        )
    weight, b, c, sigma = _parameters(rbm)
    parts = []
    for first in range(0, 1 << n_units, _STATES_AT_ONCE):
        states = _states(first, min(1 << n_units, first + _STATES_AT_ONCE), n_units, weight.device)
        if over_visible:
            terms = states @ b + F.softplus(states @ weight + c).sum(1)
        else:
            terms = states @ c + _log_mass(rbm.visible, b, states @ weight.T, sigma)
        parts.append(terms.logsumexp(0))
    return float(torch.stack(parts).logsumexp(0))


def _parameters(rbm: RBM) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    return rbm.weight.double(), rbm.visible_bias.double(), rbm.hidden_bias.double(), rbm.sigma.double()


def _states(first: int, stop: int, n_units: int, device: torch.device) -> Tensor:
    numbers = torch.arange(first, stop, device=device)
    return ((numbers[:, None] >> torch.arange(n_units, device=device)) & 1).double()


def _log_mass(kind: str, b: Tensor, drive: Tensor, sigma: Tensor) -> Tensor:
    """Sum or integrate ``exp(-visible term + v drive / sigma)`` over the visible units; return the logarithm."""
    if kind == "binary":
        return F.softplus(b + drive).sum(-1)
    centre = b / sigma + drive
    mass = _LOG_SQRT_2PI + sigma.log() + (centre**2 - (b / sigma) ** 2) / 2
    if kind == "rectified":
        mass = mass + torch.special.log_ndtr(centre)
    return mass.sum(-1)


@dataclass(frozen=True)
class PartitionEstimate:
    """What annealed importance sampling says of a partition function.

    Attributes
    ----------
    log_z : float
        Logarithm of the estimate, in nats. It is the estimate of Z that is unbiased: its logarithm tends to be low.
    low, high : float
        Logarithms of the estimate minus and plus three standard errors; ``low`` is minus infinity where that is not
        positive.
    n_chains : int
        Chains that the estimate is a mean of.
    """

    log_z: float
    low: float
    high: float
    n_chains: int


@torch.no_grad()
def annealed_log_partition(
    rbm: RBM,
    *,
    n_chains: int = 100,
    betas: Tensor | np.ndarray | int = 10_000,
    base_bias: Tensor | np.ndarray | None = None,
    generator: torch.Generator | None = None,
) -> PartitionEstimate:
    r"""Estimate :math:`\log Z` by annealed importance sampling.

    Parameters
    ----------
    rbm : RBM
        Machine of any size.
    n_chains : int, default=100
        Independent chains, >= 2.
    betas : int or array of shape (K,), default=10000
        Temperatures from 0 to 1, or their number: a twentieth of them is then spread over [0, 0.5], a fifth over [0.5,
        0.9] and the rest up to 1.
    base_bias : array of shape (n_visible,), optional
        Visible biases of the machine without weights where the chains begin, for binary units. Those of the data's
        means make the estimate better; 0 by default.
    generator : torch.Generator, optional
        Source of the draws.

    Returns
    -------
    estimate : PartitionEstimate
        Logarithm and interval.

    Raises
    ------
    ValueError
        If there are fewer than 2 chains or temperatures, or the temperatures do not rise from 0 to 1.

    See Also
    --------
    log_partition : The exact value, for small machines.

    Notes
    -----
    The distribution at :math:`\beta` is :math:`p_\beta(v) \propto e^{((1 - \beta) b_A + \beta b)'v} \prod_j (1 +
    e^{\beta (c_j + v'W_j)})`: at 0 it has no weights and its constant is known, at 1 it is the machine. A chain moves
    by one Gibbs step a temperature and gathers :math:`\prod_k p^*_{\beta_k}(v_k) / p^*_{\beta_{k-1}}(v_k)` [1]_. Units
    that are not binary keep their biases at every temperature.

    References
    ----------
    .. [1] R. Salakhutdinov, I. Murray, "On the quantitative analysis of deep belief networks", ICML 2008.

    Examples
    --------
    >>> weight = np.array([[0.5, -0.3], [0.2, 0.8], [-0.6, 0.1]])
    >>> rbm = RBM.from_arrays(weight, np.array([0.1, -0.2, 0.05]), np.array([-0.1, 0.3]))
    >>> estimate = annealed_log_partition(rbm, betas=200, generator=torch.Generator().manual_seed(0))
    >>> abs(estimate.log_z - 3.8296) < 0.05
    True
    """
    if n_chains < 2:
        raise ValueError(f"`n_chains` must be at least 2. Received: n_chains={n_chains!r}.")
    ladder = _ladder(betas)
    weight, b, c, sigma = _parameters(rbm)
    binary = rbm.visible == "binary"
    base = b if not binary else torch.zeros_like(b)
    if base_bias is not None:
        if not binary or np.shape(base_bias) != tuple(b.shape):
            raise ValueError(
                f"`base_bias` must have shape {tuple(b.shape)} and belong to binary units. Received: shape "
                f"{np.shape(base_bias)} for {rbm.visible} units."
            )
        base = torch.as_tensor(base_bias).to(b)
    machine = RBM(rbm.n_visible, rbm.n_hidden, visible=rbm.visible, sigma=rbm.sigma.cpu(), dtype=torch.float64)
    machine.to(weight.device)

    def at(beta: float) -> RBM:
        machine.weight.copy_(beta * weight)
        machine.hidden_bias.copy_(beta * c)
        machine.visible_bias.copy_((1 - beta) * base + beta * b)
        return machine

    no_hidden = torch.zeros((n_chains, rbm.n_hidden), dtype=torch.float64, device=weight.device)
    v = at(0.0).sample_visible(no_hidden, generator=generator)
    weights = torch.zeros(n_chains, dtype=torch.float64, device=weight.device)
    drive, offset = (v / sigma) @ weight + c, v @ (b - base) if binary else torch.zeros_like(weights)
    for before, beta in pairwise(ladder):
        gain = F.softplus(beta * drive) - F.softplus(before * drive)
        weights += gain.sum(1) + (beta - before) * offset
        v = at(beta).gibbs(v, 1, generator=generator)
        drive = (v / sigma) @ weight + c
        if binary:
            offset = v @ (b - base)
    start = float(_log_mass(rbm.visible, base, torch.zeros_like(b), sigma)) + rbm.n_hidden * math.log(2)
    return _estimate(weights, start)


def _ladder(betas: Tensor | np.ndarray | int) -> list[float]:
    if isinstance(betas, int):
        if betas < 2:
            raise ValueError(f"`betas` must be at least 2 temperatures. Received: betas={betas!r}.")
        cuts = [0, max(1, betas // 20), max(2, betas // 4), betas]
        parts = [
            np.linspace(low, high, stop - start, endpoint=False)
            for low, high, start, stop in zip((0.0, 0.5, 0.9), (0.5, 0.9, 1.0), cuts[:-1], cuts[1:], strict=True)
        ]
        return [float(beta) for beta in np.append(np.concatenate(parts), 1.0)]
    values = [float(beta) for beta in betas]
    if len(values) < 2 or values[0] != 0 or values[-1] != 1 or any(np.diff(values) < 0):
        raise ValueError(f"`betas` must rise from 0 to 1. Received: {len(values)} temperatures, {values[:3]}...")
    return values


def _estimate(log_weights: Tensor, start: float) -> PartitionEstimate:
    n_chains, largest = len(log_weights), float(log_weights.max())
    shares = (log_weights - largest).exp()
    mean, error = float(shares.mean()), float(shares.std()) / math.sqrt(n_chains)
    low = mean - 3 * error
    return PartitionEstimate(
        log_z=start + largest + math.log(mean),
        low=start + largest + math.log(low) if low > 0 else -math.inf,
        high=start + largest + math.log(mean + 3 * error),
        n_chains=n_chains,
    )
