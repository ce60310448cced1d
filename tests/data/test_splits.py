"""No row is in two parts, and each kind keeps its promise."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.data import infer_task, split_rows
from strata.errors import DataError


def rows_of(split):
    return np.concatenate([split.train, split.validation, split.test])


@settings(deadline=None, max_examples=60)
@given(
    st.integers(20, 200),
    st.floats(0.1, 0.4),
    st.one_of(st.just(0.0), st.floats(0.12, 0.4)),
    st.sampled_from(["plain", "strata", "groups", "time"]),
)
def test_every_row_is_in_one_part(n_rows, test_size, validation_size, kind):
    rng = np.random.default_rng(n_rows)
    options = {
        "plain": {},
        "strata": {"y": np.arange(n_rows) % 2},
        "groups": {"groups": rng.integers(0, 8, n_rows)},
        "time": {"time": rng.integers(0, 50, n_rows)},
    }[kind]
    split = split_rows(n_rows, test_size=test_size, validation_size=validation_size, **options)
    assert sorted(rows_of(split)) == list(range(n_rows))
    assert len(split.train) > 0
    assert len(split.test) > 0
    if kind == "groups":
        groups = options["groups"]
        assert not set(groups[split.train]) & set(groups[split.test])
        assert not set(groups[split.validation]) & set(groups[split.test])
        assert not set(groups[split.train]) & set(groups[split.validation])
    if kind == "time":
        time = options["time"]
        assert time[split.train].max() < min(time[split.validation].min(initial=99), time[split.test].min())
        assert time[split.validation].max(initial=-1) < time[split.test].min()


def test_strata_keep_the_shares_and_the_seed_decides():
    y = np.array(["a"] * 80 + ["b"] * 20)
    split = split_rows(100, y=y, test_size=0.25, validation_size=0.25, random_state=3)
    assert split.kind == "stratified"
    for part in (split.test, split.validation):
        assert (y[part] == "b").sum() == 5
    again, other = split_rows(100, y=y, test_size=0.25, validation_size=0.25, random_state=3), split_rows(100, y=y)
    np.testing.assert_array_equal(split.test, again.test)
    assert not np.array_equal(np.sort(other.test), np.sort(split.test)[:20])
    assert not (np.diff(split.train) > 0).all()  # shuffled
    assert split_rows(100, y=np.linspace(0, 1, 100)).kind == "shuffled"


def test_rows_of_one_moment_stay_together():
    split = split_rows(100, time=np.arange(100) // 7, test_size=0.2)
    assert split.test.tolist() == list(range(84, 100))  # 80 is inside the moment 77..83
    dates = pd.date_range("2024-01-01", periods=10).strftime("%Y-%m-%d")
    assert split_rows(10, time=dates[::-1], test_size=0.3).test.tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"y": [0] * 9 + [1]}, DataError, r"The class 1 has 1 row left \(row 9\) when the test part is cut off"),
        (
            {"y": ["a", "b"] * 5, "test_size": 0.1},
            DataError,
            "A test part of 1 of 10 rows cannot hold",
        ),
        ({"y": [0, 1, None] + [0] * 7, "stratify": True}, DataError, "`y` has no value in row 2"),
        ({"y": [0, 1]}, ValueError, "`y` must have 10 rows. Received: 2"),
        ({"groups": [1] * 10}, DataError, "1 groups cannot be divided into 2 parts"),
        ({"groups": [1, None] * 5}, DataError, "`groups` has no value in row 1"),
        ({"time": [1] * 10}, DataError, "`time` has too few distinct moments for a test part"),
        ({"time": [1, np.nan] * 5}, DataError, "`time` has no value in row 1"),
        ({"time": ["2024-01-01", "soon"] * 5}, DataError, "must be numbers or ISO dates. Received 'soon' in row 1"),
        ({"groups": [1] * 10, "time": [1] * 10}, ValueError, "cannot both decide the split"),
        ({"test_size": 1.0}, ValueError, r"`test_size` must be in \[0, 1\). Received: test_size=1.0"),
        ({"test_size": 0.6, "validation_size": 0.5}, ValueError, "must stay under 1. Received: 1.1"),
        ({"stratify": True}, ValueError, "`stratify=True` needs `y`"),
    ],
)
def test_what_cannot_be_split_is_refused(options, error, message):
    with pytest.raises(error, match=message):
        split_rows(10, **options)


def test_one_row_cannot_be_split():
    with pytest.raises(DataError, match="1 rows cannot be divided into 2 parts"):
        split_rows(1)


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (["a", "b"], "classification"),
        ([True, False], "classification"),
        ([0, 1], "classification"),
        ([0.0, 1.0, np.nan], "classification"),
        ([1, 2, 3], "regression"),
        ([1, 2, 3] * 2, "classification"),
        (list(range(20)) * 2, "classification"),
        (list(range(21)) * 2, "regression"),
        ([0.5, 1.5], "regression"),
        (pd.Categorical([1, 2, 3]), "classification"),
        (pd.Series([1, 2, 3], dtype="category"), "classification"),
        (np.array([[0, 1], [1, 1]]), "classification"),
        (np.array([[0.5, 1], [1, 1]]), "regression"),
    ],
)
def test_tasks(y, task):
    assert infer_task(y) == task


def test_targets_that_say_nothing():
    with pytest.raises(DataError, match="holds no value"):
        infer_task([None, None])
    with pytest.raises(DataError, match="holds dates"):
        infer_task(pd.Series(pd.to_datetime(["2024-01-01"]), name="d"))
