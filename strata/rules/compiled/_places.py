"""The large pieces of a step: each is compiled by itself and called by its address, listed in one vector."""

__all__ = ["ACTIVATE", "HEAD_LOSS", "MULTIPLY", "MULTIPLY_DENSE", "SLOPE", "UPDATE"]

#: Places in the vector of addresses.
ACTIVATE, SLOPE, MULTIPLY, MULTIPLY_DENSE, UPDATE, HEAD_LOSS = range(6)
