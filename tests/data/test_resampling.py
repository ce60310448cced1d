"""Samples of the same rows for several learners."""

import numpy as np
import pytest

from strata.data import ResampledSource

X, Y = np.arange(200.0).reshape(100, 2), np.zeros((100, 1))


def samples(k=3, n=100):
    random = np.random.RandomState(0)
    return [random.randint(100, size=n) for _ in range(k)]


@pytest.mark.parametrize("weight", [None, np.linspace(0.5, 2, 100)])
def test_large_batches_take_distinct_rows_with_their_counts(weight):
    drawn = samples()
    source = ResampledSource(X, Y, weight, samples=drawn, batch_size=40)
    assert source.n_batches == 3
    for order, size, weights, step, sample in zip(
        source.orders, source.sizes, source.weights, source.batch_sizes, drawn, strict=True
    ):
        assert sorted(order[:size]) == sorted(set(sample))
        counts = np.array([np.sum(sample == row) for row in range(100)])
        np.testing.assert_allclose(weights, counts if weight is None else counts * weight)
        assert -(-size // step) == 3  # as many updates as the sample would have


def test_small_batches_take_the_rows_as_they_were_drawn():
    drawn = samples()
    source = ResampledSource(X, Y, samples=drawn, batch_size=31)
    assert np.array_equal(source.orders, np.stack(drawn))
    assert (source.sizes.tolist(), source.batch_sizes.tolist(), source.n_batches) == ([100] * 3, [25] * 3, 4)
    assert source.weights.shape == (1, 0)
    assert ResampledSource(X, Y, np.ones(100), samples=drawn, batch_size=31).weights.shape == (1, 100)


def test_samples_without_repetition_keep_their_rows():
    drawn = [np.random.RandomState(i).permutation(100)[:80] for i in range(2)]
    source = ResampledSource(X, Y, samples=drawn, batch_size=40)
    assert np.array_equal(source.orders, np.stack(drawn))


def test_bad_samples_are_refused():
    with pytest.raises(ValueError, match=r"`samples` must be one or more.*2 samples of the lengths \[3, 4\]"):
        ResampledSource(X, Y, samples=[np.arange(3), np.arange(4)], batch_size=2)
    with pytest.raises(ValueError, match="0 samples"):
        ResampledSource(X, Y, samples=[], batch_size=2)
    with pytest.raises(TypeError, match="take their rows from `orders`"):
        ResampledSource(X, Y, samples=[np.arange(3)], batch_size=2).take(0, 1)


def test_the_orders_are_the_state():
    source = ResampledSource(X, Y, samples=samples(), batch_size=10)
    state = {"orders": source.orders.copy()}
    source.orders[:] = 0
    source.load_state_dict(state)
    assert np.array_equal(source.orders, np.stack(samples()))
    assert np.array_equal(source.state_dict()["orders"], source.orders)
