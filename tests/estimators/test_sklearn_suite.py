"""scikit-learn's own tests of its perceptrons, read from the installed package, with only the import changed.

No test is copied here: the source of the installed test module is loaded, the line that imports the estimators is
replaced by ours, and what results is collected as the tests of this module.
"""

import types
from collections.abc import Callable
from pathlib import Path

import pytest
import sklearn
from sklearn.utils.fixes import CSR_CONTAINERS  # noqa: F401 - fails here, and plainly, when scikit-learn moves it

ROOT = Path(sklearn.__file__).parent

#: Tests that are left out: they call private functions of scikit-learn's implementation, which ours does not have.
PRIVATE = {
    "test_gradient": "calls _loss_grad_lbfgs with hand-made buffers; tests/rules compares our gradients to autograd",
}

#: What scikit-learn's own configuration makes of warnings: they are no errors there.
pytestmark = [
    pytest.mark.filterwarnings("default"),
    pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning"),
    pytest.mark.filterwarnings("ignore::RuntimeWarning"),
]


def load(path: str, old: str, new: str) -> dict[str, Callable[..., None]]:
    """Execute a test module of scikit-learn with one import line replaced; return its tests."""
    source = (ROOT / path).read_text(encoding="utf-8")
    assert source.count(old) == 1, f"{path} no longer imports by {old!r}"
    module = types.ModuleType(f"strata_{Path(path).stem}")
    module.__file__ = str(ROOT / path)
    exec(compile(source.replace(old, new), str(ROOT / path), "exec"), module.__dict__)
    return {name: thing for name, thing in vars(module).items() if name.startswith("test_") and callable(thing)}


MLP = load(
    "neural_network/tests/test_mlp.py",
    "from sklearn.neural_network import MLPClassifier, MLPRegressor",
    "from strata import MLPClassifier, MLPRegressor",
)
PERCEPTRON = load(
    "linear_model/tests/test_perceptron.py",
    "from sklearn.linear_model import Perceptron",
    "from strata import Perceptron",
)

globals().update({name: test for name, test in {**MLP, **PERCEPTRON}.items() if name not in PRIVATE})


@pytest.fixture
def global_random_seed() -> int:
    """scikit-learn's fixture of the same name, at its default."""
    return 42


def test_the_suite_is_whole() -> None:
    """Nothing but the named private tests is left out, and they are still there to be left out."""
    assert len(MLP) >= 40
    assert len(PERCEPTRON) >= 4
    assert set(PRIVATE) <= set(MLP)
    assert "test_fit" in MLP
