"""Which rows are learned from, which are watched, and which are kept for the end."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.model_selection import GroupShuffleSplit, train_test_split

from strata.data.tasks import infer_task
from strata.errors import DataError

__all__ = ["Split", "split_rows"]

Rows = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Split:
    """Row numbers of the parts; no row is in two.

    Attributes
    ----------
    train : ndarray of shape (N_train,), intp
        Rows to learn from.
    validation : ndarray of shape (N_validation,), intp
        Rows to watch while learning; may be empty.
    test : ndarray of shape (N_test,), intp
        Rows kept for the end; may be empty.
    kind : {"shuffled", "stratified", "grouped", "temporal"}
        How the rows were divided.
    """

    train: Rows
    validation: Rows
    test: Rows
    kind: str


def split_rows(
    n_rows: int,
    *,
    y: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    time: ArrayLike | None = None,
    test_size: float = 0.2,
    validation_size: float = 0.0,
    stratify: bool | None = None,
    random_state: int = 0,
) -> Split:
    """Divide rows into training, validation and test parts.

    Parameters
    ----------
    n_rows : int
        Number of rows, at least 2.
    y : array-like of shape (N,), optional
        Target; decides the strata.
    groups : array-like of shape (N,), optional
        Rows of one group stay together (patients, sessions). The sizes then count groups.
    time : array-like of shape (N,), optional
        Numbers or dates. The test part is the latest, the validation part the latest of the rest, and rows of one
        moment stay together on the earlier side.
    test_size : float, default=0.2
        Share of the rows for testing, in [0, 1).
    validation_size : float, default=0.0
        Share of the rows for validation, in [0, 1).
    stratify : bool, optional
        Keep the shares of the classes in every part. By default where ``y`` is a class (:func:`infer_task`).
    random_state : int, default=0
        Seed of the shuffle; not used by a temporal split.

    Returns
    -------
    split : Split
        Temporal parts are in the order of time, all others in a random order.

    Raises
    ------
    ValueError
        If a size is out of range, a length differs, or ``groups`` and ``time`` both come.
    DataError
        If there are too few rows, rows of a class, groups or moments for the parts, or a time or group is missing.

    Examples
    --------
    >>> split = split_rows(10, y=[0] * 5 + [1] * 5)
    >>> len(split.train), len(split.test), split.kind
    (8, 2, 'stratified')
    """
    _check_sizes(n_rows, test_size, validation_size)
    for name, values in (("y", y), ("groups", groups), ("time", time)):
        if values is not None and len(np.asarray(values)) != n_rows:
            raise ValueError(f"`{name}` must have {n_rows} rows. Received: {len(np.asarray(values))}.")
    if groups is not None and time is not None:
        raise ValueError("`groups` and `time` cannot both decide the split. Give one of them.")
    if time is not None:
        return _temporal(time, test_size, validation_size)
    if groups is not None:
        return _grouped(groups, test_size, validation_size, random_state)
    if stratify and y is None:
        raise ValueError("`stratify=True` needs `y`.")
    strata = None
    if y is not None and (stratify or (stratify is None and infer_task(y) == "classification")):
        strata = pd.factorize(pd.Series(np.asarray(y)), use_na_sentinel=True)
        if (strata[0] < 0).any():
            raise DataError(f"`y` has no value in row {int((strata[0] < 0).argmax())}; a stratified split needs all.")
    return _shuffled(n_rows, strata, test_size, validation_size, random_state)


def _check_sizes(n_rows: int, test_size: float, validation_size: float) -> None:
    for name, size in (("test_size", test_size), ("validation_size", validation_size)):
        if isinstance(size, bool) or not isinstance(size, int | float) or not 0.0 <= size < 1.0:
            raise ValueError(f"`{name}` must be in [0, 1). Received: {name}={size!r}.")
    if test_size + validation_size >= 1.0:
        raise ValueError(f"`test_size` + `validation_size` must stay under 1. Received: {test_size + validation_size}.")
    n_parts = 1 + (test_size > 0) + (validation_size > 0)
    if n_rows < n_parts:
        raise DataError(f"{n_rows} rows cannot be divided into {n_parts} parts. Give more rows, or test_size=0.")


def _n_part(n_rows: int, size: float) -> int:
    """Return the number of rows of a part: rounded, never 0 where one was asked for."""
    return max(1, round(size * n_rows)) if size > 0 else 0


def _shuffled(
    n_rows: int,
    strata: tuple[NDArray[np.intp], pd.Index] | None,
    test_size: float,
    validation_size: float,
    random_state: int,
) -> Split:
    """Cut off the test part, then the validation part."""
    rest: Rows = np.arange(n_rows, dtype=np.intp)
    parts: dict[str, Rows] = {}
    for name, size in (("test", test_size), ("validation", validation_size)):
        n_part = _n_part(n_rows, size)
        if n_part == 0:
            parts[name] = np.empty(0, np.intp)
            continue
        codes = None
        if strata is not None:
            codes = strata[0][rest]
            _check_strata(codes, strata[1], name, n_part, rest)
        elif len(rest) <= n_part:
            raise DataError(f"{n_rows} rows are too few for a {name} part of {n_part}.")
        rest, parts[name] = train_test_split(rest, test_size=n_part, stratify=codes, random_state=random_state)
    if test_size == 0 and validation_size == 0:
        rest = np.random.RandomState(random_state).permutation(rest)
    return Split(rest, parts["validation"], parts["test"], "shuffled" if strata is None else "stratified")


def _check_strata(codes: NDArray[np.intp], names: pd.Index, part: str, n_part: int, rest: Rows) -> None:
    """Say which class is too small before scikit-learn says that one is."""
    counts = np.bincount(codes, minlength=len(names))
    present = np.flatnonzero(counts)
    rarest = present[counts[present].argmin()]
    if counts[rarest] < 2:
        row = int(rest[(codes == rarest).argmax()])
        raise DataError(
            f"The class {names.tolist()[rarest]!r} has 1 row left (row {row}) when the {part} part is cut off, "
            "and each part needs one. Give more rows of it, leave it out, or give stratify=False."
        )
    if min(n_part, len(codes) - n_part) < len(present):
        raise DataError(
            f"A {part} part of {n_part} of {len(codes)} rows cannot hold a row of each of the {len(present)} classes. "
            "Change the size, merge classes, or give stratify=False."
        )


def _grouped(groups: ArrayLike, test_size: float, validation_size: float, random_state: int) -> Split:
    """Cut off whole groups."""
    codes, names = pd.factorize(pd.Series(np.asarray(groups)), use_na_sentinel=True)
    if (codes < 0).any():
        raise DataError(f"`groups` has no value in row {int((codes < 0).argmax())}.")
    n_parts = 1 + (test_size > 0) + (validation_size > 0)
    if len(names) < n_parts:
        raise DataError(f"{len(names)} groups cannot be divided into {n_parts} parts.")
    rest: Rows = np.arange(len(codes), dtype=np.intp)
    parts: dict[str, Rows] = {}
    left = n_parts
    for name, size in (("test", test_size), ("validation", validation_size)):
        if size == 0:
            parts[name] = np.empty(0, np.intp)
            continue
        left -= 1
        n_groups = len(np.unique(codes[rest]))
        n_cut = min(_n_part(len(names), size), n_groups - left)
        cutter = GroupShuffleSplit(n_splits=1, test_size=n_cut, random_state=random_state)
        kept, cut = next(cutter.split(rest, groups=codes[rest]))
        rest, parts[name] = rest[kept], rest[cut]
    return Split(rest, parts["validation"], parts["test"], "grouped")


def _temporal(time: ArrayLike, test_size: float, validation_size: float) -> Split:
    """Sort by time and cut, never inside one moment."""
    moments = pd.Series(np.asarray(time))
    if moments.dtype == object or pd.api.types.is_string_dtype(moments.dtype):
        parsed = pd.to_datetime(moments, errors="coerce", format="ISO8601", utc=True)
        if (parsed.isna() & moments.notna()).any():
            row = int((parsed.isna() & moments.notna()).to_numpy().argmax())
            raise DataError(f"`time` must be numbers or ISO dates. Received {moments.iloc[row]!r} in row {row}.")
        moments = parsed
    if moments.isna().any():
        raise DataError(f"`time` has no value in row {int(moments.isna().to_numpy().argmax())}.")
    codes = np.asarray(moments.rank(method="dense"), np.intp)
    order = np.argsort(codes, kind="stable")
    n_rows = len(order)
    starts = np.flatnonzero(np.diff(codes[order])) + 1  # where a new moment begins
    last, cuts = n_rows, []
    for name, size in (("test", test_size), ("validation", validation_size)):
        if size > 0:
            wanted = last - _n_part(n_rows, size)
            later = starts[(starts >= wanted) & (starts < last)]
            earlier = starts[starts < min(wanted, last)]
            if len(later) == 0 and len(earlier) == 0:
                raise DataError(f"`time` has too few distinct moments for a {name} part.")
            last = int(later[0]) if len(later) else int(earlier[-1])
        cuts.append(last)
    return Split(order[: cuts[1]], order[cuts[1] : cuts[0]], order[cuts[0] :], "temporal")
