"""The rows of the room *Neurons*: a bundled set, drawn points or an uploaded table, ready to learn from and to draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.model_selection import train_test_split

from strata._names import label_text
from strata.data import PLANE_FEATURES, infer_task, list_sets, load_set, plane_features
from strata.playground.configuration import Configuration
from strata.playground.limits import LIMITS

__all__ = ["OWN", "Own", "Rows", "make_rows", "split_places"]

#: Name of the data set that the user brought.
OWN = "own"
Floats = NDArray[np.float64]
_PLANE = ("x1", "x2")
_FEW, _SHOWN = 10, 1000


@dataclass(frozen=True)
class Own:
    """Data that the user brought: a table, or points drawn in the plane (columns ``x1``, ``x2`` and the target).

    Attributes
    ----------
    frame : DataFrame
        All columns.
    target : str
        The column that is predicted.
    problem : {"auto", "classification", "regression"}
        What is predicted.
    standardize : bool
        Whether the network standardizes its inputs.
    drawn : bool
        Whether the points were drawn by hand.
    name : str
        Name of the file.
    """

    frame: pd.DataFrame
    target: str
    problem: str = "auto"
    standardize: bool = True
    drawn: bool = False
    name: str = "data.csv"


@dataclass(frozen=True)
class Rows:
    """All rows, which of them are trained on, and how points of the plane become inputs.

    Attributes
    ----------
    base : ndarray of shape (n, p)
        Every numeric column.
    columns : tuple of str
        Their names.
    y : ndarray of shape (n,)
        Class labels, or numbers (standardized where ``target_scale`` is not None).
    train, test : ndarray of int
        Places.
    problem : {"classification", "regression"}
        What is predicted.
    features : tuple of str
        The inputs: functions of the plane where ``plane``, else columns.
    plane : bool
        Whether the rows are points of a plane, from which features are made.
    scale : bool
        Whether the network standardizes its inputs.
    source : str
        Where the rows come from, for the page.
    stratified : bool
        Whether the test rows hold the classes in their shares.
    target_scale : tuple of float, optional
        Mean and deviation of the numbers before they were standardized.
    warnings : tuple of str
        What the user should know of the rows.
    """

    base: Floats
    columns: tuple[str, ...]
    y: NDArray[Any]
    train: NDArray[np.int64]
    test: NDArray[np.int64]
    problem: str
    features: tuple[str, ...]
    plane: bool
    scale: bool
    source: str
    stratified: bool
    target_scale: tuple[float, float] | None = None
    warnings: tuple[str, ...] = field(default=())

    @property
    def labels(self) -> list[Any]:
        """Class labels in sorted order; none for numbers."""
        return [] if self.problem == "regression" else list(np.unique(self.y))

    def inputs(self, base: Floats) -> Floats:
        """Return the network's inputs for rows of the columns."""
        if self.plane:
            return plane_features(base, self.features)
        places = [self.columns.index(name) for name in self.features]
        return np.ascontiguousarray(base[:, places])

    def part(self, places: NDArray[np.int64]) -> tuple[Floats, NDArray[Any]]:
        """Return inputs and targets of some rows."""
        return self.inputs(self.base[places]), self.y[places]

    def range_of(self, column: str) -> tuple[float, float]:
        """Return what the map covers along a column."""
        values = self.base[:, self.columns.index(column)]
        low, high = float(values.min()), float(values.max())
        if self.plane and low >= -6.0 and high <= 6.0 and not (low >= 0.0 and high <= 1.0):
            return -6.0, 6.0
        margin = 0.08 * (high - low) or 0.5
        return (low - 0.5, high + 0.5) if (low, high) == (0.0, 1.0) else (low - margin, high + margin)

    def plane_rows(self, shown: tuple[str, str], grid: int) -> Floats:
        """Return the inputs over the plane of two columns, the others at their mean.

        Parameters
        ----------
        shown : tuple of two str
            Columns of the horizontal and of the vertical axis.
        grid : int
            Cells along a side.

        Returns
        -------
        inputs : ndarray of shape (grid * grid, n_features)
            The middles of the cells, row after row from the top.
        """
        x_place, y_place = (self.columns.index(name) for name in shown)
        rows = np.tile(self.base.mean(axis=0), (grid * grid, 1))
        middles = (np.arange(grid) + 0.5) / grid
        (x0, x1), (y0, y1) = (self.range_of(name) for name in shown)
        rows[:, x_place] = np.tile(x0 + (x1 - x0) * middles, grid)
        rows[:, y_place] = np.repeat(y1 - (y1 - y0) * middles, grid)
        return self.inputs(rows)

    def points(self, shown: tuple[str, str]) -> list[list[float]]:
        """Return at most 1000 rows as ``[x, y, class index or value, is_test]``."""
        order = np.concatenate([self.train, np.setdiff1d(self.test, self.train)])
        if len(order) > _SHOWN:
            order = order[np.linspace(0, len(order) - 1, _SHOWN).astype(int)]
        in_test = np.isin(order, self.test) & ~np.isin(order, self.train)
        values = self.y[order] if self.problem == "regression" else np.searchsorted(np.unique(self.y), self.y[order])
        places = [self.columns.index(name) for name in shown]
        table = np.column_stack([self.base[order][:, places], values.astype(float), in_test])
        return [[round(float(cell), 6) for cell in row] for row in table]


