"""Which estimator a name stands for, and the parameters it gets unless it is told others."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from strata._names import unknown_name
from strata.rules.optimizers import Rprop

__all__ = ["MODELS", "ModelEntry", "Recipe", "make_recipe"]

#: Rows of training from which some are kept aside to decide when to stop; below, they are worth more
#: for learning (on the digits, 1,437 rows, the accuracy is 1 to 2 points better without).
EARLY_STOPPING_ROWS = 5_000
#: With fewer rows nothing is held out unless it is asked for: a test part of three says nothing.
HELD_OUT_ROWS = 20


@dataclass(frozen=True)
class ModelEntry:
    """A name that ``model`` takes, or an estimator that only Python code uses.

    Parameters
    ----------
    name : str
        What ``--model`` takes.
    summary : str
        One line on what it is for.
    classification : str or None, default=None
        Estimator for classes.
    regression : str or None, default=None
        Estimator for numbers.
    """

    name: str
    summary: str
    classification: str | None = None
    regression: str | None = None

    @property
    def trainable(self) -> bool:
        """Whether ``train`` takes the name; the others are used from Python."""
        return self.classification is not None or self.regression is not None


MODELS: dict[str, ModelEntry] = {
    entry.name: entry
    for entry in (
        ModelEntry("autoencoder", "Codes of rows or pictures from which they can be given back; takes no target."),
        ModelEntry(
            "bagged-mlp",
            "Many multi-layer perceptrons on bootstrap samples, trained at once and averaged.",
            "BaggedMLPClassifier",
            "BaggedMLPRegressor",
        ),
        ModelEntry(
            "dbn",
            "Deep belief network: layers learn one by one without labels, then the whole by back-propagation.",
            "DBNClassifier",
            "DBNRegressor",
        ),
        ModelEntry(
            "delta-rule",
            "One linear neuron by the delta rule, with a rate for the weights and one for the bias.",
            None,
            "DeltaRulePerceptron",
        ),
        ModelEntry("mcculloch-pitts", "A neuron with fixed weights and a threshold; it does not learn (Python only)."),
        ModelEntry(
            "mlp",
            "Multi-layer perceptron: any depth, loss, optimizer and penalty. The default.",
            "MLPClassifier",
            "MLPRegressor",
        ),
        ModelEntry("multi-task-mlp", "One trunk with a head for each of several targets (Python only)."),
        ModelEntry("perceptron", "Rosenblatt's perceptron rule: linear, stops when no row is wrong.", "Perceptron"),
        ModelEntry("rbm", "Boltzmann machine: features without labels, and draws from them (Python only)."),
    )
}

#: R's neuralnet 1.44.2 in the terms of our estimators.
NEURALNET: dict[str, Any] = {
    "hidden_layer_sizes": (1,),
    "activation": "logistic",
    "loss": "half_squared",
    "out_activation": "identity",
    "init": "neuralnet",
    "init_sigma": 1.0,
    "alpha": 0.0,
    "shuffle": False,
    "max_iter": 100_000,
    "tol": 0.0,
    "n_iter_no_change": np.inf,
    "early_stopping": False,
}


@dataclass(frozen=True)
class Recipe:
    """What is going to be trained.

    Parameters
    ----------
    model : str
        Name of :data:`MODELS`.
    task : {"classification", "regression"}
        What is predicted.
    estimator : str
        Name of the estimator in :mod:`strata.estimators`.
    parameters : dict of str to object
        What it is constructed with, but for seeds, devices and folders.
    test_size : float
        Share of the rows held out; 0 tests on the training rows.
    scale : bool
        Whether numeric inputs are standardised.
    notes : tuple of str
        What a reader should know about the defaults.
    """

    model: str
    task: str
    estimator: str
    parameters: dict[str, Any]
    test_size: float
    scale: bool
    notes: tuple[str, ...] = field(default=())


def make_recipe(
    model: str,
    task: str,
    parameters: Mapping[str, Any] | None = None,
    *,
    n_rows: int,
    test_size: float | None = None,
    scale: bool | None = None,
    threshold: float | None = None,
    as_they_are: bool = False,
) -> Recipe:
    """Fill in what was not said.

    With ``solver="rprop"`` the defaults are those of R's neuralnet; otherwise scikit-learn's, with
    standardised inputs and, from 5,000 rows, early stopping.

    Parameters
    ----------
    model : str
        Name of :data:`MODELS`.
    task : {"classification", "regression"}
        What is predicted.
    parameters : mapping of str to object, optional
        What was said about the estimator; it wins over every default.
    n_rows : int
        Rows there are.
    test_size : float, optional
        Share of the rows to hold out; by default 0.2, and 0 for fewer than 20 rows or ``solver="rprop"``.
    scale : bool, optional
        Whether numeric inputs are standardised; by default they are, but not with ``solver="rprop"``.
    threshold : float, optional
        Stop of rprop: the largest partial derivative of the error. By default 0.01, as R's neuralnet.
    as_they_are : bool, default=False
        Whether the estimator gets the inputs unencoded, and scales them itself. A deep belief network then brings
        them to the range from 0 to 1; else its first layer is Gaussian, and learns slowly.

    Returns
    -------
    recipe : Recipe
        Everything said.

    Raises
    ------
    ValueError
        If the model is unknown, does not learn, or does not do the task; or if ``threshold`` comes
        without ``solver="rprop"``.

    Examples
    --------
    >>> make_recipe("mlp", "classification", {"solver": "rprop"}, n_rows=248).parameters["loss"]
    'half_squared'
    """
    if model not in MODELS:
        raise ValueError(unknown_name("model", model, MODELS))
    entry = MODELS[model]
    if not entry.trainable:
        raise ValueError(
            f"`model` must be one that `train` can fit. Received: model={model!r}, which is {entry.summary}"
        )
    estimator = entry.classification if task == "classification" else entry.regression
    if estimator is None:
        raise ValueError(f"`model` must be able to do a {task}. Received: model={model!r}, which cannot.")
    said = dict(parameters or {})
    is_rprop = said.get("solver") == "rprop"
    if threshold is not None and not is_rprop:
        raise ValueError(
            f"`threshold` must come with solver 'rprop'. Received: threshold={threshold!r}, "
            f"solver={said.get('solver', 'adam')!r}."
        )
    if is_rprop:
        filled, notes = _neuralnet(said, threshold)
        rest = Recipe(model, task, estimator, filled, 0.0, False, notes)
    else:
        defaults: dict[str, Any] = {}
        if model == "dbn":
            defaults["hidden_layer_sizes"] = (500, 500)
            if not {"solver", "learning_rate_init"} & set(said):
                defaults |= {"solver": "adam", "learning_rate_init": 0.002}  # on the digits 4 points better than SGD
        if model == "dbn" and not as_they_are and said.get("visible", "gaussian") == "gaussian":
            defaults |= {"visible": "gaussian", "pretraining_rate": 0.01}
        if model in ("mlp", "dbn") and n_rows >= EARLY_STOPPING_ROWS and said.get("solver") != "lbfgs":
            defaults["early_stopping"] = True
        few = n_rows < HELD_OUT_ROWS
        notes = ("fewer than 20 rows: none is held out",) if few and test_size is None else ()
        rest = Recipe(model, task, estimator, defaults | said, 0.0 if few else 0.2, True, notes)
    return Recipe(
        model,
        task,
        estimator,
        rest.parameters,
        rest.test_size if test_size is None else test_size,
        rest.scale if scale is None else scale,
        rest.notes,
    )


def _neuralnet(said: dict[str, Any], threshold: float | None) -> tuple[dict[str, Any], tuple[str, ...]]:
    rest = {name: value for name, value in said.items() if name not in ("solver", "learning_rate_init")}
    rate = float(said.get("learning_rate_init", 0.1))
    solver = Rprop(learning_rate=rate, threshold=0.01 if threshold is None else threshold)
    parameters = NEURALNET | {"solver": solver} | rest
    if "loss" in said and "out_activation" not in said:
        parameters["out_activation"] = "auto"
    return parameters, (
        "rprop: defaults of R's neuralnet (full batch, all rows, no scaling, half-squared error, R's random numbers)",
    )
