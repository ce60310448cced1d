"""``calibrate=True``: probabilities that mean what they say, and predictions that stay what they were."""

import json
import pickle

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.optimize import minimize_scalar
from scipy.sparse import csr_matrix
from sklearn.base import clone
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, cross_val_predict, train_test_split
from sklearn.utils.estimator_checks import parametrize_with_checks

import strata
from strata import BaggedMLPClassifier, MLPClassifier, TableClassifier
from strata.errors import ModelRefusedError
from strata.estimators._folder import CONFIG, _digest, _render
from strata.functional import TEMPERATURE_LIMITS
from strata.report import ReliabilityDisplay, reliability_bins
from strata.report.reliability import undo_temperature

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def noisy(n, n_classes=2, seed=0):
    """Rows whose classes are drawn: no network can be sure of them."""
    random = np.random.RandomState(seed)
    X = random.normal(size=(n, 6))
    probs = np.exp(1.5 * X[:, :n_classes])
    return X, np.array([random.choice(n_classes, p=row / row.sum()) for row in probs])


X, Y = noisy(600)
FRESH, FRESH_Y = noisy(4000, seed=1)
X3, Y3 = noisy(600, 3)
LABELS = np.column_stack([Y, Y3 == 1])
#: Checks that cannot hold for an estimator that holds rows out, as with early stopping.
SPLITS = ("check_sample_weight_equivalence_on_dense_data", "check_sample_weight_equivalence_on_sparse_data")
#: Learns the noise by heart: far too sure of itself.
GREEDY = {"hidden_layer_sizes": (60,), "learning_rate_init": 0.02, "alpha": 0.0, "max_iter": 80, "random_state": 0}
QUICK = {"hidden_layer_sizes": (8,), "max_iter": 10, "random_state": 0}


def scores_of(model, X):
    return model._network(torch.as_tensor(X)).detach().numpy()


@pytest.mark.parametrize("engine", ["compiled", "autograd"])
@pytest.mark.parametrize("n_classes", [2, 4])
def test_fresh_rows_are_judged_better(n_classes, engine):
    X, y = noisy(600, n_classes)
    fresh, fresh_y = noisy(4000, n_classes, seed=1)
    greedy = GREEDY | {"max_iter": 150, "tol": 0.0, "engine": engine}
    model = MLPClassifier(**greedy, calibrate=True, validation_fraction=0.2).fit(X, y)
    assert model.engine_ == engine and model.temperature_ > 2
    after = model.predict_proba(fresh)
    before = undo_temperature(after, model.temperature_)
    assert log_loss(fresh_y, after) < log_loss(fresh_y, before) - 0.15
    assert reliability_bins(fresh_y, after).ece < 0.4 * reliability_bins(fresh_y, before).ece
    display = ReliabilityDisplay.from_estimator(model, fresh, fresh_y)
    assert display.before is not None and display.after.ece < display.before.ece


