"""The register of published facts, and how one is checked."""

import math
import warnings
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from strata._names import unknown_name
from strata._threads import limit_threads
from strata.engine import Callback, Run, watching

__all__ = ["Between", "Claim", "Fact", "SOURCES", "Section", "as_rows", "as_table", "facts", "verify"]

#: What the marks in ``Fact.source`` stand for.
SOURCES: dict[str, str] = {
    "S0": 'G. Tang, "Deep Learning", 12 December 2018',
    "S1": 'K. Rinnert, "Deep Learning: Foundations of Deep Neural Networks", Liverpool, 13 June 2018',
    "S2": '"What is Deep Learning?", introductory slides',
    "S3": 'K. Mitra, "Quick review of Deep Learning", EE 5178, IIT Madras',
    "S4": '"Introduction to Deep Learning", 17 October 2022',
    "A": "canon/learning.md: the same, recomputed in float64, by section",
    "B": "canon/generative.md, by section",
    "V": "canon/vision.md: papers and released networks for images, by section",
}


@dataclass(frozen=True)
class Between:
    """An expected value that is a range, both ends included."""

    low: float
    high: float

    def __str__(self) -> str:
        if math.isinf(self.high):
            return f"at least {self.low:g}"
        return f"at most {self.high:g}" if math.isinf(self.low) else f"{self.low:g} to {self.high:g}"


@dataclass(frozen=True)
class Fact:
    """A published number beside the one that this installation gives.

    Attributes
    ----------
    fact : str
        What is claimed; unique.
    source : str
        Who says so, with the marks of :data:`SOURCES`.
    expected : number, text, list or dict
        The published value; a range as text.
    measured : number, text, list or dict
        The value found, or the error that came instead.
    ok : bool
        Whether the two agree.
    tolerance : float
        Largest absolute difference that counts as agreement; 0 means equal.
    """

    fact: str
    source: str
    expected: Any
    measured: Any
    ok: bool
    tolerance: float


@dataclass(frozen=True)
class Claim:
    """A fact that was not checked yet.

    Attributes
    ----------
    fact : str
        What is claimed; unique.
    section : str
        Group of facts, a name that :func:`verify` takes too.
    source : str
        Who says so.
    expected : object
        The published value.
    tolerance : float
        Largest absolute difference.
    slow : bool
        Whether it takes seconds and is checked only with ``full=True``.
    measure : callable
        Computes the value by the code that users call.
    """

    fact: str
    section: str
    source: str
    expected: Any
    tolerance: float
    slow: bool
    measure: Callable[[], Any]

    def check(self) -> Fact:
        """Compute the value, on one thread and from a fixed seed, and compare.

        Returns
        -------
        fact : Fact
            The verdict. Whatever the computation raises makes the fact fail and is shown as its value.
        """
        try:
            with limit_threads(1), torch.random.fork_rng(devices=[]), warnings.catch_warnings(), watching(_EndsAll()):
                warnings.simplefilter("ignore")  # a short run warns that it did not converge
                torch.manual_seed(0)
                measured = _plain(self.measure())
            ok = _agree(self.expected, measured, self.tolerance)
        except Exception as error:  # a broken installation must give a table, not a traceback
            measured, ok = f"{type(error).__name__}: {error}"[:200], False
        return Fact(self.fact, self.source, _shown(self.expected), measured, ok, self.tolerance)


class _EndsAll(Callback):
    """An estimator takes Ctrl-C as the end of its own fit; here it means all facts."""

    def on_fit_end(self, run: Run) -> None:
        """Hand the interrupt on."""
        run.hand_on_interrupt()


_CLAIMS: dict[str, Claim] = {}


class Section:
    """Register the facts of one group.

    Parameters
    ----------
    name : str
        Name of the group, one word.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __call__(
        self, fact: str, source: str, expected: Any, *, tolerance: float = 1e-9, slow: bool = False
    ) -> Callable[[Callable[[], Any]], Callable[[], Any]]:
        """Return a decorator that registers a function as the measurement of a fact.

        Parameters
        ----------
        fact : str
            What is claimed.
        source : str
            Who says so, with the marks of :data:`SOURCES`.
        expected : object
            Published value: number, text, nested list or dict of them, or :class:`Between`.
        tolerance : float, default=1e-9
            Largest absolute difference.
        slow : bool, default=False
            Whether it takes seconds.

        Returns
        -------
        decorator : callable
            Takes the function of no arguments that measures, and gives it back.

        Raises
        ------
        ValueError
            If the fact is registered already.
        """

        def register(measure: Callable[[], Any]) -> Callable[[], Any]:
            if fact in _CLAIMS:
                first = _CLAIMS[fact].measure
                raise ValueError(f"`fact` must be new. Received: {fact!r}, registered in {first.__module__}.")
            _CLAIMS[fact] = Claim(fact, self.name, source, expected, tolerance, slow, measure)
            return measure

        return register


# -- comparing ---------------------------------------------------------------------------------------


def _plain(value: Any) -> Any:
    """Return tensors and arrays as nested lists, NumPy scalars as Python's."""
    if isinstance(value, Tensor):
        value = value.detach().cpu().numpy()
    if isinstance(value, (np.ndarray, np.generic)):
        return value.tolist()
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def _shown(expected: Any) -> Any:
    return str(expected) if isinstance(expected, Between) else _plain(expected)


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _agree(expected: Any, measured: Any, tolerance: float) -> bool:
    if isinstance(expected, Between):
        return _is_number(measured) and expected.low <= measured <= expected.high
    if isinstance(expected, dict):
        return (
            isinstance(measured, dict)
            and expected.keys() == measured.keys()
            and all(_agree(item, measured[key], tolerance) for key, item in expected.items())
        )
    if isinstance(expected, (list, tuple)):
        return (
            isinstance(measured, list)
            and len(expected) == len(measured)
            and all(_agree(one, other, tolerance) for one, other in zip(expected, measured, strict=True))
        )
    if _is_number(expected):
        return _is_number(measured) and abs(expected - measured) <= tolerance  # False for NaN
    return type(expected) is type(measured) and bool(expected == measured)


