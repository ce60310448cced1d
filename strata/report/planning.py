"""What a training would do, decided and checked before anything is trained or written."""

import dataclasses
import itertools
import math
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from sklearn.utils._param_validation import StrOptions

import strata.estimators
from strata._names import unknown_name
from strata.data import AuditReport, Split, TableEncoder, audit, split_rows
from strata.errors import DataError
from strata.report.problems import Problem, read_problem
from strata.report.recipes import MODELS, Recipe, make_recipe

__all__ = ["Plan", "check_words", "divide_rows", "encode_inputs", "plain_parameters", "plan_training"]

#: Parameters that `train` sets itself; they cannot be among those of the estimator.
RESERVED = {
    "callbacks": "callbacks",
    "checkpoint": "out",
    "device": "device",
    "n_threads": "n_threads",
    "progress": "progress",
    "random_state": "seed",
    "resume": "resume",
    "scale_inputs": "scale",
    "time_limit": "time_limit",
}


@dataclass
class Plan:
    """Rows to learn from, rows to test on, and what learns.

    Parameters
    ----------
    problem : Problem
        The data.
    recipe : Recipe
        The estimator and its parameters.
    X_train : DataFrame of shape (n_train, n_columns)
        Inputs to learn from.
    y_train : ndarray of shape (n_train,)
        Their targets.
    X_test : DataFrame of shape (n_test, n_columns)
        Inputs to test on; those to learn from when ``split`` is "none".
    y_test : ndarray of shape (n_test,)
        Their targets.
    split : str
        "stratified", "shuffled", "grouped", "temporal", "published" or "none".
    audit : AuditReport
        What the audit found.
    seed : int
        Seed of the split and of the training.
    split_rule : dict of str to object
        What the split was made by: ``test_size``, ``group``, ``time``, ``stratify``.
    """

    problem: Problem
    recipe: Recipe
    X_train: pd.DataFrame
    y_train: np.ndarray
    X_test: pd.DataFrame
    y_test: np.ndarray
    split: str
    audit: AuditReport
    seed: int
    split_rule: dict[str, Any] = field(default_factory=dict)

    @property
    def is_raw(self) -> bool:
        """Whether the estimator takes the numbers as they are, without an encoder of tables."""
        return self.problem.is_array and self.problem.task == "classification" and self.recipe.model in ("mlp", "dbn")

    def inputs(self, frame: pd.DataFrame) -> Any:
        """Return rows in the form that the estimator takes: an array of numbers, or a table."""
        return frame.to_numpy() if self.problem.is_array else frame

    @property
    def n_train(self) -> int:
        """Rows to learn from."""
        return len(self.X_train)

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases of the network, for the inputs as they are encoded."""
        sizes = [self.n_encoded, *_sizes(self.recipe.parameters.get("hidden_layer_sizes", (100,))), self.n_outputs]
        if self.recipe.model not in ("mlp", "bagged-mlp", "dbn"):
            sizes = [self.n_encoded, self.n_outputs]
        one = sum((n_in + 1) * n_out for n_in, n_out in itertools.pairwise(sizes))
        return one * int(self.recipe.parameters.get("n_estimators", 10) if self.recipe.model == "bagged-mlp" else 1)

    @property
    def n_outputs(self) -> int:
        """Output units of the network."""
        n_classes = self.problem.n_classes
        return n_classes if n_classes is not None and n_classes > 2 else 1

    @cached_property
    def n_encoded(self) -> int:
        """Inputs of the network, after the columns were encoded."""
        if self.problem.is_array:
            return self.problem.X.shape[1]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return TableEncoder().fit(self.X_train).n_features_out_

    def estimate(self) -> dict[str, float]:
        """Return the size of the work: FLOP of an epoch, seconds of an epoch and of all of them, bytes.

        The seconds are those of the multiplications alone at the speed of a matrix product measured
        now, and so a lower bound for small networks.
        """
        flops = 6.0 * self.n_parameters * len(self.X_train)
        per_epoch = flops / _flops_per_second()
        max_iter = float(self.recipe.parameters.get("max_iter", 200))
        data_bytes = 8.0 * (len(self.X_train) + len(self.X_test)) * self.n_encoded
        return {
            "flop_per_epoch": flops,
            "seconds_per_epoch": per_epoch,
            "seconds_at_most": per_epoch * max_iter,
            "bytes": data_bytes * 3 + 8.0 * 4 * self.n_parameters,
        }

    def audit_lines(self, limit: int = 12) -> list[str]:
        """Return what the audit found, one finding a line, the most serious first.

        Of plain numbers, such as pixels, constant columns are not worth a line each.
        """
        found = [f for f in self.audit.findings if not (self.problem.is_array and f.code == "constant" and f.column)]
        lines = [f"{finding.level}: {finding.message}" for finding in found[:limit]]
        return lines if len(found) <= limit else [*lines, f"... and {len(found) - limit} findings more, in report.json"]

    def headline(self) -> str:
        """Return what is learned from what in one line."""
        problem = self.problem
        what = f"{problem.n_classes} classes" if problem.n_classes is not None else "a number"
        n_rows = f"{len(self.X_train)} rows to learn from"
        if self.split == "none":
            tested = "tested on the same rows"
        else:
            tested = f"{len(self.X_test)} held out ({self.split} split)"
        return f"{problem.name}: {problem.target} ({what}) from {problem.X.shape[1]} columns; {n_rows}, {tested}"

    def to_dict(self) -> dict[str, Any]:
        """Return the plan without the data, ready for JSON."""
        return {
            "data": {
                "name": self.problem.name,
                "source": self.problem.source.encode("utf-8", "backslashreplace").decode(),
                "digest": self.problem.digest,
                "target": self.problem.target,
                "task": self.problem.task,
                "n_rows": len(self.problem.X),
                "n_columns": self.problem.X.shape[1],
                "n_classes": self.problem.n_classes,
                "reading": self.problem.reading,
            },
            "split": {
                "kind": self.split,
                "n_train": len(self.X_train),
                "n_test": len(self.X_test),
                "rule": self.split_rule,
            },
            "model": {
                "name": self.recipe.model,
                "estimator": self.recipe.estimator,
                "scale": self.recipe.scale,
                "parameters": plain_parameters(self.recipe.parameters),
                "n_inputs": self.n_encoded,
                "n_parameters": self.n_parameters,
            },
            "seed": self.seed,
        }


def _sizes(hidden: Any) -> tuple[int, ...]:
    return (int(hidden),) if isinstance(hidden, (int, np.integer)) else tuple(int(size) for size in hidden)


def _flops_per_second() -> float:
    """Measure the speed of a small matrix product."""
    a = np.ones((256, 256), dtype=np.float32)
    best = math.inf
    for _ in range(5):
        start = time.perf_counter()
        a @ a
        best = min(best, time.perf_counter() - start)
    return 2 * 256.0**3 / best


def plain_parameters(parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return parameters as values that JSON knows.

    Parameters
    ----------
    parameters : mapping of str to object
        As an estimator takes them.

    Returns
    -------
    plain : dict of str to object
        Optimizers and schedules as their fields, functions as their names.

    Examples
    --------
    >>> plain_parameters({"hidden_layer_sizes": (3, 2), "solver": max})
    {'hidden_layer_sizes': [3, 2], 'solver': 'max'}
    """

    def plain(value: Any) -> Any:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            return {"name": type(value).__name__, **{k: plain(v) for k, v in dataclasses.asdict(value).items()}}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        if callable(value):
            return getattr(value, "__name__", type(value).__name__)
        if isinstance(value, np.generic):
            value = value.item()
        if isinstance(value, float) and math.isinf(value):
            return str(value)
        return value if isinstance(value, (str, int, float, bool, dict, type(None))) else str(value)

    return {name: plain(value) for name, value in parameters.items()}


