"""Networks are left exactly as they were found, and layers are found by name."""

import copy

import pytest
import torch
from digit_networks import Residual, residual, sequential
from torch import nn

from strata.explain import (
    cam,
    deconvolve,
    feature_maps,
    first_layer_filters,
    grad_cam,
    input_gradient,
    integrated_gradients,
    level_layers,
    maximize_activation,
    occlusion,
    saliency,
)
from strata.explain._levels import field_of, stride_of
from strata.explain._network import capture, examined, last_maps, trace
from strata.models import build

CALLS = {
    "cam": lambda net, x: cam(net, x, target=1),
    "deconvolve": lambda net, x: deconvolve(net, x, "3", 2),
    "feature_maps": lambda net, x: feature_maps(net, x),
    "filters": lambda net, x: first_layer_filters(net),
    "grad_cam": lambda net, x: grad_cam(net, x),
    "guided": lambda net, x: saliency(net, x, method="guided"),
    "integrated": lambda net, x: integrated_gradients(net, x, n_steps=3),
    "levels": lambda net, x: level_layers(net, x),
    "maximize": lambda net, x: maximize_activation(net, "3", [0, 1], shape=(1, 8, 8), n_steps=3),
    "occlusion": lambda net, x: occlusion(net, x),
    "smooth": lambda net, x: saliency(net, x, method="smooth", n_samples=2),
}


def state_of(net):
    hooks = [(len(m._forward_hooks), len(m._forward_pre_hooks), len(m._backward_hooks)) for m in net.modules()]
    modes = [m.training for m in net.modules()]
    in_place = [getattr(m, "inplace", None) for m in net.modules()]
    asked = [p.requires_grad for p in net.parameters()]
    gradients = [None if p.grad is None else p.grad.clone() for p in net.parameters()]
    return hooks, modes, in_place, asked, gradients, copy.deepcopy(net.state_dict())


def assert_same(before, after):
    assert before[:4] == after[:4]
    assert all((a is None and b is None) or torch.equal(a, b) for a, b in zip(before[4], after[4], strict=True))
    assert all(torch.equal(before[5][name], after[5][name]) for name in before[5])


def odd_network():
    """Half in training mode, with a frozen weight, old gradients and a hook of the user's."""
    net = residual(3).train()
    net[3].eval()
    net[0].weight.requires_grad_(False)
    net[7].weight.grad = torch.ones_like(net[7].weight)
    net[1].register_forward_hook(lambda module, inputs, output: None)
    return net


@pytest.mark.parametrize("name", CALLS)
def test_a_network_is_left_as_it_was_found(name):
    net, x = odd_network(), torch.rand(2, 1, 8, 8)
    before, drawn = state_of(net), torch.get_rng_state()
    CALLS[name](net, x)
    assert_same(before, state_of(net))
    assert torch.equal(drawn, torch.get_rng_state())


@pytest.mark.parametrize("name", [name for name in CALLS if name not in ("filters", "maximize")])
def test_so_it_is_when_it_fails(name):
    net = odd_network()
    before = state_of(net)
    with pytest.raises(ValueError, match=r"`x` must fit the network. Received: shape \(\d, 3, 8, 8\); torch says: "):
        CALLS[name](net, torch.rand(2, 3, 8, 8))
    assert_same(before, state_of(net))


def test_so_it_is_when_the_network_itself_raises():
    class Raising(nn.Module):
        def forward(self, x):
            raise KeyError("own")

    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), Raising()).train()
    before = state_of(net)
    with pytest.raises(KeyError, match="own"):
        saliency(net, torch.rand(1, 1, 8, 8))
    assert_same(before, state_of(net))


def test_it_works_without_gradients_and_in_inference_mode(digit_net, digit_images):
    x = digit_images[0][:2]
    expected = saliency(digit_net, x)
    with torch.no_grad():
        assert torch.equal(saliency(digit_net, x), expected)
    with torch.inference_mode():
        assert torch.equal(saliency(digit_net, x), expected)
        assert torch.equal(grad_cam(digit_net, x).isfinite(), torch.ones(2, 4, 4, dtype=torch.bool))


def test_batch_mates_and_the_training_mode_do_not_matter(residual_net, digit_images):
    x = digit_images[0][:3]
    alone = saliency(residual_net, x[1:2])
    residual_net.train()
    try:
        assert torch.allclose(saliency(residual_net, x)[1:2], alone, atol=1e-6)
    finally:
        residual_net.eval()


