"""Faults of the signal on its way through the layers."""

import math

from strata.diagnosis._figures import hidden_layers, shortfall
from strata.diagnosis._judges._common import any_of, fault, number
from strata.diagnosis.evidence import Evidence, LayerEvidence, LayerSnapshot
from strata.diagnosis.thresholds import Thresholds
from strata.diagnosis.verdicts import Verdict

__all__ = [
    "dead_relus",
    "exploding_gradient",
    "saturated_sigmoids",
    "symmetric_initialization",
    "vanishing_gradient",
]

_BOUNDED = ("logistic", "sigmoid", "tanh", "hardtanh", "hardsigmoid", "softsign", "clipped_linear")
_HALF_DEAD = ("relu", "relu6")


def _first(layer: LayerEvidence) -> LayerSnapshot:
    """Return the snapshot before any update."""
    return layer.snapshots[0]


def _last(layer: LayerEvidence) -> LayerSnapshot:
    """Return the snapshot at the end."""
    return layer.snapshots[-1]


def dead_relus(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Count units that are 0 for every row at the end."""
    layers = [layer for layer in hidden_layers(evidence) if layer.activation in _HALF_DEAD]
    if not layers:
        return None
    worst = max(layers, key=lambda layer: _last(layer).dead)
    at_start, at_end, missed = _first(worst).dead, _last(worst).dead, shortfall(evidence, limits)
    born = at_start > at_end / 2
    changes = {"activation": "leaky_relu", "init": "he_normal"}
    rate = evidence.settings.learning_rate
    return fault(
        "dead_relus",
        f"{at_end:.0%} of the {worst.n_units} units of {worst.name} are 0 for every row at the end "
        f"({at_start:.0%} before training).",
        confidence=min(limits.ramp("dead_relus.dead", at_end), limits.ramp("general.shortfall", missed.share)),
        explains=missed.share,
        evidence={"layer": worst.name, "dead": at_end, "dead_at_start": at_start, "score_missed": missed.gap},
        changes=changes if born or rate is None else {**changes, "learning_rate_init": rate / 10},
    )


def saturated_sigmoids(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Count activations at the bounds of their range."""
    layers = [layer for layer in hidden_layers(evidence) if layer.activation in _BOUNDED]
    if not layers:
        return None
    worst = max(layers, key=lambda layer: max(_first(layer).saturated, _last(layer).saturated))
    at_start, at_end, missed = _first(worst).saturated, _last(worst).saturated, shortfall(evidence, limits)
    seen = any_of(
        limits.ramp("saturated_sigmoids.at_start", at_start), limits.ramp("saturated_sigmoids.at_end", at_end)
    )
    return fault(
        "saturated_sigmoids",
        f"{at_start:.0%} of the activations of {worst.name} are at a bound before training and {at_end:.0%} after, "
        f"with pre-activations that vary by {number(_last(worst).z_std)}.",
        confidence=min(seen, limits.ramp("general.shortfall", missed.share)),
        explains=missed.share,
        evidence={"layer": worst.name, "saturated_at_start": at_start, "saturated": at_end},
        changes={"init": "auto"} if evidence.settings.init not in ("auto", "") else {"activation": "relu"},
    )


def _ratio_over_depth(layers: list[LayerEvidence], place: int) -> float | None:
    """Return the gradient of the first layer over that of the last, at one snapshot."""
    low, high = layers[0].snapshots[place].gradient_rms, layers[-1].snapshots[place].gradient_rms
    if not (math.isfinite(low) and math.isfinite(high)) or high <= 0:
        return None
    return low / high


def vanishing_gradient(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Compare the gradient at the two ends of a deep network before training."""
    layers = [layer for layer in evidence.layers if layer.snapshots]
    if len(layers) < limits.number("vanishing_gradient.layers"):
        return None
    ratio = _ratio_over_depth(layers, 0)
    before, after = _first(layers[0]).unit_std, _first(layers[-2]).unit_std
    signal = after / before if before > 0 else 0.0
    if (ratio is None or ratio <= 0) and signal <= 0:
        return None
    missed = shortfall(evidence, limits)
    seen = any_of(
        limits.ramp("vanishing_gradient.ratio", ratio or None, log=True),
        limits.ramp("vanishing_gradient.signal", signal or None, log=True),
    )
    return fault(
        "vanishing_gradient",
        f"Before training the gradient of {layers[0].name} is {number(ratio or 0.0)} of that of the output, and the "
        f"units of {layers[-2].name} vary {number(signal)} times as much with the inputs as those of {layers[0].name}.",
        confidence=min(seen, limits.ramp("general.shortfall", missed.share)),
        explains=missed.share,
        evidence={
            "first_over_last": ratio or 0.0,
            "signal": signal,
            "layers": len(layers),
            "score_missed": missed.gap,
        },
        changes={"activation": "relu", "init": "he_normal"},
    )


def exploding_gradient(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Look for a signal that grows over the layers before any update."""
    layers = [layer for layer in evidence.layers if layer.snapshots]
    if len(layers) < 2:
        return None
    ratio = _ratio_over_depth(layers, 0) or 0.0
    z = [_first(layer).z_std for layer in layers]
    growth = max(z) / max(z[0], 1e-12) if all(math.isfinite(each) for each in z) else math.inf
    start = evidence.start
    over = start.loss / start.prior_loss if start is not None and start.prior_loss > 0 else 0.0
    seen = any_of(
        limits.ramp("exploding_gradient.growth", min(growth, 1e30), log=True),
        limits.ramp("exploding_gradient.ratio", ratio, log=True),
    )
    missed = shortfall(evidence, limits)
    harm = max(limits.ramp("general.shortfall", missed.share), float(evidence.non_finite is not None))
    return fault(
        "exploding_gradient",
        f"Before training the pre-activations grow {number(growth)}-fold from the first layer to the largest, the "
        f"gradient of the first layer is {number(ratio)} times that of the output, and the loss is {number(over)} "
        "times that of the prior.",
        confidence=min(seen, harm),
        explains=max(missed.share, harm),
        evidence={"growth": growth, "first_over_last": ratio, "loss_over_prior": over},
        changes={"init": "auto" if evidence.settings.init not in ("auto", "") else "he_normal", "grad_clip": 1.0},
    )


def symmetric_initialization(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Count units with the same incoming weights."""
    layers = [layer for layer in hidden_layers(evidence) if layer.n_units > 1]
    if not layers:
        return None
    worst = max(layers, key=lambda layer: _first(layer).symmetric)
    at_start, at_end, missed = _first(worst).symmetric, _last(worst).symmetric, shortfall(evidence, limits)
    harm = max(limits.number("symmetric_initialization.unharmed"), limits.ramp("general.shortfall", missed.share))
    return fault(
        "symmetric_initialization",
        f"{at_start:.0%} of the {worst.n_units} units of {worst.name} begin with the weights of another unit "
        f"({at_end:.0%} still have them at the end).",
        confidence=limits.ramp("symmetric_initialization.share", min(at_start, max(at_end, 0.5 * at_start))) * harm,
        explains=max(missed.share, limits.number("symmetric_initialization.unharmed")),
        evidence={"layer": worst.name, "symmetric_at_start": at_start, "symmetric": at_end},
        changes={"init": "auto"},
    )
