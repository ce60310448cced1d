"""What a column of a frame holds: numbers, truth values, dates or categories."""

from __future__ import annotations

import datetime
import numbers
import re
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strata.data._columns import MOSTLY, parse_number
from strata.errors import DataError

__all__ = [
    "DateFormat",
    "category_keys",
    "column_kind",
    "date_days",
    "find_date_format",
    "float_values",
    "row_place",
    "truth_values",
]

DateFormat = Literal["ISO8601", "%Y/%m/%d", "%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y"]
_ISO: DateFormat = "ISO8601"
_TIME = r"([ T]+\d\d?:\d\d(:\d\d)?( ?[AaPp][Mm])?)?"
_FORMATS: dict[DateFormat, re.Pattern[str]] = {
    _ISO: re.compile(r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:?\d\d)?)?"),
    "%Y/%m/%d": re.compile(r"\d{4}/\d\d?/\d\d?" + _TIME),
    "%d.%m.%Y": re.compile(r"\d\d?\.\d\d?\.\d{4}" + _TIME),
    "%d/%m/%Y": re.compile(r"\d\d?/\d\d?/\d{4}" + _TIME),
    "%m/%d/%Y": re.compile(r"\d\d?/\d\d?/\d{4}" + _TIME),
}
_EPOCH = pd.Timestamp("1970-01-01")
_TRUTH = {"true": 1.0, "false": 0.0}


def row_place(frame: pd.DataFrame | pd.Series, position: int) -> str:
    """Say where a row stands: its line in the file where that is known, else its number.

    >>> row_place(pd.DataFrame({"a": [1, 2]}), 1)
    'row 1'
    """
    label = frame.index[position]
    first_line = frame.attrs.get("first_line")
    if isinstance(first_line, int) and isinstance(label, int | np.integer):
        return f"line {first_line + int(label)}"
    return f"row {label if isinstance(label, int | np.integer) else repr(label)}"


def column_kind(column: pd.Series) -> str:
    """Return ``"empty"``, ``"numeric"``, ``"boolean"``, ``"date"`` or ``"category"``.

    A column of text of which 90 % or more, but not all, are numbers (or dates) is refused with a DataError
    that names the first cell which is not.
    """
    dtype = column.dtype
    if column.notna().sum() == 0:
        return "empty"
    if isinstance(dtype, pd.CategoricalDtype):
        return "category"
    if pd.api.types.is_bool_dtype(dtype):
        return "boolean"
    if pd.api.types.is_datetime64_any_dtype(dtype):
        return "date"
    if pd.api.types.is_complex_dtype(dtype):
        raise ValueError(f"Complex data not supported by a table: column {column.name!r}.")
    if pd.api.types.is_numeric_dtype(dtype):
        return "numeric"
    if pd.api.types.is_timedelta64_dtype(dtype):
        raise DataError(f"Column {column.name!r} holds durations; turn them into a number of seconds or days.")
    return _kind_of_objects(column)


def _kind_of_objects(column: pd.Series) -> str:
    """Look into the cells of a text or object column."""
    values = column.dropna()
    _refuse_non_scalars(column)
    lowered = {str(value).lower() for value in values.unique()}
    if lowered <= set(_TRUTH):
        return "boolean"
    if all(isinstance(value, datetime.date) for value in values):
        return "date"
    bad = ~values.map(_is_number, na_action=None).to_numpy(dtype=bool)
    if not bad.any():
        return "numeric"
    if bad.mean() <= 1 - MOSTLY + 1e-9:
        position = int(np.flatnonzero(column.notna().to_numpy())[bad.argmax()])
        raise DataError(
            f"Column {column.name!r}, {row_place(column, position)}: {column.iloc[position]!r} is text in a "
            f"column of numbers ({MOSTLY:.0%} or more of its values are). Mend it, leave it empty, or make the column "
            "categorical."
        )
    return "date" if find_date_format(column) is not None else "category"


def _refuse_non_scalars(column: pd.Series) -> None:
    for position, value in enumerate(column.array):
        if isinstance(value, str | numbers.Number | datetime.date | datetime.time | None) or value is pd.NA:
            continue
        if np.ndim(value) == 0 and not isinstance(value, dict | set | bytes):
            continue
        raise TypeError(
            f"Column {column.name!r}, {row_place(column, position)}: argument must be a string or a real number, not "
            f"{type(value).__name__!r}."
        )


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        number = parse_number(value)
        return number is not None and (value.strip() != "")
    return isinstance(value, numbers.Real) and not isinstance(value, bool)


