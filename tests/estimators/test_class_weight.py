"""Weights of classes that would turn learning round are refused by name."""

import numpy as np
import pytest

from strata import BaggedMLPClassifier, MLPClassifier, Perceptron

X, Y = np.array([[0.0], [1.0], [2.0], [3.0]]), np.array(["a", "a", "b", "b"])


@pytest.mark.parametrize("estimator", [MLPClassifier, Perceptron, BaggedMLPClassifier])
@pytest.mark.parametrize("weight", [-1.0, float("nan"), float("inf"), "2", True])
def test_a_weight_must_be_finite_and_at_least_zero(estimator, weight):
    with pytest.raises(ValueError, match=r"`class_weight` must give every class a finite number >= 0.*\['b'\]="):
        estimator(class_weight={"a": 1.0, "b": weight}).fit(X, Y)


def test_every_label_of_several_is_looked_at():
    table = np.array([[0, 1], [1, 0], [1, 1], [0, 0]])
    with pytest.raises(ValueError, match=r"Received: class_weight\[1\]=-2"):
        MLPClassifier(class_weight=[{0: 1, 1: 1}, {0: 1, 1: -2}]).fit(X, table)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_zero_leaves_a_class_out():
    model = MLPClassifier((4,), class_weight={"a": 0, "b": 1}, max_iter=300, random_state=0).fit(X, Y)
    assert (model.predict(X) == "b").all()
