"""Every score equals scikit-learn's, weighted or not, and so does its vectorised twin."""

import numpy as np
import pytest
from sklearn import metrics

from strata.report._predicted import check_predicted
from strata.report.evaluation import score_predictions
from strata.report.scores import SCORES, compute_scores, rows_of


def some_classes(n_classes, *, n=300, seed=0, ties=False):
    random = np.random.RandomState(seed)
    y = random.randint(0, n_classes, n)
    logits = random.randn(n, n_classes)
    logits[np.arange(n), y] += 1.0
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    if ties:
        probs = np.round(probs, 1) + 0.01
        probs /= probs.sum(axis=1, keepdims=True)
    return y, probs, random.rand(n) + 0.01


@pytest.mark.parametrize("weighted", [False, True])
def test_two_classes_equal_scikit_learn(weighted):
    y, probs, weights = some_classes(2)
    names = np.array(["no", "yes"])
    w = weights if weighted else None
    found = compute_scores(names[y], y_prob=probs, classes=names, sample_weight=w)
    called = probs.argmax(axis=1)
    expected = {
        "accuracy": metrics.accuracy_score(y, called, sample_weight=w),
        "balanced_accuracy": metrics.balanced_accuracy_score(y, called, sample_weight=w),
        "f1_macro": metrics.f1_score(y, called, average="macro", sample_weight=w),
        "log_loss": metrics.log_loss(y, probs, sample_weight=w),
        "brier": metrics.brier_score_loss(y, probs[:, 1], sample_weight=w),
        "roc_auc": metrics.roc_auc_score(y, probs[:, 1], sample_weight=w),
        "average_precision": metrics.average_precision_score(y, probs[:, 1], sample_weight=w),
    }
    ece = found.pop("ece")
    assert found == pytest.approx(expected, abs=1e-14)
    assert 0 < ece < 0.2


def test_several_classes_equal_scikit_learn():
    y, probs, _ = some_classes(4)
    found = compute_scores(y, y_prob=probs)
    assert found["roc_auc"] == pytest.approx(metrics.roc_auc_score(y, probs, multi_class="ovr"), abs=1e-14)
    assert found["average_precision"] == pytest.approx(metrics.average_precision_score(np.eye(4)[y], probs), abs=1e-14)
    assert found["brier"] == pytest.approx(((probs - np.eye(4)[y]) ** 2).sum(axis=1).mean(), abs=1e-14)


def test_regression_equals_scikit_learn():
    random = np.random.RandomState(1)
    y, called, w = random.randn(50), random.randn(50), random.rand(50)
    assert compute_scores(y, called, task="regression", sample_weight=w) == pytest.approx(
        {
            "r2": metrics.r2_score(y, called, sample_weight=w),
            "rmse": metrics.root_mean_squared_error(y, called, sample_weight=w),
            "mae": metrics.mean_absolute_error(y, called, sample_weight=w),
        },
        abs=1e-14,
    )


@pytest.mark.parametrize("n_classes", [2, 3, 7])
@pytest.mark.parametrize("ties", [False, True])
def test_the_vectorised_twin_equals_the_value_under_any_weights(n_classes, ties):
    y, probs, _ = some_classes(n_classes, ties=ties, seed=n_classes)
    random = np.random.RandomState(5)
    many = np.stack([random.rand(len(y)), random.randint(0, 3, len(y)), np.ones(len(y))])
    for name, score in SCORES.items():
        if score.task == "classification":
            found = score.resampled(check_predicted(y, None, probs))(many.astype(float))
            rows = [check_predicted(y, None, probs, sample_weight=w) for w in many]
            # rows of weight 0 are rows that are not there
            expected = [score.value(each) for each in rows]
            assert found == pytest.approx(expected, abs=1e-12), name


def test_the_vectorised_twin_of_numbers():
    random = np.random.RandomState(2)
    y, called = 1e6 + random.randn(80), 1e6 + random.randn(80)
    many = np.stack([random.rand(80), random.randint(0, 3, 80)]).astype(float)
    for name in ("r2", "rmse", "mae"):
        rows = [check_predicted(y, called, task="regression", sample_weight=w) for w in many]
        found = SCORES[name].resampled(check_predicted(y, called, task="regression"))(many)
        assert found == pytest.approx([SCORES[name].value(each) for each in rows], rel=1e-9), name


def test_a_class_that_is_missing_in_the_test_rows():
    y, probs, _ = some_classes(3)
    here = y < 2
    found = compute_scores(y[here], y_prob=probs[here], classes=[0, 1, 2])
    mean = np.mean([metrics.roc_auc_score(y[here] == k, probs[here, k]) for k in (0, 1)])
    assert found["roc_auc"] == pytest.approx(mean, abs=1e-14)
    assert all(np.isfinite(value) for value in found.values())
    one = compute_scores([1, 1], y_prob=[[0.2, 0.8], [0.6, 0.4]], classes=[0, 1])
    assert np.isnan(one["roc_auc"]) and np.isnan(one["average_precision"]) and one["accuracy"] == 0.5


def test_a_single_row():
    assert compute_scores(["a"], ["a"])["accuracy"] == 1.0
    found = compute_scores([2.0], [1.0], task="regression")
    assert np.isnan(found["r2"]) and found["mae"] == 1.0


def test_the_rows_of_an_evaluation():
    y, probs, _ = some_classes(3, n=30)
    evaluation = score_predictions(
        y, probs.argmax(axis=1), task="classification", classes=[0, 1, 2], probabilities=probs
    )
    rows = rows_of(evaluation)
    assert {name: SCORES[name].value(rows) for name in evaluation.metrics} == pytest.approx(
        evaluation.metrics, abs=1e-14
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0, 1], None, [[np.nan, 1.0], [0.5, 0.5]]), r"`y_prob` must lie in \[0, 1\]. Received: y_prob\[0\]=\[nan"),
        (([0, 1], None, [[0.5, 0.2], [0.5, 0.5]]), "`y_prob` must sum to 1 in every row"),
        (([0, 1], None, [[1.0], [0.5]]), "`y_prob` must have one row a row and one column a class"),
        (([0, 1], [0]), "`y_pred` must have as many rows"),
        (([], []), "`y_true` must have at least one row"),
        (([0, 1],), "`y_pred` or `y_prob` must be given"),
        (([[0, 1]], [0]), "`y_true` must have one dimension"),
    ],
)
def test_bad_arrays_are_refused_by_name(arguments, message):
    with pytest.raises(ValueError, match=message):
        compute_scores(*arguments)


def test_bad_weights_numbers_and_labels_are_refused():
    with pytest.raises(ValueError, match="`sample_weight` must hold one finite"):
        compute_scores([0, 1], [0, 1], sample_weight=[0.0, 0.0])
    with pytest.raises(ValueError, match="`y_pred` must hold finite numbers"):
        compute_scores([0.0, 1.0], [np.nan, 1.0], task="regression")
    with pytest.raises(ValueError, match="`classes` must hold every label"):
        compute_scores(["a", "c"], y_prob=[[0.5, 0.5], [0.1, 0.9]], classes=["a", "b"])
