"""What each paper says of its own network."""

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from strata.models import build, count_connections, model_info
from strata.models.lenet5_1998 import C3_TABLE
from strata.models.resnet_cifar import CifarBlock
from strata.nn import LocalResponseNorm


def n_parameters(module):
    return sum(p.numel() for p in module.parameters())


def shapes_of(network, size, kinds, in_channels=3):
    """Run an empty image through and note what each layer of some kinds gives."""
    seen = []
    for name, module in network.named_modules():
        if isinstance(module, kinds):
            module.register_forward_hook(lambda m, i, o, name=name: seen.append((name, tuple(o.shape[1:]))))
    with torch.no_grad():
        network.eval()(torch.zeros(1, in_channels, size, size))
    return dict(seen)


# -- LeNet-5 ---------------------------------------------------------------------------------------------------------


def test_lenet5_1998_layer_by_layer():
    network = build("lenet5_1998")
    layers = ("c1", "s2", "c3", "s4", "c5", "f6", "output")
    assert [n_parameters(getattr(network, name)) for name in layers] == [156, 12, 1516, 32, 48_120, 10_164, 0]
    shapes = []
    for name in layers:
        getattr(network, name).register_forward_hook(lambda m, i, o: shapes.append(tuple(o.shape[1:])))
    network(torch.zeros(1, 1, 32, 32))
    assert shapes == [(6, 28, 28), (6, 14, 14), (16, 10, 10), (16, 5, 5), (120, 1, 1), (84,), (10,)]


def test_lenet5_1998_connections():
    assert count_connections(build("lenet5_1998"), (1, 32, 32), biases=True) == 340_908
    assert count_connections(build("lenet5_1998"), (1, 28, 28), biases=True) == 340_908
    assert sum(map(len, C3_TABLE)) == 60
    assert all(any(i in row for row in C3_TABLE) for i in range(6))


def test_lenet5_1998_scores_are_minus_distances_to_the_codes():
    network = build("lenet5_1998", seed=0).eval()
    x = torch.randn(3, 1, 32, 32)
    hidden = []
    network.output.register_forward_pre_hook(lambda m, inputs: hidden.append(inputs[0]))
    with torch.no_grad():
        scores = network(x)
    for row in range(3):
        for k in range(10):
            distance = sum((float(hidden[0][row, i]) - float(network.output.codes[k, i])) ** 2 for i in range(84))
            assert float(scores[row, k]) == pytest.approx(-distance, rel=1e-5)


def test_lenet5_1998_centres_small_images_on_paper():
    network = build("lenet5_1998", seed=0).eval()
    x = torch.rand(2, 1, 28, 27)
    field = torch.full((2, 1, 32, 32), -0.1)
    field[:, :, 2:30, 2:29] = x
    assert torch.equal(network(x), network(field))
    with pytest.raises(ValueError, match="`x` must be at most 32x32 pixels. Received: 28x33 pixels."):
        network(torch.zeros(1, 1, 28, 33))


def test_lenet5_1998_normalisation_gives_the_papers_grey_levels():
    info = model_info("lenet5_1998")
    assert [(value - info.mean[0]) / info.std[0] for value in (0, 1)] == pytest.approx([-0.1, 1.175])


def test_lenet5_1998_starts_within_its_bounds():
    network = build("lenet5_1998", seed=0)
    for layer, fan_in in ((network.c1, 25), (network.c5, 400), (network.f6, 120), (network.s2, 4)):
        for parameter in layer.parameters():
            assert float(parameter.detach().abs().max()) <= 2.4 / fan_in
        values = torch.cat([p.detach().flatten() for p in layer.parameters()])
        assert float(values.abs().max()) > 0.7 * 2.4 / fan_in


def test_lenet5_1998_takes_more_classes_than_digits():
    network = build("lenet5_1998", n_classes=12)
    codes = network.output.codes
    assert codes.shape == (12, 84)
    assert torch.equal(codes[:10], build("lenet5_1998").output.codes)
    assert set(codes.unique().tolist()) == {-1.0, 1.0}
    assert torch.equal(codes, build("lenet5_1998", n_classes=12).output.codes)


def test_lenet5_is_flexible_but_exact_at_28_pixels():
    network = build("lenet5", seed=0).eval()
    assert network(torch.zeros(1, 1, 32, 32)).shape == (1, 10)
    x = torch.randn(2, 1, 28, 28)
    y = F.max_pool2d(F.relu(F.conv2d(x, network.conv1.weight, network.conv1.bias, padding=2)), 2)
    y = F.max_pool2d(F.relu(F.conv2d(y, network.conv2.weight, network.conv2.bias)), 2).flatten(1)
    y = F.relu(F.linear(y, network.fc1.weight, network.fc1.bias))
    y = F.linear(F.relu(F.linear(y, network.fc2.weight, network.fc2.bias)), network.fc3.weight, network.fc3.bias)
    torch.testing.assert_close(network(x), y)
    squashed = build("lenet5", options={"activation": "tanh"})
    assert isinstance(squashed.act1, nn.Tanh) and not any(isinstance(m, nn.ReLU) for m in squashed.modules())


