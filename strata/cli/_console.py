"""Where the command speaks: results to stdout, everything else to stderr, and nothing ever crashes on the way."""

import json
import os
import sys
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any, TextIO

from strata._files import _plain, canonical_json

__all__ = ["Console"]

_COLORS = {"bold": "1", "red": "31", "green": "32", "yellow": "33", "dim": "2"}


def _wants_color(stream: TextIO, no_color: bool) -> bool:
    if no_color or os.environ.get("NO_COLOR"):
        return False
    if os.environ.get("FORCE_COLOR"):
        return True
    return stream.isatty() and os.environ.get("TERM", "") != "dumb"


class Console:
    """The two streams of one run of the command.

    Parameters
    ----------
    json_output : bool, default=False
        The result is one JSON object, and no text goes to stdout.
    quiet : bool, default=False
        Only results, warnings and errors.
    verbose : int, default=0
        1 shows details as well.
    no_color : bool, default=False
        Never colour. ``NO_COLOR`` and ``TERM=dumb`` do the same, ``FORCE_COLOR`` the contrary.
    """

    def __init__(
        self, *, json_output: bool = False, quiet: bool = False, verbose: int = 0, no_color: bool = False
    ) -> None:
        self.json_output = json_output
        self.quiet = quiet
        self.verbose = verbose
        self._color = {
            "stdout": _wants_color(sys.stdout, no_color),
            "stderr": _wants_color(sys.stderr, no_color),
        }

    @property
    def colored(self) -> bool:
        """Whether stderr may be coloured."""
        return self._color["stderr"]

    @property
    def result_colored(self) -> bool:
        """Whether stdout may be coloured."""
        return self._color["stdout"]

    def paint(self, text: str, style: str, *, stream: str = "stdout") -> str:
        """Return the text in a style (bold, red, green, yellow, dim) where the stream takes colour."""
        return f"\x1b[{_COLORS[style]}m{text}\x1b[0m" if self._color[stream] else text

    def result(self, text: str) -> None:
        """Write lines of the result, unless the result is JSON."""
        if not self.json_output:
            self._write(sys.stdout, text)

    def emit(self, value: Any, *, compact: bool = False) -> None:
        """Write one JSON value to stdout; NaN and infinity become null."""
        text = canonical_json(value) if compact else json.dumps(_plain(value), indent=2, allow_nan=False)
        self._write(sys.stdout, text)

    def note(self, text: str) -> None:
        """Write a line of the log."""
        if not self.quiet:
            self._write(sys.stderr, text)

    def detail(self, text: str) -> None:
        """Write a line that only ``-v`` shows."""
        if self.verbose and not self.quiet:
            self._write(sys.stderr, self.paint(text, "dim", stream="stderr"))

    def warn(self, text: str) -> None:
        """Write a warning."""
        self._write(sys.stderr, f"{self.paint('warning:', 'yellow', stream='stderr')} {text}")

    def error(self, text: str) -> None:
        """Write an error."""
        self._write(sys.stderr, f"{self.paint('error:', 'red', stream='stderr')} {text}")

    def table(self, rows: Sequence[Mapping[str, Any]], columns: Sequence[str]) -> str:
        """Return rows as aligned text under a header; numbers to the right."""
        cells = [[_cell(row.get(column)) for column in columns] for row in rows]
        right = [all(isinstance(row.get(c), (int, float, type(None))) for row in rows) for c in columns]
        widths = [max(len(c), *(len(line[i]) for line in cells), 0) for i, c in enumerate(columns)]
        lines = [list(columns), *cells]
        return "\n".join(
            "  ".join(t.rjust(w) if r else t.ljust(w) for t, w, r in zip(line, widths, right, strict=True)).rstrip()
            for line in lines
        )

    @contextmanager
    def showing_warnings(self) -> Iterator[None]:
        """Show Python's warnings as lines of the log inside the block."""
        seen: set[str] = set()

        def show(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
            text = " ".join(str(message).split())
            if text not in seen and not issubclass(category, (DeprecationWarning, PendingDeprecationWarning)):
                seen.add(text)
                self.warn(text)

        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.showwarning = show
            yield

    @staticmethod
    def _write(stream: TextIO, text: str) -> None:
        try:
            stream.write(text + "\n")
            stream.flush()
        except UnicodeEncodeError:
            stream.write(text.encode(stream.encoding or "ascii", "backslashreplace").decode("ascii", "replace") + "\n")
        except (BrokenPipeError, ValueError):  # nobody reads any more: the work goes on
            with suppress(OSError, ValueError, AttributeError):
                os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e5 else f"{value:.3e}"
    return str(value)
