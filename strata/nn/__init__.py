"""Layers and networks that PyTorch does not have.

The lectures' dense network with its heads and starting weights; the layers of LeNet-5 of 1998; local response
normalisation as the AlexNet paper writes it; max pooling that hands out its switches.
"""

from strata.nn.dense import DenseLoss, DenseNetwork, DenseSpec, Head
from strata.nn.dropout import Dropout
from strata.nn.init import INITIALIZERS, initialize
from strata.nn.lenet import EuclideanRBF, PartialConv2d, ScaledTanh, Subsampling, digit_codes
from strata.nn.normalization import LocalResponseNorm
from strata.nn.switches import SwitchMaxPool2d, SwitchUnpool2d
from strata.nn.tied import TiedLinear

__all__ = [
    "DenseLoss",
    "DenseNetwork",
    "DenseSpec",
    "Dropout",
    "EuclideanRBF",
    "Head",
    "INITIALIZERS",
    "LocalResponseNorm",
    "PartialConv2d",
    "ScaledTanh",
    "Subsampling",
    "SwitchMaxPool2d",
    "SwitchUnpool2d",
    "TiedLinear",
    "digit_codes",
    "initialize",
]
