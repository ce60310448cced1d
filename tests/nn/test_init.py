"""Starting weights: scikit-learn's exact draws, the moments of each scheme, and gradient flow (L section 10)."""

import math
import warnings

import numpy as np
import pytest
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier, MLPRegressor

from strata.nn import INITIALIZERS, DenseLoss, DenseNetwork, DenseSpec, Head, initialize
from strata.nn._r_random import r_normal, r_random_state

F64 = torch.float64


def empty(*sizes: int, dtype: type = np.float64) -> tuple[list[np.ndarray], list[np.ndarray]]:
    pairs = list(zip(sizes[:-1], sizes[1:], strict=True))
    return [np.empty(pair, dtype) for pair in pairs], [np.empty(pair[1], dtype) for pair in pairs]


@pytest.mark.parametrize("activation", ["relu", "tanh", "identity", "logistic"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_scikit_learns_draws(activation: str, dtype: type) -> None:
    """With a vanishing rate a fitted network is still where it started."""
    rng = np.random.RandomState(0)
    x, y = rng.normal(size=(20, 5)).astype(dtype), np.tile([0, 1, 2, 1], 5)
    theirs = MLPClassifier(
        (7, 4), activation=activation, solver="sgd", learning_rate_init=1e-300, alpha=0.0, max_iter=1, random_state=42
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        theirs.fit(x, y)
    coefs, intercepts = initialize(*empty(5, 7, 4, 3, dtype=dtype), random_state=42, activation=activation)
    for ours, fitted in zip([*coefs, *intercepts], [*theirs.coefs_, *theirs.intercepts_], strict=True):
        assert ours.dtype == dtype
        np.testing.assert_array_equal(ours, fitted)


def test_the_random_state_goes_on_where_scikit_learns_does() -> None:
    ours, theirs = np.random.RandomState(3), np.random.RandomState(3)
    initialize(*empty(4, 3, 1), random_state=ours)
    reference = MLPRegressor((3,))
    reference._random_state = theirs
    reference.activation = "relu"
    for n_in, n_out in ((4, 3), (3, 1)):
        reference._init_coef(n_in, n_out, np.float64)
    assert ours.uniform() == theirs.uniform()


def test_an_activation_for_each_layer() -> None:
    mixed, _ = initialize(*empty(4, 30, 5), random_state=0, activation=["sigmoid", "tanh"])
    logistic, _ = initialize(*empty(4, 30, 5), random_state=0, activation="logistic")
    hyperbolic, _ = initialize(*empty(4, 30, 5), random_state=0, activation="tanh")
    np.testing.assert_array_equal(mixed[0], logistic[0])
    np.testing.assert_array_equal(mixed[1], hyperbolic[1])
    np.testing.assert_allclose(logistic[0] * math.sqrt(3), hyperbolic[0])


# scheme -> (standard deviation, largest size or None) of weights of shape (n_in, n_out)
MOMENTS = {
    "glorot_uniform": (lambda i, o: math.sqrt(2 / (i + o)), lambda i, o: math.sqrt(6 / (i + o))),
    "glorot_normal": (lambda i, o: math.sqrt(2 / (i + o)), None),
    "he_uniform": (lambda i, o: math.sqrt(2 / i), lambda i, o: math.sqrt(6 / i)),
    "he_normal": (lambda i, o: math.sqrt(2 / i), None),
    "neuralnet": (lambda i, o: 0.3, None),
    "normal": (lambda i, o: 0.3, None),
    "orthogonal": (lambda i, o: math.sqrt(1 / max(i, o)), None),
    "zeros": (lambda i, o: 0.0, lambda i, o: 0.0),
}


def test_every_scheme_is_covered() -> None:
    assert tuple(sorted(MOMENTS)) == INITIALIZERS


@pytest.mark.parametrize("gain", [1.0, 2.5])
@pytest.mark.parametrize("scheme", INITIALIZERS)
def test_moments(scheme: str, gain: float) -> None:
    n_in, n_out = 300, 120
    deviation, largest = MOMENTS[scheme]
    weights, biases = initialize(*empty(n_in, n_out), scheme, random_state=5, sigma=0.3, gain=gain)
    w = weights[0]
    n = w.size
    expected = gain * deviation(n_in, n_out)
    assert w.std() == pytest.approx(expected, rel=6 / math.sqrt(2 * n))  # six standard errors
    assert abs(w.mean()) <= 6 * expected / math.sqrt(n)
    if largest is not None:
        assert np.abs(w).max() <= gain * largest(n_in, n_out)
        assert np.abs(w).max() >= 0.999 * gain * largest(n_in, n_out)
    if scheme not in ("glorot_uniform", "neuralnet"):
        assert not biases[0].any()


@pytest.mark.parametrize("sizes", [(6, 4), (4, 6), (5, 5)])
def test_orthogonal(sizes: tuple[int, int]) -> None:
    (w,), _ = initialize(*empty(*sizes), "orthogonal", random_state=1, gain=1.5)
    gram = w.T @ w if sizes[0] >= sizes[1] else w @ w.T
    np.testing.assert_allclose(gram, 2.25 * np.eye(min(sizes)), atol=1e-12)


def test_orthogonal_draws_are_uniform_over_rotations() -> None:
    """Without the correction of signs, the first entry of a bare QR would never be positive."""
    first = [initialize(*empty(2, 2), "orthogonal", random_state=s)[0][0][0, 0] for s in range(200)]
    assert 60 < sum(value > 0 for value in first) < 140


# what R prints for set.seed(seed); rnorm(5)
R_DRAWS = {
    1: [-0.6264538, 0.1836433, -0.8356286, 1.5952808, 0.3295078],
    42: [1.37095845, -0.56469817, 0.36312841, 0.63286260, 0.40426832],
}


@pytest.mark.parametrize("seed", sorted(R_DRAWS))
def test_normal_numbers_of_r(seed: int) -> None:
    np.testing.assert_allclose(r_normal(r_random_state(seed), 5), R_DRAWS[seed], atol=5e-8)


def test_neuralnet_fills_unit_by_unit_with_the_bias_first() -> None:
    """R draws one matrix a layer, of shape (n_in + 1, n_out), column after column, with the bias in the first row."""
    coefs, intercepts = initialize(*empty(2, 2, 1), "neuralnet", random_state=r_random_state(1), sigma=1.0)
    source = r_random_state(1)
    for coef, intercept in zip(coefs, intercepts, strict=True):
        for unit in range(coef.shape[1]):
            assert intercept[unit] == r_normal(source, 1)[0]
            np.testing.assert_array_equal(coef[:, unit], r_normal(source, 2))
    np.testing.assert_allclose([intercepts[0][0], *coefs[0][:, 0]], R_DRAWS[1][:3], atol=5e-8)


def test_in_place_for_arrays_and_tensors_alike() -> None:
    weights, biases = empty(4, 3)
    returned, _ = initialize(weights, biases, "he_normal", random_state=np.random.RandomState(2))
    assert returned[0] is weights[0]
    network = DenseNetwork(DenseSpec(4, (), (), (Head(3, "cross_entropy"),)))
    coefs, _ = initialize(list(network.weights), list(network.biases), "he_normal", random_state=2)
    np.testing.assert_array_equal(network.weights[0].detach().numpy(), weights[0].astype(np.float32))
    np.testing.assert_array_equal(coefs[0], weights[0].astype(np.float32))


def test_zeros_warn_only_when_there_are_hidden_layers() -> None:
    with pytest.warns(UserWarning, match=r"All hidden units start equal.* Use init='glorot_uniform'"):
        coefs, intercepts = initialize(*empty(3, 2, 1), "zeros", random_state=0)
    assert not any(a.any() for a in (*coefs, *intercepts))
    initialize(*empty(3, 1), "zeros", random_state=0)  # a warning would be an error here


def test_network_starts_as_scikit_learn() -> None:
    spec = DenseSpec(5, (7,), ("tanh",), (Head(3, "cross_entropy"),))
    network = DenseNetwork(spec, dtype=F64, seed=9)
    coefs, intercepts = initialize(*empty(5, 7, 3), random_state=9, activation="tanh")
    for tensor, array in zip([*network.weights, *network.biases], [*coefs, *intercepts], strict=True):
        np.testing.assert_array_equal(tensor.detach().numpy(), array)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"scheme": "glorot"}, r"Unknown initializer 'glorot'\. Did you mean 'glorot_"),
        ({"sigma": -1.0}, r"`sigma` must be at least 0 and finite\. Received: sigma=-1\.0"),
        ({"gain": float("inf")}, r"`gain` must be at least 0 and finite\. Received: gain=inf"),
        ({"activation": ["relu"]}, r"must have one entry a layer\. Received: 2 weights, 2 biases, 1 activations"),
        ({"activation": "rleu"}, r"Unknown activation 'rleu'"),
    ],
)
def test_refusals(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        initialize(*empty(3, 2, 1), random_state=0, **arguments)


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match=r"Received: weights\[0\] of shape \(3, 2\), biases\[0\] of shape \(3,\)"):
        initialize([np.empty((3, 2))], [np.empty(3)], random_state=0)


