"""Line and point charts as small SVG texts that take their colours from the page, in both colour schemes.

The pictures of the report are drawn from the numbers of ``report.json`` alone. They hold no colours: each series has
a class (``s0``, ``s1``, ...), so one picture serves the light and the dark scheme and the printer.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

__all__ = ["Series", "chart", "nice_ticks"]

#: Drawn size in CSS pixels; a phone of 390 pixels shows it at about 0.85 of that.
WIDTH, HEIGHT = 420, 270
LEFT, RIGHT, TOP, BOTTOM = 58, 14, 12, 46
#: More points than these are thinned out evenly: the eye does not see more.
MAX_LINE_POINTS, MAX_DOTS = 400, 1200
Number = float | int | None


@dataclass(frozen=True)
class Series:
    """One line, cloud of points or band of a chart.

    Parameters
    ----------
    name : str
        What the legend calls it.
    x : sequence of float or None
        Abscissas.
    y : sequence of float or None
        Ordinates, as many; None and values that are not finite leave a gap.
    kind : {"line", "points", "both"}, default="line"
        How it is drawn.
    slot : int, default=0
        Colour and dash pattern: 0 the model, 1 what it is compared with, and so on; -1 a thin line for reference.
    low : sequence of float or None, default=()
        Lower ends of a band around ``y``.
    high : sequence of float or None, default=()
        Upper ends.
    """

    name: str
    x: Sequence[Number]
    y: Sequence[Number]
    kind: str = "line"
    slot: int = 0
    low: Sequence[Number] = ()
    high: Sequence[Number] = ()


def nice_ticks(low: float, high: float, n: int = 5) -> list[float]:
    """Return round numbers that lie evenly in a range.

    Parameters
    ----------
    low : float
        Lower end.
    high : float
        Upper end, above ``low``.
    n : int, default=5
        About how many there may be.

    Returns
    -------
    ticks : list of float
        Multiples of 1, 2 or 5 times a power of ten.

    Examples
    --------
    >>> nice_ticks(0.0, 1.0)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = (high - low) / max(1, n)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1.0, 2.0, 5.0, 10.0) if m * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [round(k * step, 12) + 0.0 for k in range(first, last + 1)]


def _finite(values: Sequence[Number]) -> list[float]:
    return [float(v) for v in values if v is not None and math.isfinite(v)]


def _range(values: list[float], given: tuple[float, float] | None, *, log: bool) -> tuple[float, float]:
    if given is not None:
        return given
    if log:
        values = [v for v in values if v > 0]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if log:
        low, high = math.log10(low), math.log10(high)
    if not high - low > 1e-9 * max(abs(high), abs(low), 1e-300):
        pad = abs(high) * 0.1 or 0.5
        return low - pad, high + pad
    pad = 0.04 * (high - low)
    return low - pad, high + pad


def _label(value: float) -> str:
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 1e5 or size < 1e-3:
        mantissa, exponent = f"{value:.1e}".split("e")
        return f"{mantissa.removesuffix('.0')}e{int(exponent)}".replace("-", "−")
    return f"{value:.6g}".replace("-", "−")


class _Axes:
    """Where a number lies in the picture."""

    def __init__(self, x: tuple[float, float], y: tuple[float, float], *, log_y: bool) -> None:
        self.x, self.y, self.log_y = x, y, log_y

    def left(self, value: float) -> float:
        return LEFT + (value - self.x[0]) / (self.x[1] - self.x[0]) * (WIDTH - LEFT - RIGHT)

    def top(self, value: float) -> float:
        if self.log_y:
            value = math.log10(value) if value > 0 else self.y[0]
        share = (value - self.y[0]) / (self.y[1] - self.y[0])
        return TOP + (1 - min(1.0, max(0.0, share))) * (HEIGHT - TOP - BOTTOM)

    def frame(self, x_label: str, y_label: str) -> list[str]:
        """Return the grid, the numbers at it and the names of the axes."""
        right, bottom = WIDTH - RIGHT, HEIGHT - BOTTOM
        parts = []
        for tick in nice_ticks(*self.x):
            at = self.left(tick)
            parts.append(f'<path class="grid" d="M{at:.1f} {TOP}V{bottom}"/>')
            parts.append(f'<text x="{at:.1f}" y="{bottom + 17}" text-anchor="middle">{_label(tick)}</text>')
        for value in self._y_ticks():
            at = self.top(value)
            parts.append(f'<path class="grid" d="M{LEFT} {at:.1f}H{right}"/>')
            parts.append(f'<text x="{LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{_label(value)}</text>')
        parts.append(f'<path class="axis" d="M{LEFT} {TOP}V{bottom}H{right}"/>')
        middle = (LEFT + right) / 2
        parts.append(f'<text class="name" x="{middle}" y="{HEIGHT - 8}" text-anchor="middle">{escape(x_label)}</text>')
        at = (TOP + bottom) / 2
        turned = f'class="name" transform="translate(12 {at}) rotate(-90)" text-anchor="middle"'
        parts.append(f"<text {turned}>{escape(y_label)}</text>")
        return parts

    def _y_ticks(self) -> list[float]:
        if not self.log_y:
            return nice_ticks(*self.y)
        decades = [10.0**k for k in range(math.ceil(self.y[0]), math.floor(self.y[1]) + 1)]
        every = max(1, math.ceil(len(decades) / 6))
        if len(decades) >= 2:
            return decades[::every]
        low, high = 10.0 ** self.y[0], 10.0 ** self.y[1]
        return [tick for tick in nice_ticks(low, high, 4) if tick > 0]


