"""Single neurons: fixed, learning by mistakes, learning by the delta rule."""

from strata.estimators._neurons import DeltaRulePerceptron, McCullochPitts
from strata.estimators._perceptron import Perceptron

__all__ = ["DeltaRulePerceptron", "McCullochPitts", "Perceptron"]
