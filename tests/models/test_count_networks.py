"""The networks of counts: their losses are SciPy's, written out in NumPy; what they may and may not see."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy import special, stats
from torch.autograd import gradcheck

from strata.models import DCA, SCVI, library_prior

N, G = 5, 7
COUNTS = torch.from_numpy(np.random.RandomState(0).poisson(3.0, (N, G)) * (np.random.RandomState(1).rand(N, G) < 0.7))
SIZES = torch.linspace(0.5, 2.0, N).double()


def scrambled(network):
    """Return the network in double precision with all its numbers drawn, so that nothing is equal by accident."""
    torch.manual_seed(3)
    network = network.double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.copy_(0.4 * torch.randn_like(parameter))
    return network


def layer(module, x):
    """Compute a hidden layer with its batch normalization in NumPy, in evaluation mode."""
    linear, norm = module[0], module[1]
    y = x @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()
    inner = norm.norm
    y = (y - inner.running_mean.numpy()) / np.sqrt(inner.running_var.numpy() + 1e-3)
    if inner.affine:
        return y * inner.weight.detach().numpy() + inner.bias.detach().numpy()
    return y + norm.shift.detach().numpy()


def dense(linear, x):
    return x @ linear.weight.detach().numpy().T + linear.bias.detach().numpy()


def log_probability(x, mean, theta, pi):
    plain = stats.poisson.pmf(x, mean) if theta is None else stats.nbinom.pmf(x, theta, theta / (theta + mean))
    return np.log(plain if pi is None else pi * (x == 0) + (1 - pi) * plain)


@pytest.mark.parametrize("likelihood", ["nb", "zinb", "poisson"])
@pytest.mark.parametrize("dispersion", ["gene-cell", "gene"])
def test_dca_is_the_paper_in_numpy(likelihood, dispersion):
    penalty = 0.3 if likelihood == "zinb" else 0.0
    network = scrambled(
        DCA(G, hidden_sizes=(4, 2, 3), likelihood=likelihood, dispersion=dispersion, zero_penalty=penalty)
    ).eval()
    network.center.copy_(torch.linspace(0, 1, G))
    network.scale.copy_(torch.linspace(1, 2, G))
    for block in (network.encoder[0], network.code, network.decoder[2]):
        block[1].norm.running_mean.normal_()
        block[1].norm.running_var.uniform_(0.5, 2.0)
    x, s = COUNTS.numpy(), SIZES.numpy()[:, None]
    seen = (np.log(x / s + 1) - network.center.numpy()) / network.scale.numpy()
    code = layer(network.code, np.maximum(layer(network.encoder[0], seen), 0))
    hidden = np.maximum(layer(network.decoder[2], np.maximum(code, 0)), 0)
    mean, theta, pi = s * np.exp(dense(network.mean, hidden)), None, None
    if likelihood != "poisson":
        raw = network.gene_dispersion.detach().numpy() if dispersion == "gene" else dense(network.dispersion, hidden)
        theta = np.log1p(np.exp(raw))
    if likelihood == "zinb":
        pi = special.expit(dense(network.zero, hidden))
    wanted = -log_probability(x, mean, theta, pi).mean() + (penalty * (pi**2).mean() if penalty else 0)
    assert_allclose(network.objective(COUNTS, SIZES[:, None]).item(), wanted, rtol=1e-10)
    assert_allclose(network.encode(COUNTS, SIZES).detach(), code, rtol=1e-9)
    assert_allclose(network(COUNTS, SIZES).mean.detach(), mean, rtol=1e-9)


def test_dca_bounds_means_and_dispersions():
    network = DCA(3, hidden_sizes=(2,), batch_norm=False).eval()
    with torch.no_grad():
        network.mean.bias.copy_(torch.tensor([-100.0, 0.0, 100.0]))
        network.dispersion.bias.copy_(torch.tensor([-100.0, 0.0, 1e6]))
    found = network(torch.zeros(1, 3), torch.tensor([2.0]))
    assert_allclose(found.mean.detach(), [[2e-5, 2.0, 2e6]], rtol=1e-4)
    assert_allclose(found.dispersion.detach(), [[1e-4, np.log(2), 1e4]], rtol=1e-4)


def test_dca_learns_in_batches_of_one_gene_and_more():
    network = DCA(1, hidden_sizes=(2,))
    network.objective(torch.ones(4, 1), torch.ones(4, 1)).backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters())


@pytest.mark.parametrize("likelihood", ["nb", "zinb", "poisson"])
@pytest.mark.parametrize("dispersion", ["gene", "gene-batch", "gene-cell"])
@pytest.mark.parametrize("latent", [False, True])
def test_scvi_is_the_paper_in_numpy(likelihood, dispersion, latent):
    network = scrambled(
        SCVI(
            G,
            n_batches=2,
            n_latent=3,
            hidden_sizes=(4,),
            likelihood=likelihood,
            dispersion=dispersion,
            latent_library=latent,
        )  # fmt: skip
    ).eval()
    network.expect_library(torch.tensor([2.0, 3.0]), torch.tensor([0.2, 0.5]))
    batch = torch.tensor([0, 1, 1, 0, 1])
    x, codes, noise = COUNTS.numpy(), batch.numpy(), torch.randn(N, 4).double()
    log_library = COUNTS.sum(dim=1).double().log()
    found, kl_latent, kl_library = (part.detach() for part in network.bound(COUNTS, log_library, batch, noise=noise))
    out = dense(network.latent, np.maximum(layer(network.encoder[0], np.log1p(x)), 0))
    mean, variance = out[:, :3], np.exp(out[:, 3:]) + 1e-4
    ell = log_library.numpy()
    if latent:
        out = dense(network.library[1], np.maximum(layer(network.library[0], np.log1p(x)), 0))
        m, v, m0, v0 = out[:, 0], np.exp(out[:, 1]) + 1e-4, np.array([2.0, 3.0])[codes], np.array([0.2, 0.5])[codes]
        assert_allclose(kl_library, 0.5 * (v / v0 + (m - m0) ** 2 / v0 - 1 - np.log(v / v0)), rtol=1e-6)
        ell = m + np.sqrt(v) * noise.numpy()[:, 3]
    else:
        assert_allclose(kl_library, 0)
    z = mean + np.sqrt(variance) * noise.numpy()[:, :3]
    hidden = np.maximum(layer(network.decoder[0], np.concatenate([z, np.eye(2)[codes]], axis=1)), 0)
    rate = np.exp(ell)[:, None] * special.softmax(dense(network.scale, hidden), axis=1)
    theta = None
    if likelihood != "poisson":
        raw = dense(network.cell_dispersion, hidden) if dispersion == "gene-cell" else network.gene_dispersion
        theta = np.exp(raw if dispersion == "gene-cell" else raw.detach().numpy())
        theta = theta[codes] if dispersion == "gene-batch" else theta
    pi = special.expit(dense(network.zero, hidden)) if likelihood == "zinb" else None
    assert_allclose(found, log_probability(x, rate, theta, pi).sum(axis=1), rtol=1e-9)
    assert_allclose(kl_latent, 0.5 * (variance + mean**2 - 1 - np.log(variance)).sum(axis=1), rtol=1e-9)


def test_the_objective_weighs_the_divergence_of_the_latent_variable_alone():
    network = scrambled(SCVI(G, n_latent=2, hidden_sizes=(3,), latent_library=True)).eval()
    y = torch.stack([COUNTS.sum(dim=1).double().log(), torch.zeros(N).double()], dim=1)
    torch.manual_seed(5)
    found, kl_latent, kl_library = network.bound(COUNTS, y[:, 0], y[:, 1].long())
    for weight in (0.0, 0.25, 1.0):
        network.kl_weight.fill_(weight)
        torch.manual_seed(5)
        assert_allclose(
            network.objective(COUNTS, y).item(), (weight * kl_latent + kl_library - found).mean().item(), rtol=1e-12
        )


def test_the_latent_variable_cannot_see_the_batch_but_the_counts_can():
    network = scrambled(SCVI(G, n_batches=2, n_latent=2, hidden_sizes=(3,))).eval()
    z, ell = network.encode(COUNTS)[0], torch.zeros(N).double()
    first, second = (network.decode(z, ell, torch.full((N,), code)).mean for code in (0, 1))
    assert_allclose(first.sum(dim=1).detach(), 1.0)
    assert (first - second).abs().max() > 1e-3


@pytest.mark.parametrize(
    "network",
    [
        DCA(G, hidden_sizes=(3, 2, 3), likelihood="zinb", zero_penalty=0.1),
        DCA(G, hidden_sizes=(2,), dispersion="gene", batch_norm=False),
        SCVI(G, n_batches=2, n_latent=2, hidden_sizes=(3,), dispersion="gene-batch", latent_library=True, dropout=0.0),
    ],
    ids=["dca", "dca-gene", "scvi"],
)
def test_gradients(network):
    network = scrambled(network).eval()
    y = SIZES[:, None] if isinstance(network, DCA) else torch.stack([SIZES, torch.arange(N).double() % 2], dim=1)
    names, parameters = zip(*network.named_parameters(), strict=True)

    def objective(*values):
        torch.manual_seed(0)
        return torch.func.functional_call(_Objective(network), dict(zip(_inner(names), values, strict=True)), y)

    assert gradcheck(objective, parameters, atol=1e-5)


class _Objective(torch.nn.Module):
    def __init__(self, network):
        super().__init__()
        self.inner = network

    def forward(self, y):
        return self.inner.objective(COUNTS, y)


def _inner(names):
    return [f"inner.{name}" for name in names]


def test_library_prior_is_by_batch():
    totals, batch = torch.tensor([1000.0, 2000.0, 4000.0, 10.0, 10.0]).double(), torch.tensor([0, 0, 0, 1, 1])
    mean, variance = library_prior(totals, batch, n_batches=3)
    logs = np.log([1000.0, 2000.0, 4000.0])
    assert_allclose(mean, [logs.mean(), np.log(10), 0])
    assert_allclose(variance, [logs.var(), 0, 0], atol=1e-12)


@pytest.mark.parametrize(
    ("build", "said"),
    [
        (lambda: DCA(0), "`n_genes` must be whole numbers of at least 1. Received: n_genes=0"),
        (lambda: DCA(3, hidden_sizes=()), "`hidden_sizes` must have at least one layer"),
        (lambda: DCA(3, hidden_sizes=(2.5,)), "`hidden_sizes` must be whole numbers"),
        (lambda: DCA(3, likelihood="normal"), "`likelihood` must be one of nb, poisson, zinb"),
        (lambda: DCA(3, dispersion="cell"), "`dispersion` must be 'gene-cell' or 'gene'"),
        (lambda: SCVI(3, dispersion="cell"), "`dispersion` must be one of gene, gene-batch, gene-cell"),
        (lambda: SCVI(3).encode_library(COUNTS[:, :3]), "`latent_library` must be True"),
    ],
)
def test_what_cannot_be_is_refused(build, said):
    with pytest.raises(ValueError, match=said):
        build()
