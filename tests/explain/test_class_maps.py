"""Class activation maps: their identities, other endings of networks, and where a digit lies on a canvas."""

import numpy as np
import pytest
import torch
from digit_networks import digits, learn, residual, sequential
from torch import nn

from strata.explain import box_of_map, cam, feature_maps, grad_cam, integrated_gradients, resize_map, saliency
from strata.models import build


def test_the_mean_of_the_map_is_the_score_without_its_bias(residual_net, digit_images):
    x = digit_images[0][:6]
    scores = residual_net(x)
    for target in range(10):
        expected = scores[:, target] - residual_net[7].bias[target]
        assert torch.allclose(cam(residual_net, x, target=target).mean((1, 2)), expected, atol=1e-5)
    assert cam(residual_net, x, target=3).std() > 0.1


def test_the_gradient_map_is_its_positive_part_over_the_places(residual_net, digit_images):
    x = digit_images[0][:6]
    for target in (None, 4):
        assert torch.allclose(
            grad_cam(residual_net, x, target=target), cam(residual_net, x, target=target).relu() / 16, atol=1e-6
        )


@pytest.mark.parametrize("name", ["resnet18", "resnet20", "resnet50"])
def test_the_identities_hold_for_registered_networks(name):
    torch.manual_seed(1)
    net = build(name, n_classes=7).eval().double()
    x = torch.rand(2, 3, 64, 64, dtype=torch.float64)
    head = net.linear if name == "resnet20" else net.fc
    map_ = cam(net, x)
    expected = (net(x) - head.bias)[range(2), net(x).argmax(1)]
    assert torch.allclose(map_.mean((1, 2)), expected, atol=1e-10)
    assert torch.allclose(grad_cam(net, x) * map_[0].numel(), map_.relu(), atol=1e-10)
    assert map_.relu().any()


class Squeezed(nn.Module):
    """Ends as SqueezeNet: the last convolution's own maps, rectified, are averaged."""

    def __init__(self, rectified):
        super().__init__()
        self.trunk = nn.Conv2d(1, 5, 3)
        self.last = nn.Conv2d(5, 4, 1)
        self.rectified = rectified

    def forward(self, x):
        maps = self.last(self.trunk(x).relu())
        return (maps.relu() if self.rectified else maps).mean((2, 3))


@pytest.mark.parametrize("rectified", [True, False])
def test_a_convolution_whose_maps_are_averaged(rectified):
    net, x = Squeezed(rectified), torch.rand(3, 1, 8, 8)
    map_ = cam(net, x, target=2)
    maps = net.last(net.trunk(x).relu())[:, 2]
    assert torch.allclose(map_, maps.relu() if rectified else maps)
    assert torch.allclose(map_.mean((1, 2)), net(x)[:, 2], atol=1e-6)


def test_a_one_by_one_convolution_on_the_average():
    net = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.ReLU6(), nn.AdaptiveAvgPool2d(1), nn.Conv2d(6, 3, 1), nn.Flatten()
    ).eval()
    x = torch.rand(2, 1, 8, 8)
    assert torch.allclose(cam(net, x, target=1).mean((1, 2)), net(x)[:, 1] - net[3].bias[1], atol=1e-6)


def test_other_networks_are_told_to_take_the_gradient():
    with pytest.raises(
        ValueError,
        match="must end in global average pooling.*whose last layer '7' is or gets something else. Use grad_cam",
    ):
        cam(sequential(0), torch.rand(1, 1, 8, 8))


def test_gradient_maps_against_the_equations(digit_net, digit_images):
    x = digit_images[0][:3]
    maps = feature_maps(digit_net, x, ["4"])["4"].clone().requires_grad_()
    (gradient,) = torch.autograd.grad(digit_net[5:](maps)[:, 6].sum(), maps)
    expected = np.zeros((3, 4, 4))
    for n in range(3):
        for k in range(32):
            expected[n] += gradient[n, k].mean().item() * maps[n, k].detach().numpy()
    found = grad_cam(digit_net, x, target=6)
    np.testing.assert_allclose(found.numpy(), np.maximum(expected, 0), atol=1e-5)
    assert torch.equal(found, grad_cam(digit_net, x, target=6, layer="4"))
    assert grad_cam(digit_net, x, layer="1").shape == (3, 8, 8)


def test_a_layer_without_influence_has_an_empty_map():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.side, self.main = nn.Conv2d(1, 2, 3), nn.Linear(64, 3)

        def forward(self, x):
            self.side(x)
            return self.main(x.flatten(1))

    assert not grad_cam(Idle(), torch.rand(2, 1, 8, 8), layer="side").any()


