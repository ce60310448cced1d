"""Facts about autoencoders and their codes."""

from functools import cache
from typing import Any

import numpy as np
import torch
from scipy.linalg import subspace_angles
from sklearn.datasets import load_digits
from sklearn.decomposition import PCA

from strata.data import HammingIndex
from strata.data.hamming import _ball
from strata.estimators import Autoencoder
from strata.functional import gaussian_kl, kl_sparsity
from strata.models import DenseAutoencoder
from strata.nn import DenseSpec, Head
from strata.rules.optimizers import LBFGS
from strata.verify._registry import Between, Section

__all__: list[str] = []

claim = Section("autoencoders")

#: Components: the fifth and sixth variances of the digits are well apart.
_SIZE = 5


@cache
def _digits() -> np.ndarray:
    return np.asarray(load_digits().data) / 16.0


@cache
def _linear(tied: bool) -> Autoencoder:
    solver = LBFGS(tol=1e-9)
    linear = Autoencoder(
        _SIZE, (), tied=tied, init="orthogonal", solver=solver, max_iter=250 if tied else 600, random_state=0
    )
    return linear.fit(_digits())


def _angle(tied: bool) -> float:
    network: Any = _linear(tied).network_
    decoder = network.matrices()[1].detach().numpy()
    components = PCA(_SIZE).fit(_digits()).components_
    return float(subspace_angles(decoder.T, components.T).max())


@claim(
    "largest principal angle between a linear autoencoder's code of 5 and the principal components, digits (rad)",
    "S4, B 3",
    Between(0.0, 1e-3),
)
def _angle_free() -> float:
    return _angle(tied=False)


@claim(
    "the same with tied weights: largest principal angle (rad)",
    "S4, B 3",
    Between(0.0, 1e-3),
)
def _angle_tied() -> float:
    return _angle(tied=True)


@claim("the tied linear autoencoder's error over that of the components, minus 1", "S4, B 3", 0.0, tolerance=1e-6)
def _excess() -> float:
    pca = PCA(_SIZE).fit(_digits())
    best = np.mean((_digits() - pca.inverse_transform(pca.transform(_digits()))) ** 2)
    return -_linear(True).score(_digits()) / float(best) - 1.0


@claim(
    "least mean squared error with 8 and 10 numbers, digits over 16",
    "B 3",
    [0.0239132529, 0.0191964704],
    tolerance=1e-9,
)
def _optimum() -> list[float]:
    X = _digits()
    return [
        float(np.mean((X - pca.inverse_transform(pca.transform(X))) ** 2)) for pca in (PCA(8).fit(X), PCA(10).fit(X))
    ]


@claim("principal angles of span(e1, e2) and span(e1, cos 0.3 e2 + sin 0.3 e3)", "B 3", [0.0, 0.3], tolerance=1e-7)
def _example() -> list[float]:
    one = np.eye(3)[:, :2]
    other = np.array([[1.0, 0.0], [0.0, np.cos(0.3)], [0.0, np.sin(0.3)]])
    return sorted(subspace_angles(one, other).tolist())


@claim("contractive penalty of a deep encoder against autograd's Jacobian", "B 3", 0.0, tolerance=1e-12)
def _contractive() -> float:
    spec = DenseSpec(6, (5, 3, 5), ("tanh", "logistic", "tanh"), (Head(6, "mse"),))
    network = DenseAutoencoder(spec, dtype=torch.float64, seed=0)
    x = torch.randn(4, 6, dtype=torch.float64)
    jacobian: Any = torch.autograd.functional.jacobian
    known = [jacobian(lambda r: network.encode(r[None])[0], row).square().sum() for row in x]
    return float((network.squared_jacobian(x) - torch.stack(known)).abs().max())


@claim("divergence of N(1, 1) and of N(0, e) from N(0, 1), nats", "B 3", [0.5, (np.e - 2) / 2], tolerance=1e-12)
def _divergence() -> torch.Tensor:
    mean, log_variance = torch.tensor([[1.0], [0.0]]).double(), torch.tensor([[0.0], [1.0]]).double()
    return gaussian_kl(mean, log_variance)


@claim("sparsity penalty of a unit with mean activity 0.2 and target 0.05, nats", "B 3", 0.0939430, tolerance=1e-6)
def _sparsity() -> torch.Tensor:
    return kl_sparsity(torch.tensor([0.2]).double(), 0.05)


@claim("Hamming distance of 1011 and 0010", "S4, B 4", [2], tolerance=0)
def _distance() -> np.ndarray:
    return HammingIndex([[1, 0, 1, 1]]).distances([0, 0, 1, 0])


@claim("addresses within 4 flips of a code of 20 bits", "S4, B 4", 6196, tolerance=0)
def _addresses() -> int:
    return len(_ball(20, 4, "uint32")[0])
