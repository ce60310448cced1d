"""Log-probabilities of counts from logarithms of means, as networks give them: no exponential is taken back."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

__all__ = ["negative_binomial_of_log_mean", "poisson_of_log_mean", "with_extra_zeros"]


def poisson_of_log_mean(counts: Tensor, log_mean: Tensor) -> Tensor:
    """Return :func:`strata.functional.poisson_log_likelihood` from logarithms of means."""
    return counts * log_mean - log_mean.exp() - torch.lgamma(counts + 1)


def negative_binomial_of_log_mean(counts: Tensor, log_mean: Tensor, dispersion: Tensor) -> Tensor:
    """Return :func:`strata.functional.negative_binomial_log_likelihood` from logarithms of means."""
    odds = dispersion.log() - log_mean
    return (
        torch.lgamma(counts + dispersion)
        - torch.lgamma(dispersion)
        - torch.lgamma(counts + 1)
        + dispersion * F.logsigmoid(odds)
        + counts * F.logsigmoid(-odds)
    )


def with_extra_zeros(counts: Tensor, plain: Tensor, zero_logits: Tensor) -> Tensor:
    """Return log-probabilities of counts by a distribution and by extra zeros, from those by the distribution alone."""
    at_zero = F.softplus(plain - zero_logits) - F.softplus(-zero_logits)
    return torch.where(counts == 0, at_zero, plain - F.softplus(zero_logits))
