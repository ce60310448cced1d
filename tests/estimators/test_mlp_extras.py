"""What the networks can do beyond scikit-learn's."""

import math
import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import expit
from sklearn.datasets import load_breast_cancer, load_iris, make_moons, make_multilabel_classification
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import accuracy_score, log_loss
from sklearn.neural_network import MLPClassifier as TheirClassifier
from sklearn.preprocessing import StandardScaler

from strata import MLPClassifier, MLPRegressor
from strata.engine import Callback
from strata.errors import NonFiniteError
from strata.estimators._training import _device_of as device_of
from strata.nn.dense import DenseNetwork, DenseSpec, Head
from strata.rules.optimizers import AdamW, RMSProp
from strata.rules.schedules import Cosine, StepDecay

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = load_iris(return_X_y=True)
MOONS = make_moons(160, noise=0.15, random_state=0)
NAMES = np.array(["setosa", "versicolor", "virginica"], dtype=object)


def both(**settings):
    """The same network by both engines."""
    settings = {"random_state": 0, "max_iter": 12, "batch_size": 40} | settings
    return [MLPClassifier(engine=engine, **settings).fit(X, Y) for engine in ("compiled", "autograd")]


@pytest.mark.parametrize(
    "settings",
    [
        {"hidden_layer_sizes": (6, 5), "activation": ("tanh", "gelu")},
        {"dropout": 0.4, "input_dropout": 0.1},
        {"dropout": (0.2, 0.5), "hidden_layer_sizes": (8, 8), "dropout_form": "rescaling"},
        {"l1": 0.5, "alpha": 0.1},
        {"l1": 2.0, "l1_form": "proximal"},
        {"max_norm": 0.7},
        {"grad_clip": 0.01},
        {"loss": "squared_error"},
        {"loss": "focal", "loss_options": {"gamma": 1.5}},
        {"loss": "hinge"},
        {"solver": "rmsprop", "learning_rate_init": 0.01},
        {"solver": AdamW(learning_rate=0.01, weight_decay=0.1)},
        {"solver": "rprop", "learning_rate_init": 0.01},
        {"schedule": "cosine"},
        {"schedule": StepDecay(every=3, factor=0.5), "solver": "sgd", "learning_rate_init": 0.1},
        {"class_weight": {0: 2.0, 1: 0.5}},
        {"class_weight": {1: 3.0}, "restore_best": True},
        {"scale_inputs": True},
        {"init": "he_normal"},
        {"init": "orthogonal"},
    ],
    ids=str,
)
def test_both_engines_agree(settings):
    first, second = both(**settings)
    assert (first.engine_, second.engine_) == ("compiled", "autograd")
    for mine, other in zip(first.coefs_ + first.intercepts_, second.coefs_ + second.intercepts_, strict=True):
        assert_allclose(mine, other, rtol=1e-9, atol=1e-9)
    assert_allclose(first.loss_curve_, second.loss_curve_, rtol=1e-9)
    plain = MLPClassifier(random_state=0, max_iter=12, batch_size=40).fit(X, Y)
    assert not all(map(np.array_equal, first.coefs_, plain.coefs_))  # the setting does something


def test_activation_of_each_layer_by_hand():
    model = MLPClassifier((4, 3), activation=("tanh", "logistic"), max_iter=3, random_state=0).fit(X, Y)
    a = np.tanh(X @ model.coefs_[0] + model.intercepts_[0])
    a = expit(a @ model.coefs_[1] + model.intercepts_[1])
    z = a @ model.coefs_[2] + model.intercepts_[2]
    wanted = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    assert_allclose(model.predict_proba(X), wanted, rtol=1e-12)
    assert_allclose(model.predict_log_proba(X), np.log(wanted), rtol=1e-10)


def test_dropout_is_off_when_predicting_and_repeats():
    settings = {"dropout": 0.5, "random_state": 0, "max_iter": 10}
    first, second = (MLPClassifier(**settings).fit(X, Y) for _ in range(2))
    assert_array_equal(first.coefs_[0], second.coefs_[0])
    assert_array_equal(first.predict_proba(X), first.predict_proba(X))


def test_proximal_l1_gives_exact_zeros():
    settings = {"l1": 20.0, "solver": "sgd", "learning_rate_init": 0.02, "tol": 0.0, "random_state": 0}
    assert (MLPClassifier((20,), l1_form="proximal", **settings).fit(X, Y).coefs_[0] == 0).mean() > 0.4
    assert (MLPClassifier((20,), l1_form="subgradient", **settings).fit(X, Y).coefs_[0] == 0).mean() < 0.1


