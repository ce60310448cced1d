"""Heads, blocks and features, also of networks of one's own."""

import pytest
import torch
from torch import nn

from strata.models import blocks_of, build, features_of, head_of, replace_head
from strata.nn import EuclideanRBF


def own():
    return nn.Sequential(
        nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 6, 3)),
        nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5), nn.ReLU(), nn.Linear(5, 2)),
    )


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 4, 3)
        self.norm = nn.GroupNorm(2, 4)
        self.body = nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU())
        self.last = nn.Conv2d(4, 5, 1)

    def forward(self, x):
        return self.last(self.body(self.norm(self.stem(x)))).mean((2, 3))


def test_blocks_of_ones_own_networks():
    assert blocks_of(own()) == (("0.0", "0.1"), ("0.3",), ("1.2",), ("1.4",))
    assert blocks_of(Named()) == (("stem", "norm"), ("body",), ("last",))
    assert blocks_of(nn.Sequential(nn.Linear(2, 2))) == (("0",),)


def test_heads_of_ones_own_networks():
    assert head_of(own()) == "1.4"
    assert head_of(Named()) == "last"
    distances = nn.Sequential(nn.Linear(3, 4), EuclideanRBF(torch.zeros(2, 4)))
    assert head_of(distances) == "1"
    replace_head(distances, 5)
    assert distances[1].codes.shape == (5, 4)
    with pytest.raises(ValueError, match="`network` must contain a linear layer or a convolution to have a head"):
        head_of(nn.Sequential(nn.ReLU()))


def test_features_of_ones_own_networks():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 8, 8)
    network = own().eval()
    torch.testing.assert_close(network[1][4](features_of(network, x)), network(x))
    named = Named().eval()
    expected = named.body(named.norm(named.stem(x))).mean((2, 3))
    torch.testing.assert_close(features_of(named, x), expected)
    assert len(named.last._forward_pre_hooks) == 0
    with pytest.raises(ValueError, match=r"`network` must be in evaluation mode. .* call network.eval\(\)"):
        features_of(named.train(), x)


def test_a_new_head_keeps_the_rest_and_follows_the_seed():
    network = own().double()
    trunk = [p.clone() for p in network[0].parameters()]
    replace_head(network, 9, seed=4)
    first = network[1][4].weight.clone()
    assert first.shape == (9, 5) and first.dtype == torch.float64
    assert all(torch.equal(a, b) for a, b in zip(trunk, network[0].parameters(), strict=True))
    replace_head(network, 9, seed=4)
    assert torch.equal(network[1][4].weight, first)
    replace_head(network, 9)
    assert not torch.equal(network[1][4].weight, first)


def test_a_convolution_as_head_is_replaced():
    network = Named()
    replace_head(network, 3)
    assert network.last.weight.shape == (3, 4, 1, 1)


@pytest.mark.parametrize("wrong", [0, -1, 2.0, True, "3"])
def test_a_head_needs_at_least_one_output(wrong):
    with pytest.raises(ValueError, match="`n_classes` must be an integer of at least 1. Received: n_classes="):
        replace_head(build("lenet5"), wrong)
