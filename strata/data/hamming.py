"""An index of binary codes: everything within a few flipped bits of a query, at once."""

from __future__ import annotations

from functools import lru_cache
from itertools import combinations
from math import comb
from typing import Any

import numpy as np

__all__ = ["HammingIndex"]

#: Addresses that are looked up in the time in which this many times as many codes are scanned; measured.
_SCANNED_PER_ADDRESS = 60
_MOST_ADDRESSES = 1 << 16


class HammingIndex:
    """Find binary codes near a query, by the number of bits in which they differ.

    Parameters
    ----------
    bits : array-like of shape (n_items, n_bits)
        0 or 1, or booleans; one row an item.

    Attributes
    ----------
    n_items, n_bits : int
        Items, and bits of each.

    Raises
    ------
    ValueError
        If the array has no row or no column, another number of axes, or holds anything but 0 and 1.

    Notes
    -----
    A small ball is looked up address by address in a table from codes to items, as semantic hashing does; where the
    ball has so many addresses that going through all items is faster, that is done, a machine word at a time. Both
    give the same answer, and what is chosen depends on sizes alone.

    References
    ----------
    R. Salakhutdinov, G. Hinton, "Semantic Hashing", International Journal of Approximate Reasoning 50, 2009.

    Examples
    --------
    >>> index = HammingIndex([[1, 0, 1, 1], [0, 0, 1, 0], [1, 0, 1, 0]])
    >>> index.within([1, 0, 1, 1], 1)
    (array([0, 2]), array([0, 1]))
    >>> index.nearest([0, 0, 1, 1], 2)
    (array([0, 1]), array([1, 1]))
    """

    def __init__(self, bits: Any) -> None:
        array = _as_bits(bits, "bits")
        self.n_items, self.n_bits = array.shape
        self._kind = next((kind for kind in (np.uint8, np.uint16, np.uint32) if self.n_bits <= _width(kind)), np.uint64)
        self._words = np.ascontiguousarray(self._packed(array).T)  # (n_words, n_items)
        self._codes = np.empty(0, self._kind)
        if len(self._words) == 1:
            self._order = np.argsort(self._words[0], kind="stable")
            self._codes, starts = np.unique(self._words[0][self._order], return_index=True)
            self._starts = np.append(starts, self.n_items)

    def __len__(self) -> int:
        return int(self.n_items)

    def _packed(self, bits: np.ndarray) -> np.ndarray:
        """Return rows of bits as words, shape (n, n_words)."""
        width = _width(self._kind)
        n_words = -(-bits.shape[1] // width)
        padded = np.zeros((len(bits), n_words * width), np.uint8)
        padded[:, : bits.shape[1]] = bits
        words = np.packbits(padded, axis=1, bitorder="little").view(self._kind)
        return np.asarray(words.reshape(len(bits), n_words))

    def _query(self, query: Any) -> np.ndarray:
        bits = _as_bits(query, "query", one=True)
        if bits.shape[1] != self.n_bits:
            raise ValueError(f"`query` must have {self.n_bits} bits. Received: query of shape {bits.shape[1:]}.")
        return np.asarray(self._packed(bits)[0])

    def distances(self, query: Any) -> np.ndarray:
        """Return the number of bits in which each item differs from a query.

        Parameters
        ----------
        query : array-like of shape (n_bits,)
            0 or 1.

        Returns
        -------
        distances : ndarray of shape (n_items,), int
            From 0 to n_bits.
        """
        return self._distances(query).astype(np.intp)

    def _distances(self, query: Any) -> np.ndarray:
        """Return the distances in the smallest whole numbers that hold them."""
        words = self._query(query)
        distances = np.asarray(np.bitwise_count(self._words[0] ^ words[0]))
        if len(words) == 1:
            return distances
        total: np.ndarray = distances.astype(np.int32)
        for word, column in zip(words[1:], self._words[1:], strict=True):
            total += np.bitwise_count(column ^ word)
        return total

    def within(self, query: Any, radius: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the items that differ from a query in at most some bits.

        Parameters
        ----------
        query : array-like of shape (n_bits,)
            0 or 1.
        radius : int
            Most bits that may differ, >= 0.

        Returns
        -------
        items : ndarray of shape (n_found,), int
            Row numbers, the nearest first, by number where the distance is the same.
        distances : ndarray of shape (n_found,), int
            Bits in which each differs.

        Raises
        ------
        ValueError
            If the query has another number of bits, or the radius is negative.
        """
        if isinstance(radius, bool) or not isinstance(radius, (int, np.integer)) or radius < 0:
            raise ValueError(f"`radius` must be a whole number of at least 0. Received: radius={radius!r}.")
        if self._by_table(int(radius)):
            return self._looked_up(self._query(query)[0], int(radius))
        distances = self._distances(query)
        items = np.flatnonzero(distances <= radius)
        return _nearest_first(items, distances[items])

    def nearest(self, query: Any, n_neighbors: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the items that differ least from a query.

        Parameters
        ----------
        query : array-like of shape (n_bits,)
            0 or 1.
        n_neighbors : int
            How many, >= 1; all items where there are fewer.

        Returns
        -------
        items : ndarray of shape (n_neighbors,), int
            Row numbers, the nearest first, by number where the distance is the same.
        distances : ndarray of shape (n_neighbors,), int
            Bits in which each differs.

        Raises
        ------
        ValueError
            If the query has another number of bits, or ``n_neighbors`` is below 1.
        """
        if isinstance(n_neighbors, bool) or not isinstance(n_neighbors, (int, np.integer)) or n_neighbors < 1:
            raise ValueError(f"`n_neighbors` must be a whole number of at least 1. Received: {n_neighbors!r}.")
        distances = self._distances(query)
        wanted = min(int(n_neighbors), self.n_items)
        reach = int(np.searchsorted(np.cumsum(np.bincount(distances)), wanted))
        items = np.flatnonzero(distances <= reach)
        items, found = _nearest_first(items, distances[items])
        return items[:wanted], found[:wanted]

    def _by_table(self, radius: int) -> bool:
        """Whether the ball has so few addresses that looking them up is faster than going through all items."""
        if not self._codes.size:
            return False
        size = sum(comb(self.n_bits, flipped) for flipped in range(min(radius, self.n_bits) + 1))
        return size <= _MOST_ADDRESSES and size * _SCANNED_PER_ADDRESS < self.n_items

    def _looked_up(self, word: Any, radius: int) -> tuple[np.ndarray, np.ndarray]:
        masks, flipped = _ball(self.n_bits, min(radius, self.n_bits), np.dtype(self._kind).name)
        addresses = masks ^ word
        places = np.searchsorted(self._codes, addresses)
        places[places == len(self._codes)] = 0
        hit = self._codes[places] == addresses
        places, flipped = places[hit], flipped[hit]
        counts = self._starts[places + 1] - self._starts[places]
        firsts = np.repeat(self._starts[places] - np.append(0, np.cumsum(counts)[:-1]), counts)
        items = self._order[firsts + np.arange(counts.sum())]
        by_number = np.argsort(items)
        return _nearest_first(items[by_number], np.repeat(flipped, counts).astype(np.uint8)[by_number])


def _nearest_first(items: np.ndarray, distances: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put the nearest first, in the order of their numbers where the distance is the same."""
    order = np.argsort(distances, kind="stable")  # of bytes, without comparing them
    return items[order], distances[order].astype(np.int64)


@lru_cache(maxsize=64)
def _ball(n_bits: int, radius: int, kind: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the masks of all ways to flip at most some bits, and how many each flips."""
    masks, flipped = [], []
    for count in range(radius + 1):
        for places in combinations(range(n_bits), count):
            masks.append(sum(1 << place for place in places))
            flipped.append(count)
    return np.array(masks, dtype=kind), np.array(flipped)


def _width(kind: Any) -> int:
    return int(8 * np.dtype(kind).itemsize)


def _as_bits(bits: Any, name: str, *, one: bool = False) -> np.ndarray:
    """Return an array of 0 and 1 with two axes, uint8."""
    array = np.asarray(bits)
    shape, array = array.shape, array[np.newaxis] if one and array.ndim == 1 else array
    what = "(n_bits,)" if one else "(n_items, n_bits)"
    if array.ndim != 2 or 0 in array.shape or (one and len(array) != 1):
        raise ValueError(f"`{name}` must have shape {what}. Received: {name} of shape {shape}.")
    if array.dtype.kind not in "buif" or not ((array == 0) | (array == 1)).all():
        raise ValueError(f"`{name}` must hold 0 and 1 alone. Received: {array.dtype}, other values among them.")
    return array.astype(np.uint8)
