"""Refuse a bad number at the door, in one wording for all rules, optimizers and schedules."""

import math
from collections.abc import Collection
from numbers import Integral, Real

from strata._names import unknown_name

__all__ = ["check_choice", "check_count", "check_number"]


def check_number(
    name: str,
    value: object,
    *,
    at_least: float | None = None,
    above: float | None = None,
    at_most: float | None = None,
    below: float | None = None,
) -> float:
    """Return a finite real number within its bounds, or say which bound it breaks.

    >>> check_number("momentum", 0.9, at_least=0, below=1)
    0.9
    """
    bounds = [
        text
        for bound, text in (
            (above, f"> {above}"),
            (at_least, f">= {at_least}"),
            (below, f"< {below}"),
            (at_most, f"<= {at_most}"),
        )
        if bound is not None
    ]
    rule = " ".join(["a finite number", " and ".join(bounds)]).strip()
    if isinstance(value, bool) or not isinstance(value, Real):
        raise TypeError(f"`{name}` must be {rule}. Received: {name}={value!r} of type {type(value).__name__}.")
    number = float(value)
    inside = (
        (above is None or number > above)
        and (at_least is None or number >= at_least)
        and (below is None or number < below)
        and (at_most is None or number <= at_most)
    )
    if not math.isfinite(number) or not inside:
        raise ValueError(f"`{name}` must be {rule}. Received: {name}={value!r}.")
    return number


def check_count(name: str, value: object, *, at_least: int = 1) -> int:
    """Return a whole number, or say what came instead.

    >>> check_count("patience", 3)
    3
    """
    rule = f"a whole number >= {at_least}"
    if isinstance(value, bool) or not isinstance(value, Integral):
        raise TypeError(f"`{name}` must be {rule}. Received: {name}={value!r} of type {type(value).__name__}.")
    if value < at_least:
        raise ValueError(f"`{name}` must be {rule}. Received: {name}={value!r}.")
    return int(value)


def check_choice(name: str, value: object, known: Collection[str]) -> str:
    """Return one of a few words, or suggest the nearest.

    >>> check_choice("form", "plus", ["plus", "minus"])
    'plus'
    """
    if not isinstance(value, str) or value not in known:
        raise ValueError(unknown_name(f"`{name}`", value, known))
    return value