def plan_training(
    data: object,
    *,
    target: str | None = None,
    formula: str | None = None,
    model: str = "mlp",
    task: str = "auto",
    test_size: float | None = None,
    group: str | None = None,
    time: str | None = None,
    stratify: bool = True,
    scale: bool | None = None,
    calibrate: bool = False,
    params: Mapping[str, Any] | None = None,
    threshold: float | None = None,
    seed: int = 0,
    reading: Mapping[str, Any] | None = None,
) -> Plan:
    """Read the data, audit and split it, and decide what learns from it.

    Parameters
    ----------
    data : path, name of a bundled set, data frame, or pair (X, y)
        What there is.
    target : str, optional
        Column to predict.
    formula : str, optional
        Target and inputs at once: ``"y ~ a + b"``.
    model : str, default="mlp"
        Name of :data:`strata.report.recipes.MODELS`.
    task : {"auto", "classification", "regression"}, default="auto"
        What is predicted.
    test_size : float, optional
        Share of the rows to hold out, in [0, 1); 0 tests on the training rows. By default the published
        test part where the data has one, else 0.2, and 0 with ``solver="rprop"``.
    group : str, optional
        Column whose equal values stay on one side of the split; it is no input.
    time : str, optional
        Column that orders the rows; the latest are held out. It is no input.
    stratify : bool, default=True
        Whether every class keeps its share on both sides of the split.
    scale : bool, optional
        Whether numeric inputs are standardised; by default they are, but not with ``solver="rprop"``.
    calibrate : bool, default=False
        Whether the probabilities are calibrated by a temperature, fitted on rows held out from the training rows.
        Only classes have probabilities, and only ``model="mlp"`` calibrates them.
    params : mapping of str to object, optional
        Parameters of the estimator.
    threshold : float, optional
        Stop of ``solver="rprop"``.
    seed : int, default=0
        Seed of the split and of the training.
    reading : mapping of str to object, optional
        How to read a text file; see :func:`strata.data.read_table`.

    Returns
    -------
    plan : Plan
        Everything decided; nothing trained.

    Raises
    ------
    DataError
        If the data cannot be used.
    ValueError
        If an argument makes no sense.

    Examples
    --------
    >>> plan = plan_training("iris", params={"hidden_layer_sizes": (8,)})
    >>> len(plan.X_train), len(plan.X_test), plan.n_parameters
    (120, 30, 67)
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)) or not 0 <= seed < 2**32:
        raise ValueError(f"`seed` must be an integer in [0, 2**32). Received: seed={seed!r}.")
    aside = [name for name in (group, time) if name is not None]
    problem = read_problem(data, target=target, formula=formula, task=task, columns=aside, reading=reading)
    said = _with_calibration(params or {}, calibrate, model=model, problem=problem)
    recipe = make_recipe(
        model,
        problem.task,
        said,
        n_rows=len(problem.X),
        test_size=test_size,
        scale=scale,
        threshold=threshold,
        as_they_are=problem.is_array and problem.task == "classification",
    )
    _check_parameters(recipe, said)
    if problem.X_test is not None and problem.y_test is not None and test_size is None and recipe.test_size:
        parts, kind, split = (problem.X, problem.y, problem.X_test, problem.y_test), "published", None
    elif recipe.test_size == 0:
        parts, kind, split = (problem.X, problem.y, problem.X, problem.y), "none", None
    else:
        split = divide_rows(problem, recipe.test_size, group=group, time=time, stratify=stratify, seed=int(seed))
        parts, kind = (*problem.take(np.sort(split.train)), *problem.take(split.test)), split.kind
    rule = {"test_size": float(recipe.test_size), "group": group, "time": time, "stratify": bool(stratify)}
    return Plan(problem, recipe, *parts, kind, _audit(problem, split), int(seed), rule)


def _with_calibration(params: Mapping[str, Any], calibrate: object, *, model: str, problem: Problem) -> dict[str, Any]:
    """Return the parameters with ``calibrate`` among them where it was asked for, and can be done."""
    if not isinstance(calibrate, bool):
        raise ValueError(f"`calibrate` must be True or False. Received: calibrate={calibrate!r}.")
    said = dict(params)
    if not calibrate and not said.get("calibrate"):
        said.pop("calibrate", None)
        return said
    if problem.task != "classification":
        raise ValueError(
            "`calibrate` must be False for a regression, which gives no probabilities. Received: calibrate=True for "
            f"the target {problem.target!r}. Leave `calibrate` (--calibrate) out, or say task='classification'."
        )
    if model in MODELS and model != "mlp":
        raise ValueError(
            f"`calibrate` must be False for model={model!r}. Received: calibrate=True. "
            "Use model='mlp', or leave `calibrate` (--calibrate) out."
        )
    return said | ({"calibrate": True} if calibrate else {})


def _check_parameters(recipe: Recipe, said: Mapping[str, Any]) -> None:
    kind = getattr(strata.estimators, recipe.estimator)
    known = set(kind._get_param_names())
    for name in said:
        if name in RESERVED:
            raise ValueError(f"`params` must not hold {name!r}; give `{RESERVED[name]}` instead.")
        if name not in known:
            raise ValueError(unknown_name(f"parameter of {recipe.estimator}", name, known - set(RESERVED)))
    check_words(kind, said)
    estimator = kind(**recipe.parameters)
    if hasattr(estimator, "_validate_params"):
        estimator._validate_params()


def check_words(kind: Any, said: Mapping[str, Any]) -> None:
    """Refuse a word that a parameter does not know, and suggest the nearest that it knows.

    Parameters
    ----------
    kind : type
        Class of the estimator.
    said : mapping of str to object
        Values of its parameters.

    Raises
    ------
    ValueError
        If a text is none of the words of its parameter.
    """
    for name, value in said.items():
        words = _words_of(kind, name)
        for each in [value] if isinstance(value, str) else value if isinstance(value, (list, tuple)) else []:
            if isinstance(each, str) and words and each not in words:
                raise ValueError(unknown_name(name.replace("_init", ""), each, words))


def _words_of(kind: Any, name: str) -> set[str]:
    """Return the words that a parameter takes; empty where any text is allowed."""
    words: set[str] = set()
    for constraint in getattr(kind, "_parameter_constraints", {}).get(name, ()):
        if constraint is str:
            return set()
        if isinstance(constraint, StrOptions):
            words |= {str(option) for option in constraint.options}
    return words


def divide_rows(
    problem: Problem, test_size: float, *, group: str | None, time: str | None, stratify: bool, seed: int
) -> Split:
    """Split the rows of a problem as a plan does.

    Parameters
    ----------
    problem : Problem
        The data, read with the columns ``group`` and ``time`` set aside.
    test_size : float
        Share of the rows to hold out.
    group : str or None
        Column whose equal values stay on one side.
    time : str or None
        Column that orders the rows.
    stratify : bool
        Whether every class keeps its share.
    seed : int
        Seed of the split.

    Returns
    -------
    split : Split
        Row numbers of both sides.

    Raises
    ------
    DataError
        If the rows cannot be split so.
    """
    try:
        return split_rows(
            len(problem.X),
            y=problem.y,
            groups=None if group is None else problem.extra[group],
            time=None if time is None else problem.extra[time],
            test_size=test_size,
            stratify=stratify and problem.task == "classification" and group is None and time is None,
            random_state=seed,
        )
    except DataError as error:
        text = str(error).replace("stratify=False", "stratify=False (--no-stratify)")
        raise DataError(f"{problem.source}: {text}") from None


def _audit(problem: Problem, split: Split | None) -> AuditReport:
    """Look for what spoils a result without an error; refuse the data where learning makes no sense."""
    report = audit(problem.X, pd.Series(problem.y, name=problem.target), split=split, task=problem.task)  # type: ignore[arg-type]
    try:
        report.raise_errors()
    except DataError as error:
        text = str(error)
        raise DataError(text if text.startswith(problem.source) else f"{problem.source}: {text}") from None
    return report


def encode_inputs(plan: Plan) -> tuple[np.ndarray, np.ndarray]:
    """Return the training and test inputs as finite numbers, encoded as the training rows say.

    Parameters
    ----------
    plan : Plan
        Rows to learn from and to test on.

    Returns
    -------
    X_train : ndarray of shape (n_train, n_encoded), float64
        Encoded inputs, not standardised.
    X_test : ndarray of shape (n_test, n_encoded), float64
        Likewise.
    """
    if plan.problem.is_array:
        return plan.X_train.to_numpy(dtype=np.float64), plan.X_test.to_numpy(dtype=np.float64)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the estimator's own encoder says the same
        encoder = TableEncoder(scale=False).fit(plan.X_train)
        return encoder.transform(plan.X_train), encoder.transform(plan.X_test)
