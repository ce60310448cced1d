"""A run as a Python script that gives the same weights, to the last digit."""

from __future__ import annotations

import inspect
import math
from dataclasses import is_dataclass
from typing import Any

from strata import estimators
from strata.playground.configuration import Configuration
from strata.playground.rows import OWN, Own, Rows
from strata.playground.training import Leg
from strata.rules.schedules import Schedule

__all__ = ["script_of"]

_WIDTH = 108


def script_of(configuration: Configuration, rows: Rows, own: Own | None, legs: list[Leg]) -> str:
    """Write a run down.

    Parameters
    ----------
    configuration : Configuration
        Which data.
    rows : Rows
        The data.
    own : Own or None
        Data that the user brought.
    legs : list of Leg
        What was done, each with its end.

    Returns
    -------
    script : str
        Needs strata only; own tables are read from the file that was given to the page.
    """
    body = [*_data_lines(configuration, rows, own), "", *_split_lines(rows, configuration), "", *_run_lines(legs)]
    text = "\n".join(body)
    imports = [
        "import numpy as np",
        *(["from sklearn.model_selection import train_test_split"] if "train_test_split(" in text else []),
        "",
        *(["import strata"] if "strata.load(" in text else []),
        *_import("strata.data", ("load_set", "plane_features", "read_table"), text),
        *_import("strata.engine", ("StopAfter",), text),
        *([] if "strata.load(" in text else [f"from strata.estimators import {legs[0].model.name}"]),
        *_import("strata.rules.optimizers", _records("optimizers"), text),
        *_import("strata.rules.schedules", _records("schedules"), text),
    ]
    head = '"""What the strata playground did: the same data, the same network, the same weights."""'
    return "\n".join([head, "", *imports, "", text, ""])


def _records(kind: str) -> tuple[str, ...]:
    if kind == "optimizers":
        return ("SGD", "AdaGrad", "RMSProp", "Adam", "AdamW", "Rprop", "LBFGS")
    return ("InverseScaling", "Adaptive", "StepDecay", "Cosine", "OneCycle", "Warmup", "ReduceOnPlateau", "Constant")


def _import(module: str, names: tuple[str, ...], text: str) -> list[str]:
    used = sorted(name for name in names if f"{name}(" in text.replace("train_test_split(", ""))
    used = [name for name in used if any(f"{before}{name}(" in text for before in ("=", " ", "[", "("))]
    return [f"from {module} import {', '.join(used)}"] if used else []


def _data_lines(configuration: Configuration, rows: Rows, own: Own | None) -> list[str]:
    if configuration.dataset == OWN and own is not None:
        lines = _own_lines(own)
        target = own.target
    else:
        arguments = [repr(configuration.dataset)]
        if configuration.n_samples is not None and rows.plane:
            arguments.append(f"n_samples={configuration.n_samples}")
        if configuration.noise and rows.plane:
            arguments.append(f"noise={configuration.noise / 100!r}")
        if rows.plane:
            arguments.append(f"random_state={configuration.data_seed}")
        lines = [f"dataset = load_set({', '.join(arguments)})", "table = dataset.frame()"]
        target = "dataset.target_name"
    if configuration.dataset == OWN and own is not None:
        target = repr(target)
    lines.append(_long("points = table[", _list(rows.columns), "].to_numpy(dtype=float)"))
    kind = ".astype(float)" if rows.problem == "regression" else ""
    lines.append(f"y = table[{target}].to_numpy(){kind}")
    return lines


def _own_lines(own: Own) -> list[str]:
    if own.drawn:
        cells = ", ".join(str(row) for row in own.frame.to_numpy(dtype=float).tolist())
        kind = ".astype({'label': int})" if own.problem == "classification" else ""
        return [
            "import pandas as pd",
            "",
            f"table = pd.DataFrame([{cells}], columns=['x1', 'x2', 'label']){kind}  # drawn by hand",
        ]
    names = [str(name) for name in own.frame.columns]
    lines = ['table = read_table("data.csv")  # the file that was given to the page', f"table = table[{_list(names)}]"]
    used = [n for n in names if n == own.target or own.frame[n].dtype.kind in "bif"]
    if own.frame[used].isna().any(axis=None):
        lines.append(f"table = table.dropna(subset={_list(used)}).reset_index(drop=True)")
    return lines


