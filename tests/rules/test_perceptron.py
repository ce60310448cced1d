"""The perceptron rule against the lecture's golden runs and scikit-learn's Perceptron."""

import copy

import numpy as np
import pytest
import scipy.sparse
import torch
from sklearn.datasets import load_digits, load_iris, make_classification
from sklearn.linear_model import Perceptron
from sklearn.model_selection import StratifiedShuffleSplit

from strata.data.sources import Batch
from strata.rules import PerceptronRule, shuffle_seeds

GATE_INPUTS = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])

# learning.md section 2.2: (w1, w2, b) at the end of each epoch, and the errors of four
GOLDEN = {
    "and": ([0, 0, 0, 1], [(1, 1, 1), (2, 1, 0), (2, 1, -1), (2, 2, -1), (2, 1, -2), (2, 1, -2)],
            [0.25, 0.75, 0.75, 0.5, 0.25, 0.0]),
    "or": ([0, 1, 1, 1], [(0, 1, 1), (1, 1, 1), (1, 1, 0), (1, 1, 0)], [0.25, 0.5, 0.25, 0.0]),
    "nor": ([1, 0, 0, 0], [(0, -1, 0), (-1, -1, 0), (-1, -1, 1), (-1, -1, 1)], [0.5, 0.5, 0.25, 0.0]),
    "xor": ([0, 1, 1, 0], [(-1, 0, 0), (-1, 0, 1), (-1, 0, 1), (-1, 0, 1), (-1, 0, 1)], [0.5, 0.75, 1, 1, 1]),
}  # fmt: skip


def run_epochs(rule, batch, n=1000):
    trace = []
    while not rule.converged and len(trace) < n:
        figures = rule.step(batch)
        rule.end_epoch({})
        trace.append(((*rule.weight[0].tolist(), rule.bias[0].item()), figures["error"].item()))
    return trace


def gate(name):
    return Batch(GATE_INPUTS, torch.tensor(GOLDEN[name][0], dtype=torch.float64)[:, None])


@pytest.mark.parametrize("name", GOLDEN)
def test_golden_runs_are_exact(name):
    rule = PerceptronRule(2)
    trace = run_epochs(rule, gate(name), n=len(GOLDEN[name][1]))
    assert [weights for weights, _ in trace] == GOLDEN[name][1]
    assert [error for _, error in trace] == GOLDEN[name][2]
    assert rule.converged == (name != "xor")
    assert rule.n_epochs.tolist() == [len(GOLDEN[name][1])]


def test_xor_never_ends():
    rule = PerceptronRule(2)
    trace = run_epochs(rule, gate("xor"), n=200)
    assert len(trace) == 200
    assert trace[-1] == ((-1, 0, 1), 1.0)


def test_rate_scales_weights_and_leaves_decisions():
    one, tenth = PerceptronRule(2), PerceptronRule(2, learning_rate=0.125)
    run_epochs(one, gate("and"))
    run_epochs(tenth, gate("and"))
    np.testing.assert_array_equal(tenth.weight * 8, one.weight)
    assert tenth.bias.item() * 8 == one.bias.item() == -2


def test_threshold_stops_before_the_errors_are_gone():
    rule = PerceptronRule(2, threshold=0.3)
    trace = run_epochs(rule, gate("and"))
    assert len(trace) == 1  # first epoch: error .25 < .3
    assert trace[0][1] == 0.25
    equal = PerceptronRule(2, threshold=0.25)  # the mean must be below: epochs .25 .75 .75 .5 .25 0
    assert len(run_epochs(equal, gate("and"))) == 6
    never = PerceptronRule(2, threshold=None)
    assert len(run_epochs(never, gate("and"), n=9)) == 9


def test_minibatches_take_the_same_path_as_one_batch():
    whole, parts = PerceptronRule(2), PerceptronRule(2)
    for _ in range(6):
        whole.step(gate("and"))
        for first in (0, 3):
            batch = gate("and")
            parts.step(Batch(batch.x[first : first + 3], batch.y[first : first + 3]))
        whole.end_epoch({})
        parts.end_epoch({})
    np.testing.assert_array_equal(whole.weight, parts.weight)
    assert parts.converged and whole.converged


def test_mistakes_are_bounded_by_the_margin():
    generator = np.random.default_rng(3)
    x = generator.normal(size=(200, 3))
    direction = np.array([1.0, -2.0, 0.5, 0.3]) / np.linalg.norm([1.0, -2.0, 0.5, 0.3])
    with_bias = np.hstack([x, np.ones((200, 1))])
    margin = with_bias @ direction
    keep = np.abs(margin) > 0.3
    x, with_bias, margin = x[keep], with_bias[keep], margin[keep]
    rule = PerceptronRule(3)
    batch = Batch(torch.tensor(x), torch.tensor(margin > 0).double()[:, None])
    trace = run_epochs(rule, batch)
    n_mistakes = sum(error for _, error in trace) * len(x)
    assert 0 < n_mistakes <= (np.linalg.norm(with_bias, axis=1).max() / np.abs(margin).min()) ** 2
    assert trace[-1][1] == 0


