"""How a file writes numbers: which mark parts the decimals, which the thousands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

__all__ = ["DEFAULT_FORM", "NumberForm", "grouping_of"]

#: Spaces that do not break a line part thousands as a plain one does.
_SPACES = str.maketrans(dict.fromkeys("\u00a0\u202f", " "))
_PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class NumberForm:
    """The marks inside numbers.

    Parameters
    ----------
    decimal : {".", ","}, default="."
        Decimal mark.
    thousands : str or None, default=None
        Mark between groups of digits; a space stands for those that do not break a line, too.
    """

    decimal: str = "."
    thousands: str | None = None

    def check(self) -> None:
        """Refuse marks that cannot be told apart, with a ValueError."""
        if self.decimal not in (".", ","):
            raise ValueError(f"`decimal` must be '.' or ','. Received: decimal={self.decimal!r}.")
        mark = self.thousands
        if mark is None:
            return
        if not isinstance(mark, str) or len(mark) != 1 or mark.isalnum() or mark in '+-"\r\n\t':
            raise ValueError(f"`thousands` must be one character such as ',' or '.'. Received: thousands={mark!r}.")
        if mark == self.decimal:
            other = "." if mark == "," else ","
            raise ValueError(
                f"`thousands` must differ from the decimal mark. Received: thousands={mark!r}, decimal={mark!r}. "
                f"Give decimal={other!r} (--decimal {other}) as well."
            )

    @cached_property
    def _grouped(self) -> re.Pattern[str]:
        """Groups of three digits, or of two and a last one of three, and no mark behind them."""
        mark = re.escape(self.thousands or "")
        return re.compile(rf"[+-]?\d{{1,3}}(?:{mark}\d{{2,3}})*{mark}\d{{3}}(?!\d)[^{mark}]*", re.ASCII)

    def plain(self, cells: Sequence[str]) -> Sequence[str]:
        """Return the cells as Python writes numbers; wrong groups become what is no number.

        >>> NumberForm(decimal=",", thousands=".").plain(["1.234,5", "12", "1.23"])
        ['1234.5', '12', '1#23']
        """
        mark = self.thousands
        if mark == " ":
            cells = [cell.translate(_SPACES).strip() for cell in cells]
        if mark is not None:
            cells = [self._ungrouped(cell, mark) if mark in cell else cell for cell in cells]
        return cells if self.decimal == "." else [cell.replace(self.decimal, ".") for cell in cells]

    def _ungrouped(self, cell: str, mark: str) -> str:
        return cell.replace(mark, "" if self._grouped.fullmatch(cell.strip()) else "#")

    def parts_any(self, cells: Iterable[str]) -> bool:
        """Say whether the mark between thousands is in any cell."""
        return any((self.thousands or "") in cell.translate(_SPACES) for cell in cells)

    def words(self) -> str:
        """Return the arguments that say this form, and the options of the command.

        >>> NumberForm(thousands=" ").words()
        "thousands=' ' (--thousands ' ')"
        """
        said = {"decimal": self.decimal} if self.decimal != "." else {}
        if self.thousands is not None:
            said["thousands"] = self.thousands
        arguments = ", ".join(f"{name}={mark!r}" for name, mark in said.items())
        options = " ".join(f"--{name} {_quoted(mark)}" for name, mark in said.items())
        return f"{arguments} ({options})"


def _quoted(mark: str) -> str:
    """Return a mark as the shell takes it."""
    return f'"{mark}"' if mark == "'" else mark if mark in ",._" else f"'{mark}'"


#: Python's own.
DEFAULT_FORM = NumberForm()
_FORMS = (
    NumberForm(thousands=","),
    NumberForm(decimal=",", thousands="."),
    NumberForm(thousands=" "),
    NumberForm(decimal=",", thousands=" "),
    NumberForm(thousands="'"),
    NumberForm(thousands="_"),
)


def grouping_of(values: Iterable[str]) -> NumberForm | None:
    """Return the form with a mark between thousands in which every value is a number, None where there is none.

    >>> grouping_of(["1,234.50", "12"]), grouping_of(["1,23"]), grouping_of(["12"])
    (NumberForm(decimal='.', thousands=','), None, None)
    """
    cells = [value.strip() for value in values]
    if _all_plain(cells):
        return None
    fitting = (form for form in _FORMS if _all_plain(form.plain(cells[:1])) and _all_plain(form.plain(cells)))
    return next((form for form in fitting if form.parts_any(cells)), None)


def _all_plain(cells: Iterable[str]) -> bool:
    return all(_PLAIN.fullmatch(cell) for cell in cells)
