"""The simpler methods are scikit-learn's on the same rows, bounded, and keep what they predicted."""

import numpy as np
import pytest
from sklearn.datasets import make_classification
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.neighbors import KNeighborsRegressor
from sklearn.preprocessing import StandardScaler

from strata.report import baselines
from strata.report.baselines import fit_baselines
from strata.report.evaluation import score_predictions
from strata.report.intervals import difference_intervals


@pytest.fixture(scope="module")
def table():
    X, y = make_classification(160, 6, n_informative=4, n_classes=3, random_state=0)
    return X[:120], y[:120], X[120:], y[120:]


def test_five_methods_and_their_predictions(table):
    found = {each.name: each for each in fit_baselines(*table, task="classification", seed=3)}
    assert list(found)[0] == "majority class" and len(found) == 5
    trees = HistGradientBoostingClassifier(min_samples_leaf=12, early_stopping=False, random_state=3)
    known = trees.fit(*table[:2]).predict(table[2])
    evaluation = found["gradient-boosted trees"].evaluation
    assert np.array_equal(evaluation.predictions, known) and evaluation.probabilities.shape == (40, 3)
    network = score_predictions(table[3], table[3], task="classification", classes=[0, 1, 2])
    differences = difference_intervals(network, {name: each.evaluation for name, each in found.items()})
    for name, each in found.items():
        assert differences[name].value == pytest.approx(1.0 - np.mean(each.evaluation.predictions == table[3]))


def test_a_regression(table):
    X, _, X_test, _ = table
    found = {each.name: each for each in fit_baselines(X, X[:, 0] ** 2, X_test, X_test[:, 0] ** 2, task="regression")}
    assert list(found) == ["mean", "linear regression", "5 nearest neighbours", "SVM (RBF)", "gradient-boosted trees"]
    scaler = StandardScaler().fit(X)
    known = KNeighborsRegressor(5).fit(scaler.transform(X), X[:, 0] ** 2).predict(scaler.transform(X_test))
    assert found["5 nearest neighbours"].evaluation.predictions == pytest.approx(known, abs=1e-12)
    assert found["gradient-boosted trees"].evaluation.score > 0.8 > found["linear regression"].evaluation.score


def test_dear_methods_see_fewer_rows_and_say_so(monkeypatch, table):
    limits = baselines._limits("classification", 784, 10, 5000)
    assert (
        limits["svm"] == 1785 and limits["trees"] == 1000 and limits["linear"] == 5102 and limits["neighbors"] == 2551
    )
    assert baselines._limits("regression", 5, 1, 100)["trees"] == 800_000
    _, trees = baselines._boosting("classification", 784, 10, 5000, 0)
    assert (trees.max_iter, trees.learning_rate, trees.max_bins) == (10, 0.3, 63)
    monkeypatch.setattr(baselines, "MAX_SVM_ROWS", 50)
    monkeypatch.setattr(baselines, "MAX_TREE_SPLITS", 6 * 3 * 20)
    found = {each.name: each for each in fit_baselines(*table, task="classification")}
    assert found["SVM (RBF)"].note.startswith("fitted on 5") and found["SVM (RBF)"].n_train <= 53
    assert found["gradient-boosted trees"].note == "20 rounds"


def test_three_rows_are_enough():
    x = np.arange(3.0)[:, None]
    found = fit_baselines(x, x[:, 0], x, x[:, 0], task="regression")
    assert [each.name for each in found][2] == "3 nearest neighbours"
