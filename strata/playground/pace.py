"""When frames are drawn: as fast as the page draws them, and at most 30 a second."""

from __future__ import annotations

__all__ = ["Pace"]

_BEAT = 1 / 30  # seconds between two frames
_IN_FLIGHT = 2  # frames that the page may not have drawn yet
_LOOK_EVERY = 0.25  # seconds after which the weights are asked for though no frame may be sent: for the curves


class Pace:
    """The beat of one network's frames.

    Attributes
    ----------
    in_flight : set of int
        Numbers of frames that were sent and not acknowledged.

    Examples
    --------
    >>> pace = Pace()
    >>> for number in (1, 2, 3):
    ...     if pace.may_send(now=number):
    ...         pace.sent(number, now=number)
    >>> pace.in_flight
    {1, 2}
    """

    def __init__(self) -> None:
        self.in_flight: set[int] = set()
        self._next = self._looked = 0.0

    def may_send(self, now: float) -> bool:
        """Whether a frame may be sent now."""
        return len(self.in_flight) < _IN_FLIGHT and now >= self._next

    def may_look(self, now: float) -> bool:
        """Whether it is time to ask for the weights."""
        return self.may_send(now) or now - self._looked >= _LOOK_EVERY

    def looked(self, now: float) -> None:
        """Note that the weights were asked for."""
        self._looked = now

    def sent(self, number: int, now: float) -> None:
        """Note a frame; the next may follow a beat after it was due, so that a late one does not slow the beat."""
        self.in_flight.add(number)
        self._next = max(self._next, now - _BEAT) + _BEAT

    def drawn(self, number: int) -> None:
        """Note that the page has drawn a frame."""
        self.in_flight.discard(number)

    def rest(self, now: float) -> float:
        """Seconds that nothing needs to be looked at, unless a message comes."""
        return self._next - now if now < self._next else 0.05
