"""Layers and networks that PyTorch does not have: the lectures' dense network, its heads, its starting weights."""

from strata.nn.dense import DenseLoss, DenseNetwork, DenseSpec, Head
from strata.nn.dropout import Dropout
from strata.nn.init import INITIALIZERS, initialize
from strata.nn.tied import TiedLinear

__all__ = ["DenseLoss", "DenseNetwork", "DenseSpec", "Dropout", "Head", "INITIALIZERS", "TiedLinear", "initialize"]