def _split_lines(rows: Rows, configuration: Configuration) -> list[str]:
    if len(rows.train) == len(rows.y):
        lines = ["train = test = np.arange(len(y))"]
    else:
        stratify = ", stratify=y" if rows.stratified else ""
        lines = [
            f"train, test = train_test_split(np.arange(len(y)), train_size={len(rows.train)}, "
            f"random_state={configuration.data_seed}{stratify})"
        ]
    if rows.target_scale is not None:
        lines.append("y = (y - y[train].mean()) / y[train].std()")
    if rows.plane:
        lines.append(
            f"X_train, X_test = (plane_features(points[part], {_list(rows.features)}) for part in (train, test))"
        )
    else:
        places = [rows.columns.index(name) for name in rows.features]
        every = places == list(range(len(rows.columns)))
        lines.append(f"X = points{'' if every else f'[:, {places}]'}")
        lines.append("X_train, X_test = X[train], X[test]")
    return [*lines, "y_train, y_test = y[train], y[test]"]


def _run_lines(legs: list[Leg]) -> list[str]:
    first = legs[0]
    present = _arguments(first)
    if first.loaded:
        lines = ['model = strata.load("model")  # the folder that was opened in the page']
        present = dict(first.model.arguments)
        rest = legs[1:]
    else:
        lines, rest = _first_lines(first, present), legs[1:]
    for leg in rest:
        lines += ["", *_edit_lines(leg)]
        wanted = {**_arguments(leg), "warm_start": True}
        changed = {name: value for name, value in wanted.items() if name not in present or present[name] != value}
        changed |= {name: _default(leg, name) for name in present if name not in wanted}
        if changed:
            lines.append(_long("model.set_params(", _keywords(changed), ")"))
        present = wanted
        lines.append("model.fit(X_train, y_train)")
    if any(leg.last == leg.first and not leg.ended for leg in legs[-1:]) and first.model.name not in _STOPPABLE:
        lines[-1] = "# nothing was learned yet: call model.fit(X_train, y_train)"
    elif first.model.name != "McCullochPitts":
        lines.append('print(f"score on the test rows: {model.score(X_test, y_test):.4f}")')
    return lines


#: Estimators that can be stopped before the first epoch.
_STOPPABLE = ("MLPClassifier", "MLPRegressor")


def _first_lines(leg: Leg, arguments: dict[str, Any]) -> list[str]:
    return [_long(f"model = {leg.model.name}(", _keywords(arguments), ")"), "model.fit(X_train, y_train)"]


def _arguments(leg: Leg) -> dict[str, Any]:
    """Return the arguments of a leg, with what makes it end where it did."""
    arguments = dict(leg.model.arguments)
    if leg.ended or leg.last is None or leg.model.name == "McCullochPitts":
        return arguments
    n_epochs = leg.last - leg.first
    if arguments.get("early_stopping"):
        arguments["restore_best"] = False
    if leg.model.name in _STOPPABLE and (n_epochs == 0 or arguments.get("schedule") is not None):
        arguments["callbacks"] = _Code(f"[StopAfter({n_epochs})]")
    else:
        arguments["max_iter"] = max(1, n_epochs)
    return arguments


class _Code(str):
    """Text that stands in the script as it is."""

    __slots__ = ()


def _edit_lines(leg: Leg) -> list[str]:
    lines = []
    for layer, source, to, value in leg.edits:
        if leg.model.name == "Perceptron":
            place = f"model.intercept_[{to}]" if source is None else f"model.coef_[{to}, {source}]"
        else:
            place = f"model.intercepts_[{layer}][{to}]" if source is None else f"model.coefs_[{layer}][{source}, {to}]"
        lines.append(f"{place} = {_value(value)}  # by hand")
    return lines


def _default(leg: Leg, name: str) -> Any:
    return inspect.signature(getattr(estimators, leg.model.name)).parameters[name].default


def _keywords(arguments: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_value(value)}" for name, value in arguments.items())


def _value(value: Any) -> str:
    if isinstance(value, _Code):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f'float("{value}")'
    if isinstance(value, Schedule) or is_dataclass(value):
        return repr(value)
    return repr(value)


def _list(names: Any) -> str:
    return repr([str(name) for name in names])


def _long(before: str, inside: str, after: str) -> str:
    """Return a call on one line, or with its arguments on a line of their own."""
    whole = before + inside + after
    return whole if len(whole) <= _WIDTH else f"{before}\n    {inside}\n{after}"
