"""Each display: from an estimator, from predictions, on given axes; and it leaves the figures of others alone."""

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.metrics import confusion_matrix

from strata import MLPClassifier, MLPRegressor
from strata.report import displays
from strata.report.displays._axes import COLORS, plain
from strata.report.importance import Importance
from strata.report.intervals import Interval


@pytest.fixture(autouse=True)
def _figures():
    yield
    plt.close("all")


@pytest.fixture(scope="module")
def three():
    random = np.random.RandomState(0)
    y = random.randint(0, 3, 150)
    X = random.randn(150, 4) + 1.5 * np.eye(3, 4)[y]
    names = np.array(["a", "b$x$", "_c"])[y]
    fitted = MLPClassifier((8,), solver="lbfgs", alpha=1.0, max_iter=500, random_state=0).fit(X[:100], names[:100])
    return fitted, X[100:], names[100:]


@pytest.fixture(scope="module")
def line():
    random = np.random.RandomState(1)
    X = random.randn(120, 3)
    y = X[:, 0] + 0.1 * random.randn(120)
    fitted = MLPRegressor(hidden_layer_sizes=(8,), solver="lbfgs", alpha=0.1, max_iter=2000, random_state=0).fit(
        X[:80], y[:80]
    )
    return fitted, X[80:], y[80:]


def both_ways(name, three, line):
    """Return the display of an estimator and of its predictions, as functions of ax."""
    kind = getattr(displays, name)
    model, X, y = line if name in ("ResidualsDisplay", "ImportanceDisplay") else three
    curve = {"figure": "accuracy", "points": [{"n_train": n, "train": 1.0, "test": 0.5} for n in (5, 9, 9)]}
    importance = Importance(("a",), np.ones(1), np.ones(1), np.ones((1, 2)), 0.9, "r2", 10, 10)
    names = getattr(model, "classes_", None)
    other = {
        "ConfusionDisplay": lambda ax: kind.from_predictions(y, model.predict(X), ax=ax),
        "ImportanceDisplay": lambda ax: kind.from_importance(importance, ax=ax),
        "IntervalsDisplay": lambda ax: kind.from_predictions(y, {"model": model.predict(X)}, ax=ax),
        "LearningCurveDisplay": lambda ax: kind.from_curve(curve, ax=ax),
        "PrecisionRecallDisplay": lambda ax: kind.from_predictions(y, model.predict_proba(X), classes=names, ax=ax),
        "ReliabilityDisplay": lambda ax: kind.from_predictions(y, model.predict_proba(X), classes=names, ax=ax),
        "ResidualsDisplay": lambda ax: kind.from_predictions(y, model.predict(X), ax=ax),
        "RocDisplay": lambda ax: kind.from_predictions(y, model.predict_proba(X), classes=names, ax=ax),
        "TrainingCurvesDisplay": lambda ax: kind.from_history({"loss": [1.0, 0.5]}, ax=ax),
    }[name]
    if name == "LearningCurveDisplay":
        quick = LogisticRegression()
        return (lambda ax: kind.from_estimator(quick, X, y, cv=3, train_sizes=[0.5, 1.0], ax=ax)), other
    return (lambda ax: kind.from_estimator(model, X, y, ax=ax)), other


@pytest.mark.parametrize("name", [name for name in displays.__all__ if name.endswith("Display")])
def test_every_display_both_ways_on_given_axes_and_on_its_own(name, three, line):
    mine = plt.figure()
    for make in both_ways(name, three, line):
        own = make(None)
        assert own.ax_.figure is own.figure_ and own.figure_ is not mine
        assert own.ax_.get_xlabel() and (own.ax_.get_ylabel() or len(own.ax_.get_yticklabels()))
        n_figures = len(plt.get_fignums())
        figure = Figure()
        given = figure.add_subplot()
        display = make(given)
        assert display.ax_ is given and display.figure_ is figure
        assert len(plt.get_fignums()) == n_figures  # none opened, none closed
        assert display.plot(ax=Figure().add_subplot()) is display
    assert plt.fignum_exists(mine.number)
    with pytest.raises((TypeError, AttributeError), match="Axes"):
        both_ways(name, three, line)[1]("here")


