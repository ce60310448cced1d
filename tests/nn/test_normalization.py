"""Local response normalisation in both forms."""

import numpy as np
import pytest
import torch

from strata.nn import LocalResponseNorm


def by_loops(x, size, alpha, beta, k, per_window):
    n, channels, height, width = x.shape
    out = np.empty_like(x)
    for b, i, r, c in np.ndindex(n, channels, height, width):
        window = x[b, max(0, i - size // 2) : min(channels - 1, i + size // 2) + 1, r, c]
        weight = alpha / size if per_window else alpha
        out[b, i, r, c] = x[b, i, r, c] / (k + weight * (window**2).sum()) ** beta
    return out


@pytest.mark.parametrize("per_window", [False, True])
@pytest.mark.parametrize("size", [1, 3, 5])
def test_against_the_written_formula(size, per_window):
    x = np.random.default_rng(0).normal(0, 2, (2, 7, 3, 4))
    layer = LocalResponseNorm(size, alpha=0.3, beta=0.6, k=1.7, alpha_is_per_window=per_window)
    np.testing.assert_allclose(layer(torch.from_numpy(x)), by_loops(x, size, 0.3, 0.6, 1.7, per_window), rtol=1e-12)


def test_goldens_of_the_paper():
    out = LocalResponseNorm(5)(torch.ones(1, 5, 1, 1, dtype=torch.float64)).flatten()
    np.testing.assert_allclose(out, [0.5945367, 0.5945144, 0.5944921, 0.5945144, 0.5945367], atol=5e-8)


def test_caffe_is_pytorchs():
    x = torch.randn(2, 8, 5, 5)
    ours = LocalResponseNorm(5, alpha=1e-2, k=1.0, alpha_is_per_window=True)
    assert torch.equal(ours(x), torch.nn.LocalResponseNorm(5, alpha=1e-2, k=1.0)(x))
    paper = LocalResponseNorm(5, alpha=1e-2, k=1.0)
    assert not torch.allclose(ours(x), paper(x))
    assert torch.equal(paper(x), torch.nn.LocalResponseNorm(5, alpha=5e-2, k=1.0)(x))


def test_gradient():
    x = torch.randn(2, 6, 2, 3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(LocalResponseNorm(3, alpha=0.5, k=1.0), x)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"size": 4}, "`size` must be an odd integer of at least 1. Received: size=4."),
        ({"size": 0}, "`size` must be an odd integer of at least 1. Received: size=0."),
        ({"size": True}, "`size` must be an odd integer of at least 1. Received: size=True."),
        ({"size": 5, "alpha": -1.0}, "`alpha` must be at least 0. Received: alpha=-1.0."),
        ({"size": 5, "k": 0.0}, "`k` must be above 0. Received: k=0.0."),
    ],
)
def test_wrong_numbers_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        LocalResponseNorm(**arguments)


def test_it_says_its_form():
    assert repr(LocalResponseNorm(5)) == "LocalResponseNorm(5, alpha=0.0001, beta=0.75, k=2.0)"
    assert "alpha_is_per_window=True" in repr(LocalResponseNorm(5, alpha_is_per_window=True))
