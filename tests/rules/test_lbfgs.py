"""L-BFGS: parity with a bare torch loop, optima of scipy, resume, limits, and networks that compute their gradient."""

import copy
import json
import pickle

import numpy as np
import pytest
import torch
from scipy.optimize import minimize
from torch import nn

from strata.data.sources import Batch
from strata.functional import Penalty
from strata.nn import DenseLoss, DenseNetwork, DenseSpec, Head
from strata.rules import LBFGS, CompiledDense, LBFGSRule


def problem(n=40):
    generator = np.random.default_rng(5)
    x = generator.normal(size=(n, 4))
    return x, (x @ [1.0, -2.0, 0.5, 0.0] + 0.7 * generator.normal(size=n) > 0).astype(float)


def batch():
    x, y = problem()
    return Batch(torch.tensor(x), torch.tensor(y)[:, None])


def network(seed=2, hidden=6):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, hidden), nn.Tanh(), nn.Linear(hidden, 1)).double()


def finish(rule, item, limit=500):
    losses = []
    while not rule.converged and len(losses) < limit:
        losses.append(rule.step(item)["loss"].item())
    return losses


class Logistic:
    """Penalized logistic regression that gives its own gradient: the shape of a compiled network."""

    def __init__(self, alpha=0.5, dtype=np.float64):
        self.theta = np.zeros(5, dtype=dtype)
        self.alpha = alpha
        self.calls = 0

    def loss_and_gradient(self, item):
        self.calls += 1
        x, y = item.x.numpy(), item.y.numpy()[:, 0]
        z = x @ self.theta[:4] + self.theta[4]
        back = 1 / (1 + np.exp(-z)) - y
        loss = (np.logaddexp(0, z) - y * z).sum() + 0.5 * self.alpha * (self.theta[:4] ** 2).sum()
        return float(loss), np.append(x.T @ back + self.alpha * self.theta[:4], back.sum())


def scipy_optimum(alpha=0.5):
    model = Logistic(alpha)

    def objective(theta):
        model.theta = theta
        return model.loss_and_gradient(batch())

    return minimize(objective, np.zeros(5), jac=True, method="BFGS", options={"gtol": 1e-10}).x


def test_equals_a_bare_torch_loop():
    item = batch()
    ours, theirs = network(), network()
    rule = LBFGSRule(ours, "binary_cross_entropy", optimizer=LBFGS(history_size=5, tol=1e-12))
    for _ in range(12):
        rule.step(item)
    parameters = [theirs[0].weight, theirs[2].weight, theirs[0].bias, theirs[2].bias]  # the rule's order
    optimizer = torch.optim.LBFGS(
        parameters,
        lr=1,
        max_iter=1,
        history_size=5,
        line_search_fn="strong_wolfe",
        tolerance_grad=0,
        tolerance_change=0,
    )
    calls = 0

    def closure():
        nonlocal calls
        calls += 1
        optimizer.zero_grad()
        loss = nn.functional.binary_cross_entropy_with_logits(theirs(item.x), item.y)
        loss.backward()
        return loss

    for _ in range(12):
        optimizer.step(closure)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        np.testing.assert_allclose(a.detach(), b.detach(), rtol=0, atol=1e-12)
    assert rule.n_evaluations == calls - 11  # the start of an iteration is the end of the one before
    assert rule.n_steps == 12


def test_finds_the_optimum_of_scipy_by_both_ways():
    expected = scipy_optimum()
    compiled = Logistic()
    rule = LBFGSRule(compiled, optimizer=LBFGS(tol=1e-9))
    losses = finish(rule, batch())
    np.testing.assert_allclose(compiled.theta, expected, atol=1e-8)
    assert rule.stop_cause == "tol"
    assert rule.n_evaluations == compiled.calls
    assert all(after <= before for before, after in zip(losses, losses[1:], strict=False))
    line = nn.Linear(4, 1).double()
    by_autograd = LBFGSRule(
        line,
        lambda scores, targets: nn.functional.binary_cross_entropy_with_logits(scores, targets, reduction="sum"),
        optimizer=LBFGS(tol=1e-9),
        penalty=Penalty(l2=0.5),
    )
    finish(by_autograd, batch())
    np.testing.assert_allclose([*line.weight[0].tolist(), line.bias.item()], expected, atol=1e-8)
    assert by_autograd.evaluate(batch())["loss"].item() == pytest.approx(losses[-1], rel=1e-9)
    assert rule.evaluate(batch())["loss"].item() == pytest.approx(losses[-1], rel=1e-12)
    assert rule.evaluate(batch())["weight"].item() == 40


