"""Compiled back-propagation for dense networks: the lectures' matrix equations as one compiled loop."""

from strata.rules.compiled.bag import CompiledBag
from strata.rules.compiled.rule import CompiledDense
from strata.rules.compiled.trace import LayerTrace

__all__ = ["CompiledBag", "CompiledDense", "LayerTrace"]
