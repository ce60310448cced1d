"""What a stream can show, and times in few words."""

from __future__ import annotations

import math
import os
from typing import TextIO

__all__ = ["duration", "is_live", "terminal_width"]


def terminal_width(stream: TextIO | None) -> int | None:
    """Return the columns of a terminal that is none of the standard streams, which rich looks at itself."""
    try:
        descriptor = stream.fileno() if stream is not None else 0
        return None if descriptor <= 2 else max(1, os.get_terminal_size(descriptor).columns)
    except (OSError, ValueError, AttributeError):
        return None


def is_live(stream: TextIO) -> bool:
    """Say whether a bar may be drawn: a terminal that is not dumb, and nobody asked for plain text."""
    if os.environ.get("TERM", "") in ("dumb", "unknown") or os.environ.get("NO_COLOR") or os.environ.get("CI"):
        return False
    try:
        return stream.isatty()
    except (ValueError, OSError, AttributeError):
        return False


def duration(seconds: float) -> str:
    """Write a time shortly.

    >>> duration(4.2), duration(75), duration(7260)
    ('4 s', '1 min 15 s', '2 h 01 min')
    """
    whole = math.ceil(seconds - 0.5)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    return f"{whole // 3600} h {whole % 3600 // 60:02d} min"
