"""From a configuration to an estimator of the library, as a class name and its arguments."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, fields, replace
from typing import Any

from strata import estimators
from strata.playground.configuration import Configuration
from strata.playground.rows import Rows
from strata.rules.optimizers import get_optimizer
from strata.rules.schedules import SCHEDULES, Schedule

__all__ = ["GATE_NAMES", "Model", "SELF_MADE", "model_for"]

#: Gates that a single neuron can compute, of two inputs.
GATE_NAMES = ("and", "or", "nand", "nor")
#: Solvers whose short names have constants of their own in an estimator, scikit-learn's.
SELF_MADE = ("adam", "sgd", "lbfgs")
_NETWORK_ONLY = ("early_stopping", "validation_fraction", "max_fun", "warm_start", "restore_best")


@dataclass(frozen=True)
class Model:
    """A class of :mod:`strata.estimators` and the arguments that differ from its defaults.

    Attributes
    ----------
    name : str
        Name of the class.
    arguments : dict of str to object
        Keyword arguments.
    """

    name: str
    arguments: dict[str, Any]

    def build(self, **more: Any) -> Any:
        """Return the estimator, unfitted."""
        return getattr(estimators, self.name)(**{**self.arguments, **more})


def model_for(configuration: Configuration, rows: Rows) -> Model:
    """Return the estimator that a configuration means.

    Parameters
    ----------
    configuration : Configuration
        The state of the room.
    rows : Rows
        What it learns from.

    Returns
    -------
    model : Model
        Class and arguments.

    Raises
    ------
    ValueError
        If the mode cannot learn these rows, or a setting is unknown.
    """
    makers = {"network": _network, "bagging": _bag, "perceptron": _perceptron, "delta": _delta, "gate": _gate}
    return makers[configuration.mode](configuration, rows)


def _shortened(name: str, arguments: dict[str, Any]) -> Model:
    """Leave out the arguments that are defaults of the class."""
    parameters = inspect.signature(getattr(estimators, name)).parameters
    kept = {}
    for key, value in arguments.items():
        default = parameters[key].default
        if type(value) is not type(default) or value != default:
            kept[key] = value
    return Model(name, kept)


def _network_arguments(configuration: Configuration, rows: Rows) -> dict[str, Any]:
    c = configuration
    batch_size = min(c.batch_size, len(rows.train))
    classes = rows.problem == "classification"
    loss = c.loss if c.loss != "auto" else ("auto" if classes else "squared_error")
    return {
        "hidden_layer_sizes": tuple(c.hidden),
        "activation": _activation(c),
        "solver": _solver(c),
        "learning_rate_init": float(c.learning_rate),
        "batch_size": batch_size,
        "alpha": c.l2 * batch_size,
        "l1": c.l1 * batch_size,
        "dropout": tuple(c.dropout) if any(c.dropout) else 0.0,
        "input_dropout": float(c.input_dropout),
        "init": c.initializer,
        "schedule": _schedule(c),
        "grad_clip": c.grad_clip,
        "loss": loss,
        "out_activation": c.out_activation,
        "scale_inputs": rows.scale,
        "max_iter": c.max_epochs,
        "tol": 0.0,
        "n_iter_no_change": float("inf"),
        "random_state": c.seed,
    }


def _activation(configuration: Configuration) -> str | tuple[str, ...]:
    names = configuration.activations[: len(configuration.hidden)]
    if len(set(names)) <= 1:
        return names[0] if names else "tanh"
    return tuple(names)


def _network(configuration: Configuration, rows: Rows) -> Model:
    arguments = _network_arguments(configuration, rows)
    if configuration.early_stopping:
        known = {"n_iter_no_change": 10, "tol": 1e-4, "validation_fraction": 0.1}
        unknown = set(configuration.early_stopping_settings) - set(known)
        if unknown:
            raise ValueError(f"`early_stopping_settings` has no {sorted(unknown)[0]!r}. Known: {', '.join(known)}.")
        arguments |= {"early_stopping": True, **known, **configuration.early_stopping_settings}
    if configuration.solver == "lbfgs":
        arguments["tol"] = 1e-9
        arguments["n_iter_no_change"] = 10
    return _shortened("MLPClassifier" if rows.problem == "classification" else "MLPRegressor", arguments)


def _bag(configuration: Configuration, rows: Rows) -> Model:
    if configuration.solver == "lbfgs":
        raise ValueError("`solver` must not be 'lbfgs' in a bag of networks. Choose another one.")
    arguments = _network_arguments(configuration, rows)
    arguments["n_estimators"] = configuration.n_networks
    return _shortened("BaggedMLPClassifier" if rows.problem == "classification" else "BaggedMLPRegressor", arguments)


def _perceptron(configuration: Configuration, rows: Rows) -> Model:
    if rows.problem != "classification":
        raise ValueError("The perceptron answers yes or no: it needs a set of classes. Choose another data set.")
    settings = _known(configuration.mode_settings, {"stop_at_no_error": True})
    return _shortened(
        "Perceptron",
        {
            "eta0": float(configuration.learning_rate),
            "max_iter": configuration.max_epochs,
            "tol": None,
            "threshold_error": 0.0 if settings["stop_at_no_error"] else None,
            "random_state": configuration.seed,
        },
    )


def _delta(configuration: Configuration, rows: Rows) -> Model:
    if rows.problem == "classification" and (len(rows.labels) != 2 or rows.y.dtype.kind not in "bif"):
        raise ValueError("The delta rule learns numbers: it needs a target of numbers, or two classes with numbers.")
    settings = _known(configuration.mode_settings, {"activation": "identity", "automatic_rate": True})
    rate: Any = "auto" if settings["automatic_rate"] else float(configuration.learning_rate)
    return _shortened(
        "DeltaRulePerceptron",
        {
            "bias_rate": rate,
            "weight_rate": rate,
            "activation": settings["activation"],
            "max_iter": configuration.max_epochs,
            "tol": None,
        },
    )


def _gate(configuration: Configuration, rows: Rows) -> Model:
    settings = _known(configuration.mode_settings, {"gate": "and"})
    if settings["gate"] not in GATE_NAMES:
        raise ValueError(f"`gate` must be one of {', '.join(GATE_NAMES)}. Received: gate={settings['gate']!r}.")
    if len(rows.features) != 2:
        raise ValueError(f"A gate has two inputs. Received: {len(rows.features)} features.")
    neuron: Any = estimators.McCullochPitts.gate(str(settings["gate"]))
    weights = [float(weight) for weight in neuron.weights]
    return _shortened("McCullochPitts", {"weights": weights, "threshold": float(neuron.threshold)})


def _known(settings: dict[str, Any], defaults: dict[str, Any]) -> dict[str, Any]:
    """Return settings with defaults filled in; those of other modes are left out."""
    return {name: settings.get(name, default) for name, default in defaults.items()}


def _solver(configuration: Configuration) -> Any:
    """Return a solver by name, or its record where a setting is not the default."""
    name, settings = configuration.solver, dict(configuration.solver_settings)
    if name == "lbfgs":
        return name
    spec: Any = get_optimizer(name)
    known = {item.name for item in fields(spec)} - {"learning_rate", "form"}
    changed: dict[str, Any] = {}
    for key, value in settings.items():
        for setting, merged in _merged(spec, key, value).items():
            if setting not in known:
                raise ValueError(f"The solver {name!r} has no setting {key!r}. Known: {', '.join(sorted(known))}.")
            changed[setting] = merged if setting not in changed else _both(changed[setting], merged, key)
    changed = {key: value for key, value in changed.items() if value != getattr(spec, key)}
    if changed or name in SELF_MADE:
        return replace(spec, learning_rate=float(configuration.learning_rate), **changed)
    return name


def _merged(spec: Any, key: str, value: Any) -> dict[str, Any]:
    """Return a setting under the name of its field; a part of a pair, such as "betas.1", inside the whole pair."""
    base, dot, place = key.partition(".")
    pair = getattr(spec, base, None)
    if dot and isinstance(pair, tuple) and place in ("0", "1"):
        return {base: tuple(value if str(i) == place else item for i, item in enumerate(pair))}
    return {key: value}


def _both(first: Any, second: Any, key: str) -> Any:
    """Return a pair of which both parts were set."""
    if not isinstance(second, tuple):
        return second
    place = int(key[-1])
    return tuple(second[i] if i == place else item for i, item in enumerate(first))


def _schedule(configuration: Configuration) -> str | Schedule | None:
    name, settings = configuration.schedule, configuration.schedule_settings
    if name == "constant":
        return None
    if name not in SCHEDULES:
        raise ValueError(f"`schedule` must be one of {', '.join(SCHEDULES)}. Received: schedule={name!r}.")
    given = {key: value for key, value in settings.items() if value is not None}
    try:
        return SCHEDULES[name](**given) if given else name
    except TypeError as error:
        raise ValueError(f"The schedule {name!r} refuses its settings: {error}.") from None
