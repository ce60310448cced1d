"""Raw tables in, predictions out; rows 23 to 27 of the fault table."""

import json
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import sparse
from sklearn.base import clone
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from strata.data import TableEncoder, load_set, read_table, split_rows
from strata.errors import DataError, ModelRefusedError
from strata.estimators.mlp import MLPClassifier, MLPRegressor
from strata.estimators.persistence import load
from strata.estimators.table import TableClassifier, TableRegressor

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


@parametrize_with_checks([TableClassifier(random_state=0), TableRegressor(random_state=0)], xfail_strict=True)
def test_scikit_learn_contract(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        check(estimator)


@pytest.fixture(scope="module")
def rent():
    """Rent of a flat: numbers, text, truth, dates, missing values."""
    rng = np.random.default_rng(0)
    n = 240
    frame = pd.DataFrame(
        {
            "rooms": rng.integers(1, 6, n).astype(float),
            "town": rng.choice(["Oslo", "Rome", "Bern"], n),
            "lift": rng.choice([True, False], n),
            "built": pd.Timestamp("1990-01-01") + pd.to_timedelta(rng.integers(0, 10_000, n), unit="D"),
        }
    )
    age = (frame["built"] - pd.Timestamp("1990-01-01")).dt.days
    price = 400 * frame["rooms"] + 600 * (frame["town"] == "Oslo") + 150 * frame["lift"] + age / 20
    frame.loc[::17, "rooms"] = np.nan
    frame.loc[::19, "town"] = None
    frame["built"] = frame["built"].dt.strftime("%Y-%m-%d")
    return frame, price.rename("price")


def regressor(**options):
    network = MLPRegressor(hidden_layer_sizes=(10,), solver="lbfgs", max_iter=200)
    return TableRegressor(network, random_state=0, **options)


def classifier():
    return TableClassifier(MLPClassifier((8,), solver="lbfgs", max_iter=60), random_state=0)


def test_a_csv_with_everything_from_file_to_prediction(tmp_path, rent):
    frame, price = rent
    dear = np.where(price > price.median(), "dear", "cheap")
    frame.assign(price=dear).to_csv(tmp_path / "rent.csv", index=False)
    table = read_table(tmp_path / "rent.csv")
    y = table.pop("price")
    split = split_rows(len(table), y=y)
    model = classifier().fit(table.iloc[split.train], y.iloc[split.train])
    score = model.score(table.iloc[split.test], y.iloc[split.test])
    assert score > 0.85 > max(y.value_counts(normalize=True))
    assert model.classes_.tolist() == ["cheap", "dear"]
    assert model.target_name_ == "price"
    (tmp_path / "new.csv").write_text("town,rooms,built,lift\nParis,3,2001-05-06,true\nOslo,NA,,\n")
    with pytest.warns(UserWarning, match="Column 'town': 'Paris' was not seen in training"):
        probs = model.predict_proba(read_table(tmp_path / "new.csv"))
    assert probs.shape == (2, 2)
    np.testing.assert_allclose(probs.sum(axis=1), 1.0)


def test_it_is_the_encoder_and_the_network(rent):
    frame, price = rent
    dear = price > price.median()
    model = classifier().fit(frame, dear)
    encoder = TableEncoder().fit(frame)
    network = MLPClassifier((8,), solver="lbfgs", max_iter=60, random_state=0).fit(encoder.transform(frame), dear)
    np.testing.assert_array_equal(model.predict_proba(frame), network.predict_proba(encoder.transform(frame)))
    assert model.n_iter_ == network.n_iter_
    assert model.loss_curve_ == network.loss_curve_
    linear = LogisticRegression().fit(encoder.transform(frame), dear).score(encoder.transform(frame), dear)
    assert model.score(frame, dear) > linear


def test_the_target_is_scaled_and_given_back(rent):
    frame, price = rent
    model = regressor().fit(frame, price)
    assert model.score(frame, price) > 0.95
    assert model.target_mean_ == pytest.approx(price.mean())
    assert model.target_scale_ == pytest.approx(price.std(ddof=0))
    plain = regressor(scale_target=False).fit(frame, price)
    assert (plain.target_mean_, plain.target_scale_) == (0.0, 1.0)
    stretched = regressor().fit(frame, 1024 * price)  # a power of two: the same bits in other units
    np.testing.assert_array_equal(stretched.predict(frame), 1024 * model.predict(frame))
    counts = TableRegressor(MLPRegressor("poisson", max_iter=2), random_state=0).fit(frame, frame["lift"] * 3)
    assert (counts.target_mean_, counts.target_scale_) == (0.0, 1.0)
    two = regressor().fit(frame, np.stack([price, -10 * price], axis=1))
    assert two.predict(frame).shape == (240, 2)
    assert two.target_mean_[1] == pytest.approx(-10 * price.mean())


def test_weights_reach_encoder_and_network(rent):
    frame, price = rent
    weight = np.random.default_rng(1).integers(1, 4, len(frame))
    repeated = np.repeat(np.arange(len(frame)), weight)
    weighted = regressor().fit(frame, price, weight)
    full = regressor().fit(frame.iloc[repeated], price.iloc[repeated])
    assert weighted.encoder_.config_.columns[1] == full.encoder_.config_.columns[1]
    assert weighted.target_mean_ == pytest.approx(full.target_mean_)
    assert weighted.encoder_.config_.columns[3].mean == pytest.approx(full.encoder_.config_.columns[3].mean)


def test_own_validation_rows_are_encoded_as_the_training_rows(rent):
    frame, price = rent
    network = MLPRegressor(max_iter=5, early_stopping=True)
    model = TableRegressor(network, random_state=0)
    model.fit(frame[:200], price[:200], X_val=frame[200:], y_val=price[200:])
    best = max(model.network_.validation_scores_)
    assert best < 1.0
    encoded = model.encoder_.transform(frame[200:])
    target = (price[200:] - model.target_mean_) / model.target_scale_
    assert model.network_.score(encoded, target) == pytest.approx(best)


def test_search_and_clone(rent):
    frame, price = rent
    search = GridSearchCV(regressor(), {"network__hidden_layer_sizes": [(), (5,)], "scale": [True]}, cv=2)
    search.fit(frame, price)
    sizes = search.best_params_["network__hidden_layer_sizes"]
    assert search.best_estimator_.network_.hidden_layer_sizes == sizes
    assert search.cv_results_["mean_test_score"][0] != search.cv_results_["mean_test_score"][1]
    model = clone(regressor(max_categories=3))
    assert model.max_categories == 3
    assert not hasattr(model, "network_")
    assert cross_val_score(classifier(), frame, price > 2000, cv=2).min() > 0.6


def test_the_given_network_is_never_changed(rent):
    frame, price = rent
    network = MLPRegressor(max_iter=2)
    TableRegressor(network, random_state=5).fit(frame, price)
    assert not hasattr(network, "coefs_")
    assert network.random_state is None


# rows 23 to 27


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([[1.0, np.inf], [2.0, 3.0]], DataError, "Column 'x1', row 0 is infinite"),
        ([[1j, 2], [3, 4]], ValueError, "Complex data not supported"),
        ([1.0, 2.0], ValueError, "Expected 2D array, got 1D array instead"),
        (np.empty((0, 2)), ValueError, r"0 sample\(s\)|inconsistent numbers of samples"),
        (np.empty((2, 0)), ValueError, r"Found array with 0 feature\(s\) \(shape=\(2, 0\)\) while a minimum of 1"),
        (sparse.csr_array(np.eye(2)), TypeError, "Sparse data was passed for X"),
        ([[1.0], [2.0], [3.0]], ValueError, "inconsistent numbers of samples"),
        (np.array([["a", {}], ["b", 1]], object), TypeError, "argument must be a string or a real number, not 'dict'"),
    ],
)
def test_row_23_bad_inputs(X, error, message):
    with pytest.raises(error, match=message):
        TableClassifier().fit(X, [0, 1])


