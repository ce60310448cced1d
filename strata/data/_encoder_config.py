"""What a fitted encoder knows, as plain JSON: strictly parsed, nothing executable."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from strata.data._kinds import DateFormat

__all__ = [
    "BooleanColumn",
    "CategoryColumn",
    "ColumnSpec",
    "DateColumn",
    "DroppedColumn",
    "EncoderConfig",
    "MAX_NAME",
    "NumericColumn",
]

MAX_NAME = 10_000  # characters
Name = Annotated[str, Field(max_length=MAX_NAME)]
Positive = Annotated[float, Field(gt=0.0)]


class _Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, allow_inf_nan=False)


class NumericColumn(_Strict):
    """Numbers: ``(value - mean) / scale``, a missing value replaced by ``fill`` and marked where ``indicator``."""

    kind: Literal["numeric"] = "numeric"
    name: Name
    fill: float
    mean: float
    scale: Positive
    indicator: bool


class BooleanColumn(_Strict):
    """Truth values: 0 or 1, a missing value replaced by ``fill`` and marked where ``indicator``."""

    kind: Literal["boolean"] = "boolean"
    name: Name
    fill: float
    indicator: bool


class DateColumn(_Strict):
    """Dates: days since 1970 as a number, and sine and cosine of the cycles in ``parts``."""

    kind: Literal["date"] = "date"
    name: Name
    format: DateFormat | None
    fill: float
    mean: float
    scale: Positive
    parts: tuple[Literal["year", "week", "day"], ...] = Field(max_length=3)
    indicator: bool


class CategoryColumn(_Strict):
    """Categories: one column each, then one for the rest (``other``) and one for a missing value."""

    kind: Literal["category"] = "category"
    name: Name
    categories: tuple[Annotated[str, Field(max_length=200_000)], ...] = Field(max_length=100_000)
    rest: tuple[Annotated[str, Field(max_length=200_000)], ...] = Field(max_length=1_000_000)
    missing: bool

    @model_validator(mode="after")
    def _distinct(self) -> CategoryColumn:
        if len({*self.categories, *self.rest}) < len(self.categories) + len(self.rest):
            raise ValueError("categories must be distinct")
        return self


class DroppedColumn(_Strict):
    """A column that is left out, and why."""

    name: Name
    reason: Literal["constant", "empty", "identifier"]


ColumnSpec = Annotated[NumericColumn | BooleanColumn | DateColumn | CategoryColumn, Field(discriminator="kind")]


class EncoderConfig(_Strict):
    """Everything that ``transform`` needs."""

    version: Literal[1] = 1
    names: tuple[Name, ...] = Field(min_length=1, max_length=1_000_000)
    has_names: bool
    columns: tuple[ColumnSpec, ...] = Field(min_length=1)
    dropped: tuple[DroppedColumn, ...] = ()
    scale: bool
    max_categories: int = Field(ge=1)

    @model_validator(mode="after")
    def _consistent(self) -> EncoderConfig:
        kept = [column.name for column in self.columns] + [column.name for column in self.dropped]
        if len(set(kept)) < len(kept) or set(kept) != set(self.names) or len(set(self.names)) < len(self.names):
            raise ValueError("names must be those of the columns, each once")
        return self
