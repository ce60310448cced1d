"""Autoencoder networks: halves that make the whole, shared weights, and the Jacobian."""

import copy

import pytest
import torch

from strata.models import ConvDecoder, ConvEncoder, DenseAutoencoder, EncoderDecoder
from strata.nn import DenseNetwork, DenseSpec, GaussianCode, Head, PlainCode

F64 = torch.float64
SPEC = DenseSpec(6, (4, 2, 4), ("tanh", "logistic", "tanh"), (Head(6, "mse"),))


@pytest.mark.parametrize("tied", [False, True])
def test_encoding_and_decoding_is_the_whole_network(tied):
    spec = DenseSpec(6, (4, 2, 4), ("tanh", "logistic", "tanh"), (Head(6, "mse"),), tied=tied)
    network = DenseAutoencoder(spec, dtype=F64)
    x = torch.randn(5, 6, dtype=F64)
    code = network.encode(x)
    torch.testing.assert_close(network.decode(code), network(x), rtol=1e-14, atol=1e-14)
    torch.testing.assert_close(code, network.activations(x)[1][1], rtol=1e-14, atol=0)
    look = network.look(x)
    assert torch.equal(look.scores, network(x)) and torch.equal(look.code, code) and look.cost is None


def test_a_tied_gradient_is_the_sum_over_both_uses():
    tied = DenseAutoencoder(DenseSpec(5, (3,), ("tanh",), (Head(5, "mse"),), tied=True), dtype=F64, seed=1)
    weight = tied.weights[0].detach()
    spec = DenseSpec(5, (3,), ("tanh",), (Head(5, "mse"),))
    free = DenseAutoencoder.from_arrays(
        spec, [weight.clone(), weight.T.clone()], [bias.detach().clone() for bias in tied.biases]
    )
    x = torch.randn(7, 5, dtype=F64)
    for network in (tied, free):
        (network(x) - x).square().mean().backward()
    both = free.weights[0].grad + free.weights[1].grad.T
    torch.testing.assert_close(tied.weights[0].grad, both, rtol=1e-12, atol=1e-14)


def test_the_exact_jacobian_is_autograds():
    network = DenseAutoencoder(SPEC, dtype=F64)
    x = torch.randn(4, 6, dtype=F64)
    known = [torch.autograd.functional.jacobian(lambda r: network.encode(r[None])[0], row).square().sum() for row in x]
    torch.testing.assert_close(network.squared_jacobian(x), torch.stack(known), rtol=1e-12, atol=0)


@pytest.mark.parametrize("spec", [DenseSpec(6, (4, 2), ("tanh", "tanh"), (Head(6, "mse"),)),
                                  DenseSpec(6, (4,), ("tanh",), (Head(5, "mse"),))])  # fmt: skip
def test_a_network_without_a_middle_is_refused(spec):
    with pytest.raises(ValueError, match="`spec` must have an even number of layers and as many outputs as inputs"):
        DenseAutoencoder(spec)


@pytest.mark.parametrize("shape", [(28, 28, 1), (7, 5, 3), (1, 1, 2), (9, 16, 4)])
@pytest.mark.parametrize("kernel_size", [1, 3, 5])
def test_a_mirrored_decoder_gives_images_of_any_size(shape, kernel_size):
    encoder = ConvEncoder(shape, (3, 4), (6, 2), kernel_size=kernel_size)
    decoder = ConvDecoder(encoder, 2)
    rows = torch.randn(3, shape[0] * shape[1] * shape[2])
    assert decoder(encoder(rows)).shape == rows.shape


def test_a_convolution_sees_the_image_and_its_mirror_is_its_transpose():
    """With all weights shared and no activation, <conv x, y> = <x, mirror y>."""
    encoder = ConvEncoder((9, 6, 2), (3, 4), (5,), activation="identity").double()
    decoder = ConvDecoder(encoder, 5, tied=True).double()
    decoder.activation = encoder.activation
    x, y = torch.randn(1, 108, dtype=F64), torch.randn(1, 5, dtype=F64)
    torch.testing.assert_close((encoder(x) * y).sum(), (x * decoder(y)).sum(), rtol=1e-10, atol=1e-10)


def test_channels_are_innermost_in_a_row():
    encoder = ConvEncoder((4, 4, 2), (1,), (1,), kernel_size=1, activation="identity").double()
    with torch.no_grad():
        encoder.convolutions[0].weight[:] = torch.tensor([1.0, 0.0]).reshape(1, 2, 1, 1)  # the first channel alone
    image = torch.randn(1, 4, 4, 2, dtype=F64)
    other = image.clone()
    other[..., 1] += 1
    assert torch.equal(encoder(image.flatten(1)), encoder(other.flatten(1)))
    other[..., 0] += 1
    assert not torch.equal(encoder(image.flatten(1)), encoder(other.flatten(1)))


def test_an_estimated_jacobian_is_right_on_average():
    encoder = nn_linear(5, 2)
    network = EncoderDecoder(encoder, PlainCode(2), nn_linear(2, 5))
    x = torch.randn(20_000, 5, dtype=F64)
    network.train()
    known = encoder.weight.square().sum()
    assert network.squared_jacobian(x).mean().item() == pytest.approx(known.item(), rel=0.05)
    network.squared_jacobian(x[:3]).sum().backward()
    assert encoder.weight.grad is not None
    with torch.no_grad():
        assert network.squared_jacobian(x[:3]).shape == (3,)


def nn_linear(n_in: int, n_out: int) -> torch.nn.Linear:
    return torch.nn.Linear(n_in, n_out).double()


def test_copies_share_their_own_weights():
    encoder = ConvEncoder((6, 6, 1), (2,), (3,))
    network = EncoderDecoder(encoder, PlainCode(3), ConvDecoder(encoder, 3, tied=True))
    other = copy.deepcopy(network)
    with torch.no_grad():
        other.encoder.convolutions[0].weight.zero_()
    x = torch.rand(2, 36)
    assert not torch.equal(network.decode(torch.ones(2, 3)), other.decode(torch.ones(2, 3)))
    assert network(x).shape == x.shape


def test_in_evaluation_a_variational_network_decodes_the_mean():
    encoder = DenseNetwork(DenseSpec(5, (), (), (Head(4, "mse"),)))
    network = EncoderDecoder(encoder, GaussianCode(2), DenseNetwork(DenseSpec(2, (), (), (Head(5, "mse"),)))).eval()
    x = torch.randn(3, 5)
    assert torch.equal(network(x), network.decode(encoder(x)[:, :2]))
    assert not torch.equal(network.look(x).scores, network(x))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (((8, 8, 1), (), (2,)), "`channels` must be made of whole numbers of at least 1, at least one"),
        (((8, 8, 1), (4,), (0,)), "`sizes` must be made of whole numbers"),
        (((8, 0, 1), (4,), (2,)), "`shape` must be made of whole numbers"),
    ],
)
def test_bad_sizes_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        ConvEncoder(*arguments)


def test_bad_kernels_and_ties_are_refused():
    with pytest.raises(ValueError, match="`kernel_size` must be odd and positive"):
        ConvEncoder((8, 8, 1), (4,), (2,), kernel_size=4)
    with pytest.raises(ValueError, match="`tied` must be False where a code has 2 numbers and the encoder 4 outputs"):
        ConvDecoder(ConvEncoder((8, 8, 1), (4,), (4,)), 2, tied=True)
