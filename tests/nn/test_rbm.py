"""The restricted Boltzmann machine against enumeration, quadrature and the worked example of the canon."""

import itertools

import numpy as np
import pytest
import torch
from scipy import integrate, stats

from strata.nn import RBM, annealed_log_partition, log_partition

W = np.array([[0.5, -0.3], [0.2, 0.8], [-0.6, 0.1]])
B, C = np.array([0.1, -0.2, 0.05]), np.array([-0.1, 0.3])
F64 = torch.float64

#: v, F(v), p(v), p(h|v), worked out beside the code.
GOLDEN = [
    ("000", -1.4987519045, 0.0972089842, (0.4750208125, 0.5744425168)),
    ("001", -1.3662013013, 0.0851413260, (0.3318122278, 0.5986876601)),
    ("010", -1.9317319852, 0.1498812357, (0.5249791875, 0.7502601056)),
    ("011", -1.7873594515, 0.1297319871, (0.3775406688, 0.7685247835)),
    ("100", -1.7061624330, 0.1196144515, (0.5986876601, 0.5000000000)),
    ("101", -1.4925355295, 0.0966065711, (0.4501660027, 0.5249791875)),
    ("110", -2.1085886164, 0.1788772559, (0.6456563062, 0.6899744811)),
    ("111", -1.8843010553, 0.1429381885, (0.5000000000, 0.7109495026)),
]


def machine(**how):
    return RBM.from_arrays(W, B, C, **how)


def states(n):
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=n)), dtype=F64)


@pytest.mark.parametrize(("bits", "energy", "p", "hidden"), GOLDEN)
def test_the_worked_example(bits, energy, p, hidden):
    rbm, v = machine(), torch.tensor([[float(bit) for bit in bits]], dtype=F64)
    assert float(rbm.free_energy(v)) == pytest.approx(energy, abs=1e-9)
    assert float((-rbm.free_energy(v) - log_partition(rbm)).exp()) == pytest.approx(p, abs=1e-9)
    assert rbm.hidden_probs(v)[0].tolist() == pytest.approx(hidden, abs=1e-9)


def test_energies_and_the_way_down():
    rbm = machine()
    v, h = torch.tensor([1.0, 0.0, 1.0], dtype=F64), torch.tensor([1.0, 0.0], dtype=F64)
    assert float(rbm.energy(v, h)) == pytest.approx(0.05, abs=1e-12)
    assert rbm.visible_mean(h).tolist() == pytest.approx([0.6456563062, 0.5, 0.3658644090], abs=1e-9)
    assert log_partition(rbm) == pytest.approx(3.8296440458, abs=1e-9)


def test_gaussian_units():
    rbm = machine(visible="gaussian")
    v = torch.tensor([0.5, -1.2, 0.3], dtype=F64)
    assert float(rbm.free_energy(v)) == pytest.approx(-0.3333262013, abs=1e-9)
    assert log_partition(rbm) == pytest.approx(4.5056990484, abs=1e-9)
    assert rbm.hidden_probs(v).tolist() == pytest.approx([0.4329070950, 0.3143198861], abs=1e-9)
    assert rbm.visible_mean(torch.ones(2, dtype=F64)).tolist() == pytest.approx([0.3, 0.8, -0.45], abs=1e-12)


@pytest.mark.parametrize("visible", ["binary", "gaussian", "rectified"])
def test_the_free_energy_sums_over_the_hidden_units(visible):
    rbm = RBM(3, 4, visible=visible, init_sigma=1.0, dtype=F64, random_state=1)
    rbm.visible_bias.copy_(torch.tensor([0.3, -0.2, 0.5]))
    v = torch.rand(5, 3, dtype=F64)
    energies = torch.stack([rbm.energy(v, h.expand(5, 4)) for h in states(4)])
    assert torch.allclose(rbm.free_energy(v), -(-energies).logsumexp(0), atol=1e-12)


