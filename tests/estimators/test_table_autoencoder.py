"""Codes of raw tables: the encoder and the autoencoder, saved as one."""

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

import strata
from strata import Autoencoder, TableAutoencoder
from strata.data import TableEncoder
from strata.errors import DataError

pytestmark = [pytest.mark.filterwarnings("ignore::sklearn.exceptions.SkipTestWarning")]


def table(n=120):
    random = np.random.RandomState(0)
    degrees = random.normal(15, 8, n)
    frame = pd.DataFrame(
        {
            "degrees": degrees,
            "weather": np.where(degrees > 15, "sun", "rain"),
            "day": pd.date_range("2026-01-01", periods=n),
            "open": degrees > 20,
        }
    )
    frame.loc[3, "degrees"] = np.nan
    frame.loc[5, "weather"] = None
    return frame


SMALL = Autoencoder(2, (16,), max_iter=30, random_state=0)


@parametrize_with_checks([TableAutoencoder(Autoencoder(max_iter=5), random_state=0)], xfail_strict=True)
def test_scikit_learns_checks(estimator, check):
    check(estimator)


def test_it_is_the_encoder_and_the_autoencoder():
    frame = table()
    model = TableAutoencoder(SMALL).fit(frame)
    encoded = TableEncoder().fit(frame).transform(frame)
    by_hand = clone(SMALL).fit(encoded)
    assert np.array_equal(model.transform(frame), by_hand.transform(encoded))
    assert np.array_equal(model.score_samples(frame), by_hand.score_samples(encoded))
    assert model.score(frame) == pytest.approx(by_hand.score(encoded))
    assert list(model.get_feature_names_out()) == ["tableautoencoder0", "tableautoencoder1"]
    assert SMALL.get_params() == clone(SMALL).get_params() and not hasattr(SMALL, "network_")


def test_it_comes_back_from_a_folder(tmp_path):
    frame = table()
    for number, model in enumerate((TableAutoencoder(SMALL), TableAutoencoder(random_state=1))):
        fitted = model.fit(frame)
        loaded = strata.load(fitted.save(tmp_path / str(number)))
        assert np.array_equal(loaded.transform(frame), fitted.transform(frame)) and repr(loaded) == repr(fitted)


def test_own_validation_rows_are_encoded_as_the_training_rows():
    frame = table()
    stops = Autoencoder(2, (16,), max_iter=5, early_stopping=True, random_state=0)
    fitted = TableAutoencoder(stops).fit(frame[:90], X_val=frame[90:])
    assert len(fitted.network_.validation_scores_) == fitted.n_iter_ == 5


def test_bad_tables_are_refused():
    with pytest.raises(NotFittedError):
        TableAutoencoder().transform(table())
    fitted = TableAutoencoder(SMALL).fit(table())
    with pytest.raises((DataError, ValueError), match="weather"):
        fitted.transform(table().drop(columns="weather"))
