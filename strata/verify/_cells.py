"""Facts about counts of genes in cells: their likelihoods, the count autoencoder, and variational inference."""

from functools import cache
from typing import NamedTuple

import numpy as np
import torch
from sklearn.decomposition import PCA
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors
from torch import Tensor

from strata.data import thin_counts, total_counts
from strata.estimators import SCVI, CountAutoencoder
from strata.functional import negative_binomial_log_likelihood, normal_kl, zero_inflated_log_likelihood
from strata.models import library_prior
from strata.models._counts import CountParameters, count_log_likelihood
from strata.rules.fast.counts import fast_log_likelihood
from strata.verify._registry import Between, Section

__all__: list[str] = []

claim = Section("cells")

MEAN, THETA, PI = 2.5, 1.5, 0.2
PAPER_DCA = "Eraslan et al. 2019, B 16.2"
PAPER_SCVI = "Lopez et al. 2018, B 16.3"


def _of(*values: float) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


@claim(
    "log NB of 0, 1, 5 for mean 2.5, inverse dispersion 1.5", "B 16.1", [-1.4712438795, -1.5357824007, -2.8254094710]
)
def _nb() -> Tensor:
    return negative_binomial_log_likelihood(_of(0, 1, 5), _of(MEAN), _of(THETA))


@claim("ZINB loss of 0, 1, 5 with 20 % extra zeros", "B 16.1", [0.9578637096, 1.7589259520, 3.0485530224])
def _zinb() -> Tensor:
    return -zero_inflated_log_likelihood(_of(0, 1, 5), _of(MEAN), _of(THETA), _of(PI).logit())


@claim(
    "the same by the compiled pass, in single precision", "B 16.1", [0.9578637, 1.7589260, 3.0485530], tolerance=1e-6
)
def _zinb_fast() -> list[float]:
    one = torch.ones(1, 1)
    parts = CountParameters(MEAN * 0 * one + np.log(MEAN), THETA * one, _of(PI).logit().float() * one)
    return [-float(fast_log_likelihood(count * one, parts)) for count in (0.0, 1.0, 5.0)]


@claim("mean and variance of that ZINB, over its probabilities", "B 16.1", [2.0, 6.3333333333], tolerance=1e-8)
def _zinb_moments() -> list[float]:
    x = torch.arange(3000, dtype=torch.float64)
    p = zero_inflated_log_likelihood(x, _of(MEAN), _of(THETA), _of(PI).logit()).exp()
    first = float((p * x).sum())
    return [first, float((p * x.square()).sum()) - first**2]


@claim("variance of NB is mean + mean squared / inverse dispersion", "B 16.1", MEAN + MEAN**2 / THETA, tolerance=1e-8)
def _nb_variance() -> float:
    x = torch.arange(3000, dtype=torch.float64)
    p = negative_binomial_log_likelihood(x, _of(MEAN), _of(THETA)).exp()
    return float((p * x.square()).sum() - (p * x).sum().square())


@claim("log-odds of 20 % extra zeros; loss of a 0 by them", "scVI's logit form, B 16.1", [-1.3862943611, 0.9578637096])
def _logits() -> list[float]:
    logit = _of(PI).logit()
    row = CountParameters(_of(MEAN).log()[None], _of(THETA)[None], logit[None])
    return [float(logit), -float(count_log_likelihood(_of(0)[None], row))]


@claim("divergence of N((.5, -.3), (.4, 1.2)) from N(0, I)", PAPER_SCVI, 0.3369845875)
def _kl_latent() -> Tensor:
    return normal_kl(_of(0.5, -0.3), _of(0.4, 1.2))


@claim("divergence of the library's N(8.1, .05) from its prior N(8, .2)", PAPER_SCVI, 0.3431471806)
def _kl_library() -> Tensor:
    return normal_kl(_of(8.1), _of(0.05), 8.0, 0.2)


@claim("library prior of totals 1000, 2000, 4000: mean, variance", PAPER_SCVI, [7.6009024595, 0.3203020093])
def _library() -> list[float]:
    mean, variance = library_prior(_of(1000, 2000, 4000), torch.zeros(3, dtype=torch.long), n_batches=1)
    return [float(mean), float(variance)]


@claim("defaults of DCA: layers, distribution, batch, epochs, patience, rate, bound", PAPER_DCA,
       [[64, 32, 64], "nb", "gene-cell", 32, 300, 15, 0.001, 5.0], tolerance=0)  # fmt: skip
def _defaults() -> list[object]:
    names = (
        "hidden_layer_sizes likelihood dispersion batch_size max_iter n_iter_no_change learning_rate_init clip_value"
    )
    return [getattr(CountAutoencoder(), name) for name in names.split()]


@claim("defaults of scVI: axes, layers, distribution, dispersion, batch, constant of Adam", PAPER_SCVI,
       [10, [128], "zinb", "gene", 128, 0.01], tolerance=0)  # fmt: skip
def _defaults_scvi() -> list[object]:
    model = SCVI()
    sizes = [model.n_latent, model.hidden_layer_sizes, model.likelihood, model.dispersion, model.batch_size]
    return [*sizes, model._optimizer().eps]


# -- what they learn ---------------------------------------------------------------------------------


class _Simulated(NamedTuple):
    """Cells of three types in two batches, with what is true of them."""

    counts: np.ndarray
    means: np.ndarray
    types: np.ndarray
    batch: np.ndarray


