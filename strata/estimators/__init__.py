"""The user's verbs: fit, predict, score, save and load. Validation and defaults, and no numerics."""

from strata.estimators.anomaly import AnomalyDetector
from strata.estimators.autoencoder import Autoencoder
from strata.estimators.bagging import BaggedMLPClassifier, BaggedMLPRegressor
from strata.estimators.compression import ImageCompressor
from strata.estimators.counts import CountAutoencoder
from strata.estimators.dbn import DBNClassifier, DBNRegressor, DeepBeliefNetwork
from strata.estimators.denoising import ImageDenoiser
from strata.estimators.hashing import SemanticHasher
from strata.estimators.image import ImageClassifier
from strata.estimators.mlp import MLPClassifier, MLPRegressor
from strata.estimators.multitask import MultiTaskMLP
from strata.estimators.perceptron import DeltaRulePerceptron, McCullochPitts, Perceptron
from strata.estimators.persistence import load, save_model
from strata.estimators.rbm import BernoulliRBM
from strata.estimators.scvi import SCVI
from strata.estimators.table import TableClassifier, TableRegressor
from strata.estimators.table_autoencoder import TableAutoencoder

__all__ = [
    "AnomalyDetector",
    "Autoencoder",
    "BaggedMLPClassifier",
    "BaggedMLPRegressor",
    "BernoulliRBM",
    "CountAutoencoder",
    "DBNClassifier",
    "DBNRegressor",
    "DeepBeliefNetwork",
    "DeltaRulePerceptron",
    "ImageClassifier",
    "ImageCompressor",
    "ImageDenoiser",
    "MLPClassifier",
    "MLPRegressor",
    "McCullochPitts",
    "MultiTaskMLP",
    "Perceptron",
    "SCVI",
    "SemanticHasher",
    "TableAutoencoder",
    "TableClassifier",
    "TableRegressor",
    "load",
    "save_model",
]
