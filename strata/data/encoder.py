"""From a table as people have it to numbers that a network can take.

What was learned from the training rows (medians, means, categories) is all in one JSON document.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from pydantic import ValidationError
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted

from strata.data._blocks import number_blocks
from strata.data._encode import PERIODS, encode_column, encode_plain_numbers, output_names, width_of
from strata.data._encoder_config import (
    MAX_NAME,
    BooleanColumn,
    CategoryColumn,
    ColumnSpec,
    DateColumn,
    DroppedColumn,
    EncoderConfig,
    NumericColumn,
)
from strata.data._kinds import category_keys, column_kind, date_days, find_date_format, float_values, truth_values
from strata.data.frames import as_frame
from strata.errors import DataError, ModelRefusedError

__all__ = ["TableEncoder"]

_IDENTIFIER_SHARE = 0.9  # distinct share of a text column that is left out
_FEW = 20  # values, under which nothing is taken for an identifier
_CYCLE_DAYS: dict[Literal["year", "week", "day"], float] = {
    "year": 60.0,
    "week": 2.0,
    "day": 0.0,
}  # least span of the dates for which a cycle is encoded


class TableEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turn numeric, categorical, truth and date columns into float64 columns.

    Parameters
    ----------
    scale : bool, default=True
        Bring numbers and dates to mean 0 and standard deviation 1 (of the training rows, population form).
    max_categories : int, default=50
        Columns for one categorical column at most; the most frequent categories get them, the rest share ``<other>``.

    Attributes
    ----------
    config_ : EncoderConfig
        All that was learned; frozen.
    dropped_ : dict of str to str
        Columns that are left out, with the reason: ``"constant"``, ``"empty"`` or ``"identifier"`` (text of which over
        90 % of the values are distinct).
    n_features_in_ : int
        Columns of the table.
    feature_names_in_ : ndarray of str of shape (n_features_in_,)
        Their names; absent where the training data had none.
    n_features_out_ : int
        Columns of the result.

    See Also
    --------
    strata.TableClassifier : An encoder and a network in one.

    Notes
    -----
    - Numbers: a missing value becomes the median; where some were missing in training, ``<name>_missing`` marks them.
    - Truth values: 0 and 1; missing ones become the mean, and are marked likewise.
    - Categories: one-hot. Missing is a category of its own (``<name>=<missing>``) where training had some. A category
      that was not seen in training gives zeros, with one UserWarning that names column and value.
    - Dates (datetime columns, and text of one date format): days as a number, and sine and cosine of the time of year,
      week and day where training spans them.
    - Columns are found by name, in any order. Text in a column of numbers is refused.

    Examples
    --------
    >>> encoder = TableEncoder(scale=False).fit(pd.DataFrame({"age": [30, 40], "city": ["Rome", "Oslo"]}))
    >>> encoder.get_feature_names_out().tolist()
    ['age', 'city=Oslo', 'city=Rome']
    >>> encoder.transform(pd.DataFrame({"city": ["Rome"], "age": [35]})).tolist()
    [[35.0, 0.0, 1.0]]
    """

    def __init__(self, *, scale: bool = True, max_categories: int = 50) -> None:
        self.scale = scale
        self.max_categories = max_categories

    def fit(self, X: object, y: object = None, sample_weight: ArrayLike | None = None) -> TableEncoder:
        """Learn medians, means, categories and dates.

        Parameters
        ----------
        X : pandas or polars frame, or array-like of shape (N, P)
            The training rows.
        y : object, optional
            Not used.
        sample_weight : array-like of shape (N,), optional
            Weights of the rows in means and standard deviations.

        Returns
        -------
        self : TableEncoder
            Fitted.

        Raises
        ------
        DataError
            If no column is usable, or one holds text among numbers, infinities or dates of two kinds.
        ValueError
            If a parameter is out of range, or the table is empty.

        Examples
        --------
        >>> TableEncoder().fit([[1.0, 2.0], [3.0, 5.0]]).n_features_out_
        2
        """
        if not isinstance(self.scale, bool | np.bool_):
            raise ValueError(f"`scale` must be True or False. Received: scale={self.scale!r}.")
        if isinstance(self.max_categories, bool) or not isinstance(self.max_categories, int) or self.max_categories < 1:
            raise ValueError(f"`max_categories` must be an integer of at least 1. Received: {self.max_categories!r}.")
        frame = as_frame(X)
        _refuse_empty(frame)
        weight = np.ones(len(frame)) if sample_weight is None else np.asarray(sample_weight, np.float64)
        specs: list[ColumnSpec] = []
        dropped: list[DroppedColumn] = []
        plain = self._learn_plain_numbers(frame, weight)
        for name in frame.columns:
            spec = plain.get(name) or self._learn(frame[name], weight)
            (dropped if isinstance(spec, DroppedColumn) else specs).append(spec)  # type: ignore[arg-type]
        if not specs:
            reasons = ", ".join(f"{column.name!r} is {_REASONS[column.reason]}" for column in dropped[:5])
            raise DataError(f"The table has no usable column: {reasons}.")
        for column in dropped:
            if column.reason == "identifier":
                warnings.warn(
                    f"Column {column.name!r} is left out: nearly all of its values are distinct. If they mean "
                    "something, turn them into numbers or a few categories.",
                    UserWarning,
                    stacklevel=2,
                )
        self._take(
            EncoderConfig(
                names=tuple(frame.columns),
                has_names=_has_names(X),
                columns=tuple(specs),
                dropped=tuple(dropped),
                scale=bool(self.scale),
                max_categories=int(self.max_categories),
            )
        )
        return self

    def transform(self, X: object) -> NDArray[np.float64]:
        """Turn rows into numbers.

        Parameters
        ----------
        X : pandas or polars frame, or array-like of shape (N, P)
            Rows with the columns of the training data, in any order if they have names. Columns that were left out in
            training may be absent.

        Returns
        -------
        encoded : ndarray of shape (N, n_features_out_), float64
            Without NaN.

        Raises
        ------
        DataError
            If a column is absent, unknown, or holds what it cannot (text where numbers belong, an infinity).
        ValueError
            If an array has another number of columns.

        Warns
        -----
        UserWarning
            Once a column with categories that training did not have.

        Examples
        --------
        >>> TableEncoder().fit([[1.0], [3.0]]).transform([[2.0], [float("nan")]]).tolist()
        [[0.0], [0.0]]
        """
        check_is_fitted(self, "config_")
        return self._encode(X, owner=type(self).__name__)

    def _encode(self, X: object, *, owner: str) -> NDArray[np.float64]:
        """Transform on behalf of the estimator that messages shall name."""
        frame = self._aligned(X, owner)
        out = np.zeros((len(frame), self.n_features_out_))
        start = 0
        done = encode_plain_numbers(self.config_.columns, frame, out)
        for number, spec in enumerate(self.config_.columns):
            stop = start + width_of(spec)
            unseen = [] if done[number] else encode_column(spec, frame[spec.name], out[:, start:stop])
            start = stop
            if unseen:
                more = f" (and {len(unseen) - 1} more)" if len(unseen) > 1 else ""
                warnings.warn(
                    f"Column {spec.name!r}: {unseen[0]!r}{more} was not seen in training; its columns are 0.",
                    UserWarning,
                    stacklevel=3,
                )
        return out

    def get_feature_names_out(self, input_features: ArrayLike | None = None) -> NDArray[np.object_]:
        """Name the columns of the result.

        Parameters
        ----------
        input_features : array-like of str, optional
            Must be the names of the training columns where it is given.

        Returns
        -------
        names : ndarray of str of shape (n_features_out_,)
            ``age``, ``age_missing``, ``city=Oslo``, ``city=<other>``, ``city=<missing>``, ``day_year_sin``, ...

        Raises
        ------
        ValueError
            If ``input_features`` are other names.

        Examples
        --------
        >>> TableEncoder().fit([[1.0, None], [3.0, 5.0], [3.0, 6.0]]).get_feature_names_out().tolist()
        ['x0', 'x1', 'x1_missing']
        """
        check_is_fitted(self, "config_")
        if input_features is not None and list(map(str, np.asarray(input_features))) != list(self.config_.names):
            raise ValueError(f"input_features must be those of the training data: {list(self.config_.names)}.")
        return np.array([name for spec in self.config_.columns for name in output_names(spec)], dtype=object)

    def to_config(self) -> dict[str, Any]:
        """Return what was learned as plain values for JSON.

        Returns
        -------
        config : dict
            For :meth:`from_config`.

        Examples
        --------
        >>> TableEncoder().fit([[1.0], [3.0]]).to_config()["columns"][0]["mean"]
        2.0
        """
        check_is_fitted(self, "config_")
        return dict(self.config_.model_dump(mode="json"))

    @classmethod
    def from_config(cls, config: object) -> TableEncoder:
        """Make a fitted encoder from :meth:`to_config`'s values.

        Parameters
        ----------
        config : dict
            Parsed strictly: an unknown field, version or kind, a wrong type or a NaN is refused.

        Returns
        -------
        encoder : TableEncoder
            Fitted.

        Raises
        ------
        ModelRefusedError
            If the values are not those of an encoder.

        Examples
        --------
        >>> encoder = TableEncoder().fit([[1.0], [3.0]])
        >>> TableEncoder.from_config(encoder.to_config()).transform([[3.0]]).tolist()
        [[1.0]]
        """
        try:
            parsed = EncoderConfig.model_validate_json(json.dumps(config, allow_nan=False))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "config"
            raise ModelRefusedError(f"The table encoder is refused: {place}: {first['msg']}.") from None
        except (TypeError, ValueError, RecursionError) as error:
            raise ModelRefusedError(f"The table encoder is refused: {error}.") from None
        encoder = cls(scale=parsed.scale, max_categories=parsed.max_categories)
        encoder._take(parsed)
        return encoder

    def __sklearn_tags__(self) -> Tags:
        """Say what the encoder takes: text, categories and missing values."""
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        return tags

    def _take(self, config: EncoderConfig) -> None:
        """Set what was learned."""
        self.config_ = config
        self.dropped_ = {column.name: str(column.reason) for column in config.dropped}
        self.n_features_in_ = len(config.names)
        self.n_features_out_ = sum(map(width_of, config.columns))
        if config.has_names:
            self.feature_names_in_ = np.array(config.names, dtype=object)
        elif hasattr(self, "feature_names_in_"):
            del self.feature_names_in_

    def _learn_plain_numbers(self, frame: pd.DataFrame, weight: NDArray[np.float64]) -> dict[str, NumericColumn]:
        """Learn the columns of numbers in which there is nothing to decide, many at a time, by name."""
        found: dict[str, NumericColumn] = {}
        for positions, block in number_blocks(frame):
            values = block.astype(np.float64)
            missing = np.isnan(values)
            marked = np.asarray(missing.any(axis=1))
            with np.errstate(over="ignore", invalid="ignore"), warnings.catch_warnings():
                warnings.simplefilter("ignore", RuntimeWarning)  # columns without a value are left to _learn
                fills, means, scales = self._moments_of(values, weight)
                usual = np.isfinite(scales) & np.logical_not(np.isinf(values).any(axis=1))
                usual &= marked | (len(frame) == 1) | (np.ptp(block, axis=1) != 0)
            usual &= np.logical_not(missing.all(axis=1))
            names = frame.columns[positions].tolist()
            for row in np.flatnonzero(usual).tolist():
                name = names[row]
                if len(name) <= MAX_NAME:
                    found[name] = NumericColumn(
                        name=name,
                        fill=float(fills[row]),
                        mean=float(means[row]),
                        scale=float(scales[row]),
                        indicator=bool(marked[row]),
                    )
        return found

    def _learn(self, column: pd.Series, weight: NDArray[np.float64]) -> ColumnSpec | DroppedColumn:
        """Learn one column."""
        kind = column_kind(column)
        name = str(column.name)
        if len(name) > MAX_NAME:
            raise DataError(
                f"Column {name[:40]!r}...: a name must have at most {MAX_NAME} characters. Received: {len(name)}."
            )
        if kind == "empty":
            return DroppedColumn(name=name, reason="empty")
        if len(column) > 1 and column.notna().all() and column.nunique() == 1:
            return DroppedColumn(name=name, reason="constant")
        if kind == "category":
            return self._learn_categories(name, column)
        indicator = bool(column.isna().any())
        if kind == "boolean":
            truths = truth_values(column)
            return BooleanColumn(name=name, fill=float(np.nanmean(truths)), indicator=indicator)
        if kind == "numeric":
            values = float_values(column)
            missing = np.isnan(values)  # also a marker such as "NA" in a column of text
            if missing.all():
                return DroppedColumn(name=name, reason="empty")
            fill, mean, scale = self._moments(name, values, weight)
            return NumericColumn(name=name, fill=fill, mean=mean, scale=scale, indicator=bool(missing.any()))
        text = not pd.api.types.is_datetime64_any_dtype(column.dtype)
        date_format = find_date_format(column) if text and not _holds_dates(column) else None
        days = date_days(column, date_format)
        fill, mean, scale = self._moments(name, days, weight)
        span = float(np.nanmax(days) - np.nanmin(days))
        present = days[~np.isnan(days)]
        parts: list[Literal["year", "week", "day"]] = []
        for part, least in _CYCLE_DAYS.items():
            if span >= least and np.ptp(np.round(present % PERIODS[part], 6)) > 0.0:
                parts.append(part)
        return DateColumn(
            name=name,
            format=date_format,
            fill=fill,
            mean=mean,
            scale=scale,
            parts=tuple(parts),
            indicator=indicator,
        )

    def _moments(
        self, name: str, values: NDArray[np.float64], weight: NDArray[np.float64]
    ) -> tuple[float, float, float]:
        """Return the median, and the mean and scale of the filled column."""
        with np.errstate(over="ignore", invalid="ignore"):  # refused below, by name
            fills, means, scales = self._moments_of(values[None], weight)
        if not np.isfinite(scales[0]):
            raise DataError(f"Column {name!r} holds numbers too large to scale; divide it by a power of ten first.")
        return float(fills[0]), float(means[0]), float(scales[0])

    def _moments_of(
        self, values: NDArray[np.float64], weight: NDArray[np.float64]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return the same of columns (P, N)."""
        fills = np.median(values, axis=1)
        gaps = np.flatnonzero(np.isnan(fills))
        if len(gaps):
            fills[gaps] = np.nanmedian(values[gaps], axis=1)
        if not self.scale:
            return fills, np.zeros(len(values)), np.ones(len(values))
        filled = np.where(np.isnan(values), fills[:, None], values)
        means = np.average(filled, axis=1, weights=weight)
        scales = np.sqrt(np.average((filled - means[:, None]) ** 2, axis=1, weights=weight))
        return fills, means, np.where(scales == 0.0, 1.0, scales)

    def _learn_categories(self, name: str, column: pd.Series) -> CategoryColumn | DroppedColumn:
        """Choose the categories that get a column of their own."""
        keys = category_keys(column)
        counts = pd.Series(keys).value_counts()
        n_present = int(counts.sum())
        if n_present >= _FEW and len(counts) > _IDENTIFIER_SHARE * n_present:
            return DroppedColumn(name=name, reason="identifier")
        ranked = sorted(counts.index, key=lambda key: (-int(counts[key]), key))
        kept = ranked if len(ranked) <= self.max_categories else ranked[: self.max_categories - 1]
        return CategoryColumn(
            name=name,
            categories=tuple(sorted(kept)),
            rest=tuple(sorted(ranked[len(kept) :])),
            missing=bool(column.isna().any()),
        )

    def _aligned(self, X: object, owner: str) -> pd.DataFrame:
        """Return the rows with the training columns by name."""
        frame = as_frame(X)
        names = list(self.config_.names)
        if not (_has_names(X) and self.config_.has_names):
            if self.config_.has_names:
                warnings.warn(
                    f"X does not have valid feature names, but {owner} was fitted with feature names",
                    UserWarning,
                    stacklevel=4,
                )
            if frame.shape[1] != len(names):
                raise ValueError(
                    f"X has {frame.shape[1]} features, but {owner} is expecting {len(names)} features as input."
                )
            _refuse_empty(frame)
            return frame.set_axis(names, axis=1)
        absent = [name for name in names if name not in frame.columns and name not in self.dropped_]
        if absent:
            raise DataError(
                f"The table lacks the column{'s' if len(absent) > 1 else ''} {', '.join(map(repr, absent[:5]))}"
                f"{', ...' if len(absent) > 5 else ''} that training had."
            )
        known = set(names)
        extra = [name for name in frame.columns if name not in known]
        if extra:
            raise DataError(
                f"The table has the column{'s' if len(extra) > 1 else ''} {', '.join(map(repr, extra[:5]))}"
                f"{', ...' if len(extra) > 5 else ''} that training had not. Remove what is not a feature."
            )
        _refuse_empty(frame)
        return frame


_REASONS = {"constant": "constant", "empty": "empty", "identifier": "different in nearly every row"}


def _has_names(X: object) -> bool:
    """Say whether the columns of a table are named by text."""
    names = X.keys() if isinstance(X, Mapping) else getattr(X, "columns", ())
    return len(names) > 0 and all(isinstance(name, str) for name in names)


def _holds_dates(column: pd.Series) -> bool:
    """Say whether an object column holds date objects rather than text."""
    return not isinstance(column.dropna().iloc[0], str)


def _refuse_empty(frame: pd.DataFrame) -> None:
    if frame.shape[0] == 0:
        raise ValueError(f"Found array with 0 sample(s) (shape={frame.shape}) while a minimum of 1 is required.")
    if frame.shape[1] == 0:
        raise ValueError(f"Found array with 0 feature(s) (shape={frame.shape}) while a minimum of 1 is required.")