def test_a_new_batch_object_is_evaluated_again():
    compiled = Logistic()
    rule = LBFGSRule(compiled, optimizer=LBFGS(tol=1e-9))
    rule.step(batch())
    before = compiled.calls
    shifted = batch()
    loss = rule.step(Batch(shifted.x, 1 - shifted.y))["loss"].item()
    assert compiled.calls > before
    theta = copy.deepcopy(compiled)
    assert loss != pytest.approx(theta.loss_and_gradient(shifted)[0])


@pytest.mark.parametrize("way", ["autograd", "compiled"])
@pytest.mark.parametrize("stop_after", [1, 3, 7])
def test_state_dict_resumes_bit_for_bit(way, stop_after):
    item = batch()

    def fresh():
        if way == "compiled":
            return LBFGSRule(Logistic(), optimizer=LBFGS(tol=1e-13))
        return LBFGSRule(network(), "binary_cross_entropy", optimizer=LBFGS(tol=1e-13), penalty=Penalty(l2=0.01))

    def flat(rule):
        return rule._objective.snapshot()

    whole, first, second = fresh(), fresh(), fresh()
    for _ in range(10):
        whole.step(item)
    for _ in range(stop_after):
        first.step(item)
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    if way == "compiled":
        second.network.theta[:] = first.network.theta  # the compiled rule's own state_dict does this
    for _ in range(10 - stop_after):
        second.step(item)
    assert torch.equal(flat(whole), flat(second))
    assert whole.n_evaluations == second.n_evaluations
    assert second.n_steps == 10


@pytest.mark.parametrize("clone", [copy.deepcopy, lambda rule: pickle.loads(pickle.dumps(rule))])
@pytest.mark.parametrize("make", [lambda: LBFGSRule(Logistic()), lambda: LBFGSRule(network(), "binary_cross_entropy")])
def test_copies_learn_alike_and_alone(make, clone):
    item = batch()
    rule = make()
    for _ in range(3):
        rule.step(item)
    twin = clone(rule)
    before = rule._objective.snapshot()
    for _ in range(3):
        twin.step(item)
    assert torch.equal(rule._objective.snapshot(), before)
    for _ in range(3):
        rule.step(item)
    assert torch.equal(rule._objective.snapshot(), twin._objective.snapshot())
    if isinstance(twin.network, Logistic):
        np.testing.assert_array_equal(twin.network.theta, twin._objective.snapshot())


def compiled_and_automatic(dropout=()):
    spec = DenseSpec(4, (6,), ("tanh",), (Head(1, "binary_cross_entropy"),), dropout=dropout)
    compiled = CompiledDense(DenseNetwork(spec, dtype=torch.float64, seed=3), penalty=Penalty(l2=0.01))
    automatic = DenseNetwork(spec, dtype=torch.float64, seed=3)
    options = {"optimizer": LBFGS(tol=1e-7)}
    return LBFGSRule(compiled, **options), LBFGSRule(automatic, DenseLoss(spec), penalty=Penalty(l2=0.01), **options)


@pytest.mark.parametrize("dropout", [(), (0.0, 0.3)])
def test_compiled_networks_take_the_same_path(dropout):
    item = batch()
    rules = compiled_and_automatic(dropout)
    for _ in range(8):
        losses = [rule.step(item)["loss"].item() for rule in rules]
        assert losses[0] == pytest.approx(losses[1], rel=1e-7)
    values = [rule.evaluate(item)["loss"].item() for rule in rules]
    assert values[0] == pytest.approx(values[1], rel=1e-7)
    scores = [rule.eval()(item.x).detach() for rule in rules]
    np.testing.assert_allclose(*scores, atol=1e-6)


