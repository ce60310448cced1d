"""Look at a table before training: what would spoil the result without any error.

Nothing is changed; every finding names its column and its rows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from strata.data._blocks import number_blocks
from strata.data._kinds import column_kind, row_place
from strata.data._leakage import single_column_scores
from strata.data._number_form import grouping_of
from strata.data.frames import as_frame
from strata.data.splits import Split
from strata.data.tasks import infer_task
from strata.errors import DataError

__all__ = ["AuditReport", "Finding", "LEAKAGE_THRESHOLD", "audit"]

#: A column that alone reaches this cross-validated score is reported: balanced accuracy, or R squared.
LEAKAGE_THRESHOLD = 0.99
_SAMPLE = 5000  # rows looked at for leakage
_RARE = 10  # rows; a class with fewer is reported
_IMBALANCE = 10.0  # largest class over smallest
_IDENTIFIER_SHARE = 0.95  # distinct share of a text column that makes it an identifier
_FEW = 20  # rows, under which shares mean little
_EXAMPLES = 5
_ID_NAME = re.compile(r"(^|[_. ])(id|uuid|guid|index|key|rownames?)$", re.IGNORECASE)

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True)
class Finding:
    """One thing that the audit found.

    Attributes
    ----------
    level : {"error", "warning", "note"}
        Training on an error makes no sense; a warning needs a look; a note is worth knowing.
    code : str
        What it is: ``non_finite``, ``missing_target``, ``one_class``, ``many_classes``, ``rare_class``, ``imbalance``,
        ``duplicates``, ``contradictions``, ``shared_rows``, ``constant``, ``missing``, ``leakage``, ``identifier``,
        ``thousands``.
    message : str
        One sentence, with the file's line or the row.
    column : str or None
        The column it is about.
    rows : tuple of int
        Up to five positions of rows.
    count : int
        Rows concerned, of all.
    """

    level: Level
    code: str
    message: str
    column: str | None = None
    rows: tuple[int, ...] = ()
    count: int = 0


@dataclass(frozen=True)
class AuditReport:
    """What :func:`audit` found.

    Attributes
    ----------
    n_rows : int
        Rows looked at.
    n_columns : int
        Columns looked at, without the target.
    findings : tuple of Finding
        Errors first, then warnings, then notes.
    """

    n_rows: int
    n_columns: int
    findings: tuple[Finding, ...] = field(default_factory=tuple)

    def lines(self) -> list[str]:
        """Return the report as lines of text.

        Returns
        -------
        lines : list of str
            One a finding, or one that says that there is none.

        Examples
        --------
        >>> AuditReport(3, 2).lines()
        ['3 rows, 2 columns: nothing found.']
        """
        if not self.findings:
            return [f"{self.n_rows} rows, {self.n_columns} columns: nothing found."]
        return [f"{finding.level}: {finding.message}" for finding in self.findings]

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain values, for JSON.

        Returns
        -------
        report : dict
            ``n_rows``, ``n_columns`` and ``findings``, a list of dicts.

        Examples
        --------
        >>> AuditReport(3, 2).to_dict()
        {'n_rows': 3, 'n_columns': 2, 'findings': []}
        """
        return {
            "n_rows": self.n_rows,
            "n_columns": self.n_columns,
            "findings": [asdict(finding) | {"rows": list(finding.rows)} for finding in self.findings],
        }

    def raise_errors(self) -> None:
        """Refuse the data if the audit found an error.

        Raises
        ------
        DataError
            With the first error, and the number of others.

        Examples
        --------
        >>> AuditReport(3, 2).raise_errors()
        """
        errors = [finding for finding in self.findings if finding.level == "error"]
        if errors:
            more = f" ({len(errors) - 1} more errors.)" if len(errors) > 1 else ""
            raise DataError(errors[0].message + more)


