"""Faults of the last layer: its unit, its loss, its answers."""

import math
import re

import strata.estimators
from strata.diagnosis._figures import chance_margin, shortfall
from strata.diagnosis._judges._common import fault, number
from strata.diagnosis.evidence import Evidence
from strata.diagnosis.thresholds import Thresholds
from strata.diagnosis.verdicts import Verdict

__all__ = ["predicts_the_prior", "wrong_loss", "wrong_output_unit"]

#: Range of the output units that have one.
_RANGES = {
    "logistic": (0.0, 1.0),
    "sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "clipped_linear": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hardtanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "relu": (0.0, math.inf),
    "relu6": (0.0, 6.0),
    "softplus": (0.0, math.inf),
    "exp": (0.0, math.inf),
}
#: Losses by the letters of their names, as strata or torch.nn call them.
_OF_CLASSES = (
    "logloss", "crossentropy", "binarycrossentropy", "bcewithlogits", "bce", "focal", "nll", "kldivergence", "kldiv",
    "hinge", "multimargin",
)  # fmt: skip
_SQUARES = ("squarederror", "halfsquared", "mse", "rss", "huber", "smoothl1", "mae", "l1")
#: What the loss of a module of one's own must be given: scores as they are, their log-softmax, or probabilities.
_GIVEN = {
    "crossentropy": ("identity", "linear", "logsoftmax"),
    "bcewithlogits": ("identity", "linear"),
    "binarycrossentropy": ("identity", "linear"),
    "multimargin": ("identity", "linear"),
    "nll": ("logsoftmax",),
    "bce": ("logistic", "sigmoid", "hardsigmoid"),
}
#: Last units that are known for what they are.
_KNOWN_UNITS = (
    "identity", "linear", "softmax", "logsoftmax", "logistic", "sigmoid", "hardsigmoid", "tanh", "hardtanh", "relu",
    "relu6", "softplus", "softsign", "leakyrelu", "elu", "gelu", "silu",
)  # fmt: skip


def _letters(name: str) -> str:
    """Return a name without its case, its signs and a closing "loss": CrossEntropyLoss is cross_entropy."""
    return re.sub(r"[^a-z0-9]", "", name.lower()).removesuffix("loss")


def _is_module(evidence: Evidence) -> bool:
    """Whether the network is the user's own: then nothing has put its output unit and its loss together."""
    return not hasattr(strata.estimators, evidence.settings.estimator)


def _misfit(evidence: Evidence) -> str | None:
    """Return in words why a module's last unit is not what its loss takes; None where it is."""
    loss, unit = _letters(evidence.settings.loss), _letters(evidence.settings.out_activation)
    if not _is_module(evidence) or loss not in _GIVEN or unit not in _KNOWN_UNITS or unit in _GIVEN[loss]:
        return None
    return f"{unit} goes before {evidence.settings.loss}, which takes the output of {' or '.join(_GIVEN[loss])}"


def _out_of_reach(evidence: Evidence) -> tuple[float, str] | None:
    """Return the share of the targets that the output unit cannot reach, and why in words."""
    settings, data = evidence.settings, evidence.data
    unit = settings.out_activation
    if _is_module(evidence) and settings.task == "classification":
        words = _misfit(evidence)
        return None if words is None or _letters(settings.loss) == "nll" else (1.0, words)
    if settings.task == "classification":
        if unit in ("relu", "relu6", "step", "softplus", "elu", "selu", "leaky_relu"):
            return 1.0, f"{unit} is no probability"
        if unit in ("identity", "linear", "tanh", "hardtanh", "softsign") and settings.loss not in ("hinge", "auto"):
            return 0.8, f"{unit} is no probability"
        if data is not None and (data.n_classes or 2) > 2 and unit == "softmax":
            return None
        return None
    if unit not in _RANGES or data is None or data.target_mean is None or not data.target_std:
        return None
    low, high = _RANGES[unit]
    below = _normal_tail((data.target_mean - low) / data.target_std)
    above = 0.0 if math.isinf(high) else _normal_tail((high - data.target_mean) / data.target_std)
    return min(1.0, below + above), f"{unit} reaches from {low:g} to {high:g}"


def _normal_tail(distance: float) -> float:
    """Return the share of a normal law beyond so many deviations."""
    return 0.5 * math.erfc(distance / math.sqrt(2))