def test_writing_in_place_does_not_spoil_captured_outputs(digit_images):
    net, x = residual(0).eval(), digit_images[0][:2]
    net(x)
    names = ["0", "1", "2", "3.first", "3.norm", "3.second", "3"]
    maps = feature_maps(net, x, names)
    with torch.no_grad():
        first = net[0](x)
        normed = net[1](first)
        inner = net[3].first(normed.relu())
        second = net[3].second(net[3].norm(inner).relu())
    assert torch.allclose(maps["0"], first) and torch.allclose(maps["1"], normed)
    assert torch.allclose(maps["2"], normed.relu()) and torch.allclose(maps["3.first"], inner)
    assert torch.allclose(maps["3.second"], second, atol=1e-6)  # before `out += x` and relu_
    assert torch.allclose(maps["3"], (second + normed.relu()).relu(), atol=1e-6)
    assert (maps["0"] < 0).any() and (maps["3.second"] < 0).any()  # and the test can tell


def test_the_output_of_the_network_does_not_change_while_it_is_captured(digit_images):
    net, x = residual(0).eval(), digit_images[0][:2]
    with torch.no_grad(), examined(net) as looked_at, capture(looked_at, ["0", "3.second"]):
        seen = looked_at(x)
    with torch.no_grad():
        assert torch.equal(seen, net(x))


def test_an_unknown_layer_gets_the_nearest_name_and_a_list():
    with pytest.raises(ValueError, match="Unknown layer 'layer33'. Did you mean 'layer3'\\? Available: bn1, conv1, l"):
        feature_maps(build("resnet20"), torch.zeros(1, 3, 32, 32), ["layer33"])
    with pytest.raises(ValueError, match="Did you mean 'layer2.1.conv1'"):
        feature_maps(build("resnet20"), torch.zeros(1, 3, 32, 32), ["layer2.1.conv11"])
    with pytest.raises(TypeError, match="`layers` must be a list of names. Received: 'layer1'"):
        feature_maps(build("resnet20"), torch.zeros(1, 3, 32, 32), "layer1")
    with pytest.raises(TypeError, match="`layer` must be the dotted name of a layer. Received: 3"):
        feature_maps(build("resnet20"), torch.zeros(1, 3, 32, 32), [3])


@pytest.mark.parametrize(
    ("x", "kind", "message"),
    [
        ([[1.0]], TypeError, "must be a tensor of floating-point numbers. Received: list"),
        (torch.zeros(1, 1, 8, 8, dtype=torch.uint8), TypeError, "Received: a tensor of torch.uint8"),
        (torch.zeros(1, 8, 8), ValueError, r"must be images of shape \(n, c, h, w\). Received: shape \(1, 8, 8\)"),
        (torch.zeros(0, 1, 8, 8), ValueError, r"Received: shape \(0, 1, 8, 8\)"),
        (torch.full((1, 1, 8, 8), float("nan")), ValueError, "`x` must be finite"),
    ],
)
def test_what_is_no_batch_of_images_is_refused(x, kind, message):
    with pytest.raises(kind, match=message):
        saliency(sequential(0), x)


def test_what_is_no_network_is_refused():
    with pytest.raises(TypeError, match=r"`network` must be a torch.nn.Module. Received: int"):
        saliency(3, torch.zeros(1, 1, 8, 8))
    with pytest.raises(ValueError, match=r"must give one row of class scores an image.*\(1, 4, 6, 6\)"):
        saliency(nn.Conv2d(1, 4, 3), torch.zeros(1, 1, 8, 8))


@pytest.mark.parametrize(
    ("target", "kind", "message"),
    [
        (10, ValueError, "`target` must be a class from 0 to 9. Received: 10"),
        (-1, ValueError, "`target` must be a class from 0 to 9"),
        (1.5, TypeError, "`target` must be the index of a class. Received: 1.5"),
        ([1, 2, 3], ValueError, "`target` must be one class, or one for each of 2 images"),
    ],
)
def test_a_target_that_is_no_class_is_refused(target, kind, message):
    with pytest.raises(kind, match=message):
        saliency(sequential(0), torch.rand(2, 1, 8, 8), target=target)


def test_the_predicted_class_is_explained_by_default(digit_net, digit_images):
    x = digit_images[0][:4]
    called = digit_net(x).argmax(1)
    assert torch.equal(input_gradient(digit_net, x), input_gradient(digit_net, x, target=called.tolist()))
    assert not torch.equal(input_gradient(digit_net, x), input_gradient(digit_net, x, target=(called + 1) % 10))


