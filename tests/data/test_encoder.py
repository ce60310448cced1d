"""The encoder against numbers worked by hand and scikit-learn's own transformers."""

import copy
import json
import pickle

import numpy as np
import pandas as pd
import polars as pl
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from strata.data import TableEncoder, as_frame
from strata.errors import DataError, ModelRefusedError


@pytest.fixture
def table():
    return pd.DataFrame(
        {
            "age": [20.0, np.nan, 40.0, 30.0],
            "city": ["Rome", "Oslo", None, "Rome"],
            "member": [True, False, True, True],
            "since": ["2024-01-01", "2024-01-02", "2024-07-01", "2024-12-31"],
        }
    )


def test_every_kind_worked_by_hand(table):
    encoder = TableEncoder(scale=False).fit(table)
    names = ["age", "age_missing", "city=Oslo", "city=Rome", "city=<missing>", "member", "since"]
    cycles = [f"since_{part}_{wave}" for part in ("year", "week") for wave in ("sin", "cos")]
    assert encoder.get_feature_names_out().tolist() == names + cycles
    out = encoder.transform(table)
    assert out[:, :6].tolist() == [
        [20, 0, 0, 1, 0, 1],
        [30, 1, 1, 0, 0, 0],  # the median of 20, 40, 30
        [40, 0, 0, 0, 1, 1],
        [30, 0, 0, 1, 0, 1],
    ]
    assert out[:, 6].tolist() == [19723, 19724, 19905, 20088]  # days since 1970-01-01
    year = 2 * np.pi * 19905 / 365.2425
    np.testing.assert_allclose(out[2, 7:], [np.sin(year), np.cos(year), *out[0, 9:]], atol=1e-12)  # both are Mondays
    np.testing.assert_allclose(out[:, 7] ** 2 + out[:, 8] ** 2, 1.0)


def test_scaling_is_that_of_scikit_learn():
    rng = np.random.default_rng(0)
    x = rng.normal(5, 3, (50, 3))
    weight = rng.integers(0, 4, 50)
    np.testing.assert_allclose(TableEncoder().fit_transform(x), StandardScaler().fit_transform(x), atol=1e-12)
    expected = StandardScaler().fit(x, sample_weight=weight).transform(x)
    np.testing.assert_allclose(TableEncoder().fit(x, sample_weight=weight).transform(x), expected, atol=1e-12)


def test_categories_are_those_of_scikit_learn():
    column = np.random.default_rng(0).choice(["b", "a", "d"], (60, 1))
    expected = OneHotEncoder(sparse_output=False).fit_transform(column)
    np.testing.assert_array_equal(TableEncoder().fit_transform(column), expected)


def test_unseen_and_missing_at_predict_time(table):
    encoder = TableEncoder(scale=False).fit(table.drop(index=2))
    new = table.iloc[[2, 2]].assign(city=["Paris", None], since=[None, "2024-01-02"], age=np.nan, member=[None, True])
    with pytest.warns(UserWarning, match=r"^Column 'city': 'Paris' \(and 1 more\) was not seen in training"):
        out = encoder.transform(new)
    assert np.isfinite(out).all()
    assert out[:, 2:4].tolist() == [[0, 0], [0, 0]]
    assert out[0, 4] == pytest.approx(2 / 3)
    assert out[0, 5] == 19724  # the median day; a missing day is in the middle of every circle
    assert not out[0, 6:].any()