# -- asking ------------------------------------------------------------------------------------------


def facts() -> list[Claim]:
    """Return every fact that is known, unchecked.

    Returns
    -------
    claims : list of Claim
        What is claimed, by whom, and how it is measured.

    Examples
    --------
    >>> len(facts()) >= 60
    True
    """
    return list(_CLAIMS.values())


def verify(names: Sequence[str] | None = None, *, full: bool = False) -> list[Fact]:
    """Recompute published numbers by the code that users call.

    Parameters
    ----------
    names : sequence of str, optional
        Facts or sections to check; all of them by default. A fact that is named is checked even when slow.
    full : bool, default=False
        Check the facts that take seconds too.

    Returns
    -------
    facts : list of Fact
        Source, expected, measured and verdict of each.

    Raises
    ------
    ValueError
        If a name is neither a fact nor a section.

    Examples
    --------
    >>> fact, = verify(["softmax of (1, 2, 3)"])
    >>> fact.ok, [round(p, 4) for p in fact.measured]
    (True, [0.09, 0.2447, 0.6652])
    """
    claims = facts()
    if names is None:
        return [claim.check() for claim in claims if full or not claim.slow]
    sections = {claim.section for claim in claims}
    for name in names:
        if name not in _CLAIMS and name not in sections:
            raise ValueError(unknown_name("fact or section", name, sorted(sections)))
    chosen = set(names)
    return [
        claim.check()
        for claim in claims
        if claim.fact in chosen or (claim.section in chosen and (full or not claim.slow))
    ]


def as_rows(results: Iterable[Fact]) -> list[dict[str, Any]]:
    """Return results as JSON-able objects.

    Parameters
    ----------
    results : iterable of Fact
        As :func:`verify` gives them.

    Returns
    -------
    rows : list of dict
        ``{fact, source, expected, measured, ok}``; NaN and infinity as None.

    Examples
    --------
    >>> as_rows([Fact("f", "S0", 1.0, float("nan"), False, 0.0)])[0]["measured"] is None
    True
    """
    columns = ("fact", "source", "expected", "measured", "ok")
    return [{column: _finite(getattr(result, column)) for column in columns} for result in results]


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _short(value: Any, width: int = 46) -> str:
    """Return a value as one short line."""
    if isinstance(value, float):
        return f"{value:.10g}"
    if isinstance(value, dict):
        text = ", ".join(f"{key} {_short(item, width)}" for key, item in value.items())
    elif isinstance(value, list):
        text = "(" + ", ".join(_short(item, width) for item in value) + ")"
    else:
        text = str(value)
    return text if len(text) <= width else text[: width - 3] + "..."


def as_table(results: Sequence[Fact], *, width: int | None = None, color: bool = False) -> str:
    """Return results as a table for people.

    Parameters
    ----------
    results : sequence of Fact
        As :func:`verify` gives them.
    width : int, optional
        Columns of text; those of the terminal by default, at least 60.
    color : bool, default=False
        Whether to colour the verdicts with escape codes.

    Returns
    -------
    text : str
        One row per fact, the sources, and the count.

    Examples
    --------
    >>> print(as_table(verify(["softmax of (1, 2, 3)"]), width=60).splitlines()[-1])
    1 of 1 facts hold.
    """
    console = Console(width=None if width is None else max(width, 60), no_color=not color, force_terminal=color or None)
    table = Table(box=None, pad_edge=False, expand=False)
    for title, ratio in (("fact", 4), ("source", 2), ("expected", 4), ("measured", 4), ("", 1)):
        table.add_column(title, ratio=ratio, overflow="fold")
    for result in results:
        verdict = "[green]holds[/]" if result.ok else "[red]FAILS[/]"
        cells = (result.fact, result.source, _short(result.expected), _short(result.measured))
        table.add_row(*(cell.replace("[", r"\[") for cell in cells), verdict)
    with console.capture() as capture:
        console.print(table)
    used = [mark for mark in SOURCES if any(mark in result.source.replace(",", " ").split() for result in results)]
    legend = [f"{mark}: {SOURCES[mark]}" for mark in used]
    count = f"{sum(result.ok for result in results)} of {len(results)} facts hold."
    lines = [line.rstrip() for line in capture.get().splitlines()]
    return "\n".join([*lines, "", *legend, "", count])
