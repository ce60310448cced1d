"""An explanation as one page that opens anywhere: no script, no picture file, no connection."""

from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

from jinja2 import Environment, FunctionLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from strata._names import label_text
from strata._svg import svg
from strata.explain._look import percent
from strata.explain._words import WORDS

if TYPE_CHECKING:
    from strata.explain.explanation import Explanation

__all__ = ["page_of"]


def page_of(explanation: "Explanation") -> str:
    """Return the page of an explanation; text and lines follow the reader's colours, light or dark."""
    parts = [
        {
            "name": part.name,
            "words": WORDS[part.name],
            "caption": part.caption,
            "picture": Markup(svg(part.figure, title=part.title, description=part.caption)),  # escaped there
        }
        for part in explanation.parts
    ]
    template = _environment().get_template("explanation.html.j2")
    return template.render(e=explanation, parts=parts, words=WORDS, css=Markup(_source("explanation.css")))  # our own


def _source(name: str) -> str:
    return (files("strata.explain") / "templates" / name).read_text(encoding="utf-8")


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FunctionLoader(_source),
        autoescape=select_autoescape(default=True, default_for_string=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": percent, "label": label_text}
    return environment
