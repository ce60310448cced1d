"""A picture as a piece of SVG for a page: it takes text and line colours from the page, in both colour schemes."""

import hashlib
import io
import re
import warnings
from typing import Any
from xml.etree import ElementTree

import matplotlib as mpl
from matplotlib.figure import Figure

from strata._names import label_text

__all__ = ["svg"]

XMLNS = "http://www.w3.org/2000/svg"
SETTINGS: Any = {"svg.fonttype": "none", "svg.hashsalt": "strata", "svg.image_inline": True}
REFERENCE = re.compile(r"url\(#([^)]+)\)")
FAMILY = re.compile(r"font-family: [^;]*;? ?")
LONG_NUMBER = re.compile(r"(\d\.\d\d)\d+")
FONT = re.compile(r"font: ?([^;]*?)([\d.]+)px[^;]*")
BLACK = re.compile(r"(?<=: )(?:#000000|#000|black)(?=;|$)")


def svg(picture: Any, *, title: str, description: str = "", prefix: str | None = None) -> str:
    """Return a display or a figure as SVG to put into an HTML page.

    Parameters
    ----------
    picture : display or Figure
        What has ``figure_``, or matplotlib's figure itself. It is left as it is.
    title : str
        Its name, for those who cannot see it.
    description : str, default=""
        What it shows, in words.
    prefix : str, optional
        Begin of every id; by default drawn from the content, so that two pictures on a page do not mix.

    Returns
    -------
    text : str
        One ``<svg>`` element without size in pixels (``viewBox`` alone), XML declaration, style sheet,
        script, or reference to anything outside. The same picture gives the same text. Black is written as
        ``currentColor``, the background is transparent, and text has the page's font.

    Raises
    ------
    TypeError
        If there is no figure.

    Examples
    --------
    >>> text = svg(Figure(figsize=(2, 1)), title="Nothing")
    >>> text.startswith('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 144 72" role="img"'), "width=" in text
    (True, False)
    """
    figure = getattr(picture, "figure_", picture)
    if not isinstance(figure, Figure):
        raise TypeError(
            f"`picture` must be a display that was plotted, or a Figure. Received: {type(picture).__name__}."
        )
    root = ElementTree.fromstring(_drawn(figure))
    _clean(root)
    _rename(root, "id")
    if prefix is None:
        content = title + ElementTree.tostring(root, encoding="unicode")
        prefix = "p" + hashlib.sha256(content.encode("utf-8", "backslashreplace")).hexdigest()[:10]
    _rename(root, prefix)
    named = [ElementTree.Element("title", {"id": f"{prefix}-title"})]
    named[0].text = label_text(title)
    if description:
        named.append(ElementTree.Element("desc", {"id": f"{prefix}-desc"}))
        named[1].text = label_text(description)
    root[:] = [*named, *root]
    box = root.get("viewBox", "")
    root.attrib.clear()
    root.attrib |= {
        "xmlns": XMLNS,
        "viewBox": " ".join(f"{float(number):g}" for number in box.split()),
        "role": "img",
        "aria-labelledby": " ".join(each.get("id", "") for each in named),
        "fill": "currentColor",
        "style": "stroke-linejoin: round; stroke-linecap: butt",
    }
    return ElementTree.tostring(root, encoding="unicode")


def _drawn(figure: Figure) -> bytes:
    """Return matplotlib's own SVG, without a date and on a transparent ground."""
    buffer = io.BytesIO()
    with mpl.rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)  # the page's font has it
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    return buffer.getvalue()


def _clean(root: ElementTree.Element) -> None:
    """Remove name spaces, metadata, style sheets and white space; let black and the font come from the page."""
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        for name in list(element.attrib):
            if "}" in name:
                element.set(name.rpartition("}")[2], element.attrib.pop(name))
        element.text = element.text if element.text and element.text.strip() else None
        element.tail = None
        if element.tag == "image":  # two pictures alike would have one id; nothing refers to it
            element.attrib.pop("id", None)
        if "style" in element.attrib:
            style = FAMILY.sub("", FONT.sub(_font, element.get("style", "")))
            element.set("style", BLACK.sub("currentColor", style))
        for name in ("d", "x", "y"):
            if name in element.attrib:
                element.set(name, " ".join(LONG_NUMBER.sub(r"\1", element.get(name, "")).split()))
    for parent in list(root.iter()):
        for child in [each for each in parent if each.tag in ("metadata", "style")]:
            parent.remove(child)


def _font(match: re.Match[str]) -> str:
    weight = next((word for word in match[1].split() if word.isdigit() or word == "bold"), "")
    return f"font-size: {match[2]}px" + (f"; font-weight: {weight}" if weight else "")


def _rename(root: ElementTree.Element, prefix: str) -> None:
    """Number the ids in the order of the document, so that they depend on nothing but the picture."""
    ids = [element.get("id", "") for element in root.iter() if "id" in element.attrib]
    new = {old: f"{prefix}-{number}" for number, old in enumerate(dict.fromkeys(ids))}
    for element in root.iter():
        for name, value in element.attrib.items():
            if name == "id":
                element.set(name, new[value])
            elif name == "href" and value[1:] in new:
                element.set(name, "#" + new[value[1:]])
            elif "url(#" in value:
                element.set(name, REFERENCE.sub(lambda found: f"url(#{new.get(found[1], found[1])})", value))
