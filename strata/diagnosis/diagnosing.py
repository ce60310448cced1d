"""The question itself: train once with an eye on it, judge, and on request prove."""

import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import sklearn.neural_network
import torch
from sklearn.base import clone
from sklearn.utils import check_random_state

from strata.diagnosis._splitting import split
from strata.diagnosis.candidates import candidates, room_for
from strata.diagnosis.catalogue import CATALOGUE
from strata.diagnosis.evidence import Evidence
from strata.diagnosis.gather import gather, gather_module
from strata.diagnosis.judging import judge, primary
from strata.diagnosis.prove import Proof, lead
from strata.diagnosis.prove import prove as prove_changes
from strata.diagnosis.result import Diagnosis
from strata.diagnosis.thresholds import load_thresholds
from strata.diagnosis.treatment import Rows, network_path, take
from strata.diagnosis.verdicts import Verdict
from strata.estimators import MLPClassifier, MLPRegressor

__all__ = ["diagnose", "from_evidence", "proven_first"]


def diagnose(
    estimator: Any,
    X: Any = None,
    y: Any = None,
    *,
    X_val: Any = None,
    y_val: Any = None,
    prove: bool = False,
    n_seeds: int = 3,
    random_state: int = 0,
    progress: bool = False,
    loss: Any = None,
    optimizer: Any = None,
    loader: Iterable[Any] | None = None,
    val_loader: Iterable[Any] | None = None,
    epochs: int = 20,
) -> Diagnosis:
    """Say why a network does not learn, or that it does.

    A copy of the network is trained once on the rows while a recorder looks on; the judges read what it saw. The
    estimator itself is not touched.

    Parameters
    ----------
    estimator : estimator or nn.Module
        A multi-layer perceptron of strata or scikit-learn, a table estimator, or a module of your own (then with
        ``loss``, ``optimizer`` and ``loader`` instead of ``X`` and ``y``).
    X : array-like or DataFrame of shape (n_samples, n_features), optional
        Inputs, as for ``fit``.
    y : array-like of shape (n_samples,), optional
        Targets, as for ``fit``.
    X_val : array-like or DataFrame of shape (n_val, n_features), optional
        Held-out inputs; by default a quarter of the rows, drawn at random.
    y_val : array-like of shape (n_val,), optional
        Their targets.
    prove : bool, default=False
        Train again with each cure and its rivals, one change at a time and then the best together, and compare
        held-out scores over seeds.
    n_seeds : int, default=3
        Fits of each trial of the proof.
    random_state : int, default=0
        Seed of the split, and of the network where it has none; its trials go on from there.
    progress : bool, default=False
        Write on the standard error what is being tried.
    loss : callable or str, optional
        Of a module: ``loss(scores, targets)``.
    optimizer : torch.optim.Optimizer, optional
        Of a module.
    loader : iterable of batches, optional
        Of a module: pairs (inputs, targets), to be gone through once an epoch.
    val_loader : iterable of batches, optional
        Of a module: held-out batches; by default a quarter of the training rows stands for them.
    epochs : int, default=20
        Of a module: how long to train.

    Returns
    -------
    diagnosis : Diagnosis
        Prints as plain sentences.

    Raises
    ------
    ValueError
        If an argument is missing or makes no sense.
    TypeError
        If ``estimator`` is not something that can be diagnosed.

    Examples
    --------
    >>> import numpy as np
    >>> import strata
    >>> rng = np.random.RandomState(0)
    >>> X = rng.normal(size=(300, 2))
    >>> y = (X[:, 0] > X[:, 1] ** 2).astype(int)
    >>> network = strata.MLPClassifier((20,), init="zeros", max_iter=50, random_state=0)
    >>> print(strata.diagnose(network, X, y).verdicts[0].name)
    symmetric_initialization
    """
    if isinstance(n_seeds, bool) or not isinstance(n_seeds, int) or n_seeds < 1:
        raise ValueError(f"`n_seeds` must be an integer of 1 or more. Received: n_seeds={n_seeds!r}.")
    if isinstance(estimator, torch.nn.Module):
        if prove:
            raise ValueError(
                "`prove` must be False for a module: it cannot be built again with other units or rates. "
                "Change one thing yourself and diagnose again."
            )
        return _diagnose_module(estimator, loss, optimizer, loader, val_loader=val_loader, epochs=epochs)
    for name, value in {"loss": loss, "optimizer": optimizer, "loader": loader, "val_loader": val_loader}.items():
        if value is not None:
            raise ValueError(f"`{name}` goes with a module. An estimator knows its own. Received: {name}={value!r}.")
    estimator = _as_ours(estimator)
    rows = split(estimator, X, y, X_val, y_val, random_state=random_state)
    estimator, first_seed = _seeded(estimator, random_state)
    say = _teller(progress)
    say("training with an eye on it")
    _, evidence = gather(estimator, rows.X, rows.y, X_val=rows.X_val, y_val=rows.y_val)
    if not prove:
        return from_evidence(evidence)
    return _with_proof(estimator, rows, evidence, n_seeds=n_seeds, random_state=first_seed, say=say)


def from_evidence(evidence: Evidence) -> Diagnosis:
    """Judge what a recorder or ``gather`` saw; costs next to nothing.

    Parameters
    ----------
    evidence : Evidence
        What is known.

    Returns
    -------
    diagnosis : Diagnosis
        Without proof.
    """
    return _diagnosis(judge(evidence), evidence, None)