def audit(
    X: object,
    y: ArrayLike | None = None,
    *,
    split: Split | None = None,
    task: Literal["classification", "regression"] | None = None,
    leakage_threshold: float = LEAKAGE_THRESHOLD,
    random_state: int = 0,
) -> AuditReport:
    """Look for what spoils a training before it begins.

    Parameters
    ----------
    X : pandas or polars frame, or array-like of shape (N, P)
        The columns that predict. Lines of the file are named where :func:`strata.data.read_table` made the frame.
    y : array-like of shape (N,), optional
        The target; without it, only ``X`` is looked at.
    split : Split, optional
        Parts, to find rows that are in two of them.
    task : {"classification", "regression"}, optional
        By default :func:`strata.data.infer_task` decides.
    leakage_threshold : float, default=0.99
        Score in (0, 1] from which a column that predicts the target alone is reported.
    random_state : int, default=0
        Seed of the sample of rows for the leakage search.

    Returns
    -------
    report : AuditReport
        Also with ``.lines()``, ``.to_dict()`` and ``.raise_errors()``.

    Raises
    ------
    ValueError
        If ``y`` has another length, or the threshold is out of range.
    DataError
        If a column holds text among numbers.

    Notes
    -----
    Leakage: each row's target is predicted from the rows whose value in the one column is nearest (a missing value is a
    value of its own), as by a decision tree grown to its end, three-fold cross-validated on at most 5,000 rows drawn at
    random; balanced accuracy for classes, and for a quantity R squared, or the squared linear
    correlation if that is larger. Sets under 20 rows are not searched. Duplicates are found by a 64-bit hash of each
    row. An identifier is a column of text with over 95 % distinct values, or of distinct whole numbers that are
    consecutive or whose name ends in ``id``, ``key``, ``index`` or the like.

    Examples
    --------
    >>> audit({"a": [1.0, 2.0, 2.0], "b": [5, 5, 5]}).lines()
    ["warning: Column 'b' is constant (5).", 'note: 1 row is an exact copy of an earlier one: row 2.']
    """
    if not 0.0 < leakage_threshold <= 1.0:
        raise ValueError(f"`leakage_threshold` must be in (0, 1]. Received: {leakage_threshold!r}.")
    frame = as_frame(X)
    target = None if y is None else _target_series(y, frame)
    findings = [*_non_finite(frame), *_columns(frame), *_copies(frame, target, split)]
    if target is not None:
        findings += _about_target(frame, target, task, leakage_threshold, random_state)
    order = {"error": 0, "warning": 1, "note": 2}
    findings.sort(key=lambda finding: order[finding.level])
    return AuditReport(len(frame), frame.shape[1], tuple(findings))


def _target_series(y: ArrayLike, frame: pd.DataFrame) -> pd.Series:
    name = getattr(y, "name", None)
    values = np.asarray(y.astype(object)) if isinstance(y, pd.Series) else np.asarray(y)
    if values.ndim == 2 and values.shape[1] == 1:
        values = values[:, 0]
    if values.ndim != 1 or len(values) != len(frame):
        raise ValueError(f"`y` must have the shape ({len(frame)},). Received: {values.shape}.")
    return pd.Series(values.tolist(), index=frame.index, name=name if isinstance(name, str) else "target")


def _places(frame: pd.DataFrame, rows: NDArray[np.intp]) -> str:
    """Name the first rows: ``line 3, line 9, ...``."""
    named = [row_place(frame, int(row)) for row in rows[:_EXAMPLES]]
    return ", ".join(named) + (f" and {len(rows) - _EXAMPLES} more" if len(rows) > _EXAMPLES else "")


def _finding(
    level: Level, code: str, message: str, column: str | None = None, rows: NDArray[np.intp] | None = None
) -> Finding:
    rows = np.empty(0, np.intp) if rows is None else rows
    return Finding(level, code, message, column, tuple(int(row) for row in rows[:_EXAMPLES]), len(rows))


