"""What the rows say without the network: scales, classes, copies, order, and what simple models learn of them."""

import math
import warnings
from typing import Any

import numpy as np
from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import KFold, cross_val_score
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


def _fitted_score(model: Any, X: np.ndarray, y: np.ndarray, X_val: np.ndarray, y_val: np.ndarray) -> float | None:
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            score = float(model.fit(X, y).score(X_val, y_val))
        except ValueError:
            return None
    return score if math.isfinite(score) else None


def peer_scores(
    X: np.ndarray, y: np.ndarray, X_val: np.ndarray, y_val: np.ndarray, *, task: str
) -> tuple[float | None, float | None, float | None]:
    """Return the held-out scores of a linear model, nearest neighbours and a small forest."""
    kept, kept_val = np.isfinite(X).all(axis=1), np.isfinite(X_val).all(axis=1)
    if task == "regression":
        kept, kept_val = kept & np.isfinite(y.astype(float)), kept_val & np.isfinite(y_val.astype(float))
    if not kept.any() or not kept_val.any():
        return None, None, None
    models: tuple[Any, ...] = (
        (LogisticRegression(max_iter=500), KNeighborsClassifier(), RandomForestClassifier(40, random_state=0))
        if task == "classification"
        else (Ridge(), KNeighborsRegressor(), RandomForestRegressor(40, random_state=0))
    )
    parts = (X[kept], y[kept], X_val[kept_val], y_val[kept_val])
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
    labels, codes, counts = np.unique(y, return_inverse=True, return_counts=True)
    numbers = codes.astype(float) if task == "classification" else y.astype(float)
    rows = finite.all(axis=1)
    keys = {row.tobytes() for row in np.ascontiguousarray(X)}
    varies = bool(len(labels) > 1)
    order = float(np.corrcoef(numbers[:-1], numbers[1:])[0, 1]) if varies and len(y) > 2 else None
    own, shifted = _signals(X[rows], codes[rows] if task == "classification" else numbers[rows], task=task)
    return DataEvidence(
        n_rows=len(X),
        n_features=X.shape[1],
        n_classes=len(labels) if task == "classification" else None,
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
        order=order,
        non_finite_inputs=int((~finite).sum()),
    )


def _conflicts(X: np.ndarray, codes: np.ndarray) -> int:
    """Return how many rows repeat the inputs of an earlier one with another target."""
    seen: dict[bytes, int] = {}
    pairs = zip(np.ascontiguousarray(X), codes.tolist(), strict=True)
    return sum(int(seen.setdefault(row.tobytes(), code) != code) for row, code in pairs)


def _leaks(
    X: np.ndarray, y: np.ndarray, X_val: np.ndarray, y_val: np.ndarray, *, task: str, names: list[str]
) -> tuple[tuple[str, float], ...]:
    """Return the columns that alone predict the target on held-out rows."""
    found = []
    for place in range(min(X.shape[1], MOST_COLUMNS)):
        kept, kept_val = np.isfinite(X[:, place]), np.isfinite(X_val[:, place])
        if not kept.any() or not kept_val.any():
            continue
        tree = (
            DecisionTreeClassifier(max_leaf_nodes=128, random_state=0)
            if task == "classification"
            else DecisionTreeRegressor(max_leaf_nodes=128, random_state=0)
        )
        column, column_val = X[kept][:, [place]], X_val[kept_val][:, [place]]
        score = _fitted_score(tree, column, y[kept], column_val, y_val[kept_val])
        if score is not None and score > _LEAK:
            found.append((names[place], score))
    return tuple(sorted(found, key=lambda pair: -pair[1])[:10])


def _signals(X: np.ndarray, y: np.ndarray, *, task: str) -> tuple[float | None, tuple[tuple[int, float], ...]]:
    """Return how far a small forest's cross-validated score is above shuffled targets, for own and shifted targets."""
    X, y = X[:MOST_ROWS], y[:MOST_ROWS]
    if len(X) < 12 or len(np.unique(y)) < 2:
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
    shifted = tuple((shift, (score(np.roll(y, -shift)) - middle) / spread) for shift in _SHIFTS)
    return (score(y) - middle) / spread, shifted
