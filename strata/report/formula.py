"""The formula of R in its simplest form: a target and the columns that predict it."""

import re
from collections.abc import Sequence

from strata._names import unknown_name

__all__ = ["parse_formula"]

_TOKEN = re.compile(r"\s*(?:`([^`]+)`|([^\W\d][\w.]*|\.)|([+-])|(\S))")


def parse_formula(formula: str, columns: Sequence[str]) -> tuple[str, list[str]]:
    """Return the target and the inputs that a formula names.

    Parameters
    ----------
    formula : str
        ``"y ~ a + b"``; ``.`` stands for every other column, ``- c`` leaves one out, and a name with
        spaces goes between backquotes. Interactions and functions are not taken.
    columns : sequence of str
        Columns of the table.

    Returns
    -------
    target : str
        The column to predict.
    inputs : list of str
        The columns to predict it from, in the order of the formula.

    Raises
    ------
    ValueError
        If the formula cannot be read, or names a column that is not there.

    Examples
    --------
    >>> parse_formula("case ~ . - age", ["age", "parity", "case", "induced"])
    ('case', ['parity', 'induced'])
    """
    left, tilde, right = formula.partition("~")
    if not tilde or "~" in right:
        raise ValueError(f'`formula` must look like "target ~ a + b". Received: formula={formula!r}.')
    targets = _terms(left, formula)
    if len(targets) != 1 or targets[0][0] == "-" or targets[0][1] == ".":
        raise ValueError(f"`formula` must have one column before the ~. Received: formula={formula!r}.")
    target = _known(targets[0][1], columns)
    inputs: list[str] = []
    for sign, name in _terms(right, formula):
        names = [each for each in columns if each != target] if name == "." else [_known(name, columns)]
        if sign == "-":
            inputs = [each for each in inputs if each not in names]
        else:
            inputs += [each for each in names if each not in inputs]
    if target in inputs:
        raise ValueError(f"`formula` must not predict {target!r} from itself. Received: formula={formula!r}.")
    if not inputs:
        raise ValueError(f"`formula` must leave at least one input. Received: formula={formula!r}.")
    return target, inputs


def _known(name: str, columns: Sequence[str]) -> str:
    if name not in columns:
        raise ValueError(unknown_name("column", name, columns))
    return name


def _terms(text: str, formula: str) -> list[tuple[str, str]]:
    """Return (sign, name) of each term of one side."""
    terms: list[tuple[str, str]] = []
    sign: str | None = "+"
    for quoted, bare, operator, other in _TOKEN.findall(text):
        if other or (sign is None) == (not operator):
            found = other or quoted or bare or operator
            raise ValueError(
                f"`formula` takes column names joined by + and -. Received: {found!r} in formula={formula!r}."
            )
        if operator:
            sign = operator
        else:
            terms.append((sign or "+", quoted or bare))
            sign = None
    if sign is not None:
        raise ValueError(f"`formula` ends where a column name must stand. Received: formula={formula!r}.")
    return terms
