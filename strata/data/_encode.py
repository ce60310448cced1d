"""One column of a table into columns of numbers, by its specification."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strata.data._encoder_config import BooleanColumn, CategoryColumn, ColumnSpec, DateColumn, NumericColumn
from strata.data._kinds import category_keys, date_days, float_values, truth_values

__all__ = ["PERIODS", "encode_column", "output_names"]

PERIODS = {"year": 365.2425, "week": 7.0, "day": 1.0}  # days


def output_names(spec: ColumnSpec) -> list[str]:
    """Return the names of the columns that one column becomes."""
    if isinstance(spec, CategoryColumn):
        names = [f"{spec.name}={category}" for category in spec.categories]
        return names + [f"{spec.name}=<other>"] * bool(spec.rest) + [f"{spec.name}=<missing>"] * spec.missing
    names = [spec.name]
    if isinstance(spec, DateColumn):
        names += [f"{spec.name}_{part}_{wave}" for part in spec.parts for wave in ("sin", "cos")]
    return names + [f"{spec.name}_missing"] * spec.indicator


def encode_column(spec: ColumnSpec, column: pd.Series, out: NDArray[np.float64]) -> list[str]:
    """Fill ``out`` (N, K), which is zero, and return the categories that training did not have."""
    if isinstance(spec, CategoryColumn):
        return _categories(spec, column, out)
    if isinstance(spec, NumericColumn):
        values = float_values(column)
        out[:, 0] = (np.where(np.isnan(values), spec.fill, values) - spec.mean) / spec.scale
    elif isinstance(spec, BooleanColumn):
        values = truth_values(column)
        out[:, 0] = np.where(np.isnan(values), spec.fill, values)
    else:
        values = date_days(column, spec.format)
        out[:, 0] = (np.where(np.isnan(values), spec.fill, values) - spec.mean) / spec.scale
        _cycles(spec, values, out)
    if spec.indicator:
        out[:, -1] = np.isnan(values)
    return []


def _cycles(spec: DateColumn, days: NDArray[np.float64], out: NDArray[np.float64]) -> None:
    """Put each moment on a circle; a missing one is in the middle of all of them."""
    for number, part in enumerate(spec.parts):
        angle = 2.0 * np.pi * days / PERIODS[part]
        out[:, 1 + 2 * number] = np.nan_to_num(np.sin(angle))
        out[:, 2 + 2 * number] = np.nan_to_num(np.cos(angle))


def _categories(spec: CategoryColumn, column: pd.Series, out: NDArray[np.float64]) -> list[str]:
    n_own = len(spec.categories)
    place: dict[str | None, int] = {category: number for number, category in enumerate(spec.categories)}
    place |= dict.fromkeys(spec.rest, n_own)
    if spec.missing:
        place[None] = n_own + bool(spec.rest)
    keys = category_keys(column)
    codes, uniques = pd.factorize(pd.Series(keys, dtype=object), use_na_sentinel=True)
    targets = np.array([*(place.get(key, -1) for key in uniques), place.get(None, -1)], dtype=np.intp)[codes]
    rows = np.flatnonzero(targets >= 0)
    out[rows, targets[rows]] = 1.0
    unseen = [str(key) for key in uniques if key not in place]
    if (codes < 0).any() and not spec.missing:
        unseen.append("<missing>")
    return unseen
