"""Published numbers, recomputed: every fact is measured by the code that users call.

The expected values stand beside their sources, in one file per part of the lectures.
"""

from strata.verify import (  # noqa: F401 - importing a file registers its facts
    _activations,
    _backprop,
    _capacity,
    _infert,
    _learning,
    _losses,
    _neurons,
    _optimizers,
    _regularisation,
    _structure,
)
from strata.verify._registry import SOURCES, Claim, Fact, as_rows, as_table, facts, verify

__all__ = ["SOURCES", "Claim", "Fact", "as_rows", "as_table", "facts", "verify"]
