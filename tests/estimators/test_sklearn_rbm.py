"""scikit-learn's own tests of its Boltzmann machine, read from the installed package, with only the import changed."""

import types
from pathlib import Path

import pytest
import sklearn

PATH = Path(sklearn.__file__).parent / "neural_network" / "tests" / "test_rbm.py"

#: What scikit-learn's own configuration makes of warnings: they are no errors there.
pytestmark = [pytest.mark.filterwarnings("default")]


def load() -> dict[str, object]:
    """Execute the test module with one import line replaced; return its tests."""
    source, old = PATH.read_text(encoding="utf-8"), "from sklearn.neural_network import BernoulliRBM"
    assert source.count(old) == 1
    module = types.ModuleType("strata_test_rbm")
    module.__file__ = str(PATH)
    exec(compile(source.replace(old, "from strata import BernoulliRBM"), str(PATH), "exec"), module.__dict__)
    return {name: thing for name, thing in vars(module).items() if name.startswith("test_") and callable(thing)}


TESTS = load()
globals().update(TESTS)


def test_they_are_all_here_and_ask_ours():
    assert len(TESTS) >= 13
    assert TESTS["test_fit"].__globals__["BernoulliRBM"].__module__ == "strata.estimators.rbm"
