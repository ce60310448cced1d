"""The worst rows, worked by hand, and their losses against scikit-learn's log loss."""

import json

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import log_loss

from strata.report.evaluation import score_predictions
from strata.report.worst import row_losses, worst_rows


def test_losses_average_to_scikit_learns_log_loss():
    random = np.random.RandomState(0)
    y, probs = random.randint(0, 3, 60), random.dirichlet(np.ones(3), 60)
    probs[0] = np.eye(3)[(y[0] + 1) % 3]  # certain and wrong
    found = score_predictions(y, probs.argmax(axis=1), task="classification", classes=[0, 1, 2], probabilities=probs)
    assert row_losses(found).mean() == pytest.approx(log_loss(y, probs), abs=1e-12)
    first = worst_rows(found)[0]
    assert first["position"] == 0 and first["probability"] == 1.0 and first["probability_of_target"] == 0.0
    assert np.isfinite(first["loss"])


def test_rows_carry_their_name_inputs_and_numbers():
    frame = pd.DataFrame(
        {"a": [1.0, np.nan, 3.0], "b": ["x", "y", None], "day": pd.to_datetime(["2024-01-01"] * 3)}, index=[10, 20, 30]
    )
    found = score_predictions(np.array([1.0, 2.0, 3.0]), np.array([1.0, 5.0, 1.0]), task="regression")
    rows = worst_rows(found, frame)
    assert [row["row"] for row in rows] == [20, 30]  # the exact one is not wrong
    assert rows[0]["inputs"] == {"a": None, "b": "y", "day": "2024-01-01 00:00:00"}
    assert rows[1]["inputs"]["b"] is None and rows[0]["loss"] == 3.0 and rows[0]["probability"] is None
    json.dumps(rows, allow_nan=False)
    assert [row["position"] for row in worst_rows(found, n_rows=1)] == [1]
    with pytest.raises(ValueError, match="`frame` must have 3 rows"):
        worst_rows(found, frame[:2])


def test_without_probabilities_the_wrong_rows_in_their_order():
    found = score_predictions(np.array([True, False, True]), np.array([True, True, False]), task="classification")
    assert [row["position"] for row in worst_rows(found)] == [1, 2]
    assert worst_rows(found)[0]["target"] is False
