"""What each part of an explanation is called, what it shows, where it is from, and how it can mislead."""

import tomllib
from importlib.resources import files
from typing import NamedTuple

__all__ = ["WORDS", "Words"]


class Words(NamedTuple):
    """The text around a picture.

    Parameters
    ----------
    title : str
        Heading.
    shows : str
        What is to be seen.
    misleads : str
        What must not be concluded from it.
    source : str
        Publication.
    """

    title: str
    shows: str
    misleads: str
    source: str


def _read() -> dict[str, Words]:
    text = (files("strata.explain") / "words.toml").read_text(encoding="utf-8")
    parts = tomllib.loads(text)
    return {name: Words(**{k: " ".join(v.split()) for k, v in part.items()}) for name, part in parts.items()}


#: Parts of an explanation in the order of the page.
WORDS = _read()
