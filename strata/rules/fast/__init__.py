"""Convolutions that are faster than the library's on the CPU: over few channels, and of 3x3."""

from strata.rules.fast.rewriting import FastForm

__all__ = ["FastForm"]