def find_date_format(column: pd.Series) -> DateFormat | None:
    """Return the one format that every value of a text column has, or None where it holds no dates.

    Raises a DataError where day and month cannot be told apart, and where 90 % or more but not all are dates.
    """
    values = column.dropna().astype(str).str.strip()
    head = values.iloc[: max(10, len(values) // 10)]
    whole: list[DateFormat] = []
    for name, pattern in _FORMATS.items():
        if not head.map(lambda text, pattern=pattern: pattern.fullmatch(text) is not None).mean() > 0.5:
            continue
        matched = values.map(lambda text, pattern=pattern: pattern.fullmatch(text) is not None).to_numpy(dtype=bool)
        good = matched & _parse(values, name).notna().to_numpy()
        if good.all():
            whole.append(name)
        elif matched.mean() >= MOSTLY and good.mean() >= MOSTLY and "/%Y" not in name:
            position = int(np.flatnonzero(column.notna().to_numpy())[(~good).argmax()])
            raise DataError(
                f"Column {column.name!r}, {row_place(column, position)}: {column.iloc[position]!r} is no date in a "
                f"column of dates ({MOSTLY:.0%} or more of its values are). Mend it or leave it empty."
            )
    if len(whole) > 1 and values.nunique() > 1:
        raise DataError(
            f"Column {column.name!r}: dates such as {values.iloc[0]!r} can be day/month or month/day. Write them as "
            "2024-01-31."
        )
    return whole[0] if whole else None


def _parse(values: pd.Series, date_format: str) -> pd.Series:
    """Return moments in UTC, NaT for what is none; forms other than ISO 8601 may have a time of day behind the date."""
    if date_format == _ISO:
        return pd.to_datetime(values, format=date_format, errors="coerce", utc=True)
    parts = values.astype("string").str.split(r"[ T]+", n=1, regex=True, expand=True)
    moments = pd.to_datetime(parts[0], format=date_format, errors="coerce", utc=True)
    if parts.shape[1] == 1:
        return moments
    return moments + _time_of_day(parts[1])


def _time_of_day(texts: pd.Series) -> pd.Series:
    """Return how long after midnight, nothing where no time stands, NaT for what is no time."""
    texts = texts.str.upper().str.replace(r" ?([AP]M)$", r" \1", regex=True)
    found = pd.Series(pd.NaT, index=texts.index, dtype="datetime64[ns]")
    for form in ("%H:%M", "%H:%M:%S", "%I:%M %p", "%I:%M:%S %p"):
        found = found.fillna(pd.to_datetime(texts, format=form, errors="coerce"))
    return (found - pd.Timestamp("1900-01-01")).where(texts.notna(), pd.Timedelta(0))


def date_days(column: pd.Series, date_format: str | None) -> NDArray[np.float64]:
    """Return days since 1970-01-01 in UTC, NaN where missing; a value that is no date is a DataError."""
    if pd.api.types.is_datetime64_any_dtype(column.dtype):
        moments = column
    elif date_format is None:
        moments = pd.to_datetime(column, errors="coerce", utc=True)
    else:
        moments = _parse(column.astype(object).where(column.notna(), None).astype("string").str.strip(), date_format)
    bad = (moments.isna() & column.notna()).to_numpy(dtype=bool)
    if bad.any():
        position = int(bad.argmax())
        raise DataError(
            f"Column {column.name!r}, {row_place(column, position)}: {column.iloc[position]!r} is no date"
            f"{'' if date_format in (None, _ISO) else f' of the form {date_format}'}."
        )
    if moments.dt.tz is not None:
        moments = moments.dt.tz_convert("UTC").dt.tz_localize(None)
    days = (moments - _EPOCH) / pd.Timedelta(days=1)
    return np.asarray(days.to_numpy(dtype=np.float64, na_value=np.nan))


def float_values(column: pd.Series) -> NDArray[np.float64]:
    """Return a column of numbers as float64, NaN where missing; text, dates and infinities are a DataError."""
    if pd.api.types.is_numeric_dtype(column.dtype) and not pd.api.types.is_complex_dtype(column.dtype):
        values = column.to_numpy(dtype=np.float64, na_value=np.nan)
    else:
        _refuse_non_scalars(column)
        values = np.array([_to_float(value) for value in column.astype(object)], dtype=object)
        bad = np.array([value is None for value in values], dtype=bool)
        if bad.any():
            position = int(bad.argmax())
            raise DataError(
                f"Column {column.name!r}, {row_place(column, position)}: {column.iloc[position]!r} is not a number."
            )
        values = values.astype(np.float64)
    if np.isinf(values).any():
        position = int(np.isinf(values).argmax())
        raise DataError(f"Column {column.name!r}, {row_place(column, position)} is infinite.")
    return values


def _to_float(value: Any) -> float | None:
    if value is None or value is pd.NA or value is pd.NaT:
        return float("nan")
    if isinstance(value, str):
        return parse_number(value)
    return float(value) if isinstance(value, numbers.Real) else None


def truth_values(column: pd.Series) -> NDArray[np.float64]:
    """Return a column of truth values as 0 and 1, NaN where missing; anything else is a DataError."""
    if pd.api.types.is_bool_dtype(column.dtype):
        return column.to_numpy(dtype=np.float64, na_value=np.nan)
    values = np.full(len(column), np.nan)
    for position, (value, present) in enumerate(zip(column.astype(object), column.notna(), strict=True)):
        if not present:
            continue
        if isinstance(value, str):
            truth = _TRUTH.get(value.strip().lower())
        else:
            truth = float(value) if value in (0, 1) else None
        if truth is None:
            raise DataError(f"Column {column.name!r}, {row_place(column, position)}: {value!r} is not true or false.")
        values[position] = truth
    return values


def category_keys(column: pd.Series) -> NDArray[np.object_]:
    """Return the categories as text, None where missing; 1 and 1.0 are the same category."""
    if column.dtype == object:
        _refuse_non_scalars(column)
    codes, uniques = pd.factorize(column, use_na_sentinel=True)
    keys = np.array([*(_key(value) for value in uniques), None], dtype=object)
    return np.asarray(keys[codes], dtype=object)


def _key(value: Any) -> str:
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)
