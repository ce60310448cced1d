"""Where a value that is not finite first appeared: the run is repeated from the last copy, step by step."""

from __future__ import annotations

import copy
import math
from typing import Any

import torch
from torch import Tensor

from strata.data.sources import Batch
from strata.diagnosis._lookback import Replica
from strata.diagnosis._sights import see_layers
from strata.diagnosis._terms import Terms
from strata.diagnosis.evidence import NonFiniteEvidence
from strata.diagnosis.recorder import Recorder
from strata.rules.base import Rule

__all__ = ["find_non_finite", "place_of"]


def find_non_finite(recorder: Recorder, terms: Terms, *, last_epoch: int) -> NonFiniteEvidence | None:
    """Repeat a run that broke and say which quantity of which layer was the first that is not finite.

    Parameters
    ----------
    recorder : Recorder
        That looked at the run.
    terms : Terms
        How rows are judged.
    last_epoch : int
        Epoch, counted from 1, in which the run broke.

    Returns
    -------
    found : NonFiniteEvidence or None
        None where the rule cannot be repeated, or the values stay finite.
    """
    run = recorder.run
    moment = next((each for each in reversed(recorder.moments) if each.state is not None), None)
    if run is None or moment is None or moment.state is None:
        return None
    replica = Replica(run.rule)
    rule = replica.rule
    if rule is None:
        return None
    rule.load_state_dict(copy.deepcopy(moment.state))
    step, history = moment.step, run.history.rows()
    with torch.random.fork_rng([replica.device] if replica.device.type == "cuda" else []):
        for epoch in range(moment.epoch, last_epoch):
            batches = run.source.epoch(epoch)
            stop = batches.n_batches if batches.n_batches is not None else 2**62
            for batch in batches.take(0, stop):
                step += 1
                rows = batch.to(replica.device)
                before = [tensor.detach().clone() for tensor in replica.network.parameters()]
                rule.train()
                figures, after = rule.step(rows), _bad_weights(replica)
                if math.isfinite(float(figures["loss"])) and after is None:
                    continue
                with torch.no_grad():
                    for own, kept in zip(replica.network.parameters(), before, strict=True):
                        own.copy_(kept)
                where, value = place_of(replica, rule, terms, rows) or after or ("loss", float(figures["loss"]))
                return NonFiniteEvidence(epoch + 1, step, where, value)
            rule.end_epoch(history[epoch] if epoch < len(history) else {"loss": math.inf})
    return None


def _bad_weights(replica: Replica) -> tuple[str, float] | None:
    """Return the first layer whose weights are not finite."""
    if all(bool(torch.isfinite(parameter).all()) for parameter in replica.network.parameters()):
        return None
    for name, weights in replica.weights().items():
        for weight in weights:
            if (bad := _first(weight)) is not None:
                return f"weights of {name}", bad
    return "weights", math.nan  # of a bias or a gain


def place_of(replica: Replica, rule: Rule, terms: Terms, rows: Batch) -> tuple[str, float] | None:
    """Return the first quantity of one step that is not finite, in the order of the computation, and its value.

    Parameters
    ----------
    replica : Replica
        With the weights that the step began with.
    rule : Rule
        In the mode of training.
    terms : Terms
        How rows are judged.
    rows : Batch
        The batch.

    Returns
    -------
    found : tuple of str and float, or None
        "inputs", "targets", "weights of hidden 1", "activation of hidden 2", "loss" or "gradient of output", and NaN
        or infinity. None where loss and gradient are finite: then the update itself is not.
    """
    for name, tensor in (("inputs", rows.x), ("targets", rows.y)):
        if (bad := _first(tensor)) is not None:
            return name, bad
    if (found := _bad_weights(replica)) is not None:
        return found
    rule.train()
    loss, sights = see_layers(replica.network, terms.loss, rows)
    for sight in sights:
        for values in (sight.z, sight.a):
            if (bad := _first(values)) is not None:
                return f"activation of {sight.name}", bad
    if not math.isfinite(loss):
        return "loss", loss
    for sight in reversed(sights):
        for values in (sight.delta, sight.gradient):
            if (bad := _first(values)) is not None:
                return f"gradient of {sight.name}", bad
    return None


def _first(values: Any) -> float | None:
    """Return the first value that is not finite."""
    if not isinstance(values, Tensor) or not values.is_floating_point():
        return None
    bad = values[~torch.isfinite(values)]
    return float(bad[0]) if bad.numel() else None
