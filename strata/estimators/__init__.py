"""The user's verbs: fit, predict, score. Validation and defaults, and no numerics."""

from strata.estimators.mlp import MLPClassifier, MLPRegressor
from strata.estimators.multitask import MultiTaskMLP
from strata.estimators.perceptron import DeltaRulePerceptron, McCullochPitts, Perceptron

__all__ = [
    "DeltaRulePerceptron",
    "MLPClassifier",
    "MLPRegressor",
    "McCullochPitts",
    "MultiTaskMLP",
    "Perceptron",
]
