"""Facts about Boltzmann machines and deep belief networks: the worked example, and the table of Bengio et al."""

import numpy as np
import torch

from strata.data.sources import ArraySource, Batch
from strata.nn import RBM, annealed_log_partition, log_partition
from strata.rules import ContrastiveDivergence
from strata.verify._bengio2007 import PUBLISHED, mean_test_error
from strata.verify._registry import Between, Section

__all__: list[str] = []

claim = Section("boltzmann")

_W = np.array([[0.5, -0.3], [0.2, 0.8], [-0.6, 0.1]])
_B, _C = np.array([0.1, -0.2, 0.05]), np.array([-0.1, 0.3])
_DATA = np.array([[1.0, 0, 1], [1, 1, 0], [1, 0, 0]])
_STATES = torch.tensor([[i >> 2 & 1, i >> 1 & 1, i & 1] for i in range(8)]).double()


def _machine(visible: str = "binary") -> RBM:
    return RBM.from_arrays(_W, _B, _C, visible=visible)


@claim("log Z of the 3 x 2 machine", "B 1", 3.8296440458)
def _log_z() -> float:
    return log_partition(_machine())


@claim(
    "free energies of all states of the 3 x 2 machine",
    "B 1",
    [
        *(-1.4987519045, -1.3662013013, -1.9317319852, -1.7873594515),
        *(-1.7061624330, -1.4925355295, -2.1085886164, -1.8843010553),
    ],
)
def _free_energies() -> torch.Tensor:
    return _machine().free_energy(_STATES)


@claim("probabilities of all states of the 3 x 2 machine sum to one", "B 1", 1.0, tolerance=1e-12)
def _sum() -> float:
    rbm = _machine()
    return float((-rbm.free_energy(_STATES) - log_partition(rbm)).exp().sum())


@claim("p(h | v = 110) and p(v | h = 10)", "B 1", [[0.6456563062, 0.6899744811], [0.6456563062, 0.5, 0.3658644090]])
def _conditionals() -> list[list[float]]:
    rbm = _machine()
    up, down = torch.tensor([1.0, 1, 0]).double(), torch.tensor([1.0, 0]).double()
    return [rbm.hidden_probs(up).tolist(), rbm.visible_mean(down).tolist()]


@claim(
    "gradient of the mean log-likelihood of 101, 110, 100 by the weights",
    "B 1",
    [[0.2627736437, 0.2360849821], [-0.0994071843, -0.2072032411], [-0.0421327882, -0.1280205192]],
)
def _gradient() -> torch.Tensor:
    rbm, data = _machine(), torch.from_numpy(_DATA)
    p = (-rbm.free_energy(_STATES)).softmax(0)
    model = (_STATES * p[:, None]).T @ rbm.hidden_probs(_STATES)
    return data.T @ rbm.hidden_probs(data) / 3 - model


@claim(
    "the change of the weights by CD-1 with means everywhere",
    "B 1",
    [[0.2845308329, 0.2084472535], [-0.0848206103, -0.1588222587], [-0.0743056827, -0.1157768138]],
)
def _mean_field() -> torch.Tensor:
    rbm = _machine()
    ContrastiveDivergence(rbm, learning_rate=1.0, sampling="none").step(Batch(torch.from_numpy(_DATA)))
    return rbm.weight - torch.from_numpy(_W)


@claim(
    "the mean change of the weights over a million draws of CD-1",
    "B 1",
    [[0.2546909167, 0.2291753331], [-0.0944132075, -0.1970464902], [-0.0379391883, -0.1192738379]],
    tolerance=0.002,
)
def _contrastive() -> torch.Tensor:
    rbm, rate, n = _machine(), 1e-9, 300
    rule = ContrastiveDivergence(rbm, learning_rate=rate, random_state=0)
    batches = ArraySource(np.tile(_DATA, (1000, 1)), batch_size=3000, shuffle=False).epoch(0)
    for _ in range(n):
        rule.run(batches, 0, 1)
    return (rbm.weight - torch.from_numpy(_W)) / (rate * n)


@claim(
    "F, log Z, log p and E[v | h = 11] of the Gaussian machine at (.5, -1.2, .3)",
    "B 1",
    [-0.3333262013, 4.5056990484, -4.1723728470, [0.3, 0.8, -0.45]],
)
def _gaussian() -> list[object]:
    rbm, v = _machine("gaussian"), torch.tensor([0.5, -1.2, 0.3], dtype=torch.float64)
    energy, log_z = float(rbm.free_energy(v)), log_partition(rbm)
    return [energy, log_z, -energy - log_z, rbm.visible_mean(torch.ones(2).double()).tolist()]


@claim("annealed importance sampling of log Z beside the exact value, 20 x 10 units", "B 1", Between(-0.1, 0.1))
def _annealed() -> float:
    rbm = RBM(20, 10, init_sigma=0.5, dtype=torch.float64, random_state=0)
    found = annealed_log_partition(rbm, betas=500, generator=torch.Generator().manual_seed(0))
    return found.log_z - log_partition(rbm)


table = Section("bengio2007")

for _row, (_words, _error) in PUBLISHED.items():

    def _test_error(row: str = _row) -> float:
        return mean_test_error(row)

    table(
        f"MNIST test error of the {_words}, in % (mean of 3 seeds)",
        "S4, B 2",
        Between(-float("inf"), _error),
        slow=True,
    )(_test_error)
