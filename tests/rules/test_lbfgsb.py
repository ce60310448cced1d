"""SciPy's L-BFGS-B, one iteration a step."""

import copy
import gc
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import minimize
from torch import nn

from strata.data.sources import Batch
from strata.functional.penalties import Penalty
from strata.nn.dense import DenseNetwork, DenseSpec, Head
from strata.rules import CompiledDense, LBFGSBRule
from strata.rules.optimizers import LBFGS

RS = np.random.RandomState(0)
X, Y = RS.normal(size=(40, 3)), (RS.uniform(size=40) > 0.5).astype(float)
BATCH = Batch(torch.from_numpy(X), torch.from_numpy(Y[:, None]))


def logistic(theta):
    """Mean binary cross-entropy with its gradient, in NumPy."""
    z = X @ theta[:3] + theta[3]
    slope = (1 / (1 + np.exp(-z)) - Y) / len(Y)
    return np.mean(np.logaddexp(0, z) - Y * z), np.append(X.T @ slope, slope.sum())


def new_rule(**settings):
    spec = DenseSpec(3, (), (), (Head(1, "binary_cross_entropy"),))
    network = DenseNetwork.from_arrays(spec, [np.full((3, 1), 0.5)], [np.array([-0.5])])
    return LBFGSBRule(CompiledDense(network, optimizer=LBFGS()), optimizer=LBFGS(**settings))


def run(rule, n_steps):
    losses = []
    while not rule.converged and len(losses) < n_steps:
        losses.append(float(rule.step(BATCH)["loss"]))
    return losses


def test_each_step_is_an_iteration_of_scipy():
    points = []
    wanted = minimize(
        logistic,
        [0.5, 0.5, 0.5, -0.5],
        jac=True,
        method="L-BFGS-B",
        options={"gtol": 1e-5},
        callback=lambda x: points.append(logistic(x)[0]),
    )
    rule = new_rule(tol=1e-5)
    assert_allclose(run(rule, 100), points, rtol=1e-12)
    assert_allclose(rule.network.theta, wanted.x, rtol=1e-9)
    assert (rule.n_steps, rule.n_evaluations, rule.stop_cause) == (wanted.nit, wanted.nfev, "tol")


def test_autograd_takes_the_same_steps():
    network = nn.Linear(3, 1).double()
    with torch.no_grad():
        network.weight.fill_(0.5)
        network.bias.fill_(-0.5)
    rule = LBFGSBRule(network, "binary_cross_entropy", optimizer=LBFGS(tol=1e-5))
    assert_allclose(run(rule, 100), run(new_rule(tol=1e-5), 100), rtol=1e-10)


def test_limits():
    rule = new_rule(tol=0.0, max_fun=4)
    run(rule, 100)
    assert rule.stop_cause == "max_fun"
    rule = new_rule()
    rule.plan(n_batches=1, max_epochs=2)
    assert len(run(rule, 2)) == 2
    assert rule.stop_cause is None  # the engine says that the epochs are used up


def test_a_copy_and_a_resumed_rule_go_on_bit_for_bit():
    whole = new_rule(tol=1e-8)
    run(whole, 6)
    half = new_rule(tol=1e-8)
    run(half, 3)
    other = new_rule(tol=1e-8)
    other.load_state_dict(half.state_dict())
    for rule in (half, other, copy.deepcopy(half), pickle.loads(pickle.dumps(half))):
        run(rule, 3)
        assert rule.n_steps == 6
        assert_array_equal(rule.network.theta, whole.network.theta)


def test_a_rule_that_is_dropped_leaves_no_thread():
    rules = [new_rule(tol=0.0) for _ in range(3)]
    for rule in rules:
        run(rule, 2)
    threads = [rule._search._thread for rule in rules]
    assert all(thread.is_alive() for thread in threads)
    del rule, rules
    gc.collect()
    for thread in threads:
        thread.join(timeout=5)
    assert not any(thread.is_alive() for thread in threads)


def test_an_error_in_the_loss_comes_out():
    def broken(scores, targets, sample_weight):
        raise RuntimeError("out of order")

    with pytest.raises(RuntimeError, match="out of order"):
        LBFGSBRule(nn.Linear(3, 1).double(), broken).step(BATCH)


def test_refuses_a_penalty_after_the_step():
    with pytest.raises(ValueError, match="`penalty` must be part of the objective"):
        LBFGSBRule(nn.Linear(3, 1), "mse", penalty=Penalty(max_norm=1.0))
