"""Everything that can be chosen in the page, read from the library's registries."""

from __future__ import annotations

from dataclasses import fields
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints

import numpy as np

from strata.data import PLANE_FEATURES, list_sets, load_set
from strata.estimators._mlp_classifier import CLASSIFICATION_LOSSES
from strata.estimators._regression_mlp import REGRESSION_LOSSES
from strata.functional.activations import ACTIVATIONS
from strata.nn.init import INITIALIZERS
from strata.playground.models import GATE_NAMES, SELF_MADE
from strata.rules.optimizers import OPTIMIZERS
from strata.rules.schedules import SCHEDULES

__all__ = ["choices"]

_ALIASES = ("linear", "sigmoid", "swish")
_NOT_HIDDEN = ("step", "softmax")
_LABELS = {
    "sgd": "gradient descent", "adagrad": "AdaGrad", "rmsprop": "RMSProp", "adam": "Adam", "adamw": "AdamW",
    "rprop": "Rprop", "lbfgs": "L-BFGS", "momentum": "momentum", "nesterov": "Nesterov momentum",
}  # fmt: skip
_PREVIEW = 120


def choices() -> dict[str, Any]:
    """Return every choice of the room *Neurons*.

    Returns
    -------
    choices : dict
        Lists of records with ``name`` and ``label``; settings with their kind, default and range.
    """
    return {
        "datasets": _datasets(),
        "features": [{"name": name, "label": name} for name in PLANE_FEATURES],
        "activations": _names(name for name in ACTIVATIONS if name not in (*_ALIASES, *_NOT_HIDDEN)),
        "out_activations": _names(["auto", *(name for name in ACTIVATIONS if name not in (*_ALIASES, "step"))]),
        "solvers": _solvers(),
        "initializers": _names(["auto", *INITIALIZERS]),
        "losses": _losses(),
        "schedules": [_record(name, name.replace("_", " "), _settings(kind)) for name, kind in SCHEDULES.items()],
        "modes": _modes(),
        "problems": _names(["auto", "classification", "regression"]),
        "early_stopping": {
            "settings": [
                _setting("n_iter_no_change", 10, kind="int", least=1),
                _setting("tol", 1e-4, kind="float", least=0),
                _setting("validation_fraction", 0.1, kind="float", least=0.05, most=0.5),
            ]
        },
    }


def _names(names: Any) -> list[dict[str, Any]]:
    return [{"name": name, "label": name.replace("_", " ")} for name in names]


def _record(name: str, label: str, settings: list[dict[str, Any]], **more: Any) -> dict[str, Any]:
    return {"name": name, "label": label, **more, "settings": settings}


def _setting(name: str, default: Any, *, kind: str, least: Any = None, most: Any = None, among: Any = None) -> Any:
    found = {"name": name, "label": name.replace("_", " ").replace(".", " "), "kind": kind, "default": default}
    for key, value in (("min", least), ("max", most), ("choices", among)):
        if value is not None:
            found[key] = list(value) if key == "choices" else value
    return found


@cache
def _datasets() -> list[dict[str, Any]]:
    found = []
    for info in list_sets():
        if info.downloadable:
            continue
        plane = info.generated
        found.append(
            {
                "name": info.name,
                "label": info.name.replace("-", " ").replace("_", " "),
                "description": info.description,
                "problem": info.task,
                "group": "plane" if plane else "bundled",
                "n_features": info.n_features,
                "n_classes": info.n_classes,
                "preview": _preview(info.name),
            }
        )
    return sorted(found, key=lambda entry: (entry["group"] != "plane", str(entry["name"]).startswith("gate")))


def _preview(name: str) -> list[list[float]]:
    """Return at most 120 points of a set in [-1, 1]: its first two columns of numbers and its target."""
    dataset = load_set(name)
    frame = dataset.frame()
    columns = [c for c in frame.columns if c != dataset.target_name and frame[c].dtype.kind in "bif"][:2]
    points = frame[columns].to_numpy(dtype=np.float64)
    y = np.asarray(dataset.y)
    kinds = y.astype(float) if dataset.task == "regression" else np.unique(y, return_inverse=True)[1].astype(float)
    if len(points) > _PREVIEW:
        places = np.linspace(0, len(points) - 1, _PREVIEW).astype(int)
        points, kinds = points[places], kinds[places]
    low, high = points.min(axis=0), points.max(axis=0)
    points = 1.8 * (points - low) / np.where(high > low, high - low, 1.0) - 0.9
    return [[round(float(value), 3) for value in row] for row in np.column_stack([points, kinds])]


def _losses() -> list[dict[str, Any]]:
    classes = [
        name for name in CLASSIFICATION_LOSSES if name not in ("log_loss", "cross_entropy", "binary_cross_entropy")
    ]
    found = []
    for problem, names in (("classification", classes), ("regression", ("auto", *REGRESSION_LOSSES))):
        for name in names:
            label = name.replace("_", " ")
            if name == "auto":
                label = "cross-entropy" if problem == "classification" else "squared error"
            found.append({"name": name, "label": label, "problem": problem})
    return found


def _solvers() -> list[dict[str, Any]]:
    """List every optimizer in its forms; names that mean the same as another are left out."""
    found = []
    for name, spec in OPTIMIZERS.items():
        base, _, form = name.partition("-")
        if name.endswith(("+", "-")) or (not form and name != "lbfgs"):
            continue
        label = _LABELS[base] + (f", {form} form" if form else "")
        found.append(_record(name, label, [] if name in SELF_MADE else _settings(type(spec), spec), form=form or None))
    return found


def _settings(kind: Any, values: Any = None) -> list[dict[str, Any]]:
    """List the settings of a record of constants: what its class declares, with the defaults of ``values``."""
    hints, found = get_type_hints(kind), []
    for item in fields(kind):
        if not item.init or item.name in ("learning_rate", "form"):
            continue
        default = getattr(values, item.name) if values is not None else item.default
        found += _fields(item.name, default, hints[item.name])
    return found


def _fields(name: str, default: Any, hint: Any) -> list[dict[str, Any]]:
    if isinstance(default, tuple):
        return [_setting(f"{name}.{place}", value, kind="float", least=0) for place, value in enumerate(default)]
    kinds = get_args(hint) or (hint,)
    among = [value for each in (hint, *kinds) if str(get_origin(each)) == "typing.Literal" for value in get_args(each)]
    if among:
        return [_setting(name, default, kind="choice", among=among)]
    if bool in kinds:
        return [_setting(name, default, kind="bool")]
    if float in kinds or isinstance(default, float):
        return [_setting(name, default, kind="float", least=0)]
    if int in kinds:
        return [_setting(name, default, kind="int", least=0)]
    if name == "then":
        return [_setting(name, default, kind="choice", among=[each for each in SCHEDULES if each != "warmup"])]
    return []


def _modes() -> list[dict[str, Any]]:
    delta = [name for name in ACTIVATIONS if name not in (*_NOT_HIDDEN, *_ALIASES)]
    return [
        _record("network", "network", []),
        _record("perceptron", "perceptron", [_setting("stop_at_no_error", True, kind="bool")]),
        _record(
            "delta",
            "delta rule",
            [
                _setting("activation", "identity", kind="choice", among=delta),
                _setting("automatic_rate", True, kind="bool"),
            ],
        ),
        _record("gate", "McCulloch–Pitts gate", [_setting("gate", "and", kind="choice", among=GATE_NAMES)]),
        _record("bagging", "bagging", []),
    ]
