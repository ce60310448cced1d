"""The training process of these rooms: as that of *Neurons*, but it shows where it stands between batches too."""

from __future__ import annotations

from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strata.engine import Run
from strata.nn.dense import DenseNetwork
from strata.playground.models import Model
from strata.playground.training import Job, Leg, Link, Trainer, TrainingProcess
from strata.rules.base import Rule

__all__ = [
    "Snapshot",
    "adopt",
    "begin",
    "live_trainer",
    "network_of_model",
    "snapshot_of_model",
    "snapshot_of_rule",
]

#: Arrays by their names in the state of a rule.
Snapshot = dict[str, NDArray[Any]]
_PREFIXES = ("network.", "rbm.", "chains")


def snapshot_of_rule(rule: Rule) -> Snapshot:
    """Return a copy of what a rule has learned, without its optimizer.

    Parameters
    ----------
    rule : Rule
        With a network or a Boltzmann machine.

    Returns
    -------
    snapshot : dict of str to ndarray
        Copies, by the names of the rule's state.
    """
    state = rule.state_dict()
    return {
        name: value.detach().cpu().numpy().copy()
        for name, value in state.items()
        if name.startswith(_PREFIXES) and hasattr(value, "detach")
    }


def snapshot_of_model(model: Any) -> Snapshot:
    """Return a copy of what a fitted estimator has learned.

    Parameters
    ----------
    model : estimator
        Of one of these rooms.

    Returns
    -------
    snapshot : dict of str to ndarray
        As of the rule that trained it.
    """
    if hasattr(model, "components_"):
        return {
            "rbm.weight": np.asarray(model.components_).T.copy(),
            "rbm.visible_bias": np.array(model.intercept_visible_),
            "rbm.hidden_bias": np.array(model.intercept_hidden_),
            "chains": np.array(model.h_samples_),
        }
    network = network_of_model(model)
    return {f"network.{name}": value.cpu().numpy().copy() for name, value in network.state_dict().items()}


def network_of_model(model: Any) -> Any:
    """Return the module that a fitted estimator answers with.

    Parameters
    ----------
    model : ImageClassifier, MLPClassifier or Autoencoder
        Fitted.

    Returns
    -------
    network : nn.Module
        It shares its memory with the estimator.
    """
    if not hasattr(model, "coefs_"):
        return model.network_
    network: DenseNetwork = model._current_network()
    return network


def adopt(model: Any, snapshot: Snapshot) -> None:
    """Put what a training process has learned into an estimator that was fitted for no epoch.

    Parameters
    ----------
    model : estimator
        Of the same plan.
    snapshot : dict of str to ndarray
        Of that process.
    """
    if hasattr(model, "components_"):
        model.components_ = np.ascontiguousarray(snapshot["rbm.weight"].T)
        model.intercept_visible_ = snapshot["rbm.visible_bias"]
        model.intercept_hidden_ = snapshot["rbm.hidden_bias"]
        if "chains" in snapshot and snapshot["chains"].size:
            model.h_samples_ = snapshot["chains"]
        return
    own = network_of_model(model).state_dict()
    for name, value in own.items():
        value.copy_(value.new_tensor(snapshot[f"network.{name}"]))


class _LiveLink(Link):
    """Shows the network, holds and stops also between two batches: an epoch of a convolutional network takes long."""

    def on_batch_end(self, run: Run) -> None:
        """Do what the room asks for."""
        control, process = self.process.control, self.process
        if control.generation != self.job.generation:
            run.stop("callback")
            return
        if control.wanted != process.answered:
            process.answered = control.wanted
            share = run.batch / max(1, run.source.n_batches or 1)
            figures = {**self._figures(run), "share": min(share, 1.0)}
            process.tell("weights", self.job, run.epoch, process.snapshot_of_rule(run.rule), figures)
        if run.epoch >= control.until:
            self._wait(run, run.epoch)


class _LiveProcess(TrainingProcess):
    link_class = _LiveLink
    snapshot_of_rule = staticmethod(snapshot_of_rule)  # type: ignore[assignment]
    snapshot_of_model = staticmethod(snapshot_of_model)  # type: ignore[assignment]

    def judge(self, run: Run) -> bool:
        """Judge nothing: these rooms show no verdicts."""
        return True

    def _judge_now(self, job: Job) -> None:
        """Judge nothing."""


def live_trainer(close: tuple[Connection, ...]) -> Trainer:
    """Return a new training process.

    Parameters
    ----------
    close : tuple of Connection
        Connections of the room that the child must not keep open.

    Returns
    -------
    trainer : Trainer
        Waiting for work.
    """
    return Trainer(close, _LiveProcess)


def begin(trainer: Trainer, plan: Model, X: Any, y: Any) -> None:
    """Begin to learn, held before the first epoch.

    Parameters
    ----------
    trainer : Trainer
        The process.
    plan : Model
        What learns.
    X, y : ndarray
        Rows or images, and classes or None.
    """
    trainer.allow(0)
    trainer.begin(Leg(plan), (X, y, None, None))
