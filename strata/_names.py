"""One way to refuse a name that is not in a registry."""

from collections.abc import Iterable
from difflib import get_close_matches

__all__ = ["unknown_name"]


def unknown_name(kind: str, name: object, known: Iterable[str]) -> str:
    """Say that a name is unknown, suggest the nearest and list the rest.

    >>> unknown_name("loss", "mes", ["mse", "rss"])
    "Unknown loss 'mes'. Did you mean 'mse'? Available: mse, rss."
    """
    names = sorted(known)
    close = get_close_matches(str(name).lower(), names, n=1, cutoff=0.5)
    suggestion = f" Did you mean {close[0]!r}?" if close else ""
    return f"Unknown {kind} {name!r}.{suggestion} Available: {', '.join(names)}."
