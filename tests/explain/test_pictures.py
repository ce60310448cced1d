"""Figures show what they are given: shapes, colours, words, and refusals."""

import io

import numpy as np
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.text import Text
from PIL import Image

from strata._svg import svg
from strata.explain._look import SMALL, WIDTH, from_signed, montage, number, overlaid, percent
from strata.explain.gallery import draw_neighbours, draw_probabilities, draw_projection
from strata.explain.pictures import (
    Heatmap,
    draw_feature_maps,
    draw_filters,
    draw_heatmaps,
    draw_made_images,
    draw_patterns,
    to_pixels,
)

RNG = np.random.RandomState(0)
COLOR, GREY = RNG.uniform(size=(24, 32, 3)), RNG.uniform(size=(9, 9, 1))
HEAT = RNG.uniform(size=(24, 32))
LONG = "$x_1$ " + "a very long name of a class that nobody can draw " * 3


def figures():
    signed = Heatmap("signed", HEAT - 0.5, "below and above", signed=True, overlay=False)
    maps = {"low": RNG.uniform(size=(5, 8, 8)), LONG: RNG.uniform(size=(40, 2, 2)), "dead": np.zeros((3, 4, 4))}
    patterns = [(COLOR, RNG.normal(size=COLOR.shape)), (COLOR, np.zeros(COLOR.shape))]
    return {
        "probabilities": draw_probabilities(COLOR, ["a", LONG, "c"], [0.2, 0.7, 0.1], chosen=0, title=LONG[:60]),
        "filters": draw_filters(RNG.normal(size=(20, 3, 5, 5))),
        "grey filters": draw_filters(RNG.normal(size=(3, 1, 5, 5)), title=""),
        "many filters": draw_filters(RNG.normal(size=(200, 7, 3, 3))),
        "one filter": draw_filters(np.zeros((1, 3, 7, 7))),
        "maps": draw_feature_maps(maps, title="Maps"),
        "maps alone": draw_feature_maps({"a": torch.rand(2, 3, 3)}),
        "heatmaps": draw_heatmaps(
            COLOR, [Heatmap("one", HEAT, "what"), signed, Heatmap("flat", 0 * HEAT)], title="Heat"
        ),
        "colours": draw_heatmaps(COLOR, [Heatmap("pattern", RNG.normal(size=COLOR.shape), "grey is nothing")]),
        "grey heatmap": draw_heatmaps(GREY, [Heatmap("one", np.ones((9, 9)))]),
        "made": draw_made_images(
            {"low": [COLOR] * 3, "classes": [GREY]}, captions={"low": ["u 1", LONG]}, title="Made"
        ),
        "patterns": draw_patterns({"low": patterns, "high": patterns[:1]}, captions={"low": ["u 1"]}, title="Patterns"),
        "grey pattern": draw_patterns({"low": [(GREY, RNG.normal(size=GREY.shape))]}),
        "neighbours": draw_neighbours(
            COLOR, [COLOR] * 6, ["a", "b", "a", LONG, "a", None], np.arange(6), predicted="a"
        ),
        "unlabelled": draw_neighbours(GREY, [GREY], [None], [0.0], title="Near"),
        "projection": draw_projection(RNG.normal(size=(60, 2)), list("abc" * 20), query=(0, 0), x_label="t-SNE"),
        "many classes": draw_projection(RNG.normal(size=(60, 2)), range(60), title="Many"),
        "no classes": draw_projection(RNG.normal(size=(3, 2))),
        "twelve": draw_projection(RNG.normal(size=(60, 2)), [str(k % 12) for k in range(60)]),
    }


@pytest.fixture(scope="module")
def drawn():
    return figures()


NAMES = (
    "probabilities", "filters", "grey filters", "many filters", "one filter", "maps", "maps alone", "heatmaps",
    "colours", "grey heatmap", "made", "patterns", "grey pattern", "neighbours", "unlabelled", "projection",
    "many classes", "no classes", "twelve",
)  # fmt: skip


