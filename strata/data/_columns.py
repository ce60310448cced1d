"""How the cells of one column of text become numbers, truth values or text."""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strata.data._number_form import DEFAULT_FORM, NumberForm

__all__ = ["Column", "MISSING_MARKERS", "MOSTLY", "parse_number"]

#: Cells that mean "not known". Everything else is a value; so ``None`` and ``-`` are categories.
MISSING_MARKERS = ("", "NA", "N/A", "n/a", "NaN", "nan", "NULL", "null", "<NA>", "#N/A", "?")
#: A column is taken for numbers with mistakes in it when this share of its cells are numbers.
MOSTLY = 0.9

_TO_NAN = dict.fromkeys(MISSING_MARKERS, "nan")
_MISSING = frozenset(MISSING_MARKERS)
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)
_INFINITY = re.compile(r"[+-]?inf(inity)?", re.IGNORECASE)
_COMMA_DECIMAL = re.compile(r"[+-]?\d[\d.]*,\d+([eE][+-]?\d+)?", re.ASCII)
_COMMA_GROUPS = re.compile(r"[+-]?\d{1,3}(,\d{2,3})*,\d{3}(\.\d*)?([eE][+-]?\d+)?", re.ASCII)
_TRUTH = {"true": True, "false": False}


def parse_number(cell: str) -> float | None:
    """Return the number that a cell holds, NaN for a missing marker, None for anything else.

    >>> parse_number(" 1.5e3 "), parse_number("1_000"), parse_number("NA")
    (1500.0, None, nan)
    """
    cell = cell.strip()
    if cell in _MISSING:
        return float("nan")
    if _NUMBER.fullmatch(cell) or _INFINITY.fullmatch(cell):
        return float(cell)
    return None


