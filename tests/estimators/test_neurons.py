"""Single neurons: truth tables, the golden runs of the lecture, and scikit-learn's perceptron."""

import itertools

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import LinearRegression
from sklearn.linear_model import Perceptron as TheirPerceptron

from strata import DeltaRulePerceptron, McCullochPitts, Perceptron

SQUARE = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])


@pytest.mark.parametrize(
    ("name", "function"),
    [
        ("and", lambda a, b: a and b),
        ("or", lambda a, b: a or b),
        ("nor", lambda a, b: not (a or b)),
        ("nand", lambda a, b: not (a and b)),
        ("not", lambda a: not a),
        ("majority", lambda a, b, c: a + b + c >= 2),
    ],
)
def test_gates(name, function):
    gate = McCullochPitts.gate(name)
    rows = np.array(list(itertools.product([0, 1], repeat=len(gate.weights))))
    wanted = [int(function(*row)) for row in rows.tolist()]
    assert_array_equal(gate.predict(rows), wanted)
    assert_array_equal(gate.fit(rows).predict(rows), wanted)


@pytest.mark.parametrize("name", ["xor", "xnor"])
def test_gates_that_no_neuron_computes(name):
    with pytest.raises(ValueError, match="which no single neuron computes"):
        McCullochPitts.gate(name)


def test_unknown_gate():
    with pytest.raises(ValueError, match="Unknown gate 'majorty'. Did you mean 'majority'"):
        McCullochPitts.gate("majorty")


def test_gate_refuses_what_is_not_binary_and_other_widths():
    with pytest.raises(ValueError, match="`x` must hold only 0 and 1"):
        McCullochPitts.gate("and").predict([[0.5, 1.0]])
    with pytest.raises(ValueError, match="`X` must have 2 features, one for each weight. Received: 3"):
        McCullochPitts.gate("and").predict([[0, 1, 1]])


def test_several_neurons_and_a_veto():
    layer = McCullochPitts([[1, 1], [-1, -1]], threshold=[1.5, -0.5])
    assert_array_equal(layer.predict(SQUARE), [[0, 1], [0, 0], [0, 0], [1, 0]])
    assert_array_equal(McCullochPitts([1, 1], 0.5, inhibitory=[1]).predict(SQUARE), [0, 0, 1, 0])


#: L 2.2: weights and bias at the end of each epoch, and the part of the examples that were wrong.
GOLDEN = {
    "and": ([0, 0, 0, 1], [(1, 1, 1), (2, 1, 0), (2, 1, -1), (2, 2, -1), (2, 1, -2), (2, 1, -2)],
            [0.25, 0.75, 0.75, 0.5, 0.25, 0.0]),
    "or": ([0, 1, 1, 1], [(0, 1, 1), (1, 1, 1), (1, 1, 0), (1, 1, 0)], [0.25, 0.5, 0.25, 0.0]),
    "nor": ([1, 0, 0, 0], [(0, -1, 0), (-1, -1, 0), (-1, -1, 1), (-1, -1, 1)], [0.5, 0.5, 0.25, 0.0]),
    "xor": ([0, 1, 1, 0], [(-1, 0, 0), (-1, 0, 1), (-1, 0, 1)], [0.5, 0.75, 1.0, 1.0, 1.0]),
}  # fmt: skip


@pytest.mark.parametrize("gate", GOLDEN)
def test_golden_runs(gate):
    targets, weights, errors = GOLDEN[gate]
    settings = {"shuffle": False, "tol": None, "threshold_error": 0.0}
    for n_epochs, wanted in enumerate(weights, start=1):
        model = Perceptron(max_iter=n_epochs, **settings).fit(SQUARE, targets)
        assert (*model.coef_[0], model.intercept_[0]) == wanted
    model = Perceptron(max_iter=len(errors), **settings).fit(SQUARE, targets)
    assert model.errors_ == errors
    if gate != "xor":
        long = Perceptron(max_iter=100, **settings).fit(SQUARE, targets)
        assert (long.n_iter_, long.stop_reason_) == (len(errors), "converged")
        assert_array_equal(long.predict(SQUARE), targets)


