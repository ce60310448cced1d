"""Fast layers for thin convolutional networks on the CPU: few channels, small images."""

from strata.rules.thin.rewriting import ThinForm

__all__ = ["ThinForm"]
