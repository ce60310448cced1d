"""The user's verbs: fit, predict, score, save and load. Validation and defaults, and no numerics."""

from strata.estimators.bagging import BaggedMLPClassifier, BaggedMLPRegressor
from strata.estimators.image import ImageClassifier
from strata.estimators.mlp import MLPClassifier, MLPRegressor
from strata.estimators.multitask import MultiTaskMLP
from strata.estimators.perceptron import DeltaRulePerceptron, McCullochPitts, Perceptron
from strata.estimators.persistence import load, save_model
from strata.estimators.table import TableClassifier, TableRegressor

__all__ = [
    "BaggedMLPClassifier",
    "BaggedMLPRegressor",
    "DeltaRulePerceptron",
    "ImageClassifier",
    "MLPClassifier",
    "MLPRegressor",
    "McCullochPitts",
    "MultiTaskMLP",
    "Perceptron",
    "TableClassifier",
    "TableRegressor",
    "load",
    "save_model",
]
