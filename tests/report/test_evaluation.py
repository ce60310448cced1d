"""Figures against hand-worked tables and scikit-learn."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, f1_score, log_loss

from strata.report.evaluation import score_predictions
from strata.report.plots import plot_evaluation, plot_history


def test_the_lectures_table():
    truth = np.repeat([0, 0, 1, 1], [143, 22, 37, 46])
    called = np.repeat([0, 1, 0, 1], [143, 22, 37, 46])
    result = score_predictions(truth, called, task="classification")
    assert result.confusion.tolist() == [[143, 22], [37, 46]]
    assert result.score == 189 / 248
    assert result.metrics["balanced_accuracy"] == pytest.approx((143 / 165 + 46 / 83) / 2, abs=1e-15)


def test_figures_equal_scikit_learns():
    random = np.random.RandomState(0)
    truth, called = random.randint(0, 4, 200).astype(str), random.randint(0, 3, 200).astype(str)
    probs = random.dirichlet(np.ones(4), 200)
    result = score_predictions(truth, called, task="classification", classes=list("0123"), probabilities=probs)
    assert result.metrics["balanced_accuracy"] == pytest.approx(balanced_accuracy_score(truth, called), abs=1e-12)
    assert result.metrics["f1_macro"] == pytest.approx(f1_score(truth, called, average="macro"), abs=1e-12)
    assert result.metrics["log_loss"] == pytest.approx(log_loss(truth, probs), abs=1e-12)


def test_regression_by_hand():
    result = score_predictions(np.array([1.0, 2.0, 6.0]), np.array([2.0, 2.0, 4.0]), task="regression")
    # mean 3, total squares 14, residual squares 1 + 0 + 4
    assert result.metrics["r2"] == pytest.approx(1 - 5 / 14)
    assert result.metrics["rmse"] == pytest.approx(np.sqrt(5 / 3))
    assert result.metrics["mae"] == pytest.approx(1.0)
    assert result.confusion is None


def test_a_class_that_was_not_known_gets_a_row_of_its_own():
    result = score_predictions(np.array(["a", "c"]), np.array(["a", "b"]), task="classification", classes=["a", "b"])
    assert result.classes == ("a", "b", "c")
    assert result.confusion.tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]
    assert result.metrics["balanced_accuracy"] == 0.5  # over the classes that came


def test_wrong_shapes_are_refused():
    with pytest.raises(ValueError, match=r"must have the same shape.*\(3,\) and \(2,\)"):
        score_predictions(np.zeros(3), np.zeros(2), task="regression")
    with pytest.raises(ValueError, match="at least one row"):
        score_predictions(np.zeros(0), np.zeros(0), task="regression")


def test_text_of_many_classes_is_short():
    y = np.arange(30)
    assert "30 classes" in score_predictions(y, y, task="classification").to_text()


@pytest.mark.parametrize("task", ["classification", "regression"])
def test_pictures_are_whole_png_files(task, tmp_path):
    y = np.array([0.0, 1.0, 1.0, 3.0])
    y = y.astype(int) if task == "classification" else y
    result = score_predictions(y, y[::-1].copy(), task=task)
    path = plot_evaluation(result, tmp_path / "a.png")
    data = path.read_bytes()
    assert data.startswith(b"\x89PNG") and data.endswith(b"IEND\xaeB`\x82")
    assert [each.name for each in tmp_path.iterdir()] == ["a.png"]
    assert plt.get_fignums() == []


def test_history_picture(tmp_path):
    plot_history({"loss": [100.0, 1.0, 0.1], "val_loss": [90.0, None, 0.2]}, tmp_path / "h.png")
    assert (tmp_path / "h.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(ValueError, match="must hold 'loss'"):
        plot_history({"score": [1.0]}, tmp_path / "i.png")
