"""Data sets of the fault bench: rows to learn from and honest rows that no diagnosis ever sees."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from sklearn import datasets
from sklearn.model_selection import train_test_split

from strata.data import load_set

Arrays = tuple[np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Problem:
    """Rows of one task. The test rows only serve the check that a fault does harm."""

    task: str
    X: np.ndarray
    y: np.ndarray
    X_test: np.ndarray
    y_test: np.ndarray
    X_val: np.ndarray | None = None
    y_val: np.ndarray | None = None

    @property
    def n_classes(self) -> int:
        return len(np.unique(self.y_test)) if self.task == "classification" else 0


def _bundled(load: Callable[..., Arrays], **options: bool) -> Callable[[np.random.RandomState], Arrays]:
    return lambda random: load(return_X_y=True, **options)


def _infert(random: np.random.RandomState) -> Arrays:
    table = load_set("infert").frame()
    columns = [name for name in table.columns if name not in ("case", "stratum", "pooled.stratum")]
    X = pd.get_dummies(table[columns]).to_numpy(dtype=float)
    return X, table["case"].to_numpy(dtype=int)


def _parabola(random: np.random.RandomState) -> Arrays:
    """The points of scikit-learn's issue 31235."""
    X = random.uniform(size=(2500, 2))
    return X, (X[:, 0] + (2 * (X[:, 1] - 0.5)) ** 2 >= 0.75).astype(int)


def _spiral(random: np.random.RandomState) -> Arrays:
    turn, arm = random.uniform(0.1, 1.0, 2500), random.randint(2, size=2500)
    angle = 3.5 * np.pi * turn + np.pi * arm
    X = np.stack([turn * np.cos(angle), turn * np.sin(angle)], axis=1)
    return X + 0.03 * random.normal(size=X.shape), arm


def _houses(random: np.random.RandomState) -> Arrays:
    """Columns of a table of house prices, in their own units: square feet, dollars of income, degrees, years."""
    area, income = random.normal(1800, 500, 2400), random.lognormal(10.8, 0.4, 2400)
    latitude, age = random.uniform(32, 42, 2400), random.uniform(0, 60, 2400)
    price = 0.6 * area / 500 + income / 2e4 - 0.5 * np.abs(latitude - 36) - 0.01 * age + 0.3 * random.normal(size=2400)
    return np.stack([area, income, latitude, age], axis=1), price


def _wave(random: np.random.RandomState) -> Arrays:
    X = random.uniform(-2, 2, size=(2200, 2))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] ** 2 / 2 + 0.1 * random.normal(size=2200)


def _checkers(random: np.random.RandomState) -> Arrays:
    """Squares of a board of three by three."""
    X = random.uniform(-1.5, 1.5, size=(2500, 2))
    return X, (np.floor(X + 1.5).sum(axis=1).astype(int)) % 2


def _hastie(random: np.random.RandomState) -> Arrays:
    """Ten normal columns; the class says whether their squares sum up to more than the median."""
    X, y = datasets.make_hastie_10_2(2600, random_state=random)
    return X, (y > 0).astype(int)


def _tones(random: np.random.RandomState) -> Arrays:
    """Sixteen samples of a sine of one of four frequencies, at any phase, in noise."""
    tone, phase = random.randint(4, size=2500), random.uniform(0, 2 * np.pi, 2500)
    wave = np.sin(np.outer(tone + 1, np.linspace(0, np.pi, 16)) + phase[:, None])
    return wave + 0.2 * random.normal(size=wave.shape), tone


def _pendulum(random: np.random.RandomState) -> Arrays:
    """Height of a pendulum from its length, angle and speed."""
    length, angle, speed = random.uniform(0.5, 2, 2400), random.uniform(-1.5, 1.5, 2400), random.normal(size=2400)
    height = length * (1 - np.cos(angle)) + 0.1 * speed**2 + 0.03 * random.normal(size=2400)
    return np.stack([length, angle, speed], axis=1), height


def _harvest(random: np.random.RandomState) -> Arrays:
    """Yield of a field: kilograms of fertiliser, millimetres of rain, degrees, pH, that saturate and interact."""
    feed, rain = random.gamma(3.0, 40.0, 2400), random.normal(600, 150, 2400)
    warm, acid = random.normal(16, 4, 2400), random.uniform(4.5, 8.5, 2400)
    gain = feed / (feed + 80) * np.clip(rain / 700, 0, 1.3) - ((warm - 18) / 12) ** 2 - 0.1 * (acid - 6.5) ** 2
    return np.stack([feed, rain, warm, acid], axis=1), gain + 0.05 * random.normal(size=2400)