def test_wrong_layers_are_refused(digit_net, digit_images):
    with pytest.raises(ValueError, match=r"`layer` must give maps.*'7', which gave shape \(1, 10\)"):
        grad_cam(digit_net, digit_images[0][:1], layer="7")
    with pytest.raises(ValueError, match="Unknown layer 'conv9'"):
        grad_cam(digit_net, digit_images[0][:1], layer="conv9")
    with pytest.raises(ValueError, match="`map_` must be of shape"):
        resize_map(torch.zeros(1, 1, 3, 3), (6, 6))


def test_resizing_keeps_places():
    map_ = torch.zeros(1, 4, 4)
    map_[0, 1, 2] = 1.0
    large = resize_map(map_, (16, 16))[0]
    rows, columns = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    assert abs(float((large * rows).sum() / large.sum()) - 5.5) < 1e-4  # the centre of rows 4 to 7
    assert abs(float((large * columns).sum() / large.sum()) - 9.5) < 1e-4


def test_the_box_is_that_of_the_largest_part():
    map_ = torch.zeros(10, 12)
    map_[0, 0] = 5.0
    map_[4:7, 2:9] = 1.1
    assert box_of_map(map_) == (2, 4, 9, 7)
    assert box_of_map(map_, threshold=0.5) == (0, 0, 1, 1)
    assert box_of_map(-map_) is None
    with pytest.raises(ValueError, match="`threshold` from 0 to below 1"):
        box_of_map(map_, threshold=1.0)


SIDE = 24


def canvas_of(x, corners, seed):
    """Digits (8 x 8) at their corners on canvases of 24 x 24 with specks; x is (n, k, 8, 8), corners (n, k, 2)."""
    generator = torch.Generator().manual_seed(seed)
    canvas = 0.15 * torch.rand(len(x), 1, SIDE, SIDE, generator=generator)
    for digits_, places, image in zip(x, corners.tolist(), canvas[:, 0], strict=True):
        for digit, (top, left) in zip(digits_, places, strict=True):
            window = image[top : top + 8, left : left + 8]
            window.copy_(torch.maximum(window, digit))
    return canvas


def corners_of(n, seed):
    return torch.randint(0, SIDE - 7, (n, 1, 2), generator=torch.Generator().manual_seed(seed))


@pytest.fixture(scope="module")
def canvas_net():
    x, y = digits()
    images = torch.cat([canvas_of(x[:1400], corners_of(1400, seed), seed) for seed in range(2)])
    return learn(residual(0), images, y[:1400].repeat(2), n_epochs=4, rate=1e-2)


def share_pointed_at(map_, corners):
    at = map_.flatten(1).argmax(1)
    places = torch.stack([at // SIDE, at % SIDE], 1)
    return ((places >= corners) & (places < corners + 8)).all(1).float().mean()


METHODS = {
    "cam": lambda net, x, y: resize_map(cam(net, x, target=y), (SIDE, SIDE)),
    "grad_cam": lambda net, x, y: resize_map(grad_cam(net, x, target=y), (SIDE, SIDE)),
    "guided": lambda net, x, y: saliency(net, x, target=y, method="guided"),
    "integrated": lambda net, x, y: integrated_gradients(net, x, target=y, n_steps=16).sum(1),
}


@pytest.mark.parametrize("method", METHODS)
def test_it_points_at_the_digit(canvas_net, method):
    x, y = digits()
    x, y, corners = x[1500:1600], y[1500:1600], corners_of(100, 9)
    images = canvas_of(x, corners, 9)
    assert share_pointed_at(METHODS[method](canvas_net, images, y), corners[:, 0]) >= 0.9


@pytest.mark.parametrize("method", ["cam", "grad_cam"])
def test_of_two_digits_it_points_at_the_one_asked_for(canvas_net, method):
    x, y = digits()
    x, y = x[1500:1600], y[1500:1600]
    other = torch.tensor(
        [next(k for k in range(row + 1, row + 100) if y[k % 100] != y[row]) % 100 for row in range(100)]
    )
    generator = torch.Generator().manual_seed(3)
    rows, near = (
        torch.randint(0, SIDE - 7, (2, 100), generator=generator),
        torch.randint(0, 3, (2, 100), generator=generator),
    )
    left, right = torch.stack([rows[0], near[0]], 1), torch.stack([rows[1], SIDE - 8 - near[1]], 1)
    swap = (torch.arange(100) % 2 == 0)[:, None]
    corners = torch.stack([torch.where(swap, left, right), torch.where(swap, right, left)], 1)
    images = canvas_of(torch.cat([x, x[other]], 1), corners, 5)
    assert share_pointed_at(METHODS[method](canvas_net, images, y), corners[:, 0]) >= 0.8
    assert share_pointed_at(METHODS[method](canvas_net, images, y[other]), corners[:, 1]) >= 0.8
