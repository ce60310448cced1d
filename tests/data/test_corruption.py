"""Noise that is to be undone, and batches that are their own targets."""

import numpy as np
import pytest
from scipy import sparse

from strata.data import ArraySource, Corruption, ReconstructionSource, SparseSource

X = np.random.RandomState(0).uniform(0.1, 1.0, (500, 40))


def generator() -> np.random.Generator:
    return np.random.default_rng(0)


def test_masking_hits_the_share_that_is_asked_for_and_nothing_else_changes():
    spoilt = Corruption("masking", 0.3)(X, generator())
    hit = spoilt == 0
    assert hit.mean() == pytest.approx(0.3, abs=0.01) and np.array_equal(spoilt[~hit], X[~hit])


def test_gaussian_noise_has_its_deviation():
    error = Corruption("gaussian", 0.2)(X.astype(np.float32), generator()) - X.astype(np.float32)
    assert error.dtype == np.float32
    assert error.mean() == pytest.approx(0, abs=0.005) and error.std() == pytest.approx(0.2, rel=0.02)


def test_salt_and_pepper_are_half_each():
    spoilt = Corruption("salt_and_pepper", 0.4, -1.0, 2.0)(X, generator())
    assert (spoilt == -1).mean() == pytest.approx(0.2, abs=0.01)
    assert (spoilt == 2).mean() == pytest.approx(0.2, abs=0.01)
    kept = (spoilt != -1) & (spoilt != 2)
    assert np.array_equal(spoilt[kept], X[kept])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("maskin", 0.1), "Unknown noise 'maskin'. Did you mean 'masking'"),
        (("masking", 1.5), r"`level` must be in \[0, 1\] for 'masking'"),
        (("gaussian", -0.1), "`level` must be at least 0 for 'gaussian'"),
        (("gaussian", np.nan), "`level` must be at least 0"),
        (("masking", 0.1, 1.0, 1.0), "`low` must be below `high`"),
    ],
)
def test_bad_noise_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Corruption(*arguments)


def batches(source, epoch):
    return list(source.epoch(epoch).take(0, source.n_batches))


@pytest.mark.parametrize("kind", ["dense", "sparse"])
def test_targets_are_the_clean_inputs_of_the_same_rows(kind):
    def make(noise):
        inner = ArraySource if kind == "dense" else SparseSource
        rows = X if kind == "dense" else sparse.csr_array(X)
        return ReconstructionSource(inner(rows, batch_size=64, random_state=3), noise, seed=9)

    clean, spoilt = make(None), make(Corruption("masking", 0.25))
    for epoch in range(2):
        for one, other in zip(batches(clean, epoch), batches(spoilt, epoch), strict=True):
            assert one.x is one.y
            assert np.array_equal(one.y, other.y)
            hit = (other.x == 0).numpy()
            assert 0.2 < hit.mean() < 0.3 and np.array_equal(other.x.numpy()[~hit], other.y.numpy()[~hit])
    again = make(Corruption("masking", 0.25))
    assert np.array_equal(batches(again, 1)[2].x, batches(spoilt, 1)[2].x)
    assert not np.array_equal(batches(again, 0)[2].x == 0, batches(again, 1)[2].x == 0)


def test_arrays_of_an_epoch_are_its_batches():
    source = ReconstructionSource(ArraySource(X, batch_size=64, random_state=3), Corruption("gaussian", 0.1))
    epoch = source.epoch(0)
    spoilt, clean, _ = epoch.arrays
    assert clean is not spoilt and np.array_equal(clean, X)
    second = list(epoch.take(1, 2))[0]
    assert np.array_equal(second.x, spoilt[epoch.order[64:128]])


def test_a_state_of_other_noise_is_refused_and_the_seed_is_taken_over():
    def make(level, seed):
        return ReconstructionSource(
            ArraySource(X, batch_size=64, random_state=3), Corruption("masking", level), seed=seed
        )

    state = make(0.2, 1).state_dict()
    other = make(0.2, 2)
    other.load_state_dict(state)
    assert np.array_equal(batches(other, 0)[0].x, batches(make(0.2, 1), 0)[0].x)
    with pytest.raises(ValueError, match="`source` must give the batches of the interrupted run. Received: noise="):
        make(0.3, 1).load_state_dict(state)