def test_the_confusion_table_is_scikit_learns_and_shades_are_shares(three):
    model, X, y = three
    display = displays.ConfusionDisplay.from_estimator(model, X, y)
    table = confusion_matrix(y, model.predict(X))
    assert np.array_equal(display.confusion_matrix, table)
    assert display.im_.get_array().data == pytest.approx(table / table.sum(axis=1, keepdims=True))
    assert display.text_[1, 1].get_text() == str(table[1, 1])
    assert displays.ConfusionDisplay.from_predictions(np.arange(30), np.arange(30)).text_ is None
    missing = displays.ConfusionDisplay.from_predictions(["a"], ["b"], labels=["a", "b"])  # no row of b: no division
    assert missing.im_.get_array().data.tolist() == [[0.0, 1.0], [0.0, 0.0]]


def test_of_many_classes_the_worst_curves_are_named():
    random = np.random.RandomState(0)
    y, probs = random.randint(0, 9, 300), random.dirichlet(np.ones(9), 300)
    probs = 0.5 * probs + 0.5 * np.eye(9)[np.where(y < 7, y, 0)]  # classes 7 and 8 are never found
    display = displays.RocDisplay.from_predictions(y, probs)
    named = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert len(display.lines_) == 9 and len(named) == 5
    assert any(text.startswith("7 (AUC") for text in named) and any(text.startswith("8 (AUC") for text in named)


def test_a_calibrated_estimator_is_drawn_before_and_after(three):
    model, X, y = three
    plain_display = displays.ReliabilityDisplay.from_estimator(model, X, y)
    assert plain_display.before is None and len(plain_display.lines_) == 1

    class Calibrated:
        classes_, temperature_ = model.classes_, 2.0

        def predict_proba(self, X):
            logits = np.log(model.predict_proba(X)) / 2.0
            return np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)

    display = displays.ReliabilityDisplay.from_estimator(Calibrated(), X, y)
    assert len(display.lines_) == 2
    assert display.before.ece == pytest.approx(plain_display.after.ece)
    assert display.after.ece != display.before.ece


def test_intervals_and_residuals_of_other_estimators(line):
    model, X, y = line
    display = displays.IntervalsDisplay.from_estimator(model, X, y, others={"line": LinearRegression().fit(X, y)})
    assert list(display.intervals) == ["MLPRegressor", "line"] and display.score == "r2"
    assert display.intervals["line"].value == LinearRegression().fit(X, y).score(X, y)
    nothing = Interval(0.5, np.nan, np.nan, 0.95, 0, "percentile")
    assert displays.IntervalsDisplay(intervals={"one row": nothing}).plot().ax_ is not None
    points = displays.ResidualsDisplay.from_estimator(model, X, y).scatter_.get_offsets()
    assert np.asarray(points) == pytest.approx(np.column_stack([model.predict(X), y - model.predict(X)]))


def test_what_cannot_be_drawn_is_refused(line):
    model, X, y = line
    with pytest.raises(ValueError, match="`estimator` must give probabilities"):
        displays.RocDisplay.from_estimator(model, X, y)
    with pytest.raises(ValueError, match="`estimator` must be fitted by epochs"):
        displays.TrainingCurvesDisplay.from_estimator(LinearRegression())
    with pytest.raises(ValueError, match="`columns` must hold 'loss'"):
        displays.TrainingCurvesDisplay.from_history({"score": [1.0]})
    with pytest.raises(ValueError, match="`curves` must hold a class"):
        displays.RocDisplay.from_predictions([1, 1], [0.2, 0.4], classes=[0, 1])
    with pytest.raises(ValueError, match="`y_prob` must lie in"):
        displays.ReliabilityDisplay.from_predictions([0, 1], [np.nan, 0.5])
    with pytest.raises(ValueError, match="`curve` must have scores for at least two sizes. Received: 1"):
        displays.LearningCurveDisplay.from_curve({"points": [{"n_train": 3, "train": 1.0, "test": 1.0}]})
    with pytest.raises(ValueError, match="`intervals` must hold at least one"):
        displays.IntervalsDisplay(intervals={})


def luminance(color):
    channels = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return float(np.dot([0.2126, 0.7152, 0.0722], channels))


@pytest.mark.parametrize("color", COLORS)
@pytest.mark.parametrize("page", ["#ffffff", "#fdfdfc", "#13171b", "#000000"])
def test_colours_stand_out_on_light_and_dark(color, page):
    light, dark = sorted([luminance(color), luminance(page)], reverse=True)
    assert (light + 0.05) / (dark + 0.05) >= 3.0


def test_labels_are_drawn_as_they_are():
    assert plain("a$b$") == r"a\$b\$" and plain("_x") == " _x" and plain("x" * 99).endswith("…")
    display = displays.ConfusionDisplay.from_predictions(["$\\frac$", "b\x00"], ["b\x00", "b\x00"])
    display.figure_.canvas.draw()