@pytest.mark.parametrize(("n_visible", "n_hidden"), [(3, 5), (6, 2), (4, 4)])
def test_log_z_by_enumeration_of_everything(n_visible, n_hidden):
    rbm = RBM(n_visible, n_hidden, init_sigma=1.0, dtype=F64, random_state=0)
    rbm.hidden_bias.normal_()
    rbm.visible_bias.normal_()
    energies = torch.stack([rbm.energy(v, h) for v in states(n_visible) for h in states(n_hidden)])
    assert log_partition(rbm) == pytest.approx(float((-energies).logsumexp(0)), abs=1e-10)


@pytest.mark.parametrize("visible", ["gaussian", "rectified"])
def test_log_z_by_quadrature(visible):
    sigma = [0.7, 1.5]
    rbm = RBM.from_arrays(W[:2], B[:2], C, visible=visible, sigma=sigma)
    low = 0.0 if visible == "rectified" else -15.0

    def density(x, y):
        return float((-rbm.free_energy(torch.tensor([x, y], dtype=F64))).exp())

    mass, _ = integrate.dblquad(density, low, 15, low, 15, epsabs=1e-8)
    assert log_partition(rbm) == pytest.approx(np.log(mass), abs=1e-6)


def test_the_exact_gradient_and_that_of_autograd():
    """Data 101, 110, 100: the mean log-likelihood and its gradient, as worked out in the canon."""
    rbm, data = machine(), torch.tensor([[1.0, 0, 1], [1, 1, 0], [1, 0, 0]], dtype=F64)
    for parameter in rbm.parameters():
        parameter.requires_grad_(True)
    everything = states(3)
    likelihood = -rbm.free_energy(data).mean() - (-rbm.free_energy(everything)).logsumexp(0)
    likelihood.backward()
    assert likelihood.item() == pytest.approx(-2.0605485196, abs=1e-9)
    wanted = [[0.2627736437, 0.2360849821], [-0.0994071843, -0.2072032411], [-0.0421327882, -0.1280205192]]
    assert np.allclose(rbm.weight.grad.numpy(), wanted, atol=1e-9)
    assert np.allclose(rbm.visible_bias.grad.numpy(), [0.4619635330, -0.2680953339, -0.1210847393], atol=1e-9)
    assert np.allclose(rbm.hidden_bias.grad.numpy(), [0.0606827895, -0.0828812117], atol=1e-9)
    # the same by the statistics of the rule: <v p(h|v)> of the data minus that of the model
    with torch.no_grad():
        p = (-rbm.free_energy(everything)).softmax(0)
        by_rule = data.T @ rbm.hidden_probs(data) / 3 - (everything * p[:, None]).T @ rbm.hidden_probs(everything)
    assert np.allclose(by_rule.numpy(), rbm.weight.grad.numpy(), atol=1e-14)


def test_draws_have_their_distributions():
    n, generator = 40_000, torch.Generator().manual_seed(0)
    h = torch.ones(n, 2, dtype=F64)
    binary = machine().sample_visible(h, generator=generator).mean(0)
    assert torch.allclose(binary, machine().visible_mean(h[0]), atol=0.01)
    centre = B + W.sum(1)
    gaussian = machine(visible="gaussian").sample_visible(h, generator=generator).numpy()
    rectified = machine(visible="rectified").sample_visible(h, generator=generator).numpy()
    for i in range(3):
        assert stats.kstest(gaussian[:, i], stats.norm(centre[i]).cdf).pvalue > 1e-3
        assert stats.kstest(rectified[:, i], stats.truncnorm(-centre[i], np.inf, loc=centre[i]).cdf).pvalue > 1e-3
    hidden = machine().sample_hidden(torch.ones(n, 3, dtype=F64), generator=generator).mean(0)
    assert torch.allclose(hidden, machine().hidden_probs(torch.ones(3, dtype=F64)), atol=0.01)


def test_rectified_units_far_below_zero():
    """Where 1 - p would round to 0, draws and means still are the right small numbers."""
    rbm = RBM.from_arrays(np.zeros((1, 1)), np.array([-20.0]), np.zeros(1), visible="rectified")
    h = torch.zeros(1, dtype=F64)
    exact = stats.truncnorm(20, np.inf, loc=-20)
    assert float(rbm.visible_mean(h)) == pytest.approx(exact.mean(), rel=1e-6)
    u = torch.tensor([0.3], dtype=F64)
    assert float(rbm.visible_at(h, u)) == pytest.approx(exact.ppf(0.7), rel=1e-6)  # a quantile from above


