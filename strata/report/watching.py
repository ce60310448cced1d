"""The verdicts of a training from what was seen while it ran: no second training."""

from collections.abc import Sequence
from typing import Any

from strata.diagnosis import Evidence, Recorder, evidence_of, from_evidence
from strata.report.building import network_of
from strata.report.planning import Plan

__all__ = ["recorder_for", "verdicts", "watched_curves", "what_was_seen"]


def recorder_for(plan: Plan) -> Recorder | None:
    """Return the callback that looks on at a training, at a bounded number of epochs.

    Parameters
    ----------
    plan : Plan
        What is trained.

    Returns
    -------
    recorder : Recorder or None
        None for a model that the diagnosis does not know.
    """
    return Recorder() if plan.recipe.model == "mlp" else None


def what_was_seen(estimator: Any, plan: Plan) -> Evidence:
    """Return the evidence of a training that was looked at.

    Parameters
    ----------
    estimator : estimator
        Fitted with the recorder of :func:`recorder_for` among its callbacks.
    plan : Plan
        Its rows; those held out are the ones that it is judged on.

    Returns
    -------
    evidence : Evidence
        Simple methods that the network is compared with learn from at most 2,000 rows.

    Raises
    ------
    ValueError
        If nobody looked on.
    """
    callbacks = network_of(estimator).callbacks or ()
    recorder = next((each for each in callbacks if isinstance(each, Recorder)), None)
    if recorder is None:
        raise ValueError("`estimator` must have been trained with a recorder. Received: one without.")
    X, X_val = plan.inputs(plan.X_train), plan.inputs(plan.X_test)
    return evidence_of(estimator, X, plan.y_train, X_val=X_val, y_val=plan.y_test, watcher=recorder)


def verdicts(evidence: Evidence) -> dict[str, Any]:
    """Judge a training.

    Parameters
    ----------
    evidence : Evidence
        As :func:`what_was_seen` gives it.

    Returns
    -------
    verdicts : dict
        As ``Diagnosis.to_dict`` gives them, without the evidence of every layer.
    """
    found = from_evidence(evidence).to_dict()
    return {name: value for name, value in found.items() if name != "evidence"}


def watched_curves(evidence: Evidence) -> dict[str, Any] | None:
    """Return loss and score of the held-out rows beside those of training rows, at the epochs that were looked at.

    Parameters
    ----------
    evidence : Evidence
        As :func:`what_was_seen` gives it.

    Returns
    -------
    curves : dict or None
        ``epoch``, ``loss``, ``score``, ``train_loss`` and ``train_score``, without dropout and penalties; None where
        no epoch was looked at.
    """
    seen = evidence.curves
    if not seen.val_epochs:
        return None

    def plain(values: Sequence[float]) -> list[float]:
        return [float(value) for value in values]

    return {
        "epoch": [int(epoch) for epoch in seen.val_epochs],
        "loss": plain(seen.val_loss),
        "score": plain(seen.val_score),
        "train_loss": plain(seen.train_loss),
        "train_score": plain(seen.train_score),
    }
