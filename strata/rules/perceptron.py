"""The perceptron rule: learn from each example that is on the wrong side."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from sklearn.utils import check_random_state
from torch import Tensor, nn

from strata.data.sources import Batch
from strata.rules._checks import check_choice, check_count, check_number
from strata.rules._perceptron_kernel import L1_NORM, SQUARED_NORM, one_pass, shuffle
from strata.rules.base import Rule

__all__ = ["PerceptronRule", "shuffle_seeds"]

_DENSE_DTYPES = (torch.float32, torch.float64)


class PerceptronRule(Rule):
    r"""Learn threshold neurons example by example; one step is one pass over the rows of its batch.

    The defaults are the lecture's rule. With ``ties="error"``, ``threshold=None``, ``tol`` and ``seeds`` it is
    scikit-learn's ``Perceptron``: several one-against-all problems, each with its own order and its own end.

    Parameters
    ----------
    n_inputs : int
        Inputs, >= 1.
    n_outputs : int, default=1
        Neurons, each learning its own column of targets, >= 1.
    learning_rate : float, default=1.0
        Rate :math:`\alpha`, > 0 (scikit-learn's ``eta0``).
    threshold : float or None, default=0.0
        A neuron is done when the mean of :math:`|d - y|` over an epoch is below; 0 means no errors at all, and None
        never stops.
    ties : {"zero", "error"}, default="zero"
        What a score of exactly 0 is: the output 0 (lecture), or an error whatever the target (scikit-learn).
    l1, l2 : float, default=0.0
        Penalties on the weights, >= 0: the truncated L1 and the shrinkage of scikit-learn, whose ``alpha`` and
        ``l1_ratio`` are ``l1 = alpha * l1_ratio``, ``l2 = alpha * (1 - l1_ratio)``.
    fit_intercept : bool, default=True
        Whether the bias learns.
    bias_share : float, default=1.0
        What the bias's update is multiplied by (scikit-learn: 0.01 for sparse inputs), > 0.
    class_weights : sequence of (float, float) or None, default=None
        For each neuron, the weight of examples whose target is 0 and of those whose target is 1.
    seeds : sequence of int or None, default=None
        For each neuron, the seed of the shuffle of the rows before every pass; None keeps the order of the batch.
        With seeds, each epoch must be one batch with the same rows in the same order.
    tol : float or None, default=None
        A neuron is done when its objective has not improved by more than this for ``n_iter_no_change`` epochs.
    n_iter_no_change : int, default=5
        See ``tol``; >= 1.
    validation_rows : ndarray of bool of shape (N,) or None, default=None
        Rows of the one batch that are not learned from but scored after each epoch; the accuracy then takes the
        place of the objective in the rule of ``tol``.
    dtype : torch.dtype, default=torch.float64
        Of the weights, float64 or float32.

    Attributes
    ----------
    weight : Parameter of shape (n_outputs, n_inputs)
        Weights, zero at the start.
    bias : Parameter of shape (n_outputs,)
        Biases, zero at the start.
    n_epochs : Tensor of shape (n_outputs,), int64
        Epochs that each neuron learned.
    done : Tensor of shape (n_outputs,), bool
        Neurons that have met their stop criterion.

    Raises
    ------
    ValueError
        If a number is outside its range or a sequence has the wrong length.
    TypeError
        If a number is not one.

    Notes
    -----
    Rosenblatt's rule. For each example in turn, with :math:`f = w \cdot x + b` and :math:`y = [f > 0]`,

    .. math:: w \leftarrow w + \alpha (d - y) x, \qquad b \leftarrow b + \alpha (d - y).

    An error is counted before the update it causes. If the classes can be separated with margin :math:`\gamma`, the
    number of updates is at most :math:`(R / \gamma)^2`, :math:`R` the largest norm of an example with its bias
    input; otherwise it never ends. The logged ``loss`` is the perceptron criterion, the mean of :math:`\max(0, -s f)`
    with :math:`s = \pm 1`, and ``error`` the mean of :math:`|d - y|`, both over the neurons that still learn.

    Unlike scikit-learn, which scores a validation set with weights that lack the L2 penalty's pending shrinkage,
    the weights that are scored here are the weights.

    References
    ----------
    .. [1] F. Rosenblatt, "The perceptron: a probabilistic model for information storage and organization in the
       brain", Psychological Review 65, 1958.

    Examples
    --------
    >>> x = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> rule = PerceptronRule(2)
    >>> while not rule.converged:
    ...     figures = rule.step(Batch(x, torch.tensor([[0.0], [0.0], [0.0], [1.0]])))
    ...     rule.end_epoch({})
    >>> rule.weight.tolist(), rule.bias.tolist(), rule.n_epochs.tolist()
    ([[2.0, 1.0]], [-2.0], [6])
    """

    n_epochs: Tensor
    done: Tensor

    def __init__(
        self,
        n_inputs: int,
        n_outputs: int = 1,
        *,
        learning_rate: float = 1.0,
        threshold: float | None = 0.0,
        ties: Literal["zero", "error"] = "zero",
        l1: float = 0.0,
        l2: float = 0.0,
        fit_intercept: bool = True,
        bias_share: float = 1.0,
        class_weights: Sequence[tuple[float, float]] | None = None,
        seeds: Sequence[int] | None = None,
        tol: float | None = None,
        n_iter_no_change: int = 5,
        validation_rows: np.ndarray | None = None,
        dtype: torch.dtype = torch.float64,
    ) -> None:
        super().__init__()
        shape = check_count("n_outputs", n_outputs), check_count("n_inputs", n_inputs)
        self.learning_rate = check_number("learning_rate", learning_rate, above=0)
        self.threshold = None if threshold is None else check_number("threshold", threshold, at_least=0)
        self.ties = check_choice("ties", ties, ("zero", "error"))
        self.l1, self.l2 = check_number("l1", l1, at_least=0), check_number("l2", l2, at_least=0)
        self.fit_intercept = bool(fit_intercept)
        self.bias_share = check_number("bias_share", bias_share, above=0)
        self.class_weights = _pairs(class_weights, n_outputs)
        self.seeds = None if seeds is None else [check_count("seeds", seed, at_least=0) for seed in seeds]
        if self.seeds is not None and len(self.seeds) != n_outputs:
            raise ValueError(f"`seeds` must hold one for each of {n_outputs} neurons. Received: {len(self.seeds)}.")
        self.tol = None if tol is None else check_number("tol", tol)
        self.n_iter_no_change = check_count("n_iter_no_change", n_iter_no_change)
        self.validation_rows = None if validation_rows is None else np.asarray(validation_rows, dtype=bool)
        if dtype not in _DENSE_DTYPES:
            raise ValueError(f"`dtype` must be torch.float64 or torch.float32. Received: dtype={dtype}.")
        self.weight = nn.Parameter(torch.zeros(shape, dtype=dtype), requires_grad=False)
        self.bias = nn.Parameter(torch.zeros(n_outputs, dtype=dtype), requires_grad=False)
        self.register_buffer("n_epochs", torch.zeros(n_outputs, dtype=torch.int64))
        self.register_buffer("done", torch.zeros(n_outputs, dtype=torch.bool))
        self._owed = np.zeros(shape, dtype=np.float64 if dtype == torch.float64 else np.float32)  # L1 paid so far
        self._scalars: np.ndarray | None = None  # (n_outputs, 4): bias, L1 total, norms; set at the first pass
        self._orders: list[np.ndarray] | None = None
        self._n_shuffles = np.zeros(n_outputs, dtype=np.int64)
        self._sums = np.zeros((n_outputs, 3))  # of this epoch: objective, errors, examples
        self._scores = np.full(n_outputs, np.nan)  # of this epoch, on the validation rows
        self._best = np.full(n_outputs, np.inf if validation_rows is None else -np.inf)
        self._n_worse = np.zeros(n_outputs, dtype=np.int64)

    def forward(self, x: Tensor) -> Tensor:
        """Return the scores ``f``, of shape (N, n_outputs); an output is 1 where its score is above 0."""
        return x.to(self.weight.dtype) @ self.weight.T + self.bias

    def step(self, batch: Batch) -> dict[str, Tensor]:
        """Pass once over the rows of a batch.

        Parameters
        ----------
        batch : Batch
            ``x`` of shape (N, n_inputs), dense or ``torch.sparse_csr``; ``y`` of shape (N, n_outputs), 0 or 1 (or -1
            and 1); ``sample_weight`` multiplies the updates.

        Returns
        -------
        figures : dict of Tensors
            ``loss``, ``error`` and ``weight`` (the number of rows).

        Raises
        ------
        ValueError
            If a shape is wrong, a target is not one of two numbers, or the weights are not on the CPU.
        """
        values, columns, starts, dense = _entries(batch.x, self.weight)
        targets = _signs(batch.y, len(starts) - 1, self.n_outputs)
        n = len(targets)
        row_weights = np.ones(n) if batch.sample_weight is None else batch.sample_weight.numpy().astype(np.float64)
        skip = np.zeros(n, dtype=bool) if self.validation_rows is None else self.validation_rows
        if len(skip) != n or len(row_weights) != n:
            raise ValueError(f"`validation_rows` and `sample_weight` must have {n} rows, as `batch.x`.")
        orders = self._next_orders(n)
        scalars = self._begin()
        totals = np.zeros(3)  # loss, errors, examples
        alpha = self.l1 + self.l2
        with torch.no_grad():
            weights = self.weight.numpy()
            for k in np.flatnonzero(~self.done.numpy()):
                loss, objective, errors, seen = one_pass(
                    values, columns, starts, dense, orders[k], skip, targets[:, k].copy(), row_weights,
                    weights[k], self._owed[k], scalars[k], self.learning_rate, alpha,
                    self.l1 / alpha if alpha else 0.0, self.fit_intercept, self.bias_share,
                    self.class_weights[k], self.ties == "error",
                )  # fmt: skip
                self.bias[k] = scalars[k, 0]
                self._sums[k] += (objective, errors, seen)
                totals += (loss, errors, seen)
        if self.validation_rows is not None:
            self._score(batch.x, targets, row_weights)
        loss, errors, seen = totals / max(totals[2], 1.0)
        return _figures(loss, errors, n)

    def _begin(self) -> np.ndarray:
        """Return the scalars of each neuron, taking bias and norms from the parameters at the first pass."""
        if self._scalars is None:
            weight = self.weight.detach().numpy()
            self._scalars = np.zeros((self.n_outputs, 4))
            self._scalars[:, SQUARED_NORM] = (weight.astype(np.float64) ** 2).sum(axis=1)
            self._scalars[:, L1_NORM] = np.abs(weight).sum(axis=1)
        self._scalars[:, 0] = self.bias.detach().numpy()
        return self._scalars

    def _next_orders(self, n: int) -> list[np.ndarray]:
        """Return the order of the rows for each neuron, shuffling the last one again where there is a seed."""
        if self.seeds is None:
            return [np.arange(n)] * self.n_outputs
        if self._orders is None or len(self._orders[0]) != n:
            self._orders = [np.arange(n) for _ in self.seeds]
            for order, seed, times in zip(self._orders, self.seeds, self._n_shuffles, strict=True):
                for _ in range(times):  # catch up after a resume
                    shuffle(order, seed)
        for k in np.flatnonzero(~self.done.numpy()):
            shuffle(self._orders[k], self.seeds[k])
            self._n_shuffles[k] += 1
        return self._orders

    def _score(self, x: Tensor, targets: np.ndarray, row_weights: np.ndarray) -> None:
        """Note the accuracy of each neuron on the validation rows."""
        rows = self.validation_rows
        right = (self(x).numpy() > 0) == (targets > 0)
        self._scores = np.average(right[rows], axis=0, weights=row_weights[rows])

    def end_epoch(self, figures: dict[str, float]) -> None:
        """Decide for each neuron whether it is done."""
        for k in np.flatnonzero(~self.done.numpy()):
            objective, errors, seen = self._sums[k]
            if not seen:
                continue
            self.n_epochs[k] += 1
            if self.threshold is not None:
                error = errors / seen
                self.done[k] = bool(error < self.threshold or errors == 0)
            if self.tol is not None:
                worse = self._is_worse(k, objective / seen)
                self._n_worse[k] = self._n_worse[k] + 1 if worse else 0
                if self._n_worse[k] >= self.n_iter_no_change:
                    self.done[k] = True
        self._sums[:] = 0.0

    def _is_worse(self, k: int | np.integer[Any], objective: float) -> bool:
        """Compare an epoch with the best so far, and keep the better."""
        tol = self.tol or 0.0
        if self.validation_rows is None:
            worse = objective > self._best[k] - tol
            self._best[k] = min(self._best[k], objective)
        else:
            worse = self._scores[k] < self._best[k] + tol
            self._best[k] = max(self._best[k], self._scores[k])
        return bool(worse)

    def evaluate(self, batch: Batch) -> dict[str, Tensor]:
        """Return the same figures of a batch over all neurons, without learning."""
        scores = self(batch.x).detach().numpy()
        targets = _signs(batch.y, len(scores), self.n_outputs)
        wrong = (scores > 0) != (targets > 0)
        return _figures(float(np.maximum(0.0, -scores * targets).mean()), float(wrong.mean()), len(scores))

    @property
    def n_outputs(self) -> int:
        """Number of neurons."""
        return len(self.weight)

    @property
    def converged(self) -> bool:
        """Whether every neuron is done."""
        return bool(self.done.all())

    @property
    def rate(self) -> float:
        """The rate, which is constant."""
        return self.learning_rate

    def describe(self) -> dict[str, Any]:
        """Return the JSON-able configuration."""
        names = ("learning_rate", "threshold", "ties", "l1", "l2", "fit_intercept", "bias_share", "seeds", "tol")
        return {
            "rule": type(self).__name__,
            **{name: getattr(self, name) for name in names},
            "n_iter_no_change": self.n_iter_no_change,
        }

    def get_extra_state(self) -> dict[str, Any]:
        """Return what is not in a parameter or buffer: sums of the epoch, stop counters, L1 paid so far."""
        return {
            "owed": self._owed.copy(),
            "scalars": None if self._scalars is None else self._scalars.copy(),
            "n_shuffles": self._n_shuffles.copy(),
            "sums": self._sums.copy(),
            "scores": self._scores.copy(),
            "best": self._best.copy(),
            "n_worse": self._n_worse.copy(),
        }

    def set_extra_state(self, state: dict[str, Any]) -> None:
        """Take the state of :meth:`get_extra_state` back."""
        self._owed = np.array(state["owed"])
        self._scalars = None if state["scalars"] is None else np.array(state["scalars"])
        self._sums, self._scores = np.array(state["sums"]), np.array(state["scores"])
        self._best, self._n_worse = np.array(state["best"]), np.array(state["n_worse"])
        self._n_shuffles = np.array(state["n_shuffles"])
        self._orders = None


def shuffle_seeds(random_state: int | np.random.RandomState | None, n_outputs: int) -> list[int]:
    """Draw the seeds of the shuffles in the order in which scikit-learn's ``Perceptron`` draws them.

    Parameters
    ----------
    random_state : int, RandomState or None
        Source of the draws; None is NumPy's own.
    n_outputs : int
        Neurons: 1 for two classes, else one for each class.

    Returns
    -------
    seeds : list of int
        One for each neuron, for ``PerceptronRule(seeds=...)``.

    Examples
    --------
    >>> len(shuffle_seeds(0, 3))
    3
    """
    largest = np.iinfo(np.int32).max
    generator = check_random_state(random_state)
    if n_outputs == 1:
        generators = [generator]
    else:
        generators = [np.random.RandomState(seed) for seed in generator.randint(largest, size=n_outputs)]
    seeds: list[int] = []
    for source in generators:
        source.randint(1, largest)  # the seed of a random sampling that the perceptron does not use
        seeds.append(int(source.randint(largest)))
    return seeds


def _figures(loss: float, error: float, n_rows: int) -> dict[str, Tensor]:
    """Return the figures as tensors."""
    return {
        name: torch.tensor(float(value), dtype=torch.float64)
        for name, value in (("loss", loss), ("error", error), ("weight", n_rows))
    }


def _pairs(class_weights: Sequence[tuple[float, float]] | None, n_outputs: int) -> np.ndarray:
    """Return the class weights as an array of shape (n_outputs, 2)."""
    pairs = np.ones((n_outputs, 2)) if class_weights is None else np.array(class_weights, dtype=np.float64)
    if pairs.shape != (n_outputs, 2) or not (np.isfinite(pairs) & (pairs >= 0)).all():
        raise ValueError(
            f"`class_weights` must hold two numbers >= 0 for each of {n_outputs} neurons. Received: {class_weights!r}."
        )
    return pairs


def _entries(x: Tensor, weight: Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray, bool]:
    """Return the entries of the inputs row by row, their columns, where the rows start, and whether all are there."""
    if x.ndim != 2 or x.shape[1] != weight.shape[1]:
        raise ValueError(f"`x` must have shape (N, {weight.shape[1]}). Received: shape {tuple(x.shape)}.")
    if x.device.type != "cpu" or weight.device.type != "cpu":
        raise ValueError(f"`x` and the rule must be on the CPU. Received: {x.device}, {weight.device}.")
    if x.layout == torch.sparse_csr:
        values = x.values().to(weight.dtype).numpy()
        return values, x.col_indices().long().numpy(), x.crow_indices().long().numpy(), False
    n, width = x.shape
    values = x.to(weight.dtype).contiguous().reshape(-1).numpy()
    return values, np.arange(width), np.arange(n + 1) * width, True


def _signs(y: Tensor | None, n: int, n_outputs: int) -> np.ndarray:
    """Return the targets as -1 and 1, of shape (n, n_outputs)."""
    if y is None or y.numel() != n * n_outputs or y.shape[0] != n:
        got = None if y is None else tuple(y.shape)
        raise ValueError(f"`y` must have shape ({n}, {n_outputs}). Received: shape {got}.")
    targets = y.detach().numpy().astype(np.float64).reshape(n, n_outputs)
    if not np.isin(targets, (-1.0, 0.0, 1.0)).all():
        raise ValueError("`y` must hold only 0 and 1, or -1 and 1. Received: other values.")
    return np.where(targets > 0, 1.0, -1.0)
