"""Likelihoods of counts against SciPy's distributions, and their gradients."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import stats
from torch.autograd import gradcheck

from strata.functional import (
    negative_binomial_log_likelihood,
    normal_kl,
    poisson_log_likelihood,
    zero_inflated_log_likelihood,
)

COUNTS = np.array([[0.0, 1.0, 5.0, 40.0], [3.0, 0.0, 0.0, 1200.0], [7.0, 2.0, 0.0, 1.0]])
RANDOM = np.random.RandomState(0)
MEAN = RANDOM.uniform(0.05, 60.0, COUNTS.shape)
THETA = RANDOM.uniform(0.02, 30.0, COUNTS.shape)
LOGITS = RANDOM.normal(0.0, 2.0, COUNTS.shape)


def tensors(*arrays, requires_grad=False):
    return [torch.tensor(array, dtype=torch.float64, requires_grad=requires_grad) for array in arrays]


def zinb(x, mean, theta, pi):
    plain = stats.nbinom.pmf(x, theta, theta / (theta + mean))
    return np.log(pi * (x == 0) + (1 - pi) * plain)


def test_poisson_is_scipys():
    assert_allclose(poisson_log_likelihood(*tensors(COUNTS, MEAN)), stats.poisson.logpmf(COUNTS, MEAN), rtol=1e-12)


def test_negative_binomial_is_scipys():
    wanted = stats.nbinom.logpmf(COUNTS, THETA, THETA / (THETA + MEAN))
    assert_allclose(negative_binomial_log_likelihood(*tensors(COUNTS, MEAN, THETA)), wanted, rtol=1e-9)


def test_zero_inflated_is_scipys_mixture():
    wanted = zinb(COUNTS[:, :3], MEAN[:, :3], THETA[:, :3], 1 / (1 + np.exp(-LOGITS[:, :3])))
    got = zero_inflated_log_likelihood(*tensors(COUNTS, MEAN, THETA, LOGITS))
    assert_allclose(got[:, :3], wanted, rtol=1e-9)
    assert torch.isfinite(got).all(), "a count of 1200 whose probability underflows in SciPy's mixture"


@pytest.mark.parametrize("theta", [(2.0,), (1.0, 2.0, 3.0, 0.5)])
def test_dispersions_of_genes_are_broadcast(theta):
    x, mean, per_gene = tensors(COUNTS, MEAN, np.array(theta))
    whole = negative_binomial_log_likelihood(x, mean, per_gene.expand(x.shape))
    assert torch.equal(negative_binomial_log_likelihood(x, mean, per_gene), whole)


def test_probabilities_add_up_and_have_the_stated_moments():
    x = torch.arange(4000, dtype=torch.float64)
    mean, theta, logits = tensors(2.5, 1.5, np.log(0.2 / 0.8))
    p = zero_inflated_log_likelihood(x, mean, theta, logits).exp()
    first, second = (p * x).sum(), (p * x.square()).sum()
    assert_allclose([p.sum(), first, second - first.square()], [1.0, 2.0, 2 * (1 + 2.5 * (0.2 + 1 / 1.5))], rtol=1e-10)


def test_large_dispersions_are_poisson():
    x, mean = tensors(COUNTS[:, :3], MEAN[:, :3])
    theta = torch.tensor(1e8, dtype=torch.float64)
    assert_allclose(
        negative_binomial_log_likelihood(x, mean, theta), stats.poisson.logpmf(COUNTS[:, :3], MEAN[:, :3]), atol=1e-4
    )


def test_no_overflow_at_the_ends_in_single_precision():
    x = torch.tensor([0.0, 1.0, 60000.0])
    for mean in (1e-8, 1e6):
        for theta in (1e-4, 1e4):
            mu = torch.full((3,), mean, requires_grad=True)
            logits = torch.tensor([-40.0, 0.0, 40.0], requires_grad=True)
            out = zero_inflated_log_likelihood(x, mu, torch.tensor(theta), logits)
            out.sum().backward()
            assert torch.isfinite(out).all()
            assert torch.isfinite(mu.grad).all()
            assert torch.isfinite(logits.grad).all()


def test_gradients():
    x = torch.tensor(COUNTS)
    mean, theta, logits = tensors(MEAN, THETA, LOGITS, requires_grad=True)
    assert gradcheck(lambda m: poisson_log_likelihood(x, m), (mean,))
    assert gradcheck(lambda m, t: negative_binomial_log_likelihood(x, m, t), (mean, theta))
    assert gradcheck(lambda m, t, z: zero_inflated_log_likelihood(x, m, t, z), (mean, theta, logits))


def test_divergence_is_torchs():
    mean, variance, prior_mean, prior_variance = (torch.rand(5, 3, dtype=torch.float64) + 0.1 for _ in range(4))
    ours = normal_kl(mean, variance, prior_mean, prior_variance)
    q = torch.distributions.Normal(mean, variance.sqrt())
    p = torch.distributions.Normal(prior_mean, prior_variance.sqrt())
    assert_allclose(ours, torch.distributions.kl_divergence(q, p).sum(dim=1), rtol=1e-10)
    assert_allclose(normal_kl(prior_mean, prior_variance, prior_mean, prior_variance), 0, atol=1e-12)
    assert gradcheck(normal_kl, tuple(t.requires_grad_() for t in (mean, variance, prior_mean, prior_variance)))
