"""Faults of the steps: their size, their number, their batches."""

import math

from strata.diagnosis._figures import (
    bounce,
    cannot_learn_one_batch,
    late_fall,
    rate_ratio,
    scale_of_loss,
    shortfall,
    update_ratios,
)
from strata.diagnosis._judges._common import any_of, fault, number
from strata.diagnosis.evidence import Evidence
from strata.diagnosis.thresholds import Thresholds
from strata.diagnosis.verdicts import Verdict

__all__ = [
    "batch_too_large",
    "batch_too_small",
    "diverging",
    "learning_rate_too_high",
    "learning_rate_too_low",
    "stopped_too_early",
    "too_few_epochs",
]


#: Solvers whose steps are at most as long as the rate, however large the gradient.
_BOUNDED_STEPS = ("adam", "adamw", "nadam", "rmsprop", "adagrad")


def _new_rate(evidence: Evidence, factor: float) -> dict[str, float]:
    rate = evidence.settings.learning_rate
    return {} if rate is None else {"learning_rate_init": float(f"{rate * factor:.6g}")}


def _before_any_step(evidence: Evidence) -> bool:
    """Whether the values were not finite before the first update: no step brought that about."""
    broken = evidence.non_finite
    return broken is not None and (broken.where in ("inputs", "targets") or (broken.epoch <= 1 and broken.step == 1))


def _rate_cure(changes: dict[str, float]) -> str | None:
    rate = changes.get("learning_rate_init")
    return None if rate is None else f"Use a learning rate of about {rate:.2g}."


