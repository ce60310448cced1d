"""Figures that several judges need, each a plain function of the evidence."""

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from statistics import median

from strata.diagnosis.evidence import Evidence, LayerEvidence
from strata.diagnosis.thresholds import Thresholds

__all__ = [
    "Shortfall",
    "bounce",
    "cannot_learn_one_batch",
    "chance_margin",
    "hidden_layers",
    "late_fall",
    "rate_ratio",
    "scale_of_loss",
    "shortfall",
    "update_ratios",
]

#: The rate that each solver is usually given, against which a rate is called high or low.
USUAL_RATES = {
    "adam": 1e-3,
    "adamw": 1e-3,
    "nadam": 1e-3,
    "rmsprop": 1e-3,
    "adagrad": 1e-2,
    "sgd": 1e-2,
    "momentum": 1e-2,
    "nesterov": 1e-2,
}


@dataclass(frozen=True)
class Shortfall:
    """How much less the network knows than simpler methods show can be known.

    Parameters
    ----------
    share : float
        Part of the learnable score (best peer above the constant prediction) that is missed, in [0, 1]; 0 within
        the error of the held-out rows.
    gap : float
        Best peer's score minus the network's, in units of the score.
    peer : str or None
        Which peer is best; None where no peer was fitted.
    """

    share: float
    gap: float
    peer: str | None


def chance_margin(score: float, n_rows: int, *, task: str, limits: Thresholds) -> float:
    """Return by how much two scores on the same rows may differ by chance.

    Parameters
    ----------
    score : float
        Accuracy or R^2.
    n_rows : int
        Rows it was measured on.
    task : {"classification", "regression"}
        Which of the two it is.
    limits : Thresholds
        Where ``general.min_gap`` stands.

    Returns
    -------
    margin : float
        Twice the standard error of an accuracy, or of an R^2 (to first order), and at least the smallest gap that
        matters.
    """
    floor = limits.number("general.min_gap")
    if n_rows <= 0:
        return 1.0
    inside = min(1.0, max(0.0, score))
    if task == "classification":
        return max(floor, 2 * math.sqrt(max(inside * (1 - inside), 1 / n_rows) / n_rows))
    return max(floor, 4 * math.sqrt(max(inside, 1 / n_rows)) * (1 - inside) / math.sqrt(n_rows))


def shortfall(evidence: Evidence, limits: Thresholds, *, on_training_rows: bool = False) -> Shortfall:
    """Return how much less the network knows than the best peer.

    Parameters
    ----------
    evidence : Evidence
        What is known.
    limits : Thresholds
        The limits.
    on_training_rows : bool, default=False
        Whether to take the network's score on its own training rows, which lacks what it cannot even fit.

    Returns
    -------
    shortfall : Shortfall
        Without peers, a network that has learned nothing of its prior loss misses everything, any other nothing.
    """
    seen = evidence.output
    if seen is None:
        lost = 1.0 if evidence.non_finite is not None or _has_blown_up(evidence) else 0.0
        return Shortfall(lost, lost, None)
    score = seen.train_score if on_training_rows or seen.val_score is None else seen.val_score
    peers = {
        "a linear model": seen.linear_score,
        "nearest neighbours": seen.neighbours_score,
        "a forest of trees": seen.trees_score,
    }
    known = {name: value for name, value in peers.items() if value is not None and math.isfinite(value)}
    if not known:
        return _without_peers(evidence)
    name = max(known, key=lambda peer: known[peer])
    best, room = known[name], known[name] - seen.baseline_score
    gap = best - score if math.isfinite(score) else math.inf
    margin = chance_margin(best, seen.val_rows, task=evidence.settings.task, limits=limits)
    if room <= margin or gap <= margin:
        return Shortfall(0.0, gap, name)
    return Shortfall(min(1.0, gap / room), gap, name)


def _without_peers(evidence: Evidence) -> Shortfall:
    start, seen = evidence.start, evidence.output
    if start is None or seen is None or not start.prior_loss > 0:
        return Shortfall(0.0, 0.0, None)
    left = seen.train_loss / start.prior_loss if math.isfinite(seen.train_loss) else math.inf
    share = min(1.0, max(0.0, (left - 0.9) / 0.1))
    return Shortfall(share, share, None)


def _has_blown_up(evidence: Evidence) -> bool:
    return any(not math.isfinite(loss) for loss in evidence.curves.loss) or evidence.curves.stop_reason == "diverged"


def hidden_layers(evidence: Evidence) -> list[LayerEvidence]:
    """Return the hidden layers that were looked at."""
    return [layer for layer in evidence.layers[:-1] if layer.snapshots]


def update_ratios(evidence: Evidence) -> list[float]:
    """Return the median over the layers of update / weight, at every snapshot after the first update."""
    by_step: dict[int, list[float]] = {}
    for layer in evidence.layers:
        for snapshot in layer.snapshots:
            ratio = snapshot.update_ratio
            if ratio is not None and math.isfinite(ratio) and ratio > 0:
                by_step.setdefault(snapshot.step, []).append(ratio)
    return [median(by_step[step]) for step in sorted(by_step)]


def cannot_learn_one_batch(evidence: Evidence, limits: Thresholds) -> float:
    """Return the certainty that a small network keeps most of the loss of a few rows that it learns alone."""
    start, sizes = evidence.start, evidence.settings.hidden_layer_sizes
    if start is None or start.one_batch_loss is None or not start.one_batch_start:
        return 0.0
    left = start.one_batch_loss / start.one_batch_start
    small = limits.ramp("underfits.units", float(min(sizes)) if sizes else 0.0)
    return min(small, limits.ramp("underfits.one_batch", left))


def rate_ratio(evidence: Evidence) -> float | None:
    """Return the learning rate over the one that its solver is usually given; None for an unknown solver."""
    settings = evidence.settings
    name = settings.solver.lower().split("-")[0]
    if settings.learning_rate is None or name not in USUAL_RATES:
        return None
    return settings.learning_rate / USUAL_RATES[name]


def scale_of_loss(evidence: Evidence) -> float | None:
    """Return the loss that one unit of falling or bouncing is measured by: that of the prior, else the first."""
    if evidence.start is not None and math.isfinite(evidence.start.prior_loss) and evidence.start.prior_loss > 0:
        return evidence.start.prior_loss
    return next((loss for loss in evidence.curves.loss if math.isfinite(loss) and loss > 0), None)


def bounce(evidence: Evidence) -> float | None:
    """Return how far the loss jumps up from epoch to epoch in the second half of training, over the prior loss."""
    loss, scale = [each for each in evidence.curves.loss if math.isfinite(each)], scale_of_loss(evidence)
    if len(loss) < 4 or scale is None:
        return None
    half = loss[len(loss) // 2 :]
    rises = [max(0.0, after - before) for before, after in itertools.pairwise(half)]
    return _mean(rises) / scale


def late_fall(evidence: Evidence) -> float | None:
    """Return by how much the training loss fell in the last fifth of the epochs, over the prior loss."""
    loss, scale = evidence.curves.loss, scale_of_loss(evidence)
    if not loss or scale is None or not all(math.isfinite(each) for each in loss):
        return None
    if len(loss) < 5:
        return max(0.0, loss[0] - loss[-1]) / scale if len(loss) > 1 else None
    width = max(1, len(loss) // 10)
    before, after = loss[-2 * width - 1 : -width], loss[-width:]
    return max(0.0, _mean(before) - _mean(after)) * 2 / scale


def _mean(values: Iterable[float]) -> float:
    numbers = list(values)
    return sum(numbers) / len(numbers) if numbers else 0.0
