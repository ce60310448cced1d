"""The anomaly detector: what it finds, and what its threshold promises."""

import numpy as np
import pytest
from scipy import sparse
from sklearn.datasets import load_digits
from sklearn.exceptions import NotFittedError
from sklearn.metrics import roc_auc_score

import strata
from strata import AnomalyDetector, Autoencoder

X, Y = load_digits(return_X_y=True)
X = X / 16
SMALL = Autoencoder(8, (32,), max_iter=60, batch_size=50, random_state=0)


def test_other_digits_are_found():
    zeros, others = X[Y == 0], X[Y != 0]
    detector = AnomalyDetector(SMALL).fit(zeros[::2])
    rows = np.concatenate([zeros[1::2], others])
    truth = np.r_[np.zeros(len(zeros[1::2])), np.ones(len(others))]
    assert roc_auc_score(truth, -detector.score_samples(rows)) > 0.98
    assert (detector.predict(others) == -1).mean() > 0.9


def test_the_threshold_on_training_rows_is_the_share_that_is_asked_for():
    detector = AnomalyDetector(SMALL, contamination=0.07).fit(X)
    called = (detector.predict(X) == -1).mean()
    assert called == pytest.approx(0.07, abs=1 / len(X)) and detector.calibration_scores_ is None
    assert np.array_equal(detector.decision_function(X), detector.score_samples(X) - detector.offset_)
    assert np.array_equal(detector.fit_predict(X), detector.predict(X))


def test_weighted_rows_are_so_many_rows():
    detector = AnomalyDetector(Autoencoder(2, (4,), max_iter=1, random_state=0), contamination=0.25)
    scores = np.sort(detector.fit(X[:8]).score_samples(X[:8]))
    assert detector.offset_ == scores[2] and (detector.predict(X[:8]) == -1).sum() == 2
    weight = np.arange(12) % 3
    weighted = AnomalyDetector(SMALL, contamination=0.29).fit(X[:12], sample_weight=weight)
    rows = np.repeat(X[:12], weight, axis=0)
    below = weighted.score_samples(rows) < weighted.offset_
    assert below.sum() <= 0.29 * len(rows) < (weighted.score_samples(rows) <= weighted.offset_).sum()


def test_the_calibrated_threshold_keeps_its_false_alarm_rate_on_new_rows():
    random = np.random.RandomState(0)
    basis = random.normal(size=(3, 12))

    def draw(n):
        return random.normal(size=(n, 3)) @ basis + 0.3 * random.standard_t(4, size=(n, 12))

    autoencoder = Autoencoder(6, (32,), max_iter=200, tol=0.0, batch_size=20, learning_rate_init=0.005, random_state=0)
    train, new = draw(150), draw(4000)
    naive = AnomalyDetector(autoencoder, contamination=0.1).fit(train)
    honest = AnomalyDetector(autoencoder, contamination=0.1).fit(train, X_calibration=draw(600))
    assert (naive.predict(new) == -1).mean() > 0.15  # it knows its training rows too well
    assert (honest.predict(new) == -1).mean() == pytest.approx(0.1, abs=0.03)
    p = honest.p_values(new)
    assert (p <= 0.1).mean() == pytest.approx((honest.predict(new) == -1).mean(), abs=0.01)
    assert (p <= 0.3).mean() == pytest.approx(0.3, abs=0.05)


def test_the_conformal_rank_by_hand():
    detector = AnomalyDetector(Autoencoder(2, (4,), max_iter=1, random_state=0), contamination=0.25)
    detector.fit(X[:100], X_calibration=X[100:107])
    scores = detector.autoencoder_.score_samples(X[100:107])
    assert detector.offset_ == np.sort(scores)[1]  # floor(0.25 * 8) = 2nd smallest
    assert detector.p_values(X[100:107]).max() == 1.0
    assert detector.p_values(X[100:107]).min() == 0.25
    detector.set_params(contamination=0.1).fit(X[:100], X_calibration=X[100:107])
    assert (detector.predict(1e3 * X[:50]) == 1).all()  # 7 rows cannot promise one in ten


def test_rows_set_aside_are_not_learned_from():
    detector = AnomalyDetector(SMALL, calibration_fraction=0.25, random_state=3).fit(X[:200])
    assert detector.n_calibration_ == 50 and len(detector.calibration_scores_) == 50
    again = AnomalyDetector(SMALL, calibration_fraction=0.25, random_state=3).fit(X[:200])
    assert np.array_equal(again.score_samples(X), detector.score_samples(X))
    weighted = AnomalyDetector(SMALL, calibration_fraction=0.25, random_state=3)
    weighted.fit(X[:200].tolist(), sample_weight=np.ones(200))
    np.testing.assert_allclose(weighted.offset_, detector.offset_, rtol=1e-6)


def test_sparse_rows_and_images():
    thin = AnomalyDetector(SMALL, calibration_fraction=0.2, random_state=0).fit(sparse.csr_array(X[:300]))
    assert thin.predict(sparse.csr_array(X)).shape == (len(X),)
    images = (X * 255).reshape(-1, 8, 8).astype(np.uint8)
    pictures = AnomalyDetector(Autoencoder(8, (), channels=(4,), max_iter=2, random_state=0)).fit(images)
    assert pictures.predict(images).shape == (len(X),)


@pytest.mark.parametrize("given", [None, SMALL], ids=["default", "given"])
def test_it_comes_back_from_a_folder(given, tmp_path):
    detector = AnomalyDetector(given, calibration_fraction=0.2, random_state=0).fit(X[:150])
    loaded = strata.load(detector.save(tmp_path / "model"))
    assert np.array_equal(loaded.predict(X), detector.predict(X))
    assert np.array_equal(loaded.p_values(X), detector.p_values(X))
    assert repr(loaded) == repr(detector)
    plain = AnomalyDetector(given, random_state=0).fit(X[:50])
    assert strata.load(plain.save(tmp_path / "other")).offset_ == plain.offset_


def test_a_damaged_folder_is_refused(tmp_path):
    folder = AnomalyDetector(SMALL).fit(X[:50]).save(tmp_path / "model")
    text = (folder / "config.json").read_bytes()
    for place in range(0, len(text), len(text) // 40):
        (folder / "config.json").write_bytes(text[:place] + bytes([text[place] ^ 1]) + text[place + 1 :])
        with pytest.raises(strata.errors.ModelRefusedError):
            strata.load(folder)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"contamination": 0.0}, "The 'contamination' parameter of AnomalyDetector must be"),
        ({"calibration_fraction": 1.0}, "The 'calibration_fraction' parameter of AnomalyDetector must be"),
        ({"autoencoder": 3}, "The 'autoencoder' parameter of AnomalyDetector must be"),
        ({"calibration_fraction": 0.001}, "`calibration_fraction` must leave rows on both sides, of 50"),
    ],
)
def test_bad_arguments_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        AnomalyDetector(**options).fit(X[:50])


def test_p_values_need_rows_that_were_not_learned_from():
    with pytest.raises(ValueError, match="p-values need rows that were not learned from"):
        AnomalyDetector(SMALL).fit(X[:50]).p_values(X)
    with pytest.raises(NotFittedError):
        AnomalyDetector().predict(X)
