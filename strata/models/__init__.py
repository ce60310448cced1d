"""Networks by name, one file a paper: ``build("resnet18", n_classes=10)``."""

from strata.models.building import build
from strata.models.heads import blocks_of, features_of, head_of, replace_head
from strata.models.lenet5 import LeNet5
from strata.models.registry import ModelInfo, list_models, model_info, register_model
from strata.models.resnet import ResNet
from strata.models.resnet_cifar import CifarResNet

__all__ = [
    "CifarResNet",
    "LeNet5",
    "ModelInfo",
    "ResNet",
    "blocks_of",
    "build",
    "features_of",
    "head_of",
    "list_models",
    "model_info",
    "register_model",
    "replace_head",
]
