"""What a network was asked to do, in the words of its estimator."""

import math
from typing import Any

import numpy as np

from strata.diagnosis.evidence import CurveEvidence, SettingsEvidence

__all__ = ["curves_of", "settings_of"]


def settings_of(network: Any, task: str, n_rows: int, *, scaled: bool) -> SettingsEvidence:
    """Return the settings of a multi-layer perceptron.

    Parameters
    ----------
    network : MLPClassifier or MLPRegressor
        Fitted, or not where that failed.
    task : {"classification", "regression"}
        Which of the two.
    n_rows : int
        Training rows.
    scaled : bool
        Whether something before it, or it itself, scales the inputs.

    Returns
    -------
    settings : SettingsEvidence
        The loss and the output unit as they were chosen, where "auto" was asked for.
    """
    parameters = network.get_params(deep=False)
    head = network._network.spec.heads[0] if hasattr(network, "_network") else None
    batch, solver, weights = parameters["batch_size"], parameters["solver"], parameters.get("class_weight")
    stochastic = str(solver) not in ("lbfgs", "rprop")
    arrays = (*getattr(network, "coefs_", ()), *getattr(network, "intercepts_", ()))
    return SettingsEvidence(
        task=task,
        estimator=type(network).__name__,
        hidden_layer_sizes=tuple(
            int(size) for size in np.atleast_1d(np.asarray(parameters["hidden_layer_sizes"], dtype=int))
        ),
        n_parameters=sum(values.size for values in arrays),
        loss=str(parameters["loss"]) if head is None else head.loss,
        out_activation=str(parameters["out_activation"]) if head is None else head.output_activation,
        solver=solver if isinstance(solver, str) else str(getattr(solver, "name", type(solver).__name__)),
        learning_rate=float(getattr(solver, "learning_rate", parameters["learning_rate_init"])),
        batch_size=(min(200, n_rows) if stochastic else n_rows) if batch == "auto" else int(min(batch, n_rows)),
        alpha=float(parameters["alpha"]),
        l1=float(parameters["l1"]),
        dropout=max(float(np.max(parameters["dropout"], initial=0.0)), float(parameters["input_dropout"])),
        max_norm=parameters["max_norm"],
        init=str(parameters["init"]),
        shuffle=bool(parameters["shuffle"]) if stochastic else None,  # the whole table has no order
        early_stopping=bool(parameters["early_stopping"]),
        scale_inputs=scaled,
        class_weight=None if weights is None else str(weights),
        parameters={name: value for name, value in parameters.items() if isinstance(value, (str, int, float, bool))},
    )


def curves_of(
    network: Any, losses: list[float], sampled: Any, *, broke: bool, stop_reason: str | None
) -> CurveEvidence:
    """Return the curves of a training.

    Parameters
    ----------
    network : MLPClassifier or MLPRegressor
        For its patience.
    losses : list of float
        Of each epoch, as trained.
    sampled : Curves or None
        Figures of fixed rows.
    broke : bool
        Whether a loss that is not finite ended it.
    stop_reason : str or None
        Why it ended otherwise.

    Returns
    -------
    curves : CurveEvidence
        With NaN as the last loss of a training that broke.
    """
    patience = float(network.n_iter_no_change)
    return CurveEvidence(
        loss=(*losses, math.nan) if broke else tuple(losses),
        val_loss=() if sampled is None else tuple(sampled.val_loss),
        val_score=() if sampled is None else tuple(sampled.val_score),
        val_epochs=() if sampled is None else tuple(sampled.epochs),
        train_loss=() if sampled is None else tuple(sampled.train_loss),
        train_score=() if sampled is None else tuple(sampled.train_score),
        stop_reason="diverged" if broke else stop_reason,
        n_epochs=len(losses) + broke,
        max_epochs=int(network.max_iter),
        patience=patience if math.isfinite(patience) else None,
    )
