"""Pictures for a page: self-contained, the same every time, named, without colours of their own for text."""

import re
from xml.etree import ElementTree

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.figure import Figure

from strata.report.displays import ConfusionDisplay, ReliabilityDisplay, TrainingCurvesDisplay, svg


def history(ax=None):
    return TrainingCurvesDisplay.from_history({"loss": [1.0, 0.5, 0.2], "val_loss": [1.0, 0.6, 0.5]}, ax=ax)


def on_a_figure(display):
    return display.plot(ax=Figure(layout="constrained").add_subplot())


@pytest.fixture(params=["curves", "table", "bins"])
def picture(request):
    axes = Figure(layout="constrained").add_subplot()
    if request.param == "curves":
        return history(axes)
    if request.param == "table":
        return ConfusionDisplay.from_predictions(["<b>", "&", "&"], ["&", "&", "<b>"], ax=axes)
    return ReliabilityDisplay.from_predictions([0, 1, 1], [0.2, 0.4, 0.9], ax=axes)


def test_it_is_one_element_with_a_view_box_and_a_name(picture):
    text = svg(picture, title="A <title>", description="5 < 6 & more")
    root = ElementTree.fromstring(text)
    assert root.tag == "{http://www.w3.org/2000/svg}svg" and root.get("role") == "img"
    assert (
        root.get("width") is None
        and root.get("height") is None
        and re.fullmatch(r"0 0 [\d.]+ [\d.]+", root.get("viewBox"))
    )
    title, desc = root[0], root[1]
    assert (title.text, desc.text) == ("A <title>", "5 < 6 & more")
    assert root.get("aria-labelledby").split() == [title.get("id"), desc.get("id")]
    assert svg(picture, title="Alone").count("<desc") == 0


def test_it_refers_to_nothing_outside_and_brings_no_style_sheet(picture):
    text = svg(picture, title="t")
    for word in ("<style", "<script", "<metadata", "<?xml", "<!DOCTYPE", "font-family", "on load", "xlink"):
        assert word not in text
    links = re.findall(r'(?:href="|url\()([^")]+)', text)
    assert all(link.startswith(("#", "data:image/png;base64,")) for link in links)
    ids = re.findall(r' id="([^"]+)"', text)
    assert len(ids) == len(set(ids))
    assert {link[1:] for link in links if link.startswith("#")} <= set(ids)


def test_text_and_axes_take_the_colour_of_the_page(picture):
    text = svg(picture, title="t")
    assert "currentColor" in text and "#000000" not in text
    root = ElementTree.fromstring(text)
    for element in root.iter("{http://www.w3.org/2000/svg}text"):
        assert re.search(r"fill: (?!currentColor|#ffffff)", element.get("style", "")) is None
    first = root.find(".//{http://www.w3.org/2000/svg}path")
    assert "fill: none" in first.get("style")  # the ground of the figure is not painted


def test_the_same_picture_is_the_same_text_and_others_have_other_ids():
    first, again = (svg(history(Figure().add_subplot()), title="t") for _ in range(2))
    assert first == again
    table = svg(ConfusionDisplay.from_predictions([0, 1], [0, 1], ax=Figure().add_subplot()), title="t")
    ids, others = (set(re.findall(r' id="([^"]+)"', text)) for text in (first, table))
    assert not ids & others
    mine = svg(history(Figure().add_subplot()), title="t", prefix="mine")
    assert set(re.findall(r' id="([^"]+)"', mine)) and all(
        each.startswith("mine-") for each in re.findall(r' id="([^"]+)"', mine)
    )


def test_the_figure_is_left_as_it_is_and_settings_too():
    before = dict(plt.rcParams)
    figure = Figure()
    history(figure.add_subplot())
    face = figure.get_facecolor()
    svg(figure, title="t")
    assert figure.get_facecolor() == face and dict(plt.rcParams) == before and figure.axes


def test_hostile_labels_stay_text():
    names = ["<script>alert(1)</script>", 'a" onload="b', "\x00\ud800", "url(#x)", "日本"]
    display = ConfusionDisplay.from_predictions(names, names, ax=Figure().add_subplot())
    root = ElementTree.fromstring(svg(display, title="\x00<b>", description="\x1b"))
    assert {each.tag.rpartition("}")[2] for each in root.iter()} <= {
        "svg", "title", "desc", "g", "path", "defs", "use", "text", "image", "clipPath", "rect",
    }  # fmt: skip
    assert not [name for each in root.iter() for name in each.attrib if name.startswith("on")]


def test_something_else_is_refused():
    with pytest.raises(TypeError, match="`picture` must be a display that was plotted, or a Figure"):
        svg(np.zeros(3), title="t")
