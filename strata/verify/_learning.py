"""Facts about whole runs: early stopping, and the acceptance runs that take seconds."""

from functools import cache

import numpy as np

from strata.data import load_set
from strata.estimators import MLPClassifier, MLPRegressor
from strata.rules.optimizers import SGD
from strata.verify._registry import Between, Section

__all__: list[str] = []

claim = Section("learning")

XOR = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]), np.array([0, 1, 1, 0])


def _solved(activation: str, n_hidden: int) -> int:
    """Return how many of 20 seeds learn XOR in 1000 full-batch steps of Adam at rate .03."""
    X, y = XOR
    solved = 0
    for seed in range(20):
        model = MLPClassifier(
            (n_hidden,), activation, alpha=0.0, batch_size=4, learning_rate_init=0.03, max_iter=1000, tol=0.0,
            n_iter_no_change=1000, random_state=seed,
        )  # fmt: skip
        solved += bool((model.fit(X, y).predict(X) == y).all())
    return solved


for _name, _hidden, _low in (
    ("tanh", 4, 15),
    ("logistic", 4, 15),
    ("relu", 4, 8),
    ("tanh", 2, 3),
    ("logistic", 2, 3),
    ("relu", 2, 1),
):

    def _measure(activation: str = _name, n_hidden: int = _hidden) -> int:
        return _solved(activation, n_hidden)

    claim(f"XOR learned with {_hidden} hidden {_name} units: seeds of 20", "S3, A 2.6", Between(_low, 20), slow=True)(
        _measure
    )


def _digits() -> tuple[np.ndarray, np.ndarray]:
    data = load_set("digits")
    return np.asarray(data.X, dtype=np.float64).reshape(len(data.y), -1) / 16.0, np.asarray(data.y)


@claim("digits, 64-32-10 ReLU, SGD .1, momentum .9, batch 64, 100 epochs: test accuracy of seeds 0 to 2", "A 14",
       True, slow=True)  # fmt: skip
def _accuracy() -> bool:
    X, y = _digits()
    scores = []
    for seed in range(3):
        order = np.random.RandomState(seed).permutation(len(y))
        train, test = order[:1400], order[1400:]
        model = MLPClassifier(
            (32,), solver=SGD(learning_rate=0.1, momentum=0.9), batch_size=64, max_iter=100, alpha=0.0, tol=0.0,
            n_iter_no_change=100, random_state=seed,
        )  # fmt: skip
        scores.append(model.fit(X[train], y[train]).score(X[test], y[test]))
    return bool(min(scores) >= 0.955)


@cache
def _sparse(l1_form: str, l1: float, l2: float) -> int:
    """Return how many of 50 weights are exactly 0 after learning 5 true features from 200 rows."""
    random = np.random.RandomState(0)
    X = random.normal(size=(200, 50))
    truth = np.zeros(50)
    truth[:5] = (2.0, -1.5, 1.0, -1.0, 0.5)
    y = X @ truth + 0.5 * random.normal(size=200)
    model = MLPRegressor(
        hidden_layer_sizes=(), solver=SGD(learning_rate=0.05), batch_size=200, alpha=l2, l1=l1, l1_form=l1_form,
        max_iter=2000, tol=0.0, n_iter_no_change=2000, random_state=0,
    ).fit(X, y)  # fmt: skip
    return int((model.coefs_[0] == 0).sum())


@claim("L1 by proximal steps, 5 of 50 features true: exact zeros", "S1, A 14", Between(40, 45))
def _proximal() -> int:
    return _sparse("proximal", 0.1 * 200, 0.0)  # the penalty is divided by the rows of the batch


@claim("exact zeros by plain subgradient steps, and by L2", "S1, A 14", [0, 0], tolerance=0)
def _no_zeros() -> list[int]:
    return [_sparse("subgradient", 0.1 * 200, 0.0), _sparse("subgradient", 0.0, 0.1 * 200)]


@claim("early stopping on digits with flipped labels: the weights returned are those of the best epoch", "S2 S3, A 14",
       0.0, tolerance=1e-12, slow=True)  # fmt: skip
def _restored() -> float:
    X, y = _digits()
    random = np.random.RandomState(0)
    flipped = random.rand(len(y)) < 0.1
    y = np.where(flipped, random.randint(0, 10, len(y)), y)
    model = MLPClassifier(
        (64,), max_iter=200, random_state=0, restore_best=True, learning_rate_init=0.01, n_iter_no_change=5, alpha=0.0,
        early_stopping=True,
    )  # fmt: skip
    model.fit(X[:1400], y[:1400], X_val=X[1400:], y_val=y[1400:])
    return float(max(model.validation_scores_ or [0.0]) - model.score(X[1400:], y[1400:]))
