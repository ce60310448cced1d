"""Networks of images of any size: identity at the start, shapes, and gradients everywhere."""

import pytest
import torch

from strata.models import CompressionDecoder, CompressionEncoder, RestorationNetwork, compression_network


@pytest.mark.parametrize("channels", [(4,), (4, 6), (3, 5, 7)])
def test_an_untrained_restorer_gives_its_input_back(channels):
    network = RestorationNetwork(2, channels, seed=1)
    x = torch.rand(2, 2, 3 * network.factor, network.factor)
    assert torch.equal(network(x), x)


def test_every_parameter_of_a_restorer_learns():
    network = RestorationNetwork(1, (3, 4, 5), seed=1)
    with torch.no_grad():
        network.tail.weight.fill_(0.1)
    network(torch.rand(2, 1, 8, 8)).square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.abs().sum() > 0 for parameter in network.parameters())


def test_a_compressor_halves_and_doubles():
    network = compression_network(3, (6, 5, 4), (2.0, 1.0), seed=0)
    x = torch.rand(4, 3, 16, 24)
    look = network.look(x)
    assert look.scores.shape == x.shape and look.code.shape == (4, 4, 2, 3) and look.cost.shape == (4,)
    (look.scores.square().sum() + look.cost.sum()).backward()
    assert all(parameter.grad is not None for parameter in network.parameters())
    assert CompressionEncoder(3, (2,))(x).shape == (4, 2, 8, 12)
    assert CompressionDecoder(3, (2,))(torch.rand(1, 2, 4, 5)).shape == (1, 3, 8, 10)


def test_seeds_decide_the_weights():
    one, same, other = (compression_network(1, (3, 2), (1.0,), seed=seed) for seed in (0, 0, 5))
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), same.parameters(), strict=True))
    assert not torch.equal(one.encoder.layers[0].weight, other.encoder.layers[0].weight)


@pytest.mark.parametrize("call", [lambda: RestorationNetwork(1, ()), lambda: RestorationNetwork(0, (3,)),
                                  lambda: compression_network(1, (0,), (1.0,))])  # fmt: skip
def test_bad_widths_are_refused(call):
    with pytest.raises(ValueError, match="channels` must be made of whole numbers of at least 1"):
        call()


def test_no_channels_are_refused():
    with pytest.raises(ValueError, match="channels` must be made of whole numbers"):
        CompressionEncoder(1, (True,))
