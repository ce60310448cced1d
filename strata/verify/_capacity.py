"""Facts about capacity: over- and underfitting of polynomials, least squares by the network without hidden layers."""

from functools import cache

import numpy as np

from strata.estimators import MLPRegressor
from strata.verify._registry import Section

__all__: list[str] = []

claim = Section("capacity")

NOISE = np.array([0.1, -0.2, 0.15, -0.1, 0.2, -0.15, 0.05, 0.1, -0.2, 0.1])
X_TRAIN = np.arange(10) / 9
Y_TRAIN = np.sin(2 * np.pi * X_TRAIN) + NOISE
X_TEST = (np.arange(100) + 0.5) / 100
Y_TEST = np.sin(2 * np.pi * X_TEST)


def _linear(features: np.ndarray, alpha: float, *, tol: float) -> MLPRegressor:
    model = MLPRegressor(
        hidden_layer_sizes=(), solver="lbfgs", alpha=alpha, tol=tol, max_iter=20_000, max_fun=200_000, random_state=0
    )
    return model.fit(features, Y_TRAIN)


def _errors(model: MLPRegressor, train: np.ndarray, test: np.ndarray) -> list[float]:
    pairs = ((model.predict(train), Y_TRAIN), (model.predict(test), Y_TEST))
    return [float(np.mean((found - wanted) ** 2)) for found, wanted in pairs]


@cache
def _polynomial(degree: int) -> list[float]:
    """Return train and test error of least squares, on a basis that is orthonormal on the training points."""
    powers = [np.vander(x, degree + 1, increasing=True) for x in (X_TRAIN, X_TEST)]
    _, change = np.linalg.qr(powers[0])
    train, test = (np.linalg.solve(change.T, matrix.T).T * 10**0.5 for matrix in powers)
    return _errors(_linear(train, 0.0, tol=1e-10), train, test)


@cache
def _decayed(strength: float) -> list[float]:
    """Return the errors of degree 9 with MSE + strength |w|^2, the powers turned so that the curvatures are axes."""
    powers = [np.vander(x, 10, increasing=True)[:, 1:] for x in (X_TRAIN, X_TEST)]
    centre = powers[0].mean(axis=0)
    _, _, axes = np.linalg.svd(powers[0] - centre, full_matrices=False)
    train, test = ((matrix - centre) @ axes.T for matrix in powers)
    return _errors(_linear(train, 10 * strength, tol=1e-5), train, test)


for _degree, _train, _test, _tolerance in (
    (0, 0.4785337254, 0.500025, 1e-9),
    (1, 0.2909943634, 0.2214513761, 1e-9),
    (3, 0.0282709956, 0.0065946827, 1e-9),
    (6, 0.0110348517, 0.0103673464, 1e-9),
    (9, 0.0, 0.3804926, 1e-4),
):

    def _measure(degree: int = _degree) -> list[float]:
        return _polynomial(degree)

    claim(f"polynomial of degree {_degree}: train and test MSE", "S3, A 11", [_train, _test], tolerance=_tolerance)(
        _measure
    )

for _strength, _train, _test in (
    (1e-8, 0.01038986, 0.01116395),
    (1e-4, 0.03172432, 0.01771281),
    (1e-2, 0.13957719, 0.11074000),
    (1.0, 0.40262693, 0.40492721),
    (100.0, 0.47706035, 0.49828662),
):

    def _measure_decay(strength: float = _strength) -> list[float]:
        return _decayed(strength)

    claim(
        f"degree 9 with weight decay {_strength:g}: train and test MSE", "S1 S3, A 11", [_train, _test], tolerance=1e-4
    )(_measure_decay)


@claim("test error is U-shaped in the degree and in the decay; train error is monotone", "S1 S3, A 11", True)
def _shape() -> bool:
    by_degree = [_polynomial(degree) for degree in (0, 1, 3, 6, 9)]
    by_decay = [_polynomial(9), *(_decayed(strength) for strength in (1e-8, 1e-4, 1e-2, 1.0, 100.0))]
    tests = [[test for _, test in curve] for curve in (by_degree, by_decay)]
    trains = [[train for train, _ in curve] for curve in (by_degree, by_decay)]
    falling, rising = bool((np.diff(trains[0]) <= 1e-9).all()), bool((np.diff(trains[1]) >= -1e-9).all())
    return falling and rising and all(0 < int(np.argmin(test)) < len(test) - 1 for test in tests)