def _count(n: int, one: str, many: str) -> str:
    return f"1 {one}" if n == 1 else f"{n} {many}"


def _non_finite(frame: pd.DataFrame) -> Iterator[Finding]:
    """Find infinities, and count what is missing."""
    path = frame.attrs.get("path")
    prefix = f"{path}: " if path else ""
    sound = np.zeros(frame.shape[1], dtype=bool)
    for positions, values in number_blocks(frame):
        sound[positions] = np.isfinite(values).all(axis=1)
    for name in frame.columns[~sound]:
        column = frame[name]
        if pd.api.types.is_float_dtype(column.dtype):
            rows = np.flatnonzero(np.isinf(column.to_numpy(dtype=np.float64, na_value=np.nan)))
            if len(rows):
                text = f"{prefix}column {name!r} is infinite in {_count(len(rows), 'row', 'rows')}: "
                yield _finding("error", "non_finite", text + _places(frame, rows) + ".", name, rows)
        missing = np.flatnonzero(column.isna().to_numpy())
        if 0 < len(missing) < len(frame):
            share = len(missing) / len(frame)
            level: Level = "warning" if share > 0.5 else "note"
            text = f"Column {name!r} has no value in {_count(len(missing), 'row', 'rows')} ({share:.1%})."
            yield _finding(level, "missing", text, name, missing)


def _columns(frame: pd.DataFrame) -> Iterator[Finding]:
    """Find constant columns and identifiers."""
    n_rows = len(frame)
    for name in frame.columns[~_plainly_various(frame)]:
        column = frame[name]
        kind = column_kind(column)
        if kind == "empty":
            yield _finding("warning", "constant", f"Column {name!r} holds no value.", name)
            continue
        present = column.dropna()
        n_distinct = present.nunique()
        if n_distinct == 1 and n_rows > 1 and len(present) == n_rows:
            value = present.to_numpy()[0]
            value = value.item() if hasattr(value, "item") else value
            yield _finding("warning", "constant", f"Column {name!r} is constant ({value}).", name)
        elif kind == "category" and (found := _grouped_numbers(frame, name, present)) is not None:
            yield found
        elif n_rows >= _FEW and _is_identifier(name, present, kind, n_distinct):
            text = f"Column {name!r} looks like an identifier: {n_distinct} distinct values in {n_rows} rows."
            yield _finding("warning", "identifier", text, name)


def _plainly_various(frame: pd.DataFrame) -> NDArray[np.bool_]:
    """Say which columns of numbers are seen at a glance to be neither constant nor identifiers."""
    various = np.zeros(frame.shape[1], dtype=bool)
    if len(frame) == 0:
        return various
    named = np.array([_ID_NAME.search(name) is not None for name in frame.columns])
    for positions, values in number_blocks(frame):
        if values.dtype.kind == "f":
            low, high = np.fmin.reduce(values, axis=1), np.fmax.reduce(values, axis=1)
            various[positions] = high > low
        else:
            low, high = values.min(axis=1).astype(object), values.max(axis=1).astype(object)
            span = (high - low).astype(np.float64)  # of Python's integers: without overflow
            various[positions] = (span > 0) & (span != len(frame) - 1) & ~named[positions]
    return various


def _grouped_numbers(frame: pd.DataFrame, name: str, present: pd.Series) -> Finding | None:
    """Find text that is numbers with a mark between thousands."""
    if isinstance(present.dtype, pd.CategoricalDtype) or name in frame.attrs.get("text", ()):
        return None
    values = present.astype(str)
    form = grouping_of(values)
    if form is None:
        return None
    way_out = f"give {form.words()}" if "path" in frame.attrs else "turn it into numbers"
    example = next(value for value in values if form.parts_any([value]))
    text = (
        f"Column {name!r} is text, but every value is a number with {form.thousands!r} between thousands, such as "
        f"{example!r}: {way_out}, unless they are names."
    )
    return _finding("warning", "thousands", text, name)


