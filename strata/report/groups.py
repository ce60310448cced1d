"""Where a model errs more than elsewhere: errors by the groups of each column."""

import itertools
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from strata.report.evaluation import Evaluation
from strata.report.intervals import bootstrap_interval

__all__ = ["Group", "group_errors", "groups_of"]

#: A numeric column with more values than this is cut at its quartiles.
MAX_VALUES = 8
#: Of a column with more groups the most frequent are shown by name, the others together.
MAX_GROUPS = 12
MAX_COLUMNS = 40
#: Fewer rows than this tell nothing about a group.
MIN_ROWS = 5
N_RESAMPLES = 400
OTHERS, MISSING = "all others", "missing"


@dataclass(frozen=True)
class Group:
    """The errors in one group of rows.

    Parameters
    ----------
    column : str
        The column that makes the groups.
    group : str
        Value, range or ``"missing"``.
    n_rows : int
        Rows in it.
    figure : {"accuracy", "mae"}
        What ``value`` is: share of right rows, or mean distance of prediction and answer.
    value : float
        In this group.
    low : float or None
        Lower end of its 95 % bootstrap interval.
    high : float or None
        Upper end.
    rest : float or None
        The figure on all other rows.
    p_value : float or None
        Of the hypothesis that the errors in and outside the group have the same distribution: Fisher's exact test of
        right and wrong rows, or the rank test of Mann and Whitney for the distances. Multiplied by the number of
        groups that were looked at (Bonferroni), at most 1.
    stands_out : bool
        Whether the group is worse than the rest with ``p_value`` below 0.05.
    """

    column: str
    group: str
    n_rows: int
    figure: str
    value: float
    low: float | None
    high: float | None
    rest: float | None
    p_value: float | None
    stands_out: bool

    def to_dict(self) -> dict[str, Any]:
        """Return the fields, ready for JSON."""
        return asdict(self)


def groups_of(column: Any) -> tuple[np.ndarray, list[str]]:
    """Return the group of each row and the names of the groups.

    Parameters
    ----------
    column : array-like of shape (n_rows,)
        Numbers with more than 8 values, and dates, are cut at their quartiles (equal cuts fall together); of other
        columns each value is a group, of more than 12 values the 11 most frequent and the others together.
        Missing values are a group.

    Returns
    -------
    numbers : ndarray of shape (n_rows,), int
        Places in ``names``.
    names : list of str
        In the order of the values, or of their frequency; missing values last.

    Examples
    --------
    >>> numbers, names = groups_of([1.5, None, 2.5, 1.5])
    >>> numbers.tolist(), names
    ([0, 2, 1, 0], ['1.5', '2.5', 'missing'])
    >>> groups_of(np.arange(100))[1]
    ['up to 24.75', '24.75 to 49.5', '49.5 to 74.25', 'above 74.25']
    """
    values = pd.Series(column).reset_index(drop=True)
    there = values.notna().to_numpy()
    known = values[there]
    is_date = pd.api.types.is_datetime64_any_dtype(values.dtype)
    is_number = pd.api.types.is_numeric_dtype(values.dtype) and not pd.api.types.is_bool_dtype(values.dtype)
    if (is_number or is_date) and known.nunique() > MAX_VALUES:
        codes, names = _quartiles(known, is_date=is_date)
    else:
        codes, names = _values(known, ordered=is_number or is_date)
    numbers = np.full(len(values), len(names))
    numbers[there] = codes
    return numbers, names if there.all() else [*names, MISSING]


def _quartiles(known: pd.Series, *, is_date: bool) -> tuple[np.ndarray, list[str]]:
    if is_date:
        stamps = known.to_numpy(dtype="datetime64[ns]")
        cuts = np.unique(np.quantile(stamps.astype(np.int64), [0.25, 0.5, 0.75]))
        texts = [str(pd.Timestamp(int(cut)).date()) for cut in cuts]
        codes = np.searchsorted(cuts, stamps.astype(np.int64), side="left")
    else:
        numbers = known.to_numpy(dtype=np.float64)
        cuts = np.unique(np.quantile(numbers, [0.25, 0.5, 0.75]))
        texts = [f"{cut:.4g}" for cut in cuts]
        codes = np.searchsorted(cuts, numbers, side="left")
    names = [
        f"up to {texts[0]}",
        *(f"{a} to {b}" for a, b in itertools.pairwise(texts)),
        f"above {texts[-1]}",
    ]
    return codes, names


