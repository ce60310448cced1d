"""Columns of figures, and the file they are written to."""

import csv
import math

import numpy as np
import pytest

from strata.engine import History


def example():
    history = History()
    history.append({"epoch": 1, "loss": 0.1 + 0.2, "seconds": 1.0})
    history.append({"epoch": 2, "loss": 1e-300, "val_loss": math.inf, "seconds": 1.0})
    history.append({"epoch": 3, "seconds": 2.0})
    return history


def test_columns_stay_aligned():
    history = example()
    assert history.columns == ["epoch", "loss", "seconds", "val_loss"]
    assert len(history) == 3
    np.testing.assert_equal(history["loss"], [0.1 + 0.2, 1e-300, math.nan])
    np.testing.assert_equal(history["val_loss"], [math.nan, math.inf, math.nan])
    assert history.rows()[2] == {"epoch": 3, "seconds": 2.0}
    assert history.last("val_loss") != history.last("val_loss")
    assert history.last("epoch") == 3
    assert history.last("never", default=7.0) == 7.0
    assert "loss" in history
    assert "never" not in history
    assert repr(history) == "History(3 epochs: epoch, loss, seconds, val_loss)"


def test_a_column_that_is_not_there():
    with pytest.raises(KeyError, match="No figure 'auc' in the history. It has: epoch, loss, seconds, val_loss"):
        example()["auc"]


def test_what_is_handed_out_is_a_copy():
    history = example()
    history["loss"].append(3.0)
    assert len(history["loss"]) == 3


def test_csv_gives_back_the_same_bits(tmp_path):
    example().to_csv(tmp_path / "history.csv")
    with open(tmp_path / "history.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["epoch"] for row in rows] == ["1", "2", "3"]
    assert float(rows[0]["loss"]) == 0.1 + 0.2
    assert float(rows[1]["loss"]) == 1e-300
    assert (rows[2]["loss"], rows[0]["val_loss"], rows[1]["val_loss"]) == ("", "", "inf")


def test_csv_that_cannot_be_written_leaves_the_old_one(tmp_path, monkeypatch):
    path = tmp_path / "history.csv"
    example().to_csv(path)
    before = path.read_bytes()

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        History().to_csv(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["history.csv"]


def test_state_round_trip():
    history = History()
    history.load_state_dict(example().state_dict())
    assert history.columns == example().columns
    for name in history.columns:
        np.testing.assert_equal(history[name], example()[name])
    assert isinstance(history["epoch"][0], int)
