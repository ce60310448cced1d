"""Gradient descent on a reconstruction: the terms of the objective, by hand."""

import numpy as np
import pytest
import torch
from torch import nn

from strata.data import Batch
from strata.models import DenseAutoencoder, EncoderDecoder
from strata.nn import DenseSpec, GaussianCode, Head
from strata.rules import ReconstructionDescent

RANDOM = np.random.RandomState(0)
X, NOISY, WEIGHT = RANDOM.rand(5, 4), RANDOM.rand(5, 4), np.array([1.0, 2.0, 0.0, 3.0, 0.5])
BATCH = Batch(torch.tensor(NOISY), torch.tensor(X), torch.tensor(WEIGHT))


def network():
    return DenseAutoencoder(DenseSpec(4, (3,), ("logistic",), (Head(4, "mse"),)), dtype=torch.float64, seed=1)


def test_the_objective_is_the_sum_of_its_terms():
    net = network()
    rule = ReconstructionDescent(net, "mse", sparsity=0.7, sparsity_target=0.2, contraction=0.3)
    first, second = (weight.detach().numpy() for weight in net.weights)
    biases = [bias.detach().numpy() for bias in net.biases]
    code = 1 / (1 + np.exp(-NOISY @ first - biases[0]))
    share = WEIGHT / WEIGHT.sum()
    errors = ((code @ second + biases[1] - X) ** 2).mean(axis=1)
    mean = share @ code
    sparsity = (0.2 * np.log(0.2 / mean) + 0.8 * np.log(0.8 / (1 - mean))).sum()
    contraction = ((code * (1 - code)) ** 2 * (first**2).sum(axis=0)).sum(axis=1)
    figures = rule.evaluate(BATCH)
    assert float(figures["reconstruction"]) == pytest.approx(share @ errors, rel=1e-12)
    wanted = share @ errors + 0.7 * sparsity + 0.3 * (share @ contraction)
    assert float(figures["loss"]) == pytest.approx(wanted, rel=1e-12)
    plain = ReconstructionDescent(net, "mse", sparsity=0.5).evaluate(BATCH)
    assert float(plain["loss"]) == pytest.approx(share @ errors + 0.5 * (share @ np.abs(code).sum(axis=1)), rel=1e-12)


def test_the_cost_of_the_codes_counts_by_its_factor():
    torch.manual_seed(0)
    net = EncoderDecoder(nn.Linear(4, 4), GaussianCode(2), nn.Linear(2, 4)).double()
    dear, free = (ReconstructionDescent(net, "mse", cost=cost).evaluate(BATCH) for cost in (2.0, 0.0))
    mean, log_variance = net.code.law(net.encoder(torch.tensor(NOISY)))
    each = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(dim=1).detach().numpy()
    assert float(dear["code_cost"]) == pytest.approx(WEIGHT @ each / WEIGHT.sum(), rel=1e-10)
    assert float(dear["loss"]) == pytest.approx(float(free["loss"]) + 2 * float(dear["code_cost"]), rel=1e-10)


def test_a_step_goes_down_its_gradient():
    net = network()
    rule = ReconstructionDescent(net, "mse", contraction=0.3, optimizer="sgd")
    before = [parameter.detach().clone() for parameter in net.parameters()]
    look = net.look(BATCH.x)
    share = BATCH.sample_weight / BATCH.sample_weight.sum()
    loss = share @ (look.scores - BATCH.y).square().mean(dim=1) + 0.3 * (share @ net.squared_jacobian(BATCH.x))
    gradients = torch.autograd.grad(loss, list(net.parameters()))
    rule.step(BATCH)
    for parameter, old, gradient in zip(net.parameters(), before, gradients, strict=True):
        assert torch.allclose(parameter, old - 0.01 * gradient, atol=1e-12, rtol=0)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cost": -1.0}, "`cost` must be"),
        ({"sparsity": -1.0}, "`sparsity` must be"),
        ({"contraction": -1.0}, "`contraction` must be"),
        ({"sparsity_target": 1.0}, "`sparsity_target` must be"),
    ],
)
def test_strengths_out_of_range_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        ReconstructionDescent(network(), "mse", **options)


def test_a_network_without_codes_is_refused():
    with pytest.raises(TypeError, match="`network` must be an autoencoder. Received: network=Linear"):
        ReconstructionDescent(nn.Linear(2, 2), "mse")
