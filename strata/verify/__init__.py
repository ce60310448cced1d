"""Published numbers, recomputed: every fact is measured by the code that users call.

The expected values stand beside their sources, in one file per part of the lectures.
"""

from strata.verify import _activations, _losses, _regularisation, _structure  # noqa: F401 - importing registers
from strata.verify._registry import SOURCES, Claim, Fact, as_rows, as_table, facts, verify

__all__ = ["SOURCES", "Claim", "Fact", "as_rows", "as_table", "facts", "verify"]
