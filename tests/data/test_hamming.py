"""The index of binary codes against going through all items one bit at a time."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strata.data import HammingIndex


def brute(bits, query):
    return np.array([sum(a != b for a, b in zip(row, query, strict=True)) for row in bits.tolist()])


def test_two_flips():
    assert HammingIndex([[1, 0, 1, 1]]).distances([0, 0, 1, 0]).tolist() == [2]


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 140), st.integers(1, 300), st.integers(0, 6), st.integers(0, 2**31), st.booleans())
def test_it_finds_what_brute_force_finds(n_bits, n_items, radius, seed, few):
    random = np.random.RandomState(seed)
    bits = random.randint(0, 2, (n_items, n_bits))
    if few:  # many items with the same code
        bits = bits[random.randint(0, min(3, n_items), n_items)]
    query = random.randint(0, 2, n_bits)
    index = HammingIndex(bits.astype(bool))
    known = brute(bits, query)
    assert index.distances(query).tolist() == known.tolist()
    order = np.lexsort((np.arange(n_items), known))
    inside = order[known[order] <= radius]
    for items, distances in (index.within(query, radius), looked_up(index, query, radius)):
        assert items.tolist() == inside.tolist() and distances.tolist() == known[inside].tolist()
    items, distances = index.nearest(query, radius + 1)
    assert items.tolist() == order[: radius + 1].tolist() and distances.tolist() == known[items].tolist()


def looked_up(index, query, radius):
    """The answer of the table, whatever the sizes would choose."""
    if not index._codes.size or index.n_bits > 24:
        return index.within(query, radius)
    return index._looked_up(index._query(query)[0], radius)


def test_a_ball_has_the_addresses_that_are_counted():
    from strata.data.hamming import _ball

    masks, flipped = _ball(20, 4, "uint32")
    assert len(masks) == len(set(masks.tolist())) == 6196
    assert np.array_equal(np.bitwise_count(masks), flipped)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: HammingIndex([[0, 2]]), "`bits` must hold 0 and 1 alone"),
        (lambda: HammingIndex([0, 1]), r"`bits` must have shape \(n_items, n_bits\)"),
        (lambda: HammingIndex(np.empty((0, 3))), r"`bits` must have shape \(n_items, n_bits\)"),
        (lambda: HammingIndex([["a"]]), "`bits` must hold 0 and 1 alone"),
        (lambda: HammingIndex([[0, 1]]).within([0], 1), "`query` must have 2 bits"),
        (lambda: HammingIndex([[0, 1]]).within([[0, 1], [0, 1]], 1), r"`query` must have shape \(n_bits,\)"),
        (lambda: HammingIndex([[0, 1]]).within([0, 1], -1), "`radius` must be a whole number of at least 0"),
        (lambda: HammingIndex([[0, 1]]).nearest([0, 1], 0), "`n_neighbors` must be a whole number of at least 1"),
    ],
)
def test_what_is_no_code_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_it_has_a_length():
    assert len(HammingIndex(np.zeros((7, 3), int))) == 7


def test_distances_can_be_subtracted():
    index = HammingIndex(np.array([[0, 0, 0], [1, 1, 0]]))
    near, far = index.distances([0, 0, 0])
    assert near - far == -2  # bytes would give 254