def test_row_23_wrong_width_and_names(rent):
    frame, price = rent
    model = classifier().fit(frame, price > 2000)
    with pytest.raises(DataError, match="lacks the column 'lift'"):
        model.predict(frame.drop(columns="lift"))
    with pytest.raises(DataError, match="has the column 'price' that training had not"):
        model.predict(frame.assign(price=1))
    with (
        pytest.raises(ValueError, match="X has 2 features, but TableClassifier is expecting 4 features as input"),
        pytest.warns(UserWarning, match="X does not have valid feature names, but TableClassifier was fitted with"),
    ):
        model.predict(np.eye(2))
    with pytest.raises(NotFittedError, match="This TableClassifier instance is not fitted yet"):
        classifier().predict(frame)
    one = classifier().fit(frame[["rooms"]], price > 2000)
    assert one.predict(frame[["rooms"]].iloc[:1]).shape == (1,)


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0, 1, None] * 10, "Input y contains NaN: the target has no value in row 2"),
        (pd.Series([0.0, np.nan, 1.0] * 10, index=range(100, 130)), "the target has no value in row 101"),
        (pd.Series(["a", None] * 15), "the target has no value in row 1"),
        ([0, 1], "inconsistent numbers of samples"),
        (None, "TableClassifier requires y to be passed, but the target y is None"),
        (np.linspace(0, 1, 30), "Unknown label type"),
    ],
)
def test_row_24_bad_targets(y, message):
    with pytest.raises(ValueError, match=message):
        TableClassifier().fit(np.arange(60.0).reshape(30, 2), y)


