"""What moved to other files is found where it always was."""

import pickle

import pytest

import strata.rules.schedules
from strata.estimators import MLPClassifier, Perceptron

SCHEDULES = [
    "Adaptive",
    "Constant",
    "Cosine",
    "InverseScaling",
    "OneCycle",
    "ReduceOnPlateau",
    "Schedule",
    "StepDecay",
    "Warmup",
]


@pytest.mark.parametrize("name", SCHEDULES)
def test_pickles_that_name_the_old_place_of_a_schedule_are_read(name):
    written = f"cstrata.rules.schedules\n{name}\n.".encode()  # a pickle of the class, as it was written before
    assert pickle.loads(written) is getattr(strata.rules.schedules, name)
    assert pickle.loads(pickle.dumps(getattr(strata.rules.schedules, name))).__name__ == name


def test_the_estimators_stayed_in_their_modules():
    assert MLPClassifier.__module__ == "strata.estimators._mlp_classifier"
    assert Perceptron.__module__ == "strata.estimators._perceptron"