def test_every_figure_is_looked_at(drawn):
    assert set(NAMES) == set(drawn)


@pytest.mark.parametrize("name", NAMES)
def test_nothing_is_cut_off_and_nothing_is_empty(drawn, name):
    figure = drawn[name]
    assert isinstance(figure, Figure)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", facecolor="white")
    picture = np.asarray(Image.open(buffer).convert("RGB"))
    assert picture.std() > 5
    ends = np.concatenate([picture[0], picture[-1], picture[:, 0], picture[:, -1]])
    assert (ends == 255).all(), "ink at the edge of the figure"
    box = figure.get_tightbbox()
    width, height = figure.get_size_inches()
    assert box.x0 >= -0.02 and box.y0 >= -0.02 and box.x1 <= width + 0.02 and box.y1 <= height + 0.02
    assert width == WIDTH  # 350 pixels of a telephone are 73 an inch there, and the smallest text 8 pixels
    assert all(text.get_fontsize() >= SMALL for text in figure.findobj(Text) if text.get_text())


def test_figures_become_parts_of_a_page(drawn):
    text = svg(drawn["heatmaps"], title="Heat")
    assert "currentColor" in text and "data:image/png;base64," in text and "<script" not in text


def words_of(figure):
    return [text.get_text() for text in figure.findobj(lambda artist: hasattr(artist, "get_text")) if text.get_text()]


def test_words_say_what_is_drawn(drawn):
    assert {"70.0 %", "20.0 %", "10.0 %", "a"} <= set(words_of(drawn["probabilities"]))
    assert any(
        "20 filters of 5 × 5 pixels,\neach" in word and "grey is zero" in word for word in words_of(drawn["filters"])
    )
    assert any("the 96 strongest of 200 filters" in word for word in words_of(drawn["many filters"]))
    assert "40 maps of 2 × 2, the 16 that differ most from place to place" in words_of(drawn["maps"])
    assert {"one", "what", "signed", "below and above", "image"} <= set(words_of(drawn["heatmaps"]))
    assert {"a", "b", "c", "this image"} <= set(words_of(drawn["projection"]))
    assert not {"a", "b", "c"} & set(words_of(drawn["many classes"]))
    assert all(len(word) < 80 and "$x" not in word.replace("\\$", "") for word in words_of(drawn["neighbours"]))


def test_maps_that_tell_places_apart_come_first():
    flat, edge = np.full((4, 4), 6.0), np.eye(4)  # at the bound of a ReLU6 everywhere, and a line
    first = draw_feature_maps({"a": np.stack([flat, edge])}, n_maps=1).axes[0].images[0].get_array()
    assert len(np.unique(np.asarray(first).round(3))) > 2


def test_bars_are_as_long_as_the_probabilities(drawn):
    bars = drawn["probabilities"].axes[1].patches
    assert [round(bar.get_width(), 6) for bar in bars] == [0.7, 0.2, 0.1]
    assert bars[1].get_facecolor() != bars[0].get_facecolor()  # the class that is explained


def test_the_chosen_class_is_drawn_wherever_it_stands():
    figure = draw_probabilities(COLOR, list("abcdefg"), [0.4, 0.2, 0.1, 0.1, 0.1, 0.07, 0.03], chosen=6, n_classes=4)
    assert [word for word in words_of(figure) if word.isalpha()] == ["a", "b", "c", "g"]
    assert figure.axes[1].patches[3].get_facecolor() != figure.axes[1].patches[0].get_facecolor()


def test_frames_tell_neighbours_of_the_same_class(drawn):
    axes = drawn["neighbours"].axes[1:]
    colors = [ax.spines["left"].get_edgecolor() if ax.spines["left"].get_visible() else None for ax in axes[:6]]
    assert len(set(colors[:3])) == 2 and colors[0] == colors[2] and colors[5] is None  # of no known class


