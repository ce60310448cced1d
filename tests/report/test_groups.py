"""Errors by group: hand-made groups, Fisher's test from scipy, and no alarm where nothing is wrong."""

import json

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from sklearn.metrics import accuracy_score, mean_absolute_error

from strata.report.evaluation import score_predictions
from strata.report.groups import group_errors, groups_of


def test_quartiles_are_pandas():
    values = np.random.RandomState(0).randn(101)
    numbers, names = groups_of(values)
    assert np.array_equal(numbers, pd.qcut(values, 4, labels=False))
    assert len(names) == 4 and names[0].startswith("up to ") and names[-1].startswith("above ")


def test_groups_of_dates_words_truth_values_and_missing_ones():
    days = pd.Series(pd.date_range("2024-01-01", periods=12)).where(np.arange(12) != 3)
    numbers, names = groups_of(days)
    assert names[-1] == "missing" and numbers[3] == 4 and "2024-01-0" in names[0]
    assert np.array_equal(np.sort(np.delete(numbers, 3)), np.delete(numbers, 3))
    words = [*("abcdefghijklmno"), "a", "b"]
    numbers, names = groups_of(words)
    assert names[:2] == ["a", "b"] and names[-1] == "all others" and len(names) == 12
    assert numbers[-2:].tolist() == [0, 1] and (numbers == 11).sum() == 4
    assert groups_of([True, False, True])[1] == ["True", "False"]
    assert groups_of([3, 1, 2, 1])[1] == ["1", "2", "3"]
    assert groups_of([None, None])[1] == ["missing"]
    assert groups_of(np.r_[np.zeros(80), np.arange(20)])[1][0] == "up to 0"  # equal cuts fall together


def test_figures_and_test_of_a_group():
    random = np.random.RandomState(0)
    y, side = random.randint(0, 2, 300), np.array(["left", "right", "up"])[random.randint(0, 3, 300)]
    called = np.where((side == "right") & (random.rand(300) < 0.4), 1 - y, y)
    found = group_errors(score_predictions(y, called, task="classification"), pd.DataFrame({"side": side}))
    first = found[0]
    inside = side == "right"
    wrong = y != called
    table = [[wrong[m].sum(), (~wrong[m]).sum()] for m in (inside, ~inside)]
    assert first.group == "right" and first.stands_out and first.n_rows == inside.sum()
    assert first.value == accuracy_score(y[inside], called[inside])
    assert first.rest == pytest.approx(accuracy_score(y[~inside], called[~inside]))
    assert first.p_value == pytest.approx(3 * stats.fisher_exact(table).pvalue)
    assert first.low < first.value < first.high
    assert not any(group.stands_out for group in found[1:])
    json.dumps([group.to_dict() for group in found], allow_nan=False)


def test_a_regression_by_quartiles():
    random = np.random.RandomState(1)
    x = random.rand(200)
    y = random.randn(200)
    called = y + np.where(x > 0.75, 3.0, 0.1) * random.randn(200)
    found = group_errors(score_predictions(y, called, task="regression"), pd.DataFrame({"x": x, "same": 1}))
    inside = x > np.quantile(x, 0.75)
    assert found[0].group.startswith("above") and found[0].figure == "mae" and found[0].stands_out
    assert found[0].value == pytest.approx(mean_absolute_error(y[inside], called[inside]))
    assert {group.column for group in found} == {"x"}  # a column of one group says nothing


def test_where_nothing_is_wrong_nothing_stands_out():
    alarms = 0
    for seed in range(40):
        random = np.random.RandomState(seed)
        y = random.randint(0, 2, 150)
        called = np.where(random.rand(150) < 0.8, y, 1 - y)
        frame = pd.DataFrame({"a": random.randn(150), "b": random.randint(0, 6, 150)})
        found = group_errors(score_predictions(y, called, task="classification"), frame)
        alarms += any(group.stands_out for group in found)
    assert alarms <= 4  # 5 % of 40 expected


def test_other_rows_are_refused():
    with pytest.raises(ValueError, match="`frame` must have 2 rows"):
        group_errors(score_predictions(np.ones(2), np.ones(2), task="regression"), pd.DataFrame({"a": [1]}))