def _growth_of_loss(evidence: Evidence) -> float:
    """Return the largest late loss over the first or the prior loss, whichever is larger; infinite where not finite."""
    loss = evidence.curves.loss
    if not loss:
        return 0.0
    if evidence.curves.stop_reason == "diverged" or any(not math.isfinite(each) for each in loss):
        return math.inf
    scale = max(scale_of_loss(evidence) or 0.0, evidence.start.loss if evidence.start is not None else 0.0)
    late = loss[len(loss) // 2 :]
    return sum(late) / len(late) / scale if scale > 0 else 0.0


def _first_leap(evidence: Evidence) -> float | None:
    """Return the mean loss of the first epoch over the larger of the first and the prior loss."""
    loss, start = evidence.curves.loss, evidence.start
    scale = max(scale_of_loss(evidence) or 0.0, start.loss if start is not None else 0.0)
    return loss[0] / scale if loss and start is not None and scale > 0 and math.isfinite(loss[0]) else None


def diverging(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Look for a loss that grows."""
    broken = evidence.non_finite
    if _before_any_step(evidence):
        return None
    growth = _growth_of_loss(evidence) if broken is None or evidence.curves.loss else math.inf
    if broken is not None:
        growth = math.inf
    end = "beyond all numbers" if math.isinf(growth) else f"at {number(growth)} times its first value"
    return fault(
        "diverging",
        f"The training loss ends {end} after {evidence.curves.n_epochs} epochs.",
        confidence=limits.ramp("diverging.growth", min(growth, 1e6), log=True),
        explains=1.0,
        evidence={"growth": min(growth, 1e6), "epochs": evidence.curves.n_epochs},
        changes={**_new_rate(evidence, 0.1), "grad_clip": 1.0},
    )


def learning_rate_too_high(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Look for steps that are large for the weights and for a loss that bounces."""
    if evidence.settings.solver == "lbfgs":
        return None
    if _before_any_step(evidence):
        return None
    ratios, jumps, rate = update_ratios(evidence), bounce(evidence), rate_ratio(evidence)
    late = ratios[len(ratios) // 2 :]
    ratio = sum(late) / len(late) if late else None
    growth = min(_growth_of_loss(evidence), 1e6)
    usual = limits.ramp("learning_rate_too_high.rate", rate, log=True)
    first = limits.ramp("learning_rate_too_high.first", _first_leap(evidence), log=True)
    seen = any_of(
        limits.number("learning_rate_too_high.weight_of_first") * first,
        limits.number("learning_rate_too_high.weight_of_updates")
        * limits.ramp("learning_rate_too_high.update", ratio, log=True),
        limits.number("learning_rate_too_high.weight_of_bounce")
        * limits.ramp("learning_rate_too_high.bounce", jumps, log=True),
        limits.number("learning_rate_too_high.weight_of_rate") * usual,
        limits.number("learning_rate_too_high.weight_of_growth") * limits.ramp("diverging.growth", growth, log=True),
    )
    if rate is not None and rate <= limits.number("learning_rate_too_high.never_below"):
        seen = 0.0
    missed = shortfall(evidence, limits)
    harm = max(limits.ramp("general.shortfall", missed.share), limits.ramp("diverging.growth", growth, log=True))
    changes = _new_rate(evidence, 1 / max(10.0, min(rate or 10.0, 1000.0)))
    return fault(
        "learning_rate_too_high",
        f"An update changes the weights by {'?' if ratio is None else f'{ratio:.1%}'} of their size late in training, "
        f"and the loss jumps up by {number(jumps or 0.0)} of the prior loss an epoch, at a rate of "
        f"{evidence.settings.learning_rate}.",
        confidence=max(min(seen, harm), seen * usual * limits.number("learning_rate_too_high.unharmed")),
        explains=max(missed.share, harm, limits.number("learning_rate_too_high.unharmed") * usual),
        evidence={
            "update_ratio": math.nan if ratio is None else ratio,
            "bounce": math.nan if jumps is None else jumps,
            "first_epoch_over_start": _first_leap(evidence) or math.nan,
            "rate_over_usual": math.nan if rate is None else rate,
            "score_missed": missed.gap,
        },
        changes=changes,
        cure=_rate_cure(changes),
    )


def _targets_over_reach(evidence: Evidence, limits: Thresholds) -> float | None:
    """Return the size of the targets over the way that all updates together can move a weight."""
    data, updates, rate = evidence.data, _updates(evidence), evidence.settings.learning_rate
    if evidence.settings.task != "regression" or data is None or data.target_mean is None or data.target_std is None:
        return None
    if evidence.non_finite is not None or not updates or not rate:
        return None
    if evidence.settings.solver.lower().split("-")[0] not in _BOUNDED_STEPS:
        return None
    enough = max(float(updates), limits.number("learning_rate_too_low.updates"))
    return math.hypot(data.target_mean, data.target_std) / (rate * enough)


def learning_rate_too_low(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Look for steps that are tiny for the weights, or for the targets, while the loss has far to go."""
    if evidence.settings.solver == "lbfgs":
        return None
    ratios, rate = update_ratios(evidence), rate_ratio(evidence)
    ratio = max(ratios) if ratios else None
    slow = limits.ramp("learning_rate_too_low.update", ratio, log=True)
    usual = limits.ramp("learning_rate_too_low.rate", rate, log=True)
    seen = any_of(
        limits.number("learning_rate_too_low.weight_of_updates") * slow,
        limits.number("learning_rate_too_low.weight_of_rate") * usual,
    )
    if rate is not None and rate >= limits.number("learning_rate_too_low.never_above"):
        seen = 0.0
    distance = _targets_over_reach(evidence, limits)
    far = limits.ramp("learning_rate_too_low.targets", distance, log=True)
    missed = shortfall(evidence, limits)
    factor = max(10.0, min(1 / rate if rate else 10.0, 1000.0))
    changes = _new_rate(evidence, factor if far <= seen else max(factor, min(distance or 0.0, 100.0)))
    words = f"No update changed the weights by more than {number(ratio or 0.0)} of their size"
    if far > seen and evidence.data is not None:
        words = (
            f"The targets are {number(evidence.data.target_mean or 0.0)} +- {number(evidence.data.target_std or 0.0)}, "
            f"{number(distance or 0.0)} times as far as all updates together can move a weight"
        )
    return fault(
        "learning_rate_too_low",
        f"{words}, and {missed.share:.0%} of what can be learned is missing after {evidence.curves.n_epochs} epochs at "
        f"a rate of {evidence.settings.learning_rate}.",
        confidence=min(any_of(seen, far), limits.ramp("general.shortfall", missed.share)),
        explains=missed.share,
        evidence={
            "largest_update_ratio": math.nan if ratio is None else ratio,
            "rate_over_usual": math.nan if rate is None else rate,
            "targets_over_reach": math.nan if distance is None else distance,
            "score_missed": missed.gap,
        },
        changes=changes,
        cause="The targets are large, and each step of this solver is at most as long as the rate."
        if far > seen
        else None,
        cure=_rate_cure(changes)
        if far <= seen
        else "Standardise the targets (scikit-learn's TransformedTargetRegressor with a StandardScaler), or use a rate "
        f"of about {changes['learning_rate_init']:.2g}.",
    )


def too_few_epochs(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Look for a loss that is still falling when the epochs are used up."""
    curves = evidence.curves
    if curves.stop_reason not in ("max_epochs", "time_limit") or curves.n_epochs == 0:
        return None
    fall, missed = late_fall(evidence), shortfall(evidence, limits)
    few = limits.ramp("too_few_epochs.epochs", float(curves.n_epochs), log=True)
    seen = any_of(limits.ramp("too_few_epochs.fall", fall), few * limits.number("too_few_epochs.weight_of_few"))
    return fault(
        "too_few_epochs",
        f"The loss was still falling by {number(fall or 0.0)} of the prior loss in the last fifth of the "
        f"{curves.n_epochs} epochs.",
        confidence=min(seen, limits.ramp("general.shortfall", missed.share)),
        explains=missed.share,
        evidence={"fall": math.nan if fall is None else fall, "epochs": curves.n_epochs, "score_missed": missed.gap},
        changes={"max_iter": max(200, 10 * curves.n_epochs)},
    )


def stopped_too_early(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Look for a stop by patience with much left to learn."""
    curves = evidence.curves
    if curves.patience is None or not math.isfinite(curves.patience) or curves.stop_reason in (None, "max_epochs"):
        return None
    if curves.stop_reason not in ("early_stopping", "converged"):
        return None
    missed, fall = shortfall(evidence, limits), late_fall(evidence)
    limit = curves.max_epochs or 200
    early = limits.ramp("stopped_too_early.epochs", curves.n_epochs / limit)
    impatient = limits.ramp("stopped_too_early.patience", curves.patience)
    falling = limits.ramp("too_few_epochs.fall", fall)
    scale = scale_of_loss(evidence)
    left = curves.loss[-1] / scale if scale and curves.loss and math.isfinite(curves.loss[-1]) else None
    plateau = limits.ramp("stopped_too_early.plateau", left)
    able = 1.0 - cannot_learn_one_batch(evidence, limits)
    changes: dict[str, float] = {"n_iter_no_change": int(max(50, 10 * curves.patience)), "max_iter": max(1000, limit)}
    tolerance = evidence.settings.parameters.get("tol", 0.0)
    coarse = isinstance(tolerance, float) and scale is not None and tolerance > 1e-3 * scale
    return fault(
        "stopped_too_early",
        f"Training stopped after {curves.n_epochs} of at most {limit} epochs, with a patience of "
        f"{curves.patience:g}, and {missed.share:.0%} of what can be learned is missing"
        + (f"; the tolerance {tolerance:g} is {number(tolerance / scale)} of the prior loss." if coarse else "."),
        confidence=min(
            early * any_of(impatient, falling, plateau), able, limits.ramp("general.shortfall", missed.share)
        ),
        explains=missed.share * (1.0 if impatient or falling else 0.6),
        evidence={"epochs": curves.n_epochs, "patience": float(curves.patience), "score_missed": missed.gap},
        changes=changes | ({"tol": 0.0} if coarse else {}),
    )


def _updates(evidence: Evidence) -> float | None:
    batch, data = evidence.settings.batch_size, evidence.data
    if batch is None or data is None or batch <= 0:
        return None
    return evidence.curves.n_epochs * math.ceil(data.n_rows / batch)


def batch_too_large(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Look for few updates because of large batches."""
    batch, updates = evidence.settings.batch_size, _updates(evidence)
    solver = evidence.settings.solver
    if batch is None or updates is None or solver.startswith(("lbfgs", "rprop")):
        return None
    noise = evidence.start.gradient_noise if evidence.start is not None else None
    missed = shortfall(evidence, limits)
    confidence = min(
        limits.ramp("batch_too_large.rows", float(batch), log=True),
        limits.ramp("batch_too_large.updates", updates, log=True),
        limits.ramp("general.slight", missed.share),
    )
    if noise is not None and noise > 0:
        confidence *= max(0.5, limits.ramp("batch_too_large.noise", batch / noise, log=True))
    return fault(
        "batch_too_large",
        f"Batches of {batch} rows gave {updates:.0f} updates in {evidence.curves.n_epochs} epochs"
        + ("." if noise is None else f"; the gradient's noise scale is {number(noise)} rows."),
        confidence=confidence,
        explains=missed.share,
        evidence={"batch_size": batch, "updates": updates, "gradient_noise": math.nan if noise is None else noise},
        changes={"batch_size": 32},
    )


def batch_too_small(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Look for steps of a few rows that are mostly noise."""
    batch, start = evidence.settings.batch_size, evidence.start
    if batch is None or evidence.settings.solver.startswith(("lbfgs", "rprop")):
        return None
    noise = None
    if start is not None:
        noise = start.gradient_noise_end if start.gradient_noise_end is not None else start.gradient_noise
    missed, jumps = shortfall(evidence, limits), bounce(evidence)
    noisy = any_of(
        limits.ramp("batch_too_small.noise", None if noise is None else noise / batch, log=True),
        limits.ramp("learning_rate_too_high.bounce", jumps, log=True),
        limits.ramp("diverging.growth", min(_growth_of_loss(evidence), 1e6), log=True),
    )
    return fault(
        "batch_too_small",
        f"Batches of {batch} rows"
        + (" " if noise is None else f", against a noise scale of {number(noise)} rows, ")
        + f"leave the loss jumping up by {number(jumps or 0.0)} of the prior loss an epoch.",
        confidence=min(
            limits.ramp("batch_too_small.rows", float(batch), log=True),
            noisy,
            limits.ramp("general.slight", missed.share),
        ),
        explains=missed.share,
        evidence={"batch_size": batch, "gradient_noise": math.nan if noise is None else noise, "bounce": jumps or 0.0},
        changes={"batch_size": 32},
    )