def _diagnosis(verdicts: Sequence[Verdict], evidence: Evidence, proof: Proof | None) -> Diagnosis:
    chosen = primary(list(verdicts))
    names = {verdict.name for verdict in chosen}
    others = tuple(verdict for verdict in verdicts if verdict.name not in names)
    return Diagnosis(tuple(chosen), others, evidence, proof)


def _with_proof(
    estimator: Any, rows: Rows, evidence: Evidence, *, n_seeds: int, random_state: int, say: Any
) -> Diagnosis:
    verdicts = judge(evidence)
    shown = primary(verdicts)
    metric = "R^2" if evidence.settings.task == "regression" else "accuracy"
    if any(verdict.name == "class_imbalance" for verdict in shown):
        metric = "balanced accuracy"
    proof = prove_changes(
        estimator,
        _fewer(rows, random_state),
        candidates(shown, evidence),
        metric=metric,
        room=room_for(evidence),
        n_seeds=n_seeds,
        random_state=random_state,
        progress=say,
    )
    return _diagnosis(proven_first(verdicts, proof), evidence, proof)


def proven_first(verdicts: Sequence[Verdict], proof: Proof) -> list[Verdict]:
    """Mark the verdicts whose cure was tried, and move those that were not confirmed behind those that were.

    Parameters
    ----------
    verdicts : sequence of Verdict
        In the order of what they explain.
    proof : Proof
        What the trials showed.

    Returns
    -------
    verdicts : list of Verdict
        Proven ones first, then those that were not tried, then those whose cure did not help; otherwise in order.
        Where no cure helped and a rival did, the verdict that it implies stands first, and nothing is healthy.
    """
    outcome = {name: trial.helps for trial in proof.trials for name in trial.change.verdicts}
    marked = [replace(verdict, proven=outcome.get(verdict.name)) for verdict in verdicts]
    order = {True: 0, None: 1, False: 2}
    ordered = sorted(marked, key=lambda verdict: order[verdict.proven])
    shown = _shown_by_trial(proof, known={verdict.name for verdict in verdicts})
    if shown is None or any(verdict.proven for verdict in ordered):
        return ordered
    return [shown, *(verdict for verdict in ordered if verdict.name != "healthy")]


def _shown_by_trial(proof: Proof, *, known: set[str]) -> Verdict | None:
    """Return the verdict of a rival that helped where nobody suspected it."""
    best = lead(proof.trials)
    if best is None or best.change.implies is None or best.gain < load_thresholds().number("general.min_gap"):
        return None
    name, entry = best.change.implies, CATALOGUE[best.change.implies]
    if name in known:
        return None
    figures = {"before": round(proof.base.mean, 6), "after": round(best.mean, 6), "gain": round(best.gain, 6)}
    sentence = (
        f"No judge suspected it, but with {best.change.label} the held-out score rose from {proof.base.mean:.3f} to "
        f"{best.mean:.3f}."
    )
    return Verdict(
        name,
        sentence,
        figures,
        entry.cause,
        entry.cure,
        confidence=1.0,
        explained_loss=min(1.0, max(0.0, best.gain)),
        changes=dict(best.change.changes),
        actions=dict(best.change.actions),
        proven=True,
    )


def _diagnose_module(
    module: torch.nn.Module, loss: Any, optimizer: Any, loader: Any, *, val_loader: Any, epochs: int
) -> Diagnosis:
    for name, value in {"loss": loss, "optimizer": optimizer, "loader": loader}.items():
        if value is None:
            raise ValueError(f"`{name}` must be given with a module. Received: {name}=None.")
    return from_evidence(gather_module(module, loss, optimizer, loader, val_loader=val_loader, epochs=epochs))


def _as_ours(estimator: Any) -> Any:
    """Return strata's estimator of the same parameters for one of scikit-learn's; others as they are."""
    twins = {sklearn.neural_network.MLPClassifier: MLPClassifier, sklearn.neural_network.MLPRegressor: MLPRegressor}
    twin = twins.get(type(estimator))
    if twin is not None:
        return twin(**estimator.get_params(deep=False))
    if not hasattr(estimator, "get_params") or not hasattr(estimator, "fit"):
        raise TypeError(
            "`estimator` must be an estimator such as strata.MLPClassifier, or an nn.Module. "
            f"Received: {type(estimator).__name__}."
        )
    return estimator


def _seeded(estimator: Any, random_state: int) -> tuple[Any, int]:
    """Return the estimator with a seed, and the seed: its own where it has one."""
    name = f"{network_path(estimator)}random_state"
    own = estimator.get_params().get(name)
    if isinstance(own, (int, np.integer)):
        return estimator, int(own)
    name = name.replace("network__random_state", "random_state")
    return clone(estimator).set_params(**{name: random_state}), random_state


def _fewer(rows: Rows, random_state: int) -> Rows:
    most = int(load_thresholds().number("proof.rows"))
    if len(rows.y) <= most:
        return rows
    kept = np.sort(check_random_state(random_state).permutation(len(rows.y))[:most])
    return Rows(take(rows.X, kept), take(rows.y, kept), rows.X_val, rows.y_val)


def _teller(progress: bool) -> Any:
    if not progress:
        return lambda text: None

    def tell(text: str) -> None:
        sys.stderr.write(f"diagnose: {text}\n")

    return tell
