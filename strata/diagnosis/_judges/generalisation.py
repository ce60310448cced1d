"""Faults of capacity: too little, too much, or held down."""

import math

from strata.diagnosis._figures import (
    cannot_learn_one_batch,
    chance_margin,
    hidden_layers,
    late_fall,
    scale_of_loss,
    shortfall,
)
from strata.diagnosis._judges._common import any_of, fault, number
from strata.diagnosis.evidence import Evidence
from strata.diagnosis.thresholds import Thresholds
from strata.diagnosis.verdicts import Verdict

__all__ = ["dropout_too_strong", "overfits", "regularization_too_strong", "too_little_data", "underfits"]


def _held_down(evidence: Evidence, limits: Thresholds) -> float:
    """Return the certainty that the network misses its own training rows too."""
    return limits.ramp("general.shortfall", shortfall(evidence, limits, on_training_rows=True).share)


def _linear_already(evidence: Evidence) -> bool:
    """Whether the network does as well as a linear model: what it lacks is curvature."""
    seen = evidence.output
    if seen is None or seen.linear_score is None or seen.val_score is None:
        return False
    return seen.val_score >= seen.linear_score - 0.05


def underfits(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Look for a small network that has come to rest and misses the training rows."""
    settings = evidence.settings
    sizes = settings.hidden_layer_sizes
    narrowest = float(min(sizes)) if sizes else 0.0
    missed = shortfall(evidence, limits, on_training_rows=True)
    fall = late_fall(evidence)
    small = limits.ramp("underfits.units", narrowest)
    if "identity" in _activations(evidence) and all(name == "identity" for name in _activations(evidence)):
        small = 1.0
    resting = 1.0 - limits.ramp("too_few_epochs.fall", fall)
    words = "no hidden layer" if not sizes else f"a narrowest hidden layer of {narrowest:.0f} units"
    return fault(
        "underfits",
        f"With {words} the network scores {number(missed.gap)} below {missed.peer or 'what is possible'} even on its "
        "own training rows.",
        confidence=min(
            any_of(small * (0.6 + 0.4 * resting), cannot_learn_one_batch(evidence, limits)),
            limits.ramp("general.shortfall", missed.share),
        ),
        explains=missed.share,
        evidence={"units": narrowest, "parameters": settings.n_parameters, "score_missed": missed.gap},
        changes={"hidden_layer_sizes": tuple(max(50, 4 * size) for size in sizes) or (50,)}
        | ({"activation": "relu"} if set(_activations(evidence)) == {"identity"} else {}),
    )


def _activations(evidence: Evidence) -> list[str]:
    return [layer.activation for layer in hidden_layers(evidence)]


def overfits(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Look for a network that knows its training rows much better than others."""
    seen, curves = evidence.output, evidence.curves
    if seen is None or seen.val_score is None or not math.isfinite(seen.val_score):
        return None
    if seen.train_score <= seen.baseline_score:
        return None  # it knows its training rows no better than a constant does
    gap = seen.train_score - seen.val_score
    is_classes = evidence.settings.task == "classification"
    margin = chance_margin(seen.val_score, seen.val_rows, task=evidence.settings.task, limits=limits)
    finite = [loss for loss in curves.val_loss if math.isfinite(loss)]
    rise = (finite[-1] - min(finite)) / max(min(finite), 1e-12) if len(finite) > 2 and min(finite) > 0 else 0.0
    best = max((score for score in curves.val_score if math.isfinite(score)), default=seen.val_score)
    lost = best - seen.val_score
    missed = shortfall(evidence, limits)
    harm = any_of(
        limits.ramp("overfits.shortfall", missed.share),
        limits.ramp("overfits.rise", rise) if is_classes else limits.ramp("overfits.rise_of_error", rise),
        limits.ramp("overfits.lost", lost - margin / 2),
    )
    restarts = limits.ramp("overfits.gap", gap - margin / 2)
    return fault(
        "overfits",
        f"The score is {number(seen.train_score)} on training rows and {number(seen.val_score)} on held-out ones, "
        f"whose loss rose by {rise:.0%} from its lowest; {evidence.settings.n_parameters} parameters.",
        confidence=min(restarts, harm),
        explains=max(missed.share, min(1.0, gap)),
        evidence={"gap": gap, "rise_of_held_out_loss": rise, "score_missed": missed.gap},
        changes={"early_stopping": True, "alpha": max(1.0, 100 * evidence.settings.alpha)},
    )


def _shrinkage(evidence: Evidence) -> float | None:
    """Return the weights' size at the end over that at the start, of the layer that shrank most."""
    ratios = [
        layer.snapshots[-1].weight_rms / layer.snapshots[0].weight_rms
        for layer in evidence.layers
        if len(layer.snapshots) > 1 and layer.snapshots[0].weight_rms > 0
    ]
    return min(ratios) if ratios else None


def regularization_too_strong(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Look for a penalty that shrinks the weights, or that makes up most of the loss."""
    settings, curves, seen = evidence.settings, evidence.curves, evidence.output
    if settings.alpha <= 0 and settings.l1 <= 0 and settings.max_norm is None:
        return None
    shrunk = _shrinkage(evidence)
    share = None
    if settings.dropout == 0 and curves.loss and seen is not None and curves.loss[-1] > 0:
        share = (curves.loss[-1] - seen.train_loss) / curves.loss[-1]
    strength = max(settings.alpha, settings.l1)
    tight = 0.0 if settings.max_norm is None else limits.ramp("regularization_too_strong.max_norm", settings.max_norm)
    seen_so = any_of(
        0.7 * limits.ramp("regularization_too_strong.strength", strength, log=True),
        0.6
        * limits.ramp("regularization_too_strong.shrinkage", shrunk)
        * limits.ramp("regularization_too_strong.possible", strength, log=True),
        0.6
        * limits.ramp("regularization_too_strong.share", share)
        * limits.ramp("regularization_too_strong.possible", strength, log=True),
        0.9 * tight,
    )
    missed = shortfall(evidence, limits)
    changes = {"alpha": 1e-4, "l1": 0.0} if strength > 0 else {}
    return fault(
        "regularization_too_strong",
        f"With alpha={settings.alpha:g}, l1={settings.l1:g} and max_norm={settings.max_norm} the weights of a layer "
        f"end at {'?' if shrunk is None else f'{shrunk:.0%}'} of their first size, and the network misses its own "
        "training rows.",
        confidence=min(seen_so, _held_down(evidence, limits)),
        explains=missed.share,
        evidence={
            "alpha": settings.alpha,
            "l1": settings.l1,
            "shrinkage": math.nan if shrunk is None else shrunk,
            "penalty_share": math.nan if share is None else share,
            "score_missed": missed.gap,
        },
        changes=changes | ({"max_norm": None} if settings.max_norm is not None else {}),
    )


def dropout_too_strong(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Look for much dropout and a network that misses its training rows."""
    settings, missed, losses = evidence.settings, shortfall(evidence, limits), evidence.curves.loss
    if settings.dropout <= 0:
        return None
    scale = scale_of_loss(evidence)
    left = losses[-1] / scale if scale and losses and math.isfinite(losses[-1]) else None
    extreme = limits.ramp("dropout_too_strong.extreme", settings.dropout)
    deaf = extreme * limits.ramp("dropout_too_strong.loss", left)
    missing = math.sqrt(limits.ramp("dropout_too_strong.dropout", settings.dropout) * _held_down(evidence, limits))
    words = (
        "the network misses its own training rows"
        if missing >= deaf
        else f"the loss that is left to it ends at {left or 0.0:.0%} of that of the prior"
    )
    return fault(
        "dropout_too_strong",
        f"{settings.dropout:.0%} of the units are dropped at every step, and {words}.",
        confidence=max(missing, deaf, extreme * limits.ramp("general.slight", missed.share)),
        explains=max(missed.share, limits.number("dropout_too_strong.unharmed") * deaf),
        evidence={
            "dropout": settings.dropout,
            "loss_over_prior": math.nan if left is None else left,
            "score_missed": missed.gap,
        },
        changes={"dropout": 0.0, "input_dropout": 0.0},
    )


def too_little_data(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Compare rows with columns where training rows are known by heart."""
    data, seen = evidence.data, evidence.output
    if data is None or seen is None or seen.val_score is None or data.n_features == 0:
        return None
    ratio = data.n_rows / data.n_features
    gap = seen.train_score - seen.val_score
    return fault(
        "too_little_data",
        f"{data.n_rows} rows for {data.n_features} columns, and the score falls from {number(seen.train_score)} on "
        f"training rows to {number(seen.val_score)} on held-out ones.",
        confidence=min(limits.ramp("too_little_data.ratio", ratio, log=True), limits.ramp("overfits.gap", gap)),
        explains=min(1.0, max(gap, 0.5)),
        evidence={"rows": data.n_rows, "columns": data.n_features, "gap": gap},
        changes={"alpha": max(1.0, 100 * evidence.settings.alpha)},
    )