def test_threshold_of_the_error():
    """T = 0.3 is met by the first epoch whose error is below it."""
    model = Perceptron(shuffle=False, tol=None, threshold_error=0.3).fit(SQUARE, [0, 0, 0, 1])
    assert model.errors_ == [0.25]


def test_the_rate_scales_weights_and_changes_no_decision():
    settings = {"shuffle": False, "tol": None, "threshold_error": 0.0}
    model = Perceptron(eta0=0.1, **settings).fit(SQUARE, [0, 0, 0, 1])
    assert_allclose((*model.coef_[0], model.intercept_[0]), (0.2, 0.1, -0.2))
    assert_array_equal(model.predict(SQUARE), [0, 0, 0, 1])


IRIS = load_iris(return_X_y=True)


@pytest.mark.parametrize("container", [np.asarray, sparse.csr_array, sparse.csr_matrix])
@pytest.mark.parametrize("binary", [False, True])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"penalty": "l2", "alpha": 1e-3},
        {"penalty": "l1"},
        {"penalty": "elasticnet", "alpha": 0.01, "l1_ratio": 0.5},
        {"early_stopping": True},
        {"class_weight": "balanced"},
        {"class_weight": {0: 2.0, 1: 0.5}},
        {"shuffle": False},
        {"tol": None, "max_iter": 20},
        {"eta0": 0.5, "fit_intercept": False},
        {"random_state": 7},
    ],
    ids=str,
)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learns_weights(settings, binary, container):
    X, y = IRIS
    X, y = container(X), (y == 1).astype(int) if binary else y
    theirs, ours = TheirPerceptron(**settings).fit(X, y), Perceptron(**settings).fit(X, y)
    assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9, atol=1e-9)
    assert_allclose(ours.intercept_, theirs.intercept_, rtol=1e-9, atol=1e-9)
    assert (ours.n_iter_, ours.t_) == (theirs.n_iter_, theirs.t_)
    assert_allclose(ours.decision_function(X), theirs.decision_function(X), rtol=1e-9, atol=1e-8)
    assert_array_equal(ours.predict(X), theirs.predict(X))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_scikit_learns_weights_with_sample_weights_and_in_parts():
    X, y = load_digits(return_X_y=True)
    weight = np.random.RandomState(0).uniform(0, 2, len(y))
    theirs = TheirPerceptron().fit(X, y, sample_weight=weight)
    ours = Perceptron().fit(X, y, sample_weight=weight)
    assert_allclose(ours.coef_, theirs.coef_, rtol=1e-9, atol=1e-7)
    theirs, ours = TheirPerceptron(penalty="l2"), Perceptron(penalty="l2")
    for part in (slice(0, 500), slice(500, 1000), slice(0, 1797)):
        theirs.partial_fit(X[part], y[part], classes=np.arange(10))
        ours.partial_fit(X[part], y[part], classes=np.arange(10))
        assert_allclose(ours.coef_, theirs.coef_, rtol=1e-8, atol=1e-8)
        assert ours.t_ == theirs.t_


def test_warm_start_and_start_values():
    X, y = IRIS
    settings = {"warm_start": True, "max_iter": 3, "tol": None}
    theirs, ours = TheirPerceptron(**settings), Perceptron(**settings)
    for _ in range(3):
        assert_array_equal(ours.fit(X, y).coef_, theirs.fit(X, y).coef_)
    start = Perceptron(max_iter=1, tol=None).fit(X, y, coef_init=theirs.coef_, intercept_init=theirs.intercept_)
    wanted = TheirPerceptron(max_iter=1, tol=None).fit(X, y, coef_init=theirs.coef_, intercept_init=theirs.intercept_)
    assert_array_equal(start.coef_, wanted.coef_)
    with pytest.raises(ValueError, match="`coef_init` must have shape"):
        Perceptron().fit(X, y, coef_init=np.ones(3))


