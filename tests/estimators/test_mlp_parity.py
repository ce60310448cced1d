"""The same seed gives scikit-learn's weights, losses and number of epochs."""

import warnings

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import sparse
from sklearn.datasets import load_iris, make_classification, make_multilabel_classification, make_regression
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.neural_network import MLPRegressor as TheirRegressor

from strata import MLPClassifier, MLPRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

IRIS = load_iris(return_X_y=True)
BINARY = make_classification(120, 6, random_state=0)
LABELS = make_multilabel_classification(90, 7, random_state=0)
NUMBER = make_regression(110, 5, noise=1.0, random_state=0)
NUMBERS = make_regression(110, 5, n_targets=3, noise=1.0, random_state=0)
WEIGHT = np.random.RandomState(0).uniform(0.1, 3.0, 200)


def assert_same(theirs, ours, *, rtol=1e-8):
    assert ours.n_iter_ == theirs.n_iter_
    assert ours.t_ == theirs.t_
    assert ours.out_activation_ == theirs.out_activation_
    assert (ours.n_layers_, ours.n_outputs_) == (theirs.n_layers_, theirs.n_outputs_)
    for name in ("coefs_", "intercepts_"):
        for mine, other in zip(getattr(ours, name), getattr(theirs, name), strict=True):
            assert mine.dtype == other.dtype
            assert_allclose(mine, other, rtol=rtol, atol=rtol)
    for name in ("loss_curve_", "validation_scores_", "best_loss_", "best_validation_score_", "loss_"):
        other, mine = getattr(theirs, name), getattr(ours, name)
        if other is None:
            assert mine is None
        else:
            assert_allclose(mine, other, rtol=rtol, atol=rtol)


SETTINGS = {
    "adam": {},
    "adam betas": {"beta_1": 0.8, "beta_2": 0.95, "epsilon": 1e-3},
    "sgd": {"solver": "sgd", "learning_rate_init": 0.02},
    "sgd heavy ball": {"solver": "sgd", "learning_rate_init": 0.02, "nesterovs_momentum": False},
    "sgd plain": {"solver": "sgd", "learning_rate_init": 0.05, "momentum": 0.0},
    "invscaling": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.5, "power_t": 0.3},
    "adaptive": {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.1, "tol": 5e-3, "max_iter": 120},
    "stop": {"tol": 0.02, "n_iter_no_change": 2, "max_iter": 200},
    "early stopping": {"early_stopping": True, "max_iter": 100, "n_iter_no_change": 4},
    "early stopping adaptive": {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "early_stopping": True,
        "validation_fraction": 0.2,
        "max_iter": 60,
        "n_iter_no_change": 3,
    },
    "in order": {"shuffle": False, "batch_size": 32},
    "deep": {"hidden_layer_sizes": (7, 5, 4), "alpha": 0.3},
    "linear": {"hidden_layer_sizes": ()},
    "one row": {"batch_size": 1, "max_iter": 3},
}


@pytest.mark.parametrize(
    ("data", "engine"),
    [(IRIS, "compiled"), (IRIS, "autograd"), (BINARY, "compiled")],
    ids=["three classes", "three classes by autograd", "two classes"],
)
@pytest.mark.parametrize("name", SETTINGS)
def test_classifier(name, data, engine):
    settings = {"random_state": 3, "max_iter": 25, "batch_size": 40, "hidden_layer_sizes": (9,)} | SETTINGS[name]
    assert_same(TheirClassifier(**settings).fit(*data), MLPClassifier(engine=engine, **settings).fit(*data))


@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_activations(activation):
    settings = {"activation": activation, "random_state": 1, "max_iter": 20, "hidden_layer_sizes": (8, 6)}
    assert_same(TheirClassifier(**settings).fit(*IRIS), MLPClassifier(**settings).fit(*IRIS))


