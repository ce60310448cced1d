"""What networks of counts share: the parameters of a distribution for each entry, and its log-likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from strata.functional._counts import negative_binomial_of_log_mean, poisson_of_log_mean, with_extra_zeros

__all__ = ["CountParameters", "LIKELIHOODS", "check_sizes", "count_log_likelihood", "hidden_block"]

#: Distributions of a count given the cell.
LIKELIHOODS = ("nb", "poisson", "zinb")


@dataclass(frozen=True)
class CountParameters:
    """The distribution of each count of some cells.

    Attributes
    ----------
    log_mean : Tensor of shape (N, G)
        Logarithms of the means; with extra zeros, of the means without them.
    dispersion : Tensor of shape (N, G) or (G,), or None
        Inverse dispersions; None for Poisson distributions.
    zero_logits : Tensor of shape (N, G) or None
        Log-odds of an extra zero; None where there are none.
    """

    log_mean: Tensor
    dispersion: Tensor | None = None
    zero_logits: Tensor | None = None

    @property
    def mean(self) -> Tensor:
        """Means, of shape (N, G), without extra zeros."""
        return self.log_mean.exp()


def count_log_likelihood(counts: Tensor, parameters: CountParameters) -> Tensor:
    """Return the log-likelihood of each cell, shape (N,): the sum over its genes."""
    log_mean, theta, logits = parameters.log_mean, parameters.dispersion, parameters.zero_logits
    if theta is None:
        plain = poisson_of_log_mean(counts, log_mean)
    else:
        plain = negative_binomial_of_log_mean(counts, log_mean, theta)
    if logits is not None:
        plain = with_extra_zeros(counts, plain, logits)
    return plain.sum(dim=1)


class _Norm(nn.Module):
    """Batch normalization with a learned shift and, where that is wanted, a learned gain."""

    def __init__(self, size: int, *, momentum: float, gain: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(size, eps=1e-3, momentum=momentum, affine=gain)
        self.shift = None if gain else nn.Parameter(torch.zeros(size))

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(x)
        return x if self.shift is None else x + self.shift


def hidden_block(
    n_in: int, n_out: int, *, batch_norm: bool, gain: bool, activation: nn.Module | None, dropout: float
) -> nn.Sequential:
    """Return a layer: product, batch normalization, activation, dropout; what is not wanted is left out."""
    layers: list[nn.Module] = [nn.Linear(n_in, n_out)]
    if batch_norm:
        layers.append(_Norm(n_out, momentum=0.01, gain=gain))
    if activation is not None:
        layers.append(activation)
    if dropout:
        layers.append(nn.Dropout(dropout))
    return nn.Sequential(*layers)


def check_sizes(n_genes: int, hidden_sizes: tuple[int, ...], likelihood: str) -> None:
    """Refuse sizes and names that no network of counts has."""
    for name, size in (("n_genes", n_genes), *(("hidden_sizes", size) for size in hidden_sizes)):
        if isinstance(size, bool) or not isinstance(size, int) or size < 1:
            raise ValueError(f"`{name}` must be whole numbers of at least 1. Received: {name}={size!r}.")
    if likelihood not in LIKELIHOODS:
        raise ValueError(f"`likelihood` must be one of {', '.join(LIKELIHOODS)}. Received: likelihood={likelihood!r}.")