def test_points_keep_their_places():
    places = RNG.normal(size=(30, 2))
    figure = draw_projection(places, list("ab" * 15))
    shown = np.concatenate([np.asarray(points.get_offsets()) for points in figure.axes[0].collections])
    np.testing.assert_allclose(np.sort(shown, axis=0), np.sort(places, axis=0))


def test_pixels_undo_the_normalization():
    pixels = RNG.uniform(size=(2, 5, 6, 3))
    mean, std = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
    x = torch.tensor((pixels - mean) / std).permute(0, 3, 1, 2)
    np.testing.assert_allclose(to_pixels(x, mean, std), pixels, atol=1e-12)
    assert to_pixels(torch.full((1, 1, 2, 2), 9.0), (0.5,), (0.5,)).max() == 1.0
    with pytest.raises(ValueError, match="`std` must be 1 or 3 numbers. Received: 2"):
        to_pixels(x, mean, (1.0, 1.0))


def test_zero_is_grey_and_signs_are_kept():
    tile = from_signed(np.array([[-2.0, 0.0, 1.0]]), quantile=1.0)
    np.testing.assert_allclose(tile, [[0.0, 0.5, 0.75]])
    assert (from_signed(np.zeros((2, 2))) == 0.5).all()


def test_tiles_lie_in_rows_on_a_transparent_sheet():
    sheet = montage([np.full((2, 2), k / 4) for k in range(3)], 2, side=4, gap=1)
    assert sheet.shape == (9, 9, 4)
    assert sheet[0, 0, 0] == 0.0 and sheet[0, 5, 0] == 0.25 and sheet[5, 0, 0] == 0.5
    assert sheet[4, 0, 3] == 0 and sheet[0, 4, 3] == 0 and sheet[8, 8, 3] == 0 and sheet[8, 3, 3] == 1


def test_strong_places_hide_more_of_the_image():
    from matplotlib import colormaps

    white = np.ones((1, 3, 3))
    mixed = overlaid(white, np.array([[0.0, 0.5, 1.0]]), colormaps["gray"], 0.0, 1.0)[0, :, 0]
    np.testing.assert_allclose(mixed, [0.65, 0.425 + 0.575 * 0.50196, 1.0], atol=1e-3)


def test_numbers_for_people():
    assert [number(v) for v in (0.0, 1e-14, -0.25, 1234.0, 3e-5)] == ["0", "0", "−0.25", "1.2e3", "3e−5"]
    assert [percent(v) for v in (0.0, 1e-5, 0.5, 0.9996, 1.0)] == ["0.0 %", "< 0.1 %", "50.0 %", "> 99.9 %", "> 99.9 %"]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: draw_filters(np.zeros((3, 3))), r"`filters` must be of shape \(n, c, h, w\)"),
        (lambda: draw_feature_maps({}), "`maps` must be maps of shape"),
        (lambda: draw_feature_maps({"a": np.zeros((3, 3))}), r"Received: shape \(3, 3\)"),
        (lambda: draw_heatmaps(COLOR, []), r"`heatmaps` must be of the image's size, \(24, 32\). Received: none"),
        (lambda: draw_heatmaps(COLOR, [Heatmap("x", HEAT.T)]), r"Received: 'x' of shape \(32, 24\)"),
        (lambda: draw_made_images({}), "`groups` must have at least one image"),
        (lambda: draw_patterns({"low": []}), "`groups` must have at least one pattern"),
        (lambda: draw_probabilities(COLOR, ["a"], [0.5, 0.5]), "`probs` must have one number a class, 1. Received: 2"),
        (lambda: draw_neighbours(COLOR, [], [], []), "at least 1. Received: 0 neighbours"),
        (lambda: draw_projection(np.zeros((3, 3))), r"`places` must be of shape \(n, 2\), with n labels"),
        (lambda: draw_projection(np.zeros((3, 2)), ["a"]), r"Received: shape \(3, 2\) and 1 labels"),
    ],
)
def test_what_cannot_be_drawn_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call()
