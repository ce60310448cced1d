"""Bags of networks: every member is a network of its own, and the mean errs as the formula says."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.datasets import load_iris, make_moons

from strata import BaggedMLPClassifier, BaggedMLPRegressor, MLPClassifier
from strata.estimators._bagging import bagging_report

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

X, Y = make_moons(200, noise=0.3, random_state=0)
SETTINGS = {"learning_rate_init": 0.03, "max_iter": 80, "random_state": 0}


def test_the_prediction_is_the_mean_of_the_networks():
    bag = BaggedMLPClassifier(4, (8,), **SETTINGS).fit(X, Y)
    members = bag.estimators_
    assert len(members) == len(bag.estimators_samples_) == 4
    assert_allclose(bag.predict_proba(X), np.mean([m.predict_proba(X) for m in members], axis=0))
    assert_allclose(bag.predict_log_proba(X), np.log(bag.predict_proba(X)))
    assert_array_equal(bag.predict(X), bag.predict_proba(X).argmax(axis=1))
    assert len({m.coefs_[0].tobytes() for m in members}) == 4
    assert np.shares_memory(members[1].coefs_[0], bag.coefs_[0])


def test_members_learn_from_bootstrap_samples():
    bag = BaggedMLPClassifier(20, (2,), max_iter=1, random_state=0).fit(X, Y)
    distinct = [len(np.unique(rows)) / len(X) for rows in bag.estimators_samples_]
    assert_allclose(np.mean(distinct), 1 - (1 - 1 / len(X)) ** len(X), atol=0.02)  # 63.2 %


@pytest.mark.parametrize("batch_size", [20, 200], ids=["rows as drawn", "distinct rows with counts"])
def test_a_member_is_a_network_trained_on_its_rows(batch_size):
    """Without shuffling, a member equals a single network begun at the same weights, on the rows it drew."""
    settings = {"shuffle": False, "max_iter": 7, "batch_size": batch_size, "solver": "sgd"}
    bag = BaggedMLPClassifier(3, (6,), random_state=0, **settings).fit(X, Y)
    seeds = np.random.RandomState(0).randint(np.iinfo(np.int32).max, size=3)
    for seed, rows, member in zip(seeds, bag.estimators_samples_, bag.estimators_, strict=True):
        alone = MLPClassifier((6,), random_state=np.random.RandomState(seed), **settings).fit(X[rows], Y[rows])
        assert_allclose(member.coefs_[0], alone.coefs_[0], rtol=1e-10)
        assert_allclose(member.loss_curve_, alone.loss_curve_, rtol=1e-10)


def test_the_same_seed_and_any_number_of_threads_give_the_same():
    first, second = (BaggedMLPRegressor(3, (6,), n_threads=n, **SETTINGS).fit(X, Y) for n in (1, 2))
    assert_array_equal(first.coefs_[0], second.coefs_[0])


def test_the_mean_errs_less():
    rs = np.random.RandomState(0)
    rows = rs.uniform(-2, 2, (150, 1))
    y = np.sin(2 * rows[:, 0]) + rs.normal(0, 0.3, 150)
    far = rs.uniform(-2, 2, (400, 1))
    truth = np.sin(2 * far[:, 0])
    bag = BaggedMLPRegressor(8, (20,), **SETTINGS).fit(rows, y, X_val=far, y_val=truth)
    single = np.mean([np.mean((m.predict(far) - truth) ** 2) for m in bag.estimators_])
    report = bag.bagging_report_
    assert report["rows"] == "validation"
    assert_allclose(report["v"], single)
    assert_allclose(report["ensemble_error"], np.mean((bag.predict(far) - truth) ** 2))
    assert_allclose(report["formula"], report["v"] / 8 + 7 * report["c"] / 8)
    assert_allclose(report["ensemble_error"], report["formula"])  # on the same rows it is an identity
    assert report["ensemble_error"] < report["v"]


def test_out_of_bag():
    bag = BaggedMLPClassifier(12, (8,), **SETTINGS).fit(X, Y)
    unseen = np.array([~np.isin(np.arange(len(X)), rows) for rows in bag.estimators_samples_])
    votes = np.array([m.predict_proba(X)[:, 1] for m in bag.estimators_])
    judged = unseen.any(axis=0)
    means = (votes * unseen).sum(axis=0)[judged] / unseen.sum(axis=0)[judged]
    assert_allclose(bag.oob_score_, np.mean((means > 0.5) == Y[judged]))
    assert bag.bagging_report_["rows"] == "out-of-bag"
    assert_allclose(bag.bagging_report_["formula"], bag.bagging_report_["ensemble_error"], rtol=0.2)


def test_report_on_errors_with_known_covariance():
    """L 9: v = 1, c = 0.3, k = 5 gives 0.44."""
    rs = np.random.RandomState(0)
    common, own = rs.normal(0, np.sqrt(0.3), (1, 200_000, 1)), rs.normal(0, np.sqrt(0.7), (5, 200_000, 1))
    report = bagging_report(common + own, np.ones((5, 200_000), dtype=bool))
    assert_allclose([report[name] for name in ("k", "v", "c")], [5, 1, 0.3], rtol=0.02)
    assert_allclose(report["formula"], 0.44, rtol=0.01)
    assert_allclose(report["ensemble_error"], report["formula"], rtol=1e-9)


def test_several_classes_labels_and_weights():
    rows, labels = load_iris(return_X_y=True)
    bag = BaggedMLPClassifier(3, (10,), **SETTINGS).fit(rows, labels.astype(str), sample_weight=np.ones(150))
    assert bag.score(rows, labels.astype(str)) > 0.9
    assert bag.predict(rows).dtype.kind == "U"
    weight = np.where(labels == 2, 0.0, 1.0)
    light = BaggedMLPClassifier(3, (10,), **SETTINGS).fit(rows, labels, sample_weight=weight)
    assert not (light.predict(rows) == 2).any()


def test_without_bootstrap_there_is_nothing_out_of_bag():
    bag = BaggedMLPClassifier(2, (4,), bootstrap=False, max_iter=2, random_state=0).fit(X, Y)
    assert bag.bagging_report_["rows"] == "training"
    assert bag.oob_score_ is None
    assert not hasattr(bag, "partial_fit")
    half = BaggedMLPClassifier(2, (4,), bootstrap=False, max_samples=0.5, max_iter=2, random_state=0).fit(X, Y)
    assert [len(np.unique(rows)) for rows in half.estimators_samples_] == [100, 100]
    assert half.bagging_report_["rows"] == "out-of-bag"


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_estimators": 0}, "The 'n_estimators' parameter of BaggedMLPClassifier must be an int in the range"),
        ({"max_samples": 0.0}, "The 'max_samples' parameter of BaggedMLPClassifier must be a float in the range"),
        ({"solver": "lbfgs"}, "solver"),
    ],
)
def test_bad_parameters(parameters, message):
    with pytest.raises(ValueError, match=message):
        BaggedMLPClassifier(**parameters).fit(X, Y)
