"""How names are written, and one way to refuse a name that is not in a registry."""

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Any

__all__ = ["label_text", "unknown_name"]


def label_text(value: Any) -> str:
    r"""Return a class label or a cell as text that can be written anywhere.

    Parameters
    ----------
    value : object
        A label, a number, a text from a file.

    Returns
    -------
    text : str
        Control characters and lone surrogates as escapes.

    Examples
    --------
    >>> label_text("a\x00b"), label_text(3)
    ('a\\x00b', '3')
    """
    text = value if isinstance(value, str) else str(value.item() if hasattr(value, "item") else value)
    text = text.encode("utf-8", "backslashreplace").decode()
    return "".join(c if c.isprintable() or c in "\n\t" else c.encode("unicode_escape").decode() for c in text)


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """Say that a name is unknown, suggest the nearest and list the rest.

    >>> unknown_name("loss", "mes", ["mse", "rss"])
    "Unknown loss 'mes'. Did you mean 'mse'? Available: mse, rss."
    """
    names = sorted(known)
    close = get_close_matches(str(name).lower(), names, n=1, cutoff=0.5)
    suggestion = f" Did you mean {close[0]!r}?" if close else ""
    return f"Unknown {kind} {name!r}.{suggestion} Available: {', '.join(names)}."
