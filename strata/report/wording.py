"""The report's first sentence: what was learned, how well, and whether a simpler method does the same."""

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["FIGURES", "best_baseline", "compared", "figure_text", "headline", "percent"]

#: The figures of a report: what to call each, in which unit, and whether more is better.
FIGURES: dict[str, tuple[str, str, bool]] = {
    "accuracy": ("Accuracy", "%", True),
    "balanced_accuracy": ("Balanced accuracy", "%", True),
    "f1_macro": ("F1, mean of classes", "", True),
    "log_loss": ("Log loss", "nats", False),
    "brier": ("Brier score", "", False),
    "roc_auc": ("Area under ROC", "", True),
    "average_precision": ("Average precision", "", True),
    "ece": ("Calibration error", "", False),
    "r2": ("R²", "", True),
    "rmse": ("RMSE", "", False),
    "mae": ("Mean absolute error", "", False),
    "variance_kept": ("Variance kept", "%", True),
}


def percent(value: float | None, *, signed: bool = False, digits: int = 1) -> str:
    """Return a share as per cent.

    Parameters
    ----------
    value : float or None
        In [0, 1], or a difference of two shares.
    signed : bool, default=False
        Whether a positive number gets its sign.
    digits : int, default=1
        Behind the point.

    Returns
    -------
    text : str
        Without the unit; a dash for None.

    Examples
    --------
    >>> percent(0.8312), percent(-0.02, signed=True)
    ('83.1', '−2.0')
    """
    if value is None or value != value:
        return "–"
    return f"{100 * value:{'+' if signed else ''}.{digits}f}".replace("-", "−")


def figure_text(name: str, value: float | None, *, signed: bool = False) -> str:
    """Return a figure with its unit.

    Parameters
    ----------
    name : str
        Key of :data:`FIGURES`.
    value : float or None
        The figure, or a difference of two.
    signed : bool, default=False
        Whether it is a difference.

    Returns
    -------
    text : str
        For people.

    Examples
    --------
    >>> figure_text("accuracy", 0.5), figure_text("r2", 0.51234), figure_text("accuracy", 0.01, signed=True)
    ('50.0 %', '0.512', '+1.0 points')
    """
    if value is None or value != value:
        return "–"
    if FIGURES.get(name, ("", "", True))[1] == "%":
        return f"{percent(value, signed=signed)} {'points' if signed else '%'}"
    form = ("+" if signed else "") + (".4g" if name in ("rmse", "mae") else ".3f")
    return f"{value:{form}}".replace("-", "−")


def headline(document: Mapping[str, Any]) -> dict[str, str]:
    """Say in plain words what was learned, and how it compares.

    Parameters
    ----------
    document : mapping of str to object
        A report with ``data``, ``split``, ``model`` and ``scores``.

    Returns
    -------
    headline : dict of str to str
        ``text``, and ``tone``: "better", "chance", "worse" or "alone" of the network against the best baseline.
    """
    data, scores = document["data"], document["scores"]
    model, figure = scores["rows"][0], scores["figure"]
    value, interval = model["metrics"].get(figure), model.get("intervals", {}).get(figure)
    where = _where(document, int(document["result"]["n_rows"]))
    if data.get("kind") == "pictures":
        n_classes = len(document["result"].get("classes") or ()) or data["n_classes"]
        learned = f"A network tells what a picture shows, one of {n_classes} classes,"
        reached = f"and is right in {figure_text(figure, value)} of {where}"
    elif data["task"] == "classification":
        classes = f"one of {data['n_classes']} classes" if data.get("n_classes") else "a class"
        learned = f"A network predicts {data['target']!r}, {classes}, from {_columns(data['n_columns'])}"
        reached = f"and is right in {figure_text(figure, value)} of {where}"
    else:
        learned = f"A network predicts the number {data['target']!r} from {_columns(data['n_columns'])}"
        reached = f"and reaches R² = {figure_text(figure, value)} on {where}"
    text = f"{learned} {reached}{_between(figure, interval)}."
    best = best_baseline(scores["rows"][1:], figure)
    if best is None or value is None:
        return {"text": f"{text} It was not compared with simpler methods.", "tone": "alone"}
    words, tone = compared(figure, value, best)
    if document["split"]["kind"] == "none":
        words += f" These are the {_things(document)} it learned from, so none of this says how it does on new ones."
    return {"text": f"{text} {words}", "tone": tone}


def best_baseline(rows: Sequence[Mapping[str, Any]], figure: str) -> Mapping[str, Any] | None:
    """Return the row of the best simpler method.

    Parameters
    ----------
    rows : sequence of mappings
        One for each method, with its ``metrics``.
    figure : str
        Metric that counts, of which more is better.

    Returns
    -------
    row : mapping or None
        None where there is none.
    """
    known = [row for row in rows if row["metrics"].get(figure) is not None]
    return max(known, key=lambda row: row["metrics"][figure], default=None)


def compared(figure: str, value: float, best: Mapping[str, Any]) -> tuple[str, str]:
    """Say in words how a network compares with the best simpler method.

    Parameters
    ----------
    figure : str
        Metric that counts.
    value : float
        Of the network.
    best : mapping of str to object
        Row of the simpler method, with its ``metrics`` and, where known, the ``difference``.

    Returns
    -------
    words : str
        A sentence or two.
    tone : str
        "better", "chance" or "worse" of the network.
    """
    other, name = best["metrics"][figure], best["name"]
    reached = f"The best simple method, {name}, reaches {figure_text(figure, other)}"
    difference = best.get("difference") or {}
    by = figure_text(figure, value - other, signed=True)
    low, high = difference.get("low"), difference.get("high")
    if low is None or high is None:
        if value == other:
            return f"{reached}, exactly the same.", "chance"
        if value < other:
            return f"{reached}, which is better (difference {by}): prefer it.", "worse"
        return f"{reached} (difference {by}).", "better"
    spread = f"difference {by}, 95 % interval {_ends(figure, low, high)}"
    if low > 0:
        return f"{reached}: the network is better ({spread}).", "better"
    if high < 0:
        return f"{reached}: it is better than the network ({spread}). Prefer it.", "worse"
    if value <= other:
        return f"{reached}: the network is no better ({spread}), and the simple method is enough.", "chance"
    return f"{reached}: the network's lead may be chance ({spread}).", "chance"


def _between(figure: str, interval: Sequence[float | None] | None) -> str:
    low, high = interval or (None, None)
    if low is None or high is None:
        return ""
    return f" (95 % interval {_ends(figure, low, high, signed=False)})"


def _ends(figure: str, low: float, high: float, *, signed: bool = True) -> str:
    ends = [figure_text(figure, each, signed=signed) for each in (low, high)]
    unit = " points" if signed else " %"
    if ends[0].endswith(unit):
        ends[0] = ends[0].removesuffix(unit)
    return f"{ends[0]} to {ends[1]}"


def _columns(n: int) -> str:
    return "1 column" if n == 1 else f"{n:,} columns"


def _where(document: Mapping[str, Any], n_rows: int) -> str:
    kind, things = document["split"]["kind"], _things(document)
    if kind == "none":
        return f"the {n_rows:,} {things} it learned from"
    if kind == "new data":
        which = {"held-out": " that its run held out", "test part": " of the test part"}
        which["training"] = " that it learned from"
        words = which.get(str(document.get("which")))
        return f"{n_rows:,} {things}{words}" if words else f"{n_rows:,} new {things}"
    return f"{n_rows:,} held-out {things}"


def _things(document: Mapping[str, Any]) -> str:
    return "pictures" if document["data"].get("kind") == "pictures" else "rows"
