"""Deep belief networks: layers that learn one by one before the whole does."""

from strata.estimators._dbn_classifier import DBNClassifier
from strata.estimators._dbn_regressor import DBNRegressor
from strata.estimators._dbn_transformer import DeepBeliefNetwork

__all__ = ["DBNClassifier", "DBNRegressor", "DeepBeliefNetwork"]
