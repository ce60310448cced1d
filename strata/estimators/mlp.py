"""The multi-layer perceptrons: drop-in for scikit-learn's, and then more."""

from strata.estimators._mlp_classifier import MLPClassifier
from strata.estimators._mlp_regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor"]
