"""Rows 24 and 25 of the fault table for every estimator that learns, not for tables alone."""

import numpy as np
import pytest

from strata import BaggedMLPClassifier, BaggedMLPRegressor, MLPClassifier, MLPRegressor, Perceptron
from strata.estimators.perceptron import DeltaRulePerceptron

X = np.random.RandomState(0).normal(size=(30, 2))
CLASSIFIERS = [MLPClassifier((3,), max_iter=2), Perceptron(max_iter=3), BaggedMLPClassifier(2, (3,), max_iter=2)]
REGRESSORS = [MLPRegressor(hidden_layer_sizes=(3,), max_iter=2), BaggedMLPRegressor(2, (3,), max_iter=2)]
WEIGHTED = [*CLASSIFIERS, *REGRESSORS, DeltaRulePerceptron(max_iter=3)]


@pytest.mark.parametrize(
    ("y", "message"),
    [
        ([0.0, np.nan, 1.0] * 10, "contains NaN"),
        (np.linspace(0, 1, 30), "Unknown label type"),
        ([0, 1], "inconsistent numbers of samples"),
    ],
)
@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda model: type(model).__name__)
def test_row_24_targets_of_every_classifier(model, y, message):
    with pytest.raises(ValueError, match=message):
        model.fit(X, y)


@pytest.mark.parametrize("model", [MLPClassifier((3,)), Perceptron()], ids=lambda model: type(model).__name__)
def test_row_24_a_class_that_comes_later(model):
    model.partial_fit(X, [0, 1] * 15, classes=[0, 1])
    with pytest.raises(ValueError, match="(?i)class"):
        model.partial_fit(X, [0, 2] * 15)


@pytest.mark.parametrize("weight", [[-1.0] + [1.0] * 29, [0.0] * 30, [1.0] * 3, [np.inf] * 30, [np.nan] * 30], ids=repr)
@pytest.mark.parametrize("model", WEIGHTED, ids=lambda model: type(model).__name__)
def test_row_25_weights_of_every_estimator(model, weight):
    with pytest.raises(ValueError, match="(?i)weight"):
        model.fit(X, [0, 1] * 15, sample_weight=weight)
