"""What the rows say without the network: scales, classes, copies, order, and what simple models learn of them."""

import math
import warnings
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, cross_val_score
from sklearn.multiclass import OneVsRestClassifier
from sklearn.neighbors import KNeighborsClassifier, KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

from strata.diagnosis.evidence import DataEvidence

__all__ = ["look_at_rows", "peer_scores"]

MOST_COLUMNS = 200
MOST_ROWS = 2000
_SHIFTS = (-2, -1, 1, 2)
_LEAK = 0.9
_LEAK_ROWS = 4000
#: Training rows and held-out rows of a simple model: by what they hold, within these bounds.
_FEWEST_PEER_ROWS, _MOST_PEER_ROWS, _PEER_VALUES = 1000, 5000, 1_500_000


def _fitted_score(model: Any, X: np.ndarray, y: np.ndarray, X_val: np.ndarray, y_val: np.ndarray) -> float | None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            score = float(model.fit(X, y).score(X_val, y_val))
        except ValueError:
            return None
    return score if math.isfinite(score) else None


def _drawn(rows: np.ndarray, most: int) -> np.ndarray:
    """Return all rows, or so many drawn at random, in their order."""
    return rows if len(rows) <= most else np.sort(np.random.RandomState(0).permutation(rows)[:most])


def peer_scores(
    X: np.ndarray, y: np.ndarray, X_val: np.ndarray, y_val: np.ndarray, *, task: str
) -> tuple[float | None, float | None, float | None]:
    """Return the held-out scores of a linear model, nearest neighbours and a small forest."""
    kept, kept_val = np.isfinite(X).all(axis=1), np.isfinite(X_val).all(axis=1)
    if task == "regression":
        kept = kept & np.isfinite(y.astype(float)).reshape(len(y), -1).all(axis=1)
        kept_val = kept_val & np.isfinite(y_val.astype(float)).reshape(len(y_val), -1).all(axis=1)
    if not kept.any() or not kept_val.any():
        return None, None, None
    linear_classifier = LogisticRegression(max_iter=500)
    models: tuple[Any, ...] = (
        (
            linear_classifier if y.ndim == 1 else OneVsRestClassifier(linear_classifier),
            KNeighborsClassifier(),
            RandomForestClassifier(40, random_state=0),
        )
        if task == "classification"
        else (Ridge(), KNeighborsRegressor(), RandomForestRegressor(40, random_state=0))
    )
    most = max(_FEWEST_PEER_ROWS, min(_MOST_PEER_ROWS, _PEER_VALUES // max(1, X.shape[1])))
    first, second = _drawn(np.flatnonzero(kept), most), _drawn(np.flatnonzero(kept_val), most)
    parts = (X[first], y[first], X_val[second], y_val[second])
    linear, neighbours, trees = (_fitted_score(make_pipeline(StandardScaler(), model), *parts) for model in models)
    return linear, neighbours, trees


def look_at_rows(
    X: np.ndarray, y: np.ndarray, X_val: np.ndarray, y_val: np.ndarray, *, task: str, names: list[str]
) -> DataEvidence:
    """Return the evidence of training rows and held-out rows, both as plain numbers."""
    finite = np.isfinite(X)
    masked = np.where(finite, X, np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        means, stds = np.nanmean(masked, axis=0), np.nanstd(masked, axis=0)
    extreme = np.argsort(-np.abs(np.log(np.maximum(stds, 1e-12))))[:MOST_COLUMNS]
    labels, codes, counts = np.unique(y, axis=0, return_inverse=True, return_counts=True)
    codes = codes.reshape(-1)
    numbers = codes.astype(float) if task == "classification" and y.ndim == 1 else y.astype(float)
    rows = finite.all(axis=1)
    keys = {row.tobytes() for row in np.ascontiguousarray(X)}
    varies = bool(len(labels) > 1)
    if task == "classification" and y.ndim > 1:
        counts = y.astype(bool).sum(axis=0)  # of several labels a row, the rows that have each
    whole = rows & np.isfinite(numbers.reshape(len(y), -1)).all(axis=1)
    targets = codes if task == "classification" and y.ndim == 1 else numbers
    own, shifted = _signals(X[whole], targets[whole], task=task)
    return DataEvidence(
        n_rows=len(X),
        n_features=X.shape[1],
        n_classes=len(counts) if task == "classification" else None,
        class_counts=tuple(int(count) for count in counts) if task == "classification" else (),
        input_means=tuple(float(mean) for mean in means[extreme]),
        input_stds=tuple(float(std) for std in stds[extreme]),
        target_mean=None if task == "classification" else float(numbers.mean()),
        target_std=None if task == "classification" else float(numbers.std()),
        constant_columns=tuple(name for name, std in zip(names, stds, strict=True) if not std > 0)[:MOST_COLUMNS],
        leaking_columns=_leaks(X, y, X_val, y_val, task=task, names=names) if varies else (),
        duplicates_across=sum(int(row.tobytes() in keys) for row in np.ascontiguousarray(X_val)),
        conflicting_duplicates=_conflicts(X, codes),
        label_signal=own,
        shifted_signal=shifted,
        order=_order(numbers) if varies else None,
        non_finite_inputs=int((~finite).sum()),
    )


def _order(numbers: np.ndarray) -> float | None:
    """Return the correlation of the targets of successive rows; of several targets the mean."""
    columns = numbers.reshape(len(numbers), -1).T
    if columns.shape[1] < 3:
        return None
    found = [np.corrcoef(each[:-1], each[1:])[0, 1] for each in columns]
    finite = [float(each) for each in found if math.isfinite(each)]
    return float(np.mean(finite)) if finite else None


def _conflicts(X: np.ndarray, codes: np.ndarray) -> int:
    """Return how many rows repeat the inputs of an earlier one with another target."""
    seen: dict[bytes, int] = {}
    pairs = zip(np.ascontiguousarray(X), codes.tolist(), strict=True)
    return sum(int(seen.setdefault(row.tobytes(), code) != code) for row, code in pairs)


def _some(X: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return at most a bounded number of rows, drawn without touching any generator but one of its own."""
    if len(X) <= _LEAK_ROWS:
        return X, y
    chosen = np.sort(np.random.RandomState(0).permutation(len(X))[:_LEAK_ROWS])
    return X[chosen], y[chosen]


def _leaks(
    X: np.ndarray, y: np.ndarray, X_val: np.ndarray, y_val: np.ndarray, *, task: str, names: list[str]
) -> tuple[tuple[str, float], ...]:
    """Return the columns that alone predict the target on held-out rows."""
    found = []
    X, y, X_val, y_val = *_some(X, y), *_some(X_val, y_val)
    for place in range(min(X.shape[1], MOST_COLUMNS)):
        kept, kept_val = np.isfinite(X[:, place]), np.isfinite(X_val[:, place])
        if not kept.any() or not kept_val.any():
            continue
        tree = (
            DecisionTreeClassifier(max_leaf_nodes=128, random_state=0)
            if task == "classification"
            else DecisionTreeRegressor(max_leaf_nodes=128, random_state=0)
        )
        column, column_val = X[kept, place][:, None], X_val[kept_val, place][:, None]
        score = _fitted_score(tree, column, y[kept], column_val, y_val[kept_val])
        if score is not None and score > _LEAK:
            found.append((names[place], score))
    return tuple(sorted(found, key=lambda pair: -pair[1])[:10])


def _signals(X: np.ndarray, y: np.ndarray, *, task: str) -> tuple[float | None, tuple[tuple[int, float], ...]]:
    """Return how far a small forest's cross-validated score is above shuffled targets, for own and shifted targets."""
    every, n_rows = y, len(X)
    chosen = np.arange(n_rows)
    if n_rows > MOST_ROWS:
        chosen = np.sort(np.random.RandomState(0).permutation(n_rows)[:MOST_ROWS])
    X, y = X[chosen], every[chosen]
    if len(X) < 12 or len(np.unique(y, axis=0)) < 2:
        return None, ()
    forest = (
        RandomForestClassifier(15, max_depth=6, random_state=0)
        if task == "classification"
        else RandomForestRegressor(15, max_depth=6, random_state=0)
    )
    folds = KFold(3, shuffle=True, random_state=0)
    random = np.random.RandomState(0)

    def score(targets: np.ndarray) -> float:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")
            return float(cross_val_score(forest, X, targets, cv=folds).mean())

    by_chance = [score(random.permutation(y)) for _ in range(4)]
    spread = max(float(np.std(by_chance, ddof=1)), 0.5 / math.sqrt(len(y)))
    middle = float(np.mean(by_chance))
    shifted = tuple((shift, (score(every[(chosen + shift) % n_rows]) - middle) / spread) for shift in _SHIFTS)
    return (score(y) - middle) / spread, shifted
