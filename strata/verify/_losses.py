"""Facts about losses: worked values, gradients and relations."""

import math

import torch
from torch import Tensor

from strata.functional import (
    binary_cross_entropy,
    cross_entropy,
    half_squared,
    image_restoration,
    kl_divergence,
    l1_penalty,
    l2_penalty,
    mean_absolute_01,
    mse,
    nll,
    rss,
    squared_error,
)
from strata.verify._registry import Section

__all__: list[str] = []

claim = Section("losses")

LOGITS = (1.0, 2.0, 3.0)
P, Q = (0.7, 0.2, 0.1), (0.5, 0.3, 0.2)


def _tensor(*values: object) -> Tensor:
    return torch.tensor(values, dtype=torch.float64)


def _gradient(loss: Tensor, at: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad(loss, at)
    return gradient


@claim(
    "squared losses of f = (1.5, .5, 1) for y = (1, 0, 2)",
    "S0 S2 S3 S4, A 5",
    {"RSS": 1.5, "MSE": 0.5, "half sum": 0.75, "half mean": 0.25},
)
def _squared() -> dict[str, Tensor]:
    y, f = _tensor(1, 0, 2), _tensor(1.5, 0.5, 1)
    return {
        "RSS": rss(f, y),
        "MSE": mse(f, y),
        "half sum": half_squared(f, y),
        "half mean": squared_error(f[:, None], y[:, None]),
    }


@claim(
    "gradients of the squared losses: 2(f - y), 2(f - y)/n, f - y",
    "S0 S3 S4, A 5",
    [[1.0, 1.0, -2.0], [1 / 3, 1 / 3, -2 / 3], [0.5, 0.5, -1.0]],
)
def _squared_gradients() -> list[Tensor]:
    y, f = _tensor(1, 0, 2), _tensor(1.5, 0.5, 1).requires_grad_()
    return [_gradient(loss(f, y), f) for loss in (rss, mse, half_squared)]


@claim("cross-entropy of logits (1, 2, 3) for class 2, and for class 3", "S3 S4, A 5", [1.4076059644, 0.4076059644])
def _cross_entropy() -> list[Tensor]:
    return [cross_entropy(_tensor(LOGITS), torch.tensor([target])) for target in (1, 2)]


@claim(
    "gradient of that cross-entropy is p - y",
    "S3, A 5",
    [0.0900305732, -0.7552715289, 0.6652409558],
)
def _cross_entropy_gradient() -> Tensor:
    z = _tensor(LOGITS).requires_grad_()
    return _gradient(cross_entropy(z, torch.tensor([1])), z)[0]


@claim("NLL of log-probabilities is the cross-entropy of logits", "S3 S4, A 5", 1.4076059644)
def _nll() -> Tensor:
    return nll(torch.log_softmax(_tensor(LOGITS), dim=1), torch.tensor([1]))


@claim(
    "binary cross-entropy of logits (2,1), (2,0), (-3,1), (100,0)",
    "S1 S2 S3 S4, A 5",
    [0.1269280110, 2.1269280110, 3.0485873516, 100.0],
)
def _binary() -> Tensor:
    z, y = _tensor(2, 2, -3, 100)[:, None], _tensor(1, 0, 1, 0)[:, None]
    return binary_cross_entropy(z, y, reduction="none")


@claim("gradient of the binary cross-entropy at (2, 1) is sigmoid(z) - y", "S3, A 5", -0.1192029220)
def _binary_gradient() -> Tensor:
    z = _tensor(2)[:, None].requires_grad_()
    return _gradient(binary_cross_entropy(z, _tensor(1)[:, None]), z)[0, 0]


@claim(
    "entropy, cross-entropy and both divergences of p = (.7, .2, .1), q = (.5, .3, .2)",
    "S3, A 5",
    {"H(p)": 0.8018185525, "H(p,q)": 0.8869413785, "KL(p|q)": 0.0851228260, "KL(q|p)": 0.0920328502},
)
def _divergences() -> dict[str, Tensor]:
    p, q = _tensor(P), _tensor(Q)
    return {
        "H(p)": cross_entropy(p.log(), p),
        "H(p,q)": cross_entropy(q.log(), p),
        "KL(p|q)": kl_divergence(q.log(), p),
        "KL(q|p)": kl_divergence(p.log(), q),
    }


@claim("KL and cross-entropy have the same gradient", "S3, A 5", 0.0, tolerance=1e-15)
def _same_gradient() -> Tensor:
    z = _tensor(LOGITS).requires_grad_()
    p = _tensor(P)
    return (_gradient(kl_divergence(z, p), z) - _gradient(cross_entropy(z, p), z)).abs().max()


@claim("KL of a one-hot p is the cross-entropy", "S3, A 5", 1.4076059644)
def _one_hot() -> Tensor:
    return kl_divergence(_tensor(LOGITS), _tensor((0.0, 1.0, 0.0)))


@claim("cross-entropy of ten uniform classes is ln 10", "S3, A 5", 2.3025850930)
def _uniform() -> Tensor:
    return cross_entropy(_tensor([0.0] * 10), torch.tensor([4]))


@claim("NLL at p = 1/2 is no bound of the 0-1 error in nats, and is one in bits", "S1, A 1 row 25", [0.6931471806, 1.0])
def _half() -> list[Tensor]:
    loss = binary_cross_entropy(_tensor(0)[:, None], _tensor(1)[:, None])
    return [loss, loss / math.log(2)]


@claim("0-1 mean absolute error of d = (0,1,1,0), y = (0,1,0,1)", "S0, A 5", 0.5)
def _zero_one() -> Tensor:
    return mean_absolute_01(_tensor(0, 1, 0, 1), _tensor(0, 1, 1, 0))


@claim("penalties of W = (1, -2; 0, 3): sum of |W|, half the sum of squares", "S1 S3, A 1 row 6", [6.0, 7.0])
def _penalties() -> list[Tensor]:
    w = _tensor((1.0, -2.0), (0.0, 3.0))
    return [l1_penalty([w]), l2_penalty([w])]


def _images() -> tuple[Tensor, Tensor]:
    clean = torch.zeros(1, 1, 4, 4, dtype=torch.float64)
    clean[..., 1:3, 1:3] = 1
    rows = ((0.1, 0, 0, 0), (0, 0.8, 0.9, 0), (0, 1, 0.7, 0.1), (0, 0, 0.2, 0))
    return _tensor(*rows)[None, None], clean


@claim(
    "image restoration: MSE, edges by magnitude, edges by components, 0.8 MSE + 0.2 edges",
    "S0, A 5",
    {"MSE": 0.0125, "magnitude": 0.6027983611, "components": 0.32, "both": 0.1305596722},
)
def _restoration() -> dict[str, Tensor]:
    restored, clean = _images()
    return {
        "MSE": image_restoration(restored, clean, weights=(1.0, 0.0)),
        "magnitude": image_restoration(restored, clean, weights=(0.0, 1.0)),
        "components": image_restoration(restored, clean, weights=(0.0, 1.0), edges="components"),
        "both": image_restoration(restored, clean),
    }


@claim("image restoration has a finite gradient where the image is flat", "S0, A 5", True)
def _flat() -> bool:
    flat = torch.zeros(1, 1, 4, 4, dtype=torch.float64).requires_grad_()
    return bool(torch.isfinite(_gradient(image_restoration(flat, _images()[1]), flat)).all())