@pytest.mark.parametrize("settings", [{}, {"max_fun": 7}, {"max_iter": 5}, {"tol": 1e-2}], ids=str)
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
def test_lbfgs(activation, settings):
    settings = {"solver": "lbfgs", "activation": activation, "random_state": 1, "max_iter": 12} | settings
    for theirs, ours, (X, y) in (
        (TheirClassifier, MLPClassifier, IRIS),
        (TheirClassifier, MLPClassifier, LABELS),
        (TheirRegressor, MLPRegressor, (NUMBER[0], NUMBER[1] / 50)),
    ):
        first, second = theirs(**settings).fit(X, y), ours(**settings).fit(X, y)
        assert second.n_iter_ == first.n_iter_
        assert_allclose(second.loss_, first.loss_, rtol=1e-6)
        assert_allclose(second.coefs_[0], first.coefs_[0], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("name", ["adam", "sgd", "early stopping", "adaptive"])
@pytest.mark.parametrize("data", [NUMBER, NUMBERS], ids=["one number", "three numbers"])
def test_regressor(data, name, weighted):
    X, y = data
    y = y / 50
    settings = {"random_state": 3, "max_iter": 25, "batch_size": 40, "hidden_layer_sizes": (9,)} | SETTINGS[name]
    if settings.get("solver") == "sgd":
        settings["learning_rate_init"] = 0.01
    weight = WEIGHT[: len(X)] if weighted else None
    theirs = TheirRegressor(**settings).fit(X, y, sample_weight=weight)
    assert_same(theirs, MLPRegressor(**settings).fit(X, y, sample_weight=weight))


def test_poisson():
    X, y = NUMBER
    counts = np.random.RandomState(0).poisson(np.exp(X[:, 0]))
    settings = {"loss": "poisson", "random_state": 0, "max_iter": 30, "batch_size": 32, "learning_rate_init": 0.01}
    theirs, ours = TheirRegressor(**settings).fit(X, counts), MLPRegressor(**settings).fit(X, counts)
    assert_same(theirs, ours)
    assert_allclose(ours.predict(X), theirs.predict(X), rtol=1e-8)


@pytest.mark.parametrize("data", [IRIS, BINARY, LABELS], ids=["several", "two", "labels"])
def test_sample_weight(data):
    X, y = data
    settings = {"random_state": 0, "max_iter": 15, "batch_size": 32}
    weight = WEIGHT[: len(X)]
    theirs = TheirClassifier(**settings).fit(X, y, sample_weight=weight)
    ours = MLPClassifier(**settings).fit(X, y, sample_weight=weight)
    assert_same(theirs, ours)
    assert_allclose(ours.predict_proba(X), theirs.predict_proba(X), rtol=1e-8)
    assert_array_equal(ours.predict(X), theirs.predict(X))


@pytest.mark.parametrize("container", [sparse.csr_array, sparse.csc_matrix])
def test_sparse(container):
    X, y = LABELS
    settings = {"random_state": 0, "max_iter": 15, "batch_size": 32}
    ours = MLPClassifier(**settings).fit(container(X), y)
    assert_same(TheirClassifier(**settings).fit(X, y), ours)
    assert_allclose(ours.predict_proba(container(X)), ours.predict_proba(X), rtol=1e-12)


def test_float32():
    X, y = IRIS
    settings = {"random_state": 0, "max_iter": 15, "batch_size": 50}
    X = X.astype(np.float32)
    theirs, ours = TheirClassifier(**settings).fit(X, y), MLPClassifier(**settings).fit(X, y)
    assert_same(theirs, ours, rtol=2e-5)
    assert ours.predict_proba(X).dtype == np.float32


@pytest.mark.parametrize(
    "settings",
    [{}, {"solver": "sgd", "learning_rate": "invscaling"}, {"n_iter_no_change": 3}],
    ids=["adam", "invscaling", "count goes on"],
)
def test_warm_start(settings):
    settings = {"random_state": 0, "max_iter": 8, "warm_start": True} | settings
    theirs, ours = TheirClassifier(**settings), MLPClassifier(**settings)
    for _ in range(3):
        theirs.fit(*IRIS)
        ours.fit(*IRIS)
        assert_same(theirs, ours)


def test_warm_start_keeps_the_best():
    """Where no epoch of a second fit is better the best weights stay; scikit-learn, by an alias, gives the last."""
    X, y = IRIS
    model = MLPClassifier(early_stopping=True, warm_start=True, max_iter=8, random_state=0, learning_rate_init=0.01)
    model.fit(X, y)
    before, best = [coef.copy() for coef in model.coefs_], model.best_validation_score_
    model.set_params(learning_rate_init=5.0, max_iter=2).fit(X, y)  # this can only do harm
    assert model.best_validation_score_ == best
    for mine, kept in zip(model.coefs_, before, strict=True):
        assert_array_equal(mine, kept)


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_partial_fit(solver):
    X, y = IRIS
    theirs, ours = (kind(solver=solver, random_state=0) for kind in (TheirClassifier, MLPClassifier))
    for part in (slice(0, 60), slice(40, 150), slice(90, 100)):
        theirs.partial_fit(X[part], y[part], classes=[0, 1, 2])
        ours.partial_fit(X[part], y[part], classes=[0, 1, 2])
        assert_same(theirs, ours)


def test_a_generator_is_drawn_from_alike():
    """A RandomState that is passed in is left where scikit-learn leaves it."""
    first, second = np.random.RandomState(5), np.random.RandomState(5)
    TheirClassifier(max_iter=4, early_stopping=True, random_state=first).fit(*IRIS)
    MLPClassifier(max_iter=4, early_stopping=True, random_state=second).fit(*IRIS)
    assert first.randint(1 << 30) == second.randint(1 << 30)


def test_verbose_lines(capsys):
    settings = {
        "solver": "sgd",
        "learning_rate": "adaptive",
        "verbose": True,
        "random_state": 0,
        "tol": 0.5,
        "n_iter_no_change": 2,
        "hidden_layer_sizes": (3,),
        "max_iter": 200,
    }
    TheirClassifier(**settings).fit(*IRIS)
    theirs = capsys.readouterr().out
    MLPClassifier(**settings).fit(*IRIS)
    assert capsys.readouterr().out == theirs
    assert "Setting learning rate" in theirs
    assert "Learning rate too small. Stopping." in theirs


@pytest.mark.parametrize("settings", [{"max_iter": 2}, {"solver": "lbfgs", "max_iter": 2}])
def test_warns_when_not_converged(settings):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        MLPClassifier(random_state=0, **settings).fit(*IRIS)
    assert [item.category for item in caught] == [ConvergenceWarning]
    assert caught[0].filename == __file__
    assert "2" in str(caught[0].message)
