"""Whether probabilities mean what they say: reliability bins and the calibration error."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy import stats
from sklearn.metrics import brier_score_loss, log_loss

from strata.report._predicted import Predicted, check_predicted

__all__ = ["Reliability", "bin_numbers", "calibration_record", "confidences", "reliability_bins", "undo_temperature"]

#: Bins of equal width between 0 and 1.
N_BINS = 10


@dataclass(frozen=True)
class Reliability:
    """Probabilities in bins beside what happened; empty bins are left out.

    Parameters
    ----------
    probability : ndarray of shape (n_bins,)
        Mean predicted probability in each bin.
    frequency : ndarray of shape (n_bins,)
        Share of its rows (weighted) where the event happened.
    low : ndarray of shape (n_bins,)
        Lower ends of Wilson's 95 % interval of the frequency.
    high : ndarray of shape (n_bins,)
        Upper ends.
    count : ndarray of shape (n_bins,), int
        Rows in each bin.
    share : ndarray of shape (n_bins,)
        Share of the weight in each bin.
    event : str
        What is predicted: ``"class X"`` of two classes, else ``"the predicted class"``.

    Examples
    --------
    >>> found = reliability_bins([0, 1, 1, 1], [0.15, 0.15, 0.95, 0.95])
    >>> found.frequency.tolist(), round(found.ece, 4)
    ([0.5, 1.0], 0.2)
    """

    probability: np.ndarray
    frequency: np.ndarray
    low: np.ndarray
    high: np.ndarray
    count: np.ndarray
    share: np.ndarray
    event: str

    @property
    def ece(self) -> float:
        """Expected calibration error: mean distance of frequency and probability, weighted by the bins' shares."""
        return float(self.share @ np.abs(self.frequency - self.probability))

    @property
    def mce(self) -> float:
        """Largest distance of frequency and probability among the bins."""
        return float(np.abs(self.frequency - self.probability).max())

    def to_dict(self) -> dict[str, Any]:
        """Return lists by name, ready for JSON."""
        arrays = ("probability", "frequency", "low", "high", "count", "share")
        return {
            "event": self.event,
            "ece": self.ece,
            "mce": self.mce,
            **{name: getattr(self, name).tolist() for name in arrays},
        }


def confidences(rows: Predicted) -> tuple[np.ndarray, np.ndarray, str]:
    """Return the probability of one event in each row, whether it happened, and what it is called.

    Parameters
    ----------
    rows : Predicted
        A classification with probabilities.

    Returns
    -------
    probability : ndarray of shape (n_rows,)
        Of two classes that of the second one, else the largest of each row.
    happened : ndarray of shape (n_rows,), float
        1 where the class was the true one.
    event : str
        In words.
    """
    if rows.y_prob is None or rows.classes is None:
        raise ValueError("`y_prob` must be given to judge probabilities. Received: None.")
    probs = np.asarray(rows.y_prob, dtype=np.float64)
    if probs.shape[1] == 2:
        return probs[:, 1], (rows.true_codes == 1).astype(np.float64), f"class {rows.classes[1]}"
    top = probs.argmax(axis=1)
    return probs[np.arange(len(probs)), top], (rows.true_codes == top).astype(np.float64), "the predicted class"


def bin_numbers(probability: np.ndarray, n_bins: int = N_BINS) -> np.ndarray:
    """Return the bin of each probability: bin i holds what is above i / n and at most (i + 1) / n.

    Parameters
    ----------
    probability : ndarray of shape (n_rows,)
        In [0, 1].
    n_bins : int, default=10
        Bins of equal width.

    Returns
    -------
    numbers : ndarray of shape (n_rows,), int
        From 0; as scikit-learn's ``calibration_curve`` sorts them.
    """
    return np.searchsorted(np.linspace(0.0, 1.0, n_bins + 1)[1:-1], probability)


def reliability_bins(
    y_true: Any,
    y_prob: Any,
    *,
    classes: Sequence[Any] | np.ndarray | None = None,
    sample_weight: Any = None,
    n_bins: int = N_BINS,
) -> Reliability:
    """Sort probabilities into bins and compare each with what happened.

    Of two classes, the probability of the second one is judged, as scikit-learn's ``calibration_curve`` does; of more,
    the probability of the predicted class against whether it was right.

    Parameters
    ----------
    y_true : array-like of shape (n_rows,)
        The answers.
    y_prob : array-like of shape (n_rows, n_classes) or (n_rows,)
        Probabilities; of two classes those of the second are enough.
    classes : sequence, optional
        Labels in the order of the columns; by default those of ``y_true``, sorted.
    sample_weight : array-like of shape (n_rows,), optional
        Weights of the rows.
    n_bins : int, default=10
        Bins of equal width.

    Returns
    -------
    reliability : Reliability
        The bins, and ``ece``.

    Raises
    ------
    ValueError
        If shapes do not fit, or a probability is not one.

    Notes
    -----
    Guo et al. [1]_, Eq. 3. The error depends on the bins and is biased upwards for few rows.

    References
    ----------
    .. [1] C. Guo, G. Pleiss, Y. Sun, K. Weinberger, "On Calibration of Modern Neural Networks", ICML 2017.

    Examples
    --------
    >>> reliability_bins(["no", "yes"], [0.2, 0.7]).event
    'class yes'
    """
    if isinstance(n_bins, bool) or not isinstance(n_bins, int) or n_bins < 1:
        raise ValueError(f"`n_bins` must be a positive integer. Received: n_bins={n_bins!r}.")
    rows = check_predicted(y_true, None, y_prob, classes=classes, sample_weight=sample_weight)
    probability, happened, event = confidences(rows)
    bins = bin_numbers(probability, n_bins)
    weights = np.ones(len(rows)) if rows.weights is None else rows.weights
    total = np.bincount(bins, weights, minlength=n_bins)
    filled = total > 0
    share = total[filled]
    frequency = np.bincount(bins, weights * happened, minlength=n_bins)[filled] / share
    mean = np.bincount(bins, weights * probability, minlength=n_bins)[filled] / share
    effective = share**2 / np.bincount(bins, weights**2, minlength=n_bins)[filled]
    low, high = _wilson(np.clip(frequency, 0.0, 1.0), effective)
    count = np.bincount(bins, minlength=n_bins)[filled]
    return Reliability(mean, frequency, low, high, count, share / share.sum(), event)


