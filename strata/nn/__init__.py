"""Layers and networks that PyTorch does not have.

The lectures' dense network with its heads and starting weights; the layers of LeNet-5 of 1998; local response
normalisation as the AlexNet paper writes it; max pooling that hands out its switches; the restricted Boltzmann machine,
its partition function, and the deep belief network.
"""

from strata.nn.belief import DeepBelief
from strata.nn.codes import BinaryCode, Code, GaussianCode, PlainCode, QuantizedCode
from strata.nn.dense import DenseLoss, DenseNetwork, DenseSpec, Head
from strata.nn.dropout import Dropout
from strata.nn.init import INITIALIZERS, initialize
from strata.nn.lenet import EuclideanRBF, PartialConv2d, ScaledTanh, Subsampling, digit_codes
from strata.nn.normalization import LocalResponseNorm
from strata.nn.partition import PartitionEstimate, annealed_log_partition, log_partition
from strata.nn.rbm import RBM, VISIBLE_KINDS
from strata.nn.switches import SwitchMaxPool2d, SwitchUnpool2d
from strata.nn.tied import TiedLinear

__all__ = [
    "BinaryCode",
    "Code",
    "DeepBelief",
    "DenseLoss",
    "DenseNetwork",
    "DenseSpec",
    "Dropout",
    "EuclideanRBF",
    "GaussianCode",
    "Head",
    "INITIALIZERS",
    "LocalResponseNorm",
    "PartialConv2d",
    "PartitionEstimate",
    "PlainCode",
    "QuantizedCode",
    "RBM",
    "ScaledTanh",
    "Subsampling",
    "SwitchMaxPool2d",
    "SwitchUnpool2d",
    "TiedLinear",
    "VISIBLE_KINDS",
    "annealed_log_partition",
    "digit_codes",
    "initialize",
    "log_partition",
]