def test_perceptron_says_what_is_wrong():
    X, y = IRIS
    with pytest.raises(ValueError, match="number of classes has to be greater than one; got 1 class"):
        Perceptron().fit(X, np.zeros(150))
    with pytest.warns(ConvergenceWarning, match="Maximum number of iteration reached"):
        Perceptron(max_iter=2).fit(X, y)
    with pytest.raises(ValueError, match="early_stopping should be False with partial_fit"):
        Perceptron(early_stopping=True).partial_fit(X, y, classes=[0, 1, 2])
    model = Perceptron().partial_fit(X[:100], y[:100], classes=[0, 1])
    with pytest.raises(ValueError, match="`y` must hold classes of the first call only"):
        model.partial_fit(X, y)


def test_sparsify():
    X, y = IRIS
    model = Perceptron(penalty="l1").fit(X, y)
    wanted = model.predict(X)
    assert sparse.issparse(model.sparsify().coef_)
    assert_array_equal(model.predict(X), wanted)
    assert_array_equal(model.densify().predict(X), wanted)


#: L 2.4: five rows and what they should give.
ROWS, WANTED = np.array([[0, 0], [1, 0], [0, 1], [1, 1], [2, 1]]), np.array([1, 3, 0, 2.5, 4])


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_delta_rule_one_step():
    model = DeltaRulePerceptron(bias_rate=0.1, weight_rate=0.05, max_iter=1).fit(ROWS, WANTED)
    assert_allclose(model.intercept_, 1.05)
    assert_allclose(model.coef_, [0.675, 0.325])
    model = DeltaRulePerceptron(activation="logistic", bias_rate=1, weight_rate=1, max_iter=1)
    model.fit(ROWS, [0, 1, 0, 0, 1])
    assert_allclose((model.intercept_, *model.coef_), (-0.125, 0.25, -0.125))


def test_delta_rule_ends_at_least_squares():
    model = DeltaRulePerceptron(max_iter=20000, tol=1e-11).fit(ROWS, WANTED)
    assert_allclose((model.intercept_, *model.coef_), (1, 2, -0.8333333333), rtol=1e-8)
    both = DeltaRulePerceptron(max_iter=20000, tol=1e-11).fit(ROWS, np.column_stack([WANTED, -2 * WANTED]))
    assert_allclose(both.coef_, LinearRegression().fit(ROWS, both.predict(ROWS)).coef_, rtol=1e-6)
    assert_allclose(both.coef_[1], -2 * both.coef_[0], rtol=1e-6)


def test_delta_rule_logistic_curve():
    x = np.arange(-2, 2.6, 0.5)[:, None]
    model = DeltaRulePerceptron(activation="logistic", bias_rate=0.5, weight_rate=0.5, max_iter=20000, tol=1e-12)
    model.fit(x, [0, 0, 0, 1, 0, 1, 0, 1, 1, 1])
    assert_allclose((model.intercept_, model.coef_[0]), (-0.2672073419, 1.0688293677), rtol=1e-6)
    assert_allclose(model.loss_, 1.4651072493, rtol=1e-9)


def test_delta_rule_rates_by_iteration_and_weights():
    falling = {"bias_rate": lambda step: 0.1 / step, "weight_rate": lambda step: 0.05 / step}
    model = DeltaRulePerceptron(**falling, max_iter=1, tol=None).fit(ROWS, WANTED)
    assert_allclose(model.coef_, [0.675, 0.325])
    doubled = DeltaRulePerceptron(bias_rate=0.01, weight_rate=0.01, max_iter=9, tol=None)
    by_weight = doubled.fit(ROWS, WANTED, sample_weight=[2, 1, 1, 0, 1]).coef_
    rows = [0, 0, 1, 2, 4]
    assert_allclose(doubled.fit(ROWS[rows], WANTED[rows]).coef_, by_weight)


def test_delta_rule_warns():
    with pytest.warns(ConvergenceWarning, match=r"Maximum iterations \(2\) reached"):
        DeltaRulePerceptron(max_iter=2).fit(ROWS, WANTED)
