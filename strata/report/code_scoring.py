"""How well rows come back from their codes: the share of the variance that is kept, with intervals."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np

__all__ = ["CodeScore", "compare_codes", "interval_of", "kept", "score_codes"]

N_RESAMPLES = 1_000


@dataclass
class CodeScore:
    """Errors of the reconstruction of held-out rows.

    Parameters
    ----------
    name : str
        Of the method.
    errors : ndarray of shape (n,)
        Sum of squared errors of each row.
    spread : ndarray of shape (n,)
        Sum of squared distances of each row from the mean of the training rows.
    n_numbers : int
        Numbers of a row.
    seconds : float
        Time to fit.
    note : str
        What to say beside the name.
    task : str
        What was learned, as evaluations of predictions say it.
    """

    name: str
    errors: np.ndarray = field(repr=False)
    spread: np.ndarray = field(repr=False)
    n_numbers: int = 1
    seconds: float = 0.0
    note: str = ""
    task: str = "codes"

    @property
    def metrics(self) -> dict[str, float]:
        """``variance_kept``, one minus the share of the squared distances that is lost; ``rmse`` of a number."""
        return {
            "variance_kept": kept(self.errors, self.spread),
            "rmse": float(np.sqrt(self.errors.mean(dtype=np.float64) / self.n_numbers)),
        }

    @property
    def score(self) -> float:
        """The share of the variance that is kept."""
        return self.metrics["variance_kept"]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures, ready for JSON."""
        return {
            "name": self.name,
            "metrics": self.metrics,
            "n_rows": len(self.errors),
            "seconds": round(self.seconds, 4),
            "note": self.note,
        }


def kept(errors: np.ndarray, spread: np.ndarray) -> float:
    """Return one minus the ratio of two sums.

    Parameters
    ----------
    errors, spread : ndarrays of shape (n,)
        Of each row.

    Returns
    -------
    share : float
        1 where there is nothing to lose and nothing is lost.

    Examples
    --------
    >>> kept(np.array([1.0, 0.0]), np.array([2.0, 2.0]))
    0.75
    """
    whole, lost = float(spread.sum(dtype=np.float64)), float(errors.sum(dtype=np.float64))
    return 1.0 - lost / whole if whole > 0 else float(lost == 0)


def score_codes(
    name: str, rows: np.ndarray, made: np.ndarray, mean: np.ndarray, *, seconds: float, note: str = ""
) -> CodeScore:
    """Compare rows with their reconstructions.

    Parameters
    ----------
    name : str
        Of the method.
    rows, made : ndarrays of shape (n, n_numbers)
        Rows, and what came back.
    mean : ndarray of shape (n_numbers,)
        Of the training rows.
    seconds : float
        Time to fit.
    note : str, default=""
        What to say beside the name.

    Returns
    -------
    score : CodeScore
        The errors.
    """
    blocks = range(0, len(rows), 4096)
    errors = [np.square(rows[at : at + 4096] - made[at : at + 4096]).sum(axis=1, dtype=np.float64) for at in blocks]
    spread = [np.square(rows[at : at + 4096] - mean).sum(axis=1, dtype=np.float64) for at in blocks]
    return CodeScore(name, np.concatenate(errors), np.concatenate(spread), rows.shape[1], seconds, note)


def interval_of(score: CodeScore, *, seed: int = 0) -> tuple[float, float]:
    """Return the 95 % bootstrap interval of the variance that is kept.

    Parameters
    ----------
    score : CodeScore
        Errors of rows.
    seed : int, default=0
        Of the resampling.

    Returns
    -------
    low, high : float
        Ends.
    """
    values = _resampled(score.errors, score.spread, seed)
    low, high = np.quantile(values, [0.025, 0.975])
    return float(low), float(high)


def compare_codes(ours: CodeScore, other: CodeScore, *, seed: int = 0) -> dict[str, float]:
    """Return how far one method is ahead of another on the same rows, with its 95 % bootstrap interval.

    Parameters
    ----------
    ours, other : CodeScore
        Errors of the same rows.
    seed : int, default=0
        Of the resampling, the same for both.

    Returns
    -------
    difference : dict of str to float
        ``value``, ``low`` and ``high``, of the variance that is kept.
    """
    values = _resampled(ours.errors, ours.spread, seed) - _resampled(other.errors, other.spread, seed)
    low, high = np.quantile(values, [0.025, 0.975])
    return {"value": ours.score - other.score, "low": float(low), "high": float(high)}


def _resampled(errors: np.ndarray, spread: np.ndarray, seed: int) -> np.ndarray:
    """Return the share that is kept of samples of the rows, drawn with replacement."""
    random = np.random.default_rng(seed)
    found = np.empty(N_RESAMPLES)
    for number in range(N_RESAMPLES):
        rows = random.integers(len(errors), size=len(errors))
        whole = spread[rows].sum()
        found[number] = 1.0 - errors[rows].sum() / whole if whole > 0 else 1.0
    return found