def make_rows(configuration: Configuration, own: Own | None = None) -> Rows:
    """Make the rows that a configuration asks for.

    Parameters
    ----------
    configuration : Configuration
        Which set, how much noise, which rows to train on, which features.
    own : Own, optional
        What the data set "own" is.

    Returns
    -------
    rows : Rows
        Ready to learn from.

    Raises
    ------
    ValueError
        If the set is unknown, has no numeric column, more than ten classes, or the problem does not fit it.
    """
    if configuration.dataset == OWN:
        if own is None:
            raise ValueError("`dataset` 'own' needs data: give a table, or draw points.")
        frame, target, task = own.frame, own.target, own.problem
        standardize, source, warnings = own.standardize and not own.drawn, own.name, _incomplete(own)
        if warnings:
            frame = frame.dropna(subset=[*_numeric(frame, target), target]).reset_index(drop=True)
    else:
        frame, target, task, source, standardize = _bundled(configuration)
        warnings = []
    columns = tuple(_numeric(frame, target))
    if not columns:
        raise ValueError("The data need at least one column of numbers besides the target. Received: none.")
    if len(frame) < 2:
        raise ValueError(f"The data need at least 2 complete rows. Received: {len(frame)}.")
    plane = columns == _PLANE
    base = frame[list(columns)].to_numpy(dtype=np.float64)
    raw = frame[target].to_numpy()
    problem = _problem(configuration.problem, task, raw)
    y = raw if problem == "classification" else raw.astype(np.float64)
    _check_classes(y, problem)
    train, test, stratified = split_places(y, problem, configuration.train_ratio / 100, configuration.data_seed)
    scale = None
    if problem == "regression" and standardize and len(train) > 1 and y[train].std() > 0:
        scale = (float(y[train].mean()), float(y[train].std()))
        y = (y - scale[0]) / scale[1]
    features, more = _features(configuration.features, columns, plane)
    chosen = standardize if configuration.scale is None else configuration.scale
    return Rows(
        base, columns, y, train, test, problem, features, plane, chosen, source, stratified, scale, (*warnings, *more)
    )


def split_places(
    y: NDArray[Any], problem: str, ratio: float, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64], bool]:
    """Return the places to train on and to test on, and whether classes were kept in proportion.

    Parameters
    ----------
    y : ndarray of shape (n,)
        Targets.
    problem : str
        "classification" or "regression".
    ratio : float
        Share to train on.
    seed : int
        Of the draw.

    Returns
    -------
    train, test : ndarray of int
        All rows in both where there are fewer than ten.
    stratified : bool
        Whether the draw was stratified.
    """
    n = len(y)
    if n < _FEW:
        return np.arange(n), np.arange(n), False
    n_train = min(n - 1, max(1, round(n * ratio)))
    counts = np.unique(y, return_counts=True)[1] if problem == "classification" else np.zeros(1)
    stratified = bool(problem == "classification" and counts.min() >= 2 and min(n_train, n - n_train) >= len(counts))
    train, test = train_test_split(
        np.arange(n), train_size=n_train, random_state=seed, stratify=y if stratified else None
    )
    return train, test, stratified


def _bundled(configuration: Configuration) -> tuple[pd.DataFrame, str, str, str, bool]:
    infos = {info.name: info for info in list_sets()}
    info = infos.get(configuration.dataset)
    if info is not None and info.downloadable:
        raise ValueError(f"`dataset` must come with the library. Received: {info.name!r}, which is downloaded.")
    generated = info is not None and info.generated
    dataset = load_set(
        configuration.dataset,
        n_samples=configuration.n_samples if generated else None,
        noise=configuration.noise / 100 if generated else 0.0,
        random_state=configuration.data_seed,
    )
    return dataset.frame(), dataset.target_name, dataset.task, dataset.name, not generated


def _numeric(frame: pd.DataFrame, target: str) -> list[str]:
    return [str(name) for name in frame.columns if name != target and frame[name].dtype.kind in "bif"]


def _incomplete(own: Own) -> list[str]:
    used = [*_numeric(own.frame, own.target), own.target]
    n_missing = int(own.frame[used].isna().any(axis=1).sum())
    return [f"{n_missing} rows with missing values are left out."] if n_missing else []


def _problem(wanted: str, task: str, y: NDArray[Any]) -> str:
    if task == "auto":
        task = infer_task(pd.Series(y))
    chosen = task if wanted == "auto" else wanted
    if chosen == "regression" and y.dtype.kind not in "bif":
        raise ValueError("`problem` 'regression' needs a target of numbers. Received: a target of text.")
    return chosen


def _check_classes(y: NDArray[Any], problem: str) -> None:
    if problem == "regression":
        if not np.isfinite(y).all():
            raise ValueError("The target must be finite. Received: NaN or infinity.")
        return
    labels = np.unique(y)
    if not 2 <= len(labels) <= LIMITS.classes:
        some = ", ".join(label_text(label)[:20] for label in labels[:3])
        raise ValueError(
            f"The target must have 2 to {LIMITS.classes} classes. Received: {len(labels)} ({some}, ...). "
            "Choose another column as target, or the problem 'regression'."
        )


def _features(wanted: Sequence[str], columns: tuple[str, ...], plane: bool) -> tuple[tuple[str, ...], list[str]]:
    """Return the features in the order of the registry, and what had to be changed."""
    known = tuple(PLANE_FEATURES) if plane else columns
    chosen = tuple(name for name in known if name in wanted)
    if chosen:
        return chosen, []
    chosen = _PLANE if plane else columns[: LIMITS.features]
    return chosen, [] if list(wanted) == list(_PLANE) else ["None of the features is in these data: all are taken."]