@pytest.mark.parametrize(
    ("y", "extra"),
    [
        (Y, {}),
        (Y3, {}),
        (LABELS, {}),
        (Y, {"solver": "lbfgs"}),
        (Y3, {"early_stopping": True, "scale_inputs": True}),
        (Y3, {"loss": "squared_error", "out_activation": "softmax"}),
        (Y, {"loss": "focal", "class_weight": "balanced"}),
    ],
)
def test_it_changes_probabilities_and_no_prediction(y, extra):
    """With the same rows held out, the network is the same bit for bit, and only its logits are divided."""
    held_out = {} if "early_stopping" in extra else {"X_val": FRESH[:300], "y_val": y[:300] if y.ndim == 2 else None}
    if held_out and y.ndim == 1:
        held_out["y_val"] = noisy(4000, len(np.unique(y)), seed=1)[1][:300]
    plain = MLPClassifier(**GREEDY | extra).fit(X, y, **held_out)
    model = MLPClassifier(**GREEDY | extra, calibrate=True).fit(X, y, **held_out)
    for ours, theirs in zip(model.coefs_, plain.coefs_, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(model.predict(FRESH), plain.predict(FRESH))
    assert not hasattr(plain, "temperature_")
    assert model.temperature_ != pytest.approx(1, abs=0.01)
    rows = model._scaler.transform(FRESH) if "scale_inputs" in extra else FRESH
    z = scores_of(plain, rows) / model.temperature_
    softmax = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    wanted = softmax if y is Y3 else 1 / (1 + np.exp(-z))
    wanted = np.hstack([1 - wanted, wanted]) if y is Y else wanted
    np.testing.assert_allclose(model.predict_proba(FRESH), wanted, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(model.predict_log_proba(FRESH), np.log(wanted), rtol=1e-7, atol=1e-9)


def test_the_temperature_is_that_of_the_validation_rows():
    y3, weight = noisy(4000, 3, seed=1)[1], np.random.RandomState(0).rand(400)
    given = {"X_val": FRESH[:400], "y_val": y3[:400], "sample_weight_val": weight}
    model = MLPClassifier(**GREEDY, calibrate=True).fit(X3, Y3, **given)
    z = scores_of(model, FRESH[:400])

    def loss(beta):
        probs = np.exp(beta * z) / np.exp(beta * z).sum(axis=1, keepdims=True)
        return log_loss(y3[:400], probs, sample_weight=weight)

    assert 1 / model.temperature_ == pytest.approx(minimize_scalar(loss, bounds=(0.01, 2)).x, rel=1e-4)


@pytest.mark.parametrize("extra", [{}, {"solver": "lbfgs", "early_stopping": True}])
def test_rows_are_held_out_where_there_are_none(extra):
    model = MLPClassifier(**QUICK | extra, calibrate=True, validation_fraction=0.25).fit(X3, Y3)
    assert len(model.validation_scores_) == model.n_iter_
    assert model.t_ == 450 * model.n_iter_
    if not extra:  # the first weights are those that the seed gives without it, and the split is stratified
        kept, held_out = train_test_split(
            np.arange(600), test_size=150, stratify=Y3, random_state=np.random.RandomState(0)
        )
        given = {"X_val": X3[held_out], "y_val": Y3[held_out]}
        again = MLPClassifier(**QUICK, calibrate=True).fit(X3[kept], Y3[kept], **given)
        assert model.temperature_ == pytest.approx(again.temperature_)
        np.testing.assert_allclose(model.coefs_[0], again.coefs_[0])


def test_early_stopping_and_calibration_share_the_rows():
    plain = MLPClassifier(**QUICK, early_stopping=True).fit(X, Y)
    model = MLPClassifier(**QUICK, early_stopping=True, calibrate=True).fit(X, Y)
    np.testing.assert_array_equal(model.coefs_[0], plain.coefs_[0])
    assert model.validation_scores_ == plain.validation_scores_


def test_weights_count_on_held_out_rows_too():
    weight = np.random.RandomState(0).rand(600)
    model = MLPClassifier(**GREEDY, calibrate=True).fit(X, Y, sample_weight=weight)
    kept, held_out = train_test_split(np.arange(600), test_size=60, stratify=Y, random_state=np.random.RandomState(0))
    given = {"sample_weight": weight[kept], "X_val": X[held_out], "y_val": Y[held_out]}
    told = MLPClassifier(**GREEDY, calibrate=True).fit(X[kept], Y[kept], **given, sample_weight_val=weight[held_out])
    assert model.temperature_ == pytest.approx(told.temperature_, rel=1e-9)
    plain = MLPClassifier(**GREEDY, calibrate=True).fit(X[kept], Y[kept], **given)
    assert plain.temperature_ != pytest.approx(told.temperature_, rel=1e-3)


def test_sparse_and_single_precision_rows():
    dense = MLPClassifier(**QUICK, calibrate=True).fit(X, Y)
    sparse = MLPClassifier(**QUICK, calibrate=True).fit(csr_matrix(X), Y)
    assert sparse.temperature_ == pytest.approx(dense.temperature_)
    np.testing.assert_allclose(sparse.predict_proba(csr_matrix(X)), dense.predict_proba(X))
    single = MLPClassifier(**QUICK, calibrate=True).fit(X.astype(np.float32), Y)
    assert single.predict_proba(X.astype(np.float32)).dtype == np.float32
    assert single.temperature_ == pytest.approx(dense.temperature_, rel=1e-3)


def test_few_rows_one_class_and_no_errors():
    rare = np.r_[np.zeros(7, int), 1, 2, 2]  # cannot be stratified
    assert MLPClassifier(**QUICK, calibrate=True).fit(X[:10], rare).temperature_ > 0
    assert MLPClassifier(**QUICK, calibrate=True).fit(X[:20], np.zeros(20)).temperature_ > 0
    clear = MLPClassifier((), max_iter=500, random_state=0, calibrate=True).fit(X, X[:, 0] > 0)
    assert TEMPERATURE_LIMITS[0] <= clear.temperature_ <= 1
    assert MLPClassifier((), solver="lbfgs", calibrate=True).fit(np.sign(X), X[:, 0] > 0).temperature_ == 1.0


def test_fitting_again():
    """The rows held out in the first fit are held out in all, so that none is ever learned."""
    warm = MLPClassifier(**GREEDY | {"max_iter": 30, "tol": 0.0}, warm_start=True, calibrate=True)
    model, told = warm.set_params(validation_fraction=0.3), clone(warm)
    kept, held_out = train_test_split(np.arange(600), test_size=180, stratify=Y, random_state=np.random.RandomState(0))
    temperatures = []
    for _ in range(4):
        temperatures.append(model.fit(X, Y).temperature_)
        told.fit(X[kept], Y[kept], X_val=X[held_out], y_val=Y[held_out])
        assert told.temperature_ == pytest.approx(temperatures[-1], rel=1e-9)
    assert len(model.loss_curve_) == 120
    assert temperatures[-1] > temperatures[0] + 0.3
    model.set_params(calibrate=False).fit(X, Y)
    assert not hasattr(model, "temperature_")


def test_partial_fit_is_not_there():
    model = MLPClassifier(**QUICK, calibrate=True)
    assert not hasattr(model, "partial_fit")
    with pytest.raises(AttributeError, match="has no attribute 'partial_fit'") as caught:
        model.partial_fit(X, Y, classes=[0, 1])
    assert "no rows to hold out" in str(caught.value.__cause__)
    model.fit(X, Y).set_params(calibrate=False).partial_fit(X, Y)
    assert not hasattr(model, "temperature_")  # it belonged to other weights


@pytest.mark.parametrize(
    ("extra", "rows", "match"),
    [
        ({"loss": "hinge"}, 600, "`calibrate` must be False when loss='hinge'.*Use loss='log_loss'"),
        ({"loss": "mse", "out_activation": "identity"}, 600, "`calibrate` must be False unless .*'identity'"),
        (
            {"loss": "mse", "out_activation": "logistic"},
            600,
            "`out_activation` must be 'auto' or 'softmax' when calibrate=True and `y` is multiclass. .*'logistic'",
        ),
        ({"validation_fraction": 0.0}, 600, "`validation_fraction` > 0, and at least 3 rows.*validation_fraction=0.0"),
        ({}, 2, "n_samples = 2. Give X_val and y_val"),
        ({"calibrate": "yes"}, 600, "The 'calibrate' parameter of MLPClassifier must be"),
    ],
)
def test_refusals(extra, rows, match):
    with pytest.raises(ValueError, match=match):
        MLPClassifier(**QUICK | {"calibrate": True} | extra).fit(X3[:rows], Y3[:rows])


def test_clone_search_and_pickle():
    model = MLPClassifier(**GREEDY, calibrate=True).fit(X, Y)
    assert clone(model).calibrate is True and model.get_params()["calibrate"] is True
    back = pickle.loads(pickle.dumps(model))
    assert back.temperature_ == model.temperature_
    np.testing.assert_array_equal(back.predict_proba(FRESH), model.predict_proba(FRESH))
    search = GridSearchCV(MLPClassifier(**GREEDY), {"calibrate": [False, True]}, cv=3, scoring="neg_log_loss")
    assert search.fit(X, Y).best_params_ == {"calibrate": True}
    assert cross_val_predict(clone(model), X, Y, cv=2, method="predict_proba").shape == (600, 2)


def test_save_and_load(tmp_path):
    model = MLPClassifier(**GREEDY, calibrate=True).fit(X3, Y3)
    back = strata.load(model.save(tmp_path / "model"))
    assert back.temperature_ == model.temperature_ and isinstance(back.temperature_, float)
    np.testing.assert_array_equal(back.predict_proba(FRESH), model.predict_proba(FRESH))
    assert "temperature" in (tmp_path / "model" / "README.md").read_text()
    plain = strata.load(MLPClassifier(**QUICK).fit(X, Y).save(tmp_path / "plain"))
    assert not hasattr(plain, "temperature_")
    model.temperature_ = 0.0
    with pytest.raises(ValueError, match="must be consistent to be saved"):
        model.save(tmp_path / "other")


@pytest.mark.parametrize(
    "value", [0.0, -1.0, 1e-30, 1e9, "2.0", True, None, [1.5], {"$float": "nan"}, {"$float": "inf"}, "absent"]
)
def test_a_tampered_temperature_is_refused(value, tmp_path):
    folder = MLPClassifier(**QUICK, calibrate=True).fit(X, Y).save(tmp_path / "model")
    config = json.loads((folder / CONFIG).read_bytes())
    config.pop("digest")
    config["state"]["temperature_"] = value
    if value == "absent":
        del config["state"]["temperature_"]
    (folder / CONFIG).write_bytes(_render({**config, "digest": _digest(config)}))
    with pytest.raises(ModelRefusedError, match="is refused"):
        strata.load(folder)


def test_a_temperature_without_calibrate_is_refused(tmp_path):
    model = MLPClassifier(**QUICK).fit(X, Y)
    model.temperature_ = 2.0
    with pytest.raises(ValueError, match="`calibrate` and the temperature do not fit each other"):
        model.save(tmp_path / "model")


def test_tables(tmp_path):
    table = pd.DataFrame(X, columns=list("abcdef"))
    table["sign"] = np.where(X[:, 0] > 0, "plus", "minus")
    names = np.array(["no", "yes"])[Y]
    network = MLPClassifier(**GREEDY, calibrate=True)
    model = TableClassifier(network).fit(table, names)
    assert model.network_.temperature_ not in (1.0, *TEMPERATURE_LIMITS)
    assert model.get_params()["network__calibrate"] is True
    back = strata.load(model.save(tmp_path / "model"))
    np.testing.assert_array_equal(back.predict_proba(table), model.predict_proba(table))
    given = TableClassifier(network).fit(table[:400], names[:400], X_val=table[400:], y_val=names[400:])
    assert given.network_.temperature_ != model.network_.temperature_
    assert ReliabilityDisplay.from_estimator(given, table[400:], names[400:]).before is not None


def test_a_bag_is_not_calibrated():
    assert "calibrate" not in BaggedMLPClassifier().get_params()
    with pytest.raises(TypeError, match="calibrate"):
        BaggedMLPClassifier(calibrate=True)
    assert not hasattr(BaggedMLPClassifier(2, **QUICK).fit(X, Y), "temperature_")


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.DataConversionWarning")
@pytest.mark.filterwarnings("ignore:Got `batch_size`:UserWarning")
@parametrize_with_checks(
    [MLPClassifier(max_iter=100, calibrate=True)],
    expected_failed_checks=lambda estimator: dict.fromkeys(SPLITS, "a row twice is held out in one copy or in both"),
    xfail_strict=True,
)
def test_scikit_learns_checks(estimator, check):
    check(estimator)
