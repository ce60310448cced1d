"""Places in the vector of the addresses of the large pieces of a step."""

__all__ = [
    "ACTIVATE",
    "HEAD_LOSS",
    "MULTIPLY",
    "MULTIPLY_DENSE",
    "NARROW_BACK",
    "NARROW_FORWARD",
    "NARROW_GRADIENT",
    "SLOPE",
    "UPDATE",
]

(
    ACTIVATE,
    SLOPE,
    MULTIPLY,
    MULTIPLY_DENSE,
    NARROW_FORWARD,
    NARROW_GRADIENT,
    NARROW_BACK,
    UPDATE,
    HEAD_LOSS,
) = range(9)
