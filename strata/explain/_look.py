"""How all pictures look: colours, panels, tiles; text in black, which a page turns to its own colour."""

import math
import textwrap
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

from strata._names import label_text

__all__ = [
    "COLORS",
    "HEAT",
    "INK",
    "MARKERS",
    "MUTED",
    "NOTE",
    "SIGNED",
    "SMALL",
    "TITLE",
    "WIDTH",
    "color_bar",
    "contrasted",
    "enlarged",
    "framed",
    "from_signed",
    "headed",
    "montage",
    "new_figure",
    "note",
    "number",
    "overlaid",
    "percent",
    "plain",
    "settle",
    "show",
]

INK, MUTED = "black", "#707b85"
#: Of every figure, in inches: on a telephone its text is still read, on a desk its pictures are large enough.
WIDTH = 4.8
#: Sizes of text in points: names of panels, what stands under them, numbers.
TITLE, NOTE, SMALL = 10, 8.5, 8
#: Of classes, in pairs of lightness so that neighbours differ also without hue; markers tell the rest apart.
COLORS = (
    "#1a7fbb", "#d55e00", "#008f68", "#b0609a", "#8f6f00", "#3f4fbf", "#c23b4a", "#3fa9a5", "#7d5ba6", "#6f7d1f",
)  # fmt: skip
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "*")
HEAT: Colormap = colormaps["inferno"]
SIGNED: Colormap = colormaps["RdBu_r"]
#: Pictures are embedded at this side at least, so that browsers do not blur their pixels.
SHARP_SIDE = 192


def plain(value: Any, limit: int = 28) -> str:
    """Return a label as text that is drawn as it is, without formulas, cut where it is long."""
    text = " ".join(label_text(value).split())
    return (text if len(text) <= limit else text[: limit - 1].rstrip() + "…").replace("$", r"\$")


def percent(share: float) -> str:
    """Return a probability for people.

    >>> percent(0.123), percent(0.99996), percent(0.00001)
    ('12.3 %', '> 99.9 %', '< 0.1 %')
    """
    if share > 0.9995:
        return "> 99.9 %"
    return f"{100 * share:.1f} %" if share >= 0.001 or share == 0 else "< 0.1 %"


def new_figure(height: float) -> Figure:
    """Return a figure of a height in inches that belongs to no window."""
    layout = ConstrainedLayoutEngine(w_pad=0.04, h_pad=0.05)
    return Figure(figsize=(WIDTH, height), layout=layout, dpi=150)


def settle(figure: Figure) -> None:
    """Lay the panels out once and for all, so that drawing the figure again does not do it again."""
    if isinstance(figure.get_layout_engine(), ConstrainedLayoutEngine):
        figure.draw_without_rendering()
        figure.set_layout_engine("none")


def enlarged(image: np.ndarray, side: int = SHARP_SIDE) -> np.ndarray:
    """Repeat the pixels of a small image, (h, w) or (h, w, c), until its shorter side is sharp on a screen."""
    factor = math.ceil(side / min(image.shape[:2]))
    return image if factor <= 1 else image.repeat(factor, 0).repeat(factor, 1)


def show(ax: Axes, image: np.ndarray, **settings: Any) -> Any:
    """Draw an image with square pixels and no frame."""
    settings = {"interpolation": "none", "cmap": "gray"} | settings
    drawn = ax.imshow(enlarged(np.asarray(image)), **settings)
    ax.set_axis_off()
    return drawn


def framed(ax: Axes, color: str, width: float = 2.5) -> None:
    """Draw a coloured frame around an image."""
    ax.set_axis_on()
    ax.set_xticks([])
    ax.set_yticks([])
    for spine in ax.spines.values():
        spine.set_edgecolor(color)
        spine.set_linewidth(width)


