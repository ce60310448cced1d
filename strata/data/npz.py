"""NPZ archives, read without unpickling; the reader itself is on the ground floor, since networks' weights need it."""

from strata._npz import read_npz

__all__ = ["read_npz"]