@cache
def _simulated() -> _Simulated:
    """Draw 1,200 cells and 200 genes: NB of inverse dispersion 2, 30 % extra zeros, batches of other depth."""
    random = np.random.RandomState(0)
    types, batch = np.arange(1200) % 3, np.arange(1200) % 2
    base = random.gamma(0.8, 2.0, 200) + 0.05
    programs = base * np.exp(0.8 * random.normal(size=(3, 200)))
    shift = np.exp(0.3 * random.normal(size=(2, 200))) * np.array([[1.0], [2.0]])
    means = programs[types] * shift[batch] * random.lognormal(0.0, 0.3, (1200, 1))
    counts = random.negative_binomial(2.0, 2.0 / (2.0 + means)) * (random.rand(1200, 200) >= 0.3)
    return _Simulated(counts, means, types, batch)


def _mean_correlation(X: np.ndarray, means: np.ndarray) -> float:
    return float(np.mean([np.corrcoef(a, b)[0, 1] for a, b in zip(X, means, strict=True)]))


@cache
def _autoencoder() -> CountAutoencoder:
    return CountAutoencoder(likelihood="zinb", max_iter=60, random_state=0).fit(_simulated().counts[:1000])


@claim("DCA, simulated counts: denoised ones correlate with the true means at least .2 more than raw ones",
       f"{PAPER_DCA}, B 20", Between(0.2, 1.0), slow=True)  # fmt: skip
def _denoised() -> float:
    cells = _simulated()
    clean = _autoencoder().denoise(cells.counts)
    return _mean_correlation(clean, cells.means) - _mean_correlation(cells.counts, cells.means)


def _zinb_by_gene(train: np.ndarray, test: np.ndarray) -> float:
    """Return the held-out loss of one zero-inflated distribution for each gene, times the size factor of the cell."""
    sizes = [torch.from_numpy(total_counts(X) / np.median(total_counts(train))).log()[:, None] for X in (train, test)]
    x, y = (torch.from_numpy(X).double() for X in (train, test))
    free = torch.zeros(3, x.shape[1], dtype=torch.float64, requires_grad=True)
    fit = torch.optim.LBFGS([free], max_iter=200, line_search_fn="strong_wolfe")

    def loss(counts: Tensor, log_size: Tensor) -> Tensor:
        parts = CountParameters(free[0] + log_size, free[1].exp().expand_as(counts), free[2].expand_as(counts))
        return -count_log_likelihood(counts, parts).sum() / counts.numel()

    def closure() -> Tensor:
        fit.zero_grad()
        value = loss(x, sizes[0])
        value.backward()  # type: ignore[no-untyped-call]
        return value

    fit.step(closure)  # type: ignore[no-untyped-call]
    return float(loss(y, sizes[1]).detach())


@claim("DCA, simulated counts: held-out loss of an entry below that of one distribution for each gene",
       f"{PAPER_DCA}, B 20", Between(0.01, np.inf), slow=True)  # fmt: skip
def _held_out() -> float:
    counts = _simulated().counts
    return _zinb_by_gene(counts[:1000], counts[1000:]) + _autoencoder().score(counts[1000:])


@claim("DCA, simulated counts: loss of held-out thinned counts as a share of that of each gene's mean",
       f"{PAPER_DCA}, B 16.2", Between(0.0, 0.95), tolerance=0, slow=True)  # fmt: skip
def _imputed() -> float:
    cells = _simulated()
    kept, held_out = thin_counts(cells.counts, 0.9, random_state=0)
    model = CountAutoencoder(max_iter=60, random_state=0).fit(kept)
    by_mean = kept.mean(axis=0) * model.size_factors(kept)[:, None]
    errors = [np.mean((guess / 9 - held_out) ** 2) for guess in (model.denoise(kept), by_mean)]
    return float(errors[0] / errors[1])


@cache
def _variational() -> SCVI:
    cells = _simulated()
    model = SCVI(library="latent", max_iter=150, kl_warm_up=100, random_state=0)
    return model.fit(cells.counts, batch=cells.batch)


def _principal() -> np.ndarray:
    counts = _simulated().counts
    return np.asarray(PCA(10, random_state=0).fit_transform(np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))))


def _mixing(z: np.ndarray) -> float:
    """Return the share of other-batch cells among 15 neighbours, over what perfect mixing would give."""
    batch = _simulated().batch
    near = NearestNeighbors(n_neighbors=16).fit(z).kneighbors(return_distance=False)[:, :15]
    return float(np.mean(batch[near] != batch[:, None]) / 0.5)


@claim("scVI, simulated batches: silhouette of the types above that of PCA", f"{PAPER_SCVI}, B 20",
       Between(0.0, 2.0), slow=True)  # fmt: skip
def _types() -> float:
    cells = _simulated()
    inferred, principal = (
        silhouette_score(z, cells.types) for z in (_variational().transform(cells.counts), _principal())
    )
    return float(inferred - principal)


@claim("scVI, simulated batches: mixing of 15 neighbours, as a share of perfect, above that of PCA",
       f"{PAPER_SCVI}, B 20", Between(0.1, 1.0), slow=True)  # fmt: skip
def _batches() -> float:
    return _mixing(_variational().transform(_simulated().counts)) - _mixing(_principal())


@claim("scVI: correlation of the inferred library size with the log of the total", f"{PAPER_SCVI}, B 20",
       Between(0.85, 1.0), slow=True)  # fmt: skip
def _depth() -> float:
    counts = _simulated().counts
    return float(np.corrcoef(np.log(_variational().library_size(counts)), np.log(total_counts(counts)))[0, 1])