# ---- gradient flow --------------------------------------------------------------------------------------------------


def test_vanishing_through_a_chain_of_sigmoids() -> None:
    spec = DenseSpec(1, (1,) * 9, ("logistic",) * 9, (Head(1, "half_squared", activation="logistic"),))
    network = DenseNetwork.from_arrays(spec, [np.ones((1, 1))] * 10, [np.zeros(1)] * 10)
    x = torch.zeros(1, 1, dtype=F64, requires_grad=True)
    (slope,) = torch.autograd.grad(network.activations(x)[-1][1], x)
    assert slope.item() == pytest.approx(3.8752202321e-07, abs=1e-16)
    assert slope.item() < 0.25**10


@pytest.mark.parametrize(
    ("activation", "sigma", "low", "high"),
    [
        ("logistic", 1 / 8, 1e-7, 1e-3),
        ("relu", math.sqrt(2) / 8, 0.1, 10.0),
        ("tanh", 1 / 8, 0.1, 10.0),
    ],
)
def test_gradient_norms_of_ten_layers(activation: str, sigma: float, low: float, high: float) -> None:
    ratios = []
    for seed in range(5):
        spec = DenseSpec(64, (64,) * 9, (activation,) * 9, (Head(64, "half_squared"),))
        network = DenseNetwork(spec, dtype=F64)
        initialize(list(network.weights), list(network.biases), "normal", random_state=seed, sigma=sigma)
        rng = np.random.RandomState(100 + seed)
        x, y = torch.from_numpy(rng.normal(size=(64, 64))), torch.from_numpy(rng.normal(size=(64, 64)))
        DenseLoss(spec)(network(x), y).backward()
        ratios.append((network.weights[0].grad.norm() / network.weights[-1].grad.norm()).item())
    assert all(low < ratio < high for ratio in ratios), ratios
