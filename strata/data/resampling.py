"""The same rows for several learners, each with its own sample of them."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from strata.data.sources import Batch, Batches

__all__ = ["ResampledSource"]

#: Rows of a batch from which a row that was drawn several times is taken once, with its count as weight.
_COUNTED_FROM = 32


class ResampledSource:
    """Give each of several learners batches of its own sample of the same rows, none of which is copied.

    A sample drawn with replacement holds 63 % of the rows, some of them several times. Where batches are large, a
    learner goes through its distinct rows with their counts as weights, in as many batches as the sample would fill:
    the loss of an epoch is that of the sample and the number of updates is the same, for 0.63 of the work.

    Parameters
    ----------
    x : ndarray of shape (N, n_features)
        Inputs.
    y : ndarray of shape (N, n_targets)
        Targets.
    sample_weight : ndarray of shape (N,), optional
        Weight of each row.
    samples : sequence of ndarrays of shape (n_drawn,), int
        Row numbers that each learner drew, all of one length.
    batch_size : int
        Rows of a sample that a batch stands for.
    keys : ndarray of shape (n_learners,), uint64, optional
        Seeds of the learners' orders; without them each takes its rows as they come.

    Attributes
    ----------
    inputs, targets : ndarrays of shape (N, n_features) and (N, n_targets)
        The rows that all share.
    orders : ndarray of shape (n_learners, n_most), int64
        Row numbers of each learner, of which the first ``sizes[m]`` count. The learning rule shuffles them in place.
    sizes : ndarray of shape (n_learners,), int64
        Rows that each learner goes through in an epoch.
    batch_sizes : ndarray of shape (n_learners,), int64
        Rows of each learner's batches.
    weights : ndarray of shape (n_learners, N)
        Weight of each row for each learner; of shape (1, N) where all weigh alike, and (1, 0) where all weigh 1.
    n_batches : int
        Batches of an epoch.

    Raises
    ------
    ValueError
        If there is no sample, or the samples differ in length.

    References
    ----------
    L. Breiman, "Bagging Predictors", Machine Learning 24, 1996.

    Examples
    --------
    >>> x, y = np.zeros((4, 2)), np.zeros((4, 1))
    >>> source = ResampledSource(x, y, samples=[np.array([3, 0, 3, 3])], batch_size=4)
    >>> source.orders
    array([[3, 0, 3, 3]])
    """

    def __init__(
        self,
        x: np.ndarray,
        y: np.ndarray,
        sample_weight: np.ndarray | None = None,
        *,
        samples: Sequence[np.ndarray],
        batch_size: int,
        keys: np.ndarray | None = None,
    ) -> None:
        lengths = {len(sample) for sample in samples}
        if len(lengths) != 1:
            raise ValueError(
                "`samples` must be one or more arrays of row numbers of one length. "
                f"Received: {len(samples)} samples of the lengths {sorted(lengths)}."
            )
        self.arrays: tuple[np.ndarray, np.ndarray | None, np.ndarray | None] | None = (x, y, sample_weight)
        self.inputs, self.targets = x, y
        self.batch_size = batch_size
        self.keys = np.empty(0, np.uint64) if keys is None else np.asarray(keys, np.uint64)
        n_drawn = lengths.pop()
        self.n_batches: int | None = -(-n_drawn // batch_size)
        self.order: np.ndarray | None = None
        if batch_size >= _COUNTED_FROM and any(len(np.unique(sample)) < n_drawn for sample in samples):
            self._take_counted(samples, x, sample_weight)
        else:
            self.orders = np.stack(samples).astype(np.int64)
            self.sizes = np.full(len(samples), n_drawn)
            self.weights = np.empty((1, 0), x.dtype) if sample_weight is None else sample_weight[np.newaxis]
        self.batch_sizes = -(-self.sizes // self.n_batches)
        self.number = 0

    def _take_counted(self, samples: Sequence[np.ndarray], x: np.ndarray, sample_weight: np.ndarray | None) -> None:
        """Go through the distinct rows of each sample, with their counts as weights."""
        counts = np.stack([np.bincount(sample, minlength=len(x)) for sample in samples])
        self.sizes = np.count_nonzero(counts, axis=1)
        self.orders = np.zeros((len(samples), self.sizes.max()), np.int64)
        for order, size, count in zip(self.orders, self.sizes, counts, strict=True):
            order[:size] = np.flatnonzero(count)
        self.weights = counts.astype(x.dtype)
        if sample_weight is not None:
            self.weights *= sample_weight

    def epoch(self, number: int) -> Batches:
        """Return an epoch; the learners draw their orders when they take its first batch.

        Parameters
        ----------
        number : int
            Epoch, counted from 0.

        Returns
        -------
        batches : Batches
            This source.
        """
        self.number = number
        return self

    def take(self, start: int, stop: int) -> Iterator[Batch]:
        """Refuse: the learners' batches differ."""
        raise TypeError("Learners with samples of their own take their rows from `orders`.")

    def state_dict(self) -> dict[str, Any]:
        """Return the orders, which the next epoch shuffles on."""
        return {"orders": self.orders}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the orders back."""
        self.orders[...] = state["orders"]
