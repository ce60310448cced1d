"""A decoder that borrows its encoder's weight (L section 9: the gradient is the sum over uses)."""

import copy

import pytest
import torch
from torch import nn

from strata.nn import TiedLinear

F64 = torch.float64


def autoencoder(bias: bool = True) -> nn.Sequential:
    encoder = nn.Linear(5, 3, dtype=F64)
    return nn.Sequential(encoder, nn.Tanh(), TiedLinear(encoder, bias=bias))


def test_forward_and_gradient_of_the_shared_matrix() -> None:
    model, x = autoencoder(), torch.randn(7, 5, dtype=F64)
    with torch.no_grad():
        model[2].bias.copy_(torch.arange(5))
    encoder_weight = model[0].weight.detach().clone().requires_grad_()  # (3, 5)
    decoder_weight = model[0].weight.detach().T.clone().requires_grad_()  # (5, 3), now a matrix of its own
    hidden = torch.tanh(x @ encoder_weight.T + model[0].bias)
    expected = hidden @ decoder_weight.T + torch.arange(5)
    torch.testing.assert_close(model(x), expected)
    (expected - x).square().sum().backward()
    model.zero_grad()
    (model(x) - x).square().sum().backward()
    torch.testing.assert_close(model[0].weight.grad, encoder_weight.grad + decoder_weight.grad.T)


def test_gradcheck() -> None:
    model, x = autoencoder(), torch.randn(2, 5, dtype=F64)
    names = [name for name, _ in model.named_parameters()]

    def value(*parameters: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(model, dict(zip(names, parameters, strict=True)), (x,)).square().sum()

    assert torch.autograd.gradcheck(value, tuple(model.parameters()))


def test_the_weight_is_counted_and_saved_once() -> None:
    model = autoencoder()
    assert sum(p.numel() for p in model.parameters()) == 15 + 3 + 5
    assert sorted(model.state_dict()) == ["0.bias", "0.weight", "2.bias"]
    assert list(autoencoder(bias=False).state_dict()) == ["0.weight", "0.bias"]


def test_stays_tied_through_updates_and_copies() -> None:
    model, x = autoencoder(), torch.randn(2, 5, dtype=F64)
    for tied in (model, copy.deepcopy(model)):
        with torch.no_grad():
            tied[0].weight.mul_(2.0)
        assert torch.equal(tied[2].weight, tied[0].weight.T)
    other = autoencoder()
    other.load_state_dict(model.state_dict())
    assert torch.equal(other(x), model(x))


def test_refusal() -> None:
    with pytest.raises(TypeError, match=r"`encoder` must be a torch\.nn\.Linear\. Received: encoder=Tanh"):
        TiedLinear(nn.Tanh())  # type: ignore[arg-type]