def _thin(n: int, limit: int) -> range:
    return range(0, n, max(1, math.ceil(n / limit)))


def _draw(series: Series, axes: _Axes) -> list[str]:
    kept = _thin(len(series.x), MAX_DOTS if series.kind == "points" else MAX_LINE_POINTS)
    rows = [*kept, len(series.x) - 1] if series.x and kept[-1] != len(series.x) - 1 else list(kept)
    points: list[tuple[float, float] | None] = []
    for i in rows:
        x, y = series.x[i], series.y[i]
        good = x is not None and y is not None and math.isfinite(x) and math.isfinite(y)
        points.append((axes.left(float(x)), axes.top(float(y))) if good else None)  # type: ignore[arg-type]
    name = "ref" if series.slot < 0 else f"s{series.slot}"
    parts = []
    if series.low and series.high:
        pairs = [(series.x[i], series.low[i], series.high[i]) for i in rows]
        whole = [(float(x), float(a), float(b)) for x, a, b in pairs if None not in (x, a, b)]  # type: ignore[arg-type]
        upper = [f"{axes.left(x):.1f} {axes.top(b):.1f}" for x, _, b in whole]
        lower = [f"{axes.left(x):.1f} {axes.top(a):.1f}" for x, a, _ in reversed(whole)]
        parts.append(f'<path class="band {name}" d="M{"L".join([*upper, *lower])}Z"/>')
    if series.kind in ("line", "both"):
        path, pen = [], "M"
        for point in points:
            if point is None:
                pen = "M"
                continue
            path.append(f"{pen}{point[0]:.1f} {point[1]:.1f}")
            pen = "L"
        parts.append(f'<path class="line {name}" d="{"".join(path)}"/>')
    if series.kind in ("points", "both"):
        dots = "".join(f"M{p[0]:.1f} {p[1]:.1f}h0" for p in points if p is not None)
        parts.append(f'<path class="dots {name}" d="{dots}"/>')
    return parts


def chart(
    series: Sequence[Series],
    *,
    title: str,
    description: str,
    x_label: str,
    y_label: str,
    x_range: tuple[float, float] | None = None,
    y_range: tuple[float, float] | None = None,
    log_y: bool = False,
) -> Markup:
    """Draw series of numbers over common axes.

    Parameters
    ----------
    series : sequence of Series
        What to draw; the first lies lowest.
    title : str
        Name of the picture for those who do not see it.
    description : str
        What it shows, in words, for the same readers.
    x_label : str
        Name of the horizontal axis.
    y_label : str
        Name of the vertical axis.
    x_range : tuple of float, optional
        Ends of the horizontal axis; by default those of the numbers.
    y_range : tuple of float, optional
        Ends of the vertical axis, of the decimal logarithm with ``log_y``.
    log_y : bool, default=False
        Whether the vertical axis is logarithmic.

    Returns
    -------
    svg : Markup
        An ``<svg>`` element; every text in it is escaped.

    Examples
    --------
    >>> picture = chart([Series("a", [1, 2], [3, 4])], title="<b>", description="", x_label="x", y_label="y")
    >>> "&lt;b&gt;" in picture, "<b>" in picture
    (True, False)
    """
    xs = [v for each in series for v in _finite(each.x)]
    ys = [v for each in series for v in (*_finite(each.y), *_finite(each.low), *_finite(each.high))]
    log_y = log_y and any(v > 0 for v in ys)
    axes = _Axes(_range(xs, x_range, log=False), _range(ys, y_range, log=log_y), log_y=log_y)
    body = [*axes.frame(x_label, y_label)]
    for each in series:
        body += _draw(each, axes)
    label = escape(f"{title}. {description}".strip())
    return Markup(
        f'<svg class="chart" role="img" viewBox="0 0 {WIDTH} {HEIGHT}" aria-label="{label}">{"".join(body)}</svg>'
    )
