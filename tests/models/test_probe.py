"""Networks cut behind a layer, with a linear layer on the maps there."""

import numpy as np
import pytest
import torch
from sklearn.preprocessing import StandardScaler
from torch import nn
from torch.nn import functional as F

from strata.models import LinearProbe, blocks_of, build, features_of, head_of, probe_layers, trunk_to


@pytest.fixture
def network():
    return build("resnet8", n_classes=4, seed=0).eval()


def images(n=6, side=20, seed=0):
    return torch.randn(n, 3, side, side, generator=torch.Generator().manual_seed(seed))


def test_the_trunk_is_the_network_up_to_the_layer(network):
    x = images()
    seen = {}
    network.layer2.register_forward_hook(lambda *what: seen.update(maps=what[2]))
    network(x)
    trunk = trunk_to(network, "layer2")
    assert torch.equal(trunk(x), seen["maps"])
    whole = network.state_dict()
    assert set(trunk.state_dict()) == {k for k in whole if not k.startswith(("layer3", "linear"))}
    assert trunk.layer2 is network.layer2 and not trunk.training


@pytest.mark.parametrize("layer", ["layer1.0", "layer1.0.conv1"])
def test_layers_inside_blocks(network, layer):
    x = images()
    seen = {}
    network.get_submodule(layer).register_forward_hook(lambda *what: seen.update(maps=what[2].clone()))
    network(x)
    assert torch.equal(trunk_to(network, layer)(x), seen["maps"])


def test_features_are_standardised_over_places(network):
    x = images(40)
    probe = LinearProbe(network, "layer2", x, 3).eval()
    raw = F.adaptive_avg_pool2d(probe.trunk(x), 7).flatten(1).detach()
    assert torch.equal(probe.look(x).detach(), raw)
    probe.standardise(raw)
    expected = StandardScaler().fit_transform(raw.double().numpy()) / 7
    np.testing.assert_allclose(probe.look(x).detach().numpy(), expected, atol=2e-5)
    torch.testing.assert_close(probe(x), probe.head(probe.look(x)))
    torch.testing.assert_close(features_of(probe, x), probe.look(x))


def test_features_that_never_change_are_silent(network):
    probe = LinearProbe(network, "layer2", images(), 3)
    rows = torch.full((5, probe.head.in_features), 3.0)
    rows[:, 1] = torch.arange(5.0)
    probe.standardise(rows)
    assert probe.gain[0] == 0 and probe.gain[1] > 0 and torch.isfinite(probe.gain).all()


@pytest.mark.parametrize(("side", "places"), [(20, (7, 7)), (10, (5, 5))])
def test_small_maps_have_fewer_places(network, side, places):
    probe = LinearProbe(network, "layer2", images(side=side), 3)
    assert probe.places == places
    assert probe.head.in_features == 32 * places[0] * places[1]


def test_many_maps_have_fewer_places():
    with torch.device("meta"):
        network = build("resnet50").eval()
    probe = LinearProbe(network, "layer4", torch.empty(1, 3, 224, 224, device="meta"), 3)
    assert probe.places == (2, 2) and probe.head.in_features == 8192 and probe.head.weight.is_meta


def test_its_blocks_and_head(network):
    probe = LinearProbe(network, "layer2", images(), 3)
    assert head_of(probe) == "head"
    assert blocks_of(probe) == (("trunk.conv1", "trunk.bn1"), ("trunk.layer1",), ("trunk.layer2",), ("head",))
    names = {name for block in blocks_of(probe) for name in block}
    assert all(any(name.startswith(f"{each}.") for each in names) for name, _ in probe.named_parameters())


def test_networks_that_cannot_be_followed():
    class Deciding(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.head = nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 3), nn.Linear(4, 2)

        def forward(self, x):
            x = self.first(x)
            if x.sum() > 0:
                x = -x
            return self.head(self.second(x).mean((2, 3)))

    with pytest.raises(ValueError, match="`network` must compute the same steps for every image to be cut at 'second'"):
        trunk_to(Deciding(), "second")
    assert probe_layers(Deciding().eval(), images()) == []


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        ("layer9", "`layer` must be a layer of the network. Received: layer='layer9'"),
        ("linear", r"`layer` must give maps \(n, channels, h, w\). Received: layer='linear', giving \(1, 4\)"),
    ],
)
def test_layers_that_will_not_do(network, layer, words):
    with pytest.raises(ValueError, match=words):
        LinearProbe(network, layer, images(), 3)


def test_layers_that_are_never_called():
    class Idle(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.idle = nn.Conv2d(3, 4, 3), nn.Conv2d(3, 4, 3)

        def forward(self, x):
            return self.used(x)

    with pytest.raises(ValueError, match="must be a layer that the network calls. Received: layer='idle'"):
        trunk_to(Idle(), "idle")