def test_columns_are_found_by_name(table):
    encoder = TableEncoder().fit(table)
    np.testing.assert_array_equal(encoder.transform(table[table.columns[::-1]]), encoder.transform(table))
    with pytest.raises(DataError, match="lacks the columns 'age', 'city' that training had"):
        encoder.transform(table[["member", "since"]])
    with pytest.raises(DataError, match="has the column 'new' that training had not"):
        encoder.transform(table.assign(new=1))
    with pytest.raises(ValueError, match="X has 3 features, but TableEncoder is expecting 2 features as input"):
        TableEncoder().fit(np.eye(2)).transform(np.eye(3))
    with pytest.warns(UserWarning, match="X does not have valid feature names, but TableEncoder was fitted with"):
        TableEncoder().fit(pd.DataFrame(np.eye(2), columns=["a", "b"])).transform(np.eye(2))


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("age", [1, "x", 3, 4], "Column 'age', row 1: 'x' is not a number"),
        ("age", [1, np.inf, 3, 4], "Column 'age', row 1 is infinite"),
        ("member", [True, "maybe", True, True], "Column 'member', row 1: 'maybe' is not true or false"),
        ("since", ["2024-01-01", "soon", None, None], "Column 'since', row 1: 'soon' is no date"),
    ],
)
def test_what_a_column_cannot_hold(table, name, values, message):
    encoder = TableEncoder().fit(table)
    with pytest.raises(DataError, match=message):
        encoder.transform(table.assign(**{name: values}))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (["1"] * 19 + ["x"], r"Column 'c', row 19: 'x' is text in a column of numbers \(90%"),
        ([1] * 19 + ["x"], r"Column 'c', row 19: 'x' is text in a column of numbers"),
        (["2024-01-01", "2024-01-02"] * 10 + ["soon"], "Column 'c', row 20: 'soon' is no date"),
        (["2024-02-30"] * 1 + ["2024-01-01", "2024-01-02"] * 10, "Column 'c', row 0: '2024-02-30' is no date"),
        (["01/02/2024", "03/04/2024"], "can be day/month or month/day. Write them as 2024-01-31"),
        ([1.0, np.inf], "Column 'c', row 1 is infinite"),
        ([1e308, -1e308], "too large to scale"),
        ([3, 3], "no usable column: 'c' is constant"),
        ([None, None], "no usable column: 'c' is empty"),
        (pd.to_timedelta([1, 2], unit="s"), "holds durations"),
    ],
)
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_what_cannot_be_learned(values, message):
    with pytest.raises(DataError, match=message):
        TableEncoder().fit(pd.DataFrame({"c": values}))


def test_dates_of_other_forms():
    for values, form in (
        (["13/02/2024", "01/03/2024"], "%d/%m/%Y"),
        (["02/13/2024", "03/01/2024"], "%m/%d/%Y"),
        (["13.02.2024", "1.3.2024"], "%d.%m.%Y"),
        (["2024/02/13", "2024/3/1"], "%Y/%m/%d"),
        (["2024-02-13T00:00:00+00:00", "2024-03-01"], "ISO8601"),
    ):
        encoder = TableEncoder(scale=False).fit(pd.DataFrame({"d": values}))
        assert encoder.config_.columns[0].format == form
        assert encoder.transform(pd.DataFrame({"d": values}))[:, 0].tolist() == [19766, 19783]
    stamps = pd.DataFrame({"d": pd.to_datetime(["2024-02-13 06:00", "2024-03-01 18:00"]).tz_localize("Europe/Oslo")})
    encoder = TableEncoder(scale=False).fit(stamps)
    assert encoder.transform(stamps)[:, 0] == pytest.approx([19766 + 5 / 24, 19783 + 17 / 24])
    assert encoder.get_feature_names_out().tolist()[-2:] == ["d_day_sin", "d_day_cos"]


def test_many_categories_share_other_and_identifiers_are_left_out():
    values = ["a"] * 50 + ["b"] * 30 + ["c"] * 3 + ["d"] * 2
    encoder = TableEncoder(max_categories=3).fit(pd.DataFrame({"k": values}))
    assert encoder.get_feature_names_out().tolist() == ["k=a", "k=b", "k=<other>"]
    assert encoder.transform(pd.DataFrame({"k": ["c", "d", "a"]})).tolist() == [[0, 0, 1], [0, 0, 1], [1, 0, 0]]
    frame = pd.DataFrame({"name": [f"p{i}" for i in range(30)], "x": range(30)})
    with pytest.warns(UserWarning, match="Column 'name' is left out: nearly all of its values are distinct"):
        encoder = TableEncoder().fit(frame)
    assert encoder.dropped_ == {"name": "identifier"}
    assert encoder.transform(frame[["x"]]).shape == (30, 1)


def test_numbers_as_categories_are_the_same_from_any_file():
    encoder = TableEncoder().fit(pd.DataFrame({"k": pd.Categorical([1, 2, 1])}))
    for values in ([2, 1], [2.0, 1.0], ["2", "1"]):
        assert encoder.transform(pd.DataFrame({"k": values})).tolist() == [[0, 1], [1, 0]]