def _values(known: pd.Series, *, ordered: bool) -> tuple[np.ndarray, list[str]]:
    texts = known if ordered else known.astype(str)
    counts = texts.value_counts()
    kept = list(counts.index[: MAX_GROUPS if len(counts) <= MAX_GROUPS else MAX_GROUPS - 1])
    kept = sorted(kept) if ordered else kept
    codes = pd.Index(kept).get_indexer(pd.Index(texts))
    codes[codes < 0] = len(kept)
    names = [f"{each:g}" if isinstance(each, float) else str(each) for each in kept]
    return np.asarray(codes), names if len(counts) <= MAX_GROUPS else [*names, OTHERS]


def group_errors(evaluation: Evaluation, frame: Any, *, random_state: int = 0) -> list[Group]:
    """Return the errors in each group of each column, the groups that stand out first.

    Parameters
    ----------
    evaluation : Evaluation
        Predictions with their answers.
    frame : DataFrame of shape (n_rows, n_columns)
        The raw columns of the same rows; the first 40 are looked at.
    random_state : int, default=0
        Seed of the intervals.

    Returns
    -------
    groups : list of Group
        Groups of fewer than 5 rows and columns of one group are left out. Those that stand out come
        first, the surest first; the others follow by column.

    Raises
    ------
    ValueError
        If the columns have another number of rows.

    Notes
    -----
    Many groups are looked at, and some are worse by chance: hence the correction of ``p_value``. A group that does
    not stand out may still be worse; the interval says what the rows allow.

    Examples
    --------
    >>> from strata.report import score_predictions
    >>> y = np.arange(200) % 2
    >>> region = np.where(np.arange(200) < 100, "north", "south")
    >>> called = np.where((region == "south") & (np.arange(200) % 3 == 0), 1 - y, y)
    >>> worst = group_errors(score_predictions(y, called, task="classification"), pd.DataFrame({"region": region}))[0]
    >>> worst.group, worst.value, worst.rest, worst.stands_out
    ('south', 0.67, 1.0, True)
    """
    table = pd.DataFrame(frame)
    if len(table) != len(evaluation.targets):
        raise ValueError(f"`frame` must have {len(evaluation.targets)} rows. Received: {len(table)}.")
    cut = [(str(name), *groups_of(table.iloc[:, i])) for i, name in enumerate(table.columns[:MAX_COLUMNS])]
    chosen = [
        (column, name, numbers == number)
        for column, numbers, names in cut
        if len(np.unique(numbers)) > 1
        for number, name in enumerate(names)
        if (numbers == number).sum() >= MIN_ROWS
    ]
    found = [_group(evaluation, *each, len(chosen), random_state) for each in chosen]
    return sorted(found, key=lambda group: group.p_value or 0.0 if group.stands_out else np.inf)


def _group(
    evaluation: Evaluation, column: str, name: str, inside: np.ndarray, n_groups: int, random_state: int
) -> Group:
    is_class = evaluation.task == "classification"
    figure = "accuracy" if is_class else "mae"
    y, called = evaluation.targets, evaluation.predictions
    interval = bootstrap_interval(
        figure, y[inside], called[inside], n_resamples=N_RESAMPLES, random_state=random_state
    ).to_dict()
    errors = (y != called).astype(float) if is_class else np.abs(y.astype(float) - called.astype(float))
    rest = float(errors[~inside].mean()) if not inside.all() else None
    p_value, worse = None, False
    if rest is not None:
        worse = bool(errors[inside].mean() > rest)
        p_value = min(1.0, n_groups * _p_value(errors[inside], errors[~inside], is_class=is_class))
        rest = 1.0 - rest if is_class else rest
    return Group(
        column,
        name,
        int(inside.sum()),
        figure,
        interval["value"],
        interval["low"],
        interval["high"],
        rest,
        p_value,
        worse and p_value is not None and p_value < 0.05,
    )


def _p_value(inside: np.ndarray, outside: np.ndarray, *, is_class: bool) -> float:
    if is_class:
        table = np.array([[each.sum(), len(each) - each.sum()] for each in (inside, outside)], dtype=np.int64)
        return float(stats.fisher_exact(table).pvalue)
    return float(stats.mannwhitneyu(inside, outside).pvalue)