# -- AlexNet and VGG -------------------------------------------------------------------------------------------------


def test_alexnet_2012_layer_by_layer():
    with torch.device("meta"):
        network = build("alexnet_2012")
    counts = [n_parameters(m) for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert counts == [34_944, 307_456, 885_120, 663_936, 442_624, 37_752_832, 16_781_312, 4_097_000]
    narrow = build("alexnet_2012", options={"width": 0.0625})
    shapes = shapes_of(narrow, 227, (nn.Conv2d, nn.MaxPool2d))
    assert [shape[1] for shape in shapes.values()] == [55, 27, 27, 13, 13, 13, 13, 6]
    norms = [m for m in network.modules() if isinstance(m, LocalResponseNorm)]
    assert [(m.size, m.alpha, m.beta, m.k, m.alpha_is_per_window) for m in norms] == [(5, 1e-4, 0.75, 2.0, False)] * 2


def test_alexnet_2012_towers_meet_in_the_third_convolution_only():
    network = build("alexnet_2012", seed=0, options={"width": 0.125})
    assert [m.groups for m in network.modules() if isinstance(m, nn.Conv2d)] == [1, 2, 1, 2, 2]
    channels = network.features[4].out_channels
    x = torch.randn(1, network.features[0].out_channels, 9, 9, requires_grad=True)
    network.features[4](x)[:, : channels // 2].sum().backward()
    half = x.shape[1] // 2
    assert float(x.grad[:, half:].abs().max()) == 0 < float(x.grad[:, :half].abs().min())


def test_alexnet_2012_starts_as_in_the_paper():
    network = build("alexnet_2012", seed=0, options={"width": 0.25})
    biases = [float(m.bias.detach().mean()) for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    assert biases == [0, 1, 0, 1, 1, 1, 1, 0]
    assert float(network.classifier[0].weight.detach().std()) == pytest.approx(0.01, rel=0.02)
    low = build("alexnet_2012", options={"width": 0.125, "start_bias": 0.1})
    assert float(low.features[4].bias.detach().mean()) == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("name", "convolutions"),
    [
        ("vgg11", 9_220_480),
        ("vgg13", 9_404_992),
        ("vgg16_c", 9_996_096),
        ("vgg16", 14_714_688),
        ("vgg19", 20_024_384),
    ],
)
def test_vgg_convolutions(name, convolutions):
    with torch.device("meta"):
        network = build(name)
    assert n_parameters(network.features) == convolutions
    assert n_parameters(network.classifier) == 123_642_856


def test_vgg19_index_map():
    """Layer numbers that style transfer and deconvolution are written with."""
    with torch.device("meta"):
        features = build("vgg19").features
    convolutions = [place for place, layer in enumerate(features) if isinstance(layer, nn.Conv2d)]
    assert convolutions == [0, 2, 5, 7, 10, 12, 14, 16, 19, 21, 23, 25, 28, 30, 32, 34]
    assert [place for place, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d)] == [4, 9, 18, 27, 36]
    with torch.device("meta"):
        features = build("vgg16").features
    assert [place for place, layer in enumerate(features) if isinstance(layer, nn.MaxPool2d)] == [4, 9, 16, 23, 30]


def test_vgg16_c_has_three_narrow_convolutions():
    with torch.device("meta"):
        features = build("vgg16_c").features
    kernels = [layer.kernel_size[0] for layer in features if isinstance(layer, nn.Conv2d)]
    assert kernels == [3, 3, 3, 3, 3, 3, 1, 3, 3, 1, 3, 3, 1]


@pytest.mark.parametrize("wrong", [0, -1.0, 17, "wide", True])
def test_a_width_is_a_factor(wrong):
    with pytest.raises(ValueError, match="`width` must be above 0 and at most 16. Received: width="):
        build("vgg11", options={"width": wrong})


# -- GoogLeNet -------------------------------------------------------------------------------------------------------

#: Parameters of the blocks with biases and 5x5 convolutions, V§2.4.
INCEPTION = {
    "3a": 163_696,
    "3b": 388_736,
    "4a": 376_176,
    "4b": 449_160,
    "4c": 510_104,
    "4d": 605_376,
    "4e": 868_352,
    "5a": 1_043_456,
    "5b": 1_444_080,
}


def test_googlenet_counts():
    with torch.device("meta"):
        paper, ours = build("googlenet_paper"), build("googlenet")
        without = [build(name, options={"aux_logits": False}) for name in ("googlenet_paper", "googlenet")]
    assert {name: n_parameters(getattr(paper, f"inception{name}")) for name in INCEPTION} == INCEPTION
    assert (n_parameters(paper.aux1), n_parameters(paper.aux2)) == (3_188_840, 3_190_888)
    assert [n_parameters(network) for network in without] == [6_998_552, 6_624_904]
    assert ours.inception3a.branch3[1].conv.kernel_size == (3, 3)
    assert build("googlenet", options={"five_by_five": True}).inception3a.branch3[1].conv.kernel_size == (5, 5)


def test_googlenet_paper_shapes():
    network = build("googlenet_paper", n_classes=3)
    shapes = []
    names = ["maxpool1", "maxpool2", *(f"inception{name}" for name in INCEPTION)]
    for name in names:
        getattr(network, name).register_forward_hook(lambda m, i, o: shapes.append(tuple(o.shape[1:3])))
    windows = []
    network.aux1.conv.register_forward_pre_hook(lambda m, inputs: windows.append(tuple(inputs[0].shape)))
    out = network(torch.zeros(1, 3, 224, 224))
    assert shapes == [
        (64, 56), (192, 28), (256, 28), (480, 28), (512, 14), (512, 14), (512, 14), (528, 14), (832, 14), (832, 7),
        (1024, 7),
    ]  # fmt: skip
    assert windows == [(1, 512, 4, 4)]
    assert out._fields == ("logits", "aux2", "aux1")


def test_googlenet_hands_out_main_second_first():
    network = build("googlenet", n_classes=3, seed=0)
    x = torch.randn(2, 3, 64, 64)
    seen = {}
    for name in ("fc", "aux1", "aux2"):
        getattr(network, name).register_forward_hook(lambda m, i, o, name=name: seen.__setitem__(name, o))
    out = network(x)
    assert all(torch.equal(one, seen[name]) for one, name in zip(out, ("fc", "aux2", "aux1"), strict=True))
    assert isinstance(network.eval()(x), torch.Tensor)
    assert isinstance(build("googlenet", options={"aux_logits": False})(x), torch.Tensor)
    with pytest.raises(ValueError, match="`transform_input` must be False unless images have 3 channels."):
        build("googlenet", in_channels=1, options={"transform_input": True})


# -- residual networks -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "count"), [(20, 272_474), (32, 466_906), (44, 661_338), (56, 855_770), (110, 1_730_714)])
def test_projections_cost_parameters(n, count):
    with torch.device("meta"):
        assert n_parameters(build(f"resnet{n}", options={"shortcut": "B"})) == count


@pytest.mark.parametrize("depth", [20, 32, 44, 56, 110])
def test_depth_is_in_the_name(depth):
    with torch.device("meta"):
        network = build(f"resnet{depth}")
    assert sum(isinstance(m, (nn.Conv2d, nn.Linear)) for m in network.modules()) == depth


def test_shortcut_a_takes_every_second_pixel_and_pads_channels_on_both_sides():
    block = CifarBlock(4, 8, stride=2)
    with torch.no_grad():
        block.bn2.weight.zero_()  # the residual way gives nothing
        x = torch.randn(2, 4, 6, 6).abs()
        out = block(x)
    assert torch.equal(out[:, 2:6], x[:, :, ::2, ::2])
    assert float(out[:, :2].abs().max()) == float(out[:, 6:].abs().max()) == 0
    for width in (2, 5):
        with pytest.raises(ValueError, match="`width` must be `in_channels` plus an even number for shortcut 'A'"):
            CifarBlock(4, width)


def test_a_residual_network_with_silent_residuals_is_its_stem_and_head():
    network = build("resnet20", seed=0).eval()
    for name, module in network.named_modules():
        if name.endswith("bn2"):
            nn.init.zeros_(module.weight)
    x = torch.randn(2, 3, 32, 32)
    stem = F.relu(network.bn1(network.conv1(x)))[:, :, ::4, ::4].mean((2, 3))  # 16 channels in the middle of 64
    expected = F.linear(stem, network.linear.weight[:, 24:40], network.linear.bias)
    torch.testing.assert_close(network(x), expected)


def test_resnet_state_sizes():
    sizes = {18: 122, 34: 218, 50: 320, 101: 626, 152: 932}
    with torch.device("meta"):
        assert {n: len(build(f"resnet{n}").state_dict()) for n in sizes} == sizes


def test_multiply_adds():
    with torch.device("meta"):
        giga = {n: count_connections(build(f"resnet{n}"), (3, 224, 224)) / 1e9 for n in (18, 50)}
        tiny = count_connections(build("resnet20"), (3, 32, 32)) / 1e9
    assert giga == pytest.approx({18: 1.8, 50: 4.09}, abs=0.05)
    assert tiny == pytest.approx(0.041, abs=0.001)


# -- MobileNet -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("width", "count"), [(0.25, 470_072), (0.5, 1_331_592), (0.75, 2_585_560), (1.0, 4_231_976)])
def test_mobilenet_widths(width, count):
    with torch.device("meta"):
        assert n_parameters(build("mobilenet_v1", options={"width": width})) == count


def test_mobilenet_pads_below_and_at_the_right_where_it_strides():
    block = build("mobilenet_v1", options={"width": 0.25}).blocks[1]
    x = torch.randn(1, 16, 8, 8)
    padded = torch.zeros(1, 16, 9, 9)
    padded[:, :, :8, :8] = x
    expected = F.conv2d(padded, block.depthwise.weight, stride=2, groups=16)
    assert torch.equal(block.depthwise(block.pad(x)), expected)


def test_counting_leaves_the_network_as_it_is():
    network = build("resnet20", seed=0)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    count_connections(network, (3, 32, 32))
    assert all(torch.equal(before[key], value) for key, value in network.state_dict().items())
    assert not any(module._forward_hooks for module in network.modules())
