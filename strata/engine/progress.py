"""How far a run is: a bar on a terminal, plain lines elsewhere."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TextIO

from rich.console import Console
from rich.progress import BarColumn, TaskID, TextColumn
from rich.progress import Progress as Bars
from rich.table import Column

from strata.engine._terminal import duration, is_live, terminal_width

if TYPE_CHECKING:
    from strata.engine.run import Run

__all__ = ["Progress"]

#: Lines that are written whatever their pace; after them at most one a second, and the last.
FREE_LINES = 30


class Progress:
    """Show epoch, loss, validation figures, rate and the time left.

    A live bar is drawn only where the stream is a terminal, and neither ``TERM=dumb``, ``NO_COLOR`` nor ``CI`` is
    set. Elsewhere there is a plain line after each epoch, and one every 30 seconds of a longer epoch; beyond 30
    epochs at most one line a second. A stream that is closed meanwhile ends the display, not the run.

    Parameters
    ----------
    stream : text file, optional
        Where to write; standard error by default.
    style : {"auto", "bar", "lines"}, default="auto"
        What to draw.
    every_seconds : float, default=30.0
        Time between two lines within an epoch.

    Raises
    ------
    ValueError
        If ``style`` is unknown.

    See Also
    --------
    strata.engine.train : Takes it as ``progress``.

    Examples
    --------
    >>> Progress(style="lines").style
    'lines'
    """

    def __init__(self, stream: TextIO | None = None, *, style: str = "auto", every_seconds: float = 30.0) -> None:
        if style not in ("auto", "bar", "lines"):
            raise ValueError(f"`style` must be 'auto', 'bar' or 'lines'. Received: style={style!r}.")
        self.style = style
        self.every_seconds = every_seconds
        self._given = stream
        self._stream: TextIO | None = None
        self._bars: Bars | None = None
        self._task: TaskID | None = None
        self._begun = self._shown_at = 0.0
        self._first = (0, 0)
        self._n_lines = 0
        self._pending = ""

    # -- what the engine calls --------------------------------------------------------------------------

    def begin(self, run: Run) -> None:
        """Start the display.

        Parameters
        ----------
        run : Run
            The run, before its first batch.
        """
        self._stream = self._given if self._given is not None else sys.stderr
        self._begun = self._shown_at = time.monotonic()
        self._first = (run.epoch, run.batch)
        self._n_lines, self._pending = 0, ""
        if self._stream is not None and (self.style == "bar" or (self.style == "auto" and is_live(self._stream))):
            self._guard(self._begin_bar, run)

    def note(self, text: str) -> None:
        """Write a line about what comes before the run.

        Parameters
        ----------
        text : str
            One line.
        """
        stream = self._given if self._given is not None else sys.stderr
        with suppress(OSError, ValueError, AttributeError, UnicodeError):
            stream.write(text + "\n")
            stream.flush()

    def update(self, run: Run) -> None:
        """Show that the run is in the middle of an epoch.

        Parameters
        ----------
        run : Run
            The run, between two calls of the rule.
        """
        now = time.monotonic()
        if self._stream is None or now - self._shown_at < (0.1 if self._bars is not None else self.every_seconds):
            return
        if self._bars is not None:
            self._guard(self._move, run)
        else:
            self._line(f"{self._place(run)}, {self._batches(run)}{self._time_left(run)}")

    def epoch(self, run: Run) -> None:
        """Show the figures of an epoch.

        Parameters
        ----------
        run : Run
            The run, after the epoch.
        """
        if self._stream is None:
            return
        if self._bars is not None:
            if time.monotonic() - self._shown_at >= 0.05 or run.epoch >= run.max_epochs:
                self._guard(self._move, run)
            return
        text = f"{self._place(run)}: {_figures(run)}{self._time_left(run)}"
        if self._n_lines < FREE_LINES or time.monotonic() - self._shown_at >= 1.0:
            self._line(text)
        else:
            self._pending = text

    def end(self, run: Run) -> None:
        """End the display; also after an error.

        Parameters
        ----------
        run : Run
            The run as it ended.
        """
        if self._bars is not None:
            self._guard(self._move, run)
            if self._bars is not None:
                self._guard(lambda _: self._bars.stop() if self._bars else None, run)
        elif self._stream is not None and self._pending:
            self._line(self._pending)
        self._bars = self._stream = None

    # -- drawing ----------------------------------------------------------------------------------------

    def _begin_bar(self, run: Run) -> None:
        console = _LastingConsole(file=self._stream, force_terminal=True, width=terminal_width(self._stream))
        columns: list[Any] = [TextColumn("{task.description}", markup=False, table_column=_cut())]
        if console.width >= 60:
            columns.append(BarColumn(bar_width=max(10, min(30, console.width - 70))))
        columns.append(TextColumn("{task.fields[figures]}", markup=False, table_column=_cut()))
        self._bars = Bars(*columns, console=console, auto_refresh=False, transient=False)
        self._task = self._bars.add_task(self._place(run), total=self._total(run), figures="")
        self._bars.start()

    def _move(self, run: Run) -> None:
        if self._bars is None or self._task is None:
            return
        self._shown_at = time.monotonic()
        text = f"{_figures(run)}{self._time_left(run)}" if run.figures else self._batches(run)
        self._bars.update(
            self._task, completed=self._done(run), description=self._place(run), figures=text, refresh=True
        )

    def _line(self, text: str) -> None:
        self._shown_at = time.monotonic()
        self._n_lines += 1
        self._pending = ""
        stream = self._stream
        if stream is not None:
            self._guard(lambda _: (stream.write(text + "\n"), stream.flush()), None)

    def _guard(self, draw: Any, run: Run | None) -> None:
        """Draw, and give up for good when the stream is gone: progress is never worth a run."""
        try:
            draw(run)
        except (OSError, ValueError, AttributeError, UnicodeError):
            bars, self._bars, self._stream = self._bars, None, None
            if bars is not None:
                with suppress(Exception):
                    bars.stop()

    # -- what to say ------------------------------------------------------------------------------------

    def _place(self, run: Run) -> str:
        number = run.epoch + 1 if run.batch else run.epoch
        return f"epoch {number}/{run.max_epochs}"

    def _batches(self, run: Run) -> str:
        n_batches = run.source.n_batches
        return f"batch {run.batch}" + (f"/{n_batches}" if n_batches else "")

    def _total(self, run: Run) -> float:
        return float(max(1, run.max_epochs))

    def _done(self, run: Run) -> float:
        n_batches = run.source.n_batches
        return run.epoch + (run.batch / n_batches if n_batches else 0.0)

    def _time_left(self, run: Run) -> str:
        n_batches = run.source.n_batches or 0
        first = self._first[0] + (self._first[1] / n_batches if n_batches else 0.0)
        done = self._done(run) - first
        if done <= 0 or run.stop_reason is not None:
            return ""
        elapsed = time.monotonic() - self._begun
        return f", at most {duration(elapsed / done * max(0.0, run.max_epochs - self._done(run)))} left"


class _LastingConsole(Console):
    """A console whose broken pipe is an error to be caught; rich's own would end the process."""

    def on_broken_pipe(self) -> None:
        """Let the writer know."""
        raise BrokenPipeError


def _cut() -> Column:
    """A column that is cut at the edge of a narrow terminal instead of folded."""
    return Column(no_wrap=True, overflow="crop")


def _figures(run: Run) -> str:
    shown = [(name, value) for name, value in run.figures.items() if name not in ("epoch", "seconds")]
    return ", ".join(f"{name} {value:.4g}" for name, value in shown)
