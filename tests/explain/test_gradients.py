"""Gradients by the input: against autograd, hand-worked numbers and the axioms."""

import numpy as np
import pytest
import torch
from digit_networks import sequential
from torch import nn
from torch.nn import functional as F

from strata.explain import input_gradient, integrated_gradients, saliency
from strata.models import build


def test_the_gradient_is_autograds(digit_net, digit_images):
    x = digit_images[0][:5].clone().requires_grad_()
    (expected,) = torch.autograd.grad(digit_net(x)[:, 3].sum(), x)
    assert torch.equal(input_gradient(digit_net, x, target=3), expected)
    assert torch.equal(saliency(digit_net, x, target=3), expected.abs().amax(1))


def test_the_largest_of_the_channels_is_taken():
    net = nn.Sequential(nn.Flatten(), nn.Linear(8, 2, bias=False))
    with torch.no_grad():
        net[1].weight[1] = torch.tensor([1.0, -2.0, 3.0, 0.0, -5.0, 1.0, 2.0, 0.0])  # 2 channels of 2 x 2
    assert saliency(net, torch.rand(1, 2, 2, 2), target=1)[0].flatten().tolist() == [5.0, 2.0, 3.0, 0.0]


class Single(nn.Module):
    """One layer of rectifiers between a convolution without overlap and a dense layer, called in several ways."""

    def __init__(self, call):
        super().__init__()
        self.stem = nn.Conv2d(1, 6, 2, stride=2)
        self.out = nn.Linear(6 * 16, 3)
        self.call = call

    def forward(self, x):
        return self.out(self.call(self.stem(x)).flatten(1))


def written_out(x):
    x.relu_()
    return x


