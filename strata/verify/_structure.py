"""Facts about counts, batches, convolution and pooling."""

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from strata.data.sources import Batch
from strata.nn import INITIALIZERS, DenseNetwork, DenseSpec, Head, initialize
from strata.verify._examples import autograd
from strata.verify._registry import Section

__all__: list[str] = []

claim = Section("counts")


def _size(n_inputs: int, hidden: int, outputs: int) -> tuple[int, int]:
    """Return the number of parameters by specification and by counting them."""
    spec = DenseSpec(n_inputs, (hidden,), ("logistic",), (Head(outputs, "squared_error"),))
    return spec.n_parameters, sum(p.numel() for p in DenseNetwork(spec).parameters())


@claim("parameters of 3-3-1", "S4, A 4", [16, 16], tolerance=0)
def _small() -> tuple[int, int]:
    return _size(3, 3, 1)


@claim("parameters of the infert network 3-1-1", "S4, A 4", [6, 6], tolerance=0)
def _infert() -> tuple[int, int]:
    return _size(3, 1, 1)


@claim("parameters of 784-500-10", "S4, A 4", [397_510, 397_510], tolerance=0)
def _digits() -> tuple[int, int]:
    return _size(784, 500, 10)


@claim("parameters are M (P + 1) + K (M + 1) for P = 7, M = 5, K = 3", "S4, A 4", [58, 58], tolerance=0)
def _formula() -> tuple[int, int]:
    return _size(7, 5, 3)


start = Section("initialisation")


def _spread(scheme: str) -> float:
    weight = np.empty((300, 200))
    initialize([weight], [np.empty(200)], scheme, random_state=0)
    return float(weight.std())


@start("standard deviation of He's start, fan-in 300: sqrt(2/300)", "A 10", (2 / 300) ** 0.5, tolerance=5e-4)
def _he() -> float:
    return _spread("he_normal")


@start("standard deviation of Glorot's start, 300 to 200: sqrt(2/500)", "A 10", (2 / 500) ** 0.5, tolerance=5e-4)
def _glorot() -> float:
    return _spread("glorot_normal")


@start("biases start at zero with the normal scheme, weights with deviation sigma", "S2, A 10", [0.0, 0.05],
       tolerance=5e-4)  # fmt: skip
def _normal() -> list[float]:
    weight, bias = np.empty((300, 200)), np.ones(200)
    initialize([weight], [bias], "normal", random_state=0, sigma=0.05)
    return [float(np.abs(bias).max()), float(weight.std())]


@start("initializers by name", "A 10", True)
def _names() -> bool:
    return {"normal", "glorot_uniform", "glorot_normal", "he_normal", "he_uniform", "orthogonal", "zeros"} <= set(
        INITIALIZERS
    )


risk = Section("risk")


def _data(n: int = 60) -> tuple[DenseNetwork, Batch]:
    net = DenseNetwork(DenseSpec(4, (5,), ("tanh",), (Head(2, "squared_error"),)), dtype=torch.float64, seed=1)
    random = np.random.RandomState(0)
    return net, Batch(torch.from_numpy(random.normal(size=(n, 4))), torch.from_numpy(random.normal(size=(n, 2))))


@risk("mean gradient of disjoint batches is the full gradient", "S2 S3, A 7", 0.0, tolerance=1e-12)
def _unbiased() -> float:
    net, rows = _data()
    if rows.y is None:
        raise ValueError("no targets")
    full = autograd(net, rows)[1][0].clone()
    parts = []
    for start_row in range(0, 60, 12):
        part = slice(start_row, start_row + 12)
        parts.append(autograd(net, Batch(rows.x[part], rows.y[part]))[1][0].clone())
    return float((torch.stack(parts).mean(0) - full).abs().max())


@risk("100 times the samples give 10 times the accuracy of the gradient", "S3, A 7", 10.0, tolerance=1.5)
def _standard_error() -> float:
    net, rows = _data(20_000)
    if rows.y is None:
        raise ValueError("no targets")
    full = autograd(net, rows)[1][0].clone()
    random, errors = np.random.RandomState(1), []
    for size in (10, 1000):
        draws = []
        for _ in range(60):
            chosen = torch.from_numpy(random.randint(0, 20_000, size))
            draws.append(float((autograd(net, Batch(rows.x[chosen], rows.y[chosen]))[1][0] - full).square().sum()))
        errors.append(np.mean(draws) ** 0.5)
    return float(errors[0] / errors[1])


# -- convolution and pooling -------------------------------------------------------------------------

images = Section("images")

PICTURE = ((1.0, 3.0, 2.0, 1.0), (4.0, 2.0, 0.0, 5.0), (1.0, 1.0, 2.0, 2.0), (0.0, 7.0, 2.0, 1.0))


def _picture() -> Tensor:
    return torch.tensor(PICTURE, dtype=torch.float64)[None, None]


@images(
    "max-pooling 2x2: values, places and the way of the gradient",
    "S0 S4, A 12",
    {
        "values": [[4, 5], [7, 2]],
        "places": [[4, 7], [13, 10]],
        "gradient": [[0, 0, 0, 0], [1, 0, 0, 2], [0, 0, 4, 0], [0, 3, 0, 0]],
    },
    tolerance=0,
)
def _pool() -> dict[str, Tensor]:
    x = _picture().requires_grad_()
    values, places = nn.MaxPool2d(2, return_indices=True)(x)
    (gradient,) = torch.autograd.grad(values, x, torch.tensor([[[[1.0, 2.0], [3.0, 4.0]]]], dtype=torch.float64))
    return {"values": values[0, 0], "places": places[0, 0], "gradient": gradient[0, 0]}


@images("max-pooling 2x2 keeps a quarter of the values", "S4, A 12", 0.25)
def _quarter() -> float:
    return F.max_pool2d(_picture(), 2).numel() / 16


@images("output size floor((n + 2p - k)/s) + 1 and (n - 1)s - 2p + k + o", "A 12", {"conv": 14, "transposed": 28},
        tolerance=0)  # fmt: skip
def _sizes() -> dict[str, int]:
    x = torch.zeros(1, 1, 28, 28)
    down = nn.Conv2d(1, 1, 5, stride=2, padding=2)(x)
    up = nn.ConvTranspose2d(1, 1, 5, stride=2, padding=2, output_padding=1)(down)
    return {"conv": down.shape[-1], "transposed": up.shape[-1]}


@images("gradient of a shared kernel is the sum over positions", "S0, A 12", 0.0, tolerance=1e-12)
def _shared() -> Tensor:
    kernel = torch.tensor([[[[1.0, -1.0], [0.5, 2.0]]]], dtype=torch.float64, requires_grad=True)
    out = F.conv2d(_picture(), kernel)
    upstream = torch.arange(9.0, dtype=torch.float64).reshape(1, 1, 3, 3)
    (gradient,) = torch.autograd.grad(out, kernel, upstream)
    patches = F.unfold(_picture(), 2)[0]  # (4 kernel entries, 9 positions)
    return (gradient.ravel() - patches @ upstream.ravel()).abs().max()
