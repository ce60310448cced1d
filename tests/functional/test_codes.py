"""What codes are charged for, against closed forms, brute force and automatic differentiation."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from strata.functional import contractive_penalty, gaussian_kl, get_activation, kl_sparsity, logistic_bits

F64 = torch.float64


def test_sparsity_is_the_divergence_of_two_coins():
    activity = np.array([0.05, 0.3, 0.9])
    by_hand = sum(stats.entropy([0.1, 0.9], [a, 1 - a]) for a in activity)
    assert kl_sparsity(torch.tensor(activity), 0.1).item() == pytest.approx(by_hand, rel=1e-12)
    assert kl_sparsity(torch.tensor([0.1], dtype=F64), 0.1).item() == pytest.approx(0.0, abs=1e-15)
    assert math.isfinite(kl_sparsity(torch.tensor([0.0, 1.0]), 0.1).item())


def test_sparsity_has_the_gradient_of_its_value():
    activity = torch.tensor([0.2, 0.6, 0.03], dtype=F64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda a: kl_sparsity(a, 0.05), activity)


@pytest.mark.parametrize("target", [0.0, 1.0, -0.1])
def test_sparsity_refuses_a_target_outside(target):
    with pytest.raises(ValueError, match=r"`target` must be in \(0, 1\). Received: target="):
        kl_sparsity(torch.ones(2) / 2, target)


def test_gaussian_kl_is_torchs_and_the_integral():
    mean, log_variance = torch.randn(4, 3, dtype=F64), torch.randn(4, 3, dtype=F64)
    law = torch.distributions.Normal(mean, torch.exp(0.5 * log_variance))
    known = torch.distributions.kl_divergence(law, torch.distributions.Normal(0.0, 1.0)).sum(dim=1)
    torch.testing.assert_close(gaussian_kl(mean, log_variance), known, rtol=1e-12, atol=1e-12)
    x = np.linspace(-30, 30, 200_001)
    m, s = mean[0, 0].item(), math.exp(0.5 * log_variance[0, 0].item())
    integrand = stats.norm.pdf(x, m, s) * (stats.norm.logpdf(x, m, s) - stats.norm.logpdf(x))
    one = gaussian_kl(mean[:1, :1], log_variance[:1, :1]).item()
    assert one == pytest.approx(np.trapezoid(integrand, x), rel=1e-8)


def test_gaussian_kl_refuses_other_shapes():
    with pytest.raises(ValueError, match="`mean` and `log_variance` must have the same shape"):
        gaussian_kl(torch.zeros(2, 3), torch.zeros(2, 1))


@pytest.mark.parametrize("sizes", [(5, 3), (6, 4, 2), (7, 5, 4, 3)])
def test_contractive_penalty_is_the_norm_of_autograds_jacobian(sizes):
    names = ["tanh", "logistic", "softplus"][: len(sizes) - 1]
    weights = [torch.randn(n_in, n_out, dtype=F64) for n_in, n_out in zip(sizes, sizes[1:], strict=False)]
    biases = [torch.randn(n, dtype=F64) for n in sizes[1:]]

    def encode(x: torch.Tensor) -> torch.Tensor:
        for weight, bias, name in zip(weights, biases, names, strict=True):
            x = get_activation(name)(x @ weight + bias)
        return x

    rows, slopes = torch.randn(3, sizes[0], dtype=F64), []
    h = rows
    for weight, bias, name in zip(weights, biases, names, strict=True):
        z = h @ weight + bias
        slopes.append(get_activation(name).derivative(z))
        h = get_activation(name)(z)
    known = torch.stack([torch.autograd.functional.jacobian(encode, row).square().sum() for row in rows])
    torch.testing.assert_close(contractive_penalty(weights, slopes), known, rtol=1e-12, atol=0)


def test_contractive_penalty_wants_slopes_for_each_layer():
    with pytest.raises(ValueError, match="`slopes` must have one entry for each of `weights`"):
        contractive_penalty([torch.zeros(2, 2)], [])


def test_bits_are_those_of_scipys_logistic_law():
    codes = torch.tensor([[0.0, 3.0], [-2.0, 40.0]], dtype=F64)
    location, log_scale = torch.tensor([0.3, -1.0], dtype=F64), torch.tensor([-0.5, 0.8], dtype=F64)
    known = np.zeros(2)
    for j in range(2):
        law = stats.logistic(location[j].item(), math.exp(log_scale[j].item()))
        y = codes[:, j].numpy()
        known -= np.log2(law.sf(y - 0.5) - law.sf(y + 0.5))
    np.testing.assert_allclose(logistic_bits(codes, location, log_scale).numpy(), known, rtol=1e-9)


def test_the_probabilities_of_all_symbols_add_up_to_one():
    symbols = torch.arange(-200.0, 201.0, dtype=F64).reshape(-1, 1)
    bits = logistic_bits(symbols, torch.tensor([0.2], dtype=F64), torch.tensor([0.7], dtype=F64))
    assert torch.exp2(-bits).sum().item() == pytest.approx(1.0, abs=1e-5)  # a symbol costs at most 30 bits


def test_bits_have_the_gradient_of_their_value():
    codes = torch.randn(2, 3, 2, 2, dtype=F64, requires_grad=True)
    law = [torch.randn(3, dtype=F64, requires_grad=True) for _ in range(2)]
    assert torch.autograd.gradcheck(lambda *a: logistic_bits(*a), (codes, *law))
