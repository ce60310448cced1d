"""Permutation importance is scikit-learn's, on raw columns, bounded."""

import numpy as np
import pandas as pd
import pytest
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LogisticRegression

from strata import MLPClassifier, TableClassifier
from strata.report import importance
from strata.report.importance import MIN_ROWS, column_importance


def test_it_is_scikit_learns():
    random = np.random.RandomState(0)
    X = random.randn(150, 3)
    y = (X[:, 1] + 0.3 * X[:, 0] > 0).astype(int)
    fitted = LogisticRegression().fit(X, y)
    found = column_importance(fitted, X, y, n_repeats=4, random_state=7)
    seed = np.random.RandomState(7).randint(2**31 - 1)
    known = permutation_importance(fitted, X, y, n_repeats=4, random_state=seed)
    assert found.names == ("x1", "x0", "x2")
    assert np.array_equal(found.mean, known.importances_mean[[1, 0, 2]])
    assert np.array_equal(found.std, known.importances_std[[1, 0, 2]])
    assert found.score == fitted.score(X, y) and found.figure == "accuracy" and found.n_rows == 150


def test_raw_columns_with_words_and_missing_values():
    random = np.random.RandomState(1)
    frame = pd.DataFrame(
        {"colour": np.array(["red", "blue", None], dtype=object)[random.randint(0, 3, 200)], "noise": random.randn(200)}
    )
    y = np.where(frame["colour"] == "red", "warm", "cold")
    fitted = TableClassifier(MLPClassifier((8,), solver="lbfgs", alpha=1.0, max_iter=2000, random_state=0)).fit(
        frame, y
    )
    before = frame.copy()
    found = column_importance(fitted, frame, y)
    assert found.names[0] == "colour" and found.mean[0] > 0.2 > abs(found.mean[1])
    assert frame.equals(before)
    columns = found.to_dict()["columns"]
    assert columns[0]["low"] <= columns[0]["mean"] <= columns[0]["high"]


def test_rows_are_bounded(monkeypatch):
    class Constant:
        classes_ = np.array([0, 1])
        seen = 0

        def fit(self, X, y):
            return self

        def score(self, X, y):
            Constant.seen = max(Constant.seen, len(X))
            return 0.5

    X, y = np.zeros((3000, 2)), np.zeros(3000)
    assert column_importance(Constant(), X, y, n_repeats=1, scoring=lambda e, X, y: e.score(X, y)).n_rows == 2000
    assert Constant.seen == 2000
    monkeypatch.setattr(importance, "MAX_PREDICTIONS", 16_000)
    wide = column_importance(Constant(), np.zeros((3000, 40)), y, n_repeats=1, scoring=lambda e, X, y: 0.0)
    assert wide.n_rows == 400 and wide.n_rows >= MIN_ROWS and wide.n_total == 3000


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="`n_repeats` must be a positive integer"):
        column_importance(None, np.zeros((2, 1)), [0, 1], n_repeats=0)
    with pytest.raises(ValueError, match="`X` and `y` must have the same number of rows"):
        column_importance(None, np.zeros((2, 1)), [0])
    with pytest.raises(ValueError, match="`X` must have at most 2000 columns"):
        column_importance(None, np.zeros((1, 2001)), [0])