def test_long_chains_reach_the_model():
    rbm = RBM.from_arrays(2 * W, B, C)
    v = rbm.gibbs(torch.zeros(20_000, 3, dtype=F64), 30, generator=torch.Generator().manual_seed(1))
    counts = torch.zeros(8, dtype=F64)
    counts.index_add_(0, (v @ torch.tensor([4.0, 2.0, 1.0], dtype=F64)).long(), torch.ones(len(v), dtype=F64))
    p = (-rbm.free_energy(states(3))).softmax(0)
    assert stats.chisquare(counts.numpy(), (p * len(v)).numpy()).pvalue > 1e-3


@pytest.mark.parametrize("visible", ["binary", "gaussian", "rectified"])
def test_annealing_finds_log_z(visible):
    rbm = RBM(8, 6, visible=visible, init_sigma=0.6, dtype=F64, random_state=3)
    rbm.visible_bias.copy_(torch.linspace(-1, 1, 8))
    exact = log_partition(rbm)
    found = annealed_log_partition(rbm, n_chains=200, betas=1000, generator=torch.Generator().manual_seed(0))
    assert found.low < exact < found.high
    assert found.log_z == pytest.approx(exact, abs=0.05)
    assert found.n_chains == 200


def test_annealing_begins_where_it_is_told():
    rbm = RBM(8, 6, init_sigma=0.3, dtype=F64, random_state=3)
    rbm.visible_bias.fill_(3.0)
    how = {"n_chains": 50, "generator": torch.Generator().manual_seed(0)}
    near = annealed_log_partition(rbm, base_bias=rbm.visible_bias, betas=50, **how)
    far = annealed_log_partition(rbm, betas=50, **how)
    assert near.high - near.low < 0.5 * (far.high - far.low)
    assert near.low < log_partition(rbm) < near.high and near.high - near.low < 0.3


def test_what_is_refused():
    with pytest.raises(ValueError, match="`n_hidden` must be at least 1. Received: n_hidden=0"):
        RBM(3, 0)
    with pytest.raises(ValueError, match="Unknown `visible` 'binari'. Did you mean 'binary'"):
        RBM(3, 2, visible="binari")
    with pytest.raises(ValueError, match="`sigma` must be positive"):
        RBM(3, 2, visible="gaussian", sigma=0.0)
    with pytest.raises(ValueError, match="`sigma` must be 1 for binary units"):
        RBM(3, 2, sigma=2.0)
    with pytest.raises(ValueError, match="`dtype` must be"):
        RBM(3, 2, dtype=torch.float16)
    with pytest.raises(ValueError, match=r"must have the shapes \(D, H\), \(D,\) and \(H,\)"):
        RBM.from_arrays(W, C, B)
    with pytest.raises(ValueError, match="a layer of at most 25 binary units.*Use annealed_log_partition"):
        log_partition(RBM(30, 26))
    with pytest.raises(ValueError, match="a layer of at most 25"):
        log_partition(RBM(3, 26, visible="gaussian"))
    rbm = machine()
    with pytest.raises(ValueError, match="`n_chains` must be at least 2"):
        annealed_log_partition(rbm, n_chains=1)
    with pytest.raises(ValueError, match="`betas` must rise from 0 to 1"):
        annealed_log_partition(rbm, betas=np.array([0.0, 0.5]))
    with pytest.raises(ValueError, match="`betas` must be at least 2"):
        annealed_log_partition(rbm, betas=1)
    with pytest.raises(ValueError, match=r"`base_bias` must have shape \(3,\)"):
        annealed_log_partition(rbm, base_bias=np.zeros(2))


def test_it_is_a_layer():
    rbm = RBM(4, 3)
    assert torch.equal(rbm(torch.ones(2, 4)), rbm.hidden_probs(torch.ones(2, 4)))
    assert "n_visible=4, n_hidden=3" in repr(rbm)
    other = RBM(4, 3, random_state=5)
    other.load_state_dict(rbm.state_dict())
    assert torch.equal(other.weight, rbm.weight)