def fit_as_sklearn(
    x, y, *, eta0=1.0, alpha=0.0001, penalty=None, l1_ratio=0.15, max_iter=1000, tol=1e-3, seed=0, shuffle=True,
    fit_intercept=True, class_weight=None, sample_weight=None, early_stopping=False,
):  # fmt: skip
    """Drive the rule as an estimator does."""
    classes = np.unique(y)
    n_outputs = 1 if len(classes) == 2 else len(classes)
    columns = y[:, None] == (classes[1:] if n_outputs == 1 else classes)
    weights = class_weight or {}
    if n_outputs == 1:
        pairs = [tuple(weights.get(c, 1.0) for c in classes)]
    else:
        pairs = [(1.0, weights.get(c, 1.0)) for c in classes]
    share = {None: 0.0, "l2": 0.0, "l1": 1.0, "elasticnet": l1_ratio}[penalty]
    alpha = alpha if penalty else 0.0
    rows = None
    if early_stopping:
        split = StratifiedShuffleSplit(test_size=0.1, random_state=seed)
        rows = np.zeros(len(y), dtype=bool)
        rows[next(split.split(x, columns[:, 0] if n_outputs == 1 else y))[1]] = True
    rule = PerceptronRule(
        x.shape[1], n_outputs, learning_rate=eta0, threshold=None, ties="error", l1=alpha * share,
        l2=alpha * (1 - share), fit_intercept=fit_intercept, class_weights=pairs, tol=tol,
        seeds=shuffle_seeds(seed, n_outputs) if shuffle else None, validation_rows=rows,
        bias_share=0.01 if scipy.sparse.issparse(x) else 1.0,
        dtype=torch.float32 if x.dtype == np.float32 else torch.float64,
    )  # fmt: skip
    if scipy.sparse.issparse(x):
        parts = (torch.tensor(part) for part in (x.indptr, x.indices, x.data))
        data = torch.sparse_csr_tensor(*parts, size=x.shape, check_invariants=True)
    else:
        data = torch.tensor(x)
    batch = Batch(data, torch.tensor(columns).double(), None if sample_weight is None else torch.tensor(sample_weight))
    for _ in range(max_iter):
        rule.step(batch)
        rule.end_epoch({})
        if rule.converged:
            break
    return rule


def problem(n_classes, seed=1):
    return make_classification(
        n_samples=180, n_features=7, n_informative=4, n_classes=n_classes, class_sep=0.8, random_state=seed
    )


CASES = [
    {},
    {"shuffle": False},
    {"eta0": 0.3, "fit_intercept": False},
    {"penalty": "l2", "alpha": 0.01},
    {"penalty": "l2", "alpha": 3.0},  # shrinks to nothing at every example
    {"penalty": "l1", "alpha": 0.003},
    {"penalty": "elasticnet", "alpha": 0.005, "l1_ratio": 0.4},
    {"class_weight": {0: 1.0, 1: 3.0, 2: 0.5}},
    {"early_stopping": True},
    {"seed": 7, "max_iter": 3, "tol": None},
]


@pytest.mark.filterwarnings("ignore:Maximum number of iteration")
@pytest.mark.parametrize("n_classes", [2, 3])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_equals_sklearn(case, n_classes):
    x, y = problem(n_classes)
    theirs = dict(case)
    if "class_weight" in theirs:
        theirs["class_weight"] = {c: theirs["class_weight"][c] for c in range(n_classes)}
    theirs["random_state"] = theirs.pop("seed", 0)
    expected = Perceptron(**theirs).fit(x, y)
    rule = fit_as_sklearn(x, y, **case)
    np.testing.assert_allclose(rule.weight, expected.coef_, rtol=1e-11, atol=1e-12)
    np.testing.assert_allclose(rule.bias, expected.intercept_, rtol=1e-11, atol=1e-12)
    assert rule.n_epochs.max() == expected.n_iter_


def test_equals_sklearn_with_sample_weights():
    x, y = problem(3)
    weights = np.random.default_rng(0).uniform(0, 2, len(y))
    expected = Perceptron(random_state=4, tol=1e-4).fit(x, y, sample_weight=weights)
    rule = fit_as_sklearn(x, y, seed=4, tol=1e-4, sample_weight=weights)
    np.testing.assert_allclose(rule.weight, expected.coef_, rtol=1e-11)
    unweighted = fit_as_sklearn(x, y, seed=4, tol=1e-4)
    assert not np.allclose(rule.weight, unweighted.weight, rtol=1e-3)


