"""Pictures of what a network sees, as figures of matplotlib that belong to no window.

Every function takes arrays and returns a :class:`matplotlib.figure.Figure`; ``figure.savefig("filters.png")`` writes
it. Text is black on a transparent ground where :func:`strata.report.displays.svg` turns a figure into a part of a
page.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from torch import Tensor

from strata.explain._look import (
    HEAT,
    MUTED,
    NOTE,
    SIGNED,
    TITLE,
    WIDTH,
    color_bar,
    contrasted,
    from_signed,
    headed,
    montage,
    new_figure,
    note,
    overlaid,
    plain,
    show,
)

__all__ = [
    "Heatmap",
    "draw_feature_maps",
    "draw_filters",
    "draw_heatmaps",
    "draw_made_images",
    "draw_patterns",
    "filter_sheet",
    "to_pixels",
]

#: Pictures of units in a row.
COLUMNS = 6


class Heatmap(NamedTuple):
    """A map to be laid over an image, or to stand beside it.

    Parameters
    ----------
    name : str
        Title.
    values : ndarray of shape (h, w) or (h, w, 3)
        Of the size of the image; with three channels a pattern in colours with sign, of which grey is zero.
    label : str, default=""
        What the colours measure; it stands under the panel.
    overlay : bool, default=True
        Whether the image shows through.
    signed : bool, default=False
        Whether zero is the middle of the colours: blue below, red above.
    """

    name: str
    values: np.ndarray
    label: str = ""
    overlay: bool = True
    signed: bool = False


def _array(values: Any) -> np.ndarray:
    return np.asarray(values.detach().cpu() if isinstance(values, Tensor) else values, dtype=np.float64)


def _colored(image: np.ndarray) -> np.ndarray:
    """Return an image (h, w, 1 or 3) or (h, w) in 0..1 as (h, w, 3)."""
    image = image[..., None] if image.ndim == 2 else image
    colors: np.ndarray = image[..., :3] if image.shape[2] >= 3 else image[..., :1].repeat(3, 2)
    return np.asarray(colors.clip(0, 1))


def to_pixels(x: Tensor, mean: Sequence[float], std: Sequence[float]) -> np.ndarray:
    """Undo the normalization of images.

    Parameters
    ----------
    x : Tensor of shape (n, c, h, w)
        As a network takes them.
    mean : sequence of float
        That was subtracted from each channel, on the scale from 0 to 1; one number may stand for all.
    std : sequence of float
        By which each channel was divided then.

    Returns
    -------
    pixels : ndarray of shape (n, h, w, c), float64
        From 0 to 1; what lies outside is cut off.

    Raises
    ------
    ValueError
        If there are neither one nor c numbers.

    Examples
    --------
    >>> import torch
    >>> to_pixels(torch.ones(1, 3, 2, 2), (0.5, 0.5, 0.5), (0.25, 0.5, 1.0))[0, 0, 0].tolist()
    [0.75, 1.0, 1.0]
    """
    images = _array(x).transpose(0, 2, 3, 1)
    for name, values in (("mean", mean), ("std", std)):
        if len(values) not in (1, images.shape[3]):
            raise ValueError(f"`{name}` must be 1 or {images.shape[3]} numbers. Received: {len(values)}.")
    pixels: np.ndarray = np.clip(images * np.asarray(std) + np.asarray(mean), 0, 1)
    return pixels


def filter_sheet(filters: Any, *, max_filters: int = 96) -> np.ndarray:
    """Lay the filters of a layer side by side.

    Parameters
    ----------
    filters : array-like of shape (n, c, h, w)
        Of three channels they are drawn in colour, zero being grey; else their mean over the channels is drawn, red
        above zero and blue below.
    max_filters : int, default=96
        Of more, those with the largest norm are drawn.

    Returns
    -------
    sheet : ndarray of shape (height, width, 4)
        From 0 to 1, transparent between the filters. Each has its own contrast: its largest weight is as strong as
        that of the others.

    Raises
    ------
    ValueError
        If the filters have another shape.

    Examples
    --------
    >>> filter_sheet(np.random.RandomState(0).normal(size=(16, 3, 9, 9))).shape
    (150, 618, 4)
    """
    weights = _array(filters)
    if weights.ndim != 4 or weights.size == 0:
        raise ValueError(f"`filters` must be of shape (n, c, h, w). Received: shape {weights.shape}.")
    if len(weights) > max_filters:
        weights = weights[np.sort(np.argsort(-np.square(weights).sum((1, 2, 3)))[:max_filters])]
    colored = weights.shape[1] == 3
    tiles = [_filter_tile(each, colored=colored) for each in weights]
    return montage(tiles, _columns(len(tiles)))


def draw_filters(filters: Any, *, title: str = "Filters of the first layer", max_filters: int = 96) -> Figure:
    """Draw the filters of the first layer.

    Parameters
    ----------
    filters : array-like of shape (n, c, h, w)
        Of three channels they are drawn in colour, zero being grey; else their mean over the channels is drawn, red
        above zero and blue below.
    title : str, default="Filters of the first layer"
        Over the picture.
    max_filters : int, default=96
        Of more, those with the largest norm are drawn.

    Returns
    -------
    figure : Figure
        Each filter has its own contrast: its largest weight is as strong as that of the others.

    Raises
    ------
    ValueError
        If the filters have another shape.

    Examples
    --------
    >>> draw_filters(np.random.RandomState(0).normal(size=(16, 3, 5, 5))).get_suptitle()
    'Filters of the first layer'
    """
    weights = _array(filters)
    sheet = filter_sheet(weights, max_filters=max_filters)
    n, n_channels, h, w = weights.shape
    n_shown = min(n, max_filters)
    width = WIDTH * min(1.0, _columns(n_shown) / 8)
    figure = new_figure(width * sheet.shape[0] / sheet.shape[1] + (0.75 if title else 0.45))
    ax = figure.add_subplot()
    show(ax, sheet)
    ax.set_anchor("W")
    if title:
        headed(figure, title)
    shown = f"{n}" if n == n_shown else f"the {n_shown} strongest of {n}"
    zero = "grey is zero" if n_channels == 3 else "red above zero, blue below"
    note(ax, f"{shown} filters of {w} × {h} pixels,\neach with its own contrast; {zero}", loc="left")
    return figure


def _filter_tile(weight: np.ndarray, *, colored: bool) -> np.ndarray:
    if colored:
        return from_signed(weight.transpose(1, 2, 0), quantile=1.0)
    tile: np.ndarray = SIGNED(from_signed(weight.mean(0), quantile=1.0))[..., :3]
    return tile


def _columns(n: int) -> int:
    return min(n, max(8, math.ceil(math.sqrt(1.9 * n))), 16)


def draw_feature_maps(maps: Mapping[str, Any], *, n_maps: int = 16, title: str = "") -> Figure:
    """Draw what layers make of an image: of each layer the maps that tell its places apart most.

    Parameters
    ----------
    maps : mapping of str to array-like of shape (channels, h, w)
        Outputs of layers for one image, by name.
    n_maps : int, default=16
        Of each layer at most; of more, those with the largest standard deviation over the places.
    title : str, default=""
        Over the picture.

    Returns
    -------
    figure : Figure
        Each map has its own contrast: black is its smallest value (zero after a rectifier), light its largest.

    Raises
    ------
    ValueError
        If there are no maps, or one has another shape.
    """
    layers = {name: _array(each) for name, each in maps.items()}
    wrong = next((each.shape for each in layers.values() if each.ndim != 3), None)
    if not layers or wrong is not None:
        raise ValueError(f"`maps` must be maps of shape (channels, h, w) by name. Received: shape {wrong}.")
    columns = 8
    sheets = {}
    for name, each in layers.items():
        best = np.argsort(-each.std((1, 2)), kind="stable")[: min(n_maps, len(each))]
        sheets[name] = montage([_map_tile(each[k]) for k in best], columns)
    heights = [WIDTH * sheet.shape[0] / sheet.shape[1] + 0.5 for sheet in sheets.values()]
    figure = new_figure(sum(heights) + (0.45 if title else 0.1))
    axes = figure.subplots(len(layers), 1, squeeze=False, height_ratios=heights)[:, 0]
    for ax, (name, each) in zip(axes, layers.items(), strict=True):
        show(ax, sheets[name])
        ax.set_title(plain(name, 60), loc="left", fontsize=TITLE)
        n_shown, (n, h, w) = min(n_maps, len(each)), each.shape
        note(
            ax,
            f"{n} maps of {w} × {h}" + (f", the {n_shown} that differ most from place to place" if n > n_shown else ""),
        )
    if title:
        headed(figure, title)
    return figure


def _map_tile(values: np.ndarray) -> np.ndarray:
    low, high = float(values.min()), float(values.max())
    tile: np.ndarray = HEAT((values - low) / (high - low) if high > low else np.zeros_like(values))[..., :3]
    return tile


def draw_heatmaps(image: Any, heatmaps: Sequence[Heatmap], *, title: str = "", columns: int = 2) -> Figure:
    """Draw an image and beside it maps of it, each with a colour bar.

    Parameters
    ----------
    image : array-like of shape (h, w, channels)
        From 0 to 1.
    heatmaps : sequence of Heatmap
        Of the size of the image. Colours end at the 99.5th percentile, so that single pixels do not hide the rest.
    title : str, default=""
        Over the picture.
    columns : int, default=2
        Panels in a row.

    Returns
    -------
    figure : Figure
        The image first.

    Raises
    ------
    ValueError
        If there is no map, or one has another size than the image.
    """
    picture = _colored(_array(image))
    sizes = picture.shape[:2], (*picture.shape[:2], 3)
    wrong = next((each for each in heatmaps if np.shape(each.values) not in sizes), None)
    if not heatmaps or wrong is not None:
        got = "none" if wrong is None else f"{wrong.name!r} of shape {np.shape(wrong.values)}"
        raise ValueError(f"`heatmaps` must be of the image's size, {picture.shape[:2]}. Received: {got}.")
    columns = min(columns, len(heatmaps) + 1)
    rows = math.ceil((len(heatmaps) + 1) / columns)
    tall = picture.shape[0] / picture.shape[1]
    side = WIDTH / columns
    figure = new_figure(rows * (0.76 * side * tall + 0.5) + (0.45 if title else 0.1))
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    show(axes[0], picture)
    axes[0].set_title("image", fontsize=TITLE)
    for ax, each in zip(axes[1:], heatmaps, strict=False):
        _draw_heatmap(ax, picture, each)
    for ax in axes[len(heatmaps) + 1 :]:
        ax.set_axis_off()
    if title:
        headed(figure, title)
    return figure


def _draw_heatmap(ax: Any, image: np.ndarray, heatmap: Heatmap) -> None:
    values = _array(heatmap.values)
    ax.set_title(heatmap.name, fontsize=TITLE)
    if values.ndim == 3:
        show(ax, from_signed(values, quantile=0.995))
        note(ax, heatmap.label)
        return
    high = float(np.quantile(np.abs(values) if heatmap.signed else values, 0.995))
    high = high if high > 0 else float(np.abs(values).max()) or 1.0
    low, cmap = (-high, SIGNED) if heatmap.signed else (0.0, HEAT)
    if heatmap.overlay:
        show(ax, overlaid(image, values, cmap, low, high))
    else:
        show(ax, cmap(np.clip((values - low) / (high - low), 0, 1))[..., :3])
    color_bar(ax, low, high, cmap)
    note(ax, heatmap.label)


def draw_made_images(
    groups: Mapping[str, Sequence[Any]],
    *,
    captions: Mapping[str, Sequence[str]] | None = None,
    columns: Mapping[str, int] | None = None,
    title: str = "",
    stretch: bool = True,
) -> Figure:
    """Draw images that were made for units or classes, in groups: low, mid and high level, classes.

    Parameters
    ----------
    groups : mapping of str to sequence of array-like of shape (h, w, channels)
        Images from 0 to 1, by the name of the group.
    captions : mapping of str to sequence of str, optional
        What stands under the images of a group.
    columns : mapping of str to int, optional
        Images in a row, by the name of the group; by default 6.
    title : str, default=""
        Over the picture.
    stretch : bool, default=True
        Whether each image's contrast is spread, so that faint patterns are seen.

    Returns
    -------
    figure : Figure
        One group below the other.

    Raises
    ------
    ValueError
        If there is no image.

    See Also
    --------
    maximize_activation : Makes them.
    """
    if not any(map(len, groups.values())):
        raise ValueError("`groups` must have at least one image. Received: none.")
    wide = {name: (columns or {}).get(name, COLUMNS) for name in groups}
    deep = {name: math.ceil(len(images) / wide[name]) for name, images in groups.items()}
    heights = [deep[name] * (WIDTH / wide[name] + 0.16) + 0.25 for name in groups]
    figure = new_figure(sum(heights) + (0.45 if title else 0.1))
    parts: Any = figure.subfigures(len(groups), 1, squeeze=False, height_ratios=heights)
    for part, (name, images) in zip(parts[:, 0], groups.items(), strict=True):
        part.suptitle(plain(name, 60), x=0.012, ha="left", fontsize=TITLE)
        words = (captions or {}).get(name, ())
        for at, ax in enumerate(part.subplots(deep[name], wide[name], squeeze=False).ravel()):
            ax.set_axis_off()
            if at < len(images):
                pixels = _colored(_array(images[at]))
                show(ax, contrasted(pixels) if stretch else pixels)
            if at < len(words):
                note(ax, plain(words[at], 66 // wide[name]))
    if title:
        headed(figure, title)
    return figure


def draw_patterns(
    groups: Mapping[str, Sequence[tuple[Any, Any]]],
    *,
    captions: Mapping[str, Sequence[str]] | None = None,
    title: str = "",
) -> Figure:
    """Draw which part of an image made units answer, and the pattern in it, a row a layer.

    Parameters
    ----------
    groups : mapping of str to sequence of (image, pattern)
        Of each unit the image (h, w, channels) from 0 to 1 and the pattern (h, w, channels) with sign, of
        :func:`deconvolve`, by the name of the row. Both are cut to the part where the pattern is not zero.
    captions : mapping of str to sequence of str, optional
        What stands over the units of a row.
    title : str, default=""
        Over the picture.

    Returns
    -------
    figure : Figure
        Patterns above, the parts of the image below them; zero is grey.

    Raises
    ------
    ValueError
        If there is no pattern.
    """
    columns = max(COLUMNS, max((len(each) for each in groups.values()), default=0))
    if not any(map(len, groups.values())):
        raise ValueError("`groups` must have at least one pattern. Received: none.")
    figure = new_figure((2 * WIDTH / columns + 0.45) * len(groups) + (0.45 if title else 0.1))
    rows: Any = figure.subfigures(len(groups), 1, squeeze=False)
    for part, (name, pairs) in zip(rows[:, 0], groups.items(), strict=True):
        part.suptitle(plain(name, 60), x=0.012, ha="left", fontsize=TITLE)
        axes = part.subplots(2, columns, squeeze=False)
        for ax in axes.ravel():
            ax.set_axis_off()
        for at, (whole, pattern) in enumerate(pairs):
            signal = _array(pattern)
            top, bottom, left, right = _support(signal)
            tile = from_signed(signal[top:bottom, left:right], quantile=0.99)
            show(axes[0, at], tile if tile.shape[2] == 3 else tile.mean(2), vmin=0, vmax=1)
            show(axes[1, at], _colored(_array(whole))[top:bottom, left:right])
            words = (captions or {}).get(name, ())
            if at < len(words):
                axes[0, at].set_title(plain(words[at], 66 // columns), fontsize=NOTE, color=MUTED, pad=3)
    if title:
        headed(figure, title)
    return figure


def _support(pattern: np.ndarray) -> tuple[int, int, int, int]:
    """Return the square part, as rows and columns, that holds all that is not next to zero."""
    size = np.abs(pattern).max(2)
    rows, columns = np.nonzero(size > 0.04 * size.max()) if size.max() > 0 else np.indices(size.shape).reshape(2, -1)
    h, w = size.shape
    side = min(max(int(np.ptp(rows)), int(np.ptp(columns)), 6) + 3, h, w)
    top = int(np.clip((rows.min() + rows.max()) // 2 - side // 2, 0, h - side))
    left = int(np.clip((columns.min() + columns.max()) // 2 - side // 2, 0, w - side))
    return top, top + side, left, left + side
