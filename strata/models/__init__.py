"""Networks by name, one file a paper: ``build("resnet18", n_classes=10)``."""

from strata.models.alexnet import AlexNet
from strata.models.alexnet_2012 import AlexNet2012
from strata.models.autoencoder import AutoencoderNetwork, ConvDecoder, ConvEncoder, DenseAutoencoder, EncoderDecoder
from strata.models.building import build
from strata.models.counting import count_connections
from strata.models.dca import DCA
from strata.models.googlenet import GoogLeNet, GoogLeNetOutput
from strata.models.heads import blocks_of, features_of, head_of, replace_head
from strata.models.lenet5 import LeNet5
from strata.models.lenet5_1998 import LeNet5Of1998
from strata.models.mobilenet_v1 import MobileNetV1
from strata.models.probe import LinearProbe, probe_layers, trunk_to
from strata.models.registry import ModelInfo, list_models, model_info, register_model
from strata.models.resnet import ResNet
from strata.models.resnet_cifar import CifarResNet
from strata.models.restoration import CompressionDecoder, CompressionEncoder, RestorationNetwork, compression_network
from strata.models.scvi import SCVI, library_prior
from strata.models.squeezenet import SqueezeNet
from strata.models.vgg import VGG
from strata.models.weights import (
    convert_checkpoint,
    fetch_weights,
    load_weights,
    pretrained_weights,
    save_weights,
)

__all__ = [
    "AlexNet",
    "AlexNet2012",
    "AutoencoderNetwork",
    "CifarResNet",
    "CompressionDecoder",
    "CompressionEncoder",
    "ConvDecoder",
    "ConvEncoder",
    "DCA",
    "DenseAutoencoder",
    "EncoderDecoder",
    "GoogLeNet",
    "GoogLeNetOutput",
    "LeNet5",
    "LeNet5Of1998",
    "LinearProbe",
    "MobileNetV1",
    "ModelInfo",
    "ResNet",
    "RestorationNetwork",
    "SCVI",
    "SqueezeNet",
    "VGG",
    "blocks_of",
    "build",
    "compression_network",
    "convert_checkpoint",
    "count_connections",
    "features_of",
    "fetch_weights",
    "head_of",
    "library_prior",
    "list_models",
    "load_weights",
    "model_info",
    "pretrained_weights",
    "probe_layers",
    "register_model",
    "replace_head",
    "save_weights",
    "trunk_to",
]
