"""Several tasks with one trunk."""

import numpy as np
import pandas as pd
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.metrics import accuracy_score, r2_score

from strata import MLPClassifier, MLPRegressor, MultiTaskMLP, load

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X = np.random.RandomState(0).uniform(-1, 1, (240, 3))
SIDE = np.where(X[:, 0] > 0, "right", "left")
QUARTER = (X[:, 0] > 0) * 2 + (X[:, 1] > 0)
TOTAL = X.sum(axis=1)
COUNT = np.random.RandomState(1).poisson(np.exp(1 + X[:, 2]))
LABELS = (X > 0).astype(int)
TARGETS = {"side": SIDE, "quarter": QUARTER, "total": TOTAL, "count": COUNT, "labels": LABELS, "two": X[:, :2]}
KINDS = {
    "side": "classification",
    "quarter": "classification",
    "total": "regression",
    "count": "count",
    "labels": "labels",
    "two": "regression",
}


def test_six_tasks_by_both_engines():
    settings = {"tasks": KINDS, "max_iter": 150, "learning_rate_init": 0.01, "random_state": 0}
    first, second = (MultiTaskMLP((30,), engine=e, **settings).fit(X, TARGETS) for e in ("compiled", "autograd"))
    assert (first.engine_, second.engine_) == ("compiled", "autograd")
    for mine, other in zip(first.coefs_, second.coefs_, strict=True):
        assert_allclose(mine, other, rtol=1e-9, atol=1e-10)
    predicted = first.predict(X)
    parts = [
        accuracy_score(SIDE, predicted["side"]),
        accuracy_score(QUARTER, predicted["quarter"]),
        r2_score(TOTAL, predicted["total"]),
        r2_score(COUNT, predicted["count"]),
        accuracy_score(LABELS, predicted["labels"]),
        r2_score(X[:, :2], predicted["two"]),
    ]
    assert_allclose(first.score(X, TARGETS), np.mean(parts))
    assert min(parts[:3]) > 0.9
    probs = first.predict_proba(X)
    assert {name: part.shape for name, part in probs.items()} == {
        "side": (240, 2),
        "quarter": (240, 4),
        "labels": (240, 3),
    }
    assert_allclose(probs["quarter"].sum(axis=1), 1)


def test_one_task_is_the_single_network():
    settings = {"hidden_layer_sizes": (7,), "max_iter": 8, "random_state": 0}
    assert_allclose(
        MultiTaskMLP(**settings).fit(X, QUARTER).coefs_[0], MLPClassifier(**settings).fit(X, QUARTER).coefs_[0]
    )
    single = MLPRegressor(**settings).fit(X, TOTAL)
    assert_allclose(MultiTaskMLP(scale_targets=False, **settings).fit(X, TOTAL).coefs_[0], single.coefs_[0])


def test_a_weight_of_zero_silences_a_task():
    settings = {"max_iter": 6, "random_state": 0, "task_weights": {"total": 0.0}}
    first = MultiTaskMLP((5,), **settings).fit(X, {"side": SIDE, "total": TOTAL})
    second = MultiTaskMLP((5,), **settings).fit(X, {"side": SIDE, "total": TOTAL[::-1]})
    assert_array_equal(first.coefs_[0], second.coefs_[0])
    loud = MultiTaskMLP((5,), max_iter=6, random_state=0).fit(X, {"side": SIDE, "total": TOTAL})
    assert not np.array_equal(first.coefs_[0], loud.coefs_[0])


@pytest.mark.parametrize("engine", ["compiled", "autograd"])
def test_a_missing_target_does_not_count(engine):
    """What stands in the place of a missing target changes nothing; the other task still learns from the row."""
    side, total = SIDE.astype(object), TOTAL.copy()
    side[::3], total[1::3] = None, np.nan
    settings = {"max_iter": 60, "random_state": 0, "learning_rate_init": 0.02, "engine": engine}
    model = MultiTaskMLP((10,), **settings).fit(X, {"side": side, "total": total})
    assert_array_equal(model.task_classes_["side"], ["left", "right"])
    assert model.score(X, {"side": SIDE, "total": TOTAL}) > 0.9
    known = np.array([label is not None for label in side])
    assert_allclose(
        model.score(X, {"side": side, "total": total}),
        (
            accuracy_score(SIDE[known], model.predict(X)["side"][known])
            + r2_score(TOTAL[~np.isnan(total)], model.predict(X)["total"][~np.isnan(total)])
        )
        / 2,
    )


def test_containers():
    frame = pd.DataFrame({"side": SIDE, "total": TOTAL, "quarter": QUARTER})
    model = MultiTaskMLP((5,), max_iter=3, random_state=0).fit(X, frame)
    assert model.tasks_ == {"side": "classification", "total": "regression", "quarter": "classification"}
    assert model.predict(X).shape == (240, 3)
    assert model.predict(X)[0, 0] in ("left", "right")
    listed = MultiTaskMLP((5,), max_iter=3, random_state=0).fit(X, [SIDE, TOTAL, QUARTER])
    assert [part.shape for part in listed.predict(X)] == [(240,)] * 3
    numbers = MultiTaskMLP((5,), max_iter=3).fit(X, np.column_stack([TOTAL, TOTAL * 2]))
    assert numbers.predict(X).dtype == np.float64
    assert not hasattr(numbers, "predict_proba")


