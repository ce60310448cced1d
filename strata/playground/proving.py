"""Diagnosis in the page: proofs in a process of their own, and cures as changes of the configuration."""

from __future__ import annotations

import multiprocessing
import os
import sys
import warnings
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

import numpy as np
import torch

from strata.diagnosis import diagnose
from strata.playground.configuration import Configuration
from strata.playground.limits import LIMITS
from strata.playground.models import Model
from strata.playground.reading import fields_of
from strata.playground.side import Side

__all__ = ["Work", "cure_of", "start_proof", "verdict_of"]

_LEAST_EPOCHS, _MOST_EPOCHS = 30, 400
_COLUMNS = ("change", "held-out score", "spread", "gain", "helps")


class Work:
    """Something that takes long, in a process of its own.

    Parameters
    ----------
    number : int
        Message that is answered when it is done.
    target : callable
        ``target(*arguments)`` returns the answer; what it writes to the standard error tells how far it is.
    arguments : tuple
        Handed over by forking, never copied.
    close : tuple of Connection
        Connections that the child must not keep open.

    Attributes
    ----------
    connection : Connection
        Gives ``(kind, value)``: "progress" with a text, "done" with the answer, or "failed" with a sentence.
    """

    def __init__(
        self, number: int, target: Callable[..., Any], arguments: tuple[Any, ...], close: tuple[Connection, ...]
    ) -> None:
        context = multiprocessing.get_context("fork")
        self.number = number
        self.connection, theirs = context.Pipe()
        inside = (self.connection, *close)
        self._process = context.Process(target=_work, args=(theirs, target, arguments, inside), daemon=True)
        self._process.start()
        theirs.close()

    def close(self) -> None:
        """End it, finished or not."""
        self._process.terminate()
        self._process.join(2.0)
        self.connection.close()


class _Teller:
    """A stream whose lines are messages."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def write(self, text: str) -> int:
        """Send a line."""
        if text.strip():
            self._connection.send(("progress", text.strip().removeprefix("diagnose: ")))
        return len(text)

    def flush(self) -> None:
        """Do nothing: every line is sent at once."""


def _work(theirs: Connection, target: Callable[..., Any], arguments: tuple[Any, ...], inside: Any) -> None:
    for connection in inside:
        connection.close()
    os.nice(10)
    torch.set_num_threads(1)
    sys.stderr = _Teller(theirs)
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            theirs.send(("done", target(*arguments)))
    except (ValueError, TypeError, ArithmeticError, LookupError, RuntimeError, MemoryError) as error:
        theirs.send(("failed", " ".join(str(error).split())[:1000]))


def start_proof(side: Side, code: str, number: int, close: tuple[Connection, ...]) -> Work:
    """Train again with each cure and its rivals, as many epochs as the page did.

    Parameters
    ----------
    side : Side
        A network.
    code : str
        Name of a verdict.
    number : int
        Message to answer.
    close : tuple of Connection
        Connections that the child must not keep open.

    Returns
    -------
    work : Work
        Its answer is the table.

    Raises
    ------
    ValueError
        If there is no such verdict.
    """
    verdict_of(side, code)
    n_epochs = int(np.clip(side.last_epoch, _LEAST_EPOCHS, _MOST_EPOCHS))
    data = (*side.rows.part(side.rows.train), *side.rows.part(side.rows.test))
    return Work(number, _prove, (side.model, n_epochs, data, code), close)


def verdict_of(side: Side, code: str) -> dict[str, Any]:
    """Return a verdict that was given.

    Parameters
    ----------
    side : Side
        A network.
    code : str
        Name of the verdict.

    Returns
    -------
    verdict : dict
        As the page shows it.

    Raises
    ------
    ValueError
        If it was not given.
    """
    for verdict in side.verdicts:
        if verdict["name"] == code:
            return verdict
    known = ", ".join(verdict["name"] for verdict in side.verdicts) or "none yet"
    raise ValueError(f"`code` must be a verdict on this run ({known}). Received: code={code!r}.")


def _prove(model: Model, n_epochs: int, data: tuple[Any, Any, Any, Any], code: str) -> dict[str, Any]:
    X, y, X_val, y_val = data
    network = model.build(max_iter=n_epochs)
    diagnosis = diagnose(network, X, y, X_val=X_val, y_val=y_val, prove=True, progress=True)
    proof = diagnosis.proof
    if proof is None:
        raise ValueError("There was nothing to try.")
    trials = [proof.base, *proof.trials, *proof.together]
    rows = [
        [t.change.label, round(t.mean, 4), round(t.spread, 4), None if t is proof.base else round(t.gain, 4), t.helps]
        for t in trials
    ]
    found = [v for v in (*diagnosis.verdicts, *diagnosis.others) if v.name == code]
    best = proof.best
    sentence = (
        f"Each row was trained {len(proof.base.scores)} times for {n_epochs} epochs and scored by {proof.metric} on "
        f"{proof.n_rows} held-out rows. "
        + ("No change helped beyond the spread over the seeds." if best is None else f"Best: {best.change.label}.")
    )
    columns = [proof.metric if name == "held-out score" else name for name in _COLUMNS]
    return {"columns": columns, "rows": rows, "sentence": sentence, "proven": found[0].proven if found else None}


def cure_of(side: Side, code: str, configuration: Configuration) -> tuple[dict[str, Any], list[str]]:
    """Return the cure of a verdict as changes of the configuration.

    Parameters
    ----------
    side : Side
        A network.
    code : str
        Name of a verdict.
    configuration : Configuration
        What is set now.

    Returns
    -------
    changes : dict
        Fields.
    left : list of str
        What the page cannot do, in words.

    Raises
    ------
    ValueError
        If there is no such verdict, or nothing of its cure can be done here.
    """
    verdict = verdict_of(side, code)
    changes, left = fields_of(verdict["changes"], configuration)
    actions = dict(verdict["actions"])
    if actions.pop("standardize_inputs", None):
        changes["scale"] = True
    if any(units > LIMITS.units for units in changes.get("hidden", [])):
        changes["hidden"] = [min(units, LIMITS.units) for units in changes["hidden"]][: LIMITS.layers]
        left.append(f"more than {LIMITS.units} units a layer, as many as the page shows")
    left += [name.replace("_", " ") for name in actions]
    if not changes:
        raise ValueError(f"This cannot be done by a setting of the page. {verdict['cure']}")
    return changes, [f"Not done: {name}." for name in left]
