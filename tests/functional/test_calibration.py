"""Temperature scaling against SciPy's minimum, hand-worked rows and logits whose temperature is known."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.special import expit, log_softmax

from strata.functional import TEMPERATURE_LIMITS, fit_temperature

T = torch.from_numpy


def drawn(n, k, seed, spread=2.0):
    """Logits, and classes drawn from their softmax."""
    random = np.random.RandomState(seed)
    logits = spread * random.normal(size=(n, k))
    probs = np.exp(log_softmax(logits, axis=1))
    return logits, np.array([random.choice(k, p=row) for row in probs]), random.rand(n)


def nll(logits, targets, beta, weight):
    if targets.ndim == 1 and logits.ndim == 2:
        return -(weight * log_softmax(beta * logits, axis=1)[np.arange(len(targets)), targets]).sum()
    z = beta * logits.reshape(len(logits), -1)
    losses = np.logaddexp(0, z) - targets.reshape(z.shape) * z
    return (weight * losses.sum(axis=1)).sum()


def minimum(logits, targets, weight):
    """Find T by SciPy, on the logarithm of 1/T."""
    found = minimize_scalar(
        lambda at: nll(logits, targets, math.exp(at), weight),
        bounds=(-5, 3),
        method="bounded",
        options={"xatol": 1e-10},
    )
    return math.exp(-found.x)


@pytest.mark.parametrize("scale", [0.2, 1.0, 7.0])
@pytest.mark.parametrize("k", [2, 3, 10])
def test_softmax_as_scipy_finds_it(k, scale):
    logits, y, weight = drawn(200, k, seed=k)
    logits *= scale
    assert fit_temperature(T(logits), T(y)) == pytest.approx(minimum(logits, y, np.ones(200)), rel=1e-6)
    weighted = fit_temperature(T(logits), T(y), sample_weight=T(weight))
    assert weighted == pytest.approx(minimum(logits, y, weight), rel=1e-6)
    assert weighted != pytest.approx(fit_temperature(T(logits), T(y)), rel=1e-3)


@pytest.mark.parametrize("n_labels", [1, 4])
def test_zeros_and_ones_as_scipy_finds_it(n_labels):
    random = np.random.RandomState(n_labels)
    logits = 3 * random.normal(size=(300, n_labels))
    y = (random.rand(300, n_labels) < expit(logits)).astype(float)
    found = fit_temperature(T(5 * logits), T(y))
    assert found == pytest.approx(minimum(5 * logits, y, np.ones(300)), rel=1e-6)
    if n_labels == 1:  # one output is two classes, one of which has the logit 0
        two = np.column_stack([np.zeros(300), 5 * logits[:, 0]])
        assert fit_temperature(T(5 * logits[:, 0]), T(y[:, 0])) == found
        assert fit_temperature(T(two), T(y[:, 0].astype(int))) == pytest.approx(found, rel=1e-9)


def test_the_slope_is_zero_at_the_minimum():
    logits, y, weight = (T(each) for each in drawn(150, 4, seed=0))
    temperature = torch.tensor(fit_temperature(4 * logits, y, sample_weight=weight), dtype=torch.float64)
    beta = (1 / temperature).requires_grad_()
    losses = torch.nn.functional.cross_entropy(beta * 4 * logits, y, reduction="none")
    (slope,) = torch.autograd.grad((weight * losses).sum(), beta)
    assert abs(slope.item()) < 1e-8


@pytest.mark.parametrize("temperature", [0.3, 1.0, 2.5, 40.0])
def test_a_known_temperature_comes_back(temperature):
    logits, y, _ = drawn(40_000, 3, seed=1)
    assert fit_temperature(T(temperature * logits), T(y)) == pytest.approx(temperature, rel=0.02)
    # and by exactly the factor that the logits were multiplied by
    once = fit_temperature(T(logits), T(y))
    assert fit_temperature(T(temperature * logits), T(y)) == pytest.approx(temperature * once, rel=1e-9)


def test_a_weight_of_two_is_the_row_twice():
    logits, y, _ = drawn(60, 3, seed=2)
    weight = np.random.RandomState(0).randint(0, 3, 60)
    twice = fit_temperature(T(np.repeat(logits, weight, axis=0)), T(np.repeat(y, weight)))
    assert fit_temperature(T(logits), T(y), sample_weight=T(weight.astype(float))) == pytest.approx(twice, rel=1e-9)


def test_soft_targets():
    """Half yes, half no of each row is the row once with each answer."""
    z = np.array([3.0, -2.0, 1.0])
    y = np.array([0.8, 0.3, 0.5])
    both = fit_temperature(T(np.r_[z, z]), T(np.r_[np.ones(3), np.zeros(3)]), sample_weight=T(np.r_[y, 1 - y]))
    assert fit_temperature(T(z), T(y)) == pytest.approx(both, rel=1e-9)


@pytest.mark.parametrize(
    ("scores", "targets", "wanted"),
    [
        ([[9.0, 0.0], [0.0, 9.0]], [0, 1], 1.0),  # every row is right: nothing says how often it errs
        ([[9.0, 9.0, 0.0]], [1], 1.0),  # tied for the top
        ([[0.0, 0.0]], [1], 1.0),  # no temperature changes anything
        ([5.0, -3.0], [1.0, 0.0], 1.0),
        ([[2.0, 1.0], [3.0, 1.0]], [0, 0], 1.0),  # one class
        ([[9.0, 0.0], [0.0, 9.0]], [1, 0], TEMPERATURE_LIMITS[1]),  # every row is wrong
        ([2.0, -1.0], [0.0, 1.0], TEMPERATURE_LIMITS[1]),
        ([[1e-9, 0.0]] * 9 + [[0.0, 1e-9]], [0] * 10, TEMPERATURE_LIMITS[0]),  # all but equal scores
        ([[1e9, 0.0]] * 2 + [[0.0, 1e9]], [0] * 3, TEMPERATURE_LIMITS[1]),
    ],
)
def test_rows_without_a_minimum_within_reach(scores, targets, wanted):
    targets = torch.tensor(targets)
    assert fit_temperature(torch.tensor(scores, dtype=torch.float64), targets) == wanted


def test_rows_of_weight_zero_do_not_count():
    scores, y = torch.tensor([[4.0, 0.0], [0.0, 4.0], [4.0, 0.0], [4.0, 0.0], [9.0, 0.0]]), [0, 1, 0, 1, 1]
    found = fit_temperature(scores, torch.tensor(y), sample_weight=torch.tensor([1.0, 1.0, 1.0, 1.0, 0.0]))
    assert found == pytest.approx(4 / math.log(3))
    assert fit_temperature(scores, torch.tensor(y), sample_weight=torch.zeros(5)) == 1.0


@pytest.mark.parametrize(
    ("scores", "targets", "weight", "error", "match"),
    [
        (torch.zeros(3, 1), torch.zeros(3).long(), None, ValueError, r"`scores` must have shape \(N, K\).*\(3, 1\)"),
        (torch.zeros(3, 2), torch.zeros(2).long(), None, ValueError, r"scores of shape \(3, 2\), targets of shape \(2"),
        (torch.zeros(0, 2), torch.zeros(0).long(), None, ValueError, "N >= 1"),
        (torch.zeros(3, 2), torch.zeros(3), None, TypeError, "`targets` must be integers"),
        (torch.zeros(3, 2), torch.tensor([0, 1, 2]), None, ValueError, "`targets` must be class numbers from 0 to 1"),
        (torch.zeros(2), torch.tensor([0.0, 1.5]), None, ValueError, r"`targets` must be in \[0, 1\]. .* with 1.5"),
        (torch.tensor([math.nan, 1.0]), torch.ones(2), None, ValueError, "`scores` must be finite. .* with nan"),
        (torch.zeros(2), torch.ones(2), torch.ones(3), ValueError, r"`sample_weight` must have shape \(2,\)"),
        (torch.zeros(2), torch.ones(2), torch.tensor([1.0, -1.0]), ValueError, "`sample_weight` must be .* with -1"),
    ],
)
def test_refusals(scores, targets, weight, error, match):
    with pytest.raises(error, match=match):
        fit_temperature(scores, targets, sample_weight=weight)
