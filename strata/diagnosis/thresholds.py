"""The limits that verdicts are measured by, read strictly from one data file."""

import math
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from strata._names import unknown_name

__all__ = ["Threshold", "Thresholds", "load_thresholds"]

FILE = Path(__file__).with_name("thresholds.toml")
_FIELDS = {"value", "unit", "reason"}


@dataclass(frozen=True)
class Threshold:
    """One limit.

    Parameters
    ----------
    value : float or tuple of two floats
        A number; or two numbers, the first where suspicion begins (confidence 0) and the second where it is
        certain (confidence 1), in either order.
    unit : str
        What the number counts.
    reason : str
        Why it stands where it stands.
    """

    value: float | tuple[float, float]
    unit: str
    reason: str


class Thresholds(Mapping[str, Threshold]):
    """Every limit by its name ``group.limit``.

    Parameters
    ----------
    values : mapping of str to Threshold
        The limits.

    Examples
    --------
    >>> limits = Thresholds({"dead_relus.dead": Threshold((0.4, 0.8), "share", "an example")})
    >>> round(limits.ramp("dead_relus.dead", 0.6), 2)
    0.5
    """

    def __init__(self, values: Mapping[str, Threshold]) -> None:
        self._values = dict(values)

    def __getitem__(self, name: str) -> Threshold:
        if name not in self._values:
            raise KeyError(unknown_name("threshold", name, self._values))
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def number(self, name: str) -> float:
        """Return a limit that is one number.

        Parameters
        ----------
        name : str
            The limit.

        Returns
        -------
        value : float
            Its number.
        """
        value = self[name].value
        if isinstance(value, tuple):
            raise ValueError(f"`{name}` must be one number. Received: {value}; ask `ramp`.")
        return value

    def ramp(self, name: str, figure: float | None, *, log: bool = False) -> float:
        """Return how far a figure is from where suspicion begins to where it is certain, in [0, 1].

        Parameters
        ----------
        name : str
            A limit of two numbers.
        figure : float or None
            What was measured; None and NaN are no ground for suspicion.
        log : bool, default=False
            Whether to go by the logarithm, for figures that range over powers of ten.

        Returns
        -------
        certainty : float
            0 before the first number, 1 beyond the second.
        """
        value = self[name].value
        if not isinstance(value, tuple):
            raise ValueError(f"`{name}` must be two numbers. Received: {value}; ask `number`.")
        if figure is None or math.isnan(figure):
            return 0.0
        first, second = value
        if log:
            figure = math.log10(max(figure, 1e-300)) if not math.isinf(figure) else 300.0
            first, second = math.log10(first), math.log10(second)
        return min(1.0, max(0.0, (figure - first) / (second - first)))


@cache
def load_thresholds(path: Path | None = None) -> Thresholds:
    """Read the limits from their file.

    Parameters
    ----------
    path : Path, optional
        A TOML file with tables ``[group.limit]`` of ``value``, ``unit`` and ``reason``; by default the one beside
        this module.

    Returns
    -------
    thresholds : Thresholds
        All of them.

    Raises
    ------
    ValueError
        If the file holds anything else; the message names the limit.

    Examples
    --------
    >>> load_thresholds().number("general.primary")
    3.0
    """
    file = FILE if path is None else path
    try:
        tree = tomllib.loads(file.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{file}: not TOML. {error}") from None
    found: dict[str, Threshold] = {}
    for group, limits in tree.items():
        if not isinstance(limits, dict):
            raise ValueError(f"{file}: {group!r} must be a table of limits. Received: {limits!r}.")
        for name, table in limits.items():
            found[f"{group}.{name}"] = _read(f"{file}: {group}.{name}", table)
    return Thresholds(found)


def _read(where: str, table: Any) -> Threshold:
    if not isinstance(table, dict) or set(table) != _FIELDS:
        raise ValueError(f"{where} must hold value, unit and reason, and nothing else. Received: {table!r}.")
    for name in ("unit", "reason"):
        if not isinstance(table[name], str) or not table[name].strip():
            raise ValueError(f"{where}: `{name}` must be words. Received: {table[name]!r}.")
    value = table["value"]
    numbers = value if isinstance(value, list) else [value]
    if not all(type(number) in (int, float) and math.isfinite(number) for number in numbers):
        raise ValueError(f"{where}: `value` must be finite numbers. Received: {value!r}.")
    if isinstance(value, list):
        if len(value) != 2 or value[0] == value[1]:
            raise ValueError(f"{where}: `value` must be a number or two different ones. Received: {value!r}.")
        return Threshold((float(value[0]), float(value[1])), table["unit"], table["reason"])
    return Threshold(float(value), table["unit"], table["reason"])
