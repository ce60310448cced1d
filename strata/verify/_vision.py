"""Facts about the networks for images and the layers that they are made of."""

import torch
from torch import nn
from torch.nn import functional as F

from strata.functional import cross_entropy, rbf_map
from strata.models import build, count_connections
from strata.models.lenet5_1998 import C3_TABLE
from strata.nn import LocalResponseNorm, ScaledTanh, SwitchMaxPool2d, SwitchUnpool2d, digit_codes
from strata.verify._registry import Section

__all__: list[str] = []

networks = Section("networks")


def _laid_out(name: str, **options: object) -> nn.Module:
    """Build a network without memory for its weights."""
    with torch.device("meta"):
        return build(name, options=options)


def _size(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


for _name, _count in (
    ("lenet5", 61_706),
    ("lenet5_1998", 60_000),
    ("alexnet", 61_100_840),
    ("alexnet_2012", 60_965_224),
    ("vgg11", 132_863_336),
    ("vgg13", 133_047_848),
    ("vgg16_c", 133_638_952),
    ("vgg16", 138_357_544),
    ("vgg19", 143_667_240),
    ("vgg11_bn", 132_868_840),
    ("vgg13_bn", 133_053_736),
    ("vgg16_bn", 138_365_992),
    ("vgg19_bn", 143_678_248),
    ("googlenet", 13_004_888),
    ("googlenet_paper", 13_378_280),
    ("resnet18", 11_689_512),
    ("resnet34", 21_797_672),
    ("resnet50", 25_557_032),
    ("resnet101", 44_549_160),
    ("resnet152", 60_192_808),
    ("resnet20", 269_722),
    ("resnet32", 464_154),
    ("resnet44", 658_586),
    ("resnet56", 853_018),
    ("resnet110", 1_727_962),
):

    def _count_of(name: str = _name) -> int:
        return _size(_laid_out(name))

    networks(f"parameters of {_name}", "V 8", _count, tolerance=0)(_count_of)


@networks("parameters of both GoogLeNets without auxiliary heads", "V 2.4", [6_624_904, 6_998_552], tolerance=0)
def _without_heads() -> list[int]:
    return [_size(_laid_out(name, aux_logits=False)) for name in ("googlenet", "googlenet_paper")]


@networks("parameters of resnet20 and resnet110 with projections", "V 2.5", [272_474, 1_730_714], tolerance=0)
def _projections() -> list[int]:
    return [_size(_laid_out(name, shortcut="B")) for name in ("resnet20", "resnet110")]


@networks("parameters of LeNet-5 (1998), layer by layer", "V 2.1", [156, 12, 1516, 32, 48_120, 10_164, 0], tolerance=0)
def _layers() -> list[int]:
    network = _laid_out("lenet5_1998")
    return [_size(network.get_submodule(name)) for name in ("c1", "s2", "c3", "s4", "c5", "f6", "output")]


@networks("connections of LeNet-5 (1998)", "V 2.1", 340_908, tolerance=0)
def _connections() -> int:
    return count_connections(_laid_out("lenet5_1998"), (1, 32, 32), biases=True)


@networks("connections between the channels of S2 and C3", "V 2.1", [60, 10], tolerance=0)
def _table() -> list[int]:
    return [sum(map(len, C3_TABLE)), sum(0 in row for row in C3_TABLE)]


@networks(
    "parameters of AlexNet (2012), layer by layer",
    "V 2.2",
    [34_944, 307_456, 885_120, 663_936, 442_624, 37_752_832, 16_781_312, 4_097_000],
    tolerance=0,
)
def _alexnet() -> list[int]:
    return [_size(layer) for layer in _laid_out("alexnet_2012").modules() if isinstance(layer, (nn.Conv2d, nn.Linear))]


@networks(
    "parameters of the inception blocks of the paper, 3a to 5b",
    "V 2.4",
    [163_696, 388_736, 376_176, 449_160, 510_104, 605_376, 868_352, 1_043_456, 1_444_080],
    tolerance=0,
)
def _inception() -> list[int]:
    network = _laid_out("googlenet_paper")
    names = ("3a", "3b", "4a", "4b", "4c", "4d", "4e", "5a", "5b")
    return [_size(network.get_submodule(f"inception{name}")) for name in names]


@networks("parameters of VGG's dense layers", "V 2.3", 123_642_856, tolerance=0)
def _dense() -> int:
    return _size(_laid_out("vgg16").get_submodule("classifier"))


@networks("multiply-adds of resnet18, resnet50 and resnet20, in units of 1e9", "V 2.5", [1.8, 4.09, 0.041],
          tolerance=0.02)  # fmt: skip
def _multiply_adds() -> list[float]:
    shapes = {"resnet18": (3, 224, 224), "resnet50": (3, 224, 224), "resnet20": (3, 32, 32)}
    return [count_connections(_laid_out(name), shape) / 1e9 for name, shape in shapes.items()]


layers = Section("layers")


@layers("response normalisation of five ones, the paper's form", "V 2.2",
        [0.5945367, 0.5945144, 0.5944921, 0.5945144, 0.5945367], tolerance=5e-8)  # fmt: skip
def _paper_form() -> object:
    return LocalResponseNorm(5)(torch.ones(1, 5, 1, 1, dtype=torch.float64)).flatten()


@layers("the paper's form is the released code's with five times the alpha", "V 0.2", 0.0, tolerance=1e-12)
def _both_forms() -> object:
    x = torch.randn(2, 7, 3, 3, dtype=torch.float64)
    released = LocalResponseNorm(5, alpha=5e-4, alpha_is_per_window=True)
    return (LocalResponseNorm(5, alpha=1e-4)(x) - released(x)).abs().max()


@layers("scaled tanh at 0.5, 1 and 2", "V 2.1", [0.551684, 0.999997, 1.492939], tolerance=1e-6)
def _squash() -> object:
    return ScaledTanh()(torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64))


