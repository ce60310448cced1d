"""The parts of a report, each of which may fail without taking the others or the model with it."""

import time
import warnings
from collections.abc import Callable
from typing import Any

__all__ = ["Parts"]


class Parts:
    """Collect parts by name; of one that fails keep the reason.

    Parameters
    ----------
    say : callable, optional
        Takes one line of progress before each part that may take seconds.

    Attributes
    ----------
    content : dict of str to object
        What each part that worked gave.
    status : dict of str to dict
        ``status`` ("done", "skipped" or "failed"), ``seconds`` and ``reason`` of each part.
    say : callable or None
        As given.

    Examples
    --------
    >>> parts = Parts()
    >>> parts.add("sum", lambda: 1 + 1), parts.skip("rest", "there is nothing left")
    (2, None)
    >>> parts.content, parts.status["rest"]["reason"]
    ({'sum': 2}, 'there is nothing left')
    """

    def __init__(self, say: Callable[[str], None] | None = None) -> None:
        self.content: dict[str, Any] = {}
        self.status: dict[str, dict[str, Any]] = {}
        self.say = say

    def add(self, name: str, function: Callable[[], Any], *, saying: str = "") -> Any:
        """Compute a part.

        Parameters
        ----------
        name : str
            Its key in the report.
        function : callable
            Takes nothing, returns plain values; None where there is nothing to show.
        saying : str, default=""
            What to show meanwhile.

        Returns
        -------
        content : object
            What the function gave; None if it failed, which is a warning.
        """
        if saying and self.say is not None:
            self.say(saying)
        start = time.perf_counter()
        try:
            found = function()
        except Exception as error:
            reason = f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
            self.status[name] = {"status": "failed", "seconds": _since(start), "reason": reason}
            warnings.warn(f"The report has no {name.replace('_', ' ')}. {reason}", RuntimeWarning, stacklevel=2)
            return None
        if found is None:
            self.skip(name, "there is nothing to show for this run")
            return None
        self.content[name] = found
        self.status[name] = {"status": "done", "seconds": _since(start), "reason": ""}
        return found

    def skip(self, name: str, reason: str) -> None:
        """Record that a part was left out.

        Parameters
        ----------
        name : str
            Its key in the report.
        reason : str
            Why, and how to get it.
        """
        self.status[name] = {"status": "skipped", "seconds": 0.0, "reason": reason}


def _since(start: float) -> float:
    return round(time.perf_counter() - start, 4)
