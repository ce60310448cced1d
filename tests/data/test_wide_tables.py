"""Columns of plain numbers are looked at and encoded many at a time, with what one at a time gives."""

from importlib import import_module

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import balanced_accuracy_score, r2_score
from sklearn.model_selection import KFold, StratifiedKFold
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

import strata.data._encode as encode_module
import strata.data._leakage as leakage_module
import strata.data.encoder as encoder_module
from strata.data import TableEncoder, audit
from strata.data._blocks import number_blocks
from strata.data._leakage import single_column_scores
from strata.errors import DataError

audit_module = import_module("strata.data.audit")  # the room has a function of that name


@pytest.fixture
def mixed():
    random = np.random.RandomState(0)
    n = 60
    frame = pd.DataFrame(random.normal(size=(n, 8)).round(2), columns=[f"x{i}" for i in range(8)])
    frame["gaps"] = np.where(random.rand(n) < 0.3, np.nan, random.normal(size=n))
    frame["int"] = random.randint(0, 5, n)
    frame["small"] = random.randint(0, 5, n).astype(np.uint8)
    frame["single"] = random.normal(size=n).astype(np.float32)
    frame["town"] = random.choice(["Rome", "Oslo"], n)
    frame["flag"] = random.rand(n) < 0.5
    frame["same"] = 3.0
    frame["none"] = np.nan
    frame["same_and_gaps"] = np.where(random.rand(n) < 0.3, np.nan, 2.0)
    frame["user_id"] = random.permutation(n)
    frame["big"] = np.int64(2**62) + random.randint(0, 9, n)
    return frame


def one_at_a_time(monkeypatch):
    for module in (audit_module, encoder_module, encode_module, leakage_module):
        monkeypatch.setattr(module, "number_blocks", lambda frame: iter(()))


@pytest.mark.parametrize("scale", [True, False])
@pytest.mark.parametrize("weighted", [False, True])
def test_blocks_encode_to_the_bits_of_single_columns(mixed, monkeypatch, scale, weighted):
    weight = np.random.RandomState(1).rand(len(mixed)) if weighted else None
    blocks = TableEncoder(scale=scale).fit(mixed, sample_weight=weight)
    other = mixed.iloc[::-1].copy()
    other.iloc[3, 0] = np.nan
    encoded = blocks.transform(other)
    one_at_a_time(monkeypatch)
    single = TableEncoder(scale=scale).fit(mixed, sample_weight=weight)
    assert single.config_ == blocks.config_
    assert np.array_equal(single.transform(other), encoded)


def test_audits_in_blocks_and_by_column_agree(mixed, monkeypatch):
    mixed.loc[5, "x1"] = np.inf
    repeated = pd.concat([mixed, mixed.iloc[[7, 7]]], ignore_index=True)
    blocks = [audit(frame, frame["x0"] > 0) for frame in (mixed, repeated)]
    codes = {finding.code for report in blocks for finding in report.findings}
    assert {"non_finite", "constant", "missing", "identifier", "duplicates", "leakage"} <= codes
    one_at_a_time(monkeypatch)
    assert [audit(frame, frame["x0"] > 0) for frame in (mixed, repeated)] == blocks


def test_plain_numbers_are_never_looked_at_one_by_one(monkeypatch):
    random = np.random.RandomState(0)
    frame = pd.DataFrame(random.normal(size=(30, 500)), columns=[f"g{i}" for i in range(500)])

    def refuse(column):
        raise RuntimeError(f"{column.name} is looked at alone")

    for module in (audit_module, encoder_module, leakage_module):
        monkeypatch.setattr(module, "column_kind", refuse)
    audit(frame, random.randint(0, 2, 30))
    encoder = TableEncoder().fit(frame)
    monkeypatch.setattr(encoder_module, "encode_column", lambda spec, column, out: refuse(column))
    assert encoder.transform(frame).shape == (30, 500)


def test_faults_among_plain_numbers_still_name_their_column():
    frame = pd.DataFrame(np.random.RandomState(0).normal(size=(30, 5)), columns=list("abcde"))
    encoder = TableEncoder().fit(frame)
    frame.loc[4, "c"] = np.inf
    with pytest.raises(DataError, match="Column 'c', row 4 is infinite"):
        encoder.transform(frame)
    with pytest.raises(DataError, match="Column 'c', row 4 is infinite"):
        TableEncoder().fit(frame)
    frame.loc[4, "c"] = 1e300
    with pytest.raises(DataError, match="Column 'c' holds numbers too large to scale"):
        TableEncoder().fit(frame)


@pytest.mark.parametrize("n_classes", [2, 4])
def test_nearest_values_classify_as_a_grown_tree_does(n_classes):
    random = np.random.RandomState(n_classes)
    X = pd.DataFrame(random.randint(-40, 40, size=(120, 12)) / 16.0).add_prefix("x")
    X["gaps"] = X["x0"].where(random.rand(120) < 0.8)
    y = pd.Series((X["x0"] + X["x1"] + random.normal(size=120) > 0) + random.randint(0, n_classes - 1, 120))
    y = pd.Series(pd.factorize(y)[0])  # a tie is for the class that came first
    scores = single_column_scores(X, y, "classification")
    for name, score in zip(X, scores, strict=True):
        values = X[[name]].fillna(X[name].min() - 1 - np.ptp(X[name].dropna()))
        predicted = np.empty(len(y), dtype=int)
        for train, test in StratifiedKFold(3, shuffle=True, random_state=0).split(values, y):
            tree = DecisionTreeClassifier(random_state=0).fit(values.iloc[train], y[train])
            predicted[test] = tree.predict(values.iloc[test])
        assert score == pytest.approx(balanced_accuracy_score(y, predicted), abs=1e-12)


def test_nearest_values_regress_as_a_grown_tree_does():
    random = np.random.RandomState(0)
    X = pd.DataFrame(random.randint(-40, 40, size=(120, 8)) / 16.0).add_prefix("x")
    y = pd.Series(np.sin(X["x0"]) + 0.1 * random.normal(size=120))
    X["line"] = y + random.normal(size=120)
    for name, score in zip(X, single_column_scores(X, y, "regression"), strict=True):
        predicted = np.empty(len(y))
        for train, test in KFold(3, shuffle=True, random_state=0).split(X):
            tree = DecisionTreeRegressor(random_state=0).fit(X[[name]].iloc[train], y[train])
            predicted[test] = tree.predict(X[[name]].iloc[test])
        linear = np.corrcoef(X[name], y)[0, 1] ** 2
        assert score == pytest.approx(max(r2_score(y, predicted), linear), abs=1e-6)


def test_blocks_cover_every_plain_column_once(monkeypatch, mixed):
    monkeypatch.setattr("strata.data._blocks._BLOCK_CELLS", 100)  # a column or two at a time
    seen = np.concatenate([positions for positions, _ in number_blocks(mixed)])
    names = {"town", "flag"} ^ set(mixed)
    assert sorted(mixed.columns[seen]) == sorted(names)
    for positions, values in number_blocks(mixed):
        for position, row in zip(positions, values, strict=True):
            assert np.array_equal(row, mixed.iloc[:, position].to_numpy(), equal_nan=row.dtype.kind == "f")
