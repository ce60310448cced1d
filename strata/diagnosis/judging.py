"""From evidence to verdicts in the order of what they explain."""

from collections.abc import Callable
from dataclasses import replace

from strata.diagnosis._judges import data, generalisation, gradients, numbers, outputs, rate
from strata.diagnosis.catalogue import CATALOGUE
from strata.diagnosis.evidence import Evidence
from strata.diagnosis.thresholds import Thresholds, load_thresholds
from strata.diagnosis.verdicts import Verdict

__all__ = ["EXPLAINS", "JUDGES", "judge", "primary"]

Judge = Callable[[Evidence, Thresholds], Verdict | None]

#: Who looks for each fault. "healthy" has no judge: it is what remains.
JUDGES: dict[str, Judge] = {
    "non_finite_values": numbers.non_finite_values,
    "labels_constant": data.labels_constant,
    "labels_shifted": data.labels_shifted,
    "labels_shuffled": data.labels_shuffled,
    "leakage_from_a_column": data.leakage_from_a_column,
    "leakage_between_splits": data.leakage_between_splits,
    "symmetric_initialization": gradients.symmetric_initialization,
    "wrong_output_unit": outputs.wrong_output_unit,
    "wrong_loss": outputs.wrong_loss,
    "inputs_not_scaled": data.inputs_not_scaled,
    "exploding_gradient": gradients.exploding_gradient,
    "learning_rate_too_high": rate.learning_rate_too_high,
    "diverging": rate.diverging,
    "learning_rate_too_low": rate.learning_rate_too_low,
    "bad_data_order": data.bad_data_order,
    "batch_too_large": rate.batch_too_large,
    "batch_too_small": rate.batch_too_small,
    "regularization_too_strong": generalisation.regularization_too_strong,
    "dropout_too_strong": generalisation.dropout_too_strong,
    "saturated_sigmoids": gradients.saturated_sigmoids,
    "dead_relus": gradients.dead_relus,
    "vanishing_gradient": gradients.vanishing_gradient,
    "too_little_data": generalisation.too_little_data,
    "class_imbalance": data.class_imbalance,
    "stopped_too_early": rate.stopped_too_early,
    "too_few_epochs": rate.too_few_epochs,
    "underfits": generalisation.underfits,
    "overfits": generalisation.overfits,
    "predicts_the_prior": outputs.predicts_the_prior,
}

_NOT_LEARNED = ("predicts_the_prior", "underfits", "too_few_epochs", "stopped_too_early")
_STUCK = (*_NOT_LEARNED, "learning_rate_too_low")

#: Which faults bring which others about. A verdict behind a fault that explains it is a symptom.
EXPLAINS: dict[str, tuple[str, ...]] = {
    "labels_constant": (*_STUCK, "class_imbalance", "labels_shuffled", "too_little_data", "overfits", "dead_relus"),
    "labels_shifted": (*_STUCK, "labels_shuffled", "overfits", "too_little_data", "class_imbalance"),
    "labels_shuffled": (*_STUCK, "overfits", "too_little_data", "class_imbalance"),
    "inputs_not_scaled": (
        *_STUCK, "saturated_sigmoids", "dead_relus", "vanishing_gradient", "exploding_gradient",
        "learning_rate_too_high", "diverging", "batch_too_small", "class_imbalance",
    ),
    "symmetric_initialization": (*_STUCK, "vanishing_gradient", "dead_relus", "inputs_not_scaled", "class_imbalance"),
    "wrong_output_unit": (*_STUCK, "dead_relus", "wrong_loss", "vanishing_gradient", "class_imbalance"),
    "wrong_loss": (*_STUCK, "class_imbalance", "vanishing_gradient"),
    "exploding_gradient": (
        *_NOT_LEARNED, "diverging", "saturated_sigmoids", "dead_relus", "learning_rate_too_high", "non_finite_values",
        "overfits",
    ),
    "learning_rate_too_high": (
        *_NOT_LEARNED, "diverging", "saturated_sigmoids", "dead_relus", "non_finite_values", "overfits",
        "batch_too_small", "class_imbalance",
    ),
    "diverging": ("non_finite_values", *_NOT_LEARNED, "dead_relus"),
    "learning_rate_too_low": (*_NOT_LEARNED, "class_imbalance"),
    "saturated_sigmoids": (*_STUCK, "vanishing_gradient", "overfits"),
    "dead_relus": (*_STUCK, "class_imbalance"),
    "vanishing_gradient": (*_STUCK, "dead_relus", "class_imbalance"),
    "regularization_too_strong": (*_STUCK, "vanishing_gradient", "dead_relus", "inputs_not_scaled", "class_imbalance"),
    "dropout_too_strong": (*_STUCK, "class_imbalance", "inputs_not_scaled"),
    "batch_too_large": (*_NOT_LEARNED, "class_imbalance"),
    "batch_too_small": ("underfits", "overfits", "stopped_too_early", "diverging", "non_finite_values"),
    "bad_data_order": (
        *_NOT_LEARNED, "overfits", "batch_too_small", "learning_rate_too_high", "class_imbalance", "diverging",
        "inputs_not_scaled",
    ),
    "too_little_data": ("overfits",),
    "leakage_between_splits": ("overfits",),
    "class_imbalance": ("predicts_the_prior",),
    "stopped_too_early": ("predicts_the_prior", "underfits"),
    "too_few_epochs": ("predicts_the_prior", "underfits"),
    "underfits": ("predicts_the_prior",),
}  # fmt: skip


