"""The record of an explanation: figures, numbers, and the folder they are saved in."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from strata._files import atomic_write, fsync_folder, write_json
from strata._names import label_text
from strata.explain._look import percent, settle
from strata.explain._page import page_of
from strata.explain._words import WORDS

__all__ = ["Explanation", "Part", "checked_folder"]

SCHEMA = "strata.explanation/1"


@dataclass(frozen=True, eq=False)
class Part:
    """One picture of an explanation.

    Parameters
    ----------
    name : str
        Of the list that :func:`~strata.explain.explain` takes.
    figure : Figure
        The picture.
    caption : str
        What it shows, in a sentence with its numbers.
    numbers : dict of str to object
        What it was drawn from, as far as it can be said in few numbers.
    """

    name: str
    figure: Figure
    caption: str
    numbers: dict[str, Any] = field(default_factory=dict)

    @property
    def title(self) -> str:
        """Heading of the picture."""
        return WORDS[self.name].title


@dataclass(frozen=True, eq=False)
class Explanation:
    """What a network sees in an image.

    Parameters
    ----------
    image : str
        What was explained: a path, or its shape.
    model : str
        Name of the network.
    target : object
        The class that is explained.
    predictions : tuple of (class, probability)
        The most probable ones first; at most ten.
    layers : dict of str to str
        Layers that were looked into, by level.
    parts : tuple of Part
        The pictures.
    left_out : dict of str to str
        Parts that could not be drawn for this network, and why.
    """

    image: str
    model: str
    target: Any
    predictions: tuple[tuple[Any, float], ...]
    layers: dict[str, str]
    parts: tuple[Part, ...]
    left_out: dict[str, str] = field(default_factory=dict)

    @property
    def figures(self) -> dict[str, Figure]:
        """The figures by the name of their part."""
        return {part.name: part.figure for part in self.parts}

    def __str__(self) -> str:
        first = ", ".join(f"{label_text(label)} {percent(p)}" for label, p in self.predictions[:3])
        lines = [f"{self.image}: {first}", *(f"{part.title}: {part.caption}" for part in self.parts)]
        return "\n".join([*lines, *(f"Left out: {WORDS[k].title.lower()}: {why}" for k, why in self.left_out.items())])

    def to_dict(self) -> dict[str, Any]:
        """Return all numbers.

        Returns
        -------
        described : dict of str to object
            What ``explanation.json`` holds.
        """
        return {
            "schema": SCHEMA,
            "image": self.image,
            "model": self.model,
            "target": _plain(self.target),
            "predictions": [{"class": _plain(label), "probability": p} for label, p in self.predictions],
            "layers": dict(self.layers),
            "parts": {part.name: {"caption": part.caption, **part.numbers} for part in self.parts},
            "left_out": dict(self.left_out),
        }

    def to_html(self) -> str:
        """Return the page.

        Returns
        -------
        page : str
            HTML with its style and pictures in it: no script, no file, no connection.
        """
        return page_of(self)

    def save(self, folder: str | os.PathLike[str], *, force: bool = False) -> Path:
        """Write the page, a PNG of each picture, and the numbers.

        Parameters
        ----------
        folder : path
            New, or empty. Its parents are made.
        force : bool, default=False
            Replace an explanation that is there.

        Returns
        -------
        page : Path
            ``explanation.html`` in the folder.

        Raises
        ------
        ValueError
            If the folder has something in it already and ``force`` is False, or is a file.
        OSError
            If the disk is full or the folder cannot be written.
        """
        target = checked_folder(folder, force=force)
        target.mkdir(parents=True, exist_ok=True)
        for part in self.parts:
            settle(part.figure)
            with atomic_write(target / f"{part.name}.png") as file:
                part.figure.savefig(file, format="png", facecolor="white", pil_kwargs={"compress_level": 4})
        write_json(target / "explanation.json", self.to_dict())
        page = target / "explanation.html"
        with atomic_write(page, mode="w") as file:
            file.write(self.to_html())
        for name in WORDS.keys() - self.figures.keys():  # of the explanation that was there before
            (target / f"{name}.png").unlink(missing_ok=True)
        fsync_folder(target)
        return page


def checked_folder(folder: str | os.PathLike[str], *, force: bool) -> Path:
    """Return the folder to write to, when it is new, empty, or to be replaced.

    Parameters
    ----------
    folder : path
        As the user gave it.
    force : bool
        Whether an explanation in it may be replaced.

    Returns
    -------
    folder : Path
        It may not exist yet.

    Raises
    ------
    ValueError
        If it is a file, or has something in it that may not be replaced.
    """
    target = Path(folder)
    if target.exists() and not target.is_dir():
        raise ValueError(f"`folder` must be a folder. Received: {target}, which is a file.")
    if target.is_dir() and any(target.iterdir()):
        if not force:
            raise ValueError(
                f"`folder` must be new or empty. Received: {target}. Give force=True (--force) to replace it."
            )
        if not (target / "explanation.json").is_file():
            raise ValueError(
                f"`folder` must hold an explanation to be replaced. Received: {target}, which holds something else."
            )
    return target


def _plain(label: Any) -> Any:
    return label.item() if hasattr(label, "item") else label
