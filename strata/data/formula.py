"""Formulas such as ``case ~ parity + induced``: which columns predict which."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from strata._names import unknown_name

__all__ = ["Formula", "parse_formula"]

_TOKEN = re.compile(r"\s*(?:(?P<quoted>`[^`]*`)|(?P<name>[^\W\d][\w.]*|\.[\w.]+)|(?P<sign>[~+\-.]|\d+)|(?P<other>\S))")


@dataclass(frozen=True)
class Formula:
    """A parsed formula.

    Attributes
    ----------
    target : str
        The column to the left of ``~``.
    features : tuple of str
        The columns to the right, in order, each once.
    """

    target: str
    features: tuple[str, ...]


def parse_formula(text: str, columns: Iterable[str]) -> Formula:
    """Read ``target ~ column + column``.

    Parameters
    ----------
    text : str
        ``.`` stands for every column but the target, ``- column`` takes one out, and a name with blanks or signs stands
        in backquotes. ``+ 1`` is allowed and changes nothing: a network has biases.
    columns : iterable of str
        Columns of the table.

    Returns
    -------
    formula : Formula
        With at least one feature.

    Raises
    ------
    ValueError
        If the text is no such formula, names an unknown column, or leaves no feature.

    Examples
    --------
    >>> parse_formula("case ~ . - age", ["age", "parity", "case", "induced"])
    Formula(target='case', features=('parity', 'induced'))
    """
    known = list(columns)
    if not isinstance(text, str):
        raise TypeError(f"`formula` must be a str. Received: {type(text).__name__}.")
    tokens = _tokens(text)
    if [token for token, _ in tokens].count("~") != 1:
        raise ValueError(f"A formula has one '~' between the target and its columns. Received: {text!r}.")
    if len(tokens) < 2 or tokens[1][0] != "~" or not tokens[0][1]:
        raise ValueError(f"A formula begins with one target column and '~'. Received: {text!r}.")
    target = _column(tokens[0][0], known)
    features: dict[str, None] = {}
    rest = tokens[2:]
    if rest and rest[0][0] not in ("+", "-"):
        rest = [("+", False), *rest]
    if len(rest) % 2:
        raise ValueError(f"A formula ends with a column, not a sign. Received: {text!r}.")
    for (sign, is_name), (term, term_is_name) in zip(rest[::2], rest[1::2], strict=True):
        if is_name or sign not in ("+", "-"):
            raise ValueError(f"Columns are joined by '+' or '-'. Received {sign!r} in {text!r}.")
        for name in _term(term, term_is_name, sign, target, known, text):
            if sign == "+":
                features[name] = None
            else:
                features.pop(name, None)
    if not features:
        raise ValueError(f"A formula must leave at least one column to the right of '~'. Received: {text!r}.")
    return Formula(target, tuple(features))


def _tokens(text: str) -> list[tuple[str, bool]]:
    """Cut the text into (token, whether it is a name)."""
    tokens = []
    for match in _TOKEN.finditer(text):
        if match["other"]:
            raise ValueError(
                f"A formula knows '~', '+', '-', '.' and column names (others in backquotes). Received "
                f"{match['other']!r} at character {match.start('other') + 1} of {text!r}. Make the column first."
            )
        if match["quoted"]:
            tokens.append((match["quoted"][1:-1], True))
        else:
            tokens.append((match["name"] or match["sign"], match["name"] is not None))
    return tokens


def _term(term: str, is_name: bool, sign: str, target: str, known: list[str], text: str) -> list[str]:
    """Return the columns that one term stands for."""
    if is_name:
        name = _column(term, known)
        if name == target and sign == "+":
            raise ValueError(f"The target {target!r} cannot predict itself. Received: {text!r}.")
        return [name]
    if term == ".":
        return [name for name in known if name != target]
    if term == "1" and sign == "+":
        return []
    raise ValueError(f"Columns are joined by '+' or '-'. Received {sign} {term} in {text!r}.")


def _column(name: str, known: list[str]) -> str:
    if name not in known:
        raise ValueError(unknown_name("column", name, known))
    return name
