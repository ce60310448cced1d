"""Each finding on data made to have it, and silence on data that have not."""

import json
import time

import numpy as np
import pandas as pd
import pytest

from strata.data import Split, audit, load_set, read_table, split_rows
from strata.errors import DataError


def codes(report):
    return {finding.code for finding in report.findings}


def found(report, code):
    return next(finding for finding in report.findings if finding.code == code)


@pytest.fixture
def clean():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(200, 3)), columns=["a", "b", "c"])
    return frame, (frame["a"] + rng.normal(size=200) > 0).astype(int)


def test_clean_data(clean):
    frame, y = clean
    report = audit(frame, y, split=split_rows(200, y=y))
    assert report.findings == ()
    assert report.lines() == ["200 rows, 3 columns: nothing found."]
    report.raise_errors()


def test_infinities_and_missing_values_name_file_and_line(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,b,y\n1,2,0\n2,inf,1\n3,4,0\nNA,-inf,1\n")
    frame = read_table(path)
    report = audit(frame.drop(columns="y"), frame["y"])
    finding = found(report, "non_finite")
    assert finding.level == "error"
    assert finding.column == "b"
    assert finding.rows == (1, 3)
    assert finding.message == f"{path}: column 'b' is infinite in 2 rows: line 3, line 5."
    assert found(report, "missing").message == "Column 'a' has no value in 1 row (25.0%)."
    with pytest.raises(DataError, match="column 'b' is infinite"):
        report.raise_errors()
    assert json.loads(json.dumps(report.to_dict()))["findings"][0]["rows"] == [1, 3]


def test_lines_survive_a_selection_of_rows(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("a,y\n" + "".join(f"{i},{i % 2}\n" for i in range(30)) + "inf,1\n")
    frame = read_table(path).iloc[10:]
    assert "line 32" in found(audit(frame[["a"]], frame["y"]), "non_finite").message


def test_duplicates_contradictions_and_rows_in_two_parts(clean):
    frame, y = clean
    frame, y = frame.copy(), y.copy()
    frame.iloc[7] = frame.iloc[3]
    y[7] = y[3]
    frame.iloc[11] = frame.iloc[5]
    y[11] = 1 - y[5]
    split = Split(np.arange(0, 10), np.arange(10, 11), np.arange(11, 200), "shuffled")
    report = audit(frame, y, split=split)
    assert found(report, "duplicates").message == "1 row is an exact copy of an earlier one: row 7."
    assert found(report, "contradictions").rows == (5, 11)
    assert found(report, "shared_rows").message.startswith("1 of 189 test rows are also training rows: row 11.")
    assert audit(frame).findings[0].rows == (7, 11)


def test_infert_has_the_copies_that_pandas_counts():
    data = load_set("infert")
    expected = int(data.frame().duplicated().sum())
    assert found(audit(data.X, data.y), "duplicates").count == expected == 31


def test_constant_empty_and_identifier_columns(clean):
    frame, y = clean
    frame = frame.assign(
        one=1,
        none=None,
        row=np.arange(200) + 5,
        name=[f"p{i}" for i in range(200)],
        patient_id=np.arange(200) * 7,
        day=pd.date_range("2020-01-01", periods=200).strftime("%Y-%m-%d"),
        count=np.arange(200) * 3,
    )
    report = audit(frame, y)
    assert {f.column for f in report.findings if f.code == "constant"} == {"one", "none"}
    assert {f.column for f in report.findings if f.code == "identifier"} == {"row", "name", "patient_id"}


@pytest.mark.parametrize(
    "leak",
    [
        lambda y, rng: y * 3.0 + rng.normal(0, 0.01, len(y)),
        lambda y, rng: np.where(y == 1, "yes", "no"),
        lambda y, rng: np.where(y == 1, np.nan, rng.normal(size=len(y))),  # that it is missing tells
        lambda y, rng: np.where(y == 1, rng.choice(["u", "v"], len(y)), rng.choice(["w", "x"], len(y))),
        lambda y, rng: y == 1,
        lambda y, rng: np.where(y == 1, np.nan, 1.0),
    ],
)
def test_a_column_that_tells_the_class(clean, leak):
    frame, y = clean
    report = audit(frame.assign(leak=leak(y.to_numpy(), np.random.default_rng(1))), y)
    assert [f.column for f in report.findings if f.code == "leakage"] == ["leak"]


def test_a_good_column_is_no_leak(clean):
    frame, y = clean
    flipped = np.where(np.random.default_rng(2).random(200) < 0.05, 1 - y, y)
    assert "leakage" not in codes(audit(frame.assign(good=flipped), y))
    assert "leakage" in codes(audit(frame.assign(good=flipped), y, leakage_threshold=0.9))


def test_a_column_that_tells_the_quantity():
    rng = np.random.default_rng(0)
    x = rng.normal(size=300)
    y = x + rng.normal(size=300)
    frame = pd.DataFrame({"x": x, "fahrenheit": 32 + 1.8 * y, "steps": np.floor(y * 50)})
    assert [f.column for f in audit(frame, y).findings if f.code == "leakage"] == ["fahrenheit", "steps"]


def test_a_rare_class_does_not_hide_a_leak():
    y = np.array([0] * 190 + [1] * 10)
    rng = np.random.default_rng(0)
    report = audit(pd.DataFrame({"x": rng.normal(size=200), "leak": y + 0.0}), y)
    assert [f.column for f in report.findings if f.code == "leakage"] == ["leak"]  # and not x, 95 % right by guessing


def test_classes(clean):
    frame, _ = clean
    report = audit(frame, ["a"] * 190 + ["b"] * 9 + ["c"])
    assert found(report, "rare_class").message == "Classes of under 10 rows: 'b' (9), 'c' (1)."
    assert "The largest class 'a' has 190 rows, the smallest 'c' 1." in found(report, "imbalance").message
    assert found(audit(frame, [1] * 200, task="classification"), "one_class").level == "error"
    many = found(audit(frame, [f"k{i}" for i in range(200)]), "many_classes")
    assert many.level == "error"
    assert "200 classes in 200 rows" in many.message
    missing = found(audit(frame, [1.5, None] * 100), "missing_target")
    assert missing.count == 100
    assert missing.message.startswith("The target 'target' has no value in 100 rows: row 1, row 3")
    assert found(audit(frame, [np.inf] + [0.5, 1.5, 2.5] * 66 + [1.0]), "non_finite").column == "target"
    assert found(audit(frame, ["x", "y"] * 100, task="regression"), "non_finite").message.endswith("Received: 'x'.")


def test_a_million_classes_are_refused_quickly():
    begun = time.process_time()
    report = audit(pd.DataFrame({"x": np.arange(1_000_000) * 0.5}), np.arange(1_000_000), task="classification")
    assert "many_classes" in codes(report)
    assert time.process_time() - begun < 20


def test_a_large_table_is_audited_from_a_sample():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.normal(size=(50_000, 20)), columns=[f"c{i}" for i in range(20)])
    y = (frame["c0"] > 0).astype(int)
    begun = time.process_time()
    assert [f.column for f in audit(frame, y).findings] == ["c0"]
    assert time.process_time() - begun < 10


def test_arguments_are_checked(clean):
    frame, y = clean
    with pytest.raises(ValueError, match=r"`y` must have the shape \(200,\). Received: \(3,\)"):
        audit(frame, [1, 2, 3])
    with pytest.raises(ValueError, match="`leakage_threshold` must be in"):
        audit(frame, y, leakage_threshold=0.0)