def _wilson(frequency: np.ndarray, n: np.ndarray, level: float = 0.95) -> tuple[np.ndarray, np.ndarray]:
    """Return Wilson's score interval of shares of ``n`` rows each."""
    z = stats.norm.ppf(0.5 + level / 2)
    middle = (frequency + z**2 / (2 * n)) / (1 + z**2 / n)
    half = z / (1 + z**2 / n) * np.sqrt(frequency * (1 - frequency) / n + z**2 / (4 * n**2))
    return np.clip(middle - half, 0.0, 1.0), np.clip(middle + half, 0.0, 1.0)


def undo_temperature(y_prob: Any, temperature: float) -> np.ndarray:
    """Return the probabilities that a model gave before its logits were divided by a temperature.

    Parameters
    ----------
    y_prob : array-like of shape (n_rows, n_classes)
        softmax(z / T).
    temperature : float
        T, positive.

    Returns
    -------
    before : ndarray of shape (n_rows, n_classes)
        softmax(z), which is proportional to the T-th power. Probabilities that were rounded to 0 stay 0.

    Raises
    ------
    ValueError
        If the temperature is not positive.

    Examples
    --------
    >>> undo_temperature([[0.25, 0.75]], 2.0).round(3).tolist()
    [[0.1, 0.9]]
    """
    if not (np.isfinite(temperature) and temperature > 0):
        raise ValueError(f"`temperature` must be positive. Received: temperature={temperature!r}.")
    with np.errstate(divide="ignore"):
        logs = temperature * np.log(np.asarray(y_prob, dtype=np.float64))
    powers = np.exp(logs - logs.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def calibration_record(
    y_true: Any,
    y_prob: Any,
    *,
    classes: Sequence[Any] | np.ndarray | None = None,
    sample_weight: Any = None,
    temperature: float | None = None,
    n_bins: int = N_BINS,
) -> dict[str, Any]:
    """Return what the report says about probabilities, after and before temperature scaling.

    Parameters
    ----------
    y_true : array-like of shape (n_rows,)
        The answers.
    y_prob : array-like of shape (n_rows, n_classes)
        What the model gives.
    classes : sequence, optional
        Labels in the order of the columns; by default those of ``y_true``, sorted.
    sample_weight : array-like of shape (n_rows,), optional
        Weights of the rows.
    temperature : float, optional
        By which the model's logits are divided already, where ``calibrate=True``.
    n_bins : int, default=10
        Bins of equal width.

    Returns
    -------
    record : dict
        ``temperature``, and ``after`` and ``before``, each with ``event``, ``ece``, ``mce``, ``brier``,
        ``log_loss`` and the bins. Without a temperature ``before`` is None and ``after`` is the model as it is.

    Examples
    --------
    >>> record = calibration_record([0, 1, 1, 0], [[0.6, 0.4], [0.3, 0.7], [0.2, 0.8], [0.4, 0.6]], temperature=2.0)
    >>> round(record["after"]["brier"], 4), round(record["before"]["brier"], 4)
    (0.1625, 0.1504)
    """
    rows = check_predicted(y_true, None, y_prob, classes=classes, sample_weight=sample_weight)
    record: dict[str, Any] = {"temperature": None if temperature is None else float(temperature)}
    given = {"after": rows.y_prob, "before": None if temperature is None else undo_temperature(y_prob, temperature)}
    for name, probs in given.items():
        record[name] = None if probs is None else _figures(rows, probs, n_bins)
    return record


def _figures(rows: Predicted, probs: np.ndarray, n_bins: int) -> Mapping[str, Any]:
    bins = reliability_bins(rows.y_true, probs, classes=rows.classes, sample_weight=rows.weights, n_bins=n_bins)
    codes, labels = rows.true_codes, np.arange(probs.shape[1])
    return {
        **bins.to_dict(),
        "brier": float(brier_score_loss(codes, probs, labels=labels, sample_weight=rows.weights)),
        "log_loss": float(log_loss(codes, probs, labels=labels, sample_weight=rows.weights)),
    }