def test_a_compiled_network_resumes_and_copies():
    item = batch()
    whole, first = compiled_and_automatic()[0], compiled_and_automatic()[0]
    for _ in range(9):
        whole.step(item)
    for _ in range(4):
        first.step(item)
    second = compiled_and_automatic()[0]
    second.load_state_dict(pickle.loads(pickle.dumps(first.state_dict())))
    third = copy.deepcopy(first)
    for _ in range(5):
        second.step(item)
        third.step(item)
    np.testing.assert_array_equal(second.network.theta, whole.network.theta)
    np.testing.assert_array_equal(third.network.theta, whole.network.theta)
    assert not np.array_equal(first.network.theta, whole.network.theta)


def test_max_fun_ends_the_search():
    rule = LBFGSRule(network(), "binary_cross_entropy", optimizer=LBFGS(tol=0.0, max_fun=7))
    finish(rule, batch())
    assert rule.stop_cause == "max_fun"
    assert 7 <= rule.n_evaluations < 7 + 25


def test_no_progress_ends_the_search():
    rule = LBFGSRule(Logistic(), optimizer=LBFGS(tol=0.0))
    finish(rule, batch())
    assert rule.stop_cause in ("no_progress", "tol")
    assert rule.n_steps < 100
    np.testing.assert_allclose(rule.network.theta, scipy_optimum(), atol=1e-7)


def test_float32_stays_float32():
    compiled = Logistic(dtype=np.float32)
    rule = LBFGSRule(compiled, optimizer=LBFGS(tol=1e-3))
    finish(rule, Batch(*(part.float() for part in batch()[:2])))
    assert compiled.theta.dtype == np.float32
    np.testing.assert_allclose(compiled.theta, scipy_optimum(), atol=1e-3)


def test_dropout_keeps_one_mask_through_a_line_search():
    spec = DenseSpec(4, (8,), ("tanh",), (Head(1, "binary_cross_entropy"),), dropout=(0.0, 0.5))
    net = DenseNetwork(spec, dtype=torch.float64, seed=3)
    rule = LBFGSRule(net, DenseLoss(spec))
    item = batch()
    losses = [rule.step(item)["loss"].item() for _ in range(3)]
    assert net.dropout_step.item() == 2
    assert np.isfinite(losses).all()
    assert net.training


def test_describe_is_json():
    described = json.loads(json.dumps(LBFGSRule(network(), "mse").describe()))
    assert described["optimizer"] == {
        "name": "lbfgs", "learning_rate": 1.0, "history_size": 10, "tol": 1e-05, "max_fun": 15000
    }  # fmt: skip


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: LBFGSRule(network()), ValueError, "`loss` must be given with a network that has none of its own"),
        (lambda: LBFGSRule(3, "mse"), TypeError, "`network` must be an nn.Module or offer `theta`"),
        (lambda: LBFGSRule(network(), "mes"), ValueError, "Unknown loss 'mes'"),
        (lambda: LBFGSRule(Logistic(), "mse"), ValueError, "`loss` and `penalty` must be left out"),
        (lambda: LBFGSRule(Logistic(), penalty=Penalty(l2=1)), ValueError, "`loss` and `penalty` must be left out"),
        (lambda: LBFGSRule(network(), "mse", optimizer="lbfgs"), TypeError, "`optimizer` must be an LBFGS record"),
        (lambda: LBFGSRule(network(), "mse", penalty=1), TypeError, "`penalty` must be a Penalty"),
        (
            lambda: LBFGSRule(network(), "mse", penalty=Penalty(max_norm=1)),
            ValueError,
            "`penalty` must be part of the objective with L-BFGS",
        ),
        (
            lambda: LBFGSRule(nn.Linear(2, 1).requires_grad_(False), "mse"),
            ValueError,
            "`network` must have a parameter to learn",
        ),
    ],
)
def test_bad_values_are_named(make, error, message):
    with pytest.raises(error, match=message):
        make()