def test_a_column_of_numbers_as_text_or_objects():
    for values in (["1", "3", "NA"], [1, 3, None], np.array([1, 3, np.nan], object)):
        frame = pd.DataFrame({"c": pd.Series(values, dtype=object)})
        assert TableEncoder(scale=False).fit(frame).transform(frame).tolist() == [[1, 0], [3, 0], [2, 1]]


def test_one_document_holds_everything(table):
    encoder = TableEncoder(max_categories=7).fit(table)
    config = json.loads(json.dumps(encoder.to_config(), allow_nan=False))
    again = TableEncoder.from_config(config)
    np.testing.assert_array_equal(again.transform(table), encoder.transform(table))
    assert again.get_params() == encoder.get_params()
    assert again.to_config() == encoder.to_config()
    assert again.feature_names_in_.tolist() == table.columns.tolist()
    for copied in (pickle.loads(pickle.dumps(encoder)), copy.deepcopy(encoder)):
        np.testing.assert_array_equal(copied.transform(table), encoder.transform(table))


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(version=2),
        lambda c: c.update(extra=1),
        lambda c: c.pop("columns"),
        lambda c: c["columns"][0].update(kind="os.system"),
        lambda c: c["columns"][0].update(mean=float("nan")),
        lambda c: c["columns"][0].update(scale=0.0),
        lambda c: c["columns"][0].update(fill="3"),
        lambda c: c["columns"][0].update(name="other"),
        lambda c: c["columns"][1].update(categories=["Rome", "Rome"]),
        lambda c: c["columns"].append(c["columns"][0]),
        lambda c: c.update(max_categories=0),
    ],
)
def test_a_changed_document_is_refused(table, change):
    config = TableEncoder().fit(table).to_config()
    change(config)
    with pytest.raises(ModelRefusedError, match="The table encoder is refused: "):
        TableEncoder.from_config(config)


def test_no_document_is_refused():
    for config in (None, [], "x", 3, object()):
        with pytest.raises(ModelRefusedError):
            TableEncoder.from_config(config)


def test_parameters_and_state_are_checked(table):
    with pytest.raises(ValueError, match="`scale` must be True or False. Received: scale='yes'"):
        TableEncoder(scale="yes").fit(table)
    with pytest.raises(ValueError, match="`max_categories` must be an integer of at least 1. Received: 0"):
        TableEncoder(max_categories=0).fit(table)
    with pytest.raises(NotFittedError):
        TableEncoder().transform(table)
    with pytest.raises(ValueError, match="input_features must be those of the training data"):
        TableEncoder().fit(table).get_feature_names_out(["a", "b", "c", "d"])
    assert clone(TableEncoder(scale=False)).scale is False


def test_set_output(table):
    frame = TableEncoder().set_output(transform="pandas").fit_transform(table)
    assert frame.columns.tolist()[:2] == ["age", "age_missing"]


def test_frames_of_any_library_are_equal(table):
    expected = TableEncoder().fit(table).transform(table)
    rows = {name: [None if pd.isna(value) else value for value in table[name]] for name in table}
    for other in (pl.DataFrame(rows), rows, pl.DataFrame(rows).with_columns(pl.col("since").str.to_date())):
        np.testing.assert_allclose(TableEncoder().fit(other).transform(other), expected, atol=1e-12)


def test_as_frame_refuses_what_is_no_table():
    with pytest.raises(DataError, match="Column names must be distinct. Received 'a' 2 times"):
        as_frame(pd.DataFrame([[1, 2]], columns=["a", "a"]))
    with pytest.raises(ValueError, match="Expected 2D array, got 1D array instead. Reshape your data"):
        as_frame([1, 2])
    with pytest.raises(DataError, match="must all have the same length"):
        as_frame([[1, 2], [3]])
    with pytest.raises(DataError, match="The columns do not make a table"):
        as_frame({"a": [1], "b": [1, 2]})
    with pytest.raises(ValueError, match="Complex data not supported"):
        as_frame(np.eye(2) * 1j)
    with pytest.raises(TypeError, match="Column 'x0', row 1: argument must be a string or a real number, not 'dict'"):
        TableEncoder().fit(np.array([[1], [{}]], object))
    assert as_frame(pd.DataFrame(np.eye(2))).columns.tolist() == ["0", "1"]
