"""Train, question and use every network of the deep-learning course, spoken to like scikit-learn.

The public names are loaded when they are first used, so that ``import strata`` and ``strata --help``
do not wait for torch.
"""

import os
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

if "torch" not in sys.modules:
    # Idle OpenMP threads that spin turn 0.4 s into 19 s on a busy machine. Only has effect before torch loads.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__version__ = "0.1.0"

_HOMES = {
    "AnomalyDetector": "strata.estimators",
    "Autoencoder": "strata.estimators",
    "BaggedMLPClassifier": "strata.estimators",
    "BaggedMLPRegressor": "strata.estimators",
    "BernoulliRBM": "strata.estimators",
    "DBNClassifier": "strata.estimators",
    "DBNRegressor": "strata.estimators",
    "DeepBeliefNetwork": "strata.estimators",
    "CountAutoencoder": "strata.estimators",
    "DeltaRulePerceptron": "strata.estimators",
    "ImageClassifier": "strata.estimators",
    "ImageCompressor": "strata.estimators",
    "ImageDenoiser": "strata.estimators",
    "MLPClassifier": "strata.estimators",
    "MLPRegressor": "strata.estimators",
    "McCullochPitts": "strata.estimators",
    "MultiTaskMLP": "strata.estimators",
    "Perceptron": "strata.estimators",
    "SemanticHasher": "strata.estimators",
    "TableAutoencoder": "strata.estimators",
    "SCVI": "strata.estimators",
    "TableClassifier": "strata.estimators",
    "TableRegressor": "strata.estimators",
    "diagnose": "strata.diagnosis",
    "evaluate": "strata.report",
    "load": "strata.estimators",
    "train": "strata.report",
}

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
    "__version__",
    "diagnose",
    "evaluate",
    "load",
    "train",
]

if TYPE_CHECKING:
    from strata.diagnosis import diagnose
    from strata.estimators import (
        SCVI,
        AnomalyDetector,
        Autoencoder,
        BaggedMLPClassifier,
        BaggedMLPRegressor,
        BernoulliRBM,
        CountAutoencoder,
        DBNClassifier,
        DBNRegressor,
        DeepBeliefNetwork,
        DeltaRulePerceptron,
        ImageClassifier,
        ImageCompressor,
        ImageDenoiser,
        McCullochPitts,
        MLPClassifier,
        MLPRegressor,
        MultiTaskMLP,
        Perceptron,
        SemanticHasher,
        TableAutoencoder,
        TableClassifier,
        TableRegressor,
        load,
    )
    from strata.report import evaluate, train


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'strata' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
