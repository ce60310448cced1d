"""Signals that ask a run to stop: the first is noted, the second is obeyed at once."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

__all__ = ["SignalWatch"]


class SignalWatch:
    """Note SIGINT, and SIGTERM where the run can be saved, instead of dying in the middle of a step.

    Only the main thread can do that; elsewhere nothing is watched. A handler for SIGINT that somebody else
    installed is left alone unless the run can be saved.

    Parameters
    ----------
    saving : bool
        Whether the run writes checkpoints.
    """

    def __init__(self, *, saving: bool) -> None:
        self.number: int | None = None
        self._saving = saving
        self._previous: dict[int, Any] = {}

    def __enter__(self) -> SignalWatch:
        if threading.current_thread() is not threading.main_thread():
            return self
        if self._saving or signal.getsignal(signal.SIGINT) is signal.default_int_handler:
            self._previous[signal.SIGINT] = signal.signal(signal.SIGINT, self._note)
        if self._saving:
            self._previous[signal.SIGTERM] = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._previous.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        self._previous = {}

    def _note(self, number: int, _frame: FrameType | None) -> None:
        if self.number is None:
            self.number = number
        elif number == signal.SIGINT:
            raise KeyboardInterrupt
        else:
            raise SystemExit(128 + number)