def test_early_stopping_by_the_mean_score():
    model = MultiTaskMLP((10,), early_stopping=True, n_iter_no_change=3, learning_rate_init=0.02, random_state=0)
    model.fit(X, {"side": SIDE, "total": TOTAL})
    assert model.best_validation_score_ == max(model.validation_scores_)
    assert model.stop_reason_ == "early_stopping"


@pytest.mark.parametrize(
    ("parameters", "y", "message"),
    [
        ({"tasks": {"side": "classification"}}, TARGETS, "`tasks` must name the kind of each of"),
        ({"tasks": ["regresion"]}, TOTAL, "Unknown kind of task 'regresion'. Did you mean 'regression'"),
        ({"tasks": ["regression"]}, SIDE, "must be numeric for the kind 'regression'"),
        ({"tasks": ["count"]}, TOTAL, "Counts must be 0 or more"),
        ({"task_weights": {"sid": 2.0}}, {"side": SIDE}, "`task_weights` must name tasks among"),
        ({}, np.where(X[:, 0] > 0.9, np.nan, TOTAL), "Input y contains NaN"),
        ({}, {"side": SIDE, "total": TOTAL[:5]}, "inconsistent numbers of samples"),
        ({}, {"total": np.full(240, np.nan), "side": SIDE}, "must have a value somewhere"),
        ({}, {"total": np.where(X[:, 0] > 0.9, np.inf, TOTAL)}, "Input y contains infinity"),
        ({}, None, "the target y is None"),
        ({}, {}, "`y` must name at least one task"),
    ],
)
def test_what_is_refused(parameters, y, message):
    with pytest.raises(ValueError, match=message):
        MultiTaskMLP(max_iter=2, **parameters).fit(X, y)


def test_unseen_classes_are_named():
    model = MultiTaskMLP((5,), max_iter=2).fit(X, {"side": SIDE, "total": TOTAL})
    with pytest.raises(ValueError, match=r"The task 'side' has classes that it had not before. Received: .*leftmost"):
        model.score(X, {"side": np.where(X[:, 0] > 0, "right", "leftmost"), "total": TOTAL})
    with pytest.raises(ValueError, match="`y` must have the tasks"):
        model.score(X, {"side": SIDE})


def test_large_numbers_do_not_drown_the_other_tasks(tmp_path):
    far = {"side": SIDE, "price": 250_000 + 80_000 * TOTAL}
    settings = {"hidden_layer_sizes": (20,), "learning_rate_init": 0.02, "max_iter": 200, "random_state": 0}
    model = MultiTaskMLP(**settings).fit(X, far)
    predicted = model.predict(X)
    assert r2_score(far["price"], predicted["price"]) > 0.95
    assert accuracy_score(SIDE, predicted["side"]) > 0.95
    raw = MultiTaskMLP(scale_targets=False, **settings).fit(X, far)
    assert r2_score(far["price"], raw.predict(X)["price"]) < 0.5
    model.save(tmp_path / "model")
    assert_array_equal(load(tmp_path / "model").predict(X)["price"], predicted["price"])


def test_scaled_targets_are_those_that_somebody_scales():
    scaled = (TOTAL - TOTAL.mean()) / TOTAL.std()
    model, other = (MultiTaskMLP((6,), scale_targets=how, max_iter=20, random_state=0) for how in (True, False))
    model.fit(X, {"a": 7 + 3 * TOTAL})
    other.fit(X, {"a": scaled})
    assert_allclose(model.coefs_[0], other.coefs_[0], rtol=1e-9)
    assert_allclose(model.predict(X)["a"], 7 + 3 * (other.predict(X)["a"] * TOTAL.std() + TOTAL.mean()), rtol=1e-9)
    assert_allclose(model.score(X, {"a": 7 + 3 * TOTAL}), other.score(X, {"a": scaled}), rtol=1e-9)


def test_scales_leave_missing_and_constant_columns_alone():
    table = np.column_stack([100 * TOTAL, np.full(len(X), 5.0)])
    table[:40, 0] = np.nan
    kinds = ["regression", "classification"]
    model = MultiTaskMLP((6,), tasks=kinds, max_iter=3, random_state=0).fit(X, [table, SIDE])
    task, _ = model._tasks
    assert_allclose(task.center, [np.nanmean(table[:, 0]), 5.0])
    assert_allclose(task.scale, [np.nanstd(table[:, 0]), 1.0])
    assert np.isfinite(model.predict(X)[0]).all()


@pytest.mark.parametrize("engine", ["compiled", "autograd"])
def test_partial_fit_goes_on(engine):
    settings = {"hidden_layer_sizes": (8,), "engine": engine, "random_state": 0, "shuffle": False}
    by_parts = MultiTaskMLP(**settings)
    for _ in range(4):
        by_parts.partial_fit(X, TARGETS)
    whole = MultiTaskMLP(max_iter=4, n_iter_no_change=100, **settings).fit(X, TARGETS)
    for mine, other in zip(by_parts.coefs_, whole.coefs_, strict=True):
        assert_allclose(mine, other, rtol=1e-10)
    with pytest.raises(ValueError, match=r"`y` must have the tasks"):
        by_parts.partial_fit(X, {"side": SIDE})
    assert not hasattr(MultiTaskMLP(solver="lbfgs"), "partial_fit")