@layers("codes of the ten digits: bits, and values", "V 2.1", [[10, 84], [-1, 1]], tolerance=0)
def _codes() -> object:
    codes = digit_codes()
    return [list(codes.shape), torch.unique(codes)]


@layers("MAP loss is the cross-entropy with one more class, of score -j", "V 2.1", 0.0, tolerance=1e-12)
def _map_loss() -> object:
    scores, targets = -torch.rand(6, 10, dtype=torch.float64) * 9, torch.arange(6)
    with_none = torch.cat((scores, torch.full((6, 1), -2.0, dtype=torch.float64)), dim=1)
    return (rbf_map(scores, targets, j=2.0) - cross_entropy(with_none, targets)).abs()


@layers("unpooling what was pooled keeps exactly the maxima", "V 6.1", 0.0, tolerance=1e-12)
def _switches() -> object:
    x = torch.randn(2, 3, 9, 9, dtype=torch.float64)
    values, switches = SwitchMaxPool2d(3, 2)(x)
    chosen = torch.zeros(2, 3, 81, dtype=torch.bool).scatter(2, switches.flatten(2), True).view_as(x)
    return (SwitchUnpool2d()(values, switches, (9, 9)) - x * chosen).abs().max()


@layers("a residual network with silent residuals is its stem and head", "V 2.5", 0.0, tolerance=1e-5)
def _silent() -> object:
    network = build("resnet20").eval()
    for name, parameter in network.named_parameters():
        if name.endswith("bn2.weight"):
            nn.init.zeros_(parameter)
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        stem = F.relu(network.get_submodule("bn1")(network.get_submodule("conv1")(x)))
        kept = stem[:, :, ::4, ::4].mean((2, 3))  # the 16 channels of the stem lie in the middle of the last 64
        head = network.get_parameter("linear.weight")[:, 24:40], network.get_parameter("linear.bias")
        return (network(x) - F.linear(kept, *head)).abs().max()
