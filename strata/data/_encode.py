"""One column of a table into columns of numbers, by its specification."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strata.data._blocks import number_blocks
from strata.data._encoder_config import BooleanColumn, CategoryColumn, ColumnSpec, DateColumn, NumericColumn
from strata.data._kinds import category_keys, date_days, float_values, truth_values

__all__ = ["PERIODS", "encode_column", "encode_plain_numbers", "output_names", "width_of"]

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


def width_of(spec: ColumnSpec) -> int:
    """Return into how many columns one column becomes."""
    return 1 + spec.indicator if isinstance(spec, NumericColumn) else len(output_names(spec))


def encode_plain_numbers(
    specs: Sequence[ColumnSpec], frame: pd.DataFrame, out: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Fill ``out`` (N, K), which is zero, from the finite plain numbers of a table; return which columns are done."""
    done = np.zeros(len(specs), dtype=bool)
    ends = np.cumsum([width_of(spec) for spec in specs])
    numeric = {spec.name: (number, spec) for number, spec in enumerate(specs) if isinstance(spec, NumericColumn)}
    for positions, block in number_blocks(frame):
        values = block.astype(np.float64)
        usual = np.logical_not(np.isinf(values).any(axis=1)).tolist()
        names = frame.columns[positions].tolist()
        rows = [row for row, name in enumerate(names) if usual[row] and name in numeric]
        if not rows:
            continue
        numbers = np.array([numeric[names[row]][0] for row in rows], dtype=np.intp)
        learned = [numeric[names[row]][1] for row in rows]
        fills, means, scales = np.array([(spec.fill, spec.mean, spec.scale) for spec in learned]).T[:, :, None]
        marked = np.array([spec.indicator for spec in learned])
        missing = np.isnan(values[rows])
        out[:, ends[numbers] - 1 - marked] = ((np.where(missing, fills, values[rows]) - means) / scales).T
        out[:, ends[numbers[marked]] - 1] = missing[marked].T
        done[numbers] = True
    return done


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