def wrong_output_unit(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Compare the range of the output unit with the targets."""
    found = _out_of_reach(evidence)
    if found is None:
        return None
    share, words = found
    missed, data = shortfall(evidence, limits), evidence.data
    targets = ""
    if evidence.settings.task == "regression" and data is not None and data.target_mean is not None:
        targets = f", and the targets are {number(data.target_mean)} +- {number(data.target_std or 0.0)}"
    task = evidence.settings.task
    return fault(
        "wrong_output_unit",
        f"The output unit {words}{targets}: about {share:.0%} of the targets are out of its reach.",
        confidence=limits.ramp("wrong_output_unit.out_of_reach", share)
        * max(limits.number("wrong_output_unit.unharmed"), limits.ramp("general.shortfall", missed.share)),
        explains=max(missed.share, limits.number("wrong_output_unit.unharmed")),
        evidence={"unit": evidence.settings.out_activation, "out_of_reach": share, "score_missed": missed.gap},
        changes={"out_activation": "auto"} | ({"loss": "auto"} if task == "classification" else {}),
    )


def _spread(evidence: Evidence) -> Verdict | None:
    """Name a loss that compares every score with every target."""
    scores, targets = evidence.settings.spread or ((), ())
    return fault(
        "wrong_loss",
        f"The scores of a batch have the shape {scores} and its targets the shape {targets}: the loss spreads one over "
        "the other.",
        confidence=1.0,
        explains=1.0,
        evidence={"scores": list(scores), "targets": list(targets)},
        cause="Every score is compared with the target of every row, so the best answer is their mean.",
        cure="Give both one shape: targets[:, None], or scores.squeeze(1).",
    )


def wrong_loss(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Compare the loss with the task."""
    settings, data = evidence.settings, evidence.data
    missed = shortfall(evidence, limits)
    loss, misfit = _letters(settings.loss), _misfit(evidence)
    if settings.spread is not None:
        return _spread(evidence)
    if loss == "nll" and misfit is not None:
        certainty, words = 1.0, f"takes logarithms of probabilities, but {misfit}"
    elif settings.task == "classification" and loss in _SQUARES:
        certainty, words = (
            limits.number("wrong_loss.squares_for_classes"),
            f"{loss} compares numbers, the task is classes",
        )
    elif settings.task == "regression" and loss in _OF_CLASSES:
        certainty, words = 1.0, f"{loss} compares probabilities, the task is a number"
    elif (
        settings.task == "regression"
        and loss in ("poisson", "poissonnll")
        and data is not None
        and data.target_mean is not None
    ):
        below = _normal_tail(data.target_mean / data.target_std) if data.target_std else float(data.target_mean < 0)
        certainty = limits.ramp("wrong_output_unit.out_of_reach", below)
        words = f"poisson is for counts, and about {below:.0%} of the targets are below 0"
    else:
        return None
    harm = max(limits.number("wrong_loss.unharmed"), limits.ramp("general.shortfall", missed.share))
    return fault(
        "wrong_loss",
        f"The loss {words}; the network scores {number(missed.gap)} below the best simple model.",
        confidence=certainty * harm,
        explains=max(missed.share, limits.number("wrong_loss.unharmed")),
        evidence={"loss": loss, "task": settings.task, "score_missed": missed.gap},
        changes={"loss": "auto", "out_activation": "auto"},
    )


def predicts_the_prior(evidence: Evidence, limits: Thresholds) -> Verdict | None:
    """Look for answers that do not depend on the inputs."""
    seen = evidence.output
    if seen is None:
        return None
    missed = shortfall(evidence, limits)
    score = seen.train_score if seen.val_score is None else seen.val_score
    margin = chance_margin(seen.baseline_score, seen.val_rows, task=evidence.settings.task, limits=limits)
    no_better = math.isfinite(score) and abs(score - seen.baseline_score) <= margin
    if evidence.settings.task == "classification":
        if not seen.predicted_shares:
            return None
        top = max(seen.predicted_shares)
        flat = limits.ramp("predicts_the_prior.one_answer", top)
        words = f"{top:.0%} of the rows get the same class"
    else:
        top = seen.spread_ratio if seen.spread_ratio is not None else 1.0
        flat = limits.ramp("predicts_the_prior.spread", top)
        words = f"the predictions vary {number(top)} times as much as the targets"
    confidence = min(flat, limits.ramp("general.shortfall", missed.share)) if no_better else 0.0
    return fault(
        "predicts_the_prior",
        f"On held-out rows {words}, and the score {number(score)} is that of a constant "
        f"({number(seen.baseline_score)}).",
        confidence=confidence,
        explains=missed.share,
        evidence={"score": score, "baseline": seen.baseline_score, "flatness": top, "score_missed": missed.gap},
        changes={"scale_inputs": True}
        if not evidence.settings.scale_inputs
        else {"max_iter": 1000, "n_iter_no_change": 100},
    )
