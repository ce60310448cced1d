"""In which terms a network is judged: the mean loss of rows without penalties, their score, the loss of a constant."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from sklearn.metrics import r2_score
from torch import Tensor, nn

__all__ = ["Terms", "answers_of", "constant_loss", "entropy", "estimator_terms", "module_terms"]

#: Losses of dense heads that are sums over the rows.
_SUMS = ("half_squared", "rss")
#: Those whose best constant is the mean: what the sum over the outputs of the squared deviations is multiplied by.
_SQUARES = {"squared_error": 0.5, "half_squared": 0.5, "rss": 1.0}
_ROUNDS = 50


@dataclass(frozen=True)
class Terms:
    """How a network is judged on rows.

    Parameters
    ----------
    loss : callable
        ``loss(scores, targets, sample_weight)``: the mean over the rows, a tensor that can be differentiated.
    score : callable
        ``score(scores, targets)``: accuracy or R^2; NaN where it has no value.
    task : {"classification", "regression"}
        Which of the two.
    per_row : bool
        Whether the loss as trained is a sum over the rows of a batch, of which a row's part is taken here.
    scale : float
        What squared errors are multiplied by.
    sums_outputs : bool
        Whether binary cross-entropies of several outputs are added up, and not averaged.
    """

    loss: Callable[[Any, Tensor, Tensor | None], Tensor]
    score: Callable[[Any, Tensor], float]
    task: str
    per_row: bool = False
    scale: float = 1.0
    sums_outputs: bool = False


def estimator_terms(network: Any, loss: Callable[..., Tensor], task: str) -> Terms:
    """Return the terms of a multi-layer perceptron whose targets are known.

    Parameters
    ----------
    network : MLPClassifier or MLPRegressor
        After ``fit``, also one that failed on the way.
    loss : callable
        Of its trainer: ``loss(scores, targets, sample_weight)``.
    task : {"classification", "regression"}
        Which of the two.

    Returns
    -------
    terms : Terms
        The loss in the units of ``loss_curve_``; of a loss that sums over the rows, a row's part.
    """
    head = network._network.spec.heads[0]
    scale, summed = network._report_scale(), not callable(network.loss) and head.loss in _SUMS

    def mean_loss(scores: Any, targets: Tensor, weight: Tensor | None) -> Tensor:
        value: Tensor = loss(scores, targets, weight) * scale / (len(targets) if summed else 1)
        return value + float(network._loss_curve_offset(targets.cpu().numpy(), None))

    def score(scores: Any, targets: Tensor) -> float:
        outputs = network._network.spec.activate(scores).detach().cpu().numpy()
        if not np.isfinite(outputs).all():
            return math.nan
        return float(network._score_outputs(outputs, targets.cpu().numpy(), None))

    return Terms(mean_loss, score, task, summed, scale, sums_outputs=True)


def module_terms(loss: Callable[[Any, Tensor], Tensor], task: str) -> Terms:
    """Return the terms of a module of the user's.

    Parameters
    ----------
    loss : callable
        ``loss(scores, targets)``.
    task : {"classification", "regression"}
        Which of the two.

    Returns
    -------
    terms : Terms
        With the largest score as the class, or a score above 0 (above 0.5 for probabilities) where there is one.
    """

    def mean_loss(scores: Any, targets: Tensor, weight: Tensor | None) -> Tensor:
        value = loss(scores, targets)
        return value.sum() / len(targets) if value.ndim else value

    def score(scores: Any, targets: Tensor) -> float:
        if not isinstance(scores, Tensor) or not bool(torch.isfinite(scores).all()):
            return math.nan
        truth = targets.detach().cpu()
        if task == "classification":
            return float((answers_of(scores, loss, truth) == truth).double().mean())
        numbers = scores.detach().cpu().reshape(len(truth), -1).double().numpy()
        wanted = truth.reshape(len(truth), -1).double().numpy()
        return float(r2_score(wanted, numbers)) if numbers.shape == wanted.shape and len(truth) > 1 else math.nan

    return Terms(mean_loss, score, task, getattr(loss, "reduction", "mean") == "sum")


def answers_of(scores: Tensor, loss: Any, targets: Tensor) -> Tensor:
    """Return the class that each score means, in the shape of the targets."""
    scores = scores.detach().cpu()
    if not targets.is_floating_point() and scores.ndim == targets.ndim + 1:
        return scores.argmax(dim=1)
    cut = 0.5 if isinstance(loss, nn.BCELoss) or getattr(loss, "__name__", "") == "binary_cross_entropy" else 0.0
    return (scores > cut).to(targets.dtype).reshape(targets.shape)


def entropy(shares: np.ndarray) -> float:
    """Return the entropy of shares that sum to one, in nats.

    Parameters
    ----------
    shares : ndarray of shape (K,)
        Shares, >= 0.

    Returns
    -------
    entropy : float
        0 for one class alone.

    Examples
    --------
    >>> round(entropy(np.array([0.5, 0.5])), 4)
    0.6931
    """
    some = shares[shares > 0]
    return float(-(some * np.log(some)).sum())


def constant_loss(terms: Terms, scores: Tensor, targets: Tensor, *, name: str) -> float:
    """Return the loss of the best prediction that does not look at the inputs.

    Parameters
    ----------
    terms : Terms
        How rows are judged.
    scores : Tensor of shape (N, K, ...)
        What the network gives for the rows, for the shape.
    targets : Tensor of shape (N, ...)
        Their targets.
    name : str
        Of the loss: the best constant of cross-entropies and squared errors is known, others are searched for.

    Returns
    -------
    loss : float
        NaN where none is found.
    """
    y = targets.detach().cpu()
    columns = y.reshape(len(y), -1).double().numpy()
    if name in _SQUARES and columns.shape[1] == scores.reshape(len(scores), -1).shape[1]:
        return float(np.var(columns, axis=0).sum()) * _SQUARES[name] * terms.scale
    if name in ("mse", "MSELoss", "mse_loss"):
        return float(np.var(columns, axis=0).mean())
    if name in ("cross_entropy", "CrossEntropyLoss", "NLLLoss", "nll_loss") and (
        columns.shape[1] == 1 or not y.is_floating_point()
    ):
        return entropy(np.unique(columns, return_counts=True)[1] / columns.size)
    if name in ("binary_cross_entropy", "BCEWithLogitsLoss", "BCELoss", "binary_cross_entropy_with_logits"):
        each = [entropy(np.array([share, 1 - share])) for share in columns.mean(axis=0)]
        return float(sum(each) if terms.sums_outputs else np.mean(each))
    return _searched(terms, scores, targets)


def _searched(terms: Terms, scores: Tensor, targets: Tensor) -> float:
    """Go down from zeros and from the mean of what the network gives; never above either."""
    best = math.nan
    for start in (torch.zeros_like(scores[:1]), scores.detach().mean(dim=0, keepdim=True)):
        if not bool(torch.isfinite(start).all()):
            continue
        constant = start.detach().double().clone().requires_grad_()

        def value(point: Tensor = constant) -> Tensor:
            return terms.loss(point.to(scores.dtype).expand_as(scores), targets, None)

        search = torch.optim.LBFGS([constant], max_iter=_ROUNDS, line_search_fn="strong_wolfe")

        def closure(point: Tensor = constant, search: torch.optim.LBFGS = search) -> Tensor:
            search.zero_grad()
            found = value(point)
            found.backward()  # type: ignore[no-untyped-call]
            return found

        with torch.enable_grad():
            search.step(closure)  # type: ignore[no-untyped-call]
        with torch.no_grad():
            best = min((each for each in (best, float(value(constant))) if math.isfinite(each)), default=math.nan)
    return best