#: Every way to rectify that PyTorch has, and the upper bound.
WAYS = {
    "module": (nn.ReLU(), np.inf),
    "module in place": (nn.ReLU(inplace=True), np.inf),
    "function": (F.relu, np.inf),
    "torch": (torch.relu, np.inf),
    "method": (lambda x: x.relu(), np.inf),
    "method in place, result unused": (written_out, np.inf),
    "positional in place": (lambda x: F.relu(x, True), np.inf),
    "clamp": (lambda x: x.clamp(min=0), np.inf),
    "clamp_min": (lambda x: x.clamp_min(0), np.inf),
    "relu6": (nn.ReLU6(), 6.0),
    "relu6 function": (F.relu6, 6.0),
    "hardtanh": (nn.Hardtanh(0.0, 0.25), 0.25),
    "clip": (lambda x: torch.clip(x, 0, 0.25), 0.25),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", ["backprop", "deconvnet", "guided"])
def test_every_rectifier_gets_the_rule(way, rule):
    call, upper = WAYS[way]
    net, x = Single(call), torch.randn(3, 1, 8, 8)
    z = net.stem(x).detach()
    signal = net.out.weight[1].detach().reshape(1, 6, 4, 4).expand_as(z)
    opened = ((z > 0) & (z < upper)).float()
    factor = {"backprop": opened, "deconvnet": (signal > 0).float(), "guided": opened * (signal > 0)}[rule]
    expected = F.conv_transpose2d(signal * factor, net.stem.weight.detach(), stride=2)
    assert torch.allclose(input_gradient(net, x, target=1, rule=rule), expected, atol=1e-6)


def test_what_does_not_rectify_keeps_its_derivative():
    for call in (torch.tanh, F.silu, nn.LeakyReLU(), nn.Hardtanh(-1.0, 1.0), lambda x: x.clamp(-0.5, 0.5)):
        net, x = Single(call), torch.randn(2, 1, 8, 8)
        plain = input_gradient(net, x, target=0)
        assert torch.equal(input_gradient(net, x, target=0, rule="guided"), plain)


def test_the_support_of_the_guided_map_lies_in_both_others():
    torch.manual_seed(4)
    net = Single(nn.ReLU())
    with torch.no_grad():  # few units are reached, so that supports differ
        net.out.weight *= torch.rand_like(net.out.weight) < 0.3
    x = torch.randn(20, 1, 8, 8)
    support = {rule: input_gradient(net, x, target=1, rule=rule) != 0 for rule in ("backprop", "deconvnet", "guided")}
    assert (support["guided"] <= (support["backprop"] & support["deconvnet"])).all()
    assert support["guided"].sum() < support["backprop"].sum() and support["guided"].sum() < support["deconvnet"].sum()
    assert support["guided"].any()


def test_the_support_of_the_guided_map_lies_in_that_of_the_gradient_in_deep_networks(digit_net, digit_images):
    x = digit_images[0][:40]
    guided = input_gradient(digit_net, x, rule="guided") != 0
    assert (guided <= (input_gradient(digit_net, x) != 0)).all() and guided.any()


def test_smoothing_is_the_mean_gradient_over_noise(digit_net, digit_images):
    x = digit_images[0][:2]
    assert torch.allclose(
        saliency(digit_net, x, method="smooth", noise=0.0, n_samples=3), saliency(digit_net, x), atol=1e-6
    )
    generator = torch.Generator().manual_seed(7)
    spread = 0.2 * (x.amax((1, 2, 3)) - x.amin((1, 2, 3)))[:, None, None, None]
    classes = digit_net(x).argmax(1)
    noisy = [x + spread * torch.randn(x.shape, generator=generator) for _ in range(4)]
    expected = torch.stack([input_gradient(digit_net, each, target=classes) for each in noisy]).mean(0).abs().amax(1)
    found = saliency(digit_net, x, method="smooth", noise=0.2, n_samples=4, random_state=7)
    assert torch.allclose(found, expected, atol=1e-6)
    assert not torch.allclose(found, saliency(digit_net, x), atol=1e-3)


@pytest.mark.parametrize("baseline", [0.0, -0.5, "image"])
def test_integrated_gradients_are_complete(residual_net, digit_images, baseline):
    x = digit_images[0][:4].double()
    net = residual_net.double()
    try:
        start = digit_images[0][4:8].double() if baseline == "image" else baseline
        for target in (None, [1, 2, 3, 4]):
            shares = integrated_gradients(net, x, target=target, baseline=start, n_steps=300, batch_size=256)
            classes = net(x).argmax(1) if target is None else torch.tensor(target)
            begin = torch.as_tensor(start, dtype=x.dtype).expand_as(x)
            rise = (net(x) - net(begin)).gather(1, classes[:, None])[:, 0]
            gap = (shares.sum((1, 2, 3)) - rise).abs()
            assert (gap < 0.01 * rise.abs().clamp(min=4)).all()
            assert rise.abs().max() > 1
    finally:
        net.float()


def test_integrated_gradients_of_a_quadratic():
    class Product(nn.Module):
        def forward(self, x):
            return (x[:, 0, 0, :1] * x[:, 0, 0, 1:2]).repeat(1, 2)

    shares = integrated_gradients(Product(), torch.tensor([[[[3.0, 4.0]]]]), target=0, n_steps=5)
    assert torch.allclose(shares.flatten(), torch.tensor([6.0, 6.0]))  # the product is shared alike, by hand
    unlike = integrated_gradients(Product(), torch.tensor([[[[3.0, 4.0]]]]), target=0, baseline=1.0, n_steps=5)
    assert torch.allclose(unlike.flatten(), torch.tensor([2 * 2.5, 3 * 2.0]))  # (x - 1) times the mean of the other


def test_batches_do_not_change_the_shares(digit_net, digit_images):
    x = digit_images[0][:3]
    one = integrated_gradients(digit_net, x, n_steps=10, batch_size=1)
    assert torch.allclose(one, integrated_gradients(digit_net, x, n_steps=10, batch_size=64), atol=1e-5)


@pytest.mark.parametrize("name", ["resnet20", "resnet18", "lenet5"])
@pytest.mark.parametrize("rule", ["backprop", "deconvnet", "guided"])
def test_registered_networks_have_all_three(name, rule):
    net = build(name)
    x = torch.rand(1, *((1, 28, 28) if name == "lenet5" else (3, 32, 32)))
    gradient = input_gradient(net, x, target=0, rule=rule)
    assert gradient.shape == x.shape and gradient.isfinite().all() and gradient.abs().sum() > 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda n, x: input_gradient(n, x, rule="guide"), "Unknown rule 'guide'. Did you mean 'guided'"),
        (lambda n, x: saliency(n, x, method="smoth"), "Unknown method 'smoth'. Did you mean 'smooth'"),
        (lambda n, x: saliency(n, x, n_samples=0), "`n_samples` must be at least 1. Received: n_samples=0"),
        (lambda n, x: saliency(n, x, noise=-1.0), "`noise` must be a share of the range"),
        (lambda n, x: integrated_gradients(n, x, n_steps=0), "`n_steps` must be at least 1"),
        (lambda n, x: integrated_gradients(n, x, batch_size=0), "`batch_size` must be at least 1"),
        (
            lambda n, x: integrated_gradients(n, x, baseline=torch.zeros(1, 3, 8, 8)),
            r"`baseline` must fit images of shape \(1, 1, 8, 8\). Received: shape \(1, 3, 8, 8\)",
        ),
    ],
)
def test_wrong_arguments_are_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(sequential(0), torch.rand(1, 1, 8, 8))


def test_moved_copies_take_the_stripes_of_a_stride_away():
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3, stride=2, padding=1), nn.ReLU(), nn.Conv2d(4, 4, 3, padding=1), nn.ReLU())
    net = nn.Sequential(net, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 2)).eval()
    for weight in net.parameters():
        nn.init.uniform_(weight.data, 0.1, 0.3)
    x = torch.ones(1, 1, 32, 32)
    plain, mean = (saliency(net, x, target=0, method="guided", shifted=each)[0, 8:24, 8:24] for each in (False, True))
    assert plain.std() / plain.mean() > 0.2 > 0.02 > mean.std() / mean.mean()
    assert torch.allclose(plain.mean(), mean.mean(), rtol=1e-2)
    with pytest.raises(ValueError, match="`shifted` must be False with method='smooth'"):
        saliency(net, x, method="smooth", shifted=True)