def _digit_parity(random: np.random.RandomState) -> Arrays:
    X, y = datasets.load_digits(return_X_y=True)
    return X, y % 2


def _wine_alcohol(random: np.random.RandomState) -> Arrays:
    """Alcohol of a wine from its other twelve measures."""
    X, _ = datasets.load_wine(return_X_y=True)
    return X[:, 1:], X[:, 0]


def _cell_area(random: np.random.RandomState) -> Arrays:
    """Logarithm of the worst area of cells from the ten means but those of size."""
    X, _ = datasets.load_breast_cancer(return_X_y=True)
    return X[:, [1, 4, 5, 6, 7, 8, 9]], np.log(X[:, 23])


_DRAW: dict[str, Callable[[np.random.RandomState], Arrays]] = {
    "iris": _bundled(datasets.load_iris),
    "wine": _bundled(datasets.load_wine),
    "breast_cancer": _bundled(datasets.load_breast_cancer),
    "digits": _bundled(datasets.load_digits),
    "diabetes": _bundled(datasets.load_diabetes, scaled=False),
    "infert": _infert,
    "parabola": _parabola,
    "spiral": _spiral,
    "houses": _houses,
    "wave": _wave,
    "moons": lambda random: datasets.make_moons(2500, noise=0.15, random_state=random),
    "circles": lambda random: datasets.make_circles(2500, noise=0.08, factor=0.5, random_state=random),
    "blobs": lambda random: datasets.make_blobs(2500, n_features=6, centers=5, cluster_std=3.0, random_state=random),
    "friedman1": lambda random: datasets.make_friedman1(2500, n_features=10, noise=0.7, random_state=random),
    "friedman2": lambda random: datasets.make_friedman2(2500, noise=40.0, random_state=random),
    "columns20": lambda random: datasets.make_classification(
        2600, n_features=20, n_informative=8, n_classes=3, class_sep=1.3, flip_y=0.02, random_state=random
    ),
    "linear": lambda random: datasets.make_regression(2500, n_features=12, noise=30.0, random_state=random),
    # those of the reporting half alone
    "checkers": _checkers,
    "hastie": _hastie,
    "tones": _tones,
    "shells": lambda random: datasets.make_gaussian_quantiles(
        n_samples=2500, n_features=3, n_classes=3, random_state=random
    ),
    "columns12": lambda random: datasets.make_classification(
        2600, n_features=12, n_informative=6, n_classes=4, n_clusters_per_class=1, class_sep=1.2, random_state=random
    ),
    "digit_parity": _digit_parity,
    "pendulum": _pendulum,
    "harvest": _harvest,
    "friedman3": lambda random: datasets.make_friedman3(2500, noise=0.1, random_state=random),
    "swiss_roll": lambda random: datasets.make_swiss_roll(2500, noise=0.3, random_state=random),
    "wine_alcohol": _wine_alcohol,
    "cell_area": _cell_area,
}
REGRESSION = (
    "diabetes", "houses", "wave", "friedman1", "friedman2", "linear",
    "pendulum", "harvest", "friedman3", "swiss_roll", "wine_alcohol", "cell_area",
)  # fmt: skip
#: Rows to learn from; the rest is for the check. The small real sets keep two thirds.
_ROWS = {
    "iris": 105, "wine": 120, "breast_cancer": 380, "digits": 900, "diabetes": 300, "infert": 170,
    "digit_parity": 900, "wine_alcohol": 120, "cell_area": 380,
}  # fmt: skip


def draw(name: str, seed: int, *, n_rows: int | None = None, raw: bool = False) -> Problem:
    """Return one data set; inputs are standardised unless `raw`, regression targets always."""
    X, y = _DRAW[name](np.random.RandomState(seed))
    n_train = n_rows or _ROWS.get(name, 500)
    classes = None if name in REGRESSION else y
    X, X_test, y, y_test = train_test_split(X, y, train_size=n_train, random_state=seed, stratify=classes)
    if name in REGRESSION:
        mean, std = y.mean(), y.std()
        y, y_test = (y - mean) / std, (y_test - mean) / std
    task = "regression" if name in REGRESSION else "classification"
    problem = Problem(task, X.astype(float), y, X_test.astype(float), y_test)
    return problem if raw else standardise(problem)


def standardise(problem: Problem) -> Problem:
    """Scale every column of all rows by the mean and deviation of the rows to learn from."""
    mean, std = problem.X.mean(axis=0), problem.X.std(axis=0)
    std[std == 0] = 1.0
    val = None if problem.X_val is None else (problem.X_val - mean) / std
    return replace(problem, X=(problem.X - mean) / std, X_test=(problem.X_test - mean) / std, X_val=val)
