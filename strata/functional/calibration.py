"""Temperature scaling: one number by which logits are divided, so that probabilities mean what they say.

C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017, section 4.2.
"""

import math
from collections.abc import Callable

import torch
from scipy.optimize import brentq
from torch import Tensor

__all__ = ["TEMPERATURE_LIMITS", "fit_temperature"]

#: Smallest and largest temperature that is ever fitted: probabilities are sharpened twentyfold at most, and a
#: temperature of a thousand makes any logits of practice uniform.
TEMPERATURE_LIMITS = (0.05, 1000.0)


def fit_temperature(scores: Tensor, targets: Tensor, *, sample_weight: Tensor | None = None) -> float:
    r"""Fit the temperature by which the logits of rows that were not learned from are best divided.

    Parameters
    ----------
    scores : Tensor of shape (N, K), float, or of shape (N,) or (N, L), float
        Logits, never probabilities: of K >= 2 exclusive classes, or of yes or no in each of L outputs.
    targets : Tensor of shape (N,), int, or of the shape of ``scores``
        Class numbers from 0 to K - 1, which belong to a softmax; or 0 and 1 (or probabilities of 1), which belong to
        the logistic function. Several outputs share one temperature.
    sample_weight : Tensor of shape (N,) or None, default=None
        Weight of each row, finite and >= 0.

    Returns
    -------
    temperature : float
        T within :data:`TEMPERATURE_LIMITS`; above 1 where the logits are over-confident.

    Raises
    ------
    ValueError
        If the shapes do not fit, a number is not finite, a target is none, or a weight is negative.
    TypeError
        If class numbers are not integers.

    See Also
    --------
    cross_entropy : The loss that is minimised for class numbers.
    binary_cross_entropy : The loss that is minimised for zeros and ones.

    Notes
    -----
    T minimises the negative log-likelihood of Guo et al. [1]_, section 4.2,

    .. math:: -\sum_i w_i \log \mathrm{softmax}(z_i / T)_{y_i}

    which is convex in :math:`\beta = 1/T`: its slope :math:`\sum_i w_i (\sum_k p_{ik} z_{ik} - z_{i y_i})` only
    rises, and T is where it is zero. Dividing by T > 0 changes no order, so no prediction changes.

    There is no minimum in two cases. Where every row has its own class on top (or tied for it), the likelihood rises
    for ever with :math:`\beta`; such rows cannot say how often the network errs, and T is 1, which leaves the
    probabilities as they are. Where the logits are no better than uniform ones, :math:`\beta` would be 0 or less, and
    T is the upper limit.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Q. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017,
       arXiv:1706.04599.

    Examples
    --------
    Three rows in four are right, so the odds must be 3 to 1: T is 4 / log(3).

    >>> scores = torch.tensor([[4.0, 0.0], [0.0, 4.0], [4.0, 0.0], [4.0, 0.0]])
    >>> round(fit_temperature(scores, torch.tensor([0, 1, 0, 1])), 4)
    3.641
    """
    _check_shapes(scores, targets, sample_weight)
    z, y = scores.detach().cpu().double(), targets.detach().cpu()
    weight = torch.ones(len(z), dtype=z.dtype) if sample_weight is None else sample_weight.detach().cpu().double()
    _check_values(z, y, weight)
    slope, steepest = _slope(z, y, weight)
    if steepest <= 0:  # no row errs: the slope is negative everywhere
        return 1.0
    coldest, hottest = TEMPERATURE_LIMITS
    if slope(1 / hottest) >= 0:
        return hottest
    if slope(1 / coldest) <= 0:
        return coldest
    log_beta = brentq(lambda at: slope(math.exp(at)), -math.log(hottest), -math.log(coldest), xtol=1e-13, rtol=1e-13)
    return float(min(max(math.exp(-log_beta), coldest), hottest))


def _slope(z: Tensor, targets: Tensor, weight: Tensor) -> tuple[Callable[[float], float], float]:
    """Return the slope of the loss as a function of 1/T, and its limit for T to 0."""
    if _of_classes(z, targets):
        z = z - z.amax(dim=1, keepdim=True)  # the same for softmax, and the top of each row is 0
        own = z.gather(1, targets.long().unsqueeze(1)).squeeze(1)  # (N,)
        return lambda beta: float(weight @ ((torch.softmax(beta * z, dim=1) * z).sum(dim=1) - own)), float(
            -weight @ own
        )
    z, y = z.reshape(len(z), -1), targets.double().reshape(len(z), -1)  # (N, L)
    steepest = float(weight @ (z.clamp(min=0) - y * z).sum(dim=1))
    return lambda beta: float(weight @ (z * (torch.sigmoid(beta * z) - y)).sum(dim=1)), steepest


def _of_classes(scores: Tensor, targets: Tensor) -> bool:
    """Whether the targets are class numbers, one a row."""
    return scores.ndim == 2 and targets.ndim == 1


def _check_shapes(scores: Tensor, targets: Tensor, sample_weight: Tensor | None) -> None:
    fits = targets.shape == scores.shape and scores.ndim in (1, 2)
    if _of_classes(scores, targets):
        fits = len(targets) == len(scores) and scores.shape[1] >= 2
    if not fits or scores.numel() == 0:
        raise ValueError(
            "`scores` must have shape (N, K) with K >= 2 and `targets` (N,) for classes, or both the same shape (N,) "
            f"or (N, L) for zeros and ones, N >= 1. Received: scores of shape {tuple(scores.shape)}, targets of shape "
            f"{tuple(targets.shape)}."
        )
    if _of_classes(scores, targets) and (targets.is_floating_point() or targets.is_complex()):
        raise TypeError(
            f"`targets` must be integers when they are class numbers. Received: targets of {targets.dtype}."
        )
    if sample_weight is not None and sample_weight.shape != scores.shape[:1]:
        raise ValueError(
            f"`sample_weight` must have shape ({len(scores)},), one weight a row. "
            f"Received: sample_weight of shape {tuple(sample_weight.shape)}."
        )


def _check_values(scores: Tensor, targets: Tensor, weight: Tensor) -> None:
    highest = scores.shape[1] - 1 if _of_classes(scores, targets) else 1
    kind = f"class numbers from 0 to {highest}" if _of_classes(scores, targets) else "in [0, 1]"
    bounds = {
        "scores": (scores, -math.inf, math.inf, "finite"),
        "targets": (targets, 0, highest, kind),
        "sample_weight": (weight, 0, math.inf, "finite and >= 0"),
    }
    for name, (numbers, low, high, rule) in bounds.items():
        wrong = numbers[~(torch.isfinite(numbers) & (numbers >= low) & (numbers <= high))]
        if len(wrong):
            raise ValueError(f"`{name}` must be {rule}. Received: {name} with {wrong[0].item():g}.")