def test_row_24_text_for_a_quantity_and_columns():
    X = np.arange(60.0).reshape(30, 2)
    with pytest.raises(ValueError, match="The target of a regression must be numbers. Received: 'a'"):
        TableRegressor().fit(X, ["a", "b"] * 15)
    column = TableRegressor(random_state=0).fit(X, pd.DataFrame({"y": np.arange(30.0)}))
    assert column.predict(X).shape == (30,)


@pytest.mark.parametrize("weight", [[-1.0] + [1.0] * 29, [0.0] * 30, [1.0] * 3, [np.inf] * 30, [np.nan] * 30])
@pytest.mark.parametrize("kind", [TableClassifier, TableRegressor])
def test_row_25_bad_weights(kind, weight):
    with pytest.raises(ValueError, match="(?i)weight"):
        kind().fit(np.arange(60.0).reshape(30, 2), [0, 1] * 15, weight)


def test_row_26_any_layout_is_the_same(tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 3)).astype(np.float16).astype(np.float64)
    y = (x[:, 0] > 0).astype(int)
    expected = classifier().fit(x, y).predict_proba(x)
    np.save(tmp_path / "x.npy", x)
    wide = np.zeros((40, 6))
    wide[:, ::2] = x
    names = ["a", "b", "c"]
    for other in (
        np.load(tmp_path / "x.npy", mmap_mode="r"),
        np.asfortranarray(x),
        x.astype(np.float16),
        x.astype(">f8"),
        wide[:, ::2],
        x.astype(object),
        pd.DataFrame(x, columns=names),
        pl.DataFrame(x, schema=names),
        pd.DataFrame(x, columns=names).astype("Float64"),
    ):
        np.testing.assert_allclose(classifier().fit(other, y).predict_proba(other), expected, rtol=1e-9)


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (TableClassifier(scale="yes"), "`scale` must be True or False"),
        (TableClassifier(max_categories=0), "`max_categories` must be an integer of at least 1. Received: 0"),
        (TableRegressor(scale_target="no"), "`scale_target` must be True, False or 'auto'. Received: 'no'"),
        (TableClassifier(MLPClassifier(learning_rate_init=-1)), "learning_rate_init"),
        (TableClassifier(random_state="x"), "random_state"),
    ],
)
def test_row_27_parameters_are_refused_at_fit(model, message):
    with pytest.raises(ValueError, match=message):
        model.fit(np.arange(60.0).reshape(30, 2), [0, 1] * 15)


# saved and loaded


def test_save_and_load(tmp_path, rent):
    frame, price = rent
    dear = np.where(price > 2000, "dear", "cheap")
    for model, y in ((classifier(), dear), (regressor(), price), (TableRegressor(random_state=0), price)):
        model.fit(frame, y)
        folder = model.save(tmp_path / "model", force=True)
        again = load(folder)
        np.testing.assert_array_equal(again.predict(frame), model.predict(frame))
        assert type(again) is type(model)
        assert again.target_name_ == model.target_name_
        assert str(again) == str(model)
        assert again.encoder_.to_config() == model.encoder_.to_config()


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c["state"]["network"].update({"class": "os.system"}),
        lambda c: c["state"]["network"].update({"more": 1}),
        lambda c: c["state"].update(more=1),
        lambda c: c["state"]["extra"].update(more=1),
        lambda c: c["state"]["extra"].update(scale=-1.0),
        lambda c: c["params"].update(more=1),
        lambda c: c["params"].pop("scale"),
        lambda c: c["params"]["network"].update({"class": "MLPClassifier"}),
        lambda c: c["params"]["network"]["params"].update(callbacks=1),
        lambda c: c.update(preprocessing=None),
        lambda c: c["preprocessing"]["columns"][0].update(kind="x"),
        lambda c: c["preprocessing"]["columns"][1].update(missing=False),  # one column fewer than the network takes
    ],
)
def test_a_changed_state_is_refused(rent, change):
    frame, price = rent
    config, arrays = regressor().fit(frame, price)._to_state()
    config = json.loads(json.dumps(config))
    TableRegressor._from_state(config, arrays)
    change(config)
    with pytest.raises((ModelRefusedError, ValueError)):
        TableRegressor._from_state(config, arrays)


def test_a_network_of_another_library_is_used_but_not_saved(tmp_path):
    data = load_set("iris")
    model = TableClassifier(LogisticRegression()).fit(data.X, data.y)
    assert model.score(data.X, data.y) > 0.95
    with pytest.raises(TypeError, match="`network` must be one of .*MLPClassifier.* to be saved. Received: Log"):
        model.save(tmp_path / "model")
