"""From a plan to the estimator that does it."""

from collections.abc import Mapping
from typing import Any

import strata.estimators
from strata.estimators.table import TableClassifier, TableRegressor
from strata.nn._r_random import r_random_state
from strata.report.planning import Plan

__all__ = ["build_estimator", "network_of"]


def build_estimator(plan: Plan, settings: Mapping[str, Any]) -> Any:
    """Return the unfitted estimator of a plan.

    Parameters
    ----------
    plan : Plan
        Inputs as a table or as plain numbers, and the recipe.
    settings : mapping of str to object
        Seed, device, folders and the like; what the estimator does not know is left out.

    Returns
    -------
    estimator : estimator
        For plain numbers the estimator of the recipe; for a table the one that encodes it first.
    """
    kind = getattr(strata.estimators, plan.recipe.estimator)
    known = set(kind._get_param_names())
    chosen = {name: value for name, value in settings.items() if name in known and value is not None}
    if plan.recipe.parameters.get("init") == "neuralnet":
        chosen["random_state"] = r_random_state(plan.seed)  # the weights that R starts from after set.seed
    if plan.is_raw:
        return kind(**plan.recipe.parameters, **chosen, scale_inputs=plan.recipe.scale)
    network = kind(**plan.recipe.parameters, **chosen)
    if plan.problem.task == "classification":
        return TableClassifier(network, scale=plan.recipe.scale)
    scale_target = "auto" if plan.recipe.scale else False
    return TableRegressor(network, scale=plan.recipe.scale, scale_target=scale_target)


def network_of(estimator: Any) -> Any:
    """Return what was trained inside an estimator that encodes tables; else the estimator itself.

    Parameters
    ----------
    estimator : estimator
        Fitted.

    Returns
    -------
    inner : estimator
        With ``loss_``, ``n_iter_``, ``history_`` and the like.
    """
    inner = getattr(estimator, "network_", None)
    return inner if hasattr(inner, "get_params") else estimator  # of pictures it is the module itself
