"""Published numbers, recomputed: every fact is measured by the code that users call.

The expected values stand beside their sources, in one file per part of the lectures.
"""

import strata.verify._activations
import strata.verify._autoencoders
import strata.verify._backprop
import strata.verify._bagging
import strata.verify._boltzmann
import strata.verify._capacity
import strata.verify._cells
import strata.verify._infert
import strata.verify._learning
import strata.verify._losses
import strata.verify._neurons
import strata.verify._optimizers
import strata.verify._regularisation
import strata.verify._structure
import strata.verify._vision  # noqa: F401 - importing the files registers their facts
from strata.verify._registry import SOURCES, Claim, Fact, as_rows, as_table, facts, verify

__all__ = ["Claim", "Fact", "SOURCES", "as_rows", "as_table", "facts", "verify"]