def color_bar(ax: Axes, low: float, high: float, cmap: Colormap) -> None:
    """Draw a colour bar to the right of an image, with its ends (and zero) labelled."""
    bar = ax.inset_axes((1.03, 0.0, 0.045, 1.0))
    bar.imshow(
        np.linspace(high, low, 256)[:, None],
        cmap=cmap,
        vmin=low,
        vmax=high,
        extent=(0, 1, low, high),
        aspect="auto",
        interpolation="none",
    )
    ticks = [low, high] if low == 0 else [low, 0.0, high]
    bar.set_xticks([])
    bar.set_yticks(ticks, [number(tick) for tick in ticks], fontsize=SMALL)
    bar.yaxis.tick_right()
    bar.tick_params(length=2, pad=2)
    for spine in bar.spines.values():
        spine.set_linewidth(0.5)


def number(value: float, digits: int = 2) -> str:
    """Return a number with few digits and a true minus."""
    return (
        "0" if abs(value) < 1e-12 else f"{value:.{digits}g}".replace("-", "−").replace("e−0", "e−").replace("e+0", "e")
    )


def from_signed(pattern: np.ndarray, quantile: float = 0.998) -> np.ndarray:
    """Bring values with sign to 0..1 with zero at grey, the same factor for all channels."""
    size = float(np.quantile(np.abs(pattern), quantile)) or float(np.abs(pattern).max()) or 1.0
    scaled: np.ndarray = np.clip(0.5 + pattern / (2 * size), 0, 1)
    return scaled


def overlaid(image: np.ndarray, heat: np.ndarray, cmap: Colormap, low: float, high: float) -> np.ndarray:
    """Lay a map (h, w) over a greyed image (h, w, 3) of the same size; strong values hide more of the image."""
    share = np.clip((heat - low) / max(high - low, 1e-12), 0, 1)
    grey = image.mean(2, keepdims=True).repeat(3, 2)
    strength = np.abs(heat) / max(abs(low), abs(high), 1e-12)
    alpha = 0.35 + 0.45 * np.clip(strength, 0, 1)[..., None]
    mixed: np.ndarray = (1 - alpha) * grey + alpha * cmap(share)[..., :3]
    return mixed


def montage(tiles: Sequence[np.ndarray], columns: int, *, side: int = 72, gap: int = 6) -> np.ndarray:
    """Lay images of one size, (h, w) or (h, w, 3) in 0..1, in rows on a transparent sheet (height, width, 4)."""
    factor = max(1, round(side / max(tiles[0].shape[:2])))
    large = [np.asarray(tile).repeat(factor, 0).repeat(factor, 1) for tile in tiles]
    h, w = large[0].shape[:2]
    sheet = np.zeros((math.ceil(len(tiles) / columns) * (h + gap) - gap, columns * (w + gap) - gap, 4))
    for at, tile in enumerate(large):
        top, left = at // columns * (h + gap), at % columns * (w + gap)
        sheet[top : top + h, left : left + w, :3] = tile if tile.ndim == 3 else tile[..., None]
        sheet[top : top + h, left : left + w, 3] = 1.0
    return sheet


def headed(figure: Figure, title: str) -> None:
    """Write a title over a whole figure, in lines that fit."""
    figure.suptitle(textwrap.fill(plain(title, 200), 52), fontsize=11)


def note(ax: Axes, text: str, *, loc: Literal["left", "center"] = "center") -> None:
    """Write small grey text under a panel, which takes the room it needs."""
    ax.set_axis_on()
    ax.set_xticks([])
    ax.set_yticks([])
    ax.spines[:].set_visible(False)
    ax.set_xlabel(text, fontsize=NOTE, color=MUTED, labelpad=3, loc=loc)


def contrasted(image: np.ndarray) -> np.ndarray:
    """Spread the values of an image around their mean, so that faint patterns are seen."""
    spread: np.ndarray = np.clip(0.5 + (image - image.mean()) / (5 * float(image.std()) or 1.0), 0, 1)
    return spread