@pytest.mark.parametrize(
    ("name", "levels"),
    [
        ("resnet20", {"low": "layer1", "mid": "layer2", "high": "layer3"}),
        ("resnet18", {"low": "layer1", "mid": "layer2", "high": "layer4"}),
        ("lenet5", {"low": "C1", "high": "C3"}),
    ],
)
def test_levels_follow_the_blocks(name, levels):
    net = build(name)
    channels, side = (1, 28) if name == "lenet5" else (3, 64)
    found = level_layers(net, torch.rand(1, channels, side, side))
    if name == "lenet5":  # names of its layers are its own
        assert list(found) == ["low", "high"]
    else:
        assert found == levels


def test_how_much_of_an_image_units_see():
    net, x = build("resnet20", seed=0).eval(), torch.rand(1, 3, 32, 32)
    assert [field_of(net, x, name) for name in ("relu", "layer1.0", "layer1")] == [3, 7, 15]  # 3, then 4 for each block
    assert stride_of(net, x) == 4
    pooled = nn.Sequential(nn.Conv2d(1, 8, 5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(8, 8, 3), nn.ReLU())
    assert field_of(pooled, torch.rand(1, 1, 28, 28), "4") in (9, 10)  # 10; which pixels of a pool speak is chance
    assert stride_of(nn.Sequential(nn.Flatten(), nn.Linear(4, 2)), torch.rand(1, 1, 2, 2)) == 1


def test_levels_of_a_network_of_ones_own():
    net = nn.Sequential(
        nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.MaxPool2d(2),
        Residual(4), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU(), nn.Flatten(), nn.Linear(64, 2),
    )  # fmt: skip
    x = torch.rand(1, 1, 8, 8)
    assert level_layers(net, x) == {"low": "2", "mid": "4", "high": "6"}
    one_block = nn.ModuleDict({"features": net[:7], "middle": nn.Flatten(), "classifier": net[8]})
    one_block.forward = lambda x: one_block["classifier"](one_block["middle"](one_block["features"](x)))
    assert level_layers(one_block, x)["low"] == "features.2"
    with pytest.raises(ValueError, match="must have a layer that gives maps"):
        level_layers(nn.Sequential(nn.Flatten(), nn.Linear(64, 2)), x)


def test_the_last_maps_come_before_any_pooling():
    features = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2))
    net = nn.Sequential(features, nn.AdaptiveAvgPool2d(3), nn.Flatten(), nn.Linear(36, 2))
    assert last_maps(net, torch.rand(1, 1, 8, 8)) == "0.1"
    assert last_maps(residual(0).eval(), torch.rand(1, 1, 8, 8)) == "4"


def test_trace_lists_layers_in_the_order_in_which_they_are_done():
    names = [layer.name for layer in trace(residual(0).eval(), torch.rand(1, 1, 8, 8))]
    assert names[:4] == ["0", "1", "2", "3.first"]
    assert names.index("3.relu") < names.index("3.second") < names.index("3")


def test_filters_of_the_first_layer():
    net = build("resnet20")
    filters = first_layer_filters(net)
    assert filters.shape == (16, 3, 3, 3) and torch.equal(filters, net.conv1.weight)
    filters.zero_()
    assert net.conv1.weight.abs().sum() > 0
    dense = nn.Sequential(nn.Flatten(), nn.Linear(64, 5))
    assert torch.equal(first_layer_filters(dense, image_shape=(1, 8, 8)).flatten(1), dense[1].weight)
    with pytest.raises(ValueError, match="must have a convolution, or `image_shape` be given for a dense layer"):
        first_layer_filters(dense)
    with pytest.raises(ValueError, match=r"`image_shape` must hold 64 values. Received: image_shape=\(1, 8, 9\)"):
        first_layer_filters(dense, image_shape=(1, 8, 9))


@pytest.mark.parametrize(
    ("name", "side", "high"),
    [("squeezenet1_1", 64, "features.12"), ("alexnet", 96, "features.11"), ("mobilenet_v1", 64, "blocks.13")],
)
def test_registered_networks_end_before_their_heads(name, side, high):
    net, x = (
        build(name, options={"width": 0.25} if name == "mobilenet_v1" else None, seed=0),
        torch.rand(1, 3, side, side),
    )
    assert level_layers(net, x)["high"] == high
    assert grad_cam(net, x).isfinite().all()
    assert saliency(net, x, method="guided").sum() > 0


def test_the_network_of_1998_has_no_rectifier_and_no_average():
    net, x = build("lenet5_1998", seed=0), torch.rand(1, 1, 28, 28)
    assert list(level_layers(net, x)) == ["low", "mid", "high"]
    assert torch.equal(input_gradient(net, x, rule="guided"), input_gradient(net, x))
    with pytest.raises(ValueError, match="whose last layer 'output' is or gets something else. Use grad_cam"):
        cam(net, x)
    assert grad_cam(net, x).isfinite().all()
