"""The fast log-likelihood of counts gives what torch gives, and so do its derivatives."""

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from strata.models._counts import CountParameters, count_log_likelihood
from strata.rules.fast import counts_kernels
from strata.rules.fast.counts import fast_log_likelihood

N, G = 7, 300  # more than one chunk, no whole number of vectors


def drawn(counts, *, by_gene=False, inflated=True, spread=1.5, dtype=torch.float32):
    generator = torch.Generator().manual_seed(0)
    log_mean = spread * torch.randn(counts.shape, generator=generator)
    theta = (spread * torch.randn(counts.shape, generator=generator)).exp()
    logits = spread * torch.randn(counts.shape, generator=generator)
    parts = [log_mean, theta[0] if by_gene else theta, *([logits] if inflated else [])]
    return counts.to(dtype), [part.to(dtype).requires_grad_() for part in parts]


def counted(highest):
    random = np.random.RandomState(0)
    return torch.from_numpy(random.randint(0, highest + 1, (N, G)) * (random.rand(N, G) < 0.5)).float()


def both(counts, **options):
    """Return value and gradients of the fast form, and those of torch in double precision."""
    upstream = torch.linspace(-1, 2, N)
    x, parts = drawn(counts, **options)
    fast = fast_log_likelihood(x, CountParameters(*parts))
    fast.backward(upstream)
    y, exact = drawn(counts, dtype=torch.float64, **options)
    for mine, theirs in zip(parts, exact, strict=True):
        theirs.data.copy_(mine.data)
    slow = count_log_likelihood(y, CountParameters(*exact))
    slow.backward(upstream.double())
    return [fast.detach(), *(p.grad for p in parts)], [slow.detach(), *(p.grad for p in exact)]


@pytest.mark.parametrize("by_gene", [False, True])
@pytest.mark.parametrize("inflated", [False, True])
@pytest.mark.parametrize("highest", [0, 1, 16, 17, 3000])
def test_it_is_torchs(by_gene, inflated, highest):
    ours, wanted = both(counted(highest), by_gene=by_gene, inflated=inflated)
    for mine, theirs in zip(ours, wanted, strict=True):
        scale = float(theirs.abs().max())
        assert_close(mine.double(), theirs, rtol=3e-5, atol=2e-6 * scale)


@pytest.mark.parametrize("inflated", [False, True])
def test_at_the_ends_of_its_range(inflated):
    counts = counted(5)
    for log_mean in (-25.0, -10.0, 14.0):
        for theta in (1e-4, 1e4):
            parts = [torch.full((N, G), log_mean), torch.full((N, G), theta)]
            parts += [torch.full((N, G), -20.0)] if inflated else []
            exact = count_log_likelihood(counts.double(), CountParameters(*(part.double() for part in parts)))
            assert_close(fast_log_likelihood(counts, CountParameters(*parts)).double(), exact, rtol=1e-5, atol=1e-5)


def test_small_means_keep_their_digits():
    """A mean of 1e-6 beside a dispersion of 1 would be lost in 1 + 1e-6."""
    parts = CountParameters(torch.full((1, 256), np.log(1e-6)), torch.ones(256))
    assert_close(fast_log_likelihood(torch.zeros(1, 256), parts), torch.tensor([-256e-6]), rtol=1e-5, atol=0)


def test_what_is_not_finite_is_seen():
    for bad in (float("nan"), float("inf")):
        log_mean = torch.zeros(2, 5)
        log_mean[1, 2] = bad
        rows = fast_log_likelihood(torch.zeros(2, 5), CountParameters(log_mean, torch.ones(5)))
        assert torch.isfinite(rows[0])
        assert not torch.isfinite(rows[1])


def test_other_types_and_poisson_go_torchs_way():
    counts = counted(5)
    x, parts = drawn(counts, dtype=torch.float64)
    assert torch.equal(
        fast_log_likelihood(x, CountParameters(*parts)), count_log_likelihood(x, CountParameters(*parts))
    )
    log_mean = torch.zeros(N, G)
    assert torch.equal(
        fast_log_likelihood(counts, CountParameters(log_mean)), count_log_likelihood(counts, CountParameters(log_mean))
    )


def test_threads_change_no_bit():
    x, parts = drawn(counted(30))
    results = []
    for n_threads in (1, 3):
        before = torch.get_num_threads()
        torch.set_num_threads(n_threads)
        try:
            rows = fast_log_likelihood(x, CountParameters(*parts))
            results.append([rows, *torch.autograd.grad(rows.sum(), parts)])
        finally:
            torch.set_num_threads(before)
    assert all(torch.equal(a, b) for a, b in zip(*results, strict=True))


def test_the_short_way_and_the_long_way_meet():
    short, long = counts_kernels.SHORT, counts_kernels.SHORT + 1
    theta = torch.tensor([0.01, 0.7, 3.0, 200.0])
    steps = []
    for count in (short, long):
        parts = CountParameters(torch.zeros(1, 4), theta)
        steps.append(fast_log_likelihood(torch.full((1, 4), float(count)), parts))
    wanted = ((theta.double() + short) / (short + 1) / (1 + theta.double())).log().sum()
    assert_close((steps[1] - steps[0]).double()[0], wanted, rtol=1e-5, atol=1e-4)
