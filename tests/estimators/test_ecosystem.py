"""The estimators inside scikit-learn's tools: pipelines, searches, workers, pickles, routing, callbacks."""

import copy
import pickle

import joblib
import numpy as np
import pytest
import sklearn
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.callback import ScoringMonitor
from sklearn.datasets import load_iris
from sklearn.inspection import permutation_importance
from sklearn.model_selection import GridSearchCV, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from strata import (
    BaggedMLPClassifier,
    BaggedMLPRegressor,
    DeltaRulePerceptron,
    McCullochPitts,
    MLPClassifier,
    MLPRegressor,
    MultiTaskMLP,
    Perceptron,
)

pytestmark = [
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:joblib"),
]

X, Y = load_iris(return_X_y=True)
EVERY = [
    BaggedMLPClassifier(3, (5,), max_iter=5, random_state=0),
    BaggedMLPRegressor(3, (5,), max_iter=5, random_state=0),
    DeltaRulePerceptron(max_iter=5),
    McCullochPitts(),
    MLPClassifier((5,), max_iter=5, random_state=0),
    MLPClassifier((5,), max_iter=5, random_state=0, engine="autograd", dropout=0.2),
    MLPClassifier((5,), max_iter=5, random_state=0, solver="lbfgs"),
    MLPRegressor(hidden_layer_sizes=(5,), max_iter=5, random_state=0),
    MultiTaskMLP((5,), max_iter=5, random_state=0),
    Perceptron(max_iter=5),
]


@pytest.mark.parametrize("estimator", EVERY, ids=repr)
def test_copies_predict_alike(estimator, tmp_path):
    model = clone(estimator).fit(X, Y)
    wanted = model.predict(X)
    joblib.dump(model, tmp_path / "model.joblib")
    for other in (
        pickle.loads(pickle.dumps(model)),
        copy.deepcopy(model),
        copy.copy(model),
        joblib.load(tmp_path / "model.joblib"),
        joblib.load(tmp_path / "model.joblib", mmap_mode="r"),
    ):
        assert_array_equal(other.predict(X), wanted)
    fresh = clone(model)
    assert vars(fresh).keys() == vars(clone(estimator)).keys()
    assert_array_equal(fresh.fit(X, Y).predict(X), wanted)


@pytest.mark.parametrize("engine", ["compiled", "autograd"])
def test_a_copy_learns_on_with_its_optimizer(engine):
    model = MLPClassifier((5,), max_iter=5, random_state=0, engine=engine).fit(X, Y)
    copies = [pickle.loads(pickle.dumps(model)), copy.deepcopy(model)]
    model.partial_fit(X, Y)
    for other in copies:
        before = [coef.copy() for coef in other.coefs_]
        other.partial_fit(X, Y)
        for mine, wanted, old in zip(other.coefs_, model.coefs_, before, strict=True):
            assert_array_equal(mine, wanted)
            assert not np.array_equal(mine, old)


def test_pipeline_grid_search_and_workers():
    network = MLPClassifier((8,), max_iter=60, learning_rate_init=0.02, random_state=0)
    pipe = make_pipeline(StandardScaler(), network)
    search = GridSearchCV(pipe, {"mlpclassifier__alpha": [1e-4, 10.0], "mlpclassifier__dropout": [0.0, 0.1]}, cv=3)
    assert search.fit(X, Y).best_score_ > 0.8
    scores = cross_validate(pipe, X, Y, cv=3, n_jobs=2)
    assert_allclose(scores["test_score"], cross_validate(pipe, X, Y, cv=3)["test_score"])


def test_calibration_and_importance():
    model = MLPClassifier((8,), max_iter=80, random_state=0, learning_rate_init=0.02)
    calibrated = CalibratedClassifierCV(model, cv=3).fit(X, Y)
    assert_allclose(calibrated.predict_proba(X).sum(axis=1), 1)
    importance = permutation_importance(model.fit(X, Y), X, Y, n_repeats=3, random_state=0)
    assert importance.importances_mean[2:].max() > 0.2


def test_metadata_routing():
    """A search hands the weights through to fit, and only when it is asked to."""
    weight = np.where(Y == 2, 0.0, 1.0)
    with sklearn.config_context(enable_metadata_routing=True):
        model = MLPClassifier((8,), max_iter=60, random_state=0, learning_rate_init=0.02)
        model.set_fit_request(sample_weight=True, X_val=True).set_score_request(sample_weight=False)
        search = GridSearchCV(model, {"alpha": [1e-4]}, cv=3).fit(X, Y, sample_weight=weight)
        assert not (search.predict(X) == 2).any()
        with pytest.raises(TypeError, match="banana"):
            GridSearchCV(model, {"alpha": [1e-4]}, cv=3).fit(X, Y, banana=weight)


class _Recorder:
    """A callback of scikit-learn's kind."""

    def __init__(self, stop_at=None):
        self.stop_at = stop_at
        self.events = []
        self.scores = []

    def setup(self, estimator, context):
        self.events.append("setup")

    def teardown(self, estimator, context):
        self.events.append("teardown")

    def on_fit_task_begin(self, estimator, context):
        self.events.append(f"begin {context.task_name} {context.task_id}")

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.events.append(f"end {context.task_name} {context.task_id}")
        if fitted_estimator is not None:
            self.scores.append(fitted_estimator.score(X, Y))
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_at


def test_scikit_learns_callbacks():
    recorder = _Recorder()
    model = MLPClassifier((5,), max_iter=3, random_state=0).set_callbacks(recorder).fit(X, Y)
    epochs = [event for i in range(3) for event in (f"begin epoch {i}", f"end epoch {i}")]
    assert recorder.events == ["setup", "begin fit 0", *epochs, "end fit 0", "teardown"]
    for n_epochs, score in enumerate(recorder.scores[:3], start=1):
        assert score == MLPClassifier((5,), max_iter=n_epochs, random_state=0).fit(X, Y).score(X, Y)
    assert not [name for name in vars(model) if name.startswith("_callback")]


def test_a_callback_stops_the_fit():
    model = MLPClassifier((5,), max_iter=50, random_state=0).set_callbacks(_Recorder(stop_at=4)).fit(X, Y)
    assert (model.n_iter_, model.stop_reason_) == (4, "callback")


def test_scoring_monitor():
    monitor = ScoringMonitor(scoring="accuracy")
    MLPClassifier((5,), max_iter=3, random_state=0).set_callbacks(monitor).fit(X, Y)
    (log,) = monitor.get_logs() if isinstance(monitor.get_logs(), list) else [monitor.get_logs()]
    assert len([row for row in log.data if row["task_name"] == "epoch"]) == 3
