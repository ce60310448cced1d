"""The table of Y. Bengio, P. Lamblin, D. Popovici, H. Larochelle, "Greedy layer-wise training of deep networks", 2007.

MNIST: the first 50,000 training images to learn from, the last 10,000 to choose the settings and the epoch, and the
published test part, which is scored once.
"""

import time
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from strata._threads import limit_threads
from strata.data import load_set
from strata.estimators import DBNClassifier
from strata.rules.compiled._support import n_cores

__all__ = ["PUBLISHED", "RECIPES", "Result", "Task", "mean_test_error", "read_task", "train_row"]

N_SEEDS = 3
_N_TRAIN = 50_000

#: Row, what it is, and the published test error in per cent.
PUBLISHED: dict[str, tuple[str, float]] = {
    "dbn": ("deep network with unsupervised pre-training (DBN)", 1.2),
    "autoassociator": ("deep network with auto-associator pre-training", 1.4),
    "supervised": ("deep network with supervised pre-training", 2.0),
    "deep": ("deep network without pre-training", 2.4),
    "shallow": ("shallow network without pre-training", 1.9),
}

#: How the whole network learns in every row: what differs is where its layers come from. Solver, rate and dropout were
#: compared by the validation error after training on 10,000 images.
_TUNING: dict[str, Any] = {
    "solver": "adam",
    "learning_rate_init": 0.001,
    "batch_size": 100,
    "max_iter": 30,
    "schedule": "cosine",
    "dropout": 0.25,
    "input_dropout": 0.1,
    "early_stopping": True,
    "n_iter_no_change": np.inf,
    "alpha": 0.0,
}

#: For a start from random or supervised layers, which has farther to go and smaller layers to do it with.
_FASTER: dict[str, Any] = _TUNING | {"learning_rate_init": 0.002}

#: Arguments of :class:`DBNClassifier` for each row. No test image was looked at for them; the epoch is chosen by the
#: validation error. A quarter of the inputs is hidden from each auto-associator (P. Vincent et al., "Extracting and
#: composing robust features with denoising autoencoders", 2008): validation error 1.11 % instead of 1.36 %.
RECIPES: dict[str, dict[str, Any]] = {
    "dbn": _TUNING
    | {
        "hidden_layer_sizes": (1000, 1000, 1000),
        "pretraining": "rbm",
        "pretraining_iter": 20,
        "max_iter": 40,
        "dropout": 0.3,
        "input_dropout": 0.15,
    },
    "autoassociator": _TUNING
    | {
        "hidden_layer_sizes": (1000, 1000, 1000),
        "pretraining": "autoencoder",
        "pretraining_iter": 20,
        "pretraining_rate": 0.02,
        "pretraining_decay": 0.0,
        "corruption": 0.25,
        "max_iter": 40,
        "dropout": 0.3,
        "input_dropout": 0.15,
    },
    "supervised": _FASTER
    | {
        "hidden_layer_sizes": (500, 500, 500),
        "pretraining": "supervised",
        "pretraining_iter": 5,
        "pretraining_rate": 0.1,
    },
    "deep": _FASTER | {"hidden_layer_sizes": (500, 500, 500), "pretraining": None},
    "shallow": _FASTER | {"hidden_layer_sizes": (1000,), "pretraining": None},
}


@dataclass(frozen=True)
class Task:
    """MNIST as the table splits it; pixels from 0 to 1, float32."""

    X: np.ndarray
    y: np.ndarray
    X_val: np.ndarray
    y_val: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray


@dataclass(frozen=True)
class Result:
    """One training: errors in per cent, and how long it took."""

    row: str
    seed: int
    train_error: float
    validation_error: float
    test_error: float | None
    best_epoch: int
    seconds: float
    settings: dict[str, Any] = field(default_factory=dict)


def read_task(path: Any = None, *, n_train: int = _N_TRAIN) -> Task:
    """Read MNIST and split it.

    Parameters
    ----------
    path : str or path, optional
        Folder with its files; by default that of ``strata data fetch mnist``.
    n_train : int, default=50000
        Images to learn from, the first ones; fewer for a look.

    Returns
    -------
    task : Task
        The three parts.
    """
    data = load_set("mnist", path=path)
    if data.X_test is None or data.y_test is None:
        raise ValueError("`path` must be the folder of MNIST with its published test part.")
    X, X_test = (np.asarray(part, dtype=np.float32) for part in (data.X, data.X_test))
    scale = np.float32(1 / 255 if X.max() > 1 else 1)
    y, y_test = np.asarray(data.y), np.asarray(data.y_test)
    held_out = slice(_N_TRAIN, None)
    return Task(X[:n_train] * scale, y[:n_train], X[held_out] * scale, y[held_out], X_test * scale, y_test)


def train_row(row: str, seed: int, task: Task, *, test: bool = True, **changes: Any) -> Result:
    """Train one row of the table once.

    Parameters
    ----------
    row : str
        A key of :data:`PUBLISHED`.
    seed : int
        Of all draws.
    task : Task
        The data.
    test : bool, default=True
        Whether to score the test part: not while settings are chosen.
    **changes : object
        Arguments that differ from the recipe.

    Returns
    -------
    result : Result
        Errors at the epoch with the best validation error.
    """
    settings = RECIPES[row] | changes
    begun = time.perf_counter()
    with limit_threads(n_cores()):
        model = DBNClassifier(random_state=seed, n_threads=n_cores(), **settings)
        model.fit(task.X, task.y, X_val=task.X_val, y_val=task.y_val)
        seconds = time.perf_counter() - begun
        train, validation = model.score(task.X, task.y), model.score(task.X_val, task.y_val)
        error = 100 * (1 - model.score(task.X_test, task.y_test)) if test else None
    scores = model.validation_scores_ or [0.0]
    return Result(
        row,
        seed,
        round(100 * (1 - train), 3),
        round(100 * (1 - validation), 3),
        None if error is None else round(error, 3),
        int(np.argmax(scores)) + 1,
        seconds,
        {name: str(value) if value is np.inf else value for name, value in settings.items()},
    )


def mean_test_error(row: str) -> float:
    """Return the mean test error of a row over the seeds, in per cent.

    Parameters
    ----------
    row : str
        A key of :data:`PUBLISHED`.

    Returns
    -------
    error : float
        Per cent of the 10,000 test images.
    """
    task = read_task()
    errors = [train_row(row, seed, task).test_error for seed in range(N_SEEDS)]
    return float(np.mean([error for error in errors if error is not None]))
