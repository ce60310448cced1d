"""How all pictures look: colours, panels, tiles; text in black, which a page turns to its own colour."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Colormap
from matplotlib.figure import Figure

from strata._names import label_text

__all__ = [
    "COLORS",
    "HEAT",
    "INK",
    "MARKERS",
    "MUTED",
    "SIGNED",
    "color_bar",
    "enlarged",
    "from_signed",
    "framed",
    "montage",
    "new_figure",
    "overlaid",
    "percent",
    "plain",
    "show",
]

INK, MUTED = "black", "#75808a"
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
    if 0.999 < share < 1:
        return "> 99.9 %"
    return f"{100 * share:.1f} %" if share >= 0.001 or share == 0 else "< 0.1 %"


def new_figure(width: float, height: float) -> Figure:
    """Return a figure of a size in inches that belongs to no window."""
    return Figure(figsize=(width, height), layout="constrained", dpi=110)


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


def color_bar(ax: Axes, low: float, high: float, cmap: Colormap, label: str) -> None:
    """Draw a colour bar to the right of an image, as an image, with its ends labelled."""
    bar = ax.inset_axes((1.03, 0.0, 0.045, 1.0))
    bar.imshow(
        np.linspace(high, low, 256)[:, None], cmap=cmap, vmin=low, vmax=high, extent=(0, 1, low, high), aspect="auto",
        interpolation="none",
    )  # fmt: skip
    bar.set_xticks([])
    bar.yaxis.tick_right()
    bar.yaxis.set_label_position("right")
    bar.set_yticks([low, high] if low == 0 else [low, 0.0, high], minor=False)
    bar.set_yticklabels([_number(value) for value in ([low, high] if low == 0 else [low, 0.0, high])], fontsize=8)
    bar.set_ylabel(label, fontsize=9, labelpad=-2)
    for spine in bar.spines.values():
        spine.set_linewidth(0.5)


def _number(value: float) -> str:
    return "0" if value == 0 else f"{value:.2g}".replace("-", "−").replace("e−0", "e−").replace("e+0", "e")


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


def montage(tiles: Sequence[np.ndarray], columns: int, *, gap: int = 1, scale: int = 1) -> np.ndarray:
    """Lay images of one size, (h, w) or (h, w, c), in rows; what is between them is not a number (or transparent)."""
    first = np.asarray(tiles[0])
    h, w = first.shape[0] * scale, first.shape[1] * scale
    rows = math.ceil(len(tiles) / columns)
    colored = first.ndim == 3
    shape = (rows * (h + gap) - gap, columns * (w + gap) - gap)
    sheet = np.zeros((*shape, 4)) if colored else np.full(shape, np.nan)
    for at, tile in enumerate(tiles):
        top, left = at // columns * (h + gap), at % columns * (w + gap)
        large = np.asarray(tile).repeat(scale, 0).repeat(scale, 1)
        if colored:
            sheet[top : top + h, left : left + w, :3] = large
            sheet[top : top + h, left : left + w, 3] = 1.0
        else:
            sheet[top : top + h, left : left + w] = large
    return sheet