def test_max_norm_bounds_every_unit():
    model = MLPClassifier((20,), max_norm=0.5, max_iter=30, random_state=0).fit(X, Y)
    for coef in model.coefs_:
        assert np.linalg.norm(coef, axis=0).max() <= 0.5 + 1e-12


def test_class_weight_is_a_sample_weight():
    weights = {0: 3.0, 1: 0.25, 2: 1.0}
    by_class = MLPClassifier(class_weight=weights, max_iter=10, random_state=0).fit(X, Y)
    by_row = MLPClassifier(max_iter=10, random_state=0).fit(X, Y, sample_weight=[weights[label] for label in Y])
    assert_array_equal(by_class.coefs_[0], by_row.coefs_[0])


def test_a_loss_of_ones_own():
    """Cross-entropy written by hand learns what the built-in one learns."""

    def mine(scores, targets, sample_weight):
        rows = -torch.log_softmax(scores, dim=1)[torch.arange(len(targets)), targets]
        return rows.mean() if sample_weight is None else (rows * sample_weight).sum() / sample_weight.sum()

    settings = {"max_iter": 8, "random_state": 0}
    theirs = MLPClassifier(**settings).fit(X, Y)
    ours = MLPClassifier(loss=mine, **settings).fit(X, Y)
    assert ours.engine_ == "autograd"
    assert_allclose(ours.coefs_[0], theirs.coefs_[0], rtol=1e-9)
    with pytest.raises(ValueError, match="`engine`='compiled' cannot train this network: the loss is a function"):
        MLPClassifier(loss=mine, engine="compiled").fit(X, Y)


def test_a_solver_of_ones_own():
    model = MLPClassifier(solver=lambda params: torch.optim.SGD(params, lr=0.05), max_iter=5, random_state=0).fit(X, Y)
    theirs = MLPClassifier(solver="sgd", learning_rate_init=0.05, momentum=0, max_iter=5, random_state=0).fit(X, Y)
    assert_allclose(model.coefs_[0], theirs.coefs_[0], rtol=1e-9)


@pytest.mark.parametrize("loss", ["mae", "huber", "mse", "rss", "half_squared"])
def test_regression_losses(loss):
    rows = np.linspace(-1, 1, 60)[:, None]
    y = 2 * rows[:, 0] + 0.5
    settings = {"max_iter": 800, "tol": 0, "learning_rate_init": 0.01, "alpha": 0, "random_state": 0}
    model = MLPRegressor(loss, (), **settings).fit(rows, y)
    assert model.score(rows, y) > 0.98


def test_hinge_has_no_probabilities():
    X2, y2 = MOONS
    model = MLPClassifier((16,), loss="hinge", max_iter=300, learning_rate_init=0.02, random_state=0).fit(X2, y2)
    assert model.score(X2, y2) > 0.93
    assert not hasattr(model, "predict_proba")
    with pytest.raises(AttributeError, match="MLPClassifier' has no attribute 'predict_proba'"):
        model.predict_proba(X2)


def test_own_validation_rows():
    train, held = np.arange(0, 150, 2), np.arange(1, 150, 2)
    model = MLPClassifier(max_iter=15, random_state=0)
    model.fit(X[train], NAMES[Y[train]], X_val=X[held], y_val=NAMES[Y[held]])
    assert len(model.validation_scores_) == len(model.validation_loss_curve_) == len(model.loss_curve_) == 15
    assert model.validation_scores_[-1] == accuracy_score(NAMES[Y[held]], model.predict(X[held]))
    assert_allclose(model.validation_loss_curve_[-1], log_loss(Y[held], model.predict_proba(X[held])), rtol=1e-9)
    plain = MLPClassifier(max_iter=15, random_state=0).fit(X[train], NAMES[Y[train]])
    assert_array_equal(model.coefs_[0], plain.coefs_[0])  # looking on changes nothing