def judge(evidence: Evidence, *, limits: Thresholds | None = None) -> list[Verdict]:
    """Return every verdict that is more likely than not, the one that explains most first.

    Parameters
    ----------
    evidence : Evidence
        What is known of a training.
    limits : Thresholds, optional
        By default those of ``thresholds.toml``.

    Returns
    -------
    verdicts : list of Verdict
        A symptom stands behind the fault that explains it. One verdict, "healthy", when there is no other.
    """
    limits = load_thresholds() if limits is None else limits
    floor = limits.number("general.min_confidence")
    found: dict[str, Verdict] = {}
    doubt = 0.0
    for name, look in JUDGES.items():
        verdict = look(evidence, limits)
        if verdict is None:
            continue
        if verdict.confidence >= floor:
            found[name] = verdict
        else:
            doubt = max(doubt, verdict.confidence)
    if not found:
        return [_healthy(evidence, confidence=1.0 - doubt)]
    return _ordered(found)


def _ordered(found: dict[str, Verdict]) -> list[Verdict]:
    """Take from each symptom what its causes explain already, and sort."""
    weighed = []
    for name, verdict in found.items():
        causes = [cause for cause in found if name in EXPLAINS.get(cause, ())]
        left = 1.0
        for cause in causes:
            left *= 1.0 - 0.8 * found[cause].confidence
        weighed.append(replace(verdict, explained_loss=verdict.explained_loss * left, explained_by=tuple(causes)))
    rank = {name: place for place, name in enumerate(JUDGES)}
    return sorted(weighed, key=lambda verdict: (-round(verdict.explained_loss, 6), rank[verdict.name]))


def primary(verdicts: list[Verdict], *, limits: Thresholds | None = None) -> list[Verdict]:
    """Return those of the ordered verdicts that are worth acting on now.

    Parameters
    ----------
    verdicts : list of Verdict
        As :func:`judge` orders them.
    limits : Thresholds, optional
        By default those of ``thresholds.toml``.

    Returns
    -------
    primary : list of Verdict
        One to three.
    """
    limits = load_thresholds() if limits is None else limits
    least = verdicts[0].explained_loss * limits.number("general.primary_share") if verdicts else 0.0
    return [each for each in verdicts if each.explained_loss >= least][: int(limits.number("general.primary"))]


def _healthy(evidence: Evidence, *, confidence: float) -> Verdict:
    entry, seen = CATALOGUE["healthy"], evidence.output
    figures: dict[str, float] = {}
    sentence = "Nothing was found that keeps the network from learning."
    if seen is not None:
        score = seen.train_score if seen.val_score is None else seen.val_score
        figures = {"score": round(score, 6), "baseline": round(seen.baseline_score, 6)}
        peers = (seen.linear_score, seen.neighbours_score, seen.trees_score)
        best = max((each for each in peers if each is not None), default=None)
        sentence = f"The network scores {score:.3g} on held-out rows; a constant {seen.baseline_score:.3g}"
        if best is not None:
            figures["best_peer"] = round(best, 6)
            sentence += f", the best simple model {best:.3g}"
        sentence += "."
    return Verdict("healthy", sentence, dict(figures), entry.cause, entry.cure, confidence, 0.0)