def _is_identifier(name: str, present: pd.Series, kind: str, n_distinct: int) -> bool:
    if kind == "category":
        return n_distinct > _IDENTIFIER_SHARE * len(present)
    if kind != "numeric" or n_distinct < len(present) or not pd.api.types.is_integer_dtype(present.dtype):
        return False
    consecutive = int(present.max()) - int(present.min()) == n_distinct - 1
    return consecutive or _ID_NAME.search(name) is not None


def _mixed(keys: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Scatter 64-bit keys over all 64-bit numbers (the last steps of splitmix64)."""
    for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
        keys = (keys ^ (keys >> np.uint64(shift))) * np.uint64(factor)
    return keys ^ (keys >> np.uint64(31))


def _hash(frame: pd.DataFrame) -> NDArray[np.uint64]:
    """Return a 64-bit hash of each row."""
    total = np.zeros(len(frame), np.uint64)
    others = np.ones(frame.shape[1], dtype=bool)
    for positions, block in number_blocks(frame):
        others[positions] = False
        values = block.astype(np.float64 if block.dtype.kind == "f" else np.int64)
        if block.dtype.kind == "f":
            values = np.where(np.isnan(values), np.nan, values + 0.0)  # one NaN, and no negative zero
        salts = _mixed(positions.astype(np.uint64) + np.uint64(1))
        total += _mixed(values.view(np.uint64) ^ salts[:, None]).sum(axis=0, dtype=np.uint64)
    names = frame.columns[others]
    columns = {name: frame[name].astype(str) if frame[name].dtype == object else frame[name] for name in names}
    if columns:
        total += _mixed(np.asarray(pd.util.hash_pandas_object(pd.DataFrame(columns), index=False), np.uint64))
    return total


def _copies(frame: pd.DataFrame, target: pd.Series | None, split: Split | None) -> Iterator[Finding]:
    """Find rows that come twice, contradict each other, or are in two parts."""
    hashes = _hash(frame)
    inputs = pd.Series(hashes)
    whole = inputs
    if target is not None:
        keys = pd.factorize(target)[0]
        whole = pd.Series(_hash(pd.DataFrame({"x": hashes, "y": keys})))
    copies = np.flatnonzero(whole.duplicated().to_numpy())
    if len(copies):
        share = len(copies) / len(frame)
        are = "row is an exact copy of an earlier one" if len(copies) == 1 else "rows are exact copies of earlier ones"
        text = f"{len(copies)} {are}: {_places(frame, copies)}."
        yield _finding("warning" if share > 0.05 and len(frame) >= _FEW else "note", "duplicates", text, None, copies)
    if target is not None and _task_or_none(target) == "classification":
        distinct = pd.DataFrame({"x": inputs, "whole": whole}).groupby("x")["whole"].nunique()
        mixed = np.flatnonzero(inputs.isin(distinct[distinct > 1].index).to_numpy())
        if len(mixed):
            text = f"{len(mixed)} rows have the same columns as another but another target: {_places(frame, mixed)}."
            yield _finding("note", "contradictions", text, None, mixed)
    if split is not None:
        yield from _shared(frame, hashes, split)


def _task_or_none(target: pd.Series) -> str | None:
    """Return the task, or None where the target does not say."""
    try:
        return infer_task(target)
    except DataError:
        return None


def _shared(frame: pd.DataFrame, hashes: NDArray[np.uint64], split: Split) -> Iterator[Finding]:
    """Find rows of one part whose columns are those of a row of another."""
    parts = (("test", split.test, "training", split.train), ("validation", split.validation, "training", split.train))
    for name, rows, other_name, other in (*parts, ("test", split.test, "validation", split.validation)):
        found = rows[np.isin(hashes[rows], hashes[other])]
        if len(found):
            text = (
                f"{len(found)} of {len(rows)} {name} rows are also {other_name} rows: {_places(frame, found)}. "
                "The score will be too good."
            )
            yield _finding("warning", "shared_rows", text, None, found)


def _about_target(
    frame: pd.DataFrame, target: pd.Series, task: str | None, threshold: float, random_state: int
) -> Iterator[Finding]:
    """Look at the target alone, then at every column beside it."""
    target.attrs = dict(frame.attrs)
    name = str(target.name)
    missing = np.flatnonzero(target.isna().to_numpy())
    if len(missing):
        text = f"The target {name!r} has no value in {_count(len(missing), 'row', 'rows')}: {_places(frame, missing)}."
        yield _finding("error", "missing_target", text, name, missing)
        if len(missing) == len(target):
            return
    present = np.flatnonzero(target.notna().to_numpy())
    values = target.iloc[present].infer_objects()
    if task is None:
        task = infer_task(values)
    if task == "classification":
        yield from _classes(frame, name, values)
        if values.nunique() > len(values) // 2:
            return
    elif pd.api.types.is_numeric_dtype(values.dtype):
        rows = present[np.isinf(values.to_numpy(dtype=np.float64))]
        if len(rows):
            text = f"The target {name!r} is infinite in {_count(len(rows), 'row', 'rows')}: {_places(frame, rows)}."
            yield _finding("error", "non_finite", text, name, rows)
            return
        if values.nunique() == 1 and len(values) > 1:
            yield _finding("warning", "constant", f"The target {name!r} is constant.", name)
            return
    else:
        text = f"The target {name!r} of a regression must be numbers. Received: {values.iloc[0]!r}."
        yield _finding("error", "non_finite", text, name)
        return
    yield from _leaks(frame.iloc[present], values, task, threshold, random_state)


def _classes(frame: pd.DataFrame, name: str, values: pd.Series) -> Iterator[Finding]:
    """Count the classes."""
    counts = values.value_counts()
    n_classes = len(counts)
    labels = [str(label) for label in counts.index]
    if n_classes == 1:
        yield _finding("error", "one_class", f"The target {name!r} has one class only: {labels[0]!r}.", name)
        return
    if n_classes > max(_FEW, len(values) // 2):
        text = f"The target {name!r} has {n_classes} classes in {len(values)} rows. Is it a quantity, or an identifier?"
        yield _finding("error", "many_classes", text, name)
        return
    if len(values) < _FEW:
        return
    rare = [f"{label!r} ({count})" for label, count in zip(labels, counts, strict=True) if count < _RARE]
    if rare:
        text = (
            f"Classes of under {_RARE} rows: {', '.join(rare[:_EXAMPLES])}{', ...' if len(rare) > _EXAMPLES else ''}."
        )
        yield _finding("warning", "rare_class", text, name)
    if counts.iloc[0] > _IMBALANCE * counts.iloc[-1]:
        text = (
            f"The largest class {labels[0]!r} has {counts.iloc[0]} rows, the smallest {labels[-1]!r} "
            f"{counts.iloc[-1]}. Look at the balanced accuracy, or give class_weight='balanced'."
        )
        yield _finding("warning", "imbalance", text, name)


def _leaks(frame: pd.DataFrame, values: pd.Series, task: str, threshold: float, random_state: int) -> Iterator[Finding]:
    """Let every column predict the target alone."""
    if len(frame) < _FEW:
        return
    if len(frame) > _SAMPLE:
        rows = np.random.RandomState(random_state).choice(len(frame), _SAMPLE, replace=False)
        frame, values = frame.iloc[rows], values.iloc[rows]
    measure = "balanced accuracy" if task == "classification" else "R squared"
    for name, score in zip(frame.columns, single_column_scores(frame, values, task), strict=True):
        if score >= threshold:
            text = (
                f"Column {name!r} predicts the target alone ({measure} {score:.3f}). Leave it out unless it is known "
                "before the target is."
            )
            yield _finding("warning", "leakage", text, name)