def test_own_validation_rows_stop_and_restore():
    train, held = np.arange(0, 150, 2), np.arange(1, 150, 2)
    model = MLPClassifier(early_stopping=True, learning_rate_init=0.05, n_iter_no_change=3, random_state=0)
    model.fit(X[train], Y[train], X_val=X[held], y_val=Y[held])
    assert model.stop_reason_ == "early_stopping"
    assert model.score(X[held], Y[held]) == model.best_validation_score_ == max(model.validation_scores_)
    assert model.t_ == len(train) * model.n_iter_  # nothing was set aside


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"X_val": X}, "`X_val` and `y_val` must be given together. Received: y_val=None"),
        ({"y_val": Y}, "`X_val` and `y_val` must be given together. Received: X_val=None"),
        ({"sample_weight_val": np.ones(150)}, "`sample_weight_val` needs `X_val` and `y_val`"),
        ({"X_val": X, "y_val": Y + 1}, "`y_val` has classes that `y` has not"),
        ({"X_val": X[:, :2], "y_val": Y}, "X has 2 features, but MLPClassifier is expecting 4"),
        ({"sample_weight": -np.ones(150)}, "Negative values in data passed to `sample_weight`"),
        ({"sample_weight": np.zeros(150)}, "zero"),
        ({"sample_weight": np.ones(9)}, "sample_weight.shape"),
        ({"sample_weight": np.full(150, np.inf)}, "Input sample_weight contains infinity"),
    ],
)
def test_bad_fit_arguments(arguments, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(max_iter=2).fit(X, Y, **arguments)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"hidden_layer_sizes": (3, 2.5)}, r"hidden_layer_sizes must be > 0, got \[3, 2.5\]"),
        ({"hidden_layer_sizes": (3, -1)}, r"hidden_layer_sizes must be > 0, got \[3, -1\]"),
        ({"activation": ("relu", "tanh")}, "`activation` must be one name or one for each of the 1 hidden layers"),
        ({"activation": ("rellu",)}, "Every entry of `activation` must be one of .*relu"),
        ({"dropout": (0.1, 0.2)}, "`dropout` must be one probability"),
        ({"dropout": 1.0}, "The 'dropout' parameter of MLPClassifier must be a float in the range"),
        ({"learning_rate_init": -1.0}, "The 'learning_rate_init' parameter of MLPClassifier must be a float in the ra"),
        ({"batch_size": 0}, "The 'batch_size' parameter of MLPClassifier must be"),
        ({"max_iter": "many"}, "The 'max_iter' parameter of MLPClassifier must be an int in the range"),
        ({"loss": "mes"}, "The 'loss' parameter of MLPClassifier must be a str among"),
        ({"loss_options": {"gamma": "x"}}, "`loss_options` must map names to numbers"),
        ({"loss_options": {"delta": 1.0}}, "`loss_options` of cross_entropy"),
        ({"engine": "fast"}, "The 'engine' parameter of MLPClassifier must be a str among"),
        ({"device": "gpu0"}, "`device` must be 'auto', 'cpu' or an accelerator that this machine has"),
        ({"out_activation": "relu"}, "`out_activation` must be 'auto' or 'softmax' for loss='cross_entropy'"),
        ({"solver": "lbfgs", "grad_clip": 1.0}, "`grad_clip` must be None with the solver 'lbfgs'"),
        ({"solver": "lbfgs", "schedule": "cosine"}, "`schedule` must be None with the solver 'lbfgs'"),
        ({"solver": "lbfgs", "precision": "bfloat16"}, "`precision` must be 'full' with the solver 'lbfgs'"),
        ({"precision": "bfloat16"}, "`precision` must be 'full' for float64.*Give X as float32"),
        ({"loss": lambda scores, *_: scores}, r"`loss` must return one number.*tensor of shape \(150, 3\)"),
        ({"resume": True}, "`resume` must come with a `checkpoint`"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        MLPClassifier(**{"max_iter": 2} | parameters).fit(X, Y)


def test_reduced_precision_reduces():
    full, half = (
        MLPClassifier(max_iter=3, random_state=0, precision=precision).fit(X.astype(np.float32), Y)
        for precision in ("full", "bfloat16")
    )
    assert 1e-5 < np.abs(full.coefs_[0] - half.coefs_[0]).max() < 0.05


@pytest.mark.parametrize("loss", ["focal", "hinge"])
def test_several_labels_need_a_loss_that_has_them(loss):
    rows, labels = make_multilabel_classification(40, random_state=0)
    with pytest.raises(ValueError, match=f"`loss` must be 'log_loss' .* several labels a row. Received: loss='{loss}'"):
        MLPClassifier(max_iter=2, loss=loss).fit(rows, labels)


def test_batch_size_above_the_rows_is_clipped():
    with pytest.warns(UserWarning, match="It is going to be clipped"):
        model = MLPClassifier(batch_size=500, max_iter=2, random_state=0).fit(X, Y)
    assert_array_equal(model.coefs_[0], MLPClassifier(batch_size=150, max_iter=2, random_state=0).fit(X, Y).coefs_[0])


def test_scale_inputs_is_a_scaler_in_front():
    rows, labels = load_breast_cancer(return_X_y=True)
    inside = MLPClassifier(scale_inputs=True, max_iter=15, random_state=0).fit(rows, labels)
    outside = MLPClassifier(max_iter=15, random_state=0).fit(StandardScaler().fit_transform(rows), labels)
    assert_allclose(inside.predict_proba(rows), outside.predict_proba(StandardScaler().fit_transform(rows)))


def test_restore_best_of_the_training_loss():
    settings = {"learning_rate_init": 1.0, "max_iter": 25, "random_state": 1, "batch_size": 30}
    model = MLPClassifier(restore_best=True, **settings).fit(X, Y)
    assert model.loss_curve_[-1] > model.best_loss_  # the last epoch was not the best
    last = MLPClassifier(**settings).fit(X, Y)
    assert log_loss(Y, model.predict_proba(X)) != log_loss(Y, last.predict_proba(X))


class _Stop(Callback):
    def on_epoch_end(self, run):
        if run.epoch == 3:
            run.stop("callback")


class _Interrupt(Callback):
    def on_epoch_begin(self, run):
        if run.epoch == 3:
            raise KeyboardInterrupt


def test_callbacks():
    model = MLPClassifier(callbacks=[_Stop()], random_state=0).fit(X, Y)
    assert (model.n_iter_, model.stop_reason_) == (3, "callback")
    assert model.history_["loss"] == model.loss_curve_
    assert model.history_["epoch"] == [1, 2, 3]


def test_an_interrupt_keeps_what_was_learned():
    with pytest.warns(UserWarning, match="Training interrupted by user"):
        model = MLPClassifier(callbacks=[_Interrupt()], random_state=0).fit(X, Y)
    assert (model.n_iter_, model.stop_reason_) == (3, "interrupted")
    wanted = MLPClassifier(max_iter=3, random_state=0).fit(X, Y)
    assert_array_equal(model.coefs_[0], wanted.coefs_[0])


def test_checkpoint_and_resume(tmp_path):
    settings = {"dropout": 0.2, "early_stopping": True, "random_state": 0, "batch_size": 30, "n_iter_no_change": 50}
    whole = MLPClassifier(max_iter=12, **settings).fit(X, Y)
    MLPClassifier(max_iter=5, checkpoint=tmp_path / "run", **settings).fit(X, Y)
    again = MLPClassifier(max_iter=12, checkpoint=tmp_path / "run", resume=True, **settings).fit(X, Y)
    assert again.loss_curve_ == whole.loss_curve_
    assert again.validation_scores_ == whole.validation_scores_
    for mine, other in zip(again.coefs_, whole.coefs_, strict=True):
        assert_array_equal(mine, other)


def test_time_limit():
    model = MLPClassifier(time_limit=0.05, max_iter=10**6, tol=0, n_iter_no_change=10**6, random_state=0).fit(X, Y)
    assert model.stop_reason_ == "time_limit"
    assert model.n_iter_ < 10**6


def test_divergence_is_an_error_that_names_the_place():
    rows = np.random.RandomState(0).normal(size=(50, 3)) * 1e4
    model = MLPRegressor(solver="sgd", learning_rate_init=10.0, activation="identity", random_state=0)
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights") as caught:
        model.fit(rows, rows[:, 0])
    assert isinstance(caught.value, NonFiniteError)
    assert caught.value.epoch >= 1
    assert f"epoch {caught.value.epoch}" in str(caught.value)


def test_divergence_with_early_stopping_keeps_the_best():
    with pytest.warns(ConvergenceWarning, match="Training diverged, and the best weights before that are kept"):
        model = MLPRegressor(
            "squared_error", (), solver="sgd", learning_rate_init=10, early_stopping=True, n_iter_no_change=99
        ).fit(X * 50, Y)
    assert model.stop_reason_ == "diverged"
    assert math.isnan(model.validation_scores_[-1])
    assert np.isfinite(model.predict(X)).all()


def test_trace_hands_out_every_quantity():
    model = MLPClassifier((3,), activation="tanh", alpha=0.0, max_iter=2, random_state=0).fit(X, Y)
    hidden, output = model.trace(X, Y)
    z = X @ model.coefs_[0] + model.intercepts_[0]
    assert_allclose(hidden.z, z, rtol=1e-10)
    assert_allclose(hidden.a, np.tanh(z), rtol=1e-10)
    probs = model.predict_proba(X)
    assert_allclose(output.a, probs, rtol=1e-10)
    delta = (probs - np.eye(3)[Y]) / len(X)
    assert_allclose(output.grad_weight, np.tanh(z).T @ delta, rtol=1e-9, atol=1e-15)
    assert_allclose(hidden.grad_bias, (delta @ model.coefs_[1].T * (1 - np.tanh(z) ** 2)).sum(axis=0), atol=1e-14)


def test_replaced_weights_are_used():
    model = MLPClassifier((3,), max_iter=2, random_state=0).fit(X, Y)
    model.coefs_[1] = np.zeros_like(model.coefs_[1])
    model.intercepts_[1] = np.log([0.2, 0.3, 0.5])
    assert_allclose(model.predict_proba(X), np.tile([0.2, 0.3, 0.5], (150, 1)))
    model.partial_fit(X, Y)
    assert abs(model.coefs_[1]).max() < 0.01
    copied = pickle.loads(pickle.dumps(model))
    assert_array_equal(copied.predict_proba(X), model.predict_proba(X))


def test_labels_of_several_kinds():
    rows, table = make_multilabel_classification(80, random_state=0)
    theirs = TheirClassifier(max_iter=20, random_state=0).fit(rows, table)
    ours = MLPClassifier(max_iter=20, random_state=0).fit(rows, table)
    assert_array_equal(ours.predict(rows), theirs.predict(rows))
    assert_array_equal(MLPClassifier(max_iter=40, random_state=0).fit(X, NAMES[Y]).classes_, NAMES)


def test_solver_by_name_in_the_lectures_form():
    lecture = MLPClassifier(solver=RMSProp(learning_rate=0.01, form="lecture"), max_iter=5, random_state=0).fit(X, Y)
    named = MLPClassifier(solver="rmsprop-lecture", learning_rate_init=0.01, max_iter=5, random_state=0).fit(X, Y)
    assert_array_equal(lecture.coefs_[0], named.coefs_[0])


def test_a_schedule_belongs_to_one_fit():
    schedule = Cosine()
    model = MLPClassifier(schedule=schedule, max_iter=6, random_state=0, learning_rate_init=0.01)
    rates = model.fit(X, Y).history_["rate"]
    assert model.fit(X, Y).history_["rate"] == rates
    assert rates[0] == 0.01
    assert rates == sorted(rates, reverse=True)
    assert schedule.epoch == 0


def test_auto_device_considers_every_accelerator(monkeypatch):
    big = DenseNetwork(DenseSpec(2000, (1500,), ("relu",), (Head(3, "cross_entropy"),)), dtype=torch.float32)
    small = DenseNetwork(DenseSpec(4, (3,), ("relu",), (Head(3, "cross_entropy"),)), dtype=torch.float32)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    auto = MLPClassifier()
    assert device_of(auto, big).type == "mps"
    assert device_of(auto, big.double()).type == "cpu", "Apple's accelerator has no float64"
    assert device_of(auto, small).type == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert device_of(auto, big).type == "cuda"
    monkeypatch.setattr("strata.estimators._training.checked_device", torch.device)
    with pytest.raises(ValueError, match=r"`device` must be one that computes in float64.*'mps'.*float32"):
        device_of(MLPClassifier(device="mps"), big)


@pytest.mark.parametrize(
    "change", [{"dropout": 0.6}, {"input_dropout": 0.5}, {"activation": "tanh"}, {"loss": "squared_error"}], ids=str
)
def test_a_warm_start_obeys_what_was_changed_before_it(change):
    rng = np.random.RandomState(0)
    X = rng.normal(size=(200, 4))
    y = (X[:, 0] * X[:, 1] > 0).astype(int)
    plain = {"max_iter": 5, "random_state": 0, "warm_start": True, "learning_rate_init": 0.02}
    model, same = (MLPClassifier((16,), **plain).fit(X, y) for _ in range(2))
    first = [coef.copy() for coef in model.coefs_]
    model.set_params(**change, max_iter=1, learning_rate_init=1e-12).fit(X, y)
    for old, new in zip(first, model.coefs_, strict=True):
        assert_allclose(old, new, atol=1e-9)
    same.set_params(max_iter=1, learning_rate_init=1e-12).fit(X, y)
    assert abs(model.loss_ - same.loss_) > 0.01  # another loss of the same weights
