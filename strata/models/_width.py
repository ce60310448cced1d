"""Narrower versions of a network: the same layers, every number of channels times a factor."""

__all__ = ["scaled"]


def scaled(channels: int, width: float) -> int:
    """Return so many channels times the width, rounded down, at least one."""
    if isinstance(width, bool) or not isinstance(width, (int, float)) or not 0 < width <= 16:
        raise ValueError(f"`width` must be above 0 and at most 16. Received: width={width!r}.")
    return max(1, int(channels * width))
