"""A model folder holds no state of the optimizer, a checkpoint does, and the documentation says both."""

import inspect

import numpy as np
import pytest

import strata
from strata import MLPRegressor
from strata.estimators import save_model

X = np.random.RandomState(0).normal(size=(40, 3))
Y = X @ [1.0, -2.0, 0.5]


def network(**settings):
    return MLPRegressor(hidden_layer_sizes=(5,), batch_size=40, shuffle=False, random_state=0, tol=0.0, **settings)


def test_learning_goes_on_with_a_fresh_optimizer_after_loading(tmp_path):
    kept = network()
    for _ in range(5):
        kept.partial_fit(X, Y)
    loaded = strata.load(kept.save(tmp_path / "model"))
    fresh = network().partial_fit(X, Y)
    for mine, its in zip([*fresh.coefs_, *fresh.intercepts_], [*kept.coefs_, *kept.intercepts_], strict=True):
        mine[...] = its
    fresh._trainer = None  # forget the moments, keep the weights
    for each in (kept, loaded, fresh):
        each.partial_fit(X, Y)
    assert all(np.array_equal(a, b) for a, b in zip(loaded.coefs_, fresh.coefs_, strict=True))
    assert not np.allclose(loaded.coefs_[0], kept.coefs_[0], rtol=0, atol=1e-8)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_learning_goes_on_as_if_nothing_had_happened_from_a_checkpoint(tmp_path):
    never_stopped = network(max_iter=9).fit(X, Y)
    network(max_iter=5, checkpoint=tmp_path / "run").fit(X, Y)
    resumed = network(max_iter=9, checkpoint=tmp_path / "run", resume=True).fit(X, Y)
    assert all(np.array_equal(a, b) for a, b in zip(never_stopped.coefs_, resumed.coefs_, strict=True))


@pytest.mark.parametrize("thing", [strata.load, save_model])
def test_the_docstrings_say_so(thing):
    words = " ".join(inspect.getdoc(thing).split())
    assert "fresh optimizer" in words
    assert "``checkpoint=folder``" in words and "``resume=True``" in words