@pytest.mark.filterwarnings("ignore:Sparse CSR tensor support is in beta")
@pytest.mark.parametrize(
    ("penalty", "early_stopping"),
    # not l2 with early stopping: scikit-learn scores its validation rows with weights that lack the pending shrinkage
    [(None, False), ("l1", False), ("l2", False), (None, True), ("l1", True)],
)
def test_equals_sklearn_on_sparse_rows(penalty, early_stopping):
    x, y = load_digits(return_X_y=True)
    x = scipy.sparse.csr_matrix(x[:300] * (x[:300] > 8))
    expected = Perceptron(penalty=penalty, alpha=1e-3, early_stopping=early_stopping).fit(x, y[:300])
    rule = fit_as_sklearn(x, y[:300], penalty=penalty, alpha=1e-3, early_stopping=early_stopping)
    np.testing.assert_allclose(rule.weight, expected.coef_, rtol=1e-10, atol=1e-10)
    np.testing.assert_allclose(rule.bias, expected.intercept_, rtol=1e-10)


def test_float32_learns_as_sklearn():
    x, y = load_iris(return_X_y=True)
    x = x.astype(np.float32)
    expected = Perceptron(random_state=2).fit(x, y)
    rule = fit_as_sklearn(x, y, seed=2)
    assert rule.weight.dtype == torch.float32
    np.testing.assert_allclose(rule.weight, expected.coef_, rtol=2e-5)


@pytest.mark.parametrize("epochs_before", [1, 4])
def test_state_dict_resumes_bit_for_bit(epochs_before):
    x, y = problem(3)
    batch = Batch(torch.tensor(x), torch.tensor(y[:, None] == np.arange(3)).double())

    def fresh():
        return PerceptronRule(7, 3, threshold=None, ties="error", l1=1e-3, l2=1e-3, tol=1e-3, n_iter_no_change=2,
                              seeds=shuffle_seeds(0, 3))  # fmt: skip

    def learn(rule, n):
        for _ in range(n):
            rule.step(batch)
            rule.end_epoch({})
        return rule

    whole = learn(fresh(), 9)
    first = learn(fresh(), epochs_before)
    resumed = fresh()
    resumed.load_state_dict(copy.deepcopy(first.state_dict()))
    learn(resumed, 9 - epochs_before)
    for key, value in whole.state_dict().items():
        if key != "_extra_state":
            assert torch.equal(value, resumed.state_dict()[key]), key
    np.testing.assert_array_equal(whole._owed, resumed._owed)


def test_evaluate_measures_without_learning():
    rule = PerceptronRule(2)
    rule.step(gate("and"))  # w = (1, 1), b = 1: says 1 to all four
    before = copy.deepcopy(rule.state_dict())
    figures = rule.evaluate(gate("and"))
    assert figures["error"].item() == 0.75
    assert figures["loss"].item() == pytest.approx((1 + 2 + 2 + 0) / 4)
    assert torch.equal(before["weight"], rule.weight)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"learning_rate": 0}, r"`learning_rate` must be a finite number > 0. Received: learning_rate=0"),
        ({"threshold": -1.0}, "`threshold` must be a finite number >= 0"),
        ({"ties": "none"}, "Unknown `ties` 'none'"),
        ({"seeds": [1, 2]}, "`seeds` must hold one for each of 1 neurons"),
        ({"class_weights": [(1.0, -1.0)]}, "`class_weights` must hold two numbers >= 0"),
        ({"dtype": torch.float16}, "`dtype` must be torch.float64 or torch.float32"),
        ({"n_iter_no_change": 0}, "`n_iter_no_change` must be a whole number >= 1"),
    ],
)
def test_bad_arguments_are_named(arguments, message):
    with pytest.raises(ValueError, match=message):
        PerceptronRule(2, **arguments)


def test_bad_batches_are_named():
    rule = PerceptronRule(2)
    with pytest.raises(ValueError, match=r"`x` must have shape \(N, 2\). Received: shape \(4, 3\)"):
        rule.step(Batch(torch.zeros(4, 3), torch.zeros(4, 1)))
    with pytest.raises(ValueError, match=r"`y` must have shape \(4, 1\). Received: shape None"):
        rule.step(Batch(GATE_INPUTS))
    with pytest.raises(ValueError, match="`y` must hold only 0 and 1"):
        rule.step(Batch(GATE_INPUTS, torch.full((4, 1), 2.0)))