class Column:
    """The cells of one column, taken in chunks.

    Parameters
    ----------
    name : str
        From the header.
    as_text : bool
        Take every cell as text.
    form : NumberForm
        How numbers are written.
    """

    def __init__(self, name: str, *, as_text: bool, form: NumberForm) -> None:
        self.name = name
        self.is_text = as_text
        self.form = form
        self.n_rows = 0
        self.n_missing = 0
        self.n_bad = 0
        self.n_comma = 0  # of the bad ones, those that some reading of their commas makes numbers
        self.comma_readings = {"decimal": 0, "dotted": 0, "thousands": 0}
        self.first_bad: tuple[int, str] | None = None  # (row, cell)
        self.first_overflow: tuple[int, str] | None = None
        self.numbers: list[NDArray[np.generic]] = []
        self.texts: list[str | None] | None = [] if as_text else None
        self._seen: dict[str, str] = {}

    def add(self, cells: Sequence[str], *, plain: bool) -> None:
        """Take the next cells. ``plain`` promises that they hold neither ``_`` nor anything beyond ASCII."""
        if not self.is_text:
            self._add_numbers(cells, plain=plain)
        if self.texts is not None:
            self._add_texts(cells)
        self.n_rows += len(cells)

    def needs_another_reading(self) -> bool:
        """Say whether the column turned out to be text after some of its text was let go."""
        return self.kind() == "text" and (self.texts is None or len(self.texts) < self.n_rows)

    def kind(self) -> str:
        """Return ``"text"``, ``"numbers"``, ``"comma"`` or ``"mixed"`` (numbers but for a few cells)."""
        if self.n_bad and self.n_comma == self.n_bad:
            return "comma"
        if self.is_text:
            return "text"
        if not self.n_bad:
            return "numbers"
        present = self.n_rows - self.n_missing
        return "mixed" if self.n_bad <= (1 - MOSTLY) * present + 1e-9 else "text"

    def values(self) -> pd.Series | NDArray[np.generic]:
        """Return the finished column; numbers as an array, which is quicker to put into a frame."""
        if self.kind() == "numbers":
            parts = [part.astype(np.float64) for part in self.numbers] if self._any_float() else self.numbers
            return np.concatenate(parts)
        texts = self.texts or []
        lowered = {text.lower() for text in self._seen}
        if lowered and lowered <= set(_TRUTH) and not (self.is_text and not self.n_bad):
            truths = [None if text is None else _TRUTH[text.lower()] for text in texts]
            return pd.Series(truths, name=self.name, dtype="boolean" if None in truths else "bool")
        return pd.Series(texts, name=self.name, dtype=None if self._seen else "object")

    def _any_float(self) -> bool:
        return any(part.dtype != np.int64 for part in self.numbers)

    def _add_numbers(self, cells: Sequence[str], *, plain: bool) -> None:
        """Parse at C speed where every cell is a number or a marker, else one by one."""
        written = cells
        if self.form != DEFAULT_FORM:
            cells = self.form.plain(cells)
        values: NDArray[np.generic] | None = None
        if not plain:
            joined = "".join(cells)
            plain = joined.isascii() and "_" not in joined
        if plain and self.n_bad == 0:
            for attempt in (self._integers, self._floats):
                values = attempt(cells)
                if values is not None:
                    break
        if values is None:
            values = self._one_by_one(cells, written)
        if values.dtype == np.float64:
            self.n_missing += int(np.isnan(values).sum())
            for row in np.flatnonzero(np.isinf(values)).tolist():
                if self.first_overflow is None and not _INFINITY.fullmatch(cells[row].strip()):
                    self.first_overflow = (self.n_rows + row, written[row])
        self.numbers.append(values)
        first_chunk = self.n_rows == 0
        if first_chunk and self.n_bad:
            self.texts = []
            if self.n_bad > 0.5 * (len(cells) - self.n_missing):
                self.is_text = True
                self.numbers.clear()

    @staticmethod
    def _integers(cells: Sequence[str]) -> NDArray[np.generic] | None:
        try:
            return np.array(cells, dtype=np.int64)
        except (ValueError, OverflowError):
            return None

    @staticmethod
    def _floats(cells: Sequence[str]) -> NDArray[np.generic] | None:
        try:
            return np.array([_TO_NAN.get(cell, cell) for cell in cells], dtype=np.float64)
        except ValueError:
            return None

    def _one_by_one(self, cells: Sequence[str], written: Sequence[str]) -> NDArray[np.generic]:
        values = np.full(len(cells), np.nan)
        n_bad = 0
        for row, cell in enumerate(cells):
            value = parse_number(cell)
            if value is None:
                n_bad += 1
                self._count_commas(written[row].strip())
                if self.first_bad is None:
                    self.first_bad = (self.n_rows + row, written[row])
            else:
                values[row] = value
        self.n_bad += n_bad
        self.n_missing -= n_bad  # their NaN is not a missing value
        return values

    def _count_commas(self, cell: str) -> None:
        """Count what the commas of a cell that is no number may mean."""
        if self.form.thousands is not None or "," not in cell:
            return
        decimal = _COMMA_DECIMAL.fullmatch(cell) is not None
        thousands = _COMMA_GROUPS.fullmatch(cell) is not None
        self.n_comma += decimal or thousands
        self.comma_readings["decimal"] += decimal
        self.comma_readings["dotted"] += decimal and "." in cell
        self.comma_readings["thousands"] += thousands

    def comma_forms(self) -> list[NumberForm]:
        """Return the forms that would make numbers of every cell with a comma; all if they contradict each other."""
        counts = self.comma_readings
        forms = {"decimal": NumberForm(",", "." if counts["dotted"] else None), "thousands": NumberForm(".", ",")}
        fitting = [form for name, form in forms.items() if counts[name] == self.n_bad]
        return fitting or list(forms.values())

    def _add_texts(self, cells: Sequence[str]) -> None:
        if self.texts is None:
            return
        seen = self._seen
        for cell in cells:
            stripped = cell.strip()
            self.texts.append(None if stripped in _MISSING else seen.setdefault(stripped, stripped))
