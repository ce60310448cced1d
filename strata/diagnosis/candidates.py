"""What a proof tries: the cures of the verdicts, and their rivals."""

from collections.abc import Sequence
from typing import Any

from strata.diagnosis.evidence import Evidence
from strata.diagnosis.prove import Change, unique_changes
from strata.diagnosis.verdicts import Verdict

__all__ = ["candidates", "room_for"]

_LEAKS = ("leakage_between_splits", "leakage_from_a_column")
#: Parameters that each cure names in the table, in words.
_WORDS = {
    "learning_rate_init": "rate {}",
    "activation": "{} units",
    "init": "init {}",
    "hidden_layer_sizes": "units {}",
    "alpha": "alpha {}",
    "l1": "l1 {}",
    "dropout": "dropout {}",
    "input_dropout": "input dropout {}",
    "max_iter": "{} epochs",
    "n_iter_no_change": "patience {}",
    "batch_size": "batches of {}",
    "shuffle": "shuffle={}",
    "class_weight": "class weights {}",
    "early_stopping": "early stopping={}",
    "grad_clip": "gradient norm at most {}",
    "loss": "loss {}",
    "out_activation": "output unit {}",
    "max_norm": "max_norm {}",
    "scale_inputs": "standardise inputs",
}
_ACTION_WORDS = {
    "standardize_inputs": "standardise inputs",
    "drop_columns": "without {}",
    "drop_duplicates": "without held-out rows that were trained on",
    "drop_non_finite_rows": "without rows of NaN or infinity",
    "shift_targets": "targets of {} rows later",
}


def candidates(verdicts: Sequence[Verdict], evidence: Evidence) -> list[Change]:
    """Return the changes to try, the cures of the verdicts first.

    Parameters
    ----------
    verdicts : sequence of Verdict
        The primary ones, in their order.
    evidence : Evidence
        What they were found from.

    Returns
    -------
    changes : list of Change
        Each once.
    """
    room = room_for(evidence)
    cures = [
        Change(_label(changes, actions), changes, actions, (verdict.name,), verdict.name in _LEAKS)
        for verdict in verdicts
        for changes, actions in [_whole(verdict, room)]
        if changes or actions
    ]
    return unique_changes([*cures, *_rivals(evidence)])


def room_for(evidence: Evidence) -> dict[str, Any]:
    """Return more epochs for a network that stopped by itself: it does not use them, but its cured twin may need them.

    Parameters
    ----------
    evidence : Evidence
        Of the network as it is.

    Returns
    -------
    room : dict of str to object
        ``max_iter``, or nothing where the epochs were used up and their number is itself in question.
    """
    curves = evidence.curves
    if curves.stop_reason not in ("early_stopping", "converged") or evidence.settings.solver.startswith("rprop"):
        return {}
    limit = curves.max_epochs or 200
    return {"max_iter": 1000} if limit < 1000 else {}


def _whole(verdict: Verdict, room: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the cure with "standardise" said in one way only, and without what every trial has."""
    changes = {name: value for name, value in verdict.changes.items() if room.get(name) != value}
    actions = dict(verdict.actions)
    if changes.pop("scale_inputs", False):
        actions["standardize_inputs"] = True
    return changes, actions


def _label(changes: dict[str, Any], actions: dict[str, Any]) -> str:
    words = [_ACTION_WORDS[name].format(_short(value)) for name, value in actions.items()]
    words += [_WORDS.get(name, name + " {}").format(_short(value)) for name, value in changes.items()]
    return ", ".join(words)


def _short(value: Any) -> str:
    if isinstance(value, (tuple, list)):
        return "-".join(map(str, value))
    return f"{value:g}" if isinstance(value, float) else str(value)


def _rivals(evidence: Evidence) -> list[Change]:
    """Return what people try first, whether or not a verdict says so."""
    settings, curves = evidence.settings, evidence.curves
    rivals = []
    if not settings.scale_inputs:
        rivals.append(Change("standardise inputs", {}, {"standardize_inputs": True}, implies="inputs_not_scaled"))
    rate = settings.learning_rate
    if rate is not None and not settings.solver.startswith(("lbfgs", "rprop")):
        for factor, implied in ((10.0, "learning_rate_too_low"), (0.1, "learning_rate_too_high")):
            new = float(f"{rate * factor:.6g}")
            rivals.append(Change(f"rate {new:g}", {"learning_rate_init": new}, implies=implied))
    limit = curves.max_epochs or 200
    if curves.stop_reason == "max_epochs":
        rivals.append(Change(f"{5 * limit} epochs", {"max_iter": 5 * limit}, implies="too_few_epochs"))
    elif curves.patience is not None:
        rivals.append(Change("patience 100", {"n_iter_no_change": 100}, implies="stopped_too_early"))
    sizes = settings.hidden_layer_sizes
    if sizes and max(sizes) <= 256:
        larger = tuple(4 * size for size in sizes)
        rivals.append(Change(f"units {_short(larger)}", {"hidden_layer_sizes": larger}, implies="underfits"))
    if settings.alpha > 1e-3:
        less = settings.alpha / 100
        rivals.append(Change(f"alpha {less:g}", {"alpha": less}, implies="regularization_too_strong"))
    activation = settings.parameters.get("activation")
    if activation in ("logistic", "tanh"):
        rivals.append(Change("relu units", {"activation": "relu"}))
    elif activation == "relu":
        rivals.append(Change("tanh units", {"activation": "tanh"}))
    return rivals
