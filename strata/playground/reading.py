"""From arguments of an estimator back to fields of the configuration: for cures, and for opened models."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strata.playground.configuration import Configuration
from strata.rules.optimizers import OptimizerSpec, describe_optimizer

__all__ = ["fields_of"]

_SAME = {
    "learning_rate_init": "learning_rate", "init": "initializer", "grad_clip": "grad_clip", "loss": "loss",
    "out_activation": "out_activation", "early_stopping": "early_stopping", "input_dropout": "input_dropout",
    "scale_inputs": "scale",
}  # fmt: skip
#: Short names that an estimator has forms of its own for.
_FORMS = {"adam": "adam-efficient", "sgd": "nesterov-lecture", "momentum": "momentum-framework"}


def fields_of(arguments: Mapping[str, Any], configuration: Configuration) -> tuple[dict[str, Any], list[str]]:
    """Translate arguments of a network.

    Parameters
    ----------
    arguments : mapping of str to object
        As ``set_params`` takes them.
    configuration : Configuration
        Where the rest stands.

    Returns
    -------
    changes : dict
        Fields of the configuration.
    left : list of str
        Arguments that have no field.
    """
    changes: dict[str, Any] = {}
    left = []
    sizes = arguments.get("hidden_layer_sizes")
    if sizes is not None:
        changes["hidden"] = [int(size) for size in (sizes if isinstance(sizes, (tuple, list)) else [sizes])]
    n_hidden = len(changes.get("hidden", configuration.hidden))
    batch = arguments.get("batch_size", configuration.batch_size)
    batch_size = int(batch) if not isinstance(batch, str) else configuration.batch_size
    for name, value in arguments.items():
        if name in _SAME:
            changes[_SAME[name]] = value
        elif name == "activation":
            changes["activations"] = list(value) if isinstance(value, (tuple, list)) else [value] * n_hidden
        elif name == "dropout":
            shares = list(value) if isinstance(value, (tuple, list)) else [value] * n_hidden
            changes["dropout"] = [float(share) for share in shares] if any(shares) else []
        elif name == "solver":
            changes |= _solver(value)
        elif name == "batch_size":
            changes["batch_size"] = batch_size
        elif name in ("alpha", "l1"):
            changes["l2" if name == "alpha" else "l1"] = float(value) / batch_size
        elif name == "max_iter":
            changes["max_epochs"] = int(value)
        elif name == "schedule" and (value is None or isinstance(value, str)):
            changes["schedule"] = value or "constant"
            changes["schedule_settings"] = {}
        elif name not in ("hidden_layer_sizes", "random_state", "tol", "n_iter_no_change"):
            left.append(name)
    return changes, left


def _solver(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        bare = _FORMS.get(value, value)
        return {"solver": bare if "-" in bare or bare == "lbfgs" else f"{bare}-framework", "solver_settings": {}}
    if not isinstance(value, OptimizerSpec):
        return {}
    record = describe_optimizer(value)
    name = record.pop("name") if value.name == "lbfgs" else f"{record.pop('name')}-{value.form}"
    record.pop("form", None)
    rate = record.pop("learning_rate")
    settings: dict[str, Any] = {}
    for key, item in record.items():
        if isinstance(item, (tuple, list)):
            settings |= {f"{key}.{place}": part for place, part in enumerate(item)}
        elif item is not None:
            settings[key] = item
    return {"solver": name, "solver_settings": settings, "learning_rate": rate}
