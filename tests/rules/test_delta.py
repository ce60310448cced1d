"""The delta rule against the worked numbers of learning.md section 2.4, least squares and the gradient."""

import copy
import json

import numpy as np
import pytest
import torch

from strata.data.sources import Batch
from strata.rules import DeltaRule

PLANE = Batch(
    torch.tensor([[0, 0], [1, 0], [0, 1], [1, 1], [2, 1]], dtype=torch.float64),
    torch.tensor([[1.0], [3.0], [0.0], [2.5], [4.0]], dtype=torch.float64),
)
STEPS = Batch(
    torch.arange(-2, 3, 0.5, dtype=torch.float64)[:10, None],
    torch.tensor([0.0, 0, 0, 1, 0, 1, 0, 1, 1, 1], dtype=torch.float64)[:, None],
)


def test_one_step_with_separate_rates():
    rule = DeltaRule(2, bias_rate=0.1, weight_rate=0.05)
    figures = rule.step(PLANE)
    assert rule.bias.tolist() == pytest.approx([1.05], abs=1e-12)
    assert rule.weight[0].tolist() == pytest.approx([0.675, 0.325], abs=1e-12)
    assert figures["loss"].item() == pytest.approx(1 + 9 + 0 + 6.25 + 16)
    assert figures["weight"].item() == 5


def test_identity_converges_to_least_squares():
    rule = DeltaRule(2, bias_rate=0.1, weight_rate=0.05, tol=1e-11)
    while not rule.converged:
        rule.step(PLANE)
    assert rule.bias.item() == pytest.approx(1, abs=1e-9)
    assert rule.weight[0].tolist() == pytest.approx([2, -0.8333333333], abs=1e-9)
    assert 100 < rule.n_steps < 5000


def test_one_logistic_step():
    rule = DeltaRule(2, activation="logistic", bias_rate=1.0, weight_rate=1.0)
    rule.step(Batch(PLANE.x, torch.tensor([[0.0], [1.0], [0.0], [0.0], [1.0]])))
    assert rule.bias.item() == pytest.approx(-0.125, abs=1e-12)
    assert rule.weight[0].tolist() == pytest.approx([0.25, -0.125], abs=1e-12)


def test_logistic_with_squares_is_not_logistic_regression():
    rule = DeltaRule(1, activation="logistic", bias_rate=0.5, weight_rate=0.5, tol=1e-11)
    while not rule.converged and rule.n_steps < 20000:
        rule.step(STEPS)
    assert rule.converged
    assert rule.bias.item() == pytest.approx(-0.2672073419, abs=1e-8)
    assert rule.weight.item() == pytest.approx(1.0688293677, abs=1e-8)  # the likelihood's is 1.3534115217
    assert rule.evaluate(STEPS)["loss"].item() == pytest.approx(1.4651072493, abs=1e-9)


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu", "softplus"])
def test_the_update_is_half_the_gradient(activation):
    generator = np.random.default_rng(1)
    x, d = torch.tensor(generator.normal(size=(6, 3))), torch.tensor(generator.normal(size=(6, 2)))
    weights = torch.tensor(generator.uniform(0.2, 2, 6))
    rule = DeltaRule(3, 2, activation=activation, bias_rate=0.3, weight_rate=0.7)
    with torch.no_grad():
        rule.weight.copy_(torch.tensor(generator.normal(size=(2, 3))))
        rule.bias.copy_(torch.tensor(generator.normal(size=2)))
    w, b = rule.weight.detach().clone().requires_grad_(), rule.bias.detach().clone().requires_grad_()
    (weights[:, None] * (d - rule.activation.function(x @ w.T + b)) ** 2).sum().backward()
    rule.step(Batch(x, d, weights))
    np.testing.assert_allclose(rule.weight, (w - 0.7 * w.grad / 2).detach(), atol=1e-12)
    np.testing.assert_allclose(rule.bias, (b - 0.3 * b.grad / 2).detach(), atol=1e-12)


def test_rates_may_depend_on_the_iteration():
    seen = []

    def falling(iteration):
        seen.append(iteration)
        return 0.1 / iteration

    rule = DeltaRule(2, bias_rate=falling, weight_rate=0.05)
    constant = DeltaRule(2, bias_rate=0.1, weight_rate=0.05)
    rule.step(PLANE)
    constant.step(PLANE)
    assert torch.equal(rule.bias, constant.bias)
    rule.step(PLANE)
    constant.step(PLANE)
    before = 1.05
    assert rule.bias.item() - before == pytest.approx((constant.bias.item() - before) / 2, abs=1e-12)
    assert seen == [1, 2]
    assert rule.rate == 0.05
    assert json.loads(json.dumps(rule.describe()))["bias_rate"] == "falling"
    with pytest.raises(
        ValueError, match=r"`weight_rate\(1\)` must be a finite number > 0. Received: weight_rate\(1\)=0"
    ):
        DeltaRule(2, weight_rate=lambda r: 0.0).step(PLANE)


def test_state_dict_is_whole():
    whole, first, second = (DeltaRule(2, bias_rate=lambda r: 0.1 / r, weight_rate=0.05, tol=1e-3) for _ in range(3))
    for _ in range(9):
        whole.step(PLANE)
    for _ in range(4):
        first.step(PLANE)
    second.load_state_dict(copy.deepcopy(first.state_dict()))
    for _ in range(5):
        second.step(PLANE)
    assert torch.equal(whole.weight, second.weight)
    assert torch.equal(whole.bias, second.bias)
    assert second.n_steps == 9


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: DeltaRule(0), ValueError, "`n_inputs` must be a whole number >= 1"),
        (lambda: DeltaRule(2, activation="step"), ValueError, "`activation` must have a slope"),
        (lambda: DeltaRule(2, activation="softmax"), ValueError, "`activation` must have a slope"),
        (lambda: DeltaRule(2, activation="sigmod"), ValueError, "Unknown activation 'sigmod'"),
        (lambda: DeltaRule(2, bias_rate=-1), ValueError, "`bias_rate` must be a finite number > 0"),
        (lambda: DeltaRule(2, weight_rate="fast"), TypeError, "`weight_rate` must be a finite number > 0"),
        (lambda: DeltaRule(2, tol=-1), ValueError, "`tol` must be a finite number >= 0"),
        (lambda: DeltaRule(3).step(PLANE), ValueError, r"`x` must have shape \(N, 3\). Received: shape \(5, 2\)"),
        (lambda: DeltaRule(2).step(Batch(PLANE.x)), ValueError, r"`y` must have shape \(5, 1\). Received: shape None"),
        (lambda: DeltaRule(2, 2).step(PLANE), ValueError, r"`y` must have shape \(5, 2\). Received: shape \(5, 1\)"),
    ],
)
def test_bad_values_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
