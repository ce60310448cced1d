"""Reliability bins against scikit-learn's calibration curve, and a calibration error worked by hand."""

import numpy as np
import pytest
from scipy import stats
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss, log_loss

from strata.report.reliability import calibration_record, reliability_bins, undo_temperature


def test_bins_of_two_classes_equal_scikit_learn():
    random = np.random.RandomState(0)
    p = np.concatenate([random.rand(500), [0.0, 0.1, 0.2, 0.3, 1.0]])
    y = (random.rand(505) < p).astype(int)
    found = reliability_bins(y, p, n_bins=10)
    frequency, probability = calibration_curve(y, p, n_bins=10)
    assert found.frequency == pytest.approx(frequency, abs=1e-14)
    assert found.probability == pytest.approx(probability, abs=1e-14)
    assert found.count.sum() == 505 and found.event == "class 1"


def test_bins_of_several_classes_are_of_the_predicted_class():
    probs = np.array([[0.8, 0.1, 0.1], [0.9, 0.05, 0.05], [0.2, 0.5, 0.3], [0.3, 0.3, 0.4]])
    found = reliability_bins([0, 1, 1, 2], probs, n_bins=2)  # confidences 0.8, 0.9, 0.5, 0.4; the second is wrong
    assert found.count.tolist() == [2, 2] and found.frequency.tolist() == [1.0, 0.5]
    assert found.probability == pytest.approx([0.45, 0.85])
    assert found.ece == pytest.approx(0.5 * 0.55 + 0.5 * 0.35) and found.mce == pytest.approx(0.55)


def test_weights_count_as_repeated_rows():
    random = np.random.RandomState(1)
    p, weights = random.rand(40), random.randint(1, 4, 40)
    y = (random.rand(40) < p).astype(int)
    found, repeated = (
        reliability_bins(y, p, sample_weight=weights),
        reliability_bins(np.repeat(y, weights), np.repeat(p, weights)),
    )
    assert found.ece == pytest.approx(repeated.ece, abs=1e-14)
    assert found.frequency == pytest.approx(repeated.frequency, abs=1e-14)


def test_the_interval_of_a_bin_is_wilsons():
    found = reliability_bins([1] * 7 + [0] * 3, [0.65] * 10)
    known = stats.binomtest(7, 10).proportion_ci(method="wilson")
    assert (found.low[0], found.high[0]) == pytest.approx((known.low, known.high), abs=1e-12)


def test_before_and_after_a_temperature():
    random = np.random.RandomState(2)
    logits = 3.0 * random.randn(300, 3)
    y = np.array([random.choice(3, p=np.exp(z / 3) / np.exp(z / 3).sum()) for z in logits])
    before = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    after = np.exp(logits / 3) / np.exp(logits / 3).sum(axis=1, keepdims=True)
    assert undo_temperature(after, 3.0) == pytest.approx(before, abs=1e-12)
    record = calibration_record(y, after, temperature=3.0)
    assert record["before"]["log_loss"] == pytest.approx(log_loss(y, before), abs=1e-12)
    assert record["after"]["brier"] == pytest.approx(brier_score_loss(y, after, labels=[0, 1, 2]), abs=1e-12)
    assert record["after"]["ece"] < 0.5 * record["before"]["ece"]
    assert calibration_record(y, after)["before"] is None


def test_bad_arguments_are_refused():
    with pytest.raises(ValueError, match="`y_prob` must lie in"):
        reliability_bins([0, 1], [np.nan, 0.5])
    with pytest.raises(ValueError, match="`n_bins` must be a positive integer"):
        reliability_bins([0, 1], [0.1, 0.5], n_bins=0)
    with pytest.raises(ValueError, match="`temperature` must be positive"):
        undo_temperature([[0.5, 0.5]], 0.0)


def test_a_class_that_is_missing_and_a_single_row():
    found = reliability_bins(["a"], [[0.7, 0.2, 0.1]], classes=["a", "b", "c"])
    assert found.frequency.tolist() == [1.0] and found.ece == pytest.approx(0.3)
