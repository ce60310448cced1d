"""The masks of dropout: the bits against splitmix64 on Python integers, and their statistics."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from strata.functional import drop_threshold, keep_mask, mask_key

BITS = (1 << 64) - 1


class SplitMix64:
    """The generator as its paper writes it, with a state that is advanced."""

    def __init__(self, state: int) -> None:
        self.state = state & BITS

    def next(self) -> int:
        self.state = (self.state + 0x9E3779B97F4A7C15) & BITS
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & BITS
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & BITS
        return z ^ (z >> 31)


def _reference(seed: int, step: int, layer: int, n: int, p: float) -> list[bool]:
    key = 0
    for counter in (seed, step, layer):
        key = SplitMix64(key + counter).next()
    source = SplitMix64(key)
    return [(source.next() >> 11) * 2.0**-53 >= p for _ in range(n)]


def test_reference_gives_the_published_stream() -> None:
    source = SplitMix64(1234567)
    assert [source.next() for _ in range(3)] == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@pytest.mark.parametrize("p", [0.0, 0.1, 0.5, 1 / 3, 0.9, 0.999])
@pytest.mark.parametrize("counters", [(0, 0, 0), (1, 2, 3), (123456789, 10**6, 7), (2**63 - 1, 2**40, 1), (-5, 3, 2)])
def test_bits_equal_the_reference(counters: tuple[int, int, int], p: float) -> None:
    mask = keep_mask(*counters, (7, 11), p)
    assert mask.dtype == torch.bool
    assert mask.flatten().tolist() == _reference(*counters, 77, p)


def test_the_first_bits_never_change() -> None:
    """Checkpoints rely on it: a mask belongs to its counters for good."""
    assert mask_key(1, 2, 3) == 7702586659592502839
    assert keep_mask(1, 2, 3, (16,), 0.5).int().tolist() == [0, 0, 1, 0, 1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0]


def test_threshold_is_exact() -> None:
    for p in (0.1, 1 / 3, 0.5, 0.7):
        smallest = drop_threshold(p)
        assert smallest * 2.0**-53 >= p > (smallest - 1) * 2.0**-53
    assert drop_threshold(0.0) == 0


def test_equality_is_kept() -> None:
    """Keep iff the uniform number is at least p, exactly."""
    source = SplitMix64(mask_key(4, 0, 0))
    for element in range(20):
        uniform = (source.next() >> 11) * 2.0**-53
        assert keep_mask(4, 0, 0, (element + 1,), uniform)[element]
        assert not keep_mask(4, 0, 0, (element + 1,), uniform + 2.0**-53)[element]


def test_deterministic_and_blind_to_the_generators() -> None:
    first = keep_mask(3, 1, 0, (50, 20), 0.4)
    torch.rand(5)
    torch.manual_seed(99)
    assert torch.equal(first, keep_mask(3, 1, 0, (50, 20), 0.4))


def test_a_shorter_batch_is_a_prefix() -> None:
    assert torch.equal(keep_mask(3, 1, 0, (50, 20), 0.4)[:13], keep_mask(3, 1, 0, (13, 20), 0.4))
    assert torch.equal(keep_mask(3, 1, 0, (6, 5, 4), 0.4).flatten(), keep_mask(3, 1, 0, (120,), 0.4))
    assert keep_mask(3, 1, 0, (0, 4), 0.4).shape == (0, 4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a second device")
def test_the_device_does_not_matter() -> None:
    assert torch.equal(keep_mask(3, 1, 0, (500, 20), 0.4), keep_mask(3, 1, 0, (500, 20), 0.4, "cuda").cpu())


@pytest.mark.parametrize("p", [0.05, 0.2, 0.5, 0.8])
def test_rate(p: float) -> None:
    n = 200_000
    kept = keep_mask(11, 0, 0, (n,), p).sum().item()
    assert abs(kept - n * (1 - p)) < 4 * math.sqrt(n * p * (1 - p))


def test_uniform_over_the_interval() -> None:
    """The share that is kept at p is 1 - p for every p at once: a Kolmogorov-Smirnov test of the hidden numbers."""
    n = 4000
    levels = np.linspace(0.01, 0.99, 99)
    kept = np.array([keep_mask(5, 1, 2, (n,), p).double().mean().item() for p in levels])
    assert np.abs(kept - (1 - levels)).max() < stats.kstwo.ppf(0.999, n)
    assert (np.diff(kept) <= 0).all()  # a unit kept at p is kept at any smaller p


@pytest.mark.parametrize("other", [(8, 1, 2), (7, 2, 2), (7, 1, 3), (7, 0, 3)])
def test_masks_of_neighbouring_counters_are_independent(other: tuple[int, int, int]) -> None:
    n = 100_000
    a, b = keep_mask(7, 1, 2, (n,), 0.5).double(), keep_mask(*other, (n,), 0.5).double()
    correlation = np.corrcoef(a.numpy(), b.numpy())[0, 1]
    assert abs(correlation) < 4 / math.sqrt(n)


def test_neighbouring_elements_are_independent() -> None:
    mask = keep_mask(7, 1, 2, (100_000,), 0.5).numpy().astype(float)
    for lag in (1, 2, 10, 64, 1000):
        assert abs(np.corrcoef(mask[lag:], mask[:-lag])[0, 1]) < 4 / math.sqrt(len(mask))


@pytest.mark.parametrize("p", [-0.1, 1.0, 1.5, float("nan")])
def test_refusal(p: float) -> None:
    with pytest.raises(ValueError, match=r"`drop_probability` must be in \[0, 1\)\. Received: drop_probability="):
        keep_mask(0, 0, 0, (3,), p)
