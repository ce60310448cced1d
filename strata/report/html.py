"""The report as one page that opens anywhere: no script, no picture file, no connection."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any

from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from strata._names import label_text
from strata.report import pictures
from strata.report.cell_document import chart_of_codes
from strata.report.wording import FIGURES, figure_text, percent

__all__ = ["render_cells", "render_html"]

TEMPLATES = "templates"


def render_html(document: Mapping[str, Any], images: Mapping[str, str] | None = None) -> str:
    """Draw the page of a report.

    Parameters
    ----------
    document : mapping of str to object
        What ``report.json`` holds. Names and labels in it may be anything: they are escaped.
    images : mapping of str to str, optional
        Pictures by name, as ``data:`` addresses.

    Returns
    -------
    page : str
        HTML with its style and pictures in it.
    """
    style = Markup(_source("report.css"))  # our own file
    kind = "image_report.html.j2" if document["data"].get("kind") == "pictures" else "report.html.j2"
    if document["data"].get("task") == "codes":
        kind = "code_report.html.j2"
    return _environment().get_template(kind).render(d=document, css=style, pictures=pictures, images=images or {})


def render_cells(document: Mapping[str, Any]) -> str:
    """Draw the page of a training on counts of cells.

    Parameters
    ----------
    document : mapping of str to object
        What ``report.json`` holds. Names and labels in it may be anything: they are escaped.

    Returns
    -------
    page : str
        HTML with its style and pictures in it.
    """
    style = Markup(_source("report.css"))  # our own file
    page = _environment().get_template("cell_report.html.j2")
    return page.render(d=document, css=style, pictures=pictures, chart_of_codes=chart_of_codes)


def _source(name: str) -> str:
    return (files("strata.report") / TEMPLATES / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "count": lambda value: "–" if value is None else f"{value:,}",
        "figure": lambda value, name: figure_text(name, value),
        "difference": lambda value, name: figure_text(name, value, signed=True),
        "percent": percent,
        "number": _number,
        "label": label_text,
        "figure_name": lambda name: FIGURES.get(name, (str(name).replace("_", " "), "", True))[0],
        "unit": lambda name: FIGURES.get(name, ("", "", True))[1],
    }
    return environment


def _number(value: Any, digits: int = 4) -> str:
    """Return a number for people: few digits, a true minus, a dash for what is not known."""
    if value is None or (isinstance(value, float) and value != value):
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return f"{value:,}".replace("-", "−")
    if isinstance(value, float):
        return f"{value:.{digits}g}".replace("-", "−")
    return label_text(value)
