"""How much of anything a page may ask for."""

from __future__ import annotations

from dataclasses import asdict, dataclass

__all__ = ["LIMITS", "Limits"]


@dataclass(frozen=True)
class Limits:
    """Upper bounds, all told to the page in ``hello``.

    Attributes
    ----------
    layers, units, features : int
        Of a network.
    samples, points, classes : int
        Of a data set: rows, points drawn by hand, classes.
    networks, epochs : int
        Networks of a bag, epochs of a run.
    grid : int
        Cells along one side of a map.
    sessions : int
        Pages at a time.
    message, data, model : int
        Bytes of a message, of an uploaded table and of an uploaded model.
    uploads : int
        Tables that a session keeps.
    messages : int
        Messages a second that a page may send over a longer time.
    waiting : int
        Messages that may wait for their answer.
    """

    layers: int = 6
    units: int = 8
    features: int = 100
    samples: int = 5000
    points: int = 5000
    classes: int = 10
    networks: int = 20
    epochs: int = 200_000
    grid: int = 200
    sessions: int = 8
    message: int = 1 << 20
    data: int = 4 << 20
    model: int = 64 << 20
    uploads: int = 8
    messages: int = 120
    waiting: int = 64

    def to_dict(self) -> dict[str, int]:
        """Return the limits as plain values."""
        return asdict(self)


LIMITS = Limits()
